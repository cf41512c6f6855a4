"""retime(problem, path) -> Solution: keep the path, go along it as fast as every limit and the hold allow.

The motion is q(t) = f(σ(t)) for a given curve f.  Its spline passes through f(σ_i) at the Greville sites of its free control
points, so P = A⁻¹ f(σ) with A the basis there, and the unknowns of the optimisation are the σ_i alone: D = A⁻¹ diag(f'(σ)) δσ.
Every row and cone of the full problem is kept, jerk, torque rate and hold included; between the sites the spline leaves the
path by a term of fourth order, which `deviation` measures.

Time-optimal path parametrisation (Bobrow 1985; Verscheure 2009; Pham & Pham, TOPP-RA 2018) with second-order cones and jerk.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from fastmove.arrays import Array
from fastmove.collision.query_types import Ends
from fastmove.errors import InputError
from fastmove.optim.breakpoints import cosine_breakpoints, switch_basis
from fastmove.optim.cone_program import ConicProgram
from fastmove.optim.cone_program import solve as solve_program
from fastmove.optim.linearization import Linearization
from fastmove.optim.margins import LIMIT_BACKOFF
from fastmove.optim.merit import SqpProblem
from fastmove.optim.samples import ConstraintGrid
from fastmove.optim.sqp import run
from fastmove.optim.subproblem import Step, Subproblem
from fastmove.optim.transcription import Transcription
from fastmove.planner.candidate import Candidate
from fastmove.planner.context import PlanningContext
from fastmove.planner.goal_planner import GoalPlanner
from fastmove.problem.transfer import TransferProblem
from fastmove.search.time_bound import Bound, lower_bound
from fastmove.solution.solution import Solution, Status
from fastmove.trajectory.path_curve import PathCurve
from fastmove.trajectory.trajectory import Trajectory

SPANS = 22  # of the time law, beside the switching times of the slowest joint
ENDS = 1e-6  # a path begins and ends this near the problem's ends [rad]
STEPS_MAX = 60
NEGLIGIBLE = 3e-3
REST_SAMPLES = 201  # of the path, at which it must bear the item at rest


class _Chart:
    """Control points of a basis from places σ at its inner Greville sites."""

    def __init__(self, way: PathCurve, transcription: Transcription) -> None:
        self.way, self.transcription = way, transcription
        self.design_matrix = transcription.basis.design_matrix(transcription.basis.greville())[3:-3]
        self.inverse_design = np.linalg.inv(self.design_matrix[:, 3:-3])
        self._near = np.where(
            np.abs(self.inverse_design) > NEGLIGIBLE, self.inverse_design, 0.0
        )  # for slopes: sparse rows solve faster
        fixed = np.zeros((transcription.basis.size, transcription.n))
        fixed[:3], fixed[-3:] = transcription.start.q, transcription.goal
        self.fixed = self.design_matrix @ fixed

    def free(self, sigma: Array) -> Array:
        return np.asarray(self.inverse_design @ (self.way.at(sigma) - self.fixed))

    def places(self, free: Array) -> Array:
        return self.way.nearest(self.design_matrix[:, 3:-3] @ free + self.fixed)

    def slope(self, sigma: Array) -> Array:
        """(n_free·n, n_free) of the control points, row by row, with respect to σ."""
        return np.asarray(self._near[:, None, :] * self.way.slope(sigma).T[None]).reshape(-1, len(sigma))


@dataclass(frozen=True)
class _AlongPath(SqpProblem):
    """The solver loop with steps along the way only."""

    way: PathCurve | None = None

    def step(self, here: Linearization, radius: float, decrease: float, cones: bool) -> Step | None:
        assert self.way is not None
        full = Subproblem(self.transcription, self.samples, here, radius, self.range(here, decrease), cones)
        chart = _Chart(self.way, self.transcription)
        sigma = chart.places(here.free)
        slope = chart.slope(sigma)
        room = radius / np.maximum(np.abs(self.way.slope(sigma)).max(axis=1), 1e-3)
        found = solve_program(_reduced(full.program(), slope, sigma, room), 1e-6)
        if found is None:
            return None
        change, rest = found[: len(sigma)], found[len(sigma) :]
        step = full.step(np.concatenate([slope @ change, rest]))
        moved = np.maximum.accumulate(np.clip(sigma + change, 0.0, 1.0))
        return replace(step, change=chart.free(moved) - chart.free(sigma))


def _reduced(program: ConicProgram, slope: Array, sigma: Array, step_bound: Array) -> ConicProgram:
    """The program with D = slope δσ, and σ in order."""
    size, count = slope.shape

    def columns(matrix: Array) -> Array:
        return np.hstack([matrix[:, :size] @ slope, matrix[:, size:]])

    turned = sparse.block_diag([slope, sparse.identity(len(program.linear) - size)], format="csc")
    order = np.zeros((count - 1, program.rows.shape[1] - size + count))
    order[np.arange(count - 1), np.arange(count - 1)] = 1.0
    order[np.arange(count - 1), np.arange(1, count)] = -1.0
    tail = slice(size, None)
    cones = program.cones
    return ConicProgram(
        np.concatenate([np.full(count, 1e-5), program.quadratic[tail]]),
        np.concatenate([np.zeros(count), program.linear[tail]]),
        np.vstack([columns(program.rows), order]),
        np.concatenate([program.bound, np.diff(sigma)]),
        np.concatenate([-step_bound, program.lower[tail]]),
        np.concatenate([step_bound, program.upper[tail]]),
        None if cones is None else replace(cones, matrix=cones.matrix @ turned),
        None if program.equal is None else program.equal @ turned,
        program.pairs,
    )


class _PathPlanner(GoalPlanner):
    """One goal, one way: a draft has converged and is certified like any other."""

    def __init__(self, shop: PlanningContext, goal: Array, bound: Bound, ends: Ends, way: PathCurve) -> None:
        super().__init__(shop, goal, bound, ends, 0)
        self.way = way
        self.padding = 0.0

    def along(self) -> Candidate:
        """The fastest motion along the way; first guess: the way's own timing, else an even one eased at both ends."""
        basis = switch_basis(self.knots).refined(cosine_breakpoints(SPANS))
        transcription = Transcription(self.problem, self.shop.dynamics, self.problem.start, self.goal, basis, LIMIT_BACKOFF)
        samples = ConstraintGrid.standard(basis, transcription.with_rate)
        sigma = basis.greville()[3:-3]
        if not self.way.timed:
            sigma = (sigma + sigma**3 * (10 - 15 * sigma + 6 * sigma**2)) / 2
        return self.solve(transcription, samples, _Chart(self.way, transcription).free(sigma), self.bound.duration, 0.3)

    def solve(
        self, transcription: Transcription, samples: ConstraintGrid, free: Array, duration: float, radius: float, **options: Any
    ) -> Candidate:
        optimiser = _AlongPath(
            transcription, samples, self.shop.collision, self.ends, self.bound.duration, 0.0, STEPS_MAX, way=self.way
        )
        return Candidate(0, run(optimiser, free, duration, radius)[0], transcription, samples)


