"""Attempts at one goal: initial guess → partial solve → candidate → refinement → certificate (`planner.repair`)."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from fastmove.arrays import Array
from fastmove.certificate.certificate import Certificate
from fastmove.collision.query_types import Ends, NearPairs
from fastmove.optim.breakpoints import MOVING_FIRST_SPAN, cosine_breakpoints, early_breakpoints, switch_basis
from fastmove.optim.margins import LIMIT_BACKOFF, STATIC_MAX
from fastmove.optim.merit import STEP_TOLERANCE, VIOLATION_SEEN, Iterate, SqpProblem
from fastmove.optim.samples import ConstraintGrid
from fastmove.optim.sqp import FIRST_GAIN, SqpRun
from fastmove.optim.transcription import Transcription
from fastmove.planner.candidate import Candidate, PartialSolve
from fastmove.planner.context import PlanningContext, timed
from fastmove.planner.repair import CertifiedRefinement
from fastmove.search.initial_guess import along_path, bent_guess, moving_guess, straight_guess, timed_by
from fastmove.search.path_validity import StateValidityChecker
from fastmove.search.reorientation import bottleneck
from fastmove.search.rrt_connect import connect, is_deformable_to
from fastmove.search.time_bound import Bound, lower_bound
from fastmove.search.velocity_tuning import along, time_laws
from fastmove.trajectory.bspline import SplineBasis
from fastmove.trajectory.trajectory import Trajectory

PADDING = 0.006  # Maximum distance asked of the optimiser beyond the clearance [m].
PADDING_SHARE = 0.6  # Maximum padding as a share of the least margin of clearance at the two ends.
NEAR = 0.001  # Margin beyond the padding below which a motion counts as near an obstacle [m].
HOPELESS = 0.003  # Clearance violation at the samples, beyond the padding, above which a solve counts as failed [m].
DEEP = 0.02  # Violation of clearance from which a sample of the straight line is deep inside obstacles [m].
DEEP_SHARE = 0.25  # Share of samples deep inside obstacles above which the straight line is tried last.
LINE_SAMPLES = 40  # Number of samples on the straight line.
REFINE_FROM = 1.002  # Ratio of duration to lower bound above which finer breakpoints may be used.
REFINED_SPANS = 22  # Number of spans of the cosine breakpoints that refinement adds.
BINDING = 0.9  # Utilisation of torque, torque rate, hold or path constraints above which these limit the duration.
MORE_PATHS_AFTER = 4  # Number of further path searches while no certified motion was found.
SEARCH_BUDGET_FACTOR = 4  # Factor on the search budget of these further path searches.
AT_ONCE = 2_000_000  # Number of body pairs times samples per collision query for time laws, which bounds the memory.
GLANCE = 3  # Number of subproblems solved before time laws are compared.
LOOK = 4  # Number of subproblems solved before a partial solve is compared with others.
FAR_BEHIND = 2.0  # Ratio to the best merit from which a partial solve stops after its first subproblem.
ROUGH = 3e-3  # Relative step tolerance of candidates.
FINISH = 1e-3  # Relative step tolerance after the candidates, without a held item and from a start at rest.


class GoalPlanner:
    """Makes attempts at one goal configuration and certifies what they lead to.

    Args:
        shop: What all work on the problem shares.
        goal: Goal configuration (n,) [rad].
        bound: Kinematic lower bound to this goal.
        ends: What may touch at the two ends of the motion.
        seed: Seed of path searches and bent lines.

    Attributes:
        held: Whether a hold has to last.
        moving: Whether obstacles move.
        fine: Relative step tolerance of all solves after the candidates.
        knots: Lower bound whose switching times become breakpoints.
        padding: Distance asked of the optimiser beyond the clearance [m].
        early: Times at which a moving start needs breakpoints (K,) [s].
        obstacles_bind: Whether another path might be faster than the last certified motion.
        failure_reason: Sentence about the last attempt that failed; empty where none did.
        n_paths: Number of path searches asked for; further ones follow only where none led to a certified motion.
        exhausted: Whether a path search has spent its budget in vain.
    """

    def __init__(self, shop: PlanningContext, goal: Array, bound: Bound, ends: Ends, seed: int) -> None:
        self.shop, self.goal, self.bound, self.ends, self.seed = shop, goal, bound, ends, seed
        self.problem, self.limits = shop.problem, shop.problem.limit_set
        self.held = self.problem.hold_active and bool(self.problem.holds)
        self.moving = self.problem.scene.moving
        self.fine = STEP_TOLERANCE if self.held or not self.problem.start.at_rest else FINISH
        self.knots = self._knots()
        self.padding = self._padding()
        self.early = early_breakpoints(self.problem.start, self.limits)
        self.obstacles_bind = False
        self.failure_reason = ""
        self.n_paths = 0
        self.exhausted = False
        self._paths: dict[int, Array] = {}

    def _knots(self) -> Bound:
        """Returns the lower bound whose switching times become breakpoints.

        With a torque-rate limit r its jerk limit is what the motors could follow, 0.8 r / M_ii.
        """
        limits, start = self.limits, self.problem.start
        if not np.any(np.isfinite(limits.effort_rate)):
            return self.bound
        n = len(self.goal)
        q = np.stack([np.array(start.q), self.goal])
        zero = np.zeros_like(q)
        inertia = self.shop.dynamics.linearised(q, zero, zero).da[:, 0, range(n), range(n)].max(axis=0)
        jerk = np.minimum(limits.jerk, 0.8 * limits.effort_rate / inertia)
        if np.any(np.abs(start.v) + start.a**2 / (2 * jerk) > limits.velocity):
            return self.bound
        return lower_bound(start, self.goal, limits, jerk)

    def _padding(self) -> float:
        """Returns the padding [m], less where an end itself is near an obstacle."""
        q = np.stack([np.array(self.problem.start.q), self.goal])
        near = self.shop.collision.query(q, self.ends, PADDING)
        whole = self.shop.collision.has_full_clearance(near)
        return max(0.0, min(PADDING, PADDING_SHARE * float(near.margin[whole].min(initial=PADDING / PADDING_SHARE))))

    def sentence(self) -> str:
        """Returns the sentence that says why no motion was found."""
        return self.failure_reason or "no collision-free path was found within the search's budget"

    def is_reorientable(self) -> bool:
        """Returns whether every held item may be carried from end to end at rest.

        False is a proof that some hold cannot be; `failure_reason` then says why.
        """
        problem, gravity = self.problem, float(np.linalg.norm(self.problem.gravity))
        if not self.held or gravity < 1e-9:
            return True
        still = self.shop.dynamics.static(np.stack([np.array(problem.start.q), self.goal]))
        for k, held in enumerate(problem.holds):
            if held.contact_model.cones is None:
                continue  # the proof needs a use that is sublinear in the wrench, as that of cones is
            weight = still[:, 0, len(self.goal) + 6 * k : len(self.goal) + 6 * k + 3]
            down = -weight / np.linalg.norm(weight, axis=1)[:, None]
            use = bottleneck(held, down[0], down[1], gravity)
            if use > 1:
                most = float(held.grasp.grip_force[1])
                self.failure_reason = (
                    f"on every way between these ends gravity turns through directions of the hand in which it needs more than "
                    f"{most * use:.1f} N at rest to hold {held.item.name}; it may use {most:g} N"
                )
                return False
        return True

    def order(self, path_seeds: int) -> tuple[list[int], list[int]]:
        """Returns the numbers of the attempts to make, in order, and those of further ones where none of them succeeds.

        The straight line comes first, but last where too much of it is deep inside obstacles.

        Args:
            path_seeds: Number of path searches.
        """
        self.n_paths = path_seeds
        paths, more = list(range(1, path_seeds + 1)), list(range(path_seeds + 1, path_seeds + 1 + MORE_PATHS_AFTER))
        if not self.problem.start.at_rest or not paths:
            return [0], []
        with timed(self.shop.timings, "seed"):
            basis = switch_basis(self.knots)
            control_points = straight_guess(np.array(self.problem.start.q), self.goal, self.knots, basis)
            line = np.concatenate([np.tile(self.problem.start.q, (3, 1)), control_points, np.tile(self.goal, (3, 1))])
            q = basis.design_matrix(np.linspace(0, 1, LINE_SAMPLES)) @ line
            deep = self.shop.collision.query(q, self.ends, -DEEP)
        inside = len(np.unique(deep.sample)) / LINE_SAMPLES
        return ([*paths, 0] if inside > DEEP_SHARE else [0, *paths]), more

    # -- one attempt ----------------------------------------------------------------------------------------------

    def sketch(self, number: int, rival: float = np.inf) -> PartialSolve | None:
        """Solves the first subproblems of an attempt; None where no path is found.

        Args:
            number: Number of the attempt: 0 for the straight line (or Ruckig's own motion from a moving start), negative for a
                bent line, positive for a searched path.
            rival: Merit of the best partial solve so far [s]; an attempt that is far behind stops after its first subproblem.
        """
        sqp_run = self._begun(number, switch_basis(self.knots, at_rest=self.problem.start.at_rest, early=self.early))
        if sqp_run is None:
            return None
        with timed(self.shop.timings, "optimise"):
            if sqp_run.advance(1).merit < FAR_BEHIND * rival:
                sqp_run.advance(LOOK - 1)
                sqp_run.add_violated_samples()
        return PartialSolve(number, sqp_run, sqp_run.point.merit)

    def draft(self, sketch: PartialSolve) -> Candidate | None:
        """Continues a partial solve until it has roughly converged; None where it fails."""
        with timed(self.shop.timings, "optimise"):
            return self._converged(sketch.number, sketch.descent)

    def finer_draft(self, sketch: PartialSolve) -> Candidate | None:
        """Solves a searched path again from the beginning, on finer breakpoints; None where it fails or there is no path.

        A path through a narrow place may need finer breakpoints to be followed.
        """
        if sketch.number not in self._paths:
            return None
        return self._refound(sketch.number, sketch.descent.optimiser.transcription.basis)

    def may_have_faster_path(self, draft: Candidate) -> bool:
        """Returns whether another path might be faster than this candidate.

        It might where the motion is somewhere near an obstacle or hard to hold at rest.
        """
        return self._is_path_limited(draft, draft.point) or self._near(draft)

    def limited_by_static_hold(self, draft: Candidate) -> bool:
        """Returns whether only the static hold limits this candidate, nothing being near; bent lines are tried then.

        They turn the hand in other ways, which path searches, satisfied with the first valid path, do not find.
        """
        still = self.held and draft.transcription.at_rest and float(draft.point.flow.static.max()) > STATIC_MAX
        return still and not self._near(draft)

    def _near(self, draft: Candidate) -> bool:
        """Returns whether a candidate is somewhere within `NEAR` of its padding."""
        near_pairs = self._contacts(draft.transcription, draft.samples, draft.point, self.padding + NEAR)
        return bool(np.any(self.shop.collision.has_full_clearance(near_pairs)))

    def _is_path_limited(self, draft: Candidate, point: Iterate) -> bool:
        """Returns whether another path may be faster although nothing is near the motion.

        It may where the motion is hard to hold at rest somewhere, takes longer than its limits ask for because obstacles move, or
        began with a searched path.

        Args:
            draft: Candidate that the motion comes from.
            point: The motion.
        """
        transcription = draft.transcription
        waits = (
            transcription.moving
            and transcription.at_rest
            and point.duration > (1 + STEP_TOLERANCE) * transcription.shortest(point.flow)
        )
        return draft.number > 0 or waits or float(point.flow.static.max()) > STATIC_MAX

    def finished(self, draft: Candidate) -> tuple[Trajectory, Certificate]:
        """Finishes a candidate: refines it where that may help, stretches and certifies it.

        A motion from a moving start that fails is solved again on finer breakpoints: a start at several limits at once may need
        them in any case.

        Returns:
            The motion and its certificate, which need not be ok.
        """
        draft = self._polished(draft)
        result = self.certified(self._refined(draft) if self._wants_more(draft) else draft)
        if not result[1].ok and not self.problem.start.at_rest:
            finer = self._refound(draft.number, draft.transcription.basis)
            result = self.certified(finer) if finer is not None else result
        return result

    def _refound(self, number: int, basis: SplineBasis) -> Candidate | None:
        """Makes an attempt again from the beginning, on finer breakpoints; None where it fails."""
        sqp_run = self._begun(number, basis.refined(cosine_breakpoints(REFINED_SPANS)))
        with timed(self.shop.timings, "optimise"):
            return None if sqp_run is None else self._converged(number, sqp_run)

    def _begun(self, number: int, basis: SplineBasis) -> SqpRun | None:
        """Starts the SQP run of an attempt, among moving obstacles with the best time law; None without an initial guess."""
        with timed(self.shop.timings, "seed"):
            guess = self._guess(number, basis)
        if guess is None:
            return None
        with timed(self.shop.timings, "optimise"):
            sqp_run = self._descent(basis, *guess)
            if not self.moving or not sqp_run.optimiser.transcription.at_rest:
                return sqp_run
            return min([sqp_run, *self._passing(sqp_run)], key=lambda run: run.advance(GLANCE).merit)

    def _descent(self, basis: SplineBasis, free: Array, duration: float) -> SqpRun:
        """Starts an SQP run from free control points (n_free, n) [rad] and a duration [s]."""
        transcription = Transcription(self.problem, self.shop.dynamics, self.problem.start, self.goal, basis, LIMIT_BACKOFF)
        samples = ConstraintGrid.standard(
            basis, transcription.with_rate, near_speed_limit=bool(np.any(self.early < MOVING_FIRST_SPAN))
        )
        rough = {"step_tolerance": ROUGH} if transcription.at_rest else {}
        return SqpRun.of(self._optimiser(transcription, samples, **rough), free, duration, gain=FIRST_GAIN)

    def _passing(self, begun: SqpRun) -> list[SqpRun]:
        """Starts SQP runs along the same path with the pauses that moving obstacles make necessary."""
        transcription, collision, point = begun.optimiser.transcription, self.shop.collision, begun.point
        points, duration = transcription.points(point.free, point.duration), transcription.shortest(point.flow)

        def free(place: Array, time: Array) -> Array:
            """Returns which places (N,) [s] on the motion are free of moving obstacles at times (N,) [s]."""
            q, blocked = (
                transcription.basis.design_matrix(np.minimum(place / duration, 1.0)) @ points,
                np.zeros(len(place), dtype=bool),
            )
            block_size = max(1, AT_ONCE // len(collision.pairs))
            for first in range(0, len(q), block_size):
                part = slice(first, first + block_size)
                near_pairs = collision.query(q[part], self.ends, 0.0, time=time[part])
                blocked[first + near_pairs.sample[collision.is_moving_obstacle(near_pairs.pair)]] = True
            return ~blocked

        still_from = max(motion.end for motion in collision.assembly.motions)
        return [
            self._descent(
                basis := along(law, transcription.basis), timed_by(basis, transcription.basis, points, law), float(law[-1, 0])
            )
            for law in time_laws(free, duration, still_from)
        ]

    def _converged(self, number: int, descent: SqpRun) -> Candidate | None:
        """Runs an SQP run until it converges; None where the result fails."""
        point = self._verdict(descent.converge(), descent.optimiser)
        return None if point is None else Candidate(number, point, descent.optimiser.transcription, descent.optimiser.samples)

    def _guess(self, number: int, basis: SplineBasis) -> tuple[Array, float] | None:
        """Returns the initial guess of an attempt: free control points (n_free, n) [rad] and duration [s]; None without a path.

        Without a held item a path that can be deformed into an earlier one counts as none.
        """
        start = self.problem.start
        if not start.at_rest:
            return moving_guess(start, self.goal, self.limits, basis) if number == 0 else None
        if number == 0:
            return straight_guess(np.array(start.q), self.goal, self.knots, basis), self.bound.duration
        if number < 0:
            return bent_guess(np.array(start.q), self.goal, self.limits, basis, self.seed * 1000 - number), self.bound.duration
        if number not in self._paths:
            budget_factor = 1 if number <= self.n_paths else SEARCH_BUDGET_FACTOR
            path = connect(self.valid, self.goal, self.seed * 1000 + number, budget_factor, direct=number == 1)
            if path is None:
                self.exhausted = True
                return None
            if (
                not self.held
                and number <= self.n_paths
                and any(is_deformable_to(path, other, self.valid) for other in self._paths.values())
            ):
                return None
            self._paths[number] = path
        path = self._paths[number]
        return along_path(path, basis, 1.0 / self.limits.velocity), self.bound.duration

    @cached_property
    def valid(self) -> StateValidityChecker:
        """Validity checker for path searches: configurations must be free and held at rest."""
        return StateValidityChecker(self.shop.collision, self.shop.dynamics, self.problem, self.ends)

    def solve(
        self, transcription: Transcription, samples: ConstraintGrid, free: Array, duration: float, radius: float, **options: Any
    ) -> Candidate | None:
        """Optimises a motion, adding samples where needed; None where the result is far from clear or cannot be held.

        Args:
            transcription: Transcription of the motion.
            samples: Samples to begin with.
            free: Free control points of the initial guess (n_free, n) [rad].
            duration: Duration of the initial guess [s].
            radius: Initial trust-region radius [rad].
            **options: Further fields of the `SqpProblem`.
        """
        return self._converged(0, SqpRun.of(self._optimiser(transcription, samples, **options), free, duration, radius))

    def _optimiser(self, transcription: Transcription, samples: ConstraintGrid, **options: Any) -> SqpProblem:
        return SqpProblem(transcription, samples, self.shop.collision, self.ends, self.bound.duration, self.padding, **options)

    def _verdict(self, point: Iterate, optimiser: SqpProblem) -> Iterate | None:
        """Returns the motion, or None, setting `failure_reason`, where it cannot be held at rest or is far from clear."""
        if float(point.flow.static.max()) > 1.0:
            self.failure_reason = "the grasp cannot hold the item, or the arm its weight, somewhere along every path found"
            return None
        if point.clearance_violation > self.padding + HOPELESS:
            self.failure_reason = self._worst_contact(optimiser.transcription, optimiser.samples, point)
            return None
        return point

    def _contacts(self, transcription: Transcription, samples: ConstraintGrid, point: Iterate, reach: float) -> NearPairs:
        """Returns the pairs with less margin than `reach` [m] at the clearance samples of a motion."""
        q = samples.b_clearance @ transcription.points(point.free, point.duration)
        return self.shop.collision.query(q, self.ends, reach, time=samples.clearance * point.duration)

    def _worst_contact(self, transcription: Transcription, samples: ConstraintGrid, point: Iterate) -> str:
        """Returns a sentence that names the pair with the worst clearance violation at the samples of a motion."""
        collision, violated = self.shop.collision, self._contacts(transcription, samples, point, 0.0)
        if len(violated.pair) == 0:
            return self.failure_reason
        one, other = collision.names(int(violated.pair[int(np.argmin(violated.margin))]))
        return f"{one} cannot keep {collision.clearance * 1e3:g} mm from {other} on any path found"

    def _wants_more(self, draft: Candidate) -> bool:
        """Returns whether finer breakpoints may make a candidate faster or clear.

        They may where it is slower than the bound and torque, torque rate, hold or a path constraint limits it, clearance is
        still violated, its breakpoints are those of a slower jerk, or obstacles move.
        """
        point, transcription = draft.point, draft.transcription
        slow = point.duration > REFINE_FROM * self.bound.duration and transcription.basis.spans < REFINED_SPANS
        slowed = self.knots is not self.bound or self.moving
        return slow and (
            slowed or transcription.effort_utilisation(point.flow) > BINDING or point.clearance_violation > VIOLATION_SEEN
        )

    def _polished(self, draft: Candidate) -> Candidate:
        """Converges a candidate on its own breakpoints, unless finer ones follow because of torque, torque rate or hold."""
        point, transcription = draft.point, draft.transcription
        if not transcription.at_rest or (self._wants_more(draft) and transcription.effort_utilisation(point.flow) > BINDING):
            return draft
        with timed(self.shop.timings, "optimise"):
            return self._converged(draft.number, SqpRun(self._optimiser(transcription, draft.samples), point, 0.1)) or draft

    def _refined(self, draft: Candidate) -> Candidate:
        """Continues a candidate on finer breakpoints; returns it unchanged where that leads nowhere."""
        point, transcription = draft.point, draft.transcription
        finer_basis = transcription.basis.refined(cosine_breakpoints(REFINED_SPANS))
        free = (transcription.basis.insertion_matrix(finer_basis) @ transcription.points(point.free, point.duration))[3:-3]
        finer_transcription = Transcription(
            self.problem, self.shop.dynamics, self.problem.start, self.goal, finer_basis, LIMIT_BACKOFF
        )
        grid = ConstraintGrid.standard(
            finer_basis, finer_transcription.with_rate, near_speed_limit=draft.samples.near_speed_limit
        )
        with timed(self.shop.timings, "optimise"):
            near_pairs = self._contacts(finer_transcription, grid, replace(point, free=free), self.padding + NEAR)
            grid = grid.added(np.zeros(0), _beside(near_pairs, grid.clearance))  # A corner may pass next to what is near.
            better = self.solve(finer_transcription, grid, free, point.duration, 0.1, step_tolerance=self.fine)
        if better is None or (
            better.duration > point.duration and better.point.clearance_violation >= point.clearance_violation - VIOLATION_SEEN
        ):
            return draft
        return replace(better, number=draft.number)

    def certified(self, draft: Candidate) -> tuple[Trajectory, Certificate]:
        """Stretches, certifies and repairs a candidate.

        Returns:
            The motion and its certificate, which need not be ok.
        """
        trajectory, certificate, point = CertifiedRefinement(self.shop, self.solve, self.fine).certified(draft)
        if certificate.ok:
            clearance = certificate.kinds.get("clearance")
            near = clearance is not None and clearance.margin < self.padding + NEAR
            self.obstacles_bind = near or self._is_path_limited(draft, point)
        return trajectory, certificate


def _beside(contacts: NearPairs, s: Array) -> Array:
    """Returns the middles (K,) in s of the gaps between samples at s (N,) that have a contact at either end."""
    near = np.unique(contacts.sample)
    gaps = np.unique(np.concatenate([near - 1, near]))
    gaps = gaps[(gaps >= 0) & (gaps < len(s) - 1)]
    return np.asarray((s[gaps] + s[gaps + 1]) / 2)
