"""Lower bounds of distances for many configurations at once: every body inside a capsule.

Pure geometry, no search: a bound is never above the true distance, so what it clears needs no exact query.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import coal
import numpy as np

from fastmove.assembly import Body
from fastmove.spline import Array


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
        capsules = [_capsule(b) for b in bodies]
        self.segment = np.array([c[0] for c in capsules]).reshape(-1, 2, 3)
        self.radius = np.array([c[1] for c in capsules])
        self.center = self.segment.mean(axis=1)
        self.sphere = np.linalg.norm(self.segment[:, 1] - self.center, axis=1) + self.radius
        self.first = np.array([p[0] for p in pairs], dtype=int)
        self.second = np.array([p[1] for p in pairs], dtype=int)
        self.fixed = self.joint[self.second] == 0
        self.boxes = {int(k): _box(bodies[k]) for k in np.unique(self.second[self.fixed])}

    def place(self, rotation: Array, origin: Array) -> Placed:
        """Bodies in the world from joint frames (N, joints, 3, 3), (N, joints, 3)."""
        turn, shift = rotation[:, self.joint], origin[:, self.joint]
        segment = np.einsum("nbij,bkj->nbki", turn, self.segment) + shift[:, :, None]
        return Placed(self, turn @ self.local_rotation, np.einsum("nbij,bj->nbi", turn, self.local_origin) + shift, segment)


class Placed:
    """N placements of all bodies.

    Attributes:
        rotation, origin: (N, bodies, 3, 3), (N, bodies, 3) of the bodies' own frames in the world.
        segment: (N, bodies, 2, 3) ends of the enclosing capsules' axes.
    """

    def __init__(self, bounding: Bounding, rotation: Array, origin: Array, segment: Array) -> None:
        self._bounding, self.rotation, self.origin, self.segment = bounding, rotation, origin, segment
        self._transforms: dict[tuple[int, int], coal.Transform3s] = {}

    def transform(self, row: int, body: int) -> coal.Transform3s:
        """Placement of a body as coal takes it."""
        known = self._transforms.get((row, body))
        if known is None:
            known = coal.Transform3s(self.rotation[row, body], self.origin[row, body])
            self._transforms[(row, body)] = known
        return known

    def lower_bounds(self) -> Array:
        """(N, P): capsule against an obstacle's own box, sphere against sphere."""
        b = self._bounding
        bound = np.empty((len(self.segment), len(b.first)))
        moving = np.nonzero(~b.fixed)[0]
        center = self.segment.mean(axis=2)
        gap = center[:, b.first[moving]] - center[:, b.second[moving]]
        bound[:, moving] = np.sqrt(np.einsum("npi,npi->np", gap, gap)) - b.sphere[b.first[moving]] - b.sphere[b.second[moving]]
        for obstacle, (turn, middle, half) in b.boxes.items():
            columns = np.nonzero(b.fixed & (b.second == obstacle))[0]
            one, two = ((self.segment[:, b.first[columns], k] - middle) @ turn for k in (0, 1))
            low, high = np.minimum(one, two), np.maximum(one, two)
            outside = np.maximum(np.maximum(low - half, -high - half), 0.0)
            bound[:, columns] = np.sqrt(np.einsum("npi,npi->np", outside, outside)) - b.radius[b.first[columns]]
        return bound

    def tightened(self, rows: Array, pairs: Array) -> Array:
        """(K,) for the chosen rows and pairs: capsule to capsule, or capsule to an obstacle's box along more directions."""
        b = self._bounding
        bound = np.full(len(rows), -np.inf)
        for obstacle in np.unique(b.second[pairs[b.fixed[pairs]]]):
            turn, middle, half = b.boxes[int(obstacle)]
            chosen = np.nonzero(b.second[pairs] == obstacle)[0]
            first = b.first[pairs[chosen]]
            ends = (self.segment[rows[chosen], first] - middle) @ turn
            bound[chosen] = _segment_box_gap(ends, half) - b.radius[first]
        moving = np.nonzero(~b.fixed[pairs])[0]
        one, two = b.first[pairs[moving]], b.second[pairs[moving]]
        gap = segment_distance(self.segment[rows[moving], one], self.segment[rows[moving], two])
        bound[moving] = gap - b.radius[one] - b.radius[two]
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
    """(K,) lower bound of the distance of segments (K, 2, 3) from the box of these half edges around the origin: the widest
    gap along the directions at right angles to the segment and to an edge of the box (separating axes)."""
    d = ends[:, 1] - ends[:, 0]
    best = np.full(len(ends), -np.inf)
    for axis in np.eye(3):
        n = np.cross(d, axis)
        length = np.linalg.norm(n, axis=1)
        n = n / np.maximum(length, 1e-12)[:, None]
        gap = np.abs(np.einsum("ki,ki->k", n, ends[:, 0])) - np.abs(n) @ half
        best = np.maximum(best, np.where(length > 1e-9, gap, -np.inf))
    return best


def _box(body: Body) -> tuple[Array, Array, Array]:
    """Rotation, centre, half edges of the box along the geometry's own axes, in its joint's frame."""
    middle, half = _own_box(body.geometry)
    return body.placement.rotation, body.placement.act(middle), half


def _capsule(body: Body) -> tuple[Array, float]:
    """Axis ends (2, 3) in the joint's frame and radius of a capsule around the body."""
    segment, radius = _own_capsule(body.geometry)
    return segment @ body.placement.rotation.T + body.placement.translation, radius


@lru_cache(maxsize=4096)
def _own_box(geometry: coal.CollisionGeometry) -> tuple[Array, Array]:
    """Centre and half edges of a geometry's box in its own frame; kept per object, robots share theirs over problems."""
    geometry.computeLocalAABB()
    low, high = np.array(geometry.aabb_local.min_), np.array(geometry.aabb_local.max_)
    return (low + high) / 2, (high - low) / 2


@lru_cache(maxsize=4096)
def _own_capsule(geometry: coal.CollisionGeometry) -> tuple[Array, float]:
    """The capsule around a geometry in its own frame."""
    if isinstance(geometry, coal.ConvexBase):
        return _capsule_around(np.asarray(geometry.points()).reshape(-1, 3))
    middle, half = _own_box(geometry)
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
