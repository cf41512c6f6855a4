"""Piecewise polynomials in Taylor form, with values, derivatives and exact extremes, and quintic Hermite interpolation."""

from __future__ import annotations

from dataclasses import dataclass
from math import copysign, factorial, sqrt

import numpy as np

from fastmove.arrays import Array, readonly


@dataclass(frozen=True)
class Extremes:
    """Smallest and largest value of each component of a piecewise polynomial over all time.

    Attributes:
        low: Smallest values (n,).
        low_time: Times of the smallest values (n,) [s].
        high: Largest values (n,).
        high_time: Times of the largest values (n,) [s].
    """

    low: Array
    low_time: Array
    high: Array
    high_time: Array


@dataclass(frozen=True)
class PiecewisePolynomial:
    """A vector x(t) of n components that is a polynomial on each of m spans: x(t) = Σ_k c[i, k] (t − t_i)^k on [t_i, t_{i+1}].

    Attributes:
        times: Strictly increasing breakpoints t (m + 1,) [s].
        coefficients: Coefficients c (m, degree + 1, n).
    """

    times: Array
    coefficients: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", readonly(self.times))
        object.__setattr__(self, "coefficients", readonly(self.coefficients))
        if len(self.times) < 2 or not np.all(np.diff(self.times) > 0) or not np.all(np.isfinite(self.times)):
            raise ValueError("times must be at least two, finite, and increase strictly")
        if self.coefficients.ndim != 3 or len(self.coefficients) != len(self.times) - 1:
            raise ValueError("coefficients need one row per span")
        if not np.all(np.isfinite(self.coefficients)):
            raise ValueError("coefficients must be finite")

    @property
    def dimension(self) -> int:
        """Number n of components."""
        return int(self.coefficients.shape[2])

    @property
    def duration(self) -> float:
        """Time from the first breakpoint to the last [s]."""
        return float(self.times[-1] - self.times[0])

    def derivative(self) -> PiecewisePolynomial:
        """Returns the derivative with respect to time on the same spans."""
        degree = self.coefficients.shape[1] - 1
        if degree == 0:
            return PiecewisePolynomial(self.times, np.zeros_like(self.coefficients))
        factors = np.arange(1, degree + 1)[None, :, None]
        return PiecewisePolynomial(self.times, self.coefficients[:, 1:] * factors)

    def __call__(self, t: object, side: str = "right") -> Array:
        """Returns the values (N, n) at times.

        Args:
            t: Time, or times (N,) [s]; they are clamped to the first and last breakpoint.
            side: Which limit is meant at a breakpoint, "right" or "left".
        """
        t = np.atleast_1d(np.asarray(t, dtype=float))
        index = np.searchsorted(self.times, t, side="right" if side == "right" else "left") - 1
        index = np.minimum(np.maximum(index, 0), len(self.times) - 2)
        local = np.minimum(np.maximum(t, self.times[0]), self.times[-1]) - self.times[index]
        value = np.zeros((len(t), self.dimension))
        for k in range(self.coefficients.shape[1] - 1, -1, -1):
            value = value * local[:, None] + self.coefficients[index, k]
        return value

    def extremes(self) -> Extremes:
        """Returns the exact extremes of every component up to rounding, with both limits at every breakpoint included.

        The values at all breakpoints are candidates.  Only a span whose Bernstein hull reaches beyond the best candidate can hold
        another extreme, and for these spans the roots of the derivative are found.
        """
        ends = np.concatenate([self.coefficients[:, 0], self._at_span_ends()])
        when = np.concatenate([self.times[:-1], self.times[1:]])
        first, last = np.argmin(ends, axis=0), np.argmax(ends, axis=0)
        columns = np.arange(self.dimension)
        low, high = ends[first, columns].copy(), ends[last, columns].copy()
        low_time, high_time = when[first].copy(), when[last].copy()
        hull_low, hull_high = self._bernstein_hull()
        spans, joints = np.nonzero((hull_low < low - 1e-15) | (hull_high > high + 1e-15))
        for i, j in zip(spans, joints, strict=True):
            for local, value in self._stationary(int(i), int(j)):
                if value < low[j]:
                    low[j], low_time[j] = value, self.times[i] + local
                if value > high[j]:
                    high[j], high_time[j] = value, self.times[i] + local
        return Extremes(low, low_time, high, high_time)

    def _at_span_ends(self) -> Array:
        """Returns the left limits (m, n) at the ends of all spans."""
        width = np.diff(self.times)[:, None]
        value = np.zeros_like(self.coefficients[:, 0])
        for k in range(self.coefficients.shape[1] - 1, -1, -1):
            value = value * width + self.coefficients[:, k]
        return value

    def _bernstein_hull(self) -> tuple[Array, Array]:
        """Returns the least and largest Bernstein coefficients (m, n), between which each component lies on each span."""
        degree = self.coefficients.shape[1] - 1
        width = np.diff(self.times)[:, None, None]
        scaled = self.coefficients * width ** np.arange(degree + 1)[None, :, None]
        binomial = lambda a, b: factorial(a) // (factorial(b) * factorial(a - b))  # noqa: E731
        to_bernstein = np.array(
            [[binomial(i, k) / binomial(degree, k) if k <= i else 0.0 for k in range(degree + 1)] for i in range(degree + 1)]
        )
        hull = np.einsum("bk,skn->sbn", to_bernstein, scaled)
        return hull.min(axis=1), hull.max(axis=1)

    def _stationary(self, span: int, joint: int) -> list[tuple[float, float]]:
        """Returns (time since the span's beginning [s], value) wherever the derivative of a component vanishes in a span."""
        c = self.coefficients[span, :, joint]
        width = self.times[span + 1] - self.times[span]
        scaled = c * width ** np.arange(len(c))
        slope = (scaled[1:] * np.arange(1, len(c)))[::-1]
        points = []
        for root in _real_roots(slope.tolist()):
            if 0.0 < root < 1.0:
                points.append((root * width, float(np.polyval(scaled[::-1], root))))
        return points


