"""The nonlinear program of `reference` for one round: rows with exact first and second derivatives, and IPOPT.

The derivatives of torque and hold rows are CasADi's for one sample; the program gathers each sample's variables, maps the one
function over all samples and scatters what comes back, which is many times faster than differentiating the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import casadi as ca
import numpy as np
from scipy.sparse import coo_matrix

from fastmove.arrays import Array
from fastmove.collision.query_types import NearPairs
from fastmove.optim.samples import ConstraintGrid
from fastmove.reference.sample_rows import Limits, Local, Sites
from fastmove.trajectory.bspline import SplineBasis

CENTIMETRE = 0.01  # unit of clearance rows [m]
CUSHION = 2e-4  # of clearance, for what linearised distances leave out [m]
PRICE = 40.0  # of a lack of clearance [s/m]
LEAST = 0.2  # duration over that at the start


@dataclass(frozen=True)
class _Block:
    """Some rows of the program as expressions: values (K,), bounds (K,), Jacobian (K, variables), and a function that gives
    the block's part of the Hessian for its multipliers (None where the rows are linear)."""

    value: ca.MX
    lower: Array
    upper: Array
    jacobian: ca.MX
    hessian: ca.MX | None
    multiplier: ca.MX


@dataclass(frozen=True)
class Setting:
    """What stays the same from round to round.

    Attributes:
        start, goal: (n,) ends, at rest;  samples: where the rows of joint limits stand;  ipopt: IPOPT's options.
    """

    basis: SplineBasis
    start: Array
    goal: Array
    samples: ConstraintGrid
    limits: Limits
    ipopt: dict[str, object]

    @property
    def n(self) -> int:
        return len(self.goal)


