"""The same transfer by other means: CasADi and IPOPT on the same splines, to measure what the planner leaves on the table.

Independent of the planner in what can go wrong: torques and wrenches by its own Newton–Euler recursion in CasADi, exact second
derivatives by CasADi, an interior-point method instead of convex subproblems, the hold as CasADi expression instead of cones.
Shared with it: the body tree (`assembly`), the places where rows stand (`Samples`), distances and their gradients
(`collision`, linearised), and how far inside the limits it works (`INSIDE`, `SHRINK`), so that durations are comparable.

    minimise   ξ + price · Σ e          over free control points P, ξ = T/T0, slacks e ≥ 0 of clearances
    position   B P                      within its range: Bernstein coefficients of every span
    velocity   |B' P| / v T ≤ 1         Bernstein coefficients of every span
    accel.     |B'' P| / a T² ≤ 1       breakpoints;  jerk |B''' P| / j T³ ≤ 1 on spans
    torque     |τ| / τ_max ≤ 1          breakpoints and `samples_per_span` points in every span, for members of the item set
    rate       |∂τ/∂q q̇ + ∂τ/∂q̇ q̈ + ∂τ/∂q̈ q⃛| / r_max ≤ 1       both sides of breakpoints, mid-points
    hold       S, V ≤ 0.9               where torque stands; the grip force is the largest that may be chosen
    clearance  margin + ∇margin · δq + e ≥ 0      contacts nearer than `REACH`, linearised at the round's motion

Rounds: what a 1 ms grid or the distances find violated between rows becomes rows of the next round, contacts are linearised
again.  In the end the duration is what the grid asks for, so that it never counts a violation as a gain.
IPOPT: Wächter & Biegler, Mathematical Programming 106(1), 2006.  Recursion: Luh, Walker & Paul, J. Dyn. Sys. 102(2), 1980.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import casadi as ca
import numpy as np
import pinocchio as pin
from scipy.optimize import brentq
from scipy.sparse import coo_matrix

from fastmove.assembly import Assembly, assemble
from fastmove.attempt import SHRINK
from fastmove.collision import Collision, Contacts
from fastmove.contact import UTILISATION_MAX
from fastmove.errors import InputError
from fastmove.kinematics import Kinematics
from fastmove.problem import INSIDE, TransferProblem
from fastmove.spline import Array, SplineBasis
from fastmove.trajectory import Phase, Trajectory
from fastmove.transcription import STATIC_TARGET, Samples

REACH = 0.04  # contacts with less margin than this get rows [m]
BOX, BOX_SHRINK, BOX_LEAST = 0.5, 0.35, 1e-3  # of control points around a linearised contact [rad]
ROUNDS = 8
LACK = 1e-5  # of clearance, that counts as none [m]
CENTIMETRE = 0.01  # unit of clearance rows [m]
PRICE = 20.0  # of a lack of clearance [s/m]
OVER = 5e-5  # use beyond 1 between rows that makes new rows
BESIDE = 3e-3  # … at its peaks and this much to either side [s]
GRID = 1e-3  # where torque and hold are looked at between rows [s]
ALL_MEMBERS = 3  # item sets up to this size get rows for every member at once; of larger ones those that are worst
STRETCH_MAX = 1.05  # a motion that needs more than this to satisfy its limits on the grid counts as failed
START_SLACK = 1.3  # random starts: times the duration they need
SUCCESS = ("Solve_Succeeded", "Solved_To_Acceptable_Level")


@dataclass(frozen=True)
class Reference:
    """What IPOPT found.

    Attributes:
        status: IPOPT's return status in the round that the motion comes from.
        ok: IPOPT succeeded, and the motion satisfies torque and hold on the grid and every clearance at its samples.
        trajectory: one phase with its spline; None where nothing was found.
        duration, start_duration: of the motion found and of the one it started from [s].
        iterations: of IPOPT, all rounds;  rounds: how many;  seconds: wall time.
    """

    status: str
    ok: bool
    trajectory: Trajectory | None = field(repr=False)
    duration: float
    start_duration: float
    iterations: int
    rounds: int
    seconds: float

    @property
    def gain(self) -> float:
        """Share of the start's duration that was saved; negative where it was lost."""
        return 1.0 - self.duration / self.start_duration


