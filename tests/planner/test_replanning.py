"""Plans changed in flight: what is left is kept where it can be, bent where the goal moved, and ends in a held stop otherwise."""

from dataclasses import replace

import numpy as np
import pinocchio as pin
import pytest
from generators import block, free_space_pairs, pinched
from scenes import furniture, named

import fastmove as fm
from fastmove.arrays import Array
from fastmove.certificate.certify import certify
from fastmove.collision.checker import Collision
from fastmove.errors import InputError
from fastmove.geometry.shapes import Shape
from fastmove.multibody.assembly import assemble
from fastmove.problem.describe import describe
from fastmove.problem.goal import Goal, State
from fastmove.problem.scene import Corridor, Obstacle, Scene
from fastmove.problem.transfer import TransferProblem
from fastmove.search.ik import pose_at
from fastmove.search.time_bound import braking


@pytest.fixture(scope="module")
def planned(panda: fm.RobotModel) -> fm.Solution:
    (problem,) = free_space_pairs("benchmark", 1, 3, pinched(panda, block(0.4), 30.0, 0.5))
    return fm.plan(problem.with_(scene=Scene(named(furniture()[:1])))).raise_for_status()


def joined(solution: fm.Solution, at: float, new: fm.Solution) -> None:
    """The whole motion is continuous, and the new part certified by itself."""
    whole = solution.trajectory.splice(at, new.trajectory)
    assert whole.duration == pytest.approx(at + new.duration, abs=1e-12)
    assert certify(new.problem, new.trajectory, step=1e-4).ok


def test_what_is_left_is_the_motion_itself(planned: fm.Solution) -> None:
    trajectory = planned.trajectory
    for at in (0.1, 0.35 * planned.duration, 0.9 * planned.duration):
        rest = trajectory.after(at)
        t = np.linspace(0, planned.duration - at, 200)
        for order in range(3):
            np.testing.assert_allclose(rest.sample(t, order), trajectory.sample(at + t, order), atol=1e-9)
    np.testing.assert_array_equal(trajectory.after(0.0).position(0.3), trajectory.position(0.3))


def test_nothing_changed_nothing_changes(planned: fm.Solution) -> None:
    at = 0.4 * planned.duration
    new = fm.replan(planned, at)
    assert new.solution.ok and not new.stops
    assert new.solution.duration == pytest.approx(planned.duration - at, abs=1e-12)
    joined(planned, at, new.solution)


def test_a_moved_goal_is_reached(planned: fm.Solution) -> None:
    at, end = 0.4 * planned.duration, planned.trajectory.position(planned.duration)
    goal = end + np.array([0.05, -0.04, 0.03, 0.05, 0.0, -0.05, 0.1])
    new = fm.replan(planned, at, goal=Goal(goal[None]))
    assert new.solution.ok and not new.stops
    np.testing.assert_allclose(new.solution.trajectory.position(new.solution.duration), goal, atol=1e-9)
    joined(planned, at, new.solution)
    again = fm.replan(planned, at, goal=Goal(goal[None])).solution
    np.testing.assert_array_equal(again.trajectory.position(0.1), new.solution.trajectory.position(0.1))


def ball(solution: fm.Solution, when: float, radius: float, off: float) -> Obstacle:
    """A ball beside where the item will be."""
    there = pose_at(solution.problem, solution.trajectory.position(when))
    at = pin.SE3(np.eye(3), there.translation + np.array([0.0, 0.0, off]))
    return Obstacle("ball", (Shape("sphere", radius=radius, placement=at),))


def test_something_in_the_way_is_avoided(planned: fm.Solution) -> None:
    at = 0.25 * planned.duration
    scene = planned.problem.scene.changed(add=[ball(planned, 0.65 * planned.duration, 0.05, 0.06)])
    assert not certify(planned.problem.with_(scene=scene), planned.trajectory, ("clearance",)).ok
    new = fm.replan(planned, at, scene=scene)
    assert new.solution.ok and not new.stops
    joined(planned, at, new.solution)


