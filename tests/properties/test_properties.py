"""Properties of the optimum: looser is not slower, turning everything about gravity changes nothing."""

from dataclasses import replace

import numpy as np
import pinocchio as pin
import pytest
from generators import hold_bound
from situations import behind_a_post

import fastmove as fm
from fastmove.arrays import readonly
from fastmove.problem.limit_edit import Limit, changed, limits_of
from fastmove.problem.transfer import TransferProblem

TOLERANCE = 5e-3  # a local solver ends within this of itself


def loosened(problem: TransferProblem, kind: str) -> TransferProblem:
    """All limits of this kind 10 % looser."""
    for limit in [limit for limit in limits_of(problem) if limit.kind == kind]:
        problem = changed(problem, limit, limit.value * (1 + 0.1 * limit.sign))
    return problem


@pytest.mark.parametrize("number", [1, 20])
def test_loosening_any_limit_never_slows_the_optimum(number: int) -> None:
    problem, _ = next(hold_bound(1, number))
    problem = problem.nominal()
    before = fm.plan(problem).raise_for_status().duration
    gains = {}
    for kind in ("velocity", "acceleration", "jerk", "torque", "grip_force", "friction", "mass", "clearance"):
        after = fm.plan(loosened(problem, kind)).raise_for_status().duration
        gains[kind] = 1 - after / before
        assert after <= before * (1 + TOLERANCE), kind
    assert max(gains.values()) > 0.01


@pytest.mark.parametrize("angle", [0.7, 2.0, -1.3])
def test_turning_everything_about_gravity_keeps_the_duration(panda: fm.RobotModel, angle: float) -> None:
    problem = behind_a_post(panda)
    turn = pin.SE3(pin.utils.rotate("z", angle), np.zeros(3))
    moved = tuple(o.moved(turn) for o in problem.scene.obstacles)
    robot = problem.robot.at(turn * problem.robot.T_world_base)
    turned = problem.with_(robot=robot, scene=replace(problem.scene, obstacles=moved))
    one, other = fm.plan(problem).raise_for_status(), fm.plan(turned).raise_for_status()
    assert other.duration == pytest.approx(one.duration, rel=TOLERANCE)
    points = one.trajectory.position(np.linspace(0, one.duration, 50))
    same = fm.certify(turned, one.trajectory)
    assert same.ok and points.shape == (50, 7)
    assert same.kinds["hold"].margin == pytest.approx(one.certificate.kinds["hold"].margin, abs=1e-9)


def test_tilting_gravity_does_not() -> None:
    """The property would be empty if gravity did not matter."""
    problem, free = next(hold_bound(1, 1))
    tilted = problem.with_(gravity=readonly(pin.utils.rotate("x", 0.8) @ np.array([0.0, 0.0, -9.81])))
    here, there = (fm.certify(p, free.trajectory, ("hold",)).kinds["hold"].margin for p in (problem, tilted))
    assert abs(here - there) > 1e-3


def test_a_limit_changed_back_is_the_same_problem() -> None:
    problem, _ = next(hold_bound(1, 1))
    for limit in limits_of(problem):
        if limit.kind in ("release_opening",):
            continue
        there = changed(problem, limit, limit.value * (1 + 0.1 * limit.sign))
        back = changed(there, Limit(limit.kind, limit.name, 0.0), limit.value)
        again = [x.value for x in limits_of(back)]
        assert again == pytest.approx([x.value for x in limits_of(problem)], rel=1e-9)
