"""One goal, several first guesses: seed → sketch → draft → refine → certify (`repair`)."""

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

PADDING = 0.006  # distance asked of the optimiser beyond the clearance [m] …
PADDING_SHARE = 0.6  # … or this share of the nearer end's own
NEAR = 0.001  # beyond the pad: another path might be faster only where a clearance was this small [m]
HOPELESS = 0.003  # lack of clearance at the samples from which a solve counts as failed [m]
DEEP, DEEP_SHARE = 0.02, 0.25  # a line this deep in obstacles [m] over this share of its way is tried last
LINE_SAMPLES = 40
REFINE_FROM = 1.002  # finer breakpoints where the duration exceeds the bound by more and a dynamic limit binds
REFINED_SPANS = 22
BINDING = 0.9  # use of torque, its rate or hold from which it counts as what keeps a motion from its bound
MORE_PATHS_AFTER, SEARCH_BUDGET_FACTOR = (
    4,
    4,
)  # path searches beyond those asked for, while no certified motion was found, and their budget
AT_ONCE = 2_000_000  # pairs of bodies looked at together where laws of time are found: a bound on memory
GLANCE = 3  # steps after which laws of time are compared, where obstacles move
LOOK = 4  # steps after which a sketch is compared with others …
FAR_BEHIND = 2.0  # … unless its merit is this many times the best one's after the first: of 101 problems none was lost by it
ROUGH = 3e-3  # step tolerance of drafts: enough to tell ways apart …
FINISH = 1e-3  # … and of what follows where nothing is held: later steps hardly gain anything


