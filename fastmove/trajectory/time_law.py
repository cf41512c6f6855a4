"""Running a motion along its path at another speed: the time law s(t), and the motion q(s(t)) that it makes.

With ′ for derivatives along the path (in its own time s) the chain rule gives

    q̇ = q′ ṡ        q̈ = q″ ṡ² + q′ s̈        q⃛ = q‴ ṡ³ + 3 q″ ṡ s̈ + q′ s⃛.

A law is a cubic on every piece, so s⃛ is constant there, and a polynomial path run by it is again a polynomial: of degree 15 for
a path of degree 5.  Nothing is sampled or fitted.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

from fastmove.arrays import Array
from fastmove.trajectory.piecewise_polynomial import PiecewisePolynomial, shifted
from fastmove.trajectory.trajectory import Phase, Trajectory

BISECTIONS = 60  # Number of bisections by which a time is found at which the path is at a breakpoint.
NEAR_END = 1e-6  # Places nearer to the end of a path than this are the end [s].
LEAST_PIECE = 1e-7  # Pieces shorter than this are left to their neighbours [s].


@dataclass(frozen=True)
class Pace:
    """Where a motion is on its path, and how fast it goes along it.

    Attributes:
        place: s [s].
        speed: ṡ [1], 1 = the motion's own speed.
        change: s̈ [1/s].
    """

    place: float
    speed: float = 1.0
    change: float = 0.0

    def after(self, width: float, third: float) -> Pace:
        """Returns the pace after a step of this duration [s] with a constant s⃛ [1/s²]."""
        return Pace(
            self.place + width * (self.speed + width * (self.change / 2 + width * third / 6)),
            self.speed + width * (self.change + width * third / 2),
            self.change + width * third,
        )


@dataclass(frozen=True)
class TimeLaw:
    """The place s(t) on a path, as time in the path's own motion, that is passed at time t.

    Attributes:
        pieces: s(t) [s], piecewise cubic, continuous in s, ṡ and s̈; s never falls.
    """

    pieces: PiecewisePolynomial = field(repr=False)

    @staticmethod
    def of(pace: Pace, steps: list[tuple[float, float]]) -> TimeLaw:
        """Builds the law that begins at a pace, and has a constant s⃛ on each step.

        Args:
            pace: Pace at the beginning.
            steps: Duration [s] and s⃛ [1/s²] of every step.
        """
        rows, times = [], [0.0]
        for width, third in steps:
            rows.append([pace.place, pace.speed, pace.change / 2, third / 6])
            times.append(times[-1] + width)
            pace = pace.after(width, third)
        return TimeLaw(PiecewisePolynomial(np.array(times), np.array(rows)[:, :, None]))

    @property
    def duration(self) -> float:
        """Time that the law takes [s]."""
        return self.pieces.duration

    def pace(self, t: float) -> Pace:
        """Returns the pace at a time [s], that of its beginning or end before and after."""
        piece = int(np.clip(np.searchsorted(self.pieces.times, t) - 1, 0, len(self.pieces.times) - 2))
        place, speed, half, sixth = (float(c) for c in self.pieces.coefficients[piece, :, 0])
        since = min(max(t, 0.0), self.duration) - float(self.pieces.times[piece])
        return Pace(place, speed, 2 * half).after(since, 6 * sixth)

    def kept_up(self, end: float) -> TimeLaw:
        """Returns the law that goes on at the speed that it has reached, to the end of the path [s].

        Where the path ends before the speed is reached, s̈ is not 0 there; the path is at rest, so that the motion is all the
        same.
        """
        speed, left = self.pace(self.duration).speed, end - self.last
        if left <= NEAR_END or speed <= 0:
            return self
        row = np.array([[[self.last], [speed], [0.0], [0.0]]])
        times = np.append(self.pieces.times, self.duration + left / speed)
        return TimeLaw(PiecewisePolynomial(times, np.concatenate([self.pieces.coefficients, row])))

    @staticmethod
    def slowed_to(speed: float, within: float) -> TimeLaw:
        """Returns the law from the motion's own speed at place 0 to another speed, evenly within a time [s]: s⃛ is −r, then r."""
        rate = 4 * (1 - speed) / within**2
        return TimeLaw.of(Pace(0.0), [(within / 2, -rate), (within / 2, rate)])

    def after(self, since: float) -> TimeLaw:
        """Returns the law from a time [s] on."""
        times = self.pieces.times
        first = int(np.clip(np.searchsorted(times, since, side="right") - 1, 0, len(times) - 2))
        rows = np.array(self.pieces.coefficients[first:])
        rows[:1] = shifted(rows[:1], np.array([since - times[first]]))
        return TimeLaw(PiecewisePolynomial(np.concatenate([[0.0], times[first + 1 :] - since]), rows))

    @property
    def last(self) -> float:
        """Place at which it ends [s]."""
        return self.pace(self.duration).place


