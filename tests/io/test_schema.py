"""JSON Schemas of problem and robot files: up to date with the readers, and right about files, good and bad."""

import copy
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from situations import ROOT

from fastmove.io.schema import FOLDER

PROBLEMS = sorted(path for path in (ROOT / "problems").glob("*.toml") if path.stem != "items")
ROBOTS = sorted((ROOT / "robots").glob("*/robot.toml"))
SHIPPED = {name: json.loads((FOLDER / f"{name}.schema.json").read_text()) for name in ("problem", "robot")}


def test_what_ships_is_what_the_readers_say() -> None:
    """In a process of its own, where no test has registered anything."""
    said = "import json; from fastmove.io.schema import *; print(json.dumps([problem_schema(), robot_schema()]))"
    now = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True).stdout
    assert [SHIPPED["problem"], SHIPPED["robot"]] == json.loads(now), "run `make schema`"


@pytest.mark.parametrize("path", [*PROBLEMS, *ROBOTS], ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_shipped_files_satisfy_their_schema(path: Path) -> None:
    jsonschema.validate(tomllib.loads(path.read_text()), SHIPPED["robot" if path.name == "robot.toml" else "problem"])


def keys(schema: dict[str, Any], place: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Every key with its schema, here and below."""
    found = []
    for name, own in schema.get("properties", {}).items():
        found += [(f"{place}.{name}", own), *keys(own, f"{place}.{name}")]
    for inner in (schema.get("items"), schema.get("additionalProperties"), *schema.get("anyOf", ())):
        found += keys(inner, place) if isinstance(inner, dict) else []
    return found


@pytest.mark.parametrize("name", ["problem", "robot"])
def test_every_key_has_a_type(name: str) -> None:
    every = keys(SHIPPED[name])
    assert len(every) > 20 and not [place for place, own in every if not own]


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (lambda data: data.pop("start"), "'start' is a required property"),
        (lambda data: data.update(clearence=0.01), "'clearence' was unexpected"),
        (lambda data: data.update(clearance="small"), "'small' is not of type 'number'"),
        (lambda data: data["goal"].update(q="there"), "'there' is not of type 'array'"),
        (lambda data: data.update(gravity=[0, 0]), "too short"),
    ],
)
def test_mistakes_are_refused(change: Any, refused: str) -> None:
    data = copy.deepcopy(tomllib.loads((ROOT / "problems" / "book_to_tote.toml").read_text()))
    jsonschema.validate(data, SHIPPED["problem"])
    change(data)
    with pytest.raises(jsonschema.ValidationError, match=refused):
        jsonschema.validate(data, SHIPPED["problem"])
