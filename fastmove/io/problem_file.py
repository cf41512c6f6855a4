"""Reading of a problem file (TOML or JSON) into a `TransferProblem`.

Every field is checked when it is read; error messages name file and key and say what is allowed.  Lengths are in [m] unless said.
The schema, `format = 1`:

    format = 1                  # version of this schema
    name = "…"                  # optional
    robot = "panda"             # a shipped robot, or the path of a robot.toml
    limits = "fer"              # optional: a limit set of the robot; default: its first
    clearance = 0.002           # optional [m]
    gravity = [0, 0, -9.81]     # optional [m/s²]
    release_opening = 0.01      # optional [m]: at both ends the hand must be free with its pads wider apart than the item by this
    accepts = ["camera"]        # optional: what may stay unchecked by name, as a link without a collision shape
    base = {position = …, quaternion_xyzw = …}             # optional: pose of the robot's base in the world

    [item]   mass [kg], shapes = [ … ]; all others optional: name, com [m] in the item's frame (default: the shapes' centre of
             volume), inertia [kg m²] (3×3 about com, along the frame's axes), max_pinch_force [N]
             tolerates = {tilt_deg, upright_deg, shock [m/s²], swing [share of the pads' torsion], up = [0, 0, 1]} (optional)
             members = [{mass, com, inertia}] (optional: further bodies that the item may be; com and inertia optional)
    [uncertainty]  optional half-ranges (zero by default):
             mass, inertia, friction, grip_force: relative
             com = [x, y, z] [m] along the item's axes, placement [m] and turn_deg [°] of the item in the hand,
             shape [m] (of the item's surface), obstacles [m] (of their surfaces)
             unknown = true: defaults for an unknown item instead of zeros
    [following] optional: how closely the arm follows its commands (exactly by default); clearances hold for every such arm
             joint_error_mrad = largest error of every joint, or of each [mrad; mm for prismatic joints], delay_ms
    [grasp]  tool_T_item = {position, quaternion_xyzw}, friction, grip_force = N or [least, largest], gripper (optional)
             contact = "pinch" (default), "suction" with a gripper that is a cup, or another name in `registries.contacts`
             patches, width (optional; for items that are no primitives)
    [suction] optional: another way to hold the same item, for `--contact`: tool_T_item (in the cup's tool frame), friction
    [start]  q [rad], v [rad/s] (optional), a [rad/s²] (optional), or
    [start.pose] at rest at a pose as goals have them; planning chooses the configuration that is soonest at the goal
             [start] velocity (optional): it moves on so, as an item on a belt; a cycle picks it up
    [goal]   q [rad], or configurations = [q, …], or
    [[goal.poses]] (one: [goal.pose]) position and quaternion_xyzw in the world; all others optional:
             of = "item" | "tool" | a link (what the goal frame is fixed in), offset (pose of the goal frame in it), free_axis,
             range_deg = [-180, 180] (of the angle about it), flips = [{axis, angle_deg}], tolerance = [x, y, z]
             [goal] velocity [m/s] (optional, with poses): they move on so from the begin, as on a belt, and the motion meets them
    [[obstacles]] name, type, size | radius, length | file, position, quaternion_xyzw
             type = "mesh": its convex hull; with convex = false, boxes that cover its triangles, to `resolution` (0.03)
             type = "points": file = .npy, .npz, .xyz, .ply or .pcd, in the frame of the pose, covered by boxes, to `resolution`;
             unit (metres of one count, needed for whole numbers)
             type = "heights": file = .npy (nx, ny), cell, floor (0): square columns around the pose, solid down to the floor
             type = "depth": file = .npy (rows, columns), focal, centre [pixels], unit (metres of one count, as 0.001; needed for
             whole numbers); the pose is the camera's (z forward, y down); covered by boxes, to `resolution`
             waypoints = [{time [s], position, quaternion_xyzw}] (optional): the obstacle moves.  Its own pose is then in the
             frame that the waypoints place in the world.  That frame goes straight and turns evenly from waypoint to waypoint,
             and stands still before the first and after the last; at time 0 the arm begins to move.
             surface_velocity = [x, y, z] [m/s] (optional): the obstacle stands, and carries on what touches it, as a belt
    [[scenes]] file = a MoveIt .scene or planning-scene YAML, whose objects become obstacles; position, quaternion_xyzw of its
             planning frame in the world; resolution (0.03) of meshes
    [[allowed_contacts]] obstacle, at = "start" | "goal" | "both"
    [[constraints]] type = a name in `registries.constraints`, and the fields of that constraint; it holds all along the motion
    [[corridors]] at = "start" | "goal", direction, length, angle_deg (15): that end is left or reached straight, within a cone
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pinocchio as pin

from fastmove import registries
from fastmove.arrays import Array, readonly
from fastmove.contact.patch import Patch, disc_patch, line_patch, plane_patch
from fastmove.errors import InputError, UnknownName
from fastmove.geometry.box_cover import RESOLUTION, cover_heights, cover_mesh, cover_points, depth_to_points
from fastmove.geometry.pose_trajectory import PoseTrajectory
from fastmove.geometry.poses import pose
from fastmove.geometry.shapes import Shape
from fastmove.io.moveit_scene import load_scene
from fastmove.io.point_file import load_array, load_points
from fastmove.problem.following import EXACTLY, Following
from fastmove.problem.goal import Goal, GoalPose, State
from fastmove.problem.grasp import Grasp, HeldItem, hold
from fastmove.problem.item import Inertial, Item, solid_inertia
from fastmove.problem.path_constraint import PathConstraint
from fastmove.problem.scene import ITEM, AllowedContact, Corridor, Obstacle, Scene
from fastmove.problem.tolerance import Tolerance
from fastmove.problem.transfer import TransferProblem
from fastmove.problem.uncertainty import EXACT, LENGTHS, RELATIVE, Uncertainty
from fastmove.resources import known_problems, problems_folder
from fastmove.robot.model import RobotModel
from fastmove.robot.shipped import known_robots, load_robot
from fastmove.tables import CheckedTable, read_table

# Types of obstacles that are read from sensor data and covered by boxes.
SENSED = ("points", "heights", "depth")


def load_problem(path: str | Path, limits: str | None = None) -> TransferProblem:
    """Reads a problem file (.toml or .json), or a problem that ships by its name ("light_bulb").

    Args:
        path: the file, or the name; relative names of other files in it are resolved against its folder.
        limits: name of a limit set of the robot, instead of the one in the file.

    Raises:
        InputError: the file or the problem is wrong (or a subclass); one sentence with file, key and what is allowed.
    """
    path = _named(Path(path))
    table = read_table(path)
    return problem_from_table(table, path.parent, path.stem, limits)


def _named(path: Path) -> Path:
    """The file itself, or the shipped problem of this name where there is no such file."""
    if path.exists() or path.suffix or len(path.parts) != 1:
        return path
    names = known_problems()
    beside = [f"{path.name}{ending}" for ending in (".toml", ".json") if Path(f"{path.name}{ending}").is_file()]
    if beside and path.name not in names:
        raise UnknownName("problem", f"{path.name!r} is no file and no shipped problem; did you mean {beside[0]!r}?")
    if path.name in names:
        return problems_folder() / f"{path.name}.toml"
    raise UnknownName("problem", f"{path.name!r} is no file and no shipped problem; known: {', '.join(names)}", path.name, names)


def problem_from_table(table: CheckedTable, folder: Path, name: str, limits: str | None = None) -> TransferProblem:
    """Builds the problem that an already parsed table describes.

    Args:
        table: the table of the schema above.
        folder: folder against which relative file names are resolved.
        name: name of the problem where the table gives none.
        limits: name of a limit set of the robot, instead of the one in the table.

    Raises:
        InputError: the table or the problem is wrong (or a subclass).
    """
    if "format" not in table.data:
        raise table.fail("format", "is missing; this version reads format 1: format = 1")
    if table.integer("format") != 1:
        raise table.fail("format", f"is {table.raw('format')!r}; this version reads format 1")
    name = table.string("name", name)
    robot = _robot(table, folder)
    holds: tuple[HeldItem, ...] = ()
    alternatives: tuple[HeldItem, ...] = ()
    tolerance = 0.0
    if table.has("item") or table.has("grasp"):
        item = _item(table.table("item"), folder)
        uncertainty, tolerance = _uncertainty(table, item)
        holds = (_hold(table.table("grasp"), robot, item, uncertainty),)
        if table.has("suction"):
            alternatives = (_by_cup(table.table("suction"), robot, item, uncertainty),)
    obstacles = tuple(_obstacle(t, folder) for t in table.list_of_tables("obstacles"))
    obstacles += tuple(obstacle for t in table.list_of_tables("scenes") for obstacle in _scene(t, folder))
    allowed = tuple(
        _located(t, lambda t=t: AllowedContact(t.string("obstacle"), t.string("at", "start")))
        for t in table.list_of_tables("allowed_contacts")
    )
    constraints = tuple(_constraint(t) for t in table.list_of_tables("constraints"))
    corridors = tuple(_located(t, lambda t=t: _corridor(t)) for t in table.list_of_tables("corridors"))
    start = _state(table.table("start"), robot)
    goal = _goal(table.table("goal"), robot)
    limits_name = limits or table.string("limits", robot.default_limits)
    table.ignore("limits")
    clearance = table.number("clearance", TransferProblem.clearance)
    gravity = readonly(table.numbers("gravity", 3, [0.0, 0.0, -9.81]))
    opening = table.number("release_opening", TransferProblem.release_opening)
    accepts = tuple(table.strings("accepts", []))
    following = _following(table.table("following"), robot) if table.has("following") else EXACTLY
    table.finish()

    def build() -> TransferProblem:
        scene = Scene(obstacles, allowed, corridors, tolerance)
        return TransferProblem(
            name,
            robot,
            holds,
            scene,
            start,
            goal,
            limits_name,
            clearance,
            gravity,
            release_opening=opening,
            alternatives=alternatives,
            constraints=constraints,
            accepts=accepts,
            following=following,
        )

    return _located(table, build)


def _located(table: CheckedTable, build):  # type: ignore[no-untyped-def]
    """Runs a constructor, and puts file and table in front of the message of an InputError that it raises."""
    try:
        return build()
    except InputError as error:
        if error.where.startswith(table.where):
            raise
        if error.where:
            own = table.path.split(".")[-1].split("[")[0]
            inner = "" if error.where == own else error.where.removeprefix(own + ".")
            raise type(error)(table.key(inner).removesuffix("."), error.problem) from None
        raise type(error)(table.where, error.problem) from None


def _robot(table: CheckedTable, folder: Path) -> RobotModel:
    if "robot" not in table.data:
        raise table.fail("robot", f"is missing; one of {', '.join(known_robots())}, or the path of a robot.toml is needed")
    name = table.string("robot")
    if name.endswith(".toml"):
        name = str(folder / name)
    robot: RobotModel = _located(table, lambda: load_robot(name))
    if table.has("base"):
        robot = robot.at(_pose(table.table("base")))
    return robot


def _pose(table: CheckedTable) -> pin.SE3:
    position = table.numbers("position", 3, [0.0, 0.0, 0.0])
    quaternion = table.numbers("quaternion_xyzw", 4, [0.0, 0.0, 0.0, 1.0])
    placement: pin.SE3 = _located(table, lambda: pose(position, quaternion))
    return placement


def _shape(table: CheckedTable, folder: Path) -> Shape:
    kind = table.choice("type", registries.shapes.names())
    shape_type = registries.shapes.get(kind)
    size = table.numbers("size", shape_type.edges) if "size" in shape_type.sizes else []
    radius, length = (table.number(key) if key in shape_type.sizes else 0.0 for key in ("radius", "length"))
    file = str(folder / table.string("file")) if "file" in shape_type.sizes else ""
    if file and not Path(file).is_file():
        raise table.fail("file", f"{file} does not exist")
    shape: Shape = _located(table, lambda: Shape(kind, readonly(size), radius, length, file, _pose(table)))
    return shape


def _item(table: CheckedTable, folder: Path) -> Item:
    shapes = tuple(_shape(t, folder) for t in table.list_of_tables("shapes"))
    if not shapes:
        raise table.fail("shapes", "has none; an item needs at least one shape")
    members = tuple(_inertial(t, shapes) for t in (table, *table.list_of_tables("members")))
    name = table.string("name", "item")
    force = table.number("max_pinch_force", float("inf"))
    tolerance = _tolerance(table.table("tolerates")) if table.has("tolerates") else Tolerance()
    item: Item = _located(table, lambda: Item(name, shapes, members, force, tolerance))
    return item


def _tolerance(table: CheckedTable) -> Tolerance:
    tilt, upright = (float(np.radians(table.number(key, float("inf")))) for key in ("tilt_deg", "upright_deg"))
    shock, swing, up = table.number("shock", float("inf")), table.number("swing", 1.0), table.numbers("up", 3, [0.0, 0.0, 1.0])
    tolerance: Tolerance = _located(table, lambda: Tolerance(tilt, upright, shock, swing, np.array(up)))
    return tolerance


def _inertial(table: CheckedTable, shapes: tuple[Shape, ...]) -> Inertial:
    mass = table.number("mass")
    if not 0 < mass < 1e3:
        raise table.fail("mass", f"is {mass:g}; it must be positive [kg]")
    centre, inertia = solid_inertia(shapes, mass)
    com = table.numbers("com", 3, [float(x) for x in centre])
    if table.has("inertia"):
        inertia = np.array(table.rows("inertia", 3))
    inertial: Inertial = _located(table, lambda: Inertial(mass, readonly(com), readonly(inertia)))
    return inertial


def _uncertainty(table: CheckedTable, item: Item) -> tuple[Uncertainty, float]:
    """Reads the uncertainty of the item, and how far obstacles may be from their nominal surfaces [m].

    A half-range that the file does not give is zero, or that of an unknown item where the file says `unknown = true`.
    """
    if not table.has("uncertainty"):
        return EXACT, 0.0
    table = table.table("uncertainty")
    base = Uncertainty.unknown(item) if table.boolean("unknown", False) else EXACT
    numbers = {key: table.number(key, getattr(base, key)) for key in (*RELATIVE, *LENGTHS)}
    com, turn = readonly(table.numbers("com", 3, base.com.tolist())), float(np.radians(table.number("turn_deg", 0.0)))
    tolerance = table.number("obstacles", 0.0)
    uncertainty: Uncertainty = _located(table, lambda: Uncertainty(com=com, turn=turn, **numbers))
    return uncertainty, tolerance


def _following(table: CheckedTable, robot: RobotModel) -> Following:
    """Reads how closely the arm follows its commands."""
    error = table.raw("joint_error_mrad", 0.0)
    several = isinstance(error, list)
    errors = table.numbers("joint_error_mrad", robot.n_arm) if several else [table.number("joint_error_mrad", 0.0)]
    delay = table.number("delay_ms", 0.0)
    sizes = tuple(1e-3 * e for e in errors)
    following: Following = _located(table, lambda: Following(sizes if several else sizes[0], 1e-3 * delay))
    return following


def _hold(table: CheckedTable, robot: RobotModel, item: Item, uncertainty: Uncertainty) -> HeldItem:
    force = table.raw("grip_force")
    forces = table.numbers("grip_force", 2) if isinstance(force, list) else [table.number("grip_force")] * 2
    patches, width = None, None
    if table.has("patches"):
        explicit = [_patch(t) for t in table.list_of_tables("patches")]
        if len(explicit) != 2:
            raise table.fail("patches", f"has {len(explicit)} entries; a pinch has two patches")
        patches, width = (explicit[0], explicit[1]), table.number("width")
    placement = _pose(table.table("tool_T_item"))
    friction, contact = table.number("friction"), table.string("contact", "pinch")
    name = table.string("gripper", "")

    def build() -> HeldItem:
        grasp = Grasp(placement, friction, readonly(forces), contact, name, patches, width)
        return hold(robot.holder(name) if name else robot.gripper(), item, grasp, uncertainty)

    held: HeldItem = _located(table, build)
    return held


def _by_cup(table: CheckedTable, robot: RobotModel, item: Item, uncertainty: Uncertainty) -> HeldItem:
    """Reads how the robot's suction cup holds the item, as an alternative to the grasp."""
    placement, friction = _pose(table.table("tool_T_item")), table.number("friction")
    cup = robot.suction_cup()
    grasp = Grasp(placement, friction, cup.force, "suction", cup.name)
    held: HeldItem = _located(table, lambda: hold(cup, item, grasp, uncertainty))
    return held


