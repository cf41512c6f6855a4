"""`fastmove robot check`: what a description lacks is listed, and what it drafts plans at once."""

import json
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from test_descriptions import BOX, arm, joint, link

import fastmove as fm
from fastmove.cli.main import main
from fastmove.problem.goal import Goal, State
from fastmove.problem.scene import Scene
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.draft import draft_robot
from fastmove.robot.shipped import load_robot

ROBOTS = Path(sysconfig.get_paths()["purelib"]) / "cmeel.prefix" / "share" / "example-robot-data" / "robots"


def planned(robot: fm.RobotModel) -> fm.Solution:
    """A small motion of the bare arm from the middle of its ranges."""
    limits = robot.limit_set()
    inside = (limits.position_min <= 0) & (limits.position_max >= 0)
    start = np.where(inside, 0.0, (limits.position_min + limits.position_max) / 2)
    up, down = limits.position_max - start, start - limits.position_min
    goal = start + np.where(up > 0.02, np.minimum(0.15, up / 2), -np.minimum(0.15, down / 2))
    name = robot.default_limits
    return fm.plan(TransferProblem("t", robot, (), Scene(), State.rest(start), Goal([goal]), name, 0.0, accepts=robot.unshaped))


def test_a_draft_lists_the_holes_and_plans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fingers = {
        "f1": link("f1", 0.05),
        "f2": link("f2", 0.05),
        "open": joint("open", "hand", "f1", "0 1 0", "prismatic"),
        "mate": joint("mate", "hand", "f2", "0 -1 0", "prismatic", more='<mimic joint="open"/>'),
    }
    long = BOX.replace("0.06 0.06 0.16", "0.06 0.06 1.8")
    urdf = tmp_path / "in" / "arm.urdf"
    urdf.parent.mkdir()
    urdf.write_text(arm(**fingers, lower=link("lower", xx=0.5), upper=link("upper", shape=""), foot=link("foot", shape=long)))
    out = tmp_path / "robot.toml"
    assert main(["robot", "check", str(urdf), "--out", str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["usable"] and said["joints"] == ["turn", "bend", "wrist"]
    found = " ".join(said["findings"])
    for words in (
        "2 other joints stand still",
        "open at 0",
        "mate at 0",
        "no collision shape",
        "upper",
        "no body has",
        "lower",
        "touch at",
    ):
        assert words in found
    robot = load_robot(out)
    assert robot.unshaped == ("upper",) and frozenset(("foot", "hand")) in robot.unchecked_pairs
    solution = planned(robot).raise_for_status()
    assert any("the inertia of lower" in sentence for sentence in solution.certificate.assumes)


def test_what_a_draft_cannot_know_is_a_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    urdf = tmp_path / "arm.urdf"
    urdf.write_text(arm(bend=joint("bend", "lower", "upper", limit='lower="-1" upper="1"')))
    assert main(["robot", "check", str(urdf)]) == 1
    assert "joint bend: has the velocity limit 0" in capsys.readouterr().out
    assert main(["robot", "check", str(tmp_path / "none.urdf")]) == 2


def test_public_descriptions_plan_or_say_why() -> None:
    """Every description of example-robot-data: read and drafted, or refused in one sentence that names file, link or joint."""
    if not ROBOTS.is_dir():
        pytest.skip("example-robot-data is not installed")
    usable, total = [], 0
    for urdf in sorted(ROBOTS.rglob("*.urdf")):
        total += 1
        try:
            draft = draft_robot(urdf, packages=[ROBOTS.parent.parent])
        except fm.InputError as error:
            assert "\n" not in str(error) and urdf.name in str(error)
            continue
        assert all("\n" not in fault and ".urdf" in fault for fault in draft.faults)
        if not draft.faults:
            usable.append(draft)
    assert total >= 40 and len(usable) >= 40
    for draft in usable[::9]:
        solution = planned(draft.robot)  # type: ignore[arg-type]
        assert solution.ok or "Nm at rest" in solution.detail
        assert set(draft.robot.unshaped) == set(solution.certificate.unchecked if solution.ok else draft.robot.unshaped)  # type: ignore[union-attr]


def test_what_a_limit_set_assumes_is_in_every_certificate(tmp_path: Path) -> None:
    (tmp_path / "arm.urdf").write_text(arm())
    draft = draft_robot(tmp_path / "arm.urdf")
    file = tmp_path / "robot.toml"
    file.write_text(draft.text)
    assert any("which a draft cannot know" in sentence for sentence in planned(fm.load_robot(file)).certificate.assumes)
    own = "\n".join(line for line in draft.text.splitlines() if not line.startswith("assumed"))
    file.write_text(own)
    assert planned(fm.load_robot(file)).certificate.assumes == ("the arm follows its commands exactly",)


def test_other_joints_stand_where_robot_toml_says(tmp_path: Path) -> None:
    fingers = {
        "f1": link("f1", 0.05),
        "f2": link("f2", 0.05),
        "open": joint("open", "hand", "f1", "0 1 0", "prismatic"),
        "mate": joint("mate", "hand", "f2", "0 -1 0", "prismatic", more='<mimic joint="open" multiplier="0.5"/>'),
    }
    (tmp_path / "arm.urdf").write_text(arm(**fingers))
    file = tmp_path / "robot.toml"
    file.write_text(draft_robot(tmp_path / "arm.urdf").text + "\n[still]\nopen = 0.3\n")
    assert fm.load_robot(file).still_joints({}) == {"open": 0.3, "mate": 0.15}
    file.write_text(draft_robot(tmp_path / "arm.urdf").text + "\n[still]\nopne = 0.3\n")
    with pytest.raises(fm.UnknownName, match="is no joint outside of the arm; those are: mate, open"):
        fm.load_robot(file)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('<box size="0.06 0.06 0.16"/>', '<box size="0.06 0.06"/>', "has 1 <collision>, of which 0 can be read"),
        ('iyy="', 'iy="', "has an <inertial> whose <inertia> lacks ixx, ixy"),
    ],
)
def test_what_the_parser_would_drop_is_refused(old: str, new: str, says: str, tmp_path: Path) -> None:
    text = arm()
    at = text.index(old, text.index('link name="upper"'))
    (tmp_path / "arm.urdf").write_text(text[:at] + text[at:].replace(old, new, 1))
    with pytest.raises(fm.InputError, match=f"link upper: {says}"):
        fm.RobotModel.from_urdf(tmp_path / "arm.urdf")


def test_a_limit_set_is_named_and_its_missing_numbers_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "arm.urdf").write_text(arm())
    file = tmp_path / "robot.toml"
    text = draft_robot(tmp_path / "arm.urdf").text
    file.write_text(text)
    robot = fm.load_robot(file)
    with pytest.raises(fm.InputError, match="limits: needs the name of a limit set, one of drafted"):
        TransferProblem("p", robot, (), Scene(), State.rest(np.zeros(3)), Goal([np.full(3, 0.1)]), robot.limits["drafted"])
    file.write_text("\n".join(line for line in text.splitlines() if not line.startswith("effort_rate")))
    with pytest.raises(fm.InputError, match=r"effort_rate: is missing; 3 numbers are needed, one per joint \(inf where"):
        fm.load_robot(file)
