"""A changed plan in flight: from where the arm will be, to the same goal or another, in the scene as it is now; else a held stop.

Warm: what is left of the motion is the first guess, on what is left of its breakpoints, so where nothing is in its way it is
certified as it is.  A moved goal bends the guess towards itself.  Where that leads nowhere the usual search goes on from the
moving start; where that fails, too, the arm stops: a certified motion to where its joints come to rest by themselves.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from fastmove.arrays import Array
from fastmove.certificate.certificate import Certificate
from fastmove.certificate.certify import certify
from fastmove.dynamics.kinematics import Kinematics
from fastmove.errors import FastMoveError, InputError
from fastmove.multibody.assembly import assemble
from fastmove.optim.breakpoints import early_breakpoints, switch_basis, warm_breakpoints
from fastmove.optim.margins import LIMIT_BACKOFF
from fastmove.optim.merit import STEP_TOLERANCE
from fastmove.optim.samples import ConstraintGrid
from fastmove.optim.transcription import Transcription
from fastmove.planner.context import PlanningContext
from fastmove.planner.goal_planner import GoalPlanner
from fastmove.planner.options import Options
from fastmove.planner.planner import Planner
from fastmove.problem.goal import Goal, State
from fastmove.problem.scene import Scene
from fastmove.problem.transfer import TransferProblem
from fastmove.search.ik import with_goal_configurations
from fastmove.search.initial_guess import moving_guess
from fastmove.search.time_bound import braking, lower_bound
from fastmove.solution.solution import Solution, Status
from fastmove.trajectory.bspline import SplineBasis
from fastmove.trajectory.trajectory import Trajectory

WARM_RADIUS = 0.1  # trust region of the first step [rad]
WARM_STEPS = 8
WARM_CONES_FROM = 0.95  # use of the hold from which a warm start sees its cones: most changes in flight leave it alone
LONGER = 1.02  # than the bound, where the goal moved
LEAST_LEFT = 1e-3  # of a motion, for anything to be changed about it [s]
BRAKE_GRID = 1e-3  # on which the corridor of the start is looked for [s]
BRAKES = (1.0, 0.7, 0.45)  # shares of acceleration and jerk with which the joints come to rest, tried in this order
STOPPED = 1e-2  # step tolerance of a stop: found soon is worth more than a little shorter


@dataclass(frozen=True)
class Replan:
    """What became of a motion that was asked to change.

    Attributes:
        solution: certified from the state at `at`, to be spliced in there (`Execution.splice`), or not certified: then nothing
            is, not even a stop, and the arm must be stopped by its driver.
        stops: whether it ends in a held stop short of the goal, certified until the arm stands: what moves may come after that.
    """

    solution: Solution
    stops: bool


def replan(
    solution: Solution, at: float, scene: Scene | None = None, goal: Goal | None = None, options: Options | None = None
) -> Replan:
    """A new motion from where this one will be at time `at`.

    Args:
        at: time in the solution's trajectory; as far ahead as planning takes [s].
        scene, goal: as they are now; default as they were.  Obstacles that move do so by the clock of the old motion.

    Raises:
        InputError: the solution has no motion, `at` is outside it, or a corridor of the start is not left yet.
    """
    begin = time.perf_counter()
    if solution.trajectory is None:
        raise InputError("solution", f"has no motion to leave ({solution.detail or solution.status.value})")
    if not 0 < at <= solution.duration - LEAST_LEFT:
        raise InputError("at", f"is {at} s; allowed: inside the motion, above 0 to {solution.duration - LEAST_LEFT:.3f} s")
    old, trajectory = solution.problem, solution.trajectory
    start = State(*(trajectory.sample(at, order) for order in range(3)))
    where = _corridors_left(solution, at, scene or old.scene).after(at)
    problem = old.with_(start=start, scene=where, goal=goal or _same_goal(old, trajectory))
    found = _warm(problem, trajectory, at)
    if found is None:
        found = _cold(problem, options)
    stops = found is None
    if stops:
        found = _stopped(problem, options)
    if found is None:
        found = Solution(problem, Status.NO_PATH, "neither a motion to the goal nor a stop could be certified")
    timings = found.timings | {"total": time.perf_counter() - begin}
    return Replan(replace(found, timings=timings), stops)


def _same_goal(old: TransferProblem, trajectory: Trajectory) -> Goal:
    """Where the motion ends now; of a region this one configuration in it."""
    return replace(old.goal, configurations=trajectory.position(trajectory.duration)[None])


def _corridors_left(solution: Solution, at: float, scene: Scene) -> Scene:
    """The scene without corridors of the start, once they are behind."""
    lengths = [c.length for c in solution.problem.corridors if c.at == "start"]
    if lengths and solution.problem.holds:
        time, moved = _way_of_grasps(solution, at)
        past = np.all(moved >= max(lengths), axis=1)
        if not past[0]:
            when = f"is left at {time[int(np.argmax(past))]:.3f} s only" if np.any(past) else "is not left before the motion ends"
            raise InputError("at", f"is {at:.3f} s; the corridor at the start {when}")
    return replace(scene, corridors=tuple(c for c in scene.corridors if c.at != "start"))


def _way_of_grasps(solution: Solution, at: float) -> tuple[Array, Array]:
    """Times (N,) from `at` on, and how far the origin of every grasp is then from where it was at the start (N, holds) [m]."""
    assembly, trajectory = assemble(solution.problem), solution.trajectory
    assert trajectory is not None
    time = np.concatenate(
        [[0.0], np.linspace(at, trajectory.duration, max(2, int(np.ceil((trajectory.duration - at) / BRAKE_GRID))))]
    )
    kinematics, q = Kinematics(assembly.arm), trajectory.motion()(time)
    places = np.stack([kinematics.frame(q, frame.joint, frame.joint_T_grasp)[1] for frame in assembly.hold_frames], axis=1)
    return time[1:], np.linalg.norm(places[1:] - places[0], axis=2)


def _task(problem: TransferProblem, goal: Array) -> GoalPlanner:
    shop, bound = PlanningContext.of(problem), lower_bound(problem.start, goal, problem.limit_set)
    return GoalPlanner(shop, goal, bound, shop.collision.ends(np.array(problem.start.q), goal), 0)


def _nearest_goal(problem: TransferProblem, end: Array) -> TransferProblem:
    """With one goal configuration, the one nearest to where the motion ended before."""
    if len(problem.goal.configurations) == 0:
        problem = with_goal_configurations(problem, 0)
    found = np.array(problem.goal.configurations)
    nearest = found[int(np.argmin(np.abs(found - end).max(axis=1)))]
    return problem.with_(goal=replace(problem.goal, configurations=nearest[None]))


def _warm(problem: TransferProblem, trajectory: Trajectory, at: float) -> Solution | None:
    """What is left of the motion, mended; None where that leads to no certificate."""
    end = trajectory.position(trajectory.duration)
    try:
        problem = _nearest_goal(problem, end)
        goal = np.array(problem.goal.configurations[0])
        same, left = np.array_equal(goal, end), trajectory.duration - at
        if same and (kept := _unchanged(problem, trajectory, at)) is not None:
            return Solution.of(problem, *kept, lower_bound(problem.start, goal, problem.limit_set).duration)
        task = _task(problem, goal)
    except FastMoveError:
        return None
    if same and task.shop.collision.margins_at(goal, task.ends):  # something stands there now: nothing to bend
        return None
    times = trajectory.motion().times
    early = early_breakpoints(problem.start, problem.limit_set)
    basis = SplineBasis(warm_breakpoints((times[times > at] - at) / left, early / left, left))
    transcription = Transcription(problem, task.shop.dynamics, problem.start, goal, basis, LIMIT_BACKOFF)
    free = _remaining_control_points(trajectory, at, basis, transcription, goal - end)
    duration = left if same else max(left, LONGER * task.bound.duration)
    return _solve_from(task, transcription, free, duration)


def _solve_from(
    task: GoalPlanner, transcription: Transcription, free: Array, duration: float, tolerance: float = STEP_TOLERANCE
) -> Solution | None:
    """What a few steps make of a guess; None where that is not certified."""
    samples = ConstraintGrid.standard(transcription.basis, transcription.with_rate, near_speed_limit=True)
    options = {"max_steps": WARM_STEPS, "cones_from": WARM_CONES_FROM, "step_tolerance": tolerance}
    draft = task.solve(transcription, samples, free, duration, WARM_RADIUS, **options)
    if draft is None:
        return None
    result = task.certified(draft)
    return Solution.of(task.problem, *result, task.bound.duration) if result[1].ok else None


def _unchanged(problem: TransferProblem, trajectory: Trajectory, at: float) -> tuple[Trajectory, Certificate] | None:
    """What is left of the motion as it is, where nothing has come into its way."""
    rest = trajectory.after(at)
    certificate = certify(problem, rest)
    return (rest, certificate) if certificate.ok else None


def _remaining_control_points(
    trajectory: Trajectory, at: float, basis: SplineBasis, transcription: Transcription, shift: Array
) -> Array:
    """Free control points of what is left, bent smoothly towards a goal that has moved by `shift`."""
    left = trajectory.duration - at
    s = np.unique(
        np.concatenate([np.linspace(a, b, 5) for a, b in zip(basis.breakpoints[:-1], basis.breakpoints[1:], strict=True)])
    )
    bend = s**3 * (10 - 15 * s + 6 * s**2)
    target = trajectory.position(at + s * left) + bend[:, None] * shift
    fixed = transcription.points(np.zeros((basis.size - 6, target.shape[1])), left)
    matrix = basis.design_matrix(s)
    return np.asarray(np.linalg.lstsq(matrix[:, 3:-3], target - matrix @ fixed, rcond=None)[0])


def _cold(problem: TransferProblem, options: Options | None) -> Solution | None:
    """The usual plan from the moving start."""
    try:
        found = Planner(options).plan(problem)
    except FastMoveError:
        return None
    return found if found.ok else None


def _stopped(problem: TransferProblem, options: Options | None) -> Solution | None:
    """A certified stop: to where the joints come to rest when they brake, all together, with a share of what they can; of those
    the first that a few steps certify, else the first that the usual plan does."""
    for way in (_braked, lambda stop: _cold(stop, options)):
        for share in BRAKES:
            try:
                rest = braking(problem.start, problem.limit_set, share)
                found = way(problem.with_(goal=Goal(rest[None], opens_hand=False)))
            except FastMoveError:
                continue
            if found is not None:
                return replace(found, detail=f"the arm stops, holding, after {found.duration:.3f} s")
    return None


def _braked(problem: TransferProblem) -> Solution | None:
    """A few steps from Ruckig's own motion to where the arm shall stop."""
    (rest,) = np.array(problem.goal.configurations)
    task = _task(problem, rest)
    if task.shop.checks.refusal(rest) is not None:
        return None
    basis = switch_basis(task.bound, at_rest=False, early=task.early)
    transcription = Transcription(problem, task.shop.dynamics, problem.start, rest, basis, LIMIT_BACKOFF)
    free, duration = moving_guess(problem.start, rest, problem.limit_set, basis)
    return _solve_from(task, transcription, free, duration, STOPPED)
