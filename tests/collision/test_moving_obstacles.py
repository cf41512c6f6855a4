"""Obstacles that move: where they are when, rates of distances, the sweep attacked, problem files."""

import json
from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest
from situations import READY, UP, box, cluttered, held_arm, quaternion, random_q, straight_by, straight_motion

import fastmove as fm
from fastmove.bench.recheck import raw_hits
from fastmove.certificate.certify import certify
from fastmove.collision.checker import Collision
from fastmove.geometry.pose_trajectory import PoseTrajectory
from fastmove.geometry.poses import pose
from fastmove.geometry.shapes import Shape
from fastmove.multibody.assembly import assemble
from fastmove.problem.describe import describe, problem_sha256
from fastmove.problem.scene import AllowedContact, Obstacle, Scene
from fastmove.problem.transfer import TransferProblem
from fastmove.search.time_bound import lower_bound
from fastmove.trajectory.bspline import SplineBasis
from fastmove.trajectory.trajectory import Phase, Trajectory


def wandering(seed: int, legs: int = 4) -> PoseTrajectory:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.1, 0.5, legs + 1)) - 0.3
    return PoseTrajectory(times, tuple(pose(rng.uniform(-0.5, 0.5, 3), quaternion(rng)) for _ in times))


# -- where it is ----------------------------------------------------------------------------------------------------------


def test_a_motion_goes_through_its_waypoints_and_stands_still_outside() -> None:
    motion = wandering(0)
    for time, there in zip(motion.times, motion.poses, strict=True):
        assert np.abs(motion.pose(float(time)).homogeneous - there.homogeneous).max() < 1e-12
    for time, there in ((-9.0, motion.poses[0]), (9.0, motion.poses[-1])):
        assert np.abs(motion.pose(time).homogeneous - there.homogeneous).max() < 1e-12
        assert not np.any(motion.rate(np.array([time])))


def test_rates_are_the_derivative_of_poses() -> None:
    rng, step = np.random.default_rng(1), 1e-6
    for seed in range(5):
        motion, point = wandering(seed), rng.normal(size=3)
        for time in rng.uniform(motion.times[0] + step, motion.end - step, 20):
            if np.abs(motion.times - time).min() < 2 * step:
                continue
            before, now, after = (motion.pose(t).act(point) for t in (time - step, time, time + step))
            (velocity,), (turn,) = motion.rate(np.array([time]))
            found = velocity + np.cross(turn, now - motion.pose(time).translation)
            np.testing.assert_allclose(found, (after - before) / (2 * step), atol=1e-7)


def test_no_point_goes_farther_than_the_way_that_is_counted() -> None:
    rng = np.random.default_rng(2)
    for seed in range(10):
        motion, points = wandering(seed), rng.normal(size=(8, 3))
        for first, last in np.sort(rng.uniform(-0.5, 2.5, (40, 2)), axis=1):
            way, turn = np.diff(motion.arc_length(np.array([first, last])), axis=0)[0]
            there = [points @ p.rotation.T + p.translation for p in (motion.pose(first), motion.pose(last))]
            gone = np.linalg.norm(there[1] - there[0], axis=1)
            assert np.all(gone <= way + turn * np.linalg.norm(points, axis=1) + 1e-12)


def test_a_later_clock_and_another_place_are_the_same_motion() -> None:
    motion, by = wandering(3), pose((0.1, 0.2, 0.3), quaternion(np.random.default_rng(3)))
    for time in np.linspace(-0.5, 2.5, 31):
        here = motion.pose(time)
        assert np.abs(motion.after(0.7).pose(time - 0.7).homogeneous - here.homogeneous).max() < 1e-12
        assert np.abs(motion.moved(by).pose(time).homogeneous - (by * here).homogeneous).max() < 1e-12


@pytest.mark.parametrize("times", [[0.0], [0.0, 0.0], [1.0, 0.5], [0.0, np.inf], [0.0, 1.0, 2.0]])
def test_waypoints_that_are_none_are_refused(times: list[float]) -> None:
    with pytest.raises(fm.InputError, match="waypoints"):
        PoseTrajectory(np.array(times), (UP,) * min(len(times), 2))


def test_what_moves_cannot_be_touched() -> None:
    with pytest.raises(fm.InputError, match="belt"):
        Scene((box("belt", (1, 1, 0.1), wandering(0)),), (AllowedContact("belt"),))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_poses_that_are_none_are_refused(bad: float) -> None:
    wrong = pin.SE3(np.eye(3), np.array([bad, 0.0, 0.0]))
    with pytest.raises(fm.InputError, match="no pose"):
        PoseTrajectory(np.array([0.0, 1.0]), (UP, wrong))
    with pytest.raises(fm.InputError, match="no pose"):
        Shape("sphere", radius=0.1, placement=wrong)
    with pytest.raises(fm.InputError, match="no pose"):
        Shape("sphere", radius=0.1, placement=pin.SE3(2 * np.eye(3), np.zeros(3)))


