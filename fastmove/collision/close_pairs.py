"""Pairs of bodies that may be near each other at many configurations, for the planner: compiled loops over bounding volumes.

A pair is left out as soon as one of these lower bounds of its distance is large enough:

    two moving bodies        their spheres; their capsules
    moving and fixed body    boxes along the world's axes; capsule before the fixed body's box (its faces, then its edges)
    both                     their oriented boxes (`_box_gap`)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastmove.arrays import Array
from fastmove.collision.query_types import StepReach
from fastmove.compiled import compiled, row_by_column
from fastmove.multibody.assembly import Body
from fastmove.multibody.bounding_volumes import Bounding, PlacedVolumes, own_box

SLACK = 1e-6  # Excess over the reach from which a pair of boxes is left out; distances are exact to less [m].


class Volumes(NamedTuple):
    """Bounding volumes of all bodies in their own frames, or in the world if fixed, and the pairs between them.

    Attributes:
        first: (P,) first body of every pair.
        second: (P,) second body of every pair.
        box: (P,) fixed box of the second body of every pair, -1 where it moves.
        moving_pairs: Pairs whose second body moves.
        radius: (B,) radii of the capsules of the bodies up to the last that moves [m].
        sphere: (B,) radii of their spheres [m].
        middle: (B, 3) centres of their boxes in their own frames [m].
        half: (B, 3) half edges of their boxes [m].
        box_turn: (F, 3, 3) rotations of the boxes of the fixed bodies in the world.
        box_middle: (F, 3) their centres in the world [m].
        box_half: (F, 3) their half edges [m].
        box_low: (F, 3) lowest corners of the boxes along the world's axes around them [m].
        box_high: (F, 3) highest corners of these [m].
        leaves: (L, 4) fixed boxes of every leaf of a k-d tree, -1 where there are fewer.
        leaf_low: (L, 3) lowest corners of the boxes along the world's axes around the leaves [m].
        leaf_high: (L, 3) highest corners of these [m].
        movers: (M,) bodies that are the first of a pair.
        pair_of: (M, F) pair of every mover and fixed box, -1 where there is none.
    """

    first: Array
    second: Array
    box: Array
    moving_pairs: Array
    radius: Array
    sphere: Array
    middle: Array
    half: Array
    box_turn: Array
    box_middle: Array
    box_half: Array
    box_low: Array
    box_high: Array
    leaves: Array
    leaf_low: Array
    leaf_high: Array
    movers: Array
    pair_of: Array


class Within(NamedTuple):
    """Up to which distance pairs are asked for.

    Attributes:
        limit: (N,) margin of each row [m].
        padding: Margin that a pair keeps which no step can bring near [m]; infinite where no step is given.
        turn: (N,) largest change of every joint in a step [rad].
        travels: (P,) largest relative displacement of each pair for 1 rad (or m) of every joint [m].
        by_row: (N,) margin of any pair of each row at most [m].
        by_pair: (P,) margin of each pair in any row at most [m].
        required: (P,) largest required distance of each pair [m].
        highest: (P,) the largest of these among all pairs of the same two groups [m]; infinite where boxes leave none out.
    """

    limit: Array
    padding: float
    turn: Array
    travels: Array
    by_row: Array
    by_pair: Array
    required: Array
    highest: Array

    @staticmethod
    def of(limit: Array, step: StepReach | None, travels: Array, required: Array, highest: Array) -> Within:
        """Margins in N rows, given a step or None, and what is known of the P pairs."""
        limit = np.array(limit)  # Of one kind of array: every other would be compiled for anew.
        if step is None:
            return Within(limit, np.inf, np.zeros(len(limit)), travels, limit, np.full(len(travels), np.inf), required, highest)
        by_row = np.minimum(limit, step.padding + step.turn * float(travels.max(initial=0.0)))
        by_pair = step.padding + float(step.turn.max(initial=0.0)) * travels
        return Within(limit, step.padding, step.turn, travels, by_row, by_pair, required, highest)


class ClosePairs:
    """Finds the pairs whose bounding volumes are near each other.

    Args:
        bodies: All bodies.
        bounding: Their bounding volumes, with the pairs.
    """

    def __init__(self, bodies: Sequence[Body], bounding: Bounding) -> None:
        b = bounding
        boxes = [own_box(body.geometry) for body in bodies[: b.n_moving]]
        middle, half = (np.array([box[k] for box in boxes]).reshape(-1, 3) for k in (0, 1))
        volumes = (
            b.first, b.second, np.where(b.fixed, b.box_of[b.second], -1), b.moving_pairs, b.radius, b.sphere, middle, half,
            b.box_turn, b.box_middle, b.box_half, b.box_low, b.box_high, b.leaves, b.leaf_low, b.leaf_high, b.movers, b.pair_of,
        )  # fmt: skip
        self._volumes = Volumes(*map(np.ascontiguousarray, volumes))
        own = b.joint[: b.n_moving], b.local_rotation[: b.n_moving], b.local_origin[: b.n_moving], b.segment
        self._bounding, self._own = b, tuple(map(np.ascontiguousarray, own))

    def place(self, rotation: Array, origin: Array) -> PlacedVolumes:
        """All bodies in the world, as `Bounding.place` places them, given the frames' rotations and origins there."""
        return PlacedVolumes(self._bounding, *_placed(np.ascontiguousarray(rotation), np.ascontiguousarray(origin), *self._own))

    def find(self, placed: PlacedVolumes, within: Within) -> tuple[Array, Array]:
        """Rows (K,) and pairs (K,), sorted by row, then by pair, that may be nearer than asked for."""
        rows, pairs = _close(placed.segment, placed.rotation, placed.origin, self._volumes, within)
        order = np.argsort(rows * len(self._volumes.first) + pairs)
        return rows[order], pairs[order]


