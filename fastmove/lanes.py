"""Corridors as the planner sees them: inside the cone, or beyond it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmove.kinematics import Placements
from fastmove.proximity import Lane
from fastmove.scene import CORRIDOR_TIP
from fastmove.spline import Array

INNER_TIP = 0.8 * CORRIDOR_TIP  # what the planner uses of it [m]


@dataclass(frozen=True)
class Pass:
    """How N configurations stand to one corridor: inside its cone, or farther away than its length.

    Attributes:
        point: (N, 3) in the world;  past: (N, 3) from the end that the corridor belongs to.
        margin: (N,) [m];  inside: (N,) whether the cone says it, not the length;  way: (N, 3) of the margin's gradient.
    """

    lane: Lane
    point: Array
    past: Array
    margin: Array
    inside: Array
    way: Array

    @staticmethod
    def of(lane: Lane, frames: Placements) -> Pass:
        u, angle = lane.corridor.direction, lane.corridor.angle
        point = np.einsum("cij,j->ci", frames.rotation[:, lane.joint], lane.point) + frames.origin[:, lane.joint]
        past = point - lane.origin
        along = past @ u
        across = past - along[:, None] * u
        width, distance = np.linalg.norm(across, axis=1), np.linalg.norm(past, axis=1)
        cone, beyond = np.sin(angle) * along - np.cos(angle) * width + INNER_TIP, distance - lane.corridor.length
        outward, away = across / np.maximum(width, 1e-9)[:, None], past / np.maximum(distance, 1e-9)[:, None]
        inside = cone >= beyond
        way = np.where(inside[:, None], np.sin(angle) * u - np.cos(angle) * outward, away)
        return Pass(lane, point, past, np.maximum(cone, beyond), inside, way)

    def cone(self, rows: Array) -> tuple[Array, Array]:
        """first ≥ ‖rest‖ at some of them: values (R, 4), and how they turn with the point (4, 3)."""
        u, angle = self.lane.corridor.direction, self.lane.corridor.angle
        turn = np.vstack([np.sin(angle) * u, np.cos(angle) * (np.eye(3) - np.outer(u, u))])
        value = self.past[rows] @ turn.T
        value[:, 0] += INNER_TIP
        return value, turn
