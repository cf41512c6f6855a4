"""Flat faces touch in regions: the corners over them as contacts of their own, for the planner."""

from __future__ import annotations

from collections.abc import Sequence

import coal
import numpy as np

from fastmove.arrays import Array
from fastmove.multibody.assembly import Body
from fastmove.multibody.bounding_volumes import Bounding, PlacedVolumes

CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)
_TURN = np.arange(8) * np.pi / 4
RIM = np.array([[np.cos(t), np.sin(t), z] for t in _TURN for z in (-1.0, 1.0)])  # of a unit cylinder
MANIFOLD_OVERHANG = 0.015  # a corner this far beyond the other face still counts as over it [m]
MANIFOLD_FROM = 0.03  # boxes farther apart count as one contact [m]
MANIFOLD_BAND = 0.03  # corners farther than the nearest point by more are left out [m]


class ContactManifolds:
    """Bodies with flat faces: boxes and cylinders."""

    def __init__(self, bodies: Sequence[Body], bounding: Bounding) -> None:
        self._bounding, self._bodies = bounding, bodies
        self._flat = np.array([isinstance(b.geometry, coal.Box | coal.Cylinder) for b in bodies], dtype=bool)
        count = len(bodies)
        self._corners, self._real = np.zeros((count, len(RIM), 3)), np.zeros((count, len(RIM)), dtype=bool)
        self._half, self._rim = np.full((count, 3), np.inf), np.full(count, np.inf)  # what a point over a body is within

    def _know(self, body: int) -> None:
        """Corners of a box or cylinder in its own frame, and how far points over it are from its middle; once it is near."""
        shape = self._bodies[body].geometry
        if isinstance(shape, coal.Box):
            half = np.array(shape.halfSide)
            corners = CORNERS * half
        else:
            radius, reach = float(shape.radius), float(shape.halfLength)
            half, corners = np.array([np.inf, np.inf, reach]), RIM * [radius, radius, reach]
            self._rim[body] = radius + MANIFOLD_OVERHANG
        self._corners[body, : len(corners)], self._real[body, : len(corners)] = corners, True
        self._half[body] = half + MANIFOLD_OVERHANG

    def manifolds(
        self, placed: PlacedVolumes, sample: Array, pair: Array, distance: Array, normal: Array, one: Array, two: Array
    ) -> tuple[Array, Array, Array, Array, Array, Array]:
        """The contacts, and for two bodies with flat faces also the corners of each that lie over the other.

        A single witness point says nothing about turning: two parallel faces touch in a region.  Every corner v of one body
        (of a cylinder: points on its rims) that projects along n onto the other within 15 mm counts as a contact at its own
        distance n·(p − v) ≥ d.
        """
        first, second = self._bounding.first[pair], self._bounding.second[pair]
        near = np.nonzero(self._flat[first] & self._flat[second] & (distance < MANIFOLD_FROM))[0]
        if len(near) == 0:
            return sample, pair, distance, normal, one, two
        both = lambda a, b: np.stack([a, b], axis=1).reshape(-1, *a.shape[1:])  # noqa: E731 (corners of either body)
        rows = np.repeat(near, 2)
        body, other = both(first[near], second[near]), both(second[near], first[near])
        for k in np.unique(body[~self._real[body, 0]]):
            self._know(int(k))
        own, across = both(one[near], two[near]), both(two[near], one[near])
        towards = both(normal[near], -normal[near])
        corners, landing, gap = self._landings(placed, sample[rows], body, other, towards, across)
        chosen = (gap < distance[rows, None] + MANIFOLD_BAND) & (np.linalg.norm(corners - own[:, None], axis=2) > 1e-3)
        k, corner = np.nonzero(chosen)
        forward = (k % 2 == 0)[:, None]
        start, end, row = corners[k, corner], landing[k, corner], rows[k]
        new = (
            sample[row], pair[row], gap[k, corner], normal[row], np.where(forward, start, end), np.where(forward, end, start)
        )  # fmt: skip
        return tuple(map(np.concatenate, zip((sample, pair, distance, normal, one, two), new, strict=True)))  # type: ignore[return-value]

    def _landings(
        self, placed: PlacedVolumes, sample: Array, body: Array, other: Array, normal: Array, across: Array
    ) -> tuple[Array, Array, Array]:
        """Corners (K, C, 3) of K bodies, where they land on the others along the normals (K, 3) towards these, and their gaps
        (K, C): infinite where they do not."""
        (turn, origin), (other_turn, other_origin) = placed.frames(sample, body), placed.frames(sample, other)
        corners = self._corners[body] @ turn.transpose(0, 2, 1) + origin[:, None]
        gap = ((across[:, None] - corners) @ normal[:, :, None])[..., 0]
        landing = corners + gap[..., None] * normal[:, None]
        local = (landing - other_origin[:, None]) @ other_turn
        over = np.all(np.abs(local) <= self._half[other, None], axis=2)
        over &= np.hypot(local[..., 0], local[..., 1]) <= self._rim[other, None]
        return corners, landing, np.where(over & self._real[body], gap, np.inf)
