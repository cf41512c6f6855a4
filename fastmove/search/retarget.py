"""Transfer of a problem to another robot: the item's poses are reached by inverse kinematics, clear of the new hand."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.collision.checker import Collision
from fastmove.collision.query_types import Ends
from fastmove.errors import GraspInvalid, InputError, Remark
from fastmove.multibody.assembly import assemble, hand_overlaps
from fastmove.multibody.open_hand import OpenHandCheck
from fastmove.problem.goal import Goal, State
from fastmove.problem.grasp import HeldItem, force_words, hold
from fastmove.problem.scene import Scene
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.model import RobotModel
from fastmove.search.ik import ik, pose_at
from fastmove.search.time_bound import lower_bound

BACK_STEP = 0.001  # Step by which the grasp is shifted towards the finger tips of another hand [m].
BACK_MAX = 0.06  # Upper limit of the grasp's shift towards the finger tips of another hand [m].


def retarget(problem: TransferProblem, robot: RobotModel, limits: str | None = None, goals: int = 3) -> TransferProblem:
    """Returns the same transfer for another robot: same item poses, scene and grasp in the tool frame, new configurations.

    Of the collision-free start configurations, the one with the least lower bound of the duration to a collision-free goal is
    taken, together with the `goals` goal configurations that have the least bound from it.

    Args:
        problem: Transfer of the first robot.
        robot: The other robot.
        limits: Name of the other robot's limit set; None means its default.
        goals: Maximum number of goal configurations.

    Raises:
        InputError: The robot cannot reach a pose, or is not free of contact there.
        GraspInvalid: The robot's gripper cannot hold the item in this grasp.
    """
    holds = tuple(_in_gripper(held, robot) for held in problem.holds)
    middle = robot.limit_set(limits).middle
    there = problem.with_(
        robot=robot, holds=holds, alternatives=(), limits=limits or robot.default_limits, start=State.rest(middle),
        goal=Goal(middle[None]),
    )  # fmt: skip
    starts = None if problem.start.poses else _free(there, pose_at(problem, np.array(problem.start.q)), "start")
    start = State.at(*problem.start.poses) if starts is None else State.rest(starts[0])
    if problem.goal.poses:
        return there.with_(start=start, goal=Goal.at(*problem.goal.poses))
    ends = _free(there, pose_at(problem, np.array(problem.goal.configurations[0])), "goal")
    if starts is None:
        return there.with_(start=start, goal=Goal(ends))
    bounds = np.array([[lower_bound(State.rest(a), b, there.limit_set).duration for b in ends] for a in starts])
    first = int(np.argmin(bounds.min(axis=1)))
    nearest = np.argsort(bounds[first], kind="stable")[:goals]
    return there.with_(start=State.rest(starts[first]), goal=Goal(ends[nearest]))


def _in_gripper(held: HeldItem, robot: RobotModel) -> HeldItem:
    """Returns the grasp in the robot's own gripper: as deep as its hand allows, with a grip force that item and gripper bear.

    Whatever becomes other than it was asked for is said in a remark.

    Raises:
        GraspInvalid: The gripper cannot hold the item in this grasp, or grips harder than was asked for and nobody said what the
            item bears.
    """
    gripper, item, asked = robot.gripper(), held.item, held.grasp.grip_force
    low, high = asked
    if high < gripper.force[0]:  # the gripper cannot grip so gently: use what the item bears
        if not np.isfinite(item.max_pinch_force):
            raise GraspInvalid(
                "grasp.grip_force",
                f"is at most {high:g} N; the gripper of {robot.name} gives at least {gripper.force[0]:g} N, and the item's "
                "max_pinch_force does not say that it bears that",
            )
        high = min(item.max_pinch_force, float(gripper.force[1]))
    if high < gripper.force[0]:
        raise GraspInvalid(
            "grasp.grip_force",
            f"{item.name} bears {item.max_pinch_force:g} N; the gripper of {robot.name} gives at least {gripper.force[0]:g} N",
        )
    force = np.clip([low, high], gripper.force[0], gripper.force[1])
    if not np.array_equal(force, asked):
        warnings.warn(
            Remark(f"grip force for {robot.name}: {force_words(force)} N instead of {force_words(asked)} N"), stacklevel=3
        )
    for back in np.arange(0.0, BACK_MAX, BACK_STEP):
        tool_T_item = pin.SE3(np.eye(3), np.array([0.0, 0.0, back])) * held.grasp.tool_T_item
        try:
            candidate = hold(gripper, item, replace(held.grasp, tool_T_item=tool_T_item, grip_force=force, gripper=""))
        except GraspInvalid:
            if back == 0.0:
                raise
            break  # the finger pads no longer touch the item
        if _clear_of_hand(robot, candidate):
            if back > 0:
                moved = f"{item.name} lies {1e3 * back:.0f} mm farther from the hand, which has no room for it where it was"
                warnings.warn(Remark(f"grasp for {robot.name}: {moved}"), stacklevel=3)
            return candidate
    raise GraspInvalid("grasp.tool_T_item", f"the hand of {robot.name} has no room for {item.name} at this grasp")


def _clear_of_hand(robot: RobotModel, held: HeldItem) -> bool:
    """Returns whether the held item overlaps no link of the hand; touching within 0.5 mm is no overlap."""
    middle = robot.limit_set().middle
    problem = TransferProblem("", robot, (held,), Scene(), State.rest(middle), Goal(middle[None]), robot.default_limits)
    return min(hand_overlaps(assemble(problem)))[0] >= 0


def _free(problem: TransferProblem, pose: pin.SE3, end: str) -> Array:
    """Returns the configurations (K, n) [rad] at a pose that touch only what they are allowed to touch.

    Args:
        problem: Transfer of the robot.
        pose: Pose of the item in the world.
        end: Which end of the motion this is, "start" or "goal", for messages.

    Raises:
        InputError: There is no such configuration.
    """
    solutions = ik(problem, pose)
    if len(solutions) == 0:
        raise InputError(end, f"is out of reach of {problem.robot.name}: no configuration puts the item there")
    collision, hand, free = Collision(problem, assemble(problem)), OpenHandCheck(problem), []
    best: tuple[float, str] = (-np.inf, "")
    for q in solutions:
        ends = collision.ends(q, q)
        contacts = [(near.margin, f"{near.one} – {near.other}") for near in collision.margins_at(q, Ends(ends.fades))]
        worst = min([*contacts, hand.margin(q)])
        if worst[0] >= 0:
            free.append(q)
        else:
            best = max(best, worst)
    if not free:
        shortfall = f"{best[1]} lack {-best[0] * 1e3:.1f} mm"
        raise InputError(end, f"{problem.robot.name} reaches it in {len(solutions)} ways, none of them free; at best {shortfall}")
    return np.array(free)
