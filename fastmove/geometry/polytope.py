"""Convex hulls of points, and polytopes given by their extents along fixed directions."""

from __future__ import annotations

import coal
import numpy as np

from fastmove.arrays import Array
from fastmove.errors import InputError


def even_directions(count: int) -> Array:
    """Returns evenly spread unit vectors (count, 3).

    They form a Fibonacci lattice (Swinbank & Purser, Q. J. R. Meteorol. Soc. 132, 2006).
    """
    k = np.arange(count)
    z, turn = 1 - (2 * k + 1) / count, k * np.pi * (3 - np.sqrt(5))
    ring = np.sqrt(1 - z * z)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=1)


def extent_directions() -> Array:
    """Returns the unit vectors (162, 3) along which the extents of a link are given.

    The first 26 point towards the faces, edges and corners of a cube, the others are evenly spread.
    """
    cube = np.array([v for v in np.ndindex(3, 3, 3) if v != (1, 1, 1)], dtype=float) - 1
    return np.concatenate([cube / np.linalg.norm(cube, axis=1)[:, None], even_directions(136)])


def polytope(support_values: Array) -> coal.CollisionGeometry:
    """Returns the convex body of all points x with n·x ≤ h for every direction n of `extent_directions`.

    It is found by duality: around an inner point c the planes are points n / (h − n·c), and every facet of their hull is a
    corner of the body.

    Args:
        support_values: Extents h (162,) [m].

    Raises:
        InputError: The middle of the extents along x, y, z is not inside the body.
    """
    normals, h = extent_directions(), np.asarray(support_values, dtype=float)
    reach = np.array([[h[np.argmax(normals @ axis)], h[np.argmax(-normals @ axis)]] for axis in np.eye(3)])
    middle = (reach[:, 0] - reach[:, 1]) / 2
    plane_distances = h - normals @ middle
    if np.any(plane_distances < 1e-6):
        raise InputError("extents", "enclose no body around their middle")
    dual = coal.Convex.convexHull(_points(normals / plane_distances[:, None]), True, "Qt")
    facets = np.array([[t[0], t[1], t[2]] for t in (dual.polygons(k) for k in range(dual.num_polygons))])
    planes = np.asarray(dual.points()).reshape(-1, 3)[facets]
    flat = np.abs(np.linalg.det(planes)) < 1e-9 * np.prod(np.linalg.norm(planes, axis=2), axis=1)
    corners = np.linalg.solve(planes[~flat], np.ones((int((~flat).sum()), 3, 1)))[:, :, 0] + middle
    return hull_of_points(corners)


def hull_of_points(points: Array) -> coal.CollisionGeometry:
    """Returns the convex hull of points (K, 3) [m]."""
    return coal.Convex.convexHull(_points(points), True, "Qt")


def _points(rows: Array) -> coal.StdVec_Vec3s:
    """Converts points (K, 3) to coal's list of points."""
    points = coal.StdVec_Vec3s()
    for row in rows:
        points.append(row)
    return points
