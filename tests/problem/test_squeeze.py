"""Squeeze: how hard one of two coupled fingers presses, and what the item bears."""

from dataclasses import replace

import numpy as np
import pinocchio as pin
import pytest
from generators import block, on_cup, pinched, swung

import fastmove as fm
from fastmove.bench.planners import slowdown
from fastmove.certificate.certify import certify
from fastmove.errors import GraspInvalid
from fastmove.problem.goal import Goal
from fastmove.problem.grasp import HeldItem, hold
from fastmove.problem.tolerance import Tolerance, ToleranceModel
from fastmove.problem.uncertainty import EXACT, Uncertainty
from fastmove.viz.plot_data import plots

ROBOT = fm.load_robot("panda")


def gripped(bears: float, grip: tuple[float, float], uncertainty: Uncertainty = EXACT, mass: float = 0.3) -> HeldItem:
    held = pinched(ROBOT, block(mass), 20.0, 0.8)
    return hold(
        held.gripper, replace(held.item, max_pinch_force=bears), replace(held.grasp, grip_force=np.array(grip)), uncertainty
    )


def pressed(solution: fm.Solution) -> np.ndarray:
    """How hard the harder finger presses at every time [N], by the wrenches of the certificate."""
    held = solution.problem.holds[0]
    side = np.abs(solution.certificate.profile["wrench"][:, 1]) / 2
    return np.asarray(solution.grip_force[0] * (1 + held.uncertainty.grip_force) + side)


def test_cones_say_the_same_as_uses() -> None:
    rng, care = np.random.default_rng(0), ToleranceModel(Tolerance(), np.array([0.0, 0.0, 1.0]), np.array([0.4]), 3.0)
    inside = 0
    for wrench in rng.normal(0, 2, (300, 6)):
        for at_rest in (False, True):
            (cone,) = care.cones(0, at_rest, 0.9)
            satisfied = np.linalg.norm(cone.slope @ wrench) + cone.offset @ wrench <= cone.limit
            use = float(care.utilisation(wrench[None, None], at_rest)[0, 0])
            assert use == pytest.approx(abs(wrench[1]) / 3.0) and satisfied == (use <= 0.9)
            inside += satisfied
    assert 200 < inside < 580


@pytest.fixture(scope="module")
def limited() -> fm.Solution:
    """A transfer that the squeeze limits: a tenth of a newton is left."""
    return fm.plan(swung(ROBOT, gripped(20.1, (20.0, 20.0))), fm.Options(explain=True)).raise_for_status()


def test_a_plan_keeps_what_the_item_bears_and_a_plan_without_does_not(limited: fm.Solution) -> None:
    free = fm.plan(swung(ROBOT, gripped(np.inf, (20.0, 20.0)))).raise_for_status()
    assert limited.certificate.kinds["squeeze"].ok and 20.098 < pressed(limited).max() <= 20.1
    assert limited.certificate.usage("squeeze") == pytest.approx((pressed(limited).max() - 20.0) / 0.1, rel=1e-3)
    assert pressed(free).max() > 21.5 and limited.duration > 1.005 * free.duration
    assert not certify(limited.problem, free.trajectory).kinds["squeeze"].ok
    assert free.certificate.kinds["squeeze"].proof == "no limit"


def test_where_the_arm_can_turn_the_item_it_costs_next_to_nothing() -> None:
    """The seventh joint turns the closing axis across the acceleration."""
    free, soft = (fm.plan(swung(ROBOT, gripped(bears, (20.0, 20.0)))).raise_for_status() for bears in (np.inf, 20.5))
    assert pressed(soft).max() <= 20.5 and soft.duration <= 1.002 * free.duration


def test_it_is_priced_where_it_limits(limited: fm.Solution) -> None:
    (price,) = [price for price in limited.prices if price.limit.kind == "squeeze"]
    assert price.limit.value == 20.1 and price.limit.unit == "N" and price.seconds(0.01) < 0


def test_more_grip_than_the_item_bears_is_certified_by_no_motion(limited: fm.Solution) -> None:
    (phase,) = limited.trajectory.phases
    harder = replace(limited.trajectory, phases=(replace(phase, grip_force=np.array([20.2])),))
    assert not certify(limited.problem, harder).kinds["squeeze"].ok


