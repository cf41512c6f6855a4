"""Two arms as one robot: the same arms, side by side; crossing ways planned as one problem of fourteen joints."""

import time
from dataclasses import replace

import numpy as np
import pinocchio as pin
import pytest
from generators import HOME, block, crossing, holding, two_pandas

import fastmove as fm
from fastmove.certificate.certify import certify
from fastmove.collision.checker import Collision
from fastmove.dynamics.efforts import Dynamics
from fastmove.errors import InputError
from fastmove.geometry.poses import pose
from fastmove.multibody.assembly import assemble
from fastmove.problem.goal import Goal, State
from fastmove.problem.grasp import Grasp, hold
from fastmove.problem.scene import Scene
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.multi_arm import combine_robots


@pytest.fixture(scope="module")
def two() -> fm.RobotModel:
    return two_pandas()


def test_each_arm_is_the_arm_it_was(two: fm.RobotModel, panda: fm.RobotModel) -> None:
    rng = np.random.default_rng(0)
    q, v, a = rng.uniform(-0.5, 0.5, (3, 5, 14)) + np.concatenate([HOME, HOME])
    problem = holding(two, q[0], q[1])
    both = Dynamics(problem, assemble(problem)).efforts(q, v, a).total
    grasp = Grasp(pose(), 0.5, np.array([30.0, 30.0]))
    for k, base in enumerate((0.4, -0.4)):
        robot, arm = panda.at(pose((0.0, base, 0.0))), slice(7 * k, 7 * k + 7)
        held = (hold(robot.gripper(), block(0.3), grasp),)
        alone = TransferProblem("one", robot, held, Scene(), State.rest(q[0, arm]), Goal(q[1:2, arm]), "benchmark")
        one = Dynamics(alone, assemble(alone)).efforts(q[:, arm], v[:, arm], a[:, arm]).total
        np.testing.assert_allclose(both[:, :, arm], one[:, :, :7], atol=1e-9)
        np.testing.assert_allclose(both[:, :, 14 + 6 * k : 20 + 6 * k], one[:, :, 7:], atol=1e-9)
        tool = two.gripper(("left_hand", "right_hand")[k])
        assembly, single = assemble(problem), assemble(alone)
        placed = []
        for model, name, at in ((assembly.arm, tool.parent_frame, q[0]), (single.arm, "panda_hand", q[0, arm])):
            data = model.createData()
            pin.framesForwardKinematics(model, data, at)
            placed.append(data.oMf[model.getFrameId(name)].homogeneous)
        np.testing.assert_allclose(placed[0], placed[1], atol=1e-12)


def test_links_of_both_arms_are_checked_against_each_other(two: fm.RobotModel) -> None:
    problem = next(crossing(two, 1, 0))
    collision = Collision(problem, assemble(problem))
    names = {frozenset(collision.names(k)) for k in range(len(collision.pairs))}
    assert frozenset(("left_panda_link5", "right_panda_link5")) in names and frozenset(("item",)) in names
    assert frozenset(("left_panda_link3", "left_panda_link4")) not in names


def test_crossing_ways_are_planned_as_one(two: fm.RobotModel) -> None:
    solution = fm.plan(next(crossing(two, 1, 1))).raise_for_status()
    assert len(solution.grip_force) == 2 and solution.trajectory.position(0.1).shape == (14,)
    assert certify(solution.problem, solution.trajectory, step=2e-4).ok


def test_arms_that_do_not_go_together_are_named(panda: fm.RobotModel) -> None:
    with pytest.raises(InputError, match="two"):
        combine_robots({"one": panda})
    with pytest.raises(InputError, match="limit set"):
        combine_robots({"one": panda, "other": replace(panda, limits={"own": panda.limit_set("fer")})})


@pytest.mark.slow
def test_twenty_crossing_transfers(two: fm.RobotModel) -> None:
    times, ratios = [], []
    for k, problem in enumerate(crossing(two, 20, 3)):
        begin = time.perf_counter()
        solution = fm.plan(problem)
        times.append(time.perf_counter() - begin)
        if solution.ok:
            assert certify(problem, solution.trajectory, step=1e-4).ok
            ratios.append(solution.duration / solution.lower_bound)
        print(f"{k:2d} {solution.status.name} {solution.duration} s in {times[-1]:.2f} s {solution.detail}", flush=True)
    print(f"{len(ratios)} of 20 certified, T/b median {np.median(ratios):.4f}, planning median {np.median(times):.2f} s")
    assert len(ratios) >= 18