def reference(
    problem: TransferProblem,
    trajectory: Trajectory,
    refine: int = 1,
    tolerance: float = 1e-8,
    samples_per_span: int = 3,
    max_iter: int = 300,
    stoppable: bool = False,
) -> Reference:
    """Improve a motion by IPOPT on its own breakpoints.

    Args:
        trajectory: one phase with a spline, rest to rest, from the problem's start; where it ends is the goal.
        refine: 2 halves every span first (knot insertion, exact), 1 does not.
        tolerance: IPOPT's, of the scaled optimality conditions.
        samples_per_span: points of torque and hold rows inside every span, equally spaced.
        stoppable: also ask, as the planner does, that arm and hold could bear the item at rest (to 97 %) wherever it passes; no
            limit of the problem, so without it a gain also counts what the planner gives away by that.

    Raises:
        InputError: a moving start, a motion of several phases or without a spline, of other joints or another start, or a number
            out of range.
    """
    basis, points = _spline(problem, trajectory)
    if refine not in (1, 2):
        raise InputError("refine", f"is {refine}; allowed: 1 (same breakpoints), 2 (every span halved)")
    if refine == 2:
        finer = basis.refined((basis.breakpoints[:-1] + basis.breakpoints[1:]) / 2)
        basis, points = finer, basis.insertion_matrix(finer) @ points
    oracle = Oracle(problem, basis, points[0], points[-1], tolerance, samples_per_span, max_iter, stoppable)
    return oracle.solve(points[3:-3], trajectory.duration)


def best_of(
    problem: TransferProblem, trajectory: Trajectory, starts: int = 20, seed: int = 0, tolerance: float = 1e-6, max_iter: int = 300
) -> tuple[Reference, ...]:
    """IPOPT from random motions on the trajectory's breakpoints, between its ends; the best first, failures last.

    `start_duration` of each is the trajectory's, so that `gain` says by how much a random start beat it.

    Raises:
        InputError: see `reference`.
    """
    basis, points = _spline(problem, trajectory)
    oracle = Oracle(problem, basis, points[0], points[-1], tolerance, 3, max_iter)
    found = []
    for k in range(starts):
        free = random_start(problem, basis, points[0], points[-1], seed * 1000 + k)
        needed = oracle.needed(free, trajectory.duration)
        result = oracle.solve(free, START_SLACK * min(needed, 2 * trajectory.duration))
        found.append(replace(result, start_duration=trajectory.duration))
    return tuple(sorted(found, key=lambda r: (not r.ok, r.duration)))


def random_start(problem: TransferProblem, basis: SplineBasis, start: Array, goal: Array, seed: int) -> Array:
    """(size − 6, n) free control points: the straight line, bent in every joint by a few random sines and kept inside the
    position range."""
    rng, limits = np.random.default_rng(seed), problem.limit_set
    u = np.linspace(0.0, 1.0, basis.size - 4)[1:-1, None]
    bend = sum(rng.normal(0.0, 0.4 / k, len(goal)) * np.sin(np.pi * k * u) for k in (1, 2, 3))
    margin = 0.02 * (limits.position_max - limits.position_min)
    free = start + (goal - start) * u + bend
    return np.clip(free, limits.position_min + margin, limits.position_max - margin)


def _spline(problem: TransferProblem, trajectory: Trajectory) -> tuple[SplineBasis, Array]:
    """Basis and control points of a motion that the oracle can take."""
    if not problem.start.at_rest:
        raise InputError("start", "moves; the oracle solves from rest to rest only")
    if len(trajectory.phases) != 1:
        raise InputError("trajectory", f"has {len(trajectory.phases)} phases; needs one")
    phase = trajectory.phases[0]
    if phase.basis is None or phase.control_points is None:
        raise InputError("trajectory", "has no spline; motions read from samples cannot be improved")
    if trajectory.joint_names != problem.robot.joint_names:
        raise InputError("trajectory.joint_names", f"are {', '.join(trajectory.joint_names)}; not this robot's")
    points = np.array(phase.control_points)
    if np.abs(points[:3] - problem.start.q).max() > 1e-9 or np.abs(points[-3:] - points[-1]).max() > 1e-9:
        raise InputError("trajectory", "does not go from the problem's start to a goal, at rest at both")
    return phase.basis, points


# -- dynamics -----------------------------------------------------------------------------------------------------------------


