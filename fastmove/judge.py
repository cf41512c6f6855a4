"""What physics says of a plan: held, slipped, or not trackable.

The plan is streamed at the simulation's own step to simulated hardware in which friction alone holds the item
(`drivers.mujoco`), with torque feed-forward and the payload known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from fastmove.assembly import assemble
from fastmove.dynamics import Dynamics
from fastmove.problem import TransferProblem
from fastmove.spline import Array
from fastmove.trajectory import Trajectory

SETTLE = 0.2  # [s] grip closed, arm still, before the reference pose is taken
AFTER = 0.2  # [s] arm still after the motion
HELD_SLIP, HELD_TURN = 0.2e-3, np.radians(0.2)
SLIPPED_SLIP, SLIPPED_TURN = 1e-3, np.radians(1.0)
TRACKING_MAX = 5e-3  # [rad]
GAIN_SAMPLES = 20


class Verdict(Enum):
    """What physics says of one transfer."""

    HELD = "the item moved at most 0.2 mm and 0.2° in the hand"
    BORDERLINE = "the item moved more than 0.2 mm or 0.2°, less than 1 mm and 1°: counts as a failure"
    SLIPPED = "the item moved more than 1 mm or 1° in the hand"
    NOT_TRACKABLE = "a joint was more than 5 mrad off: neither held nor slipped"


@dataclass(frozen=True)
class Judgement:
    """Attributes:
    slip, turn: largest displacement [m] and rotation [rad] of the item in the hand after settling.
    tracking: largest joint error [rad].
    time (N,), wrench (N, 6): what contacts exert on the item in the grasp frame, every step of the motion [N, Nm].
    """

    verdict: Verdict
    slip: float
    turn: float
    tracking: float
    time: Array = field(repr=False)
    wrench: Array = field(repr=False)


def judge(
    problem: TransferProblem,
    trajectory: Trajectory,
    grip_force: float | None = None,
    member: int = 0,
    step: float = 1e-3,
    friction: float | None = None,
) -> Judgement:
    """Run one transfer in physics and say whether the item was held.

    Args:
        grip_force: per pad, instead of the plan's [N];  member, friction: what the item really is;  step: [s].

    Raises:
        MissingPackage: mujoco is not installed.
    """
    from fastmove.drivers.mujoco import Simulation, displacement

    force = float(trajectory.phases[0].grip_force[0]) if grip_force is None else grip_force
    time, q, v, tau = _references(problem, trajectory, member, step)
    simulation = Simulation(problem, force, q[:: max(1, len(q) // GAIN_SAMPLES)], member, step, friction)
    simulation.place(q[0])
    for _ in range(round(SETTLE / step)):
        simulation.command(q[0], np.zeros_like(q[0]), tau[0])
        simulation.advance()
    reference = simulation.item_pose()
    slip = turn = tracking = 0.0
    wrench = np.empty((len(q), 6))
    for i in range(len(q) + round(AFTER / step)):
        k = min(i, len(q) - 1)
        if i < len(q):
            tracking = max(tracking, float(np.abs(simulation.joints() - q[k]).max()))
        simulation.command(q[k], v[k], tau[k])
        simulation.advance()
        if i < len(q):
            wrench[k] = simulation.wrench()
        moved, turned = displacement(reference, simulation.item_pose())
        slip, turn = max(slip, moved), max(turn, turned)
    return Judgement(verdict_of(slip, turn, tracking), slip, turn, tracking, time, wrench)


def verdict_of(slip: float, turn: float, tracking: float) -> Verdict:
    """slip [m], turn [rad], tracking error [rad]."""
    if not np.isfinite(slip + turn + tracking) or tracking > TRACKING_MAX:
        return Verdict.NOT_TRACKABLE
    if slip > SLIPPED_SLIP or turn > SLIPPED_TURN:
        return Verdict.SLIPPED
    if slip > HELD_SLIP or turn > HELD_TURN:
        return Verdict.BORDERLINE
    return Verdict.HELD


def _references(problem: TransferProblem, trajectory: Trajectory, member: int, step: float) -> tuple[Array, Array, Array, Array]:
    """Time, q, v, feed-forward torque (payload known) at the simulation's own steps."""
    time = np.minimum(np.arange(int(np.ceil(trajectory.duration / step)) + 1) * step, trajectory.duration)
    q, v, a = (trajectory.motion(k)(time) for k in range(3))
    dynamics = Dynamics(problem, assemble(problem))
    tau = dynamics.efforts(q, v, a).total[:, min(member, problem.members - 1), : dynamics.n]
    return time, q, v, tau
