"""A curve through configurations, by arc length: what a retimed path is run along."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline

from fastmove.arrays import Array
from fastmove.errors import InputError
from fastmove.trajectory.trajectory import Trajectory

NEAR_SAMPLES = 2000  # of the curve, where a point's place on it is looked for


class PathCurve:
    """A curve f(σ), 0 ≤ σ ≤ 1, twice differentiable.

    Args:
        knots: (K,) increasing from 0 to 1;  points: (K, n) configurations there, joined by a cubic spline [rad].
        timed: whether σ is the time of a motion.
    """

    def __init__(self, knots: Array, points: Array, timed: bool = False) -> None:
        self.timed = timed
        self._spline = CubicSpline(knots, points, axis=0)
        self._slope = self._spline.derivative()
        self._dense = np.linspace(0, 1, NEAR_SAMPLES + 1)
        self._seen = self._spline(self._dense)

    @staticmethod
    def through(path: object) -> PathCurve:
        """From a trajectory, or from configurations (K, n) in order.

        Raises:
            InputError: fewer than two different configurations, or numbers that are not finite.
        """
        if isinstance(path, Trajectory):
            motion = path.motion()
            even = np.linspace(0, path.duration, 201)  # knots of a spline must not be rounding apart
            apart = np.abs(even[:, None] - motion.times).min(axis=1) > 1e-3 * path.duration
            times = np.sort(np.concatenate([motion.times, even[apart]]))
            return PathCurve(times / path.duration, motion(times), timed=True)
        points = np.atleast_2d(np.asarray(path, dtype=float))
        if points.ndim != 2 or len(points) < 2 or not np.all(np.isfinite(points)):
            raise InputError("path", "needs at least two configurations of finite numbers, or a Trajectory")
        steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
        kept = np.concatenate([[True], steps > 1e-9])
        points, steps = points[kept], steps[kept[1:]]
        if len(points) < 2:
            raise InputError("path", "stays where it is; it needs two different configurations")
        return PathCurve(np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum(), points)

    def at(self, sigma: Array) -> Array:
        return np.asarray(self._spline(np.clip(sigma, 0.0, 1.0)))

    def slope(self, sigma: Array) -> Array:
        return np.asarray(self._slope(np.clip(sigma, 0.0, 1.0)))

    def nearest(self, points: Array, after: bool = True) -> Array:
        """σ of the curve's points nearest to points (N, n); `after`: in order along it."""
        found, least = np.empty(len(points)), 0
        for k, point in enumerate(points):
            gaps = np.linalg.norm(self._seen[least:] - point, axis=1)
            j = least + int(np.argmin(gaps))
            sigma = self._dense[j]
            for _ in range(5):  # Newton on (f − p)·f' = 0, curvature left out
                slope = self.slope(np.array([sigma]))[0]
                sigma -= float((self.at(np.array([sigma]))[0] - point) @ slope) / max(float(slope @ slope), 1e-12)
                sigma = float(np.clip(sigma, self._dense[max(j - 1, 0)], self._dense[min(j + 1, NEAR_SAMPLES)]))
            found[k] = sigma
            least = max(j - 1, 0) if after else 0
        return found