def body_parameters(body: pin.Inertia) -> Array:
    """(10,) m, m c, and the inertia about the frame's origin (xx, xy, yy, xz, yz, zz): efforts are linear in them."""
    mass, c = float(body.mass), np.array(body.lever)
    inertia = np.array(body.inertia) + mass * (c @ c * np.eye(3) - np.outer(c, c))
    return np.concatenate([[mass], mass * c, inertia[[0, 0, 1, 0, 1, 2], [0, 1, 1, 2, 2, 2]]])


def members_parameters(problem: TransferProblem) -> Array:
    """(members, 10 per hold) of everything that may be held; in the grasp frames."""
    sets = [[held.inertia(member) for member in held.item.members] for held in problem.holds]
    count = max([len(bodies) for bodies in sets], default=1)
    rows = [[body_parameters(bodies[min(k, len(bodies) - 1)]) for bodies in sets] for k in range(count)]
    return np.array(rows).reshape(count, 10 * len(sets))


def efforts_function(problem: TransferProblem, assembly: Assembly) -> ca.Function:
    """CasADi function (q, v, a, bodies (10 per hold)) -> torques (n,) [Nm], then the wrench [f; m] of every hold in its grasp
    frame [N, Nm]: Newton–Euler out along the tree and back.

    Accelerations are those of frame origins (not spatial ones), gravity subtracted; all vectors in their own joint's frame.
    """
    arm, tree = assembly.arm, Kinematics(assembly.arm)
    n = tree.n
    q, v, a = (ca.SX.sym(name, n) for name in "qva")
    bodies = ca.SX.sym("bodies", 10 * len(assembly.hold_frames))
    zero = ca.SX.zeros(3)
    frames = [(ca.SX.eye(3), zero, zero, zero, ca.SX(-np.array(arm.gravity.linear)))]  # R, r in parent; ω, α, a
    loads = [(zero, zero)]
    for k in range(n):
        frames.append(_moved(tree, k, frames[tree.parents[k]], q[k], v[k], a[k]))
        link = ca.SX(body_parameters(arm.inertias[k + 1]))
        loads.append(_load(link, *frames[-1][2:]))
    wrenches = []
    for k, frame in enumerate(assembly.hold_frames):
        rotation, r = ca.SX(frame.joint_T_grasp.rotation), ca.SX(frame.joint_T_grasp.translation)
        w, alpha, origin = frames[frame.joint][2:]
        there = _at(w, alpha, origin, r)
        wrench = _load(bodies[10 * k : 10 * k + 10], rotation.T @ w, rotation.T @ alpha, rotation.T @ there)
        wrenches += wrench
        loads[frame.joint] = _added(loads[frame.joint], wrench, rotation, r)
    torques = [ca.SX(0)] * n
    for k in reversed(range(n)):
        force, moment = loads[k + 1]
        torques[k] = ca.dot(ca.SX(tree.local_axis[k]), force if tree.prismatic[k] else moment)
        torques[k] += float(problem.robot.armature[k]) * a[k] + float(problem.robot.damping[k]) * v[k]
        rotation, r = frames[k + 1][:2]
        loads[tree.parents[k]] = _added(loads[tree.parents[k]], (force, moment), rotation, r)
    return ca.Function("efforts", [q, v, a, bodies], [ca.vertcat(*torques, *wrenches)])


def _at(w: ca.SX, alpha: ca.SX, origin: ca.SX, r: ca.SX) -> ca.SX:
    """Acceleration of the point r of a body."""
    return origin + ca.cross(alpha, r) + ca.cross(w, ca.cross(w, r))


def _moved(tree: Kinematics, k: int, parent: tuple[ca.SX, ...], q: ca.SX, v: ca.SX, a: ca.SX) -> tuple[ca.SX, ...]:
    """Rotation and origin of joint k's frame in its parent's, and its ω, α and acceleration of the origin, in its own."""
    s = ca.SX(tree.local_axis[k])
    rotation, r = ca.SX(tree.offset_rotation[k]), ca.SX(tree.offset[k])
    slides = bool(tree.prismatic[k])
    if slides:
        r = r + rotation @ s * q
    else:  # Rodrigues
        cross = ca.skew(s)
        rotation = rotation @ (ca.SX.eye(3) + ca.sin(q) * cross + (1 - ca.cos(q)) * (cross @ cross))
    _, _, w, alpha, origin = parent
    here, w, alpha = rotation.T @ _at(w, alpha, origin, r), rotation.T @ w, rotation.T @ alpha
    if slides:
        return rotation, r, w, alpha, here + 2 * ca.cross(w, s * v) + s * a
    return rotation, r, w + s * v, alpha + ca.cross(w, s * v) + s * a, here


