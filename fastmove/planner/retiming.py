"""Retiming: the fastest motion along a given path that all limits and the hold allow.

The motion is q(t) = f(σ(t)) for a given curve f.  Its spline passes through f(σ_i) at the Greville sites of its free control
points, so P = A⁻¹ f(σ) with A the basis there, and the unknowns of the optimisation are the σ_i alone: D = A⁻¹ diag(f'(σ)) δσ.
Every row and cone of the full problem is kept, jerk, torque rate and hold included.  Between the sites the spline leaves the path
by a term of fourth order, which `deviation` measures.

Time-optimal path parametrisation (Bobrow 1985; Verscheure 2009; Pham & Pham, TOPP-RA 2018) with second-order cones and jerk.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from fastmove.arrays import Array
from fastmove.certificate.certify import certify
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
from fastmove.problem.goal import Goal, State
from fastmove.problem.transfer import TransferProblem
from fastmove.search.ik import GoalIk
from fastmove.search.time_bound import Bound, lower_bound
from fastmove.solution.solution import Solution, Status
from fastmove.trajectory.path_curve import PathCurve
from fastmove.trajectory.path_legs import path_legs, sharpest
from fastmove.trajectory.trajectory import Phase, Trajectory

SPANS = 22  # Number of spans of the cosine breakpoints added to the switching times of the slowest joint.
ENDS = 1e-6  # Maximum difference of every joint between an end of the path and that of the problem [rad].
STEPS_MAX = 60  # Maximum number of subproblems.
NEGLIGIBLE = 3e-3  # Magnitude up to which entries of the inverse design matrix are left out of slopes.
TOLERANCE = 1e-3  # Default distance from a path: 1 mrad of every joint, 1 mm of what is held.
LOOSEST = 0.1  # Largest tolerance that may be asked for.
REST_SAMPLES = 201  # Number of samples of the path at which it must be held at rest.


class _Chart:
    """Map from positions σ on a path at the inner Greville sites to the free control points of a spline, and back.

    Args:
        way: The path.
        transcription: Transcription of the motion along it.

    Attributes:
        design_matrix: Basis at the inner Greville sites (n_free, size).
        inverse_design: Inverse of its columns for the free control points (n_free, n_free).
        fixed: Share of the fixed control points in the positions at the sites (n_free, n) [rad].
    """

    def __init__(self, way: PathCurve, transcription: Transcription) -> None:
        self.way, self.transcription = way, transcription
        self.design_matrix = transcription.basis.design_matrix(transcription.basis.greville())[3:-3]
        self.inverse_design = np.linalg.inv(self.design_matrix[:, 3:-3])
        # Slopes use only entries that are not negligible: sparse rows solve faster.
        self._near = np.where(np.abs(self.inverse_design) > NEGLIGIBLE, self.inverse_design, 0.0)
        fixed = np.zeros((transcription.basis.size, transcription.n))
        fixed[:3], fixed[-3:] = transcription.start.q, transcription.goal
        self.fixed = self.design_matrix @ fixed

    def free(self, sigma: Array) -> Array:
        """Returns the free control points (n_free, n) [rad] for positions σ (n_free,)."""
        return np.asarray(self.inverse_design @ (self.way.at(sigma) - self.fixed))

    def places(self, free: Array) -> Array:
        """Returns the positions σ (n_free,) for free control points (n_free, n) [rad]."""
        return self.way.nearest(self.design_matrix[:, 3:-3] @ free + self.fixed)

    def slope(self, sigma: Array) -> Array:
        """Returns the derivative (n_free·n, n_free) [rad] of the free control points, row by row, with respect to σ."""
        return np.asarray(self._near[:, None, :] * self.way.slope(sigma).T[None]).reshape(-1, len(sigma))


@dataclass(frozen=True)
class _AlongPath(SqpProblem):
    """SQP problem whose steps lead along a path only.

    Attributes:
        way: The path.
    """

    way: PathCurve | None = None

    def step(self, here: Linearization, radius: float, decrease: float, cones: bool, expected: float = np.inf) -> Step | None:
        """Solves one subproblem over changes of σ; None where the solver fails."""
        assert self.way is not None
        full = Subproblem(self.transcription, self.samples, here, radius, self.range(here, decrease), cones, self.smoothness)
        chart = _Chart(self.way, self.transcription)
        sigma = chart.places(here.free)
        slope = np.zeros((self.transcription.basis.size * self.transcription.n, len(sigma)))
        slope[3 * self.transcription.n : -3 * self.transcription.n] = chart.slope(sigma)
        step_bound = radius / np.maximum(np.abs(self.way.slope(sigma)).max(axis=1), 1e-3)
        assembled = full.program.assembled()
        unknowns = solve_program(_reduced(assembled.conic(), slope, sigma, step_bound), 1e-6)
        if unknowns is None:
            return None
        change, other_unknowns = unknowns[: len(sigma)], unknowns[len(sigma) :]
        step = full.step(assembled.solution(np.concatenate([slope @ change, other_unknowns])))
        moved = np.maximum.accumulate(np.clip(sigma + change, 0.0, 1.0))
        return replace(step, change=chart.free(moved) - chart.free(sigma))


def _reduced(program: ConicProgram, slope: Array, sigma: Array, step_bound: Array) -> ConicProgram:
    """Returns the program with the changes of the control points replaced by slope·δσ, and σ kept in order.

    Args:
        program: Program over changes of all control points.
        slope: Derivative of the control points with respect to σ (n_free·n, n_free) [rad].
        sigma: Positions σ (n_free,).
        step_bound: Largest change of each position (n_free,).
    """
    size, count = slope.shape

    def columns(matrix: Array) -> Array:
        return np.hstack([matrix[:, :size] @ slope, matrix[:, size:]])

    substitution = sparse.block_diag([slope, sparse.identity(len(program.linear) - size)], format="csc")
    order = np.zeros((count - 1, program.rows.shape[1] - size + count))
    order[np.arange(count - 1), np.arange(count - 1)] = 1.0
    order[np.arange(count - 1), np.arange(1, count)] = -1.0
    tail = slice(size, None)
    cones = program.cones
    return ConicProgram(
        np.concatenate([np.full(count, 1e-5), program.quadratic[tail]]),
        np.concatenate([program.linear[:size] @ slope, program.linear[tail]]),
        np.vstack([columns(program.rows), order]),
        np.concatenate([program.bound, np.diff(sigma)]),
        np.concatenate([-step_bound, program.lower[tail]]),
        np.concatenate([step_bound, program.upper[tail]]),
        None if cones is None else replace(cones, matrix=cones.matrix @ substitution),
        None if program.equal is None else program.equal @ substitution,
        program.pairs,
        hessian=None if program.hessian is None else sparse.csc_matrix(slope.T @ (program.hessian @ slope)),
    )


class _PathPlanner(GoalPlanner):
    """Planner for one goal along one path, whose result is certified like any other.

    Args:
        context: What all work on the problem shares.
        goal: Goal configuration (n,) [rad].
        bound: Kinematic lower bound to this goal.
        ends: What may touch at the two ends of the motion.
        way: The path.
    """

    def __init__(self, context: PlanningContext, goal: Array, bound: Bound, ends: Ends, way: PathCurve) -> None:
        super().__init__(context, goal, bound, ends, 0)
        self.way = way
        self.solver.padding = 0.0

    def along(self) -> Candidate:
        """Solves for the fastest motion along the path.

        The initial guess has the path's own timing, else an even one that is eased at both ends.
        """
        basis = switch_basis(self.guesses.knots).refined(cosine_breakpoints(SPANS))
        transcription = Transcription(self.problem, self.context.dynamics, self.problem.start, self.goal, basis, LIMIT_BACKOFF)
        samples = ConstraintGrid.standard(basis, transcription.with_rate)
        sigma = basis.greville()[3:-3]
        if not self.way.timed:
            sigma = (sigma + sigma**3 * (10 - 15 * sigma + 6 * sigma**2)) / 2
        return self.solve(transcription, samples, _Chart(self.way, transcription).free(sigma), self.bound.duration, 0.3)

    def solve(
        self, transcription: Transcription, samples: ConstraintGrid, free: Array, duration: float, radius: float, **options: Any
    ) -> Candidate:
        """Optimises a motion along the path; see `GoalPlanner.solve`, whose further options are not used."""
        sqp_problem = _AlongPath(
            transcription,
            samples,
            self.context.collision,
            self.ends,
            self.bound.duration,
            0.0,
            STEPS_MAX,
            smoothness=self.solver.smoothness,
            way=self.way,
        )
        return Candidate(0, run(sqp_problem, free, duration, radius)[0], transcription, samples)


def retime(problem: TransferProblem, path: object, tolerance: float = TOLERANCE) -> Solution:
    """Plans the fastest certified motion along a path.

    Lines and corners are kept: where a smooth curve through the configurations would leave the lines between them by more than
    the tolerance, the motion stops at the sharpest corner (see `trajectory.path_legs`).

    Args:
        problem: Transfer problem whose limits and ends hold.
        path: Configurations (K, n_arm) [rad] from the problem's start to one of its goals, joined by lines; it may end where it
            begins; or a Trajectory, whose geometry is kept.
        tolerance: Largest distance from the path: of every joint [rad], and of the held item's origin (else the tool's) [m].

    Returns:
        A Solution.  Its certificate is for the problem, clearance included, so a path that touches something is not certified.

    Raises:
        InputError: The path does not lead from the start to a goal, or the start or an obstacle moves.
    """
    if not problem.start.at_rest:
        raise InputError("start", "moves; a path is retimed from rest to rest")
    if problem.goal.moves:
        raise InputError("goal.velocity", "is not zero; a motion is retimed to a goal that stands still")
    if problem.scene.moving:
        raise InputError("obstacles", "move; a path is retimed among obstacles that stand still")
    if not 0 <= tolerance <= LOOSEST:
        raise InputError("tolerance", f"is {tolerance}; allowed: 0 to {LOOSEST:g} rad and m")
    if problem.start.open:  # the path says in which configuration it begins, the certificate whether that is at the poses
        first = path.position(0.0) if isinstance(path, Trajectory) else np.atleast_2d(np.asarray(path, dtype=float))[0]
        problem = problem.with_(start=problem.start.settled(first))
    if isinstance(path, Trajectory):
        return _along(problem, path)
    frame = GoalIk(problem)
    shape = np.atleast_2d(np.asarray(path, dtype=float)).shape
    if shape[-1] != problem.start.q.size:
        raise InputError("path", f"has {shape[-1]} joints; {problem.robot.name} has {problem.start.q.size}")
    legs = path_legs(path, tolerance, lambda q: np.array([frame.frame(one)[0].translation for one in q]))
    if len(legs) == 1 and (solution := _leg(problem, legs[0], tolerance)) is not None:
        return solution
    return _with_stops(problem, legs, tolerance)


def _leg(problem: TransferProblem, points: Array, tolerance: float) -> Solution | None:
    """Solution along one leg (K, n); None where it leaves the leg by more than the tolerance and can be divided."""
    solution = _along(problem, points)
    if len(points) > 2 and solution.trajectory is not None and deviation(points, solution.trajectory) > max(tolerance / 2, ENDS):
        return None
    return solution


def _with_stops(problem: TransferProblem, legs: list[Array], tolerance: float) -> Solution:
    """Solution along several legs with a stop after each, certified as one motion; that of the first leg that fails, else."""
    _check_ends(problem, legs[0][0], legs[-1][-1])
    phases: list[Phase] = []
    timings: dict[str, float] = {}
    bound, todo, last = 0.0, list(legs), legs[-1][-1]
    while todo:
        points = todo.pop(0)
        contacts = [replace(c, at="start" if not phases else "goal") for c in problem.scene.allowed_contacts
                    if (c.applies("start") and not phases) or (c.applies("goal") and not todo)]  # fmt: skip
        corridors = [c for c in problem.scene.corridors if (c.at == "start" and not phases) or (c.at == "goal" and not todo)]
        leg = problem.with_(
            start=State.rest(points[0]),
            goal=Goal(points[-1][None]),
            scene=replace(problem.scene, allowed_contacts=tuple(contacts), corridors=tuple(corridors)),
            release_opening=0.0,  # the whole motion's certificate looks at the opened hand
        )
        solution = _leg(leg, points, tolerance)
        if solution is None:
            k = sharpest(points)
            todo = [points[: k + 1], points[k:], *todo]
            continue
        bound += solution.lower_bound
        timings = {key: timings.get(key, 0.0) + value for key, value in solution.timings.items()}
        if solution.trajectory is None or not solution.ok:
            detail = f"on the way from waypoint {np.round(points[0], 4).tolist()}: {solution.detail}"
            return replace(solution, problem=problem, detail=detail, lower_bound=bound, timings=timings)
        phases += solution.trajectory.phases
    force = np.max([phase.grip_force for phase in phases], axis=0)  # one grip all the way
    trajectory = Trajectory(tuple(replace(phase, grip_force=force) for phase in phases), problem.robot.joint_names)
    if problem.goal.poses:
        problem = problem.with_(goal=replace(problem.goal, configurations=last[None]))
    return Solution.of(problem, trajectory, certify(problem, trajectory), bound, timings)


def _check_ends(problem: TransferProblem, first: Array, last: Array) -> Array:
    """Checks that a path leads from the start to a goal; returns that goal (n,) [rad].

    Raises:
        InputError: It does not.
    """
    goals = problem.goal.configurations
    if first.shape != problem.start.q.shape:
        raise InputError("path", f"has {first.size} joints; {problem.robot.name} has {problem.start.q.size}")
    if float(np.abs(first - problem.start.q).max()) > ENDS:
        raise InputError("path", f"does not begin at the problem's start (within {ENDS:g} rad)")
    if problem.goal.poses:
        return last
    goal = np.array(goals[int(np.argmin(np.abs(goals - last).max(axis=1)))])
    if float(np.abs(goal - last).max()) > ENDS:
        raise InputError("path", f"does not end at a goal of the problem (within {ENDS:g} rad)")
    return goal


def _along(problem: TransferProblem, path: object) -> Solution:
    """Solution along one smooth curve, see `retime`."""
    begin = time.perf_counter()
    way = PathCurve.through(path)
    goal = _check_ends(problem, way.at(np.array([0.0]))[0], way.at(np.array([1.0]))[0])
    if problem.goal.poses:
        problem = problem.with_(goal=replace(problem.goal, configurations=goal[None]))
    context, bound = PlanningContext.of(problem), lower_bound(problem.start, goal, problem.limit_set)
    timings = context.timings
    path_planner = _PathPlanner(context, goal, bound, context.collision.ends(np.array(problem.start.q), goal), way)
    refusal = context.checks.path_refusal(way.at(np.linspace(0, 1, REST_SAMPLES)))
    if refusal is not None:
        timings["total"] = time.perf_counter() - begin
        return Solution(problem, Status.NOT_HOLDABLE, refusal, lower_bound=bound.duration, timings=timings)
    trajectory, certificate = path_planner.certified(path_planner.along())
    timings["total"] = time.perf_counter() - begin
    return Solution.of(problem, trajectory, certificate, bound.duration, timings)


def deviation(path: object, trajectory: Trajectory) -> float:
    """Returns the largest distance of a motion from a path, in the Euclidean norm of the joints, at 2,001 samples [rad].

    Args:
        path: Configurations (K, n_arm) [rad], or a Trajectory, as in `retime`.
        trajectory: The motion.
    """
    way = PathCurve.through(path)
    points = trajectory.motion()(np.linspace(0, trajectory.duration, 2001))
    return float(np.linalg.norm(points - way.at(way.nearest(points)), axis=1).max())
