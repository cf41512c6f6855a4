"""The controller in a process of its own: it follows in real time, brakes by itself, outlives its client, leaves nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import fastmove as fm
from fastmove.drivers.driver import Command
from fastmove.drivers.simulated.imperfections import Imperfections
from fastmove.errors import DriverFailed
from fastmove.pacing import wait_until

pytest.importorskip("mujoco", reason="mujoco is not installed")
from fastmove.drivers.controller import ControllerDriver
from fastmove.drivers.process.packets import Kind, Line, State, Status

WATCHDOG = 0.1  # longer than by default, for a machine that is busy with other tests [s]


def until(so: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Waits for something, for a machine that is busy too."""
    end = time.monotonic() + seconds
    while not so() and time.monotonic() < end:
        time.sleep(2e-3)
    return so()


def gone(process: int) -> bool:
    """Whether a process has ended: it is not there, or nobody has asked for its exit code yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def stream(driver: ControllerDriver, commands: list[Command]) -> list[np.ndarray]:
    """Sends commands in real time; returns the configurations that were read."""
    read, begin = [], time.monotonic()
    for k, command in enumerate(commands):
        wait_until(begin + k * driver.cycle, driver.cycle, time.monotonic)
        read.append(driver.read().q)
        driver.send(command)
    return read


@pytest.fixture(scope="module")
def shared(problem: fm.TransferProblem) -> Iterator[ControllerDriver]:
    driver = ControllerDriver(problem, watchdog=WATCHDOG)
    yield driver
    driver.close()


@pytest.fixture
def driver(shared: ControllerDriver) -> ControllerDriver:
    """One process for many tests: each connects to it anew."""
    shared.connect()
    return shared


def test_it_follows_releases_and_gives_an_account(driver: ControllerDriver, commands: list[Command]) -> None:
    stream(driver, commands)
    assert until(lambda: driver.status() is Status.READY and np.abs(driver.read().v).max() < 1e-3)
    assert np.abs(driver.read().q - commands[-1].q).max() < 2e-3 and driver.read().gripping
    assert driver.settling.ok and driver.worst_slip()[0] < 1e-4 and driver.least_touching == driver.settling.points
    assert driver.contacts() == []
    before = driver.item_in_world().translation
    driver.release(0.1)
    assert driver.item_in_world().translation[2] < before[2] - 0.01  # nothing is below
    assert not driver.read().gripping and len(driver.recorded) > 40
    with pytest.raises(DriverFailed, match="has opened the hand"):
        driver.send(commands[0])


def test_it_ticks_by_itself_and_says_what_it_carries(driver: ControllerDriver) -> None:
    tick = driver.read().cycles
    assert until(lambda: driver.read().cycles >= tick + 20)
    driver.payload(1.5, np.zeros(3), np.eye(3))
    assert driver.carried() == 1.5 and driver.speed_scale() == 1.0 and driver.realtime


def test_the_watchdog_brakes_in_its_time_and_still_grips(driver: ControllerDriver, commands: list[Command]) -> None:
    stream(driver, commands[:200])  # the fastest moment
    sent = time.monotonic()
    moving = np.abs(driver.read().v).max()
    assert until(lambda: driver.status() is Status.WATCHDOG)
    assert 0.9 * WATCHDOG < time.monotonic() - sent < WATCHDOG + 0.4  # the sooner the more time the machine has
    assert until(lambda: np.abs(driver.read().v).max() < 5e-3)
    reading = driver.read()
    assert moving > 0.5 and reading.gripping and driver.worst_slip()[0] < 1e-3
    # on by the last command's velocity for the watchdog's time, then an even brake of 0.25 s
    assert np.abs(reading.q - commands[199].q - commands[199].v * (WATCHDOG + 0.25 / 2)).max() < 0.01
    with pytest.raises(DriverFailed, match=r"braked by its watchdog.*until it is connected to again"):
        driver.send(commands[200])
    driver.connect()
    assert driver.status() is Status.READY
    stream(driver, commands[:3])


def test_reading_often_is_not_silence_and_a_controller_that_hangs_is(driver: ControllerDriver) -> None:
    """A client that was late reads many times within one tick; `cycles` stands still only where states stay away."""
    often = [driver.read().cycles for _ in range(20)]
    assert np.count_nonzero(np.diff(often)) > 15
    os.kill(driver.process_id, signal.SIGSTOP)
    try:
        time.sleep(0.05)
        driver.read()
        begin = time.monotonic()
        silent = [driver.read().cycles for _ in range(5)]
        assert len(set(silent)) == 1 and time.monotonic() - begin < 0.25  # each waits 10 ms at most
    finally:
        os.kill(driver.process_id, signal.SIGCONT)
    assert until(lambda: driver.read().cycles > silent[0])


def test_no_commands_are_needed_at_rest(driver: ControllerDriver, commands: list[Command]) -> None:
    stream(driver, commands)
    tick = driver.read().cycles
    assert until(lambda: driver.read().cycles > tick + 60) and driver.status() is Status.READY


def test_a_stop_brakes_without_waiting_and_never_raises(driver: ControllerDriver, commands: list[Command]) -> None:
    stream(driver, commands[:200])
    begin = time.monotonic()
    driver.stop()
    assert time.monotonic() - begin < 0.05
    assert until(lambda: driver.status() is Status.STOPPED and np.abs(driver.read().v).max() < 5e-3)
    assert driver.read().gripping
    with pytest.raises(DriverFailed, match="was stopped"):
        driver.send(commands[200])
    ControllerDriver(driver.problem).stop()  # not even connected


def test_the_hand_stays_closed_while_the_arm_moves(driver: ControllerDriver, commands: list[Command]) -> None:
    stream(driver, commands[:200])
    with pytest.raises(DriverFailed, match="opens only with the arm at rest"):
        driver.release()


CLIENT = """
import sys, time
import fastmove as fm
from commands import smooth
problem = fm.load_problem("heavy_jar").with_(scene=fm.Scene())
commands = smooth(problem, -0.2, 0.4)
driver = fm.drivers.ControllerDriver(problem, watchdog=0.5, report=sys.argv[1])
driver.connect()
begin = time.monotonic()
for k, command in enumerate(commands[:200]):
    while time.monotonic() < begin + k * driver.cycle:
        pass
    driver.send(command)
    driver.read()