def _patch(table: CheckedTable) -> Patch:
    kind = table.choice("shape", ("plane", "line", "disc"))
    center = np.array(table.numbers("center", 2, [0.0, 0.0]))
    if kind == "disc":
        return disc_patch(center, table.number("radius", low=1e-4))
    size = np.array(table.numbers("size", 2)) / 2
    if np.any(size < 0) or not np.any(size > 0) or (kind == "plane" and np.any(size <= 0)):
        raise table.fail("size", f"is {(2 * size).tolist()}; it must be positive [m]")
    if kind == "line":
        return line_patch(center - size, center + size)
    x, z = size
    return plane_patch(center + np.array([[x, z], [-x, z], [-x, -z], [x, -z]]))


def _obstacle(table: CheckedTable, folder: Path) -> Obstacle:
    name, kind = table.string("name"), table.choice("type", (*registries.shapes.names(), *SENSED))
    motion = _motion(table) if table.has("waypoints") else None
    x, y, z = table.numbers("surface_velocity", 3, [0.0, 0.0, 0.0])
    rest = motion, (x, y, z)
    if kind not in SENSED and table.boolean("convex", True):
        shapes = (_shape(table, folder),)
        return _located(table, lambda: Obstacle(name, shapes, *rest))  # type: ignore[no-any-return]
    file, placement = folder / table.string("file"), _pose(table)
    resolution = table.number("resolution", RESOLUTION)
    if kind not in (*SENSED, "mesh"):
        raise table.fail("convex", f"says that a {kind} is not; only a mesh may be")
    if not file.is_file():
        raise table.fail("file", f"{file} does not exist")
    return _located(table, lambda: Obstacle(name, _covering(table, kind, file, placement, resolution), *rest))  # type: ignore[no-any-return]


