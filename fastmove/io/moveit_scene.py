"""Obstacles of MoveIt scenes: `.scene` texts as rviz exports them, and planning-scene messages as YAML.

Shapes that FastMove does not have are enclosed: a cone by a cylinder, a mesh by boxes that cover its triangles.  What has no
extent (a plane) or is no shape (an octomap) is refused.  With a word to the user, what the scene attaches to the robot is
left out, and poses in another frame are taken to be in the world.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pinocchio as pin
import yaml

from fastmove.errors import InputError, Remark, first_line
from fastmove.geometry.box_cover import RESOLUTION, cover_triangles
from fastmove.geometry.poses import pose
from fastmove.geometry.shapes import Shape
from fastmove.problem.scene import Obstacle

# shape_msgs/SolidPrimitive: number of a type, and its dimensions.
PRIMITIVES = {1: "box", 2: "sphere", 3: "cylinder", 4: "cone"}
REMOVE, MOVE = 1, 3  # moveit_msgs/CollisionObject.operation


def load_scene(path: str | Path, placement: pin.SE3 | None = None, resolution: float = RESOLUTION) -> tuple[Obstacle, ...]:
    """Returns the obstacles of a MoveIt scene, each under its own name.

    Args:
        path: A `.scene` text, or a YAML file with a PlanningScene, its world, or a list of collision objects.
        placement: Pose of the scene's planning frame in the world; None means that it is the world.
        resolution: Width from which on gaps between triangles of meshes stay open [m].

    Raises:
        InputError: The file is no such scene, or has something that cannot be checked against.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(str(path), "no such scene file")
    whole = pin.SE3.Identity() if placement is None else placement
    try:
        text = file.read_text("utf-8-sig")
        parsed = yaml.safe_load(text) if file.suffix.lower() in (".yaml", ".yml") else None
        rows = list(_of_text(text, resolution) if parsed is None else _of_message(parsed, str(path), resolution))
    except InputError as error:
        raise InputError(str(path) if not error.where else f"{path}: {error.where}", error.problem) from error
    except UnicodeDecodeError as error:
        raise InputError(str(path), "is no UTF-8 text") from error
    except (yaml.YAMLError, RecursionError, AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        reason = first_line(error)
        raise InputError(str(path), f"is no MoveIt scene that can be read ({reason[:120]})") from error
    if not rows:
        raise InputError(str(path), "has no collision object")
    return tuple(
        Obstacle(name, tuple(replace(shape, placement=whole * shape.placement) for shape in shapes)) for name, shapes in rows
    )


# -- text -------------------------------------------------------------------------------------------------------------------


class _Words:
    """The words of a text, read one after the other."""

    def __init__(self, text: str) -> None:
        self.words, self.next = text.split(), 0

    def word(self) -> str:
        if self.next >= len(self.words):
            raise ValueError("it ends too early")
        self.next += 1
        return self.words[self.next - 1]

    def numbers(self, count: int) -> list[float]:
        return [float(self.word()) for _ in range(count)]

    def pose(self) -> pin.SE3:
        return pose(self.numbers(3), self.numbers(4))


def _of_text(text: str, resolution: float) -> Iterator[tuple[str, tuple[Shape, ...]]]:
    """Name and shapes of each object of a `.scene` text.

    An object is `* name`, its pose (in scenes written since 2020), the number of shapes, each with its pose and colour, and
    (since 2020) its subframes.  A pose is three numbers of position, and the quaternion x, y, z, w.  A dot ends the text.
    """
    lines = [line.strip() for line in text.splitlines()]
    starts = [k for k, line in enumerate(lines) if line.startswith("*")]
    if not starts or "." not in lines[starts[-1] :]:
        raise ValueError("it has no object, or no dot at its end")
    end = starts[-1] + lines[starts[-1] :].index(".")
    newer = len(lines[starts[0] + 1].split()) == 3
    for first, last in zip(starts, [*starts[1:], end], strict=True):
        name, words = lines[first][1:].strip(), _Words("\n".join(lines[first + 1 : last]))
        whole = words.pose() if newer else pin.SE3.Identity()
        shapes: list[Shape] = []
        for _ in range(int(words.word())):
            kind = words.word()
            if kind == "mesh":
                vertices, triangles = int(words.word()), int(words.word())
                corners = np.array(words.numbers(3 * vertices)).reshape(-1, 3)
                faces = np.array([int(words.word()) for _ in range(3 * triangles)]).reshape(-1, 3)
                own: tuple[Shape, ...] = _mesh(corners, faces, name, resolution)
            else:
                own = (_primitive(kind, words.numbers({"box": 3, "sphere": 1}.get(kind, 2)), name, radius_first=True),)
            where = whole * words.pose()
            words.numbers(4)  # colour
            shapes += [replace(shape, placement=where * shape.placement) for shape in own]
        yield name, tuple(shapes)


# -- message ----------------------------------------------------------------------------------------------------------------


def _of_message(data: Any, where: str, resolution: float) -> Iterator[tuple[str, tuple[Shape, ...]]]:
    """Name and shapes of each object of a planning-scene message."""
    message: dict[str, Any] = {"collision_objects": data} if isinstance(data, list) else data
    world = message.get("world", message)
    if (world.get("octomap") or {}).get("octomap", {}).get("data"):
        raise InputError("octomap", "cannot be read; export it as a point cloud and give that (type = points)")
    state = message.get("robot_state") or {}
    held = [str(row.get("object", row).get("id")) for row in state.get("attached_collision_objects") or []]
    if held:
        warnings.warn(Remark(f"{where}: left out, being attached to the robot: {', '.join(held)}"), stacklevel=4)
    rows = [row for row in world["collision_objects"] if _operation(row) not in (REMOVE, MOVE)]
    frames = {str((row.get("header") or {}).get("frame_id", "")).lstrip("/") for row in rows}
    if len(frames) > 1:
        named = ", ".join(repr(frame) for frame in sorted(frames))
        raise InputError("collision_objects", f"are in several frames ({named}); give all of them in the planning frame")
    if frames - {"", "world"}:
        warnings.warn(Remark(f"{where}: poses are in the frame {frames.pop()!r}, which is taken for the world"), stacklevel=4)
    for row in rows:
        whole = message_pose(row.get("pose") or {})
        shapes = tuple(_shapes(row, resolution))
        if not shapes:
            raise InputError(str(row["id"]), "has no shape")
        yield str(row["id"]), tuple(replace(shape, placement=whole * shape.placement) for shape in shapes)


def _operation(row: dict[str, Any]) -> int:
    operation = row.get("operation", 0)
    return operation if isinstance(operation, int) else (operation[0] if isinstance(operation, bytes) and operation else 0)


def _shapes(row: dict[str, Any], resolution: float) -> Iterator[Shape]:
    """Shapes of a collision object in its own frame."""
    name = str(row["id"])
    if row.get("planes"):
        raise InputError(name, "is a plane without extent; give a box where it must not be touched")
    for shape, place in zip(row.get("primitives") or [], row.get("primitive_poses") or [], strict=True):
        yield replace(primitive(shape, name), placement=message_pose(place))
    for mesh, place in zip(row.get("meshes") or [], row.get("mesh_poses") or [], strict=True):
        corners = np.array([[v[key] for key in "xyz"] for v in mesh["vertices"]], dtype=float)
        faces = np.array([t["vertex_indices"] for t in mesh["triangles"]])
        where = message_pose(place)
        yield from (replace(box, placement=where * box.placement) for box in _mesh(corners, faces, name, resolution))


def primitive(row: dict[str, Any], name: str) -> Shape:
    """Returns a shape_msgs/SolidPrimitive, whose type is its number or name; its pose is not known yet.

    Args:
        row: The message.
        name: Name of the object, for messages.

    Raises:
        InputError: The type is not known, or dimensions are missing.
    """
    kind = row["type"]
    return _primitive(PRIMITIVES.get(kind, str(kind)), [float(x) for x in row["dimensions"]], name, radius_first=False)


def _primitive(kind: str, size: list[float], name: str, radius_first: bool) -> Shape:
    """A box, sphere, cylinder or cone; messages give the height of the last two first, texts the radius."""
    needed = {"box": 3, "sphere": 1, "cylinder": 2, "cone": 2}.get(kind)
    if needed is None:
        raise InputError(name, f"is a {kind}; allowed: box, sphere, cylinder, cone, mesh")
    if len(size) < needed:
        raise InputError(name, f"has {len(size)} dimensions; a {kind} has {needed}")
    if kind == "box":
        return Shape("box", np.array(size[:3]))
    if kind == "sphere":
        return Shape("sphere", radius=size[0])
    radius, length = size[:2] if radius_first else size[1::-1]
    return Shape("cylinder", radius=radius, length=length)  # a cone is inside


def message_pose(row: dict[str, Any]) -> pin.SE3:
    """Returns a geometry_msgs/Pose, of mappings or lists; what is left out is zero, and a quaternion of zeros unturned."""
    position, turn = row.get("position", [0.0] * 3), row.get("orientation", [0.0, 0.0, 0.0, 1.0])
    if isinstance(position, dict):
        position = [float(position.get(key, 0.0)) for key in "xyz"]
    if isinstance(turn, dict):
        turn = [float(turn.get(key, 0.0)) for key in "xyzw"]
    return pose(position, turn if np.any(turn) else [0.0, 0.0, 0.0, 1.0])


def _mesh(corners: np.ndarray, faces: np.ndarray, name: str, resolution: float) -> tuple[Shape, ...]:
    """Boxes that cover the triangles of a mesh."""
    if len(faces) == 0 or faces.min() < 0 or faces.max() >= len(corners):
        raise InputError(name, "has a mesh without triangles, or with corners that are not there")
    if not np.all(np.isfinite(corners)):
        raise InputError(name, "has a mesh with corners that are not finite")
    return cover_triangles(corners[faces], resolution)
