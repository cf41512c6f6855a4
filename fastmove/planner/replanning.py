"""Replanning in motion: from where the arm will be to the same goal or another, in the scene as it is now; else a held stop.

Warm start: the remaining motion is the initial guess, on its remaining breakpoints.  Where nothing is in its way it is
certified as it is; a moved goal bends it towards itself.  Where that leads nowhere, the usual search starts from the moving
state.  Where that fails too, the arm stops: a certified motion leads to where its joints come to rest when they brake.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from fastmove.arrays import Array
from fastmove.certificate.along_path import GEOMETRIC, certify_proposal
from fastmove.certificate.certificate import Certificate
from fastmove.certificate.certify import certify
from fastmove.dynamics.kinematics import Kinematics
from fastmove.errors import FastMoveError, GoalOutOfReach, InputError
from fastmove.multibody.assembly import assemble
from fastmove.optim.breakpoints import early_breakpoints, switch_basis, warm_breakpoints
from fastmove.optim.merit import STEP_TOLERANCE
from fastmove.optim.transcription import Transcription
from fastmove.planner.context import PlanningContext
from fastmove.planner.goal_planner import GoalPlanner
from fastmove.planner.options import Options
from fastmove.planner.planner import Planner
from fastmove.problem.goal import Goal, State
from fastmove.problem.scene import Scene
from fastmove.problem.transfer import TransferProblem
from fastmove.search.arrival import arrival_of, closest_approach
from fastmove.search.ik import GoalIk, with_goal_configurations
from fastmove.search.initial_guess import moving_guess, smooth_step
from fastmove.search.time_bound import braking, lower_bound
from fastmove.solution.solution import Solution, Status
from fastmove.trajectory.bspline import SplineBasis
from fastmove.trajectory.piecewise_polynomial import PiecewisePolynomial, quintic_hermite, shifted
from fastmove.trajectory.time_law import TimeLaw, along
from fastmove.trajectory.trajectory import Phase, Trajectory

WARM_RADIUS = 0.1  # Initial trust-region radius of a warm start [rad].
WARM_STEPS = 8  # Maximum number of subproblems of a warm start.
WARM_CONES_FROM = 0.95  # Utilisation of the hold from which a warm start includes its cones.
LONGER = 1.02  # Minimum ratio of the initial guess's duration to the lower bound where the goal moved.
BENT_SPEEDS = (1.0, 0.9, 0.8, 0.65, 0.5)  # Speeds at which a bent motion is tried, each reached within `SLOWING`.
BENT_FACTORS = (1.0, 1.03, 1.1, 1.2, 1.35)  # Factors on the duration of a motion that is bent to another start, or a moving goal.
SLOWING = (0.08, 0.7)  # Time at least, and time more for each unit of speed less, within which a bent motion slows down [s].
ROOM = 0.5  # Time for which a goal that moves on is followed beyond where a bent motion meets it [s].
LEAST_LEFT = 1e-3  # Minimum remaining duration of a motion that can be replanned [s].
BRAKE_GRID = 1e-3  # Step of the time grid on which the end of the start's corridors is looked for [s].
BRAKES = (1.0, 0.7, 0.45)  # Shares of acceleration and jerk limits with which the joints brake, in the order tried.
STOPPED = 1e-2  # Relative step tolerance of a stop.


@dataclass(frozen=True)
class Replan:
    """Result of replanning a motion.

    Attributes:
        solution: Solution from the state at `at`, to be spliced in there (`Execution.splice`).  Where it is not certified, not
            even a stop could be, and the driver must stop the arm.
        stops: Whether it ends in a held stop short of the goal.  A stop is certified until the arm stands; moving obstacles may
            come after that.
    """

    solution: Solution
    stops: bool


def replan(
    solution: Solution, at: float, scene: Scene | None = None, goal: Goal | None = None, options: Options | None = None
) -> Replan:
    """Plans a new motion from where a motion will be at time `at`.

    Args:
        solution: Solution with the old motion.
        at: Time in the old motion, as far ahead as planning takes [s].
        scene: Scene as it is now, in which obstacles move by the clock of the old motion; None means unchanged.
        goal: Goal as it is now; None means unchanged.  One that moves on is where it is said to be at `at`.
        options: Options of the planner; None means the defaults.

    Raises:
        InputError: The solution has no motion, `at` is outside it, or a corridor of the start is not left yet.
    """
    begin = time.perf_counter()
    problem, trajectory = problem_ahead(solution, at, scene, goal), solution.trajectory
    assert trajectory is not None
    new_solution = warm_started(problem, trajectory, at)
    if new_solution is None:
        new_solution = searched(problem, options)
    stops = not new_solution.ok
    if stops:
        new_solution = stopped(problem, options)
    if new_solution is None:
        new_solution = Solution(problem, Status.NO_PATH, "neither a motion to the goal nor a stop could be certified")
    timings = new_solution.timings | {"total": time.perf_counter() - begin}
    return Replan(replace(new_solution, timings=timings), stops)


def problem_ahead(solution: Solution, at: float, scene: Scene | None = None, goal: Goal | None = None) -> TransferProblem:
    """Builds the problem from where a motion will be at a time.

    Args:
        solution: Solution with the motion.
        at: Time in it [s].
        scene: Scene as it is now, in which obstacles move by the clock of the motion; None means unchanged.
        goal: Goal as it is now, on a clock that begins at that time where it moves on; None means where the motion ends.

    Raises:
        InputError: The solution has no motion, `at` is outside it, or a corridor of the start is not left yet.
    """
    if solution.trajectory is None:
        raise InputError("solution", f"has no motion to leave ({solution.detail or solution.status.value})")
    if not 0 < at <= solution.duration - LEAST_LEFT:
        raise InputError("at", f"is {at} s; allowed: inside the motion, above 0 to {solution.duration - LEAST_LEFT:.3f} s")
    old, trajectory = solution.problem, solution.trajectory
    q, v, a = (trajectory.sample(at, order) for order in range(3))
    scene_from_there = _corridors_left(solution, at, scene or old.scene).after(at)
    return old.with_(start=State(q, v, a), scene=scene_from_there, goal=goal or _same_goal(old, trajectory).after(at))


def _same_goal(old: TransferProblem, trajectory: Trajectory) -> Goal:
    """Returns the goal with only the configuration at which the motion ends."""
    end = trajectory.duration if old.goal.moves else 0.0
    return replace(old.goal, configurations=trajectory.position(trajectory.duration)[None], time=end)


def _corridors_left(solution: Solution, at: float, scene: Scene) -> Scene:
    """Returns the scene without the corridors of the start.

    Args:
        solution: Solution with the old motion.
        at: Time at which the new motion begins [s].
        scene: Scene as it is now.

    Raises:
        InputError: A corridor of the start is not left at that time.
    """
    lengths = [c.length for c in solution.problem.corridors if c.at == "start"]
    if lengths and solution.problem.holds:
        time, moved = _way_of_grasps(solution, at)
        past = np.all(moved >= max(lengths), axis=1)
        if not past[0]:
            when = f"is left at {time[int(np.argmax(past))]:.3f} s only" if np.any(past) else "is not left before the motion ends"
            raise InputError("at", f"is {at:.3f} s; the corridor at the start {when}")
    return replace(scene, corridors=tuple(c for c in scene.corridors if c.at != "start"))


def _way_of_grasps(solution: Solution, at: float) -> tuple[Array, Array]:
    """Returns times (N,) [s] from `at` on, and the distances (N, holds) [m] of each grasp's origin from where it started."""
    assembly, trajectory = assemble(solution.problem), solution.trajectory
    assert trajectory is not None
    time = np.concatenate(
        [[0.0], np.linspace(at, trajectory.duration, max(2, int(np.ceil((trajectory.duration - at) / BRAKE_GRID))))]
    )
    kinematics, q = Kinematics(assembly.arm), trajectory.motion()(time)
    places = np.stack([kinematics.frame(q, frame.joint, frame.joint_T_grasp)[1] for frame in assembly.hold_frames], axis=1)
    return time[1:], np.linalg.norm(places[1:] - places[0], axis=2)


