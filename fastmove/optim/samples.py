"""Places along a motion where constraints are asked for, and the spline basis there."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastmove.arrays import Array
from fastmove.trajectory.bspline import SplineBasis

NEAR_LIMIT_SAMPLES = 24  # Number of velocity samples inside the first span where the start is near a velocity limit.


@dataclass(frozen=True)
class SpanRows:
    """Rows of basis matrices, each by the four control points of its span.

    Attributes:
        span: (N,) index of the first of the four control points.
        values: (N, 4) coefficients for each matrix, by order of derivative where there are several.
        free: (4,) or (N, 4) whether each of the control points is free, as 0 or 1.
    """

    span: Array
    values: tuple[Array, ...]
    free: Array

    @staticmethod
    def of(*matrices: Array) -> SpanRows:
        """Of basis matrices (N, size) at the same places."""
        size = matrices[0].shape[1]
        filled = np.logical_or.reduce([matrix != 0 for matrix in matrices])
        span = np.minimum(filled.argmax(axis=1), size - 4)
        at = span[:, None] + np.arange(4)
        rows = np.arange(len(span))[:, None]
        assert int(filled.sum()) == int(filled[rows, at].sum()), "a row is wider than its span"
        return SpanRows(span, tuple(matrix[rows, at] for matrix in matrices), ((at >= 3) & (at < size - 3)).astype(float))

    def chosen(self, which: Array) -> SpanRows:
        """Some of the rows."""
        return SpanRows(self.span[which], tuple(value[which] for value in self.values), self.free[which])

    def moved(self, slope: Array, order: int = 0) -> Array:
        """(N, n) products of one matrix with (size, n) values of all control points."""
        return np.asarray(np.einsum("kc,kci->ki", self.values[order], slope[self.span[:, None] + np.arange(4)]))


class ConstraintGrid:
    """Places s along a motion where each kind of row is asked for, with the basis matrices (rows, size) there.

    Attributes:
        basis: The spline basis.
        effort: s of torque and hold rows.
        clearance: s of distances.
        rate: s of torque rate, which is also asked for on both sides of every breakpoint; None without torque rate limits.
        near_speed_limit: See `standard`.
        b_effort: Basis at the effort samples, by order of derivative (0 to 2).
        b_clearance: Basis at the samples of distances.
        b_rate: Basis at the rate samples, breakpoints included, by order of derivative (0 to 3); empty without rate limits.
        hull0: Bernstein coefficients of position on every span, and its value at the last breakpoint.
        hull1: Bernstein coefficients of d/ds on every span, and its value at the last breakpoint.
        b2_break: Second derivative at the breakpoints.
        b3_span: Third derivative on the spans.
        freedom: Sum of the free control points' basis functions at each distance sample: how far the place there follows them.
    """

    def __init__(
        self, basis: SplineBasis, effort: Array, clearance: Array, rate: Array | None = None, near_speed_limit: bool = False
    ) -> None:
        beta = basis.breakpoints
        self.basis, self.effort, self.rate, self.near_speed_limit = basis, effort, rate, near_speed_limit
        self.hull0, self.hull1 = _hulls(basis)
        if near_speed_limit:  # the start fixes the first span's second coefficient, but not its velocities
            inner = np.linspace(0, beta[1], NEAR_LIMIT_SAMPLES + 2)[1:-1]
            self.hull1 = np.concatenate([np.delete(self.hull1, basis.spans, axis=0), basis.design_matrix(inner, 1)])
        self.b2_break = basis.design_matrix(beta, 2)
        self.b3_span = basis.design_matrix(beta[:-1], 3)
        self.b_effort = [basis.design_matrix(effort, k) for k in range(3)]
        self._see(clearance)
        self.b_rate: list[Array] = []
        if rate is not None:
            sides = ((beta[:-1], "right"), (beta[1:], "left"), (rate, "right"))
            self.b_rate = [np.concatenate([basis.design_matrix(s, k, side) for s, side in sides]) for k in range(4)]

    @cached_property
    def efforts(self) -> SpanRows:
        """`b_effort` by spans."""
        return SpanRows.of(*self.b_effort)

    @cached_property
    def rates(self) -> SpanRows:
        """`b_rate` by spans."""
        return SpanRows.of(*self.b_rate)

    @cached_property
    def limits(self) -> tuple[SpanRows, SpanRows, SpanRows, SpanRows]:
        """`hull0`, `hull1`, `b2_break` and `b3_span` by spans."""
        return SpanRows.of(self.hull0), SpanRows.of(self.hull1), SpanRows.of(self.b2_break), SpanRows.of(self.b3_span)

    @cached_property
    def places_and_speeds(self) -> SpanRows:
        """Rows of q and of d/ds whose hull holds both on every span.

        They are the Bernstein coefficients of the cubic q, and of q' as a cubic: a quadratic with coefficients v0, v1, v2 is
        the cubic with v0, (v0 + 2 v1) / 3, (2 v1 + v2) / 3, v2.  Where the start is near a speed limit, the first span has
        `NEAR_LIMIT_SAMPLES` places instead (see `standard`).
        """
        beta = self.basis.breakpoints
        left, right, h = beta[:-1], beta[1:], np.diff(beta)[:, None]
        (q0, v0, a0), (q1, v1) = (
            [self.basis.design_matrix(left, k) for k in range(3)],
            [self.basis.design_matrix(right, k, "left") for k in range(2)],
        )
        middle = v0 + h / 2 * a0
        places, speeds = [q0, q0 + h / 3 * v0, q1 - h / 3 * v1, q1], [v0, (v0 + 2 * middle) / 3, (2 * middle + v1) / 3, v1]
        if self.near_speed_limit:
            inner = np.linspace(0, beta[1], NEAR_LIMIT_SAMPLES + 2)[1:-1]
            places = [x[1:] for x in places] + [self.basis.design_matrix(inner, 0)]
            speeds = [x[1:] for x in speeds] + [self.basis.design_matrix(inner, 1)]
        return SpanRows.of(np.concatenate(places), np.concatenate(speeds))

    @cached_property
    def distances(self) -> SpanRows:
        """`b_clearance` by spans."""
        return SpanRows.of(self.b_clearance)

    @cached_property
    def b_along(self) -> Array:
        """Basis matrix of order 1 at the distance samples."""
        return self.basis.design_matrix(self.clearance, 1)

    def _see(self, clearance: Array) -> None:
        """Set the samples of distances."""
        self.clearance, self.b_clearance = clearance, self.basis.design_matrix(clearance, 0)
        self.freedom = self.b_clearance[:, 3:-3].sum(axis=1)  # how far a place follows the free control points

    @staticmethod
    def standard(basis: SplineBasis, with_rate: bool, per_span: int = 3, near_speed_limit: bool = False) -> ConstraintGrid:
        """Build the usual grid: efforts at breakpoints and mid-points, distances at even places of every span.

        Args:
            basis: The spline basis.
            with_rate: Whether torque rate is limited.
            per_span: Number of distance samples in every span.
            near_speed_limit: Whether the start is so near a velocity limit that velocities in the first span (3 ms) are asked for
                at `NEAR_LIMIT_SAMPLES` places instead of by Bernstein coefficients: between these places a jerk of 500 rad/s³
                changes a velocity by at most 2e-6 rad/s.
        """
        beta = basis.breakpoints
        middle = (beta[:-1] + beta[1:]) / 2
        both = np.sort(np.concatenate([beta, middle]))
        inner = (np.arange(per_span) + 0.5) / per_span
        clearance = (beta[:-1, None] + np.diff(beta)[:, None] * inner).ravel()
        return ConstraintGrid(basis, both, clearance, middle if with_rate else None, near_speed_limit)

    @staticmethod
    def dense(basis: SplineBasis, with_rate: bool, count: int) -> ConstraintGrid:
        """Build a uniform grid of `count` intervals, breakpoints included, without distances."""
        grid = np.unique(np.concatenate([basis.breakpoints, np.linspace(0, 1, count + 1)]))
        return ConstraintGrid(basis, grid, np.zeros(0), grid if with_rate else None)

    def rate_beside(self, step: float) -> list[Array]:
        """Basis matrices of order 0 to 2 at the rate samples, each moved by `step` in s along its own polynomial piece."""
        return self._beside(self.b_rate, step)

    def rates_beside(self, step: float) -> SpanRows:
        """The same by spans."""
        return SpanRows(self.rates.span, tuple(self._beside(self.rates.values, step)), self.rates.free)

    @staticmethod
    def _beside(b: Sequence[Array], step: float) -> list[Array]:
        """Matrices of order 0 to 2 from those of order 0 to 3, moved by `step`."""
        return [
            b[0] + step * b[1] + step**2 / 2 * b[2] + step**3 / 6 * b[3],
            b[1] + step * b[2] + step**2 / 2 * b[3],
            b[2] + step * b[3],
        ]

    def added(self, effort: Array, clearance: Array) -> ConstraintGrid:
        """Copy the grid with more samples.

        Args:
            effort: s of more effort samples, and of more rate samples where torque rate is limited.
            clearance: s of more distance samples.
        """
        join = lambda a, b: np.unique(np.concatenate([a, b]))  # noqa: E731
        if len(effort) == 0:
            copied = copy(self)
            for kept in ("distances", "b_along"):
                copied.__dict__.pop(kept, None)
            copied._see(join(self.clearance, clearance))
            return copied
        rate = None if self.rate is None else join(self.rate, effort)
        return ConstraintGrid(self.basis, join(self.effort, effort), join(self.clearance, clearance), rate, self.near_speed_limit)


def _hulls(basis: SplineBasis) -> tuple[Array, Array]:
    """Matrices of the Bernstein coefficients of position and of d/ds on every span, each with the value at the end.

    On a span of width h the cubic q has Bernstein coefficients q0, q0 + h q0'/3, q1 − h q1'/3, q1, and the quadratic q'
    has q0', q0' + h q0''/2, q1'; each curve lies in the hull of its own.
    """
    beta = basis.breakpoints
    left, right, h = beta[:-1], beta[1:], np.diff(beta)[:, None]
    first = [basis.design_matrix(left, k) for k in range(3)]
    last = [basis.design_matrix(right, k, "left") for k in range(2)]
    end = basis.design_matrix(beta[-1:], 0), basis.design_matrix(beta[-1:], 1)
    position = np.concatenate([first[0], first[0] + h / 3 * first[1], last[0] - h / 3 * last[1], end[0]])
    return position, np.concatenate([first[1], first[1] + h / 2 * first[2], end[1]])
