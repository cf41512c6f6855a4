"""Steps of the solver loop: where tangents of T^p touch, and when a run is over."""

from dataclasses import replace

import numpy as np
import pytest
from generators import straight_line
from situations import cluttered

import fastmove as fm
from fastmove.optim.linearization import Linearization
from fastmove.optim.merit import Iterate, SqpProblem
from fastmove.optim.sqp import FIRST_GAIN, SqpRun
from fastmove.optim.subproblem import Subproblem
from fastmove.problem.goal import Goal, State
from fastmove.problem.scene import Scene
from fastmove.problem.transfer import TransferProblem
from fastmove.search.initial_guess import bent_guess

READY = np.array([0, -0.785, 0, -2.356, 0, 1.571, 0.785])


def detour(panda: fm.RobotModel, seed: int) -> tuple[SqpProblem, Iterate]:
    """A way with bends in free space that takes far longer than its ends ask for."""
    rng = np.random.default_rng(seed)
    goal = READY + rng.uniform(-0.6, 0.6, 7)
    problem = TransferProblem("detour", panda, (), Scene(), State.rest(READY), Goal([goal]), "benchmark")
    optimiser, line, duration = straight_line(problem)
    free = line + 0.5 * (bent_guess(READY, goal, problem.limit_set, optimiser.transcription.basis, seed) - line)
    return optimiser, optimiser.evaluate(free, duration)


@pytest.mark.parametrize("seed", range(4))
def test_limits_touched_at_the_motions_own_duration_stop_a_step_at_a_third(panda: fm.RobotModel, seed: int) -> None:
    optimiser, point = detour(panda, seed)
    assert point.duration > 2 * optimiser.bound
    own, hoped = (optimiser.step(optimiser.linearise(point, 1.0, gain), 1.0, 0.6, False) for gain in (0.0, 0.6))
    assert own is not None and hoped is not None
    assert own.stretch > -1 / 3 - 1e-6 and own.stretch == pytest.approx(own.off)
    assert hoped.stretch < -1 / 3
    here = optimiser.linearise(point, 1.0, 0.6)
    assert here.duration == max(optimiser.bound, 0.4 * point.duration) and here.origin == point.duration
    assert here.duration * (1 + hoped.off) == pytest.approx(point.duration * (1 + hoped.stretch))


@pytest.mark.parametrize("gain", [0.0, 0.2, FIRST_GAIN])
def test_a_model_in_free_space_never_promises_more_than_comes_of_it(panda: fm.RobotModel, gain: float) -> None:
    """A tangent of T^p is below it for every p ≥ 1, wherever it touches; torques bend the truth a little."""
    for seed in range(6):
        optimiser, point = detour(panda, seed)
        step = optimiser.step(optimiser.linearise(point, 0.3, gain), 0.3, 0.6, False)
        assert step is not None and step.value_here == pytest.approx(point.merit)
        after = optimiser.evaluate(point.free + step.change, point.duration)
        assert after.merit <= step.value + 2e-3 * point.duration


def test_where_a_run_stops_no_step_promises_anything(panda: fm.RobotModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is hidden from the loop, so that it has to find out by itself; nearly all runs end with a settled step."""
    settled: list[bool] = []
    judged = SqpRun._settled
    monkeypatch.setattr(SqpRun, "_settled", lambda self, *step: settled.append(judged(self, *step)) or settled[-1])
    last = []
    for seed in range(8):
        optimiser, point = detour(panda, seed)
        blind = replace(optimiser, bound=optimiser.bound / 2)
        run = SqpRun.of(blind, point.free, point.duration, gain=FIRST_GAIN)
        found = run.converge()
        assert run.finished and not blind.proven(found) and found.feasible
        assert found.duration < 1.002 * optimiser.bound
        step = blind.look(found, 0.3)
        assert step is not None and step.value_here - step.value < 3 * blind.step_tolerance * found.duration
        last.append(settled[-1])
    assert sum(last) >= 4


def test_a_step_as_long_as_allowed_is_not_taken_for_the_last_one(panda: fm.RobotModel) -> None:
    optimiser, point = detour(panda, 1)
    held, free = (optimiser.step(optimiser.linearise(point, 0.3), 0.3, most, False) for most in (0.05, 0.6))
    assert held is not None and free is not None
    assert held.limited and held.stretch == pytest.approx(-0.05, abs=1e-3) and not free.limited
    run = SqpRun.of(optimiser, point.free, point.duration)
    trial = optimiser.evaluate(point.free + held.change, point.duration * (1 + held.stretch))
    exact = replace(held, value=trial.merit, off=0.0)
    assert not run._settled(exact, trial)
    assert run._settled(replace(exact, limited=False), trial) == trial.feasible


def test_a_run_that_falls_behind_its_rival_ends(panda: fm.RobotModel) -> None:
    optimiser, free, duration = straight_line(cluttered(panda, 2))
    whole, behind, beside = (SqpRun.of(optimiser, free, 2 * duration) for _ in range(3))
    found = whole.converge()
    behind.converge(rival=0.01 * duration)
    assert behind.solved < whole.solved / 2 and not behind.finished
    assert beside.converge(rival=1.04 * found.merit).merit == found.merit


@pytest.mark.parametrize("seed", [2, 3])
def test_rows_that_wait_outside_do_not_change_a_step(panda: fm.RobotModel, seed: int) -> None:
    """However small a step is expected, the rows that it breaks join: the same step in a cluttered cell."""
    optimiser, free, duration = straight_line(cluttered(panda, seed))
    point = optimiser.evaluate(free, 2 * duration)
    here = optimiser.linearise(point, 0.2)
    exact = replace(optimiser, precision=1e-8)
    all_in, waiting = (exact.step(here, 0.2, 0.6, True, expected) for expected in (np.inf, 1e-5))
    assert all_in is not None and waiting is not None
    assert waiting.value == pytest.approx(all_in.value, abs=2e-6 * duration)
    rows = [subproblem_rows(exact, here, expected) for expected in (np.inf, 1e-5)]
    assert rows[1] < rows[0]


def subproblem_rows(optimiser: SqpProblem, here: Linearization, expected: float) -> int:
    """Number of constraints of a subproblem before any joins."""
    subproblem = Subproblem(
        optimiser.transcription, optimiser.samples, here, 0.2, optimiser.range(here, 0.6), True, optimiser.smoothness, expected
    )
    return sum(len(each.site) for each in subproblem.program._constraints)
