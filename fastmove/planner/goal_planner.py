"""Attempts at one goal: initial guess → partial solve → candidate → refinement → certificate (`planner.repair`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastmove.arrays import Array
from fastmove.certificate.certificate import Certificate
from fastmove.collision.query_types import Ends
from fastmove.optim.breakpoints import cosine_breakpoints, switch_basis
from fastmove.optim.margins import STATIC_MAX
from fastmove.optim.merit import STEP_TOLERANCE, Iterate
from fastmove.optim.samples import ConstraintGrid
from fastmove.optim.sqp import SqpRun
from fastmove.optim.transcription import Transcription
from fastmove.planner.candidate import Candidate, PartialSolve
from fastmove.planner.context import PlanningContext, timed
from fastmove.planner.first_guess import FirstGuesses
from fastmove.planner.motion_solver import NEAR, MotionSolver
from fastmove.planner.refinement import REFINED_SPANS, BasisRefinement
from fastmove.planner.repair import CertifiedRepair
from fastmove.search.arrival import Arrival, arrival_of, goal_bound
from fastmove.search.reorientation import bottleneck
from fastmove.search.time_bound import Bound
from fastmove.trajectory.bspline import SplineBasis
from fastmove.trajectory.trajectory import Trajectory

LOOK = 4  # Number of subproblems solved before a partial solve is compared with others.
FAR_BEHIND = 2.0  # Ratio to the best merit from which a partial solve stops after its first subproblem.
FINISH = 1e-3  # Relative step tolerance after the candidates, without a held item and from a start at rest.


class GoalPlanner:
    """Makes attempts at one goal configuration and certifies what they lead to.

    Args:
        context: What all work on the problem shares.
        goal: Goal configuration (n,) [rad].
        bound: Kinematic lower bound to this goal.
        ends: What may touch at the two ends of the motion.
        seed: Seed of path searches and bent lines.
        arrival: States in which the motion may end, where the goal moves on.

    Attributes:
        held: Whether a hold has to last.
        fine: Relative step tolerance of all solves after the candidates.
        guesses: Initial guesses of the attempts.
        solver: Solves for motions from them.
        obstacles_bind: Whether another path might be faster than the last certified motion.
    """

    def __init__(
        self, context: PlanningContext, goal: Array, bound: Bound, ends: Ends, seed: int, arrival: Arrival | None = None
    ) -> None:
        self.context, self.problem, self.goal, self.bound, self.ends = context, context.problem, goal, bound, ends
        self.held = self.problem.must_hold
        self.fine = STEP_TOLERANCE if self.held or not self.problem.start.at_rest else FINISH
        self.guesses = FirstGuesses(context, goal, bound, ends, seed, arrival)
        self.solver = MotionSolver(context, goal, bound, ends, self.guesses.early, arrival)
        self.obstacles_bind = False

    @staticmethod
    def of(context: PlanningContext, goal: Array, seed: int) -> GoalPlanner:
        """Builds the planner for one goal configuration (n,) [rad] of the context's problem.

        Raises:
            InputError: See `lower_bound`.
            GoalOutOfReach: The goal moves on and cannot be met.
        """
        problem = context.problem
        arrival = arrival_of(problem, goal)
        ends = context.collision.ends(np.array(problem.start.q), goal)
        return GoalPlanner(context, goal, goal_bound(problem, goal, arrival), ends, seed, arrival)

    @property
    def exhausted(self) -> bool:
        """Whether a path search has spent its budget in vain."""
        return self.guesses.exhausted

    def sentence(self) -> str:
        """Returns the sentence that says why no motion was found."""
        return self.solver.failure_reason or "no collision-free path was found within the search's budget"

    def is_reorientable(self) -> bool:
        """Returns whether every held item may be carried from end to end at rest.

        False is a proof that some hold cannot be; `sentence` then says why.
        """
        problem, gravity = self.problem, float(np.linalg.norm(self.problem.gravity))
        if not self.held or gravity < 1e-9:
            return True
        still = self.context.dynamics.static(np.stack([np.array(problem.start.q), self.goal]))
        for k, held in enumerate(problem.holds):
            if held.contact_model.cones is None:
                continue  # the proof needs a use that is sublinear in the wrench, as that of cones is
            weight = still[:, 0, len(self.goal) + 6 * k : len(self.goal) + 6 * k + 3]
            down = -weight / np.linalg.norm(weight, axis=1)[:, None]
            use = bottleneck(held, down[0], down[1], gravity)
            if use > 1:
                most = float(held.grasp.grip_force[1])
                self.solver.failure_reason = (
                    f"on every way between these ends gravity turns through directions of the hand in which it needs more than "
                    f"{most * use:.1f} N at rest to hold {held.item.name}; it may use {most:g} N"
                )
                return False
        return True

    def order(self, path_seeds: int) -> tuple[list[int], list[int]]:
        """Returns the numbers of the attempts to make, in order, and further ones; see `FirstGuesses.order`."""
        return self.guesses.order(path_seeds)

    # -- one attempt ----------------------------------------------------------------------------------------------

    def partial_solve(self, number: int, rival: float = np.inf) -> PartialSolve | None:
        """Solves the first subproblems of an attempt; None where no path is found.

        Args:
            number: Number of the attempt: 0 for the straight line (or Ruckig's own motion from a moving start), negative for a
                bent line, positive for a searched path.
            rival: Merit of the best partial solve so far [s]; an attempt that is far behind stops after its first subproblem.
        """
        sqp_run = self._begun(
            number, switch_basis(self.guesses.knots, at_rest=self.problem.start.at_rest, early=self.guesses.early)
        )
        if sqp_run is None:
            return None
        with timed(self.context.timings, "optimise"):
            if sqp_run.advance(1).merit < FAR_BEHIND * rival:
                sqp_run.advance(LOOK - 1)
                sqp_run.add_violated_samples()
        return PartialSolve(number, sqp_run, sqp_run.point.merit)

    def candidate(self, partial_solve: PartialSolve, rival: float = np.inf) -> Candidate | None:
        """Continues a partial solve until it has converged roughly or falls behind a rival's merit [s]; None where it fails."""
        with timed(self.context.timings, "optimise"):
            return self.solver.converged(partial_solve.number, partial_solve.sqp_run, rival)

    def finer_candidate(self, partial_solve: PartialSolve) -> Candidate | None:
        """Solves a searched path again from the beginning, on finer breakpoints; None where it fails or there is no path.

        A path through a narrow place may need finer breakpoints to be followed.
        """
        if partial_solve.number not in self.guesses.paths:
            return None
        return self._refound(partial_solve.number, partial_solve.sqp_run.optimiser.transcription.basis)

    def may_have_faster_path(self, candidate: Candidate) -> bool:
        """Returns whether another path might be faster than this candidate.

        It might where the motion is somewhere near an obstacle or hard to hold at rest.
        """
        return self._is_path_limited(candidate, candidate.point) or self.solver.is_near_obstacle(candidate)

    def limited_by_static_hold(self, candidate: Candidate) -> bool:
        """Returns whether only the static hold limits this candidate, nothing being near; bent lines are tried then.

        They turn the hand in other ways, which path searches, satisfied with the first valid path, do not find.
        """
        still = self.held and candidate.transcription.at_rest and float(candidate.point.flow.static.max()) > STATIC_MAX
        return still and not self.solver.is_near_obstacle(candidate)

    def _is_path_limited(self, candidate: Candidate, point: Iterate) -> bool:
        """Returns whether another path may be faster although nothing is near the motion.

        It may where the motion is hard to hold at rest somewhere, takes longer than its limits ask for because obstacles move, or
        began with a searched path.

        Args:
            candidate: Candidate that the motion comes from.
            point: The motion.
        """
        transcription = candidate.transcription
        waits = (
            transcription.moving
            and transcription.at_rest
            and point.duration > (1 + STEP_TOLERANCE) * transcription.shortest(point.flow)
        )
        return candidate.number > 0 or waits or float(point.flow.static.max()) > STATIC_MAX

    def finished(self, candidate: Candidate, rival: float = np.inf) -> tuple[Trajectory, Certificate] | None:
        """Finishes a candidate: refines it where that may help, stretches and certifies it.

        A motion from a moving start that fails is solved again on finer breakpoints: a start at several limits at once may need
        them in any case.

        Args:
            candidate: Candidate to begin with.
            rival: Duration of the fastest certified motion [s]; one that is not faster once it is refined goes no further, as
                stretching and repair take no time off.

        Returns:
            The motion and its certificate, which need not be ok; None where it is not faster than its rival.
        """
        slowed = self.guesses.knots is not self.bound or self.solver.moving
        refined = BasisRefinement(self.solver, self.fine, slowed).refined(candidate)
        if refined.duration >= rival:
            return None
        result = self.certified(refined)
        if not result[1].ok and not self.problem.start.at_rest:
            finer = self._refound(candidate.number, candidate.transcription.basis)
            result = self.certified(finer) if finer is not None else result
        return result

    def _refound(self, number: int, basis: SplineBasis) -> Candidate | None:
        """Makes an attempt again from the beginning, on finer breakpoints; None where it fails."""
        sqp_run = self._begun(number, basis.refined(cosine_breakpoints(REFINED_SPANS)))
        with timed(self.context.timings, "optimise"):
            return None if sqp_run is None else self.solver.converged(number, sqp_run)

    def _begun(self, number: int, basis: SplineBasis) -> SqpRun | None:
        """Starts the SQP run of an attempt; None without an initial guess."""
        with timed(self.context.timings, "seed"):
            guess = self.guesses.guess(number, basis)
        if guess is None:
            return None
        with timed(self.context.timings, "optimise"):
            return self.solver.begin(guess, basis)

    def solve(
        self, transcription: Transcription, samples: ConstraintGrid, free: Array, duration: float, radius: float, **options: Any
    ) -> Candidate | None:
        """Optimises a motion from an initial guess; see `MotionSolver.solve`."""
        return self.solver.solve(transcription, samples, free, duration, radius, **options)

    def certified(self, candidate: Candidate) -> tuple[Trajectory, Certificate]:
        """Gives a candidate its duration and grip force, certifies and repairs it (`planner.repair`).

        Retiming and replanning come here, too.

        Returns:
            The motion and its certificate, which need not be ok.
        """
        trajectory, certificate, point = CertifiedRepair(self.context, self.solve, self.fine).certified(candidate)
        if certificate.ok:
            clearance = certificate.kinds.get("clearance")
            near = clearance is not None and clearance.margin < self.solver.padding + NEAR
            self.obstacles_bind = near or self._is_path_limited(candidate, point)
        return trajectory, certificate
