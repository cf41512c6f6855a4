"""Trials of the headline: what physics makes of an item's motions when the item is not quite what the planner was told.

A trial draws mass, centre of mass, friction, grip or vacuum and place in the hand from the problem's set, widened by a factor,
lets the item settle in the hand, and plays every motion at every speed from that state.  Fingers and cup meet the same draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fastmove.arrays import Array
from fastmove.bench.headline.motions import SPEEDS
from fastmove.bench.results import Row
from fastmove.drivers.simulated.displacement import displacements
from fastmove.execution.slip_test import GAIN_SAMPLES, SLIPPED_SLIP, SLIPPED_TURN, References, references, tracking_until_slip
from fastmove.problem.grasp import HeldItem
from fastmove.problem.transfer import TransferProblem
from fastmove.trajectory.trajectory import Trajectory

if TYPE_CHECKING:
    from fastmove.drivers.simulated.playing import Played

WIDTHS = (1.0, 1.5, 2.0)  # Factors by which the planner's set is widened for the truth.
LEAST_FRICTION = 0.05  # Least true friction coefficient: a widened set would reach below it [1].
SEED = 31
SIMULATION_STEP = 1e-3  # Simulation step [s].


@dataclass(frozen=True)
class Judge:
    """How the judge differs from its usual self, for sensitivity.

    Attributes:
        name: What it is called in files.
        said: What it is called in words.
        friction: Factor of the true friction.
        time_constant: Factor of the time constant of contacts.
        strongest: Whether fingers press as hard as item and hand bear, instead of as the set says.
    """

    name: str = "usual"
    said: str = "usual"
    friction: float = 1.0
    time_constant: float = 1.0
    strongest: bool = False


# The usual judge first.
JUDGES = (
    Judge(),
    Judge("friction-30", "friction 30 % lower", friction=0.7),
    Judge("friction+30", "friction 30 % higher", friction=1.3),
    Judge("stiff", "contacts twice as stiff in time", time_constant=0.5),
    Judge("soft", "contacts half as stiff in time", time_constant=2.0),
    Judge("strong-grip", "fingers press as hard as item and hand bear", strongest=True),
)
BEARS = 0.95  # Share of what item and hand bear that the strongest grip has.


def truth_of(held: HeldItem, pair: int, width: float, number: int, judge: Judge = JUDGES[0], series: int = 0) -> HeldItem:
    """What is truly in the hand in one trial.

    Args:
        held: What the planner was told.
        pair: Number of the item's draw; fingers and cup get the same random numbers.
        width: Factor by which the planner's set is widened.
        number: Number of the trial.
        judge: How the judge differs from its usual self.
        series: Number of the series of draws: others are independent.
    """
    drawn = held.sample(np.random.default_rng([SEED, series, pair, int(10 * width), number]), width)
    friction = float(np.clip(drawn.grasp.friction * judge.friction, LEAST_FRICTION, 2.0))
    return replace(drawn, grasp=replace(drawn.grasp, friction=friction))


class Trials:
    """The trials of one problem's motions.

    Args:
        problem: The problem, with one item.
        motions: The motion of each way.
        judge: How the judge differs from its usual self.
        series: Number of the series of draws.
    """

    def __init__(
        self, problem: TransferProblem, motions: Mapping[str, Trajectory], judge: Judge = JUDGES[0], series: int = 0
    ) -> None:
        self.problem, self.judge, self.series = problem, judge, series
        self.plans = {
            (way, speed): references(problem, motion.slowed(1 / speed), 0, SIMULATION_STEP).with_rest()
            for way, motion in motions.items()
            for speed in SPEEDS[way]
        }
        fast = [motion.position(np.linspace(0, motion.duration, GAIN_SAMPLES)) for motion in motions.values()]
        self.along, self.start = np.concatenate(fast), np.array(problem.start.q)
        held = problem.holds[0]
        strong = judge.strongest and held.law.holder == "gripper"
        self.force = BEARS * held.most_grip if strong else float(held.grasp.grip_force[0])

    def trial(self, pair: int, width: float, number: int) -> Row:
        """Run one trial.

        Returns:
            `width` and `number`; `mass`, `friction` and `force` as they truly are; `pick`: `held`, `slipped` (in the hand before
            the motion began) or `unsettled` (it sat in the hand otherwise than planned, and nothing is said of the motions); and
            for every way `runs`, per speed (largest slip in the hand [mm], turn [°], whether it was dropped, joint error [mrad]).
        """
        from fastmove.drivers.simulated.mujoco_parts import TIME_CONSTANT
        from fastmove.drivers.simulated.playing import play
        from fastmove.drivers.simulated.simulation import Simulation

        held = truth_of(self.problem.holds[0], pair, width, number, self.judge, self.series)
        force = self.force * held.realised_grip_ratio
        truth, constant = self.problem.with_(holds=(held,)), TIME_CONSTANT * self.judge.time_constant
        simulation = Simulation(truth, force, self.along, 0, SIMULATION_STEP, None, constant)
        settling = simulation.settle(self.start)
        row: Row = {
            "width": width, "number": number, "mass": round(held.item.members[0].mass, 5),
            "friction": round(held.grasp.friction, 4), "force": round(force, 3),
        }  # fmt: skip
        if not settling.ok:
            open_seal = held.law.holder == "cup" and settling.touching < settling.points  # in motion it would be lost
            stayed = settling.slip <= SLIPPED_SLIP and settling.turn <= SLIPPED_TURN and settling.touching > 0 and not open_seal
            return row | {"pick": "unsettled" if stayed else "slipped"}
        state, reference, runs = simulation.state(), simulation.item_pose(), dict[str, list[Any]]()
        done: dict[bytes, list[Any]] = {}  # a motion that two ways have in common is played once
        for (way, _), plan in self.plans.items():
            same = plan.q.tobytes()
            if same not in done:
                simulation.resume(state)
                done[same] = _run(plan, play(simulation, plan.q, plan.v, plan.torque, measure=False), reference)
            runs.setdefault(way, []).append(done[same])
        return row | {"pick": "held", "runs": runs}


def _run(plan: References, played: Played, reference: Array) -> list[Any]:
    """What became of an item: slip [mm], turn [°], whether it was dropped, and joint error until it slipped [mrad]."""
    slips, turns = displacements(reference, played.items)
    error = tracking_until_slip(plan.q, played.joints, slips, turns)
    dropped = bool(np.isfinite(played.lost) or played.touching.min() == 0)
    slip, turn = (float(np.nan_to_num(x.max(), nan=np.inf)) for x in (slips, turns))
    return [round(min(1e3 * slip, 1e4), 4), round(float(np.degrees(min(turn, np.pi))), 4), dropped, round(1e3 * error, 3)]