class GoalPlanner:
    """All attempts at one goal configuration."""

    def __init__(self, shop: PlanningContext, goal: Array, bound: Bound, ends: Ends, seed: int) -> None:
        self.shop, self.goal, self.bound, self.ends, self.seed = shop, goal, bound, ends, seed
        self.problem, self.limits = shop.problem, shop.problem.limit_set
        self.held = self.problem.hold_active and bool(self.problem.holds)  # whether a hold has to last
        self.moving = self.problem.scene.moving
        self.fine = STEP_TOLERANCE if self.held or not self.problem.start.at_rest else FINISH
        self.knots = self._knots()
        self.padding = self._padding()
        self.early = early_breakpoints(self.problem.start, self.limits)
        self.obstacles_bind = False
        self.failure_reason = ""
        self.n_paths = 0  # path searches that were asked for; more only where none led to a certified motion
        self.exhausted = False  # whether a path search has spent its budget in vain
        self._paths: dict[int, Array] = {}

    def _knots(self) -> Bound:
        """Switching times; with a torque-rate limit r from a jerk that the motors could follow, 0.8 r / M_ii."""
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
        q = np.stack([np.array(self.problem.start.q), self.goal])
        near = self.shop.collision.query(q, self.ends, PADDING)
        whole = self.shop.collision.has_full_clearance(near)
        return max(0.0, min(PADDING, PADDING_SHARE * float(near.margin[whole].min(initial=PADDING / PADDING_SHARE))))

    def sentence(self) -> str:
        return self.failure_reason or "no collision-free path was found within the search's budget"

    def is_reorientable(self) -> bool:
        """False where some hold provably cannot be carried from end to end at rest; `trouble` says why."""
        problem, gravity = self.problem, float(np.linalg.norm(self.problem.gravity))
        if not self.held or gravity < 1e-9:
            return True
        still = self.shop.dynamics.static(np.stack([np.array(problem.start.q), self.goal]))
        for k, held in enumerate(problem.holds):
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
        """Numbers of attempts to make: the straight line first, but last where it starts deep inside obstacles; and of further
        paths, for a goal to which none has led then."""
        self.n_paths = path_seeds
        paths, more = list(range(1, path_seeds + 1)), list(range(path_seeds + 1, path_seeds + 1 + MORE_PATHS_AFTER))
        if not self.problem.start.at_rest or not paths:
            return [0], []
        with timed(self.shop.timings, "seed"):
            basis = switch_basis(self.knots)
            free = straight_guess(np.array(self.problem.start.q), self.goal, self.knots, basis)
            line = np.concatenate([np.tile(self.problem.start.q, (3, 1)), free, np.tile(self.goal, (3, 1))])
            q = basis.design_matrix(np.linspace(0, 1, LINE_SAMPLES)) @ line
            found = self.shop.collision.query(q, self.ends, -DEEP)
        inside = len(np.unique(found.sample)) / LINE_SAMPLES
        return ([*paths, 0] if inside > DEEP_SHARE else [0, *paths]), more

    # -- one attempt ----------------------------------------------------------------------------------------------

    def sketch(self, number: int, rival: float = np.inf) -> PartialSolve | None:
        """The first steps of an attempt: number 0 is the straight line (or Ruckig's own motion from a moving start), others
        are bent lines (negative) or a searched path; None where no path is found.

        Args:
            rival: merit of the best sketch so far; one that is far behind after its first step is left at that.
        """
        begun = self._begun(number, switch_basis(self.knots, at_rest=self.problem.start.at_rest, early=self.early))
        if begun is None:
            return None
        with timed(self.shop.timings, "optimise"):
            if begun.advance(1).merit < FAR_BEHIND * rival:
                begun.advance(LOOK - 1)
                begun.add_violated_samples()
        return PartialSolve(number, begun, begun.point.merit)

    def draft(self, sketch: PartialSolve) -> Candidate | None:
        """A sketch gone on with until it has converged, roughly."""
        with timed(self.shop.timings, "optimise"):
            return self._converged(sketch.number, sketch.descent)

    def finer_draft(self, sketch: PartialSolve) -> Candidate | None:
        """A path once more from the beginning, on finer breakpoints: one through a narrow place may need them to be followed."""
        if sketch.number not in self._paths:
            return None
        return self._refound(sketch.number, sketch.descent.optimiser.transcription.basis)

    def may_have_faster_path(self, draft: Candidate) -> bool:
        """Whether another path might be faster: somewhere the motion keeps no more than its pad, or is hard to hold at rest."""
        return self._is_path_limited(draft, draft.point) or self._near(draft)

    def limited_by_static_hold(self, draft: Candidate) -> bool:
        """Whether it is the hold at rest alone that stands in a motion's way, nothing being near: other turns of the hand are
        worth trying then that path searches, satisfied with little, do not find (one of 20 problems: 12 % shorter)."""
        still = self.held and draft.transcription.at_rest and float(draft.point.flow.static.max()) > STATIC_MAX
        return still and not self._near(draft)

    def _near(self, draft: Candidate) -> bool:
        """Whether a motion keeps no more than its pad somewhere."""
        found = self._contacts(draft.transcription, draft.samples, draft.point, self.padding + NEAR)
        return bool(np.any(self.shop.collision.has_full_clearance(found)))

    def _is_path_limited(self, draft: Candidate, point: Iterate) -> bool:
        """Whether another path may be faster although nothing is near what has come of a draft: it is hard to hold at rest
        somewhere, takes longer than its limits ask for, because of what moves, or began with a searched path."""
        transcription = draft.transcription
        waits = (
            transcription.moving
            and transcription.at_rest
            and point.duration > (1 + STEP_TOLERANCE) * transcription.shortest(point.flow)
        )
        return draft.number > 0 or waits or float(point.flow.static.max()) > STATIC_MAX

    def finished(self, draft: Candidate) -> tuple[Trajectory, Certificate]:
        """A draft on finer breakpoints where that may help, stretched and certified; a start at several limits at once may need
        them in any case."""
        draft = self._polished(draft)
        result = self.certified(self._refined(draft) if self._wants_more(draft) else draft)
        if not result[1].ok and not self.problem.start.at_rest:
            finer = self._refound(draft.number, draft.transcription.basis)
            result = self.certified(finer) if finer is not None else result
        return result

    def _refound(self, number: int, basis: SplineBasis) -> Candidate | None:
        """An attempt made again on finer breakpoints."""
        begun = self._begun(number, basis.refined(cosine_breakpoints(REFINED_SPANS)))
        with timed(self.shop.timings, "optimise"):
            return None if begun is None else self._converged(number, begun)

    def _begun(self, number: int, basis: SplineBasis) -> SqpRun | None:
        with timed(self.shop.timings, "seed"):
            guess = self._guess(number, basis)
        if guess is None:
            return None
        with timed(self.shop.timings, "optimise"):
            begun = self._descent(basis, *guess)
            if not self.moving or not begun.optimiser.transcription.at_rest:
                return begun
            return min([begun, *self._passing(begun)], key=lambda descent: descent.advance(GLANCE).merit)

    def _descent(self, basis: SplineBasis, free: Array, duration: float) -> SqpRun:
        transcription = Transcription(self.problem, self.shop.dynamics, self.problem.start, self.goal, basis, LIMIT_BACKOFF)
        samples = ConstraintGrid.standard(
            basis, transcription.with_rate, near_speed_limit=bool(np.any(self.early < MOVING_FIRST_SPAN))
        )
        rough = {"step_tolerance": ROUGH} if transcription.at_rest else {}
        return SqpRun.of(self._optimiser(transcription, samples, **rough), free, duration, gain=FIRST_GAIN)

    def _passing(self, begun: SqpRun) -> list[SqpRun]:
        """The same way with the pauses that obstacles that move make necessary."""
        transcription, collision, point = begun.optimiser.transcription, self.shop.collision, begun.point
        points, duration = transcription.points(point.free, point.duration), transcription.shortest(point.flow)

        def free(place: Array, time: Array) -> Array:
            q, touched = (
                transcription.basis.design_matrix(np.minimum(place / duration, 1.0)) @ points,
                np.zeros(len(place), dtype=bool),
            )
            block = max(1, AT_ONCE // len(collision.pairs))
            for first in range(0, len(q), block):
                part = slice(first, first + block)
                found = collision.query(q[part], self.ends, 0.0, time=time[part])
                touched[first + found.sample[collision.is_moving_obstacle(found.pair)]] = True
            return ~touched

        still_from = max(motion.end for motion in collision.assembly.motions)
        return [
            self._descent(
                basis := along(law, transcription.basis), timed_by(basis, transcription.basis, points, law), float(law[-1, 0])
            )
            for law in time_laws(free, duration, still_from)
        ]

    def _converged(self, number: int, descent: SqpRun) -> Candidate | None:
        point = self._verdict(descent.converge(), descent.optimiser)
        return None if point is None else Candidate(number, point, descent.optimiser.transcription, descent.optimiser.samples)

    def _guess(self, number: int, basis: SplineBasis) -> tuple[Array, float] | None:
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
        """For path searches: what is free and can be held at rest."""
        return StateValidityChecker(self.shop.collision, self.shop.dynamics, self.problem, self.ends)

    def solve(
        self, transcription: Transcription, samples: ConstraintGrid, free: Array, duration: float, radius: float, **options: Any
    ) -> Candidate | None:
        """Optimise from a motion, which may get more samples; None where the result is far from clear or cannot be held.

        Args:
            options: of the `Optimiser`.
        """
        return self._converged(0, SqpRun.of(self._optimiser(transcription, samples, **options), free, duration, radius))

    def _optimiser(self, transcription: Transcription, samples: ConstraintGrid, **options: Any) -> SqpProblem:
        return SqpProblem(transcription, samples, self.shop.collision, self.ends, self.bound.duration, self.padding, **options)

    def _verdict(self, point: Iterate, optimiser: SqpProblem) -> Iterate | None:
        if float(point.flow.static.max()) > 1.0:
            self.failure_reason = "the grasp cannot hold the item, or the arm its weight, somewhere along every path found"
            return None
        if point.clearance_violation > self.padding + HOPELESS:
            self.failure_reason = self._worst_contact(optimiser.transcription, optimiser.samples, point)
            return None
        return point

    def _contacts(self, transcription: Transcription, samples: ConstraintGrid, point: Iterate, reach: float) -> NearPairs:
        """With less margin than `reach` [m], at the samples of a motion."""
        q = samples.b_clearance @ transcription.points(point.free, point.duration)
        return self.shop.collision.query(q, self.ends, reach, time=samples.clearance * point.duration)

    def _worst_contact(self, transcription: Transcription, samples: ConstraintGrid, point: Iterate) -> str:
        collision, found = self.shop.collision, self._contacts(transcription, samples, point, 0.0)
        if len(found.pair) == 0:
            return self.failure_reason
        one, other = collision.names(int(found.pair[int(np.argmin(found.margin))]))
        return f"{one} cannot keep {collision.clearance * 1e3:g} mm from {other} on any path found"

    def _wants_more(self, draft: Candidate) -> bool:
        """Whether torque, its rate or the hold keeps the motion from its bound, or clearance is still lacking; or the breakpoints
        do, being those of a slower jerk."""
        point, transcription = draft.point, draft.transcription
        slow = point.duration > REFINE_FROM * self.bound.duration and transcription.basis.spans < REFINED_SPANS
        slowed = self.knots is not self.bound or self.moving
        return slow and (
            slowed or transcription.effort_utilisation(point.flow) > BINDING or point.clearance_violation > VIOLATION_SEEN
        )

    def _polished(self, draft: Candidate) -> Candidate:
        """Converged on its own breakpoints, where no finer ones come."""
        point, transcription = draft.point, draft.transcription
        if not transcription.at_rest or (self._wants_more(draft) and transcription.effort_utilisation(point.flow) > BINDING):
            return draft
        with timed(self.shop.timings, "optimise"):
            return self._converged(draft.number, SqpRun(self._optimiser(transcription, draft.samples), point, 0.1)) or draft

    def _refined(self, draft: Candidate) -> Candidate:
        """Continue on finer breakpoints; the same draft where that leads nowhere."""
        point, transcription = draft.point, draft.transcription
        finer = transcription.basis.refined(cosine_breakpoints(REFINED_SPANS))
        free = (transcription.basis.insertion_matrix(finer) @ transcription.points(point.free, point.duration))[3:-3]
        new = Transcription(self.problem, self.shop.dynamics, self.problem.start, self.goal, finer, LIMIT_BACKOFF)
        more = ConstraintGrid.standard(finer, new.with_rate, near_speed_limit=draft.samples.near_speed_limit)
        with timed(self.shop.timings, "optimise"):
            near = self._contacts(new, more, replace(point, free=free), self.padding + NEAR)
            more = more.added(np.zeros(0), _beside(near, more.clearance))  # a corner may pass next to what is near
            better = self.solve(new, more, free, point.duration, 0.1, step_tolerance=self.fine)
        if better is None or (
            better.duration > point.duration and better.point.clearance_violation >= point.clearance_violation - VIOLATION_SEEN
        ):
            return draft
        return replace(better, number=draft.number)

    def certified(self, draft: Candidate) -> tuple[Trajectory, Certificate]:
        """Stretched, certified, repaired."""
        trajectory, certificate, point = CertifiedRefinement(self.shop, self.solve, self.fine).certified(draft)
        if certificate.ok:
            least = certificate.kinds.get("clearance")
            near = least is not None and least.margin < self.padding + NEAR
            self.obstacles_bind = near or self._is_path_limited(draft, point)
        return trajectory, certificate


def _beside(contacts: NearPairs, s: Array) -> Array:
    """Middles of the gaps between samples at s (N,) that have a contact at either end."""
    near = np.unique(contacts.sample)
    gaps = np.unique(np.concatenate([near - 1, near]))
    gaps = gaps[(gaps >= 0) & (gaps < len(s) - 1)]
    return np.asarray((s[gaps] + s[gaps + 1]) / 2)
