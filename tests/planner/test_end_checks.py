"""What stands at the ends of a motion: an item pressed into its support is refused, one that touches it is held in physics."""

from dataclasses import replace

import numpy as np
import pinocchio as pin
import pytest

import fastmove as fm
from fastmove.certificate.certify import certify
from fastmove.execution.slip_test import judge
from fastmove.problem.goal import Goal, State
from fastmove.problem.scene import CONTACT_DEPTH
from fastmove.search.ik import GoalIk


def pressed(problem: fm.TransferProblem, end: str, depth: float) -> fm.TransferProblem:
    """The problem with the item `depth` lower at one end, unturned [m]."""
    q = np.array(problem.goal.configurations[0] if end == "goal" else problem.start.q)
    q = q + np.linalg.pinv(GoalIk(problem).frame(q)[1]) @ [0, 0, -depth, 0, 0, 0]
    return problem.with_(goal=Goal(q[None])) if end == "goal" else problem.with_(start=State.rest(q))


@pytest.fixture(scope="module")
def cup() -> fm.TransferProblem:
    return fm.load_problem(fm.problems_folder() / "open_cup.toml")


@pytest.mark.parametrize("depth", [8e-5, 2.7e-4, 4.9e-4])
def test_an_item_pressed_into_its_support_is_refused(cup: fm.TransferProblem, depth: float) -> None:
    solution = fm.plan(pressed(cup, "goal", depth))
    assert solution.status is fm.Status.GOAL_UNREACHABLE
    assert f"overlaps saucer_goal by {depth * 1e3:.2f} mm" in solution.detail and "at most 0.05 mm" in solution.detail
    with pytest.raises(fm.StartInCollision, match=f"overlaps saucer_start by {depth * 1e3:.2f} mm.*at most 0.05 mm"):
        fm.plan(pressed(cup, "start", depth))


def test_an_item_that_touches_its_support_is_held(cup: fm.TransferProblem) -> None:
    touching = pressed(pressed(cup, "goal", 0.9 * CONTACT_DEPTH), "start", 0.9 * CONTACT_DEPTH)
    solution = fm.plan(touching).raise_for_status()
    assert judge(touching, solution.trajectory).verdict.name == "HELD"
    # The same motion onto a saucer that stands 0.2 mm higher: the certificate says so, too.
    saucer = next(obstacle for obstacle in cup.scene.obstacles if obstacle.name == "saucer_goal")
    up = pin.SE3(np.eye(3), np.array([0, 0, 2e-4]))
    shapes = tuple(replace(shape, placement=up * shape.placement) for shape in saucer.shapes)
    others = [obstacle for obstacle in cup.scene.obstacles if obstacle is not saucer]
    higher = touching.with_(scene=replace(cup.scene, obstacles=(*others, replace(saucer, shapes=shapes))))
    entry = certify(higher, solution.trajectory, ("allowed_contact", "clearance")).kinds["allowed_contact"]
    assert not entry.ok and entry.margin == pytest.approx(0.1 * CONTACT_DEPTH - 2e-4, abs=1e-5)
    assert entry.time_s == pytest.approx(solution.duration)
