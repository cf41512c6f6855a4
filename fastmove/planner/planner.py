"""Planning of one transfer: checks of the ends, initial guesses, optimisation, dense check, and certificate."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from fastmove.arrays import Array
from fastmove.certificate.certify import certify
from fastmove.errors import GoalOutOfReach, Interrupted
from fastmove.io.problem_file import load_problem
from fastmove.optim.merit import PROVEN
from fastmove.planner.context import PlanningContext, timed
from fastmove.planner.goal_planner import GoalPlanner
from fastmove.planner.goal_search import Search
from fastmove.planner.options import Options
from fastmove.planner.sensitivity import with_prices
from fastmove.problem.limit_edit import commanded_with, with_reserve
from fastmove.problem.transfer import TransferProblem
from fastmove.search.goal_refinement import nearer_ends
from fastmove.search.ik import soonest_pairs, with_configurations
from fastmove.search.time_bound import lower_bound
from fastmove.solution.solution import GoalTally, Solution, Status
from fastmove.trajectory.trajectory import Trajectory

GOALS_SOLVED = 4  # Number of a region's goals after which no further one is solved, once there is a certified motion.
GOALS_FAILED = 8  # Number of a region's goals that may fail before the others are left untried.
WORTH = 1.002  # Ratio of the best duration to a bound up to which a region's goals with that bound are left untried.
PAIRS = 1000  # Maximum number of pairs of start and goal configurations whose lower bounds are computed.
NEAR_BOUND = 1.05  # Ratio of the best duration to its bound up to which one is looked for.
NEARER = 6  # Number of pairs of configurations around which a sooner one is looked for between the samples.
FURTHER = 2  # Maximum number of those that are planned.
ALIKE = 0.3  # Largest difference of joints up to which two pairs are the same [rad].
FINITE_JOINTS = 6  # Largest number of joints of an arm that has finitely many configurations at a pose, singular ones apart.
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
            Interrupted: Ctrl-C was pressed; the error holds the fastest certified solution so far.
        """
        if self.options.reserve > 0:
            return self._with_reserve(problem)
        begin = time.perf_counter()
        best: list[Solution] = []
        try:
            solution = _Run(problem, self.options, best).plan()
            best.append(solution)
            return self._explained(solution) if self.options.explain and solution.ok else solution
        except GoalOutOfReach as error:
            timings = {"total": time.perf_counter() - begin}
            return Solution(problem, Status.GOAL_UNREACHABLE, str(error), seed=self.options.seed, timings=timings)
        except KeyboardInterrupt:
            certified = [solution for solution in best if solution.ok]
            raise Interrupted(min(certified, key=lambda solution: solution.duration, default=None)) from None

    def _with_reserve(self, problem: TransferProblem) -> Solution:
        """Plans with a share of the limits kept back; the solution is one of the whole problem."""
        share = self.options.reserve
        try:
            less = Planner(replace(self.options, reserve=0.0)).plan(with_reserve(problem, share))
        except Interrupted as stopped:
            kept = stopped.solution
            raise Interrupted(_without_reserve(problem, kept, share) if isinstance(kept, Solution) else None) from None
        if not less.ok:
            return replace(less, problem=problem, detail=f"{less.detail or less.status.value} (with a reserve of {share:.0%})")
        return _without_reserve(problem, less, share)

    def _explained(self, solution: Solution) -> Solution:
        """Returns the solution with the prices of its limits and the duration for the nominal values, where these can be had."""
        begin = time.perf_counter()
        say = self.options.progress or (lambda text: None)
        problem = solution.problem
        if problem.start.at_rest and not problem.scene.moving and not problem.goal.moves:
            say("pricing the limits")
            solution = with_prices(solution)
        if solution.problem.uncertain:
            say("planning for what is believed alone")
            nominal = _Run(solution.problem.nominal(), self.options, []).plan()
            solution = replace(solution, nominal_duration=nominal.duration)
        took = time.perf_counter() - begin
        return replace(solution, timings=solution.timings | {"explain": took, "total": solution.timings["total"] + took})


def _without_reserve(problem: TransferProblem, less: Solution, share: float) -> Solution:
    """Returns the certified solution of a problem with a reserve as one of the whole problem.

    The grip is as strong as was asked for, the certificate and the lower bound are against the whole limits; prices are those of
    the limits less the reserve.
    """
    assert less.trajectory is not None
    bound = soonest_pairs(with_configurations(problem, less.seed), PAIRS)[0][0]
    problem = problem.with_(start=less.problem.start, goal=less.problem.goal)
    kept = np.array([commanded_with(held, share) for held in problem.holds])
    phases = (replace(phase, grip_force=phase.grip_force / kept) for phase in less.trajectory.phases)
    trajectory = Trajectory(tuple(phases), less.trajectory.joint_names)
    whole = Solution.of(problem, trajectory, certify(problem, trajectory), bound, less.timings)
    whole = replace(whole, seed=less.seed, goals=less.goals, prices=less.prices, nominal_duration=less.nominal_duration)
    return replace(whole, reserve=share)


