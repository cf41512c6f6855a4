"""Constraint rows of torque, torque rate and hold at one sample, as CasADi expressions."""

from __future__ import annotations

from dataclasses import dataclass

import casadi as ca
import numpy as np

from fastmove.arrays import Array
from fastmove.contact.expression import hold_margins
from fastmove.contact.wrench_cone import UTILISATION_MAX
from fastmove.dynamics.path_margins import PathMargins
from fastmove.optim.margins import INSIDE, LIMIT_BACKOFF, STATIC_TARGET
from fastmove.problem.transfer import TransferProblem
from fastmove.trajectory.bspline import SplineBasis


class Local:
    """The constraint rows of one kind at one sample, with Jacobian and Hessian.

    Variables z are the four control points P that act on the sample's span, and ξ = T/T0.  With weights w (orders × 4, divided by
    powers of T0) the state is x_k = P w_k / ξ^k, so the rows are differentiated with respect to the state x by CasADi and the
    chain rule does the rest: H_z = Jᵀ H_x J + Σ γ_i ∇² x_i.

    Args:
        rows: expression (count,) over `state` and `bodies`.
        state: symbol (orders · n,): configuration and its time derivatives.
        bodies: symbol (10 · holds,): inertial parameters of the held items.
        n: number of joints.

    Attributes:
        count: number of rows.
        n: number of joints.
        orders: number of derivatives in the state, the zeroth included.
        width: number of variables z, 4 n + 1.
        at: function (state, bodies) -> rows (count,).
        value: function (z, w, bodies) -> rows (count,).
        jacobian: function (z, w, bodies) -> (count, width).
        hessian: function (z, w, bodies, multipliers (count,)) -> (width, width), of the rows' sum with these multipliers.
    """

    def __init__(self, rows: ca.SX, state: ca.SX, bodies: ca.SX, n: int) -> None:
        self.count, self.n, self.orders = rows.numel(), n, state.numel() // n
        self.width = 4 * n + 1
        points, xi, weights = ca.SX.sym("P", n, 4), ca.SX.sym("xi"), ca.SX.sym("w", 4, self.orders)
        z, w = ca.vertcat(ca.vec(points), xi), ca.vec(weights)
        x = ca.vertcat(*[points @ weights[:, k] / xi**k for k in range(self.orders)])
        chain = ca.jacobian(x, z)
        multiplier, slope = ca.SX.sym("lam", self.count), ca.SX.sym("gamma", state.numel())
        curvature, gradient = ca.hessian(ca.dot(multiplier, rows), state)
        value = ca.Function("value", [state, bodies], [rows, ca.jacobian(rows, state)])
        second = ca.Function("second", [state, bodies, multiplier], [curvature, gradient])
        bend = ca.Function("bend", [z, w, slope], [ca.hessian(ca.dot(slope, x), z)[0]])
        rows_z, jacobian_x = value(x, bodies)
        curvature_x, gradient_x = second(x, bodies, multiplier)
        hessian = chain.T @ curvature_x @ chain + bend(z, w, gradient_x)
        self.at = ca.Function("at", [state, bodies], [rows])
        self.value = ca.Function("g", [z, w, bodies], [ca.densify(rows_z)])
        self.jacobian = ca.Function("J", [z, w, bodies], [ca.densify(jacobian_x @ chain)])
        self.hessian = ca.Function("H", [z, w, bodies, multiplier], [ca.densify(hessian)])


@dataclass(frozen=True)
class Sites:
    """The samples at which the rows of a `Local` are asked for, and the bodies held there.

    Attributes:
        first: (K,) index of the first of the four control points that act there.
        weights: (K, orders · 4) basis values, the k-th derivative divided by T0^k.
        bodies: (K, 10 · holds) inertial parameters of the held items.
    """

    first: Array
    weights: Array
    bodies: Array


