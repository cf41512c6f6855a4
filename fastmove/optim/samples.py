"""Places along a motion where constraints are asked for, and the spline basis there."""

from __future__ import annotations

from copy import copy

import numpy as np

from fastmove.arrays import Array
from fastmove.trajectory.bspline import SplineBasis

NEAR_LIMIT_SAMPLES = 24  # Number of velocity samples inside the first span where the start is near a velocity limit.


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
        b = self.b_rate
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
