"""Suction in physics: the simulated cup fails where the ring model says, and judges transfers as it judges those of fingers."""

from dataclasses import replace

import numpy as np
import pytest
from generators import on_cup, swung

import fastmove as fm
from fastmove.execution.slip_test import Judgement, Verdict, judge

pytest.importorskip("mujoco", reason="mujoco is not installed")
from suction_rig import READY, VACUUMS, directions, lost, rig

PANDA = fm.load_robot("panda")
V, R = float(PANDA.suction_cup().force[0]), PANDA.suction_cup().radius


def carried(mass: float, offset: float = 0.0, friction: float = 0.5) -> fm.TransferProblem:
    return swung(PANDA, on_cup(PANDA, mass, offset, friction))


@pytest.fixture(scope="module")
def riding() -> list[fm.Solution]:
    """Transfers whose duration the hold limits: they use all that is allowed of the vacuum."""
    solutions = [fm.plan(carried(*what)).raise_for_status() for what in ((0.9, 0.012), (0.7, 0.02, 0.4), (0.8, 0.016, 0.3))]
    assert all(s.certificate.profile["hold"].max() > 0.99 for s in solutions)
    return solutions


@pytest.mark.parametrize("vacuum", VACUUMS)
def test_the_simulated_ring_fails_where_the_closed_forms_say(vacuum: float) -> None:
    """Within 7 %; `make suction-rig` prints the limits themselves, 0.999 to 1.021."""
    simulation = rig(vacuum, 0.5)
    for name, row in directions(0.5, R).items():
        assert not lost(simulation, 0.93 * vacuum * row), name
        assert lost(simulation, 1.07 * vacuum * row), name


def test_a_certified_transfer_is_held_and_with_less_vacuum_than_it_needs_lost(riding: list[fm.Solution]) -> None:
    for solution in riding:
        needed = V * float(solution.certificate.profile["hold"].max())
        assert judge(solution.problem, solution.trajectory, grip_force=needed).verdict is Verdict.HELD
        judgement = judge(solution.problem, solution.trajectory, grip_force=0.8 * needed, measure=False)
        assert set(judgement.verdicts) == {Verdict.SLIPPED} and judgement.slip > 0.1 and judgement.contacts == 0


def test_the_measured_wrench_is_the_planners(riding: list[fm.Solution]) -> None:
    """It counts the vacuum: what is left over of ring and vacuum is what moves the item."""
    solution = riding[0]
    judgement, profile = judge(solution.problem, solution.trajectory, rollouts=1), solution.certificate.profile
    planned = np.stack([np.interp(judgement.time, profile["time"], profile["wrench"][:, k]) for k in range(3)], axis=1)
    assert np.linalg.norm(judgement.wrench[:, :3] - planned, axis=1).max() < 0.02 * V
    assert judgement.margin == pytest.approx(0.0, abs=0.02)


def test_step_by_step_and_in_one_call_the_cup_does_the_same(riding: list[fm.Solution]) -> None:
    both: list[Judgement] = [
        judge(riding[1].problem, riding[1].trajectory, grip_force=0.8 * V, rollouts=1, measure=measure)
        for measure in (True, False)
    ]
    assert both[0].verdict is both[1].verdict is Verdict.SLIPPED
    assert both[0].slip == pytest.approx(both[1].slip, rel=1e-6) and both[0].contacts == both[1].contacts


def test_a_lip_that_lifts_for_a_moment_keeps_its_vacuum_and_one_that_stays_open_does_not() -> None:
    simulation = rig(V, 0.5)
    assert simulation.settle(READY).ok and not simulation.lost
    pull = np.array([0.0, 0, 1.1 * V, 0, 0, 0])
    for steps, gone in ((2, False), (30, True)):
        simulation.settle(READY)
        for _ in range(steps):
            simulation.data.qfrc_applied[simulation.item_dofs] = pull
            simulation.step()
        simulation.data.qfrc_applied[simulation.item_dofs] = 0.0
        for _ in range(50):
            simulation.step()
        assert simulation.lost is gone
    simulation.grip(V)
    assert simulation.data.ctrl[-1] == 0.0  # what is lost is not pulled on again


def test_a_suction_transfer_is_streamed_and_put_down(riding: list[fm.Solution]) -> None:
    outcome = fm.run_transfer(riding[2])
    assert outcome.report.ok and outcome.verdict is Verdict.HELD and "lip points" in str(outcome.judgement)


def test_a_cup_that_cannot_hold_the_item_at_rest_has_not_settled() -> None:
    problem = carried(0.5)
    held = problem.holds[0]
    aside = replace(held.item.members[0], mass=2.0, com=np.array([0.028, 0.0, 0.0]))
    heavy = replace(held, item=replace(held.item, members=(aside,)))
    trajectory = fm.plan(problem).trajectory
    judgement = judge(problem, trajectory, truth=problem.with_(holds=(heavy,)), rollouts=1)
    assert judgement.verdict is Verdict.NOT_SETTLED