def _nearest_goal(problem: TransferProblem, end: Array) -> TransferProblem:
    """Returns the problem with only the goal configuration that is nearest to where the old motion ends (n,) [rad]."""
    if problem.goal.moves:
        return _met_near(problem, end)
    if len(problem.goal.configurations) == 0:
        problem = with_goal_configurations(problem, 0)
    goals = np.array(problem.goal.configurations)
    nearest = goals[int(np.argmin(np.abs(goals - end).max(axis=1)))]
    return problem.with_(goal=replace(problem.goal, configurations=nearest[None]))


def _met_near(problem: TransferProblem, end: Array) -> TransferProblem:
    """Returns the problem with only the configuration near `end` (n,) [rad] that is at its moving goal when that is nearest.

    Raises:
        GoalOutOfReach: None is.
    """
    goal, ik = problem.goal, GoalIk(problem, problem.goal.poses[0])
    time = goal.time or closest_approach(goal, ik.frame(end)[0].translation)
    q = ik.project_into(goal.after(time).poses[0], end)
    if q is None:
        raise GoalOutOfReach("goal", f"is not within reach near where the motion ends, at {time:.3f} s")
    return problem.with_(goal=replace(goal, configurations=q[None], time=time))


def bent_towards(problem: TransferProblem, trajectory: Trajectory, at: float) -> Solution | None:
    """Bends what is left of a motion evenly towards the nearest goal, and runs it as fast as is certified, of a few speeds.

    Nothing is optimised: it is there in a tenth of the time that a warm start takes, and slower.

    Args:
        problem: Problem from the state at `at`.
        trajectory: The old motion.
        at: Time in the old motion at which the new one begins [s].

    Returns:
        None where no such motion is certified.
    """
    end = trajectory.position(trajectory.duration)
    try:
        rest = trajectory.after(at)
        if problem.goal.moves:
            return bent_to_join(problem, rest)
        problem = _nearest_goal(problem, end)
        path = _bent(rest, [np.array(problem.goal.configurations[0]) - end])
        for speed in BENT_SPEEDS:
            slowing = min(SLOWING[0] + SLOWING[1] * (1 - speed), rest.duration)
            law = TimeLaw.slowed_to(speed, slowing).kept_up(rest.duration)
            motion = along(path, law)
            certificate = certify_proposal(problem, motion)
            if certificate.ok:
                return Solution.of(problem, motion, certificate, float("nan"))
            if not all(entry.ok for kind, entry in certificate.kinds.items() if kind in GEOMETRIC):
                return None  # something is in the way at any speed
    except FastMoveError:
        pass
    return None


