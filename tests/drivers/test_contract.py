"""The contract of a driver, which every one keeps: ours, those of real arms, and a user's."""

from __future__ import annotations

import runpy
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from arm_servers import Rig, until

import fastmove as fm
from fastmove.drivers.readiness import announce_payload, not_ready, unsaid
from fastmove.execution.events import Event
from fastmove.execution.run_transfer import places_along

ROOT = Path(__file__).parents[2]
SIMULATED, REAL, OWN = ("kinematic", "mujoco", "controller"), ("ur", "egm", "franka"), ("file",)
OUTPUTS = ("ur", "egm")  # those with digital outputs
ROBOTS = {"ur": "ur5e", "egm": "ur5e", "franka": "fr3"}


@dataclass
class Case:
    """A driver under test, with a motion that it is to run."""

    name: str
    driver: fm.drivers.Driver
    solution: fm.Solution
    stack: ExitStack = field(repr=False)

    @property
    def mass(self) -> float:
        return float(self.solution.problem.holds[0].item.members[0].mass)


@pytest.fixture(scope="module")
def planned() -> Callable[[str], fm.Solution]:
    """A short transfer past nothing, on each robot."""
    known: dict[str, fm.Solution] = {}

    def plan(robot: str) -> fm.Solution:
        if robot not in known:
            problem = fm.load_problem("heavy_jar").with_(scene=fm.Scene())
            problem = problem if robot == "panda" else fm.on_robot(problem, fm.load_robot(robot))
            known[robot] = fm.plan(problem).raise_for_status()
        return known[robot]

    return plan


@pytest.fixture(params=(*SIMULATED, *OWN, *REAL))
def case(request: pytest.FixtureRequest, planned: Callable[[str], fm.Solution], tmp_path: Path) -> Iterator[Case]:
    name = request.param
    if name in ("mujoco", "controller"):
        pytest.importorskip("mujoco", reason="mujoco is not installed")
    solution = planned(ROBOTS.get(name, "panda"))
    along = places_along(solution)
    with ExitStack() as stack:
        if name in REAL:
            driver = stack.enter_context(Rig(name, solution.problem)).driver()
        elif name == "file":
            if name not in fm.registries.drivers.names():
                runpy.run_path(str(ROOT / "docs" / "extend" / "driver.py"))
            driver = fm.registries.drivers.get(name)(solution.problem, str(tmp_path / "commands.csv"), along)
        else:
            driver = fm.registries.drivers.get(name)(solution.problem, "", along)
        stack.enter_context(driver)
        yield Case(name, driver, solution, stack)


def test_it_runs_a_motion_to_its_end(case: Case) -> None:
    """Payload told and read back where that can be, started where it is, followed, and at the end where the motion ends."""
    driver, solution = case.driver, case.solution
    assert driver.cycle > 0 and driver.lead >= 0 and isinstance(driver.realtime, bool)
    announce_payload(driver, solution.problem)
    carried, scale = driver.carried(), driver.speed_scale()
    assert carried is None or carried == pytest.approx(case.mass, abs=1e-6)
    assert scale in (None, 1.0)
    begin = driver.read()
    assert np.abs(begin.q - np.array(solution.problem.start.q)).max() < 5e-3 and begin.q.shape == begin.v.shape
    assert not_ready(driver, solution.problem, np.array(solution.problem.start.q)) == ""
    execution = fm.Execution(driver, solution)
    report = execution.run()
    assert report.event is Event.DONE and report.cycles == len(execution.stream), str(report)
    until(lambda: np.abs(driver.read().q - execution.stream.q[-1]).max() < 5e-3)
    assert driver.read().cycles > begin.cycles
    said = unsaid(driver, solution.problem)
    assert bool(said) == any(event.event is Event.NOT_CHECKED for event in report.events)


def test_it_stops_and_is_recovered(case: Case) -> None:
    """`stop` never raises, rests soon, and after `recover` the arm reads where it is and takes commands again."""
    driver, solution = case.driver, case.solution
    announce_payload(driver, solution.problem)
    execution = fm.Execution(driver, solution)
    execution.run(cycles=len(execution.stream) // 2)
    driver.stop()
    driver.stop()
    if not driver.realtime and case.name != "kinematic":
        while case.name == "mujoco" and np.abs(driver.read().v).max() > 0.05:
            driver.stop()
    until(lambda: np.abs(driver.read().v).max() < 0.05)
    driver.recover()
    reading = driver.read()
    assert np.all(np.isfinite(reading.q)) and np.abs(reading.v).max() < 0.05


def test_signals_are_switched_or_refused_by_name(case: Case) -> None:
    driver = case.driver
    if case.name in OUTPUTS:
        assert 0 in driver.outputs and 0 in driver.inputs
        driver.output(0, True)
        time.sleep(0.1)
        assert driver.input(0) is False  # the stand-ins' inputs are off
        driver.read()
        return
    assert driver.input(0) is None and not driver.outputs and not driver.inputs
    if case.name not in REAL:
        with pytest.raises(fm.FastMoveError, match="no digital output 0"):
            driver.output(0, True)


def test_an_arm_that_is_elsewhere_is_not_ready(case: Case) -> None:
    problem = case.solution.problem
    assert "move it there first" in not_ready(case.driver, problem, np.array(problem.start.q) + 0.02)


def test_nothing_answers_once_it_is_closed(case: Case) -> None:
    """Closing twice is no fault; `stop` does not raise even then."""
    case.driver.close()
    case.driver.stop()
    case.driver.close()
