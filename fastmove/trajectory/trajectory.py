"""Motions: a trajectory is a list of phases, joined at any speed; samples are views of continuous time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import comb

import numpy as np

from fastmove.arrays import Array, readonly
from fastmove.errors import TrajectoryFileError
from fastmove.trajectory.bspline import SplineBasis
from fastmove.trajectory.piecewise_polynomial import PiecewisePolynomial

JOIN_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Phase:
    """One stretch of motion with nothing changing in the hand.

    Attributes:
        motion: q(t), time from 0 [rad, s].
        basis, control_points: its spline (control_points (size, n_arm)); None for motions read from samples.
        grip_force: per pad, one per hold [N];  opening: of each gripper [m].
    """

    motion: PiecewisePolynomial
    basis: SplineBasis | None = None
    control_points: Array | None = None
    grip_force: Array = ()  # type: ignore[assignment]
    opening: Array = ()  # type: ignore[assignment]

    def __post_init__(self) -> None:
        for key in ("grip_force", "opening"):
            object.__setattr__(self, key, readonly(getattr(self, key)))
        if self.control_points is not None:
            object.__setattr__(self, "control_points", readonly(self.control_points))

    @staticmethod
    def from_spline(
        basis: SplineBasis, control_points: Array, duration: float, grip_force: object = (), opening: object = ()
    ) -> Phase:
        motion = basis.polynomial(control_points, duration)
        return Phase(motion, basis, control_points, grip_force, opening)  # type: ignore[arg-type]

    @property
    def duration(self) -> float:
        return self.motion.duration


@dataclass(frozen=True, repr=False)
class Trajectory:
    """q(t) for 0 ≤ t ≤ duration, C² within 1e-9 across phases.

    Attributes:
        phases: in order.
        joint_names: of the (n_arm,) columns.
    """

    phases: tuple[Phase, ...]
    joint_names: tuple[str, ...]

    def __post_init__(self) -> None:
        for first, second in zip(self.phases, self.phases[1:], strict=False):
            one, other = first.motion, second.motion
            for name in ("position", "velocity", "acceleration"):
                gap = float(np.max(np.abs(one(one.times[-1], side="left") - other(other.times[0]))))
                if gap > JOIN_TOLERANCE:
                    raise TrajectoryFileError("phases", f"jump by {gap:.3g} in {name} where they join; at most 1e-9")
                one, other = one.derivative(), other.derivative()

    def __repr__(self) -> str:
        grips = ", ".join(f"{force:g}" for force in self.phases[0].grip_force) if self.phases else ""
        return (
            f"Trajectory({self.duration:.4f} s in {len(self.phases)} phases of {len(self.joint_names)} joints"
            f"{f', grip {grips} N' if grips else ''})"
        )

    @property
    def duration(self) -> float:
        """[s]"""
        return float(sum(phase.duration for phase in self.phases))

    def phase_at(self, t: Array) -> Array:
        """(N,) index of the phase at each time; where two meet it is the earlier one."""
        ends = np.cumsum([phase.duration for phase in self.phases])
        return np.minimum(np.searchsorted(ends, t, side="left"), len(ends) - 1)

    def position(self, t: float | Array) -> Array:
        """(n_arm,) at a time, (N, n_arm) at times [rad]."""
        return self.sample(t, 0)

    def velocity(self, t: float | Array) -> Array:
        """As `position` [rad/s]."""
        return self.sample(t, 1)

    def acceleration(self, t: float | Array) -> Array:
        """As `position` [rad/s²]."""
        return self.sample(t, 2)

    def jerk(self, t: float | Array) -> Array:
        """As `position` [rad/s³]; at a jump the value after it, at the end the value before."""
        return self.sample(t, 3)

    def sample(self, t: float | Array, order: int) -> Array:
        times = np.atleast_1d(np.asarray(t, dtype=float))
        result = self.motion(order)(times)
        return result[0] if np.ndim(t) == 0 else result

    def motion(self, order: int = 0) -> PiecewisePolynomial:
        """All phases as one piecewise polynomial of time, differentiated `order` times."""
        whole = self._derivatives[min(order, len(self._derivatives) - 1)]
        for _ in range(len(self._derivatives) - 1, order):
            whole = whole.derivative()
        return whole

    @cached_property
    def _derivatives(self) -> tuple[PiecewisePolynomial, ...]:
        """All phases as one, with its derivatives up to jerk: everybody samples these."""
        times, parts, begin = [np.zeros(1)], [], 0.0
        degree = max(phase.motion.coefficients.shape[1] for phase in self.phases)
        for phase in self.phases:
            c = phase.motion.coefficients
            parts.append(np.pad(c, ((0, 0), (0, degree - c.shape[1]), (0, 0))))
            times.append(phase.motion.times[1:] - phase.motion.times[0] + begin)
            begin += phase.duration
        motions = [PiecewisePolynomial(np.concatenate(times), np.concatenate(parts))]
        for _ in range(3):
            motions.append(motions[-1].derivative())
        return tuple(motions)

    def grid(self, step: float = 1e-3) -> Array:
        """Times every `step` from 0, and the exact end [s]."""
        times = np.arange(0.0, self.duration, step)
        if len(times) and self.duration - times[-1] < 1e-9:
            times = times[:-1]
        return np.append(times, self.duration)

    def slowed(self, factor: float) -> Trajectory:
        """The same path in `factor` times the duration, every phase alike."""
        phases = []
        for p in self.phases:
            powers = factor ** -np.arange(p.motion.coefficients.shape[1], dtype=float)
            motion = PiecewisePolynomial(p.motion.times * factor, p.motion.coefficients * powers[None, :, None])
            phases.append(Phase(motion, p.basis, p.control_points, p.grip_force, p.opening))
        return Trajectory(tuple(phases), self.joint_names)

    def after(self, at: float) -> Trajectory:
        """What is left from a time on, at which its own time begins [s]."""
        phases, left = [], at
        for phase in self.phases:
            if left < phase.duration - 1e-12:
                phases.append(_rest(phase, left) if left > 1e-12 else phase)
            left = max(left - phase.duration, 0.0)
        return Trajectory(tuple(phases), self.joint_names)

    def splice(self, at: float, tail: Trajectory) -> Trajectory:
        """This motion up to time `at`, then `tail`, which must start in the same q, v, a (1e-9).

        Raises:
            TrajectoryFileError: they do not join.
        """
        kept, left = [], at
        for phase in self.phases:
            if left <= 1e-12:
                break
            kept.append(phase if left >= phase.duration else _cut(phase, left))
            left -= phase.duration
        return Trajectory((*kept, *tail.phases), self.joint_names)


def _cut(phase: Phase, at: float) -> Phase:
    """The first `at` seconds of a phase."""
    times = phase.motion.times - phase.motion.times[0]
    count = int(np.searchsorted(times, at - 1e-12))
    motion = PiecewisePolynomial(np.append(times[:count], at), phase.motion.coefficients[:count])
    return Phase(motion, None, None, phase.grip_force, phase.opening)


def _rest(phase: Phase, at: float) -> Phase:
    """What is left of a phase after its first `at` seconds."""
    times = phase.motion.times - phase.motion.times[0]
    first = int(np.searchsorted(times, at + 1e-9)) - 1
    pieces = np.array(phase.motion.coefficients[first:])
    pieces[0] = _shifted(pieces[0], at - times[first])
    motion = PiecewisePolynomial(np.concatenate([[0.0], times[first + 1 :] - at]), pieces)
    return Phase(motion, None, None, phase.grip_force, phase.opening)


def _shifted(coefficients: Array, by: float) -> Array:
    """Coefficients (degree + 1, n), ascending, of p(t + by)."""
    degree = len(coefficients) - 1
    found = np.zeros_like(coefficients)
    for k in range(degree + 1):
        for j in range(k, degree + 1):
            found[k] += comb(j, k) * by ** (j - k) * coefficients[j]
    return found
