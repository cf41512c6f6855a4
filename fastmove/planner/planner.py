"""plan(problem) -> Solution: checks, seeds, optimisation, dense re-check, certificate."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from fastmove.arrays import Array
from fastmove.errors import GoalOutOfReach
from fastmove.io.problem_file import load_problem
from fastmove.optim.merit import PROVEN
from fastmove.planner.context import PlanningContext, timed
from fastmove.planner.goal_planner import GoalPlanner
from fastmove.planner.goal_search import Search
from fastmove.planner.options import Options
from fastmove.planner.sensitivity import with_prices
from fastmove.problem.transfer import TransferProblem
from fastmove.search.goal_refinement import refine_goals
from fastmove.search.ik import with_goal_configurations
from fastmove.search.time_bound import lower_bound
from fastmove.solution.solution import GoalTally, Solution, Status

GOALS_SOLVED = 4  # goals of a region that are solved, in the order of their bounds, once one of them has a certified motion …
GOALS_FAILED = 8  # … or that may fail before
WORTH = 1.002  # goals of a region whose bound promises less than this are left alone


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
class _Run:
    """One call of plan()."""

    problem: TransferProblem
    options: Options
    timings: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.begin = time.perf_counter()
        with timed(self.timings, "set_up"):
            if self.problem.goal.poses:
                self.problem = with_goal_configurations(self.problem, self.options.seed)
            self.shop = PlanningContext.of(self.problem, self.timings)
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
            goal = refine_goals(self.problem, best.trajectory.position(best.duration))
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
        task = GoalPlanner(self.shop, goal, bound, ends, self.options.seed)
        found = Search(task, bound.duration, self.options, self._late).run()
        if found is None:
            return Solution(problem, Status.NO_PATH, task.sentence(), lower_bound=bound.duration)
        return Solution.of(problem, *found, bound.duration)

    def _late(self) -> bool:
        deadline = self.options.deadline
        return deadline is not None and time.perf_counter() - self.begin > deadline
