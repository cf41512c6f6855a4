"""What a user is told who makes a mistake: one sentence that names what, where and what is allowed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest
from generators import block, free_space_pairs, pinched
from situations import BOOK

import fastmove as fm
from fastmove.certificate.certify import certify
from fastmove.cli.main import main
from fastmove.execution.slip_test import judge
from fastmove.io.trajectory_file import load_trajectory, save_trajectory
from fastmove.planner.replanning import replan

BULB = BOOK.parent / "light_bulb.toml"


def said(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 2) -> str:
    """The one sentence on stderr with which a command ends."""
    assert main([str(a) for a in arguments]) == code
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and "Traceback" not in lines[0], lines
    return lines[0]


def changed(folder: Path, old: str, new: str) -> Path:
    """The book's problem with this text replaced."""
    text = BOOK.read_text()
    assert old in text
    (folder / "book.toml").write_text(text.replace(old, new, 1))
    return folder / "book.toml"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[grasp]\n", "[grasp]\nmu = 0.5\n", ("grasp.mu", "not a known key", "patches", "friction")),
        ("[item]\n", "[item]\nweight = 1.0\n", ("item.weight", "inertia", "tolerates")),
        ("[item]\n", "colour = 1\n[item]\n", ("colour", "uncertainty", "suction", "base")),
        ("[item]\n", "[uncertainty]\nmass = 2.0\n[item]\n", (": uncertainty.mass: is 2.0", "0 to 0.95")),
    ],
)
def test_keys_of_a_problem_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, words: tuple[str, ...]
) -> None:
    sentence = said(capsys, "describe", changed(tmp_path, old, new))
    assert all(word in sentence for word in words) and "uncertainty.uncertainty" not in sentence, sentence


def test_a_grasp_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such file" in said(capsys, "rank", BOOK, tmp_path / "none.json")
    grasps = tmp_path / "grasps.json"
    placed = {"position": [0, 0, 0.085], "quaternion_xyzw": [1, 0, 0, 0]}
    grasps.write_text(json.dumps([{"id": "a", "tool_T_item": placed, "start_q": [0, 0, 0]}]))
    assert "start_q" in said(capsys, "rank", BOOK, grasps) and "7" in said(capsys, "rank", BOOK, grasps)
    grasps.write_text(json.dumps([{"id": "a", "tool_T_item": {"position": [0, 0, 0.085]}, "grip_force": 5}]))
    assert "grip_force_N" in said(capsys, "rank", BOOK, grasps)


def test_a_bench_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "set.jsonl").write_text("{bad\n")
    assert "set.jsonl:1: is not JSON" in said(capsys, "bench", tmp_path / "set.jsonl", "--out", tmp_path / "out")
    (tmp_path / "set.jsonl").write_text("")
    assert "no problems" in said(capsys, "bench", tmp_path / "set.jsonl", "--out", tmp_path / "out")
    for option in ("--limit", "--jobs"):
        with pytest.raises(SystemExit):
            main(["bench", str(BOOK), option, "0", "--out", str(tmp_path / "out")])
        assert "no whole number from 1" in capsys.readouterr().err


def test_results_of_another_problem_are_no_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "set"
    own.mkdir()
    shutil.copy(BULB, own)
    bench = ("bench", own, "--out", tmp_path / "out", "--planner", "rrtc-ruckig,rrtc-ruckig")
    assert main([str(a) for a in bench]) == 0
    printed = capsys.readouterr().out
    assert str(own) in printed and "of   1" in printed
    assert main([str(a) for a in (*bench, "--resume")]) == 0
    capsys.readouterr()
    assert "another light_bulb" in said(capsys, *bench, "--resume", "--limits", "benchmark")
    text = (own / "light_bulb.toml").read_text()
    (own / "light_bulb.toml").write_text(text.replace("mass = 0.0", "mass = 0.1", 1))
    assert "another light_bulb" in said(capsys, *bench, "--resume")


