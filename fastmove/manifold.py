"""Flat faces touch in regions: the corners over them as contacts of their own, for the planner."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import coal
import numpy as np

from fastmove.assembly import Body
from fastmove.bounding import Bounding, Placed
from fastmove.spline import Array

CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)
_TURN = np.arange(8) * np.pi / 4
RIM = np.array([[np.cos(t), np.sin(t), z] for t in _TURN for z in (-1.0, 1.0)])  # of a unit cylinder
MANIFOLD_OVERHANG = 0.015  # a corner this far beyond the other face still counts as over it [m]
MANIFOLD_FROM = 0.03  # boxes farther apart count as one contact [m]
MANIFOLD_BAND = 0.03  # corners farther than the nearest point by more are left out [m]


class Faces:
    """Bodies with flat faces: boxes and cylinders."""

    def __init__(self, bodies: Sequence[Body], bounding: Bounding) -> None:
        self._bounding = bounding
        self._bodies = bodies
        self._known: dict[int, tuple[Array, Callable[[Array], Array]]] = {}
        self._flat = np.array([isinstance(b.geometry, coal.Box | coal.Cylinder) for b in bodies], dtype=bool)

    def manifolds(
        self, placed: Placed, sample: Array, pair: Array, distance: Array, normal: Array, one: Array, two: Array
    ) -> tuple[Array, Array, Array, Array, Array, Array]:
        """The contacts, and for two bodies with flat faces also the corners of each that lie over the other.

        A single witness point says nothing about turning: two parallel faces touch in a region.  Every corner v of one body
        (of a cylinder: points on its rims) that projects along n onto the other within 15 mm counts as a contact at its own
        distance n·(p − v) ≥ d.
        """
        first, second = self._bounding.first[pair], self._bounding.second[pair]
        near = np.nonzero(self._flat[first] & self._flat[second] & (distance < MANIFOLD_FROM))[0]
        found = [(sample, pair, distance, normal, one, two)]
        for row in near:
            for body, other, sign, own, across in (
                (first[row], second[row], 1.0, one[row], two[row]),
                (second[row], first[row], -1.0, two[row], one[row]),
            ):
                corners, landing, gap = self._landings(placed, sample[row], body, other, sign * normal[row], across)
                chosen = (gap < distance[row] + MANIFOLD_BAND) & (np.linalg.norm(corners - own, axis=1) > 1e-3)
                corners, landing, gap = corners[chosen], landing[chosen], gap[chosen]
                count = len(gap)
                ends = (corners, landing) if sign > 0 else (landing, corners)
                repeated = np.full(count, sample[row]), np.full(count, pair[row]), gap, np.tile(normal[row], (count, 1))
                found.append((*repeated, *ends))
        return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))  # type: ignore[return-value]

    def _faces(self, body: int) -> tuple[Array, Callable[[Array], Array]]:
        if body not in self._known:
            self._known[body] = _faces(self._bodies[body].geometry)
        return self._known[body]

    def _landings(
        self, placed: Placed, sample: int, body: int, other: int, normal: Array, across: Array
    ) -> tuple[Array, Array, Array]:
        """Corners (K, 3) of one body that lie over the other along the normal (towards it), where they land, and their gaps."""
        points, over = self._faces(body)[0], self._faces(other)[1]
        (turn, origin), (other_turn, other_origin) = placed.frame(sample, body), placed.frame(sample, other)
        corners = points @ turn.T + origin
        gap = (across - corners) @ normal
        landing = corners + gap[:, None] * normal
        inside = over((landing - other_origin) @ other_turn)
        return corners[inside], landing[inside], gap[inside]


def _faces(shape: coal.CollisionGeometry) -> tuple[Array, Callable[[Array], Array]]:
    """Corners (K, 3) of a box or cylinder, and whether points (K, 3) are within 15 mm of it, both in its own frame."""
    if isinstance(shape, coal.Box):
        half = np.asarray(shape.halfSide) + 0.0
        return CORNERS * half, lambda p: np.all(np.abs(p) <= half + MANIFOLD_OVERHANG, axis=1)
    radius, reach = float(shape.radius), float(shape.halfLength)
    rims = RIM * [radius, radius, reach]
    return (
        rims,
        lambda p: (np.hypot(p[:, 0], p[:, 1]) <= radius + MANIFOLD_OVERHANG) & (np.abs(p[:, 2]) <= reach + MANIFOLD_OVERHANG),
    )
