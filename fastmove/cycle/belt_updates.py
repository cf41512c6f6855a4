"""Pick cycles at a belt that drifts: what is planned is changed in flight, as the belt's encoder says where it is and how fast.

By what is known of the belt at a moment (`belt_motion.known_at`) all is certified.  A motion towards what moves on is changed
while it runs, as often as there is time to plan the next change; what follows is then planned from where it will end.

The planner is slow as the arm sees it: an answer is joined `lead` after it was asked for; one that took longer is thrown away.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from fastmove.cycle.belt import BeltPlanner, NoCycle, end_state
from fastmove.cycle.belt_motion import Belt, known_at
from fastmove.cycle.pick_cycle import PickCycle
from fastmove.errors import FastMoveError, InputError
from fastmove.planner.options import Options
from fastmove.planner.planner import plan
from fastmove.planner.replanning import bent_to_join, problem_ahead, warm_started
from fastmove.problem.goal import Goal
from fastmove.problem.scene import Scene
from fastmove.problem.transfer import TransferProblem
from fastmove.solution.solution import Solution
from fastmove.trajectory.trajectory import Trajectory

LEAD = 0.1  # Usual time from what the encoder says to the first changed command [s].
HOLDING_LEAD = 0.25  # The same with an item in the hand [s].
CLOSING_LEAD = 0.09  # The same while the fingers close [s].
PATIENT = 1.7  # Factor on that time after an answer that was late, or for which no motion was found.
LEAST_LEFT = 0.1  # Least time that a changed motion still has, in which it is planned how the belt is followed after it [s].
NEAR = 5e-5  # Distance by which a motion may miss where the goal is by now, without being changed [m].
ALIKE = 2e-4  # Difference of velocity from the goal with which it may [m/s].


@dataclass(frozen=True)
class BeltUpdate:
    """One change of a motion that a belt made necessary.

    Attributes:
        phase: Phase of the cycle whose motion was changed.
        asked: Time of the cycle at which the encoder was read [s].
        how: `bent` evenly, `solved` for, `searched`, `followed` for what goes on with the belt; `none` where none was found.
        took: Time that planning took [s].
        joined: Whether the new motion was there in time, and is the one that is run.
        missed: Distance by which the motion before would have missed, by what was known then [m]; nan where it was not run yet.
        needed: Whether the motion before would not have done.
    """

    phase: str
    asked: float
    how: str
    took: float
    joined: bool
    missed: float = float("nan")
    needed: bool = False


@dataclass(frozen=True)
class FollowedCycle:
    """A pick cycle as it runs at a belt that drifts.

    Attributes:
        cycle: The cycle with its motions as they are run: each ends as its last change says, whose certificate it has.
        belt: How the belt runs.
        updates: All changes.
        begins: Time of the cycle at which each of its motions begins, by phase [s].
    """

    cycle: PickCycle
    belt: Belt
    updates: tuple[BeltUpdate, ...]
    begins: dict[str, float] = field(default_factory=dict)

    @property
    def in_time(self) -> bool:
        """Whether every motion was planned when it was needed, so that none had to be waited for."""
        return all(update.joined for update in self.updates if update.needed)


def follow_belt(
    cycle: PickCycle, belt: Belt, options: Options | None = None, lead: float = LEAD, by_the_clock: bool = True
) -> FollowedCycle:
    """Changes a planned cycle as it would be in flight, at a belt that drifts.

    Args:
        cycle: Certified cycle at a belt.
        belt: How the belt runs.
        options: Options of the planner, where a motion has to be planned anew.
        lead: Time from reading the encoder to the first changed command [s].
        by_the_clock: Whether what takes longer than there is time for is left out; else plans count as there at once.

    Raises:
        InputError: The cycle is not certified, or not at a belt.
    """
    if not cycle.ok or cycle.approach is None or cycle.transfer is None or cycle.fingers is None:
        raise InputError("cycle", f"is not certified: {cycle.refusal or 'a motion fails its certificate'}")
    if cycle.closing is None and cycle.opening is None:
        raise InputError("cycle", "is not at a belt; nothing that it meets moves on")
    return _Flight(cycle, belt, options or Options(), lead, by_the_clock).flown()


class _Flight:
    """One cycle that is changed while it runs."""

    def __init__(self, cycle: PickCycle, belt: Belt, options: Options, lead: float, by_the_clock: bool) -> None:
        assert cycle.fingers is not None
        self.cycle, self.fingers = cycle, cycle.fingers
        self.belt, self.options, self.lead, self.by_the_clock = belt, options, lead, by_the_clock
        self.updates: list[BeltUpdate] = []
        self.begins: dict[str, float] = {}
        planner = BeltPlanner(cycle.problem, cycle.fingers, options)
        self.closes, self.opens = planner.closes, planner.opens
        self.clock = cycle.fingers.widen
        self.known = (0.0, 0.0)  # when what the present motion goes by was known, and the meeting that it was for [s]
        # the first change of the approach, when it begins [s], and what it goes by
        self.foretold: tuple[Solution, float, tuple[float, float]] | None = None

    def flown(self) -> FollowedCycle:
        """Goes through the cycle's motions in their order; the first that there is none for ends it with the reason."""
        flown = self.cycle
        try:
            for phase in (self.approach, self.close, self.transfer, self.open, self.back):
                flown = phase(flown)
        except (NoCycle, FastMoveError) as reason:
            flown = replace(flown, refusal=f"{max(self.begins, key=self.begins.__getitem__, default='approach')}: {reason}")
        return FollowedCycle(flown, self.belt, tuple(self.updates), self.begins)

    # -- phases ---------------------------------------------------------------------------------------------------

    def approach(self, cycle: PickCycle) -> PickCycle:
        """The way to the item, changed in flight where that moves on."""
        motion = cycle.approach
        assert motion is not None
        motion = self.changed("approach", motion) if cycle.problem.start.moves_on else motion
        return self.began("approach", replace(cycle, approach=motion), motion.duration)

    def close(self, cycle: PickCycle) -> PickCycle:
        """The arm follows the item as it was known when the fingers' closing was planned."""
        assert cycle.approach is not None
        closing, begun = None, time.perf_counter()
        if cycle.closing is not None:
            follows = self.planner(*self.known).closing(cycle.approach)
            self.followed("close", time.perf_counter() - begun)
            closing = None if follows is None else self.changed("close", follows, CLOSING_LEAD)
        return self.began("close", replace(cycle, closing=closing), self.closes)

    def transfer(self, cycle: PickCycle) -> PickCycle:
        """The transfer, from where the item was picked, changed in flight where the goal moves on."""
        motion = cycle.transfer
        assert motion is not None
        clock, picks = self.clock, cycle.closing is not None
        start = motion.problem.start if cycle.closing is None else end_state(cycle.closing)
        # planned while the fingers close, once it is known where that ends; from a known start, on the way there already
        seconds = self.closes - CLOSING_LEAD if picks else clock - self.begins["approach"] - self.lead
        motion = self.planned_ahead(motion) if picks else motion
        # what was gripped moves as the belt was known to when it was met
        planner = self.planner(*self.known) if picks else self.planner(clock - seconds, self.meeting("transfer", motion.duration))
        motion = self.renewed("transfer", motion, lambda: planner.transfer_problem(start, clock), seconds, picks)
        motion = self.changed("transfer", motion, HOLDING_LEAD) if cycle.problem.goal.moves else motion
        return self.began("transfer", replace(cycle, transfer=motion), motion.duration)

    def open(self, cycle: PickCycle) -> PickCycle:
        """The arm follows the goal as it was known when the fingers' opening was planned."""
        assert cycle.transfer is not None
        opening, begun = None, time.perf_counter()
        if cycle.opening is not None:
            opening = self.planner(*self.known).opening(cycle.transfer)
            self.followed("open", time.perf_counter() - begun)
        return self.began("open", replace(cycle, opening=opening), self.opens)

    def back(self, cycle: PickCycle) -> PickCycle:
        """The way home from where the item was let go."""
        motion = cycle.back
        if motion is None or motion.trajectory is None:
            return cycle
        if cycle.opening is not None:
            start, home = end_state(cycle.opening), motion.trajectory.position(motion.duration)
            seconds = self.opens
            planner = self.planner(self.clock - seconds, self.clock)  # it is planned while they open
            motion = self.renewed("return", motion, lambda: planner.back_problem(start, home), seconds, True)
        return self.began("return", replace(cycle, back=motion), motion.duration)

    def followed(self, phase: str, took: float) -> None:
        """Notes how long the motion took to plan that follows the belt in a phase: it comes after the last change before it."""
        joined = took <= LEAST_LEFT or not self.by_the_clock
        self.updates.append(BeltUpdate(phase, self.clock - LEAST_LEFT, "followed", took, joined, needed=True))

    def began(self, phase: str, cycle: PickCycle, duration: float) -> PickCycle:
        """Notes when a phase began, and goes on to its end."""
        self.begins[phase] = self.clock
        self.clock += duration
        return cycle

    # -- planning -------------------------------------------------------------------------------------------------

    def planner(self, asked: float, meeting: float) -> BeltPlanner:
        """The planner by what is known at a time of the cycle [s], about a meeting at a later one."""
        return BeltPlanner(known_at(self.cycle.problem, self.belt, asked, meeting), self.fingers, self.options)

    def meeting(self, phase: str, duration: float) -> float:
        """Time about which the belt is met by a motion that begins now [s]: when it is touched, or what stands on it lifted."""
        after = {"approach": self.closes / 2, "close": 0.0, "transfer": self.opens / 2}[phase]
        return self.clock + duration + after

    def changed(self, phase: str, motion: Solution, lead_time: float = 0.0) -> Solution:
        """Returns a motion towards what moves on, changed while it runs as often as there is time to.

        Args:
            phase: Its phase.
            motion: The motion.
            lead_time: Usual time from what the encoder says to the first changed command [s]; 0 = `lead`.
        """
        assert motion.trajectory is not None
        lead = lead_time = lead_time or self.lead
        whole, last, offset, free = motion.trajectory, motion, 0.0, 0.0
        while (join := free + lead) <= whole.duration - LEAST_LEFT:
            asked, free, at = self.clock + free, join, join - offset
            meeting = self.meeting(phase, whole.duration)
            planner = self.planner(asked, meeting)
            goal = planner.problem.goal if phase == "transfer" else planner.tool_goal()
            goal = planner.lifted(goal) if phase == "close" else goal
            missed, slipping = _missed(last, goal.after(self.clock + whole.duration))
            if missed < NEAR and slipping < ALIKE:
                continue
            scene = self.scene(phase, planner, last.problem.scene, self.clock + offset)
            begun = time.perf_counter()
            problem = problem_ahead(last, at, scene, goal.after(self.clock + join))
            assert last.trajectory is not None
            new, how = self.near(problem, last.trajectory.after(at))
            if new is not None and phase == "close" and not planner.closes_freely(new):
                new, how = None, "none"
            took = time.perf_counter() - begun
            joined = new is not None and (took <= lead or not self.by_the_clock)
            lead = lead_time if joined else PATIENT * lead  # more time for the next one
            self.updates.append(BeltUpdate(phase, asked, how, took, joined, missed))
            if joined:
                assert new is not None and new.trajectory is not None
                whole, last, offset = whole.splice(join, new.trajectory), new, join
                self.known = asked, meeting
                if phase == "approach" and self.foretold is None:
                    self.foretold = new, self.clock + join, self.known
            if phase == "close":
                break  # a second change would come when the item is gripped, and would drag it
        return replace(last, trajectory=whole, problem=last.problem.with_(goal=last.problem.goal.after(-offset)))

    def planned_ahead(self, motion: Solution) -> Solution:
        """Returns the transfer from where the item was first foretold to be gripped, if it is there before it is changed again.

        It is planned on another core, while the way to the item is changed further.
        """
        if self.foretold is None:
            return motion
        approach, begins, known = self.foretold
        planner = self.planner(*known)
        try:
            closing = planner.closing(approach)
        except NoCycle:
            return motion
        assert closing is not None
        clock = begins + approach.duration + self.closes
        seconds = self.begins["close"] + CLOSING_LEAD - known[0] - self.lead
        return self.renewed("transfer", motion, lambda: planner.transfer_problem(end_state(closing), clock), seconds, False)

    def renewed(
        self, phase: str, motion: Solution, problem: Callable[[], TransferProblem], seconds: float, needed: bool
    ) -> Solution:
        """Returns a motion for another problem like its own, for whose planning there are so many seconds.

        Args:
            phase: Its phase.
            motion: The motion.
            problem: Function that returns the other problem.
            seconds: Time for planning [s].
            needed: Whether the motion itself will not do: then one that is not there in time is run all the same, later than it
                should be, and that it was is noted.

        Raises:
            NoCycle: It is needed, and there is none.
        """
        assert motion.trajectory is not None
        begun = time.perf_counter()
        asked = problem()
        new, how = self.near(asked, motion.trajectory)
        if new is None and needed:
            new, how = plan(asked, self.options), "searched"
        took = time.perf_counter() - begun
        joined = new is not None and new.ok and (took <= seconds or not self.by_the_clock)
        self.updates.append(BeltUpdate(phase, self.clock - seconds, how, took, joined, needed=needed))
        if not needed:
            return new if joined and new is not None else motion
        if new is None or not new.ok:
            why = "" if new is None else f": {new.detail or new.status.value}"
            raise NoCycle(f"no {phase} from where the belt has taken the item{why}")
        return new

    def near(self, problem: TransferProblem, motion: Trajectory) -> tuple[Solution | None, str]:
        """Returns a certified motion near another one, and how it was found; None where none was."""
        try:
            bent = bent_to_join(problem, motion)
        except FastMoveError:
            bent = None
        if bent is not None:
            return bent, "bent"
        solved = warm_started(problem, motion, 0.0)
        return (None, "none") if solved is None or not solved.ok else (solved, "solved")

    def scene(self, phase: str, planner: BeltPlanner, before: Scene, clock: float) -> Scene:
        """The scene of a motion by what the planner knows, on a clock that begins at a time of the cycle [s]."""
        if phase == "close":
            return before
        if phase == "transfer":
            return planner.problem.scene
        obstacles = (*planner.problem.scene.obstacles, planner.item_on_belt(clock))
        return Scene(obstacles, obstacle_uncertainty=before.obstacle_uncertainty)


def _missed(motion: Solution, goal: Goal) -> tuple[float, float]:
    """Returns by how much a motion will miss where the goal is when it ends [m], and its velocity [m/s]."""
    planned = motion.problem.goal.after(motion.duration)
    places = [g.poses[0].placement.translation for g in (planned, goal)]
    slipping = np.linalg.norm(np.array(planned.velocity) - np.array(goal.velocity))
    return float(np.linalg.norm(places[0] - places[1])), float(slipping)