@compiled
def _placed(rotation: Array, origin: Array, joint: Array, turn: Array, place: Array, axis: Array) -> tuple[Array, Array, Array]:
    """Place B bodies and the axes of their capsules in N rows.

    Args:
        rotation: (N, J, 3, 3) rotations of the joint frames.
        origin: (N, J, 3) their origins [m].
        joint: (B,) frame that each body is fixed to.
        turn: (B, 3, 3) rotations of the bodies' own frames in these.
        place: (B, 3) origins of the bodies' own frames in these [m].
        axis: (B, 2, 3) ends of the capsules' axes in these [m].

    Returns:
        The bodies' rotations (N, B, 3, 3), origins (N, B, 3) and ends of axes (N, B, 2, 3) in the world.
    """
    rows, count = len(rotation), len(joint)
    turned, moved, ends = np.empty((rows, count, 3, 3)), np.empty((rows, count, 3)), np.empty((rows, count, 2, 3))
    for row in range(rows):
        for b in range(count):
            r, o, t = rotation[row, joint[b]], origin[row, joint[b]], turn[b]
            for i in range(3):
                x, y, z = r[i, 0], r[i, 1], r[i, 2]
                moved[row, b, i] = row_by_column(x, y, z, place[b, 0], place[b, 1], place[b, 2]) + o[i]
                for e in range(2):
                    ends[row, b, e, i] = row_by_column(x, y, z, axis[b, e, 0], axis[b, e, 1], axis[b, e, 2]) + o[i]
                for j in range(3):
                    turned[row, b, i, j] = row_by_column(x, y, z, t[0, j], t[1, j], t[2, j])
    return turned, moved, ends


@compiled
def _close(segment: Array, rotation: Array, origin: Array, volumes: Volumes, within: Within) -> tuple[Array, Array]:
    """Rows (K,) and pairs (K,) that no bound leaves out, row by row, moving pairs before the others."""
    out, count = np.empty((2, 1024), dtype=np.int64), 0
    found, work = np.empty(len(volumes.first), dtype=np.int64), np.empty((3, 3))
    most = 0.0
    for p in range(len(volumes.first)):
        if volumes.box[p] >= 0:
            most = max(most, within.required[p])
    for row in range(len(segment)):
        n = _moving(segment, volumes, within, row, found)
        n = _still(segment, volumes, within, row, most, found, n)
        for k in range(n):
            pair = found[k]
            # Where bodies overlap, a depth is known less exactly than a distance: there nothing is left out.
            reach = max(within.limit[row] + within.highest[pair], 0.0) + SLACK
            if reach < np.inf and _box_gap(rotation, origin, volumes, row, pair, reach, work) >= reach:
                continue
            if count == out.shape[1]:
                more = np.empty((2, 2 * count), dtype=np.int64)
                more[:, :count] = out
                out = more
            out[0, count], out[1, count] = row, pair
            count += 1
    return out[0, :count], out[1, :count]


@compiled
def _reach(within: Within, row: int, pair: int) -> float:
    """Distance up to which a pair is asked for in a row [m]."""
    return min(within.limit[row], within.padding + within.turn[row] * within.travels[pair]) + within.required[pair]


@compiled
def _moving(segment: Array, volumes: Volumes, within: Within, row: int, found: Array) -> int:
    """Write the pairs of two moving bodies in a row into `found`; return how many there are."""
    n = 0
    for pair in volumes.moving_pairs:
        one, two = volumes.first[pair], volumes.second[pair]
        reach, apart = _reach(within, row, pair), 0.0
        for k in range(3):
            gap = segment[row, one, 0, k] + segment[row, one, 1, k] - segment[row, two, 0, k] - segment[row, two, 1, k]
            apart += gap * gap
        # The spheres hold the capsules, and rounding must not make this test the stricter one.
        far = volumes.sphere[one] + volumes.sphere[two] + reach + 1e-9
        if far <= 0.0 or apart >= 4 * far * far:
            continue
        if segment_gap(segment, row, one, two) - volumes.radius[one] - volumes.radius[two] < reach:
            found[n] = pair
            n += 1
    return n