def test_a_goal_that_is_taken_ends_in_a_held_stop(planned: fm.Solution) -> None:
    at = 0.4 * planned.duration
    scene = planned.problem.scene.changed(add=[ball(planned, planned.duration, 0.05, 0.0)])
    new = fm.replan(planned, at, scene=scene)
    assert new.solution.ok and new.stops and "stops" in new.solution.detail
    joined(planned, at, new.solution)
    assert not np.any(np.abs(new.solution.trajectory.velocity(new.solution.duration)) > 1e-9)
    assert new.solution.duration < planned.duration - at


def with_corridor(planned: fm.Solution, at: str, length: float, degrees: float) -> fm.Solution:
    """The planned motion, as one that begins or ends in an upright corridor."""
    up = Corridor(at, np.array([0.0, 0.0, 1.0]), length, np.radians(degrees))
    return replace(planned, problem=planned.problem.with_(scene=replace(planned.problem.scene, corridors=(up,))))


def test_a_stop_needs_neither_a_corridor_nor_room_to_open(planned: fm.Solution) -> None:
    at = 0.4 * planned.duration
    old = with_corridor(planned, "goal", 0.05, 10.0)
    scene = old.problem.scene.changed(add=[ball(planned, planned.duration, 0.05, 0.0)])
    new = fm.replan(old, at, scene=scene)
    assert new.solution.ok and new.stops
    stop = new.solution.problem
    assert (
        not stop.goal.opens_hand and stop.scene.corridors == old.problem.scene.corridors
    )  # asked for again by whatever follows the stop
    end = new.solution.trajectory.position(new.solution.duration)
    opening = stop.with_(goal=Goal(end[None]))
    assert not certify(opening, new.solution.trajectory, ("corridor",)).ok
    assert certify(stop, new.solution.trajectory).kinds["release"].proof == "no limit"
    assert describe(stop)["goal_releases"] is False and "goal_releases" not in describe(opening)


def test_the_corridor_of_the_start_is_left_where_the_item_has_left_it(planned: fm.Solution) -> None:
    trajectory, problem = planned.trajectory, planned.problem
    time = np.linspace(0, planned.duration, 2000)
    places = np.array([pose_at(problem, trajectory.position(t)).translation for t in time])
    moved = np.linalg.norm(places - places[0], axis=1)  # this item's frame and its grasp's are at one point
    length = min(0.5, 0.9 * float(moved.max()))
    old = with_corridor(planned, "start", length, 89.0)
    for at in (0.1 * planned.duration, *time[(moved < 0.98 * length) & (time > 0)][::300]):
        later = time[(time >= at) & (moved >= length)]
        with pytest.raises(InputError, match="corridor at the start") as error:
            fm.replan(old, float(at))
        if len(later):
            assert float(str(error.value).split("left at ")[1].split(" s")[0]) == pytest.approx(later[0], abs=2e-3)
    free = float(time[moved > 1.02 * length][0])
    new = fm.replan(old, free)
    assert new.solution.ok and not new.solution.problem.scene.corridors
    again = fm.replan(new.solution, 0.3 * new.solution.duration, scene=old.problem.scene)  # it is behind for good
    assert again.solution.ok and not again.solution.problem.scene.corridors


def test_a_motion_that_is_all_but_over_is_left_alone(planned: fm.Solution) -> None:
    for left in (1e-13, 5e-10, 1e-6, 5e-4):
        with pytest.raises(InputError, match="inside the motion"):
            fm.replan(planned, planned.duration - left)
    assert fm.replan(planned, planned.duration - 1.001e-3).solution.ok


def test_where_not_even_a_stop_is_free_it_says_so(planned: fm.Solution) -> None:
    at = 0.4 * planned.duration
    scene = planned.problem.scene.changed(add=[ball(planned, at, 0.05, 0.0)])
    new = fm.replan(planned, at, scene=scene)
    assert not new.solution.ok and new.stops and "neither" in new.solution.detail


@pytest.mark.parametrize("at", [-0.1, 0.0, 1e3])
def test_a_time_outside_the_motion_is_named(planned: fm.Solution, at: float) -> None:
    with pytest.raises(InputError, match="inside the motion"):
        fm.replan(planned, at)


