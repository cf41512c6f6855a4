"""What a second costs: how much faster a motion would be if one limit were a little looser, or slower if it were tighter.

The motion is polished first, on its own breakpoints, until the model promises less than 10⁻⁵ of the duration.  There the convex
subproblem is the exact first-order model of the transfer; its optimal value T(p) as a function of a limit p has the slope that
its multipliers give (envelope theorem), and at a kink one slope on each side.  Both are taken from the subproblem solved again
with the limit changed by `STEP` either way: two cone programs a price, no new motion.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fastmove.arrays import Array
from fastmove.errors import FastMoveError, InputError
from fastmove.optim.margins import LIMIT_BACKOFF
from fastmove.optim.merit import Iterate, SqpProblem
from fastmove.optim.samples import ConstraintGrid
from fastmove.optim.sqp import run
from fastmove.optim.transcription import Transcription
from fastmove.planner.context import PlanningContext
from fastmove.problem.limit_edit import Limit, changed, limits_of
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.limit_kinds import names_in
from fastmove.solution.binding import binding_intervals
from fastmove.solution.solution import Solution
from fastmove.trajectory.bspline import SplineBasis

PRICE_STEP = 0.05  # relative change of a limit that a price is for
RADIUS = 0.15  # how far control points may follow it [rad]
CONVERGED = 1e-5  # predicted decrease, relative
NOTHING = 5e-4  # a price of less than this share of the duration is none


@dataclass(frozen=True)
class Price:
    """Attributes:
    limit: which.
    looser, tighter: dT/dp [s per unit] for a limit 5 % looser and tighter; equal where there is no kink.
    """

    limit: Limit
    looser: float
    tighter: float

    def seconds(self, relative: float) -> float:
        """Predicted change of the duration [s] where the limit is looser by this share (tighter: negative)."""
        slope = self.looser if relative > 0 else self.tighter
        return slope * self.limit.sign * relative * self.limit.value

    def as_json(self) -> dict[str, object]:
        unit = f"s per {self.limit.unit}" if self.limit.unit != "1" else "s per 1"
        return {"kind": self.limit.kind, "name": self.limit.name, "looser": self.looser, "tighter": self.tighter, "unit": unit}

    def __str__(self) -> str:
        gain, loss = -1e3 * self.seconds(PRICE_STEP), 1e3 * self.seconds(-PRICE_STEP)
        return f"{self.limit}: 5 % looser saves {gain:.1f} ms, 5 % tighter costs {loss:.1f} ms"


def prices(solution: Solution, step: float = PRICE_STEP) -> list[Price]:
    """Prices of all limits that bind, the dearest first; empty where the motion did not converge or has no spline of its own.

    Raises:
        InputError: there is no certified motion, it does not start at rest, or obstacles move.
    """
    if not solution.ok or solution.trajectory is None or solution.certificate is None:
        raise InputError("solution", "has no certified motion to explain")
    problem = solution.problem
    if not problem.start.at_rest:
        raise InputError("start", "moves; prices are of motions from rest to rest")
    if problem.scene.moving:
        raise InputError("obstacles", "move; prices are of motions among obstacles that stand still")
    phase = solution.trajectory.phases[0]
    if len(solution.trajectory.phases) > 1 or phase.basis is None or phase.control_points is None:
        return []
    here = _Place(problem, phase.basis, np.array(phase.control_points)[-1])
    point, converged = here.polished(np.array(phase.control_points)[3:-3], solution.duration)
    if not converged:
        return []
    found = []
    level = here.level(problem, point)
    for limit in _candidates(problem, solution):
        slopes = [_slope(here, point, level, limit, side * step) for side in (1.0, -1.0)]
        if max(abs(s) for s in slopes) * limit.value * step > NOTHING * solution.duration:
            found.append(Price(limit, *slopes))
    return sorted(found, key=lambda p: -abs(p.seconds(-step)))


def _candidates(problem: TransferProblem, solution: Solution) -> list[Limit]:
    """Limits that bind somewhere; what makes up the hold where the hold does."""
    assert solution.certificate is not None
    bound = {(str(r["kind"]), str(r["name"])) for r in binding_intervals(problem, solution.certificate)}
    kinds = {kind for kind, _ in bound}
    held = {"grip_force", "friction", "mass", "lever"} if kinds & set(names_in("contact")) or problem.holds else set()
    found = []
    for limit in limits_of(problem):
        wanted = (limit.kind, limit.name) in bound or limit.kind in held or (not limit.name and limit.kind in kinds)
        if wanted and limit.kind != "release_opening":
            found.append(limit)
    return found


@dataclass(frozen=True)
class _Place:
    """A problem on the breakpoints of its motion."""

    problem: TransferProblem
    basis: SplineBasis
    goal: Array

    def optimiser(self, problem: TransferProblem, samples: ConstraintGrid | None = None) -> SqpProblem:
        shop = PlanningContext.of(problem)
        transcription = Transcription(problem, shop.dynamics, problem.start, self.goal, self.basis, LIMIT_BACKOFF)
        ends = shop.collision.ends(np.array(problem.start.q), self.goal)
        samples = samples or ConstraintGrid.standard(self.basis, transcription.with_rate)
        return SqpProblem(transcription, samples, shop.collision, ends, 0.0, 0.0, step_tolerance=CONVERGED, precision=1e-8)

    def level(self, problem: TransferProblem, point: Iterate) -> float:
        """Optimal value of the convex model of a problem at a motion [s]; nan where it has none."""
        optimiser = self.optimiser(problem)
        step = optimiser.look(optimiser.evaluate(point.free, point.duration), RADIUS)
        return float("nan") if step is None else step.value

    def polished(self, free: Array, duration: float) -> tuple[Iterate, bool]:
        """The converged motion, and whether it is."""
        optimiser = self.optimiser(self.problem)
        point, _ = run(optimiser, free, duration, 0.05)
        step = optimiser.look(point, RADIUS)
        return point, step is not None and point.feasible and step.value_here - step.value < 20 * CONVERGED * point.duration


def _slope(here: _Place, point: Iterate, level: float, limit: Limit, relative: float) -> float:
    """dT/dp for a limit that much looser (positive) or tighter."""
    value = limit.value * (1 + limit.sign * relative)
    try:
        problem = changed(here.problem, limit, value)
    except FastMoveError:
        return 0.0 if relative > 0 else float("nan")
    return (here.level(problem, point) - level) / (value - limit.value)


def with_prices(solution: Solution) -> Solution:
    """The solution, its prices kept with it."""
    return replace(solution, prices=tuple(prices(solution)))
