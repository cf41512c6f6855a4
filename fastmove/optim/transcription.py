"""Transcription of a motion: control points and duration as unknowns, every limit as rows over them.

q(s), s = t/T in [0, 1], is a cubic B-spline with control points P; q̇ = q'/T, q̈ = q''/T², q⃛ = q'''/T³.  Ends are fixed:
the first three control points are M⁻¹ [q0; v0 T; a0 T²] (M = rows of B, B', B'' at 0), so with a moving start they depend
on T, and that dependence is in every row; the last three likewise.  With a goal that moves on, q1, v1 and a1 are those of its
arrival at T (`search.arrival`), and depend on T themselves:

    d/dξ [q1; v1 T; a1 T²] = T [v1; v1 + a1 T; 2 a1 T + j1 T²],   ξ = δT/T.

The others are then carried along: each is a free one plus the share w of q1(T) − `goal` that a smooth step from start to goal has
there.  Else the last three would move away from their neighbours, and accelerations, their second differences, with ξ / h².

Where rows hold: jerk on every span and acceleration at every breakpoint, which is exact everywhere for cubics; position and
velocity on the Bernstein coefficients of every span, hence everywhere, and so speed limits that depend on the position, since the
states within them are a convex set; torque, torque rate, hold and clearance at the samples
of a `ConstraintGrid`, then checked between them by the certificate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import brentq

from fastmove.arrays import Array
from fastmove.contact.wrench_cone import UTILISATION_MAX
from fastmove.dynamics.efforts import Dynamics, Efforts
from fastmove.dynamics.load_usage import LoadUtilisation
from fastmove.optim.margins import INSIDE, STATIC_MAX, STATIC_TARGET
from fastmove.optim.objective import Roughness
from fastmove.optim.path_limits import PathLimits, PathValues
from fastmove.optim.samples import ConstraintGrid
from fastmove.problem.goal import State
from fastmove.problem.transfer import TransferProblem
from fastmove.search.arrival import Arrival
from fastmove.search.initial_guess import smooth_step
from fastmove.trajectory.bspline import SplineBasis
from fastmove.trajectory.piecewise_polynomial import PiecewisePolynomial

FEW_MEMBERS = 4  # Largest number of members of an item set that all get rows.
DIFFERENCE = 1e-5  # Step in time of the central differences of torque rate [s].
ROW_MEMBERS = 2  # Number of worst members at a sample that get rows, of a larger item set.


def static_violation(static: Array) -> float:
    """Sum over samples (N,) of the utilisation at rest beyond its target."""
    return float(np.maximum(static - STATIC_TARGET, 0.0).sum())


@dataclass(frozen=True)
class MotionValues:
    """Values of one motion (P, T) at the samples.

    Attributes:
        duration: Duration [s].
        speed: (R, n) velocities at the rows of `hull1`, divided by their limits.
        acceleration: (m + 1, n) accelerations at the breakpoints, divided by their limits.
        jerk: (m, n) jerks on the spans, divided by their limits.
        efforts: Torques and contact wrenches at the effort samples.
        rate: Torque rate split by its power of 1/T: (gravity 1/T, viscous 1/T², rest 1/T³), each (N, members, n) [Nm/s]; None
            without torque rate limits.
        static: (N,) largest utilisation of torque, hold and what items tolerate at rest, 1 = limit.
        path: States and uses of the path constraints; None if the problem has none.
        envelope: Positions and velocities (R, n) that are to be within the speed envelope [rad, rad/s]; None without one.
    """

    duration: float
    speed: Array
    acceleration: Array
    jerk: Array
    efforts: Efforts
    rate: tuple[Array, Array, Array] | None
    static: Array
    path: PathValues | None = None
    envelope: tuple[Array, Array] | None = None

    @cached_property
    def peaks(self) -> tuple[float, float, float]:
        """Largest velocity, acceleration and jerk, divided by their limits."""
        return float(np.abs(self.speed).max()), float(np.abs(self.acceleration).max()), float(np.abs(self.jerk).max())

    @cached_property
    def scaled(self) -> tuple[Array, Array, Array]:
        """Efforts by their power of 1/T, gravity, viscous and the rest, at the samples that bound the duration."""
        good = self.static <= STATIC_MAX
        g, c, d = (x[good] for x in (self.efforts.gravity, self.efforts.viscous, self.efforts.total))
        return g, c, d - g - c


class Transcription:
    """Unknowns and limits of one motion between fixed ends on one spline basis.

    Args:
        problem: The problem.
        dynamics: Its efforts.
        start: State at the start.
        goal: (n,) configuration at the goal, at rest there [rad]; where the goal moves on, about where it is met.
        basis: The spline basis.
        shrink: Relative distance kept from torque, torque rate and hold limits, on top of `INSIDE`.
        arrival: States in which the motion may end; None = at rest at `goal`.
    """

    def __init__(
        self,
        problem: TransferProblem,
        dynamics: Dynamics,
        start: State,
        goal: Array,
        basis: SplineBasis,
        shrink: float = 0.0,
        arrival: Arrival | None = None,
    ) -> None:
        self.problem, self.dynamics, self.basis = problem, dynamics, basis
        self.start, self.goal, self.arrival = start, goal, arrival
        # a moving start may be at several limits at once, as the motion that it comes from was: allow going nearer to them
        limits, inside = problem.limit_set, 1 - (INSIDE if start.at_rest else INSIDE / 10)
        self.n = len(goal)
        self.free = slice(3, basis.size - 3)
        self.n_free = basis.size - 6
        self.velocity, self.acceleration, self.jerk = (
            limits.velocity * inside, limits.acceleration * inside, limits.jerk * inside
        )  # fmt: skip
        span = limits.position_max - limits.position_min
        both = np.stack([start.q, goal])  # an end may stand right at a limit
        self.low = np.minimum(limits.position_min + span * INSIDE, both.min(axis=0))
        self.high = np.maximum(limits.position_max - span * INSIDE, both.max(axis=0))
        self.envelope, self._inside = limits.speed_envelope, inside
        self.effort_max = limits.effort * (inside - shrink)
        self.rate_max = limits.effort_rate * (inside - shrink)
        self.roughness = Roughness(basis, limits.acceleration)
        self.with_rate = bool(np.any(np.isfinite(limits.effort_rate)))
        self.loads = LoadUtilisation(problem)
        self.path = None if dynamics.path is None else PathLimits(dynamics.path, inside - shrink)
        self.inside = inside - shrink  # largest share of hold, torque and what items tolerate that may be used
        self.hold_max = UTILISATION_MAX * self.inside
        self.at_rest = start.at_rest and arrival is None  # at both ends
        self.moving = problem.scene.moving  # then the same motion may not be run in another duration
        self._scale = np.concatenate([self.effort_max, np.ones(6 * len(problem.holds))])
        self._to_points, self._to_last_points = basis.end_inverse(last=False), basis.end_inverse(last=True)
        self._carried = smooth_step(basis.greville())[self.free, None]

    # -- control points -------------------------------------------------------------------------------------------

    def points(self, free: Array, duration: float) -> Array:
        """All control points (size, n) of a motion [rad].

        Args:
            free: (n_free, n) free control points [rad].
            duration: Duration [s].
        """
        s = self.start
        # at rest exactly equal, so that v and a are exactly zero
        first, last = np.broadcast_to(s.q, (3, self.n)), np.broadcast_to(self.goal, (3, self.n))
        if not s.at_rest:
            first = self._to_points @ np.stack([s.q, s.v * duration, s.a * duration**2])
        if self.arrival is not None:
            q, v, a, _ = self.arrival.derivatives(duration)
            last = self._to_last_points @ np.stack([q, v * duration, a * duration**2])
            free = free + self._carried * (q - self.goal)
        return np.concatenate([first, free, last])

    @property
    def rescales(self) -> bool:
        """Whether the same control points may be run in any duration: between rests, with obstacles that stand still."""
        return self.at_rest and not self.moving

    def points_slope(self, duration: float) -> Array:
        """(size, n) derivative of the control points with respect to ξ = δT/T, at this duration [rad]."""
        slope = np.zeros((self.basis.size, self.n))
        s = self.start
        slope[:3] = self._to_points @ np.stack([np.zeros(self.n), s.v * duration, 2 * s.a * duration**2])
        if self.arrival is not None:
            _, v, a, j = self.arrival.derivatives(duration)
            moved = np.stack([v, v + a * duration, 2 * a * duration + j * duration**2])
            slope[-3:] = self._to_last_points @ moved * duration
            slope[self.free] = self._carried * v * duration
        return slope

    def free_of(self, points: Array, duration: float) -> Array:
        """Free control points (n_free, n) of a motion with these control points (size, n) in this duration [s]."""
        free = points[self.free]
        return free if self.arrival is None else free - self._carried * (self.arrival.derivatives(duration)[0] - self.goal)

    def polynomial(self, free: Array, duration: float) -> PiecewisePolynomial:
        """The motion of these free control points (n_free, n) [rad] in this duration [s]."""
        return self.basis.polynomial(self.points(free, duration), duration)

    # -- values ---------------------------------------------------------------------------------------------------

    def flow(self, samples: ConstraintGrid, points: Array, duration: float) -> MotionValues:
        """Evaluate everything but distances at the samples.

        Args:
            samples: Where.
            points: (size, n) control points [rad].
            duration: Duration [s].
        """
        b0, b1, b2 = samples.b_effort
        q, v, a = b0 @ points, b1 @ points / duration, b2 @ points / duration**2
        efforts = self.dynamics.efforts(q, v, a)
        return self._flow(samples, points, duration, efforts)

    def _flow(self, samples: ConstraintGrid, points: Array, duration: float, efforts: Efforts) -> MotionValues:
        """Evaluate everything but distances at the samples, from efforts computed there."""
        static = self.effort_shares(efforts.gravity, at_rest=True)
        return MotionValues(
            duration,
            samples.hull1 @ points / duration / self.velocity,
            samples.b2_break @ points / duration**2 / self.acceleration,
            samples.b3_span @ points / duration**3 / self.jerk,
            efforts,
            self._rate(samples, points, duration) if self.with_rate else None,
            static,
            None if self.path is None else self.path.values(*self.states(samples.b_effort, points, duration)),
            None if self.envelope is None else self._envelope_states(samples, points, duration),
        )

    def _envelope_states(self, samples: ConstraintGrid, points: Array, duration: float) -> tuple[Array, Array]:
        """Positions and velocities (R, n) that are to be within the speed envelope."""
        rows = samples.places_and_speeds
        return rows.moved(points), rows.moved(points, 1) / duration

    def speed_range(self, q: Array) -> tuple[Array, Array]:
        """Least and largest speeds (..., n) of the speed envelope at positions (..., n), none beyond rest [rad/s]."""
        assert self.envelope is not None
        low, high = self.envelope.range(q)
        return np.minimum(low, 0.0) * self._inside, np.maximum(high, 0.0) * self._inside

    def speed_slopes(self, q: Array) -> tuple[Array, Array]:
        """Derivatives (..., n) of `speed_range` with respect to the positions [1/s]."""
        assert self.envelope is not None
        low, high = self.envelope.slopes(q)
        return low * self._inside, high * self._inside

    def envelope_shares(self, states: tuple[Array, Array], ratio: float = 1.0) -> Array:
        """Uses (R, n) of the speed envelope: how far a speed is beyond it, as a share of the largest speed, plus 1.

        A quotient would be 0/0 where a joint rests at the end of its range.

        Args:
            states: Positions and velocities (R, n) [rad, rad/s].
            ratio: Factor on the velocities.
        """
        low, high = self.speed_range(states[0])
        v = states[1] * ratio
        return np.asarray(1 + np.maximum(v - high, low - v) / self.velocity)

    def effort_shares(self, total: Array, at_rest: bool = False) -> Array:
        """Largest utilisation (N,) of torque, hold and what items tolerate, 1 = limit.

        Args:
            total: (N, members, rows) efforts.
            at_rest: Whether they are the efforts at rest.
        """
        torque = np.max(np.abs(total[:, :, : self.n]) / self.effort_max, axis=(1, 2))
        return np.asarray(np.maximum(torque, self.load_shares(total, at_rest)))

    def load_shares(self, total: Array, at_rest: bool = False) -> Array:
        """Largest utilisation (N,) of holds and of what items tolerate, 1 = limit; 0 where nothing is held.

        Args:
            total: (N, members, rows) efforts.
            at_rest: Whether they are the efforts at rest.
        """
        return np.maximum(self.loads.hold_utilisation(total), self.loads.tolerance_utilisation(total, at_rest)) / self.inside

    def worst_members(self, efforts: Efforts) -> Array | None:
        """Members of the item set that are among the worst two of some sample in some limit; only they become rows.

        Returns:
            (K,) indices; None = all, where there are few.
        """
        count = efforts.total.shape[1]
        if count <= FEW_MEMBERS:
            return None
        uses = [np.abs(x[:, :, : self.n]).max(axis=2) for x in (efforts.total / self._scale, efforts.gravity / self._scale)]
        for total in (efforts.total, efforts.gravity):
            for k, contact in enumerate(self.loads.contacts):
                wrench = self.loads.wrench(total, k)
                # of cones at 1 N: only the order counts
                uses += contact.parts(wrench, self.loads.forces[k] if contact.cones is None else 1.0)
            for k, tolerance in enumerate(self.loads.tolerances):
                if tolerance is not None:
                    uses.append(tolerance.utilisation(self.loads.wrench(total, k), total is efforts.gravity))
        worst = [np.argsort(use, axis=1)[:, -ROW_MEMBERS:].ravel() for use in uses]
        return np.unique(np.concatenate(worst))

    def _rate(self, samples: ConstraintGrid, points: Array, duration: float) -> tuple[Array, Array, Array]:
        """Torque rate of the arm, split by powers of 1/T into g' (1), d q̈ (2) and the rest (3), each (N, members, n) [Nm/s].

        By central differences of the efforts in time, along each sample's own polynomial piece: a difference of 1e-5 s leaves
        an error of some 1e-8 of the limits, and takes a third of the time of the derivatives of the efforts.
        """
        sides = [
            self.dynamics.efforts(*self.states(samples.rate_beside(sign * DIFFERENCE / duration), points, duration))
            for sign in (1, -1)
        ]
        total, gravity, viscous = (
            (getattr(sides[0], key) - getattr(sides[1], key))[:, :, : self.n] / (2 * DIFFERENCE)
            for key in ("total", "gravity", "viscous")
        )
        return gravity, viscous, total - gravity - viscous

    def states(self, matrices: list[Array], points: Array, duration: float) -> list[Array]:
        """Derivatives with respect to time, by order, of a motion at samples, each (N, n) [rad, rad/s, …].

        Args:
            matrices: Basis matrices (N, size), by order of derivative from 0.
            points: (size, n) control points [rad].
            duration: Duration [s].
        """
        return [b @ points / duration**k for k, b in enumerate(matrices)]

    # -- the smallest duration ------------------------------------------------------------------------------------

    def utilisation(self, flow: MotionValues, ratio: float) -> float:
        """Largest utilisation of any limit (1 = limit) if the same control points were run in duration/ratio.

        Exact for motions between rests: torque and wrench are g + viscous·ρ + rest·ρ².

        Args:
            flow: Values of the motion.
            ratio: Factor ρ on its speed.
        """
        worst = max(peak * ratio ** (k + 1) for k, peak in enumerate(flow.peaks))
        g, c, d = flow.scaled
        worst = max(worst, float(self.effort_shares(g + c * ratio + d * ratio**2).max(initial=0.0)))
        if flow.rate is not None:
            g, c, d = flow.rate
            worst = max(worst, float((np.abs(g * ratio + c * ratio**2 + d * ratio**3) / self.rate_max).max()))
        if self.path is not None and flow.path is not None:
            worst = max(worst, self.path.utilisation(flow.path, ratio))
        if flow.envelope is not None:
            worst = max(worst, float(self.envelope_shares(flow.envelope, ratio).max()))
        return worst

    def violation_at_rest(self, flow: MotionValues) -> float:
        """Sum over samples of the utilisation at rest, path constraints included, beyond its target."""
        violation = static_violation(flow.static)
        return violation if self.path is None or flow.path is None else violation + float(self.path.violation(flow.path).sum())

    def effort_utilisation(self, flow: MotionValues) -> float:
        """Largest utilisation of torque, torque rate, hold and path constraints, 1 = limit."""
        use = float(self.effort_shares(flow.efforts.total).max())
        if flow.rate is not None:
            use = max(use, float((np.abs(sum(flow.rate)) / self.rate_max).max()))
        if self.path is not None and flow.path is not None:
            use = max(use, self.path.utilisation(flow.path))
        return use

    def shortest(self, flow: MotionValues) -> float:
        """Smallest duration at which these control points satisfy every row, except at samples that no slower motion helps [s].

        Rest to rest only.  Without damping torque is affine and S convex in 1/T², so the feasible durations are an
        interval [T*, ∞); the root is bracketed from the kinematic bound upwards.
        """
        fastest = flow.duration * max(peak ** (1 / (k + 1)) for k, peak in enumerate(flow.peaks))
        high = flow.duration / fastest
        if self.utilisation(flow, high) <= 1 + 1e-9:
            return fastest
        low = high / 1.1
        while self.utilisation(flow, low) > 1 and low > high * 1e-3:
            low /= 1.5
        if low <= high * 1e-3:
            return flow.duration / low
        ratio = brentq(lambda r: self.utilisation(flow, r) - 1.0, low, high, xtol=1e-10 * high, rtol=1e-12)
        return float(flow.duration / ratio * (1 + 1e-9))
