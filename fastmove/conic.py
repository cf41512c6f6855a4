"""Convex subproblems: quadratic programs by PIQP, with second-order cones by Clarabel."""

from __future__ import annotations

from dataclasses import dataclass, field

import clarabel
import numpy as np
import piqp
from scipy import sparse

from fastmove.spline import Array

DEAREST = 0.1  # cost of a variable in the units that the solver sees, at most


@dataclass(frozen=True)
class ConicProgram:
    """minimise ½ xᵀ diag(quadratic) x + linear·x  subject to  rows x ≤ bound,  lower ≤ x ≤ upper,
    and for every cone (A, b):  b₀ + A₀ x ≥ ‖b₁… + A₁… x‖.

    Attributes:
        cones: list of (A (k, nv), b (k,)).
        order: permutation of the variables that makes the rows banded, those of every row last; None = as they are.
    """

    quadratic: Array
    linear: Array
    rows: Array
    bound: Array
    lower: Array
    upper: Array
    cones: list[tuple[Array, Array]] = field(default_factory=list)
    order: Array | None = None


def solve(program: ConicProgram, tolerance: float) -> tuple[Array, Array] | None:
    """(x, multipliers of the rows), or None where the solver finds no solution."""
    return _clarabel(program, tolerance) if program.cones else _piqp(program, tolerance)


def _piqp(p: ConicProgram, tolerance: float) -> tuple[Array, Array] | None:
    """The multistage factorisation wants neighbours beside each other: without the order it takes 2 to 13 times as long.
    Variables are scaled so that none costs more than `DEAREST`: dear slacks, in metres, cost a fifth more iterations."""
    order = np.arange(len(p.linear)) if p.order is None else p.order
    unit = (1.0 / np.maximum(1.0, np.abs(p.linear) / DEAREST))[order]
    solver = piqp.SparseSolver()
    solver.settings.kkt_solver = piqp.KKTSolver.sparse_multistage
    solver.settings.eps_abs = solver.settings.eps_rel = tolerance
    solver.settings.eps_duality_gap_abs = solver.settings.eps_duality_gap_rel = tolerance
    solver.settings.max_iter = 60
    rows = _by_columns(p.rows, order, unit)
    size = np.arange(len(order) + 1, dtype=np.int32)
    quadratic = sparse.csc_matrix((p.quadratic[order] * unit**2, size[:-1], size), shape=(len(order), len(order)))
    lower, upper = p.lower[order] / unit, p.upper[order] / unit
    solver.setup(quadratic, p.linear[order] * unit, None, None, rows, None, p.bound, lower, upper)
    status = solver.solve()
    if status not in (piqp.PIQP_SOLVED, piqp.PIQP_MAX_ITER_REACHED) or not np.all(np.isfinite(solver.result.x)):
        return None
    x = np.empty(len(order))
    x[order] = solver.result.x * unit
    return x, np.array(solver.result.z_u)


def _by_columns(rows: Array, order: Array, unit: Array) -> sparse.csc_matrix:
    """The columns of a dense matrix in this order, times `unit`, sparse: four times as fast as scipy's own way."""
    columns = rows.T[order]
    filled = columns != 0
    counts = np.count_nonzero(filled, axis=1)
    where = np.flatnonzero(filled)
    row = where - np.repeat(np.arange(len(order)) * len(rows), counts)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    values = columns.ravel()[where] * np.repeat(unit, counts)
    return sparse.csc_matrix((values, row.astype(np.int32), starts), shape=rows.shape)


def _clarabel(p: ConicProgram, tolerance: float) -> tuple[Array, Array] | None:
    size = len(p.linear)
    eye = sparse.identity(size, format="csc")
    low, high = np.isfinite(p.lower), np.isfinite(p.upper)
    blocks = [sparse.csc_matrix(p.rows), eye[high], -eye[low]]
    bounds = [p.bound, p.upper[high], -p.lower[low]]
    kinds = [clarabel.NonnegativeConeT(len(p.bound) + int(high.sum()) + int(low.sum()))]
    if p.cones:
        blocks.append(sparse.csc_matrix(-np.concatenate([a for a, _ in p.cones])))
        bounds.append(np.concatenate([b for _, b in p.cones]))
        kinds += [clarabel.SecondOrderConeT(len(b)) for _, b in p.cones]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_feas = settings.tol_gap_abs = settings.tol_gap_rel = tolerance
    settings.max_threads = 1
    solver = clarabel.DefaultSolver(
        sparse.diags(p.quadratic, format="csc"),
        p.linear,
        sparse.vstack(blocks, format="csc"),
        np.concatenate(bounds),
        kinds,
        settings,
    )
    solution = solver.solve()
    good = (clarabel.SolverStatus.Solved, clarabel.SolverStatus.AlmostSolved)
    if solution.status not in good:
        return None
    return np.array(solution.x), np.array(solution.z[: len(p.bound)])
