"""Trajectories as others write them: read, or the sample and what is wrong with it named."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from generators import free_space_pairs

import fastmove as fm
from fastmove.certificate.certify import certify
from fastmove.errors import Remark
from fastmove.io.trajectory_file import load_trajectory, save_trajectory


@pytest.fixture(scope="module")
def solution() -> fm.Solution:
    return fm.plan(next(iter(free_space_pairs("benchmark", 1, 11)))).raise_for_status()


@pytest.fixture
def message(solution: fm.Solution, tmp_path: Path) -> dict:  # type: ignore[type-arg]
    """A JointTrajectory of 40 samples as a dict."""
    names, time = list(solution.problem.robot.joint_names), np.linspace(0, solution.duration, 40)
    q, v, a = (solution.trajectory.sample(time, k) for k in range(3))
    stamps = [{"sec": int(t), "nanosec": round((t - int(t)) * 1e9)} for t in time]
    points = [
        {"positions": x.tolist(), "velocities": y.tolist(), "accelerations": z.tolist(), "time_from_start": t}
        for x, y, z, t in zip(q, v, a, stamps, strict=True)
    ]
    return {"joint_names": names, "points": points}


def written(folder: Path, *documents: object) -> Path:
    path = folder / "t.yaml"
    path.write_text("---\n".join(yaml.safe_dump(document) for document in documents))
    return path


def test_any_message_with_a_trajectory_is_read(message: dict, solution: fm.Solution, tmp_path: Path) -> None:  # type: ignore[type-arg]
    usual = load_trajectory(written(tmp_path, message), solution.problem).position(0.3)
    for kind in (
        {"joint_trajectory": message},
        {"trajectory": [{"joint_trajectory": message}]},
        {"goal": {"trajectory": message}},
    ):
        assert np.array_equal(load_trajectory(written(tmp_path, kind), solution.problem).position(0.3), usual)
    assert np.array_equal(load_trajectory(written(tmp_path, message, None), solution.problem).position(0.3), usual)
    for point in message["points"]:
        stamp = point["time_from_start"]
        point["time_from_start"] = {"secs": stamp["sec"], "nsecs": stamp["nanosec"]}
    assert np.array_equal(load_trajectory(written(tmp_path, message), solution.problem).position(0.3), usual)
    with pytest.raises(fm.InputError, match="holds 2 trajectories"):
        load_trajectory(written(tmp_path, message, message), solution.problem)


def test_joints_are_found_by_their_names_and_others_left_out(message: dict, solution: fm.Solution, tmp_path: Path) -> None:  # type: ignore[type-arg]
    usual = load_trajectory(written(tmp_path, message), solution.problem).position(0.3)
    order = np.random.default_rng(0).permutation(8)
    message["joint_names"] = [[*message["joint_names"], "finger"][k] for k in order]
    for point in message["points"]:
        for key in ("positions", "velocities", "accelerations"):
            point[key] = [[*point[key], 0.01][k] for k in order]
    with pytest.warns(Remark, match="left out.*finger"):
        read = load_trajectory(written(tmp_path, message), solution.problem)
    assert np.array_equal(read.position(0.3), usual)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda points: points[6].update(velocities=points[6]["velocities"][:-1]), "6 velocities in point 7 of 7 joints"),
        (lambda points: points[-1].update(accelerations=[]), "0 accelerations in point 40"),
        (lambda points: points[4].update(time_from_start=points[3]["time_from_start"]), "sample 5 at"),
        (lambda points: points[2].update(time_from_start=0.3), "point 3"),
        (lambda points: points[9].update(positions=["x"] * 7), "point 10"),
        (lambda points: points[0].pop("positions"), "0 positions in point 1"),
    ],
)
def test_a_bad_point_is_named(change, words: str, message: dict, solution: fm.Solution, tmp_path: Path) -> None:  # type: ignore[no-untyped-def, type-arg]
    change(message["points"])
    with pytest.raises(fm.InputError, match=words):
        load_trajectory(written(tmp_path, message), solution.problem)


def test_csv_with_other_headers_a_mark_and_blank_lines(solution: fm.Solution, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    save_trajectory(path, solution.problem, solution.trajectory)
    usual = load_trajectory(path, solution.problem).position(0.3)
    text = (
        path.read_text()
        .replace("time,", "t,", 1)
        .replace("position.", "")
        .replace("velocity.", "qd_")
        .replace("acceleration.", "acc/")
    )
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\n\n", 3).replace(",", ", ").encode())
    assert np.array_equal(load_trajectory(path, solution.problem).position(0.3), usual)
    path.write_text(text.replace("\n0.0", "\nzero", 1))
    with pytest.raises(fm.InputError, match="'zero' in line 2"):
        load_trajectory(path, solution.problem)


@pytest.mark.parametrize("channels", [("position",), ("position", "velocity")])
def test_a_recorded_motion_can_be_fitted_and_certified(channels: tuple[str, ...], solution: fm.Solution, tmp_path: Path) -> None:
    """A slow motion sampled at 100 Hz by encoders of 1e-6 rad: every limit holds, at the ends, too."""
    problem, slow = solution.problem, 4.0
    time = np.arange(0, solution.duration * slow, 0.01)
    time = np.append(time[time < solution.duration * slow - 5e-3], solution.duration * slow)
    rows = {channel: solution.trajectory.sample(time / slow, k) / slow**k for k, channel in enumerate(channels)}
    rows["position"] = np.round(rows["position"], 6)
    header = ["time", *(f"{channel}.{name}" for channel in channels for name in problem.robot.joint_names)]
    path = tmp_path / "slow.csv"
    np.savetxt(path, np.column_stack([time, *rows.values()]), delimiter=",", header=",".join(header), comments="", fmt="%.12g")
    with pytest.raises(fm.InputError, match="--fit"):
        load_trajectory(path, problem)
    with pytest.warns(Remark, match="moves an end"):
        fitted = load_trajectory(path, problem, fit=True)
    kinds = certify(problem, fitted).kinds
    assert all(kinds[kind].ok for kind in ("start", "goal", "continuity", "position", "velocity", "acceleration"))
    assert np.abs(fitted.position(time) - rows["position"]).max() < 1e-6
