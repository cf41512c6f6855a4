"""The slip test: it judges in a physics simulation whether a planned motion holds the item.

The motion is streamed at the simulation's own step to simulated hardware in which friction alone holds the item
(`drivers.simulated.simulation`), with feed-forward torque and the payload known.

A verdict is the worst of several rollouts that differ by a millionth in the poses of arm and item, in how long the item settles
and in the step, so that a motion whose verdict depends on rounding does not count as held.  Each rollout begins with an item that
has settled in the hand as planned; otherwise its verdict is that it has not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from fastmove.arrays import Array
from fastmove.contact.wrench_cone import UTILISATION_MAX
from fastmove.drivers.simulated.settling import Settling
from fastmove.dynamics.efforts import Dynamics
from fastmove.errors import InputError
from fastmove.multibody.assembly import assemble
from fastmove.problem.grasp import HeldItem
from fastmove.problem.transfer import TransferProblem
from fastmove.trajectory.trajectory import Trajectory

if TYPE_CHECKING:
    from fastmove.drivers.simulated.simulation import Simulation


AFTER = 0.2  # time for which the arm is held at rest after the motion [s]
HELD_SLIP = 0.2e-3  # largest displacement in the hand of an item that counts as held [m]
HELD_TURN = np.radians(0.2)  # largest rotation in the hand of an item that counts as held [rad]
SLIPPED_SLIP = 1e-3  # displacement in the hand beyond which the item counts as slipped [m]
SLIPPED_TURN = np.radians(1.0)  # rotation in the hand beyond which the item counts as slipped [rad]
TRACKABLE_MAX = 5e-3  # joint error beyond which the motion counts as not trackable [rad]
CLEARANCE_SHARE = 0.5  # share of the clearance asked for that the item's farthest point may move in the hand [1]
GAIN_SAMPLES = 20  # number of configurations along the motion from which the servo's gains follow
ROLLOUTS = 5  # default and largest number of rollouts
DISTURBANCE = 1e-6  # size of the random change of item and arm in disturbed rollouts [m, rad]

# For each rollout: whether it is disturbed, the time it settles beyond the usual [s], its step over that of the first one [1].
VARIATIONS = ((False, 0.0, 1.0), (True, 0.0, 1.0), (True, 0.05, 1.0), (True, 0.0, 0.5), (True, 0.1, 0.5))


class Verdict(Enum):
    """The verdicts on the hold of one transfer, from best to worst; all but the first count as failures."""

    HELD = "the item moved at most 0.2 mm and 0.2° in the hand, its farthest point at most half the clearance"
    NOT_SETTLED = "the item did not come to rest in the closed hand as planned; nothing worse was seen of the motion"
    BORDERLINE = "the item moved more than may be, less than 1 mm and 1°"
    LOST_TOUCH = "a pad point, or one of a cup's lip, lost touch with the item"
    NOT_TRACKABLE = "a joint was more than 5 mrad off: neither held nor slipped"
    SLIPPED = "the item moved more than 1 mm or 1° in the hand"

    @property
    def rank(self) -> int:
        """Rank of the verdict: 0 = held, larger is worse."""
        return list(Verdict).index(self)


@dataclass(frozen=True)
class Judgement:
    """The judgement of one transfer, over one or several rollouts.

    Attributes:
        verdict: worst verdict of the rollouts.
        slip: largest displacement of the item in the hand after settling [m].
        turn: largest rotation of the item in the hand after settling [rad].
        reach: largest displacement of the item's farthest point [m].
        tracking: largest joint error until the item slipped [rad].
        settling: how the item sat in the hand before the motion, in the worst rollout.
        contacts: fewest points of the hand in touch during the motion, of `settling.points`; −1 if the motion was not run.
        time: (N,) times of the first rollout's steps [s].
        wrench: (N, 6) contact wrench on the item in the grasp frame, in the first rollout [N, Nm]; empty unless measured.
        margin: least hold margin 0.9 − max(S, V) of the measured wrench [1]; nan unless measured.
        verdicts: verdicts of all rollouts, in their order.
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
            f"{self.verdict.name.replace('_', ' ')}: {moved}; at least {self.contacts} of {self.settling.points} "
            f"{self.settling.point}s in touch ({rollouts})"
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
    first: int = 0,
) -> Judgement:
    """Runs one transfer in a physics simulation and judges whether the item was held.

    Args:
        problem: transfer that the motion was planned for.
        trajectory: planned motion.
        grip_force: grip force per pad, or vacuum force of a cup [N]; default the plan's.
        member: index of the body, of the item's set, that is really in the hand.
        step: simulation step of the first rollout [s]; some others take half of it.
        friction: true Coulomb coefficient between hand and item; default the grasp's.
        measure: record the contact wrench of the first rollout.  If not, the whole run is one call of MuJoCo's own loop.
        truth: what is really there (see `HeldItem.sample`); the feed-forward torque remains that of the nominal problem.
        rollouts: number of rollouts, 1 to 5; one is for batches.
        time_constant: time constant of contacts [s]; default the simulation's own.
        first: number of the first rollout, from 0; each number is another settled state, for batches of many.

    Raises:
        MissingPackage: mujoco is not installed.
        InputError: the problem does not hold exactly one item, or a number is out of range.
    """
    from fastmove.drivers.simulated.mujoco_parts import TIME_CONSTANT
    from fastmove.drivers.simulated.simulation import Simulation, the_held

    constant = TIME_CONSTANT if time_constant is None else time_constant
    _checked(the_held(truth or problem), grip_force, member, step, friction, rollouts, constant)
    numbers = range(first, first + rollouts)
    truth = truth or problem
    force = float(trajectory.phases[0].grip_force[0]) if grip_force is None else grip_force
    force *= truth.holds[0].realised_grip_ratio
    plan = {share: references(problem, trajectory, member, share * step) for share in {variation(k)[2] for k in numbers}}
    along = plan[max(plan)].q
    along = along[:: max(1, len(along) // GAIN_SAMPLES)]
    simulation = Simulation(truth, force, along, member, step, friction, constant)
    simulation.until = trajectory.duration  # the motion is certified until then
    return worst_of([_rollout(simulation, plan[variation(k)[2]], k, measure and k == first) for k in numbers])


def variation(number: int) -> tuple[bool, float, float]:
    """What a rollout differs in, by its number: those after the first of `VARIATIONS` come again and again, with other draws."""
    return VARIATIONS[number if number < len(VARIATIONS) else 1 + (number - 1) % (len(VARIATIONS) - 1)]


def _rollout(simulation: Simulation, plan: References, number: int, measure: bool) -> Judgement:
    """Runs the rollout of this number (see `variation`), and judges it."""
    from fastmove.drivers.simulated.displacement import displacements, farthest
    from fastmove.drivers.simulated.playing import play

    disturbed, longer, _ = variation(number)
    simulation.step_size = plan.step
    settling = simulation.settle(plan.q[0], longer, DISTURBANCE if disturbed else 0.0, number)
    if not settling.ok:
        nothing, nan = np.zeros((0, 6)), float("nan")
        return Judgement(Verdict.NOT_SETTLED, nan, nan, nan, nan, settling, -1, plan.time[:0], nothing)
    reference, whole = simulation.item_pose(), plan.with_rest()
    played = play(simulation, whole.q, whole.v, whole.torque, measure)
    count, held = len(plan.q), simulation.problem.holds[0]
    slips, turns = displacements(reference, played.items)
    tracking = tracking_until_slip(plan.q, played.joints, slips, turns)
    slip, turn = float(slips.max()), float(turns.max())
    reach, contacts = float(farthest(reference, played.items, held.hull_points).max()), int(played.touching.min())
    verdict = verdict_of(slip, turn, tracking, reach, simulation.problem.clearance, contacts < settling.points)
    margin, wrench = float("nan"), played.wrench[:count]
    if measure:
        margin = UTILISATION_MAX - float(
            held.contact_model.utilisation(wrench, simulation.grip_force / held.realised_grip_ratio).max()
        )
    return Judgement(verdict, slip, turn, reach, tracking, settling, contacts, plan.time, wrench, margin)


def tracking_until_slip(q: Array, joints: Array, slips: Array, turns: Array) -> float:
    """Returns the largest joint error until the item slipped [rad]: the torque for an item that is gone moves the arm off.

    Args:
        q: (N, n) references [rad].
        joints: (M, n) configurations after every step, M ≥ N: after a command the arm is where the next command begins [rad].
        slips: (M,) displacements of the item in the hand [m]; nan where nothing is known.
        turns: (M,) rotations of the item in the hand [rad].
    """
    gone = np.flatnonzero(~((slips <= SLIPPED_SLIP) & (turns <= SLIPPED_TURN)))
    followed = min(len(q) - 1, int(gone[0]) if len(gone) else len(q))
    return float(np.abs(joints[:followed] - q[1 : followed + 1]).max(initial=0.0))


def worst_of(rollouts: list[Judgement]) -> Judgement:
    """Combines judgements into that of the worst verdict.

    Displacements and errors are the largest of all rollouts in which the arm moved; the measured wrench is the first one's.

    Args:
        rollouts: judgements of the same motion, at least one.
    """
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
    """Raises InputError for a number that is out of range."""
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
    """Judges many transfers by one rollout each, without contact wrenches.

    A verdict that depends on rounding may fall either way with one rollout.

    Args:
        cases: problems with their planned motions.
        step: simulation step [s].

    Returns:
        One judgement per case, in order.
    """
    return [judge(problem, trajectory, step=step, measure=False, rollouts=1) for problem, trajectory in cases]


def verdict_of(slip: float, turn: float, tracking: float, reach: float, clearance: float, lost: bool) -> Verdict:
    """Returns the verdict on one rollout.

    Args:
        slip: largest displacement of the item in the hand [m].
        turn: largest rotation of the item in the hand [rad].
        tracking: largest joint error until the item slipped [rad].
        reach: largest displacement of the item's farthest point [m].
        clearance: clearance that the plan was asked for [m]; at 0, `reach` does not count.
        lost: whether a point of the hand lost touch.
    """
    if not np.isfinite(slip + turn + tracking + reach) or tracking > TRACKABLE_MAX:
        return Verdict.NOT_TRACKABLE
    if slip > SLIPPED_SLIP or turn > SLIPPED_TURN:
        return Verdict.SLIPPED
    if lost:
        return Verdict.LOST_TOUCH
    if slip > HELD_SLIP or turn > HELD_TURN or (clearance > 0 and reach > CLEARANCE_SHARE * clearance):
        return Verdict.BORDERLINE
    return Verdict.HELD


@dataclass(frozen=True)
class References:
    """The references of a motion at the simulation's steps.

    Attributes:
        step: simulation step [s].
        time: (N,) times [s].
        q: (N, n) configurations [rad].
        v: (N, n) velocities [rad/s].
        torque: (N, n) feed-forward torques, with the payload known [Nm].
    """

    step: float
    time: Array
    q: Array
    v: Array
    torque: Array

    def with_rest(self) -> References:
        """Returns the same, followed by `AFTER` at rest."""
        rest = round(AFTER / self.step)
        q, v, torque = (np.concatenate([x, np.repeat(x[-1:], rest, axis=0)]) for x in (self.q, self.v, self.torque))
        return References(self.step, np.arange(len(q)) * self.step, q, v, torque)


def references(problem: TransferProblem, trajectory: Trajectory, member: int, step: float) -> References:
    """Returns the references of a trajectory at a simulation step [s], with the torque for a member of the item set."""
    time = np.minimum(np.arange(int(np.ceil(trajectory.duration / step)) + 1) * step, trajectory.duration)
    q, v, a = (trajectory.motion(k)(time) for k in range(3))
    return References(step, time, q, v, Dynamics(problem, assemble(problem)).torques(q, v, a, member))
