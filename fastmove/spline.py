"""Piecewise-polynomial motion: cubic B-splines over s in [0, 1] and exact extrema.  numpy only.

A jerk-limited time-optimal motion has piecewise constant jerk, so it *is* a cubic spline whose breakpoints are
the switching times.  `SplineBasis` holds the breakpoints, `PiecewisePolynomial` is what everybody else samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import copysign, factorial, sqrt

import numpy as np

from fastmove.arrays import Array, locked

DEGREE = 3


@dataclass(frozen=True)
class SplineBasis:
    """Clamped cubic B-splines on breakpoints 0 = β_0 < … < β_m = 1; m + 3 basis functions.

    Attributes:
        breakpoints: (m + 1,), strictly increasing, from 0 to 1.
    """

    breakpoints: Array

    def __post_init__(self) -> None:
        beta = locked(self.breakpoints)
        if beta.ndim != 1 or len(beta) < 2 or beta[0] != 0.0 or beta[-1] != 1.0 or np.any(np.diff(beta) <= 0):
            raise ValueError(f"breakpoints must increase strictly from 0 to 1, got {beta}")
        object.__setattr__(self, "breakpoints", beta)

    @property
    def spans(self) -> int:
        return len(self.breakpoints) - 1

    @property
    def size(self) -> int:
        """Number of basis functions, i.e. of control points."""
        return self.spans + DEGREE

    @cached_property
    def knots(self) -> Array:
        """(m + 7,) breakpoints with the ends repeated to multiplicity 4."""
        return np.concatenate([np.zeros(DEGREE), self.breakpoints, np.ones(DEGREE)])

    def span_of(self, s: Array, side: str = "right") -> Array:
        """Index of the span that s lies in; at a breakpoint the one to its right (or left)."""
        index = np.searchsorted(self.breakpoints, s, side="right" if side == "right" else "left") - 1
        return np.clip(index, 0, self.spans - 1)

    def matrix(self, s: object, order: int = 0, side: str = "right") -> Array:
        """(N, size) values at s of the `order`-th derivative with respect to s of every basis function.

        Cox–de Boor recursion for the functions of degree 3 − order, then the derivative as differences of
        control points (de Boor, A Practical Guide to Splines, ch. X).  The third derivative jumps at
        breakpoints: `side` says which limit is meant.
        """
        s = np.atleast_1d(np.asarray(s, dtype=float))
        values = self._recursion(s, self.span_of(s, side), DEGREE - order)
        return values if order == 0 else values @ self._differences[order]

    def _recursion(self, s: Array, span: Array, degree: int) -> Array:
        knots = self.knots[DEGREE - degree : len(self.knots) - (DEGREE - degree)]
        around = knots[span[:, None] + np.arange(1, 2 * degree + 1)]  # the `degree` knots before s, and those after
        after, before = around[:, degree:] - s[:, None], s[:, None] - around[:, :degree]
        local = np.ones((len(s), 1))
        for k in range(1, degree + 1):
            high, low = after[:, :k], before[:, degree - k :]
            ratio = local / (high + low)
            local = np.zeros((len(s), k + 1))
            local[:, :-1] = ratio * high
            local[:, 1:] += ratio * low
        values = np.zeros((len(s), self.spans + degree))
        values[np.arange(len(s))[:, None], span[:, None] + np.arange(degree + 1)] = local
        return values

    @cached_property
    def _differences(self) -> list[Array]:
        """Matrices from control points to those of the derivative of every order."""
        found = [np.eye(self.size)]
        for k in range(DEGREE):
            found.append(self._slope(found[-1], k))
        return found

    def _slope(self, points: Array, order: int) -> Array:
        """Control points of the derivative of a curve that already is an `order`-th derivative."""
        degree = DEGREE - order
        if degree == 0:
            return np.zeros_like(points[1:])
        knots = self.knots[order : len(self.knots) - order]
        width = knots[degree + 1 : -1] - knots[1 : -degree - 1]
        return (degree / width)[:, None] * np.diff(points, axis=0)

    def refined(self, breakpoints: object) -> SplineBasis:
        """The basis with these breakpoints added (those closer than 1e-9 to an old one are dropped)."""
        new = np.asarray(breakpoints, dtype=float)
        gap = np.abs(new[:, None] - self.breakpoints[None, :]).min(axis=1) if len(new) else new
        return SplineBasis(np.unique(np.concatenate([self.breakpoints, new[gap > 1e-9]])))

    def insertion_matrix(self, finer: SplineBasis) -> Array:
        """(finer.size, size): control points of the same curve on a finer basis (knot insertion, exact).

        The finer space contains the curve, so interpolating it at the finer Greville sites is exact.
        """
        sites = finer.greville()
        return np.asarray(np.linalg.solve(finer.matrix(sites), self.matrix(sites)))

    def greville(self) -> Array:
        """(size,) Greville sites: interpolation there is always well posed."""
        k = self.knots
        return (k[1:-3] + k[2:-2] + k[3:-1]) / 3.0

    def polynomial(self, control_points: Array, duration: float) -> PiecewisePolynomial:
        """The curve as a piecewise polynomial of time t = s·duration [s].

        Derivatives come from differences of control points, so equal ones at an end give exactly zero there.
        """
        left = self.breakpoints[:-1]
        span, points, terms = self.span_of(left), np.asarray(control_points), []
        for k in range(DEGREE + 1):
            values = self._recursion(left, span, DEGREE - k) @ points
            terms.append(values / (factorial(k) * duration**k))
            points = self._slope(points, k)
        return PiecewisePolynomial(self.breakpoints * duration, np.stack(terms, axis=1))


@dataclass(frozen=True)
class Extremes:
    """Smallest and largest value of each component over all time, and when [s]."""

    low: Array
    low_time: Array
    high: Array
    high_time: Array


@dataclass(frozen=True)
class PiecewisePolynomial:
    """x(t) = Σ_k c[i, k] (t − t_i)^k on [t_i, t_{i+1}].

    Attributes:
        times: (m + 1,) [s], strictly increasing.
        coefficients: (m, degree + 1, n).
    """

    times: Array
    coefficients: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", locked(self.times))
        object.__setattr__(self, "coefficients", locked(self.coefficients))
        if len(self.times) < 2 or not np.all(np.diff(self.times) > 0) or not np.all(np.isfinite(self.times)):
            raise ValueError("times must be at least two, finite, and increase strictly")
        if self.coefficients.ndim != 3 or len(self.coefficients) != len(self.times) - 1:
            raise ValueError("coefficients need one row per span")
        if not np.all(np.isfinite(self.coefficients)):
            raise ValueError("coefficients must be finite")

    @property
    def dimension(self) -> int:
        return int(self.coefficients.shape[2])

    @property
    def duration(self) -> float:
        return float(self.times[-1] - self.times[0])

    def derivative(self) -> PiecewisePolynomial:
        degree = self.coefficients.shape[1] - 1
        if degree == 0:
            return PiecewisePolynomial(self.times, np.zeros_like(self.coefficients))
        factors = np.arange(1, degree + 1)[None, :, None]
        return PiecewisePolynomial(self.times, self.coefficients[:, 1:] * factors)

    def __call__(self, t: object, side: str = "right") -> Array:
        """(N, n) values at times t, clamped to the ends; at a breakpoint the limit from `side`."""
        t = np.atleast_1d(np.asarray(t, dtype=float))
        index = np.searchsorted(self.times, t, side="right" if side == "right" else "left") - 1
        index = np.minimum(np.maximum(index, 0), len(self.times) - 2)
        local = np.minimum(np.maximum(t, self.times[0]), self.times[-1]) - self.times[index]
        value = np.zeros((len(t), self.dimension))
        for k in range(self.coefficients.shape[1] - 1, -1, -1):
            value = value * local[:, None] + self.coefficients[index, k]
        return value

    def extremes(self) -> Extremes:
        """Exact extremes of every component (to rounding), both limits at breakpoints included.

        Values at all breakpoints are candidates; only spans whose Bernstein hull reaches beyond the best
        candidate can hide more, and for these the roots of the derivative are found.
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
        width = np.diff(self.times)[:, None]
        value = np.zeros_like(self.coefficients[:, 0])
        for k in range(self.coefficients.shape[1] - 1, -1, -1):
            value = value * width + self.coefficients[:, k]
        return value

    def _bernstein_hull(self) -> tuple[Array, Array]:
        """Least and largest Bernstein coefficient per span and component: the curve lies between them."""
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
        """(local time, value) where the derivative vanishes inside the span."""
        c = self.coefficients[span, :, joint]
        width = self.times[span + 1] - self.times[span]
        scaled = c * width ** np.arange(len(c))
        slope = (scaled[1:] * np.arange(1, len(c)))[::-1]
        found = []
        for root in _real_roots(slope.tolist()):
            if 0.0 < root < 1.0:
                found.append((root * width, float(np.polyval(scaled[::-1], root))))
        return found


