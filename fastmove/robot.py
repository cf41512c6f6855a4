"""The robot: kinematics and inertias (pinocchio), collision shapes, named limit sets and grippers.

A robot is a URDF and a `robot.toml` beside it: joint order, tool frame, pads, limit sets, armature, damping and the
pairs of links that need no check, each with its reason.  `load_robot("panda")` finds those that ship;
`RobotModel.from_urdf` takes any other.
"""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import coal
import numpy as np
import pinocchio as pin

from fastmove.arrays import Array, locked
from fastmove.cup import SuctionCup
from fastmove.errors import InputError, MissingPackage, UnknownName
from fastmove.geometry.polytope import extent_directions, polytope
from fastmove.geometry.poses import pose
from fastmove.resources import robots_folder
from fastmove.tables import Table, read_toml
from fastmove.urdf import adjacent_pairs, revolute_for_continuous, srdf_pairs

LIMIT_KEYS = ("position_min", "position_max", "velocity", "acceleration", "jerk", "effort", "effort_rate")


@dataclass(frozen=True)
class LimitSet:
    """Joint limits, (n_arm,) each, in joint order: [rad], [rad/s], [rad/s²], [rad/s³], [Nm], [Nm/s] (metres for
    prismatic joints).  Infinite means no limit; velocity, acceleration and jerk must be finite."""

    name: str
    position_min: Array
    position_max: Array
    velocity: Array
    acceleration: Array
    jerk: Array
    effort: Array
    effort_rate: Array

    def __post_init__(self) -> None:
        for key in LIMIT_KEYS:
            object.__setattr__(self, key, locked(getattr(self, key)))
        size = len(self.position_min)
        for key in LIMIT_KEYS:
            if getattr(self, key).shape != (size,):
                raise InputError(f"limits.{self.name}.{key}", f"needs {size} numbers, one per joint")
        if np.any(self.position_min >= self.position_max):
            raise InputError(f"limits.{self.name}.position_min", "must be below position_max for every joint")
        for key in ("velocity", "acceleration", "jerk", "effort", "effort_rate"):
            values = getattr(self, key)
            if np.any(np.isnan(values)) or np.any(values <= 0):
                raise InputError(f"limits.{self.name}.{key}", f"is {values.tolist()}; every limit must be positive")
        if not all(np.all(np.isfinite(getattr(self, key))) for key in ("velocity", "acceleration", "jerk")):
            raise InputError(f"limits.{self.name}", "velocity, acceleration and jerk must be finite")


@dataclass(frozen=True)
class Gripper:
    """A two-finger parallel hand.

    Tool frame: y is the closing axis, z the approach; pads close symmetrically about y = 0.

    Attributes:
        name: its name in `robot.toml`.
        parent_frame: URDF link that carries it; parent_T_tool its tool frame there.
        finger_joints: joints that move with the opening: position = `finger_scale`·opening + `finger_offset`.
        links: links of the hand, which may touch the item (its fingers and palm).
        pad_size: (2,) pad face along tool x and z [m].
        pad_center: (2,) centre of the pad face in tool x, z [m].
        opening: (2,) least and largest distance between the pads [m].
        force: (2,) least and largest grip force per pad [N].
        disc_radius: contact radius assumed on a round item [m].
        pad_stiffness: of one pad along the closing axis [N/m]; infinite = rigid, or unknown.
    """

    name: str
    parent_frame: str
    parent_T_tool: pin.SE3
    finger_joints: tuple[str, ...]
    finger_scale: Array
    finger_offset: Array
    links: tuple[str, ...]
    pad_size: Array
    pad_center: Array
    opening: Array
    force: Array
    disc_radius: float
    pad_stiffness: float = float("inf")

    def finger_positions(self, opening: float) -> dict[str, float]:
        """Joint positions of the fingers at this opening [m]."""
        values = self.finger_scale * opening + self.finger_offset
        return {name: float(value) for name, value in zip(self.finger_joints, values, strict=True)}


