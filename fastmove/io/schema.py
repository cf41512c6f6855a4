"""JSON Schemas of problem and robot files, generated from the readers themselves: `python -m fastmove.io.schema` writes them.

The readers run over files that have every key, on tables that remember what they were asked for: which keys, of which type,
needed or not.  So a schema says what a reader reads, and nothing else; editors complete and check with it.
"""

from __future__ import annotations

import json
import math
import tempfile
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fastmove.io.problem_file import problem_from_table
from fastmove.resources import problems_folder, robots_folder
from fastmove.robot.model import RobotModel
from fastmove.tables import MISSING, CheckedTable

FOLDER = Path(__file__).parent.parent / "schemas"
MESH_CORNERS = (
    np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float) * 0.05
)  # Corners of a small mesh [m].


@dataclass
class _Key:
    """What is known of one key.

    Attributes:
        schemas: Of the types that it was read as.
        needed: How many times it was read without a default.
        optional: Whether its presence was asked for.
        child: Of the tables behind it.
    """

    schemas: list[dict[str, Any]] = field(default_factory=list)
    needed: int = 0
    optional: bool = False
    child: _Node | None = None


@dataclass
class _Node:
    """What is known of all tables at one place; visits counts them."""

    visits: int = 0
    keys: dict[str, _Key] = field(default_factory=dict)

    def schema(self) -> dict[str, Any]:
        """JSON Schema of these tables; of a place where none was read, any table."""
        if not self.visits:
            return {"type": "object"}
        properties = {name: _alternatives(key) for name, key in sorted(self.keys.items())}
        needed = [name for name, key in sorted(self.keys.items()) if key.needed == self.visits and not key.optional]
        return {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}


def _alternatives(key: _Key) -> dict[str, Any]:
    """Schema of a key, with its child's in the place of a marker."""
    if not key.schemas:
        return {}
    child = key.child.schema() if key.child is not None else {}
    filled = [json.loads(json.dumps(schema).replace('{"CHILD": 0}', json.dumps(child))) for schema in key.schemas]
    return filled[0] if len(filled) == 1 else {"anyOf": filled}


class RecordingTable(CheckedTable):
    """A table that remembers what it is asked for, in one tree of nodes for all of them."""

    nodes: ClassVar[dict[str, _Node]] = {}

    def __init__(self, data: dict[str, object], where: str, path: str = "") -> None:
        super().__init__(data, where, path)
        self.node = self.nodes.setdefault(_place(path), _Node())
        self.node.visits += 1

    def _note(self, name: str, schema: dict[str, Any], default: object, once: bool = True) -> _Key:
        key = self.node.keys.setdefault(name, _Key())
        if schema not in key.schemas:
            key.schemas.append(schema)
        key.needed += default is MISSING and once
        return key

    def has(self, name: str) -> bool:
        """See `CheckedTable.has`; the key is optional."""
        self.node.keys.setdefault(name, _Key()).optional = True
        return super().has(name)

    def string(self, name: str, default: object = MISSING) -> str:
        """See `CheckedTable.string`."""
        self._note(name, {"type": "string"}, default)
        return super().string(name, default)

    def text(self, name: str) -> str:
        """See `CheckedTable.text`."""
        self._note(name, {"type": ["string", "number", "boolean"]}, MISSING)
        return super().text(name)

    def choice(self, name: str, allowed: tuple[str, ...], default: object = MISSING) -> str:
        """See `CheckedTable.choice`."""
        self._note(name, {"enum": list(allowed)}, default)
        self.used.add(name)
        return CheckedTable(self.data, self.where, self.path).choice(name, allowed, default)

    def strings(self, name: str, default: object = MISSING) -> list[str]:
        """See `CheckedTable.strings`."""
        self._note(name, {"type": "array", "items": {"type": "string"}}, default)
        return super().strings(name, default)

    def integer(self, name: str, default: object = MISSING) -> int:
        """See `CheckedTable.integer`."""
        self._note(name, {"type": "integer"}, default)
        return super().integer(name, default)

    def boolean(self, name: str, default: object = MISSING) -> bool:
        """See `CheckedTable.boolean`."""
        self._note(name, {"type": "boolean"}, default)
        return super().boolean(name, default)

    def number(self, name: str, default: object = MISSING, low: float = -math.inf, high: float = math.inf) -> float:
        """See `CheckedTable.number`."""
        bounds = {"minimum": low} if math.isfinite(low) else {}
        self._note(name, {"type": "number", **bounds} | ({"maximum": high} if math.isfinite(high) else {}), default)
        return super().number(name, default, low, high)

    def numbers(self, name: str, size: int | None, default: object = MISSING, finite: bool = True) -> list[float]:
        """See `CheckedTable.numbers`."""
        fixed = {"minItems": size, "maxItems": size} if size in (2, 3, 4) else {}  # joints are as many as a robot has
        self._note(name, {"type": "array", "items": {"type": "number"}, **fixed}, default)
        return super().numbers(name, size, default, finite)

    def rows(self, name: str, width: int) -> list[list[float]]:
        """See `CheckedTable.rows`."""
        row = {"type": "array", "items": {"type": "number"}}
        self._note(name, {"type": "array", "items": row, "minItems": 1}, MISSING)
        plain = CheckedTable(self.data, self.where, self.path)
        self.used.add(name)
        return plain.rows(name, width)

    def table(self, name: str, default: object = MISSING) -> CheckedTable:
        """See `CheckedTable.table`."""
        self._note(name, {"CHILD": 0}, default).child = self._node_of(name)
        return super().table(name, default)

    def tables(self, name: str) -> dict[str, CheckedTable]:
        """See `CheckedTable.tables`."""
        self._note(name, {"type": "object", "additionalProperties": {"CHILD": 0}}, None).child = self._node_of(f"{name}.*")
        return super().tables(name)

    def list_of_tables(self, name: str, default: object = None) -> list[CheckedTable]:
        """See `CheckedTable.list_of_tables`."""
        several = {"type": "array", "items": {"CHILD": 0}}
        self._note(name, {"anyOf": [several, {"CHILD": 0}]}, default).child = self._node_of(f"{name}[]")
        return super().list_of_tables(name, default)

    def _node_of(self, name: str) -> _Node:
        return self.nodes.setdefault(_place(f"{self.path}.{name}" if self.path else name), _Node())


