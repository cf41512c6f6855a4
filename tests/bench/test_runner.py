"""The bench: sets are read, results are kept whole, peers are what they say."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from generators import block, hold_limited, pinched
from scenes import furniture, named

import fastmove as fm
from fastmove.bench.engines import Local
from fastmove.bench.job import Job
from fastmove.bench.peers import GEOMETRIC, KINEMATIC, rrtc_ruckig, rrtc_toppra
from fastmove.bench.planners import slowdown, without_hold
from fastmove.bench.problem_set import open_set, read_set
from fastmove.bench.recheck import raw_hits
from fastmove.bench.results import Results, read_results
from fastmove.bench.runner import run
from fastmove.cli.main import main
from fastmove.resources import robots_folder
from fastmove.search.ik import pose_at

PROBLEMS = Path(__file__).parents[2] / "problems"


def test_a_set_runs_and_each_line_is_a_result(small_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(small_set), "--out", str(tmp_path / "out")]) == 0
    rows = read_results(tmp_path / "out" / "results.jsonl")
    assert [row["problem"] for row in rows] == [f"turn {k}" for k in range(5)]
    assert all(row["certificate"]["ok"] and row["planner"] == "fastmove" for row in rows)
    assert "5 of   5" in capsys.readouterr().out
    assert main(["bench", str(small_set), "--out", str(tmp_path / "out")]) == 2  # results are never overwritten
    assert main(["bench", str(small_set), "--planner", "magic"]) == 2


def test_two_processes_give_the_same_motions(small_set: Path, tmp_path: Path) -> None:
    jobs = [Job(entry, "fastmove") for entry in read_set(small_set)]
    durations = []
    for n in (1, 2):
        results = Results(tmp_path / str(n), resume=False)
        assert run(jobs, results, Local("", n)) == 5 and run(jobs, results) == 0  # what is known is not run again
        durations.append({row["problem"]: row["duration_s"] for row in read_results(results.file)})
    assert durations[0] == durations[1]


def test_a_killed_run_goes_on_where_it_was(small_set: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "fastmove", "bench", str(small_set), "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    file = out / "results.jsonl"
    for _ in range(600):
        if file.exists() and file.read_bytes().count(b"\n") >= 1:
            break
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = read_results(file)
    assert 1 <= len(before) <= 5
    with file.open("a") as stream:
        stream.write('{"problem": "turn 4", "pla')  # a line cut by the kill
    assert main(["bench", str(small_set), "--out", str(out), "--resume"]) == 0
    rows = read_results(file)
    assert len(rows) == 5 and rows[: len(before)] == before
    assert len({row["problem"] for row in rows}) == 5


def test_folders_of_problem_files_are_read() -> None:
    assert len(list(read_set(PROBLEMS))) == 10
    with pytest.raises(fm.InputError, match="no such"):
        list(read_set(PROBLEMS / "nowhere"))


def test_moveit_archives_are_read_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "shelf_panda"
    folder.mkdir()
    joints = [f"panda_joint{k}" for k in range(1, 8)]
    start, goal = [0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785], [0.5, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785]
    constraints = [{"joint_name": n, "position": q} for n, q in zip(joints, goal, strict=True)]
    request = {
        "start_state": {"joint_state": {"name": joints, "position": start}},
        "goal_constraints": [{"joint_constraints": constraints}],
    }
    pose = {"position": [0.0, 0.0, 0.5], "orientation": [0.0, 0.0, 0.0, 1.0]}
    can = {"id": "can", "primitives": [{"type": "cylinder", "dimensions": [0.12, 0.03]}], "primitive_poses": [pose]}
    can["pose"] = {"position": [1.0, 0.2, 0.0], "orientation": [0.0, 0.0, 0.0, 1.0]}
    (folder / "request0001.yaml").write_text(json.dumps(request))  # JSON is YAML
    (folder / "scene0001.yaml").write_text(json.dumps({"world": {"collision_objects": [can]}}))
    try:
        (entry,) = read_set(tmp_path)
    except fm.MissingPackage as error:
        pytest.skip(str(error))
    assert entry.id == "panda/shelf/0001" and entry.scene == "shelf" and entry.problem.limits == "benchmark"
    (obstacle,) = entry.problem.scene.obstacles
    assert obstacle.shape.radius == 0.03 and obstacle.shape.length == 0.12
    np.testing.assert_allclose(obstacle.placement.translation, [1.0, 0.2, 0.5])
    np.testing.assert_allclose(entry.problem.goal.configurations[0], goal)


def test_archives_of_other_arms_need_their_robot(tmp_path: Path) -> None:
    """A robot.toml stands for an arm that does not ship; what is beyond a limit by rounding is taken at the limit."""
    folder = tmp_path / "box_fetch"
    folder.mkdir()
    joints, upper = [f"panda_joint{k}" for k in range(1, 8)], 2.8973
    start, goal = [0.0, -0.785, 0.0, -2.356, 0.0, 1.571, upper + 3e-6], [0.5, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785]
    request = {
        "start_state": {"joint_state": {"name": [*joints, "wheel"], "position": [*start, 0.0]}},
        "goal_constraints": [
            {"joint_constraints": [{"joint_name": n, "position": q} for n, q in zip(joints, goal, strict=True)]}
        ],
    }
    (folder / "request0001.yaml").write_text(json.dumps(request))
    (folder / "scene0001.yaml").write_text(json.dumps({"world": {"collision_objects": []}}))
    toml = str(robots_folder() / "panda" / "robot.toml")
    with pytest.raises(fm.InputError, match=r"fetch: is no robot that ships; give a robot.toml"):
        open_set(tmp_path).load(0)
    entry = open_set(tmp_path, robot=toml).load(0)
    assert entry.problem.start.q[6] == entry.problem.limit_set.position_max[6] and entry.problem.limits == "benchmark"
    request["goal_constraints"][0]["joint_constraints"].append({"joint_name": "wheel", "position": 0.0})
    (folder / "request0001.yaml").write_text(json.dumps(request))
    with pytest.raises(fm.InputError, match=r"this archive moves panda_joint1.*wheel"):
        open_set(tmp_path, robot=toml).load(0)


def test_a_wrong_problem_does_not_stop_the_others(small_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = small_set.read_text().splitlines()
    small_set.write_text("\n".join([lines[0], "{oops", lines[1]]) + "\n")
    assert main(["bench", str(small_set), "--previews", "0", "--out", str(tmp_path / "out")]) == 0
    assert "not usable: problem 2 of turns: turns.jsonl:2: is not JSON" in capsys.readouterr().err
    assert len(read_results(tmp_path / "out" / "results.jsonl")) == 2


def test_slowing_down_is_what_it_says() -> None:
    """The path of the motion without hold, in the least time at which it holds: never faster than optimising the hold; where
    the path leads through poses that cannot be held at rest, no slower motion holds."""
    slowed, refused = 0, 0
    for problem in hold_limited(6, 100):
        slow, free = slowdown(problem), without_hold(problem)
        if not slow.ok:
            still = fm.certify(problem, free.trajectory.slowed(50.0), ("hold", "pad_share"))
            assert slow.status is fm.Status.NOT_HOLDABLE and not still.ok
            refused += 1
            continue
        assert slow.duration >= free.duration - 1e-12
        assert fm.plan(problem).duration <= slow.duration * 1.001
        here, there = slow.trajectory.position(0.4 * slow.duration), free.trajectory.position(0.4 * free.duration)
        np.testing.assert_allclose(here, there, atol=1e-9)
        if slow.duration > free.duration * 1.001:
            slowed += 1
            assert not fm.certify(problem, slow.trajectory.slowed(0.999), ("hold", "pad_share", "torque")).ok
    assert slowed + refused >= 2


def around(panda: fm.RobotModel) -> fm.TransferProblem:
    """A way among furniture that is not straight."""
    start, goal = [-2.15, 0.0, 0.59, -2.99, -2.04, 3.48, -2.49], [-2.1, 1.02, 0.99, -1.53, 1.84, 2.05, 2.79]
    scene = fm.Scene(named(furniture()))
    return fm.TransferProblem("around", panda, (), scene, fm.State.rest(start), fm.Goal([goal]), "benchmark")


def test_a_peer_that_stops_at_corners_keeps_every_kinematic_limit_and_is_slower(panda: fm.RobotModel) -> None:
    problem = around(panda)
    peer, own = rrtc_ruckig(problem), fm.plan(problem)
    assert own.ok and peer.ok and set(peer.certificate.kinds) == set(KINEMATIC)
    assert len(peer.trajectory.phases) >= 2 and peer.duration > own.duration
    for phase in peer.trajectory.phases:
        assert np.abs(phase.motion.derivative()(phase.duration)).max() < 1e-9  # it stops


def test_a_peer_without_jerk_claims_only_what_it_knows(panda: fm.RobotModel) -> None:
    pytest.importorskip("toppra")
    problem = around(panda)
    peer = rrtc_toppra(problem)
    assert peer.ok and set(peer.certificate.kinds) == set(GEOMETRIC)
    speed, limit = np.abs(peer.trajectory.velocity(np.linspace(0, peer.duration, 500))), panda.limit_set("benchmark").velocity
    assert 0.98 < (speed / limit).max() < 1.01
    assert not fm.certify(problem, peer.trajectory, ("jerk",)).ok


def test_a_recheck_on_raw_meshes_sees_what_touches_and_nothing_else(panda: fm.RobotModel) -> None:
    hulls = fm.load_robot("panda", geometry="hulls")
    start, goal = [0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785], [1.2, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785]
    held = pinched(hulls, block(0.3), 30.0, 0.5)
    problem = fm.TransferProblem("r", hulls, (held,), fm.Scene(), fm.State.rest(start), fm.Goal([goal]), "benchmark")
    solution = fm.plan(problem).raise_for_status()
    assert raw_hits(problem, solution.trajectory, 1e-3) == 0
    middle = pose_at(problem, solution.trajectory.position(solution.duration / 2))  # of the item
    count = len(solution.trajectory.grid(1e-3))
    for below, touches in ((0.035, True), (0.045, False)):  # the item reaches 30 mm below its middle
        at = fm.pose(middle.translation - [0.0, 0.0, below])
        post = fm.Obstacle("post", fm.Shape("sphere", radius=0.01, placement=at))
        hits = raw_hits(problem.with_(scene=fm.Scene((post,))), solution.trajectory, 1e-3)
        assert (0 < hits < count / 2) if touches else hits == 0
    above = fm.pose(middle.translation + np.array([0.0, 0.0, 0.2]))
    wrist = fm.Obstacle("wrist", fm.Shape("sphere", radius=0.02, placement=above))
    assert raw_hits(problem.with_(scene=fm.Scene((wrist,))), solution.trajectory, 1e-3) > 0
