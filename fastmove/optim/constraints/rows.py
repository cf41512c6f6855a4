"""Linear rows of a subproblem, added limit by limit; rows that cannot bind within the trust region are dropped.

Every constraint of the optimiser is a function or class in a file of this folder that is given the `StepModel` and adds its
sites, rows and cones to the program of the subproblem (`BandedProgram`):

    joint_limits   position, velocity, acceleration, jerk
    effort         torque and torque rate
    hold           contacts, and what items tolerate
    path           a user's own constraints
    clearance      distances, fading contacts, corridors

`Subproblem` calls each of them.  Each says in its docstring what it asks, and where.  What the merit asks of the same limits is
`Transcription.utilisation`; what the certificate asks is in `certificate/`, written independently.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fastmove.arrays import Array
from fastmove.optim.banded_program import BandedProgram, Solution
from fastmove.optim.linearization import Linearization, active_row_fraction
from fastmove.optim.samples import ConstraintGrid, SpanRows
from fastmove.optim.transcription import Transcription

BROKEN = 1e-6  # Excess of a row over its limit from which it counts as broken.
SIGNS = (1.0, -1.0)  # Signs of the upper and the lower side of a limit.
XI, SIGMA = 0, 1  # Places in the border of ξ, and of the slack of violated limits with a moving start.


@dataclass(frozen=True)
class IdleRows:
    """Rows ±(value + d D + xi ξ) ≤ 1 + power ξ far from their limits, which join the program only if its solution breaks them.

    Attributes are those of `StepModel.add_limits`.
    """

    span: Array
    d: Array
    xi: Array
    value: Array
    power: int

    def broken(self, solution: Solution) -> Array:
        """(K,) whether a solution breaks them."""
        flat, n = solution.points, solution.points.shape[1]
        change = flat[self.span[:, None] + np.arange(4)].reshape(len(self.span), 4 * n)
        xi = float(solution.border[XI])
        moved = self.value + np.einsum("ki,ki->k", self.d, change) + self.xi * xi
        return np.asarray(np.abs(moved) > 1 + self.power * xi + float(solution.border[SIGMA:].sum()) + BROKEN)

    def chosen(self, which: Array) -> IdleRows:
        """Some of the rows."""
        return IdleRows(self.span[which], self.d[which], self.xi[which], self.value[which], self.power)

    def join(self, model: StepModel) -> None:
        """Add the rows to the program."""
        model.add_limits(self.span, self.d, self.xi, self.value, 1.0, self.power)


class Idle(Protocol):
    """Rows that are left out of a program until its solution breaks them."""

    def broken(self, solution: Solution) -> Array:
        """(K,) whether a solution breaks them."""

    def chosen(self, which: Array) -> Idle:
        """Some of the rows."""

    def join(self, model: StepModel) -> None:
        """Add the rows to the program."""


@dataclass(frozen=True)
class StepModel:
    """What every constraint of one subproblem is given.

    Attributes:
        transcription: Ends, basis and limits of the motion.
        samples: Where constraints are asked for.
        here: The motion that the subproblem is built around.
        radius: Trust region of every control point [rad].
        stretch_range: Least and largest ξ.
        slope: (size, n) derivative of the control points with respect to ξ [rad].
        program: The program, to which sites, rows and cones are added.
        idle: Rows that are left out until a solution breaks them.
        expected: Change of the control points that is expected [rad]; rows beyond its reach may wait outside.
    """

    transcription: Transcription
    samples: ConstraintGrid
    here: Linearization
    radius: float
    stretch_range: tuple[float, float]
    slope: Array
    program: BandedProgram
    idle: list[Idle]
    expected: float

    def border(self, xi: Array, sigma: float = 0.0) -> Array:
        """(…, nu) coefficients of the border: xi (…) of ξ, and one of the slack of violated limits, if there is one."""
        border = np.zeros((*np.shape(xi), self.program.border))
        border[..., XI] = xi
        border[..., SIGMA:] = sigma
        return border

    def add_limits(
        self, span: Array, d: Array, xi: Array, value: Array, limit: float, power: int, two_sided: bool = True
    ) -> None:
        """Add rows ±(value + d D + xi ξ) ≤ limit + power ξ, dropping those that cannot bind in the trust region.

        Args:
            span: (K,) spans.
            d: (K, 4 n) coefficients of D of their control points, 0 of those that are fixed.
            xi: (K,) coefficients of ξ.
            value: (K,) values where the step begins, in shares of their limits.
            limit: Share of the limits that may be used.
            power: Power p of the T^p by which the rows are multiplied.
            two_sided: Whether values are limited from below, too.
        """
        reach = active_row_fraction(self.transcription) * np.abs(d).sum(axis=1) * self.radius
        sides = self._binding(reach, xi, value, limit, power)
        if not two_sided:
            sides[1][:] = False
        either = sides[0] | sides[1]
        site = np.zeros(len(span), dtype=np.int64)
        site[either] = self.program.dense(span[either], d[either, None])
        for sign, binding in zip(SIGNS, sides, strict=True):
            count = int(binding.sum())
            self._rows(site[binding], np.full((count, 1), sign), sign * xi[binding], sign * value[binding], limit, power)

    def add_per_joint(self, rows: SpanRows, value: Array, scale: Array, power: int) -> None:
        """Add rows of one joint each.

        Args:
            rows: K rows of a basis matrix.
            value: (K, n) values where the step begins, matrix P / scale, up to a constant.
            scale: (n,) limits of the joints, times T^power.
            power: Power p of the T^p by which the rows are multiplied.
        """
        free = rows.values[0] * rows.free
        reach = np.abs(free).sum(axis=1)[:, None] / scale * self.radius
        xi = rows.moved(self.slope) / scale
        sides = self._binding(reach, xi, value, 1.0, power)
        k, joint = np.nonzero(sides[0] | sides[1])
        site = np.zeros(value.shape, dtype=np.int64)
        site[k, joint] = self.program.joints(rows.span[k], joint, free[k] / scale[joint][:, None])
        for sign, binding in zip(SIGNS, sides, strict=True):
            lifted = np.full((int(binding.sum()), 1), sign)
            self._rows(site[binding], lifted, sign * xi[binding], sign * value[binding], 1.0, power)

    def add_of_joint(self, span: Array, joint: Array, free: Array, xi: Array, value: Array) -> None:
        """Add rows of one joint each, value + free·D + xi ξ ≤ 1.

        Args:
            span: (K,) spans.
            joint: (K,) joints.
            free: (K, 4) coefficients of the joint's control points, 0 of those that are fixed.
            xi: (K,) coefficients of ξ.
            value: (K,) values where the step begins.
        """
        binding = self._binding(np.abs(free).sum(axis=1) * self.radius, xi, value, 1.0, 0)[0]
        site = self.program.joints(span[binding], joint[binding], free[binding])
        self._rows(site, np.ones((len(site), 1)), xi[binding], value[binding], 1.0, 0)

    def add_at_rest(self, site: Array, slope: Array, freedom: Array, xi: Array, value: Array, limit: float, slack: Array) -> None:
        """Add rows of configurations, value + slope·q' + xi ξ ≤ limit + slack.

        Args:
            site: (K,) sites of places.
            slope: (K, n) derivatives with respect to the configuration there.
            freedom: (K,) sum of the free control points' basis functions there.
            xi: (K,) coefficients of ξ.
            value: (K,) values where the step begins.
            limit: Their limit.
            slack: (K,) slacks of the sites.
        """
        binding = self._binding(np.abs(slope).sum(axis=1) * freedom * self.radius, xi, value, limit, 0)[0]
        self._rows(site[binding], slope[binding], xi[binding], value[binding], limit, 0, slack[binding])

    def _rows(
        self, site: Array, lifted: Array, xi: Array, value: Array, limit: float, power: int, slack: Array | None = None
    ) -> None:
        """Add rows lifted·y + (xi − power) ξ (− slack) ≤ limit − value whose sign is in them."""
        border = self.border(xi - power, 0.0 if self.transcription.at_rest else -1.0)
        own = None if slack is None else slack[:, None]
        self.program.rows(site, lifted, border, limit - value, own, None if own is None else -np.ones(own.shape))

    def _binding(self, reach: Array, xi: Array, value: Array, limit: float, power: int) -> list[Array]:
        """For either sign, mark the rows of a limit that can bind where a step changes values by at most `reach`.

        Args:
            reach: Largest change of the values by D, as `value`.
            xi: Coefficients of ξ, as `value`.
            value: Values where the step begins, in any shape.
            limit: Limit of the values.
            power: Power p of the T^p by which the rows are multiplied.
        """
        least, most = self.stretch_range
        far, sides = max(abs(least), abs(most)), []
        for sign in SIGNS:
            column = sign * xi - power
            binding = sign * value - limit + reach + np.maximum(column * least, column * most) >= 0
            if not self.transcription.at_rest:
                binding |= sign * value - limit + reach + np.abs(column) * far >= 0
            sides.append(binding & (reach + np.abs(column) > 0))  # a row of the fixed ends alone cannot be changed by the solver
        return sides