@dataclass(frozen=True)
class LinkShape:
    """A collision shape of a link: coal geometry at `placement` in the link's frame."""

    name: str
    link: str
    placement: pin.SE3
    geometry: coal.CollisionGeometry


@dataclass(frozen=True, repr=False)
class RobotModel:
    """Arm and hand, immutable.  `model` is pinocchio's, fingers included; do not write to it.

    Attributes:
        joint_names: arm joints in the order of every (n_arm,) array.
        limits: named limit sets; the first is the default.
        armature, damping: (n_arm,) [kg m²], [Nm s/rad]; the same numbers in planner, certificate and simulation.
        unchecked_pairs: {frozenset of two links: reason}, the pairs of links that need no collision check.
        T_world_base: where the base stands.
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

    def __repr__(self) -> str:
        return f"RobotModel({self.name!r}: {self.n_arm} joints, hands {list(self.grippers)}, limits {list(self.limits)})"

    @property
    def n_arm(self) -> int:
        return len(self.joint_names)

    @property
    def default_limits(self) -> str:
        return next(iter(self.limits))

    def limit_set(self, name: str | None = None) -> LimitSet:
        """The named limit set, or the default.  Raises UnknownName."""
        name = name or self.default_limits
        if name not in self.limits:
            raise UnknownName("limits", f"{name!r} is no limit set of {self.name}; it has {', '.join(self.limits)}")
        return self.limits[name]

    def gripper(self, name: str | None = None) -> Gripper:
        """The named two-finger gripper, or the first one.  Raises UnknownName."""
        found = self.holder(name)
        if isinstance(found, SuctionCup):
            raise UnknownName("gripper", f"{found.name!r} is a suction cup; a two-finger gripper is needed")
        return found

    def cup(self) -> SuctionCup:
        """The first suction cup.  Raises UnknownName."""
        for holder in self.grippers.values():
            if isinstance(holder, SuctionCup):
                return holder
        raise UnknownName("gripper", f"{self.name} has no suction cup; give [suction.NAME] in its robot.toml")

    def holder(self, name: str | None = None) -> Gripper | SuctionCup:
        """The named gripper or suction cup, or the first one.  Raises UnknownName."""
        name = name or next(iter(self.grippers), "")
        if name not in self.grippers:
            known = ", ".join(self.grippers) or "none"
            raise UnknownName("gripper", f"{name!r} is no gripper of {self.name}; it has: {known}")
        return self.grippers[name]

    def at(self, T_world_base: pin.SE3) -> RobotModel:
        """The same robot with its base there."""
        return replace(self, T_world_base=T_world_base)

    @staticmethod
    def from_urdf(
        urdf: str | Path,
        srdf: str | Path | None = None,
        packages: Sequence[str | Path] = (),
        config: str | Path | Mapping[str, object] | None = None,
    ) -> RobotModel:
        """Any robot from its URDF.

        Args:
            urdf: file; continuous joints get the range ±2π·4.
            srdf: MoveIt file; its `disable_collisions` join the pairs without a check.
            packages: folders for `package://` names.  Collision meshes count as their convex hulls.
            config: a robot.toml (or its content) with what a URDF cannot say; without one the limit set `urdf` has the
                URDF's own position, velocity and effort, acceleration 10 rad/s², jerk 500 rad/s³ (our choice), and no
                gripper.

        Raises:
            InputError, UnknownName: what is missing, where.
        """
        path = Path(urdf)
        if not path.is_file():
            raise InputError(str(path), "no such URDF file")
        folders = [str(p) for p in packages]
        try:
            text = revolute_for_continuous(path.read_text())
            model = pin.buildModelFromXML(text)
            visuals = pin.buildGeomFromUrdfString(model, text, pin.GeometryType.COLLISION, package_dirs=folders)
        except Exception as error:
            raise InputError(str(path), f"is not a URDF that can be read ({str(error).splitlines()[0]})") from error
        table = Table({}, "")
        if isinstance(config, Mapping):
            table = Table(dict(config), "robot")
        elif config is not None:
            table = read_toml(Path(config))
        pairs = adjacent_pairs(text)
        if srdf is not None:
            pairs |= srdf_pairs(Path(srdf))
        beside = path.parent if config is None or isinstance(config, Mapping) else Path(config).parent
        return _assemble(model, visuals, path, table, pairs, tuple(folders), beside)


def known_robots() -> tuple[str, ...]:
    """Names of the shipped robots."""
    return tuple(sorted(p.parent.name for p in robots_folder().glob("*/robot.toml")))


def load_robot(name: str | Path, geometry: str = "primitives") -> RobotModel:
    """A shipped robot by name, or the robot of a `robot.toml` by path.

    Args:
        name: e.g. "panda".
        geometry: `primitives` = our own shapes; `hulls` = convex hulls of example-robot-data's collision meshes
            (needs that package), which touch the real surface more closely.

    Raises:
        UnknownName: no such robot; the message lists those that ship.
    """
    path = Path(name)
    if path.suffix != ".toml":
        path = robots_folder() / str(name) / "robot.toml"
    if not path.is_file():
        raise UnknownName("robot", f"{str(name)!r} is not known; known: {', '.join(known_robots())}, or a robot.toml")
    table = read_toml(path)
    if geometry == "hulls":
        folder = example_robot_data()
        mesh_urdf = folder / table.string("mesh_urdf")
        table.used.add("urdf")
        return RobotModel.from_urdf(mesh_urdf, packages=[folder.parent], config=path)
    if geometry != "primitives":
        raise InputError("geometry", f"is {geometry!r}; allowed: primitives, hulls")
    return RobotModel.from_urdf(path.parent / table.string("urdf"), config=path)


def example_robot_data() -> Path:
    """Folder `example-robot-data` of the installed package.  Raises MissingPackage."""
    for root in (sysconfig.get_paths()["purelib"], os.environ.get("FASTMOVE_SHARE", "")):
        folder = Path(root) / "cmeel.prefix" / "share" / "example-robot-data"
        if folder.is_dir():
            return folder
    raise MissingPackage("example-robot-data", "geometry = 'hulls'", "meshes")


def _assemble(
    model: pin.Model,
    visuals: pin.GeometryModel,
    path: Path,
    table: Table,
    pairs: dict[frozenset[str], str],
    folders: tuple[str, ...],
    beside: Path,
) -> RobotModel:
    grippers: dict[str, Gripper | SuctionCup] = {
        name: _gripper(model, name, sub) for name, sub in table.tables("gripper").items()
    }
    grippers |= {name: _cup(model, name, sub) for name, sub in table.tables("suction").items()}
    fingers = {joint for gripper in grippers.values() for joint in gripper.finger_joints}
    default = [n for n in list(model.names)[1:] if n not in fingers]
    names = tuple(table.strings("joints", default))
    for joint in names:
        if not model.existJointName(joint):
            raise UnknownName("joints", f"{joint!r} is no joint of {path.name}")
    size = len(names)
    limits = {name: _limit_set(name, sub, size) for name, sub in table.tables("limits").items()}
    if not limits:
        limits = {"urdf": _urdf_limits(model, names)}
    for entry in table.list("unchecked"):
        links = entry.strings("links")
        for link in links:
            if not model.existFrame(link):
                raise UnknownName(entry.key("links"), f"{link!r} is no link of {path.name}")
        pairs[frozenset(links)] = entry.string("reason")
    robot = RobotModel(
        name=table.string("name", model.name),
        model=model,
        urdf=path,
        joint_names=names,
        shapes=tuple(_with_extents(_link_shapes(model, visuals), model, table, beside)),
        limits=limits,
        grippers=grippers,
        armature=locked(table.numbers("armature", size, default=[0.0] * size)),
        damping=locked(table.numbers("damping", size, default=[0.0] * size)),
        unchecked_pairs=pairs,
        payload=table.number("payload", float("inf")),
        package_dirs=folders,
    )
    table.ignore("urdf", "mesh_urdf", "about")
    table.finish()
    return robot


def _link_shapes(model: pin.Model, visuals: pin.GeometryModel) -> list[LinkShape]:
    shapes = []
    for item in visuals.geometryObjects:
        geometry = item.geometry
        if isinstance(geometry, coal.BVHModelBase):
            geometry.buildConvexHull(True, "Qt")
            geometry = geometry.convex
        link = model.frames[item.parentFrame].name
        frame = model.frames[item.parentFrame].placement
        shapes.append(LinkShape(item.name, link, frame.actInv(item.placement), geometry))
    return shapes


def _with_extents(shapes: list[LinkShape], model: pin.Model, table: Table, beside: Path) -> list[LinkShape]:
    """Links without a shape in the URDF become what robot.toml's file of extents says of them."""
    name = table.string("extents", "")
    if not name:
        return shapes
    drawn = {shape.link for shape in shapes}
    extents = read_toml(beside / name)
    found = []
    for link in extents.data:
        values = extents.numbers(link, len(extent_directions()))
        if not model.existFrame(link):
            raise UnknownName(extents.key(link), "is no link of the URDF")
        if link not in drawn:
            found.append(LinkShape(f"{link}_0", link, pin.SE3.Identity(), polytope(np.array(values) * 1e-3)))
    return [*found, *shapes]


