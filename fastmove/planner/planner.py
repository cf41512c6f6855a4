"""Planning of one transfer: checks of the ends, initial guesses, optimisation, dense check, and certificate."""

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

GOALS_SOLVED = 4  # Number of a region's goals after which no further one is solved, once there is a certified motion.
GOALS_FAILED = 8  # Number of a region's goals that may fail before the others are left untried.
WORTH = 1.002  # Ratio of the best duration to a bound up to which a region's goals with that bound are left untried.
OPTIMAL_WITHIN = (
    10 * PROVEN
)  # Excess of the duration over the lower bound up to which a motion is OPTIMAL: both keep this off limits.


class Planner:
    """Planner that keeps its options for many problems; its results are those of `plan`.

    Args:
        options: Options of the planner; None means the defaults.
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def plan(self, problem: TransferProblem) -> Solution:
        """Plans one transfer.

        Args:
            problem: Transfer problem.

        Returns:
            The fastest certified motion found, or a Solution whose status and detail say what is in the way.

        Raises:
            StartInCollision: The start touches something that it may not touch.
            GraspInvalid: The item overlaps the hand beyond its pads.
            InputError: The start is one of the goals, so that there is nothing to move, or violates a path constraint.
        """
        begin = time.perf_counter()
        try:
            solution = _Run(problem, self.options).plan()
        except GoalOutOfReach as error:
            timings = {"total": time.perf_counter() - begin}
            return Solution(problem, Status.GOAL_UNREACHABLE, str(error), seed=self.options.seed, timings=timings)
        return self._explained(solution) if self.options.explain and solution.ok else solution

    def _explained(self, solution: Solution) -> Solution:
        """Returns the solution with the prices of its limits and the duration for the nominal values, where these can be had."""
        begin = time.perf_counter()
        if solution.problem.start.at_rest and not solution.problem.scene.moving:
            solution = with_prices(solution)
        if solution.problem.uncertain:
            nominal = _Run(solution.problem.nominal(), self.options).plan()
            solution = replace(solution, nominal_duration=nominal.duration)
        took = time.perf_counter() - begin
        return replace(solution, timings=solution.timings | {"explain": took, "total": solution.timings["total"] + took})


def plan(problem: TransferProblem | str | Path, options: Options | None = None) -> Solution:
    """Plans one transfer.

    Args:
        problem: Transfer problem, or the file that it is in.
        options: Options of the planner; None means the defaults.

    Returns:
        A Solution, also where there is no transfer; its method `raise_for_status` raises NoTransferFound then.

    Raises:
        StartInCollision: See `Planner.plan`.
        GraspInvalid: See `Planner.plan`.
        InputError: See `Planner.plan` and `load_problem`.
    """
    return Planner(options).plan(problem if isinstance(problem, TransferProblem) else load_problem(problem))


@dataclass
class _Run:
    """One call of `plan`.

    Attributes:
        problem: Transfer problem; its goal regions get configurations.
        options: Options of the planner.
        timings: Time spent in each stage so far [s].
    """

    problem: TransferProblem
    options: Options
    timings: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.begin = time.perf_counter()
        with timed(self.timings, "set_up"):
            if self.problem.goal.poses:
                self.problem = with_goal_configurations(self.problem, self.options.seed)
            self.context = PlanningContext.of(self.problem, self.timings)
        self.limits = self.problem.limit_set

    # -- all goals ------------------------------------------------------------------------------------------------

    def plan(self) -> Solution:
        """Plans to the goals in the order of their lower bounds until none that is left can be faster or is worth trying."""
        with timed(self.timings, "checks"):
            self.context.checks.start()
            use, sentence = self.context.checks.static_use(np.array(self.problem.start.q))
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
                reason = self.context.checks.refusal(goals[k])
            if reason is not None:
                refusals.append((k, reason))
                tally = replace(tally, refused=tally.refused + 1)
                continue
            solution = self._to_goal(goals[k])
            tally = replace(tally, solved=tally.solved + 1, least=min(tally.least, bound))
            if best is None or (solution.ok and (not best.ok or solution.duration < best.duration)):
                best = solution
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
            # Regions are only sampled, so that a lower bound over all of a region is not known.
            fastest = best.duration <= (1 + OPTIMAL_WITHIN) * tally.least and not self.problem.goal.poses
            status = Status.OPTIMAL if fastest else Status.CERTIFIED
        return Solution(
            self.problem, status, best.detail, best.trajectory, best.certificate, tally.least, best.grip_force,
            self.options.seed, dict(self.timings), tally,
        )  # fmt: skip

    def _between_samples(self, best: Solution) -> Solution | None:
        """Plans to the configuration between the samples of a goal region that can be reached soonest.

        Returns:
            None where the goal is no region, something else than its goal's lower bound limits the best motion, or no
            configuration near its goal can be reached sooner.
        """
        if not self.problem.goal.poses or not best.ok or best.trajectory is None or best.duration > WORTH * best.lower_bound:
            return None
        if self._late():
            return None
        with timed(self.timings, "checks"):
            goal = refine_goals(self.problem, best.trajectory.position(best.duration))
            if goal is None or self.context.checks.refusal(goal) is not None:
                return None
        configurations = np.concatenate([self.problem.goal.configurations, goal[None]])
        self.problem = self.problem.with_(goal=replace(self.problem.goal, configurations=configurations))
        return self._to_goal(goal)

    def _enough(self, best: Solution | None, bound: float, tally: GoalTally) -> bool:
        """Returns whether the goals from this lower bound on are left untried.

        Of a finite set only those that cannot be faster are left; of a region, which is sampled anyway, only a few are solved.

        Args:
            best: Best solution so far.
            bound: Lower bound of the next goal [s].
            tally: Counts of the goals so far.
        """
        certified = best is not None and best.ok
        if not self.problem.goal.poses:
            return certified and best.duration <= bound  # type: ignore[union-attr]
        if not certified:
            return tally.solved >= GOALS_FAILED
        return tally.solved >= GOALS_SOLVED or best.duration <= WORTH * bound  # type: ignore[union-attr]

    def _fail(self, status: Status, detail: str) -> Solution:
        """Returns a solution without a motion."""
        self.timings["total"] = time.perf_counter() - self.begin
        return Solution(self.problem, status, detail, seed=self.options.seed, timings=dict(self.timings))

    # -- one goal -------------------------------------------------------------------------------------------------

    def _to_goal(self, goal: Array) -> Solution:
        """Plans to one goal configuration (n,) [rad]."""
        problem = self.problem
        bound = lower_bound(problem.start, goal, self.limits)
        ends = self.context.collision.ends(np.array(problem.start.q), goal)
        goal_planner = GoalPlanner(self.context, goal, bound, ends, self.options.seed)
        motion_and_certificate = Search(goal_planner, bound.duration, self.options, self._late).run()
        if motion_and_certificate is None:
            return Solution(problem, Status.NO_PATH, goal_planner.sentence(), lower_bound=bound.duration)
        return Solution.of(problem, *motion_and_certificate, bound.duration)

    def _late(self) -> bool:
        """Returns whether the deadline has passed."""
        deadline = self.options.deadline
        return deadline is not None and time.perf_counter() - self.begin > deadline
