"""Goals as regions: what is inside, configurations that reach them, and a certificate that does not take the planner's word."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest
from generators import block, free_space_pairs, pinched

import fastmove as fm
from fastmove.problem.goal import TOOL, Goal, GoalPose
from fastmove.search.goal_refinement import refine_goals
from fastmove.search.ik import GoalIk, pose_at, with_goal_configurations
from fastmove.search.time_bound import lower_bound

HERE = pin.SE3(pin.utils.rotate("x", 0.4), np.array([0.5, 0.1, 0.3]))


@pytest.mark.parametrize("seed", range(10))
def test_every_sample_is_inside_and_what_is_turned_further_is_outside_by_that_much(seed: int) -> None:
    rng = np.random.default_rng(seed)
    axis = rng.normal(size=3)
    region = GoalPose(
        HERE, axis=axis, span=(-0.5, 1.0), flips=(pin.utils.rotate("y", np.pi),), tolerance=np.array([0.01, 0, 0.02])
    )
    for pose in region.samples():
        assert max(region.distance_outside(pose)) < 1e-7
    for over in (0.05, 0.3):
        beyond = pin.SE3(HERE.rotation @ pin.exp3(region.axis * (1.0 + over)), HERE.translation + np.array([0.03, 0.0, 0.0]))
        distance, angle = region.distance_outside(beyond)
        assert distance == pytest.approx(0.02) and angle == pytest.approx(over, abs=1e-7)
    aside = np.cross(region.axis, rng.normal(size=3))
    tilted = pin.SE3(
        HERE.rotation @ pin.exp3(region.axis * 0.3) @ pin.exp3(0.1 * aside / np.linalg.norm(aside)), HERE.translation
    )
    swept = [
        np.linalg.norm(pin.log3((HERE.rotation @ pin.exp3(region.axis * a)).T @ tilted.rotation))
        for a in np.linspace(-0.5, 1, 3001)
    ]
    assert region.distance_outside(tilted)[1] == pytest.approx(min(swept), abs=1e-5)


def test_a_full_turn_is_sampled_once_and_a_pose_alone_once() -> None:
    assert len(GoalPose(HERE, axis=np.array([0, 0, 1.0])).samples()) == 24
    assert len(GoalPose(HERE).samples()) == 1
    assert len(GoalPose(HERE, tolerance=np.array([0.01, 0.0, 0.0])).samples()) == 3


def test_after_the_deadline_no_other_goal_is_begun(panda: fm.RobotModel) -> None:
    ready = np.array([0, -0.785, 0, -2.356, 0, 1.571, 0.785])
    wall = fm.Obstacle("wall", fm.Shape("box", (0.6, 0.04, 0.5), placement=pin.SE3(np.eye(3), np.array([0.45, 0.3, 0.25]))))
    near = ready + 2.4 * np.eye(7)[0] + np.array([0.0, 1e-4, -1e-4])[:, None]
    problem = fm.TransferProblem("wall", panda, (), fm.Scene((wall,)), fm.State.rest(ready), Goal(near), "fer")
    whole, late = fm.plan(problem), fm.plan(problem, fm.Options(deadline=1e-9))
    assert whole.duration > 1.001 * whole.lower_bound  # so that any of them might win
    assert whole.goals.solved == 3 and late.ok
    assert (late.goals.solved, late.goals.left) == (1, 2)


def turned_about(problem: fm.TransferProblem, axis: tuple[float, float, float]) -> fm.TransferProblem:
    """The goal as the item's pose there, free about an axis of the item."""
    pose = pose_at(problem, np.array(problem.goal.configurations[0]))
    return problem.with_(goal=Goal.at(GoalPose(pose, axis=np.array(axis))))


def test_freedom_makes_motions_faster_and_the_certificate_measures_the_pose(panda: fm.RobotModel) -> None:
    held, durations = pinched(panda, block(0.3), 30.0, 0.5), []
    for problem in free_space_pairs("benchmark", 5, 4, held):
        region = turned_about(problem, (0.0, 1.0, 0.0))
        fixed, free = fm.plan(problem).raise_for_status(), fm.plan(region).raise_for_status()
        durations.append((fixed.duration, free.duration))
        end = free.trajectory.position(free.duration)
        (wanted,) = region.goal.poses
        assert max(wanted.distance_outside(pose_at(problem, end))) < 1e-7
        tally = free.goals
        assert tally.total == tally.solved + tally.refused + tally.slower + tally.left and tally.total > 20
        assert fm.certify(region, free.trajectory).ok  # of the problem as it was asked, without any configurations
        elsewhere = replace(
            wanted, placement=pin.SE3(wanted.placement.rotation, wanted.placement.translation + np.array([0, 0, 2e-6]))
        )
        other = fm.certify(region.with_(goal=Goal.at(elsewhere)), free.trajectory)
        assert {k for k, e in other.kinds.items() if not e.ok} == {"goal"}
    fixed_sum, free_sum = np.sum(durations, axis=0)
    assert free_sum < fixed_sum


def test_configurations_reach_the_region_and_are_the_same_every_time(book: fm.TransferProblem) -> None:
    region = turned_about(book, (0.0, 0.0, 1.0))
    found, again = with_goal_configurations(region), with_goal_configurations(region)
    np.testing.assert_array_equal(found.goal.configurations, again.goal.configurations)
    (wanted,) = region.goal.poses
    assert all(max(wanted.distance_outside(pose_at(book, q))) < 1e-6 for q in found.goal.configurations)
    assert np.all(found.goal.configurations >= book.limit_set.position_min - 1e-12)


