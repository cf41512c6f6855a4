"""The convex subproblem around one motion: rows multiplied by T^p, tangents taken there.

Unknowns: change D of the free control points, ξ = δT/T, slacks.  With both sides of a row of order p multiplied by T^p,

    velocity       ±[u + B' D / v T]   ≤ 1 + ξ        (inner: (1 + ξ)^p ≥ 1 + p ξ, so any solution is feasible)
    acceleration   ±[…]                ≤ 1 + 2 ξ
    jerk           ±[…]                ≤ 1 + 3 ξ
    torque         ±[τ + J D + (2 g + d q̇) ξ] / τ_max ≤ 1 + 2 ξ,   J = ∂τ/∂q B + ∂τ/∂q̇ B'/T + M B''/T²
    torque rate    ±[r + J̇ D + (2 r_g + r_d) ξ] / r_max ≤ 1 + 3 ξ,   J̇ = dJ/dt by central differences: r is τ̇, so its derivative
                   is that of J, second derivatives of τ included
    hold           cones, see `hold_cones`
    clearance      margin + ∇margin B D + ∂margin/∂t s T ξ ≥ pad − e;  cones, too, see `clearance_rows`

With a moving end the fixed control points change with T: their part of every row joins the ξ column.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fastmove.arrays import Array
from fastmove.dynamics.efforts import Linearised
from fastmove.optim.cone_program import Cones, ConicProgram, SparseRows, solve
from fastmove.optim.constraints.clearance import ClearanceRows
from fastmove.optim.constraints.effort import EffortRows
from fastmove.optim.constraints.hold import HoldCones
from fastmove.optim.constraints.path import POWER as PATH_POWER
from fastmove.optim.linearization import IDLE, RATE_STEP, STATIC_FROM, Linearization, active_row_fraction
from fastmove.optim.margins import STATIC_MAX, STATIC_TARGET
from fastmove.optim.samples import ConstraintGrid
from fastmove.optim.transcription import Transcription
from fastmove.optim.variable_layout import VariableLayout

WEIGHT_CLEARANCE = 20.0  # [s/m]
WEIGHT_STATIC = 10.0  # [s]
WEIGHT_VIOLATION = 20.0  # [1], times T: limits violated by a moving start's motion
PROXIMAL = 1e-5
SIGNS = (1.0, -1.0)


@dataclass(frozen=True)
class Step:
    """Attributes:
    change: (n_free, n);  stretch: of the motion's duration;  off: ξ, from where tangents touch.
    value, value_here: the model's merit at the step and where it begins.
    """

    change: Array
    stretch: float
    off: float
    value: float
    value_here: float


class Subproblem:
    """Builds and solves one subproblem.

    Args:
        radius: trust region on every control point [rad].
        stretch_range: allowed ξ.
        cones: whether hold rows are present.
    """

    def __init__(
        self,
        transcription: Transcription,
        samples: ConstraintGrid,
        here: Linearization,
        radius: float,
        stretch_range: tuple[float, float],
        cones: bool,
    ) -> None:
        self.transcription, self.samples, self.here = transcription, samples, here
        self.radius, self.range = radius, stretch_range
        fading = here.contacts.fading
        self.layout = VariableLayout(
            size=transcription.n_free * transcription.n,
            near=np.unique(here.contacts.sample),
            at_rest=np.nonzero(here.flow.static > STATIC_FROM)[0],
            stated=np.arange(
                len(samples.effort) if transcription.path is not None and transcription.path.path.anywhere.any() else 0
            ),
            violable=not transcription.at_rest,
            fading=0 if fading is None else len(fading.sample),
        )
        self.slope = transcription.points_slope(here.duration)
        self.rows: list[Array] = []
        self.pairs: list[Array] = []
        self.bounds: list[Array] = []
        self._kinematics()
        self._efforts()
        self._path()
        self._cones, self._equal = Cones(), SparseRows()
        self._clearance()
        self.variables = self._hold() if cones and transcription.problem.holds else self.layout.columns

    # -- rows -----------------------------------------------------------------------------------------------------

    def _add(
        self, d: Array, xi: Array, value: Array, limit: float, power: int, slack: Array | None = None, two_sided: bool = True
    ) -> None:
        """Rows ±(value + d D + xi ξ) ≤ limit + power ξ (+ slack), dropping those that cannot bind in the trust region.

        d: (K, size); xi, value: (K,); slack: (K,) column of a slack variable; one-sided rows have the upper side only.
        """
        reach = np.abs(d).sum(axis=1) * self.radius
        if slack is None:
            reach = active_row_fraction(self.transcription) * reach
        sides = self._binding(reach, xi, value, limit, power)
        if not two_sided:
            sides[1][:] = False
        for sign, binding in zip(SIGNS, sides, strict=True):
            block = np.zeros((int(binding.sum()), self.layout.columns))
            block[:, : self.layout.size] = sign * d[binding]
            if slack is not None:
                block[np.arange(len(block)), slack[binding]] = -1.0
            self._append(block, sign, xi[binding], value[binding], limit, power)
        self._pair(*sides)

    def _per_joint(self, design_matrix: Array, value: Array, scale: Array, power: int) -> None:
        """Rows of one joint each: value (K, n) = matrix P / scale; dropped before they are written out."""
        transcription, free = self.transcription, design_matrix[:, self.transcription.free]
        reach = np.abs(free).sum(axis=1)[:, None] / scale * self.radius
        xi = design_matrix @ self.slope / scale
        sides = self._binding(reach, xi, value, 1.0, power)
        for sign, binding in zip(SIGNS, sides, strict=True):
            k, joint = np.nonzero(binding)
            block = np.zeros((len(k), self.layout.columns))
            block[:, : self.layout.size].reshape(len(k), transcription.n_free, transcription.n)[np.arange(len(k)), :, joint] = (
                sign * free[k] / scale[joint][:, None]
            )
            self._append(block, sign, xi[k, joint], value[k, joint], 1.0, power)
        self._pair(*sides)

    def _binding(self, reach: Array, xi: Array, value: Array, limit: float, power: int) -> list[Array]:
        """For either sign the rows of a limit that can bind where a step changes values by at most `reach`."""
        far, found = max(abs(self.range[0]), abs(self.range[1])), []
        for sign in SIGNS:
            column = sign * xi - power
            binding = sign * value - limit + reach + np.maximum(column * self.range[0], column * self.range[1]) >= 0
            if not self.transcription.at_rest:
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
        block[:, self.layout.xi] = sign * xi - power
        if not self.transcription.at_rest:
            block[:, self.layout.sigma] = -1.0
        self.rows.append(block)
        self.bounds.append(limit - sign * value)

    def _kinematics(self) -> None:
        transcription, s, flow, duration = self.transcription, self.samples, self.here.flow, self.here.duration
        self._per_joint(s.hull1, flow.speed, transcription.velocity * duration, 1)
        self._per_joint(s.b2_break, flow.acceleration, transcription.acceleration * duration**2, 2)
        self._per_joint(s.b3_span, flow.jerk, transcription.jerk * duration**3, 3)
        half, middle = (transcription.high - transcription.low) / 2, (transcription.high + transcription.low) / 2
        q = s.hull0 @ transcription.points(self.here.free, duration)
        self._per_joint(s.hull0, (q - middle) / half, half, 0)

    def _efforts(self) -> None:
        transcription, here, n = self.transcription, self.here, self.transcription.n
        lin, efforts = here.lin, here.lin.efforts
        good = np.nonzero(here.flow.static <= STATIC_MAX)[0]
        jacobian = self._chain(self.samples.b_effort, lin, here.duration)
        self.effort_free = jacobian[..., transcription.free, :]
        self.effort_xi = 2 * efforts.gravity + efforts.viscous + np.einsum("kmrci,ci->kmr", jacobian, self.slope)
        self.sets = [EffortRows(efforts.total[good], self.effort_free[good], self.effort_xi[good], 1.0, 2, None)]
        rest = self.layout.at_rest
        if len(rest):
            b = self.samples.b_effort[0][rest]
            slope = transcription.dynamics.gravity_slope(b @ transcription.points(here.free, here.duration), here.members)
            jacobian = slope[:, :, :, None, :] * b[:, None, None, :, None]
            xi = np.einsum("kmrci,ci->kmr", jacobian, self.slope)
            slack = self.layout.rest + np.arange(len(rest))
            self.sets.append(EffortRows(efforts.gravity[rest], jacobian[..., transcription.free, :], xi, STATIC_TARGET, 0, slack))
        for e in self.sets:
            self._scaled(e.free[:, :, :n], e.xi[:, :, :n], e.value[:, :, :n], transcription.effort_max, e.limit, e.power, e.slack)
        if here.rate_lin is not None and here.flow.rate is not None:
            sides = zip((1.0, -1.0), here.rate_lin, strict=True)
            step = RATE_STEP / here.duration
            chains = [s * self._chain(self.samples.rate_beside(s * step), lin, here.duration, n) for s, lin in sides]
            jacobian = (chains[0] + chains[1]) / (2 * RATE_STEP)
            gravity, viscous, rest = (x if here.members is None else x[:, here.members] for x in here.flow.rate)
            xi = 2 * gravity + viscous + np.einsum("kmrci,ci->kmr", jacobian, self.slope)
            self._scaled(jacobian[..., transcription.free, :], xi, gravity + viscous + rest, transcription.rate_max, 1.0, 3, None)

    def _path(self) -> None:
        """Rows of the path constraints, in motion and at rest."""
        transcription, here, matrices = self.transcription, self.here, self.samples.b_effort
        if transcription.path is None or here.flow.path is None:
            return
        value, slope, xi = transcription.path.in_motion(here.flow.path, matrices, here.duration)
        self._add_stated(value, slope, xi, PATH_POWER, None)
        value, slope, xi, sample = transcription.path.at_rest(here.flow.path, matrices[0])
        self._add_stated(value, slope, xi, 0, self.layout.path + sample)

    def _add_stated(self, value: Array, slope: Array, xi: Array, power: int, slack: Array | None) -> None:
        """One-sided rows with slopes (R, size, n) over all control points."""
        xi = xi + np.einsum("rci,ci->r", slope, self.slope)
        free = slope[:, self.transcription.free].reshape(len(value), self.layout.size)
        self._add(free, xi, value, 1.0, power, slack, two_sided=False)

    def _chain(self, matrices: list[Array], lin: Linearised, duration: float, rows: int | None = None) -> Array:
        """(N, members, rows, size, n): ∂/∂q B + ∂/∂v B'/T + ∂/∂a B''/T²."""
        parts = zip((lin.dq, lin.dv, lin.da), matrices, range(3), strict=False)
        return sum(d[:, :, :rows, None, :] * (b / duration**k)[:, None, None, :, None] for d, b, k in parts)  # type: ignore[return-value]

    def _scaled(self, d: Array, xi: Array, value: Array, scale: Array, limit: float, power: int, slack: Array | None) -> None:
        """Rows (K, members, joints), divided by a limit per joint; slack: (K,) columns."""
        finite = np.isfinite(scale)
        if not np.any(finite):
            return
        scale = scale[finite]
        d, xi, value = d[:, :, finite] / scale[:, None, None], xi[:, :, finite] / scale, value[:, :, finite] / scale
        if value.shape[1] > 2:  # of a set only the members that are highest and lowest now; the merit sees them all
            worst = np.stack([value.argmax(axis=1), value.argmin(axis=1)], axis=1)
            d = np.take_along_axis(d, worst[..., None, None], axis=1)
            xi, value = np.take_along_axis(xi, worst, axis=1), np.take_along_axis(value, worst, axis=1)
        columns = None if slack is None else np.broadcast_to(slack[:, None, None], xi.shape).ravel()
        d, xi, value = d.reshape(-1, self.layout.size), xi.ravel(), value.ravel()
        if active_row_fraction(self.transcription) < 1 and slack is None:
            busy = np.abs(value) > IDLE
            d, xi, value = d[busy], xi[busy], value[busy]
        self._add(d, xi, value, limit, power, columns)

    def _clearance(self) -> None:
        """Rows and cones of what is near."""
        here, contacts = self.here, self.here.contacts
        if len(contacts.sample) == 0:
            return
        found = ClearanceRows(
            self.transcription,
            self.samples,
            contacts,
            here.paddings,
            here.duration,
            self.layout,
            self.slope,
            self.radius,
            self.range,
            active_row_fraction(self.transcription),
        )
        parts = [found.distances()]
        if contacts.fading is not None:
            parts.append(found.fading(self._cones))
        if contacts.corridor is not None:
            found.corridors(self._cones)
        for rows, bounds in parts:
            self.rows.append(rows)
            self.bounds.append(bounds)

    def _hold(self) -> int:
        """Cones of the hold; the number of variables, with theirs at the end."""
        found = HoldCones(self.transcription, self.sets, self.here.members, self.radius, self.range, self.layout, self._cones)
        self._equal = found.equal
        return found.columns

    # -- solution -------------------------------------------------------------------------------------------------

    def solve(self, tolerance: float) -> Step | None:
        """The step, or None where the solver fails."""
        found = solve(self.program(), tolerance)
        return None if found is None else self.step(found)

    def program(self) -> ConicProgram:
        """The convex program of all rows and cones."""
        layout, count = self.layout, self.variables
        linear, quadratic = np.zeros(count), np.zeros(count)
        linear[: layout.columns] = self._costs()
        quadratic[: layout.size] = quadratic[layout.xi] = PROXIMAL
        lower, upper = np.full(count, -np.inf), np.full(count, np.inf)
        lower[: layout.size], upper[: layout.size] = -self.radius, self.radius
        lower[layout.size : layout.xi] = 0.0
        lower[layout.xi], upper[layout.xi] = self.range
        rows = np.concatenate(self.rows) if self.rows else np.zeros((0, layout.columns))
        bounds = np.concatenate(self.bounds) if self.bounds else np.zeros(0)
        program = ConicProgram(quadratic, linear, rows, bounds, lower, upper, order=self._order())
        cones = self._cones.over(count)
        if cones is None:
            return program
        equal = self._equal.matrix(count) if self._equal.count else None
        return replace(program, pairs=np.concatenate(self.pairs), cones=cones, equal=equal)

    def step(self, x: Array) -> Step:
        """The step that a solution of the program means."""
        linear, duration, size, xi = self._costs(), self.here.duration, self.layout.size, self.layout.xi
        change = np.clip(x[:size], -self.radius, self.radius).reshape(self.transcription.n_free, self.transcription.n)
        slack = np.maximum(x[size:xi], 0.0)
        stretched = duration * (1 + float(x[xi]))
        value = stretched + float(linear[size:xi] @ slack)
        return Step(change, stretched / self.here.origin - 1, float(x[xi]), value, self._value_here())

    def _costs(self) -> Array:
        layout = self.layout
        linear = np.zeros(layout.columns)
        linear[layout.clearance : layout.rest] = WEIGHT_CLEARANCE
        linear[layout.rest : layout.sigma] = WEIGHT_STATIC  # path constraints at rest, too
        linear[layout.xi] = self.here.duration
        if layout.violable:
            linear[layout.sigma] = WEIGHT_VIOLATION * self.here.duration
        return linear

    def _order(self) -> Array:
        """Variables by control point, every slack after the last control point of its sample, ξ and what follows at the end."""
        layout, transcription = self.layout, self.transcription
        key = np.arange(layout.columns, dtype=float)
        effort = self.samples.effort
        slacks = (
            (layout.clearance, self.samples.clearance[layout.near]),
            (layout.rest, effort[layout.at_rest]),
            (layout.path, effort[layout.stated]),
        )
        for first, sites in slacks:  # span i touches control points i … i + 3, of which the first three are fixed
            key[first : first + len(sites)] = (
                np.minimum(transcription.basis.span_of(sites) + 1, transcription.n_free) * transcription.n - 0.5
            )
        return np.argsort(key, kind="stable")

    def _value_here(self) -> float:
        """The model's merit where the step begins."""
        here = self.here
        value = here.origin
        if len(here.contacts.sample):
            lacking = np.zeros(len(self.layout.near))
            lack = (here.paddings - here.contacts.margin) * here.contacts.weight
            np.maximum.at(lacking, np.searchsorted(self.layout.near, here.contacts.sample), lack)
            value += WEIGHT_CLEARANCE * float(lacking.sum())
        value += WEIGHT_STATIC * self.transcription.violation_at_rest(here.flow)
        if not self.transcription.at_rest:
            value += WEIGHT_VIOLATION * here.duration * max(self.transcription.utilisation(here.flow, 1.0) - 1.0, 0.0)
        return value
