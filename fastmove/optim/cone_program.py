"""Convex programs and their solvers: PIQP for quadratic programs, Clarabel for those with second-order cones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import clarabel
import numpy as np
import piqp
from scipy import sparse

from fastmove.arrays import Array

MAX_SCALED_COST = 0.1  # Largest linear cost of a variable after scaling.
REDUCED_TOLERANCE = 10.0  # Multiple of the tolerance within which a solution is still accepted when Clarabel stalls.
REFINED_BELOW = 1e-6  # Tolerance above which Clarabel is first tried without iterative refinement of its steps.


class SparseRows:
    """Sparse matrix whose rows are collected in groups; the rows of one group touch as many variables each."""

    def __init__(self) -> None:
        self.count = 0
        self._parts: list[tuple[Array, Array, Array]] = []

    def add(self, columns: Array, matrix: Array) -> None:
        """Add N blocks of k rows, each over c variables.

        Args:
            columns: (N, c) indices of the variables of each block.
            matrix: (N, k, c) coefficients, or (k, c) if all blocks have the same.
        """
        blocks, (k, c) = len(columns), matrix.shape[-2:]
        rows = self.count + np.arange(blocks * k).reshape(blocks, k, 1)
        shape = (blocks, k, c)
        values = np.broadcast_to(matrix, shape)
        kept = values != 0
        where = np.broadcast_to(rows, shape)[kept], np.broadcast_to(columns[:, None, :], shape)[kept]
        self._parts.append((*where, values[kept]))
        self.count += blocks * k

    def matrix(self, columns: int) -> sparse.csc_matrix:
        """Assemble all rows into a (rows, columns) matrix over this many variables."""
        if not self._parts:
            return sparse.csc_matrix((self.count, columns))
        row, column, value = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        return sparse.csc_matrix((value, (row, column)), shape=(self.count, columns))


@dataclass
class Cones:
    """Second-order cones b₀ + A₀ x ≥ ‖b₁… + A₁… x‖, collected in groups.

    Attributes:
        rows: Rows A of all cones.
        offsets: Vectors b, one array for each group.
        sizes: Number of rows of each cone.
    """

    rows: SparseRows = field(default_factory=SparseRows)
    offsets: list[Array] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def add(self, columns: Array, matrix: Array, offset: Array) -> None:
        """Add N cones of k rows, each over c variables.

        Args:
            columns: (N, c) indices of the variables of each cone.
            matrix: (N, k, c) matrices A, or (k, c) if all cones have the same.
            offset: (N, k) vectors b.
        """
        self.rows.add(columns, matrix)
        self.offsets.append(offset.ravel())
        self.sizes += [offset.shape[1]] * len(offset)

    def over(self, columns: int) -> ConeRows | None:
        """Assemble all cones over this many variables; None if there are none."""
        if not self.sizes:
            return None
        return ConeRows(self.rows.matrix(columns), np.concatenate(self.offsets), tuple(self.sizes))


@dataclass(frozen=True)
class ConeRows:
    """All second-order cones of a program, stacked.

    Attributes:
        matrix: (R, nv) rows A of all cones, sparse.
        offset: (R,) vectors b of all cones.
        sizes: Number of rows of each cone.
    """

    matrix: sparse.csc_matrix
    offset: Array
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class ConicProgram:
    """Convex program with quadratic cost, linear constraints, bounds and second-order cones.

    It minimises ½ xᵀ (diag(quadratic) + hessian) x + linear·x  subject to  rows x ≤ bound,  lower ≤ x ≤ upper,  equal x = 0,
    and for every cone (A, b):  b₀ + A₀ x ≥ ‖b₁… + A₁… x‖.

    Attributes:
        quadratic: (nv,) diagonal of the quadratic cost.
        linear: (nv,) linear cost.
        rows: (m, r) coefficients of the first r ≤ nv variables; the others are in none of the rows.
        bound: (m,) right-hand sides of the rows.
        lower: (nv,) lower bounds, −∞ for none.
        upper: (nv,) upper bounds, ∞ for none.
        cones: Cones over all nv variables; None if there are none.
        equal: (e, nv) equality rows, sparse; None if there are none.
        pairs: (P, 2) rows that are the two sides of one limit, a x ≤ h + b x and −a x ≤ h' + b x.
        order: (r,) permutation of the variables that makes the rows banded, variables of every row last; None = as they are.
        hessian: (h, h) rest of the quadratic cost, sparse and symmetric, over the first h ≤ r variables; None if there is none.
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
    hessian: sparse.csc_matrix | None = None

    def cost(self, order: Array, unit: Array) -> sparse.csc_matrix:
        """Upper triangle of the matrix of the quadratic cost.

        Args:
            order: Variable that comes at each place.
            unit: Scales of the variables, in the new order.
        """
        size = len(order)
        diagonal = self.quadratic[order] * unit**2
        if self.hessian is None:
            at = np.arange(size + 1, dtype=np.int32)
            return sparse.csc_matrix((diagonal, at[:-1], at), shape=(size, size))
        place = np.empty(size, dtype=int)
        place[order] = np.arange(size)
        rest = self.hessian.tocoo()
        row, column = place[rest.row], place[rest.col]
        upper = row <= column
        row, column, value = row[upper], column[upper], rest.data[upper]
        each = np.arange(size)
        rows, columns = np.concatenate([each, row]), np.concatenate([each, column])
        values = np.concatenate([diagonal, value * unit[row] * unit[column]])
        return sparse.csc_matrix((values, (rows, columns)), shape=(size, size))


