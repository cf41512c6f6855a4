"""Changes in flight: what is answered, what is joined and when, the planning process, and the log of it all."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest
from flight import Recorder

import fastmove as fm
from fastmove.certificate.certify import certify
from fastmove.cli.main import main
from fastmove.drivers.driver import Reading
from fastmove.execution.answers import Answer, FlightPlanner
from fastmove.execution.brakes import brake, jerk_share
from fastmove.execution.command_stream import CommandStream
from fastmove.execution.events import Event
from fastmove.execution.loop import Loop, Splice
from fastmove.execution.time_limit import interrupt, within
from fastmove.execution.update import Update
from fastmove.multibody.assembly import assemble
from fastmove.search.time_bound import braking_motion, sampled, switching_times
from fastmove.trajectory.piecewise_polynomial import quintic_hermite

AT = 0.25  # time at which something changes [s]


@pytest.fixture(scope="module")
def solution() -> fm.Solution:
    return fm.plan("heavy_jar", fm.Options(reserve=0.1)).raise_for_status()


@pytest.fixture(scope="module")
def tabled(solution: fm.Solution) -> FlightPlanner:
    planner = FlightPlanner(solution, 1e-3)
    assert len(list(planner.stops(0))) > 15
    return planner


@pytest.fixture()
def planner(solution: fm.Solution, tabled: FlightPlanner) -> FlightPlanner:
    """A planner that knows the stops and has heard of no change."""
    planner = FlightPlanner(solution, 1e-3)
    planner.courses, planner.tables = dict(tabled.courses), dict(tabled.tables)
    return planner


@pytest.fixture(scope="module")
def process() -> Iterator[fm.PlanningProcess]:
    """A planning process that serves one test after the other."""
    with fm.PlanningProcess() as process:
        yield process


def ball(solution: fm.Solution, at: float, radius: float = 0.03) -> fm.Scene:
    """The scene with a ball where the item will be at a time."""
    problem = solution.problem
    assembly = assemble(problem)
    data, frame = assembly.arm.createData(), assembly.hold_frames[0]
    pin.forwardKinematics(assembly.arm, data, solution.trajectory.position(at))
    place = (data.oMi[frame.joint] * frame.joint_T_grasp).translation
    return problem.scene.changed(
        add=[fm.Obstacle("ball", fm.Shape("sphere", radius=radius, placement=pin.SE3(np.eye(3), place)))]
    )


def answered(planner: FlightPlanner, update: Update, at: float = AT) -> list[Answer]:
    """All answers to an update, each new course certified from scratch unless it says that it is not."""
    answers = list(planner.answers(0, lambda: at, update, 0.1))
    assert [answer.last for answer in answers] == [False] * (len(answers) - 1) + [True]
    for answer in answers:
        if answer.course is not None and answer.event is not Event.UNSURE_STOP:
            part = answer.course.part
            # a corridor of the start is one of the path's own start, from where it is inherited
            kinds = [kind.name for kind in part.problem.limit_kinds if kind.name not in ("release", "corridor")]
            again = certify(part.problem, part.trajectory, kinds)
            assert part.certificate.ok and again.ok, (answer, again)
    return answers


def test_what_is_still_right_goes_on(planner: FlightPlanner, solution: fm.Solution) -> None:
    mass = solution.problem.holds[0].item.members[0].mass
    for update in (Update(scene=solution.problem.scene), Update(mass=1.01 * mass), Update(grip_ratio=0.97)):
        (answer,) = answered(planner, update)  # each after what was said before
        assert answer.event is Event.KEPT and answer.ends_at_goal
        times = np.linspace(0, solution.duration, 50)
        assert np.abs(answer.course.trajectory.position(times) - solution.trajectory.position(times)).max() < 1e-12


def test_an_obstacle_in_the_way_is_answered_by_a_stop_before_it(
    planner: FlightPlanner, tabled: FlightPlanner, solution: fm.Solution
) -> None:
    fresh = FlightPlanner(solution, 1e-3)
    fresh.courses, fresh.tables = dict(tabled.courses), dict(tabled.tables)
    scene = ball(solution, solution.duration)
    first, *_, last = answered(planner, Update(scene=scene, seen=AT))
    assert first.event is Event.HELD_STOP and first.at >= AT and not first.ends_at_goal
    assert last.event in (Event.NEW_MOTION, Event.NOTHING_FOUND)
    # where nothing that is certified ends before it, that is said, and nothing is begun
    (answer,) = answered(fresh, Update(scene=ball(solution, AT + 0.05), seen=AT))
    assert answer.event is Event.NO_STOP and answer.course is None and "no stop" in answer.detail


def test_a_heavier_item_is_stopped_at_once_and_carried_on_as_it_bears(planner: FlightPlanner, solution: fm.Solution) -> None:
    mass = solution.problem.holds[0].item.members[0].mass
    first, *_, last = answered(planner, Update(mass=1.15 * mass))
    assert first.event is Event.UNSURE_STOP and first.at - AT < 0.06
    assert last.event is Event.SPEED and last.ends_at_goal and last.course.problem.holds[0].item.members[0].mass == 1.15 * mass
    effort = last.commands.effort[0]  # at rest: what holds the arm up carries the item as it is now
    assert np.abs(effort - first.commands.effort[-1]).max() > 0.1
    (refused,) = answered(planner, Update(mass=50.0))
    assert refused.event is Event.REFUSED and "kg" in refused.detail


def test_a_law_from_later_on_is_the_rest_of_it(planner: FlightPlanner) -> None:
    law = next(answer.course.law for answer in planner.stops(0))
    for since in np.linspace(0, 0.9 * law.duration, 7):
        rest = law.after(since)
        for t in np.linspace(0, law.duration - since, 5):
            one, other = law.pace(since + t), rest.pace(t)
            assert np.allclose([one.place, one.speed, one.change], [other.place, other.speed, other.change], atol=1e-9)


def stream(values: np.ndarray) -> CommandStream:
    column = np.asarray(values, dtype=float)[:, None] * np.ones(7)
    return CommandStream(column, 0 * column, 0 * column, 0 * column, np.zeros((len(column), 1)))


def test_the_loop_takes_what_comes_in_time_and_says_what_does_not(solution: fm.Solution) -> None:
    with fm.drivers.KinematicDriver(solution.problem) as driver:
        driver._q = np.zeros(7)
        loop, missed = Loop(driver, stream(np.arange(50) * 1e-4), realtime=False), []
        loop.missed = missed.append
        loop.run(10)
        late = Splice(0, 5, 1, stream(np.zeros(3)), Event.NEW_MOTION)
        loop.take(late)
        loop.run(1)
        assert missed == [late] and loop.events[-1].event is Event.TOO_LATE and loop.number == 0
        loop.take(Splice(0, 20, 2, stream(np.full(30, 9e-3)), Event.NEW_MOTION))
        loop.take(Splice(0, 15, 3, stream(14e-4 + np.arange(10) * 1e-4), Event.HELD_STOP, ends_at_goal=False))  # replaces it
        after = Splice(3, -1, 4, stream(np.full(5, 23e-4)), Event.NEW_MOTION, rests=True)
        loop.take(after)  # from the rest that it leads to
        assert loop.run()[0] is Event.DONE and loop.number == 4
        sent = np.array([command.q[0] for command in driver.sent])
        assert len(sent) == 15 + 10 + 5 and np.abs(np.diff(sent)).max() < 2e-4
        loop.halted = "no way out"
        loop.cycle = 0
        assert loop.run()[:2] == (Event.NO_STOP, "no way out") and driver.stopped


def test_a_run_is_paused_changed_and_logged(
    solution: fm.Solution, process: fm.PlanningProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = solution.problem
    with Recorder(problem) as driver:
        with fm.Execution(driver, solution, process=process) as run:
            with pytest.raises(fm.InputError, match="nothing that has changed"):
                run.replan()
            run.start()
            with pytest.raises(fm.InputError, match="one execution is one run"):
                run.start()
            time.sleep(0.2)
            with pytest.raises(fm.InputError, match=r"look again"):
                run.replan(scene=problem.scene, seen=time.perf_counter() - 1.0)
            assert run.pause().wait(10).event is Event.HELD_STOP
            while not run.loop.resting:
                time.sleep(0.01)
            assert run.replan(scene=problem.scene).wait(10).event is Event.KEPT  # a paused arm does not go on by itself
            assert run.loop.resting and run.report is None
            assert run.resume().ok
            report = run.wait(20)
            log = run.log()
        assert report.event is Event.DONE and "held stop" in str(report)
        q, v = (np.array([getattr(command, key) for command in driver.commands]) for key in ("q", "v"))
    assert np.abs(q[-1] - solution.trajectory.position(solution.duration)).max() < 1e-9
    assert np.abs(np.diff(q, axis=0) / driver.cycle - (v[1:] + v[:-1]) / 2).max() < 1e-6 * problem.limit_set.jerk.max()
    np.testing.assert_array_equal(log.q, q)
    log.save(tmp_path / "run.npz")
    again = fm.load_log(tmp_path / "run.npz")
    assert str(again) == str(log) and again.events == log.events and np.array_equal(again.effort, log.effort)
    assert main(["replay", str(tmp_path / "run.npz"), "--html", str(tmp_path / "run.html")]) == 0
    page = (tmp_path / "run.html").read_text()
    assert "a held stop begins" in capsys.readouterr().out and "1  held stop" in page and "other speed" in page
    assert "as planned at first" not in page  # it went on along the same path
    (tmp_path / "half.npz").write_bytes((tmp_path / "run.npz").read_bytes()[:1000])
    assert main(["replay", str(tmp_path / "half.npz")]) == 2 and "is no log of a run" in capsys.readouterr().err


def test_without_the_planning_process_the_motion_goes_on_and_stops_stay(solution: fm.Solution) -> None:
    with fm.drivers.KinematicDriver(solution.problem) as driver, fm.Execution(driver, solution) as run:
        run.start()
        os.kill(run._process.process.pid, signal.SIGKILL)
        assert run.speed(0.5).wait(10).event is Event.PLANNER_LOST
        while run.now < 0.2:
            time.sleep(0.005)
        assert run.stop().ok
        assert run.wait(10).event is Event.STOPPED and not driver.stopped
        assert np.abs(driver.sent[-1].v).max() < 1e-6


def test_an_error_in_the_block_stops_the_arm_holding(solution: fm.Solution, process: fm.PlanningProcess) -> None:
    with fm.drivers.KinematicDriver(solution.problem) as driver:
        with pytest.raises(ZeroDivisionError), fm.Execution(driver, solution, process=process) as run:
            run.start()
            time.sleep(0.2)
            raise ZeroDivisionError
        assert run.report.event is Event.STOPPED and np.abs(driver.sent[-1].v).max() < 1e-6


def test_an_arm_that_is_elsewhere_is_sent_nothing(solution: fm.Solution) -> None:
    class Elsewhere(fm.drivers.KinematicDriver):
        def read(self) -> Reading:
            reading = super().read()
            return Reading(reading.cycles, reading.q + 0.01, reading.v, True)

    with Elsewhere(solution.problem) as driver:
        report = fm.Execution(driver, solution).run()
    assert report.event is Event.NOT_READY and "move it there first" in report.detail and not driver.sent and not report.ok


def test_a_brake_is_ruckigs_own_motion_and_certified_from_scratch(solution: fm.Solution) -> None:
    """A quintic through the ends of cubic pieces is those pieces; torques of M q⃛ alone stay within their rates."""
    problem, found = solution.problem, 0
    for at in (0.45, 0.5, 0.55):
        start = fm.State(*(solution.trajectory.sample(at * solution.duration, k) for k in range(3)))
        there = problem.with_(start=start)
        motion = braking_motion(start, problem.limit_set, 0.5, 0.02)
        times = switching_times(motion)
        pieces, t = quintic_hermite(times, *sampled(motion, times)), np.linspace(0, motion.duration, 97)
        assert np.abs(pieces(t) - sampled(motion, t)[0]).max() < 1e-9
        stop = brake(there, solution.trajectory.phases[0])
        if stop is not None:
            found += 1
            kinds = [kind.name for kind in stop.problem.limit_kinds]
            assert certify(stop.problem, stop.trajectory, kinds).ok
            assert np.abs(stop.trajectory.velocity(stop.duration)).max() < 1e-12
        assert 0 < jerk_share(there) <= 1
        assert brake(there, solution.trajectory.phases[0], sooner=0.01) is None
    assert found


def test_planning_ends_when_its_time_is_over() -> None:
    def forever() -> None:
        while True:
            pass

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        begin = time.perf_counter()
        assert within(0.1, forever) is None and time.perf_counter() - begin < 5.0
        interrupt()  # outside of planning it is nothing
    finally:
        signal.signal(signal.SIGALRM, before)


def test_an_update_says_how_things_are_and_may_be_said_twice(solution: fm.Solution) -> None:
    """A shift is one shift however often it is applied; what was said before is not forgotten by what is said next."""
    problem, held = solution.problem, solution.problem.holds[0]
    middle = held.grasp_T_item
    shift = middle.inverse() * pin.SE3(np.eye(3), np.array([0.001, 0.0, 0.002])) * middle  # between the pads
    update = Update(item_pose=held.grasp.tool_T_item * shift)
    once = update.applied(problem, 0.0)
    twice = update.applied(once, 0.3)
    there = problem.holds[0].grasp.tool_T_item * shift
    assert once.holds[0].grasp.tool_T_item.isApprox(there) and twice.holds[0].grasp.tool_T_item.isApprox(there)
    assert set(update.changed) == {"scene", "load"} and update.what == "item shift"
    weak = Update(grip_ratio=0.8).applied(problem, 0.0)
    heavy = Update(mass=0.9).applied(weak, 0.0)
    assert heavy.holds[0].realised_grip_ratio == 0.8 and heavy.holds[0].guaranteed_grip_ratio == pytest.approx(0.8)
    with pytest.raises(fm.InputError, match="nothing is held"):
        Update(mass=0.5).applied(problem.with_(holds=(), scene=fm.Scene()), 0.0)
    with pytest.raises(fm.InputError, match="says nothing"):
        Update().applied(problem, 0.0)


def test_after_a_change_nothing_goes_on_along_the_path_as_it_was(planner: FlightPlanner, solution: fm.Solution) -> None:
    """A stop before an obstacle, from which no way was found: `resume` plans anew, with the obstacle, and finds none either."""
    scene = ball(solution, solution.duration)
    first, *_, last = answered(planner, Update(scene=scene, seen=AT))
    assert last.event is Event.NOTHING_FOUND
    stop = planner.courses[first.number]
    (answer,) = planner.speed(first.number, stop.duration, 1.0)
    assert answer.event is Event.NOTHING_FOUND and "ball" in answer.detail
    assert any(o.name == "ball" for o in stop.problem.scene.obstacles)


def test_what_was_said_before_counts_for_what_is_asked_next(planner: FlightPlanner, solution: fm.Solution) -> None:
    """An obstacle is reported; before its answer has begun somebody asks for another speed, a pause, another mass."""
    scene = ball(solution, solution.duration)
    first = next(iter(planner.answers(0, lambda: AT, Update(scene=scene, seen=AT), 0.1)))
    assert first.event is Event.HELD_STOP
    (speed,) = planner.speed(0, AT + 0.03, 0.5)
    assert speed.event is Event.REFUSED and "not free" in speed.detail
    (pause,) = planner.speed(0, AT + 0.03, 0.0)
    assert pause.event is Event.HELD_STOP and not pause.ends_at_goal
    way = solution.trajectory.splice(pause.at, pause.course.part.trajectory).after(AT)
    there = pause.course.part.problem.with_(scene=scene, start=fm.State(*(solution.trajectory.sample(AT, k) for k in range(3))))
    assert certify(there, way, ["clearance"]).ok
    mass = solution.problem.holds[0].item.members[0].mass
    for answer in planner.answers(0, lambda: AT, Update(mass=1.02 * mass), 0.1):
        if answer.course is not None and answer.event is not Event.UNSURE_STOP:
            assert any(o.name == "ball" for o in answer.course.problem.scene.obstacles)


def test_a_stop_is_a_stop_even_where_its_path_is_blocked_beyond(planner: FlightPlanner, solution: fm.Solution) -> None:
    """It is not taken for the goal, and when the way is free again it goes on along it."""
    (pause,) = planner.speed(0, AT, 0.0)
    blocked, free = ball(solution, solution.duration), solution.problem.scene
    (kept,) = planner.answers(pause.number, lambda: AT + 0.1, Update(scene=blocked, seen=AT), 0.1)
    assert kept.event is Event.KEPT and not kept.ends_at_goal and kept.course.stale
    (again,) = planner.answers(kept.number, lambda: kept.course.duration + 1, Update(scene=free), 0.1)
    assert again.event is Event.KEPT and not planner.courses[kept.number].stale
    (on,) = planner.speed(kept.number, kept.course.duration + 1, 1.0)
    assert on.event is Event.SPEED and on.ends_at_goal and on.rests and on.at_once


def test_a_motion_that_does_not_begin_where_the_arm_rests_is_not_joined(planner: FlightPlanner, solution: fm.Solution) -> None:
    (pause,) = planner.speed(0, AT, 0.0)
    with pytest.raises(fm.InputError, match="does not begin where the arm rests"):
        planner.turn(pause.number, pause.course.duration, solution)
    with fm.drivers.KinematicDriver(solution.problem) as driver:
        driver._q = np.zeros(7)
        loop = Loop(driver, stream(np.zeros(20)), realtime=False)
        loop.take(Splice(0, 10, 1, stream(np.full(5, 0.2)), Event.NEW_MOTION))
        assert loop.run()[0] is Event.DONE and loop.number == 0 and loop.events[-1].event is Event.REFUSED
        assert max(abs(command.q[0]) for command in driver.sent) == 0.0


def test_an_answer_for_a_course_that_has_been_left_is_missed(solution: fm.Solution) -> None:
    with fm.drivers.KinematicDriver(solution.problem) as driver:
        driver._q = np.zeros(7)
        loop, missed = Loop(driver, stream(np.zeros(50)), realtime=False), []
        loop.missed = missed.append
        loop.take(Splice(0, 5, 1, stream(np.zeros(40)), Event.HELD_STOP))
        loop.run(10)
        late = Splice(0, 20, 2, stream(np.zeros(40)), Event.HELD_STOP)
        loop.take(late)
        loop.run(1)
        assert loop.number == 1 and missed == [late]
        loop.missed = lambda splice: 1 / 0
        loop.take(late)
        assert loop.run()[0] is Event.LOOP_FAILED and driver.stopped


def test_an_item_cannot_have_shifted_where_none_is_held(process: fm.PlanningProcess) -> None:
    bare = fm.load_problem("heavy_jar").with_(holds=(), scene=fm.Scene())
    solution = fm.plan(bare).raise_for_status()
    refused = pytest.raises(fm.InputError, match="nothing is held")
    with Recorder(bare) as driver, fm.Execution(driver, solution, process=process) as run, refused:
        run.replan(item_shift=pin.SE3.Identity())


def test_a_lost_grip_is_seen_however_a_driver_says_it(solution: fm.Solution) -> None:
    class Numpy(Recorder):
        def read(self) -> Reading:
            return replace(super().read(), gripping=np.bool_(len(self.commands) < 100))

    with Numpy(solution.problem) as driver:
        assert fm.Execution(driver, solution).run().event is Event.GRIP_LOST


def test_a_driver_that_raises_in_the_start_checks_ends_the_run(solution: fm.Solution) -> None:
    class Broken(Recorder):
        looks = 0

        def carried(self) -> float:
            self.looks += 1
            if self.looks > 2:
                raise RuntimeError("no answer")
            return super().carried()

    with Broken(solution.problem) as driver:
        driver.payload(float(solution.problem.holds[0].item.members[0].mass), np.zeros(3), np.eye(3))
        report = fm.Execution(driver, solution).run()
    assert report.event is Event.NOT_READY and "no answer" in report.detail
