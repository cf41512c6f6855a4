"""Obstacles that move, in plans: laws of time, waiting and going round, changes in flight, physics, the preview."""

import numpy as np
import pinocchio as pin
import pytest
from situations import box, held_arm, straight_by

import fastmove as fm
from fastmove.bench.recheck import raw_hits
from fastmove.certificate.certify import certify
from fastmove.multibody.assembly import assemble
from fastmove.planner.sensitivity import prices
from fastmove.problem.scene import Obstacle, Scene
from fastmove.reference.improve import reference
from fastmove.search import velocity_tuning as passing

# -- laws of time --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("place", "opens"), [(0.5, 0.7), (0.5, 1.0), (0.25, 0.8), (0.75, 1.4)])
def test_the_earliest_law_passes_a_gate_as_it_opens(place: float, opens: float) -> None:
    """A gate at place p of a motion that takes 1 s: nobody arrives before max(1, opens + 1 − p), and the laws do then."""
    found = passing.time_laws(lambda x, t: (np.abs(x - place) > 0.011) | (t >= opens), 1.0, opens)
    later, running, ahead = found
    earliest, step = max(1.0, opens + 1 - place), 1 / passing.PLACES
    for law in (running, ahead):
        assert earliest - step <= law[-1, 0] - passing.EASE <= earliest + 3 * step
        assert np.all(np.diff(law[:, 1]) >= -1e-12) and np.all(np.diff(law[:, 1]) <= np.diff(law[:, 0]) + 1e-9)
        assert law[0, 1] == pytest.approx(0, abs=1e-9) and law[-1, 1] == pytest.approx(1.0)
    assert later[-1, 0] == pytest.approx(earliest, abs=2 * step)  # there is nothing to gain by a running start here
    middle = [np.interp(opens / 2, *law.T) for law in (running, ahead)]
    assert middle[0] < middle[1]


def test_no_law_is_needed_where_nothing_is_in_the_way_and_none_leads_through_a_wall() -> None:
    assert passing.time_laws(lambda x, t: (np.abs(x - 0.5) > 0.011) | (t >= 0.3), 1.0, 0.3) == []
    assert passing.time_laws(lambda x, t: np.abs(x - 0.5) > 0.011, 1.0, 5.0) == []


def test_a_law_goes_only_where_it_is_free() -> None:
    """Random fields: the unrounded laws against a search of every way (earliest arrival by breadth first, one time at a time)."""
    rng = np.random.default_rng(11)
    arrived = 0
    for _ in range(40):
        shut = rng.uniform(size=(passing.PLACES + 1, 200)) < 0.3

        def free(x: np.ndarray, t: np.ndarray, shut: np.ndarray = shut) -> np.ndarray:
            i, j = (np.rint(v * passing.PLACES).astype(int) for v in (x, t))
            return ~((i > 0) & (i < passing.PLACES) & shut[i, np.minimum(j, 199)])

        here, count = {0}, 0
        while passing.PLACES not in here and here and count < 96:
            count += 1
            ahead = {i for k in here for i in (k, k + 1) if i <= passing.PLACES}
            here = {i for i in ahead if free(np.array([i]) / passing.PLACES, np.array([count]) / passing.PLACES)[0]}
        found = passing.time_laws(free, 1.0, 1.0)
        straight_on = np.arange(passing.PLACES + 1) / passing.PLACES
        if np.all(free(straight_on, straight_on)):
            assert not found
            continue
        if passing.PLACES not in here:
            assert not found
            continue
        arrived += 1
        assert found[-1][-1, 0] == pytest.approx(count / passing.PLACES + passing.EASE, abs=2.01 / passing.PLACES)
    assert arrived >= 10


# -- plans ----------------------------------------------------------------------------------------------------------------


def gate(opens: float) -> Obstacle:
    """A wall across the arm's way, from 20 cm before its axis outwards, that drops out of it within 50 ms from `opens` on."""
    return box("gate", (1.6, 0.04, 2.4), straight_by((1.0, 0.15, 0.6), (1.0, 0.15, -3.0), opens, opens + 0.05))


def test_the_arm_waits_for_a_gate_and_no_longer_than_it_must(panda: fm.RobotModel) -> None:
    """The gate has let nothing through before it opens, and from then on the whole way is free: the plan takes longer than the
    time until then, and no longer than waiting at the start and going as if there had been no gate."""
    alone = fm.plan(held_arm(panda)).raise_for_status()
    before = 0.0
    for opens in (0.0, 0.5, 1.2):
        problem = held_arm(panda, gate(opens))
        solution = fm.plan(problem).raise_for_status()
        assert raw_hits(problem, solution.trajectory, 1e-3) == 0
        assert max(alone.duration, opens) * (1 - 1e-6) <= solution.duration <= opens + 0.05 + alone.duration * 1.005
        assert solution.duration >= before * 0.995
        before = solution.duration
    assert before > alone.duration * 1.1
    assert not certify(problem, alone.trajectory).ok