def _real_roots(c: list[float]) -> list[float]:
    """Returns the real roots of a polynomial whose coefficients are given from the highest power down.

    Those of a quadratic are found without cancellation (Press et al., Numerical Recipes, 5.6):
    t = −(b + sign(b) √(b² − 4ac)) / 2, then t/a and c/t.
    """
    while c and c[0] == 0.0:
        c = c[1:]
    if len(c) > 3:
        return [float(root.real) for root in np.roots(c) if abs(root.imag) < 1e-9]
    if len(c) < 2:
        return []
    if len(c) == 2:
        return [-c[1] / c[0]]
    discriminant = c[1] * c[1] - 4 * c[0] * c[2]
    if discriminant < 0:
        return []
    t = -(c[1] + copysign(sqrt(discriminant), c[1])) / 2
    return [t / c[0], c[2] / t] if t else [0.0]


def shifted(coefficients: Array, by: Array) -> Array:
    """Returns the ascending coefficients (m, degree + 1, n) of p(t + by) from those of polynomials p(t), by (m,)."""
    degree = coefficients.shape[1] - 1
    result = np.array(coefficients)
    for lowest in range(degree):  # Horner's scheme, once for each derivative
        for k in range(degree - 1, lowest - 1, -1):
            result[:, k] += by[:, None] * result[:, k + 1]
    return result


def quintic_hermite(times: Array, q: Array, v: Array, a: Array) -> PiecewisePolynomial:
    """Returns the piecewise quintic that has given positions, velocities and accelerations at given times; it is C².

    Args:
        times: Breakpoints (N,) [s].
        q: Positions at the breakpoints (N, n) [rad].
        v: Velocities at the breakpoints (N, n) [rad/s].
        a: Accelerations at the breakpoints (N, n) [rad/s²].
    """
    h = np.diff(times)[:, None]
    dq = q[1:] - q[:-1] - v[:-1] * h - a[:-1] * h**2 / 2
    dv = v[1:] - v[:-1] - a[:-1] * h
    da = a[1:] - a[:-1]
    c3 = 10 * dq / h**3 - 4 * dv / h**2 + da / (2 * h)
    c4 = -15 * dq / h**4 + 7 * dv / h**3 - da / h**2
    c5 = 6 * dq / h**5 - 3 * dv / h**4 + da / (2 * h**3)
    return PiecewisePolynomial(times, np.stack([q[:-1], v[:-1], a[:-1] / 2, c3, c4, c5], axis=1))
