"""Arriving at a goal that moves on: joint motions that follow it, and the soonest that one can be met."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pinocchio as pin
import pytest
from belts import onto_belt

import fastmove as fm
from fastmove.multibody.assembly import assemble, goal_frame
from fastmove.search.arrival import Arrival, arrivals, followed_on, goal_bound
from fastmove.search.ik import with_goal_configurations
from fastmove.search.time_bound import lower_bound

SPEED = 0.4  # of the belt [m/s]


@pytest.fixture(scope="module")
def met(panda: fm.RobotModel) -> fm.TransferProblem:
    """The block onto the belt, with configurations at its place about when it may be there."""
    return with_goal_configurations(onto_belt(panda, SPEED))


@pytest.fixture(scope="module")
def curves(met: fm.TransferProblem) -> list[Arrival]:
    return [arrival for arrival in arrivals(met, met.goal.configurations) if arrival is not None]


def test_the_frame_is_where_the_goal_is_and_moves_with_it(met: fm.TransferProblem, curves: list[Arrival]) -> None:
    assembly, rng = assemble(met), np.random.default_rng(0)
    joint, placement = goal_frame(assembly, met.robot, met.goal.poses[0])
    arm, data = assembly.arm, assembly.arm.createData()
    assert len(curves) >= 3
    for arrival in curves:
        for time in rng.uniform(arrival.first, arrival.last, 8):
            q, v, a, _ = arrival.derivatives(time)
            pin.forwardKinematics(arm, data, q, v, a)
            there = met.goal.after(time).poses[0].placement
            assert np.abs((data.oMi[joint] * placement).homogeneous - there.homogeneous).max() < 1e-9
            frame = arm.addFrame(pin.Frame(f"goal {time} {rng.random()}", joint, placement, pin.FrameType.OP_FRAME))
            fresh = arm.createData()
            pin.forwardKinematics(arm, fresh, q, v, a)
            twist = pin.getFrameVelocity(arm, fresh, frame, pin.LOCAL_WORLD_ALIGNED).vector
            gain = pin.getFrameClassicalAcceleration(arm, fresh, frame, pin.LOCAL_WORLD_ALIGNED).vector
            assert np.abs(twist - [0, SPEED, 0, 0, 0, 0]).max() < 1e-7
            assert np.abs(gain).max() < 1e-5


def test_derivatives_are_those_of_the_position_and_go_straight_on_beyond_the_ends(curves: list[Arrival]) -> None:
    arrival, h = curves[0], 1e-5
    for time in np.linspace(arrival.first + 2 * h, arrival.last - 2 * h, 7):
        here = arrival.derivatives(time)
        central = (arrival.derivatives(time + h) - arrival.derivatives(time - h)) / (2 * h)
        assert np.abs(here[1:3] - central[:2]).max() < 1e-4
    q, v, a, j = arrival.derivatives(arrival.last + 0.3)
    end = arrival.derivatives(arrival.last)
    assert np.allclose(q, end[0] + 0.3 * end[1]) and np.array_equal(v, end[1]) and not a.any() and not j.any()
    assert not arrival.reaches(arrival.last + 0.3) and arrival.reaches(arrival.last)


def test_it_stays_within_the_limits(met: fm.TransferProblem, curves: list[Arrival]) -> None:
    limits = met.limit_set
    for arrival in curves:
        q, v, a, _ = (np.array(x) for x in zip(*(arrival.derivatives(t) for t in arrival.motion.times), strict=True))
        assert np.all((q >= limits.position_min) & (q <= limits.position_max))
        assert np.all(np.abs(v) <= limits.velocity) and np.all(np.abs(a) <= limits.acceleration)


def test_the_bound_is_the_soonest_meeting(met: fm.TransferProblem) -> None:
    """At the bound T the joints can be there in time, and at no earlier one."""
    checked = 0
    for q, arrival in zip(met.goal.configurations, arrivals(met, met.goal.configurations), strict=True):
        if arrival is None:
            continue
        try:
            bound = goal_bound(met, q, arrival).duration
        except fm.GoalOutOfReach:
            continue
        alone = lambda t, arrival=arrival: lower_bound(met.start, arrival.state(t), met.limit_set).duration  # noqa: E731
        assert alone(bound) <= bound + 1e-6
        sooner = np.linspace(max(arrival.first, 0.0), bound - 1e-4, 25)
        assert all(alone(t) > t for t in sooner if t < bound - 1e-4)
        checked += 1
    assert checked >= 3


def test_what_does_not_come_or_leaves_too_soon_is_said(panda: fm.RobotModel) -> None:
    far = fm.plan(onto_belt(panda, 0.1, along=5.0))
    assert not far.ok and "does not come within reach" in far.detail and "goal.velocity" in far.detail
    gone = fm.plan(onto_belt(panda, -1.5, along=-0.35))
    assert not gone.ok and "reach" in gone.detail


def test_what_follows_begins_exactly_in_the_state_it_is_given(met: fm.TransferProblem, curves: list[Arrival]) -> None:
    time, arrival = met.goal.time + 0.1, curves[0]
    state = arrival.state(time)
    motion = followed_on(met, state, time, 0.3)
    assert motion is not None and motion.duration == pytest.approx(0.3, abs=1e-12)
    for order, wanted in enumerate((state.q, state.v, state.a)):
        derivative = motion
        for _ in range(order):
            derivative = derivative.derivative()
        assert np.array_equal(derivative(0.0)[0], wanted) or np.abs(derivative(0.0)[0] - wanted).max() < 1e-15
    assert np.abs(motion(0.3, "left")[0] - arrival.derivatives(time + 0.3)[0]).max() < 1e-7
    assert followed_on(met, state, time, 60.0) is None


def test_a_goal_that_moves_is_given_by_poses_and_its_velocity_is_checked(panda: fm.RobotModel) -> None:
    place = onto_belt(panda, SPEED).goal.poses[0]
    with pytest.raises(fm.InputError, match=r"goal\.velocity.*poses"):
        fm.Goal(np.zeros((1, 7)), velocity=np.array([0.1, 0, 0]))
    for wrong in ((0.0, 4.0, 0.0), (0.0, np.nan, 0.0), (0.1, 0.2)):
        with pytest.raises(fm.InputError, match=r"goal\.velocity"):
            fm.Goal.at(place, velocity=wrong)
    later = fm.Goal.at(place, velocity=(0.0, 0.4, 0.0)).after(0.5)
    assert np.allclose(later.poses[0].placement.translation - place.placement.translation, [0, 0.2, 0])
    still = fm.Goal.at(place)
    assert still.after(0.5) is still


def test_what_is_touched_moves_as_the_goal_does(panda: fm.RobotModel) -> None:
    problem = onto_belt(panda, SPEED)
    with pytest.raises(fm.InputError, match=r"goal\.velocity.*belt.*surface_velocity"):
        problem.with_(goal=replace(problem.goal, velocity=np.array([0.0, 0.3, 0.0])))
    still = problem.with_(goal=fm.Goal(np.array(problem.start.q)[None]))  # at rest nothing of the belt is touched
    assert [c.obstacle for c in still.allowed_contacts] == ["table"]
    with pytest.raises(fm.InputError, match=r"corridors"):
        problem.with_(scene=replace(problem.scene, corridors=(fm.Corridor("goal", np.array([0.0, 0, 1]), 0.05, 0.2),)))
    with pytest.raises(fm.InputError, match=r"surface_velocity"):
        replace(problem.scene.obstacles[0], surface_velocity=(0.0, np.inf, 0.0))
