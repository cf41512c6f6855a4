"""Lower bounds of the distances between bodies at many configurations at once, from a capsule around every moving body.

A bound is never above the true distance, so a pair that it clears needs no exact distance query.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import coal
import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.multibody.assembly import Body

LEAF = 4  # Largest number of boxes in a leaf of the k-d tree over the fixed bodies.
FEW_BODIES = 64  # Largest number of fixed bodies up to which all their boxes are compared without the k-d tree.
FAR_REACH = 10.0  # Travel assumed of a prismatic joint without limits [m].


def turning_joints(model: pin.Model) -> Array:
    """Mask (joints,) of the model's joints that are not prismatic."""
    return np.array([not model.joints[k + 1].shortname().startswith("JointModelP") for k in range(model.njoints - 1)])


class Bounding:
    """Bounding volumes of all bodies, for lower bounds of the distances of given pairs.

    Bodies up to the last that moves have a capsule and a sphere around them, fixed seconds of pairs an oriented box.

    Args:
        bodies: All bodies; those after the last that moves are never placed anew.
        pairs: (P, 2) indices of bodies; a fixed body may only be the second of a pair.
    """

    def __init__(self, bodies: Sequence[Body], pairs: Sequence[tuple[int, int]]) -> None:
        self.joint = np.array([b.joint for b in bodies], dtype=int)
        self.local_rotation = np.array([b.placement.rotation for b in bodies]).reshape(-1, 3, 3)
        self.local_origin = np.array([b.placement.translation for b in bodies]).reshape(-1, 3)
        self.n_moving = int(np.max(np.nonzero(self.joint)[0], initial=-1)) + 1  # Bodies from this index on are fixed.
        capsules = [_capsule(b) for b in bodies[: self.n_moving]]
        self.segment = np.array([c[0] for c in capsules]).reshape(-1, 2, 3)
        self.radius = np.array([c[1] for c in capsules])
        self.center = self.segment.mean(axis=1)
        own = self.local_origin[: self.n_moving, None]
        self._columns = (
            np.concatenate([self.segment, own], axis=1).transpose(0, 2, 1).copy()
        )  # Columns that `place` turns together.
        self.sphere = np.linalg.norm(self.segment[:, 1] - self.center, axis=1) + self.radius
        self.first, self.second = np.array(pairs, dtype=int).reshape(-1, 2).T
        self.fixed = self.joint[self.second] == 0
        self.moving_pairs = np.nonzero(~self.fixed)[0]
        self.still = np.unique(self.second[self.fixed])  # Indices of the fixed bodies.
        boxes = [own_box(bodies[int(k)].geometry) for k in self.still]  # Each along the geometry's own axes.
        self.box_turn, self.box_half = self.local_rotation[self.still], np.array([box[1] for box in boxes]).reshape(-1, 3)
        centers = np.array([box[0] for box in boxes]).reshape(-1, 3)
        self.box_middle = (self.box_turn @ centers[:, :, None])[:, :, 0] + self.local_origin[self.still]
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
        """Build the leaves of a k-d tree over the fixed boxes, each with the box along the world's axes around its members."""
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
        filled = (self.leaves >= 0)[:, :, None]
        self.leaf_low = np.where(filled, low[self.leaves], np.inf).min(axis=1) if leaves else np.zeros((0, 3))
        self.leaf_high = np.where(filled, high[self.leaves], -np.inf).max(axis=1) if leaves else np.zeros((0, 3))

    def motion_bounds(self, model: pin.Model) -> tuple[Array, Array]:
        """How far a unit step of each joint moves each body at most, at any configuration.

        Args:
            model: Pinocchio model of the arm.

        Returns:
            chain: (bodies, joints) of bool: joint k moves body b; False for fixed bodies and for moving obstacles.
            reach: (bodies, joints) largest distance of any point of body b from the axis of joint k [m]; 1 for a prismatic joint;
                0 where the joint does not move the body.
        """
        n, turns = model.njoints - 1, turning_joints(model)
        chain, reach = np.zeros((len(self.joint), n), dtype=bool), np.zeros((len(self.joint), n))
        before = [
            float(np.linalg.norm(p.translation)) for p in model.jointPlacements
        ]  # Distance of every joint from its parent [m].
        for k in np.nonzero(~turns)[0]:
            before[k + 1] += min(max(abs(model.lowerPositionLimit[k]), abs(model.upperPositionLimit[k])), FAR_REACH)
        sizes, parents = np.linalg.norm(self.center, axis=1) + self.sphere, list(model.parents)
        for b in range(self.n_moving):
            length, joint = float(sizes[b]), int(self.joint[b])
            while 0 < joint <= n:  # Frames beyond the arm's joints move by themselves.
                chain[b, joint - 1] = True
                reach[b, joint - 1] = length if turns[joint - 1] else 1.0
                length += before[joint]
                joint = parents[joint]
        return chain, reach

    def place(self, rotation: Array, origin: Array) -> PlacedVolumes:
        """Place all bodies in the world.

        Args:
            rotation: (N, J, 3, 3) rotations of the frames that `Body.joint` counts: world, joints, moving obstacles' frames.
            origin: (N, J, 3) origins of these frames in the world [m].
        """
        joint, upto = self.joint[: self.n_moving], self.n_moving
        turn = rotation[:, joint]
        there = (turn @ self._columns).transpose(0, 1, 3, 2) + origin[:, joint, None]
        return PlacedVolumes(self, turn @ self.local_rotation[:upto], there[:, :, 2], there[:, :, :2])


