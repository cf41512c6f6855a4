"""Solving for the fastest motion to one goal from an initial guess."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastmove.arrays import Array
from fastmove.collision.query_types import Ends, NearPairs
from fastmove.optim.breakpoints import MOVING_FIRST_SPAN
from fastmove.optim.margins import LIMIT_BACKOFF
from fastmove.optim.merit import Iterate, SqpProblem
from fastmove.optim.objective import SMOOTHNESS, SMOOTHNESS_HELD
from fastmove.optim.samples import ConstraintGrid
from fastmove.optim.sqp import FIRST_GAIN, SqpRun
from fastmove.optim.transcription import Transcription
from fastmove.planner.candidate import Candidate
from fastmove.planner.context import PlanningContext
from fastmove.search.arrival import Arrival
from fastmove.search.initial_guess import timed_by
from fastmove.search.time_bound import Bound
from fastmove.search.velocity_tuning import along, time_laws
from fastmove.trajectory.bspline import SplineBasis

PADDING = 0.006  # Maximum distance asked of the optimiser beyond the clearance, without a held item [m].
PADDING_HELD = 5e-4  # The same with a held item [m].
PER_SPAN = 3  # Number of distance samples in every span, without a held item.
PER_SPAN_HELD = 6  # The same with a held item.
PADDING_SHARE = 0.6  # Maximum padding as a share of the least margin of clearance at the two ends.
NEAR = 0.001  # Margin beyond the padding below which a motion counts as near an obstacle [m].
HOPELESS = 0.003  # Clearance violation at the samples, beyond the padding, above which a solve counts as failed [m].
AT_ONCE = 2_000_000  # Number of body pairs times samples per collision query for time laws, which bounds the memory.
GLANCE = 3  # Number of subproblems solved before time laws are compared.
ROUGH = 3e-3  # Relative step tolerance of candidates.
ROUGH_GAP = 1e-3  # Clearance violation between the samples of candidates above which samples are added [m].


class MotionSolver:
    """Optimises motions to one goal and says why one fails.

    Args:
        context: What all work on the problem shares.
        goal: Goal configuration (n,) [rad].
        bound: Kinematic lower bound to this goal.
        ends: What may touch at the two ends of the motion.
        early: Times at which a moving start needs breakpoints (K,) [s].
        arrival: States in which the motion may end, where the goal moves on.

    Attributes:
        moving: Whether obstacles move.
        padding: Distance asked of the optimiser beyond the clearance [m].
        smoothness: Price of roughness of motions that are finished, as a share of the duration.
        failure_reason: Sentence about the last attempt that failed; empty where none did.
    """

    def __init__(
        self,
        context: PlanningContext,
        goal: Array,
        bound: Bound,
        ends: Ends,
        early: Array,
        arrival: Arrival | None = None,
    ) -> None:
        self.context, self.goal, self.bound, self.ends, self.early = context, goal, bound, ends, early
        self.arrival = arrival
        self.problem = context.problem
        self.moving = self.problem.scene.moving
        self.padding = self._padding()
        self.smoothness = SMOOTHNESS_HELD if self.problem.must_hold else SMOOTHNESS
        self.failure_reason = ""

    def _padding(self) -> float:
        """Returns the padding [m], less where an end itself is near an obstacle."""
        q = np.stack([np.array(self.problem.start.q), self.goal])
        most = PADDING_HELD if self.problem.must_hold else PADDING
        near = self.context.collision.query(q, self.ends, most / PADDING_SHARE)
        whole = self.context.collision.has_full_clearance(near)
        return max(0.0, min(most, PADDING_SHARE * float(near.margin[whole].min(initial=most / PADDING_SHARE))))

    def grid(self, transcription: Transcription, near_speed_limit: bool = False) -> ConstraintGrid:
        """Returns the samples that a motion is solved with at first (see `ConstraintGrid.standard`)."""
        per_span = PER_SPAN_HELD if self.problem.must_hold else PER_SPAN
        return ConstraintGrid.standard(transcription.basis, transcription.with_rate, per_span, near_speed_limit)

    def begin(self, guess: tuple[Array, float], basis: SplineBasis) -> SqpRun:
        """Starts an SQP run from an initial guess, among moving obstacles with the best time law.

        Args:
            guess: Free control points (n_free, n) [rad] and duration [s].
            basis: Basis of the control points.
        """
        sqp_run = self._descent(basis, *guess)
        if not self.moving or not sqp_run.optimiser.transcription.at_rest:
            return sqp_run
        return min([sqp_run, *self._passing(sqp_run)], key=lambda run: run.advance(GLANCE).merit)

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
        options = {"smoothness": self.smoothness} | options
        return self.converged(0, SqpRun.of(self.sqp_problem(transcription, samples, **options), free, duration, radius))

    def converged(self, number: int, sqp_run: SqpRun, rival: float = np.inf) -> Candidate | None:
        """Runs an SQP run until it converges, or will not reach a rival's merit [s]; None where the result fails."""
        point = self._verdict(sqp_run.converge(rival), sqp_run.optimiser)
        return None if point is None else Candidate(number, point, sqp_run.optimiser.transcription, sqp_run.optimiser.samples)

    def near_pairs(self, transcription: Transcription, samples: ConstraintGrid, point: Iterate, reach: float) -> NearPairs:
        """Returns the pairs with less margin than `reach` [m] at the clearance samples of a motion."""
        q = samples.b_clearance @ transcription.points(point.free, point.duration)
        return self.context.collision.query(q, self.ends, reach, time=samples.clearance * point.duration)

    def is_near_obstacle(self, candidate: Candidate) -> bool:
        """Returns whether a candidate is somewhere within `NEAR` of its padding."""
        near = self.near_pairs(candidate.transcription, candidate.samples, candidate.point, self.padding + NEAR)
        return bool(np.any(self.context.collision.has_full_clearance(near)))

    def sqp_problem(self, transcription: Transcription, samples: ConstraintGrid, **options: Any) -> SqpProblem:
        """Returns the SQP problem of a transcription; options are further fields of it."""
        return SqpProblem(transcription, samples, self.context.collision, self.ends, self.bound.duration, self.padding, **options)

    def transcription(self, basis: SplineBasis) -> Transcription:
        """Returns the transcription of motions to the goal on a basis."""
        start, dynamics = self.problem.start, self.context.dynamics
        return Transcription(self.problem, dynamics, start, self.goal, basis, LIMIT_BACKOFF, self.arrival)

    def _descent(self, basis: SplineBasis, free: Array, duration: float) -> SqpRun:
        """Starts an SQP run from free control points (n_free, n) [rad] and a duration [s]."""
        transcription = self.transcription(basis)
        samples = self.grid(transcription, bool(np.any(self.early < MOVING_FIRST_SPAN)))
        rough = {"step_tolerance": ROUGH, "gap": ROUGH_GAP} if transcription.at_rest else {}
        return SqpRun.of(self.sqp_problem(transcription, samples, **rough), free, duration, gain=FIRST_GAIN)

    def _passing(self, begun: SqpRun) -> list[SqpRun]:
        """Starts SQP runs along the same path with the pauses that moving obstacles make necessary."""
        transcription, collision, point = begun.optimiser.transcription, self.context.collision, begun.point
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

    def _verdict(self, point: Iterate, optimiser: SqpProblem) -> Iterate | None:
        """Returns the motion, or None, setting `failure_reason`, where it is too late, cannot be held, or is far from clear."""
        if self.arrival is not None and not self.arrival.reaches(point.duration):
            self.failure_reason = (
                f"the goal is within reach from {self.arrival.first:.3f} to {self.arrival.last:.3f} s only, and the motion takes "
                f"{point.duration:.3f} s"
            )
            return None
        if float(point.flow.static.max()) > 1.0:
            self.failure_reason = "the grasp cannot hold the item, or the arm its weight, somewhere along every path found"
            return None
        if point.clearance_violation > self.padding + HOPELESS:
            self.failure_reason = self._worst_contact(optimiser.transcription, optimiser.samples, point)
            return None
        return point

    def _worst_contact(self, transcription: Transcription, samples: ConstraintGrid, point: Iterate) -> str:
        """Returns a sentence that names the pair with the worst clearance violation at the samples of a motion."""
        collision, violated = self.context.collision, self.near_pairs(transcription, samples, point, 0.0)
        if len(violated.pair) == 0:
            return self.failure_reason
        worst = int(np.argmin(violated.margin))
        one, other = collision.names(int(violated.pair[worst]))
        stray = 0.0 if collision.strays.exact else max(0.0, float(violated.required[worst]) - collision.clearance)
        follows = f", and {stray * 1e3:.3g} mm for how the arm follows its commands," if stray > 0 else ""
        return f"{one} cannot keep {collision.clearance * 1e3:g} mm{follows} from {other} on any path found"
