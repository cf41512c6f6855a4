"""Simulated hardware with faults: each does what it says, by the same seed the same, and without any nothing changes."""

from dataclasses import fields, replace

import numpy as np
import pytest

import fastmove as fm
from fastmove.drivers.arrival import Arrival
from fastmove.drivers.driver import Command
from fastmove.drivers.kinematic import KinematicDriver
from fastmove.drivers.simulated.imperfections import ALLOWED, Imperfections, imperfections_of

pytest.importorskip("mujoco", reason="mujoco is not installed")
from fastmove.drivers.mujoco import MujocoDriver
from fastmove.drivers.simulated.contact_record import MovedRecord, unwanted_contacts


def run(
    problem: fm.TransferProblem, commands: list[Command], faults: Imperfections | None = None, **others: object
) -> tuple[MujocoDriver, np.ndarray]:
    """The driver after a motion, and its state (N, ...) after every cycle: joints as measured, then all of the simulation's."""
    driver, rows = MujocoDriver(problem, imperfections=faults, **others), []
    driver.connect()
    for command in commands:
        driver.send(command)
        rows.append(np.concatenate([driver.read().q, driver.read().v, driver.simulation.data.qpos]))
    return driver, np.array(rows)


def test_perfect_hardware_is_what_it_was(problem: fm.TransferProblem, commands: list[Command]) -> None:
    _, without = run(problem, commands[:50])
    _, perfect = run(problem, commands[:50], Imperfections(seed=7))
    np.testing.assert_array_equal(without, perfect)


def test_the_same_seed_gives_the_same_bytes(problem: fm.TransferProblem, commands: list[Command]) -> None:
    faults = Imperfections(1e-3, 1e-5, 1e-3, 0.9, 0.02, 0.9, 0.2, seed=3)
    driver, once = run(problem, commands[:100], faults)
    driver.connect()  # again, from the start
    again = []
    for command in commands[:100]:
        driver.send(command)
        again.append(driver.read().q)
    np.testing.assert_array_equal(once[:, : problem.robot.n_arm], again)
    assert not np.array_equal(once, run(problem, commands[:100], replace(faults, seed=4))[1])


def test_a_delay_is_a_shift_by_whole_cycles(problem: fm.TransferProblem, commands: list[Command]) -> None:
    """The servo's reference is that of k cycles before: before the first command acts the arm is held at the start."""
    k = 4
    _, delayed = run(problem, commands[:60], Imperfections(delay=k * 1e-3))
    prompt, _ = MujocoDriver(problem), None
    prompt.connect()
    hold = prompt.still(prompt.start, commands[0].grip_force)
    _, shifted = run(problem, [hold] * k + commands[: 60 - k])
    np.testing.assert_array_equal(delayed, shifted)


def test_a_delay_between_steps_is_refused(problem: fm.TransferProblem) -> None:
    with pytest.raises(fm.InputError, match=r"imperfections\.delay: is 0\.0004 s; allowed: whole numbers of simulation steps"):
        MujocoDriver(problem, imperfections=Imperfections(delay=4e-4))
    assert MujocoDriver(problem, step=2e-4, imperfections=Imperfections(delay=4e-4)).substeps == 5


def test_torque_is_clipped_at_its_share(problem: fm.TransferProblem, commands: list[Command]) -> None:
    peak = np.max([np.abs(c.effort) / problem.limit_set.effort for c in commands])
    for share, clipped in ((0.9 * peak, True), (1.0, False)):
        driver = MujocoDriver(problem, imperfections=Imperfections(saturation=share))
        driver.connect()
        most = 0.0
        for command in commands:
            driver.send(command)
            n = problem.robot.n_arm
            most = max(most, np.max(np.abs(driver.simulation.data.actuator_force[:n]) / problem.limit_set.effort))
        assert most <= share * (1 + 1e-12) and (driver.saturated > 0) is clipped


def test_encoders_are_as_fine_as_they_are_and_as_noisy(problem: fm.TransferProblem, commands: list[Command]) -> None:
    n, fine = problem.robot.n_arm, 1e-3
    driver, rows = run(problem, commands, Imperfections(encoder=fine, velocity_noise=1e-2))
    q, true = rows[:, :n], rows[:, 2 * n : 3 * n]
    np.testing.assert_allclose(q / fine, np.round(q / fine), atol=1e-6)
    assert np.abs(q - true).max() <= fine / 2 * (1 + 1e-9)
    still = [driver.still(true[-1], commands[-1].grip_force)] * 300
    noise = []
    for command in still:
        driver.send(command)
        noise.append(driver.read().v - driver.simulation.velocities())
    assert 0.9e-2 < np.std(noise) < 1.1e-2 and np.abs(np.mean(noise)) < 1e-3
    assert driver.read().q is driver.read().q  # read once, not anew by every look


