"""Linear rows of a subproblem, collected limit by limit; rows that cannot bind within the trust region are dropped.

Every constraint of the optimiser is a function or class in a file of this folder that is given the `StepModel` and adds its rows
to `LimitRows`, or its cones to `Cones`:

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

import numpy as np

from fastmove.arrays import Array
from fastmove.optim.linearization import Linearization, active_row_fraction
from fastmove.optim.samples import ConstraintGrid
from fastmove.optim.transcription import Transcription
from fastmove.optim.variable_layout import VariableLayout

SIGNS = (1.0, -1.0)  # Signs of the upper and the lower side of a limit.


@dataclass(frozen=True)
class StepModel:
    """What every constraint of one subproblem is given.

    Attributes:
        transcription: Ends, basis and limits of the motion.
        samples: Where constraints are asked for.
        here: The motion that the subproblem is built around.
        radius: Trust region of every control point [rad].
        stretch_range: Least and largest ξ.
        layout: Columns of the variables.
        slope: (size, n) derivative of the control points with respect to ξ [rad].
    """

    transcription: Transcription
    samples: ConstraintGrid
    here: Linearization
    radius: float
    stretch_range: tuple[float, float]
    layout: VariableLayout
    slope: Array


class LimitRows:
    """Rows over the first variables (see `VariableLayout.columns`), collected limit by limit.

    Args:
        model: The subproblem.

    Attributes:
        rows: Blocks (K, columns) of rows.
        pairs: Blocks (P, 2) of rows that are the two sides of one limit.
        bounds: Right-hand sides (K,) of the blocks of rows.
    """

    def __init__(self, model: StepModel) -> None:
        self.model = model
        self.rows: list[Array] = []
        self.pairs: list[Array] = []
        self.bounds: list[Array] = []

    def add(
        self, d: Array, xi: Array, value: Array, limit: float, power: int, slack: Array | None = None, two_sided: bool = True
    ) -> None:
        """Add rows ±(value + d D + xi ξ) ≤ limit + power ξ (+ slack), dropping those that cannot bind in the trust region.

        Args:
            d: (K, size) coefficients of D.
            xi: (K,) coefficients of ξ.
            value: (K,) values where the step begins, in shares of their limits.
            limit: Share of the limits that may be used.
            power: Power p of the T^p by which the rows are multiplied.
            slack: (K,) columns of slacks, or None.
            two_sided: Whether values are limited from below, too.
        """
        reach = np.abs(d).sum(axis=1) * self.model.radius
        if slack is None:
            reach = active_row_fraction(self.model.transcription) * reach
        sides = self._binding(reach, xi, value, limit, power)
        if not two_sided:
            sides[1][:] = False
        for sign, binding in zip(SIGNS, sides, strict=True):
            block = np.zeros((int(binding.sum()), self.model.layout.columns))
            block[:, : self.model.layout.size] = sign * d[binding]
            if slack is not None:
                block[np.arange(len(block)), slack[binding]] = -1.0
            self._append(block, sign, xi[binding], value[binding], limit, power)
        self._pair(*sides)

    def add_per_joint(self, design_matrix: Array, value: Array, scale: Array, power: int) -> None:
        """Add rows of one joint each, dropping those that cannot bind before they are written out.

        Args:
            design_matrix: (K, size) basis matrix.
            value: (K, n) values where the step begins, design_matrix P / scale, up to a constant.
            scale: (n,) limits of the joints, times T^power.
            power: Power p of the T^p by which the rows are multiplied.
        """
        transcription, free = self.model.transcription, design_matrix[:, self.model.transcription.free]
        reach = np.abs(free).sum(axis=1)[:, None] / scale * self.model.radius
        xi = design_matrix @ self.model.slope / scale
        sides = self._binding(reach, xi, value, 1.0, power)
        for sign, binding in zip(SIGNS, sides, strict=True):
            k, joint = np.nonzero(binding)
            block = np.zeros((len(k), self.model.layout.columns))
            block[:, : self.model.layout.size].reshape(len(k), transcription.n_free, transcription.n)[
                np.arange(len(k)), :, joint
            ] = sign * free[k] / scale[joint][:, None]
            self._append(block, sign, xi[k, joint], value[k, joint], 1.0, power)
        self._pair(*sides)

    def _binding(self, reach: Array, xi: Array, value: Array, limit: float, power: int) -> list[Array]:
        """For either sign, mark the rows of a limit that can bind where a step changes values by at most `reach`.

        Args:
            reach: Largest change of the values by D, as `value`.
            xi: Coefficients of ξ, as `value`.
            value: Values where the step begins, in any shape.
            limit: Limit of the values.
            power: Power p of the T^p by which the rows are multiplied.
        """
        least, most = self.model.stretch_range
        far, sides = max(abs(least), abs(most)), []
        for sign in SIGNS:
            column = sign * xi - power
            binding = sign * value - limit + reach + np.maximum(column * least, column * most) >= 0
            if not self.model.transcription.at_rest:
                binding |= sign * value - limit + reach + np.abs(column) * far >= 0
            sides.append(binding & (reach + np.abs(column) > 0))  # a row of the fixed ends alone cannot be changed by the solver
        return sides

    def _pair(self, above: Array, below: Array) -> None:
        """Record which of the rows appended last are two sides of one limit, given masks of the upper and the lower sides."""
        both, count = above & below, int(above.sum()) + int(below.sum())
        first = sum(map(len, self.rows)) - count
        upper, lower = (np.cumsum(side).reshape(side.shape)[both] - 1 for side in (above, below))
        self.pairs.append(np.stack([first + upper, first + int(above.sum()) + lower], axis=1))

    def _append(self, block: Array, sign: float, xi: Array, value: Array, limit: float, power: int) -> None:
        """Append rows whose part over D, signed already, is in `block`."""
        block[:, self.model.layout.xi] = sign * xi - power
        if not self.model.transcription.at_rest:
            block[:, self.model.layout.sigma] = -1.0
        self.rows.append(block)
        self.bounds.append(limit - sign * value)

    def add_whole(self, block: Array, bound: Array) -> None:
        """Add rows (K, columns) x ≤ bound (K,) as they are."""
        self.rows.append(block)
        self.bounds.append(bound)
