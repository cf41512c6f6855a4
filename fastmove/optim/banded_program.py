"""Convex programs over a spline, kept in the structure that they have: sites on spans, a border, variables of a site's own.

A program minimises ½ Dᵀ P D + c·D + border and slacks, over all control points' changes D (fixed ones have zero coefficients), a
border u (ξ, and the slack of violated limits), and slacks.  Its constraints belong to sites.  A site lies in one span, lifts its
four control points to a few quantities y = A D (rows of its own, the configuration there, or one joint of it), and may have
variables l of its own; each of its constraints is a row or a second-order cone over (y, u, l).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from fastmove.arrays import Array
from fastmove.optim.cone_program import ConeRows, ConicProgram, solve
from fastmove.optim.interior_point import DENSE, JOINT, PLACE, Costs, Structure, interior_point


@dataclass
class _Constraints:
    """Rows and cones of the same shape, as they were added: b − (y, u, l)·(…) ≥ 0, or in a second-order cone."""

    site: Array
    lifted: Array
    border: Array
    own: Array
    own_value: Array
    bound: Array


@dataclass
class BandedProgram:
    """A program that is being collected.

    Attributes:
        points: Number of control points, fixed ones included.
        n: Number of joints.
        border: Number of variables in the border.
    """

    points: int
    n: int
    border: int
    _kinds: list[Array] = field(default_factory=list)
    _coefs: list[Array] = field(default_factory=list)
    _owners: list[Array] = field(default_factory=list)
    _own_costs: list[Array] = field(default_factory=list)
    _constraints: list[_Constraints] = field(default_factory=list)
    _sites: int = 0
    _own: int = 0

    def __post_init__(self) -> None:
        self.band = np.zeros((self.points * self.n, 4 * self.n))
        self.cost = np.zeros(self.points * self.n)
        self.border_cost, self.border_quadratic = np.zeros(self.border), np.zeros(self.border)

    # -- sites ----------------------------------------------------------------------------------------------------

    def dense(self, span: Array, rows: Array) -> Array:
        """Add sites whose quantities are rows (N, m, 4 n) over the control points of their spans (N,); returns their numbers."""
        return self._add_sites(DENSE, span, 0, rows.shape[1], rows.reshape(len(span), rows.shape[1] * 4 * self.n))

    def places(self, span: Array, basis: Array) -> Array:
        """Add sites whose quantities are all joints, with basis values (N, 4) of their spans (N,); returns their numbers."""
        return self._add_sites(PLACE, span, 0, self.n, basis)

    def joints(self, span: Array, joint: Array, basis: Array) -> Array:
        """Add sites of one joint (N,) each, with basis values (N, 4) of their spans (N,); returns their numbers."""
        return self._add_sites(JOINT, span, joint, 1, basis)

    def _add_sites(self, kind: int, span: Array, joint: Array | int, count: int, coefs: Array) -> Array:
        table = np.zeros((len(span), 5), dtype=np.int64)
        table[:, 0], table[:, 1], table[:, 2], table[:, 3], table[:, 4] = kind, span, joint, count, coefs.shape[1]
        self._kinds.append(table)
        self._coefs.append(np.ascontiguousarray(coefs, dtype=float).ravel())
        self._sites += len(span)
        return np.arange(self._sites - len(span), self._sites)

    def own(self, site: Array, cost: object) -> Array:
        """Add one variable to each of these sites (N,), with its linear cost; returns their numbers."""
        self._owners.append(np.asarray(site))
        self._own_costs.append(np.broadcast_to(np.asarray(cost, dtype=float), site.shape))
        self._own += len(site)
        return np.arange(self._own - len(site), self._own)

    # -- constraints ----------------------------------------------------------------------------------------------

    def rows(
        self,
        site: Array,
        lifted: Array,
        border: Array,
        bound: Array,
        own: Array | None = None,
        own_value: Array | None = None,
    ) -> None:
        """Add rows  lifted·y + border·u + own_value·l ≤ bound.

        Args:
            site: (K,) sites.
            lifted: (K, m) coefficients of their quantities.
            border: (K, nu) coefficients of the border.
            bound: (K,) right-hand sides.
            own: (K, r) numbers of variables of the sites' own.
            own_value: (K, r) their coefficients.
        """
        value = None if own_value is None else own_value[:, None]
        self.cones(site, -lifted[:, None], -border[:, None], bound[:, None], own, None if value is None else -value)

    def bound_points(self, points: Array, radius: float) -> None:
        """Keep the changes of all joints of control points (K,) within a radius."""
        span = np.minimum(points, self.points - 4).repeat(self.n)
        basis = np.zeros((len(span), 4))
        basis[np.arange(len(span)), points.repeat(self.n) - span] = 1.0
        site = self.joints(span, np.tile(np.arange(self.n), len(points)), basis)
        for sign in (1.0, -1.0):
            lifted, border = np.full((len(site), 1), sign), np.zeros((len(site), self.border))
            self.rows(site, lifted, border, np.full(len(site), radius))

    def bound_border(self, which: int, least: float, most: float) -> None:
        """Keep a variable of the border in a range, ∞ where it has no end."""
        site = self.dense(np.zeros(1, dtype=np.int64), np.zeros((1, 0, 4 * self.n)))
        for sign, bound in ((1.0, most), (-1.0, -least)):
            if np.isfinite(bound):
                self.rows(site, np.zeros((1, 0)), sign * np.eye(self.border)[which][None], np.array([bound]))

    def positive(self, site: Array, own: Array) -> None:
        """Keep variables of these sites' own (N,) from being negative."""
        nothing = np.zeros((len(site), 0))
        self.rows(site, nothing, np.zeros((len(site), self.border)), np.zeros(len(site)), own[:, None], -np.ones((len(site), 1)))

    def cones(
        self,
        site: Array,
        lifted: Array,
        border: Array,
        offset: Array,
        own: Array | None = None,
        own_value: Array | None = None,
    ) -> None:
        """Add cones (b₀ + …) ≥ ‖b₁… + …‖ with b + lifted y + border u + own_value l; a cone of one row is a row ≥ 0.

        Args:
            site: (K,) sites.
            lifted: (K, k, m) coefficients of their quantities.
            border: (K, k, nu) coefficients of the border.
            offset: (K, k) vectors b.
            own: (K, r) numbers of variables of the sites' own.
            own_value: (K, k, r) their coefficients.
        """
        if len(site) == 0:
            return
        count, k = offset.shape
        if own is None or own_value is None:
            own, own_value = np.zeros((count, 0), dtype=np.int64), np.zeros((count, k, 0))
        self._constraints.append(
            _Constraints(
                np.asarray(site),
                _full(lifted, (count, k, lifted.shape[-1])),
                _full(border, (count, k, self.border)),
                np.asarray(own),
                _full(own_value, (count, k, own.shape[1])),
                np.asarray(offset),
            )
        )

    @property
    def own_cost(self) -> Array:
        """Linear costs of the sites' own variables, as they were added."""
        return np.concatenate(self._own_costs) if self._own_costs else np.zeros(0)

    def solve(self, tolerance: float) -> Solution | None:
        """Solve the program at this absolute and relative tolerance, by Clarabel where its own method fails; None if both do."""
        assembled = self.assembled()
        if (own := assembled.solve(tolerance)) is not None:
            return own
        x = solve(assembled.conic(), tolerance)
        return None if x is None else assembled.solution(x)

    def assembled(self) -> Assembled:
        """All sites and constraints in the order in which they are solved."""
        table, coefs = np.concatenate(self._kinds), np.concatenate(self._coefs)
        sites = np.zeros((self._sites, 12), dtype=np.int64)
        sites[:, :3], sites[:, 5] = table[:, :3], table[:, 3]
        sites[:, 3], sites[:, 4] = _starts(table[:, 4])[:-1], _starts(table[:, 3])[:-1]
        ny, nu = int(table[:, 3].sum()), self.border
        # variables of the sites' own, by site
        owner = np.concatenate(self._owners) if self._owners else np.zeros(0, dtype=np.int64)
        order = np.argsort(owner, kind="stable")
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        sites[:, 7] = np.bincount(owner, minlength=self._sites)
        sites[:, 6] = _starts(sites[:, 7])[:-1]
        kept = sites[:, 5] + nu
        sites[:, 10], sites[:, 11] = _starts(sites[:, 7] ** 2)[:-1], _starts(sites[:, 7] * kept)[:-1]
        sizes = np.array([int((sites[:, 7] ** 2).sum()), int((sites[:, 7] * kept).sum()), ny])
        quads = _quads(np.nonzero((sites[:, 0] == DENSE) & (sites[:, 5] == 1))[0], sites[:, 1])
        # cones by site
        owners = np.concatenate([c.site for c in self._constraints])
        heights = np.concatenate([np.full(len(c.site), c.bound.shape[1]) for c in self._constraints])
        by_site = np.argsort(owners, kind="stable")
        first_row = np.empty(len(owners), dtype=np.int64)
        first_row[by_site] = _starts(heights[by_site])[:-1]
        blocks = np.stack([first_row[by_site], heights[by_site]], axis=1)
        ends = np.cumsum(np.bincount(owners, minlength=self._sites))
        sites[:, 9] = ends
        sites[1:, 8] = ends[:-1]
        count = int(heights.sum())
        h, at, entries = self._entries(sites, first_row, rank, ny, count)
        linear = np.concatenate([np.zeros(ny), self.border_cost, self.own_cost[order]])
        return Assembled(
            self, sites, quads, coefs, blocks, at, *entries, h, linear, sizes, rank
        )  # fmt: skip

    def _entries(
        self, sites: Array, first_row: Array, rank: Array, ny: int, count: int
    ) -> tuple[Array, Array, tuple[Array, Array, Array]]:
        """Rows of all constraints: h (R,), first entries of the rows (R + 1,); columns, places and values of the entries."""
        nu = self.border
        h, rows, columns, places, values = np.zeros(count), [], [], [], []
        begun = 0
        for c in self._constraints:
            size, k = c.bound.shape
            row = first_row[begun : begun + size, None] + np.arange(k)
            begun += size
            h[row] = c.bound
            m, r = c.lifted.shape[2], c.own.shape[1]
            y_at, y_count, l_at = (sites[c.site, j][:, None] for j in (4, 5, 6))
            own = rank[c.own]
            column, place = np.empty((size, m + nu + r), dtype=np.int64), np.empty((size, m + nu + r), dtype=np.int64)
            column[:, :m], column[:, m : m + nu], column[:, m + nu :] = y_at + np.arange(m), ny + np.arange(nu), ny + nu + own
            place[:, :m], place[:, m : m + nu] = np.arange(m), y_count + np.arange(nu)
            place[:, m + nu :] = y_count + nu + own - l_at
            value = np.concatenate([c.lifted, c.border, c.own_value], axis=2)
            cone, line, at = np.nonzero(value)
            rows.append(row[cone, line])
            columns.append(column[cone, at])
            places.append(place[cone, at])
            values.append(-value[cone, line, at])
        every = np.concatenate(rows)
        entry = np.argsort(every, kind="stable")
        at = _starts(np.bincount(every, minlength=count))
        return h, at, (np.concatenate(columns)[entry], np.concatenate(places)[entry], np.concatenate(values)[entry])


