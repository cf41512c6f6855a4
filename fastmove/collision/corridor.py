"""Margins of corridors and their gradients, for the planner: in a cone until beyond the corridor's length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmove.arrays import Array
from fastmove.collision.query_types import CorridorConstraint, CorridorLinearization, Ends, NearPairs
from fastmove.dynamics.kinematics import Kinematics, Placements
from fastmove.problem.scene import CORRIDOR_TIP

INNER_TIP = 0.8 * CORRIDOR_TIP  # Width of a cone's tip for the planner, below the certificate's [m].
CORRIDOR_WEIGHT = 20.0  # Weight of the violation of a corridor, where that of a clearance is 1 [1].


@dataclass(frozen=True)
class CorridorEvaluation:
    """Margins of N configurations in one corridor: to the side of its cone or, if larger, beyond its length.

    Attributes:
        lane: The corridor.
        point: (N, 3) origin of the grasp frame in the world [m].
        past: (N, 3) its displacement from the corridor's end of the motion [m].
        margin: (N,) margin, ≥ 0 inside the cone or beyond the length [m].
        inside: (N,) whether the margin is that of the cone, not that of the length.
    """

    lane: CorridorConstraint
    point: Array
    past: Array
    margin: Array
    inside: Array

    @staticmethod
    def of(lane: CorridorConstraint, frames: Placements) -> CorridorEvaluation:
        """Evaluate a corridor at N configurations, given their joint frames."""
        u, angle = lane.corridor.direction, lane.corridor.angle
        point = np.einsum("cij,j->ci", frames.rotation[:, lane.joint], lane.point) + frames.origin[:, lane.joint]
        past = point - lane.origin
        along = past @ u
        width = np.linalg.norm(past - along[:, None] * u, axis=1)
        cone = np.sin(angle) * along - np.cos(angle) * width + INNER_TIP
        beyond = np.linalg.norm(past, axis=1) - lane.corridor.length
        return CorridorEvaluation(lane, point, past, np.maximum(cone, beyond), cone >= beyond)

    def way(self, rows: Array) -> Array:
        """Returns the gradients (R, 3) of the margin in the point, at the configurations rows (R,)."""
        u, angle, past = self.lane.corridor.direction, self.lane.corridor.angle, self.past[rows]
        across = past - (past @ u)[:, None] * u
        outward, away = (x / np.maximum(np.linalg.norm(x, axis=1), 1e-9)[:, None] for x in (across, past))
        return np.where(self.inside[rows, None], np.sin(angle) * u - np.cos(angle) * outward, away)

    def cone(self, rows: Array) -> tuple[Array, Array]:
        """Build the cone first ≥ ‖rest‖ at the configurations rows (R,).

        Returns:
            Values (R, 4) of first and the three of rest [m], and their derivatives (4, 3) in the point.
        """
        u, angle = self.lane.corridor.direction, self.lane.corridor.angle
        turn = np.vstack([np.sin(angle) * u, np.cos(angle) * (np.eye(3) - np.outer(u, u))])
        value = self.past[rows] @ turn.T
        value[:, 0] += INNER_TIP
        return value, turn


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