def _scene(table: CheckedTable, folder: Path) -> tuple[Obstacle, ...]:
    """Obstacles of a MoveIt scene."""
    file, placement, resolution = folder / table.string("file"), _pose(table), table.number("resolution", RESOLUTION)
    obstacles: tuple[Obstacle, ...] = _located(table, lambda: load_scene(file, placement, resolution))
    return obstacles


def _motion(table: CheckedTable) -> PoseTrajectory:
    points = [(t.number("time"), _pose(t)) for t in table.list_of_tables("waypoints")]
    motion: PoseTrajectory = _located(
        table, lambda: PoseTrajectory(np.array([t for t, _ in points]), tuple(p for _, p in points))
    )
    return motion


def _covering(table: CheckedTable, kind: str, file: Path, placement: pin.SE3, resolution: float) -> tuple[Shape, ...]:
    """Boxes that cover a mesh, a point cloud, a height map or a depth image."""
    if kind == "mesh":
        return tuple(replace(s, placement=placement * s.placement) for s in cover_mesh(file, resolution))
    if kind == "heights":
        return cover_heights(load_array(file), table.number("cell"), table.number("floor", 0.0), placement)
    unit = table.number("unit") if table.has("unit") else None
    if kind == "depth":
        (fx, fy), (cx, cy) = table.numbers("focal", 2), table.numbers("centre", 2)
        if unit is not None and not unit > 0:
            raise table.fail("unit", f"is {unit:g}; the metres of one count are needed, as 0.001 for millimetres")
        return cover_points(depth_to_points(load_array(file), (fx, fy), (cx, cy), placement, unit), resolution)
    points = load_points(file, unit)
    return cover_points(points @ placement.rotation.T + placement.translation, resolution)


