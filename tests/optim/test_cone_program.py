"""Convex programs: both solvers agree, whatever the order of the variables, and a cone gives what a circle says."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import nnls

from fastmove.arrays import Array
from fastmove.optim.cone_program import Cones, ConicProgram, _by_columns, _clarabel, solve


def program(seed: int) -> ConicProgram:
    """A random bounded quadratic program with the origin inside."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(60, 25)) * (rng.uniform(size=(60, 25)) < 0.3)
    return ConicProgram(
        rng.uniform(0.1, 1.0, 25), rng.normal(size=25), rows, rng.uniform(0.1, 1.0, 60), np.full(25, -1.0), np.full(25, 1.0)
    )


def value(p: ConicProgram, x: Array) -> float:
    return float(0.5 * x @ (p.quadratic * x) + p.linear @ x)


@pytest.mark.parametrize("seed", range(5))
def test_both_solvers_agree_in_any_order(seed: int) -> None:
    p = program(seed)
    order = np.random.default_rng(seed).permutation(25)
    answers = [solve(p, 1e-9), solve(replace(p, order=order), 1e-9), _clarabel(p, 1e-9)]
    for found in answers:
        assert found is not None
        np.testing.assert_allclose(found, answers[0], atol=1e-5)
        assert np.all(p.rows @ found <= p.bound + 1e-7) and np.all(np.abs(found) <= 1 + 1e-7)
    best = answers[0]
    assert best is not None and value(p, best) < 0
    inside = np.abs(best) < 1 - 1e-6  # where no bound of a variable binds, rows that bind balance the gradient
    binding = p.rows[p.rows @ best > p.bound - 1e-6]
    gradient = (p.quadratic * best + p.linear)[inside]
    _, residual = nnls(binding[:, inside].T, -gradient)
    assert residual < 1e-5


@pytest.mark.parametrize("seed", range(3))
def test_both_solvers_know_the_whole_quadratic_cost(seed: int) -> None:
    """A cost that is not diagonal, over the first variables only: the gradient at an inner optimum is zero."""
    p, rng = program(seed), np.random.default_rng(seed)
    root = rng.normal(size=(18, 18))
    p = replace(
        p, hessian=sparse.csc_matrix(root @ root.T), bound=np.full(60, 50.0), lower=np.full(25, -50.0), upper=np.full(25, 50.0)
    )
    dense = np.diag(p.quadratic)
    dense[:18, :18] += root @ root.T
    exact = np.linalg.solve(dense, -p.linear)
    order = rng.permutation(25)
    for found in (solve(p, 1e-10), solve(replace(p, order=order), 1e-10), _clarabel(p, 1e-10)):
        assert found is not None
        np.testing.assert_allclose(found, exact, atol=1e-6)


def test_rows_by_columns_are_the_rows() -> None:
    p, order, unit = program(9), np.random.default_rng(9).permutation(25), np.linspace(0.5, 2.0, 25)
    found = _by_columns(p.rows, order, unit)
    np.testing.assert_array_equal(found.toarray(), p.rows[:, order] * unit)
    assert found.has_sorted_indices and found.nnz == sparse.csc_matrix(p.rows).nnz
    assert _by_columns(np.zeros((0, 25)), order, unit).shape == (0, 25)


def test_a_cone_is_a_circle() -> None:
    """The least of a·x on the unit disc is −‖a‖, at −a/‖a‖."""
    a = np.array([0.6, -1.1])
    disc = Cones()
    disc.add(np.array([[0, 1]]), np.vstack([np.zeros(2), np.eye(2)]), np.array([[1.0, 0.0, 0.0]]))
    free = np.full(2, np.inf)
    found = solve(ConicProgram(np.zeros(2), a, np.zeros((0, 2)), np.zeros(0), -free, free, disc.over(2)), 1e-9)
    assert found is not None
    np.testing.assert_allclose(found, -a / np.linalg.norm(a), atol=1e-7)


def test_an_impossible_program_has_no_answer() -> None:
    p = program(3)
    impossible = replace(p, rows=np.vstack([p.rows, np.eye(25)[:1]]), bound=np.append(p.bound, -2.0))
    assert _clarabel(impossible, 1e-8) is None