print(driver.process_id, flush=True)
time.sleep(60)
"""


def test_a_client_that_is_killed_leaves_arm_and_item_safe(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    path = os.pathsep.join(sys.path)
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(report)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    )
    with client:
        controller = int(client.stdout.readline())
        client.send_signal(signal.SIGKILL)
    assert until(report.exists)
    said = json.loads(report.read_text())
    assert said["ended"] == "the client is gone" and said["arm"] == "at rest" and said["item"] == "held"
    assert said["slip_mm"] < 1.0 and said["contacts"] == []
    assert until(lambda: gone(controller))


def test_closing_in_motion_brakes_first_and_leaves_no_process(
    problem: fm.TransferProblem, commands: list[Command], tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    with ControllerDriver(problem, imperfections=Imperfections(lost=0.2, seed=2), watchdog=WATCHDOG, report=report) as driver:
        process = driver.process_id
        stream(driver, commands[:200])
    assert driver.process_id == 0 and not Path(f"/proc/{process}").exists()
    said = json.loads(report.read_text())
    assert said["arm"] == "at rest" and said["item"] == "held" and 10 < said["lost_commands"] < 80
    with pytest.raises(DriverFailed, match="not connected"):
        driver.read()
    driver.close()  # again


def test_a_dead_controller_is_named(problem: fm.TransferProblem, commands: list[Command]) -> None:
    driver = ControllerDriver(problem)
    driver.connect()
    os.kill(driver.process_id, signal.SIGKILL)
    with pytest.raises(DriverFailed, match="process has ended"):
        for command in commands:
            driver.read()
            driver.send(command)
            time.sleep(1e-3)
    driver.stop()
    driver.close()


def test_what_cannot_be_simulated_is_refused(problem: fm.TransferProblem) -> None:
    with pytest.raises(fm.InputError, match=r"watchdog: is 0\.001; allowed: two cycles, 0\.002, to 1 s"):
        ControllerDriver(problem, watchdog=1e-3)
    driver = ControllerDriver(problem.with_(holds=()))
    with pytest.raises(fm.InputError, match="holds: are 0"):
        driver.connect()
    driver.close()


def test_packets_arrive_whole_and_in_order() -> None:
    import socket

    one, two = (Line(end) for end in socket.socketpair())
    big = bytes(300_000)  # more than goes at once
    state = State(3, 1.5, Status.FOLLOWING, True, 2, 5, 1, 0.5, np.arange(7.0), -np.arange(7.0))
    assert one.send(Kind.CALL, big)
    assert not one.send(Kind.STATE, state.packed())  # left out while so much waits
    came = []
    while len(came) < 1:
        came += two.received()
        one.flush()
    assert came == [(Kind.CALL, big)] and not one.waits
    one.send(Kind.STATE, state.packed())
    kind, body = two.received()[0]
    again = State.unpacked(body)
    assert kind is Kind.STATE and again.tick == 3 and again.status is Status.FOLLOWING
    assert (again.late, again.missed, again.lost, again.mass) == (2, 5, 1, 0.5)
    np.testing.assert_array_equal(again.v, state.v)
    one.close()
    assert two.received() == [] and two.ended
    two.close()