def test_grip_that_may_be_higher_and_heavier_items_press_harder() -> None:
    unsure = Uncertainty(grip_force=0.04, mass=0.1)
    solution = fm.plan(swung(ROBOT, gripped(21.2, (20.0, 20.0), unsure))).raise_for_status()
    rng = np.random.default_rng(1)
    for k in range(20):
        real = solution.problem.holds[0].sample(rng, edge=k % 2 == 0)
        truth = certify(solution.problem.with_(holds=(replace(real, uncertainty=EXACT),)), solution.trajectory)
        side = np.abs(truth.profile["wrench"][:, 1]).max() / 2
        assert 20.0 * real.realised_grip_ratio + side <= 21.2
    assert pressed(solution).max() <= 21.2 * (1 + 1e-9)


def test_of_a_range_the_grip_leaves_room_for_the_weight() -> None:
    weight = 0.3 * 9.81
    assert gripped(21.0, (5.0, 21.0)).planned_grip == pytest.approx(21.0 - weight)
    assert gripped(21.0, (5.0, 12.0)).planned_grip == 12.0
    assert gripped(21.0, (20.0, 21.0)).planned_grip == 20.0
    assert gripped(np.inf, (5.0, 40.0)).planned_grip == 40.0
    unsure = gripped(21.0, (5.0, 20.0), Uncertainty(grip_force=0.05, mass=0.1))
    assert unsure.planned_grip == pytest.approx((21.0 - 1.1 * weight) / 1.05) == unsure.most_grip


def test_a_grip_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(GraspInvalid, match=r"bears 20 N per pad.*allowed at most 17.1 N"):
        gripped(20.0, (20.0, 20.0))
    assert gripped(20.0, (15.0, 20.0)).planned_grip < 17.1


def test_weight_along_the_closing_axis_is_named_before_any_search() -> None:
    problem = swung(ROBOT, gripped(20.5, (20.0, 20.0)))
    turned = problem.goal.configurations[0] + [0, 0, 0, 0, 0, -0.5, np.pi / 2]  # the closing axis is 30° from the horizontal
    solution = fm.plan(problem.with_(goal=Goal(turned[None])))
    assert solution.status is fm.Status.NOT_HOLDABLE
    assert "half of its weight along the closing axis" in solution.detail and "grip with at most" in solution.detail


def test_slowing_down_keeps_it_too() -> None:
    problem = swung(ROBOT, gripped(20.2, (20.0, 20.0)))
    slowed, planned = slowdown(problem), fm.plan(problem)
    assert slowed.certificate.kinds["squeeze"].ok and slowed.duration >= planned.duration * (1 - 1e-3)


def test_with_a_reserve_the_whole_grip_is_borne() -> None:
    solution = fm.plan(swung(ROBOT, gripped(20.2, (10.0, 20.0))), fm.Options(reserve=0.1)).raise_for_status()
    assert solution.certificate.ok and pressed(solution).max() <= 20.2


def test_where_the_hold_is_switched_off_nothing_is_squeezed() -> None:
    problem = swung(ROBOT, gripped(21.0, (20.0, 20.0))).with_(hold_active=False)
    solution = fm.plan(problem).raise_for_status()
    assert solution.certificate.kinds["squeeze"].proof == "no limit" and pressed(solution).max() > 21.0


def test_a_cup_does_not_squeeze() -> None:
    held = on_cup(ROBOT, 0.3)
    soft = hold(held.gripper, replace(held.item, max_pinch_force=1.0), held.grasp)
    assert soft.tolerance.side == np.inf and soft.planned_grip == held.planned_grip


def test_it_is_measured_along_the_closing_axis_of_the_hand() -> None:
    """At rest with the hand turned about: half the weight's part along y."""
    held = gripped(30.0, (20.0, 20.0))
    rng = np.random.default_rng(3)
    for _ in range(20):
        rotation = pin.Quaternion(pin.SE3.Random().rotation).matrix()
        weight = rotation.T @ np.array([0.0, 0.0, 0.3 * 9.81])
        wrench = np.concatenate([weight, rng.normal(0, 0.1, 3)])
        assert float(held.tolerance.squeezing(wrench)) == pytest.approx(abs(weight[1]) / 20.0)


def test_the_preview_plots_it_where_it_comes_near(limited: fm.Solution) -> None:
    titles = lambda solution: [plot["title"] for plot in plots(solution)]  # noqa: E731
    roomy = fm.plan(swung(ROBOT, gripped(80.0, (20.0, 20.0)))).raise_for_status()
    assert "squeeze" in titles(limited) and "squeeze" not in titles(roomy)
    assert "squeeze" in roomy.certificate.profile
