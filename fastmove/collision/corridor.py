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
from fastmove.collision.query_types import CorridorConstraint, CorridorLinearization, Ends, NearPairs
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
        u, (angle, radius) = lane.corridor.direction, _rounded(lane)
        point = np.einsum("cij,j->ci", frames.rotation[:, lane.joint], lane.point) + frames.origin[:, lane.joint]
        past = point - lane.origin
        along = past @ u
        width = np.linalg.norm(past - along[:, None] * u, axis=1)
        cone = np.sin(angle) * along - np.cos(angle) * width + INNER_TIP
        beyond = np.linalg.norm(past, axis=1) - lane.corridor.length
        inside = (beyond <= 0) & (cone >= beyond - radius)
        round_rim = np.stack([np.maximum(cone + radius, 0.0), np.maximum(beyond, 0.0)], axis=1)
        size = np.linalg.norm(round_rim, axis=1)
        margin = np.where(beyond > 0, size - radius, np.maximum(cone, beyond - radius))
        outward = np.where((beyond > 0)[:, None], round_rim / np.maximum(size, 1e-12)[:, None], [0.0, 1.0])
        outward[inside] = [1.0, 0.0]
        return CorridorEvaluation(lane, point, past, margin, inside, outward)

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
    kinematics: Kinematics, first: int, near_pairs: NearPairs, frames: Placements, ends: Ends, reach: Array, gradients: bool
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

    Returns:
        All contacts, those of corridors last.
    """
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