class Program:
    """The nonlinear program of one round: x = (free control points, ξ, slacks).

    Args:
        free, duration: the motion it starts from, and T0.
        rows: of torque and hold, and where each stands.
        contacts: near that motion, at the places `clearance` (s); `Contacts.sample` counts these.
    """

    def __init__(
        self,
        setting: Setting,
        free: Array,
        duration: float,
        rows: list[tuple[Local, Sites]],
        contacts: NearPairs,
        clearance: Array,
    ) -> None:
        self.setting, self.duration, self.contacts, self.clearance = setting, duration, contacts, clearance
        self.n_free = free.size
        self.slacks = len(contacts.sample)
        self.columns = self.n_free + 1 + self.slacks
        self.x = ca.MX.sym("x", self.columns)
        self.here = free
        self.blocks = [self._kinematics()]
        for local, sites in rows:
            self.blocks.append(self._mapped(local, sites))
        if self.slacks:
            self.blocks.append(self._clearance())

    def _kinematics(self) -> _Block:
        """(L x + c) / ξ^p for position, velocity, acceleration and jerk; one joint per row."""
        fix, limits, n = self.setting, self.setting.limits, self.setting.n
        half, middle = (limits.high - limits.low) / 2, (limits.high + limits.low) / 2
        scales = (half, limits.velocity * self.duration, limits.acceleration * self.duration**2, limits.jerk * self.duration**3)
        xi, parts, bounds = self.x[self.n_free], [], []
        samples = fix.samples
        for p, (matrix, scale) in enumerate(
            zip((samples.hull0, samples.hull1, samples.b2_break, samples.b3_span), scales, strict=True)
        ):
            inner = matrix[:, 3:-3]
            kept = np.abs(inner).max(axis=1) > 0  # the fixed ends are not the solver's business
            for i in range(n):
                columns = np.zeros((int(kept.sum()), self.columns))
                columns[:, i : self.n_free : n] = inner[kept] / scale[i]
                fixed = matrix[kept][:, :3].sum(axis=1) * fix.start[i] + matrix[kept][:, -3:].sum(axis=1) * fix.goal[i]
                offset = (fixed - (middle[i] if p == 0 else 0.0)) / scale[i]
                parts.append((ca.sparsify(ca.DM(columns)) @ self.x + offset) / xi**p)
            bounds.append(np.ones(n * int(kept.sum())))
        value, bound = ca.vertcat(*parts), np.concatenate(bounds)
        multiplier = ca.MX.sym("lam", len(bound))
        hessian = ca.hessian(ca.dot(multiplier, value), self.x)[0]
        return _Block(value, -bound, bound, ca.jacobian(value, self.x), ca.triu(hessian), multiplier)

    def _mapped(self, local: Local, sites: Sites) -> _Block:
        """One `Local` at all its sites: gather its variables, map, scatter its derivatives."""
        n, count, width = self.setting.n, len(sites.first), local.width
        fixed = [np.tile(end, 3) for end in (self.setting.start, self.setting.goal)]
        whole = ca.vertcat(fixed[0], self.x[: self.n_free], fixed[1], self.x[self.n_free])
        index = np.concatenate(
            [sites.first[:, None] * n + np.arange(4 * n), np.full((count, 1), self.n_free + 6 * n)], axis=1
        )  # (count, width) into `whole`
        z = ca.reshape(whole[index.ravel().tolist()], width, count)
        column = np.where((index >= 3 * n) & (index < self.n_free + 3 * n), index - 3 * n, -1)
        column[:, -1] = self.n_free
        w, bodies = ca.DM(sites.weights.T), ca.DM(sites.bodies.T)
        rows = local.count
        value = local.value.map(count)(z, w, bodies)
        jacobian = self._scattered_jacobian(local.jacobian.map(count)(z, w, bodies), column, rows)
        multiplier = ca.MX.sym("lam", rows * count)
        blocks = local.hessian.map(count)(z, w, bodies, ca.reshape(multiplier, rows, count))
        upper = np.ones(rows * count)
        return _Block(ca.vec(value), -upper, upper, jacobian, self._summed_hessian(blocks, column), multiplier)

    def _scattered_jacobian(self, blocks: ca.MX, column: Array, rows: int) -> ca.MX:
        """(rows · K, columns) from K blocks (rows, width) beside each other."""
        count, width = column.shape
        sample, inner, row = (k.ravel() for k in np.meshgrid(range(count), range(width), range(rows), indexing="ij"))
        kept = np.nonzero(column[sample, inner] >= 0)[0]
        where = (sample * rows + row)[kept], column[sample, inner][kept]
        order = coo_matrix((np.arange(1, len(kept) + 1), where), shape=(rows * count, self.columns)).tocsc()
        sparsity = ca.Sparsity(rows * count, self.columns, order.indptr.tolist(), order.indices.tolist())
        return ca.MX(sparsity, ca.vec(blocks)[kept[order.data - 1].tolist()])

    def _summed_hessian(self, blocks: ca.MX, column: Array) -> ca.MX:
        """(columns, columns), upper triangle, from K blocks (width, width) beside each other."""
        count, width = column.shape
        sample, second, first = (k.ravel() for k in np.meshgrid(range(count), range(width), range(width), indexing="ij"))
        one, two = column[sample, first], column[sample, second]
        kept = np.nonzero((one >= 0) & (one <= two))[0]
        pattern = coo_matrix((np.ones(len(kept)), (one[kept], two[kept])), shape=(self.columns, self.columns)).tocsc()
        sparsity = ca.Sparsity(self.columns, self.columns, pattern.indptr.tolist(), pattern.indices.tolist())
        cell = pattern.copy()
        cell.data = np.arange(pattern.nnz, dtype=float)
        target = np.asarray(cell.tocsr()[one[kept], two[kept]]).ravel().astype(int)
        gather = ca.DM.triplet(target.tolist(), kept.tolist(), ca.DM.ones(len(kept)), pattern.nnz, len(one))
        return ca.MX(sparsity, gather @ ca.vec(blocks))

    def _clearance(self) -> _Block:
        """(margin − cushion + ∇margin B δP) / cm + e ≥ 0, the cushion of fading contacts at most what there is now."""
        contacts = self.contacts
        b = self.setting.basis.design_matrix(self.clearance)[contacts.sample][:, 3:-3]
        slope = (b[:, :, None] * contacts.gradient[:, None, :]).reshape(len(b), -1) / CENTIMETRE
        matrix = np.concatenate([slope, np.zeros((len(b), 1)), np.eye(len(b))], axis=1)
        share = np.clip(contacts.required / np.maximum(contacts.required.max(), 1e-9), 0.0, 1.0)
        cushion = np.where(contacts.weight > 1, np.clip(contacts.margin, 0.0, CUSHION * share), CUSHION)
        lower = slope @ self.here.ravel() - (contacts.margin - cushion) / CENTIMETRE
        jacobian = ca.sparsify(ca.DM(matrix))
        nothing = ca.MX.sym("lam", len(b))
        return _Block(jacobian @ self.x, lower, np.full(len(b), np.inf), ca.MX(jacobian), None, nothing)

    def solve(self, box: float) -> tuple[Array, float, str, int]:
        """Free control points, none of them moved by more than `box` [rad], duration, IPOPT's status, iterations."""
        size, free = self.columns, self.n_free
        low, high = np.full(size, -np.inf), np.full(size, np.inf)
        low[:free], high[:free] = self.here.ravel() - box, self.here.ravel() + box
        low[free], low[free + 1 :] = LEAST, 0.0
        start = np.concatenate([self.here.ravel(), [1.0], np.maximum(-self.contacts.margin / CENTIMETRE, 0.0)])
        lower, upper = (np.concatenate([getattr(b, key) for b in self.blocks]) for key in ("lower", "upper"))
        solver = self._solver()
        found = solver(x0=start, lbx=low, ubx=high, lbg=lower, ubg=upper)
        best, stats = np.array(found["x"]).ravel(), solver.stats()
        points = best[:free].reshape(-1, self.setting.n)
        return points, self.duration * float(best[free]), str(stats["return_status"]), int(stats["iter_count"])

    def _solver(self) -> ca.Function:
        x = self.x
        cost = np.zeros(self.columns)
        cost[self.n_free], cost[self.n_free + 1 :] = 1.0, PRICE * CENTIMETRE / self.duration
        value, jacobian, multiplier, hessian = self.summed()
        none, price = ca.MX.sym("p", 0), ca.MX.sym("lam_f")
        options: dict[str, Any] = {
            "print_time": False,
            "error_on_fail": False,
            "jac_g": ca.Function("jac_g", [x, none], [value, jacobian]),
            "hess_lag": ca.Function("hess_lag", [x, none, price, multiplier], [hessian]),
            "ipopt": self.setting.ipopt,
        }
        program: Any = {"x": x, "p": none, "f": ca.dot(ca.DM(cost), x), "g": value}
        return ca.nlpsol("oracle", "ipopt", program, options)

    def summed(self) -> tuple[ca.MX, ca.MX, ca.MX, ca.MX]:
        """All rows, their Jacobian, multipliers, and the upper triangle of the Hessian of their sum with these."""
        value = ca.vertcat(*[b.value for b in self.blocks])
        multiplier = ca.MX.sym("lam_g", value.numel())
        hessian, first = ca.MX(self.columns, self.columns), 0
        for block in self.blocks:
            rows = block.multiplier.numel()
            if block.hessian is not None:
                part = ca.Function("part", [self.x, block.multiplier], [block.hessian])
                hessian += part(self.x, multiplier[first : first + rows])
            first += rows
        return value, ca.vertcat(*[b.jacobian for b in self.blocks]), multiplier, ca.triu(hessian)
