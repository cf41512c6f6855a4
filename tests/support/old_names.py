"""Definitions that bear a name which was given up: `python tests/support/old_names.py` prints them, and how many were looked at.

A definition is a function, class, parameter, attribute or module constant of the package.  What is left is listed with the
meaning that it has now; the public aliases of `fastmove` are strings, not definitions.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "fastmove"

OLD = frozenset(
    (
        "roadmap", "visuals", "turning", "Reach", "inverse", "newton", "interior", "attempt", "Task", "workshop",
        "Workshop", "Sketch", "Draft", "Repair", "turnable", "turned", "obstructed", "_confined", "trouble", "usual",
        "patience", "emphasis", "SHRINK", "_mended", "_left_over", "Descent", "Optimiser", "Point", "Here", "Flow",
        "Samples", "Layout", "hasty", "lack", "look_between", "unseen", "_judge", "_back_off", "over", "assess", "use",
        "prominent", "likely_share", "pad", "room", "DEAREST", "ALMOST", "_Sites", "Care", "Carry", "tr", "Contacts",
        "Fade", "Fading", "Aisle", "Lane", "Pass", "Faces", "Placed", "levers", "whole", "drifts", "sweep", "Sweep",
        "Least", "opened", "OpenedHand", "soonest", "passing", "laws", "straight", "bent", "moving", "alike",
        "Validity", "lift", "reached", "aside", "into", "Held", "sure", "sure_grip", "given", "spread", "drawn",
        "believed", "cup", "pads", "least_grip", "Motion", "travelled", "regions", "gaps", "extents", "is_pose",
        "locked", "matrix", "evidence", "Entry", "parts", "releases", "fields", "Table", "list", "together",
        "points_of_depth", "on_robot", "INSIDE", "STEP", "BESIDE", "FEW", "GRID",
    )
)  # fmt: skip

# Names that are still right, since what bears them is another thing: "file: name" -> what it is.
OTHER = {
    "collision/checker.py: moving": "whether any obstacle moves",
    "contact/law.py: parts": "the uses that a contact's utilisation is the largest of",
    "contact/wrench_cone.py: parts": "the same, of cones",
    "contact/expression.py: parts": "the same, of an expression",
    "io/ros_cdr.py: fields": "fields of a ROS message",
    "io/ros_messages.py: fields": "the same, as they are called in ROS",
    "multibody/assembly.py: opened": "by how much hands are open [m]",
    "optim/cone_program.py: matrix": "of rows that were collected, and of cones",
    "optim/cone_program.py: over": "cones over so many variables",
    "optim/margins.py: INSIDE": "how far inside every limit the planner works",
    "optim/transcription.py: moving": "whether any obstacle moves",
    "planner/motion_solver.py: moving": "whether any obstacle moves",
    "planner/retiming.py: matrix": "of a cone program",
    "problem/scene.py: moving": "whether an obstacle moves",
}


def definitions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """(name, line) of every function, class, parameter, attribute and module constant."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        if isinstance(node, ast.arg):
            yield node.arg, node.lineno
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno
        if isinstance(node, ast.ClassDef | ast.Module):
            for inner in node.body:
                targets = (
                    inner.targets if isinstance(inner, ast.Assign) else [inner.target] if isinstance(inner, ast.AnnAssign) else []
                )
                yield from ((n.id, n.lineno) for target in targets for n in ast.walk(target) if isinstance(n, ast.Name))


def old_names() -> tuple[int, dict[str, list[int]]]:
    """Number of definitions, and the lines of those that bear an old name, by "file: name"."""
    count, found = 0, {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for name, line in definitions(ast.parse(path.read_text())):
            count += 1
            if name in OLD:
                found.setdefault(f"{path.relative_to(PACKAGE)}: {name}", []).append(line)
    return count, found


def main() -> int:
    count, found = old_names()
    for key, lines in found.items():
        print(f"{key} in line {', '.join(map(str, sorted(set(lines))))}: {OTHER.get(key, 'OLD NAME')}")
    left = [key for key in found if key not in OTHER]
    print(f"{count} definitions, {len(left)} bear an old name in its old meaning")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