def weights_at(basis: SplineBasis, s: Array, sides: Array, orders: int, duration: float) -> tuple[Array, Array]:
    """Returns the control points that act at samples, and their weights.

    Args:
        basis: spline basis.
        s: (K,) samples in [0, 1].
        sides: (K,) of bool, whether s is approached from the left.
        orders: number of derivatives, the zeroth included.
        duration: duration [s].

    Returns:
        Index of the first of the four control points (K,), and basis values (K, orders · 4), the k-th derivative divided by
        duration^k.
    """
    first = np.where(sides, basis.span_of(s, "left"), basis.span_of(s, "right"))
    columns = first[:, None] + np.arange(4)
    rows = np.arange(len(s))[:, None]
    parts = []
    for k in range(orders):
        values = np.where(sides[:, None], basis.design_matrix(s, k, "left"), basis.design_matrix(s, k, "right"))
        parts.append(values[rows, columns] / duration**k)
    return first, np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class Limits:
    """The limits that rows are divided by: those of the problem less the small distance that the planner keeps from them.

    Attributes:
        velocity: (n,) [rad/s].
        acceleration: (n,) [rad/s²].
        jerk: (n,) [rad/s³].
        low: (n,) least positions, widened to hold both ends [rad].
        high: (n,) largest positions, widened to hold both ends [rad].
        effort: (n,) [Nm].
        rate: (n,) of torque [Nm/s].
        hold: largest score S and largest share V of a hold [1].
        inside: largest utilisation of a path constraint [1].
    """

    velocity: Array
    acceleration: Array
    jerk: Array
    low: Array
    high: Array
    effort: Array
    rate: Array
    hold: float
    inside: float

    @staticmethod
    def of(problem: TransferProblem, start: Array, goal: Array) -> Limits:
        """Returns the limits of a problem, for a motion between two ends.

        Args:
            problem: transfer.
            start: (n,) configuration [rad].
            goal: (n,) configuration [rad].
        """
        limits, inside = problem.limit_set, 1 - INSIDE
        span, ends = limits.position_max - limits.position_min, np.stack([start, goal])
        low = np.minimum(limits.position_min + span * INSIDE, ends.min(axis=0))
        high = np.maximum(limits.position_max - span * INSIDE, ends.max(axis=0))
        motion = (limits.velocity * inside, limits.acceleration * inside, limits.jerk * inside)
        efforts = (limits.effort * (inside - LIMIT_BACKOFF), limits.effort_rate * (inside - LIMIT_BACKOFF))
        return Limits(*motion, low, high, *efforts, UTILISATION_MAX * (inside - LIMIT_BACKOFF), inside - LIMIT_BACKOFF)


def _use(problem: TransferProblem, efforts: ca.SX, limits: Limits) -> ca.SX:
    """Returns the utilisations of torque limits, then of holds, as rows with |·| ≤ 1."""
    n = problem.robot.n_arm
    rows = [efforts[int(i)] / float(limits.effort[i]) for i in np.nonzero(np.isfinite(limits.effort))[0]]
    for k, held in enumerate(problem.holds if problem.hold_active else ()):
        wrench = efforts[n + 6 * k : n + 6 * k + 6]
        margin = hold_margins(held.contact_model)(wrench, held.planned_grip)
        rows.append((UTILISATION_MAX - margin) / limits.hold)
        if held.tolerance.side < np.inf:
            rows.append(wrench[1] / (held.tolerance.side * limits.inside))
    return ca.vertcat(*rows)


def sample_rows(
    problem: TransferProblem, efforts: ca.Function, limits: Limits, path: PathMargins | None = None
) -> tuple[Local, Local, Local | None]:
    """Builds the rows of torque, hold, path constraints and torque rate at one sample, with |·| ≤ 1.

    Args:
        problem: transfer.
        efforts: function of `efforts_function`.
        limits: limits that rows are divided by.
        path: utilisations of the problem's path constraints; None where it has none.

    Returns:
        Rows of torque, hold and path constraints; rows of torque and hold at rest; rows of torque rate, None where it is not
        limited.
    """
    n = problem.robot.n_arm
    state, bodies = ca.SX.sym("state", 4 * n), ca.SX.sym("bodies", 10 * len(problem.holds))
    q, moving = state[:n], state[: 3 * n]
    total = efforts(*ca.vertsplit(moving, n), bodies)
    uses = _use(problem, total, limits)
    if path is not None:  # one-sided rows: exp(u − 1) ≤ 1 exactly where u ≤ 1, and it is never below −1
        uses = ca.vertcat(uses, ca.exp(path.expression(*ca.vertsplit(moving, n)) / limits.inside - 1))
    effort = Local(uses, moving, bodies, n)
    still = efforts(q, ca.SX.zeros(n), ca.SX.zeros(n), bodies)
    rest = Local(_use(problem, still, limits) / STATIC_TARGET, q, bodies, n)
    finite = np.nonzero(np.isfinite(limits.rate))[0]
    if len(finite) == 0:
        return effort, rest, None
    change = ca.jtimes(total[:n], moving, state[n:])  # derivative of torque along (q̇, q̈, q⃛)
    return effort, rest, Local(ca.vertcat(*[change[int(i)] / float(limits.rate[i]) for i in finite]), state, bodies, n)
