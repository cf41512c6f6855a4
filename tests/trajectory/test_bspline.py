"""Splines: against scipy, exact insertion, exact extremes, exact ends."""

import numpy as np
import pytest
from scipy.interpolate import BSpline

from fastmove.trajectory.bspline import SplineBasis
from fastmove.trajectory.piecewise_polynomial import PiecewisePolynomial, _real_roots, quintic_hermite


def random_basis(rng: np.random.Generator, spans: int = 9) -> SplineBasis:
    return SplineBasis(np.concatenate([[0.0], np.sort(rng.uniform(0.01, 0.99, spans - 1)), [1.0]]))


@pytest.mark.parametrize("seed", range(10))
def test_basis_and_derivatives_agree_with_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    basis = random_basis(rng)
    points = rng.normal(size=(basis.size, 3))
    s = rng.uniform(0, 1, 200)
    reference = BSpline(basis.knots, points, 3)
    for order in range(4):
        expected = reference.derivative(order)(s) if order else reference(s)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(basis.design_matrix(s, order) @ points, expected, atol=1e-11 * scale)


@pytest.mark.parametrize("seed", range(10))
def test_polynomial_is_the_same_curve_in_time(seed: int) -> None:
    rng = np.random.default_rng(seed)
    basis = random_basis(rng)
    points, duration = rng.normal(size=(basis.size, 2)), rng.uniform(0.2, 3.0)
    motion, t = basis.polynomial(points, duration), np.linspace(0, duration, 301)
    for order in range(4):
        expected = basis.design_matrix(t / duration, order) @ points / duration**order
        np.testing.assert_allclose(motion(t), expected, atol=1e-10 * np.abs(expected).max())
        motion = motion.derivative()


def test_equal_control_points_at_an_end_rest_exactly() -> None:
    basis = SplineBasis(np.array([0, 2e-4, 0.3, 0.7, 0.9995, 1.0]))
    points = np.random.default_rng(0).normal(size=(basis.size, 2)) * 3
    points[:3], points[-3:] = points[0], points[-1]
    motion = basis.polynomial(points, 0.7)
    assert np.array_equal(motion.derivative()(0.0), np.zeros((1, 2)))
    assert np.array_equal(motion.derivative().derivative()(0.0), np.zeros((1, 2)))
    np.testing.assert_allclose(motion.derivative().derivative()(0.7, "left"), 0.0, atol=1e-10)


@pytest.mark.parametrize("seed", range(10))
def test_knot_insertion_keeps_the_curve(seed: int) -> None:
    rng = np.random.default_rng(seed)
    basis = random_basis(rng)
    finer = basis.refined(rng.uniform(0, 1, 12))
    assert finer.spans == basis.spans + 12
    points, s = rng.normal(size=(basis.size, 3)), np.linspace(0, 1, 400)
    np.testing.assert_allclose(
        finer.design_matrix(s) @ basis.insertion_matrix(finer) @ points, basis.design_matrix(s) @ points, atol=1e-11
    )


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
def test_extremes_bound_dense_samples_and_are_attained(degree: int) -> None:
    rng = np.random.default_rng(degree)
    for _ in range(20):
        times = np.concatenate([[0.0], np.cumsum(rng.uniform(0.05, 0.4, 6))])
        curve = PiecewisePolynomial(times, rng.normal(size=(6, degree + 1, 4)))
        extremes = curve.extremes()
        t = np.concatenate([np.linspace(0, times[-1], 4001), times])
        dense = np.concatenate([curve(t, "right"), curve(t, "left")])
        assert np.all(extremes.high >= dense.max(axis=0) - 1e-12)
        assert np.all(extremes.low <= dense.min(axis=0) + 1e-12)
        for k in range(4):
            both = [curve(extremes.high_time[k], side)[0, k] for side in ("left", "right")]
            assert np.min(np.abs(np.array(both) - extremes.high[k])) < 1e-9


def test_real_roots_are_those_that_a_polynomial_was_made_of() -> None:
    rng = np.random.default_rng(3)
    for count in (0, 1, 2, 2, 2, 3, 4):
        for _ in range(20):
            roots = np.sort(rng.normal(size=count) * 10.0 ** rng.uniform(-6, 2))
            made = [0.0, 0.0, *(np.atleast_1d(np.poly(roots)) * rng.normal()).tolist()]  # leading zeros do not count
            np.testing.assert_allclose(sorted(_real_roots(made)), roots, rtol=1e-6)
    assert _real_roots([1.0, 0.0, 1.0]) == [] and _real_roots([2.0, 0.0, 0.0]) == [0.0] and _real_roots([0.0, 0.0]) == []
    assert sorted(_real_roots([1.0, -1e8, 1.0])) == [1e-8, 1e8]  # without cancellation


def test_quintic_hermite_goes_through_its_samples() -> None:
    rng = np.random.default_rng(1)
    times = np.concatenate([[0.0], np.cumsum(rng.uniform(0.01, 0.1, 12))])
    q, v, a = rng.normal(size=(3, 13, 2))
    curve = quintic_hermite(times, q, v, a)
    for values in (q, v, a):
        for side in ("left", "right"):
            np.testing.assert_allclose(curve(times, side), values, atol=1e-7)
        curve = curve.derivative()


def test_breakpoints_are_checked_and_locked() -> None:
    with pytest.raises(ValueError, match="increase strictly"):
        SplineBasis(np.array([0.0, 0.5, 0.5, 1.0]))
    basis = SplineBasis(np.array([0.0, 0.5, 1.0]))
    with pytest.raises(ValueError):
        basis.breakpoints[1] = 0.4
