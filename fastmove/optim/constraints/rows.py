"""Linear rows of a subproblem, collected limit by limit; those that cannot bind within the trust region are dropped.

Every constraint of the optimiser is a function or class in a file of this folder that is given the `StepModel` and adds its rows
to `LimitRows`, or its cones to `Cones`:

    joint_limits   position, velocity, acceleration, jerk
    effort         torque and torque rate
    hold           contacts, and what items tolerate
    path           a user's own constraints
    clearance      distances, fading contacts, corridors

Each says in its docstring what it asks, and where.  What the merit asks of the same limits is `Transcription.utilisation`; what
the certificate asks is in `certificate/`, written apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmove.arrays import Array
from fastmove.optim.linearization import Linearization, active_row_fraction
from fastmove.optim.samples import ConstraintGrid
from fastmove.optim.transcription import Transcription
from fastmove.optim.variable_layout import VariableLayout

SIGNS = (1.0, -1.0)


@dataclass(frozen=True)
class StepModel:
    """What every constraint of one subproblem is given.

    Attributes:
        transcription: the motion's ends, basis and limits.
        samples: where constraints are asked for.
        here: the motion that the subproblem is built around.
        radius: trust region of every control point [rad].
        stretch_range: least and largest ξ.
        layout: which variable is which.
        slope: (size, n) of the control points with ξ [rad].
    """

    transcription: Transcription
    samples: ConstraintGrid
    here: Linearization
    radius: float
    stretch_range: tuple[float, float]
    layout: VariableLayout
    slope: Array


class LimitRows:
    """Rows over the first variables (see `VariableLayout.columns`), bounds, and which rows are two sides of one limit."""

    def __init__(self, model: StepModel) -> None:
        self.model = model
        self.rows: list[Array] = []
        self.pairs: list[Array] = []
        self.bounds: list[Array] = []

    def add(
        self, d: Array, xi: Array, value: Array, limit: float, power: int, slack: Array | None = None, two_sided: bool = True
    ) -> None:
        """Rows ±(value + d D + xi ξ) ≤ limit + power ξ (+ slack), dropping those that cannot bind in the trust region.

        d: (K, size); xi, value: (K,); slack: (K,) column of a slack variable; one-sided rows have the upper side only.
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
        """Rows of one joint each: value (K, n) = matrix P / scale; dropped before they are written out."""
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
        """For either sign the rows of a limit that can bind where a step changes values by at most `reach`."""
        least, most = self.model.stretch_range
        far, found = max(abs(least), abs(most)), []
        for sign in SIGNS:
            column = sign * xi - power
            binding = sign * value - limit + reach + np.maximum(column * least, column * most) >= 0
            if not self.model.transcription.at_rest:
                binding |= sign * value - limit + reach + np.abs(column) * far >= 0
            found.append(binding & (reach + np.abs(column) > 0))  # the fixed ends are not the solver's business
        return found

    def _pair(self, above: Array, below: Array) -> None:
        """Of the rows appended last those that are two sides of one limit."""
        both, count = above & below, int(above.sum()) + int(below.sum())
        first = sum(map(len, self.rows)) - count
        upper, lower = (np.cumsum(side).reshape(side.shape)[both] - 1 for side in (above, below))
        self.pairs.append(np.stack([first + upper, first + int(above.sum()) + lower], axis=1))

    def _append(self, block: Array, sign: float, xi: Array, value: Array, limit: float, power: int) -> None:
        """Rows whose part over D, signed already, is in `block`."""
        block[:, self.model.layout.xi] = sign * xi - power
        if not self.model.transcription.at_rest:
            block[:, self.model.layout.sigma] = -1.0
        self.rows.append(block)
        self.bounds.append(limit - sign * value)

    def add_whole(self, block: Array, bound: Array) -> None:
        """Rows (K, columns) ≤ bound (K,) as they are."""
        self.rows.append(block)
        self.bounds.append(bound)
