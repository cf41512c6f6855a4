"""Corridors as the planner sees them: inside the cone, or beyond it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmove.arrays import Array
from fastmove.collision.query_types import CorridorConstraint, CorridorLinearization, Ends, NearPairs
from fastmove.dynamics.kinematics import Kinematics, Placements
from fastmove.problem.scene import CORRIDOR_TIP

INNER_TIP = 0.8 * CORRIDOR_TIP  # what the planner uses of it [m]
CORRIDOR_WEIGHT = 20.0  # a corridor has no pad that could absorb a lack: its millimetres cost more


@dataclass(frozen=True)
class CorridorEvaluation:
    """How N configurations stand to one corridor: inside its cone, or farther away than its length.

    Attributes:
        point: (N, 3) in the world;  past: (N, 3) from the end that the corridor belongs to.
        margin: (N,) [m];  inside: (N,) whether the cone says it, not the length.
    """

    lane: CorridorConstraint
    point: Array
    past: Array
    margin: Array
    inside: Array

    @staticmethod
    def of(lane: CorridorConstraint, frames: Placements) -> CorridorEvaluation:
        u, angle = lane.corridor.direction, lane.corridor.angle
        point = np.einsum("cij,j->ci", frames.rotation[:, lane.joint], lane.point) + frames.origin[:, lane.joint]
        past = point - lane.origin
        along = past @ u
        width = np.linalg.norm(past - along[:, None] * u, axis=1)
        cone = np.sin(angle) * along - np.cos(angle) * width + INNER_TIP
        beyond = np.linalg.norm(past, axis=1) - lane.corridor.length
        return CorridorEvaluation(lane, point, past, np.maximum(cone, beyond), cone >= beyond)

    def way(self, rows: Array) -> Array:
        """(R, 3) ways in which the margin grows at some of them."""
        u, angle, past = self.lane.corridor.direction, self.lane.corridor.angle, self.past[rows]
        across = past - (past @ u)[:, None] * u
        outward, away = (x / np.maximum(np.linalg.norm(x, axis=1), 1e-9)[:, None] for x in (across, past))
        return np.where(self.inside[rows, None], np.sin(angle) * u - np.cos(angle) * outward, away)

    def cone(self, rows: Array) -> tuple[Array, Array]:
        """first ≥ ‖rest‖ at some of them: values (R, 4), and how they turn with the point (4, 3)."""
        u, angle = self.lane.corridor.direction, self.lane.corridor.angle
        turn = np.vstack([np.sin(angle) * u, np.cos(angle) * (np.eye(3) - np.outer(u, u))])
        value = self.past[rows] @ turn.T
        value[:, 0] += INNER_TIP
        return value, turn


def with_corridors(
    kinematics: Kinematics, first: int, found: NearPairs, frames: Placements, ends: Ends, reach: Array, gradients: bool
) -> NearPairs:
    """The pairs found, and corridors nearer than `reach` as contacts that require a distance of 0.

    Args:
        first: number of the first corridor as a pair.
    """
    parts = [
        [getattr(found, key)] for key in ("sample", "pair", "distance", "required", "gradient", "weight", "rate", "padding_scale")
    ]
    aisles, count = [], len(found.sample)
    for k, lane in enumerate(ends.corridors):
        through = CorridorEvaluation.of(lane, frames)
        rows = np.nonzero(through.margin < reach)[0]
        zero, gradient = np.zeros(len(rows)), np.zeros((len(rows), kinematics.n))
        if gradients and len(rows):
            every = np.repeat(rows, 3)
            slope = kinematics.point_gradient(
                frames, every, np.full(len(every), lane.joint), through.point[every], np.tile(np.eye(3), (len(rows), 1))
            ).reshape(len(rows), 3, -1)
            gradient = np.einsum("rd,rdi->ri", through.way(rows), slope)
            inside = through.inside[rows]
            value, turn = through.cone(rows[inside])
            aisles.append((count + np.nonzero(inside)[0], value, np.einsum("kd,rdi->rki", turn, slope[inside])))
        number = np.full(len(rows), first + k)
        new = (rows, number, through.margin[rows], zero, gradient, zero + CORRIDOR_WEIGHT, zero, zero)
        count += len(rows)
        for part, values in zip(parts, new, strict=True):
            part.append(values)
    sample, pair, distance, required, slope, weight, rate, room = (np.concatenate(part) for part in parts)
    aisle = CorridorLinearization(*(np.concatenate(part) for part in zip(*aisles, strict=True))) if aisles else None
    return NearPairs(sample, pair, distance, required, slope, weight, rate, room, found.fading, aisle)
