"""Refinement of a goal: the configuration in a goal region, between its samples, that can be reached soonest.

The lower bound of the duration to a configuration is the largest of the least times T_j of each joint alone, and T_j depends on
joint j only.  So around a configuration q of the region

    minimise t   subject to   T_j + T_j' δ_j ≤ t,  |δ_j| ≤ r,  q + δ within the limits,
                              p + J_p δ within the tolerance,  Pᵀ J_r δ along the free axis, within its range

is a linear program, with t the lower bound [s], δ the change of the configuration [rad], r the trust-region radius [rad], p the
position of the goal frame relative to the region's [m], and P the rotation of the region.  Its solution is put back into the
region by inverse kinematics.  It is accepted where its own bound is less; otherwise r shrinks.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import linprog

from fastmove.arrays import Array
from fastmove.problem.goal import Goal, GoalPose, State
from fastmove.problem.transfer import TransferProblem
from fastmove.search.ik import GoalIk
from fastmove.search.time_bound import ALONE, joint_motions

REGION_INSIDE = 1e-6  # Distance from a goal region below which a goal frame counts as inside [m], [rad].
ROUNDS = 3  # Maximum number of times that both ends are refined in turn.
STEPS = 8  # Maximum number of linear programs.
RADIUS = 0.3  # Initial trust-region radius [rad].
RADIUS_FACTOR = 0.25  # Factor on the trust-region radius after a rejected step.
LEAST = 0.01  # Trust-region radius below which the refinement stops [rad].
GAIN = 1e-3  # Share of the lower bound that a step must save to be accepted.
SLOPE_STEP = 1e-5  # Step of the finite differences of the joint times [rad].


def refine_goals(problem: TransferProblem, q: Array) -> Array | None:
    """Returns the configuration (n,) [rad] near q, in the same goal region, with the least lower bound of the duration.

    Args:
        problem: Transfer with goal regions.
        q: Configuration in one of the goal's regions (n,) [rad].

    Returns:
        None where q is in no region, or no configuration near it has a bound that is less by `GAIN`.
    """
    for goal in problem.goal.poses:
        reach = GoalIk(problem, goal)
        if max(goal.distance_outside(reach.frame(q)[0])) < REGION_INSIDE:
            return _followed(problem, goal, reach, q)
    return None


def nearer_ends(problem: TransferProblem, start: Array, goal: Array, from_poses: bool) -> tuple[Array, Array] | None:
    """Returns a start and a goal configuration near these, in the same regions, with a lesser lower bound of the duration.

    Each end that is a region is refined in turn.  From rest to rest the way back takes as long as the way there, so a start is
    refined as the goal of the way back.

    Args:
        problem: Transfer problem.
        start: Configuration at the start (n,) [rad].
        goal: Configuration at the goal (n,) [rad].
        from_poses: Whether the start may be moved within its poses, too.

    Returns:
        None where no end can be refined.
    """
    found = False
    for _ in range(ROUNDS):
        forward = problem.with_(start=replace(problem.start, q=start)) if from_poses else problem
        later = refine_goals(forward, goal) if problem.goal.poses else None
        goal = goal if later is None else later
        sooner = None
        if from_poses:
            back = problem.with_(start=State.rest(goal), goal=Goal(start[None], problem.start.poses))
            sooner = refine_goals(back, start)
            start = start if sooner is None else sooner
        if later is None and sooner is None:
            break
        found = True
    return (start, goal) if found else None


def _times(problem: TransferProblem, q: Array) -> Array:
    """Returns the least time (n,) [s] in which each joint alone reaches a configuration from the start."""
    limits = problem.limit_set
    motion = joint_motions(problem.start, q, limits.velocity, limits.acceleration, limits.jerk, ALONE)
    return np.array(motion.independent_min_durations)


def _followed(problem: TransferProblem, goal: GoalPose, reach: GoalIk, q: Array) -> Array | None:
    """Returns the configuration (n,) that successive linear programs lead to from q; None where no step was accepted."""
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
    """Returns the solution δ (n,) [rad] of the linear program around q; None where it has none.

    Args:
        problem: Transfer with goal regions.
        goal: Goal region.
        reach: Inverse kinematics of the region.
        q: Configuration in the region (n,) [rad].
        times: Least time of each joint alone to q (n,) [s].
        radius: Trust-region radius [rad].
    """
    n, limits = len(q), problem.limit_set
    slope = (_times(problem, np.clip(q + SLOPE_STEP, limits.position_min, limits.position_max)) - times) / SLOPE_STEP
    frame, jacobian = reach.frame(q)
    turn = goal.placement.rotation.T @ jacobian[3:]
    shift = frame.translation - goal.placement.translation
    rows = [np.column_stack([np.diag(slope), -np.ones(n)])]
    bounds = [-times]
    for sign, turn_left in zip((1.0, -1.0), reversed(goal.turn_range(frame)), strict=True):
        rows.append(np.column_stack([sign * jacobian[:3], np.zeros(3)]))
        bounds.append(goal.tolerance - sign * shift)
        if np.isfinite(turn_left):
            rows.append(np.append(sign * goal.axis @ turn, 0.0)[None])
            bounds.append(np.array([turn_left]))
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
