"""Improving a planned motion, or solving from random initial guesses, with the reference optimiser (IPOPT)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fastmove.arrays import Array
from fastmove.errors import InputError
from fastmove.problem.transfer import TransferProblem
from fastmove.reference.oracle import Oracle, Reference
from fastmove.search.initial_guess import bent_guess
from fastmove.trajectory.bspline import SplineBasis
from fastmove.trajectory.trajectory import Trajectory

START_SLACK = 1.3  # initial duration of a random initial guess over the duration that it needs [1]


def reference(
    problem: TransferProblem,
    trajectory: Trajectory,
    refine: int = 1,
    tolerance: float = 1e-8,
    samples_per_span: int = 3,
    max_iter: int = 300,
    stoppable: bool = False,
) -> Reference:
    """Improves a motion by IPOPT on its own breakpoints.

    Args:
        problem: transfer that the motion solves.
        trajectory: one phase with a spline, rest to rest, from the problem's start; where it ends is the goal.
        refine: 2 halves every span first (knot insertion, exact); 1 does not.
        tolerance: IPOPT's tolerance on the scaled optimality conditions.
        samples_per_span: number of equally spaced points of torque and hold rows inside every span.
        max_iter: largest number of IPOPT iterations in a round.
        stoppable: also ask, as the planner does, that arm and hold could bear the item at rest (to 97 %) wherever it passes.
            This is no limit of the problem; without it a gain includes what the planner gives away by asking for it.

    Raises:
        InputError: the start moves, the motion has several phases, no spline, other joints or another start, the problem has
            limits that the oracle does not know, or a number is out of range.
    """
    basis, points = _spline(problem, trajectory)
    if refine not in (1, 2):
        raise InputError("refine", f"is {refine}; allowed: 1 (same breakpoints), 2 (every span halved)")
    if refine == 2:
        finer = basis.refined((basis.breakpoints[:-1] + basis.breakpoints[1:]) / 2)
        basis, points = finer, basis.insertion_matrix(finer) @ points
    oracle = Oracle(problem, basis, points[0], points[-1], tolerance, samples_per_span, max_iter, stoppable)
    return oracle.solve(points[3:-3], trajectory.duration)


def best_of(
    problem: TransferProblem,
    trajectory: Trajectory,
    starts: int = 20,
    seed: int = 0,
    tolerance: float = 1e-6,
    max_iter: int = 300,
    stoppable: bool = False,
) -> tuple[Reference, ...]:
    """Solves by IPOPT from random initial guesses between a trajectory's ends, on its breakpoints.

    `start_duration` of every result is the trajectory's, so that `gain` says by how much a random initial guess beat it.

    Args:
        problem: transfer that the trajectory solves.
        trajectory: as for `reference`.
        starts: number of random initial guesses.
        seed: seed of the first one; equal seeds give equal results.
        tolerance: IPOPT's tolerance on the scaled optimality conditions.
        max_iter: largest number of IPOPT iterations in a round.
        stoppable: see `reference`.

    Returns:
        One result per initial guess, the fastest first, failures last.

    Raises:
        InputError: see `reference`.
    """
    basis, points = _spline(problem, trajectory)
    oracle = Oracle(problem, basis, points[0], points[-1], tolerance, 3, max_iter, stoppable)
    results = []
    for k in range(starts):
        free = bent_guess(points[0], points[-1], problem.limit_set, basis, seed * 1000 + k)
        needed = oracle.needed(free, trajectory.duration)
        result = oracle.solve(free, START_SLACK * min(needed, 2 * trajectory.duration))
        results.append(replace(result, start_duration=trajectory.duration))
    return tuple(sorted(results, key=lambda r: (not r.ok, r.duration)))


def _spline(problem: TransferProblem, trajectory: Trajectory) -> tuple[SplineBasis, Array]:
    """Returns the basis and control points of a motion that the oracle can improve; raises InputError for others."""
    if not problem.start.at_rest:
        raise InputError("start", "moves; the oracle solves from rest to rest only")
    if problem.goal.moves:
        raise InputError("goal.velocity", "is not zero; the oracle improves motions to goals that stand still")
    if problem.scene.moving:
        raise InputError("obstacles", "move; the oracle solves among obstacles that stand still")
    if any(held.item.tolerates.of_force for held in problem.holds):
        raise InputError("item.tolerates", "limits tilt, leaning or shock, which the oracle does not know")
    if problem.limit_set.speed_envelope is not None:
        raise InputError(
            "limits", f"{problem.limits} has speed limits that depend on the position, which the oracle does not know"
        )
    if len(trajectory.phases) != 1:
        raise InputError("trajectory", f"has {len(trajectory.phases)} phases; needs one")
    phase = trajectory.phases[0]
    if phase.basis is None or phase.control_points is None:
        raise InputError("trajectory", "has no spline; motions read from samples cannot be improved")
    if trajectory.joint_names != problem.robot.joint_names:
        raise InputError("trajectory.joint_names", f"are {', '.join(trajectory.joint_names)}; not this robot's")
    points = np.array(phase.control_points)
    if np.abs(points[:3] - problem.start.q).max() > 1e-9 or np.abs(points[-3:] - points[-1]).max() > 1e-9:
        raise InputError("trajectory", "does not go from the problem's start to a goal, at rest at both")
    return phase.basis, points
