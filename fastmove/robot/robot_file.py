"""Reading grippers, suction cups and limit sets from robot.toml."""

from __future__ import annotations

from typing import Any

import numpy as np
import pinocchio as pin

from fastmove import registries
from fastmove.arrays import readonly
from fastmove.errors import InputError, UnknownName
from fastmove.geometry.poses import pose
from fastmove.robot.gripper import Gripper
from fastmove.robot.joint_limits import LIMIT_KEYS, LimitSet
from fastmove.robot.limit_kinds import KINDS
from fastmove.robot.link_geometry import has_link, link_names
from fastmove.robot.speed_envelope import ENVELOPE_KEYS, SpeedEnvelope
from fastmove.robot.suction_cup import SuctionCup
from fastmove.tables import CheckedTable


def gripper_from_table(model: pin.Model, name: str, table: CheckedTable) -> Gripper:
    """Reads a two-finger gripper from a table `[gripper.NAME]`.

    Args:
        model: model whose links and joints the table names.
        name: name of the gripper.
        table: its table.

    Raises:
        InputError: a value is missing or not allowed.
        UnknownName: its link or a finger joint is not in the URDF.
    """
    parent = table.string("link")
    if not has_link(model, parent):
        raise UnknownName(table.key("link"), f"{parent!r} is no link of the URDF", parent, link_names(model))
    fingers = table.list_of_tables("fingers")
    tool = table.table("tool")
    values: dict[str, Any] = {
        "name": name,
        "parent_frame": parent,
        "parent_T_tool": pose(tool.numbers("position", 3), tool.numbers("quaternion_xyzw", 4)),
        "finger_joints": tuple(f.string("joint") for f in fingers),
        "finger_scale": readonly([f.number("scale") for f in fingers]),
        "finger_offset": readonly([f.number("offset", 0.0) for f in fingers]),
        "links": tuple(table.strings("links")),
        "pad_size": readonly(table.numbers("pad_size", 2)),
        "pad_center": readonly(table.numbers("pad_center", 2, default=[0.0, 0.0])),
        "opening": readonly(table.numbers("opening", 2)),
        "force": readonly(table.numbers("force", 2)),
        "disc_radius": table.number("disc_radius", 0.003),
        "pad_stiffness": table.number("pad_stiffness", float("inf"), low=1.0),
        "closing_speed": table.number("closing_speed", float("nan"), low=1e-3),
        "grip_time": table.number("grip_time", float("nan"), low=0.0),
    }
    try:
        gripper = Gripper(**values)
    except InputError as error:
        raise table.fail(error.where, error.problem) from None
    for link in gripper.links:
        if not has_link(model, link):
            raise UnknownName(table.key("links"), f"{link!r} is no link of the URDF", link, link_names(model))
    for joint in gripper.finger_joints:
        if not model.existJointName(joint):
            raise UnknownName(table.key("fingers"), f"{joint!r} is no joint of the URDF", joint, list(model.names)[1:])
    return gripper


def cup_from_table(model: pin.Model, name: str, table: CheckedTable) -> SuctionCup:
    """Reads a suction cup from a table `[suction.NAME]`.

    Args:
        model: model whose link the table names.
        name: name of the cup.
        table: its table.

    Raises:
        InputError: a value is missing or not allowed.
        UnknownName: its link is not in the URDF.
    """
    parent, tool = table.string("link"), table.table("tool")
    if not has_link(model, parent):
        raise UnknownName(table.key("link"), f"{parent!r} is no link of the URDF", parent, link_names(model))
    return SuctionCup(
        name,
        parent,
        pose(tool.numbers("position", 3), tool.numbers("quaternion_xyzw", 4)),
        table.number("radius"),
        table.number("pressure"),
        table.number("stem_radius"),
        table.number("stem_length"),
    )


def limit_set_from_table(name: str, table: CheckedTable, size: int) -> LimitSet:
    """Reads a limit set from a table `[limits.NAME]`.

    Args:
        name: name of the limit set.
        table: its table.
        size: number of arm joints.

    Raises:
        InputError: a value is missing or not allowed.
    """
    further = set(registries.limit_kinds.names()) - {kind.name for kind in KINDS}
    others = {key: table.number(key) for key in sorted(further) if table.has(key)}
    for key in LIMIT_KEYS:
        if key not in table.data:
            raise table.fail(
                key, f"is missing; {size} numbers are needed, one per joint (inf where effort or effort_rate has no limit)"
            )
    values = {key: readonly(table.numbers(key, size, finite=False)) for key in LIMIT_KEYS}
    envelope = None
    if table.has("speed_envelope"):
        inner = table.table("speed_envelope")
        envelope = SpeedEnvelope(**{key: readonly(inner.numbers(key, size, finite=False)) for key in ENVELOPE_KEYS})
    return LimitSet(name, **values, speed_envelope=envelope, others=others, assumed=table.string("assumed", ""))


def urdf_limits(model: pin.Model, names: tuple[str, ...]) -> LimitSet:
    """Returns the limit set of a URDF: its position, velocity and effort limits, acceleration 10 rad/s², jerk 500 rad/s³.

    Joints without an effort limit get an infinite one; effort rates are not limited.

    Args:
        model: model read from the URDF.
        names: arm joints, in order.
    """
    index = [model.joints[model.getJointId(n)].idx_q for n in names]
    speed = [model.joints[model.getJointId(n)].idx_v for n in names]
    velocity = model.upperVelocityLimit[speed]
    effort = np.where(model.upperEffortLimit[speed] > 0, model.upperEffortLimit[speed], np.inf)
    size = len(names)
    low, high = model.lowerPositionLimit[index], model.upperPositionLimit[index]
    many = np.full(size, np.inf)
    return LimitSet("urdf", low, high, velocity, np.full(size, 10.0), np.full(size, 500.0), effort, many)