def test_what_is_replanned_streams(planned: fm.Solution) -> None:
    from fastmove.drivers.kinematic import KinematicDriver
    from fastmove.execution.stream import Execution

    with KinematicDriver(planned.problem) as driver:
        execution = Execution(driver, planned)
        execution.run(cycles=int(0.3 * planned.duration / driver.cycle))
        at = 0.4 * planned.duration
        goal = planned.trajectory.position(planned.duration) + 0.05
        new = fm.replan(planned, at, goal=Goal(goal[None]))
        execution.splice(at, new.solution)
        report = execution.run()
        assert report.ok
        np.testing.assert_allclose(driver.read().q, goal, atol=1e-6)


def changes(panda: fm.RobotModel, count: int, seed: int):  # type: ignore[no-untyped-def]
    """(solution, at, scene, goal): held transfers among furniture, at 40 % of them (the start is where the arm will be in 100 ms)
    an obstacle 3 cm or the goal 5 cm away from where it was; goal and a stop keep the required clearance."""
    rng, limits = np.random.default_rng(seed), panda.limit_set("benchmark")
    held = pinched(panda, block(0.4), 30.0, 0.5)
    scene = Scene(named(furniture()))
    found = 0
    while found < count:
        start, end = rng.uniform(limits.position_min, limits.position_max, (2, 7))
        problem = TransferProblem("flight", panda, (held,), scene, State.rest(start), Goal(end[None]), "benchmark")
        if not free(problem, (start, end)):
            continue
        solution = fm.plan(problem)
        at = 0.4 * solution.duration + 0.1 if solution.ok else 1.0
        if not solution.ok or at > 0.9 * solution.duration:
            continue
        now = State(*(solution.trajectory.sample(at, order) for order in range(3)))
        for kind in ("obstacle", "goal"):
            way = rng.normal(size=3)
            way /= np.linalg.norm(way)
            name, goal = f"part{rng.integers(len(scene.obstacles))}", end
            if kind == "goal":
                goal = end + joint_shift(problem, end, 0.05 * way)
            moved = {name: pin.SE3(np.eye(3), 0.03 * way)} if kind == "obstacle" else {}
            new = problem.with_(scene=scene.changed(move=moved), goal=Goal(goal[None]), start=State.rest(now.q))
            inside = np.all((goal > limits.position_min) & (goal < limits.position_max))
            if inside and free(new, (now.q, braking(now, limits, 0.7), goal)):
                found += 1
                yield kind, solution, at, new.scene, None if kind == "obstacle" else new.goal


def joint_shift(problem: TransferProblem, q: Array, shift: Array) -> Array:
    """Small change of the joints that moves the hand by this much [m], unturned."""
    arm = assemble(problem).arm
    data = arm.createData()
    jacobian = pin.computeFrameJacobian(arm, data, q, arm.getFrameId("panda_hand"), pin.LOCAL_WORLD_ALIGNED)
    return np.linalg.pinv(jacobian) @ np.concatenate([shift, np.zeros(3)])


def free(problem: TransferProblem, configurations: tuple[Array, ...]) -> bool:
    collision = Collision(problem, assemble(problem))
    ends = collision.ends(configurations[0], configurations[-1])
    return not any(collision.margins_at(q, ends) for q in configurations)


@pytest.mark.slow
def test_changes_in_flight_among_furniture(panda: fm.RobotModel) -> None:
    times: dict[str, list[float]] = {"obstacle": [], "goal": []}
    reached = stopped = nothing = 0
    for kind, solution, at, scene, goal in changes(panda, 200, 1):
        new = fm.replan(solution, at, scene, goal)
        times[kind].append(new.solution.timings["total"])
        fine = new.solution.ok and certify(new.solution.problem, new.solution.trajectory, step=1e-4).ok
        reached, stopped, nothing = reached + (fine and not new.stops), stopped + (fine and new.stops), nothing + (not fine)
    for kind, took in times.items():
        p50, p95 = np.percentile(took, [50, 95]) * 1e3
        print(f"{kind}: {len(took)} changes, p50 {p50:.1f} ms, p95 {p95:.1f} ms")
    print(f"certified at ten times the density: {reached} to the goal, {stopped} stops, {nothing} neither")
    assert reached >= 0.97 * (reached + stopped + nothing) and nothing == 0