class PlacedVolumes:
    """All bodies and their bounding volumes in the world, at N configurations (rows).

    Attributes:
        rotation: (N, B, 3, 3) rotations of the frames of the B bodies up to the last that moves.
        origin: (N, B, 3) origins of these frames [m].
        segment: (N, B, 2, 3) ends of the axes of these bodies' capsules [m].
        center: (N, B, 3) centres of these capsules [m].
    """

    def __init__(self, bounding: Bounding, rotation: Array, origin: Array, segment: Array) -> None:
        self._bounding, self.rotation, self.origin, self.segment = bounding, rotation, origin, segment
        self.center = (segment[:, :, 0] + segment[:, :, 1]) / 2
        self._transforms: list[coal.Transform3s | None] = [None] * len(bounding.joint)
        self._at = [-1] * len(bounding.joint)  # Row that each cached transform belongs to.

    def frame(self, row: int, body: int) -> tuple[Array, Array]:
        """Rotation (3, 3) and origin (3,) [m] of a body's own frame in the world, in one row."""
        b = self._bounding
        if body >= b.n_moving:
            return b.local_rotation[body], b.local_origin[body]
        return self.rotation[row, body], self.origin[row, body]

    def transform(self, row: int, body: int) -> coal.Transform3s:
        """Pose of a body in the world, in one row, as coal takes it.

        The same object is moved and returned for every row: use it before the next call.
        """
        known = self._transforms[body]
        if known is None:
            known = self._transforms[body] = coal.Transform3s(*self.frame(row, body))
            self._at[body] = row
        elif self._at[body] != row and body < self._bounding.n_moving:
            known.setTransform(self.rotation[row, body], self.origin[row, body])
            self._at[body] = row
        return known

    def near(self, limit: Array, required: Array) -> tuple[Array, Array]:
        """Rows and pairs whose lower bound of the distance is below limit + required.

        Args:
            limit: (N,) padding of each row beyond the required distance [m].
            required: (P,) required distance of each pair [m].

        Returns:
            Rows (K,) and pairs (K,), sorted by row, then by pair.
        """
        b = self._bounding
        moving = b.moving_pairs
        between = self.center[:, b.first[moving]] - self.center[:, b.second[moving]]
        allowed = limit[:, None] + required[moving]
        far = b.sphere[b.first[moving]] + b.sphere[b.second[moving]] + allowed
        rows, columns = np.nonzero((np.einsum("npi,npi->np", between, between) < far * far) & (far > 0))
        still_rows, still_pairs = self._near_still(limit, float(required[b.fixed].max(initial=0.0)))
        close = self.bounds(still_rows, still_pairs) < limit[still_rows] + required[still_pairs]
        rows, pairs = np.concatenate([rows, still_rows[close]]), np.concatenate([moving[columns], still_pairs[close]])
        order = np.argsort(rows * len(b.first) + pairs)
        return rows[order], pairs[order]

    def _near_still(self, limit: Array, most: float) -> tuple[Array, Array]:
        """Rows (K,) and pairs (K,) of moving and fixed bodies whose boxes are nearer than limit + most along every world axis."""
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
        """Cheap lower bounds of the distances of chosen pairs: capsule to oriented box if one is fixed, else sphere to sphere.

        Args:
            rows: (K,) rows.
            pairs: (K,) pairs.

        Returns:
            (K,) lower bounds [m].
        """
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
        """Moving bodies (K,), boxes (K,), and the ends (K, 2, 3) of the bodies' capsules in the boxes' own frames [m]."""
        b = self._bounding
        first, box = b.first[pairs], b.box_of[b.second[pairs]]
        return first, box, np.einsum("kei,kij->kej", self.segment[rows, first] - b.box_middle[box][:, None], b.box_turn[box])

    def tightened(self, rows: Array, pairs: Array) -> Array:
        """Tighter lower bounds of the distances of chosen pairs: capsule to capsule, or capsule to box along more directions.

        Args:
            rows: (K,) rows.
            pairs: (K,) pairs.

        Returns:
            (K,) lower bounds [m]; for a fixed body `bounds` may be the larger.
        """
        b = self._bounding
        bound, fixed = np.empty(len(rows)), b.fixed[pairs]
        first, box, ends = self._before_boxes(rows[fixed], pairs[fixed])
        bound[fixed] = _segment_box_gap(ends, b.box_half[box]) - b.radius[first]
        one, two = b.first[pairs[~fixed]], b.second[pairs[~fixed]]
        gap = segment_distance(self.segment[rows[~fixed], one], self.segment[rows[~fixed], two])
        bound[~fixed] = gap - b.radius[one] - b.radius[two]
        return bound