def _gripper(model: pin.Model, name: str, table: Table) -> Gripper:
    parent = table.string("link")
    if not model.existFrame(parent):
        raise UnknownName(table.key("link"), f"{parent!r} is no link of the URDF")
    fingers = table.list("fingers")
    tool = table.table("tool")
    gripper = Gripper(
        name=name,
        parent_frame=parent,
        parent_T_tool=pose(tool.numbers("position", 3), tool.numbers("quaternion_xyzw", 4)),
        finger_joints=tuple(f.string("joint") for f in fingers),
        finger_scale=locked([f.number("scale") for f in fingers]),
        finger_offset=locked([f.number("offset", 0.0) for f in fingers]),
        links=tuple(table.strings("links")),
        pad_size=locked(table.numbers("pad_size", 2)),
        pad_center=locked(table.numbers("pad_center", 2, default=[0.0, 0.0])),
        opening=locked(table.numbers("opening", 2)),
        force=locked(table.numbers("force", 2)),
        disc_radius=table.number("disc_radius", 0.003),
        pad_stiffness=table.number("pad_stiffness", float("inf"), low=1.0),
    )
    for joint in gripper.finger_joints:
        if not model.existJointName(joint):
            raise UnknownName(table.key("fingers"), f"{joint!r} is no joint of the URDF")
    return gripper


