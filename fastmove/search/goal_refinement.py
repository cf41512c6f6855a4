"""Of a goal region the configuration that can be reached soonest, between its samples.

A configuration's lower bound is the largest of functions T_j of one joint each, so around a configuration q of the region

    minimise t   subject to   T_j + T_j' δ_j ≤ t,  |δ_j| ≤ r,  q + δ within the limits,
                              p + J_p δ within the tolerance,  Pᵀ J_r δ along the free axis, within its range

is a linear program (p, P: where the goal frame is, and the region's rotation).  What it gives is put back into the region by
inverse kinematics and counts where its own bound is less; else r shrinks.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from fastmove.arrays import Array
from fastmove.problem.goal import GoalPose
from fastmove.problem.transfer import TransferProblem
from fastmove.search.ik import GoalIk
from fastmove.search.time_bound import ALONE, joint_motions

REGION_INSIDE = 1e-6  # a configuration that is this near a region is in it [m], [rad]
STEPS, RADIUS, RADIUS_FACTOR, LEAST = 8, 0.3, 0.25, 0.01  # of the region of trust [rad]
GAIN = 1e-3  # share of the bound that a step must save
SLOPE_STEP = 1e-5  # [rad]


def refine_goals(problem: TransferProblem, q: Array) -> Array | None:
    """From a configuration (n,) in one of the goal's regions to that near it with the least bound; None where it is that."""
    for goal in problem.goal.poses:
        reach = GoalIk(problem, goal)
        if max(goal.distance_outside(reach.frame(q)[0])) < REGION_INSIDE:
            return _followed(problem, goal, reach, q)
    return None


def _times(problem: TransferProblem, q: Array) -> Array:
    """(n,) least time of every joint alone [s]."""
    limits = problem.limit_set
    motion = joint_motions(problem.start, q, limits.velocity, limits.acceleration, limits.jerk, ALONE)
    return np.array(motion.independent_min_durations)


def _followed(problem: TransferProblem, goal: GoalPose, reach: GoalIk, q: Array) -> Array | None:
    """Where the bound is least near a configuration; None where it is least there."""
    times, radius, first = _times(problem, q), RADIUS, q
    for _ in range(STEPS):
        if radius < LEAST:
            break
        change = _step(problem, goal, reach, q, times, radius)
        back = None if change is None else reach.project_into(goal, q + change)
        later = None if back is None else _times(problem, back)
        if back is None or later is None or later.max() > (1 - GAIN) * times.max():
            radius *= RADIUS_FACTOR
        else:
            q, times = back, later
    return None if q is first else q


def _step(problem: TransferProblem, goal: GoalPose, reach: GoalIk, q: Array, times: Array, radius: float) -> Array | None:
    """The linear program's δ (n,)."""
    n, limits = len(q), problem.limit_set
    slope = (_times(problem, np.clip(q + SLOPE_STEP, limits.position_min, limits.position_max)) - times) / SLOPE_STEP
    frame, jacobian = reach.frame(q)
    turn = goal.placement.rotation.T @ jacobian[3:]
    shift = frame.translation - goal.placement.translation
    rows = [np.column_stack([np.diag(slope), -np.ones(n)])]
    bounds = [-times]
    for sign, room in zip((1.0, -1.0), reversed(goal.turn_range(frame)), strict=True):
        rows.append(np.column_stack([sign * jacobian[:3], np.zeros(3)]))
        bounds.append(goal.tolerance - sign * shift)
        if np.isfinite(room):
            rows.append(np.append(sign * goal.axis @ turn, 0.0)[None])
            bounds.append(np.array([room]))
    across = np.eye(3) - np.outer(goal.axis, goal.axis)
    box = np.column_stack([np.maximum(-radius, limits.position_min - q), np.minimum(radius, limits.position_max - q)])
    solved = linprog(
        np.append(np.zeros(n), 1.0),
        np.concatenate(rows),
        np.concatenate(bounds) + 1e-9,
        np.column_stack([across @ turn, np.zeros(3)]),
        np.zeros(3),
        [*map(tuple, box), (None, None)],
        method="highs",
    )
    return np.asarray(solved.x[:n]) if solved.success else None