def segment_distance(one: Array, two: Array) -> Array:
    """Distances of K pairs of line segments (Ericson, Real-Time Collision Detection, 5.1.9).

    Args:
        one: (K, 2, 3) ends of the first segments [m].
        two: (K, 2, 3) ends of the second segments [m].

    Returns:
        (K,) distances [m].
    """
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
    """Lower bounds (K,) of the distances of segments (K, 2, 3) from boxes of half edges (K, 3) around the origin [m].

    Each is the widest gap along the directions at right angles to the segment and to an edge of the box (separating axes).
    """
    start = ends[:, 0]
    d = ends[:, 1] - start
    best = np.full(len(ends), -np.inf)
    for i, j in ((1, 2), (2, 0), (0, 1)):  # d × e of the third edge e has d_j along i and −d_i along j.
        one, other = d[:, j], d[:, i]
        length = np.hypot(one, other)
        gap = np.abs(one * start[:, i] - other * start[:, j]) - np.abs(one) * half[:, i] - np.abs(other) * half[:, j]
        best = np.maximum(best, np.where(length > 1e-9, gap / np.maximum(length, 1e-12), -np.inf))
    return best


def _overlaps(low: Array, high: Array, box_low: Array, box_high: Array) -> Array:
    """Whether (N, M, B) boxes (N, M, 3) and boxes (B, 3), all along the world's axes, overlap."""
    inside = (low[:, :, 0, None] <= box_high[:, 0]) & (high[:, :, 0, None] >= box_low[:, 0])
    for k in (1, 2):
        inside &= (low[:, :, k, None] <= box_high[:, k]) & (high[:, :, k, None] >= box_low[:, k])
    return inside


def _capsule(body: Body) -> tuple[Array, float]:
    """Ends (2, 3) of the axis, in the joint's frame, and radius of a capsule around the body [m]."""
    segment, radius = _own_capsule(body.geometry)
    return segment @ body.placement.rotation.T + body.placement.translation, radius


@lru_cache(maxsize=4096)
def own_box(geometry: coal.CollisionGeometry) -> tuple[Array, Array]:
    """Centre (3,) and half edges (3,) of the box around a geometry, along the geometry's own axes [m].

    Results are cached by object: problems of one robot share its geometries.
    """
    geometry.computeLocalAABB()
    low, high = np.array(geometry.aabb_local.min_), np.array(geometry.aabb_local.max_)
    return (low + high) / 2, (high - low) / 2


@lru_cache(maxsize=4096)
def _own_capsule(geometry: coal.CollisionGeometry) -> tuple[Array, float]:
    """Ends (2, 3) of the axis and radius of the capsule around a geometry in its own frame [m]."""
    if isinstance(geometry, coal.ConvexBase):
        return _capsule_around(np.asarray(geometry.points()).reshape(-1, 3))
    middle, half = own_box(geometry)
    if isinstance(geometry, coal.Capsule | coal.Cylinder):
        reach, radius, axis = geometry.halfLength, geometry.radius, 2
    elif isinstance(geometry, coal.Sphere):
        reach, radius, axis = 0.0, geometry.radius, 2
    else:  # Around its box: the axis along the longest edge, the radius the half diagonal of the other two.
        axis = int(np.argmax(half))
        reach, radius = half[axis], float(np.linalg.norm(np.delete(half, axis)))
    step = np.eye(3)[axis] * reach
    return np.array([middle - step, middle + step]), float(radius)


def _capsule_around(points: Array) -> tuple[Array, float]:
    """Ends (2, 3) of the axis and radius of a tight capsule around points (K, 3) [m].

    Its axis is the one of the points' three principal axes whose capsule has the smallest volume.

    With radius R about the line, a point at axial z and distance r from it needs an end at z − √(R² − r²) or beyond.
    """
    axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2]
    capsules = []
    for k in range(3):
        along, plane = axes[k], np.delete(axes, k, axis=0)
        across = points @ plane.T
        middle = (across.min(axis=0) + across.max(axis=0)) / 2
        distance = np.linalg.norm(across - middle, axis=1)
        radius = float(distance.max()) + 1e-9
        z, half_chord = points @ along, np.sqrt(np.maximum(radius**2 - distance**2, 0.0))
        low, high = float((z + half_chord).min()), float((z - half_chord).max())
        low, high = (low, high) if low <= high else ((low + high) / 2, (low + high) / 2)
        base = middle @ plane
        capsules.append(
            (radius**2 * (high - low + 4 / 3 * radius), k, np.stack([base + along * low, base + along * high]), radius)
        )
    _, _, segment, radius = min(capsules, key=lambda entry: entry[:2])
    return segment, radius
