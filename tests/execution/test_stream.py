"""Streaming: what is sent, splices in flight, and drivers that fail in every way they can."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from generators import free_space_pairs

import fastmove as fm
from fastmove.cli.main import main
from fastmove.drivers.driver import Command, Reading
from fastmove.drivers.kinematic import KinematicDriver
from fastmove.execution.events import Event
from fastmove.execution.stream import Execution


@pytest.fixture(scope="module")
def solution() -> fm.Solution:
    return fm.plan(next(iter(free_space_pairs("benchmark", 1, 3)))).raise_for_status()


@pytest.mark.parametrize("cycle", [1e-3, 2e-3, 8e-3])
def test_commands_are_samples_of_the_spline_at_the_drivers_cycle(solution: fm.Solution, cycle: float) -> None:
    with KinematicDriver(solution.problem, cycle) as driver:
        report = Execution(driver, solution).run()
    assert report.ok and report.cycles == len(driver.sent)
    trajectory = solution.trajectory
    for k in (0, 3, len(driver.sent) // 2, len(driver.sent) - 1):
        t = min(k * cycle, trajectory.duration)
        np.testing.assert_array_equal(driver.sent[k].q, trajectory.position(t))
        np.testing.assert_array_equal(driver.sent[k].v, trajectory.velocity(t))
    np.testing.assert_allclose(driver.sent[-1].q, solution.problem.goal.configurations[0], atol=1e-9)
    assert tuple(driver.sent[0].grip_force) == solution.grip_force


def test_the_feed_forward_is_the_certified_torque(solution: fm.Solution) -> None:
    with KinematicDriver(solution.problem) as driver:
        Execution(driver, solution).run()
    profile = solution.certificate.profile
    sent = np.array([c.effort for c in driver.sent])
    t = np.arange(len(sent)) * driver.cycle
    for j in range(7):
        expected = np.interp(t[:-1], profile["time"], profile["torque_Nm"][:, j])
        np.testing.assert_allclose(sent[:-1, j], expected, atol=0.3)


def test_anything_uncertified_is_refused(solution: fm.Solution) -> None:
    bad = replace(solution, certificate=None)
    with pytest.raises(fm.InputError, match="not certified"):
        Execution(KinematicDriver(solution.problem), bad)


def test_a_new_motion_is_spliced_in_flight(solution: fm.Solution) -> None:
    problem = solution.problem
    with KinematicDriver(problem) as driver:
        execution = Execution(driver, solution)
        assert execution.run(cycles=300).cycles == 300
        at = execution.now + 0.05
        goal = np.array(problem.start.q) * 0.5 + np.array(problem.goal.configurations[0]) * 0.5
        change = problem.with_(start=execution.state_at(at), goal=fm.Goal(goal[None]))
        other = fm.plan(change).raise_for_status()
        execution.splice(at, other)
        assert execution.run().ok
        with pytest.raises(fm.InputError, match="not yet sent"):
            execution.splice(0.1, other)
    sent = np.array([c.q for c in driver.sent])
    speed = np.abs(np.diff(sent, axis=0)).max(axis=0) / driver.cycle
    assert np.all(speed <= problem.limit_set.velocity * (1 + 1e-6))
    np.testing.assert_allclose(sent[-1], goal, atol=1e-9)


def test_motions_that_do_not_join_are_refused(solution: fm.Solution) -> None:
    with KinematicDriver(solution.problem) as driver:
        execution = Execution(driver, solution)
        execution.run(cycles=10)
        with pytest.raises(fm.InputError, match="jump"):
            execution.splice(0.2, solution)


class Faulty(KinematicDriver):
    """Goes wrong in one way from the 100th cycle on."""

    def __init__(self, problem: fm.TransferProblem, how: str) -> None:
        super().__init__(problem)
        self.how = how

    @property
    def broken(self) -> bool:
        return len(self.sent) >= 100

    def read(self) -> Reading:
        reading = super().read()
        if self.broken and self.how == "raises on read":
            raise OSError("cable pulled")
        if self.broken and self.how == "interrupted":
            raise KeyboardInterrupt
        if self.broken and self.how == "silent":
            return replace(reading, cycles=100)
        if self.broken and self.how == "does not follow":
            return replace(reading, q=reading.q + 0.1)
        if self.broken and self.how == "garbage":
            return replace(reading, q=None)
        if self.broken and self.how == "nan":
            return replace(reading, q=reading.q * np.nan)
        if self.broken and self.how == "grip lost":
            return replace(reading, gripping=False)
        return reading

    def send(self, command: Command) -> Command:
        if self.broken and self.how == "raises on send":
            raise RuntimeError("fault 7")
        if self.broken and self.how == "stalls":
            time.sleep(0.3)
        return super().send(command)

    def stop(self) -> None:
        super().stop()
        if self.how == "raises on send":
            raise RuntimeError("cannot even stop")


@pytest.mark.parametrize(
    ("how", "event"),
    [
        ("raises on read", Event.DRIVER_RAISED),
        ("raises on send", Event.DRIVER_RAISED),
        ("interrupted", Event.INTERRUPTED),
        ("silent", Event.DRIVER_SILENT),
        ("does not follow", Event.NOT_FOLLOWING),
        ("garbage", Event.DRIVER_RAISED),
        ("nan", Event.NOT_FOLLOWING),
        ("grip lost", Event.GRIP_LOST),
        ("stalls", Event.DRIVER_STALLED),
    ],
)
def test_a_driver_that_fails_is_stopped_and_named(solution: fm.Solution, how: str, event: Event) -> None:
    with Faulty(solution.problem, how) as driver:
        report = Execution(driver, solution).run()
    assert report.event is event and not report.ok
    assert driver.stopped and 100 <= report.cycles + 1 <= 110
    assert report.detail


def test_the_command_line_ends_with_4_when_the_driver_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A driver that raises mid-motion: arm stopped, the event named on stderr, exit code 4."""
    start, goal = [0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785], [0.8, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785]
    path = tmp_path / "turn.json"
    path.write_text(json.dumps({"format": 1, "robot": "panda", "start": {"q": start}, "goal": {"q": goal}}))
    stopped = []

    class Raising(KinematicDriver):
        def send(self, command: Command) -> Command:
            if len(self.sent) == 100:
                raise RuntimeError("fault 7")
            return super().send(command)

        def stop(self) -> None:
            stopped.append(len(self.sent))

    assert main(["run", str(path), "--driver", "kinematic"]) == 0
    monkeypatch.setitem(fm.registries.drivers._added, "kinematic", lambda problem, *_: Raising(problem))
    assert main(["run", str(path), "--driver", "kinematic"]) == 4
    assert stopped == [100]
    assert "raised an error" in capsys.readouterr().err


@pytest.mark.slow
def test_the_loop_keeps_a_kilohertz_for_thirty_seconds(solution: fm.Solution) -> None:
    late = cycles = 0
    costs = []
    while cycles < 30_000:
        with KinematicDriver(solution.problem) as driver:
            report = Execution(driver, solution, realtime=True).run()
        assert report.ok
        late, cycles = late + report.late, cycles + report.cycles
        costs.append(report.command_us)
    print(
        f"\n{cycles} cycles of 1 ms: {late} more than 1 ms late ({late / cycles:.3%}); a command costs {np.median(costs):.1f} us"
    )
    assert late <= 1e-3 * cycles and np.median(costs) <= 50
