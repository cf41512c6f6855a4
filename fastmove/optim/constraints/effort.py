"""Rows of torque and torque rate, and the linearised efforts from which cones of contact wrenches are built.

torque         ±[τ + J D + (2 g + d q̇) ξ] / τ_max ≤ 1 + 2 ξ,   J = ∂τ/∂q B + ∂τ/∂q̇ B'/T + M B''/T²
torque rate    ±[r + J̇ D + (2 r_g + r_d) ξ] / r_max ≤ 1 + 3 ξ,   J̇ = dJ/dt by central differences: r is τ̇, so its derivative
               is that of J, second derivatives of τ included
at rest        ±[g + ∂g/∂q B D] / τ_max ≤ 0.97 + h, wherever the utilisation at rest exceeds 60 %
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmove.arrays import Array
from fastmove.dynamics.efforts import Linearised
from fastmove.optim.constraints.rows import LimitRows, StepModel
from fastmove.optim.linearization import IDLE, RATE_STEP, active_row_fraction
from fastmove.optim.margins import STATIC_MAX, STATIC_TARGET


@dataclass(frozen=True)
class EffortRows:
    """Linearised torques and wrenches, value + free·D + xi ξ, which may use the share limit + power ξ + slack of their limits.

    Attributes:
        value: (K, members, rows) efforts where the step begins [Nm], [N].
        free: (K, members, rows, n_free, n) derivatives with respect to the free control points.
        xi: (K, members, rows) derivatives with respect to ξ.
        limit: Share of the limits that may be used.
        power: Power p of the T^p by which the rows are multiplied.
        slack: (K,) columns of slacks; None in motion.
    """

    value: Array
    free: Array
    xi: Array
    limit: float
    power: int
    slack: Array | None

    @property
    def at_rest(self) -> bool:
        """Whether these are efforts of the arm at rest, which have a slack each."""
        return self.slack is not None


class EffortModel:
    """Torques and contact wrenches of one subproblem, with their derivatives.

    Args:
        model: The subproblem.

    Attributes:
        free: (N, members, rows, n_free, n) derivatives of the efforts in motion with respect to the free control points.
        xi: (N, members, rows) derivatives of the efforts in motion with respect to ξ.
        sets: Efforts in motion, and then those at rest if some are near their limit.
    """

    def __init__(self, model: StepModel) -> None:
        self.model = model
        transcription, here = model.transcription, model.here
        lin, efforts = here.lin, here.lin.efforts
        good = np.nonzero(here.flow.static <= STATIC_MAX)[0]
        jacobian = _chain(model.samples.b_effort, lin, here.duration)
        self.free = jacobian[..., transcription.free, :]
        self.xi = 2 * efforts.gravity + efforts.viscous + np.einsum("kmrci,ci->kmr", jacobian, model.slope)
        self.sets = [EffortRows(efforts.total[good], self.free[good], self.xi[good], 1.0, 2, None)]
        rest = model.layout.at_rest
        if len(rest):
            b = model.samples.b_effort[0][rest]
            slope = transcription.dynamics.gravity_slope(b @ transcription.points(here.free, here.duration), here.members)
            jacobian = slope[:, :, :, None, :] * b[:, None, None, :, None]
            xi = np.einsum("kmrci,ci->kmr", jacobian, model.slope)
            slack = model.layout.rest + np.arange(len(rest))
            self.sets.append(EffortRows(efforts.gravity[rest], jacobian[..., transcription.free, :], xi, STATIC_TARGET, 0, slack))

    def add(self, rows: LimitRows) -> None:
        """Add the rows of torque and torque rate."""
        transcription, here, n = self.model.transcription, self.model.here, self.model.transcription.n
        for e in self.sets:
            parts = e.free[:, :, :n], e.xi[:, :, :n], e.value[:, :, :n]
            _add_scaled(rows, *parts, transcription.effort_max, e.limit, e.power, e.slack)
        if here.rate_lin is not None and here.flow.rate is not None:
            step = RATE_STEP / here.duration
            chains = [
                side * _chain(self.model.samples.rate_beside(side * step), lin, here.duration, n)
                for side, lin in zip((1.0, -1.0), here.rate_lin, strict=True)
            ]
            jacobian = (chains[0] + chains[1]) / (2 * RATE_STEP)
            gravity, viscous, rest = (x if here.members is None else x[:, here.members] for x in here.flow.rate)
            xi = 2 * gravity + viscous + np.einsum("kmrci,ci->kmr", jacobian, self.model.slope)
            value = gravity + viscous + rest
            _add_scaled(rows, jacobian[..., transcription.free, :], xi, value, transcription.rate_max, 1.0, 3, None)


def _chain(matrices: list[Array], lin: Linearised, duration: float, rows: int | None = None) -> Array:
    """Derivatives (N, members, rows, size, n) of efforts with respect to control points: ∂/∂q B + ∂/∂v B'/T + ∂/∂a B''/T².

    Args:
        matrices: Basis matrices (N, size), by order of derivative from 0.
        lin: Efforts with derivatives.
        duration: Duration T [s].
        rows: Number of first rows that are wanted; None = all.
    """
    parts = zip((lin.dq, lin.dv, lin.da), matrices, range(3), strict=False)
    return sum(d[:, :, :rows, None, :] * (b / duration**k)[:, None, None, :, None] for d, b, k in parts)  # type: ignore[return-value]


def _add_scaled(
    rows: LimitRows, d: Array, xi: Array, value: Array, scale: Array, limit: float, power: int, slack: Array | None
) -> None:
    """Add rows of efforts that are divided by a limit for each joint; joints without a limit have none.

    Args:
        rows: Rows to add to.
        d: (K, members, n, n_free, n) derivatives with respect to the free control points.
        xi: (K, members, n) derivatives with respect to ξ.
        value: (K, members, n) efforts.
        scale: (n,) limits.
        limit: Share of the limits that may be used.
        power: Power p of the T^p by which the rows are multiplied.
        slack: (K,) columns of slacks, or None.
    """
    finite = np.isfinite(scale)
    if not np.any(finite):
        return
    scale = scale[finite]
    d, xi, value = d[:, :, finite] / scale[:, None, None], xi[:, :, finite] / scale, value[:, :, finite] / scale
    if value.shape[1] > 2:  # only the largest and the smallest member get rows; the merit sees all
        worst = np.stack([value.argmax(axis=1), value.argmin(axis=1)], axis=1)
        d = np.take_along_axis(d, worst[..., None, None], axis=1)
        xi, value = np.take_along_axis(xi, worst, axis=1), np.take_along_axis(value, worst, axis=1)
    columns = None if slack is None else np.broadcast_to(slack[:, None, None], xi.shape).ravel()
    d, xi, value = d.reshape(-1, rows.model.layout.size), xi.ravel(), value.ravel()
    if active_row_fraction(rows.model.transcription) < 1 and slack is None:
        busy = np.abs(value) > IDLE
        d, xi, value = d[busy], xi[busy], value[busy]
    rows.add(d, xi, value, limit, power, columns)
