"""Planners to compare with that use FastMove's path search and collision model, and the time laws of other software.

`rrtc-ruckig` stops at every corner of the path; each straight stretch is Ruckig's fastest jerk-limited motion along it (phase
synchronisation; Berscheid & Kröger, RSS 2021).  `rrtc-toppra` follows a spline through the corners as fast as velocity and
acceleration allow (TOPP-RA; Pham & Pham, IEEE T-RO 34(3), 2018); it knows no jerk, torque or hold limit, and its certificate
checks only position and collision.  Where the spline leaves the free space, points on the straight stretches are added until it
does not.
"""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import numpy as np

from fastmove.arrays import Array
from fastmove.certificate.certify import certify
from fastmove.errors import MissingPackage
from fastmove.planner.context import PlanningContext
from fastmove.problem.goal import State
from fastmove.problem.transfer import TransferProblem
from fastmove.search.path_validity import StateValidityChecker
from fastmove.search.rrt_connect import connect
from fastmove.search.time_bound import STRAIGHT, joint_motions, lower_bound
from fastmove.solution.solution import Solution, Status
from fastmove.trajectory.piecewise_polynomial import PiecewisePolynomial, quintic_hermite
from fastmove.trajectory.trajectory import Phase, Trajectory

# Kinds of limits that the certificate of `rrtc-ruckig` checks.
KINEMATIC = ("continuity", "position", "velocity", "acceleration", "jerk", "clearance", "allowed_contact", "start", "goal")
# Kinds of limits that the certificate of `rrtc-toppra` checks.
GEOMETRIC = ("position", "clearance", "allowed_contact")
GAPS = (np.inf, 0.4, 0.2, 0.1, 0.05)  # Largest distances of the spline's points along the path, tried in this order [rad].
PATH_GRID = 200  # Number of equal intervals of the path on which TOPP-RA solves [1].
SAMPLE = 2e-3  # Step at which TOPP-RA's motion is sampled [s].


def rrtc_ruckig(problem: TransferProblem) -> Solution:
    """Follow the searched path with Ruckig, stopping at every corner."""
    begin = time.perf_counter()
    path, refused = searched_path(problem)
    if path is None:
        return refused
    limits, phases = problem.limit_set, []
    for a, b in pairwise(path):
        if np.linalg.norm(b - a) > 1e-9:
            motion = joint_motions(State.rest(a), b, limits.velocity, limits.acceleration, limits.jerk, STRAIGHT)
            phases.append(phase_of(_pieces(motion), problem))
    return judged(problem, Trajectory(tuple(phases), problem.robot.joint_names), KINEMATIC, begin)


def rrtc_toppra(problem: TransferProblem) -> Solution:
    """Follow a spline through the searched path's corners with TOPP-RA, as fast as velocity and acceleration allow."""
    begin = time.perf_counter()
    path, refused = searched_path(problem)
    if path is None:
        return refused
    solution = refused
    for gap in GAPS:
        motion = _toppra(_densified(path, gap), problem)
        if motion is None:
            continue
        solution = judged(problem, Trajectory((phase_of(motion, problem),), problem.robot.joint_names), GEOMETRIC, begin)
        if solution.ok:
            break
    return solution


def searched_path(problem: TransferProblem) -> tuple[Array | None, Solution]:
    """A collision-free path (K, n) to the first goal [rad], or None; and the solution to return if there is none."""
    context = PlanningContext.of(problem)
    context.checks.start()
    start, goal = np.array(problem.start.q), np.array(problem.goal.configurations[0])
    valid = StateValidityChecker(context.collision, context.dynamics, problem, context.collision.ends(start, goal))
    path = connect(valid, goal, 1, 4)
    return path, Solution(problem, Status.NO_PATH, "no collision-free path was found within the search's budget")


def phase_of(motion: PiecewisePolynomial, problem: TransferProblem) -> Phase:
    """A motion with each hand at the strongest grip that its grasp allows."""
    forces = np.array([held.planned_grip for held in problem.holds])
    return Phase(motion, None, None, forces, np.array([held.width for held in problem.holds]))


def judged(problem: TransferProblem, trajectory: Trajectory, kinds: tuple[str, ...], begin: float) -> Solution:
    """A peer's motion with the certificate of these kinds of limits, planned since `begin` [s of `time.perf_counter`]."""
    certificate = certify(problem, trajectory, kinds)
    bound = lower_bound(problem.start, np.array(problem.goal.configurations[0]), problem.limit_set).duration
    return Solution.of(problem, trajectory, certificate, bound, {"total": time.perf_counter() - begin})


def _pieces(motion: Any) -> PiecewisePolynomial:
    """A Ruckig motion as cubic pieces, cut wherever the jerk of any joint switches."""
    switches = [np.cumsum([*profile.brake.t, *profile.t]) for profile in motion.profiles[0]]
    inner = np.unique(np.concatenate(switches))
    inner = inner[np.diff(inner, prepend=0.0) > 1e-11]
    times = np.concatenate([[0.0], inner[inner < motion.duration - 1e-11], [motion.duration]])
    states = [np.array(motion.at_time(float(t))) for t in times]
    coefficients = []
    for one, other, span in zip(states[:-1], states[1:], np.diff(times), strict=True):
        q, v, a = one[:3]
        coefficients.append([q, v, a / 2, (other[2] - a) / span / 6])
    return PiecewisePolynomial(times, np.array(coefficients))


def _densified(path: Array, gap: float) -> Array:
    """The path (K, n) with more points on its straight stretches, at most `gap` apart [rad]."""
    counts = [max(1, int(np.ceil(np.linalg.norm(b - a) / gap))) for a, b in pairwise(path)]
    parts = [np.linspace(a, b, n + 1)[1:] for (a, b), n in zip(pairwise(path), counts, strict=True)]
    return np.concatenate([path[:1], *parts])


def _toppra(path: Array, problem: TransferProblem) -> PiecewisePolynomial | None:
    """TOPP-RA's motion through a path (K, n), sampled every `SAMPLE` as quintic pieces; None if it finds none."""
    try:
        import toppra
        from toppra.algorithm import TOPPRA
        from toppra.constraint import JointAccelerationConstraint, JointVelocityConstraint
    except ImportError as error:  # pragma: no cover
        raise MissingPackage("toppra", "the planner rrtc-toppra", "peers") from error
    toppra.setup_logging("ERROR")
    limits = problem.limit_set
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    spline = toppra.SplineInterpolator(length, path)
    bounds = [np.stack([-x, x], axis=1) for x in (np.array(limits.velocity), np.array(limits.acceleration))]
    constraints = [JointVelocityConstraint(bounds[0]), JointAccelerationConstraint(bounds[1])]
    grid = np.unique(np.concatenate([np.linspace(0.0, length[-1], PATH_GRID + 1), length]))
    solver = TOPPRA(constraints, spline, gridpoints=grid, solver_wrapper="seidel", parametrizer="ParametrizeConstAccel")
    motion = solver.compute_trajectory()
    if motion is None:
        return None
    times = np.append(np.arange(0.0, motion.duration - 1e-6, SAMPLE), motion.duration)
    return quintic_hermite(times, motion(times), motion(times, 1), motion(times, 2))
