"""The problem as one body tree: arm with fingers at the item's width, everything that can touch, and the grasp frames.

Shared by planner and certificate: it only places things; what is checked against what, and every number computed
from it, each of them decides for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import coal
import numpy as np
import pinocchio as pin

from fastmove.errors import InputError, UnknownName
from fastmove.geometry.pose_trajectory import PoseTrajectory
from fastmove.problem.goal import TOOL, GoalPose
from fastmove.problem.grasp import HeldItem
from fastmove.problem.scene import ITEM, Obstacle
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.model import RobotModel
from fastmove.robot.suction_cup import SuctionCup

HAND_OVERLAP = 0.0005  # [m]


@dataclass(frozen=True)
class Body:
    """A convex shape fixed to a joint of the arm (0 = the world), or to a frame that moves by itself (beyond the arm's joints).

    Attributes:
        owner: `link`, `item` or `scene`.
        group: link name, item name, or obstacle name: pairs are allowed or not by group.
        spread: how far it may be from where it is believed to be [m].
    """

    name: str
    owner: str
    group: str
    joint: int
    placement: pin.SE3
    geometry: coal.CollisionGeometry
    position_uncertainty: float = 0.0


@dataclass(frozen=True)
class HoldFrame:
    """Grasp frame of one hold: fixed to `joint` of the arm at `joint_T_grasp`."""

    held: HeldItem
    joint: int
    joint_T_grasp: pin.SE3


@dataclass(frozen=True)
class Assembly:
    """Attributes:
    arm: pinocchio model of the arm joints only, fingers locked, base placed, gravity and armature set.
    bodies: all shapes: links, items, obstacles that move, and those that do not.
    hold_frames: one per hold.
    motions: of the frames beyond the arm's joints, in their order.
    """

    arm: pin.Model
    bodies: tuple[Body, ...]
    hold_frames: tuple[HoldFrame, ...]
    motions: tuple[PoseTrajectory, ...] = ()

    def movers(self, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Frames that move by themselves, where there are any, at times (N,): rotation (N, M, 3, 3), origin (N, M, 3)."""
        rotation, origin = zip(*(motion.at(time) for motion in self.motions), strict=True)
        return np.stack(rotation, axis=1), np.stack(origin, axis=1)

    def moves_itself(self, body: int) -> bool:
        """Whether a body is of an obstacle that moves."""
        return self.bodies[body].joint >= self.arm.njoints


def assemble(problem: TransferProblem, opened: float = 0.0) -> Assembly:
    """Build the tree.

    Args:
        opened: by how much the hands are open beyond their items' widths [m], as far as they open.

    Raises:
        InputError: the robot's joints are not a plain chain of one-number joints.
    """
    robot = problem.robot
    arm = _arm_model(robot, problem.holds, opened)
    arm.gravity.linear = np.array(problem.gravity)
    arm.armature = np.array(robot.armature)
    frames = tuple(_hold_frame(arm, held) for held in problem.holds)
    bodies = [Body(s.name, "link", s.link, *_in_joint(arm, s.link, s.placement), s.geometry) for s in robot.shapes]
    for frame in frames:
        for k, shape in enumerate(frame.held.item.shapes):
            placement = frame.joint_T_grasp * frame.held.grasp_T_item * shape.placement
            bodies.append(
                Body(f"{ITEM}.{k}", "item", ITEM, frame.joint, placement, shape.geometry(), frame.held.position_uncertainty)
            )
        if isinstance(frame.held.gripper, SuctionCup):
            bodies.append(_stem(arm, frame.held.gripper))
    moving = [o for o in problem.scene.obstacles if o.motion is not None]
    for m, obstacle in enumerate(moving):
        bodies += _obstacle(obstacle, arm.njoints + m, problem.scene.tolerance)
    for obstacle in problem.scene.obstacles:
        if obstacle.motion is None:
            bodies += _obstacle(obstacle, 0, problem.scene.tolerance)
    return Assembly(arm, tuple(bodies), frames, tuple(o.motion for o in moving if o.motion is not None))


def _obstacle(obstacle: Obstacle, joint: int, tolerance: float) -> list[Body]:
    names = [obstacle.name] if len(obstacle.shapes) == 1 else [f"{obstacle.name}.{k}" for k in range(len(obstacle.shapes))]
    return [
        Body(name, "scene", obstacle.name, joint, shape.placement, shape.geometry(), tolerance)
        for name, shape in zip(names, obstacle.shapes, strict=True)
    ]


def required_clearances(problem: TransferProblem, bodies: Sequence[Body], first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(P,) least distance of each pair [m]: the problem's clearance, and how far both bodies may be from where believed."""
    spread = np.array([b.position_uncertainty for b in bodies])
    return np.asarray(problem.clearance + spread[first] + spread[second])


def hand_overlaps(assembly: Assembly) -> list[tuple[float, str]]:
    """(distance + 0.5 mm [m], "item – link") of every held item and every link that moves with it: < 0 where they overlap.

    Pads press on the item, so touching within 0.5 mm is no overlap.
    """
    request, found = coal.DistanceRequest(), []
    for item in (b for b in assembly.bodies if b.owner == "item"):
        for link in assembly.bodies:
            if link.owner == "link" and item.joint == link.joint:
                one, two = (coal.Transform3s(b.placement.rotation, b.placement.translation) for b in (item, link))
                distance = coal.distance(item.geometry, one, link.geometry, two, request, coal.DistanceResult())
                found.append((float(distance) + HAND_OVERLAP, f"{item.group} – {link.group}"))
    return found


def _arm_model(robot: RobotModel, holds: tuple[HeldItem, ...], opened: float) -> pin.Model:
    model = robot.model
    q = pin.neutral(model)
    widths = {name: gripper.opening[1] for name, gripper in robot.grippers.items()}
    widths |= {held.gripper.name: min(held.width + opened, float(held.gripper.opening[1])) for held in holds}
    for name, gripper in robot.grippers.items():
        for joint, value in gripper.finger_positions(widths[name]).items():
            q[model.joints[model.getJointId(joint)].idx_q] = value
    locked = [k for k in range(1, model.njoints) if model.names[k] not in robot.joint_names]
    arm = pin.buildReducedModel(model, locked, q)
    if tuple(list(arm.names)[1:]) != robot.joint_names or arm.nq != robot.n_arm or arm.nv != robot.n_arm:
        raise InputError(
            f"{robot.name}: joints", f"must be one-number joints in the URDF's order: {', '.join(list(arm.names)[1:])}"
        )
    for k in range(1, arm.njoints):
        if arm.parents[k] == 0:
            arm.jointPlacements[k] = robot.T_world_base * arm.jointPlacements[k]
    for frame in arm.frames:
        if frame.parentJoint == 0:
            frame.placement = robot.T_world_base * frame.placement
    return arm


def _stem(arm: pin.Model, suction_cup: SuctionCup) -> Body:
    """A cup's stem is out, and part of the robot, where it holds something."""
    shape = suction_cup.stem()
    joint, placement = _in_joint(arm, suction_cup.parent_frame, suction_cup.parent_T_tool * shape.placement)
    return Body(suction_cup.name, "link", suction_cup.name, joint, placement, shape.geometry())


def _in_joint(arm: pin.Model, link: str, placement: pin.SE3) -> tuple[int, pin.SE3]:
    frame = arm.frames[arm.getFrameId(link)]
    return int(frame.parentJoint), frame.placement * placement


def _hold_frame(arm: pin.Model, held: HeldItem) -> HoldFrame:
    joint, placement = _in_joint(arm, held.gripper.parent_frame, held.gripper.parent_T_tool * held.tool_T_grasp)
    return HoldFrame(held, joint, placement)


def named_frame(assembly: Assembly, robot: RobotModel, name: str) -> tuple[int, pin.SE3]:
    """(joint, pose in it) of the frame `tool`, `item`, or a link.

    Raises:
        UnknownName: there is none of that name; `item` where nothing is held.
    """
    if (name == ITEM and assembly.hold_frames) or name == TOOL:
        return goal_frame(assembly, robot, GoalPose(pin.SE3.Identity(), name))
    if not assembly.arm.existFrame(name):
        raise UnknownName("frame", f"{name!r} is no link of {robot.name}, nor {TOOL}, nor a held {ITEM}")
    return _in_joint(assembly.arm, name, pin.SE3.Identity())


def goal_frame(assembly: Assembly, robot: RobotModel, goal: GoalPose | None = None) -> tuple[int, pin.SE3]:
    """(joint, pose in it) of the frame that a goal places; without one: the item's where something is held, else the tool's."""
    of_item = bool(assembly.hold_frames) if goal is None else goal.of == ITEM
    offset = pin.SE3.Identity() if goal is None else goal.offset
    if of_item:
        frame = assembly.hold_frames[0]
        return frame.joint, frame.joint_T_grasp * frame.held.grasp_T_item * offset
    gripper = robot.gripper()
    parent = assembly.arm.frames[assembly.arm.getFrameId(gripper.parent_frame)]
    return int(parent.parentJoint), parent.placement * gripper.parent_T_tool * offset
