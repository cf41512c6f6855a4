"""Several arms combined into one robot: joints side by side, every pair of links checked, limits and grippers kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pinocchio as pin

from fastmove.arrays import readonly
from fastmove.errors import InputError
from fastmove.robot.joint_limits import LIMIT_KEYS, LimitSet
from fastmove.robot.link_geometry import LinkShape
from fastmove.robot.model import RobotModel
from fastmove.robot.speed_envelope import ENVELOPE_KEYS, SpeedEnvelope, unlimited
from fastmove.robot.suction_cup import SuctionCup


def combine_robots(arms: Mapping[str, RobotModel]) -> RobotModel:
    """Combines several arms into one robot, each where its base stands (`RobotModel.at`).

    Joints, links and grippers get the arm's name and an underscore in front: "left_panda_joint1", "left_hand".  The limit sets
    are those that all arms have; the payload is the sum of the arms' payloads.

    Args:
        arms: robots by name, in the order of the joints.

    Raises:
        InputError: fewer than two arms, no limit set that all have, or a limit of a further kind (`LimitSet.others`) in one.
    """
    if len(arms) < 2:
        raise InputError("arms", f"has {len(arms)} robots; at least two are needed")
    robots = list(arms.values())
    names = [name for name in robots[0].limits if all(name in robot.limits for robot in robots)]
    if not names:
        raise InputError("arms", "have no limit set of the same name")
    model = pin.Model()
    for name, robot in arms.items():
        model = pin.appendModel(model, _named(robot.model, name), 0, robot.T_world_base)
    parts = [_renamed(robot, name) for name, robot in arms.items()]
    return replace(
        robots[0],
        name=" + ".join(f"{name} {robot.name}" for name, robot in arms.items()),
        model=model,
        joint_names=tuple(joint for part in parts for joint in part.joint_names),
        shapes=tuple(shape for part in parts for shape in part.shapes),
        limits={name: _limits(name, robots) for name in names},
        grippers={name: gripper for part in parts for name, gripper in part.grippers.items()},
        armature=readonly(np.concatenate([robot.armature for robot in robots])),
        damping=readonly(np.concatenate([robot.damping for robot in robots])),
        unchecked_pairs={pair: reason for part in parts for pair, reason in part.unchecked_pairs.items()},
        payload=sum(robot.payload for robot in robots),
        T_world_base=pin.SE3.Identity(),
        continuous=tuple(turns for robot in robots for turns in (robot.continuous or (False,) * robot.n_arm)),
        unshaped=tuple(link for part in parts for link in part.unshaped),
        still={joint: value for part in parts for joint, value in part.still.items()},
        mimics={joint: law for part in parts for joint, law in part.mimics.items()},
        assumes=tuple(f"{name}: {sentence}" for name, robot in arms.items() for sentence in robot.assumes),
    )


def _named(model: pin.Model, arm: str) -> pin.Model:
    """Returns a copy of a model with the arm's name in front of every joint and frame."""
    copy = model.copy()
    for k in range(1, copy.njoints):
        copy.names[k] = f"{arm}_{model.names[k]}"
    for k in range(1, copy.nframes):
        copy.frames[k].name = f"{arm}_{model.frames[k].name}"
    return copy


def _renamed(robot: RobotModel, arm: str) -> RobotModel:
    """Returns the robot with the arm's name in front of its joints, links and grippers; `model` keeps its own names."""
    return replace(
        robot,
        joint_names=tuple(f"{arm}_{name}" for name in robot.joint_names),
        shapes=tuple(LinkShape(f"{arm}_{s.name}", f"{arm}_{s.link}", s.placement, s.geometry) for s in robot.shapes),
        grippers={f"{arm}_{name}": _renamed_gripper(gripper, arm) for name, gripper in robot.grippers.items()},
        unshaped=tuple(f"{arm}_{link}" for link in robot.unshaped),
        still={f"{arm}_{joint}": value for joint, value in robot.still.items()},
        mimics={f"{arm}_{joint}": (f"{arm}_{law[0]}", law[1], law[2]) for joint, law in robot.mimics.items()},
        unchecked_pairs={frozenset(f"{arm}_{link}" for link in pair): reason for pair, reason in robot.unchecked_pairs.items()},
    )


def _renamed_gripper(gripper, arm: str):  # type: ignore[no-untyped-def]
    named: dict[str, Any] = {"name": f"{arm}_{gripper.name}", "parent_frame": f"{arm}_{gripper.parent_frame}"}
    if isinstance(gripper, SuctionCup):
        return replace(gripper, **named)
    joints = tuple(f"{arm}_{joint}" for joint in gripper.finger_joints)
    return replace(gripper, **named, finger_joints=joints, links=tuple(f"{arm}_{link}" for link in gripper.links))


def _limits(name: str, robots: list[RobotModel]) -> LimitSet:
    sets = [robot.limit_set(name) for robot in robots]
    for key in (key for one in sets for key in one.others):
        raise InputError(f"limits.{name}.{key}", "is of one arm; with several, give the problem a constraint for each instead")
    assumed = "; ".join(dict.fromkeys(one.assumed for one in sets if one.assumed))
    values: dict[str, Any] = {key: np.concatenate([getattr(s, key) for s in sets]) for key in LIMIT_KEYS}
    return LimitSet(name, **values, speed_envelope=_envelope(sets), assumed=assumed)


def _envelope(sets: list[LimitSet]) -> SpeedEnvelope | None:
    """Speed limits by position of all arms, infinite for arms without any; None where no arm has any."""
    if all(one.speed_envelope is None for one in sets):
        return None
    parts = [one.speed_envelope or unlimited(len(one.velocity)) for one in sets]
    return SpeedEnvelope(**{key: np.concatenate([getattr(part, key) for part in parts]) for key in ENVELOPE_KEYS})