def _load(body: ca.SX, w: ca.SX, alpha: ca.SX, origin: ca.SX) -> tuple[ca.SX, ca.SX]:
    """Force, and moment about the frame's origin, that move a body as told: f = m a + α × mc + ω × (ω × mc),
    m = I α + ω × I ω + mc × a, with I about the origin."""
    mass, first = body[0], body[1:4]
    xx, xy, yy, xz, yz, zz = (body[4 + k] for k in range(6))
    inertia = ca.vertcat(ca.horzcat(xx, xy, xz), ca.horzcat(xy, yy, yz), ca.horzcat(xz, yz, zz))
    force = mass * origin + ca.cross(alpha, first) + ca.cross(w, ca.cross(w, first))
    return force, inertia @ alpha + ca.cross(w, inertia @ w) + ca.cross(first, origin)


def _added(load: tuple[ca.SX, ca.SX], child: tuple[ca.SX, ca.SX], rotation: ca.SX, r: ca.SX) -> tuple[ca.SX, ca.SX]:
    """A parent's force and moment with its child's, handed over at r."""
    force = rotation @ child[0]
    return load[0] + force, load[1] + rotation @ child[1] + ca.cross(r, force)


# -- rows of one sample -------------------------------------------------------------------------------------------------------


class Local:
    """Rows at one sample over the four control points that its span touches and ξ, with Jacobian and Hessian.

    With weights w (orders × 4, divided by powers of T0) the state is x_k = P w_k / ξ^k, so derivatives are those of the rows with
    respect to the state (x, by CasADi) carried over by the chain rule: H_z = Jᵀ H_x J + Σ γ_i ∇² x_i.

    Args:
        rows: expression over `state` (orders · n) and `bodies`.
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
    """Where the rows of a `Local` stand.

    Attributes:
        first: (K,) first of the four control points;  weights: (K, orders · 4);  bodies: (K, 10 per hold).
    """

    first: Array
    weights: Array
    bodies: Array


def _weights(basis: SplineBasis, s: Array, sides: Array, orders: int, duration: float) -> tuple[Array, Array]:
    """First control point (K,) and basis values there (K, orders · 4), the k-th divided by duration^k.

    sides: (K,) of bool, whether s is approached from the left.
    """
    first = np.where(sides, basis.span_of(s, "left"), basis.span_of(s, "right"))
    columns = first[:, None] + np.arange(4)
    rows = np.arange(len(s))[:, None]
    parts = []
    for k in range(orders):
        values = np.where(sides[:, None], basis.matrix(s, k, "left"), basis.matrix(s, k, "right"))
        parts.append(values[rows, columns] / duration**k)
    return first, np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class _Limits:
    """What the rows are divided by: the planner's limits, from inside."""

    velocity: Array
    acceleration: Array
    jerk: Array
    low: Array
    high: Array
    effort: Array
    rate: Array
    hold: float

    @staticmethod
    def of(problem: TransferProblem, start: Array, goal: Array) -> _Limits:
        limits, inside = problem.limit_set, 1 - INSIDE
        span, ends = limits.position_max - limits.position_min, np.stack([start, goal])
        low = np.minimum(limits.position_min + span * INSIDE, ends.min(axis=0))
        high = np.maximum(limits.position_max - span * INSIDE, ends.max(axis=0))
        motion = (limits.velocity * inside, limits.acceleration * inside, limits.jerk * inside)
        efforts = (limits.effort * (inside - SHRINK), limits.effort_rate * (inside - SHRINK))
        return _Limits(*motion, low, high, *efforts, UTILISATION_MAX * (inside - SHRINK))


def _use(problem: TransferProblem, efforts: ca.SX, limits: _Limits) -> ca.SX:
    """Shares of torque limits, then of holds, |·| ≤ 1."""
    n = problem.robot.n_arm
    rows = [efforts[int(i)] / float(limits.effort[i]) for i in np.nonzero(np.isfinite(limits.effort))[0]]
    for k, held in enumerate(problem.holds if problem.hold_active else ()):
        margin = held.contact_model.expression(efforts[n + 6 * k : n + 6 * k + 6], float(held.grasp.grip_force[1]))
        rows.append((UTILISATION_MAX - margin) / limits.hold)
    return ca.vertcat(*rows)


