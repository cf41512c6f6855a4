"""What physics says of a plan: held, slipped, not settled, or not trackable.

The plan is streamed at the simulation's own step to simulated hardware in which friction alone holds the item
(`drivers.simulation`), with torque feed-forward and the payload known.

A verdict is the worst of several rollouts that differ by a millionth in where arm and item are, in how long the item settles and
in the step: what the last bits decide is not held.  Each begins with an item that has settled in the hand as planned, or has no
verdict but that it has not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from fastmove.arrays import Array
from fastmove.contact.wrench_cone import UTILISATION_MAX
from fastmove.drivers.settling import Settling
from fastmove.dynamics.efforts import Dynamics
from fastmove.errors import InputError
from fastmove.multibody.assembly import assemble
from fastmove.problem.grasp import HeldItem
from fastmove.problem.transfer import TransferProblem
from fastmove.trajectory.trajectory import Trajectory

if TYPE_CHECKING:
    from fastmove.drivers.simulation import Simulation


AFTER = 0.2  # [s] arm still after the motion
HELD_SLIP, HELD_TURN = 0.2e-3, np.radians(0.2)
SLIPPED_SLIP, SLIPPED_TURN = 1e-3, np.radians(1.0)
TRACKING_MAX = 5e-3  # [rad]
CLEARANCE_SHARE = 0.5  # of the clearance asked for that the item's farthest point may use up by moving in the hand
GAIN_SAMPLES = 20
ROLLOUTS = 5
DISTURBANCE = 1e-6  # [m, rad]

# of each rollout: whether it is disturbed, how much longer it settles than usual [s], its step in shares of the first one's
VARIATIONS = ((False, 0.0, 1.0), (True, 0.0, 1.0), (True, 0.05, 1.0), (True, 0.0, 0.5), (True, 0.1, 0.5))


class Verdict(Enum):
    """What physics says of one transfer, from best to worst: all but the first count as failures."""

    HELD = "the item moved at most 0.2 mm and 0.2° in the hand, its farthest point at most half the clearance"
    NOT_SETTLED = "the item did not come to rest in the closed hand as planned; nothing worse was seen of the motion"
    BORDERLINE = "the item moved more than may be, less than 1 mm and 1°"
    LOST_TOUCH = "a pad point lost touch with the item"
    NOT_TRACKABLE = "a joint was more than 5 mrad off: neither held nor slipped"
    SLIPPED = "the item moved more than 1 mm or 1° in the hand"

    @property
    def rank(self) -> int:
        """0 = held; larger is worse."""
        return list(Verdict).index(self)


@dataclass(frozen=True)
class Judgement:
    """Attributes:
    slip, turn: largest displacement [m] and rotation [rad] of the item in the hand after settling.
    reach: largest displacement of its farthest point [m].
    tracking: largest joint error [rad].
    settling: how it sat in the hand before the motion; of the worst rollout.
    contacts: fewest pad points in touch in the motion, of `settling.points`; −1 where nothing moved.
    time (N,), wrench (N, 6): what contacts exert on the item in the grasp frame, every step of the motion [N, Nm]; of the first
        rollout, empty where it was not measured.
    margin: least hold margin 0.9 − max(S, V) as measured; nan where it was not.
    verdicts: of every rollout, in their order.
    """

    verdict: Verdict
    slip: float
    turn: float
    reach: float
    tracking: float
    settling: Settling
    contacts: int
    time: Array = field(repr=False)
    wrench: Array = field(repr=False)
    margin: float = float("nan")
    verdicts: tuple[Verdict, ...] = ()

    def __str__(self) -> str:
        rollouts = f"worst of {len(self.verdicts)} rollouts" if len(self.verdicts) > 1 else "one rollout"
        if self.verdict is Verdict.NOT_SETTLED:
            return f"NOT SETTLED before the motion: {', '.join(self.settling.faults)} ({rollouts})"
        moved = f"{self.slip * 1e3:.3f} mm, {np.degrees(self.turn):.3f}°, farthest point {self.reach * 1e3:.3f} mm in the hand"
        return (
            f"{self.verdict.name.replace('_', ' ')}: {moved}; at least {self.contacts} of {self.settling.points} pad points "
            f"in touch ({rollouts})"
        )


def judge(
    problem: TransferProblem,
    trajectory: Trajectory,
    grip_force: float | None = None,
    member: int = 0,
    step: float = 1e-3,
    friction: float | None = None,
    measure: bool = True,
    truth: TransferProblem | None = None,
    rollouts: int = ROLLOUTS,
    time_constant: float | None = None,
) -> Judgement:
    """Run one transfer in physics and say whether the item was held.

    Args:
        step: of the first rollout, some others take half of it [s].
        measure: record the contact wrench of the first rollout; without it the whole run is one call of MuJoCo's own loop.
        grip_force: per pad, instead of the plan's [N];  member, friction: what the item really is.
        truth: what is really there (see `Held.drawn`); the feed-forward torque remains that of what is believed.
        rollouts: how many, 1 to 5; one is for batches.
        time_constant: of contacts [s]; default the simulation's own.

    Raises:
        MissingPackage: mujoco is not installed.
        InputError: the problem holds no item, or a number is out of range.
    """
    from fastmove.drivers.mujoco_model import TIME_CONSTANT
    from fastmove.drivers.simulation import Simulation, the_held

    constant = TIME_CONSTANT if time_constant is None else time_constant
    _checked(the_held(truth or problem), grip_force, member, step, friction, rollouts, constant)
    truth = truth or problem
    force = float(trajectory.phases[0].grip_force[0]) if grip_force is None else grip_force
    force *= truth.holds[0].realised_grip_ratio
    plan = {share: _references(problem, trajectory, member, share * step) for share in {v[2] for v in VARIATIONS[:rollouts]}}
    along = plan[1.0].q[:: max(1, len(plan[1.0].q) // GAIN_SAMPLES)]
    simulation = Simulation(truth, force, along, member, step, friction, constant)
    simulation.until = trajectory.duration  # what a motion is certified to
    return worst_of([_rollout(simulation, plan[VARIATIONS[k][2]], k, measure and k == 0) for k in range(rollouts)])


def _rollout(simulation: Simulation, plan: _References, number: int, measure: bool) -> Judgement:
    """One of the rollouts."""
    from fastmove.drivers.displacement import displacements, farthest

    disturbed, longer, _ = VARIATIONS[number]
    simulation.step_size = plan.step
    settling = simulation.settle(plan.q[0], longer, DISTURBANCE if disturbed else 0.0, number)
    if not settling.ok:
        nothing, nan = np.zeros((0, 6)), float("nan")
        return Judgement(Verdict.NOT_SETTLED, nan, nan, nan, nan, settling, -1, plan.time[:0], nothing)
    reference, after = simulation.item_pose(), round(AFTER / plan.step)
    hold = [np.repeat(x[-1:], after, axis=0) for x in (plan.q, plan.v, plan.torque)]
    whole = [np.concatenate(parts) for parts in zip((plan.q, plan.v, plan.torque), hold, strict=True)]
    played = simulation.play(whole[0], whole[1], whole[2], measure)
    count, held = len(plan.q), simulation.problem.holds[0]
    tracking = float(
        np.abs(played.joints[: count - 1] - plan.q[1:]).max()
    )  # after a command the arm is where the next one begins
    slip, turn = (float(x.max()) for x in displacements(reference, played.items))
    reach, contacts = float(farthest(reference, played.items, held.hull_points).max()), int(played.touching.min())
    verdict = verdict_of(slip, turn, tracking, reach, simulation.problem.clearance, contacts < settling.points)
    margin, wrench = float("nan"), played.wrench[:count]
    if measure:
        margin = UTILISATION_MAX - float(
            held.contact_model.utilisation(wrench, simulation.grip_force / held.realised_grip_ratio).max()
        )
    return Judgement(verdict, slip, turn, reach, tracking, settling, contacts, plan.time, wrench, margin)


def worst_of(rollouts: list[Judgement]) -> Judgement:
    """The worst verdict, with the largest of every number over those that moved, and what the first one measured."""
    worst = max(rollouts, key=lambda one: one.verdict.rank)
    moved = [one for one in rollouts if one.contacts >= 0] or rollouts
    largest = {key: max(getattr(one, key) for one in moved) for key in ("slip", "turn", "reach", "tracking")}
    return replace(
        rollouts[0],
        verdict=worst.verdict,
        settling=worst.settling,
        contacts=min(one.contacts for one in moved),
        verdicts=tuple(verdict for one in rollouts for verdict in (one.verdicts or (one.verdict,))),
        **largest,
    )


def _checked(
    held: HeldItem,
    grip_force: float | None,
    member: int,
    step: float,
    friction: float | None,
    rollouts: int,
    time_constant: float,
) -> None:
    if not 0 < step <= 2e-3:
        raise InputError("step", f"is {step}; allowed: above 0, to 0.002")
    if rollouts not in range(1, ROLLOUTS + 1):
        raise InputError("rollouts", f"are {rollouts}; allowed: 1 to {ROLLOUTS}")
    if not 2 * step <= time_constant <= 0.02:
        raise InputError("time_constant", f"is {time_constant}; allowed: two steps, {2 * step:g}, to 0.02 s")
    for key, value, most in (("grip_force", grip_force, 1e4), ("friction", friction, 10.0)):
        if value is not None and not 0 < value <= most:
            raise InputError(key, f"is {value}; allowed: above 0, to {most:g}")
    if not 0 <= member < len(held.bodies):
        raise InputError("member", f"is {member}; allowed: 0 to {len(held.bodies) - 1}")


def judge_batch(cases: Iterable[tuple[TransferProblem, Trajectory]], step: float = 1e-3) -> list[Judgement]:
    """Verdicts of many transfers, in order, by one rollout each (a verdict that the last bits decide may be either then) and
    without contact wrenches."""
    return [judge(problem, trajectory, step=step, measure=False, rollouts=1) for problem, trajectory in cases]


def verdict_of(slip: float, turn: float, tracking: float, reach: float, clearance: float, lost: bool) -> Verdict:
    """One rollout's verdict.

    Args:
        slip [m], turn [rad], tracking error [rad], reach: displacement of the farthest point [m].
        clearance: that the plan was asked for [m]; where none was, the farthest point takes none away.
        lost: whether a pad point lost touch.
    """
    if not np.isfinite(slip + turn + tracking + reach) or tracking > TRACKING_MAX:
        return Verdict.NOT_TRACKABLE
    if slip > SLIPPED_SLIP or turn > SLIPPED_TURN:
        return Verdict.SLIPPED
    if lost:
        return Verdict.LOST_TOUCH
    if slip > HELD_SLIP or turn > HELD_TURN or (clearance > 0 and reach > CLEARANCE_SHARE * clearance):
        return Verdict.BORDERLINE
    return Verdict.HELD


@dataclass(frozen=True)
class _References:
    """A motion at the simulation's own steps: time (N,), q, v, feed-forward torque with the payload known (N, n)."""

    step: float
    time: Array
    q: Array
    v: Array
    torque: Array


def _references(problem: TransferProblem, trajectory: Trajectory, member: int, step: float) -> _References:
    time = np.minimum(np.arange(int(np.ceil(trajectory.duration / step)) + 1) * step, trajectory.duration)
    q, v, a = (trajectory.motion(k)(time) for k in range(3))
    return _References(step, time, q, v, Dynamics(problem, assemble(problem)).torques(q, v, a, member))