def bent_to_join(problem: TransferProblem, motion: Trajectory) -> Solution | None:
    """Bends a motion evenly so that it begins in a start that is a little elsewhere, and meets a goal that is.

    It lasts as long, or longer by one of a few factors where only so it is certified.

    Args:
        problem: Problem whose goal nearest to the motion's end is to be met; one that moves on where it is when the motion ends.
        motion: A motion from nearly its start to nearly that goal.

    Returns:
        None where no such motion is certified.

    Raises:
        FastMoveError: The goal is out of reach.
    """
    problem = _nearest_goal(problem, motion.position(motion.duration))
    goal, start = np.array(problem.goal.configurations[0]), problem.start
    arrival = arrival_of(problem, goal, max(problem.goal.time, motion.duration) + ROOM)
    for factor in BENT_FACTORS:
        slower = motion.slowed(factor) if factor > 1 else motion
        duration, nothing = slower.duration, np.zeros_like(goal)
        if arrival is not None and not arrival.reaches(duration):
            break
        first, last = (np.array([slower.sample(t, order) for order in range(3)]) for t in (0.0, duration))
        end = np.stack([goal, nothing, nothing]) if arrival is None else arrival.derivatives(duration)[:3]
        bent = _bent(slower, list(end - last), list(np.stack([start.q, start.v, start.a]) - first))
        certificate = certify_proposal(problem, bent)
        if certificate.ok:
            return Solution.of(problem, bent, certificate, float("nan"))
    return None


