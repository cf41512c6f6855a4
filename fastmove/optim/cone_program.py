"""Convex subproblems: quadratic programs by PIQP, with second-order cones by Clarabel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import clarabel
import numpy as np
import piqp
from scipy import sparse

from fastmove.arrays import Array

MAX_SCALED_COST = 0.1  # cost of a variable in the units that the solver sees, at most
REDUCED_TOLERANCE = 10.0  # times the precision: what is still taken where no step leads nearer
REFINED_BELOW = 1e-6  # precision from which Clarabel refines its steps; rougher ones are as good without, at half the time


class SparseRows:
    """Rows of a matrix, collected group by group; those of one group touch as many variables each."""

    def __init__(self) -> None:
        self.count = 0
        self._parts: list[tuple[Array, Array, Array]] = []

    def add(self, columns: Array, matrix: Array) -> None:
        """N blocks of k rows over c variables: columns (N, c), matrix (N, k, c) or, the same for all, (k, c)."""
        blocks, (k, c) = len(columns), matrix.shape[-2:]
        rows = self.count + np.arange(blocks * k).reshape(blocks, k, 1)
        shape = (blocks, k, c)
        values = np.broadcast_to(matrix, shape)
        kept = values != 0
        where = np.broadcast_to(rows, shape)[kept], np.broadcast_to(columns[:, None, :], shape)[kept]
        self._parts.append((*where, values[kept]))
        self.count += blocks * k

    def matrix(self, columns: int) -> sparse.csc_matrix:
        if not self._parts:
            return sparse.csc_matrix((self.count, columns))
        row, column, value = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        return sparse.csc_matrix((value, (row, column)), shape=(self.count, columns))


@dataclass
class Cones:
    """Second-order cones b₀ + A₀ x ≥ ‖b₁… + A₁… x‖, collected group by group.

    Attributes:
        rows: A;  offsets: b;  sizes: rows of each cone.
    """

    rows: SparseRows = field(default_factory=SparseRows)
    offsets: list[Array] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def add(self, columns: Array, matrix: Array, offset: Array) -> None:
        """N cones of k rows over c variables: columns (N, c), matrix (N, k, c) or (k, c), offset (N, k)."""
        self.rows.add(columns, matrix)
        self.offsets.append(offset.ravel())
        self.sizes += [offset.shape[1]] * len(offset)

    def over(self, columns: int) -> ConeRows | None:
        """All of them over so many variables; None where there are none."""
        if not self.sizes:
            return None
        return ConeRows(self.rows.matrix(columns), np.concatenate(self.offsets), tuple(self.sizes))


@dataclass(frozen=True)
class ConeRows:
    """Attributes: matrix: A of all cones, sparse;  offset: b of all;  sizes: rows of each cone."""

    matrix: sparse.csc_matrix
    offset: Array
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class ConicProgram:
    """minimise ½ xᵀ diag(quadratic) x + linear·x  subject to  rows x ≤ bound,  lower ≤ x ≤ upper,  equal x = 0,
    and for every cone (A, b):  b₀ + A₀ x ≥ ‖b₁… + A₁… x‖.

    Attributes:
        rows: (m, r) for the first r ≤ nv variables; the others are in none of them.
        cones, equal: for all nv variables, sparse.
        pairs: (P, 2) rows that are the two sides of one limit, a x ≤ h + b x and −a x ≤ h' + b x.
        order: permutation of the variables that makes the rows banded, those of every row last; None = as they are.
    """

    quadratic: Array
    linear: Array
    rows: Array
    bound: Array
    lower: Array
    upper: Array
    cones: ConeRows | None = None
    equal: sparse.csc_matrix | None = None
    pairs: Array = field(default_factory=lambda: np.zeros((0, 2), dtype=int))
    order: Array | None = None


def solve(program: ConicProgram, tolerance: float) -> Array | None:
    """x, or None where the solver finds no solution."""
    return _piqp(program, tolerance) if program.cones is None else _clarabel(program, tolerance)


def _piqp(p: ConicProgram, tolerance: float) -> Array | None:
    """The multistage factorisation wants neighbours beside each other: without the order it takes 2 to 13 times as long."""
    order = np.arange(len(p.linear)) if p.order is None else p.order
    unit = _units(p)[order]
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
    return x


def _by_columns(rows: Array, order: Array, unit: Array) -> sparse.csc_matrix:
    """The columns of a dense matrix in this order, times `unit`, sparse: many times as fast as scipy's own way."""
    count, width = rows.shape
    place = np.empty(width, dtype=np.int32)
    place[order] = np.arange(width, dtype=np.int32)
    flat = rows.ravel()
    filled = np.flatnonzero(flat != 0)
    row = filled // width
    column = place[filled - row * width]
    starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=count))]).astype(np.int32)
    return sparse.csr_matrix((flat[filled] * unit[column], column, starts), shape=rows.shape).tocsc()


