"""The nonlinear program of one round of the oracle, with exact first and second derivatives, solved by IPOPT.

CasADi differentiates the torque and hold rows of one sample only.  The program gathers each sample's variables, maps that one
function over all samples and scatters the results, which is many times faster than differentiating the whole.
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
CUSHION = 2e-4  # padding that covers the error of linearised distances [m]
PRICE = 40.0  # price of clearance violation [s/m]
LEAST = 0.2  # smallest ξ = T/T0 [1]


@dataclass(frozen=True)
class _Block:
    """Some rows of the program, as expressions.

    Attributes:
        value: (K,) values.
        lower: (K,) lower bounds.
        upper: (K,) upper bounds.
        jacobian: (K, variables) Jacobian.
        hessian: (variables, variables) upper triangle of the Hessian of multiplier · value; None where the rows are linear.
        multiplier: (K,) symbol of the rows' multipliers.
    """

    value: ca.MX
    lower: Array
    upper: Array
    jacobian: ca.MX
    hessian: ca.MX | None
    multiplier: ca.MX


@dataclass(frozen=True)
class Setting:
    """The part of the program that stays the same in all rounds.

    Attributes:
        basis: spline basis.
        start: (n,) configuration at rest [rad].
        goal: (n,) configuration at rest [rad].
        samples: basis matrices of the rows of joint limits.
        limits: limits that rows are divided by.
        ipopt: IPOPT's options.
    """

    basis: SplineBasis
    start: Array
    goal: Array
    samples: ConstraintGrid
    limits: Limits
    ipopt: dict[str, object]

    @property
    def n(self) -> int:
        """Number of joints."""
        return len(self.goal)


class Program:
    """The nonlinear program of one round over x = (free control points, ξ, slacks).

    Args:
        setting: what stays the same in all rounds.
        free: (K, n) free control points of the motion that it starts from [rad].
        duration: duration T0 of that motion [s].
        rows: torque and hold rows, each kind with its sites.
        contacts: near pairs of that motion, with gradients; `NearPairs.sample` is an index into `clearance`.
        clearance: (S,) samples s at which near pairs were looked for.
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
        """Returns the rows (L x + c) / ξ^p of position, velocity, acceleration and jerk; one joint per row."""
        fix, limits, n = self.setting, self.setting.limits, self.setting.n
        half, middle = (limits.high - limits.low) / 2, (limits.high + limits.low) / 2
        scales = (half, limits.velocity * self.duration, limits.acceleration * self.duration**2, limits.jerk * self.duration**3)
        xi, parts, bounds = self.x[self.n_free], [], []
        samples = fix.samples
        for p, (matrix, scale) in enumerate(
            zip((samples.hull0, samples.hull1, samples.b2_break, samples.b3_span), scales, strict=True)
        ):
            inner = matrix[:, 3:-3]
            kept = np.abs(inner).max(axis=1) > 0  # rows of the fixed ends alone cannot change
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
        """Returns the rows of one `Local` at all its sites: gathers variables, maps, scatters derivatives."""
        n, count, width = self.setting.n, len(sites.first), local.width
        fixed = [np.tile(end, 3) for end in (self.setting.start, self.setting.goal)]
        all_points_and_xi = ca.vertcat(fixed[0], self.x[: self.n_free], fixed[1], self.x[self.n_free])
        index = np.concatenate(
            [sites.first[:, None] * n + np.arange(4 * n), np.full((count, 1), self.n_free + 6 * n)], axis=1
        )  # (count, width) indices into `all_points_and_xi`
        z = ca.reshape(all_points_and_xi[index.ravel().tolist()], width, count)
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
        """Returns the Jacobian (rows · K, columns) from K blocks (rows, width) beside each other.

        `column` (K, width) is the variable of each entry, −1 where it is fixed.
        """
        count, width = column.shape
        sample, inner, row = (k.ravel() for k in np.meshgrid(range(count), range(width), range(rows), indexing="ij"))
        kept = np.nonzero(column[sample, inner] >= 0)[0]
        where = (sample * rows + row)[kept], column[sample, inner][kept]
        order = coo_matrix((np.arange(1, len(kept) + 1), where), shape=(rows * count, self.columns)).tocsc()
        sparsity = ca.Sparsity(rows * count, self.columns, order.indptr.tolist(), order.indices.tolist())
        return ca.MX(sparsity, ca.vec(blocks)[kept[order.data - 1].tolist()])

    def _summed_hessian(self, blocks: ca.MX, column: Array) -> ca.MX:
        """Returns the Hessian's upper triangle (columns, columns), summed from K blocks (width, width) beside each other.

        `column` (K, width) is the variable of each entry, −1 where it is fixed.
        """
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
        """Returns the rows (margin − cushion + ∇margin B δP) / cm + e ≥ 0.

        The cushion of a fading contact is at most its present margin.
        """
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
        """Solves the program by IPOPT.

        Args:
            box: largest distance by which a control point may move, in every joint [rad].

        Returns:
            Free control points (K, n) [rad], duration [s], IPOPT's return status, number of iterations.
        """
        size, free = self.columns, self.n_free
        low, high = np.full(size, -np.inf), np.full(size, np.inf)
        low[:free], high[:free] = self.here.ravel() - box, self.here.ravel() + box
        low[free], low[free + 1 :] = LEAST, 0.0
        start = np.concatenate([self.here.ravel(), [1.0], np.maximum(-self.contacts.margin / CENTIMETRE, 0.0)])
        lower, upper = (np.concatenate([getattr(b, key) for b in self.blocks]) for key in ("lower", "upper"))
        solver = self._solver()
        answer = solver(x0=start, lbx=low, ubx=high, lbg=lower, ubg=upper)
        best, stats = np.array(answer["x"]).ravel(), solver.stats()
        points = best[:free].reshape(-1, self.setting.n)
        return points, self.duration * float(best[free]), str(stats["return_status"]), int(stats["iter_count"])

    def _solver(self) -> ca.Function:
        """Returns IPOPT for this program, with the Jacobian and Hessian built here."""
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
        """Returns the rows of all blocks together, with derivatives.

        Returns:
            Values (K,), Jacobian (K, variables), multipliers (K,), and the upper triangle (variables, variables) of the Hessian
            of multipliers · values.
        """
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
