"""The solver loop: sequential convex programming over control points with an exact duration.

Merit: the smallest duration at which the rows hold (closed form between rests, `Transcription.shortest`), plus weighted
lack of clearance (worst contact of every sample) and static hold.  A step is accepted when the merit falls.  The loop stops
when the duration meets the kinematic lower bound (a proof of optimality) or the model promises no more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fastmove.collision import Collision, Contacts, Ends
from fastmove.dynamics import Linearised
from fastmove.spline import Array
from fastmove.subproblem import RATE_STEP, WEIGHT_CLEARANCE, WEIGHT_STATIC, WEIGHT_VIOLATION, Here, Step, Subproblem
from fastmove.transcription import Flow, Samples, Transcription, static_lack

PROVEN = 2e-4  # T ≤ (1 + PROVEN)·bound counts as optimal
STEP_TOLERANCE = 2e-4  # stop when the model predicts less than this fraction of T
VIOLATION_MAX = 5e-8  # of a moving start's limits: the planner keeps 1e-7 inside them
HOPELESS_AFTER = 6  # steps
CONES_FROM = 0.5  # hold rows join once the hold is used by more than this fraction


@dataclass(frozen=True)
class Point:
    """One motion with its merit.

    Attributes:
        lack: largest lack of clearance at a sample, pads included [m];  static: sum of static use beyond its target.
        violation: by how much limits are exceeded (moving ends only; 0 between rests).
    """

    free: Array
    duration: float
    flow: Flow
    merit: float
    lack: float
    static: float
    violation: float

    @property
    def feasible(self) -> bool:
        return self.lack <= 1e-5 and self.static <= 1e-9 and self.violation <= VIOLATION_MAX


@dataclass(frozen=True)
class Optimiser:
    """Everything that stays fixed during one run.

    Attributes:
        pad: distance asked of the optimiser beyond the required clearance [m].
        bound: lower bound of the duration [s].
        emphasis: factor on the price of a lack of clearance; grows while the certificate finds one.
        step_tolerance: stop when the model predicts less than this fraction of T.
        precision: of the convex programs; None = 1e-4 between rests, 1e-8 else.
        hopeless: give up where the merit is still above this after `HOPELESS_AFTER` steps [s].
        cones_from: use of the hold from which its cones join, at the cost of three to five times the time a step.
    """

    tr: Transcription
    samples: Samples
    collision: Collision
    ends: Ends
    bound: float
    pad: float
    max_steps: int = 40
    emphasis: float = 1.0
    step_tolerance: float = STEP_TOLERANCE
    precision: float | None = None
    cones_from: float = CONES_FROM
    hopeless: float = np.inf

    def assess(self, free: Array, duration: float) -> Point:
        """Merit of these control points; between rests at their own smallest duration."""
        tr = self.tr
        points = tr.points(free, duration)
        flow = tr.flow(self.samples, points, duration)
        violation = 0.0
        if tr.at_rest:
            best = tr.shortest(flow)
            flow = _rescaled(flow, best)
            duration = best
        else:
            violation = max(tr.use(flow, 1.0) - 1.0, 0.0)
        q = self.samples.b_clearance @ tr.points(free, duration)
        lack = self._lack(self._contacts(q, self.pad), len(q))
        static = static_lack(flow.static)
        merit = duration * (1 + WEIGHT_VIOLATION * violation) + WEIGHT_CLEARANCE * float(lack.sum())
        merit += WEIGHT_STATIC * static
        return Point(free, duration, flow, merit, float(lack.max(initial=0.0)) / self.emphasis, static, violation)

    def _contacts(self, q: Array, reach: float, gradients: bool = False) -> Contacts:
        found = self.collision.query(q, self.ends, reach, gradients)
        return replace(found, weight=found.weight * self.emphasis)

    def _lack(self, contacts: Contacts, count: int) -> Array:
        lack = np.zeros(count)
        np.maximum.at(lack, contacts.sample, (self._pads(contacts) - contacts.margin) * contacts.weight)
        return lack

    def _pads(self, contacts: Contacts) -> Array:
        """None while an allowed contact fades: there a pad would ask for a steeper way out than the certificate does."""
        return np.where(self.collision.whole(contacts), self.pad, 0.0)

    def run(self, free: Array, duration: float, radius: float = 0.3) -> tuple[Point, int]:
        """The best motion found from this one, and the number of subproblems solved."""
        point = self.assess(free, duration)
        cones, solved, small = False, 0, 0
        here: Here | None = None
        decrease = 0.6
        for _ in range(self.max_steps):
            if self._proven(point):
                break
            cones = cones or self._hold_use(point) > self.cones_from
            here = here or self._linearise(point, radius)
            step = self._step(here, radius, decrease, cones)
            solved += 1
            if step is None:
                radius *= 0.35
                if radius < 1e-4:
                    break
                continue
            predicted = step.value_here - step.value
            trial = self.assess(point.free + step.change, point.duration * (1 + step.stretch))
            actual = point.merit - trial.merit
            if not cones and self._hold_use(trial) > 1 - 1e-6:
                cones = True
                if actual <= 0:
                    continue
            ratio = actual / max(predicted, 1e-12)
            if actual > 0:
                relative = (point.duration - trial.duration) / point.duration
                decrease = float(np.clip(3 * relative, 0.02, 0.6))
                small = small + 1 if actual < 1.5 * self.step_tolerance * point.duration and trial.feasible else 0
                point, here = trial, None
            if predicted < self.step_tolerance * point.duration or small >= 2:
                break
            if solved >= HOPELESS_AFTER and point.merit > self.hopeless:
                break
            if ratio > 0.6:
                radius = min(2 * radius, 1.0)
            elif ratio < 0.2:
                radius *= 0.35
                if radius < 1e-4:
                    break
        return point, solved

    def _proven(self, point: Point) -> bool:
        """As fast as the bound, and clear with half the pad to spare."""
        fast = point.duration <= (1 + PROVEN) * self.bound
        return fast and point.lack <= max(self.pad / 2, 1e-5) and point.static <= 1e-9 and point.violation <= VIOLATION_MAX

    def _hold_use(self, point: Point) -> float:
        """Largest use of the hold and of what items tolerate, 1 = limit; 0 where nothing is held."""
        efforts, carry = point.flow.efforts, self.tr.carry
        return float(max(self.tr.carry_shares(efforts.total).max(), carry.care_use(efforts.gravity, at_rest=True).max()))

    def _linearise(self, point: Point, radius: float) -> Here:
        tr, samples = self.tr, self.samples
        points = tr.points(point.free, point.duration)
        q, v, a = tr.states(samples.b_effort, points, point.duration)
        rate: tuple[Linearised, Linearised] | None = None
        members = tr.prominent(point.flow.efforts)
        if point.flow.rate is not None:
            beside = [
                tr.states(samples.rate_beside(sign * RATE_STEP / point.duration), points, point.duration) for sign in (1, -1)
            ]
            one, other = (tr.dynamics.linearised(x[0], x[1], x[2], members) for x in beside)
            rate = one, other
        reach = self.pad + float(np.clip(0.4 * radius, 0.02, 0.08))
        contacts = self._contacts(samples.b_clearance @ points, reach, gradients=True)
        lin, pads = tr.dynamics.linearised(q, v, a, members), self._pads(contacts)
        return Here(point.free, point.duration, point.flow, lin, rate, contacts, pads, members)

    def _step(self, here: Here, radius: float, decrease: float, cones: bool) -> Step | None:
        low = -min(max(1 - self.bound / here.duration, 0.0), decrease)
        problem = Subproblem(self.tr, self.samples, here, radius, (low, 1.0), cones)
        return problem.solve(self.precision or (1e-4 if self.tr.at_rest else 1e-8))

    def look(self, point: Point, radius: float) -> Step | None:
        """The first step from a motion, with all cones."""
        return self._step(self._linearise(point, radius), radius, 0.5, True)


def _rescaled(flow: Flow, duration: float) -> Flow:
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
        rate=rate,
    )