def _bent(rest: Trajectory, shift: list[Array], before: list[Array] | None = None) -> Trajectory:
    """The motion rest(t) + b(t), b being the quintic between a shift of the start and one of the end.

    Args:
        rest: The motion.
        shift: Change of position (n,) at the end [rad], and of velocity and acceleration, none where they are left out.
        before: The same at the start; None = none.
    """
    duration, phases, begin = rest.duration, [], 0.0
    ends = np.zeros((3, 2, len(shift[0])))
    for side, changes in enumerate((before or [], shift)):
        for order, change in enumerate(changes):
            ends[order, side] = change
    bend = quintic_hermite(np.array([0.0, duration]), *ends)
    for phase in rest.phases:
        times = phase.motion.times - phase.motion.times[0]
        old, more = phase.motion.coefficients, shifted(np.repeat(bend.coefficients, len(times) - 1, axis=0), times[:-1] + begin)
        degree = max(old.shape[1], more.shape[1])
        padded = [np.pad(c, ((0, 0), (0, degree - c.shape[1]), (0, 0))) for c in (old, more)]
        phases.append(Phase(PiecewisePolynomial(times, padded[0] + padded[1]), None, None, phase.grip_force, phase.opening))
        begin += phase.duration
    return Trajectory(tuple(phases), rest.joint_names)


def warm_started(problem: TransferProblem, trajectory: Trajectory, at: float) -> Solution | None:
    """Plans with the remaining old motion as the initial guess; None where that leads to no certified motion.

    Args:
        problem: Problem from the state at `at`.
        trajectory: The old motion.
        at: Time in the old motion at which the new one begins [s].
    """
    end = trajectory.position(trajectory.duration)
    try:
        problem = _nearest_goal(problem, end)
        goal = np.array(problem.goal.configurations[0])
        same, left = np.array_equal(goal, end) and not problem.goal.moves, trajectory.duration - at
        if same and (unchanged := _unchanged(problem, trajectory, at)) is not None:
            return Solution.of(problem, *unchanged, lower_bound(problem.start, goal, problem.limit_set).duration)
        goal_planner = GoalPlanner.of(PlanningContext.of(problem), goal, 0)
    except FastMoveError:
        return None
    if same and goal_planner.context.collision.margins_at(goal, goal_planner.ends):  # Something stands at the goal now.
        return None
    times = trajectory.motion().times
    early = early_breakpoints(problem.start, problem.limit_set)
    basis = SplineBasis(warm_breakpoints((times[times > at] - at) / left, early / left, left))
    transcription, arrival = goal_planner.solver.transcription(basis), goal_planner.solver.arrival
    there = goal if arrival is None else np.array(arrival.state(left).q)
    free = _remaining_control_points(trajectory, at, basis, transcription, there - end)
    duration = left if same else max(left, LONGER * goal_planner.bound.duration)
    return _solve_from(goal_planner, transcription, free, duration)