def _units(p: ConicProgram) -> Array:
    """Scales of the variables such that none costs more than `DEAREST`: dear slacks, in metres, cost a fifth more iterations."""
    return np.asarray(1.0 / np.maximum(1.0, np.abs(p.linear) / MAX_SCALED_COST))


def _clarabel(p: ConicProgram, tolerance: float) -> Array | None:
    unit = _units(p)
    matrix, bound, kinds = _standard(p, unit)
    quadratic = sparse.diags(p.quadratic * unit**2, format="csc")
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_feas = settings.tol_gap_abs = settings.tol_gap_rel = tolerance
    settings.reduced_tol_feas = settings.reduced_tol_gap_abs = settings.reduced_tol_gap_rel = REDUCED_TOLERANCE * tolerance
    settings.max_threads = 1
    for refined in (False, True) if tolerance > REFINED_BELOW else (True,):
        settings.iterative_refinement_enable = refined
        solution = clarabel.DefaultSolver(quadratic, p.linear * unit, matrix, bound, kinds, settings).solve()
        if solution.status in (clarabel.SolverStatus.Solved, clarabel.SolverStatus.AlmostSolved):
            return np.array(solution.x) * unit
    return None


def _standard(p: ConicProgram, unit: Array) -> tuple[sparse.csc_matrix, Array, list[Any]]:
    """Clarabel's form, bound − matrix x in cones of these kinds.  Two sides of one limit are one of them, |middle| ≤ half: half
    the matrix, and half the time."""
    size, width = len(p.linear), p.rows.shape[1]
    lone = np.setdiff1d(np.arange(len(p.bound)), p.pairs)
    (upper, lower), (above, below) = ((x[p.pairs[:, 0]], x[p.pairs[:, 1]]) for x in (p.rows, p.bound))
    sides = np.stack([(upper + lower) / 2, (lower - upper) / 2], axis=1).reshape(-1, width)
    rows = _by_columns(np.concatenate([p.rows[lone], sides]), np.arange(width), unit[:width])
    rows.resize(len(lone) + len(sides), size)
    eye, scale = sparse.identity(size, format="csc"), sparse.diags(unit, format="csc")
    low, high = np.isfinite(p.lower), np.isfinite(p.upper)
    blocks, bounds = [eye[high], -eye[low], rows], [(p.upper / unit)[high], -(p.lower / unit)[low], p.bound[lone]]
    bounds.append(np.stack([(above + below) / 2, (below - above) / 2], axis=1).ravel())
    kinds = [clarabel.NonnegativeConeT(int(high.sum()) + int(low.sum()) + len(lone))]
    kinds += [clarabel.SecondOrderConeT(2)] * len(p.pairs)
    if p.equal is not None:
        blocks.append(p.equal @ scale)
        bounds.append(np.zeros(p.equal.shape[0]))
        kinds.append(clarabel.ZeroConeT(p.equal.shape[0]))
    if p.cones is not None:
        blocks.append(-(p.cones.matrix @ scale))
        bounds.append(p.cones.offset)
        kinds += [clarabel.SecondOrderConeT(rows) for rows in p.cones.sizes]
    return sparse.vstack(blocks, format="csc"), np.concatenate(bounds), kinds
