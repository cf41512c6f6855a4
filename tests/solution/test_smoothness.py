"""Smoothness of a motion: closed forms, scaling with the duration, the report and the JSON that say it."""

import json

import numpy as np
import pytest
from generators import free_space_pairs

import fastmove as fm
from fastmove.solution.as_json import solution_json
from fastmove.solution.smoothness import REVERSAL, Smoothness
from fastmove.trajectory.piecewise_polynomial import PiecewisePolynomial
from fastmove.trajectory.trajectory import Phase, Trajectory


def motion_of(jerks: np.ndarray, span: float) -> Trajectory:
    """A motion from rest with piecewise constant jerks (m, n) [rad/s³], each for `span` [s]."""
    state, rows = np.zeros((3, jerks.shape[1])), []
    for jerk in jerks:
        q, v, a = state
        rows.append(np.stack([q, v, a / 2, jerk / 6]))
        state = np.stack(
            [q + v * span + a * span**2 / 2 + jerk * span**3 / 6, v + a * span + jerk * span**2 / 2, a + jerk * span]
        )
    times = span * np.arange(len(jerks) + 1)
    names = tuple(f"joint{k}" for k in range(jerks.shape[1]))
    return Trajectory((Phase(PiecewisePolynomial(times, np.array(rows))),), names)


def limits_of(acceleration: list[float], jerk: list[float]) -> fm.LimitSet:
    ones = np.ones(len(jerk))
    return fm.LimitSet("own", -9 * ones, 9 * ones, 9 * ones, np.array(acceleration), np.array(jerk), 9 * ones, 9 * ones)


def test_of_a_double_triangle_of_acceleration_all_is_known() -> None:
    jerk = np.array([[1.0], [-1.0], [-1.0], [1.0]]) * [[8.0, 0.0]]  # up to 8 · 0.5 = 4 rad/s², down to −4, one joint of two
    smooth = Smoothness.of(motion_of(jerk, 0.5), limits_of([5.0, 1.0], [16.0, 1.0]))
    assert smooth.acceleration == pytest.approx(np.sqrt((4 / 5) ** 2 / 3 / 2), rel=1e-12)
    assert smooth.jerk == pytest.approx(np.sqrt((8 / 16) ** 2 / 2), rel=1e-12)
    assert smooth.reversals == 1


def test_an_excursion_below_the_threshold_is_no_reversal() -> None:
    for share, count in ((0.9, 0), (1.1, 2)):  # up, a little down, up again, back to 0
        peaks = np.array([0.0, 1.0, 0.0, -share * REVERSAL, 0.0, 1.0, 0.0])
        smooth = Smoothness.of(motion_of(np.diff(peaks)[:, None], 1.0), limits_of([1.0], [1.0]))
        assert smooth.reversals == count


@pytest.mark.parametrize("seed", range(4))
def test_figures_scale_with_the_duration_and_are_those_of_a_dense_grid(seed: int) -> None:
    rng = np.random.default_rng(seed)
    trajectory, limits = motion_of(rng.normal(size=(9, 3)), 0.2), limits_of([0.5, 0.7, 0.9], [1.0, 2.0, 3.0])
    smooth, slower = (Smoothness.of(motion, limits) for motion in (trajectory, trajectory.slowed(1.3)))
    times = (np.arange(36_000) + 0.5) / 36_000 * trajectory.duration
    dense = [np.sqrt(((trajectory.motion(k)(times) / x) ** 2).mean()) for k, x in ((2, limits.acceleration), (3, limits.jerk))]
    assert (smooth.acceleration, smooth.jerk) == pytest.approx(dense, rel=1e-6)
    assert slower.acceleration * 1.3**2 == pytest.approx(smooth.acceleration, rel=1e-9)
    assert slower.jerk * 1.3**3 == pytest.approx(smooth.jerk, rel=1e-9)


def test_report_and_json_say_it() -> None:
    problem = next(iter(free_space_pairs("benchmark", 61, 1)))
    solution = fm.plan(problem)
    smooth = Smoothness.of(solution.trajectory, problem.limit_set)
    assert f"{smooth.reversals} reversals of acceleration" in str(solution)
    said = json.loads(json.dumps(solution_json(solution)))["smoothness"]
    assert said == pytest.approx({"acceleration": smooth.acceleration, "jerk": smooth.jerk, "reversals": smooth.reversals})
    assert 0 < smooth.acceleration <= 1 and 0 < smooth.jerk <= 1
    assert solution_json(fm.Solution(problem, fm.Status.NO_PATH))["smoothness"] is None