def _constraint(table: CheckedTable) -> PathConstraint:
    constraint: PathConstraint = _located(table, lambda: _registered(registries.constraints, table).from_table(table))
    return constraint


def _registered(registry: registries.Registry[Any], table: CheckedTable) -> Any:
    """Looks up the `type` of a table in a registry."""
    return registry.get(table.string("type"))


def _corridor(table: CheckedTable) -> Corridor:
    angle = np.radians(table.number("angle_deg", 15.0))
    return Corridor(table.string("at"), readonly(table.numbers("direction", 3)), table.number("length"), float(angle))


def _state(table: CheckedTable, robot: RobotModel) -> State:
    if poses := _poses(table):
        velocity = table.numbers("velocity", 3, [0.0, 0.0, 0.0])
        state: State = _located(table, lambda: State.at(*poses, velocity=velocity))
        return state
    zero = [0.0] * robot.n_arm
    q = table.numbers("q", robot.n_arm)
    return State(readonly(q), readonly(table.numbers("v", robot.n_arm, zero)), readonly(table.numbers("a", robot.n_arm, zero)))


def _poses(table: CheckedTable) -> list[GoalPose]:
    """Regions under the key `poses` or `pose`; none where there is neither."""
    return [
        _located(t, lambda t=t: _goal_pose(t)) for key in ("poses", "pose") if table.has(key) for t in table.list_of_tables(key)
    ]


