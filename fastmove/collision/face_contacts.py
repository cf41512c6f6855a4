"""Contacts of flat faces, for the planner: corners of one body over the other, since two faces touch in a region."""

from __future__ import annotations

from collections.abc import Sequence

import coal
import numpy as np

from fastmove.arrays import Array
from fastmove.compiled import compiled, row_by_column, row_by_vector
from fastmove.multibody.assembly import Body
from fastmove.multibody.bounding_volumes import Bounding, PlacedVolumes

# Corners of a box of half edges 1 [1].
CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)
_TURN = np.arange(8) * np.pi / 4  # Angles of the points on a cylinder's rims [rad].
# Points on the rims of a cylinder of radius and half length 1 [1].
RIM = np.array([[np.cos(t), np.sin(t), z] for t in _TURN for z in (-1.0, 1.0)])
MANIFOLD_OVERHANG = 0.015  # Overhang up to which a corner beyond the other face counts as over it [m].
OWN_WITNESS = 1e-3  # Distance of a corner from its body's witness point up to which it is the same contact [m].
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
        for k in np.unique(np.concatenate([first[near], second[near]])):
            if not self._real[k, 0]:
                self._know(int(k))
        witnesses = distance, normal, np.stack([one, two])
        b = self._bounding
        frames = placed.rotation, placed.origin, b.local_rotation, b.local_origin
        solids = self._corners, self._real, self._half, self._rim
        row, gap, start, end = _landings(near, sample, first, second, witnesses, frames, solids)
        new = sample[row], pair[row], gap, normal[row], start, end
        return tuple(map(np.concatenate, zip((sample, pair, distance, normal, one, two), new, strict=True)))  # type: ignore[return-value]


@compiled
def _landings(
    near: Array,
    sample: Array,
    first: Array,
    second: Array,
    witnesses: tuple[Array, Array, Array],
    frames: tuple[Array, Array, Array, Array],
    solids: tuple[Array, Array, Array, Array],
) -> tuple[Array, Array, Array, Array]:
    """Project the corners of the two bodies of contacts onto each other.

    Args:
        near: (K,) contacts of two flat bodies.
        sample: (C,) configuration of each contact.
        first: (C,) its first body.
        second: (C,) its second body.
        witnesses: Distances (C,) [m], normals (C, 3), and nearest points (2, C, 3) of both bodies [m].
        frames: Rotations (N, B, 3, 3) and origins (N, B, 3) of the bodies up to the last that moves, and of all that stand still.
        solids: Corners (B, R, 3) of all flat bodies, which of them there are, and the bounds (B, 3) and (B,) of a point over one.

    Returns:
        Contacts that the corners chosen belong to, their gaps [m], and their points on the first and on the second body [m].
    """
    corners, real = solids[:2]
    size = 2 * len(near) * corners.shape[1]
    row, gaps, ends, count = np.empty(size, dtype=np.int64), np.empty(size), np.empty((2, size, 3)), 0
    out = np.empty((3, 3))
    for c in near:
        for side in range(2):
            body, other = (first[c], second[c]) if side == 0 else (second[c], first[c])
            for k in range(corners.shape[1]):
                if not real[body, k]:
                    continue
                gap = _landing(c, side, (sample[c], body, other), corners[body, k], witnesses, frames, solids, out)
                if gap < witnesses[0][c] + MANIFOLD_BAND:
                    row[count], gaps[count] = c, gap
                    ends[side, count], ends[1 - side, count] = out[0], out[1]
                    count += 1
    return row[:count], gaps[:count], ends[0, :count], ends[1, :count]


@compiled
def _landing(
    c: int,
    side: int,
    where: tuple[int, int, int],
    local: Array,
    witnesses: tuple[Array, Array, Array],
    frames: tuple[Array, Array, Array, Array],
    solids: tuple[Array, Array, Array, Array],
    out: Array,
) -> float:
    """Project one corner of a body onto the plane through the witness point of the other, at right angles to the normal.

    Args:
        c: The contact.
        side: Which of its two bodies has the corner.
        where: Configuration, body, and the other body.
        local: (3,) corner in the body's own frame [m].
        witnesses: See `_landings`.
        frames: See `_landings`.
        solids: See `_landings`.
        out: (3, 3) where the corner and the point of the plane in the world, and the latter in the other body's frame, go [m].

    Returns:
        The gap between the two, infinite where the corner is not over the other body, or is its body's own witness point [m].
    """
    (sample, body, other), (corner, landing, local_landing) = where, (out[0], out[1], out[2])
    _, normal, points = witnesses
    moves, other_moves = body < frames[0].shape[1], other < frames[0].shape[1]
    turn, origin = (frames[0][sample, body], frames[1][sample, body]) if moves else (frames[2][body], frames[3][body])
    aside = 0.0
    for i in range(3):
        corner[i] = row_by_column(local[0], local[1], local[2], turn[i, 0], turn[i, 1], turn[i, 2]) + origin[i]
        aside += (corner[i] - points[side, c, i]) ** 2
    sign = 1.0 if side == 0 else -1.0
    n = sign * normal[c, 0], sign * normal[c, 1], sign * normal[c, 2]
    to = points[1 - side, c]
    gap = row_by_vector(to[0] - corner[0], to[1] - corner[1], to[2] - corner[2], n[0], n[1], n[2])
    if not np.sqrt(aside) > OWN_WITNESS:
        return np.inf
    turn, origin = (frames[0][sample, other], frames[1][sample, other]) if other_moves else (frames[2][other], frames[3][other])
    for i in range(3):
        landing[i] = corner[i] + gap * n[i]
    x, y, z = landing[0] - origin[0], landing[1] - origin[1], landing[2] - origin[2]
    for k in range(3):
        local_landing[k] = row_by_column(x, y, z, turn[0, k], turn[1, k], turn[2, k])
        if not abs(local_landing[k]) <= solids[2][other, k]:
            return np.inf
    return gap if np.hypot(local_landing[0], local_landing[1]) <= solids[3][other] else np.inf
