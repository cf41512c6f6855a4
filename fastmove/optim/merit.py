"""The merit of a motion, its convex model, and the step that the model promises most of: all that the SQP loop asks for.

The merit is the smallest duration at which the rows hold (closed form between rests, `Transcription.shortest`), plus weighted
violations of clearance (worst contact of every sample) and of the limits at rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fastmove.arrays import Array
from fastmove.collision.checker import Collision
from fastmove.collision.query_types import Ends, NearPairs, Sliding, StepReach
from fastmove.dynamics.efforts import Linearised
from fastmove.optim.linearization import RATE_STEP, Linearization, active_row_fraction
from fastmove.optim.objective import SMOOTHNESS
from fastmove.optim.samples import ConstraintGrid
from fastmove.optim.subproblem import WEIGHT_CLEARANCE, WEIGHT_STATIC, WEIGHT_VIOLATION, Step, Subproblem
from fastmove.optim.transcription import MotionValues, Transcription

PROVEN = 2e-4  # Excess of the duration over the lower bound at which the SQP stops, none being worth more steps [1].
STEP_TOLERANCE = 2e-4  # Predicted decrease, as a share of the duration, below which the loop stops.
VIOLATION_MAX = 5e-8  # Largest relative violation of limits by a feasible motion with a moving start.
BETWEEN = np.array([0.25, 0.5, 0.75])  # Places between two samples that are searched, as shares of the way from one to the next.
VIOLATION_SEEN = 1e-4  # Clearance violation above which samples or finer breakpoints are added [m].
CONES_FROM = 0.5  # Utilisation of the hold above which its cones join the subproblem.


@dataclass(frozen=True)
class Iterate:
    """One motion with its merit.

    Attributes:
        free: (n_free, n) free control points [rad].
        duration: Duration [s].
        flow: Values at the samples.
        merit: Merit, to be minimised [s].
        clearance_violation: Largest weighted violation of clearance and padding at a sample [m].
        static: Sum over samples of the utilisation at rest (of torque, hold and path constraints) beyond its target.
        limit_violation: Relative violation of the limits in motion, with a moving start only; 0 between rests.
    """

    free: Array
    duration: float
    flow: MotionValues
    merit: float
    clearance_violation: float
    static: float
    limit_violation: float

    @property
    def feasible(self) -> bool:
        """Whether every violation is within its tolerance.

        With a moving start the limits in motion may be exceeded by `VIOLATION_MAX`: the planner keeps 1e-7 inside them.
        """
        return self.clearance_violation <= 1e-5 and self.static <= 1e-9 and self.limit_violation <= VIOLATION_MAX


@dataclass(frozen=True)
class SqpProblem:
    """Everything that stays fixed during one run of the SQP loop.

    Attributes:
        transcription: Ends, basis and limits of the motion.
        samples: Where constraints are asked for.
        collision: Distance queries of the problem.
        ends: What may touch at the two ends, and how they are left and reached.
        bound: Lower bound of the duration [s].
        padding: Distance asked of the optimiser beyond the required clearance [m].
        max_steps: Maximum number of subproblems.
        penalty_scale: Factor on the price of a clearance violation; it grows while the certificate finds one.
        step_tolerance: Predicted decrease, as a share of the duration, below which the loop stops.
        precision: Tolerance of the convex programs; None = 1e-4 between rests, 1e-8 with a moving start.
        cones_from: Utilisation of the hold from which its cones join the subproblem, at three to five times the time of a step.
        smoothness: Price ε of roughness, as a share of the duration.
        gap: Clearance violation between samples above which samples are added [m].
        slides: Whether samples may slide along the motion (see `collision.sliding`).
    """

    transcription: Transcription
    samples: ConstraintGrid
    collision: Collision
    ends: Ends
    bound: float
    padding: float
    max_steps: int = 40
    penalty_scale: float = 1.0
    step_tolerance: float = STEP_TOLERANCE
    precision: float | None = None
    cones_from: float = CONES_FROM
    smoothness: float = SMOOTHNESS
    gap: float = VIOLATION_SEEN
    slides: bool = True

    def evaluate(self, free: Array, duration: float) -> Iterate:
        """Evaluate the motion of these control points.

        Between rests it is run in its own smallest duration; where obstacles move, in the given one if that is longer.

        Args:
            free: (n_free, n) free control points [rad].
            duration: Duration [s].
        """
        transcription = self.transcription
        points = transcription.points(free, duration)
        flow = transcription.flow(self.samples, points, duration)
        beyond = 0.0  # relative violation of the limits in motion
        if transcription.at_rest:
            best = max(transcription.shortest(flow), duration if transcription.moving else 0.0)
            flow = _rescaled(flow, best)
            duration = best
        else:
            beyond = max(transcription.utilisation(flow, 1.0) - 1.0, 0.0)
        points = transcription.points(free, duration)
        q = self.samples.b_clearance @ points
        near = self.collision.query(q, self.ends, self.padding, time=self.samples.clearance * duration)
        violation = self._violation(self._priced(near), len(q))
        static = transcription.violation_at_rest(flow)
        merit = duration * (1 + self.smoothness * transcription.roughness.value(points, duration))
        merit += WEIGHT_VIOLATION * duration * beyond + WEIGHT_CLEARANCE * float(violation.sum()) + WEIGHT_STATIC * static
        return Iterate(free, duration, flow, merit, float(violation.max(initial=0.0)) / self.penalty_scale, static, beyond)

    def _priced(self, near: NearPairs) -> NearPairs:
        """Nearby pairs, their weights multiplied by `penalty_scale`."""
        return replace(near, weight=near.weight * self.penalty_scale)

    def _violation(self, contacts: NearPairs, count: int) -> Array:
        """(count,) weighted violation of clearance and padding by the worst pair of every sample [m]."""
        violation = np.zeros(count)
        np.maximum.at(violation, contacts.sample, (self._paddings(contacts) - contacts.margin) * contacts.weight)
        return violation

    def _paddings(self, contacts: NearPairs) -> Array:
        """(C,) padding of each pair [m]."""
        return self.padding * contacts.padding_scale

    def violations_between_samples(self, point: Iterate) -> Array:
        """Find where a motion violates its clearance between the samples: a thin wall fits between two of them.

        Returns:
            (K,) places s in [0, 1], the worst one of each run of violations.
        """
        samples, transcription = self.samples, self.transcription
        grid = np.concatenate([[0.0], samples.clearance, [1.0]])
        s = (grid[:-1, None] + np.diff(grid)[:, None] * BETWEEN).ravel()
        q = transcription.basis.design_matrix(s) @ transcription.points(point.free, point.duration)
        violation = self.collision.query(q, self.ends, 0.0, time=s * point.duration).violation(len(s))
        inner = np.concatenate([[0.0], violation, [0.0]])
        return np.asarray(s[(violation > self.gap) & (violation >= inner[:-2]) & (violation > inner[2:])])

    def proven(self, point: Iterate) -> bool:
        """Whether a motion is feasible, clear with half the padding to spare, and as fast as the lower bound.

        It may still be made smoother at another price than the usual one.
        """
        if self.smoothness != SMOOTHNESS:
            return False
        fast = point.duration <= (1 + PROVEN) * self.bound
        return (
            fast
            and point.clearance_violation <= max(self.padding / 2, 1e-5)
            and point.static <= 1e-9
            and point.limit_violation <= VIOLATION_MAX
        )

    def hold_utilisation(self, point: Iterate) -> float:
        """Largest utilisation of the hold and of what items tolerate, 1 = limit; 0 where nothing is held."""
        efforts, loads = point.flow.efforts, self.transcription.loads
        return float(
            max(
                self.transcription.load_shares(efforts.total).max(),
                loads.tolerance_utilisation(efforts.gravity, at_rest=True).max(),
            )
        )

    def linearise(self, point: Iterate, radius: float, gain: float = 0.0, slide: bool = True) -> Linearization:
        """Evaluate everything that a subproblem around a motion needs.

        Limits grow with T^p, and rows keep to a tangent of that.  One that touches at the motion's own duration T is 0 at
        (1 − 1/p) T, so that no step could take off more than a third (jerk, p = 3); one that touches where a step ends is exact.

        Args:
            point: The motion.
            radius: Trust region of every control point [rad].
            gain: Share of the duration that the step is expected to take off; tangents touch at what remains.
            slide: Whether samples may slide along the motion.
        """
        transcription, samples = self.transcription, self.samples
        points = transcription.points(point.free, point.duration)
        duration = max(self.bound, (1 - gain) * point.duration) if gain else point.duration
        flow = _rescaled(point.flow, duration) if gain else point.flow
        q, v, a = transcription.states(samples.b_effort, points, duration)
        rate: tuple[Linearised, Linearised] | None = None
        members = transcription.worst_members(point.flow.efforts)
        if point.flow.rate is not None:
            beside = [
                transcription.states(samples.rate_beside(sign * RATE_STEP / duration), points, duration) for sign in (1, -1)
            ]
            one, other = (transcription.dynamics.linearised(x[0], x[1], x[2], members) for x in beside)
            rate = one, other
        reach = self.padding + float(np.clip(0.4 * radius, 0.02, 0.08))
        step = (
            StepReach(self.padding, active_row_fraction(transcription) * radius * samples.freedom)
            if transcription.rescales
            else None
        )
        sliding = Sliding(samples.b_along @ points, self.padding) if slide else None
        times = samples.clearance * point.duration
        near = self.collision.query(samples.b_clearance @ points, self.ends, reach, True, step, times, sliding)
        contacts = self._priced(near)
        lin, paddings = transcription.dynamics.linearised(q, v, a, members), self._paddings(contacts)
        return Linearization(point.free, duration, point.duration, flow, lin, rate, contacts, paddings, members)

    def range(self, here: Linearization, decrease: float) -> tuple[float, float]:
        """Least and largest ξ of a step: from the lower bound, or from the largest allowed decrease, to twice the duration.

        Args:
            here: The motion that the step starts from.
            decrease: Largest share of the duration that the step may take off.
        """
        least = here.origin - min(max(here.origin - self.bound, 0.0), decrease * here.origin)
        return least / here.duration - 1, 2 * here.origin / here.duration - 1

    def step(self, here: Linearization, radius: float, decrease: float, cones: bool, expected: float = np.inf) -> Step | None:
        """Solve the subproblem around a motion.

        Args:
            here: The motion that the step starts from.
            radius: Trust region of every control point [rad].
            decrease: Largest share of the duration that the step may take off.
            cones: Whether the cones of the hold are present.
            expected: Change of the control points that is expected [rad]; it changes the time taken, not the step.

        Returns:
            The step, or None if the solver fails.
        """
        low, high = self.range(here, decrease)
        if self.transcription.moving:  # distances to moving obstacles are linearised in time, so valid for small ξ only
            low, high = max(low, -radius), radius
        problem = Subproblem(self.transcription, self.samples, here, radius, (low, high), cones, self.smoothness, expected)
        return problem.solve(self.precision or (1e-4 if self.transcription.at_rest else 1e-8))

    def look(self, point: Iterate, radius: float, gain: float = 0.0) -> Step | None:
        """Solve the first subproblem around a motion, with all cones; None if the solver fails.

        Args:
            point: The motion.
            radius: Trust region of every control point [rad].
            gain: Share of the duration that is expected to be taken off (see `linearise`); negative where it grows.
        """
        return self.step(self.linearise(point, radius, gain), radius, 0.5, True)


def _rescaled(flow: MotionValues, duration: float) -> MotionValues:
    """Values of the same control points between rests, run in another duration [s]; no new dynamics are needed."""
    ratio = flow.duration / duration
    e = flow.efforts
    total = e.gravity + e.viscous * ratio + (e.total - e.gravity - e.viscous) * ratio**2
    rate = flow.rate
    if rate is not None:
        rate = (rate[0] * ratio, rate[1] * ratio**2, rate[2] * ratio**3)
    return replace(
        flow,
        duration=duration,
        speed=flow.speed * ratio,
        acceleration=flow.acceleration * ratio**2,
        jerk=flow.jerk * ratio**3,
        efforts=replace(e, total=total, viscous=e.viscous * ratio),
        path=None if flow.path is None else flow.path.run_in(ratio),
        envelope=None if flow.envelope is None else (flow.envelope[0], flow.envelope[1] * ratio),
        rate=rate,
    )
