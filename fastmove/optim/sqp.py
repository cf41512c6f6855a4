"""The solver loop: sequential convex programming over control points with an exact duration.

A step is accepted when the merit falls.  The loop stops when the duration meets the kinematic lower bound (a proof of
optimality), when the model promises no more, or when a step was exactly as good as its model said.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fastmove.arrays import Array
from fastmove.optim.linearization import Linearization
from fastmove.optim.merit import Iterate, SqpProblem
from fastmove.optim.subproblem import Step

LARGEST_DECREASE = 0.6  # of the duration in one step, as long as steps are that long
FIRST_GAIN = 0.4  # share of the duration that the first step of a new motion is hoped to take off …
LEAST_GAIN = 0.1  # … and that a step must have taken off for the next one to be hoped to take off as much
INNER_STEP = 0.9  # share of the trust region that a step which it does not hold back stays within
EDGE = 0.5  # share of the trust region that a good step must use for it to grow
LOOKS = 3  # times that a motion has to converge with samples where it was not clear between those before
LOOKED_RADIUS = 0.05  # trust region with which a motion is gone on with, at least, that has got more samples [rad]


@dataclass
class SqpRun:
    """One run, step by step, so that it can be interrupted and gone on with.

    A step that does not lower the merit is tried again at half its length, which costs no new subproblem.

    Attributes:
        point: the best motion so far;  solved: subproblems solved;  over: whether no step leads on.
    """

    optimiser: SqpProblem
    point: Iterate
    radius: float
    solved: int = 0
    finished: bool = False
    _gain: float = 0.0
    _here: Linearization | None = None
    _seen: Iterate | None = None
    _cones: bool = False
    _small: int = 0
    _decrease: float = LARGEST_DECREASE

    @staticmethod
    def of(optimiser: SqpProblem, free: Array, duration: float, radius: float = 0.3, gain: float = 0.0) -> SqpRun:
        """A run from this motion that has not begun yet.

        Args:
            radius: of the trust region [rad].
            gain: share of the duration that the first step is hoped to take off.
        """
        return SqpRun(
            optimiser, optimiser.evaluate(free, duration), radius, _gain=gain if optimiser.transcription.rescales else 0.0
        )

    def advance(self, steps: int) -> Iterate:
        """At most so many subproblems more."""
        last = self.solved + steps
        while not self.finished and self.solved < last:
            self._once()
        return self.point

    def converge(self) -> Iterate:
        """Until no step leads on and nothing is found between the samples, a few times at most."""
        for _ in range(LOOKS):
            self.advance(self.optimiser.max_steps - self.solved)
            if self.solved == 0 or not self.add_violated_samples():  # whoever found what it begins with has looked already
                break
        return self.point

    def add_violated_samples(self) -> bool:
        """Whether there was something between the samples, which has got samples of its own now."""
        if self._seen is self.point:
            return False
        self._seen = self.point
        places = self.optimiser.violations_between_samples(self.point)
        if len(places) == 0:
            return False
        self.optimiser = replace(self.optimiser, samples=self.optimiser.samples.added(np.zeros(0), places))
        self.point = self.optimiser.evaluate(self.point.free, self.point.duration)
        self.radius = max(self.radius, LOOKED_RADIUS)
        self.finished, self._here, self._small = False, None, 0
        return True

    def _once(self) -> None:
        optimiser, point = self.optimiser, self.point
        if optimiser.proven(point):
            self.finished = True
            return
        self._cones = self._cones or optimiser.hold_utilisation(point) > optimiser.cones_from
        self._here = self._here or optimiser.linearise(point, self.radius, self._gain)
        step = optimiser.step(self._here, self.radius, self._decrease, self._cones)
        self.solved += 1
        if step is None:
            self._shrink_trust_region(self._gain)
            return
        trial = self._at(step, 1.0)
        if not self._cones and optimiser.hold_utilisation(trial) > 1 - 1e-6:
            self._cones = True
            if trial.merit >= point.merit:
                return
        share = 1.0
        if trial.merit >= point.merit:
            trial, share = self._at(step, 0.5), 0.5
        self._accept_or_reject(step, trial, share)

    def _at(self, step: Step, share: float) -> Iterate:
        """The motion after this share of a step."""
        point = self.point
        return self.optimiser.evaluate(point.free + share * step.change, point.duration * (1 + share * step.stretch))

    def _accept_or_reject(self, step: Step, trial: Iterate, share: float) -> None:
        """Accept or refuse, stop or go on, with a larger or smaller trust region."""
        point, tolerance = self.point, self.optimiser.step_tolerance
        predicted, actual = step.value_here - step.value, self.point.merit - trial.merit
        settled, hoped = share == 1.0 and actual > 0 and self._settled(step, trial), self._gain
        if actual > 0:
            relative = (point.duration - trial.duration) / point.duration
            self._gain = min(relative, FIRST_GAIN) if self.optimiser.transcription.rescales and relative > LEAST_GAIN else 0.0
            self._decrease = float(np.clip(3 * relative, 0.02, LARGEST_DECREASE))
            small = share == 1.0 and actual < 1.5 * tolerance * point.duration and trial.feasible
            self._small = self._small + 1 if small else 0
            self.point, self._here = trial, None
        vain = predicted < tolerance * self.point.duration or self._small >= 2
        poor = vain or actual <= 0 or actual < 0.2 * predicted * share
        if settled or (vain and not hoped):
            self.finished = True
        elif poor:
            self._shrink_trust_region(hoped)
        elif share < 1.0:
            self.radius *= share
        elif actual > 0.6 * predicted and float(np.abs(step.change).max()) > EDGE * self.radius:
            self.radius = min(2 * self.radius, 1.0)

    def _settled(self, step: Step, trial: Iterate) -> bool:
        """Whether a step was as good as its model said, nothing but the model having kept it from going further: the next one
        would promise nothing.  Of the duration, tangents of (1 + ξ)^p withhold (p − 1) ξ² / 2 ≤ ξ²."""
        tolerance = self.optimiser.step_tolerance
        exact = abs(trial.merit - step.value) < tolerance * trial.duration / 2
        straight, inside = step.off**2 < 2 * tolerance, float(np.abs(step.change).max()) < INNER_STEP * self.radius
        return exact and straight and inside and trial.feasible

    def _shrink_trust_region(self, hoped: float) -> None:
        """Hope for nothing after a step that was hoped to take off this much; else trust the model less far."""
        if hoped:
            self._gain, self._here = 0.0, None
        else:
            self.radius *= 0.35
            self.finished = self.finished or self.radius < 1e-4


def run(optimiser: SqpProblem, free: Array, duration: float, radius: float = 0.3) -> tuple[Iterate, int]:
    """The best motion found from this one at the optimiser's samples, and the number of subproblems solved."""
    descent = SqpRun.of(optimiser, free, duration, radius)
    return descent.advance(optimiser.max_steps), descent.solved