def _full(values: Array, shape: tuple[int, ...]) -> Array:
    """Values of this shape, broadcast where they have another."""
    return values if values.shape == shape else np.broadcast_to(values, shape)


def _quads(which: Array, span: Array) -> Array:
    """(Q, 4) sites (K,) of the same span, four at a time, the last one repeated where there are fewer."""
    found = []
    for one in np.unique(span[which]):
        here = which[span[which] == one]
        found.append(here[np.minimum(np.arange(-(-len(here) // 4) * 4), len(here) - 1)].reshape(-1, 4))
    return np.concatenate(found) if found else np.zeros((0, 4), dtype=np.int64)


def _starts(counts: Array) -> Array:
    """(N + 1,) running sums of counts (N,), from 0."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


@dataclass(frozen=True)
class Solution:
    """Solution of a program.

    Attributes:
        points: (points, n) changes of the control points.
        border: (nu,) border.
        own: The sites' own variables, as they were added.
        iterations: Number of iterations.
    """

    points: Array
    border: Array
    own: Array
    iterations: int


@dataclass(frozen=True)
class Assembled:
    """A program as the interior-point method takes it (see there for the arrays)."""

    program: BandedProgram
    sites: Array
    quads: Array
    coefs: Array
    blocks: Array
    at: Array
    column: Array
    place: Array
    value: Array
    h: Array
    linear: Array
    sizes: Array
    rank: Array

    def solve(self, tolerance: float) -> Solution | None:
        """Solve the program by the interior-point method; None where it does not converge."""
        p = self.program
        where = Structure(self.sites, self.quads, self.coefs, p.n, self.blocks, self.at, self.column, self.place, self.value)
        costs = Costs(p.band, p.border_quadratic, p.cost, self.linear)
        try:
            d, v, iterations, fine = interior_point(where, costs, self.h, self.sizes, tolerance)
        except SystemError as error:  # numba wraps the Ctrl-C that it finds as it returns, more than once
            cause: BaseException | None = error
            while cause is not None and not isinstance(cause, KeyboardInterrupt):
                cause = cause.__cause__
            raise error if cause is None else KeyboardInterrupt from None
        if not fine:
            return None
        ny = len(v) - p.border - p._own
        return Solution(d.reshape(p.points, p.n), v[ny : ny + p.border], v[ny + p.border :][self.rank], int(iterations))

    def conic(self) -> ConicProgram:
        """The program without its structure: D of all control points, the border, the sites' own variables in their order."""
        p, ny = self.program, int(self.sites[:, 5].sum())
        points, count = p.points * p.n, p.points * p.n + p.border + p._own
        entries = sparse.csr_matrix((self.value, self.column, self.at), shape=(len(self.h), len(self.linear)))
        matrix = sparse.hstack([entries[:, :ny] @ self.lifting(), entries[:, ny:]], format="csr")
        single = self.blocks[:, 1] == 1
        rows, cones = self.blocks[single, 0], [np.arange(first, first + k) for first, k in self.blocks[~single]]
        quadratic, unbounded = np.zeros(count), np.full(count, np.inf)
        quadratic[points : points + p.border] = p.border_quadratic
        half = sparse.coo_matrix(p.band)
        inside = half.row + half.col < points
        upper = sparse.coo_matrix((half.data[inside], (half.row[inside], (half.row + half.col)[inside])), shape=(points, points))
        hessian = sparse.csc_matrix(upper + sparse.triu(upper, 1).T)
        sizes = tuple(len(cone) for cone in cones)
        every = np.concatenate(cones) if cones else np.zeros(0, dtype=np.int64)
        stacked = ConeRows(sparse.csc_matrix(-matrix[every]), self.h[every], sizes) if cones else None
        linear = np.concatenate([p.cost, self.linear[ny:]])
        return ConicProgram(
            quadratic, linear, matrix[rows].toarray(), self.h[rows], -unbounded, unbounded, stacked, hessian=hessian
        )

    def solution(self, x: Array) -> Solution:
        """A solution x of the conic program in the program's own parts."""
        p = self.program
        points, own = p.points * p.n, p.points * p.n + p.border
        return Solution(x[:points].reshape(p.points, p.n), x[points:own], x[own:][self.rank], 0)

    def lifting(self) -> sparse.csr_matrix:
        """(ny, points n) matrix A of all sites."""
        p = self.program
        rows, columns, values = [], [], []
        for kind, span, joint, a, o, m in self.sites[:, :6]:
            width, first = 4 * p.n, span * p.n
            if kind == DENSE:
                rows.append(np.repeat(o + np.arange(m), width))
                columns.append(np.tile(first + np.arange(width), m))
                values.append(self.coefs[a : a + m * width])
            elif kind == PLACE:
                rows.append(np.tile(o + np.arange(p.n), 4))
                columns.append(first + np.arange(width))
                values.append(np.repeat(self.coefs[a : a + 4], p.n))
            else:
                rows.append(np.full(4, o))
                columns.append(first + np.arange(4) * p.n + joint)
                values.append(self.coefs[a : a + 4])
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        return sparse.csr_matrix(entries, shape=(int(self.sites[:, 5].sum()), p.points * p.n))