def test_a_region_out_of_reach_is_an_error_in_a_sentence(book: fm.TransferProblem) -> None:
    far = GoalPose(pin.SE3(np.eye(3), np.array([3.0, 0.0, 0.0])))
    found = fm.plan(book.with_(goal=Goal.at(far)))
    assert found.status is fm.Status.GOAL_UNREACHABLE and "out of reach" in found.detail
    bare = book.with_(holds=())
    with pytest.raises(fm.InputError, match="nothing is held"):
        bare.with_(goal=Goal.at(far))
    assert bare.with_(goal=Goal.at(replace(far, of=TOOL))).goal.poses


GOAL = """[[goal.poses]]
position = [0.45, -0.3, 0.12]
quaternion_xyzw = [0.0, 0.0, 0.0, 1.0]
free_axis = [0.0, 0.0, 1.0]
range_deg = [-30.0, 30.0]
flips = [{axis = [0.0, 0.0, 1.0], angle_deg = 180.0}]
tolerance = [0.01, 0.01, 0.0]
"""


def written(tmp_path: Path, goal: str) -> Path:
    """The book's problem file with another goal."""
    text = (Path(__file__).parents[2] / "problems" / "book_to_tote.toml").read_text()
    before, _, after = text.partition("[goal]\n")
    path = tmp_path / "p.toml"
    path.write_text(before + goal + "\n" + after[after.index("[[") :])
    return path


def test_a_file_may_ask_for_a_region(tmp_path: Path) -> None:
    problem = fm.load_problem(written(tmp_path, GOAL))
    (wanted,) = problem.goal.poses
    assert np.degrees(wanted.span).tolist() == pytest.approx([-30.0, 30.0]) and len(wanted.flips) == 2
    described = fm.describe(problem)
    assert described["goals"] == [] and described["goal_poses"][0]["tolerance"] == [0.01, 0.01, 0.0]
    assert fm.describe(with_goal_configurations(problem)) == described  # what planning finds is not part of the question


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("range_deg = [-30.0, 30.0]", "range_deg = [30.0, -30.0]", "must not be above"),
        ("axis = [0.0, 0.0, 1.0], angle", "axis = [0.0, 0.0, 0.0], angle", "direction is needed"),
        ("tolerance = [0.01", "tolerance = [-0.01", "at least 0"),
        ('free_axis', 'of = "hand"\nfree_axis', "allowed: item, tool"),
    ],
)  # fmt: skip
def test_malformed_regions_are_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(fm.InputError, match=words):
        fm.load_problem(written(tmp_path, GOAL.replace(old, new)))


def regions(book: fm.TransferProblem) -> list[GoalPose]:
    """What may be free: nothing, a yaw, a yaw within limits, a tolerance, all of it with a flip."""
    placed = pose_at(book, np.array(book.goal.configurations[0]))
    up, flip = np.array([0.0, 0.0, 1.0]), pin.exp3(np.array([np.pi, 0.0, 0.0]))
    bare = GoalPose(placed)
    shifted = replace(bare, tolerance=np.array([0.03, 0.02, 0.0]))
    return [bare, replace(bare, axis=up), replace(bare, axis=up, span=(-0.4, 0.3)), shifted,
            replace(shifted, axis=up, span=(-0.5, 0.5), flips=(flip,))]  # fmt: skip


@pytest.mark.parametrize("kind", range(5))
def test_what_is_between_samples_is_in_the_region_and_sooner(book: fm.TransferProblem, kind: int) -> None:
    region, limits = regions(book)[kind], book.limit_set
    problem = book.with_(goal=Goal.at(region))
    q = np.concatenate(list(GoalIk(problem, region).along(region.samples(), np.random.default_rng(0))))
    bound = lambda rows: np.array([lower_bound(book.start, row, limits).duration for row in rows])  # noqa: E731
    sampled = q[int(np.argmin(bound(q)))]
    best, reach = refine_goals(problem, sampled), GoalIk(problem, region)
    assert best is not None and bound([best])[0] < bound([sampled])[0]  # seven axes: a self-motion even where nothing is free
    assert max(region.distance_outside(pose_at(book, best))) < 1e-6
    assert np.all((best >= limits.position_min) & (best <= limits.position_max))
    rng = np.random.default_rng(kind)  # no configuration of the region near it is much sooner
    near = [reach.project_into(region, best + rng.normal(size=7) * rng.choice([0.003, 0.02])) for _ in range(300)]
    assert bound([row for row in near if row is not None]).min() > 0.99 * bound([best])[0]


@pytest.mark.parametrize("kind", range(5))
def test_the_nearest_pose_of_a_region_is_in_it_and_leaves_what_is_inside(book: fm.TransferProblem, kind: int) -> None:
    region, rng = regions(book)[kind], np.random.default_rng(kind)
    for inside in region.samples():
        assert np.abs(region.nearest(inside).homogeneous - inside.homogeneous).max() < 1e-9
    for _ in range(50):
        shift = pin.SE3(pin.exp3(rng.normal(size=3) * 0.1), rng.normal(size=3) * 0.05)
        outside = region.placement * shift
        nearest = region.nearest(outside)
        assert max(region.distance_outside(nearest)) < 1e-9
        gap, turn = region.distance_outside(outside)
        assert np.abs(nearest.translation - outside.translation).max() == pytest.approx(gap, abs=1e-12)
        assert np.linalg.norm(pin.log3(nearest.rotation.T @ outside.rotation)) == pytest.approx(turn, abs=1e-9)