def along(trajectory: Trajectory, law: TimeLaw) -> Trajectory:
    """Returns the motion q(s(t)) of a path, which is another motion's, run by a law; exact up to rounding.

    Grip forces and openings are those of the phase in which the path is.
    """
    path, times = trajectory.motion(), _breaks(trajectory.motion(), law.pieces)
    middle = (times[:-1] + times[1:]) / 2
    piece = np.searchsorted(law.pieces.times, middle, side="right") - 1
    place = law.pieces(middle)[:, 0]
    span = np.clip(np.searchsorted(path.times, place, side="right") - 1, 0, len(path.times) - 2)
    since = times[:-1] - law.pieces.times[piece]
    s = shifted(law.pieces.coefficients[piece], since)[:, :, 0]  # (m, 4): Taylor coefficients of s where each piece begins
    q = shifted(path.coefficients[span], s[:, 0] - path.times[span])
    coefficients = _composed(q, s[:, 1:])
    phase = trajectory.phase_at(place)
    cuts = [0, *(np.flatnonzero(np.diff(phase)) + 1), len(phase)]
    phases = []
    for a, b in itertools.pairwise(cuts):
        old = trajectory.phases[int(phase[a])]
        motion = PiecewisePolynomial(times[a : b + 1] - times[a], coefficients[a:b])
        phases.append(Phase(motion, None, None, old.grip_force, old.opening))
    return Trajectory(tuple(phases), trajectory.joint_names)


def _breaks(path: PiecewisePolynomial, law: PiecewisePolynomial) -> Array:
    """The times (m + 1,) at which a piece of the law begins or the path is at a breakpoint, pieces of no length left out."""
    first, last = float(law(0.0)[0, 0]), float(law(law.times[-1], "left")[0, 0])
    inner = path.times[(path.times > first) & (path.times < last)]
    low, high = np.full(len(inner), law.times[0]), np.full(len(inner), law.times[-1])
    for _ in range(BISECTIONS if len(inner) else 0):
        middle = (low + high) / 2
        before = law(middle)[:, 0] < inner
        low, high = np.where(before, middle, low), np.where(before, high, middle)
    times = np.union1d(law.times, high)
    keep = np.concatenate([[True], np.diff(times) > LEAST_PIECE])
    keep[-1] = True
    times = times[keep]
    return times if len(times) < 3 or times[-1] - times[-2] > LEAST_PIECE else np.delete(times, -2)


def _composed(q: Array, step: Array) -> Array:
    """Coefficients (m, 3 d + 1, n) of q(δ(t)) for polynomials q (m, d + 1, n) and δ = Σ_k step[:, k] t^(k + 1), step (m, 3)."""
    pieces, degree = len(q), q.shape[1] - 1
    composed = np.zeros((pieces, 3 * degree + 1, q.shape[2]))
    composed[:, 0] = q[:, 0]
    power = np.ones((pieces, 1))
    for k in range(1, degree + 1):
        longer = np.zeros((pieces, power.shape[1] + 3))
        for j in range(3):
            longer[:, j + 1 : j + 1 + power.shape[1]] += power * step[:, j : j + 1]
        power = longer
        composed[:, : power.shape[1]] += power[:, :, None] * q[:, k, None, :]
    return composed