def test_the_grip_rises_by_its_time_constant_and_is_as_weak_as_told(problem: fm.TransferProblem, commands: list[Command]) -> None:
    driver = MujocoDriver(problem, imperfections=Imperfections(grip_rise=0.05, grip_factor=0.5))
    driver.connect()
    most = problem.holds[0].grasp.grip_force[1]
    weaker = replace(commands[0], grip_force=np.array([most / 2]))
    for _ in range(50):
        driver.send(weaker)
    expected = 0.5 * (most / 2 + most / 2 * np.exp(-1))
    np.testing.assert_allclose(driver.simulation.data.ctrl[driver.simulation.n :], expected, rtol=1e-9)


def test_lost_commands_are_counted_and_extrapolated(problem: fm.TransferProblem, commands: list[Command]) -> None:
    """A smooth motion gone through by its own v and a over gaps of some cycles is hardly off; torque lags by as much."""
    driver, rows = run(problem, commands, Imperfections(lost=0.3, seed=1))
    assert 0.2 * len(commands) < driver.arrival.lost < 0.4 * len(commands)
    n = problem.robot.n_arm
    assert np.abs(rows[-1, :n] - commands[-1].q).max() < 1e-3 and driver.worst_slip()[0] < 1e-4
    way = Arrival(Imperfections(), 1e-3, 1e-3)
    way.begin(commands[100])
    for _ in range(10):
        taken = way.taken(None)
    np.testing.assert_allclose(taken.q, commands[110].q, atol=1e-5)
    np.testing.assert_allclose(taken.v, commands[110].v, atol=2e-3)


def test_what_is_really_there_may_be_heavier_or_slippery(problem: fm.TransferProblem, commands: list[Command]) -> None:
    held = problem.holds[0]
    slippery = problem.with_(holds=(replace(held, grasp=replace(held.grasp, friction=0.02)),))
    assert run(problem, commands, truth=slippery)[0].worst_slip()[0] > 1e-3 > run(problem, commands)[0].worst_slip()[0]
    with pytest.raises(fm.InputError, match=r"truth: has 6 joints, the problem 7"):
        MujocoDriver(problem, truth=fm.on_robot(problem, fm.load_robot("ur5e")))


def test_an_unwanted_contact_is_recorded_and_a_clear_motion_has_none(
    problem: fm.TransferProblem, commands: list[Command]
) -> None:
    driver, _ = run(problem, commands)
    assert driver.contacts() == []
    there = driver.item_in_world()
    box = fm.Obstacle("post", (fm.Shape("box", np.full(3, 0.02), placement=there),))
    through = problem.with_(scene=fm.Scene((box,)))
    hit, _ = run(through, commands)
    found = hit.contacts()
    assert found and {"item", "post"} <= set(found[0][1:]) and 0.1 < found[0][0] <= 0.4


def test_the_book_may_rest_on_its_support(book: fm.TransferProblem) -> None:
    """It stands in touch at the start, which is allowed; where it is not, the same is an unwanted contact."""
    driver = MujocoDriver(book)
    driver.connect()
    start = driver.still(driver.start, np.array([book.holds[0].grasp.grip_force[1]]))
    for _ in range(20):
        driver.send(start)
    assert driver.contacts() == []
    strict, record = book.with_(scene=replace(book.scene, allowed_contacts=())), MovedRecord()
    record.add(0.0, 0.0, driver.start, np.array([1e-5, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]))
    ends = np.stack([driver.start, *book.goal.configurations])
    assert unwanted_contacts(strict, record, ends) == [(0.0, "item", book.scene.allowed_contacts[0].obstacle)]
    assert unwanted_contacts(book, record, ends) == []


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_numbers_out_of_range_are_refused(name: str) -> None:
    for value in (-1.0, float("nan"), 2.0):
        with pytest.raises(fm.InputError, match=rf"imperfections\.{name}: is {value}; allowed: "):
            Imperfections(**{name: value})


def test_they_are_read_from_an_address() -> None:
    assert imperfections_of("") == Imperfections()
    assert imperfections_of("delay=0.001,lost=0.1,seed=5") == Imperfections(delay=1e-3, lost=0.1, seed=5)
    assert {field.name for field in fields(Imperfections)} == {*ALLOWED, "seed"}
    with pytest.raises(fm.InputError, match="did you mean 'delay'"):
        imperfections_of("dealy=0.001")
    with pytest.raises(fm.InputError, match="allowed: a number"):
        imperfections_of("delay=soon")


def test_drivers_read_back_what_they_carry(problem: fm.TransferProblem) -> None:
    for driver in (KinematicDriver(problem), MujocoDriver(problem)):
        assert driver.carried() == 0.0 and driver.speed_scale() == 1.0
        driver.payload(1.3, np.zeros(3), np.eye(3))
        assert driver.carried() == 1.3

    class Silent(KinematicDriver):
        carried = fm.drivers.Driver.carried
        speed_scale = fm.drivers.Driver.speed_scale

    assert Silent(problem).carried() is None and Silent(problem).speed_scale() is None
