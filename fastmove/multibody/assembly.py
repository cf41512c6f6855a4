"""The problem as one body tree: the arm, every body that can touch another, and the grasp frames.

Planner and certificate share this module.  It only places bodies: each of the two decides for itself which pairs it checks, and
computes every number by itself.
"""

from __future__ import annotations

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
from fastmove.robot.link_geometry import has_link, link_frame, link_names
from fastmove.robot.model import RobotModel
from fastmove.robot.suction_cup import SuctionCup

HAND_OVERLAP = 0.0005  # Overlap of a held item and its hand up to which they count as touching [m].


@dataclass(frozen=True)
class Body:
    """A convex shape fixed to the world, to a joint of the arm, or to a moving obstacle's frame.

    Attributes:
        name: Unique name of the shape.
        owner: What it belongs to: `link`, `item` or `scene`.
        group: Name of the link, item or obstacle, by which pairs are exempt.
        joint: Joint it is fixed to: 0 is the world, k < `arm.njoints` a joint of the arm, `arm.njoints` + m moving frame m.
        placement: Pose of the shape in that joint's frame.
        geometry: The shape as coal takes it.
        position_uncertainty: Largest distance of any of its points from the nominal place [m].
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
    """The grasp frame of one held item, fixed to a joint of the arm.

    Attributes:
        held: The item in its gripper.
        joint: Index of the arm's joint that carries the hand.
        joint_T_grasp: Pose of the grasp frame in that joint's frame.
    """

    held: HeldItem
    joint: int
    joint_T_grasp: pin.SE3


@dataclass(frozen=True)
class Assembly:
    """The body tree of a problem: the arm's model, all bodies on it and around it, and the grasp frames.

    Attributes:
        arm: Pinocchio model of the arm's joints alone: fingers locked, base placed, gravity and armature set.
        bodies: All shapes in this order: links, items, obstacles that move, obstacles that stand still.
        hold_frames: One grasp frame for each held item.
        motions: Motion of each moving frame m, to which bodies of joint `arm.njoints` + m are fixed.
    """

    arm: pin.Model
    bodies: tuple[Body, ...]
    hold_frames: tuple[HoldFrame, ...]
    motions: tuple[PoseTrajectory, ...] = ()

    def movers(self, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Poses in the world of the M moving obstacles' frames at given times; needs M ≥ 1.

        Args:
            time: (N,) times [s].

        Returns:
            Rotations (N, M, 3, 3) and origins (N, M, 3) [m].
        """
        rotation, origin = zip(*(motion.at(time) for motion in self.motions), strict=True)
        return np.stack(rotation, axis=1), np.stack(origin, axis=1)

    def moves_itself(self, body: int) -> bool:
        """Whether the body of this index belongs to a moving obstacle."""
        return self.bodies[body].joint >= self.arm.njoints


def assemble(problem: TransferProblem, opened: float = 0.0) -> Assembly:
    """Build the body tree of a problem.

    Args:
        problem: The problem; hands that hold nothing are as it says, or fully open.
        opened: Opening of a holding hand beyond its item's width [m], capped at the hand's largest opening.

    Raises:
        InputError: The robot's joints are not one-number joints in the order of its URDF.
    """
    robot = problem.robot
    arm = _arm_model(robot, problem.holds, opened, dict(problem.openings))
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
        bodies += _obstacle(obstacle, arm.njoints + m, problem.scene.obstacle_uncertainty)
    for obstacle in problem.scene.obstacles:
        if obstacle.motion is None:
            bodies += _obstacle(obstacle, 0, problem.scene.obstacle_uncertainty)
    return Assembly(arm, tuple(bodies), frames, tuple(o.motion for o in moving if o.motion is not None))


def _obstacle(obstacle: Obstacle, joint: int, tolerance: float) -> list[Body]:
    names = [obstacle.name] if len(obstacle.shapes) == 1 else [f"{obstacle.name}.{k}" for k in range(len(obstacle.shapes))]
    return [
        Body(name, "scene", obstacle.name, joint, shape.placement, shape.geometry(), tolerance)
        for name, shape in zip(names, obstacle.shapes, strict=True)
    ]


