"""Description of a problem in plain numbers, and the hash of it."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from fastmove.geometry.poses import pose_dict
from fastmove.geometry.shapes import Shape
from fastmove.problem.goal import GoalPose, State
from fastmove.problem.grasp import HeldItem
from fastmove.problem.scene import Obstacle
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.speed_envelope import ENVELOPE_KEYS
from fastmove.robot.urdf import canonical_urdf


def describe(problem: TransferProblem) -> dict[str, object]:
    """Describes a problem in plain numbers, enough to check a trajectory without FastMove.

    Poses are in the world unless said: item and grasp are in the tool frame, and an obstacle with waypoints is in the frame that
    these place in the world.

    Returns:
        Nested dicts and lists for JSON, in SI units; infinite numbers are None.
    """
    robot, limits = problem.robot, problem.limit_set
    result: dict[str, object] = {
        "format": 1,
        "name": problem.name,
        "robot": {
            "name": robot.name,
            "urdf": robot.urdf.name,
            "urdf_sha256": hashlib.sha256(canonical_urdf(robot.urdf).encode()).hexdigest(),
            "joint_names": list(robot.joint_names),
            "limits": limits.name,
            "position_min": _plain(limits.position_min),
            "position_max": _plain(limits.position_max),
            "velocity_max": _plain(limits.velocity),
            "acceleration_max": _plain(limits.acceleration),
            "jerk_max": _plain(limits.jerk),
            "effort_max": _plain(limits.effort),
            "effort_rate_max": _plain(limits.effort_rate),
            "armature": _plain(robot.armature),
            "damping": _plain(robot.damping),
            "base": pose_dict(robot.T_world_base),
        },
        "obstacles": [_describe_obstacle(o) for o in problem.scene.obstacles],
        "obstacle_tolerance": problem.scene.obstacle_uncertainty,
        "allowed_contacts": [{"obstacle": c.obstacle, "at": c.at} for c in problem.scene.allowed_contacts],
        "corridors": [
            {"at": c.at, "direction": _plain(c.direction), "length": c.length, "angle": c.angle} for c in problem.scene.corridors
        ],
        "release_opening": problem.release_opening,
        "start": _describe_start(problem.start),
        "goals": [] if problem.goal.poses else [_plain(q) for q in problem.goal.configurations],
        "clearance": problem.clearance,
        "gravity": _plain(problem.gravity),
    }
    if limits.speed_envelope is not None:
        envelope = {key: _plain(getattr(limits.speed_envelope, key)) for key in ENVELOPE_KEYS}
        result["robot"] |= {"speed_envelope": envelope}  # type: ignore[operator]
    if problem.path_constraints:
        result["constraints"] = [constraint.describe() for constraint in problem.path_constraints]
    if problem.goal.poses:
        result["goal_poses"] = [_describe_goal(g) for g in problem.goal.poses]
    if problem.goal.moves:
        result["goal_velocity"] = _plain(problem.goal.velocity)
    if not problem.goal.opens_hand:
        result["goal_releases"] = False
    if problem.openings:
        result["openings"] = dict(problem.openings)
    if not problem.following.exact:
        errors = problem.following.errors(robot.n_arm)
        result["following"] = {"error": _plain(errors), "delay": problem.following.delay}
    for held in problem.holds[:1]:
        result |= _describe_hold(problem, held)
    if len(problem.holds) > 1:
        result["holds"] = [_describe_hold(problem, held) for held in problem.holds]
    return result


def _describe_start(start: State) -> dict[str, object]:
    """The start's poses where it has any (planning chooses the configuration), else its state."""
    if start.poses:
        described: dict[str, object] = {"poses": [_describe_goal(pose) for pose in start.poses]}
        return described | ({"velocity": _plain(start.velocity)} if start.moves_on else {})
    return {"q": _plain(start.q), "v": _plain(start.v), "a": _plain(start.a)}


def _describe_obstacle(obstacle: Obstacle) -> dict[str, object]:
    moving: dict[str, object] = {} if obstacle.motion is None else {"waypoints": obstacle.motion.describe()}
    if any(obstacle.surface_velocity):
        moving = {"surface_velocity": list(obstacle.surface_velocity)}
    return {"name": obstacle.name} | _describe_shapes(obstacle.shapes) | moving


def _describe_shapes(shapes: tuple[Shape, ...]) -> dict[str, object]:
    return shapes[0].describe() if len(shapes) == 1 else {"type": "shapes", "shapes": [s.describe() for s in shapes]}


def _describe_goal(goal: GoalPose) -> dict[str, object]:
    return pose_dict(goal.placement) | {
        "of": goal.of,
        "offset": pose_dict(goal.offset),
        "free_axis": _plain(goal.axis),
        "range": _plain(goal.span),
        "flips": [[_plain(row) for row in flip] for flip in goal.flips],
        "tolerance": _plain(goal.tolerance),
    }


def _describe_hold(problem: TransferProblem, held: HeldItem) -> dict[str, object]:
    gripper, item, grasp = held.gripper, held.item, held.grasp
    members = []
    for body in (held.tool_T_grasp.act(b) for b in held.bodies):
        members.append({"mass": body.mass, "com": _plain(body.lever), "inertia": [_plain(r) for r in body.inertia]})
    nominal_inertia = grasp.tool_T_item.act(item.members[0].spatial())
    nominal = {
        "mass": nominal_inertia.mass,
        "com": _plain(nominal_inertia.lever),
        "inertia": [_plain(r) for r in nominal_inertia.inertia],
    }
    shapes = [shape.describe() | {"pose": pose_dict(grasp.tool_T_item * shape.placement)} for shape in item.shapes]
    joints = gripper.finger_positions(held.width)
    return {
        "tool": {"parent_link": gripper.parent_frame, "pose": pose_dict(gripper.parent_T_tool), "finger_positions": joints},
        "item": {"name": item.name, **nominal, "shapes": shapes, "members": members, "spread": held.position_uncertainty}
        | _describe_tolerance(held),
        "grasp": {
            "frame": pose_dict(held.tool_T_grasp),
            "contact": grasp.contact,
            "width": held.width,
            "friction": held.friction,
            "friction_believed": grasp.friction,
            "grip_force": _plain(grasp.grip_force),
            "sure_grip": held.guaranteed_grip_ratio,
            "lever_share": dict(held.law.lever_shares),
            "patches": [
                {
                    "shape": p.kind,
                    "center": _plain(p.center),
                    "size": _plain(p.size),
                    "direction": _plain(p.direction),
                    "c": p.c,
                    "a": p.a,
                }
                for p in held.patches
            ],
        },
    }


def _describe_tolerance(held: HeldItem) -> dict[str, object]:
    """Entry `tolerates` of an item that has such limits, else nothing; angles in [rad], up axis in the tool frame."""
    limits = held.item.tolerates
    if not limits.of_force and limits.swing == 1:
        return {}
    tilt, upright, shock = _plain([limits.tilt, limits.upright, limits.shock])
    up = _plain(held.grasp.tool_T_item.rotation @ limits.up)
    return {"tolerates": {"tilt": tilt, "upright": upright, "shock": shock, "swing": limits.swing, "up": up}}


def _plain(values: object) -> list[object]:
    """Converts an array of numbers to a list for JSON, infinite ones to None."""
    return [float(x) if np.isfinite(x) else None for x in np.asarray(values, dtype=float)]


def problem_sha256(problem: TransferProblem) -> str:
    """Computes the SHA-256 hash of a problem, from the canonical JSON of `describe`.

    The URDF enters by its content and meshes by their names, so that the hash does not depend on absolute paths.
    """
    text = json.dumps(describe(problem), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
