"""plan(problem) -> Solution: checks, seeds, optimisation, dense re-check, certificate."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from fastmove.arrays import Array
from fastmove.attempt import Task
from fastmove.certificate.certificate import Certificate
from fastmove.draft import Draft, Sketch
from fastmove.errors import GoalOutOfReach, InputError
from fastmove.explain import with_prices
from fastmove.optim.merit import PROVEN
from fastmove.problem.transfer import TransferProblem
from fastmove.problem_file import load_problem
from fastmove.search.goal_refinement import soonest
from fastmove.search.ik import reached
from fastmove.search.time_bound import lower_bound
from fastmove.solution import GoalTally, Solution, Status
from fastmove.trajectory.trajectory import Trajectory
from fastmove.workshop import Workshop, timed

PATHS, PATHS_HELD = 3, 4  # searches; of 210 problems a fourth makes 3 more than 1 % shorter where nothing is held, and all slower
ENOUGH = 1.005  # no further path search once the duration is within this factor of the bound
DRAFTED, ALIKE = 2, 1.05  # sketches gone on with at most where nothing is held, the second if its merit is within this factor
BENT = 4  # bent lines that are tried where nothing is in the way but the hold at rest
FINISHED = 2  # drafts in the way of obstacles that are refined and certified, the fastest first …
PROMISING, PROMISING_HELD = 1.0, 1.10  # … unless they are slower than the best motion times what finishing one may gain
GOALS_SOLVED = 4  # goals of a region that are solved, in the order of their bounds, once one of them has a certified motion …
GOALS_FAILED = 8  # … or that may fail before
WORTH = 1.002  # goals of a region whose bound promises less than this are left alone


@dataclass(frozen=True)
class Options:
    """Attributes:
    seed: of the path search; same problem, options and seed give the same bytes.
    path_seeds: path searches beside the straight line, until one is proven optimal; None = `PATHS`, or `PATHS_HELD` for a hold.
    deadline: after this time [s] no new search is started, for this goal or another, but for the first; gives determinism up.
    explain: also price the limits, and plan for what is believed alone to price the set around it.
    progress: called with a few words whenever a new stage begins.
    """

    seed: int = 0
    path_seeds: int | None = None
    deadline: float | None = None
    explain: bool = False
    progress: Callable[[str], None] | None = field(default=None, compare=False, repr=False)

    def __getstate__(self) -> dict[str, object]:
        """Without a function that other processes could not call."""
        return self.__dict__ | {"progress": None}

    def __post_init__(self) -> None:
        if self.seed < 0 or (self.path_seeds or 0) < 0:
            raise InputError(
                "options", f"have seed {self.seed} and path_seeds {self.path_seeds}; whole numbers from 0 are needed"
            )
        if self.deadline is not None and not self.deadline > 0:
            raise InputError("options.deadline", f"is {self.deadline} s; it must be positive")


class Planner:
    """The warm, reusable form of `plan`: same results."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def plan(self, problem: TransferProblem) -> Solution:
        """The fastest certified motion found, or a Solution whose status and detail say what is in the way.

        Raises:
            StartInCollision: the start touches something that it may not touch.
            GraspInvalid: the item overlaps the hand beyond its pads.
            InputError: the start is one of the goals; there is nothing to move.
        """
        begin = time.perf_counter()
        try:
            solution = _Run(problem, self.options).plan()
        except GoalOutOfReach as error:
            timings = {"total": time.perf_counter() - begin}
            return Solution(problem, Status.GOAL_UNREACHABLE, str(error), seed=self.options.seed, timings=timings)
        return self._explained(solution) if self.options.explain and solution.ok else solution

    def _explained(self, solution: Solution) -> Solution:
        begin = time.perf_counter()
        if solution.problem.start.at_rest and not solution.problem.scene.moving:
            solution = with_prices(solution)
        if solution.problem.uncertain:
            believed = _Run(solution.problem.nominal(), self.options).plan()
            solution = replace(solution, nominal_duration=believed.duration)
        took = time.perf_counter() - begin
        return replace(solution, timings=solution.timings | {"explain": took, "total": solution.timings["total"] + took})


def plan(problem: TransferProblem | str | Path, options: Options | None = None) -> Solution:
    """Plan one transfer.  Always a Solution; `solution.raise_for_status()` raises NoTransferFound.

    Args:
        problem: or the file that it is in.

    Raises:
        StartInCollision, GraspInvalid, InputError: see `Planner.plan` and `load_problem`.
    """
    return Planner(options).plan(problem if isinstance(problem, TransferProblem) else load_problem(problem))