def plan(problem: TransferProblem | str | Path, options: Options | None = None) -> Solution:
    """Plans the fastest certified motion of one transfer that it finds.

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
        problem: Transfer problem.
        options: Options of the planner.
        found: Solutions between two configurations so far, to which new ones are added.
        timings: Time spent in each stage so far [s].
        branches: Contexts of the problem with each configuration that it may start in (one, unless the start is given by poses),
            its goal regions with configurations; a context is built when it is needed.
    """

    problem: TransferProblem
    options: Options
    found: list[Solution]
    timings: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.begin = time.perf_counter()
        with timed(self.timings, "set_up"):
            self.branches = with_configurations(self.problem, self.options.seed)
            self.contexts = {0: PlanningContext.of(self.branches[0], self.timings)}
        self.limits = self.problem.limit_set

    @property
    def sampled(self) -> bool:
        """Whether an end is given by poses, of which only samples and only the configurations found are tried."""
        return self.problem.start.open or bool(self.problem.goal.poses)

    # -- all ends -------------------------------------------------------------------------------------------------

    def plan(self) -> Solution:
        """Plans between the ends in the order of their lower bounds until none that is left can be faster or is worth trying."""
        with timed(self.timings, "checks"):
            if not self.problem.start.open:
                self.contexts[0].checks.start()
                use, sentence = self.contexts[0].checks.static_use(np.array(self.problem.start.q))
                if use > 1:
                    return self._fail(Status.NOT_HOLDABLE, f"at the start {sentence}")
            else:
                self.contexts[0].checks.shapes()
                self.contexts[0].checks.grasp()
            bounds = soonest_pairs(self.branches, PAIRS)
        best: Solution | None = None
        tally, refusals = GoalTally(len(bounds), starts=len(self.branches)), []
        for number, (bound, k, branch) in enumerate(bounds):
            if self._enough(best, bound, tally) or (best is not None and self._late()):
                break
            with timed(self.timings, "checks"):
                reason = self._refusal(branch, k)
            if reason is not None:
                refusals.append((k, branch, reason))
                tally = replace(tally, refused=tally.refused + 1)
                continue
            what = "goal" if len(self.branches) == 1 else "pair of start and goal"
            named = f"{what} {number + 1} of {len(bounds)}, " if len(bounds) > 1 else ""
            solution = self._between(branch, np.array(self.branches[branch].goal.configurations[k]), named)
            tally = replace(tally, solved=tally.solved + 1, least=min(tally.least, bound))
            if best is None or (solution.ok and (not best.ok or solution.duration < best.duration)):
                best = solution
        if best is None:
            return self._fail(*min(refusals)[2])
        between = self._between_samples(best, bounds)
        best = min([best, *(solution for solution in between if solution.ok)], key=lambda solution: solution.duration)
        tally = tally.closed(best.duration, [bound for bound, _, _ in bounds])
        least = min([tally.least, *(solution.lower_bound for solution in between)])
        tally = replace(tally, total=tally.total + len(between), solved=tally.solved + len(between), least=least)
        self.timings["total"] = time.perf_counter() - self.begin
        status = best.status
        if best.ok:
            fastest = best.duration <= (1 + OPTIMAL_WITHIN) * tally.least and self._has_finite_ends()
            status = Status.OPTIMAL if fastest else Status.CERTIFIED
        return Solution(
            best.problem, status, best.detail, best.trajectory, best.certificate, tally.least, best.grip_force,
            self.options.seed, dict(self.timings), tally,
        )  # fmt: skip

    def _refusal(self, branch: int, k: int) -> tuple[Status, str] | None:
        """Returns why nothing can move from a branch's start to its goal of this number; None where something may."""
        problem, checks = self.branches[branch], self.contexts[0].checks
        start, goal = np.array(problem.start.q), np.array(problem.goal.configurations[k])
        refused = checks.refusal(start, goal, "start") if self.problem.start.open else None
        return refused or checks.refusal(goal, start)

    def _has_finite_ends(self) -> bool:
        """Returns whether both ends are finitely many configurations, so that a bound over all of them is known.

        At a pose with nothing free about it an arm of up to six joints has finitely many (16 at most for six revolute ones); they
        are those that inverse kinematics finds from its random starts.
        """
        if self.problem.goal.moves:
            return False
        poses = (*(self.problem.start.poses if self.problem.start.open else ()), *self.problem.goal.poses)
        return not poses or (self.problem.robot.n_arm <= FINITE_JOINTS and all(pose.fixed for pose in poses))

    def _between_samples(self, best: Solution, bounds: list[tuple[float, int, int]]) -> list[Solution]:
        """Plans between the configurations, between the samples of the ends' regions, that are soonest from each other.

        They are looked for around the pairs with the least lower bounds, since a redundant arm has many that are nearly as good.

        Args:
            best: Best solution between samples.
            bounds: Lower bound [s], number of goal and number of branch of the pairs of samples, the least first.

        Returns:
            Empty where no end is a region, the goal moves on, something else than the lower bound limits the best motion, or no
            configurations near its ends are sooner.
        """
        if not self.sampled or self.problem.goal.moves or not best.ok or best.duration > NEAR_BOUND * best.lower_bound:
            return []
        found: list[tuple[float, int, Array, Array]] = []
        with timed(self.timings, "checks"):
            for _, k, branch in bounds[:NEARER]:
                problem = self.branches[branch]
                start, goal = np.array(problem.start.q), np.array(problem.goal.configurations[k])
                nearer = None if self._late() else nearer_ends(problem, start, goal, from_poses=self.problem.start.open)
                if nearer is not None:
                    state = replace(problem.start, q=nearer[0])
                    found.append((lower_bound(state, nearer[1], self.limits).duration, branch, *nearer))
        planned: list[Solution] = []
        tried: list[Array] = []
        for bound, branch, start, goal in sorted(found, key=lambda row: row[0]):
            both = np.concatenate([start, goal])
            if bound >= best.duration or len(planned) == FURTHER:
                break
            if any(np.abs(both - other).max() < ALIKE for other in tried):
                continue
            tried.append(both)
            problem = self.branches[branch]
            goals = replace(problem.goal, configurations=np.vstack([problem.goal.configurations, goal]))
            self.branches.append(problem.with_(start=replace(problem.start, q=start), goal=goals))
            with timed(self.timings, "checks"):
                refused = self._refusal(len(self.branches) - 1, -1)
            if refused is None:
                planned.append(self._between(len(self.branches) - 1, goal, "between the samples, "))
        return planned

    def _enough(self, best: Solution | None, bound: float, tally: GoalTally) -> bool:
        """Returns whether the goals from this lower bound on are left untried.

        Of a finite set only those that cannot be faster are left; of a region, which is sampled anyway, only a few are solved.

        Args:
            best: Best solution so far.
            bound: Lower bound of the next goal [s].
            tally: Counts of the goals so far.
        """
        certified = best is not None and best.ok
        if not self.sampled:
            return certified and best.duration <= bound  # type: ignore[union-attr]
        if not certified:
            return tally.solved >= GOALS_FAILED
        return tally.solved >= GOALS_SOLVED or best.duration <= WORTH * bound  # type: ignore[union-attr]

    def _fail(self, status: Status, detail: str) -> Solution:
        """Returns a solution without a motion."""
        self.timings["total"] = time.perf_counter() - self.begin
        return Solution(self.problem, status, detail, seed=self.options.seed, timings=dict(self.timings))

    # -- one start and one goal -----------------------------------------------------------------------------------

    def _between(self, branch: int, goal: Array, named: str) -> Solution:
        """Plans from the start of a branch to one goal configuration (n,) [rad], which progress calls so."""
        problem = self.branches[branch]
        if branch not in self.contexts:
            with timed(self.timings, "set_up"):
                self.contexts[branch] = PlanningContext.of(problem, self.timings)
        context = self.contexts[branch]
        try:
            goal_planner = GoalPlanner.of(context, goal, self.options.seed)
        except GoalOutOfReach as error:
            return Solution(problem, Status.GOAL_UNREACHABLE, str(error))
        bound = goal_planner.bound
        search = Search(goal_planner, bound.duration, self.options, self._late, lambda text: self._report(named + text, search))
        try:
            motion_and_certificate = search.run()
        except KeyboardInterrupt:
            if search.best is not None:
                self.found.append(Solution.of(problem, *search.best, bound.duration))
            raise
        if motion_and_certificate is None:
            return Solution(problem, Status.NO_PATH, goal_planner.sentence(), lower_bound=bound.duration)
        self.found.append(Solution.of(problem, *motion_and_certificate, bound.duration))
        return self.found[-1]

    def _report(self, text: str, search: Search) -> None:
        """Says what is being done, and how fast the fastest certified motion so far is."""
        if self.options.progress is None:
            return
        durations = [solution.duration for solution in self.found if solution.ok]
        durations += [search.best[0].duration] if search.best is not None else []
        self.options.progress(text + (f", best {min(durations):.3g} s so far" if durations else ""))

    def _late(self) -> bool:
        """Returns whether the deadline has passed."""
        deadline = self.options.deadline
        return deadline is not None and time.perf_counter() - self.begin > deadline
