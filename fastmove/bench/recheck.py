"""A motion once more, against the robot's raw meshes at many times: yes or no, by pinocchio's own broadphase.

Nothing is shared with planner or certificate but the URDF: triangles instead of hulls, no required clearance, no bounds.  Links
without a mesh there (the shipped Panda's) are the convex bodies that the robot gives them.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.errors import InputError
from fastmove.geometry.pose_trajectory import PoseTrajectory
from fastmove.problem.scene import CONTACT_DEPTH
from fastmove.problem.transfer import TransferProblem
from fastmove.trajectory.trajectory import Trajectory

FINER = 10  # times as many configurations as the certificate's grid of 1 ms has, per second


def raw_hits(problem: TransferProblem, trajectory: Trajectory, step: float = 1e-3 / FINER) -> int:
    """Number of times, `step` apart and the end [s], at which any two bodies overlap that may not.

    Raises:
        InputError: a robot put together of several (`together`) has no URDF of its own.
    """
    model = problem.robot.model
    data, geometry = model.createData(), _geometry(problem)
    found = geometry.createData()
    for request, depth in zip(found.collisionRequests, _depths(problem, geometry), strict=True):
        request.security_margin = -depth
    movers = _movers(problem, geometry)
    manager = pin.TreeBroadPhaseManager_DynamicAABBTreeCollisionManager(model, geometry, found)
    times, hits = trajectory.grid(step), 0
    for time, row in zip(times, _whole(problem, trajectory.position(times)), strict=True):
        for k, motion, placement in movers:
            geometry.geometryObjects[k].placement = problem.robot.T_world_base.inverse() * motion.pose(float(time)) * placement
        hits += bool(pin.computeCollisions(model, data, manager, row, True))
    return hits


def _movers(problem: TransferProblem, geometry: pin.GeometryModel) -> list[tuple[int, PoseTrajectory, pin.SE3]]:
    """(geometry, motion, pose in the frame that moves) of every shape of an obstacle that moves."""
    names = {str(g.name): k for k, g in enumerate(geometry.geometryObjects)}
    return [
        (names[f"{obstacle.name}#{n}"], obstacle.motion, shape.placement)
        for obstacle in problem.scene.obstacles
        if obstacle.motion is not None
        for n, shape in enumerate(obstacle.shapes)
    ]


def _whole(problem: TransferProblem, q: Array) -> Array:
    """(N, nq) configurations of the whole robot: the arm's and the fingers at their widths."""
    robot = problem.robot
    whole = np.tile(pin.neutral(robot.model), (len(q), 1))
    widths = {name: float(gripper.opening[1]) for name, gripper in robot.grippers.items()}
    widths |= {held.gripper.name: held.width for held in problem.holds}
    fingers = {j: x for name, g in robot.grippers.items() for j, x in g.finger_positions(widths[name]).items()}
    for joint, values in [*zip(robot.joint_names, q.T, strict=True), *fingers.items()]:
        whole[:, robot.model.joints[robot.model.getJointId(joint)].idx_q] = values
    return whole


def _geometry(problem: TransferProblem) -> pin.GeometryModel:
    """The URDF's collision meshes as they are, the robot's own bodies for links that have none there, items in the hands,
    obstacles; and the pairs that may not overlap."""
    robot, model = problem.robot, problem.robot.model
    folders = [str(f) for f in robot.package_dirs]
    try:
        geometry = pin.buildGeomFromUrdf(model, str(robot.urdf), pin.GeometryType.COLLISION, package_dirs=folders)
    except ValueError as error:
        raise InputError("robot", f"{robot.name} has no URDF of its own to check against ({error})") from error
    base = robot.T_world_base
    links = [(k, str(model.frames[g.parentFrame].name)) for k, g in enumerate(geometry.geometryObjects)]
    known = {link for _, link in links}
    for body in robot.shapes:
        if body.link not in known:
            frame = model.frames[model.getFrameId(body.link)]
            thing = pin.GeometryObject(f"body {body.name}", frame.parentJoint, frame.placement * body.placement, body.geometry)
            links.append((geometry.addGeometryObject(thing), body.link))
    hands = {link for held in problem.holds for link in held.gripper.links}
    items, scene = [], []
    for held in problem.holds:
        frame = model.frames[model.getFrameId(held.gripper.parent_frame)]
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
        if j in drifting or geometry.geometryObjects[k].parentJoint != geometry.geometryObjects[j].parentJoint:
            geometry.addCollisionPair(pin.CollisionPair(k, j))
    return geometry


def _depths(problem: TransferProblem, geometry: pin.GeometryModel) -> list[float]:
    """How deep each pair may overlap [m]: an item that is set down presses into its support by half a millimetre."""
    allowed = {contact.obstacle for contact in problem.scene.allowed_contacts}
    found = []
    for pair in geometry.collisionPairs:
        one, other = (geometry.geometryObjects[k].name for k in (pair.first, pair.second))
        touching = one.startswith("item") and other.split("#")[0] in allowed
        found.append(2 * CONTACT_DEPTH if touching else 0.0)
    return found
