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
from fastmove.optim.constraints.rows import SIGNS, IdleRows, StepModel
from fastmove.optim.linearization import IDLE, RATE_STEP, STATIC_FROM, active_row_fraction
from fastmove.optim.margins import STATIC_MAX, STATIC_TARGET
from fastmove.optim.samples import SpanRows


@dataclass(frozen=True)
class EffortRows:
    """Linearised torques and wrenches, value + free·D + xi ξ, which may use the share limit + power ξ + slack of their limits.

    Attributes:
        value: (K, members, rows) efforts where the step begins [Nm], [N].
        xi: (K, members, rows) derivatives with respect to ξ.
        limit: Share of the limits that may be used.
        power: Power p of the T^p by which the rows are multiplied.
        span: (K,) spans of the samples.
        free: (K, members, rows, 4, n) derivatives with respect to the control points of the span, 0 to those that are fixed.
        slope: (K, members, rows, n) derivatives with respect to the configuration; at rest only.
        site: (K,) sites of the samples; at rest only.
        slack: (K,) their slacks; at rest only.
    """

    value: Array
    xi: Array
    limit: float
    power: int
    span: Array
    free: Array
    slope: Array | None = None
    site: Array | None = None
    slack: Array | None = None

    @property
    def at_rest(self) -> bool:
        """Whether these are efforts of the arm at rest, which have a slack each."""
        return self.slack is not None


class EffortModel:
    """Torques and contact wrenches of one subproblem, with their derivatives.

    Args:
        model: The subproblem.
        price: Price of a slack at rest.

    Attributes:
        in_motion: Efforts in motion.
        resting: Efforts at rest, if some are near their limit.
    """

    def __init__(self, model: StepModel, price: float) -> None:
        self.model = model
        here, rows = model.here, model.samples.efforts
        lin, efforts = here.lin, here.lin.efforts
        good = np.nonzero(here.flow.static <= STATIC_MAX)[0]
        free, moved = _chain(model, rows, lin, here.duration)
        xi = 2 * efforts.gravity + efforts.viscous + moved
        self.in_motion = EffortRows(efforts.total[good], xi[good], 1.0, 2, rows.span[good], free[good])
        self.resting = self._at_rest(price)

    @property
    def sets(self) -> list[EffortRows]:
        """Efforts in motion, and then those at rest if some are near their limit."""
        return [self.in_motion] if self.resting is None else [self.in_motion, self.resting]

    def _at_rest(self, price: float) -> EffortRows | None:
        """Efforts at rest where they use more than `STATIC_FROM`, with their sites and slacks; None if there are none."""
        model, here, transcription, program = self.model, self.model.here, self.model.transcription, self.model.program
        rest = np.nonzero(here.flow.static > STATIC_FROM)[0]
        if not len(rest):
            return None
        rows = model.samples.efforts.chosen(rest)
        basis = rows.values[0] * rows.free
        slope = transcription.dynamics.gravity_slope(rows.moved(transcription.points(here.free, here.duration)), here.members)
        xi = np.einsum("kmri,ki->kmr", slope, rows.moved(model.slope))
        site = program.places(rows.span, basis)
        slack = program.own(site, price)
        program.positive(site, slack)
        free = slope[:, :, :, None, :] * basis[:, None, None, :, None]
        value = here.lin.efforts.gravity[rest]
        return EffortRows(value, xi, STATIC_TARGET, 0, rows.span, free, slope, site, slack)

    def add(self) -> None:
        """Add the rows of torque and torque rate."""
        model, transcription, here, n = self.model, self.model.transcription, self.model.here, self.model.transcription.n
        e = self.in_motion
        _add_scaled(model, e.span, e.free[:, :, :n], e.xi[:, :, :n], e.value[:, :, :n], transcription.effort_max, e.power)
        if self.resting is not None:
            self._add_resting(self.resting)
        if here.rate_lin is not None and here.flow.rate is not None:
            step = RATE_STEP / here.duration
            chains = [
                _chain(model, model.samples.rates_beside(side * step), lin, here.duration, n)
                for side, lin in zip(SIGNS, here.rate_lin, strict=True)
            ]
            free, moved = ((after - before) / (2 * RATE_STEP) for after, before in zip(*chains, strict=True))
            gravity, viscous, rest = (x if here.members is None else x[:, here.members] for x in here.flow.rate)
            value = gravity + viscous + rest
            _add_scaled(model, model.samples.rates.span, free, 2 * gravity + viscous + moved, value, transcription.rate_max, 3)

    def _add_resting(self, e: EffortRows) -> None:
        """Add the rows of torque at rest."""
        assert e.slope is not None and e.site is not None and e.slack is not None
        model, n, limits = self.model, self.model.transcription.n, self.model.transcription.effort_max
        finite = np.isfinite(limits)
        value, xi, slope = (x[:, :, :n][:, :, finite] for x in (e.value, e.xi, e.slope))
        scale = limits[finite]
        value, xi, slope = value / scale, xi / scale, slope / scale[:, None]
        value, xi, slope = _outermost(value, xi, slope)
        each = np.broadcast_to(np.arange(len(value))[:, None, None], value.shape).ravel()
        freedom = (model.samples.efforts.values[0] * model.samples.efforts.free).sum(axis=1)
        freedom = freedom[np.nonzero(model.here.flow.static > STATIC_FROM)[0]][each]
        for sign in SIGNS:
            parts = (sign * slope).reshape(-1, n), freedom, sign * xi.ravel(), sign * value.ravel()
            model.add_at_rest(e.site[each], *parts, e.limit, e.slack[each])