def _real_roots(c: list[float]) -> list[float]:
    """Of the polynomial with these coefficients, the highest power's first.  Of a quadratic without cancellation (Press et al.,
    Numerical Recipes, 5.6): t = −(b + sign(b) √(b² − 4ac)) / 2, then t/a and c/t."""
    while c and c[0] == 0.0:
        c = c[1:]
    if len(c) > 3:
        return [float(root.real) for root in np.roots(c) if abs(root.imag) < 1e-9]
    if len(c) < 2:
        return []
    if len(c) == 2:
        return [-c[1] / c[0]]
    room = c[1] * c[1] - 4 * c[0] * c[2]
    if room < 0:
        return []
    t = -(c[1] + copysign(sqrt(room), c[1])) / 2
    return [t / c[0], c[2] / t] if t else [0.0]


def quintic_hermite(times: Array, q: Array, v: Array, a: Array) -> PiecewisePolynomial:
    """The quintic through (q, v, a) at every time; C² by construction.  Arrays (N, n), times (N,) [s]."""
    h = np.diff(times)[:, None]
    dq = q[1:] - q[:-1] - v[:-1] * h - a[:-1] * h**2 / 2
    dv = v[1:] - v[:-1] - a[:-1] * h
    da = a[1:] - a[:-1]
    c3 = 10 * dq / h**3 - 4 * dv / h**2 + da / (2 * h)
    c4 = -15 * dq / h**4 + 7 * dv / h**3 - da / h**2
    c5 = 6 * dq / h**5 - 3 * dv / h**4 + da / (2 * h**3)
    return PiecewisePolynomial(times, np.stack([q[:-1], v[:-1], a[:-1] / 2, c3, c4, c5], axis=1))