def test_a_passing_obstacle_far_away_changes_nothing(panda: fm.RobotModel) -> None:
    alone = fm.plan(held_arm(panda)).raise_for_status()
    far = box("far", (0.1, 0.1, 0.1), straight_by((3, 0, 0), (3, 1, 0), 0.0, 1.0))
    assert fm.plan(held_arm(panda, far)).raise_for_status().duration == pytest.approx(alone.duration, rel=2e-3)


def test_one_that_comes_for_the_robot_itself_is_named(panda: fm.RobotModel) -> None:
    ram = box("ram", (0.2, 0.2, 0.2), straight_by((-1.0, 0, 0.1), (0.0, 0, 0.1), 0.0, 0.3))
    solution = fm.plan(held_arm(panda, ram))
    assert not solution.ok and (solution.certificate is None or "ram" in solution.certificate.kinds["clearance"].where)
    with pytest.raises(fm.StartInCollision, match="ram"):
        fm.plan(held_arm(panda, box("ram", (0.2, 0.2, 0.2), straight_by((0, 0, 0.1), (0, 0, 0.1), 0.0, 0.3))))


def test_a_plan_changes_in_flight_where_something_begins_to_move(panda: fm.RobotModel) -> None:
    problem = held_arm(panda)
    solution = fm.plan(problem).raise_for_status()
    late = gate(10.0)  # shut all the time: a stop is left, or a way round it
    later = box("cart", (0.1, 0.1, 1.2), straight_by((0.56, 0.9, 0.6), (0.56, 0.0, 0.6), 0.0, 1.5))
    moved = fm.replan(solution, 0.25, scene=Scene((later,)))
    assert moved.solution.ok and not certify(problem.with_(scene=Scene((later,))), solution.trajectory).ok
    clock = moved.solution.problem.scene.obstacles[0].motion
    assert clock is not None and clock.times[0] == pytest.approx(-0.25)
    assert raw_hits(moved.solution.problem, moved.solution.trajectory, 1e-3) == 0
    other = fm.replan(solution, 0.25, scene=Scene((late,)))
    assert other.solution.ok
    assert raw_hits(other.solution.problem, other.solution.trajectory, 1e-3) == 0


def test_what_needs_a_scene_at_rest_says_so(panda: fm.RobotModel) -> None:
    problem = held_arm(panda, box("far", (0.1, 0.1, 0.1), straight_by((3, 0, 0), (3, 1, 0), 0.0, 1.0)))
    solution = fm.plan(problem).raise_for_status()
    for call in (
        lambda: fm.retime(problem, np.stack([problem.start.q, problem.goal.configurations[0]])),
        lambda: prices(solution),
        lambda: reference(problem, solution.trajectory),
    ):
        with pytest.raises(fm.InputError, match="move"):
            call()
    assert fm.plan(problem, fm.Options(explain=True)).prices == ()


def test_physics_agrees_about_what_passes(panda: fm.RobotModel) -> None:
    """A cart that crosses the item's way knocks it out of the hand of the motion that does not know, and misses the plan's."""
    pytest.importorskip("mujoco")
    from fastmove.execution.slip_test import Verdict, judge

    problem = held_arm(panda)
    alone = fm.plan(problem).raise_for_status()
    arm, frame = assemble(problem).arm, assemble(problem).hold_frames[0]
    data = arm.createData()
    pin.forwardKinematics(arm, data, alone.trajectory.position(alone.duration / 2))
    x, y, z = (data.oMi[frame.joint] * frame.joint_T_grasp).translation - [0, 0, 0.02]
    half = alone.duration / 2
    cart = box("cart", (0.06, 0.06, 0.04), straight_by((x + 0.5, y, z - 0.02), (x - 0.5, y, z - 0.02), half - 0.5, half + 0.5))
    crossed = problem.with_(scene=Scene((cart,)))
    assert judge(crossed, alone.trajectory).verdict is not Verdict.HELD
    assert judge(crossed, fm.plan(crossed).raise_for_status().trajectory).verdict is Verdict.HELD


def test_the_preview_moves_what_moves(panda: fm.RobotModel) -> None:
    viewer = pytest.importorskip("fastmove.viz.scene")
    motion = straight_by((1.0, 0.0, 0.5), (1.0, 1.0, 0.5), 0.0, 1.0)
    solution = fm.plan(held_arm(panda, box("cart", (0.1, 0.1, 0.1), motion))).raise_for_status()
    (play,) = (c for c in viewer._Scene(solution).draw([]) if hasattr(c, "animation"))
    (track,) = (clip.tracks["position"] for path, clip in play.animation.clips.items() if path.entries[-1] == "8")
    times, places = np.array(track.frames) / 100, np.array(track.values)
    assert times[-1] == pytest.approx(solution.duration)
    np.testing.assert_allclose(places, motion.at(times)[1], atol=1e-9)