def _solve_from(
    goal_planner: GoalPlanner, transcription: Transcription, free: Array, duration: float, tolerance: float = STEP_TOLERANCE
) -> Solution | None:
    """Solves a few subproblems from an initial guess; None where the result is not certified.

    Args:
        goal_planner: Planner for the goal.
        transcription: Transcription of the motion.
        free: Free control points of the initial guess (n_free, n) [rad].
        duration: Duration of the initial guess [s].
        tolerance: Relative step tolerance.
    """
    samples = goal_planner.solver.grid(transcription, near_speed_limit=True)
    options = {"max_steps": WARM_STEPS, "cones_from": WARM_CONES_FROM, "step_tolerance": tolerance}
    candidate = goal_planner.solve(transcription, samples, free, duration, WARM_RADIUS, **options)
    if candidate is None:
        return None
    result = goal_planner.certified(candidate)
    return Solution.of(goal_planner.problem, *result, goal_planner.bound.duration) if result[1].ok else None


def _unchanged(problem: TransferProblem, trajectory: Trajectory, at: float) -> tuple[Trajectory, Certificate] | None:
    """Returns the remaining motion, unchanged, with its certificate; None where that is not ok."""
    rest = trajectory.after(at)
    certificate = certify(problem, rest)
    return (rest, certificate) if certificate.ok else None


def _remaining_control_points(
    trajectory: Trajectory, at: float, basis: SplineBasis, transcription: Transcription, shift: Array
) -> Array:
    """Returns the free control points (n_free, n) [rad] of the remaining motion, bent smoothly towards a goal that has moved.

    Args:
        trajectory: The old motion.
        at: Time in the old motion at which the new one begins [s].
        basis: Spline basis of the new motion.
        transcription: Transcription of the new motion, with its fixed control points.
        shift: Displacement of the goal configuration (n,) [rad].
    """
    left = trajectory.duration - at
    s = np.unique(
        np.concatenate([np.linspace(a, b, 5) for a, b in zip(basis.breakpoints[:-1], basis.breakpoints[1:], strict=True)])
    )
    target = trajectory.position(at + s * left) + smooth_step(s)[:, None] * shift
    fixed = transcription.points(np.zeros((basis.size - 6, target.shape[1])), left)
    matrix = basis.design_matrix(s)
    return np.asarray(np.linalg.lstsq(matrix[:, 3:-3], target - matrix @ fixed, rcond=None)[0])


def searched(problem: TransferProblem, options: Options | None) -> Solution:
    """Plans as usual; what is wrong with the problem is the solution's detail."""
    try:
        return Planner(options).plan(problem)
    except FastMoveError as error:
        return Solution(problem, Status.REFUSED, str(error))


def stopped(problem: TransferProblem, options: Options | None) -> Solution | None:
    """Plans a certified stop, to where the joints come to rest when all brake with a share of their limits; None where none is.

    The first share for which a few subproblems give a certified stop is taken, else the first for which the usual plan does.

    Args:
        problem: Problem from the moving start.
        options: Options of the planner.
    """
    for plan_stop in (_braked, lambda stop: searched(stop, options)):
        for share in BRAKES:
            try:
                rest = braking(problem.start, problem.limit_set, share)
                solution = plan_stop(problem.with_(goal=Goal(rest[None], opens_hand=False)))
            except FastMoveError:
                continue
            if solution is not None and solution.ok:
                return replace(solution, detail=f"the arm stops, holding, after {solution.duration:.3f} s")
    return None


def _braked(problem: TransferProblem) -> Solution | None:
    """Solves a few subproblems from Ruckig's own motion to where the arm shall stop; None where that is not certified."""
    (rest,) = np.array(problem.goal.configurations)
    goal_planner = GoalPlanner.of(PlanningContext.of(problem), rest, 0)
    if goal_planner.context.checks.refusal(rest) is not None:
        return None
    basis = switch_basis(goal_planner.bound, at_rest=False, early=goal_planner.guesses.early)
    transcription = goal_planner.solver.transcription(basis)
    free, duration = moving_guess(problem.start, rest, problem.limit_set, basis)
    return _solve_from(goal_planner, transcription, free, duration, STOPPED)
