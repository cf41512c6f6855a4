"""Configurations that put a frame at a pose: many starts at once, Levenberg–Marquardt, in numpy.

A redundant arm has a continuum of solutions and a six-joint arm up to eight; both are sampled by starting from many random
configurations and keeping what differs.  The same seed gives the same configurations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.dynamics.kinematics import Kinematics
from fastmove.errors import GoalOutOfReach
from fastmove.multibody.assembly import assemble, goal_frame
from fastmove.problem.goal import GoalPose
from fastmove.problem.transfer import TransferProblem

STARTS = 96
FRESH = 12  # new starts at every further sample of a region
WALKS, WALK, MOST = 2, 0.45, 40  # steps along the self-motion, their length [rad], configurations kept per sample
STEPS, FEW_STEPS = 60, 16  # from random and from near starts
DAMPING = 1e-4
CLOSE = 1e-10  # of the twist that is left [m], [rad]
DISTINCT = 0.3  # solutions nearer than this in every joint count as one [rad]


def pose_at(problem: TransferProblem, q: Array) -> pin.SE3:
    """World pose of what a goal places (the item's frame where something is held, else the tool) at a configuration."""
    assembly = assemble(problem)
    data = assembly.arm.createData()
    pin.forwardKinematics(assembly.arm, data, np.asarray(q))
    joint, placement = goal_frame(assembly, problem.robot)
    return data.oMi[joint] * placement


def configurations(problem: TransferProblem, target: pin.SE3, near: Array | None = None, seed: int = 0) -> Array:
    """(K, n) distinct configurations within the position limits that put the item (or the tool) at `target`.

    Args:
        near: sorted by distance from this configuration, which is also a start; else in order of discovery.
    """
    assembly = assemble(problem)
    joint, placement = goal_frame(assembly, problem.robot)
    q = _starts(problem, np.random.default_rng(seed), STARTS)
    if near is not None:
        q[0] = near
    q = _Solver(problem, assembly.arm, joint, placement).solve(target, q)
    if near is not None:
        q = q[np.argsort(np.linalg.norm(q - near, axis=1), kind="stable")]
    return _distinct(q, problem.robot.n_arm)


def with_goal_configurations(problem: TransferProblem, seed: int = 0) -> TransferProblem:
    """The problem with configurations for all its goal poses: every region sampled, every sample by every branch found.

    Solutions are followed from sample to sample, with some fresh starts at each; a redundant arm's are spread by walking along
    its self-motion.

    Raises:
        GoalOutOfReach: no configuration of the robot puts the item (or the tool) anywhere in the regions.
    """
    rng = np.random.default_rng(seed)
    q = np.concatenate([found for goal in problem.goal.poses for found in GoalIk(problem, goal).along(goal.samples(), rng)])
    if len(q) == 0:
        raise GoalOutOfReach("goal.poses", f"are out of reach: no configuration of {problem.robot.name} gets there")
    return problem.with_(goal=replace(problem.goal, configurations=q))


class GoalIk:
    """Configurations that put what a goal places (the item, or the tool) where it is asked for: one problem, many poses."""

    def __init__(self, problem: TransferProblem, goal: GoalPose | None = None) -> None:
        self.problem, assembly = problem, assemble(problem)
        self.solver = _Solver(problem, assembly.arm, *goal_frame(assembly, problem.robot, goal))

    def all(self, target: pin.SE3, seed: int = 0) -> Array:
        """(K, n) from random starts, a redundant arm's spread along its self-motion."""
        found = self.solver.solve(target, _starts(self.problem, np.random.default_rng(seed), STARTS))
        return self._spread(target, _distinct(found, self.problem.robot.n_arm))

    def near(self, target: pin.SE3, pool: Array) -> Array:
        """(K, n) from these starts."""
        return _distinct(self.solver.solve(target, pool, FEW_STEPS), self.problem.robot.n_arm)[:MOST]

    def along(self, targets: list[pin.SE3], rng: np.random.Generator) -> Iterator[Array]:
        """(K, n) for each of these poses, followed from one to the next, with some fresh starts at each."""
        known, steps = _starts(self.problem, rng, STARTS), STEPS
        for target in targets:
            found = self._spread(target, _distinct(self.solver.solve(target, known, steps), self.problem.robot.n_arm))
            yield found
            known, steps = np.concatenate([found, _starts(self.problem, rng, FRESH)]), FEW_STEPS

    def frame(self, q: Array) -> tuple[pin.SE3, Array]:
        """Pose of what a goal places at q (n,), and its Jacobian (6, n): displacement and rotation vector in the world."""
        rotation, origin, jacobian = self.solver.kinematics.frame(q[None], self.solver.joint, self.solver.placement)
        return pin.SE3(rotation[0], origin[0]), jacobian[0]

    def project_into(self, goal: GoalPose, q: Array) -> Array | None:
        """The configuration near q (n,) that is in the region, by way of its nearest pose; None where there is none."""
        found = self.solver.solve(goal.nearest(self.frame(q)[0]), q[None], FEW_STEPS)
        return found[0] if len(found) else None

    def _spread(self, target: pin.SE3, found: Array) -> Array:
        for _ in range(WALKS if len(found) else 0):
            found = _distinct(
                np.concatenate([found, self.solver.solve(target, self.solver.nullspace_steps(target, found), FEW_STEPS)]),
                len(found[0]),
            )
        return found[:MOST]


def _starts(problem: TransferProblem, rng: np.random.Generator, count: int) -> Array:
    """Random configurations within the position limits, or within ± one turn where those are wider."""
    limits = problem.limit_set
    low, high = np.maximum(limits.position_min, -2 * np.pi), np.minimum(limits.position_max, 2 * np.pi)
    return rng.uniform(low, high, (count, len(low)))


def _distinct(q: Array, n: int) -> Array:
    """Rows of q that differ from all earlier ones."""
    kept: list[Array] = []
    for row in q:
        if not kept or np.abs(np.array(kept) - row).max(axis=1).min() > DISTINCT:
            kept.append(row)
    return np.array(kept).reshape(-1, n)


class _Solver:
    """Levenberg–Marquardt for many starts at once; the frame is fixed to a joint."""

    def __init__(self, problem: TransferProblem, arm: pin.Model, joint: int, placement: pin.SE3) -> None:
        self.kinematics, self.joint, self.placement = Kinematics(arm), joint, placement
        self.low, self.high = problem.limit_set.position_min, problem.limit_set.position_max

    def nullspace_steps(self, target: pin.SE3, q: Array) -> Array:
        """Configurations a step along the self-motion to either side of these solutions (N, n); none for six joints."""
        if q.shape[1] <= 6:
            return q[:0]
        _, jacobian = self._error(target, q)
        null = np.linalg.svd(jacobian)[2][:, 6]
        null *= WALK / np.abs(null).max(axis=1, keepdims=True)
        return np.clip(np.concatenate([q + null, q - null]), self.low, self.high)

    def solve(self, target: pin.SE3, q: Array, steps: int = STEPS) -> Array:
        """The rows of q (N, n) that converge, clipped to the limits on the way."""
        if len(q) == 0:
            return q
        eye = np.eye(6) * DAMPING
        for _ in range(steps):
            twist, jacobian = self._error(target, q)
            error = np.abs(twist).max(axis=1)
            if np.all(error < CLOSE):
                break
            normal = jacobian @ jacobian.transpose(0, 2, 1) + eye * np.minimum(error, 1.0)[:, None, None]
            step = np.einsum("nji,nj->ni", jacobian, np.linalg.solve(normal, twist[:, :, None])[:, :, 0])
            longest = np.abs(step).max(axis=1, keepdims=True)
            q = np.clip(q + step * np.minimum(1.0, 0.5 / np.maximum(longest, 1e-12)), self.low, self.high)
        twist, _ = self._error(target, q)
        return q[np.abs(twist).max(axis=1) < 1e-8]

    def _error(self, target: pin.SE3, q: Array) -> tuple[Array, Array]:
        """What is left to the target: (N, 6) displacement and rotation vector in the world, and the Jacobian (N, 6, n)."""
        rotation, origin, jacobian = self.kinematics.frame(q, self.joint, self.placement)
        turn = np.array([pin.log3(r) for r in target.rotation @ rotation.transpose(0, 2, 1)])
        return np.hstack([target.translation - origin, turn]), jacobian