@compiled
def segment_gap(segment: Array, row: int, one: int, two: int) -> float:
    """Distance of segments `one` and `two` in a row of (N, B, 2, 3) [m] (Ericson, Real-Time Collision Detection, 5.1.9)."""
    a = e = f = c = b = 0.0
    for k in range(3):
        start, other = segment[row, one, 0, k], segment[row, two, 0, k]
        d1, d2, r = segment[row, one, 1, k] - start, segment[row, two, 1, k] - other, start - other
        a, e, f, c, b = a + d1 * d1, e + d2 * d2, f + d2 * r, c + d1 * r, b + d1 * d2
    a, e = max(a, 1e-18), max(e, 1e-18)
    denominator = a * e - b * b
    s = (b * f - c * e) / denominator if denominator > 1e-12 * a * e else 0.0
    s = min(max(s, 0.0), 1.0)
    t = min(max((b * s + f) / e, 0.0), 1.0)
    s = min(max((b * t - c) / a, 0.0), 1.0)
    t = min(max((b * s + f) / e, 0.0), 1.0)
    square = 0.0
    for k in range(3):
        start, other = segment[row, one, 0, k], segment[row, two, 0, k]
        gap = start - other + s * (segment[row, one, 1, k] - start) - t * (segment[row, two, 1, k] - other)
        square += gap * gap
    return float(np.sqrt(square))


@compiled
def _still(segment: Array, volumes: Volumes, within: Within, row: int, most: float, found: Array, n: int) -> int:
    """Write the pairs of moving and fixed bodies in a row into `found` from n on; return how many there are then.

    Args:
        segment: (N, B, 2, 3) ends of the capsules' axes [m].
        volumes: All bounding volumes.
        within: Up to which distance pairs are asked for.
        row: The row.
        most: Largest required distance of any such pair [m].
        found: (P,) where to write.
        n: Number of pairs that are there already.
    """
    leaves, low, high = volumes.leaves, volumes.leaf_low, volumes.leaf_high
    for m in range(len(volumes.movers)):
        body = volumes.movers[m]
        radius = volumes.radius[body]
        grown = radius + within.by_row[row] + most
        start, end = segment[row, body, 0], segment[row, body, 1]
        below = (min(start[0], end[0]) - grown, min(start[1], end[1]) - grown, min(start[2], end[2]) - grown)
        above = (max(start[0], end[0]) + grown, max(start[1], end[1]) + grown, max(start[2], end[2]) + grown)
        for leaf in range(len(leaves)):
            if not _overlap(below, above, low, high, leaf):
                continue
            for k in range(leaves.shape[1]):
                box = leaves[leaf, k]
                pair = volumes.pair_of[m, box] if box >= 0 else -1
                if pair < 0 or not _overlap(below, above, volumes.box_low, volumes.box_high, box):
                    continue
                faces, edges = _before_box(start, end, volumes.box_middle[box], volumes.box_turn[box], volumes.box_half[box])
                loose = min(within.by_row[row], within.by_pair[pair]) + within.required[pair]
                if faces - radius < loose and edges - radius < _reach(within, row, pair):
                    found[n] = pair
                    n += 1
    return n


@compiled
def _overlap(below: tuple[float, float, float], above: tuple[float, float, float], low: Array, high: Array, k: int) -> bool:
    """Whether the box from `below` to `above` and the k-th of many boxes (K, 3), along the same axes, overlap."""
    return bool(
        (below[0] <= high[k, 0]) & (above[0] >= low[k, 0])
        & (below[1] <= high[k, 1]) & (above[1] >= low[k, 1])
        & (below[2] <= high[k, 2]) & (above[2] >= low[k, 2])
    )  # fmt: skip


@compiled
def _before_box(begin: Array, finish: Array, middle: Array, turn: Array, half: Array) -> tuple[float, float]:
    """Lower bounds of the distance of a segment's points from a box: outside of its faces, and across its edges [m].

    The second is the widest gap along the directions at right angles to the segment and to an edge of the box.
    """
    x = y = z = dx = dy = dz = outside = 0.0
    for j in range(3):
        start = end = 0.0
        for i in range(3):
            start += (begin[i] - middle[i]) * turn[i, j]
            end += (finish[i] - middle[i]) * turn[i, j]
        beyond = max(min(start, end) - half[j], -max(start, end) - half[j], 0.0)
        outside += beyond * beyond
        x, y, z, dx, dy, dz = y, z, start, dy, dz, end - start
    edges = _across(y, z, dy, dz, half[1], half[2])
    edges = max(edges, _across(z, x, dz, dx, half[2], half[0]), _across(x, y, dx, dy, half[0], half[1]))
    return float(np.sqrt(outside)), edges


