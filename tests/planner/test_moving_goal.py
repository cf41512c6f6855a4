"""Motions that end on a belt: certified by what an outsider computes, refused where the belt is elsewhere, changed in flight."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pinocchio as pin
import pytest
from belts import onto_belt

import fastmove as fm
from fastmove.certificate.certify import certify
from fastmove.collision.checker import Collision
from fastmove.dynamics.efforts import Dynamics
from fastmove.multibody.assembly import assemble
from fastmove.optim.breakpoints import switch_basis
from fastmove.optim.transcription import Transcription
from fastmove.planner.replanning import bent_to_join, bent_towards, problem_ahead, warm_started
from fastmove.planner.sensitivity import prices
from fastmove.search.arrival import arrival_of, goal_bound
from fastmove.search.ik import with_goal_configurations
from fastmove.trajectory.trajectory import Phase, Trajectory

SPEED = 0.3  # of the belt [m/s]


@pytest.fixture(scope="module")
def plan(panda: fm.RobotModel) -> fm.Solution:
    return fm.plan(onto_belt(panda, SPEED), fm.Options(reserve=0.05)).raise_for_status()


def moved_on(plan: fm.Solution, at: float, share: float) -> tuple[fm.Scene, fm.Goal]:
    """Scene and goal at a time [s] of a belt that has run at this share of its speed since the motion began."""
    problem, velocity = plan.problem, np.array(plan.problem.goal.velocity) * share
    belts = (replace(o, surface_velocity=tuple(share * np.array(o.surface_velocity))) for o in problem.scene.obstacles)
    goal = fm.Goal.at(*(pose.shifted(velocity * at) for pose in problem.goal.poses), velocity=velocity)
    return replace(problem.scene, obstacles=tuple(belts)), goal


def test_the_item_ends_where_its_place_is_then_and_moves_with_it(plan: fm.Solution) -> None:
    """By pinocchio alone: pose, velocity and acceleration of the item at the end."""
    problem, trajectory = plan.problem, plan.trajectory
    held, arm = problem.holds[0], assemble(problem).arm
    frame = assemble(problem).hold_frames[0]
    at = frame.joint_T_grasp * held.grasp_T_item
    item = arm.addFrame(pin.Frame("item", frame.joint, at, pin.FrameType.OP_FRAME))
    data, end = arm.createData(), [trajectory.sample(plan.duration, order) for order in range(3)]
    pin.forwardKinematics(arm, data, *end)
    pin.updateFramePlacements(arm, data)
    place = problem.goal.poses[0].placement.translation + SPEED * plan.duration * np.array([0, 1, 0])
    assert np.abs(data.oMf[item].translation - place).max() < 1e-6
    twist = pin.getFrameVelocity(arm, data, item, pin.LOCAL_WORLD_ALIGNED).vector
    assert np.abs(twist - [0, SPEED, 0, 0, 0, 0]).max() < 1e-5
    gain = pin.getFrameClassicalAcceleration(arm, data, item, pin.LOCAL_WORLD_ALIGNED).vector
    assert np.abs(gain).max() < 1e-4
    assert plan.certificate.kinds["allowed_contact"].ok and plan.certificate.kinds["goal"].proof == "exact"


def test_a_belt_that_is_elsewhere_is_refused(plan: fm.Solution) -> None:
    """The same motion where the place is 1 % faster, 1 ms later, or at rest."""
    scene, goal = moved_on(plan, 0.0, 1.01)
    faster = certify(plan.problem.with_(scene=scene, goal=goal), plan.trajectory)
    assert not faster.kinds["goal"].ok and faster.kinds["goal"].unit in ("m", "m/s")
    late = certify(plan.problem.with_(goal=plan.problem.goal.after(1e-3)), plan.trajectory)
    assert not late.kinds["goal"].ok and late.kinds["goal"].unit == "m"
    still = replace(plan.problem.goal.after(plan.duration), velocity=np.zeros(3))
    rest = certify(plan.problem.with_(goal=still), plan.trajectory)
    assert not rest.kinds["goal"].ok and rest.kinds["goal"].unit in ("rad/s", "rad/s²")
    # at rest nothing of the belt may be touched at all
    assert not rest.kinds["clearance"].ok and "belt" in rest.kinds["clearance"].where


def test_being_dragged_along_a_surface_is_refused(plan: fm.Solution) -> None:
    """The end of the motion, over a belt whose surface stands: there the place that may be touched does not move along."""
    problem = plan.problem
    scene = problem.scene
    standing = tuple(replace(o, surface_velocity=(0.0, 0.0, 0.0)) for o in scene.obstacles)
    dragged = problem.with_(goal=fm.Goal(plan.trajectory.position(plan.duration)[None]), scene=replace(scene, obstacles=standing))
    certificate = certify(dragged, plan.trajectory, kinds=("allowed_contact",))
    assert not certificate.kinds["allowed_contact"].ok and "belt" in certificate.kinds["allowed_contact"].where


def test_control_points_follow_the_arrival_in_any_duration(panda: fm.RobotModel) -> None:
    """They end in the state of the arrival at T, and their derivative with respect to T is exact."""
    problem = with_goal_configurations(onto_belt(panda, SPEED))
    goal = np.array(problem.goal.configurations[0])
    arrival = arrival_of(problem, goal)
    basis = switch_basis(goal_bound(problem, goal, arrival))
    dynamics = Dynamics(problem, assemble(problem))
    transcription = Transcription(problem, dynamics, problem.start, goal, basis, arrival=arrival)
    free = np.random.default_rng(0).normal(size=(transcription.n_free, 7)) * 0.1 + goal
    assert not transcription.at_rest and not transcription.rescales
    for duration in (0.6, 0.9, 1.4):
        motion = transcription.polynomial(free, duration)
        for expected in arrival.derivatives(duration)[:3]:
            np.testing.assert_allclose(motion(duration, "left")[0], expected, atol=1e-8)
            motion = motion.derivative()
        np.testing.assert_allclose(transcription.free_of(transcription.points(free, duration), duration), free, atol=1e-12)
        h = 1e-6
        central = (transcription.points(free, duration * (1 + h)) - transcription.points(free, duration * (1 - h))) / (2 * h)
        np.testing.assert_allclose(transcription.points_slope(duration), central, atol=1e-7)


def test_distances_of_what_may_be_touched_change_as_the_surface_moves_on(plan: fm.Solution) -> None:
    """Rates of the margins, and of the cones' displacements, against central differences in time."""
    problem = plan.problem
    collision = Collision(problem, assemble(problem))
    goal = np.array(problem.goal.configurations[0])
    ends = collision.ends(np.array(problem.start.q), goal)
    times = np.linspace(plan.duration - 0.06, plan.duration - 0.004, 12)
    # a little off the motion, so that no two points of the item have moved exactly as far
    q = plan.trajectory.position(times) + np.random.default_rng(0).uniform(-1e-3, 1e-3, (12, 7))
    h, seen = 1e-6, 0
    here, after, before = (collision.query(q, ends, 0.05, True, time=times + shift) for shift in (0.0, h, -h))
    assert np.array_equal(here.pair, after.pair) and np.array_equal(here.pair, before.pair)
    central = (after.margin - before.margin) / (2 * h)
    np.testing.assert_allclose(here.rate, central, rtol=1e-3, atol=1e-6)
    assert np.abs(here.rate).max() > 1e-3
    for one, later, sooner in zip(here.fading.moved, after.fading.moved, before.fading.moved, strict=True):
        if one.shape == later.shape == sooner.shape:
            np.testing.assert_allclose((later - sooner) / (2 * h), np.broadcast_to([0, -SPEED, 0], one.shape), atol=1e-6)
            seen += 1
    assert seen and np.allclose(here.fading.rate, [0, -SPEED, 0])


