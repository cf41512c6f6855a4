"""Inverse kinematics: configurations that put a frame at a pose, by Levenberg–Marquardt from many starts at once, in numpy.

A redundant arm has a continuum of solutions and a six-joint arm up to eight; both are sampled by starting from many random
configurations and keeping the distinct solutions.  The same seed gives the same configurations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.dynamics.kinematics import Kinematics
from fastmove.errors import GoalOutOfReach, InputError
from fastmove.multibody.assembly import assemble, goal_frame
from fastmove.problem.goal import Goal, GoalPose
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.model import RobotModel
from fastmove.search.arrival import arrivals, goal_bound, with_met_configurations
from fastmove.search.time_bound import lower_bound, quickest_first

STARTS = 96  # Number of random starts for one pose.
FRESH = 12  # Number of new random starts at every further sample of a region.
WALKS = 2  # Number of steps along the self-motion of a redundant arm.
WALK = 0.45  # Largest joint displacement of a step along the self-motion [rad].
MOST = 40  # Maximum number of configurations kept per sample of a region of many samples.
TOTAL = 240  # Number of configurations that may be kept for all samples of a region of few.
STEPS = 60  # Maximum number of iterations from random starts.
FEW_STEPS = 16  # Maximum number of iterations from starts near a solution.
DAMPING = 1e-4  # Levenberg–Marquardt damping per unit of the largest error component, which counts as at most 1.
CLOSE = 1e-10  # Largest error component below which a start counts as converged [m], [rad].
DISTINCT = 0.3  # Difference of all joints up to which two solutions count as one [rad].
SAME = 1e-4  # Difference of all joints up to which two solutions are one and the same [rad].
LOOKED_AT = 8  # Number of samples of a region of which it is said how near the robot came.
NEARNESS = 0.2  # Displacement that counts as much as an angle of 1 rad, when the nearest miss is looked for [m/rad].


def pose_at(problem: TransferProblem, q: Array, of: str | None = None) -> pin.SE3:
    """Returns the pose in the world, at q (n,) [rad], of the frame that a goal places.

    Args:
        problem: Transfer problem.
        q: Configuration (n,) [rad].
        of: "item", "tool" or the name of a link; None means the held item, without one the tool.
    """
    assembly = assemble(problem)
    data = assembly.arm.createData()
    pin.forwardKinematics(assembly.arm, data, np.asarray(q))
    joint, placement = goal_frame(assembly, problem.robot, None if of is None else GoalPose(pin.SE3.Identity(), of))
    return data.oMi[joint] * placement


def ik(problem: TransferProblem, target: pin.SE3 | GoalPose, near: Array | None = None, seed: int = 0) -> Array:
    """Returns distinct configurations (K, n) [rad] within the position limits that put the item (or the tool) at a pose.

    Whether they are free of contact is not looked at.

    Args:
        problem: Transfer problem.
        target: Pose of the item (without one, of the tool) in the world, or a `GoalPose`, of which only the nominal pose counts.
        near: Configuration (n,) [rad] that is also a start, by whole turns of joints from which solutions are nearest, and by
            distance from which the result is sorted; without one the result is in the order of the starts.
        seed: Seed of the random starts.
    """
    region = target if isinstance(target, GoalPose) else None
    place = target if isinstance(target, pin.SE3) else target.placement
    assembly = assemble(problem)
    joint, placement = goal_frame(assembly, problem.robot, region)
    q = _starts(problem, np.random.default_rng(seed), STARTS)
    if near is not None:
        q[0] = near
    q = _Solver(problem, assembly.arm, joint, placement).solve(place, q)
    if near is not None:
        q = nearest_turns(problem, q, near)
        q = q[np.argsort(np.linalg.norm(q - near, axis=1), kind="stable")]
    return _distinct(q, problem.robot.n_arm)


def with_goal_configurations(problem: TransferProblem, seed: int = 0) -> TransferProblem:
    """Returns the problem with goal configurations for all samples of its goal regions.

    Solutions are followed from sample to sample, with some fresh starts at each; those of a redundant arm are spread by walking
    along its self-motion.

    Args:
        problem: Transfer problem with goal regions.
        seed: Seed of the random starts.

    Raises:
        GoalOutOfReach: No configuration of the robot puts the item (or the tool) anywhere in the regions.
    """
    if problem.goal.moves:
        return with_met_configurations(problem, lambda goal: _goal_configurations(problem, goal, seed))
    q = _goal_configurations(problem, problem.goal, seed)
    if len(q) == 0:
        raise GoalOutOfReach("goal.poses", f"are out of reach: {_missed(problem, problem.goal.poses, seed)}")
    return problem.with_(goal=replace(problem.goal, configurations=q))


def _goal_configurations(problem: TransferProblem, goal: Goal, seed: int) -> Array:
    """Returns configurations (K, n) [rad] for all samples of the regions of a goal that stands still."""
    rng = np.random.default_rng(seed)
    q = np.concatenate([some for pose in goal.poses for some in GoalIk(problem, pose).along(pose.samples(), rng)])
    return _distinct(nearest_turns(problem, q, np.array(problem.start.q)), problem.robot.n_arm, SAME)


def with_start_configurations(problem: TransferProblem, seed: int = 0) -> list[TransferProblem]:
    """Returns the problem once for every configuration that its start poses may begin in, each with goal configurations.

    With goal poses every joint starts within half a turn of the middle of its range, from where whole turns are free to both
    sides; else within half a turn of some goal.

    Args:
        problem: Transfer problem with start poses.
        seed: Seed of the random starts.

    Raises:
        InputError: No configuration of the robot is at the start poses.
        GoalOutOfReach: No configuration of the robot is anywhere in the goal's regions.
    """
    if problem.start.moves_on:
        raise InputError("start.velocity", "is not zero; an item that moves on is picked up by a cycle (plan_cycle)")
    rng, n, goal = np.random.default_rng(seed), problem.robot.n_arm, problem.goal
    found = np.concatenate([q for pose in problem.start.poses for q in GoalIk(problem, pose).along(pose.samples(), rng)])
    if len(found) == 0:
        raise InputError("start.pose", f"is out of reach: {_missed(problem, problem.start.poses, seed)}")
    if not goal.poses:
        turns = [nearest_turns(problem, found, np.array(q)) for q in goal.configurations]
        return [problem.with_(start=problem.start.settled(q)) for q in _distinct(np.concatenate(turns), n, SAME)]
    starts = _distinct(nearest_turns(problem, found, problem.limit_set.middle), n, SAME)
    settled = [problem.start.settled(q) for q in starts]
    goals = np.array(with_goal_configurations(problem.with_(start=settled[0]), seed).goal.configurations)
    near = [replace(goal, configurations=nearest_turns(problem, goals, np.array(start.q))) for start in settled]
    return [problem.with_(start=start, goal=goal) for start, goal in zip(settled, near, strict=True)]


def with_configurations(problem: TransferProblem, seed: int = 0) -> list[TransferProblem]:
    """Returns the problem once for every configuration in which it may begin, each with configurations at its goals.

    Raises:
        InputError: No configuration of the robot is at the start poses.
        GoalOutOfReach: No configuration of the robot is anywhere in the goal's regions.
    """
    if problem.start.open:
        return with_start_configurations(problem, seed)
    return [with_goal_configurations(problem, seed) if problem.goal.poses else problem]


def soonest_pairs(branches: list[TransferProblem], most: int) -> list[tuple[float, int, int]]:
    """Returns lower bound [s], number of goal and number of branch of pairs of start and goal, the least bound first.

    Args:
        branches: The problem with each configuration in which it may begin.
        most: Number of pairs with the shortest ways that are looked at where there are several branches.
    """
    if branches[0].goal.moves:
        return _soonest_meetings(branches[0])
    limits = branches[0].limit_set
    pairs = [(i, j) for i, problem in enumerate(branches) for j in range(len(problem.goal.configurations))]
    if len(branches) > 1:
        ways = np.concatenate([problem.goal.configurations - problem.start.q for problem in branches])
        pairs = [pairs[k] for k in quickest_first(ways, limits, most)]
    return sorted(
        (lower_bound(branches[i].start, np.array(branches[i].goal.configurations[j]), limits).duration, j, i) for i, j in pairs
    )


def _soonest_meetings(problem: TransferProblem) -> list[tuple[float, int, int]]:
    """Returns the same where the goal moves on and the start is given; without configurations that never are at it in time.

    Raises:
        GoalOutOfReach: None ever is.
    """
    found, late = [], ""
    q = np.array(problem.goal.configurations)
    for number, (goal, arrival) in enumerate(zip(q, arrivals(problem, q), strict=True)):
        if arrival is None:
            continue
        try:
            found.append((goal_bound(problem, goal, arrival).duration, number, 0))
        except GoalOutOfReach as error:
            late = error.problem
    if not found:
        raise GoalOutOfReach("goal", late or "is followed by no configuration within the limits of the joints")
    return sorted(found)


def _missed(problem: TransferProblem, poses: tuple[GoalPose, ...], seed: int) -> str:
    """Returns in words how near to out-of-reach poses the robot came, and to which of several."""
    misses = []
    for number, pose in enumerate(poses):
        samples = pose.samples()
        tried = samples[:: max(1, len(samples) // LOOKED_AT)]
        starts = _starts(problem, np.random.default_rng(seed), STARTS)
        misses.append((min(GoalIk(problem, pose).solver.miss(target, starts) for target in tried), number))
    (distance, angle), number = min(misses)
    which = f" (of pose {number + 1} of {len(poses)})" if len(poses) > 1 else ""
    return (
        f"no configuration of {problem.robot.name} gets there; the nearest that was found is {distance * 1e3:.0f} mm "
        f"and {np.degrees(angle):.0f}° away{which}"
    )


def nearest_turns(problem: TransferProblem, q: Array, near: Array) -> Array:
    """Returns configurations (N, n) with every joint within half a turn of `near` (n,), or as near as limits allow.

    Rows that were whole turns apart are then the same.
    """
    limits, turn = problem.limit_set, 2 * np.pi
    revolute = np.array([not is_prismatic(problem.robot, name) for name in problem.robot.joint_names])
    whole = np.round((q - near) / turn)
    least, most = np.ceil((q - limits.position_max) / turn), np.floor((q - limits.position_min) / turn)  # turns within limits
    return np.where(revolute, q - turn * np.clip(whole, np.minimum(least, 0), np.maximum(most, 0)), q)


def is_prismatic(robot: RobotModel, name: str) -> bool:
    """Returns whether a joint of a robot slides."""
    return "JointModelP" in robot.model.joints[robot.model.getJointId(name)].shortname()


class GoalIk:
    """Inverse kinematics of one problem for many poses of the frame that a goal places (the item's, or the tool's).

    Args:
        problem: Transfer problem.
        goal: Goal region that says which frame is placed; None means the held item's, else the tool's.
    """

    def __init__(self, problem: TransferProblem, goal: GoalPose | None = None) -> None:
        self.problem, assembly = problem, assemble(problem)
        self.solver = _Solver(problem, assembly.arm, *goal_frame(assembly, problem.robot, goal))

    def all(self, target: pin.SE3, seed: int = 0) -> Array:
        """Returns configurations (K, n) [rad] from random starts; those of a redundant arm are spread along its self-motion."""
        solutions = self.solver.solve(target, _starts(self.problem, np.random.default_rng(seed), STARTS))
        return self._spread(target, _distinct(solutions, self.problem.robot.n_arm))

    def near(self, target: pin.SE3, pool: Array) -> Array:
        """Returns configurations (K, n) [rad] that are reached from the starts `pool` (N, n) [rad]."""
        return _distinct(self.solver.solve(target, pool, FEW_STEPS), self.problem.robot.n_arm)[:MOST]

    def along(self, targets: list[pin.SE3], rng: np.random.Generator) -> Iterator[Array]:
        """Yields configurations (K, n) [rad] for each pose in turn, following solutions from one pose to the next.

        Args:
            targets: Poses of the placed frame in the world, neighbours one after the other.
            rng: Generator of the random starts, of which some are added at every pose.
        """
        most = max(MOST, TOTAL // len(targets))
        known, steps = _starts(self.problem, rng, max(STARTS, most)), STEPS
        if not self.problem.start.open:
            known = np.vstack([self.problem.start.q, known])
        for target in targets:
            solutions = _distinct(self.solver.solve(target, known, steps), self.problem.robot.n_arm)
            yield (solutions := self._spread(target, solutions, most))
            known, steps = np.concatenate([solutions, _starts(self.problem, rng, FRESH)]), FEW_STEPS

    def frame(self, q: Array) -> tuple[pin.SE3, Array]:
        """Returns the pose in the world of the frame that the goal places at q (n,) [rad], and its Jacobian.

        The rows of the Jacobian (6, n) are displacement [m/rad] and rotation vector [rad/rad] in the world.
        """
        rotation, origin, jacobian = self.solver.kinematics.frame(q[None], self.solver.joint, self.solver.placement)
        return pin.SE3(rotation[0], origin[0]), jacobian[0]

    def project_into(self, goal: GoalPose, q: Array) -> Array | None:
        """Returns the configuration (n,) [rad] near q (n,) that takes the pose of the region nearest to that at q.

        The result is None where no such configuration was found.
        """
        solutions = self.solver.solve(goal.nearest(self.frame(q)[0]), q[None], FEW_STEPS)
        return solutions[0] if len(solutions) else None

    def _spread(self, target: pin.SE3, configurations: Array, most: int = MOST) -> Array:
        """Returns at most so many solutions (K, n): those given (N, n), and others along the self-motion."""
        last = configurations
        for _ in range(WALKS * most // MOST):
            if len(last) == 0 or len(configurations) >= most:
                break
            further = self.solver.solve(target, self.solver.nullspace_steps(target, last), FEW_STEPS)
            wider = _distinct(np.concatenate([configurations, further]), len(configurations[0]))
            last, configurations = wider[len(configurations) :], wider
        return configurations[:most]


def _starts(problem: TransferProblem, rng: np.random.Generator, count: int) -> Array:
    """Returns random configurations (count, n) [rad] within the position limits and within ± one turn."""
    limits = problem.limit_set
    low, high = np.maximum(limits.position_min, -2 * np.pi), np.minimum(limits.position_max, 2 * np.pi)
    return rng.uniform(low, high, (count, len(low)))


def _distinct(q: Array, n: int, apart: float = DISTINCT) -> Array:
    """Returns the rows (K, n) of q that differ from all rows kept before by more than `apart` [rad] in some joint."""
    kept: list[Array] = []
    for row in q:
        if not kept or np.abs(np.array(kept) - row).max(axis=1).min() > apart:
            kept.append(row)
    return np.array(kept).reshape(-1, n)


class _Solver:
    """Levenberg–Marquardt solver for many starts at once.

    Args:
        problem: Transfer problem with the position limits.
        arm: Model of the arm.
        joint: Joint to which the placed frame is fixed.
        placement: Pose of the placed frame in the joint's frame.
    """

    def __init__(self, problem: TransferProblem, arm: pin.Model, joint: int, placement: pin.SE3) -> None:
        self.kinematics, self.joint, self.placement = Kinematics(arm), joint, placement
        self.low, self.high = problem.limit_set.position_min, problem.limit_set.position_max

    def nullspace_steps(self, target: pin.SE3, q: Array) -> Array:
        """Returns configurations (2N, n) [rad] one step along the self-motion to either side of solutions q (N, n).

        An arm of up to six joints has no self-motion; the result is then (0, n).
        """
        if q.shape[1] <= 6:
            return q[:0]
        _, jacobian = self._error(target, q)
        null = np.linalg.svd(jacobian)[2][:, 6]
        null *= WALK / np.abs(null).max(axis=1, keepdims=True)
        return np.clip(np.concatenate([q + null, q - null]), self.low, self.high)

    def solve(self, target: pin.SE3, q: Array, steps: int = STEPS) -> Array:
        """Returns the solutions (K, n) [rad] to which starts converge within the position limits.

        Args:
            target: Pose of the placed frame in the world.
            q: Starts (N, n) [rad].
            steps: Maximum number of iterations.
        """
        if len(q) == 0:
            return q
        q = self._approach(target, q, steps)
        twist, _ = self._error(target, q)
        return q[np.abs(twist).max(axis=1) < 1e-8]

    def miss(self, target: pin.SE3, q: Array) -> tuple[float, float]:
        """Returns by how much starts (N, n) [rad] miss a pose at best: displacement [m] and angle [rad], of the nearest place."""
        twist, _ = self._error(target, self._approach(target, q, STEPS))
        distance, angle = (np.linalg.norm(part, axis=1) for part in (twist[:, :3], twist[:, 3:]))
        best = int(np.argmin(distance + NEARNESS * angle))
        return float(distance[best]), float(angle[best])

    def _approach(self, target: pin.SE3, q: Array, steps: int) -> Array:
        """Returns where starts (N, n) [rad] come after so many iterations."""
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
        return q

    def _error(self, target: pin.SE3, q: Array) -> tuple[Array, Array]:
        """Returns the errors to the target (N, 6), displacement [m] and rotation vector [rad] in the world, and the Jacobians.

        The Jacobians are (N, 6, n).
        """
        rotation, origin, jacobian = self.kinematics.frame(q, self.joint, self.placement)
        turn = np.array([pin.log3(r) for r in target.rotation @ rotation.transpose(0, 2, 1)])
        return np.hstack([target.translation - origin, turn]), jacobian
