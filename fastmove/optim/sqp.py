"""The solver loop: sequential convex programming over control points with an exact duration.

A step is accepted when the merit falls.  The loop stops when the duration meets the kinematic lower bound (a proof of
optimality), when the model promises no more, or when a step was exactly as good as its model said.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fastmove.arrays import Array
from fastmove.optim.linearization import Linearization
from fastmove.optim.merit import PROVEN, Iterate, SqpProblem
from fastmove.optim.subproblem import Step

LARGEST_DECREASE = 0.6  # Largest share of the duration that one step may take off.
FIRST_GAIN = 0.4  # Share of the duration that the first step of a new motion, and any step at most, is expected to take off.
LEAST_GAIN = 0.1  # Share of the duration that a step must take off for the next one to be expected to take off as much.
INNER_STEP = 0.9  # Share of the trust region below which a step counts as not held back by it.
EDGE = 0.5  # Share of the trust region that a good step must use for the region to grow.
LOOKS = 3  # Maximum number of times that a motion converges, samples being added in between.
STRIDE = 4  # Number of subproblems after which a run is compared with its rival.
HOPE = 2.0  # Ratio of what a run is expected to gain, at most, to what it gained in the last `STRIDE` subproblems.
NEARLY_CLEAR = 0.02  # Clearance violation at the samples up to which a motion is looked at between them after every step [m].
EXPECTED = 0.3  # Ratio of the change of control points that the next step is expected to make to that of the last one.
LOOKED_RADIUS = 0.05  # Minimum trust-region radius after samples were added or slide again [rad].


@dataclass
class SqpRun:
    """One run of the SQP loop, step by step, so that it can be interrupted and continued.

    A step that does not lower the merit is tried again at half its length, which costs no new subproblem.

    Samples slide along the motion (`collision.sliding`) until such a step fails: what lies between two samples is not known, and
    a sample that slides there may meet less than is asked.  Held in place they converge; where that gained anything they slide
    again.

    Attributes:
        optimiser: What stays fixed during the run, except that samples are added where clearance is violated between them.
        point: The best motion so far.
        radius: Trust region of every control point [rad].
        solved: Number of subproblems solved.
        finished: Whether no step improves the motion further.
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
    _slides: bool = True
    _held_from: float = np.inf
    _moved: float = np.inf
    _small: int = 0
    _decrease: float = LARGEST_DECREASE

    @staticmethod
    def of(optimiser: SqpProblem, free: Array, duration: float, radius: float = 0.3, gain: float = 0.0) -> SqpRun:
        """Prepare a run from a motion; nothing is solved yet.

        Args:
            optimiser: What stays fixed during the run.
            free: (n_free, n) free control points [rad].
            duration: Duration [s].
            radius: Initial trust region [rad].
            gain: Share of the duration that the first step is expected to take off.
        """
        return SqpRun(
            optimiser,
            optimiser.evaluate(free, duration),
            radius,
            _gain=gain if optimiser.transcription.rescales else 0.0,
            _slides=optimiser.slides,
        )

    def advance(self, steps: int, looking: bool = True) -> Iterate:
        """Solve at most `steps` more subproblems and return the best motion.

        A motion that found its way through a gap between two samples would have to be led back; worse, samples do not pass
        what lies in the gap, so that how many are on either side of it would be decided there.

        Args:
            steps: Maximum number of subproblems.
            looking: Whether to look between samples after each of them.
        """
        last = self.solved + steps
        while not self.finished and self.solved < last:
            point = self.point
            self._once()
            nearly = self.point.clearance_violation < NEARLY_CLEAR
            if looking and nearly and self.point is not point and not self.finished:
                self.add_violated_samples()
        return self.point

    def converge(self, rival: float = np.inf) -> Iterate:
        """Advance until no step improves the motion and, after a few rounds at most, no clearance is violated between samples.

        Args:
            rival: Merit to reach [s]; a run that would not reach it with `HOPE` times what it gained last ends.
        """
        for _ in range(LOOKS):
            while not self.finished and self.solved < self.optimiser.max_steps:
                before = self.point.merit
                self.advance(min(STRIDE, self.optimiser.max_steps - self.solved))
                if self.point.merit - HOPE * max(before - self.point.merit, 0.0) > rival:
                    return self.point
            # a run that solved nothing began with a motion that was searched before
            if self.solved == 0 or not self.add_violated_samples():
                break
        return self.point

    def add_violated_samples(self) -> bool:
        """Add samples where clearance is violated between samples; return whether there were any."""
        if self._seen is self.point:
            return False
        self._seen = self.point
        added = self.optimiser.violations_between_samples(self.point)
        if len(added) == 0:
            return False
        self.optimiser = replace(self.optimiser, samples=self.optimiser.samples.added(np.zeros(0), added))
        self.point = self.optimiser.evaluate(self.point.free, self.point.duration)
        self._resume()
        return True

    def _resume(self) -> None:
        """Go on from the best motion as if it had not converged, samples sliding where they may."""
        self.radius = max(self.radius, LOOKED_RADIUS)
        self.finished, self._here, self._small, self._slides = False, None, 0, self.optimiser.slides

    def _once(self) -> None:
        """Solve one subproblem and accept or reject its step."""
        optimiser, point = self.optimiser, self.point
        if optimiser.proven(point):
            self.finished = True
            return
        self._cones = self._cones or optimiser.hold_utilisation(point) > optimiser.cones_from
        self._here = self._here or optimiser.linearise(point, self.radius, self._gain, self._slides)
        step = optimiser.step(self._here, self.radius, self._decrease, self._cones, EXPECTED * self._moved)
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
        if self._slides and trial.merit >= point.merit:
            self._slides, self._here, self._held_from = False, None, point.merit
            return
        self._accept_or_reject(step, trial, share)
        gained = self._held_from - self.point.merit > optimiser.step_tolerance * self.point.duration
        if self.finished and optimiser.slides and not self._slides and gained:
            self._resume()

    def _at(self, step: Step, share: float) -> Iterate:
        """The motion after this share of a step."""
        point = self.point
        return self.optimiser.evaluate(point.free + share * step.change, point.duration * (1 + share * step.stretch))

    def _accept_or_reject(self, step: Step, trial: Iterate, share: float) -> None:
        """Accept or reject a trial, finish or continue, and resize the trust region.

        Args:
            step: The step.
            trial: The motion after `share` of the step.
            share: Share of the step that was taken.
        """
        point, tolerance = self.point, self.optimiser.step_tolerance
        predicted, actual = step.value_here - step.value, self.point.merit - trial.merit
        settled, hoped = share == 1.0 and actual > 0 and self._settled(step, trial), self._gain
        if actual > 0:
            relative = (point.duration - trial.duration) / point.duration
            self._gain = min(relative, FIRST_GAIN) if self.optimiser.transcription.rescales and relative > LEAST_GAIN else 0.0
            self._decrease = float(np.clip(3 * relative, 0.02, LARGEST_DECREASE))
            small = share == 1.0 and actual < 1.5 * tolerance * point.duration and trial.feasible
            self._small = self._small + 1 if small else 0
            self.point, self._here, self._moved = trial, None, share * float(np.abs(step.change).max())
        exhausted = predicted < tolerance * self.point.duration or self._small >= 2
        poor = exhausted or actual <= 0 or actual < 0.2 * predicted * share
        if settled or (exhausted and not hoped):
            self.finished = True
        elif poor:
            self._shrink_trust_region(hoped)
        elif share < 1.0:
            self.radius *= share
        elif actual > 0.6 * predicted and float(np.abs(step.change).max()) > EDGE * self.radius:
            self.radius = min(2 * self.radius, 1.0)

    def _settled(self, step: Step, trial: Iterate) -> bool:
        """Whether a step was as good as its model said and nothing but the model kept it from going further.

        The next step would promise nothing then.  Of the duration, tangents of (1 + ξ)^p withhold (p − 1) ξ² / 2 ≤ ξ².
        """
        tolerance = self.optimiser.step_tolerance
        exact = abs(trial.merit - step.value) < tolerance * trial.duration / 2
        straight, inside = step.off**2 < 2 * tolerance, float(np.abs(step.change).max()) < INNER_STEP * self.radius
        inside = inside and (not step.limited or trial.duration <= (1 + PROVEN) * self.optimiser.bound)
        return exact and straight and inside and trial.feasible

    def _shrink_trust_region(self, hoped: float) -> None:
        """Expect no gain after a step that was expected to take off `hoped` of the duration; else reduce the radius."""
        if hoped:
            self._gain, self._here = 0.0, None
        else:
            self.radius *= 0.35
            self.finished = self.finished or self.radius < 1e-4


def run(optimiser: SqpProblem, free: Array, duration: float, radius: float = 0.3) -> tuple[Iterate, int]:
    """Run the loop from one motion at the optimiser's samples, without adding any.

    Args:
        optimiser: What stays fixed during the run.
        free: (n_free, n) free control points [rad].
        duration: Duration [s].
        radius: Initial trust region [rad].

    Returns:
        The best motion, and the number of subproblems solved.
    """
    sqp_run = SqpRun.of(optimiser, free, duration, radius)
    return sqp_run.advance(optimiser.max_steps, looking=False), sqp_run.solved
