"""Curve through configurations along which a path is retimed."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline

from fastmove.arrays import Array
from fastmove.errors import InputError
from fastmove.trajectory.trajectory import Trajectory

NEAR_SAMPLES = 2000  # Number of intervals of the curve's samples among which the nearest point is searched.


def waypoints(path: object) -> Array:
    """Returns the configurations (K, n) [rad] of a path that is no trajectory.

    Raises:
        InputError: There are fewer than two, or numbers that are not finite.
    """
    points = np.atleast_2d(np.asarray(path, dtype=float))
    if points.ndim != 2 or len(points) < 2 or not np.all(np.isfinite(points)):
        raise InputError("path", "needs at least two configurations of finite numbers, or a Trajectory")
    return points


class PathCurve:
    """A twice differentiable curve f(σ), 0 ≤ σ ≤ 1, through configurations.

    Args:
        knots: Parameters σ of the configurations (K,), increasing from 0 to 1.
        points: Configurations (K, n) [rad], joined by a cubic spline.
        timed: Whether σ is the time of a motion as a share of its duration; else it is a share of the length.
    """

    def __init__(self, knots: Array, points: Array, timed: bool = False) -> None:
        self.timed = timed
        self._spline = CubicSpline(knots, points, axis=0)
        self._slope = self._spline.derivative()
        self._dense = np.linspace(0, 1, NEAR_SAMPLES + 1)
        self._seen = self._spline(self._dense)

    @staticmethod
    def through(path: object) -> PathCurve:
        """Builds the curve through a trajectory, or through configurations.

        Args:
            path: `Trajectory`, or configurations in order (K, n) [rad].

        Raises:
            InputError: There are fewer than two different configurations, or numbers that are not finite.
        """
        if isinstance(path, Trajectory):
            motion = path.motion()
            even = np.linspace(0, path.duration, 201)  # knots of a spline must be farther apart than rounding errors
            apart = np.abs(even[:, None] - motion.times).min(axis=1) > 1e-3 * path.duration
            times = np.sort(np.concatenate([motion.times, even[apart]]))
            return PathCurve(times / path.duration, motion(times), timed=True)
        points = waypoints(path)
        steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
        kept = np.concatenate([[True], steps > 1e-9])
        points, steps = points[kept], steps[kept[1:]]
        if len(points) < 2:
            raise InputError("path", "stays where it is; it needs two different configurations")
        return PathCurve(np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum(), points)

    def at(self, sigma: Array) -> Array:
        """Returns the configurations (N, n) [rad] at σ (N,), clipped to [0, 1]."""
        return np.asarray(self._spline(np.clip(sigma, 0.0, 1.0)))

    def slope(self, sigma: Array) -> Array:
        """Returns the derivatives df/dσ (N, n) [rad] at σ (N,), clipped to [0, 1]."""
        return np.asarray(self._slope(np.clip(sigma, 0.0, 1.0)))

    def nearest(self, points: Array, after: bool = True) -> Array:
        """Returns the parameters σ (N,) of the curve's points that are nearest to given points.

        Args:
            points: Configurations (N, n) [rad].
            after: Whether each point is searched only on the curve after the one before it, to within a sample.
        """
        sigmas, least = np.empty(len(points)), 0
        for k, point in enumerate(points):
            distances = np.linalg.norm(self._seen[least:] - point, axis=1)
            j = least + int(np.argmin(distances))
            sigma = self._dense[j]
            for _ in range(5):  # Newton's method on (f − p)·f' = 0, without the term of the curvature
                slope = self.slope(np.array([sigma]))[0]
                sigma -= float((self.at(np.array([sigma]))[0] - point) @ slope) / max(float(slope @ slope), 1e-12)
                sigma = float(np.clip(sigma, self._dense[max(j - 1, 0)], self._dense[min(j + 1, NEAR_SAMPLES)]))
            sigmas[k] = sigma
            least = max(j - 1, 0) if after else 0
        return sigmas