def solve(program: ConicProgram, tolerance: float) -> Array | None:
    """Solve a convex program.

    Args:
        program: The program.
        tolerance: Absolute and relative tolerance of residuals and duality gap.

    Returns:
        (nv,) solution x, or None if the solver finds none.
    """
    return _piqp(program, tolerance) if program.cones is None else _clarabel(program, tolerance)


def _piqp(p: ConicProgram, tolerance: float) -> Array | None:
    """Solve a program without cones or equalities by PIQP; None if it fails.

    The multistage factorisation needs variables of one row beside each other: without `order` it takes 2 to 13 times as long.
    """
    order = np.arange(len(p.linear)) if p.order is None else p.order
    unit = _units(p)[order]
    solver = piqp.SparseSolver()
    solver.settings.kkt_solver = piqp.KKTSolver.sparse_multistage
    solver.settings.eps_abs = solver.settings.eps_rel = tolerance
    solver.settings.eps_duality_gap_abs = solver.settings.eps_duality_gap_rel = tolerance
    solver.settings.max_iter = 60
    rows = _by_columns(p.rows, order, unit)
    quadratic = p.cost(order, unit)
    lower, upper = p.lower[order] / unit, p.upper[order] / unit
    solver.setup(quadratic, p.linear[order] * unit, None, None, rows, None, p.bound, lower, upper)
    status = solver.solve()
    if status not in (piqp.PIQP_SOLVED, piqp.PIQP_MAX_ITER_REACHED) or not np.all(np.isfinite(solver.result.x)):
        return None
    x = np.empty(len(order))
    x[order] = solver.result.x * unit
    return x


def _by_columns(rows: Array, order: Array, unit: Array) -> sparse.csc_matrix:
    """Turn a dense matrix into a sparse one with reordered, scaled columns, many times as fast as scipy does.

    Args:
        rows: (m, r) dense matrix.
        order: (r,) column of `rows` that comes at each place.
        unit: (r,) factors of the columns, in the new order.
    """
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
    """Choose scales (nv,) of the variables such that none costs more than `MAX_SCALED_COST`.

    Unscaled, expensive slacks in metres cost the solver a fifth more iterations.
    """
    return np.asarray(1.0 / np.maximum(1.0, np.abs(p.linear) / MAX_SCALED_COST))


def _clarabel(p: ConicProgram, tolerance: float) -> Array | None:
    """Solve a program with cones by Clarabel, again with refined steps if that fails; None if it finds no solution."""
    unit = _units(p)
    matrix, bound, kinds = _standard(p, unit)
    quadratic = p.cost(np.arange(len(unit)), unit)
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
    """Convert a program to Clarabel's form: bound − matrix x in a product of cones of the listed kinds.

    The two sides of one limit become one cone of it, |middle| ≤ half: half the matrix, and half the time.

    Args:
        p: The program.
        unit: (nv,) scales of the variables.

    Returns:
        Matrix, bound and kinds of the cones.
    """
    size, width = len(p.linear), p.rows.shape[1]
    single = np.setdiff1d(np.arange(len(p.bound)), p.pairs)
    (upper, lower), (above, below) = ((x[p.pairs[:, 0]], x[p.pairs[:, 1]]) for x in (p.rows, p.bound))
    sides = np.stack([(upper + lower) / 2, (lower - upper) / 2], axis=1).reshape(-1, width)
    rows = _by_columns(np.concatenate([p.rows[single], sides]), np.arange(width), unit[:width])
    rows.resize(len(single) + len(sides), size)
    eye, scale = sparse.identity(size, format="csc"), sparse.diags(unit, format="csc")
    low, high = np.isfinite(p.lower), np.isfinite(p.upper)
    blocks, bounds = [eye[high], -eye[low], rows], [(p.upper / unit)[high], -(p.lower / unit)[low], p.bound[single]]
    bounds.append(np.stack([(above + below) / 2, (below - above) / 2], axis=1).ravel())
    kinds = [clarabel.NonnegativeConeT(int(high.sum()) + int(low.sum()) + len(single))]
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
