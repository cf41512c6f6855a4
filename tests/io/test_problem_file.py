"""Problem files: thirty ways to get one wrong, each one clear sentence and the right exit code."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from situations import BOOK

import fastmove as fm
from fastmove.cli.main import main
from fastmove.problem.describe import describe, problem_sha256

READY = [0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785]

GOOD = f"""
format = 1
robot = "panda"
limits = "benchmark"
[item]
name = "box"
mass = 0.4
shapes = [{{type = "box", size = [0.06, 0.06, 0.1]}}]
[grasp]
tool_T_item = {{position = [0.0, 0.0, 0.02]}}
friction = 0.5
grip_force = 40.0
[start]
q = {READY}
[goal]
q = [0.5, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785]
[[obstacles]]
name = "post"
type = "box"
size = [0.1, 0.1, 0.1]
position = [0.0, 0.8, 0.1]
"""

# what is written instead of what -> exit code, words that the sentence must have
MALFORMED = {
    "not toml": ("format = 1", "format = = 1", 2, "not valid TOML"),
    "no format": ("format = 1", "", 2, "format"),
    "future format": ("format = 1", "format = 2", 2, "format 1"),
    "unknown robot": ('robot = "panda"', 'robot = "pandora"', 2, "known: fr3, panda"),
    "no robot": ('robot = "panda"', "", 2, "robot"),
    "unknown limits": ('limits = "benchmark"', 'limits = "fast"', 2, "fer, benchmark"),
    "unknown key": ('limits = "benchmark"', 'speed = "fast"', 2, "speed"),
    "typo in a table": ("friction = 0.5", "frictoin = 0.5", 2, "friction"),
    "mass is text": ("mass = 0.4", 'mass = "heavy"', 2, "number"),
    "mass is negative": ("mass = 0.4", "mass = -0.4", 2, "positive"),
    "mass is nan": ("mass = 0.4", "mass = nan", 2, "number"),
    "mass beyond payload": ("mass = 0.4", "mass = 30.0", 2, "carries at most 3 kg"),
    "two edges": ("size = [0.06, 0.06, 0.1]", "size = [0.06, 0.06]", 2, "3 numbers"),
    "negative edge": ("size = [0.06, 0.06, 0.1]", "size = [0.06, -0.06, 0.1]", 2, "positive"),
    "unknown shape": ('type = "box", size', 'type = "blob", size', 2, "box, cylinder"),
    "no shapes": ('shapes = [{type = "box", size = [0.06, 0.06, 0.1]}]', "", 2, "shapes"),
    "item too wide": ("size = [0.06, 0.06, 0.1]", "size = [0.06, 0.16, 0.1]", 2, "opens"),
    "item out of the pads": ("position = [0.0, 0.0, 0.02]", "position = [0.0, 0.0, 0.2]", 2, "no face"),
    "item off centre": ("position = [0.0, 0.0, 0.02]", "position = [0.0, 0.01, 0.02]", 2, "off the pads"),
    "friction zero": ("friction = 0.5", "friction = 0.0", 2, "friction"),
    "grip too strong": ("grip_force = 40.0", "grip_force = 400.0", 2, "70 N"),
    "grip range reversed": ("grip_force = 40.0", "grip_force = [50.0, 40.0]", 2, "least"),
    "start too short": (f"q = {READY}", "q = [0.0, 0.1]", 2, "7 numbers"),
    "start outside limits": (f"q = {READY}", f"q = {[*READY[:3], 0.5, *READY[4:]]}", 2, "panda_joint4"),
    "start too fast": (f"q = {READY}", f"q = {READY}\nv = [9.0, 0, 0, 0, 0, 0, 0]", 2, "start.v"),
    "start in collision": ("position = [0.0, 0.8, 0.1]", "position = [0.3, 0.0, 0.45]", 2, "post"),
    "goal outside limits": ("q = [0.5,", "q = [5.0,", 3, "panda_joint1"),
    "goal in collision": ("position = [0.0, 0.8, 0.1]", "position = [0.27, 0.15, 0.45]", 3, "post"),
    "goal is the start": ("q = [0.5,", "q = [0.0,", 2, "start"),
    "bad quaternion": (
        "position = [0.0, 0.0, 0.02]", "position = [0.0, 0.0, 0.02], quaternion_xyzw = [0, 0, 0, 0]", 2, "length",
    ),
    "bad inertia": ("mass = 0.4", "mass = 0.4\ninertia = [[1, 0, 0], [0, 1, 0], [0, 0, 5]]", 2, "moments"),
    "inertia of texts": ("mass = 0.4", 'mass = 0.4\ninertia = [["a", 0, 0], [0, 1, 0], [0, 0, 1]]', 2, "inertia"),
    "allowed contact with nobody": ("[start]", '[[allowed_contacts]]\nobstacle = "wall"\n[start]', 2, "post"),
    "missing mesh": ('type = "box", size = [0.06, 0.06, 0.1]', 'type = "mesh", file = "no.stl"', 2, "does not exist"),
    "unholdable": ("mass = 0.4", "mass = 2.5\ncom = [0.029, 0.0, 0.0]", 3, "needs"),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new, code, words = MALFORMED[case]
    assert GOOD.count(old) >= 1
    path = tmp_path / "problem.toml"
    path.write_text(GOOD.replace(old, new, 1))
    assert main(["plan", str(path)]) == code
    error = capsys.readouterr().err.strip()
    assert words in error and "Traceback" not in error, error
    assert len(error.splitlines()) == 1 and error.startswith("fastmove: ")


def test_the_good_file_plans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "problem.toml"
    path.write_text(GOOD)
    out = tmp_path / "t.npz"
    assert main(["plan", str(path), "--out", str(out), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["certificate"]["ok"] and result["limits"] == "benchmark"
    for key in ("status", "duration_s", "lower_bound_s", "plan_time_s", "timings_s", "binding", "prices", "grip_force_N", "seed"):
        assert key in result
    assert main(["check", str(path), str(out)]) == 0
    assert main(["check", str(path), str(out), "--limits", "fer"]) == 1  # other limits, other verdict


def test_json_and_toml_are_one_schema(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD)
    (tmp_path / "a.json").write_text(json.dumps(tomllib.loads(GOOD)))
    one, two = (fm.load_problem(tmp_path / name) for name in ("a.toml", "a.json"))
    assert problem_sha256(one) == problem_sha256(two)


def test_the_hash_knows_numbers_and_not_places(tmp_path: Path) -> None:
    for name, text in (("a", GOOD), ("b", GOOD), ("c", GOOD.replace("mass = 0.4", "mass = 0.41"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "p.toml").write_text(text)
    a, b, c = (problem_sha256(fm.load_problem(tmp_path / name / "p.toml")) for name in "abc")
    assert a == b != c


def test_describe_is_plain_json_in_the_tool_frame(book: fm.TransferProblem) -> None:
    description = json.loads(json.dumps(describe(book), allow_nan=False))
    np.testing.assert_allclose(description["item"]["com"], [0.015, 0.0, 0.085], atol=1e-12)
    assert description["grasp"]["width"] == pytest.approx(0.03)
    assert len(description["robot"]["position_min"]) == 7 and description["allowed_contacts"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["plan", "nowhere.toml"], 2),
        (["check", str(BOOK), "nowhere.npz"], 2),
        (["check", str(BOOK), str(BOOK)], 2),
        (["plan", str(BOOK), "--limits", "none"], 2),
    ],
)
def test_files_that_are_not_there(arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == code
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("short.csv", "time,position.panda_joint1\n0,0\n"),
        ("empty.csv", ""),
        ("words.csv", "time,position.a\nx,y\n"),
        ("list.yaml", "- 1\n"),
        ("broken.npz", "not a zip"),
    ],
)
def test_malformed_trajectories(name: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert main(["check", str(BOOK), str(path)]) == 2
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1 and name in error


def test_a_file_without_velocities_needs_a_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problem = fm.load_problem(BOOK)
    names = problem.robot.joint_names
    start, goal = np.array(problem.start.q), np.array(problem.goal.configurations[0])
    rows = [[t, *(start + (goal - start) * (10 * t**3 - 15 * t**4 + 6 * t**5))] for t in np.linspace(0, 1, 60)]
    path = tmp_path / "path.csv"
    path.write_text(
        "\n".join([",".join(["time", *(f"position.{n}" for n in names)]), *(",".join(map(repr, map(float, r))) for r in rows)])
    )
    assert main(["check", str(BOOK), str(path)]) == 2
    assert "--fit" in capsys.readouterr().err
    assert main(["check", str(BOOK), str(path), "--fit"]) == 1  # a motion through the wall, and the certificate says so
    assert "clearance" in capsys.readouterr().out