def hand_overlaps(assembly: Assembly) -> list[tuple[float, str]]:
    """Margins against overlap between every held item and every link on the same joint.

    Pads press on the item, so touching within `HAND_OVERLAP` is no overlap.

    Returns:
        For each pair (distance + `HAND_OVERLAP` [m], "item – link"); below 0 the two overlap.
    """
    request, overlaps = coal.DistanceRequest(), []
    for item in (b for b in assembly.bodies if b.owner == "item"):
        for link in assembly.bodies:
            if link.owner == "link" and item.joint == link.joint:
                one, two = (coal.Transform3s(b.placement.rotation, b.placement.translation) for b in (item, link))
                distance = coal.distance(item.geometry, one, link.geometry, two, request, coal.DistanceResult())
                overlaps.append((float(distance) + HAND_OVERLAP, f"{item.group} – {link.group}"))
    return overlaps


def _arm_model(robot: RobotModel, holds: tuple[HeldItem, ...], opened: float, openings: dict[str, float]) -> pin.Model:
    model = robot.model
    widths = {name: float(gripper.opening[1]) for name, gripper in robot.grippers.items()} | openings
    widths |= {held.gripper.name: min(held.width + opened, float(held.gripper.opening[1])) for held in holds}
    locked = [k for k in range(1, model.njoints) if model.names[k] not in robot.joint_names]
    arm = pin.buildReducedModel(model, locked, robot.still_configuration(widths))
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
    """The stem of a suction cup that holds something; it counts as a link of the robot."""
    shape = suction_cup.stem()
    joint, placement = _in_joint(arm, suction_cup.parent_frame, suction_cup.parent_T_tool * shape.placement)
    return Body(suction_cup.name, "link", suction_cup.name, joint, placement, shape.geometry())


def _in_joint(arm: pin.Model, link: str, placement: pin.SE3) -> tuple[int, pin.SE3]:
    frame = link_frame(arm, link)
    return int(frame.parentJoint), frame.placement * placement


def _hold_frame(arm: pin.Model, held: HeldItem) -> HoldFrame:
    joint, placement = _in_joint(arm, held.gripper.parent_frame, held.gripper.parent_T_tool * held.tool_T_grasp)
    return HoldFrame(held, joint, placement)


def named_frame(assembly: Assembly, robot: RobotModel, name: str) -> tuple[int, pin.SE3]:
    """Joint and pose in it of a frame given by name.

    Args:
        assembly: The body tree.
        robot: Its robot.
        name: `tool`, `item`, or the name of a link.

    Returns:
        Index of the arm's joint, and the frame's pose in that joint's frame.

    Raises:
        UnknownName: There is no such frame, or it is `item` and nothing is held.
    """
    if (name == ITEM and assembly.hold_frames) or name == TOOL:
        return goal_frame(assembly, robot, GoalPose(pin.SE3.Identity(), name))
    if not has_link(assembly.arm, name):
        raise UnknownName(
            "frame", f"{name!r} is no link of {robot.name}, nor {TOOL}, nor a held {ITEM}", name, link_names(assembly.arm)
        )
    return _in_joint(assembly.arm, name, pin.SE3.Identity())


def goal_frame(assembly: Assembly, robot: RobotModel, goal: GoalPose | None = None) -> tuple[int, pin.SE3]:
    """Joint and pose in it of the frame that a goal places.

    Args:
        assembly: The body tree.
        robot: Its robot.
        goal: The goal pose, whose item, tool or link there is; None = the item's frame if something is held, else the tool's.

    Returns:
        Index of the arm's joint, and the frame's pose in that joint's frame.
    """
    usual = ITEM if assembly.hold_frames else TOOL
    of, offset = (usual, pin.SE3.Identity()) if goal is None else (goal.of, goal.offset)
    if of == ITEM:
        frame = assembly.hold_frames[0]
        return frame.joint, frame.joint_T_grasp * frame.held.grasp_T_item * offset
    if of != TOOL:
        if not has_link(assembly.arm, of):
            raise UnknownName("of", f"{of!r} is no link of {robot.name}", of, link_names(assembly.arm))
        return _in_joint(assembly.arm, of, offset)
    gripper = robot.gripper()
    parent = link_frame(assembly.arm, gripper.parent_frame)
    return int(parent.parentJoint), parent.placement * gripper.parent_T_tool * offset