def _goal(table: CheckedTable, robot: RobotModel) -> Goal:
    if poses := _poses(table):
        velocity = table.numbers("velocity", 3, [0.0, 0.0, 0.0])
        goal: Goal = _located(table, lambda: Goal.at(*poses, velocity=velocity))
        return goal
    if not table.has("configurations"):
        return Goal(readonly([table.numbers("q", robot.n_arm)]))
    return Goal(readonly(table.rows("configurations", robot.n_arm)))


def _flip(table: CheckedTable) -> Array:
    axis = np.array(table.numbers("axis", 3))
    if not np.any(axis):
        raise table.fail("axis", "is zero; a direction is needed")
    return np.asarray(pin.exp3(axis / np.linalg.norm(axis) * np.radians(table.number("angle_deg", 180.0))))


def _goal_pose(table: CheckedTable) -> GoalPose:
    low, high = table.numbers("range_deg", 2, [-180.0, 180.0])
    return GoalPose(
        _pose(table),
        table.string("of", ITEM),
        _pose(table.table("offset")) if table.has("offset") else pin.SE3.Identity(),
        np.array(table.numbers("free_axis", 3, [0.0, 0.0, 0.0])),
        (float(np.radians(low)), float(np.radians(high))),
        tuple(_flip(t) for t in table.list_of_tables("flips")),
        np.array(table.numbers("tolerance", 3, [0.0, 0.0, 0.0])),
    )