@pytest.mark.parametrize("share", [0.95, 1.0, 1.05])
def test_a_belt_that_drifts_is_met_all_the_same(plan: fm.Solution, share: float) -> None:
    """From 0.2 s into the motion on, by a bent motion that lasts as long, or one that is solved for."""
    at = 0.2
    scene, goal = moved_on(plan, at, share)
    problem = problem_ahead(plan, at, scene=scene, goal=goal)
    bent = bent_towards(problem, plan.trajectory, at)
    assert bent is None or (bent.ok and bent.duration == pytest.approx(plan.duration - at, abs=1e-9))
    solved = warm_started(problem, plan.trajectory, at)
    assert solved is not None and solved.ok
    assert solved.duration < plan.duration - at + 0.05
    for new in filter(None, (bent, solved)):
        certificate = certify(problem, new.trajectory)
        assert certificate.ok and certificate.kinds["goal"].ok
        plan.trajectory.splice(at, new.trajectory)  # joins in q, v, a


def test_replanning_leaves_a_motion_that_is_still_right_as_fast(plan: fm.Solution) -> None:
    again = fm.replan(plan, 0.2)
    assert not again.stops and again.solution.ok and again.solution.duration < plan.duration - 0.2 + 1e-3


def test_a_motion_is_bent_from_a_start_that_is_a_little_elsewhere(plan: fm.Solution) -> None:
    start = np.array(plan.problem.start.q) + 5e-4 * np.array([1, -1, 1, 1, -1, 1, -1.0])
    goal = replace(plan.problem.goal, configurations=plan.trajectory.position(plan.duration)[None], time=plan.duration)
    only_belt = replace(
        plan.problem.scene, obstacles=plan.problem.scene.obstacles[1:], allowed_contacts=(fm.AllowedContact("belt", "goal"),)
    )
    bent = bent_to_join(plan.problem.with_(start=fm.State.rest(start), goal=goal, scene=only_belt), plan.trajectory)
    assert bent is not None and bent.ok and bent.duration == pytest.approx(plan.duration)
    assert np.abs(bent.trajectory.position(0.0) - start).max() < 1e-12


def test_it_is_the_same_motion_again(panda: fm.RobotModel) -> None:
    problem = onto_belt(panda, SPEED, touch=False)
    one, other = fm.plan(problem), fm.plan(problem)
    assert one.ok and one.trajectory.phases[0].control_points.tobytes() == other.trajectory.phases[0].control_points.tobytes()


def test_what_is_only_for_goals_that_stand_is_refused(plan: fm.Solution) -> None:
    with pytest.raises(fm.InputError, match=r"goal\.velocity"):
        prices(plan)
    slower = Trajectory(tuple(replace_speed(phase, 1.2) for phase in plan.trajectory.phases), plan.trajectory.joint_names)
    assert not certify(plan.problem, slower).kinds["goal"].ok


def replace_speed(phase: Phase, factor: float) -> Phase:
    """The same path, slower by a factor."""
    return Phase.from_spline(phase.basis, phase.control_points, factor * phase.duration, phase.grip_force, phase.opening)
