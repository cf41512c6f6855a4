"""Corridors as the planner sees them: inside the cone, or beyond it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmove.arrays import Array
from fastmove.collision.query_types import CorridorConstraint
from fastmove.dynamics.kinematics import Placements
from fastmove.problem.scene import CORRIDOR_TIP

INNER_TIP = 0.8 * CORRIDOR_TIP  # what the planner uses of it [m]


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
