"""Cubic B-splines over a parameter s in [0, 1].

A jerk-limited time-optimal motion has piecewise constant jerk, so it *is* a cubic spline whose breakpoints are the switching
times.  `SplineBasis` holds the breakpoints; motions are sampled as `PiecewisePolynomial`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import factorial

import numpy as np

from fastmove.arrays import Array, readonly
from fastmove.trajectory.piecewise_polynomial import PiecewisePolynomial

DEGREE = 3  # Degree of the splines.


@dataclass(frozen=True)
class SplineBasis:
    """Basis of the clamped cubic B-splines on breakpoints 0 = β_0 < … < β_m = 1, with m + 3 basis functions.

    Attributes:
        breakpoints: Breakpoints β (m + 1,), strictly increasing from 0 to 1.
    """

    breakpoints: Array

    def __post_init__(self) -> None:
        beta = readonly(self.breakpoints)
        if beta.ndim != 1 or len(beta) < 2 or beta[0] != 0.0 or beta[-1] != 1.0 or np.any(np.diff(beta) <= 0):
            raise ValueError(f"breakpoints must increase strictly from 0 to 1, got {beta}")
        object.__setattr__(self, "breakpoints", beta)

    @property
    def spans(self) -> int:
        """Number m of spans between breakpoints."""
        return len(self.breakpoints) - 1

    @property
    def size(self) -> int:
        """Number m + 3 of basis functions, i.e. of control points."""
        return self.spans + DEGREE

    @cached_property
    def knots(self) -> Array:
        """Knots (m + 7,): the breakpoints, with both ends repeated to multiplicity 4."""
        return np.concatenate([np.zeros(DEGREE), self.breakpoints, np.ones(DEGREE)])

    def span_of(self, s: Array, side: str = "right") -> Array:
        """Returns the index (N,) of the span in which each s (N,) lies; at a breakpoint the one on its `side`, right or left."""
        index = np.searchsorted(self.breakpoints, s, side="right" if side == "right" else "left") - 1
        return np.clip(index, 0, self.spans - 1)

    def end_inverse(self, last: bool) -> Array:
        """Returns the inverse M⁻¹ (3, 3) of the rows of B, B', B'' at an end: its three control points are M⁻¹ [q; q'; q''].

        Args:
            last: Whether the end is s = 1, else s = 0.
        """
        at, which = np.full(1, float(last)), slice(-3, None) if last else slice(0, 3)
        return np.linalg.inv(np.concatenate([self.design_matrix(at, k)[:, which] for k in range(3)]))

    def design_matrix(self, s: object, order: int = 0, side: str = "right") -> Array:
        """Returns the values (N, size) of a derivative of every basis function with respect to s.

        This is the Cox–de Boor recursion for the functions of degree 3 − order, then the derivative as differences of control
        points (de Boor, A Practical Guide to Splines, ch. X).

        Args:
            s: Parameter, or parameters (N,), in [0, 1].
            order: Order of the derivative, 0 to 3.
            side: Which limit of the third derivative is meant at breakpoints, where it jumps: "right" or "left".
        """
        s = np.atleast_1d(np.asarray(s, dtype=float))
        values = self._recursion(s, self.span_of(s, side), DEGREE - order)
        return values if order == 0 else values @ self._differences[order]

    def _recursion(self, s: Array, span: Array, degree: int) -> Array:
        """Returns the values (N, spans + degree) at s (N,), in spans (N,), of B-splines of a degree on the same breakpoints."""
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
        """Matrices (size − order, size) from control points to those of the derivative of every order, 0 to 3."""
        matrices = [np.eye(self.size)]
        for k in range(DEGREE):
            matrices.append(self._slope(matrices[-1], k))
        return matrices

    def _slope(self, points: Array, order: int) -> Array:
        """Returns the control points of the derivative of a curve that is itself a derivative of the given order."""
        degree = DEGREE - order
        if degree == 0:
            return np.zeros_like(points[1:])
        knots = self.knots[order : len(self.knots) - order]
        width = knots[degree + 1 : -1] - knots[1 : -degree - 1]
        return (degree / width)[:, None] * np.diff(points, axis=0)

    def refined(self, breakpoints: object) -> SplineBasis:
        """Returns the basis with breakpoints in [0, 1] (K,) added; those within 1e-9 of an old one are dropped."""
        new = np.asarray(breakpoints, dtype=float)
        gap = np.abs(new[:, None] - self.breakpoints[None, :]).min(axis=1) if len(new) else new
        return SplineBasis(np.unique(np.concatenate([self.breakpoints, new[gap > 1e-9]])))

    def insertion_matrix(self, finer: SplineBasis) -> Array:
        """Returns the matrix (finer.size, size) from control points to those of the same curve on a finer basis.

        This is knot insertion.  The finer space contains the curve, so interpolating it at the finer Greville sites is exact.
        """
        sites = finer.greville()
        return np.asarray(np.linalg.solve(finer.design_matrix(sites), self.design_matrix(sites)))

    def greville(self) -> Array:
        """Returns the Greville sites (size,) in [0, 1], at which interpolation is always well posed."""
        k = self.knots
        return (k[1:-3] + k[2:-2] + k[3:-1]) / 3.0

    def polynomial(self, control_points: Array, duration: float) -> PiecewisePolynomial:
        """Returns the curve as a piecewise polynomial of time t = s·duration.

        Its derivatives come from differences of control points, so equal control points at an end give exactly zero there.

        Args:
            control_points: Control points (size, n).
            duration: Duration [s].
        """
        left = self.breakpoints[:-1]
        span, points, terms = self.span_of(left), np.asarray(control_points), []
        for k in range(DEGREE + 1):
            values = self._recursion(left, span, DEGREE - k) @ points
            terms.append(values / (factorial(k) * duration**k))
            points = self._slope(points, k)
        return PiecewisePolynomial(self.breakpoints * duration, np.stack(terms, axis=1))
