"""Pick cycles at a belt: items that are met where they are then, and let go where their place is."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest
from belts import BELT_TOP, BELT_X, READY, SIZE, TABLE, from_belt, onto_belt, upright
from cycle_blocks import box

import fastmove as fm
from fastmove.cycle.belt import DRAG_SHARE, GENTLY, drag_grip, gripped_firmly
from fastmove.cycle.belt_motion import Steady, known_at
from fastmove.cycle.belt_updates import NEAR
from fastmove.search.ik import pose_at
from fastmove.viz.shift import cycle_html

SPEED = 0.3  # of the belt [m/s]


@pytest.fixture(scope="module")
def placing(panda: fm.RobotModel) -> fm.PickCycle:
    cycle = fm.plan_cycle(onto_belt(panda, SPEED), home=READY, options=fm.Options(reserve=0.1))
    assert cycle.ok, cycle.refusal
    return cycle


@pytest.fixture(scope="module")
def picking(panda: fm.RobotModel) -> fm.PickCycle:
    cycle = fm.plan_cycle(from_belt(panda, SPEED), home=READY, options=fm.Options(reserve=0.1))
    assert cycle.ok, cycle.refusal
    return cycle


def joints(one: fm.Solution, other: fm.Solution) -> float:
    """By how much position, velocity and acceleration jump from the end of one motion to the begin of another."""
    return max(float(np.abs(one.trajectory.sample(one.duration, k) - other.trajectory.sample(0.0, k)).max()) for k in range(3))


@pytest.mark.parametrize("which", ["placing", "picking"])
def test_motions_follow_each_other_without_a_jump(which: str, request: pytest.FixtureRequest) -> None:
    cycle: fm.PickCycle = request.getfixturevalue(which)
    motions = [m for m in (cycle.approach, cycle.closing, cycle.transfer, cycle.opening, cycle.back) if m is not None]
    assert len(motions) == 4 and all(m.ok for m in motions)
    assert all(joints(one, other) < 1e-9 for one, other in pairwise(motions))
    follows = cycle.opening if which == "placing" else cycle.closing
    assert float(np.abs(follows.trajectory.velocity(0.0)).max()) > 0.1
    names = [phase.name for phase in cycle.phases]
    assert names == ["approach", "close", "lift", "transfer", "place", "open", "return"]
    lasts = {phase.name: phase.duration for phase in cycle.phases}
    assert lasts["open" if which == "placing" else "close"] == pytest.approx(follows.duration)
    assert "arm follows the belt" in str(cycle)
    said = json.loads(json.dumps(cycle.as_json()))
    assert set(said["motions"]) == {"approach", "transfer", "return", "open" if which == "placing" else "close"}


def test_the_place_is_met_where_the_belt_has_taken_it(placing: fm.PickCycle) -> None:
    begin = {phase.name: phase.begin for phase in placing.phases}
    for time in np.linspace(0.0, placing.opening.duration, 5):
        q = placing.opening.trajectory.position(float(time))
        gone = SPEED * (begin["open"] + time)
        expected = np.array([BELT_X, -0.5 + gone, BELT_TOP + SIZE[2] / 2])
        assert np.abs(fm.pose_at(placing.transfer.problem, q).translation - expected).max() < 1e-6


def test_the_item_is_met_where_the_belt_has_taken_it(picking: fm.PickCycle) -> None:
    begin = {phase.name: phase.begin for phase in picking.phases}
    held = picking.problem.holds[0]
    for time in np.linspace(0.0, picking.closing.duration, 5):
        q = picking.closing.trajectory.position(float(time))
        world_T_item = fm.pose_at(picking.closing.problem, q, "tool") * held.grasp.tool_T_item
        gone = SPEED * (begin["close"] + time)
        lift = world_T_item.translation - [BELT_X, -0.5 + gone, BELT_TOP + SIZE[2] / 2]
        assert np.abs(lift[:2]).max() < 1e-5 and -1e-6 < lift[2] < GENTLY + 1e-6
        assert lift[2] == pytest.approx(0.0 if time < 0.12 else GENTLY if time == picking.closing.duration else lift[2], abs=1e-6)
        assert np.abs(pin.log3(world_T_item.rotation)).max() < 1e-6


def test_the_item_is_an_obstacle_that_moves_on(picking: fm.PickCycle, placing: fm.PickCycle) -> None:
    (item,) = (o for o in picking.approach.problem.scene.obstacles if o.motion is not None)
    assert item.name == "block to pick" and np.allclose(item.motion.rate(np.array([0.1]))[0], [0, SPEED, 0])
    (left,) = (o for o in placing.back.problem.scene.obstacles if o.motion is not None)
    assert left.name == "block that was placed"
    # a hand that is shut by 1 cm more than it is would touch the item on its way
    tight = picking.approach.problem.with_(openings=(("hand", SIZE[1]),))
    assert not fm.certify(tight, picking.approach.trajectory, kinds=("clearance",)).ok


def test_what_stands_in_the_way_of_the_fingers_is_said(panda: fm.RobotModel) -> None:
    problem = onto_belt(panda, SPEED)
    x, y = TABLE
    beside = box("post", (0.02, 0.002, 0.08), (x, y + SIZE[1] / 2 + 0.006, 0.09))
    cycle = fm.plan_cycle(problem.with_(scene=replace(problem.scene, obstacles=(*problem.scene.obstacles, beside))), home=READY)
    assert not cycle.ok and cycle.refusal


def test_what_is_not_given_is_said(panda: fm.RobotModel) -> None:
    problem = onto_belt(panda, SPEED)
    with pytest.raises(fm.InputError, match="home"):
        fm.plan_cycle(problem)
    with pytest.raises(fm.InputError, match=r"start\.velocity.*plan_cycle"):
        fm.plan(from_belt(panda, SPEED))
    free = fm.State.at(replace(upright((0.5, -0.5, 0.15)), axis=np.array([0.0, 0, 1])), velocity=(0.0, SPEED, 0.0))
    with pytest.raises(fm.InputError, match=r"start\.pose"):
        fm.plan_cycle(from_belt(panda, SPEED).with_(start=free), home=READY)
    far = fm.plan_cycle(from_belt(panda, SPEED, along=5.0), home=READY)
    assert not far.ok and "reach" in far.refusal
    with pytest.raises(fm.InputError, match="not certified"):
        fm.follow_belt(far, Steady())


BELT_FILE = """
format = 1
robot = "panda"
limits = "fer"

