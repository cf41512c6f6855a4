"""What physics says of a plan: held, slipped, or not trackable.

The plan is streamed at the simulation's own step to simulated hardware in which friction alone holds the item
(`drivers.simulation`), with torque feed-forward and the payload known.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from fastmove.assembly import assemble
from fastmove.contact import UTILISATION_MAX
from fastmove.dynamics import Dynamics
from fastmove.errors import InputError
from fastmove.grasp import Held
from fastmove.problem import TransferProblem
from fastmove.spline import Array
from fastmove.trajectory import Trajectory

AFTER = 0.2  # [s] arm still after the motion
HELD_SLIP, HELD_TURN = 0.2e-3, np.radians(0.2)
SLIPPED_SLIP, SLIPPED_TURN = 1e-3, np.radians(1.0)
TRACKING_MAX = 5e-3  # [rad]
GAIN_SAMPLES = 20
RECHECK_STEP = 5e-4  # [s] a borderline case is decided at this step


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
    time (N,), wrench (N, 6): what contacts exert on the item in the grasp frame, every step of the motion [N, Nm];
        empty where it was not measured.
    margin: least hold margin 0.9 − max(S, V) as measured;  contacts: fewest pad points in touch; nan and −1 unmeasured.
    """

    verdict: Verdict
    slip: float
    turn: float
    tracking: float
    time: Array = field(repr=False)
    wrench: Array = field(repr=False)
    margin: float = float("nan")
    contacts: int = -1


def judge(
    problem: TransferProblem,
    trajectory: Trajectory,
    grip_force: float | None = None,
    member: int = 0,
    step: float = 1e-3,
    friction: float | None = None,
    measure: bool = True,
    truth: TransferProblem | None = None,
) -> Judgement:
    """Run one transfer in physics and say whether the item was held.

    Args:
        step: [s]; a borderline case is run again at 0.5 ms, and that verdict counts.
        measure: record the contact wrench; without it the whole run is one call of MuJoCo's own loop, for batches.
        grip_force: per pad, instead of the plan's [N];  member, friction: what the item really is.
        truth: what is really there (see `Held.drawn`); the feed-forward torque remains that of what is believed.

    Raises:
        MissingPackage: mujoco is not installed.
        InputError: the problem holds no item, or a number is out of range.
    """
    from fastmove.drivers.simulation import Simulation, displacements, the_held

    _checked(the_held(truth or problem), grip_force, member, step, friction)
    force = float(trajectory.phases[0].grip_force[0]) if grip_force is None else grip_force
    truth = truth or problem
    force *= truth.holds[0].given
    time, q, v, tau = _references(problem, trajectory, member, step)
    simulation = Simulation(truth, force, q[:: max(1, len(q) // GAIN_SAMPLES)], member, step, friction)
    simulation.until = trajectory.duration  # what a motion is certified to
    simulation.settle(q[0], tau[0])
    reference, after = simulation.item_pose(), round(AFTER / step)
    hold = [np.repeat(x[-1:], after, axis=0) for x in (q, v, tau)]
    whole = [np.concatenate(parts) for parts in zip((q, v, tau), hold, strict=True)]
    joints, items, wrench = simulation.play(whole[0], whole[1], whole[2], measure)
    tracking = float(np.abs(joints[: len(q) - 1] - q[1:]).max())  # after a command the arm is where the next one begins
    slip, turn = (float(x.max()) for x in displacements(reference, items))
    verdict = verdict_of(slip, turn, tracking)
    if verdict is Verdict.BORDERLINE and step > RECHECK_STEP:
        return judge(problem, trajectory, grip_force, member, RECHECK_STEP, friction, measure, truth)
    margin, contacts = float("nan"), -1
    if measure:
        use = truth.holds[0].contact_model.utilisation(wrench[: len(q)], force / truth.holds[0].given)
        margin, contacts = UTILISATION_MAX - float(use.max()), simulation.least_contacts
    return Judgement(verdict, slip, turn, tracking, time, wrench[: len(q)], margin, contacts)


def _checked(held: Held, grip_force: float | None, member: int, step: float, friction: float | None) -> None:
    for key, value, most in (("grip_force", grip_force, 1e4), ("step", step, 2e-3), ("friction", friction, 10.0)):
        if value is not None and not 0 < value <= most:
            raise InputError(key, f"is {value}; allowed: above 0, to {most:g}")
    if not 0 <= member < len(held.bodies):
        raise InputError("member", f"is {member}; allowed: 0 to {len(held.bodies) - 1}")


def judge_batch(cases: Iterable[tuple[TransferProblem, Trajectory]], step: float = 1e-3) -> list[Judgement]:
    """Verdicts of many transfers, in order, without contact wrenches: about a thousand a minute on one core."""
    return [judge(problem, trajectory, step=step, measure=False) for problem, trajectory in cases]


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
    return time, q, v, Dynamics(problem, assemble(problem)).torques(q, v, a, member)
