"""What the tests of the bench share."""

import json
from pathlib import Path

import pytest


@pytest.fixture
def small_set(tmp_path: Path) -> Path:
    """Five free-space problems as a .jsonl."""
    lines = []
    for k, turn in enumerate((0.3, 0.6, 0.9, 1.2, 1.5)):
        start = [0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785]
        goal = [turn, *start[1:]]
        problem = {"format": 1, "name": f"turn {k}", "robot": "panda", "limits": "benchmark", "start": {"q": start}}
        lines.append(json.dumps(problem | {"goal": {"q": goal}}))
    path = tmp_path / "turns.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path
