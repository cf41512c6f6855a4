"""The convex subproblem around one motion: rows multiplied by T^p, tangents taken there.

Unknowns: change D of the free control points, ξ = δT/T, slacks.  Both sides of a row of order p are multiplied by T^p, so that
the limits grow by 1 + p ξ at least ((1 + ξ)^p ≥ 1 + p ξ: any solution is feasible).  The rows and cones themselves are in
`constraints/`, a file for each constraint.  With a moving start the fixed control points change with T: their part of every row
joins the ξ column.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmove.arrays import Array
from fastmove.optim.banded_program import BandedProgram, Solution
from fastmove.optim.constraints.clearance import add_clearance
from fastmove.optim.constraints.effort import EffortModel
from fastmove.optim.constraints.hold import HoldCones
from fastmove.optim.constraints.joint_limits import add_joint_limits
from fastmove.optim.constraints.path import add_path
from fastmove.optim.constraints.rows import SIGMA, XI, StepModel
from fastmove.optim.linearization import Linearization
from fastmove.optim.objective import SMOOTHNESS
from fastmove.optim.samples import ConstraintGrid
from fastmove.optim.transcription import Transcription

WEIGHT_CLEARANCE = 20.0  # Price of a clearance violation in the merit [s/m].
WEIGHT_STATIC = 10.0  # Price of a utilisation at rest beyond its target in the merit [s].
WEIGHT_VIOLATION = 20.0  # Price of a relative limit violation with a moving start in the merit, as a multiple of the duration.
AT_LIMIT = 1e-3  # Distance of ξ from the end of its range up to which it counts as there [1].
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
        limited: Whether ξ is at the least value that was allowed.
    """

    change: Array
    stretch: float
    off: float
    value: float
    value_here: float
    limited: bool


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
        whole = scale * roughness.gradient(points, duration)
        self.constant = scale * roughness.value(points, duration)
        at_origin = roughness.value(transcription.points(here.free, here.origin), here.origin)
        self.origin = smoothness * here.origin * at_origin
        self.gradient = whole.copy()
        self.gradient[:3], self.gradient[-3:] = 0.0, 0.0
        self.stretch = float(np.sum(whole * transcription.points_slope(duration))) - 3 * self.constant
        self.band = scale * roughness.band(duration)

    def value(self, change: Array, xi: float) -> float:
        """Price [s] after a change D (size, n) of the control points [rad] and ξ."""
        curved = self.gradient * change
        for k in range(4):
            last = len(change) - k
            curved[:last] += (0.5 if k == 0 else 1.0) * self.band[:last, k] * change[:last] * change[k:]
        return self.constant + float(curved.sum()) + self.stretch * xi


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
        expected: Change of the control points that is expected [rad].
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
        expected: float = np.inf,
    ) -> None:
        self.transcription, self.here, self.radius, self.range = transcription, here, radius, stretch_range
        self._second = _SecondCost(transcription, here, smoothness)
        self.program = program = BandedProgram(transcription.basis.size, transcription.n, 1 if transcription.at_rest else 2)
        self._price()
        slope = transcription.points_slope(here.duration)
        self.model = model = StepModel(transcription, samples, here, radius, stretch_range, slope, program, [], expected)
        self._bound()
        add_joint_limits(model)
        self.efforts = EffortModel(model, WEIGHT_STATIC)
        self.efforts.add()
        add_path(model, WEIGHT_STATIC)
        add_clearance(model, WEIGHT_CLEARANCE)
        if cones and transcription.problem.holds:
            HoldCones(model, self.efforts.sets)

    def _price(self) -> None:
        """Set the costs: of ξ, of control points' changes, and of violated limits with a moving start."""
        program, n = self.program, self.transcription.n
        program.cost[:] = self._second.gradient.ravel()
        program.band[:, ::n] = self._second.band.transpose(0, 2, 1).reshape(len(program.cost), 4)
        program.band[:, 0] += PROXIMAL
        program.border_cost[XI] = self.here.duration + self._second.stretch
        program.border_quadratic[XI] = PROXIMAL
        program.border_cost[SIGMA:] = WEIGHT_VIOLATION * self.here.duration

    def _bound(self) -> None:
        """Keep control points in the trust region, and the border in its range."""
        program, transcription = self.program, self.transcription
        program.bound_points(np.arange(transcription.basis.size)[transcription.free], self.radius)
        program.bound_border(XI, *self.range)
        if not transcription.at_rest:
            program.bound_border(SIGMA, 0.0, np.inf)

    # -- solution -------------------------------------------------------------------------------------------------

    def solve(self, tolerance: float) -> Step | None:
        """Solve for the step at this tolerance of the convex program; None if the solver fails.

        Rows that were left out and that the solution breaks join the program, which is solved again.
        """
        while (solution := self.program.solve(tolerance)) is not None and self._joined(solution):
            pass
        return None if solution is None else self.step(solution)

    def _joined(self, solution: Solution) -> bool:
        """Add the idle rows that a solution breaks; returns whether there are any."""
        idle, joined = list(self.model.idle), False
        self.model.idle.clear()
        for rows in idle:
            broken = rows.broken(solution)
            joined = joined or bool(broken.any())
            rows.chosen(broken).join(self.model)
            self.model.idle.append(rows.chosen(~broken))
        return joined

    def step(self, solution: Solution) -> Step:
        """Convert a solution of the program to a step."""
        program, duration, xi = self.program, self.here.duration, float(solution.border[XI])
        change = np.clip(solution.points, -self.radius, self.radius)
        stretched = duration * (1 + xi)
        value = stretched + float(program.own_cost @ np.maximum(solution.own, 0.0))
        value += float(program.border_cost[SIGMA:] @ np.maximum(solution.border[SIGMA:], 0.0))
        value += self._second.value(change, xi)
        limited = xi < self.range[0] + AT_LIMIT
        return Step(change[self.transcription.free], stretched / self.here.origin - 1, xi, value, self._value_here(), limited)

    def _value_here(self) -> float:
        """The model's merit where the step begins [s]."""
        here = self.here
        value = here.origin + self._second.origin
        if len(here.contacts.sample):
            worst = np.zeros(int(here.contacts.sample.max()) + 1)
            violation = (here.paddings - here.contacts.margin) * here.contacts.weight
            np.maximum.at(worst, here.contacts.sample, violation)
            value += WEIGHT_CLEARANCE * float(worst.sum())
        value += WEIGHT_STATIC * self.transcription.violation_at_rest(here.flow)
        if not self.transcription.at_rest:
            value += WEIGHT_VIOLATION * here.duration * max(self.transcription.utilisation(here.flow, 1.0) - 1.0, 0.0)
        return value
