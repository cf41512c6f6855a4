"""The price of roughness: its closed form, its derivatives, and what it does to motions."""

from dataclasses import replace

import numpy as np
import pytest
from generators import block, pinched, straight_line
from scipy.integrate import quad

import fastmove as fm
from fastmove.optim.banded_program import Solution
from fastmove.optim.merit import SqpProblem
from fastmove.optim.objective import Roughness
from fastmove.optim.sqp import run
from fastmove.optim.subproblem import Subproblem
from fastmove.problem.goal import State
from fastmove.problem.scene import Scene
from fastmove.solution.smoothness import Smoothness
from fastmove.trajectory.bspline import SplineBasis
from fastmove.trajectory.trajectory import Phase

READY = np.array([0, -0.785, 0, -2.356, 0, 1.571, 0.785])
N = 3


def case(seed: int) -> tuple[SplineBasis, np.ndarray, np.ndarray, float]:
    """A basis with uneven spans, limits, control points and a duration."""
    rng = np.random.default_rng(seed)
    basis = SplineBasis(np.concatenate([[0.0], np.sort(rng.uniform(0.05, 0.95, 9)), [1.0]]))
    return basis, rng.uniform(5, 20, N), rng.normal(size=(basis.size, N)), float(rng.uniform(0.5, 2.0))


def whole_matrix(roughness: Roughness, duration: float) -> np.ndarray:
    """The second derivative as a full matrix, from its band."""
    band = roughness.band(duration)
    size = len(band) * N
    matrix = np.zeros((size, size))
    for point in range(len(band)):
        for k in range(min(4, len(band) - point)):
            for joint in range(N):
                row, column = point * N + joint, (point + k) * N + joint
                matrix[row, column] = matrix[column, row] = band[point, k, joint]
    return matrix


@pytest.mark.parametrize("seed", range(5))
def test_roughness_is_the_integral_and_its_derivatives_are_differences(seed: int) -> None:
    basis, limits, points, duration = case(seed)
    roughness, rng = Roughness(basis, limits), np.random.default_rng(seed)

    def at(s: float) -> float:
        return float(((basis.design_matrix(np.array([s]), 2) @ points / duration**2 / limits) ** 2).mean())

    whole = quad(at, 0, 1, points=basis.breakpoints[1:-1], limit=200)[0]
    assert roughness.value(points, duration) == pytest.approx(whole, rel=1e-9)
    step, h = rng.normal(size=points.shape), 1e-4
    ahead, back = (roughness.value(points + sign * h * step, duration) for sign in (1, -1))
    assert float(np.sum(roughness.gradient(points, duration) * step)) == pytest.approx((ahead - back) / (2 * h), rel=1e-7)
    free = np.zeros_like(points)
    free[3:-3] = step[3:-3]
    change = roughness.gradient(points + free, duration) - roughness.gradient(points, duration)
    hessian = whole_matrix(roughness, duration) @ free.ravel()
    np.testing.assert_allclose(hessian[3 * N : -3 * N], change[3:-3].ravel(), rtol=1e-9, atol=1e-9 * np.abs(change).max())


@pytest.mark.parametrize("seed", range(3))
def test_roughness_is_strictly_convex(seed: int) -> None:
    """With both ends fixed nothing but the same motion is as smooth: bending costs in every direction."""
    basis, limits, _, duration = case(seed)
    assert np.linalg.eigvalsh(whole_matrix(Roughness(basis, limits), duration)[3 * N : -3 * N, 3 * N : -3 * N]).min() > 1e-9


def start_of(panda: fm.RobotModel, price: float) -> tuple[SqpProblem, np.ndarray, float]:
    """A straight line with some bends, without anything held or in the way, at a price of roughness."""
    goal = READY + np.array([0.9, 0.2, -0.3, 0.2, 0.1, -0.2, 0.1])
    problem = fm.TransferProblem("free", panda, (), Scene(), State.rest(READY), fm.Goal(goal), "benchmark")
    optimiser, free, duration = straight_line(problem)
    bends = 0.02 * np.random.default_rng(0).normal(size=free.shape)
    return replace(optimiser, smoothness=price, step_tolerance=1e-6, precision=1e-7), free + bends, duration


def roughness(optimiser: SqpProblem, free: np.ndarray, duration: float) -> float:
    transcription = optimiser.transcription
    return transcription.roughness.value(transcription.points(free, duration), duration)


def test_joints_that_do_not_limit_the_duration_are_smooth(panda: fm.RobotModel) -> None:
    """The price takes needless acceleration away, at no cost where the slowest joint has no choice."""
    optimiser, free, duration = start_of(panda, 0.0)
    rough, _ = run(optimiser, free, duration)
    smooth, _ = run(replace(optimiser, smoothness=3e-4), rough.free, rough.duration)
    before, after = (roughness(optimiser, point.free, point.duration) for point in (rough, smooth))
    assert after < 0.9 * before and smooth.duration <= rough.duration * (1 + 1e-6)


def test_the_optimum_is_unique(panda: fm.RobotModel) -> None:
    """From two starts that differ, the same motion; without a price, others."""
    ends = {}
    for price in (0.0, 0.05):
        optimiser, free, duration = start_of(panda, price)
        other = free + 0.05 * np.random.default_rng(1).normal(size=free.shape)
        one, two = (run(optimiser, start, duration)[0] for start in (free, other))
        ends[price] = float(np.abs(one.free - two.free).max())
    assert ends[0.05] < 1e-4 and ends[0.0] > 0.01


def test_a_step_promises_what_its_program_says_of_roughness(panda: fm.RobotModel) -> None:
    """For small steps the model's merit is the merit: the gradient of T + ε T J in control points and duration."""
    problem = fm.TransferProblem(
        "held", panda, (pinched(panda, block(0.5), 15.0, 0.5),), Scene(), State.rest(READY), fm.Goal(READY + 0.3), "fer"
    )
    optimiser, free, duration = straight_line(problem)
    optimiser = replace(optimiser, smoothness=0.5)
    point = optimiser.evaluate(free, duration)
    sub = Subproblem(
        optimiser.transcription, optimiser.samples, optimiser.linearise(point, 0.1), 0.1, (-0.5, 1.0), True, optimiser.smoothness
    )
    h, xi = 1e-5, 0.7
    change = np.zeros((len(free) + 6, free.shape[1]))
    change[3:-3] = np.random.default_rng(2).normal(size=free.shape)
    own = np.zeros(len(sub.program.own_cost))

    def exact(step: float) -> float:
        t = point.duration * (1 + step * xi)
        return t * (1 + 0.5 * roughness(optimiser, point.free + step * change[3:-3], t))

    def model(step: float) -> float:
        return sub.step(Solution(step * change, np.array([step * xi]), own, 0)).value

    assert (model(h) - model(-h)) / (2 * h) == pytest.approx((exact(h) - exact(-h)) / (2 * h), rel=1e-4)
    assert model(0.0) == pytest.approx(exact(0.0), rel=1e-12)


def test_the_report_says_how_smooth_what_was_priced_is(panda: fm.RobotModel) -> None:
    optimiser, free, duration = start_of(panda, 0.0)
    transcription = optimiser.transcription
    phase = Phase.from_spline(transcription.basis, transcription.points(free, duration), duration, [], [])
    limits = transcription.problem.limit_set
    smooth = Smoothness.of(fm.Trajectory((phase,), panda.joint_names), limits)
    assert Roughness(transcription.basis, limits.acceleration).value(
        transcription.points(free, duration), duration
    ) == pytest.approx(smooth.acceleration**2, rel=1e-7)
