"""Collision check of a finished motion against the robot's raw meshes at many times, by pinocchio's own broadphase.

It shares nothing with planner and certificate but the URDF: triangles instead of hulls, no required clearance, no distance
bounds.  A link without a mesh in the URDF (such as those of the shipped Panda) is represented by the robot's own convex bodies.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.errors import InputError
from fastmove.geometry.pose_trajectory import PoseTrajectory
from fastmove.problem.scene import CONTACT_DEPTH
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.link_geometry import link_frame
from fastmove.robot.model import RobotModel
from fastmove.robot.urdf import LINK_SUFFIX, prepared, read_urdf
from fastmove.trajectory.trajectory import Trajectory

FINER = 10  # Number of checked configurations for each step of the certificate's grid of 1 ms [1].


def raw_hits(problem: TransferProblem, trajectory: Trajectory, step: float = 1e-3 / FINER) -> int:
    """Count the times at which any two bodies overlap that may not.

    Args:
        problem: The problem.
        trajectory: The motion.
        step: Distance of the checked times [s]; the end of the motion is checked, too.

    Raises:
        InputError: The robot is combined of several (`combine_robots`) and has no URDF of its own.
    """
    model = problem.robot.model
    data, geometry = model.createData(), _geometry(problem)
    geometry_data = geometry.createData()
    for request, depth in zip(geometry_data.collisionRequests, _depths(problem, geometry), strict=True):
        request.security_margin = -depth
    movers = _movers(problem, geometry)
    manager = pin.TreeBroadPhaseManager_DynamicAABBTreeCollisionManager(model, geometry, geometry_data)
    times, hits = trajectory.grid(step), 0
    for time, row in zip(times, _whole(problem, trajectory.position(times)), strict=True):
        for k, motion, placement in movers:
            geometry.geometryObjects[k].placement = problem.robot.T_world_base.inverse() * motion.pose(float(time)) * placement
        hits += bool(pin.computeCollisions(model, data, manager, row, True))
    return hits


def _movers(problem: TransferProblem, geometry: pin.GeometryModel) -> list[tuple[int, PoseTrajectory, pin.SE3]]:
    """(geometry index, motion, pose in the moving frame) of every shape of a moving obstacle."""
    names = {str(g.name): k for k, g in enumerate(geometry.geometryObjects)}
    return [
        (names[f"{obstacle.name}#{n}"], obstacle.motion, shape.placement)
        for obstacle in problem.scene.obstacles
        if obstacle.motion is not None
        for n, shape in enumerate(obstacle.shapes)
    ]


def _whole(problem: TransferProblem, q: Array) -> Array:
    """Configurations (N, nq) of the whole robot: the arm at q (N, n), fingers at the items' widths or open."""
    robot = problem.robot
    widths = {name: float(gripper.opening[1]) for name, gripper in robot.grippers.items()}
    widths |= {held.gripper.name: held.width for held in problem.holds}
    whole = np.tile(robot.still_configuration(widths), (len(q), 1))
    for joint, values in zip(robot.joint_names, q.T, strict=True):
        whole[:, robot.model.joints[robot.model.getJointId(joint)].idx_q] = values
    return whole


def _geometry(problem: TransferProblem) -> pin.GeometryModel:
    """Collision geometry of the whole problem, with the pairs that may not overlap.

    It holds the URDF's collision meshes as they are, the robot's own bodies for links without one, items in the hands, obstacles.
    """
    robot, model = problem.robot, problem.robot.model
    try:
        folders = [Path(folder) for folder in robot.package_dirs]
        text = prepared(read_urdf(robot.urdf, folders, robot.xacro_arguments), robot.urdf, folders)
        geometry = pin.buildGeomFromUrdfString(model, text, pin.GeometryType.COLLISION)
    except ValueError as error:
        raise InputError("robot", f"{robot.name} has no URDF of its own to check against ({error})") from error
    base = robot.T_world_base
    links = [(k, str(model.frames[g.parentFrame].name).removesuffix(LINK_SUFFIX)) for k, g in enumerate(geometry.geometryObjects)]
    known = {link for _, link in links}
    for body in robot.shapes:
        if body.link not in known:
            frame = link_frame(model, body.link)
            thing = pin.GeometryObject(f"body {body.name}", frame.parentJoint, frame.placement * body.placement, body.geometry)
            links.append((geometry.addGeometryObject(thing), body.link))
    hands = {link for held in problem.holds for link in held.gripper.links}
    items, scene = [], []
    for held in problem.holds:
        frame = link_frame(model, held.gripper.parent_frame)
        for n, shape in enumerate(held.item.shapes):
            at = frame.placement * held.gripper.parent_T_tool * held.grasp.tool_T_item * shape.placement
            items.append(geometry.addGeometryObject(pin.GeometryObject(f"item{n}", frame.parentJoint, at, shape.geometry())))
    for obstacle in problem.scene.obstacles:
        for n, shape in enumerate(obstacle.shapes):
            at = base.inverse() * shape.placement
            scene.append(geometry.addGeometryObject(pin.GeometryObject(f"{obstacle.name}#{n}", 0, at, shape.geometry())))
    drifting = [k for k, _, _ in _movers(problem, geometry)]
    moving = [k for k, _ in links if geometry.geometryObjects[k].parentJoint > 0]
    pairs = [*product(moving, scene), *product(items, scene), *((k, i) for k, link in links for i in items if link not in hands)]
    for (k, one), (j, other) in product(links, links):
        if k < j and frozenset((one, other)) not in robot.unchecked_pairs:
            pairs.append((k, j))
    pairs += [(k, j) for k, _ in links if k not in moving for j in drifting]
    for k, j in pairs:
        here, there = (_arm_joint(robot, geometry.geometryObjects[i].parentJoint) for i in (k, j))
        if j in drifting or here != there:  # what stands still to each other is no matter of the motion
            geometry.addCollisionPair(pin.CollisionPair(k, j))
    return geometry


def _arm_joint(robot: RobotModel, joint: int) -> int:
    """The joint of the arm (0 = the world) with which a joint moves."""
    while joint > 0 and robot.model.names[joint] not in robot.joint_names:
        joint = int(robot.model.parents[joint])
    return joint


def _depths(problem: TransferProblem, geometry: pin.GeometryModel) -> list[float]:
    """Depth by which each pair may overlap [m]: an item in an allowed contact presses into its support."""
    allowed = {contact.obstacle for contact in problem.scene.allowed_contacts}
    depths = []
    for pair in geometry.collisionPairs:
        one, other = (geometry.geometryObjects[k].name for k in (pair.first, pair.second))
        touching = one.startswith("item") and other.split("#")[0] in allowed
        depths.append(2 * CONTACT_DEPTH if touching else 0.0)
    return depths
