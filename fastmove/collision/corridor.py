"""Margins of corridors and their gradients, for the planner: in a cone until beyond the corridor's length.

What a corridor forbids has an edge, the rim of its mouth, where the side of the cone meets the end of its length,
and fast motions pass right there.  With the larger of the two margins, samples of a motion could not pass the rim: those before
it are held by the one, those behind it by the other, and how much of its time a motion spends in the corridor would be decided
by its initial guess.  So the rim is rounded with a radius r: the cone is narrower by δ with r = length · sin δ, and with a its
margin and b that of the length

    margin = max(a, b − r) for b ≤ 0,   ‖(max(a + r, 0), b)‖ − r for b > 0,

whose gradient turns with the motion as it goes round the rim.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmove.arrays import Array
from fastmove.collision.query_types import CorridorConstraint, CorridorLinearization, Ends, NearPairs, Sliding
from fastmove.collision.sliding import slope_across
from fastmove.compiled import compiled, row_by_vector
from fastmove.dynamics.kinematics import Kinematics, Placements
from fastmove.problem.scene import CORRIDOR_TIP

INNER_TIP = 0.8 * CORRIDOR_TIP  # Width of a cone's tip for the planner, below the certificate's [m].
ROUNDING = 1.5e-3  # Radius of the rounded rim of a corridor's mouth [m].
NARROWER = 0.25  # Maximum share of a cone's angle by which it is narrowed for that.
CORRIDOR_WEIGHT = 20.0  # Weight of the violation of a corridor, where that of a clearance is 1 [1].


@dataclass(frozen=True)
class CorridorEvaluation:
    """Margins of N configurations in one corridor: to the side of its cone or, if larger, beyond its length, round its rim.

    Attributes:
        lane: The corridor.
        point: (N, 3) origin of the grasp frame in the world [m].
        past: (N, 3) its displacement from the corridor's end of the motion [m].
        margin: (N,) margin, ≥ 0 inside the cone or beyond the length [m].
        inside: (N,) whether the margin is that of the cone.
        outward: (N, 2) derivatives of the margin with respect to those of the cone and of the length.
    """

    lane: CorridorConstraint
    point: Array
    past: Array
    margin: Array
    inside: Array
    outward: Array

    @staticmethod
    def of(lane: CorridorConstraint, frames: Placements) -> CorridorEvaluation:
        """Evaluate a corridor at N configurations, given their joint frames."""
        (angle, radius), corridor = _rounded(lane), lane.corridor
        cone = (
            np.array(corridor.direction, dtype=float),
            float(np.sin(angle)),
            float(np.cos(angle)),
            radius,
            float(corridor.length),
        )
        return CorridorEvaluation(lane, *_margins(frames.rotation, frames.origin, lane.joint, lane.point, lane.origin, cone))

    def way(self, rows: Array) -> Array:
        """Returns the gradients (R, 3) of the margin in the point, at the configurations rows (R,)."""
        u, (angle, _), past = self.lane.corridor.direction, _rounded(self.lane), self.past[rows]
        across = past - (past @ u)[:, None] * u
        outward, away = (x / np.maximum(np.linalg.norm(x, axis=1), 1e-9)[:, None] for x in (across, past))
        side = np.sin(angle) * u - np.cos(angle) * outward
        return np.asarray(self.outward[rows, :1] * side + self.outward[rows, 1:] * away)

    def cone(self, rows: Array) -> tuple[Array, Array]:
        """Build the cone first ≥ ‖rest‖ at the configurations rows (R,).

        Returns:
            Values (R, 4) of first and the three of rest [m], and their derivatives (4, 3) in the point.
        """
        u, (angle, _) = self.lane.corridor.direction, _rounded(self.lane)
        turn = np.vstack([np.sin(angle) * u, np.cos(angle) * (np.eye(3) - np.outer(u, u))])
        value = self.past[rows] @ turn.T
        value[:, 0] += INNER_TIP
        return value, turn


def _rounded(lane: CorridorConstraint) -> tuple[float, float]:
    """Returns the angle of the narrowed cone [rad], and the radius of the rim [m]."""
    corridor = lane.corridor
    less = min(NARROWER * corridor.angle, float(np.arcsin(min(ROUNDING / corridor.length, 1.0))))
    return corridor.angle - less, corridor.length * float(np.sin(less))


def with_corridors(
    kinematics: Kinematics,
    first: int,
    near_pairs: NearPairs,
    frames: Placements,
    ends: Ends,
    reach: Array,
    gradients: bool,
    sliding: Sliding | None = None,
) -> NearPairs:
    """Append the corridors whose margin is below `reach` to near pairs, as contacts of required distance 0.

    Args:
        kinematics: Kinematics of the arm.
        first: Pair index of the first corridor.
        near_pairs: The near pairs of bodies.
        frames: Joint frames of the N configurations.
        ends: The ends of the motion, with its corridors.
        reach: (N,) margins below which a corridor is appended [m].
        gradients: Whether gradients are asked for.
        sliding: If given, they leave out displacements along the motion.

    Returns:
        All contacts, those of corridors last.
    """
    if not ends.corridors:
        return near_pairs
    keys = ("sample", "pair", "distance", "required", "gradient", "weight", "rate", "padding_scale")
    parts = [[getattr(near_pairs, key)] for key in keys]
    linearizations, count = [], len(near_pairs.sample)
    for k, constraint in enumerate(ends.corridors):
        evaluation = CorridorEvaluation.of(constraint, frames)
        rows = np.nonzero(evaluation.margin < reach)[0]
        zero, gradient = np.zeros(len(rows)), np.zeros((len(rows), kinematics.n))
        if gradients and len(rows):
            every = np.repeat(rows, 3)
            slope = kinematics.point_gradient(
                frames, every, np.full(len(every), constraint.joint), evaluation.point[every], np.tile(np.eye(3), (len(rows), 1))
            ).reshape(len(rows), 3, -1)
            if sliding is not None:
                slope = slope_across(slope, sliding.velocity[rows], evaluation.margin[rows])
            gradient = np.einsum("rd,rdi->ri", evaluation.way(rows), slope)
            inside = evaluation.inside[rows]
            value, turn = evaluation.cone(rows[inside])
            linearizations.append((count + np.nonzero(inside)[0], value, np.einsum("kd,rdi->rki", turn, slope[inside])))
        number = np.full(len(rows), first + k)
        new = (rows, number, evaluation.margin[rows], zero, gradient, zero + CORRIDOR_WEIGHT, zero, zero)
        count += len(rows)
        for part, values in zip(parts, new, strict=True):
            part.append(values)
    sample, pair, distance, required, slope, weight, rate, padding_scale = (np.concatenate(part) for part in parts)
    cones = (
        CorridorLinearization(*(np.concatenate(part) for part in zip(*linearizations, strict=True))) if linearizations else None
    )
    return NearPairs(sample, pair, distance, required, slope, weight, rate, padding_scale, near_pairs.fading, cones)


@compiled
def _margins(
    rotation: Array, origin: Array, joint: int, local: Array, end: Array, cone: tuple[Array, float, float, float, float]
) -> tuple[Array, Array, Array, Array, Array]:
    """Points, displacements, margins, and the rest of a `CorridorEvaluation`; sums are in the order of numpy's.

    Args:
        rotation: (N, J, 3, 3) rotations of the joint frames.
        origin: (N, J, 3) their origins [m].
        joint: Joint that carries the hand.
        local: (3,) origin of the grasp frame in the joint's frame [m].
        end: (3,) where it is at the corridor's end of the motion [m].
        cone: Direction (3,), sine and cosine of the cone's angle, radius of the rim [m], and length [m].
    """
    u, sine, cosine, radius, length = cone
    rows = len(rotation)
    point, past, margin = np.empty((rows, 3)), np.empty((rows, 3)), np.empty(rows)
    inside, outward, across = np.zeros(rows, dtype=np.bool_), np.zeros((rows, 2)), np.empty(3)
    for row in range(rows):
        turn = rotation[row, joint]
        for i in range(3):
            turned = turn[i, 0] * local[0] + turn[i, 2] * local[2] + turn[i, 1] * local[1]
            point[row, i] = turned + origin[row, joint, i]
            past[row, i] = point[row, i] - end[i]
        x, y, z = past[row]
        along = row_by_vector(x, y, z, u[0], u[1], u[2])
        for i in range(3):
            across[i] = past[row, i] - along * u[i]
        width = np.sqrt(across[0] * across[0] + across[1] * across[1] + across[2] * across[2])
        side = sine * along - cosine * width + INNER_TIP
        beyond = np.sqrt(x * x + y * y + z * z) - length
        if beyond > 0:
            first = max(side + radius, 0.0)
            size = np.sqrt(first * first + beyond * beyond)
            margin[row] = size - radius
            outward[row, 0], outward[row, 1] = first / max(size, 1e-12), beyond / max(size, 1e-12)
        else:
            margin[row] = max(side, beyond - radius)
            inside[row] = side >= beyond - radius
            outward[row, 0 if inside[row] else 1] = 1.0
    return point, past, margin, inside, outward