def retime(problem: TransferProblem, path: object) -> Solution:
    """The fastest certified motion along a path.

    Args:
        path: configurations (K, n_arm) from the problem's start to one of its goals, joined by a cubic spline [rad]; or a
            Trajectory, whose geometry is kept.

    Returns:
        A Solution; its certificate is for the problem, clearances included, so a path that touches something is refused.

    Raises:
        InputError: the path does not lead from the start to a goal, or the start or an obstacle moves.
    """
    begin = time.perf_counter()
    if not problem.start.at_rest:
        raise InputError("start", "moves; a path is retimed from rest to rest")
    if problem.scene.moving:
        raise InputError("obstacles", "move; a path is retimed among obstacles that stand still")
    way = PathCurve.through(path)
    first, last = way.at(np.array([0.0]))[0], way.at(np.array([1.0]))[0]
    goals = problem.goal.configurations
    if first.shape != problem.start.q.shape:
        raise InputError("path", f"has {first.size} joints; {problem.robot.name} has {problem.start.q.size}")
    if float(np.abs(first - problem.start.q).max()) > ENDS:
        raise InputError("path", f"does not begin at the problem's start (within {ENDS:g} rad)")
    if problem.goal.poses:
        goal, problem = last, problem.with_(goal=replace(problem.goal, configurations=last[None]))
    else:
        goal = np.array(goals[int(np.argmin(np.abs(goals - last).max(axis=1)))])
        if float(np.abs(goal - last).max()) > ENDS:
            raise InputError("path", f"does not end at a goal of the problem (within {ENDS:g} rad)")
    shop, bound = PlanningContext.of(problem), lower_bound(problem.start, goal, problem.limit_set)
    timings = shop.timings
    task = _PathPlanner(shop, goal, bound, shop.collision.ends(np.array(problem.start.q), goal), way)
    refusal = shop.checks.path_refusal(way.at(np.linspace(0, 1, REST_SAMPLES)))
    if refusal is not None:
        timings["total"] = time.perf_counter() - begin
        return Solution(problem, Status.NOT_HOLDABLE, refusal, lower_bound=bound.duration, timings=timings)
    trajectory, certificate = task.certified(task.along())
    timings["total"] = time.perf_counter() - begin
    return Solution.of(problem, trajectory, certificate, bound.duration, timings)


def deviation(path: object, trajectory: Trajectory) -> float:
    """Largest distance of a motion from a path, in the joints' Euclidean norm, on 2,000 samples [rad]."""
    way = PathCurve.through(path)
    points = trajectory.motion()(np.linspace(0, trajectory.duration, 2001))
    return float(np.linalg.norm(points - way.at(way.nearest(points)), axis=1).max())