def test_options_and_arguments() -> None:
    problem = next(free_space_pairs("benchmark", 1, 0))
    for options in ({"seed": -1}, {"path_seeds": -1}, {"deadline": -1.0}, {"deadline": float("nan")}):
        with pytest.raises(fm.InputError, match="options"):
            fm.Options(**options)
    with pytest.raises(fm.InputError, match="motion"):
        certify(problem, None)  # type: ignore[arg-type]
    solution = fm.plan(problem, fm.Options(path_seeds=0))
    with pytest.raises(fm.InputError, match="6 joints"):
        fm.retime(problem, np.zeros((4, 6)) + np.arange(4)[:, None])
    failed = fm.Solution(problem, fm.Status.NO_PATH, "nothing")
    with pytest.raises(fm.InputError, match="no motion"):
        replan(failed, 0.1)
    assert solution.trajectory is not None


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite(bad: float) -> None:
    problem = next(free_space_pairs("benchmark", 1, 0))
    goal = np.array(problem.goal.configurations)
    goal[0, 2] = bad
    with pytest.raises(fm.InputError, match="goal"):
        problem.with_(goal=fm.Goal(goal))
    here = pin.SE3.Identity()
    there = pin.SE3(np.eye(3), np.array([0.0, bad, 0.0]))
    wrong = (
        {"span": (-bad, bad)},
        {"tolerance": [bad, 0.0, 0.0]},
        {"axis": [bad, 0.0, 0.0]},
        {"offset": there},
        {"tolerance": [0.0]},
    )
    for arguments in wrong:
        with pytest.raises(fm.InputError, match="finite"):
            fm.GoalPose(here, **arguments)
    with pytest.raises(fm.InputError, match="finite"):
        fm.GoalPose(there)


@pytest.mark.parametrize("step", [0.0, -1.0, float("nan"), float("inf"), 0.1])
def test_a_grid_that_is_none(step: float) -> None:
    problem = next(free_space_pairs("benchmark", 1, 0))
    with pytest.raises(fm.InputError, match="step"):
        certify(problem, fm.plan(problem, fm.Options(path_seeds=0)).trajectory, step=step)


def test_grasps_that_cannot_be_compared() -> None:
    problem = fm.load_problem(BULB)
    own = problem.holds[0].grasp.tool_T_item
    with pytest.raises(fm.InputError, match=r"a\.start_q: .*finite"):
        fm.rank_grasps(problem, [fm.GraspCandidate("a", own, start_q=np.full(7, np.nan))])
    moving = problem.with_(start=fm.State(problem.start.q, np.full(7, 0.1), np.zeros(7)))
    with pytest.raises(fm.InputError, match="start: moves"):
        fm.rank_grasps(moving, [fm.GraspCandidate("a", own)])


@pytest.mark.parametrize(
    "wrong",
    [{"member": 99}, {"member": -1}, {"grip_force": -3.0}, {"grip_force": float("nan")}, {"friction": -1.0}, {"step": 0.0}],
)
def test_arguments_of_a_judge(panda: fm.RobotModel, wrong: dict[str, float]) -> None:
    pytest.importorskip("mujoco")
    problem = next(free_space_pairs("benchmark", 1, 0))
    held = problem.with_(holds=(pinched(panda, block(0.2), 40.0, 0.5),))
    with pytest.raises(fm.InputError, match=next(iter(wrong))):
        judge(held, fm.plan(problem, fm.Options(path_seeds=0)).trajectory, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "list of points"),
        ("only a text", "list of points"),
        ("joint_names: [a]\n", "list of points"),
        ("joint_names: [a]\npoints: [1]\n", "list of points"),
    ],
)
def test_a_trajectory_in_yaml(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "motion.yaml").write_text(content)
    with pytest.raises(fm.InputError, match=words):
        load_trajectory(tmp_path / "motion.yaml", next(free_space_pairs("benchmark", 1, 0)))


def test_a_position_that_is_no_number(tmp_path: Path) -> None:
    problem = next(free_space_pairs("benchmark", 1, 0))
    save_trajectory(tmp_path / "motion.csv", problem, fm.plan(problem, fm.Options(path_seeds=0)).trajectory)  # type: ignore[arg-type]
    lines = (tmp_path / "motion.csv").read_text().splitlines()
    cells = lines[3].split(",")
    (tmp_path / "motion.csv").write_text("\n".join([*lines[:3], ",".join([cells[0], "nan", *cells[2:]]), *lines[4:]]))
    with pytest.raises(fm.InputError, match=r"position at 0\.002 s"):
        load_trajectory(tmp_path / "motion.csv", problem)