def _chain(model: StepModel, rows: SpanRows, lin: Linearised, duration: float, wanted: int | None = None) -> tuple[Array, Array]:
    """Derivatives of efforts by the chain rule, ∂/∂q B + ∂/∂v B'/T + ∂/∂a B''/T².

    Args:
        model: The subproblem.
        rows: Basis values by order of derivative from 0.
        lin: Efforts with derivatives.
        duration: Duration T [s].
        wanted: Number of first rows that are wanted; None = all.

    Returns:
        Derivatives (N, members, rows, 4, n) with respect to the control points, 0 to those that are fixed, and (N, members, rows)
        with respect to ξ through those that change with it.
    """
    parts = [
        (d[:, :, :wanted], b / duration**k) for k, (d, b) in enumerate(zip((lin.dq, lin.dv, lin.da), rows.values, strict=False))
    ]
    free = sum(d[:, :, :, None, :] * (b * rows.free)[:, None, None, :, None] for d, b in parts)
    if model.transcription.at_rest:
        return np.asarray(free), np.zeros(free.shape[:3])  # type: ignore[union-attr]
    moved = [np.einsum("kmri,ki->kmr", d, rows.moved(model.slope, k)) / duration**k for k, (d, _) in enumerate(parts)]
    return np.asarray(free), np.asarray(sum(moved))


def _outermost(value: Array, *others: Array) -> tuple[Array, ...]:
    """Of more than two members only the largest and the smallest value of each row; the merit sees all."""
    if value.shape[1] <= 2:
        return value, *others
    worst = np.stack([value.argmax(axis=1), value.argmin(axis=1)], axis=1)
    take = lambda x: np.take_along_axis(x, worst.reshape(worst.shape + (1,) * (x.ndim - 3)), axis=1)  # noqa: E731
    return take(value), *map(take, others)


def _add_scaled(model: StepModel, span: Array, free: Array, xi: Array, value: Array, scale: Array, power: int) -> None:
    """Add rows of efforts in motion that are divided by a limit for each joint; joints without a limit have none.

    Args:
        model: The subproblem.
        span: (K,) spans.
        free: (K, members, n, 4, n) derivatives with respect to the control points.
        xi: (K, members, n) derivatives with respect to ξ.
        value: (K, members, n) efforts.
        scale: (n,) limits.
        power: Power p of the T^p by which the rows are multiplied.
    """
    finite = np.isfinite(scale)
    if not np.any(finite):
        return
    scale = scale[finite]
    value, xi, free = _outermost(value[:, :, finite] / scale, xi[:, :, finite] / scale, free[:, :, finite] / scale[:, None, None])
    each = np.broadcast_to(np.arange(len(value))[:, None, None], value.shape).ravel()
    free, xi, value = free.reshape(len(each), -1), xi.ravel(), value.ravel()
    busy = np.abs(value) > (IDLE if power == 2 else 0.0)
    if active_row_fraction(model.transcription) == 1:
        idle = ~busy
        model.idle.append(IdleRows(span[each[idle]], free[idle], xi[idle], value[idle], power))
    model.add_limits(span[each[busy]], free[busy], xi[busy], value[busy], 1.0, power)