def _locals(problem: TransferProblem, efforts: ca.Function, limits: _Limits) -> tuple[Local, Local, Local | None]:
    """Rows of torque and hold, the same at rest, and rows of torque rate where it is limited."""
    n = problem.robot.n_arm
    state, bodies = ca.SX.sym("state", 4 * n), ca.SX.sym("bodies", 10 * len(problem.holds))
    q, moving = state[:n], state[: 3 * n]
    total = efforts(*ca.vertsplit(moving, n), bodies)
    effort = Local(_use(problem, total, limits), moving, bodies, n)
    still = efforts(q, ca.SX.zeros(n), ca.SX.zeros(n), bodies)
    rest = Local(_use(problem, still, limits) / STATIC_TARGET, q, bodies, n)
    finite = np.nonzero(np.isfinite(limits.rate))[0]
    if len(finite) == 0:
        return effort, rest, None
    change = ca.jtimes(total[:n], moving, state[n:])  # along (q̇, q̈, q⃛)
    return effort, rest, Local(ca.vertcat(*[change[int(i)] / float(limits.rate[i]) for i in finite]), state, bodies, n)


# -- the program --------------------------------------------------------------------------------------------------------------


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


class Program:
    """The nonlinear program of one round: x = (free control points, ξ, slacks)."""

    def __init__(self, oracle: Oracle, free: Array, duration: float, contacts: Contacts) -> None:
        self.oracle, self.duration, self.contacts = oracle, duration, contacts
        self.n_free = free.size
        self.slacks = len(contacts.sample)
        self.columns = self.n_free + 1 + self.slacks
        self.x = ca.MX.sym("x", self.columns)
        self.here = free
        self.blocks = [self._kinematics()]
        for local, sites in oracle.sites(free, duration):
            self.blocks.append(self._mapped(local, sites))
        if self.slacks:
            self.blocks.append(self._clearance())

    def _kinematics(self) -> _Block:
        """(L x + c) / ξ^p for position, velocity, acceleration and jerk; one joint per row."""
        oracle, limits, n = self.oracle, self.oracle.limits, self.oracle.n
        half, middle = (limits.high - limits.low) / 2, (limits.high + limits.low) / 2
        scales = (half, limits.velocity * self.duration, limits.acceleration * self.duration**2, limits.jerk * self.duration**3)
        xi, parts, bounds = self.x[self.n_free], [], []
        samples = oracle.samples
        for p, (matrix, scale) in enumerate(
            zip((samples.hull0, samples.hull1, samples.b2_break, samples.b3_span), scales, strict=True)
        ):
            inner = matrix[:, 3:-3]
            kept = np.abs(inner).max(axis=1) > 0  # the fixed ends are not the solver's business
            for i in range(n):
                columns = np.zeros((int(kept.sum()), self.columns))
                columns[:, i : self.n_free : n] = inner[kept] / scale[i]
                fixed = matrix[kept][:, :3].sum(axis=1) * oracle.start[i] + matrix[kept][:, -3:].sum(axis=1) * oracle.goal[i]
                offset = (fixed - (middle[i] if p == 0 else 0.0)) / scale[i]
                parts.append((ca.sparsify(ca.DM(columns)) @ self.x + offset) / xi**p)
            bounds.append(np.ones(n * int(kept.sum())))
        value, bound = ca.vertcat(*parts), np.concatenate(bounds)
        multiplier = ca.MX.sym("lam", len(bound))
        hessian = ca.hessian(ca.dot(multiplier, value), self.x)[0]
        return _Block(value, -bound, bound, ca.jacobian(value, self.x), ca.triu(hessian), multiplier)

    def _mapped(self, local: Local, sites: Sites) -> _Block:
        """One `Local` at all its sites: gather its variables, map, scatter its derivatives."""
        oracle, n, count, width = self.oracle, self.oracle.n, len(sites.first), local.width
        fixed = [np.tile(end, 3) for end in (oracle.start, oracle.goal)]
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
        """(margin + ∇margin B δP) / cm + e ≥ 0."""
        contacts, oracle = self.contacts, self.oracle
        b = oracle.samples.b_clearance[contacts.sample][:, 3:-3]
        slope = (b[:, :, None] * contacts.gradient[:, None, :]).reshape(len(b), -1) / CENTIMETRE
        matrix = np.concatenate([slope, np.zeros((len(b), 1)), np.eye(len(b))], axis=1)
        lower = slope @ self.here.ravel() - contacts.margin / CENTIMETRE
        jacobian = ca.sparsify(ca.DM(matrix))
        nothing = ca.MX.sym("lam", len(b))
        return _Block(jacobian @ self.x, lower, np.full(len(b), np.inf), ca.MX(jacobian), None, nothing)

    def solve(self, box: float) -> tuple[Array, float, str, int]:
        """Free control points, duration, IPOPT's status, iterations."""
        x, oracle, size = self.x, self.oracle, self.columns
        cost = np.zeros(size)
        cost[self.n_free] = 1.0
        cost[self.n_free + 1 :] = PRICE * CENTIMETRE / self.duration
        objective = ca.dot(ca.DM(cost), x)
        value = ca.vertcat(*[b.value for b in self.blocks])
        multiplier, price, none = ca.MX.sym("lam_g", value.numel()), ca.MX.sym("lam_f"), ca.MX.sym("p", 0)
        hessian, first = ca.MX(size, size), 0
        for block in self.blocks:
            rows = block.multiplier.numel()
            if block.hessian is not None:
                part = ca.Function("part", [x, block.multiplier], [block.hessian])
                hessian += part(x, multiplier[first : first + rows])
            first += rows
        jacobian = ca.vertcat(*[b.jacobian for b in self.blocks])
        options = {
            "print_time": False,
            "error_on_fail": False,
            "jac_g": ca.Function("jac_g", [x, none], [value, jacobian]),
            "hess_lag": ca.Function("hess_lag", [x, none, price, multiplier], [ca.triu(hessian)]),
            "ipopt": oracle.options,
        }
        solver = ca.nlpsol("oracle", "ipopt", {"x": x, "p": none, "f": objective, "g": value}, options)
        low, high = np.full(size, -np.inf), np.full(size, np.inf)
        low[: self.n_free], high[: self.n_free] = self.here.ravel() - box, self.here.ravel() + box
        low[self.n_free] = 0.2
        low[self.n_free + 1 :] = 0.0
        start = np.concatenate([self.here.ravel(), [1.0], np.maximum(-self.contacts.margin / CENTIMETRE, 0.0)])
        lower, upper = (np.concatenate([getattr(b, key) for b in self.blocks]) for key in ("lower", "upper"))
        found = solver(x0=start, lbx=low, ubx=high, lbg=lower, ubg=upper)
        best, stats = np.array(found["x"]).ravel(), solver.stats()
        free = best[: self.n_free].reshape(-1, oracle.n)
        return free, self.duration * float(best[self.n_free]), str(stats["return_status"]), int(stats["iter_count"])