[item]
name = "block"
mass = 0.2
max_pinch_force = 60.0
shapes = [{type = "box", size = [0.05, 0.03, 0.10]}]

[grasp]
tool_T_item = {position = [0.0, 0.0, 0.038], quaternion_xyzw = [1.0, 0.0, 0.0, 0.0]}
friction = 0.5
grip_force = [20.0, 50.0]

[start]
velocity = [0.0, 0.3, 0.0]
pose = {position = [0.5, -0.5, 0.15]}

[goal]
velocity = [0.0, 0.3, 0.0]
pose = {position = [0.5, 0.2, 0.15]}

[[obstacles]]
name = "belt"
type = "box"
size = [0.25, 1.6, 0.05]
position = [0.5, -0.6, 0.075]
surface_velocity = [0.0, 0.3, 0.0]

[[allowed_contacts]]
obstacle = "belt"
at = "both"
"""


def test_a_problem_file_says_what_moves(tmp_path: Path) -> None:
    file = tmp_path / "belt.toml"
    file.write_text(BELT_FILE)
    problem = fm.load_problem(file)
    assert problem.start.moves_on and problem.goal.moves
    assert problem.scene.surface_velocity("belt").tolist() == [0.0, 0.3, 0.0]
    said = fm.describe(problem)
    assert said["goal_velocity"] == said["start"]["velocity"] == said["obstacles"][0]["surface_velocity"] == [0.0, 0.3, 0.0]
    file.write_text(
        BELT_FILE.replace(
            "velocity = [0.0, 0.3, 0.0]\npose = {position = [0.5, 0.2", "velocity = [0.0, 9.0, 0.0]\npose = {position = [0.5, 0.2"
        )
    )
    with pytest.raises(fm.InputError, match=r"goal.*velocity.*at most 3 m/s"):
        fm.load_problem(file)


# -- a belt that drifts ---------------------------------------------------------------------------------------------------


class Accelerating:
    """A belt whose speed grows faster and faster."""

    def progress(self, time: float) -> float:
        return time + 0.03 * time**2 / 2 + 0.02 * time**3 / 3

    def share(self, time: float) -> float:
        return 1 + 0.03 * time + 0.02 * time**2


def test_a_drift_is_the_integral_of_its_speed() -> None:
    drift, h = fm.Drift(0.05, 4.0, 1.0), 1e-5
    assert drift.progress(0.0) == 0.0 and drift.share(0.0) == 1.0
    for time in np.linspace(-1.0, 6.0, 15):
        slope = (drift.progress(time + h) - drift.progress(time - h)) / (2 * h)
        assert slope == pytest.approx(drift.share(time), abs=1e-9)


def test_a_belt_whose_speed_is_a_parabola_in_time_is_foretold_exactly(panda: fm.RobotModel) -> None:
    problem, belt, meeting = onto_belt(panda, SPEED), Accelerating(), 1.3
    known = known_at(problem, belt, 0.4, meeting)
    place = problem.goal.poses[0].placement.translation + SPEED * belt.progress(meeting) * np.array([0, 1, 0])
    assert np.abs(known.goal.after(meeting).poses[0].placement.translation - place).max() < 1e-9
    assert known.goal.velocity[1] == pytest.approx(SPEED * belt.share(meeting), abs=1e-9)
    assert known.scene.surface_velocity("belt")[1] == known.goal.velocity[1]
    same = known_at(problem, Steady(), 0.4, meeting)
    assert np.abs(same.goal.poses[0].placement.translation - problem.goal.poses[0].placement.translation).max() < 1e-12


@pytest.fixture(scope="module")
def placed_in_flight(placing: fm.PickCycle) -> fm.FollowedCycle:
    return fm.follow_belt(placing, fm.Drift(0.05, 5.0, -1.2), by_the_clock=False)


@pytest.fixture(scope="module")
def picked_in_flight(picking: fm.PickCycle) -> fm.FollowedCycle:
    return fm.follow_belt(picking, fm.Drift(0.05, 5.0, -1.2), by_the_clock=False)


@pytest.mark.parametrize("which", ["placed_in_flight", "picked_in_flight"])
def test_motions_changed_in_flight_still_follow_each_other(which: str, request: pytest.FixtureRequest) -> None:
    flown: fm.FollowedCycle = request.getfixturevalue(which)
    cycle = flown.cycle
    assert cycle.ok and flown.in_time, cycle.refusal
    motions = [m for m in (cycle.approach, cycle.closing, cycle.transfer, cycle.opening, cycle.back) if m is not None]
    assert all(joints(one, other) < 1e-9 for one, other in pairwise(motions))
    assert [update.phase for update in flown.updates if update.joined and update.missed > NEAR]
    limits = cycle.problem.limit_set
    for motion in motions:
        v = motion.trajectory.motion(1).extremes()
        assert np.all(np.maximum(-v.low, v.high) <= limits.velocity * (1 + 1e-9))


def test_what_drifts_is_met_where_it_really_is(placed_in_flight: fm.FollowedCycle, picked_in_flight: fm.FollowedCycle) -> None:
    """Within half a millimetre, where a plan that is not changed misses by centimetres."""
    for flown, phase in ((placed_in_flight, "open"), (picked_in_flight, "close")):
        cycle, time = flown.cycle, flown.begins[phase]
        true = np.array([BELT_X, -0.5 + SPEED * flown.belt.progress(time), BELT_TOP + SIZE[2] / 2])
        motion = cycle.transfer if phase == "open" else cycle.approach
        q = motion.trajectory.position(motion.duration)
        tool_T_item = cycle.problem.holds[0].grasp.tool_T_item
        assert np.abs((pose_at(motion.problem, q, "tool") * tool_T_item).translation - true).max() < 5e-4
        assert abs(flown.belt.progress(time) - time) * SPEED > 3e-3


def test_a_belt_that_runs_evenly_changes_nothing(placing: fm.PickCycle) -> None:
    flown = fm.follow_belt(placing, Steady(), by_the_clock=False)
    changed = [update for update in flown.updates if update.missed > NEAR]
    assert flown.cycle.ok and not changed


def test_the_grip_bears_the_drag_of_the_belt(panda: fm.RobotModel) -> None:
    """As much as friction at the foot asks for: in proportion to the weight; an item that no grip bears is refused."""
    light, heavy = drag_grip(from_belt(panda, SPEED, mass=0.1)), drag_grip(from_belt(panda, SPEED, mass=0.3))
    assert heavy == pytest.approx(3 * light, rel=1e-9) and drag_grip(from_belt(panda, -SPEED, mass=0.1)) == pytest.approx(light)
    assert gripped_firmly(from_belt(panda, SPEED, mass=0.1)).holds[0].grasp.grip_force[0] == max(20.0, light)
    assert gripped_firmly(from_belt(panda, SPEED, mass=0.5)).holds[0].grasp.grip_force[0] == pytest.approx(5 * light)
    problem = from_belt(panda, SPEED, mass=0.5)
    weak = fm.hold(panda.gripper(), problem.holds[0].item, replace(problem.holds[0].grasp, grip_force=np.array([20.0, 21.0])))
    with pytest.raises(fm.InputError, match=r"grasp\.grip_force.*drags"):
        fm.plan_cycle(problem.with_(holds=(weak,)), home=READY)
    assert 0 < DRAG_SHARE < 0.5


# -- in physics -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "within"), [("placing", 2e-3), ("picking", 2e-3), ("placed_in_flight", 5e-3), ("picked_in_flight", 5e-3)]
)
def test_a_cycle_at_a_belt_holds_in_physics(which: str, within: float, request: pytest.FixtureRequest) -> None:
    """As it was planned where the belt runs evenly, as it was changed in flight where it drifts."""
    pytest.importorskip("mujoco")
    run = fm.run_cycle(request.getfixturevalue(which))
    assert run.ok, str(run)
    assert run.placed < within


def test_a_hand_that_stays_follows_on_until_the_item_is_at_rest(placing: fm.PickCycle) -> None:
    """Without a way home the arm goes on with the belt: it does not begin to follow anew."""
    pytest.importorskip("mujoco")
    run = fm.run_cycle(replace(placing, back=None))
    assert run.ok and run.placed < 2e-3 and run.tracking < 2e-3


def test_without_changes_the_item_is_missed_in_physics(placing: fm.PickCycle, placed_in_flight: fm.FollowedCycle) -> None:
    """The negative control: the cycle as it was planned, at the belt that drifts."""
    pytest.importorskip("mujoco")
    begins = {phase.name: phase.begin for phase in placing.phases}
    run = fm.run_cycle(fm.FollowedCycle(placing, placed_in_flight.belt, (), begins))
    assert run.event is fm.CycleEvent.MISPLACED and run.placed > 5e-3


def test_the_preview_shows_the_item_on_the_belt(picking: fm.PickCycle) -> None:
    page = cycle_html(picking)
    assert "CYCLE CERTIFIED" in page


def test_an_execution_ends_at_rest(placing: fm.PickCycle) -> None:
    with pytest.raises(fm.InputError, match="ends in motion"):
        fm.Execution(fm.registries.drivers.get("kinematic")(placing.transfer.problem, "", None), placing.transfer)
