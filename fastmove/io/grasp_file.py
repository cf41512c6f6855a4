"""Reading of candidate grasps from JSON and JSON Lines files."""

from __future__ import annotations

import json
from pathlib import Path

from fastmove import registries
from fastmove.arrays import readonly
from fastmove.errors import InputError
from fastmove.geometry.poses import pose
from fastmove.problem.grasp import GraspCandidate
from fastmove.tables import CheckedTable


def read_grasps(path: str | Path) -> list[GraspCandidate]:
    """Reads the candidate grasps of a JSON or JSON Lines file.

    An entry is {id, tool_T_item = {position [m], quaternion_xyzw}, contact, grip_force_N [N], friction, start_q [rad]}; all but
    `id` and `tool_T_item` are optional.

    Args:
        path: a `.jsonl` file with one grasp a line; any other ending is read as one JSON list.

    Returns:
        The grasps in the order of the file.

    Raises:
        InputError: the file or an entry is wrong; the message names both and says what is allowed.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(str(path), "no such file")
    try:
        text = path.read_text()
        rows = [json.loads(line) for line in text.splitlines() if line.strip()] if path.suffix == ".jsonl" else json.loads(text)
    except (OSError, ValueError) as error:
        raise InputError(str(path), f"cannot be read as JSON: {error}") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(str(path), "is not a list of grasps")
    return [_grasp(CheckedTable(row, f"{path.name}[{k}]")) for k, row in enumerate(rows)]


def _grasp(table: CheckedTable) -> GraspCandidate:
    placement = table.table("tool_T_item")
    contact = table.choice("contact", registries.contacts.names(), "pinch")
    candidate = GraspCandidate(
        table.string("id"),
        pose(placement.numbers("position", 3, [0.0] * 3), placement.numbers("quaternion_xyzw", 4, [0.0, 0.0, 0.0, 1.0])),
        table.number("grip_force_N") if table.has("grip_force_N") else None,
        table.number("friction") if table.has("friction") else None,
        readonly(table.numbers("start_q", None)) if table.has("start_q") else None,
        contact,
    )
    table.finish()
    return candidate