def test_what_has_come_to_rest_stands_still() -> None:
    past = straight_by((1, 0, 0), (0, 2, 0), -2.0, 0.0)
    scene = Scene((box("parked", (1, 1, 1), past),))
    assert not scene.moving and scene.obstacles[0].placement.translation == pytest.approx([0, 2, 0])
    under_way = Scene((box("cart", (1, 1, 1), straight_by((1, 0, 0), (0, 2, 0), 0.0, 2.0)),))
    assert under_way.after(1.0).moving and not under_way.after(2.0).moving


def test_a_support_that_begins_to_move_may_not_be_touched_any_more() -> None:
    scene = Scene((box("tote", (1, 1, 0.1)),), (AllowedContact("tote"),))
    later = scene.changed(add=[box("tote", (1, 1, 0.1), straight_by((0, 0, 0), (1, 0, 0), 0.5, 1.0))])
    assert later.moving and later.allowed_contacts == ()


# -- distances and their rates --------------------------------------------------------------------------------------------


def test_rates_of_distances_are_their_derivatives_in_time(panda: fm.RobotModel) -> None:
    """Of spheres and capsules, whose witness points are unique, off the centre of frames that turn."""
    shapes = [
        Shape("sphere", radius=0.08, placement=pose((0.2, 0.1, 0.0))),
        Shape("capsule", radius=0.05, length=0.3, placement=UP),
    ]
    movers = tuple(Obstacle(f"m{k}", shape, wandering(k + 4)) for k, shape in enumerate(shapes))
    problem = cluttered(panda)
    problem = problem.with_(scene=Scene((*problem.scene.obstacles, *movers)))
    collision = Collision(problem, assemble(problem))
    q, step = random_q(panda, 30, 5), 1e-6
    ends, time = collision.ends(q[0], q[1]), np.random.default_rng(5).uniform(0.0, 0.8, 30)
    found = collision.query(q, ends, 0.3, True, time=time)
    moving = np.array([collision.assembly.moves_itself(collision.pairs[k][1]) for k in found.pair])
    moving |= np.array([collision.assembly.moves_itself(collision.pairs[k][0]) for k in found.pair])
    assert np.count_nonzero(moving) > 50 and not np.any(found.rate[~moving]) and np.count_nonzero(found.rate) > 40
    beside = []
    for sign in (1, -1):
        near = collision.query(q, ends, 0.4, time=time + sign * step)
        beside.append({(s, k): m for s, k, m in zip(near.sample, near.pair, near.margin, strict=True)})
    smooth = 0
    for n in np.nonzero(moving)[0]:
        key = (found.sample[n], found.pair[n])
        if found.distance[n] > 1e-3 and key in beside[0] and key in beside[1]:
            numeric = (beside[0][key] - beside[1][key]) / (2 * step)
            smooth += abs(numeric - found.rate[n]) < 1e-4 * max(1.0, abs(numeric))
    assert smooth >= 0.97 * np.count_nonzero(moving & (found.distance > 1e-3))


def test_without_a_time_what_moves_is_left_out(panda: fm.RobotModel) -> None:
    problem = cluttered(panda)
    more = problem.with_(scene=problem.scene.changed(add=[box("cart", (2, 2, 2), straight_by((0, 0, 0), (1, 0, 0), 0, 1))]))
    q = random_q(panda, 20, 6)
    plain, with_cart = (Collision(p, assemble(p)) for p in (problem, more))
    one, other = (c.query(q, c.ends(q[0], q[1]), 0.05) for c in (plain, with_cart))
    np.testing.assert_array_equal(one.margin, other.margin)
    inside = with_cart.query(q, with_cart.ends(q[0], q[1]), 0.05, time=np.zeros(20))
    assert len(inside.margin) > len(one.margin) and inside.margin.min() < -0.1


# -- the sweep ------------------------------------------------------------------------------------------------------------


def still(problem: TransferProblem, duration: float) -> Trajectory:
    basis = SplineBasis(np.array([0.0, 1.0]))
    widths, forces = [held.width for held in problem.holds], [float(held.grasp.grip_force[1]) for held in problem.holds]
    phase = Phase.from_spline(basis, np.tile(problem.start.q, (basis.size, 1)), duration, forces, widths)
    return Trajectory((phase,), problem.robot.joint_names)


