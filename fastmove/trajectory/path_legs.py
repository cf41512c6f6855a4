"""Legs of a path given by configurations: stretches that one smooth curve follows within a tolerance, with stops between them.

A spline through waypoints leaves the lines between them at corners, and swings where a path doubles back.  So a path is one
curve only where that stays within the tolerance of the lines; else it is divided at its sharpest corner, where the motion stops.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastmove.arrays import Array
from fastmove.errors import InputError
from fastmove.trajectory.path_curve import PathCurve, waypoints

SAME = 1e-9  # Distance up to which two configurations are one whatever the tolerance [rad].
BETWEEN = 12  # Number of samples between two waypoints at which a curve is compared with the line.


def path_legs(path: object, tolerance: float, place: Callable[[Array], Array]) -> list[Array]:
    """Returns the legs (K, n) [rad] of a path, each beginning where the one before it ends.

    Waypoints nearer than half the tolerance to the one before are merged with it, and no curve leaves the lines between the rest
    by more than the other half.  Where a path turns back by more than a right angle it always stops.

    Args:
        path: Configurations in order (K, n) [rad].
        tolerance: Largest distance from the path, of every joint [rad] and of every point of `place` [m].
        place: Function from configurations (N, n) to points of the tool in the world (N, 3) [m].

    Raises:
        InputError: There are fewer than two different configurations, or numbers that are not finite.
    """
    points = _merged(waypoints(path), max(tolerance / 2, SAME), place)
    if len(points) < 2:
        raise InputError("path", "stays where it is; it needs two different configurations")
    return _divided(points, tolerance / 2, place)


def sharpest(points: Array) -> int:
    """Returns the waypoint between the ends of (K, n), K ≥ 3, at which the path turns most."""
    steps = np.diff(points, axis=0)
    steps /= np.linalg.norm(steps, axis=1)[:, None]
    return 1 + int(np.argmin(np.sum(steps[:-1] * steps[1:], axis=1)))


def _divided(points: Array, tolerance: float, place: Callable[[Array], Array]) -> list[Array]:
    if len(points) == 2:
        return [points]
    k = sharpest(points)
    turns_back = np.dot(points[k] - points[k - 1], points[k + 1] - points[k]) < 0
    if not turns_back and _departure(points, place) <= max(tolerance, SAME):
        return [points]
    return _divided(points[: k + 1], tolerance, place) + _divided(points[k:], tolerance, place)


def _merged(points: Array, radius: float, place: Callable[[Array], Array]) -> Array:
    """The points without those that are nearer than `radius` to the last one kept; both ends stay."""
    seen, kept = place(points), [0]
    near = lambda j, k: max(np.abs(points[j] - points[k]).max(), np.linalg.norm(seen[j] - seen[k])) <= radius  # noqa: E731
    for k in range(1, len(points)):
        if not near(k, kept[-1]):
            kept.append(k)
    last = len(points) - 1
    if kept[-1] != last:
        kept = [*(kept[:-1] if len(kept) > 1 else kept), last]
    return points[kept] if len(kept) > 2 or not near(0, last) else points[:1]


def _departure(points: Array, place: Callable[[Array], Array]) -> float:
    """Largest distance of the curve through points (K, n) from the lines between them, of joints [rad] and the tool [m]."""
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    knots = np.concatenate([[0.0], np.cumsum(lengths)]) / lengths.sum()
    share = np.linspace(0, 1, BETWEEN + 2)[1:-1]
    sigma = (knots[:-1, None] + share * np.diff(knots)[:, None]).ravel()
    curve, step = PathCurve.through(points).at(sigma), np.repeat(np.diff(points, axis=0), BETWEEN, axis=0)
    begin = np.repeat(points[:-1], BETWEEN, axis=0)
    along = np.clip(np.sum((curve - begin) * step, axis=1) / np.sum(step * step, axis=1), 0.0, 1.0)
    line = begin + along[:, None] * step
    return float(max(np.abs(curve - line).max(), np.linalg.norm(place(curve) - place(line), axis=1).max()))
