"""Other speeds and held stops along a certified path: the motions, the windows, the certificates, and physics."""

from dataclasses import replace

import numpy as np
import pytest
from flight import Recorder

import fastmove as fm
from fastmove.bench.flight.stops import held_motion
from fastmove.certificate.along_path import GEOMETRIC, certify_along
from fastmove.dynamics.efforts import Dynamics
from fastmove.dynamics.load_usage import LoadUtilisation
from fastmove.dynamics.speed_window import speed_window
from fastmove.execution.speed_change import speed_laws
from fastmove.execution.stops import OFF_PATH, ON_PATH, CertifiedPath
from fastmove.multibody.assembly import assemble
from fastmove.trajectory.time_law import Pace, TimeLaw, along

NAMES = ("heavy_jar", "open_cup")


@pytest.fixture(scope="module", params=NAMES)
def solution(request: pytest.FixtureRequest) -> fm.Solution:
    return fm.plan(request.param).raise_for_status()


@pytest.fixture(scope="module")
def path(solution: fm.Solution) -> CertifiedPath:
    return CertifiedPath(solution)


@pytest.fixture(scope="module")
def table(solution: fm.Solution) -> fm.StopTable:
    return fm.stop_table(solution)


def test_a_path_run_by_a_law_is_the_path_at_its_places(solution: fm.Solution) -> None:
    """q(s(t)), and its derivatives by the chain rule, for laws drawn at random."""
    rng = np.random.default_rng(3)
    trajectory = solution.trajectory
    for _ in range(5):
        begin = rng.uniform(0.05, 0.3)
        pace = Pace(begin, rng.uniform(0.4, 1.0), rng.uniform(-0.5, 0.2))
        law = TimeLaw.of(pace, [(0.03, rng.uniform(-9, 9)) for _ in range(8)])
        motion, t = along(trajectory, law), np.linspace(1e-6, law.duration - 1e-6, 211)
        s = [law.pieces(t)[:, 0]]
        derivative = law.pieces
        for _ in range(3):
            derivative = derivative.derivative()
            s.append(derivative(t)[:, 0])
        q = [trajectory.sample(s[0], k) for k in range(4)]
        column = [x[:, None] for x in s]
        assert np.abs(motion.position(t) - q[0]).max() < 1e-12
        assert np.abs(motion.velocity(t) - q[1] * column[1]).max() < 1e-11
        assert np.abs(motion.acceleration(t) - q[2] * column[1] ** 2 - q[1] * column[2]).max() < 1e-9
        jerk = q[3] * column[1] ** 3 + 3 * q[2] * column[1] * column[2] + q[1] * column[3]
        assert np.median(np.abs(motion.jerk(t) - jerk)) < 1e-7  # but for the sides of jumps


def test_the_window_is_inside_every_limit(solution: fm.Solution) -> None:
    """At its edges accelerations, torques, hold and tolerances, computed afresh, are within their limits."""
    problem, rng = solution.problem, np.random.default_rng(0)
    dynamics, loads = Dynamics(problem, assemble(problem)), LoadUtilisation(problem)
    window = speed_window(problem, dynamics, solution.trajectory)
    k, m = rng.integers(1, len(window.place) - 1, 300), rng.integers(0, len(window.speed), 300)
    q, v, a = (solution.trajectory.sample(window.place[k], order) for order in range(3))
    speed = window.speed[m][:, None]
    for edge in (window.low, window.high):
        change = edge[k, m][:, None]
        inside = np.abs(change[:, 0]) > 1e-9  # where it is shut nothing is proposed
        acceleration = a * speed**2 + v * change
        efforts = dynamics.efforts(q, v * speed, acceleration).total
        assert np.all(np.abs(acceleration[inside]) <= problem.limit_set.acceleration * (1 + 1e-9))
        torque = np.abs(efforts[:, :, : problem.robot.n_arm]).max(axis=1)
        assert np.all(torque[inside] <= problem.limit_set.effort * (1 + 1e-9))
        assert np.all(loads.hold_utilisation(efforts)[inside] <= 1 + 1e-9)
        assert np.all(loads.tolerance_utilisation(efforts, False)[inside] <= 1 + 1e-9)


