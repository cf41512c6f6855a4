"""Validity of configurations and edges for path search: free of contact, held at rest, and within the path constraints."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array, readonly
from fastmove.collision.broadphase import Broadphase
from fastmove.collision.checker import Collision
from fastmove.collision.corridor import ROUNDING
from fastmove.collision.query_types import Ends
from fastmove.dynamics.efforts import Dynamics
from fastmove.dynamics.load_usage import LoadUtilisation
from fastmove.multibody.assembly import goal_frame
from fastmove.problem.goal import TOOL, GoalPose
from fastmove.problem.transfer import TransferProblem

EDGE_STEP = 0.05  # Maximum distance between checked configurations of an edge [rad].
LIFT_STEP = 0.01  # Displacement of the hand from one configuration of a retreat path to the next [m].
LIFT_MAX = 0.30  # Maximum length of a retreat path [m].
STATIC_USE = 0.95  # Maximum utilisation at rest of a valid configuration.


class StateValidityChecker:
    """Checks whether configurations and edges are free of contact and hold the item at rest.

    Args:
        collision: Distance queries of the problem.
        dynamics: Efforts and path constraints of the problem.
        problem: Transfer problem.
        ends: Allowed contacts and corridors at both ends of the motion.
    """

    def __init__(self, collision: Collision, dynamics: Dynamics, problem: TransferProblem, ends: Ends) -> None:
        self.collision, self.dynamics, self.problem, self.ends = collision, dynamics, problem, ends
        self.broadphase, self.loads = Broadphase(collision.assembly, collision), LoadUtilisation(problem)
        self.faded = max((float(fade.distance[fade.pairs].max(initial=0.0)) for fade in ends.fades), default=0.0)
        self._retreats: dict[str, list[Array]] = {}

    def __call__(self, q: Array) -> bool:
        """Returns whether a configuration (n,) [rad] is valid for the arm at rest."""
        return (self.broadphase.free(q) or self._touching(q)) and self._in_corridors(q) and self._holdable(q) and self._stated(q)

    def _in_corridors(self, q: Array) -> bool:
        """Returns whether q satisfies every corridor; q was given to the broadphase last."""
        beyond = (
            self.broadphase.distance(lane.joint, lane.point, lane.origin) > lane.corridor.length + ROUNDING
            for lane in self.ends.corridors
        )
        return all(beyond) or self.collision.in_corridors(q, self.ends)

    def _stated(self, q: Array) -> bool:
        """Returns whether the path constraints hold at rest."""
        path = self.dynamics.path
        return path is None or float(path.at_rest(q[None]).max()) <= 1.0

    def _touching(self, q: Array) -> bool:
        """Returns whether q keeps the distances of allowed contacts, which grow with the way from an end.

        q was given to the broadphase last.  Where the first point of every item is further away, the furthest one is.
        """
        distance = self.broadphase.distance
        if all(distance(fade.joint, fade.points[0], fade.origin[0]) > self.faded for fade in self.ends.fades):
            return False
        if self.collision.travel(q, self.ends) > self.faded:
            return False
        return not np.any(self.collision.query(q[None], self.ends, 0.0).margin < 0)

    def _holdable(self, q: Array) -> bool:
        """Returns whether the use of every hold at rest is at most `STATIC_USE`."""
        return not self.problem.holds or float(self.loads.utilisation_at_rest(self.dynamics.static(q[None]))[0]) <= STATIC_USE

    def retreat_path(self, q: Array, end: str) -> list[Array]:
        """Returns the configurations (n,) [rad] that lead straight out of an end, q first; computed once for each end.

        Args:
            q: Configuration at the end (n,) [rad].
            end: "start" or "goal".
        """
        if end not in self._retreats:
            self._retreats[end] = _retreat_path(self.collision, self.problem, self, q, end)
        return self._retreats[end]

    def edge(self, a: Array, b: Array) -> bool:
        """Returns whether the straight line from a to b (n,) [rad] is valid at steps of at most `EDGE_STEP`.

        a itself is not checked.  b is checked first, then the points between, coarse to fine.
        """
        way = b - a
        inner = _shares(max(1, int(np.ceil(np.sqrt(way @ way) / EDGE_STEP))))
        return self(b) and all(map(self, a + inner[:, None] * way))


@lru_cache(maxsize=1024)
def _shares(count: int) -> Array:
    """Returns the inner shares k/count (count − 1,) of an edge, coarse to fine: k by descending power of two that divides it."""
    order = sorted(range(1, count), key=lambda k: (-(k & -k), k))
    return readonly(np.array(order) / count)


def _way_out(problem: TransferProblem, end: str, approach: Array) -> Array | None:
    """Returns the direction (3,) in the world in which the hand leaves an end; None where there is none.

    It is that of the end's corridor; else against gravity with a held item; else, with an empty hand, against its approach.

    Args:
        problem: Transfer problem.
        end: "start" or "goal".
        approach: Direction in which the hand approaches the end, in the world (3,).
    """
    for corridor in problem.corridors:
        if corridor.at == end:
            return np.array(corridor.direction)
    if not problem.holds:
        return -approach
    size = float(np.linalg.norm(problem.gravity))
    return None if size < 1e-9 else -np.array(problem.gravity) / size


def _retreat_path(collision: Collision, problem: TransferProblem, valid: StateValidityChecker, q: Array, end: str) -> list[Array]:
    """Returns the configurations (n,) [rad] that move the hand straight out of an end without turning it, q first.

    The path stops before the first invalid configuration, and after `LIFT_MAX`.

    Args:
        collision: Distance queries of the problem.
        problem: Transfer problem.
        valid: Validity of edges.
        q: Configuration at the end (n,) [rad].
        end: "start" or "goal".
    """
    chain, limits = [q], problem.limit_set
    if not problem.robot.grippers:
        return chain
    joint, placement = goal_frame(collision.assembly, problem.robot, GoalPose(pin.SE3.Identity(), TOOL))
    arm, data = collision.assembly.arm, collision.assembly.arm.createData()
    pin.forwardKinematics(arm, data, q)
    out = _way_out(problem, end, (data.oMi[joint].rotation @ placement.rotation)[:, 2])
    for _ in range(0 if out is None else int(LIFT_MAX / LIFT_STEP)):
        jacobian = pin.computeJointJacobian(arm, data, chain[-1], joint)
        pin.forwardKinematics(arm, data, chain[-1])
        along = data.oMi[joint].rotation.T @ out  # without turning, every point of the hand moves alike
        twist = np.concatenate([along * LIFT_STEP, np.zeros(3)])
        new = chain[-1] + jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + 1e-6 * np.eye(6), twist)
        inside = np.all((new >= limits.position_min) & (new <= limits.position_max))
        if not inside or not valid.edge(chain[-1], new):
            break
        chain.append(new)
    return chain
