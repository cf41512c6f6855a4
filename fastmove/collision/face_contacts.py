"""Contacts of flat faces, for the planner: corners of one body over the other, since two faces touch in a region."""

from __future__ import annotations

from collections.abc import Sequence

import coal
import numpy as np

from fastmove.arrays import Array
from fastmove.multibody.assembly import Body
from fastmove.multibody.bounding_volumes import Bounding, PlacedVolumes

# Corners of a box of half edges 1 [1].
CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)
_TURN = np.arange(8) * np.pi / 4  # Angles of the points on a cylinder's rims [rad].
# Points on the rims of a cylinder of radius and half length 1 [1].
RIM = np.array([[np.cos(t), np.sin(t), z] for t in _TURN for z in (-1.0, 1.0)])
MANIFOLD_OVERHANG = 0.015  # Overhang up to which a corner beyond the other face counts as over it [m].
MANIFOLD_FROM = 0.03  # Distance from which two bodies make one contact only [m].
MANIFOLD_BAND = 0.03  # Excess of a corner's gap over the pair's distance from which it is left out [m].


class ContactManifolds:
    """Finds the corners of boxes and cylinders that lie over a flat face of another, as contacts of their own.

    Args:
        bodies: All bodies.
        bounding: Their bounding volumes, with the list of pairs.
    """

    def __init__(self, bodies: Sequence[Body], bounding: Bounding) -> None:
        self._bounding, self._bodies = bounding, bodies
        self._flat = np.array([isinstance(b.geometry, coal.Box | coal.Cylinder) for b in bodies], dtype=bool)
        count = len(bodies)
        self._corners, self._real = np.zeros((count, len(RIM), 3)), np.zeros((count, len(RIM)), dtype=bool)
        self._half, self._rim = np.full((count, 3), np.inf), np.full(count, np.inf)  # Bounds of a point over a body.

    def _know(self, body: int) -> None:
        """Store a flat body's corners in its own frame and the bounds within which a point is over it; done once it is near."""
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
        """Append, for two bodies with flat faces, the corners of each that lie over the other to given contacts.

        A single witness point says nothing about turning: two parallel faces touch in a region.  Every corner v of one body
        (of a cylinder: points on its rims) that projects along n onto the other, or within 15 mm of it, counts as a contact at
        its own distance n·(p − v) ≥ d.

        Args:
            placed: All bodies in the world.
            sample: (C,) configuration of each contact.
            pair: (C,) its pair.
            distance: (C,) signed distance d [m].
            normal: (C, 3) unit normal n from the first body to the second, in the world.
            one: (C, 3) witness point on the first body, in the world [m].
            two: (C, 3) witness point p on the second body, in the world [m].

        Returns:
            The same six arrays with the new contacts after the given ones.
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
        """Project the corners of K bodies onto K others.

        Args:
            placed: All bodies in the world.
            sample: (K,) configurations.
            body: (K,) bodies with corners.
            other: (K,) bodies that they are projected onto.
            normal: (K, 3) unit normals from body to other, in the world.
            across: (K, 3) witness points on the others, in the world [m].

        Returns:
            Corners (K, R, 3) in the world, where they land on the plane through `across` (K, R, 3), and the gaps between the two
            (K, R), infinite where the corner is not over the other body [m].
        """
        (turn, origin), (other_turn, other_origin) = placed.frames(sample, body), placed.frames(sample, other)
        corners = self._corners[body] @ turn.transpose(0, 2, 1) + origin[:, None]
        gap = ((across[:, None] - corners) @ normal[:, :, None])[..., 0]
        landing = corners + gap[..., None] * normal[:, None]
        local = (landing - other_origin[:, None]) @ other_turn
        over = np.all(np.abs(local) <= self._half[other, None], axis=2)
        over &= np.hypot(local[..., 0], local[..., 1]) <= self._rim[other, None]
        return corners, landing, np.where(over & self._real[body], gap, np.inf)
