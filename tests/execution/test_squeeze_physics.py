"""How hard the simulated fingers press, against what the certificate says."""

import numpy as np
import pytest
from generators import block, pinched, swung

import fastmove as fm

pytest.importorskip("mujoco")

from fastmove.drivers.simulated.simulation import Simulation
from fastmove.execution.slip_test import references

GRIP, STEP = 20.0, 1e-3
ALONG = 0.02  # by how much contacts that give may press harder for a moment, of the load that comes to the grip


def test_the_harder_finger_presses_with_the_grip_and_half_the_load_along_the_closing_axis() -> None:
    robot = fm.load_robot("panda")
    problem = swung(robot, pinched(robot, block(0.6), GRIP, 0.8))
    solution = fm.plan(problem).raise_for_status()
    plan = references(problem, solution.trajectory, 0, STEP)
    simulation = Simulation(problem, GRIP, plan.q[::20])
    simulation.settle(plan.q[0])
    simulation.grip(GRIP)
    left, right = [], []
    for q, v, torque in zip(plan.q, plan.v, plan.torque, strict=True):
        simulation.command(q, v, torque)
        simulation.step()
        points, _ = simulation.points_carry()
        left.append(points[: len(points) // 2].sum())
        right.append(points[len(points) // 2 :].sum())
    profile = solution.certificate.profile
    side = np.interp(plan.time, profile["time"], profile["wrench"][:, 1]) / 2
    most = np.abs(side).max()
    assert most > 2.0  # N: there is something to see
    assert np.array(left) == pytest.approx(GRIP - side, abs=ALONG * GRIP) and np.array(right) == pytest.approx(
        GRIP + side, abs=ALONG * GRIP
    )
    harder = np.maximum(left, right).max()
    assert harder == pytest.approx(GRIP + most, rel=0.01)
