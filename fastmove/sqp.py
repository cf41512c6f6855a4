"""The solver loop: sequential convex programming over control points with an exact duration.

Merit: the smallest duration at which the rows hold (closed form between rests, `Transcription.shortest`), plus weighted
lack of clearance (worst contact of every sample) and static hold.  A step is accepted when the merit falls.  The loop stops
when the duration meets the kinematic lower bound (a proof of optimality) or the model promises no more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fastmove.collision import Collision
from fastmove.dynamics import Linearised
from fastmove.proximity import Contacts, Ends, Reach
from fastmove.spline import Array
from fastmove.subproblem import RATE_STEP, WEIGHT_CLEARANCE, WEIGHT_STATIC, WEIGHT_VIOLATION, Here, Step, Subproblem, likely_share
from fastmove.transcription import Flow, Samples, Transcription, static_lack

PROVEN = 2e-4  # T ≤ (1 + PROVEN)·bound counts as optimal
STEP_TOLERANCE = 2e-4  # stop when the model predicts less than this fraction of T
VIOLATION_MAX = 5e-8  # of a moving start's limits: the planner keeps 1e-7 inside them
LARGEST_DECREASE = 0.6  # of the duration in one step, as long as steps are that long
FIRST_GAIN = 0.4  # share of the duration that the first step of a new motion is hoped to take off …
LEAST_GAIN = 0.1  # … and that a step must have taken off for the next one to be hoped to take off as much
INSIDE = 0.9  # share of the trust region that a step which it does not hold back stays within
EDGE = 0.5  # share of the trust region that a good step must use for it to grow
BETWEEN = np.array([0.25, 0.5, 0.75])  # places between two samples that are looked at
LACKING = 1e-4  # lack of clearance that is worth a sample more, or finer breakpoints [m]
LOOKS = 3  # times that a motion has to converge with samples where it was not clear between those before
LOOKED_RADIUS = 0.05  # trust region with which a motion is gone on with, at least, that has got more samples [rad]
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

    def assess(self, free: Array, duration: float) -> Point:
        """Merit of these control points; between rests at their own smallest duration, or, where obstacles move, at this one if
        it is longer."""
        tr = self.tr
        points = tr.points(free, duration)
        flow = tr.flow(self.samples, points, duration)
        violation = 0.0
        if tr.at_rest:
            best = max(tr.shortest(flow), duration if tr.moving else 0.0)
            flow = _rescaled(flow, best)
            duration = best
        else:
            violation = max(tr.use(flow, 1.0) - 1.0, 0.0)
        q = self.samples.b_clearance @ tr.points(free, duration)
        lack = self._lack(self._contacts(q, self.pad, duration), len(q))
        static = static_lack(flow.static)
        merit = duration * (1 + WEIGHT_VIOLATION * violation) + WEIGHT_CLEARANCE * float(lack.sum())
        merit += WEIGHT_STATIC * static
        return Point(free, duration, flow, merit, float(lack.max(initial=0.0)) / self.emphasis, static, violation)

    def _contacts(self, q: Array, reach: float, duration: float, gradients: bool = False, step: Reach | None = None) -> Contacts:
        found = self.collision.query(q, self.ends, reach, gradients, step, self.samples.clearance * duration)
        return replace(found, weight=found.weight * self.emphasis)

    def _lack(self, contacts: Contacts, count: int) -> Array:
        lack = np.zeros(count)
        np.maximum.at(lack, contacts.sample, (self._pads(contacts) - contacts.margin) * contacts.weight)
        return lack

    def _pads(self, contacts: Contacts) -> Array:
        return self.pad * contacts.room

    def unseen(self, point: Point) -> Array:
        """s between the samples of clearance where a motion keeps less than its clearance, the worst of each run of them: a thin
        wall fits between two samples."""
        samples, tr = self.samples, self.tr
        gaps = np.concatenate([[0.0], samples.clearance, [1.0]])
        s = (gaps[:-1, None] + np.diff(gaps)[:, None] * BETWEEN).ravel()
        q = tr.basis.matrix(s) @ tr.points(point.free, point.duration)
        lack = self.collision.query(q, self.ends, 0.0, time=s * point.duration).lack(len(s))
        inner = np.concatenate([[0.0], lack, [0.0]])
        return np.asarray(s[(lack > LACKING) & (lack >= inner[:-2]) & (lack > inner[2:])])

    def run(self, free: Array, duration: float, radius: float = 0.3) -> tuple[Point, int]:
        """The best motion found from this one at these samples, and the number of subproblems solved."""
        descent = self.descent(free, duration, radius)
        return descent.advance(self.max_steps), descent.solved

    def descent(self, free: Array, duration: float, radius: float = 0.3, gain: float = 0.0) -> Descent:
        """A run from this motion that has not begun yet; gain: share of its duration that the first step is hoped to take off."""
        return Descent(self, self.assess(free, duration), radius, gain if self.hopes else 0.0)

    @property
    def hopes(self) -> bool:
        """Whether the same control points may be run in any duration."""
        return self.tr.at_rest and not self.tr.moving

    def proven(self, point: Point) -> bool:
        """As fast as the bound, and clear with half the pad to spare."""
        fast = point.duration <= (1 + PROVEN) * self.bound
        return fast and point.lack <= max(self.pad / 2, 1e-5) and point.static <= 1e-9 and point.violation <= VIOLATION_MAX

    def hold_use(self, point: Point) -> float:
        """Largest use of the hold and of what items tolerate, 1 = limit; 0 where nothing is held."""
        efforts, carry = point.flow.efforts, self.tr.carry
        return float(max(self.tr.carry_shares(efforts.total).max(), carry.care_use(efforts.gravity, at_rest=True).max()))

    def linearise(self, point: Point, radius: float, gain: float = 0.0) -> Here:
        """gain: share of the duration that the step is hoped to take off.

        Limits grow with T^p, and rows keep to a tangent of that.  One that touches at the motion's own duration T is 0 at
        (1 − 1/p) T, so that no step could take off more than a third (jerk, p = 3); one that touches where a step ends is exact.
        """
        tr, samples = self.tr, self.samples
        points = tr.points(point.free, point.duration)
        duration = max(self.bound, (1 - gain) * point.duration) if gain else point.duration
        flow = _rescaled(point.flow, duration) if gain else point.flow
        q, v, a = tr.states(samples.b_effort, points, duration)
        rate: tuple[Linearised, Linearised] | None = None
        members = tr.prominent(point.flow.efforts)
        if point.flow.rate is not None:
            beside = [tr.states(samples.rate_beside(sign * RATE_STEP / duration), points, duration) for sign in (1, -1)]
            one, other = (tr.dynamics.linearised(x[0], x[1], x[2], members) for x in beside)
            rate = one, other
        reach = self.pad + float(np.clip(0.4 * radius, 0.02, 0.08))
        step = Reach(self.pad, likely_share(tr) * radius * samples.freedom) if tr.at_rest and not tr.moving else None
        contacts = self._contacts(samples.b_clearance @ points, reach, point.duration, True, step)
        lin, pads = tr.dynamics.linearised(q, v, a, members), self._pads(contacts)
        return Here(point.free, duration, point.duration, flow, lin, rate, contacts, pads, members)

    def range(self, here: Here, decrease: float) -> tuple[float, float]:
        """Of ξ: from the bound, or this decrease of the duration, to twice the duration."""
        least = here.origin - min(max(here.origin - self.bound, 0.0), decrease * here.origin)
        return least / here.duration - 1, 2 * here.origin / here.duration - 1

    def step(self, here: Here, radius: float, decrease: float, cones: bool) -> Step | None:
        low, high = self.range(here, decrease)
        if self.tr.moving:  # where obstacles are then is known nearby only
            low, high = max(low, -radius), radius
        problem = Subproblem(self.tr, self.samples, here, radius, (low, high), cones)
        return problem.solve(self.precision or (1e-4 if self.tr.at_rest else 1e-8))

    def look(self, point: Point, radius: float) -> Step | None:
        """The first step from a motion, with all cones."""
        return self.step(self.linearise(point, radius), radius, 0.5, True)


@dataclass
class Descent:
    """One run, step by step, so that it can be interrupted and gone on with.

    A step that does not lower the merit is tried again at half its length, which costs no new subproblem.

    Attributes:
        point: the best motion so far;  solved: subproblems solved;  over: whether no step leads on.
    """

    optimiser: Optimiser
    point: Point
    radius: float
    _gain: float = 0.0
    solved: int = 0
    over: bool = False
    _here: Here | None = None
    _seen: Point | None = None
    _cones: bool = False
    _small: int = 0
    _decrease: float = LARGEST_DECREASE

    def advance(self, steps: int) -> Point:
        """At most so many subproblems more."""
        last = self.solved + steps
        while not self.over and self.solved < last:
            self._once()
        return self.point

    def converge(self) -> Point:
        """Until no step leads on and nothing is found between the samples, a few times at most."""
        for _ in range(LOOKS):
            self.advance(self.optimiser.max_steps - self.solved)
            if self.solved == 0 or not self.look_between():  # whoever found what it begins with has looked already
                break
        return self.point

    def look_between(self) -> bool:
        """Whether there was something between the samples, which has got samples of its own now."""
        if self._seen is self.point:
            return False
        self._seen = self.point
        places = self.optimiser.unseen(self.point)
        if len(places) == 0:
            return False
        self.optimiser = replace(self.optimiser, samples=self.optimiser.samples.added(np.zeros(0), places))
        self.point = self.optimiser.assess(self.point.free, self.point.duration)
        self.radius = max(self.radius, LOOKED_RADIUS)
        self.over, self._here, self._small = False, None, 0
        return True

    def _once(self) -> None:
        optimiser, point = self.optimiser, self.point
        if optimiser.proven(point):
            self.over = True
            return
        self._cones = self._cones or optimiser.hold_use(point) > optimiser.cones_from
        self._here = self._here or optimiser.linearise(point, self.radius, self._gain)
        step = optimiser.step(self._here, self.radius, self._decrease, self._cones)
        self.solved += 1
        if step is None:
            self._back_off(self._gain)
            return
        trial = self._at(step, 1.0)
        if not self._cones and optimiser.hold_use(trial) > 1 - 1e-6:
            self._cones = True
            if trial.merit >= point.merit:
                return
        share = 1.0
        if trial.merit >= point.merit:
            trial, share = self._at(step, 0.5), 0.5
        self._judge(step, trial, share)

    def _at(self, step: Step, share: float) -> Point:
        """The motion after this share of a step."""
        point = self.point
        return self.optimiser.assess(point.free + share * step.change, point.duration * (1 + share * step.stretch))

    def _judge(self, step: Step, trial: Point, share: float) -> None:
        """Accept or refuse, stop or go on, with a larger or smaller trust region."""
        point, tolerance = self.point, self.optimiser.step_tolerance
        predicted, actual = step.value_here - step.value, self.point.merit - trial.merit
        settled, hoped = share == 1.0 and actual > 0 and self._settled(step, trial), self._gain
        if actual > 0:
            relative = (point.duration - trial.duration) / point.duration
            self._gain = min(relative, FIRST_GAIN) if self.optimiser.hopes and relative > LEAST_GAIN else 0.0
            self._decrease = float(np.clip(3 * relative, 0.02, LARGEST_DECREASE))
            small = share == 1.0 and actual < 1.5 * tolerance * point.duration and trial.feasible
            self._small = self._small + 1 if small else 0
            self.point, self._here = trial, None
        vain = predicted < tolerance * self.point.duration or self._small >= 2
        poor = vain or actual <= 0 or actual < 0.2 * predicted * share
        if settled or (vain and not hoped):
            self.over = True
        elif poor:
            self._back_off(hoped)
        elif share < 1.0:
            self.radius *= share
        elif actual > 0.6 * predicted and float(np.abs(step.change).max()) > EDGE * self.radius:
            self.radius = min(2 * self.radius, 1.0)

    def _settled(self, step: Step, trial: Point) -> bool:
        """Whether a step was as good as its model said, nothing but the model having kept it from going further: the next one
        would promise nothing.  Of the duration, tangents of (1 + ξ)^p withhold (p − 1) ξ² / 2 ≤ ξ²."""
        tolerance = self.optimiser.step_tolerance
        exact = abs(trial.merit - step.value) < tolerance * trial.duration / 2
        straight, inside = step.off**2 < 2 * tolerance, float(np.abs(step.change).max()) < INSIDE * self.radius
        return exact and straight and inside and trial.feasible

    def _back_off(self, hoped: float) -> None:
        """Hope for nothing after a step that was hoped to take off this much; else trust the model less far."""
        if hoped:
            self._gain, self._here = 0.0, None
        else:
            self.radius *= 0.35
            self.over = self.over or self.radius < 1e-4


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
