"""What people and scripts read, written down: `make golden` writes it anew, and `tests/structure/test_golden.py` compares.

help.txt: every command and option with its words (not as argparse lays them out, which differs between versions of Python).
json.txt: every key of what `--json` prints, with the type of its value.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fastmove.cli.arguments import argument_parser
from fastmove.cli.main import main
from fastmove.geometry.poses import pose_dict
from fastmove.io.problem_file import load_problem

FOLDER = Path(__file__).parents[1] / "structure" / "golden"
PROBLEM = "heavy_jar"
SPARSE = {"goals", "prices", "binding"}  # lists and tables that a plan may leave empty


def help_text() -> str:
    """Every command and option, a line each."""
    parser = argument_parser()
    commands = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    lines = [f"fastmove {_option(action)}" for action in parser._actions if action is not commands]
    for name, command in commands.choices.items():
        lines += ["", f"fastmove {name}: {command.description}"]
        lines += [f"  {_option(action)}" for action in command._actions if action.dest != "help"]
    return "\n".join([*lines, ""])


def _option(action: argparse.Action) -> str:
    names = ", ".join(action.option_strings) or str(action.metavar or action.dest)
    taken = (
        "" if not action.option_strings or action.nargs == 0 else f" {action.metavar or '|'.join(map(str, action.choices or ()))}"
    )
    return f"{names}{taken}: {action.help}"


def json_text() -> str:
    """Every key of the JSON of every command that prints one object about a problem, and of a refusal."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        own = pose_dict(load_problem(PROBLEM).holds[0].grasp.tool_T_item)
        (folder / "grasps.json").write_text(json.dumps([{"id": "own", "tool_T_item": own}]))
        motion = str(folder / "t.npz")
        asked = {
            "plan": ["plan", PROBLEM, "--out", motion],
            "check": ["check", PROBLEM, motion],
            "run": ["run", PROBLEM, "--trajectory", motion, "--driver", "kinematic"],
            "stops": ["stops", PROBLEM, motion],
            "describe": ["describe", PROBLEM],
            "rank": ["rank", PROBLEM, str(folder / "grasps.json"), "--most", "1"],
            "ik": ["ik", PROBLEM, "--position", "0.5", "0.0", "0.3", "--quaternion", "1", "0", "0", "0", "--of", "tool"],
            "robots": ["robots"],
            "a refusal": ["plan", "no_such_problem"],
        }
        lines = []
        for title, words in asked.items():
            with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(io.StringIO()):
                main([*words, "--json"])
            keys = sorted({key for key in keys_of(json.loads(said.getvalue())) if ".solution." not in key})
            lines += [f"{title}:", *(f"  {key}" for key in keys), ""]
    return "\n".join(lines)


def keys_of(value: object, path: str = "") -> Iterator[str]:
    """(path of keys: type) of everything inside; an empty list or null has no type, and what may be empty is not looked into."""
    if isinstance(value, dict):
        for key, inner in value.items():
            here = f"{path}.{key}" if path else key
            yield here
            if key not in SPARSE:
                yield from keys_of(inner, here)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield from keys_of(value[0], f"{path}[]")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "help.txt").write_text(help_text())
    (FOLDER / "json.txt").write_text(json_text())