# -- rounds -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Motion:
    """Attributes: needed: duration at which it satisfies torque and hold on the grid [s];  lack: of clearance, all contacts
    added up [m]."""

    free: Array
    duration: float
    needed: float
    lack: float
    status: str


class Oracle:
    """One basis between two ends, for any number of starts.

    Args:
        start, goal: (n,) at rest.
    """

    def __init__(
        self,
        problem: TransferProblem,
        basis: SplineBasis,
        start: Array,
        goal: Array,
        tolerance: float = 1e-8,
        samples_per_span: int = 3,
        max_iter: int = 300,
        stoppable: bool = False,
    ) -> None:
        if samples_per_span < 1 or max_iter < 1 or not 0 < tolerance < 1e-2:
            raise InputError("reference", "needs samples_per_span and max_iter of at least 1 and a tolerance in (0, 0.01)")
        assembly = assemble(problem)
        self.problem, self.basis, self.start, self.goal, self.n = problem, basis, start, goal, len(goal)
        self.limits = _Limits.of(problem, start, goal)
        self.members = members_parameters(problem)
        self.effort, rest, self.rate = _locals(problem, efforts_function(problem, assembly), self.limits)
        self.rest = rest if stoppable else None
        self.samples = Samples.standard(basis, False)
        self.collision = Collision(problem, assembly)
        self.ends = self.collision.ends(start, goal)
        beta = basis.breakpoints
        inner = np.arange(1, samples_per_span + 1) / (samples_per_span + 1)
        self.effort_sites = np.concatenate([beta, (beta[:-1, None] + np.diff(beta)[:, None] * inner).ravel()])
        self.middle = (beta[:-1] + beta[1:]) / 2
        self.options = {
            "print_level": 0,
            "sb": "yes",
            "tol": tolerance,
            "constr_viol_tol": 1e-8,
            "acceptable_tol": 100 * tolerance,
            "acceptable_constr_viol_tol": 1e-7,
            "acceptable_iter": 8,
            "max_iter": max_iter,
            "linear_solver": "mumps",
            "mu_strategy": "adaptive",
            "bound_relax_factor": 0.0,
        }
        self.extra: list[tuple[Array, Array]] = []  # s, member

    # -- where rows stand -----------------------------------------------------------------------------------------

    def points(self, free: Array) -> Array:
        """(size, n) all control points."""
        return np.concatenate([np.tile(self.start, (3, 1)), free, np.tile(self.goal, (3, 1))])

    def sites(self, free: Array, duration: float) -> Iterator[tuple[Local, Sites]]:
        """The samples of torque and hold rows, and of torque rate, with the members that count there."""
        beta, points = self.basis.breakpoints, self.points(free)
        right = (self.effort_sites, np.zeros(len(self.effort_sites), dtype=bool))
        yield self.effort, self._chosen(self.effort, *right, points, duration, True)
        if self.rest is not None:
            yield self.rest, self._chosen(self.rest, *right, points, duration, False)
        if self.rate is not None:
            s = np.concatenate([beta[:-1], self.middle, beta[1:]])
            left = np.arange(len(s)) >= len(s) - len(self.middle)
            yield self.rate, self._chosen(self.rate, s, left, points, duration, False)

    def _chosen(self, local: Local, s: Array, left: Array, points: Array, duration: float, extra: bool) -> Sites:
        """All members of a small set; of a larger one those that are highest or lowest in some row, and those added."""
        first, weights = _weights(self.basis, s, left, local.orders, duration)
        count, members = len(s), len(self.members)
        wanted = np.ones((count, members), dtype=bool)
        if members > ALL_MEMBERS:
            use = self._values(local, first, weights, points)
            wanted[:] = False
            for pick in (use.argmax(axis=1), use.argmin(axis=1)):
                wanted[np.arange(count)[:, None], pick] = True
        k, m = np.nonzero(wanted)
        if extra and self.extra:
            more, member = (np.concatenate([part[i] for part in self.extra]) for i in range(2))
            f, w = _weights(self.basis, more, np.zeros(len(more), dtype=bool), local.orders, duration)
            return Sites(
                np.concatenate([first[k], f]),
                np.concatenate([weights[k], w]),
                np.concatenate([self.members[m], self.members[member.astype(int)]]),
            )
        return Sites(first[k], weights[k], self.members[m])

    def _values(self, local: Local, first: Array, weights: Array, points: Array) -> Array:
        """(K, members, rows) at ξ = 1."""
        near = points[first[:, None] + np.arange(4)]  # (K, 4, n)
        state = np.einsum("kod,kdn->kon", weights.reshape(len(first), local.orders, 4), near).reshape(len(first), -1)
        each = [np.array(local.at(state.T, np.tile(body[:, None], len(first)))).T for body in self.members]
        return np.stack(each, axis=1)

    # -- a motion between rows ------------------------------------------------------------------------------------

    def _grid(self, duration: float) -> tuple[Array, Array]:
        s = np.linspace(0.0, 1.0, int(np.ceil(duration / GRID)) + 1)
        both = np.concatenate([s, self.basis.breakpoints[:-1], self.basis.breakpoints[1:]])
        left = np.arange(len(both)) >= len(both) - self.basis.spans
        return both, left

    def grid_use(self, points: Array, duration: float) -> tuple[Array, Array]:
        """s (K,) and largest use of torque, hold and torque rate there for every member (K, members)."""
        s, left = self._grid(duration)
        use = np.zeros((len(s), len(self.members)))
        for local in (self.effort, self.rate):
            if local is not None:
                use = np.maximum(use, np.abs(self._values(local, *_weights(self.basis, s, left, local.orders, duration), points)).max(axis=2))
        return s, use

    def needed(self, free: Array, duration: float) -> float:
        """Smallest duration near the given one, or above it, at which these control points satisfy every limit but clearance:
        joint limits on their coefficients, torque and hold on the grid."""
        points, limits, samples = self.points(free), self.limits, self.samples
        speed = float(np.abs(samples.hull1 @ points / limits.velocity).max())
        acceleration = float(np.abs(samples.b2_break @ points / limits.acceleration).max()) ** (1 / 2)
        jerk = float(np.abs(samples.b3_span @ points / limits.jerk).max()) ** (1 / 3)
        least = max(speed, acceleration, jerk)
        over = lambda t: float(self.grid_use(points, t)[1].max()) - 1.0  # noqa: E731
        if over(least) <= 0:
            return least
        low, high = least, max(duration, least * (1 + 1e-6))
        while over(high) > 0:
            if high > 20 * least:
                return float("inf")
            low, high = high, high * (1.002 if high < 1.01 * duration else 1.2)
        return float(brentq(over, low, high, xtol=1e-7 * high)) * (1 + 1e-7)

    def _motion(self, free: Array, duration: float, status: str) -> _Motion:
        kept = status in SUCCESS and float(self.grid_use(self.points(free), duration)[1].max()) <= 1 + OVER
        needed = duration if kept else self.needed(free, duration)
        q = self.samples.b_clearance @ self.points(free)
        lack = np.maximum(-self.collision.query(q, self.ends, 0.0).margin, 0.0)
        return _Motion(free, duration, needed, float(lack.sum()), status)

    # -- rounds ---------------------------------------------------------------------------------------------------

    def solve(self, free: Array, duration: float) -> Reference:
        """From one start until a round changes nothing.

        The box around control points is there for linearised contacts only: it shrinks where a step made clearance worse.
        """
        begin, self.extra = time.perf_counter(), []
        here = self._motion(free, duration, "start")
        box, iterations, rounds, best = BOX, 0, 0, None
        while rounds < ROUNDS and box > BOX_LEAST:
            q = self.samples.b_clearance @ self.points(here.free)
            contacts = self.collision.query(q, self.ends, REACH, gradients=True)
            found = Program(self, here.free, here.duration, contacts).solve(box if len(contacts.sample) else np.inf)
            trial = self._motion(*found[:3])
            iterations, rounds = iterations + found[3], rounds + 1
            if trial.lack > LACK and trial.duration + PRICE * trial.lack > here.duration + PRICE * here.lack:
                box = BOX_SHRINK * min(box, float(np.abs(trial.free - here.free).max()))
                continue
            if trial.status in SUCCESS and trial.lack <= LACK and (best is None or trial.needed < best.needed):
                best = trial
            added = self._more(trial)
            boxed = len(contacts.sample) > 0 and float(np.abs(trial.free - here.free).max()) > 0.99 * box
            settled = trial.lack <= LACK and not boxed
            here, box = trial, 2 * box
            if settled and not added:
                break
        return self._result(best or here, duration, iterations, rounds, time.perf_counter() - begin)

    def _more(self, motion: _Motion) -> bool:
        """Where the grid finds more than the rows allow, it becomes a row, with one to either side; whether there was any."""
        s, use = self.grid_use(self.points(motion.free), motion.duration)
        order = np.argsort(s, kind="stable")
        s, use = s[order], use[order]
        padded = np.pad(use, ((1, 1), (0, 0)))
        k, m = np.nonzero((use > 1 + OVER) & (use >= padded[:-2]) & (use >= padded[2:]))
        if len(k):
            apart = BESIDE / motion.duration
            beside = np.clip(s[k] + apart * np.array([[-1.0], [0.0], [1.0]]), 0.0, 1.0)
            self.extra.append((beside.ravel(), np.tile(m, 3)))
        return len(k) > 0

    def _result(self, motion: _Motion, duration: float, iterations: int, rounds: int, seconds: float) -> Reference:
        ok = motion.status in SUCCESS and motion.lack <= LACK and motion.needed <= STRETCH_MAX * motion.duration
        if not np.isfinite(motion.needed):
            return Reference(motion.status, False, None, float("inf"), duration, iterations, rounds, seconds)
        points = self.points(motion.free)
        forces = [float(held.grasp.grip_force[1]) for held in self.problem.holds]
        openings = [held.width for held in self.problem.holds]
        phase = Phase.from_spline(self.basis, points, motion.needed, forces, openings)
        trajectory = Trajectory((phase,), self.problem.robot.joint_names)
        return Reference(motion.status, ok, trajectory, motion.needed, duration, iterations, rounds, seconds)