def _place(path: str) -> str:
    """Where a table stands, whichever of its list or of the named ones it is."""
    parts = ["".join(c for c in part if not c.isdigit()) if "[" in part else part for part in path.split(".")]
    if len(parts) > 1 and parts[0] in ("limits", "gripper", "suction"):
        parts[1] = "*"
    return ".".join(parts)


def problem_schema() -> dict[str, Any]:
    """JSON Schema of problem files."""
    RecordingTable.nodes = {}
    with tempfile.TemporaryDirectory() as folder:
        _write_files(Path(folder))
        every = tomllib.loads((FOLDER / "every_key.toml").read_text())
        bare = {key: value for key, value in every.items() if key not in ("item", "grasp", "suction", "uncertainty")}
        bare["goal"] = {"configurations": [every["start"]["q"]]}
        fixed = every | {"grasp": every["grasp"] | {"grip_force": 60.0}, "following": {"joint_error_mrad": 0.1}}
        pose = every["goal"]["poses"][0]
        ends = [{end: {key: [pose]} for end in ("start", "goal")} for key in ("pose", "poses")]
        for data in (every, fixed, bare, *(every | both for both in ends)):
            problem_from_table(RecordingTable(data, "every_key.toml"), Path(folder), "every key")
        for file in sorted(problems_folder().glob("*.toml")):
            if file.stem != "items":
                problem_from_table(RecordingTable(tomllib.loads(file.read_text()), file.name), file.parent, file.stem)
    return _finished("FastMove problem")


def robot_schema() -> dict[str, Any]:
    """JSON Schema of robot.toml files."""
    RecordingTable.nodes = {}
    for file in sorted(robots_folder().glob("*/robot.toml")):
        table = RecordingTable(tomllib.loads(file.read_text()), file.name)
        table.string("mesh_urdf", "")
        RobotModel.from_urdf(file.parent / table.string("urdf"), config=table)
    schema = _finished("FastMove robot")
    further = {"type": "number", "description": "a limit of a further kind (registries.limit_kinds)"}
    schema["properties"]["limits"]["additionalProperties"]["additionalProperties"] = further
    schema["properties"]["still"] = {"type": "object", "additionalProperties": {"type": "number"}, "description": "[rad or m]"}
    value = {"type": ["string", "number", "boolean"]}
    schema["properties"]["xacro"] = {"type": "object", "additionalProperties": value, "description": "arguments of a xacro file"}
    return schema


def _write_files(folder: Path) -> None:
    """The files that `every_key.toml` names."""
    np.save(folder / "points.npy", MESH_CORNERS)
    np.save(folder / "heights.npy", np.full((4, 4), 0.1))
    np.save(folder / "depth.npy", np.full((8, 8), 0.5))
    faces = [
        (0, 1, 3),
        (0, 3, 2),
        (4, 6, 7),
        (4, 7, 5),
        (0, 4, 5),
        (0, 5, 1),
        (2, 3, 7),
        (2, 7, 6),
        (0, 2, 6),
        (0, 6, 4),
        (1, 5, 7),
        (1, 7, 3),
    ]
    rows = []
    for face in faces:
        corners = "".join(f"vertex {x} {y} {z}\n" for x, y, z in MESH_CORNERS[list(face)])
        rows.append(f"facet normal 0 0 0\nouter loop\n{corners}endloop\nendfacet\n")
    (folder / "box.stl").write_text(f"solid box\n{''.join(rows)}endsolid box\n")


def _finished(title: str) -> dict[str, Any]:
    root = RecordingTable.nodes[""].schema()
    return {"$schema": "https" + "://json-schema.org/draft/2020-12/schema", "title": title, **root}


def main() -> None:
    """Write both schemas."""
    for name, schema in (("problem", problem_schema()), ("robot", robot_schema())):
        (FOLDER / f"{name}.schema.json").write_text(json.dumps(schema, indent=1) + "\n")


if __name__ == "__main__":
    main()
