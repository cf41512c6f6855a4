"""Contact patches: where a pad touches an item, and the constants of the torsion and tilting that it bears."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmove.arrays import Array, readonly
from fastmove.errors import InputError


@dataclass(frozen=True)
class Patch:
    """The area in which one pad, or the ring of a suction cup, touches the item.

    Attributes:
        kind: `plane`, `line` or `disc`; `ring` for a suction cup.
        center: (2,) centroid in tool x, z [m].
        size: Plane: edges of the equivalent rectangle, short then long; line: (length,); disc: (radius,) [m].
        direction: (2,) unit vector of the line or of the long edge in tool x, z.
        c: Mean radius about the centroid [m]; the torsion capacity is μ F c.
        a: Tilting lever [m]: pressure can shift by a/2 to either side.  How much of it counts: `pinch.TILTING`, `pinch.SHIFTED`.
        tilt: Angle by which the item's face, as it is grasped, is turned from the pad [rad].
    """

    kind: str
    center: Array
    size: Array
    direction: Array
    c: float
    a: float
    tilt: float = 0.0

    def points(self) -> Array:
        """Points (K, 2) in tool x, z that carry the pad's force at its mean radius [m]; a simulation may touch with them."""
        if self.kind == "disc":
            return np.array([self.center])
        across = np.array([-self.direction[1], self.direction[0]])
        short = self.a / 2
        long = float(np.sqrt(max(self.c**2 - short**2, 0.0)))
        sides = (1.0, -1.0) if self.kind == "plane" else (0.0,)
        return np.array([self.center + s * long * self.direction + t * short * across for s in (1.0, -1.0) for t in sides])


def plane_patch(polygon: Array) -> Patch:
    """Patch of a convex polygon (K, 2) in tool x, z [m] under uniform pressure.

    c is the exact mean distance from the centroid.  For the tilting lever and the sample points of a simulation the
    polygon counts as the rectangle A × B with its second moments: points at (±h_x, ±h_z), (h_x, h_z) =
    c (A, B) / hypot(A, B), a = 2 min(h_x, h_z).  Square of edge L: c = 0.3826 L, a = 0.541 L.
    """
    area, center, second = _moments(polygon)
    c = _mean_radius(polygon - center) / area
    moments, axes = np.linalg.eigh(second / area)
    edges = np.sqrt(12 * np.maximum(moments, 0.0))
    square = edges[1] - edges[0] < 1e-6
    direction = np.array([0.0, 1.0]) if square else axes[:, 1] * np.sign(axes[np.argmax(np.abs(axes[:, 1])), 1])
    a = 2 * c * float(edges.min()) / float(np.hypot(*edges))
    return Patch("plane", readonly(center), readonly(edges), readonly(direction), float(c), float(a))


def line_patch(start: Array, end: Array) -> Patch:
    """Patch of a line of contact (a cylinder across the pad) of length l: c = l/4, a = 0, points at ± l/4.

    Args:
        start: (2,) one end in tool x, z [m].
        end: (2,) the other end [m].
    """
    length = float(np.linalg.norm(end - start))
    return Patch("line", readonly((start + end) / 2), readonly([length]), readonly((end - start) / length), length / 4, 0.0)


def disc_patch(center: Array, radius: float) -> Patch:
    """Patch of a small disc (a round item): c = 2 r / 3, the mean radius of a disc; a = 0.

    Args:
        center: (2,) centre in tool x, z [m].
        radius: Radius r [m].
    """
    return Patch("disc", readonly(center), readonly([radius]), readonly([0.0, 1.0]), 2 * radius / 3, 0.0)


def clip_polygon(polygon: Array, half: Array, center: Array) -> Array:
    """Clip a convex polygon to the rectangle center ± half (Sutherland–Hodgman).

    Args:
        polygon: (K, 2) corners.
        half: (2,) half edges of the rectangle.
        center: (2,) centre of the rectangle.

    Returns:
        (L, 2) corners, in the same unit; (0, 2) if nothing is left.
    """
    points = [np.asarray(p, dtype=float) for p in polygon]
    for axis in (0, 1):
        for sign in (1.0, -1.0):
            bound = sign * center[axis] + half[axis]
            kept = []
            for p, q in zip(points, points[1:] + points[:1], strict=True):
                dp, dq = bound - sign * p[axis], bound - sign * q[axis]
                if dp >= 0:
                    kept.append(p)
                if (dp > 0) != (dq > 0) and dp != dq:
                    kept.append(p + (q - p) * dp / (dp - dq))
            points = kept
            if not points:
                return np.zeros((0, 2))
    return np.array(points)


def _moments(polygon: Array) -> tuple[float, Array, Array]:
    """Area [m²], centroid (2,) [m] and second moments (2, 2) about the centroid [m⁴] of a polygon (K, 2) (Green's theorem)."""
    p, q = polygon, np.roll(polygon, -1, axis=0)
    cross = p[:, 0] * q[:, 1] - q[:, 0] * p[:, 1]
    area = cross.sum() / 2
    if abs(area) < 1e-10:
        raise InputError("grasp", "the pads touch the item along less than 0.1 mm²")
    center = ((p + q) * cross[:, None]).sum(axis=0) / (6 * area)
    p, q = p - center, q - center
    cross = p[:, 0] * q[:, 1] - q[:, 0] * p[:, 1]
    both = np.einsum("ki,kj->kij", p, p) + np.einsum("ki,kj->kij", q, q)
    mixed = np.einsum("ki,kj->kij", p, q)
    second = np.einsum("k,kij->ij", cross, 2 * both + mixed + mixed.transpose(0, 2, 1)) / 24
    return abs(float(area)), center, second * np.sign(area)


def _mean_radius(polygon: Array) -> float:
    """∫ r dA [m³] over a convex polygon (K, 2) around the origin.

    Triangle (0, P, Q) with distance h from 0 to the line PQ and angles θ from the perpendicular:
    ∫∫ r · r dr dθ = h³/3 ∫ sec³θ dθ = h³/6 [sec θ tan θ + asinh(tan θ)].
    """
    total = 0.0
    for p, q in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        edge = q - p
        length = float(np.hypot(*edge))
        if length < 1e-12:
            continue
        height = abs(float(p[0] * q[1] - p[1] * q[0])) / length
        if height < 1e-12:
            continue
        tangents = (float(p @ edge) / length / height, float(q @ edge) / length / height)
        primitive = [t * np.hypot(1.0, t) + np.arcsinh(t) for t in tangents]
        total += height**3 / 6 * (primitive[1] - primitive[0])
    return float(total)
