"""What a motion is worth, the model of it, and the step that the model promises most of: everything that the solver loop asks.

Merit: the smallest duration at which the rows hold (closed form between rests, `Transcription.shortest`), plus weighted
lack of clearance (worst contact of every sample) and static hold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fastmove.arrays import Array
from fastmove.collision.checker import Collision
from fastmove.collision.query_types import Ends, NearPairs, StepReach
from fastmove.dynamics.efforts import Linearised
from fastmove.optim.linearization import RATE_STEP, Linearization, active_row_fraction
from fastmove.optim.samples import ConstraintGrid
from fastmove.optim.subproblem import WEIGHT_CLEARANCE, WEIGHT_STATIC, WEIGHT_VIOLATION, Step, Subproblem
from fastmove.optim.transcription import MotionValues, Transcription

PROVEN = 2e-4  # T ≤ (1 + PROVEN)·bound counts as optimal
STEP_TOLERANCE = 2e-4  # stop when the model predicts less than this fraction of T
VIOLATION_MAX = 5e-8  # of a moving start's limits: the planner keeps 1e-7 inside them
BETWEEN = np.array([0.25, 0.5, 0.75])  # places between two samples that are looked at
VIOLATION_SEEN = 1e-4  # lack of clearance that is worth a sample more, or finer breakpoints [m]
CONES_FROM = 0.5  # hold rows join once the hold is used by more than this fraction


@dataclass(frozen=True)
class Iterate:
    """One motion with its merit.

    Attributes:
        lack: largest lack of clearance at a sample, pads included [m];  static: sum over samples of
            what is used at rest (of torque, hold and path constraints) beyond its target.
        violation: by how much limits are exceeded (moving ends only; 0 between rests).
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
        return self.clearance_violation <= 1e-5 and self.static <= 1e-9 and self.limit_violation <= VIOLATION_MAX


@dataclass(frozen=True)
class SqpProblem:
    """Everything that stays fixed during one run.

    Attributes:
        pad: distance asked of the optimiser beyond the required clearance [m].
        bound: lower bound of the duration [s].
        emphasis: factor on the price of a lack of clearance; grows while the certificate finds one.
        step_tolerance: stop when the model predicts less than this fraction of T.
        precision: of the convex programs; None = 1e-4 between rests, 1e-8 else.
        cones_from: use of the hold from which its cones join, at the cost of three to five times the time a step.
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

    def evaluate(self, free: Array, duration: float) -> Iterate:
        """Merit of these control points; between rests at their own smallest duration, or, where obstacles move, at this one if
        it is longer."""
        transcription = self.transcription
        points = transcription.points(free, duration)
        flow = transcription.flow(self.samples, points, duration)
        beyond = 0.0  # what limits are exceeded by
        if transcription.at_rest:
            best = max(transcription.shortest(flow), duration if transcription.moving else 0.0)
            flow = _rescaled(flow, best)
            duration = best
        else:
            beyond = max(transcription.utilisation(flow, 1.0) - 1.0, 0.0)
        q = self.samples.b_clearance @ transcription.points(free, duration)
        violation = self._violation(self._contacts(q, self.padding, duration), len(q))
        static = transcription.violation_at_rest(flow)
        merit = duration * (1 + WEIGHT_VIOLATION * beyond) + WEIGHT_CLEARANCE * float(violation.sum())
        merit += WEIGHT_STATIC * static
        return Iterate(free, duration, flow, merit, float(violation.max(initial=0.0)) / self.penalty_scale, static, beyond)

    def _contacts(
        self, q: Array, reach: float, duration: float, gradients: bool = False, step: StepReach | None = None
    ) -> NearPairs:
        found = self.collision.query(q, self.ends, reach, gradients, step, self.samples.clearance * duration)
        return replace(found, weight=found.weight * self.penalty_scale)

    def _violation(self, contacts: NearPairs, count: int) -> Array:
        violation = np.zeros(count)
        np.maximum.at(violation, contacts.sample, (self._paddings(contacts) - contacts.margin) * contacts.weight)
        return violation

    def _paddings(self, contacts: NearPairs) -> Array:
        return self.padding * contacts.padding_scale

    def violations_between_samples(self, point: Iterate) -> Array:
        """s between the samples of clearance where a motion keeps less than its clearance, the worst of each run of them: a thin
        wall fits between two samples."""
        samples, transcription = self.samples, self.transcription
        gaps = np.concatenate([[0.0], samples.clearance, [1.0]])
        s = (gaps[:-1, None] + np.diff(gaps)[:, None] * BETWEEN).ravel()
        q = transcription.basis.design_matrix(s) @ transcription.points(point.free, point.duration)
        lack = self.collision.query(q, self.ends, 0.0, time=s * point.duration).violation(len(s))
        inner = np.concatenate([[0.0], lack, [0.0]])
        return np.asarray(s[(lack > VIOLATION_SEEN) & (lack >= inner[:-2]) & (lack > inner[2:])])

    def proven(self, point: Iterate) -> bool:
        """As fast as the bound, and clear with half the pad to spare."""
        fast = point.duration <= (1 + PROVEN) * self.bound
        return (
            fast
            and point.clearance_violation <= max(self.padding / 2, 1e-5)
            and point.static <= 1e-9
            and point.limit_violation <= VIOLATION_MAX
        )

    def hold_utilisation(self, point: Iterate) -> float:
        """Largest use of the hold and of what items tolerate, 1 = limit; 0 where nothing is held."""
        efforts, carry = point.flow.efforts, self.transcription.loads
        return float(
            max(
                self.transcription.load_shares(efforts.total).max(),
                carry.tolerance_utilisation(efforts.gravity, at_rest=True).max(),
            )
        )

    def linearise(self, point: Iterate, radius: float, gain: float = 0.0) -> Linearization:
        """gain: share of the duration that the step is hoped to take off.

        Limits grow with T^p, and rows keep to a tangent of that.  One that touches at the motion's own duration T is 0 at
        (1 − 1/p) T, so that no step could take off more than a third (jerk, p = 3); one that touches where a step ends is exact.
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
        contacts = self._contacts(samples.b_clearance @ points, reach, point.duration, True, step)
        lin, pads = transcription.dynamics.linearised(q, v, a, members), self._paddings(contacts)
        return Linearization(point.free, duration, point.duration, flow, lin, rate, contacts, pads, members)

    def range(self, here: Linearization, decrease: float) -> tuple[float, float]:
        """Of ξ: from the bound, or this decrease of the duration, to twice the duration."""
        least = here.origin - min(max(here.origin - self.bound, 0.0), decrease * here.origin)
        return least / here.duration - 1, 2 * here.origin / here.duration - 1

    def step(self, here: Linearization, radius: float, decrease: float, cones: bool) -> Step | None:
        low, high = self.range(here, decrease)
        if self.transcription.moving:  # where obstacles are then is known nearby only
            low, high = max(low, -radius), radius
        problem = Subproblem(self.transcription, self.samples, here, radius, (low, high), cones)
        return problem.solve(self.precision or (1e-4 if self.transcription.at_rest else 1e-8))

    def look(self, point: Iterate, radius: float) -> Step | None:
        """The first step from a motion, with all cones."""
        return self.step(self.linearise(point, radius), radius, 0.5, True)


def _rescaled(flow: MotionValues, duration: float) -> MotionValues:
    """The same control points between rests, run in another duration: no new dynamics needed."""
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
        rate=rate,
    )
