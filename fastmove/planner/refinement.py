"""Finer breakpoints for a candidate where they may make its motion faster or clear."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastmove.arrays import Array
from fastmove.collision.query_types import NearPairs
from fastmove.optim.breakpoints import cosine_breakpoints
from fastmove.optim.merit import PROVEN, VIOLATION_SEEN
from fastmove.optim.objective import SMOOTHNESS_PROVEN
from fastmove.optim.sqp import SqpRun
from fastmove.planner.candidate import Candidate
from fastmove.planner.context import timed
from fastmove.planner.motion_solver import NEAR, MotionSolver

REFINE_FROM = 1.002  # Ratio of duration to lower bound above which finer breakpoints may be used.
REFINED_SPANS = 22  # Number of spans of the cosine breakpoints that refinement adds.
SETTLED = 1e-5  # Relative step tolerance where a motion as fast as its lower bound is made smooth.
PRECISE = 1e-6  # Tolerance of the convex programs then.
SMOOTH_STEPS = 2  # Maximum number of these.
REFINED_STEPS = 60  # Maximum number of subproblems on finer breakpoints.
BINDING = 0.9  # Utilisation of torque, torque rate, hold or path constraints above which these limit the duration.


@dataclass(frozen=True)
class BasisRefinement:
    """Polishes candidates on their own breakpoints, and refines them on finer ones.

    Attributes:
        solver: Solves for motions to the goal.
        fine: Relative step tolerance of its solves.
        slowed: Whether the breakpoints are those of a slower jerk, or obstacles move.
    """

    solver: MotionSolver
    fine: float
    slowed: bool

    def refined(self, candidate: Candidate) -> Candidate:
        """Returns a candidate polished, and on finer breakpoints where these may help."""
        candidate = self._polished(candidate)
        return self._refined(candidate) if self._wants_more(candidate) else candidate

    def _wants_more(self, candidate: Candidate) -> bool:
        """Returns whether finer breakpoints may make a candidate faster or clear.

        They may where it is slower than the bound and torque, torque rate, hold or a path constraint limits it, clearance is
        still violated, its breakpoints are those of a slower jerk, or obstacles move.
        """
        point, transcription = candidate.point, candidate.transcription
        slow = point.duration > REFINE_FROM * self.solver.bound.duration and transcription.basis.spans < REFINED_SPANS
        return slow and (
            self.slowed or transcription.effort_utilisation(point.flow) > BINDING or point.clearance_violation > VIOLATION_SEEN
        )

    def _polished(self, candidate: Candidate) -> Candidate:
        """Converges a candidate on its own breakpoints, smoother, unless finer ones follow because of torque, rate or hold."""
        point, transcription = candidate.point, candidate.transcription
        if not transcription.at_rest or (self._wants_more(candidate) and transcription.effort_utilisation(point.flow) > BINDING):
            return candidate
        options: dict[str, Any] = {"smoothness": self.solver.smoothness}
        if point.duration <= (1 + PROVEN) * self.solver.bound.duration:
            options = {
                "smoothness": SMOOTHNESS_PROVEN,
                "step_tolerance": SETTLED,
                "precision": PRECISE,
                "max_steps": SMOOTH_STEPS,
            }
        sqp_problem = self.solver.sqp_problem(transcription, candidate.samples, **options)
        with timed(self.solver.context.timings, "optimise"):
            return self.solver.converged(candidate.number, SqpRun.of(sqp_problem, point.free, point.duration, 0.1)) or candidate

    def _refined(self, candidate: Candidate) -> Candidate:
        """Continues a candidate on finer breakpoints; returns it unchanged where that leads nowhere."""
        point, transcription = candidate.point, candidate.transcription
        finer_basis = transcription.basis.refined(cosine_breakpoints(REFINED_SPANS))
        finer_transcription = self.solver.transcription(finer_basis)
        points = transcription.basis.insertion_matrix(finer_basis) @ transcription.points(point.free, point.duration)
        free = finer_transcription.free_of(points, point.duration)
        grid = self.solver.grid(finer_transcription, candidate.samples.near_speed_limit)
        with timed(self.solver.context.timings, "optimise"):
            near_pairs = self.solver.near_pairs(finer_transcription, grid, replace(point, free=free), self.solver.padding + NEAR)
            grid = grid.added(np.zeros(0), _beside(near_pairs, grid.clearance))  # A corner may pass next to what is near.
            better = self.solver.solve(
                finer_transcription, grid, free, point.duration, 0.1, step_tolerance=self.fine, max_steps=REFINED_STEPS
            )
        if better is None or (
            better.duration > point.duration and better.point.clearance_violation >= point.clearance_violation - VIOLATION_SEEN
        ):
            return candidate
        return replace(better, number=candidate.number)


def _beside(contacts: NearPairs, s: Array) -> Array:
    """Returns the middles (K,) in s of the gaps between samples at s (N,) that have a contact at either end."""
    near = np.unique(contacts.sample)
    gaps = np.unique(np.concatenate([near - 1, near]))
    gaps = gaps[(gaps >= 0) & (gaps < len(s) - 1)]
    return np.asarray((s[gaps] + s[gaps + 1]) / 2)
