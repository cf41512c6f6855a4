"""The robot model: kinematics and inertias (pinocchio), collision shapes, named limit sets and grippers.

A robot is a URDF and a `robot.toml` beside it.  The latter gives the joint order, tool frames, gripper pads, limit sets,
armature, damping and the pairs of links that need no collision check, each with its reason.  `load_robot("panda")` finds
the robots that ship with the package; `RobotModel.from_urdf` reads any other.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array, readonly
from fastmove.errors import InputError, UnknownName
from fastmove.robot.description import (
    check_joints,
    check_limits,
    check_tree,
    continuous_joints,
    free_limits,
    lost_leaders,
    mimic_joints,
)
from fastmove.robot.gripper import Gripper
from fastmove.robot.joint_limits import LimitSet
from fastmove.robot.link_description import check_collisions, check_inertials, check_inertias, check_links, weightless
from fastmove.robot.link_geometry import LinkShape, has_link, link_names, link_shapes, with_extents
from fastmove.robot.robot_file import cup_from_table, gripper_from_table, limit_set_from_table, urdf_limits
from fastmove.robot.suction_cup import SuctionCup
from fastmove.robot.urdf import LINK_SUFFIX, adjacent_pairs, prepared, read_urdf, srdf_pairs
from fastmove.tables import CheckedTable, read_toml


@dataclass(frozen=True, repr=False)
class RobotModel:
    """An immutable robot: arm and hand with their inertias, collision shapes, limits and grippers.

    Attributes:
        name: name of the robot.
        model: pinocchio model, fingers included; do not write to it.
        urdf: URDF file that the model was read from.
        joint_names: (n_arm,) arm joints, in the order of every (n_arm,) array.
        shapes: collision shapes of the links.
        limits: named limit sets; the first is the default.
        grippers: two-finger grippers and suction cups by name; the first is the default.
        armature: (n_arm,) rotor inertias felt at the joints [kg m²], the same in planner, certificate and simulation.
        damping: (n_arm,) viscous friction of the joints [Nm s/rad], the same in planner, certificate and simulation.
        unchecked_pairs: {frozenset of two links: reason}, the pairs of links that need no collision check: neighbours in the
            URDF, those of the SRDF, and [[unchecked]] of robot.toml.
        payload: largest mass that the robot may carry [kg].
        T_world_base: pose of the base in the world.
        package_dirs: folders in which `package://` names were looked up.
        continuous: (n_arm,) whether each joint turns without end, whole turns of it being the same place; empty = none does.
        unshaped: links without a collision shape that robot.toml names; nothing is known of what they hit.
        assumes: what is assumed of the robot because its description does not say it, a sentence each.
        mimics: {joint: (leader, multiplier, offset)} of joints outside of the arm that follow others and are no fingers.
        still: {joint: position} of joints outside of the arm that stand elsewhere than at 0 [rad or m].
        xacro_arguments: arguments with which a xacro file was expanded.
    """

    name: str
    model: pin.Model
    urdf: Path
    joint_names: tuple[str, ...]
    shapes: tuple[LinkShape, ...]
    limits: Mapping[str, LimitSet]
    grippers: Mapping[str, Gripper | SuctionCup]
    armature: Array
    damping: Array
    unchecked_pairs: Mapping[frozenset[str], str]
    payload: float = float("inf")
    T_world_base: pin.SE3 = field(default_factory=pin.SE3.Identity)
    package_dirs: tuple[str, ...] = ()
    continuous: tuple[bool, ...] = ()
    unshaped: tuple[str, ...] = ()
    assumes: tuple[str, ...] = ()
    mimics: Mapping[str, tuple[str, float, float]] = field(default_factory=dict)
    still: Mapping[str, float] = field(default_factory=dict)
    xacro_arguments: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"RobotModel({self.name!r}: {self.n_arm} joints, hands {list(self.grippers)}, limits {list(self.limits)})"

    @property
    def n_arm(self) -> int:
        """Number of arm joints."""
        return len(self.joint_names)

    @property
    def default_limits(self) -> str:
        """Name of the default limit set."""
        return next(iter(self.limits))

    def limit_set(self, name: str | None = None) -> LimitSet:
        """Returns the named limit set, or the default one.

        Raises:
            UnknownName: the robot has no such limit set.
        """
        name = name or self.default_limits
        if name not in self.limits:
            raise UnknownName(
                "limits", f"{name!r} is no limit set of {self.name}; it has {', '.join(self.limits)}", name, self.limits
            )
        return self.limits[name]

    def gripper(self, name: str | None = None) -> Gripper:
        """Returns the named two-finger gripper, or the first one.

        Raises:
            UnknownName: the robot has no such gripper, or it is a suction cup.
        """
        holder = self.holder(name)
        if isinstance(holder, SuctionCup):
            raise UnknownName("gripper", f"{holder.name!r} is a suction cup; a two-finger gripper is needed")
        return holder

    def suction_cup(self) -> SuctionCup:
        """Returns the robot's first suction cup.

        Raises:
            UnknownName: the robot has none.
        """
        for holder in self.grippers.values():
            if isinstance(holder, SuctionCup):
                return holder
        raise UnknownName("gripper", f"{self.name} has no suction cup; give [suction.NAME] in its robot.toml")

    def holder(self, name: str | None = None) -> Gripper | SuctionCup:
        """Returns the named gripper or suction cup, or the first one.

        Raises:
            UnknownName: the robot has no such gripper.
        """
        if not self.grippers:
            raise UnknownName(
                "gripper", f"is needed, and {self.name} has none; give [gripper.…] in its robot.toml, or place a link"
            )
        name = name or next(iter(self.grippers), "")
        if name not in self.grippers:
            known = ", ".join(self.grippers) or "none"
            raise UnknownName("gripper", f"{name!r} is no gripper of {self.name}; it has: {known}", name, self.grippers)
        return self.grippers[name]

    def still_configuration(self, openings: Mapping[str, float]) -> Array:
        """Returns a configuration (nq,) of `model` with the joints outside of the arm where they stand, and the arm's at 0.

        Joints of more than one number (floating, planar) stand at their neutral place.

        Args:
            openings: distance between the pads of each gripper [m].
        """
        q = np.array(pin.neutral(self.model))
        for joint, value in self.still_joints(openings).items():
            place = self.model.joints[self.model.getJointId(joint)]
            if place.nq == 1:
                q[place.idx_q] = value
        return q

    def still_joints(self, openings: Mapping[str, float]) -> dict[str, float]:
        """Returns the positions of the joints outside of the arm: fingers by their openings, `still`, followers by their laws.

        Args:
            openings: distance between the pads of each gripper [m].

        Returns:
            {joint: position [rad or m]}.
        """
        moved = {
            joint: x for name, gripper in self.grippers.items() for joint, x in gripper.finger_positions(openings[name]).items()
        }

        def position(joint: str) -> float:
            if joint in moved or joint in self.still or joint not in self.mimics:
                return float(moved.get(joint, self.still.get(joint, 0.0)))
            leader, multiplier, offset = self.mimics[joint]
            return multiplier * position(leader) + offset

        return {joint: position(joint) for joint in list(self.model.names)[1:] if joint not in self.joint_names}

    def at(self, T_world_base: pin.SE3) -> RobotModel:
        """Returns the same robot with its base at another pose.

        Args:
            T_world_base: pose of the base in the world.
        """
        return replace(self, T_world_base=T_world_base)

    @staticmethod
    def from_urdf(
        urdf: str | Path,
        srdf: str | Path | None = None,
        packages: Sequence[str | Path] = (),
        config: str | Path | Mapping[str, object] | CheckedTable | None = None,
    ) -> RobotModel:
        """Reads any robot from its URDF.

        Collision meshes count as their convex hulls.

        Args:
            urdf: URDF file, or a xacro file where `xacro` is installed; continuous joints get the range ±2π·4 rad.
            srdf: MoveIt SRDF file; its `disable_collisions` join the pairs that need no collision check.
            packages: folders for `package://` names.
            config: a robot.toml, or its content, with what a URDF cannot say.  Without one there is no gripper, and the one
                limit set, `urdf`, has the URDF's own position, velocity and effort limits, acceleration 10 rad/s² and jerk
                500 rad/s³ (our choice).

        Raises:
            InputError: a file is missing or unreadable, or a value of the robot.toml is missing or not allowed.
            UnknownName: a joint or link that the robot.toml names is not in the URDF.
        """
        path, folders = Path(urdf), [Path(p) for p in packages]
        table = CheckedTable({}, "")
        if isinstance(config, CheckedTable):
            table = config
        elif isinstance(config, Mapping):
            table = CheckedTable(dict(config), "robot")
        elif config is not None:
            table = read_toml(Path(config))
        root = read_urdf(path, folders, _xacro_arguments(table))
        beside = Path(config).parent if isinstance(config, str | Path) else path.parent
        return robot_of(root, path, srdf, folders, table, beside)


def robot_of(
    root: Element, path: Path, srdf: str | Path | None, folders: Sequence[Path], table: CheckedTable, beside: Path
) -> RobotModel:
    """Builds the robot of a description that was read already; see `RobotModel.from_urdf`.

    Args:
        root: Root of the URDF; it is not changed.
        path: Its file.
        srdf: SRDF file; None = there is none.
        folders: Folders for `package://` names.
        table: The robot.toml, or an empty table.
        beside: Folder against which names in it are resolved.

    Raises:
        InputError: See `RobotModel.from_urdf`.
        UnknownName: See `RobotModel.from_urdf`.
    """
    check_tree(root, path.name)
    check_inertials(root, path.name)
    pairs = adjacent_pairs(root)
    text = prepared(copy.deepcopy(root), path, folders)
    try:
        model = pin.buildModelFromXML(text)
        collision_geometry = pin.buildGeomFromUrdfString(model, text, pin.GeometryType.COLLISION)
    except Exception as error:  # urdfdom and assimp have said more on the standard error output
        raise InputError(str(path), "is not a URDF that can be read: pinocchio refuses it") from error
    frames = [model.frames[item.parentFrame].name.removesuffix(LINK_SUFFIX) for item in collision_geometry.geometryObjects]
    check_collisions(root, path.name, frames)
    if srdf is not None:
        pairs |= srdf_pairs(Path(srdf))
    return _assemble(model, collision_geometry, root, path, table, pairs, tuple(str(folder) for folder in folders), beside)


def _xacro_arguments(table: CheckedTable) -> dict[str, str]:
    """Arguments with which robot.toml has a xacro file expanded."""
    arguments = table.table("xacro", {})
    return {key: arguments.text(key) for key in arguments.data}


def _assemble(
    model: pin.Model,
    collision_geometry: pin.GeometryModel,
    root: Element,
    path: Path,
    table: CheckedTable,
    pairs: dict[frozenset[str], str],
    folders: tuple[str, ...],
    beside: Path,
) -> RobotModel:
    """Combines what the URDF and the robot.toml say into a robot; `beside` is the folder of its file of extents."""
    grippers: dict[str, Gripper | SuctionCup] = {
        name: gripper_from_table(model, name, sub) for name, sub in table.tables("gripper").items()
    }
    grippers |= {name: cup_from_table(model, name, sub) for name, sub in table.tables("suction").items()}
    fingers = {joint for gripper in grippers.values() for joint in gripper.finger_joints}
    default = [n for n in list(model.names)[1:] if n not in fingers]
    names = tuple(table.strings("joints", default))
    for joint in names:
        if not model.existJointName(joint):
            raise UnknownName("joints", f"{joint!r} is no joint of {path.name}", joint, list(model.names)[1:])
    size = len(names)
    check_joints(root, path.name, names)
    limits = {name: limit_set_from_table(name, sub, size) for name, sub in table.tables("limits").items()}
    assumes: tuple[str, ...] = ()
    if not limits:
        check_limits(root, path.name, names)
        limits, assumes = {"urdf": urdf_limits(model, names)}, free_limits(root, path.name, names)
    shapes = tuple(with_extents(link_shapes(model, collision_geometry), model, table, beside))
    unshaped = tuple(table.strings("unshaped", []))
    for link in unshaped:
        if not has_link(model, link):
            raise UnknownName(table.key("unshaped"), f"{link!r} is no link of {path.name}", link, link_names(model))
    shaped = {shape.link for shape in shapes}
    check_links(root, path.name, names, shaped, unshaped)
    inertias = check_inertias(root, path.name, names, table.strings("inertias_as_given", []))
    for entry in table.list_of_tables("unchecked"):
        links = entry.strings("links")
        for link in links:
            if not has_link(model, link):
                raise UnknownName(entry.key("links"), f"{link!r} is no link of {path.name}", link, link_names(model))
        pairs[frozenset(links)] = entry.string("reason")
    robot = RobotModel(
        name=table.string("name", model.name),
        model=model,
        urdf=path,
        joint_names=names,
        shapes=shapes,
        limits=limits,
        grippers=grippers,
        armature=_at_joints(table, "armature", size, 100.0, "kg m²"),
        damping=_at_joints(table, "damping", size, 1e4, "Nm s/rad"),
        unchecked_pairs=pairs,
        payload=table.number("payload", float("inf"), low=1e-6),
        package_dirs=folders,
        continuous=continuous_joints(root, names),
        unshaped=tuple(link for link in unshaped if link not in shaped),
        still=_still(table, model, names),
        mimics={joint: law for joint, law in mimic_joints(root, path.name).items() if joint not in fingers},
        xacro_arguments=_xacro_arguments(table),
        assumes=(*inertias, *lost_leaders(root), *weightless(root, path.name, names, shaped), *assumes),
    )
    table.ignore("urdf", "srdf", "packages", "mesh_urdf", "about")
    table.finish()
    return robot


def _still(table: CheckedTable, model: pin.Model, arm: tuple[str, ...]) -> dict[str, float]:
    """Positions of `[still]`, of joints that are not the arm's."""
    still = table.table("still", {})
    others = [name for name in list(model.names)[1:] if name not in arm]
    for joint in still.data:
        if joint not in others:
            raise UnknownName(
                still.key(joint), f"is no joint outside of the arm; those are: {', '.join(others) or 'none'}", joint, others
            )
    return {joint: still.number(joint) for joint in still.data}


def _at_joints(table: CheckedTable, key: str, size: int, most: float, unit: str) -> Array:
    """Numbers of the joints that are not negative; 0 where robot.toml has none."""
    values = readonly(table.numbers(key, size, default=[0.0] * size))
    if not all(0 <= value <= most for value in values):
        raise table.fail(key, f"is {values.tolist()}; allowed: 0 to {most:g} {unit}")
    return values