@compiled
def _across(one: float, other: float, d_one: float, d_other: float, half_one: float, half_other: float) -> float:
    """Gap of a line through (one, other) along (d_one, d_other) before a rectangle around the origin; -inf if it is a point [m].

    Both are what is seen along an edge of a box, and the gap is at right angles to the line.
    """
    length = np.sqrt(d_one * d_one + d_other * d_other)
    if length <= 1e-9:
        return -np.inf
    gap = abs(d_other * one - d_one * other) - abs(d_other) * half_one - abs(d_one) * half_other
    return float(gap / length)


@compiled
def _box_gap(rotation: Array, origin: Array, volumes: Volumes, row: int, pair: int, enough: float, c: Array) -> float:
    """Lower bound of the distance of a pair's boxes in a row; from `enough` on it may be any above that [m].

    Along a unit direction u two convex bodies with projections g(u) apart are at least g(u) apart.  Of boxes with centres t from
    each other, axes a_i, b_j and half edges h_i, k_j,  g(u) = |u·t| − Σ h_i |u·a_i| − Σ k_j |u·b_j|.  Directions: all axes, and
    all a_i × b_j (separating axes).  Further, the second box lies in a box along the axes of the first, whose distance from the
    first is the norm of the positive g(a_i); and the other way round.

    Args:
        rotation: (N, B, 3, 3) rotations of the moving bodies' frames.
        origin: (N, B, 3) their origins [m].
        volumes: All bounding volumes.
        row: The row.
        pair: The pair.
        enough: The bound from which on no further direction is looked at [m].
        c: (3, 3) work space for a_i·b_j.
    """
    one, two, box = volumes.first[pair], volumes.second[pair], volumes.box[pair]
    fixed = box >= 0
    tx = ty = tz = 0.0  # t along the axes of the first box
    for i in range(3):
        between = volumes.box_middle[box, i] if fixed else origin[row, two, i]
        between -= origin[row, one, i]
        for j in range(3):
            if not fixed:
                between += rotation[row, two, i, j] * volumes.middle[two, j]
            between -= rotation[row, one, i, j] * volumes.middle[one, j]
        tx += rotation[row, one, i, 0] * between
        ty += rotation[row, one, i, 1] * between
        tz += rotation[row, one, i, 2] * between
    for i in range(3):
        for j in range(3):
            c[i, j] = 0.0
            for k in range(3):
                c[i, j] += rotation[row, one, k, i] * (volumes.box_turn[box, k, j] if fixed else rotation[row, two, k, j])
    h = volumes.half[one, 0], volumes.half[one, 1], volumes.half[one, 2]
    if fixed:
        return _apart((tx, ty, tz), c, h, (volumes.box_half[box, 0], volumes.box_half[box, 1], volumes.box_half[box, 2]), enough)
    return _apart((tx, ty, tz), c, h, (volumes.half[two, 0], volumes.half[two, 1], volumes.half[two, 2]), enough)


@compiled
def _apart(
    t: tuple[float, float, float], c: Array, h: tuple[float, float, float], k: tuple[float, float, float], enough: float
) -> float:
    """The bound of `_box_gap`, given t along the axes of the first box, (3, 3) a_i·b_j, and half edges h and k [m]."""
    first = second = 0.0
    for i in range(3):
        gap = abs(t[i]) - h[i] - k[0] * abs(c[i, 0]) - k[1] * abs(c[i, 1]) - k[2] * abs(c[i, 2])
        back = abs(t[0] * c[0, i] + t[1] * c[1, i] + t[2] * c[2, i]) - k[i]
        back -= h[0] * abs(c[0, i]) + h[1] * abs(c[1, i]) + h[2] * abs(c[2, i])
        first, second = first + max(gap, 0.0) ** 2, second + max(back, 0.0) ** 2
    best = np.sqrt(max(first, second))
    for i in range(3):
        p, q = (i + 1) % 3, (i + 2) % 3
        for j in range(3):
            if best >= enough:
                return best
            r, s = (j + 1) % 3, (j + 2) % 3
            length = np.sqrt(c[p, j] * c[p, j] + c[q, j] * c[q, j])  # |a_i × b_j|
            if length > 1e-4:
                gap = abs(t[q] * c[p, j] - t[p] * c[q, j]) - h[p] * abs(c[q, j]) - h[q] * abs(c[p, j])
                best = max(best, (gap - k[r] * abs(c[i, s]) - k[s] * abs(c[i, r])) / length)
    return best
