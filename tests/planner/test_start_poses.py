"""Starts and goals given by poses: no slower than their configurations given as joints, and certified against the poses."""

from __future__ import annotations

import numpy as np
import pinocchio as pin
import pytest

import fastmove as fm
from fastmove.cli.main import main
from fastmove.planner.planner import OPTIMAL_WITHIN
from fastmove.search.ik import pose_at

SLOWER = 1.01


@pytest.fixture(scope="module")
def ur5e() -> fm.RobotModel:
    return fm.load_robot("ur5e")


def free_pair(robot: fm.RobotModel, seed: int) -> fm.TransferProblem:
    """A bare transfer between two random configurations at which a plan exists."""
    rng = np.random.default_rng([17, seed])
    limits = robot.limit_set()
    low, high = np.maximum(limits.position_min, -np.pi), np.minimum(limits.position_max, np.pi)
    while True:
        start, goal = rng.uniform(low, high, (2, robot.n_arm))
        problem = fm.TransferProblem(
            f"pair {seed}", robot, (), fm.Scene(), fm.State.rest(start), fm.Goal(goal[None]), robot.default_limits
        )
        try:
            if fm.plan(problem).ok:
                return problem
        except fm.StartInCollision:
            continue


def tool_poses(problem: fm.TransferProblem) -> tuple[fm.GoalPose, fm.GoalPose]:
    """The poses of the tool (or of the item) at start and goal."""
    ends = (np.array(problem.start.q), np.array(problem.goal.configurations[0]))
    of = "item" if problem.holds else "tool"
    start, goal = (fm.GoalPose(pose_at(problem, q), of) for q in ends)
    return start, goal


@pytest.mark.parametrize("name", ["ur5e", "panda"])
@pytest.mark.parametrize("seed", range(2))
def test_poses_are_not_slower_than_their_own_configurations(name: str, seed: int) -> None:
    problem = free_pair(fm.load_robot(name), seed)
    start, goal = tool_poses(problem)
    by_joints = fm.plan(problem)
    to_pose = fm.plan(problem.with_(goal=fm.Goal.at(goal)))
    both = fm.plan(problem.with_(start=fm.State.at(start), goal=fm.Goal.at(goal)))
    assert to_pose.ok and both.ok
    assert to_pose.duration <= SLOWER * by_joints.duration
    assert both.duration <= SLOWER * to_pose.duration
    assert both.problem.start.q.size == problem.robot.n_arm


def test_the_certificate_measures_the_start_against_its_pose(ur5e: fm.RobotModel) -> None:
    problem = free_pair(ur5e, 3)
    start, goal = tool_poses(problem)
    asked = problem.with_(start=fm.State.at(start), goal=fm.Goal.at(goal))
    solution = fm.plan(asked)
    assert fm.certify(asked, solution.trajectory).ok
    aside = fm.GoalPose(pin.SE3(start.placement.rotation, start.placement.translation + np.array([0.0, 0.0, 2e-4])), "tool")
    off = fm.certify(asked.with_(start=fm.State.at(aside)), solution.trajectory).kinds["start"]
    assert off.margin == pytest.approx(1e-6 - 2e-4, abs=1e-7)


def test_a_fixed_pose_of_six_joints_may_be_optimal_and_a_free_one_may_not(ur5e: fm.RobotModel) -> None:
    problem = free_pair(ur5e, 1)
    _, goal = tool_poses(problem)
    fixed = fm.plan(problem.with_(goal=fm.Goal.at(goal)))
    turning = fm.GoalPose(goal.placement, "tool", axis=np.array([0.0, 0.0, 1.0]), span=(-0.1, 0.1))
    free = fm.plan(problem.with_(goal=fm.Goal.at(turning)))
    assert fixed.duration <= (1 + OPTIMAL_WITHIN) * fixed.lower_bound
    assert fixed.status is fm.Status.OPTIMAL
    assert free.status is fm.Status.CERTIFIED


def test_a_held_item_starts_where_its_pose_says(book: fm.TransferProblem) -> None:
    start, goal = tool_poses(book)
    solution = fm.plan(book.with_(start=fm.State.at(start), goal=fm.Goal.at(goal)), fm.Options(path_seeds=1))
    assert solution.ok, solution.detail
    first = pose_at(solution.problem, solution.trajectory.position(0.0))
    assert start.distance_outside(first) == pytest.approx((0.0, 0.0), abs=1e-6)


def test_a_pose_out_of_reach_and_a_frame_that_is_not_there_are_named(ur5e: fm.RobotModel) -> None:
    problem = free_pair(ur5e, 0)
    far = fm.GoalPose(pin.SE3(np.eye(3), np.array([3.0, 0.0, 0.0])), "tool")
    with pytest.raises(fm.InputError, match=r"start\.pose: is out of reach"):
        fm.plan(problem.with_(start=fm.State.at(far)))
    with pytest.raises(fm.UnknownName, match="places 'tol', which is no link of ur5e"):
        problem.with_(start=fm.State.at(fm.GoalPose(far.placement, "tol")))
    with pytest.raises(fm.InputError, match="places the item, but nothing is held"):
        problem.with_(start=fm.State.at(fm.GoalPose(far.placement, "item")))


def test_a_link_may_be_placed(ur5e: fm.RobotModel) -> None:
    problem = free_pair(ur5e, 2)
    _, tool = tool_poses(problem)
    gripper = ur5e.gripper()
    link = fm.GoalPose(tool.placement * gripper.parent_T_tool.inverse(), gripper.parent_frame)
    one, other = (fm.plan(problem.with_(goal=fm.Goal.at(goal))) for goal in (tool, link))
    assert one.duration == pytest.approx(other.duration, rel=1e-3)


def test_a_path_says_in_which_configuration_it_starts(ur5e: fm.RobotModel) -> None:
    problem = free_pair(ur5e, 0)
    start, goal = tool_poses(problem)
    asked = problem.with_(start=fm.State.at(start), goal=fm.Goal.at(goal))
    path = np.stack([problem.start.q, problem.goal.configurations[0]])
    assert fm.retime(asked, path).ok
    other = fm.retime(asked, path + np.array([[0.01], [0.0]]))
    assert not other.ok
    assert not other.certificate.kinds["start"].ok


def test_ik_knows_the_start(ur5e: fm.RobotModel) -> None:
    problem = free_pair(ur5e, 4)
    q = np.array(problem.start.q)
    found = fm.ik(problem, pose_at(problem, q), near=q)
    np.testing.assert_allclose(found[0], q, atol=1e-8)
    assert np.all(np.diff(np.linalg.norm(found - q, axis=1)) >= 0)


def test_the_command_line_reads_start_poses(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "poses.toml"
    file.write_text(
        'format = 1\nrobot = "ur5e"\n'
        '[start.pose]\nof = "tool"\nposition = [0.4, 0.2, 0.4]\nquaternion_xyzw = [1.0, 0.0, 0.0, 0.0]\n'
        '[goal.pose]\nof = "tool"\nposition = [0.4, -0.2, 0.4]\nquaternion_xyzw = [1.0, 0.0, 0.0, 0.0]\n'
    )
    out = tmp_path / "motion.npz"
    assert main(["plan", str(file), "--out", str(out)]) == 0
    assert main(["check", str(file), str(out)]) == 0
    capsys.readouterr()
    assert main(["ik", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} == {"start", "goal"}
    assert sum(line.endswith("free") for line in lines) >= 4
    assert main(["ik", str(file), "--position", "4", "0", "0"]) == 3
