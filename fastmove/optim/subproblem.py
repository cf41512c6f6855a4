"""The convex subproblem around one motion: rows multiplied by T^p, tangents taken there.

Unknowns: change D of the free control points, ξ = δT/T, slacks.  Both sides of a row of order p are multiplied by T^p, so that
the limits grow by 1 + p ξ at least ((1 + ξ)^p ≥ 1 + p ξ: any solution is feasible).  The rows and cones themselves are in
`constraints/`, a file for each constraint.  With a moving start the fixed control points change with T: their part of every row
joins the ξ column.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fastmove.arrays import Array
from fastmove.optim.cone_program import Cones, ConicProgram, SparseRows, solve
from fastmove.optim.constraints.clearance import add_clearance
from fastmove.optim.constraints.effort import EffortModel
from fastmove.optim.constraints.hold import HoldCones
from fastmove.optim.constraints.joint_limits import add_joint_limits
from fastmove.optim.constraints.path import add_path
from fastmove.optim.constraints.rows import LimitRows, StepModel
from fastmove.optim.linearization import STATIC_FROM, Linearization
from fastmove.optim.objective import SMOOTHNESS
from fastmove.optim.samples import ConstraintGrid
from fastmove.optim.transcription import Transcription
from fastmove.optim.variable_layout import VariableLayout

WEIGHT_CLEARANCE = 20.0  # Price of a clearance violation in the merit [s/m].
WEIGHT_STATIC = 10.0  # Price of a utilisation at rest beyond its target in the merit [s].
WEIGHT_VIOLATION = 20.0  # Price of a relative limit violation with a moving start in the merit, as a multiple of the duration.
PROXIMAL = 1e-5  # Coefficient of the quadratic cost of changes of the control points [s/rad²] and of ξ [s].


@dataclass(frozen=True)
class Step:
    """The step that a subproblem proposes.

    Attributes:
        change: (n_free, n) change of the free control points [rad].
        stretch: Relative change of the motion's duration.
        off: ξ, the relative change from the duration where tangents touch.
        value: The model's merit after the step [s].
        value_here: The model's merit where the step begins [s].
    """

    change: Array
    stretch: float
    off: float
    value: float
    value_here: float


class _SecondCost:
    """Model of the price of roughness, ε T J(P, T), around a motion: quadratic in D, linear in ξ.

    ε T₀ [J + g·D + ½ Dᵀ H D + (g_ξ − 3 J) ξ], since J of the same control points goes by T⁻⁴ and T J by T⁻³; g_ξ is the part
    of control points that change with T.

    Args:
        transcription: Ends, basis and limits of the motion.
        here: The motion that the subproblem is built around.
        smoothness: Price ε of roughness.
    """

    def __init__(self, transcription: Transcription, here: Linearization, smoothness: float) -> None:
        roughness, duration = transcription.roughness, here.duration
        points, scale = transcription.points(here.free, duration), smoothness * duration
        gradient = scale * roughness.gradient(points, duration)
        self.constant = scale * roughness.value(points, duration)
        at_origin = roughness.value(transcription.points(here.free, here.origin), here.origin)
        self.origin = smoothness * here.origin * at_origin
        self.gradient = gradient[transcription.free].ravel()
        self.stretch = float(np.sum(gradient * transcription.points_slope(duration))) - 3 * self.constant
        self.hessian = scale * roughness.hessian(duration)

    def value(self, change: Array, xi: float) -> float:
        """Price [s] after a change D (size,) of the free control points [rad] and ξ."""
        curved = float(change @ (self.gradient + self.hessian @ change / 2))
        return self.constant + curved + self.stretch * xi


class Subproblem:
    """Builds and solves one subproblem.

    Args:
        transcription: Ends, basis and limits of the motion.
        samples: Where constraints are asked for.
        here: The motion that the subproblem is built around.
        radius: Trust region of every control point [rad].
        stretch_range: Least and largest ξ.
        cones: Whether the cones of the hold are present.
        smoothness: Price ε of roughness, as a share of the duration.
    """

    def __init__(
        self,
        transcription: Transcription,
        samples: ConstraintGrid,
        here: Linearization,
        radius: float,
        stretch_range: tuple[float, float],
        cones: bool,
        smoothness: float = SMOOTHNESS,
    ) -> None:
        self.transcription, self.samples, self.here, self.radius, self.range = transcription, samples, here, radius, stretch_range
        self.layout = _layout(transcription, samples, here)
        self._second = _SecondCost(transcription, here, smoothness)
        model = StepModel(
            transcription, samples, here, radius, stretch_range, self.layout, transcription.points_slope(here.duration)
        )
        self.limits, self._cones, self._equal = LimitRows(model), Cones(), SparseRows()
        add_joint_limits(model, self.limits)
        self.efforts = EffortModel(model)
        self.efforts.add(self.limits)
        add_path(model, self.limits)
        add_clearance(model, self.limits, self._cones)
        self.variables = self.layout.columns
        if cones and transcription.problem.holds:
            hold = HoldCones(model, self.efforts.sets, self._cones)
            self._equal, self.variables = hold.equal, hold.columns

    # -- solution -------------------------------------------------------------------------------------------------

    def solve(self, tolerance: float) -> Step | None:
        """Solve for the step at this tolerance of the convex program; None if the solver fails."""
        x = solve(self.program(), tolerance)
        return None if x is None else self.step(x)

    def program(self) -> ConicProgram:
        """Assemble the convex program of all rows and cones."""
        layout, count = self.layout, self.variables
        linear, quadratic = np.zeros(count), np.zeros(count)
        linear[: layout.columns] = self._costs()
        quadratic[: layout.size] = quadratic[layout.xi] = PROXIMAL
        lower, upper = np.full(count, -np.inf), np.full(count, np.inf)
        lower[: layout.size], upper[: layout.size] = -self.radius, self.radius
        lower[layout.size : layout.xi] = 0.0
        lower[layout.xi], upper[layout.xi] = self.range
        rows = np.concatenate(self.limits.rows) if self.limits.rows else np.zeros((0, layout.columns))
        bounds = np.concatenate(self.limits.bounds) if self.limits.bounds else np.zeros(0)
        program = ConicProgram(quadratic, linear, rows, bounds, lower, upper, hessian=self._second.hessian, order=self._order())
        cones = self._cones.over(count)
        if cones is None:
            return program
        equal = self._equal.matrix(count) if self._equal.count else None
        return replace(program, pairs=np.concatenate(self.limits.pairs), cones=cones, equal=equal)

    def step(self, x: Array) -> Step:
        """Convert a solution x (nv,) of the program to a step."""
        linear, duration, size, xi = self._costs(), self.here.duration, self.layout.size, self.layout.xi
        change = np.clip(x[:size], -self.radius, self.radius).reshape(self.transcription.n_free, self.transcription.n)
        slack = np.maximum(x[size:xi], 0.0)
        stretched = duration * (1 + float(x[xi]))
        value = float(linear[size:xi] @ slack) + stretched
        value += self._second.value(change.ravel(), float(x[xi]))
        return Step(change, stretched / self.here.origin - 1, float(x[xi]), value, self._value_here())

    def _costs(self) -> Array:
        """(columns,) linear costs of the variables."""
        layout = self.layout
        linear = np.zeros(layout.columns)
        linear[layout.clearance : layout.rest] = WEIGHT_CLEARANCE
        linear[layout.rest : layout.sigma] = WEIGHT_STATIC  # path constraints at rest, too
        linear[: layout.size] = self._second.gradient
        linear[layout.xi] = self.here.duration + self._second.stretch
        if layout.violable:
            linear[layout.sigma] = WEIGHT_VIOLATION * self.here.duration
        return linear

    def _order(self) -> Array:
        """Order (columns,) of the variables that makes the rows banded.

        Control points come one after the other, every slack after the last control point of its sample, ξ and what follows last.
        """
        layout, transcription = self.layout, self.transcription
        key = np.arange(layout.columns, dtype=float)
        effort = self.samples.effort
        slacks = (
            (layout.clearance, self.samples.clearance[layout.near]),
            (layout.rest, effort[layout.at_rest]),
            (layout.path, effort[layout.stated]),
        )
        for first, sites in slacks:  # span i touches control points i … i + 3; the first three points are fixed
            key[first : first + len(sites)] = (
                np.minimum(transcription.basis.span_of(sites) + 1, transcription.n_free) * transcription.n - 0.5
            )
        return np.argsort(key, kind="stable")

    def _value_here(self) -> float:
        """The model's merit where the step begins [s]."""
        here = self.here
        value = here.origin + self._second.origin
        if len(here.contacts.sample):
            worst = np.zeros(len(self.layout.near))
            violation = (here.paddings - here.contacts.margin) * here.contacts.weight
            np.maximum.at(worst, np.searchsorted(self.layout.near, here.contacts.sample), violation)
            value += WEIGHT_CLEARANCE * float(worst.sum())
        value += WEIGHT_STATIC * self.transcription.violation_at_rest(here.flow)
        if not self.transcription.at_rest:
            value += WEIGHT_VIOLATION * here.duration * max(self.transcription.utilisation(here.flow, 1.0) - 1.0, 0.0)
        return value


def _layout(transcription: Transcription, samples: ConstraintGrid, here: Linearization) -> VariableLayout:
    """Lay out the variables of the subproblem around a motion."""
    path, fading = transcription.path, here.contacts.fading
    return VariableLayout(
        size=transcription.n_free * transcription.n,
        near=np.unique(here.contacts.sample),
        at_rest=np.nonzero(here.flow.static > STATIC_FROM)[0],
        stated=np.arange(len(samples.effort) if path is not None and path.path.anywhere.any() else 0),
        violable=not transcription.at_rest,
        fading=0 if fading is None else len(fading.sample),
    )
