"""Lower bounds of distances for many configurations at once: every body inside a capsule.

Pure geometry, no search: a bound is never above the true distance, so what it clears needs no exact query.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import coal
import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.multibody.assembly import Body

LEAF = 4  # boxes in a leaf of the tree over what never moves …
FEW_BODIES = 64  # … which is not used for so few
FAR_REACH = 10.0  # [m] travel assumed of a prismatic joint without limits


def turning_joints(model: pin.Model) -> Array:
    """(joints,) which joints are not prismatic."""
    return np.array([not model.joints[k + 1].shortname().startswith("JointModelP") for k in range(model.njoints - 1)])


class Bounding:
    """Bounds for pairs (first, second) of bodies; a fixed body may only be second.

    Args:
        bodies: all bodies.
        pairs: (P, 2) indices.
    """

    def __init__(self, bodies: Sequence[Body], pairs: Sequence[tuple[int, int]]) -> None:
        self.joint = np.array([b.joint for b in bodies], dtype=int)
        self.local_rotation = np.array([b.placement.rotation for b in bodies]).reshape(-1, 3, 3)
        self.local_origin = np.array([b.placement.translation for b in bodies]).reshape(-1, 3)
        self.n_moving = int(np.max(np.nonzero(self.joint)[0], initial=-1)) + 1  # bodies from here on are fixed
        capsules = [_capsule(b) for b in bodies[: self.n_moving]]
        self.segment = np.array([c[0] for c in capsules]).reshape(-1, 2, 3)
        self.radius = np.array([c[1] for c in capsules])
        self.center = self.segment.mean(axis=1)
        own = self.local_origin[: self.n_moving, None]
        self._columns = np.concatenate([self.segment, own], axis=1).transpose(0, 2, 1).copy()  # to be placed together
        self.sphere = np.linalg.norm(self.segment[:, 1] - self.center, axis=1) + self.radius
        self.first, self.second = np.array(pairs, dtype=int).reshape(-1, 2).T
        self.fixed = self.joint[self.second] == 0
        self.moving_pairs = np.nonzero(~self.fixed)[0]
        self.still = np.unique(self.second[self.fixed])  # bodies that never move, with their boxes
        boxes = [own_box(bodies[int(k)].geometry) for k in self.still]  # along the geometry's own axes
        self.box_turn, self.box_half = self.local_rotation[self.still], np.array([box[1] for box in boxes]).reshape(-1, 3)
        middle = np.array([box[0] for box in boxes]).reshape(-1, 3)
        self.box_middle = (self.box_turn @ middle[:, :, None])[:, :, 0] + self.local_origin[self.still]
        self.box_of = np.zeros(len(bodies), dtype=int)
        self.box_of[self.still] = np.arange(len(self.still))
        self.movers = np.unique(self.first)
        mover_of = np.zeros(len(bodies), dtype=int)
        mover_of[self.movers] = np.arange(len(self.movers))
        self.pair_of = np.full((len(self.movers), len(self.still)), -1)
        chosen = np.nonzero(self.fixed)[0]
        self.pair_of[mover_of[self.first[chosen]], self.box_of[self.second[chosen]]] = chosen
        self._grow_leaves()

    def _grow_leaves(self) -> None:
        """Leaves of a k-d tree over the still boxes, each with the box along the world's axes around its own."""
        reach = np.einsum("bij,bj->bi", np.abs(self.box_turn), self.box_half)
        low, high = self.box_low, self.box_high = self.box_middle - reach, self.box_middle + reach
        leaves, todo = [], [np.arange(len(self.still))] if len(self.still) else []
        while todo:
            chosen = todo.pop()
            if len(chosen) <= LEAF:
                leaves.append(chosen)
                continue
            axis = int(np.argmax(np.ptp(self.box_middle[chosen], axis=0)))
            order = chosen[np.argsort(self.box_middle[chosen, axis], kind="stable")]
            todo += [order[len(order) // 2 :], order[: len(order) // 2]]
        self.leaves = np.full((len(leaves), LEAF), -1)
        for k, leaf in enumerate(leaves):
            self.leaves[k, : len(leaf)] = leaf
        held = (self.leaves >= 0)[:, :, None]
        self.leaf_low = np.where(held, low[self.leaves], np.inf).min(axis=1) if leaves else np.zeros((0, 3))
        self.leaf_high = np.where(held, high[self.leaves], -np.inf).max(axis=1) if leaves else np.zeros((0, 3))

    def motion_bounds(self, model: pin.Model) -> tuple[Array, Array]:
        """chain (B, joints): joint k moves body b, of the B bodies up to the last that moves; reach (B, joints): no point of b is
        ever farther from axis k than this [m]; 1 for a prismatic joint."""
        n, turns = model.njoints - 1, turning_joints(model)
        chain, reach = np.zeros((len(self.joint), n), dtype=bool), np.zeros((len(self.joint), n))
        before = [float(np.linalg.norm(p.translation)) for p in model.jointPlacements]  # of every joint from its parent
        for k in np.nonzero(~turns)[0]:
            before[k + 1] += min(max(abs(model.lowerPositionLimit[k]), abs(model.upperPositionLimit[k])), FAR_REACH)
        sizes, parents = np.linalg.norm(self.center, axis=1) + self.sphere, list(model.parents)
        for b in range(self.n_moving):
            length, joint = float(sizes[b]), int(self.joint[b])
            while 0 < joint <= n:  # frames beyond the arm's move by themselves
                chain[b, joint - 1] = True
                reach[b, joint - 1] = length if turns[joint - 1] else 1.0
                length += before[joint]
                joint = parents[joint]
        return chain, reach

    def place(self, rotation: Array, origin: Array) -> PlacedVolumes:
        """Bodies in the world from joint frames (N, joints, 3, 3), (N, joints, 3)."""
        joint, upto = self.joint[: self.n_moving], self.n_moving
        turn = rotation[:, joint]
        there = (turn @ self._columns).transpose(0, 1, 3, 2) + origin[:, joint, None]
        return PlacedVolumes(self, turn @ self.local_rotation[:upto], there[:, :, 2], there[:, :, :2])


class PlacedVolumes:
    """N placements of all bodies.

    Attributes:
        segment: (N, B, 2, 3) ends of the enclosing capsules' axes of the B bodies up to the last that moves.
    """

    def __init__(self, bounding: Bounding, rotation: Array, origin: Array, segment: Array) -> None:
        self._bounding, self._rotation, self._origin, self.segment = bounding, rotation, origin, segment
        self.center = (segment[:, :, 0] + segment[:, :, 1]) / 2
        self._transforms: list[coal.Transform3s | None] = [None] * len(bounding.joint)
        self._at = [-1] * len(bounding.joint)  # the rows that they are of

    def frame(self, row: int, body: int) -> tuple[Array, Array]:
        """Rotation (3, 3) and origin (3,) of a body's own frame in the world."""
        b = self._bounding
        if body >= b.n_moving:
            return b.local_rotation[body], b.local_origin[body]
        return self._rotation[row, body], self._origin[row, body]

    def frames(self, rows: Array, bodies: Array) -> tuple[Array, Array]:
        """Rotations (K, 3, 3) and origins (K, 3) of bodies (K,) in rows (K,)."""
        b = self._bounding
        rotation, origin = b.local_rotation[bodies], b.local_origin[bodies]
        moving = bodies < b.n_moving
        rotation[moving] = self._rotation[rows[moving], bodies[moving]]
        origin[moving] = self._origin[rows[moving], bodies[moving]]
        return rotation, origin

    def transform(self, row: int, body: int) -> coal.Transform3s:
        """Placement of a body as coal takes it; the same object, moved, for every row: to be used at once."""
        known = self._transforms[body]
        if known is None:
            known = self._transforms[body] = coal.Transform3s(*self.frame(row, body))
            self._at[body] = row
        elif self._at[body] != row and body < self._bounding.n_moving:
            known.setTransform(self._rotation[row, body], self._origin[row, body])
            self._at[body] = row
        return known

    def near(self, limit: Array, required: Array, most: float | Array = np.inf) -> tuple[Array, Array]:
        """(row, pair) of all whose bound is below limit + required, limit (N,), required (P,); by row, then by pair.

        most: (P,) the limit of every pair, where that is less.
        """
        b = self._bounding
        moving = b.moving_pairs
        gap = self.center[:, b.first[moving]] - self.center[:, b.second[moving]]
        most = np.broadcast_to(most, len(required))
        allowed = np.minimum(limit[:, None], most[moving]) + required[moving]
        far = b.sphere[b.first[moving]] + b.sphere[b.second[moving]] + allowed
        rows, columns = np.nonzero((np.einsum("npi,npi->np", gap, gap) < far * far) & (far > 0))
        still_rows, still_pairs = self._near_still(limit, float(required[b.fixed].max(initial=0.0)))
        allowed = np.minimum(limit[still_rows], most[still_pairs]) + required[still_pairs]
        close = self.bounds(still_rows, still_pairs) < allowed
        rows, pairs = np.concatenate([rows, still_rows[close]]), np.concatenate([moving[columns], still_pairs[close]])
        order = np.argsort(rows * len(b.first) + pairs)
        return rows[order], pairs[order]

    def _near_still(self, limit: Array, most: float) -> tuple[Array, Array]:
        """(row, pair) of moving bodies and all still ones in leaves whose box is nearer than limit + most along every axis."""
        b = self._bounding
        if len(b.leaves) == 0:
            return np.zeros(0, dtype=int), np.zeros(0, dtype=int)
        ends = self.segment[:, b.movers]
        reach = (b.radius[b.movers] + limit[:, None] + most)[:, :, None]
        low = np.minimum(ends[:, :, 0], ends[:, :, 1]) - reach
        high = np.maximum(ends[:, :, 0], ends[:, :, 1]) + reach
        if len(b.still) <= FEW_BODIES:
            rows, movers, boxes = np.nonzero(_overlaps(low, high, b.box_low, b.box_high) & (b.pair_of >= 0))
            return rows, b.pair_of[movers, boxes]
        rows, movers, leaves = np.nonzero(_overlaps(low, high, b.leaf_low, b.leaf_high))
        boxes = b.leaves[leaves]
        known = (boxes >= 0) & (b.pair_of[movers[:, None], boxes] >= 0)
        which, boxes = np.nonzero(known)[0], boxes[known]
        rows, movers = rows[which], movers[which]
        close = np.all((low[rows, movers] <= b.box_high[boxes]) & (high[rows, movers] >= b.box_low[boxes]), axis=1)
        return rows[close], b.pair_of[movers[close], boxes[close]]

    def bounds(self, rows: Array, pairs: Array) -> Array:
        """(K,): capsule against an obstacle's own box, sphere against sphere."""
        b = self._bounding
        bound, fixed = np.empty(len(rows)), b.fixed[pairs]
        first, box, ends = self._before_boxes(rows[fixed], pairs[fixed])
        low, high, half = np.minimum(ends[:, 0], ends[:, 1]), np.maximum(ends[:, 0], ends[:, 1]), b.box_half[box]
        outside = np.maximum(np.maximum(low - half, -high - half), 0.0)
        bound[fixed] = np.sqrt(np.einsum("ki,ki->k", outside, outside)) - b.radius[first]
        one, two = b.first[pairs[~fixed]], b.second[pairs[~fixed]]
        gap = self.center[rows[~fixed], one] - self.center[rows[~fixed], two]
        bound[~fixed] = np.sqrt(np.einsum("ki,ki->k", gap, gap)) - b.sphere[one] - b.sphere[two]
        return bound

    def _before_boxes(self, rows: Array, pairs: Array) -> tuple[Array, Array, Array]:
        """Moving body, box, and the ends (K, 2, 3) of the body's capsule in the box's own frame."""
        b = self._bounding
        first, box = b.first[pairs], b.box_of[b.second[pairs]]
        return first, box, np.einsum("kei,kij->kej", self.segment[rows, first] - b.box_middle[box][:, None], b.box_turn[box])

    def tightened(self, rows: Array, pairs: Array) -> Array:
        """(K,) for the chosen rows and pairs: capsule to capsule, or capsule to an obstacle's box along more directions."""
        b = self._bounding
        bound, fixed = np.empty(len(rows)), b.fixed[pairs]
        first, box, ends = self._before_boxes(rows[fixed], pairs[fixed])
        bound[fixed] = _segment_box_gap(ends, b.box_half[box]) - b.radius[first]
        one, two = b.first[pairs[~fixed]], b.second[pairs[~fixed]]
        gap = segment_distance(self.segment[rows[~fixed], one], self.segment[rows[~fixed], two])
        bound[~fixed] = gap - b.radius[one] - b.radius[two]
        return bound


def segment_distance(one: Array, two: Array) -> Array:
    """(K,) distance of segments (K, 2, 3) (Ericson, Real-Time Collision Detection, 5.1.9)."""
    d1, d2, r = one[:, 1] - one[:, 0], two[:, 1] - two[:, 0], one[:, 0] - two[:, 0]
    dot = lambda x, y: np.einsum("ki,ki->k", x, y)  # noqa: E731
    a, e, f, c, b = dot(d1, d1), dot(d2, d2), dot(d2, r), dot(d1, r), dot(d1, d2)
    a, e = np.maximum(a, 1e-18), np.maximum(e, 1e-18)
    denominator = a * e - b * b
    s = np.where(denominator > 1e-12 * a * e, (b * f - c * e) / np.maximum(denominator, 1e-300), 0.0)
    s = np.clip(s, 0.0, 1.0)
    t = np.clip((b * s + f) / e, 0.0, 1.0)
    s = np.clip((b * t - c) / a, 0.0, 1.0)
    t = np.clip((b * s + f) / e, 0.0, 1.0)
    gap = r + s[:, None] * d1 - t[:, None] * d2
    return np.asarray(np.sqrt(dot(gap, gap)))


def _segment_box_gap(ends: Array, half: Array) -> Array:
    """(K,) lower bound of the distance of segments (K, 2, 3) from boxes of half edges (K, 3) around the origin: the widest
    gap along the directions at right angles to the segment and to an edge of the box (separating axes)."""
    start = ends[:, 0]
    d = ends[:, 1] - start
    best = np.full(len(ends), -np.inf)
    for i, j in ((1, 2), (2, 0), (0, 1)):  # the direction d × e of the third edge e has d_j along i and −d_i along j
        one, other = d[:, j], d[:, i]
        length = np.hypot(one, other)
        gap = np.abs(one * start[:, i] - other * start[:, j]) - np.abs(one) * half[:, i] - np.abs(other) * half[:, j]
        best = np.maximum(best, np.where(length > 1e-9, gap / np.maximum(length, 1e-12), -np.inf))
    return best


def _overlaps(low: Array, high: Array, box_low: Array, box_high: Array) -> Array:
    """(N, M, B) whether boxes (N, M, 3) and boxes (B, 3) along the world's axes overlap."""
    inside = (low[:, :, 0, None] <= box_high[:, 0]) & (high[:, :, 0, None] >= box_low[:, 0])
    for k in (1, 2):
        inside &= (low[:, :, k, None] <= box_high[:, k]) & (high[:, :, k, None] >= box_low[:, k])
    return inside


def _capsule(body: Body) -> tuple[Array, float]:
    """Axis ends (2, 3) in the joint's frame and radius of a capsule around the body."""
    segment, radius = _own_capsule(body.geometry)
    return segment @ body.placement.rotation.T + body.placement.translation, radius


@lru_cache(maxsize=4096)
def own_box(geometry: coal.CollisionGeometry) -> tuple[Array, Array]:
    """Centre and half edges of a geometry's box in its own frame; kept per object, robots share theirs over problems."""
    geometry.computeLocalAABB()
    low, high = np.array(geometry.aabb_local.min_), np.array(geometry.aabb_local.max_)
    return (low + high) / 2, (high - low) / 2


@lru_cache(maxsize=4096)
def _own_capsule(geometry: coal.CollisionGeometry) -> tuple[Array, float]:
    """The capsule around a geometry in its own frame."""
    if isinstance(geometry, coal.ConvexBase):
        return _capsule_around(np.asarray(geometry.points()).reshape(-1, 3))
    middle, half = own_box(geometry)
    if isinstance(geometry, coal.Capsule | coal.Cylinder):
        reach, radius, axis = geometry.halfLength, geometry.radius, 2
    elif isinstance(geometry, coal.Sphere):
        reach, radius, axis = 0.0, geometry.radius, 2
    else:  # the box around it: along its longest edge, the others' half diagonal
        axis = int(np.argmax(half))
        reach, radius = half[axis], float(np.linalg.norm(np.delete(half, axis)))
    step = np.eye(3)[axis] * reach
    return np.array([middle - step, middle + step]), float(radius)


def _capsule_around(points: Array) -> tuple[Array, float]:
    """A tight capsule around points (K, 3): of their principal axes the one whose capsule is smallest.

    With radius R about the line, a point at axial z and distance r from it needs an end at z − √(R² − r²) or beyond.
    """
    axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2]
    found = []
    for k in range(3):
        along, plane = axes[k], np.delete(axes, k, axis=0)
        across = points @ plane.T
        middle = (across.min(axis=0) + across.max(axis=0)) / 2
        distance = np.linalg.norm(across - middle, axis=1)
        radius = float(distance.max()) + 1e-9
        z, room = points @ along, np.sqrt(np.maximum(radius**2 - distance**2, 0.0))
        low, high = float((z + room).min()), float((z - room).max())
        low, high = (low, high) if low <= high else ((low + high) / 2, (low + high) / 2)
        base = middle @ plane
        found.append((radius**2 * (high - low + 4 / 3 * radius), k, np.stack([base + along * low, base + along * high]), radius))
    _, _, segment, radius = min(found, key=lambda entry: entry[:2])
    return segment, radius
