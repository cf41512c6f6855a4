"""Trajectories in continuous time, as phases that join at any speed; samples are evaluated from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastmove.arrays import Array, readonly
from fastmove.errors import TrajectoryFileError
from fastmove.trajectory.bspline import SplineBasis
from fastmove.trajectory.piecewise_polynomial import PiecewisePolynomial, shifted

JOIN_TOLERANCE = 1e-9  # Maximum jump between phases, of position [rad], velocity [rad/s] and acceleration [rad/s²].


@dataclass(frozen=True)
class Phase:
    """A stretch of motion during which nothing changes in the hand.

    Attributes:
        motion: Configuration q(t) (n_arm,) [rad] over time from 0 [s].
        basis: Spline basis of the motion; None for motions that are no spline, as those read from samples.
        control_points: Control points of the spline (size, n_arm) [rad]; None where there is no basis.
        grip_force: Grip force per pad, one for each hold [N].
        opening: Opening of each gripper [m].
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
        """Builds a phase from a spline.

        Args:
            basis: Spline basis.
            control_points: Control points (size, n_arm) [rad].
            duration: Duration [s].
            grip_force: Grip force per pad, one for each hold [N].
            opening: Opening of each gripper [m].
        """
        motion = basis.polynomial(control_points, duration)
        return Phase(motion, basis, control_points, grip_force, opening)  # type: ignore[arg-type]

    @property
    def duration(self) -> float:
        """Duration of the phase [s]."""
        return self.motion.duration


@dataclass(frozen=True, repr=False)
class Trajectory:
    """A motion q(t), 0 ≤ t ≤ duration, made of phases that join in position, velocity and acceleration within 1e-9.

    Attributes:
        phases: Phases in order.
        joint_names: Names of the joints, one for each of the n_arm columns of q.
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
        """Duration of all phases together [s]."""
        return float(sum(phase.duration for phase in self.phases))

    def phase_at(self, t: Array) -> Array:
        """Returns the index (N,) of the phase at times (N,) [s]; where two phases meet it is that of the earlier one."""
        ends = np.cumsum([phase.duration for phase in self.phases])
        return np.minimum(np.searchsorted(ends, t, side="left"), len(ends) - 1)

    def position(self, t: float | Array) -> Array:
        """Returns the configuration [rad], (n_arm,) at one time and (N, n_arm) at times (N,) [s]."""
        return self.sample(t, 0)

    def velocity(self, t: float | Array) -> Array:
        """Returns the velocity [rad/s], (n_arm,) at one time and (N, n_arm) at times (N,) [s]."""
        return self.sample(t, 1)

    def acceleration(self, t: float | Array) -> Array:
        """Returns the acceleration [rad/s²], (n_arm,) at one time and (N, n_arm) at times (N,) [s]."""
        return self.sample(t, 2)

    def jerk(self, t: float | Array) -> Array:
        """Returns the jerk [rad/s³], (n_arm,) at one time and (N, n_arm) at times (N,) [s].

        Where the jerk jumps it is the value after the jump, at the end of the trajectory the value before.
        """
        return self.sample(t, 3)

    def sample(self, t: float | Array, order: int) -> Array:
        """Returns the derivative of q of an order with respect to time, (n_arm,) at one time and (N, n_arm) at times (N,).

        Args:
            t: Time, or times (N,) [s].
            order: Order of the derivative: 0 for position [rad], 1 for velocity [rad/s], and so on.
        """
        times = np.atleast_1d(np.asarray(t, dtype=float))
        result = self.motion(order)(times)
        return result[0] if np.ndim(t) == 0 else result

    def motion(self, order: int = 0) -> PiecewisePolynomial:
        """Returns all phases as one piecewise polynomial of time from 0 [s], differentiated `order` times."""
        whole = self._derivatives[min(order, len(self._derivatives) - 1)]
        for _ in range(len(self._derivatives) - 1, order):
            whole = whole.derivative()
        return whole

    @cached_property
    def _derivatives(self) -> tuple[PiecewisePolynomial, ...]:
        """All phases as one piecewise polynomial, followed by its derivatives up to the jerk."""
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
        """Returns the times [s] at every `step` [s] from 0, and the exact end."""
        times = np.arange(0.0, self.duration, step)
        if len(times) and self.duration - times[-1] < 1e-9:
            times = times[:-1]
        return np.append(times, self.duration)

    def slowed(self, factor: float) -> Trajectory:
        """Returns the same path in `factor` times the duration, with every phase stretched alike."""
        phases = []
        for p in self.phases:
            powers = factor ** -np.arange(p.motion.coefficients.shape[1], dtype=float)
            motion = PiecewisePolynomial(p.motion.times * factor, p.motion.coefficients * powers[None, :, None])
            phases.append(Phase(motion, p.basis, p.control_points, p.grip_force, p.opening))
        return Trajectory(tuple(phases), self.joint_names)

    def after(self, at: float) -> Trajectory:
        """Returns the remaining trajectory from the time `at` [s] on; its own time begins there at 0."""
        phases, left = [], at
        for phase in self.phases:
            if left < phase.duration - 1e-12:
                phases.append(_rest(phase, left) if left > 1e-12 else phase)
            left = max(left - phase.duration, 0.0)
        return Trajectory(tuple(phases), self.joint_names)

    def before(self, at: float) -> Trajectory:
        """Returns the trajectory until the time `at` [s], at which it need not be at rest."""
        return self.splice(at, Trajectory((), self.joint_names))

    def splice(self, at: float, tail: Trajectory) -> Trajectory:
        """Returns this trajectory up to a time, followed by another one.

        Args:
            at: Time of the splice [s].
            tail: Trajectory that follows; it must start in the same q, v and a within 1e-9.

        Raises:
            TrajectoryFileError: The trajectories do not join.
        """
        kept, left = [], at
        for phase in self.phases:
            if left <= 1e-12:
                break
            kept.append(phase if left >= phase.duration else _cut(phase, left))
            left -= phase.duration
        return Trajectory((*kept, *tail.phases), self.joint_names)


def _cut(phase: Phase, at: float) -> Phase:
    """Returns the first `at` seconds of a phase."""
    times = phase.motion.times - phase.motion.times[0]
    count = int(np.searchsorted(times, at - 1e-12))
    motion = PiecewisePolynomial(np.append(times[:count], at), phase.motion.coefficients[:count])
    return Phase(motion, None, None, phase.grip_force, phase.opening)


def _rest(phase: Phase, at: float) -> Phase:
    """Returns the rest of a phase after its first `at` seconds."""
    times = phase.motion.times - phase.motion.times[0]
    first = int(np.searchsorted(times, at + 1e-9)) - 1
    pieces = np.array(phase.motion.coefficients[first:])
    pieces[:1] = shifted(pieces[:1], np.array([at - times[first]]))
    motion = PiecewisePolynomial(np.concatenate([[0.0], times[first + 1 :] - at]), pieces)
    return Phase(motion, None, None, phase.grip_force, phase.opening)