def _cup(model: pin.Model, name: str, table: Table) -> SuctionCup:
    parent, tool = table.string("link"), table.table("tool")
    if not model.existFrame(parent):
        raise UnknownName(table.key("link"), f"{parent!r} is no link of the URDF")
    return SuctionCup(
        name,
        parent,
        pose(tool.numbers("position", 3), tool.numbers("quaternion_xyzw", 4)),
        table.number("radius"),
        table.number("pressure"),
        table.number("stem_radius"),
        table.number("stem_length"),
    )


def _limit_set(name: str, table: Table, size: int) -> LimitSet:
    return LimitSet(name, *(locked(table.numbers(key, size, finite=False)) for key in LIMIT_KEYS))


def _urdf_limits(model: pin.Model, names: tuple[str, ...]) -> LimitSet:
    index = [model.joints[model.getJointId(n)].idx_q for n in names]
    speed = [model.joints[model.getJointId(n)].idx_v for n in names]
    velocity = model.upperVelocityLimit[speed]
    if np.any(velocity <= 0):
        raise InputError("velocity", "the URDF has a joint without a velocity limit; give [limits.NAME] in robot.toml")
    effort = np.where(model.upperEffortLimit[speed] > 0, model.upperEffortLimit[speed], np.inf)
    size = len(names)
    low, high = model.lowerPositionLimit[index], model.upperPositionLimit[index]
    many = np.full(size, np.inf)
    return LimitSet("urdf", low, high, velocity, np.full(size, 10.0), np.full(size, 500.0), effort, many)
