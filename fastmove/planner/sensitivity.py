"""Prices of limits: how much faster a motion would be if one limit were a little looser, or slower if it were tighter.

The motion is polished first, on its own breakpoints, until the model promises less than 10⁻⁵ of the duration.  There the convex
subproblem is the exact first-order model of the transfer; its optimal value T(p) as a function of a limit p has the slope that
its multipliers give (envelope theorem), and at a kink one slope on each side.  Both are taken from the subproblem solved again
with the limit changed by `PRICE_STEP` either way: two cone programs for each price, and no new motion.
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

PRICE_STEP = 0.05  # Relative change of a limit for which its price is computed.
RADIUS = 0.15  # Maximum change of the control points that follows a changed limit [rad].
CONVERGED = 1e-5  # Relative step tolerance with which the motion is polished.
NOTHING = 5e-4  # Share of the duration up to which the effect of a changed limit counts as no price.


@dataclass(frozen=True)
class Price:
    """Price of a limit p: derivative dT/dp of the duration, on either side.

    The two sides are equal where there is no kink.  Reports print the milliseconds that 5 % of the limit save or cost, JSON the
    derivatives.

    Attributes:
        limit: The limit.
        looser: dT/dp where the limit is 5 % looser [s per unit of the limit].
        tighter: dT/dp where the limit is 5 % tighter [s per unit of the limit].
    """

    limit: Limit
    looser: float
    tighter: float

    def seconds(self, relative: float) -> float:
        """Returns the predicted change of the duration [s] for a changed limit.

        Args:
            relative: Share of its value by which the limit is looser; negative where it is tighter.
        """
        slope = self.looser if relative > 0 else self.tighter
        return slope * self.limit.sign * relative * self.limit.value

    def as_json(self) -> dict[str, object]:
        """Returns the price as JSON values, with its unit."""
        unit = f"s per {self.limit.unit}" if self.limit.unit != "1" else "s per 1"
        return {"kind": self.limit.kind, "name": self.limit.name, "looser": self.looser, "tighter": self.tighter, "unit": unit}

    def __str__(self) -> str:
        gain, loss = -1e3 * self.seconds(PRICE_STEP), 1e3 * self.seconds(-PRICE_STEP)
        return f"{self.limit}: 5 % looser saves {gain:.1f} ms, 5 % tighter costs {loss:.1f} ms"


def prices(solution: Solution, step: float = PRICE_STEP) -> list[Price]:
    """Returns the prices of all limits that bind, the highest first.

    Args:
        solution: Solution with a certified motion.
        step: Relative change of a limit.

    Returns:
        Prices; empty where the motion did not converge, has several phases, or has no spline of its own.

    Raises:
        InputError: There is no certified motion, it does not start at rest, or obstacles move.
    """
    if not solution.ok or solution.trajectory is None or solution.certificate is None:
        raise InputError("solution", "has no certified motion to explain")
    problem = solution.problem
    if not problem.start.at_rest:
        raise InputError("start", "moves; prices are of motions from rest to rest")
    if problem.goal.moves:
        raise InputError("goal.velocity", "is not zero; prices are of motions to goals that stand still")
    if problem.scene.moving:
        raise InputError("obstacles", "move; prices are of motions among obstacles that stand still")
    phase = solution.trajectory.phases[0]
    if len(solution.trajectory.phases) > 1 or phase.basis is None or phase.control_points is None:
        return []
    place = _Place(problem, phase.basis, np.array(phase.control_points)[-1])
    point, converged = place.polished(np.array(phase.control_points)[3:-3], solution.duration)
    if not converged:
        return []
    priced = []
    level = place.level(problem, point)
    for limit in _candidates(problem, solution):
        slopes = [_slope(place, point, level, limit, side * step) for side in (1.0, -1.0)]
        if max(abs(s) for s in slopes) * limit.value * step > NOTHING * solution.duration:
            priced.append(Price(limit, *slopes))
    return sorted(priced, key=lambda p: (np.isnan(p.tighter), -abs(p.seconds(-step))))  # known prices first


def _candidates(problem: TransferProblem, solution: Solution) -> list[Limit]:
    """Returns the limits that bind somewhere, and with held items all those that make up the hold."""
    assert solution.certificate is not None
    binding = {(str(row["kind"]), str(row["name"])) for row in binding_intervals(problem, solution.certificate)}
    kinds = {kind for kind, _ in binding}
    hold_kinds = {"grip_force", "friction", "mass", "lever"} if kinds & set(names_in("contact")) or problem.holds else set()
    candidates = []
    for limit in limits_of(problem):
        wanted = (limit.kind, limit.name) in binding or limit.kind in hold_kinds or (not limit.name and limit.kind in kinds)
        if wanted and limit.kind != "release_opening":
            candidates.append(limit)
    return candidates


@dataclass(frozen=True)
class _Place:
    """A problem on the breakpoints of its motion.

    Attributes:
        problem: Transfer problem.
        basis: Spline basis of the motion.
        goal: Goal configuration of the motion (n,) [rad].
    """

    problem: TransferProblem
    basis: SplineBasis
    goal: Array

    def optimiser(self, problem: TransferProblem, samples: ConstraintGrid | None = None) -> SqpProblem:
        """Builds the SQP problem of a transfer problem on this basis, at its standard samples unless others are given."""
        context = PlanningContext.of(problem)
        transcription = Transcription(problem, context.dynamics, problem.start, self.goal, self.basis, LIMIT_BACKOFF)
        ends = context.collision.ends(np.array(problem.start.q), self.goal)
        samples = samples or ConstraintGrid.standard(self.basis, transcription.with_rate)
        return SqpProblem(transcription, samples, context.collision, ends, 0.0, 0.0, step_tolerance=CONVERGED, precision=1e-8)

    def level(self, problem: TransferProblem, point: Iterate) -> float:
        """Returns the optimal value [s] of the convex model of a problem at a motion; nan where the solver fails.

        A tighter limit makes the motion run longer before anything is solved.  Tangents of (1 + ξ)^p that touch there would
        withhold (p − 1) ξ² / 2 of what a step takes off again, so they touch at the duration that the motion came with.
        """
        sqp_problem = self.optimiser(problem)
        here = sqp_problem.evaluate(point.free, point.duration)
        step = sqp_problem.look(here, RADIUS, 1 - point.duration / here.duration)
        return float("nan") if step is None else step.value

    def polished(self, free: Array, duration: float) -> tuple[Iterate, bool]:
        """Returns the polished motion, and whether it has converged.

        Args:
            free: Free control points of the motion (n_free, n) [rad].
            duration: Duration of the motion [s].
        """
        sqp_problem = self.optimiser(self.problem)
        point, _ = run(sqp_problem, free, duration, 0.05)
        step = sqp_problem.look(point, RADIUS)
        return point, step is not None and point.feasible and step.value_here - step.value < 20 * CONVERGED * point.duration


def _slope(here: _Place, point: Iterate, level: float, limit: Limit, relative: float) -> float:
    """Returns the difference quotient ΔT/Δp of the duration for a changed limit [s per unit of the limit].

    A change that is not allowed gives 0 where it is looser, nan where it is tighter.

    Args:
        here: The problem on the breakpoints of its motion.
        point: The polished motion.
        level: Optimal value of the model with the limit unchanged [s].
        limit: The limit.
        relative: Share of its value by which it is looser; negative where it is tighter.
    """
    value = limit.value * (1 + limit.sign * relative)
    try:
        problem = changed(here.problem, limit, value)
    except FastMoveError:
        return 0.0 if relative > 0 else float("nan")
    return (here.level(problem, point) - level) / (value - limit.value)


def with_prices(solution: Solution) -> Solution:
    """Returns the solution with its prices."""
    return replace(solution, prices=tuple(prices(solution)))