def test_the_sweep_finds_a_plate_that_flies_through_between_samples(panda: fm.RobotModel) -> None:
    """A plate of 1 mm at 40 m/s is in the arm for a few milliseconds; one that misses by 1 mm more than asked is proven clear."""
    problem = held_arm(panda)
    item = assemble(problem).hold_frames[0]
    arm = assemble(problem).arm
    data = arm.createData()
    pin.forwardKinematics(arm, data, np.array(problem.start.q))
    frame = data.oMi[item.joint] * item.joint_T_grasp * item.held.grasp_T_item
    middle, down = frame.translation, 0.03  # half the block
    way = frame.rotation[:, 0]
    for low, caught in ((down - 0.001, True), (down + 0.001, True), (down + 0.003, False)):
        z = pin.SE3(frame.rotation, middle + frame.rotation[:, 2] * (low + 0.0005))
        times = np.array([0.5033, 0.5033 + 0.005])
        motion = PoseTrajectory(times, tuple(pin.SE3(z.rotation, z.translation + way * s) for s in (-0.1, 0.1)))
        plate = box("plate", (0.001, 0.02, 0.001), motion)
        clear = certify(problem.with_(scene=Scene((plate,))), still(problem, 1.0), ("clearance",)).kinds["clearance"]
        assert clear.ok is not caught, (low, clear)
        if caught:
            assert "plate" in clear.where and abs(clear.time_s - 0.5058) < 0.0025


def test_what_cannot_be_cleared_is_named_and_not_what_is_nearest(panda: fm.RobotModel) -> None:
    """A box that is elsewhere within a nanosecond is never seen on its way."""
    problem = held_arm(panda)
    far = tuple(pin.SE3(np.eye(3), np.array([0.5, y, 0.5])) for y in (-0.9, 0.9))
    there = box("jumping", (0.1, 0.1, 0.3), PoseTrajectory(np.array([0.5, 0.5 + 1e-9]), far))
    clear = certify(problem.with_(scene=Scene((there,))), still(problem, 1.0), ("clearance",)).kinds["clearance"]
    assert not clear.ok and "jumping" in clear.where and clear.time_s == pytest.approx(0.5, abs=1e-3)


def test_the_sweep_is_never_above_a_dense_look(panda: fm.RobotModel) -> None:
    rng = np.random.default_rng(8)
    clear = 0
    for _ in range(9):
        times = np.array([0.0, 0.35, 0.8])
        around = [np.array([r * np.cos(t), r * np.sin(t), z]) for r, t, z in rng.uniform((0.6, -2, 0.1), (1.1, 2, 0.9), (3, 3))]
        mover = box("mover", (0.15, 0.1, 0.2), PoseTrajectory(times, tuple(pose(x, quaternion(rng)) for x in around)))
        problem = held_arm(panda, mover)
        bound = lower_bound(problem.start, np.array(problem.goal.configurations[0]), problem.limit_set).duration
        trajectory = straight_motion(problem, 0.8 / bound)
        found = certify(problem, trajectory, ("clearance",)).kinds["clearance"]
        collision = Collision(problem, assemble(problem))
        dense = np.linspace(0, 0.8, 1601)
        near = collision.query(trajectory.position(dense), collision.ends(*np.array([READY, READY])), 0.3, time=dense)
        least = float(near.margin.min(initial=np.inf))
        if found.ok:
            assert found.margin <= least + 2e-3 and least > -1e-9 and raw_hits(problem, trajectory, 1e-3) == 0
            clear += 1
        else:
            assert least < 1e-4
            assert least > -0.03 or raw_hits(problem, trajectory, 2e-3) > 0
    assert 2 <= clear <= 8


# -- files ----------------------------------------------------------------------------------------------------------------

FILE = {
    "format": 1,
    "robot": "panda",
    "start": {"q": READY.tolist()},
    "goal": {"q": (READY + 0.2).tolist()},
    "obstacles": [
        {
            "name": "cart",
            "type": "box",
            "size": [0.1, 0.2, 0.3],
            "position": [0.0, 0.0, 0.15],
            "waypoints": [{"time": 0.0, "position": [2.0, -1.0, 0.0]}, {"time": 2.0, "position": [2.0, 1.0, 0.0]}],
        }
    ],
}


def test_waypoints_in_a_problem_file(tmp_path: Path) -> None:
    path = tmp_path / "cart.json"
    path.write_text(json.dumps(FILE))
    problem = fm.load_problem(path)
    motion = problem.scene.obstacles[0].motion
    assert motion is not None and motion.pose(1.0).translation == pytest.approx([2.0, 0.0, 0.0])
    told = describe(problem)["obstacles"][0]  # type: ignore[index]
    assert [w["time"] for w in told["waypoints"]] == [0.0, 2.0] and told["pose"]["position"] == [0.0, 0.0, 0.15]
    other = problem.with_(scene=problem.scene.after(0.1))
    assert problem_sha256(other) != problem_sha256(problem)
    for waypoints, message in (
        ([{"time": 0.0}], "at least two"),
        ([{"time": 1.0}, {"time": 0.5}], "increase"),
        ([{"position": [0, 0, 0]}, {"time": 1.0}], "time"),
    ):
        bad = json.loads(json.dumps(FILE))
        bad["obstacles"][0]["waypoints"] = waypoints
        path.write_text(json.dumps(bad))
        with pytest.raises(fm.InputError, match=message) as error:
            fm.load_problem(path)
        assert "cart.json" in str(error.value) and "waypoints" in str(error.value)