def test_laws_begin_and_arrive_as_asked_and_never_go_back(path: CertifiedPath) -> None:
    rng, found = np.random.default_rng(1), 0
    for _ in range(12):
        place, speed, target = rng.uniform(0.02, 0.6 * path.end), rng.choice([1.0, 0.6, 0.0]), rng.choice([0.0, 0.3, 1.0])
        for law in speed_laws(path.looks, Pace(place, speed), target):
            found += 1
            slope = law.pieces.derivative()
            speeds = slope(np.linspace(0, law.duration, 500), "left")[:, 0]
            assert (
                law.pace(0.0).place == place
                and speeds[0] == pytest.approx(speed)
                and -1e-6 < speeds.min() <= speeds.max() < 1.002
            )
            if target == 0 or law.last < path.end - 1e-9:  # else it came to the path's end, which is at rest, on the way
                assert speeds[-1] == pytest.approx(target, abs=1e-6)
                assert abs(slope.derivative()(law.duration, "left")[0, 0]) < 1e-6
    assert found > 12


def test_stops_of_a_table_are_certified_from_scratch_and_cover_the_motion(solution: fm.Solution, table: fm.StopTable) -> None:
    """The full certificate, distances included, agrees with the one that inherits them from the path."""
    instants = np.array([stop.at for stop in table.stops])
    assert np.diff(instants).max() <= 0.025 + 1e-9 and instants[0] == 0 and instants[-1] == pytest.approx(solution.duration)
    on_path = [stop for stop in table.stops if stop.where == ON_PATH]
    begun = [stop for stop in table.stops if stop.where in (ON_PATH, OFF_PATH) and stop.begins == stop.at]
    assert len(on_path) > 8
    for one, later in zip(table.stops, table.stops[1:], strict=False):
        assert one.begins in (one.at, later.begins) and one.at <= one.begins
    for stop in (*begun[:: max(1, len(begun) // 5)], *(stop for stop in begun if stop.where == OFF_PATH)):
        motion = stop.change.solution
        assert motion.certificate.ok and set(GEOMETRIC) <= set(motion.certificate.kinds)
        last = motion.trajectory
        assert np.abs(last.velocity(last.duration)).max() < 1e-6 and np.abs(last.acceleration(last.duration)).max() < 1e-4
        held, whole = held_motion(solution, stop)
        again = fm.certify(held, whole, [kind.name for kind in held.limit_kinds if kind.name != "release"])
        assert again.ok, (stop, again)
        assert 0 < stop.distance < 3 and table.next(stop.at - 1e-3) is stop


def test_an_item_is_held_through_stops(solution: fm.Solution, table: fm.StopTable) -> None:
    """Physics: the arm stops in mid-motion with the item in its hand."""
    pytest.importorskip("mujoco", reason="mujoco is not installed")
    for stop in [stop for stop in table.stops if stop.change is not None][::6]:
        assert fm.judge.judge(*held_motion(solution, stop)).verdict is fm.Verdict.HELD, stop


def test_random_speeds_pauses_and_resumes_stay_inside_every_limit(solution: fm.Solution) -> None:
    """What a driver was sent, every millisecond, by finite differences; and the arm arrives in the end."""
    problem, limits = solution.problem, solution.problem.limit_set
    for seed in range(2):
        rng = np.random.default_rng(seed)
        with Recorder(problem) as driver:
            execution, changed = fm.Execution(driver, solution), 0
            for _ in range(6):
                execution.run(int(rng.integers(20, 150)))
                if execution.cycle >= len(execution.stream) - 3 and driver.commands[-1].v.any():
                    break
                changed += execution.speed(float(rng.choice([0.0, 0.05, 0.3, 1.0]))).ok
            if np.abs(execution.stream.q[-1] - solution.trajectory.position(solution.duration)).max() > 1e-9:
                execution.run()
                assert execution.speed(1.0).ok
            report = execution.run()
            assert report.ok and changed > 0
            q, v, a = (np.array([getattr(c, key) for c in driver.commands]) for key in ("q", "v", "a"))
        cycle = driver.cycle
        assert np.abs(q[-1] - solution.trajectory.position(solution.duration)).max() < 1e-9
        assert np.all(np.abs(v) <= limits.velocity * (1 + 1e-9)) and np.all(np.abs(a) <= limits.acceleration * (1 + 1e-9))
        assert np.abs(np.diff(q, axis=0) / cycle - (v[1:] + v[:-1]) / 2).max() < cycle**2 * limits.jerk.max()
        assert np.all(np.abs(np.diff(a, axis=0)) <= 1.01 * cycle * limits.jerk + 1e-6)


def test_a_stop_ends_the_run_and_a_pause_does_not(solution: fm.Solution) -> None:
    for asked, event in (("pause", fm.Event.DONE), ("stop", fm.Event.STOPPED)):
        with Recorder(solution.problem) as driver:
            execution = fm.Execution(driver, solution)
            execution.run(200)
            assert getattr(execution, asked)().ok and execution.run().event is event
        ended = driver.commands[-1]
        assert np.abs(ended.v).max() < 1e-6 and np.abs(ended.q - solution.trajectory.position(solution.duration)).max() > 0.05
    assert execution.resume().ok and execution.run().ok  # and on it goes


def test_what_may_not_be_run_at_another_speed_is_refused(solution: fm.Solution) -> None:
    problem, trajectory, certificate = solution.problem, solution.trajectory, solution.certificate
    law = TimeLaw.of(Pace(0.1), [(0.05, 0.0)])
    with pytest.raises(fm.InputError, match="is not ok"):
        certify_along(problem, trajectory, replace(certificate, kinds={}), law)
    with pytest.raises(fm.InputError, match="allowed: above 0, to 1"):
        CertifiedPath(solution).speed(Pace(0.1), 1.5)
    with pytest.raises(fm.InputError, match="not certified"):
        CertifiedPath(fm.Solution(problem, fm.Status.NO_PATH))


def test_a_law_that_brakes_too_hard_is_found_out(solution: fm.Solution) -> None:
    """An attack: the certificate does not believe who proposes a law."""
    trajectory = solution.trajectory
    hard = TimeLaw.of(Pace(0.2), [(0.02, -2500.0), (0.02, 2500.0)])
    q, v, a = (along(trajectory, hard).sample(0.0, k) for k in range(3))
    last = trajectory.position(hard.last)
    problem = solution.problem.with_(start=fm.State(q, v, a), goal=fm.Goal(last[None], opens_hand=False))
    _, certificate = certify_along(problem, trajectory, solution.certificate, hard)
    assert not certificate.ok and certificate.kinds["acceleration"].margin < 0


def test_a_reserve_leaves_its_share_and_makes_slowing_quicker() -> None:
    whole, kept = (fm.plan("heavy_jar", fm.Options(reserve=share)).raise_for_status() for share in (0.0, 0.1))
    for kind in ("acceleration", "torque", "torque_rate", "hold", "pad_share"):
        assert kept.certificate.profile[kind].max() <= 0.9 + 5e-3, kind
    assert kept.duration < 1.12 * whole.duration and kept.grip_force == whole.grip_force
    assert kept.lower_bound == whole.lower_bound  # of the arm as it is, not of one with less acceleration
    longest = [max(stop.time for stop in fm.stop_table(s).stops if stop.where == ON_PATH) for s in (whole, kept)]
    assert longest[1] < longest[0]
    with pytest.raises(fm.InputError, match="reserve"):
        fm.Options(reserve=1.0)


def test_among_moving_obstacles_everything_is_certified_again_for_its_own_times() -> None:
    """At half speed the arm is where it was at other times than the carton was when that was certified."""
    solution = fm.plan("bulb_past_a_carton", fm.Options(reserve=0.1)).raise_for_status()
    path, scene, at = CertifiedPath(solution), solution.problem.scene, 0.3 * solution.duration
    change = path.stop(Pace(at), scene.after(at))
    assert change is not None
    problem, motion = change.solution.problem, change.solution.trajectory
    assert fm.certify(problem, motion).ok
    law = TimeLaw.of(Pace(0.0, 1.0), [(solution.duration, 0.0)])
    _, own = certify_along(solution.problem, solution.trajectory, solution.certificate, law)
    assert "of the path" not in own.kinds["clearance"].proof  # not inherited
    with fm.drivers.KinematicDriver(solution.problem) as driver:
        execution = fm.Execution(driver, solution)
        execution.run(100)
        assert execution.pause().ok and execution.run().ok
        assert "only a new plan" in execution.resume().wait(1).detail