@dataclass
class _Search:
    """Attempts at one goal: all are sketched, the most promising are drafted and finished, until one is as good as any can be."""

    task: Task
    bound: float
    options: Options
    late: Callable[[], bool]
    best: tuple[Trajectory, Certificate] | None = None
    last: tuple[Trajectory, Certificate] | None = None

    def run(self) -> tuple[Trajectory, Certificate] | None:
        """The best certified motion, else the last that was refused, else None."""
        paths = self.options.path_seeds
        if paths is None:
            paths = PATHS_HELD if self.task.held else PATHS
        usual, more = self.task.order(paths)
        self._finish_all(self._drafts(self._sketches(usual)))
        if more and self.best is None and not self.late() and not self.task.turnable():
            return None
        for tried, number in enumerate(more):
            if self.best is not None or self.late():
                break
            sketch = self._sketched(len(usual) + tried, number)
            if sketch is not None:
                self._finish_all(self._drafts([sketch]))
        return self.best or self.last

    def _sketches(self, numbers: list[int]) -> list[Sketch]:
        """Attempts to be gone on with, unless one was finished at once: as fast as any can be, or the first and unobstructed."""
        found: list[Sketch] = []
        for tried, number in enumerate(numbers):
            if self._enough() or (tried and self.late()) or (found and self._fruitless(tried, number)):
                break
            rival = np.inf if self.task.held else min((s.merit for s in found), default=np.inf)
            sketch = self._sketched(tried, number, rival)
            if sketch is None:
                continue
            whole = self.task.held or (tried == 0 and sketch.clear) or (number != 0 and self._fast(sketch))
            draft = self.task.draft(sketch) if whole else None
            if draft is not None and (self._fast(draft) or (tried == 0 and not self.task.obstructed(draft))):
                self._finish(draft)
                continue
            found.append(sketch)
            if draft is not None and tried == 0 and self.task.turned(draft):
                found += filter(None, (self._sketched(bend, -bend) for bend in range(1, BENT + 1)))
        return found

    def _drafts(self, sketches: list[Sketch]) -> list[Draft]:
        """Of the most promising; on finer breakpoints where none can be followed as they are."""
        ordered = sorted(sketches, key=lambda s: (s.merit, s.number))
        found: list[Draft] = []
        if self._enough():
            return found
        for sketch in ordered:
            alike = len(found) < DRAFTED and sketch.merit <= ALIKE * ordered[0].merit
            if (not found or alike or sketch.descent.over or self.task.held) and (draft := self.task.draft(sketch)) is not None:
                found.append(draft)
        for sketch in [] if found else ordered:
            if (draft := self.task.finer_draft(sketch)) is not None:
                return [draft]
        return found

    def _finish_all(self, drafts: list[Draft]) -> None:
        """Of these drafts those that look faster than the best, the fastest first."""
        promising = PROMISING_HELD if self.task.held else PROMISING
        done: list[Draft] = []
        for draft in sorted(drafts, key=lambda d: (d.duration, d.number)):
            if self.best is not None and (
                self._enough() or draft.duration > promising * self.best[0].duration or len(done) >= FINISHED
            ):
                break
            if not any(draft.same(other) for other in done):
                self._finish(draft)
                done.append(draft)

    def _fast(self, found: Sketch | Draft) -> bool:
        return found.duration <= ENOUGH * self.bound

    def _enough(self) -> bool:
        return self.best is not None and (self.best[0].duration <= ENOUGH * self.bound or not self.task.obstacles_bind)

    def _fruitless(self, tried: int, number: int) -> bool:
        """Where there is a draft already: a line deep inside obstacles, or a search after one that has found nothing."""
        return (number == 0 and tried > 0) or self.task.exhausted

    def _sketched(self, tried: int, number: int, rival: float = np.inf) -> Sketch | None:
        if self.options.progress is not None:
            self.options.progress(f"attempt {tried + 1}: {_called(number)}")
        return self.task.sketch(number, rival)

    def _finish(self, draft: Draft) -> None:
        self.last = self.task.finished(draft)
        if self.last[1].ok and (self.best is None or self.last[0].duration < self.best[0].duration):
            self.best = self.last


def _called(number: int) -> str:
    """What an attempt begins with."""
    if number == 0:
        return "straight line"
    return f"searched path {number}" if number > 0 else f"bent line {-number}"


