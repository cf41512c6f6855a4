"""Directions in which distances of a motion's samples count: across its way, so that samples may slide along it.

What has to be clear is the path as a whole; where on it a sample lies is decided by the time law alone.  A row that asks a sample
to keep its distance d however it moves forbids more: before the corner of a wall the nearest point lies ahead, n the
normal and u the velocity of the point of the body there, and a law that brings the sample there a little sooner breaks
d + nᵀ δ ≥ c, though the path stays where it is.  Each sample before a corner then holds the others back, and where the samples
happen to lie when a motion first fits decides how fast it becomes: optima 6 to 8 % apart, of the same path.

A sample that slides along by τ has the distance d + nᵀ (δ + τ u) to first order.  With τ = −uᵀ δ / uᵀ u it stays beside the same
place, and

    d + nᵀ (1 − û ûᵀ) δ ≥ c,

a row for the part of δ across the way.  Where d is least along the way n is across it already, and nothing changes.  A path is
held where it is nearest to something, and samples elsewhere are free to pass.

Where a sample keeps its distance this holds in full; it fades until the distance is `FULL_AT` short, since what is violated has
to move away, not on.
"""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array
from fastmove.collision.query_types import Sliding
from fastmove.compiled import compiled
from fastmove.dynamics.kinematics import Placements

FULL_AT = 1e-3  # Violation from which the whole displacement of a sample counts [m].
SLOWEST = 1e-9  # Speed per unit of s below which a point has no direction [m].


def across(
    frames: Placements,
    prismatic: Array,
    contact: tuple[Array, Array, Array, Array],
    sliding: Sliding,
    margin: Array,
    padding_scale: Array,
) -> Array:
    """Compute the part (C, 3) of each normal in which displacements count.

    Args:
        frames: Joint frames at N configurations.
        prismatic: (n,) which joints are prismatic.
        contact: Sample (C,), witness point (C, 3) in the world [m] and normal (C, 3) of each contact, and (C, n) by which
            factor each joint moves the second body relative to the first.
        sliding: The motion, and the padding that is asked.
        margin: (C,) margin of each contact [m]; −inf where it may not slide.
        padding_scale: (C,) share of the padding that is asked of it; one of which none is asked touches, and may not slide.
    """
    spare = np.where(padding_scale > 0, margin - sliding.padding * padding_scale, -np.inf)
    return np.asarray(_across(frames.axis, frames.moment, prismatic, sliding.velocity, contact, _share(spare)))


def slope_across(slope: Array, velocity: Array, spare: Array) -> Array:
    """Compute the derivatives (R, 3, n) of points for displacements across their way alone.

    Args:
        slope: (R, 3, n) derivatives of the points [m/rad].
        velocity: (R, n) derivative of the configurations along the motion [rad].
        spare: (R,) margin; below 0 for what is violated [m].
    """
    way = np.einsum("rdi,ri->rd", slope, velocity)
    square = np.maximum((way**2).sum(axis=1), SLOWEST**2)
    return np.asarray(slope - np.einsum("r,rd,re,rei->rdi", _share(spare) / square, way, way, slope))


def _share(spare: Array) -> Array:
    """Share (C,) of the displacement along the way that is left out, by the margin (C,) that is to spare [m]."""
    return np.clip(1 + spare / FULL_AT, 0.0, 1.0)


@compiled
def _across(
    axis: Array, moment: Array, prismatic: Array, velocity: Array, contact: tuple[Array, Array, Array, Array], share: Array
) -> Array:
    """The directions of `across`, given axes and moments (N, n, 3) of the joints, and the share (C,) that sliding takes."""
    sample, point, normal, moves = contact
    out = np.empty((len(sample), 3))
    for c in range(len(sample)):
        row, x, y, z = sample[c], 0.0, 0.0, 0.0
        p, q, r = point[c, 0], point[c, 1], point[c, 2]
        for j in range(len(prismatic)):
            speed, a, m = moves[c, j] * velocity[row, j], axis[row, j], moment[row, j]
            if prismatic[j]:
                x, y, z = x + speed * a[0], y + speed * a[1], z + speed * a[2]
            else:  # a × (p − o) = a × p + m
                x += speed * (a[1] * r - a[2] * q + m[0])
                y += speed * (a[2] * p - a[0] * r + m[1])
                z += speed * (a[0] * q - a[1] * p + m[2])
        square = x * x + y * y + z * z
        along = 0.0
        if square > SLOWEST**2:
            along = share[c] * (normal[c, 0] * x + normal[c, 1] * y + normal[c, 2] * z) / square
        out[c, 0], out[c, 1], out[c, 2] = normal[c, 0] - along * x, normal[c, 1] - along * y, normal[c, 2] - along * z
    return out
