"""Physics with drawn parameters: the same draws for every planner, counted as they are."""

import json
from dataclasses import replace

import pytest

import fastmove as fm
from fastmove.bench.problem_set import open_set
from fastmove.bench.rollouts import rolled_out
from fastmove.execution.slip_test import judge

pytest.importorskip("mujoco")


@pytest.fixture(scope="module")
def planned() -> fm.Solution:
    return fm.plan(open_set("hold-100").load(1).problem).raise_for_status()


def test_a_certified_motion_is_held_by_what_may_be_there(planned: fm.Solution) -> None:
    said = rolled_out(planned.problem, planned.trajectory, 6)
    assert said["rollouts"] == 6 and sum(said["verdicts"].values()) == 6
    assert said["held"] + said["unsettled"] == 6 and said["dropped"] == 0
    assert 9.0 < said["shock"] < 100 and said["slip_mm"] < 0.2
    assert said == rolled_out(planned.problem, planned.trajectory, 6)  # the same draws again
    assert json.loads(json.dumps(said)) == said


def test_each_rollout_is_another(planned: fm.Solution) -> None:
    """Later rollouts begin from settled states of their own: none gives the same slip as another."""
    slips = [judge(planned.problem, planned.trajectory, rollouts=1, measure=False, first=k).slip for k in (0, 1, 5, 9)]
    assert len(set(slips)) == 4 and max(slips) < 2e-4


def test_an_item_that_is_too_smooth_is_not_held(planned: fm.Solution) -> None:
    (held,) = planned.problem.holds
    smooth = fm.hold(held.gripper, held.item, replace(held.grasp, friction=0.5 * held.friction), held.uncertainty)
    said = rolled_out(planned.problem.with_(holds=(smooth,)), planned.trajectory, 3)
    assert said["held"] == 0 and said["rollouts"] == 3