@dataclass
class _Run:
    """One call of plan()."""

    problem: TransferProblem
    options: Options
    timings: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.begin = time.perf_counter()
        with timed(self.timings, "set_up"):
            if self.problem.goal.poses:
                self.problem = reached(self.problem, self.options.seed)
            self.shop = Workshop.of(self.problem, self.timings)
        self.limits = self.problem.limit_set

    # -- the whole ------------------------------------------------------------------------------------------------

    def plan(self) -> Solution:
        with timed(self.timings, "checks"):
            self.shop.checks.start()
            use, sentence = self.shop.checks.static_use(np.array(self.problem.start.q))
            if use > 1:
                return self._fail(Status.NOT_HOLDABLE, f"at the start {sentence}")
            goals = np.array(self.problem.goal.configurations)
            bounds = sorted((lower_bound(self.problem.start, q, self.limits).duration, k) for k, q in enumerate(goals))
        best: Solution | None = None
        tally, refusals = GoalTally(len(goals)), []
        for bound, k in bounds:
            if self._enough(best, bound, tally) or (best is not None and self._late()):
                break
            with timed(self.timings, "checks"):
                reason = self.shop.checks.refusal(goals[k])
            if reason is not None:
                refusals.append((k, reason))
                tally = replace(tally, refused=tally.refused + 1)
                continue
            found = self._to_goal(goals[k])
            tally = replace(tally, solved=tally.solved + 1, least=min(tally.least, bound))
            if best is None or (found.ok and (not best.ok or found.duration < best.duration)):
                best = found
        if best is None:
            return self._fail(*min(refusals)[1])
        between = self._between_samples(best)
        best = between if between is not None and between.ok and between.duration < best.duration else best
        tally = tally.closed(best.duration, [b for b, _ in bounds])
        if between is not None:
            least = min(tally.least, between.lower_bound)
            tally = replace(tally, total=tally.total + 1, solved=tally.solved + 1, least=least)
        self.timings["total"] = time.perf_counter() - self.begin
        status = best.status
        if best.ok:
            fastest = best.duration <= (1 + 10 * PROVEN) * tally.least and not self.problem.goal.poses  # of those, samples only
            status = Status.OPTIMAL if fastest else Status.CERTIFIED
        return Solution(
            self.problem, status, best.detail, best.trajectory, best.certificate, tally.least, best.grip_force,
            self.options.seed, dict(self.timings), tally,
        )  # fmt: skip

    def _between_samples(self, best: Solution) -> Solution | None:
        """Where only its goal's bound is in the way of a motion into a region: what comes of the configuration near that goal
        which can be reached soonest."""
        if not self.problem.goal.poses or not best.ok or best.trajectory is None or best.duration > WORTH * best.lower_bound:
            return None
        if self._late():
            return None
        with timed(self.timings, "checks"):
            goal = soonest(self.problem, best.trajectory.position(best.duration))
            if goal is None or self.shop.checks.refusal(goal) is not None:
                return None
        every = np.concatenate([self.problem.goal.configurations, goal[None]])
        self.problem = self.problem.with_(goal=replace(self.problem.goal, configurations=every))
        return self._to_goal(goal)

    def _enough(self, best: Solution | None, bound: float, tally: GoalTally) -> bool:
        """Whether goals from this bound on are left alone.  Of a finite set only those that cannot be faster are; of a region,
        sampled anyhow, only a few are solved."""
        certified = best is not None and best.ok
        if not self.problem.goal.poses:
            return certified and best.duration <= bound  # type: ignore[union-attr]
        if not certified:
            return tally.solved >= GOALS_FAILED
        return tally.solved >= GOALS_SOLVED or best.duration <= WORTH * bound  # type: ignore[union-attr]

    def _fail(self, status: Status, detail: str) -> Solution:
        self.timings["total"] = time.perf_counter() - self.begin
        return Solution(self.problem, status, detail, seed=self.options.seed, timings=dict(self.timings))

    # -- one goal -------------------------------------------------------------------------------------------------

    def _to_goal(self, goal: Array) -> Solution:
        problem = self.problem
        bound = lower_bound(problem.start, goal, self.limits)
        ends = self.shop.collision.ends(np.array(problem.start.q), goal)
        task = Task(self.shop, goal, bound, ends, self.options.seed)
        found = _Search(task, bound.duration, self.options, self._late).run()
        if found is None:
            return Solution(problem, Status.NO_PATH, task.sentence(), lower_bound=bound.duration)
        return Solution.of(problem, *found, bound.duration)

    def _late(self) -> bool:
        deadline = self.options.deadline
        return deadline is not None and time.perf_counter() - self.begin > deadline
