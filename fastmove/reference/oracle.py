"""The same transfer by other means: CasADi and IPOPT on the same splines, to measure what the planner leaves on the table.

Independent of the planner in what can go wrong: torques and wrenches by its own Newton–Euler recursion in CasADi (`newton`),
exact second derivatives and an interior-point method (`interior`) instead of convex subproblems, the hold as expression, not as
cones.
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
again, inside a box that shrinks where this went wrong.  In the end the duration is what the grid asks for (to half of
`SHRINK`), so that no violation counts as a gain.

Not the planner's: that one also asks that everything could be held at rest wherever it passes (`stoppable` asks for the same),
and keeps a pad of up to 6 mm from what it passes, of which 0.2 mm are kept here.
IPOPT: Wächter & Biegler, Mathematical Programming 106(1), 2006.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import brentq

from fastmove.arrays import Array
from fastmove.collision.checker import Collision
from fastmove.collision.query_types import NearPairs
from fastmove.dynamics.path_margins import path_margins
from fastmove.errors import InputError
from fastmove.multibody.assembly import assemble
from fastmove.optim.samples import ConstraintGrid
from fastmove.problem.transfer import TransferProblem
from fastmove.reference.casadi_rnea import efforts_function, members_parameters
from fastmove.reference.nonlinear_program import PRICE, Program, Setting
from fastmove.reference.sample_rows import Limits, Local, Sites, sample_rows, weights_at
from fastmove.trajectory.bspline import SplineBasis
from fastmove.trajectory.trajectory import Phase, Trajectory

REACH = 0.04  # contacts with less margin than this get rows [m]
SETTLED = 1e-4  # relative change of the duration from round to round that ends them inside a box
BOX, BOX_AMONG, BOX_MOST = 0.5, 0.05, 1.0  # of control points near contacts, to begin with; among obstacles; at most [rad] …
BOX_SHRINK, BOX_LEAST = 0.35, 5e-4  # … and where it went wrong
LEAST_REACH = 0.002  # … and with less than this in any case [m]
ROUNDS, ROUNDS_AMONG = 10, 25  # at most; among obstacles
VIOLATION_MAX = 1e-4  # of clearance, that counts as none: contacts that fade are hard to follow [m]
OVER = 1e-4  # use beyond 1 between rows that makes new rows
BESIDE_PEAK = 3e-3  # … at its peaks and this much to either side [s]
LOAD_GRID, GRID_CLEARANCE = 1e-3, 4e-3  # where torque and hold, and where distances are looked at between rows [s]
ALL_MEMBERS = 3  # item sets up to this size get rows for every member at once; of larger ones those that are worst
STRETCH_MAX = 1.05  # a motion that needs more than this to satisfy its limits on the grid counts as failed
SUCCESS = ("Solve_Succeeded", "Solved_To_Acceptable_Level")


@dataclass(frozen=True)
class Reference:
    """What IPOPT found.

    Attributes:
        status: IPOPT's return status in the round that the motion comes from.
        ok: IPOPT succeeded; torque and hold are satisfied on a 1 ms grid, every clearance (to 0.1 mm) on a 4 ms grid.
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

    def as_json(self) -> dict[str, object]:
        keys = ("status", "ok", "duration", "start_duration", "gain", "iterations", "rounds", "seconds")
        return {key: getattr(self, key) for key in keys}

    def __str__(self) -> str:
        how = f"{self.status}, {self.rounds} rounds, {self.seconds:.1f} s"
        return f"IPOPT from here: {self.duration:.4f} s, {self.gain:.2%} less ({how})"


@dataclass(frozen=True)
class _Motion:
    """Attributes: needed: duration at which it satisfies torque and hold on the grid [s];  lack: of clearance, added up
    over the samples;  deepest: the largest of these [m]."""

    free: Array
    duration: float
    needed: float
    violation: float
    deepest: float
    status: str


class Oracle:
    """One basis between two ends, for any number of starts.  Not thread safe (coal data and the rounds' rows inside).

    Args:
        start, goal: (n,) at rest.  Others: see `reference`.
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
        self.limits = Limits.of(problem, start, goal)
        self.members = members_parameters(problem)
        path = path_margins(problem, assembly) if problem.path_constraints else None
        self.effort, rest, self.rate = sample_rows(problem, efforts_function(problem, assembly), self.limits, path)
        self.rest = rest if stoppable else None
        self.samples = ConstraintGrid.standard(basis, False)
        self.collision = Collision(problem, assembly)
        self.ends = self.collision.ends(start, goal)
        beta = basis.breakpoints
        inner = np.arange(1, samples_per_span + 1) / (samples_per_span + 1)
        self.effort_sites = np.concatenate([beta, (beta[:-1, None] + np.diff(beta)[:, None] * inner).ravel()])
        self.middle = (beta[:-1] + beta[1:]) / 2
        ipopt: dict[str, object] = {
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
        self.setting = Setting(basis, start, goal, self.samples, self.limits, ipopt)
        self.clearance_sites = self.samples.clearance
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
        first, weights = weights_at(self.basis, s, left, local.orders, duration)
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
            f, w = weights_at(self.basis, more, np.zeros(len(more), dtype=bool), local.orders, duration)
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
        s = np.linspace(0.0, 1.0, int(np.ceil(duration / LOAD_GRID)) + 1)
        both = np.concatenate([s, self.basis.breakpoints[:-1], self.basis.breakpoints[1:]])
        left = np.arange(len(both)) >= len(both) - self.basis.spans
        return both, left

    def grid_use(self, points: Array, duration: float, grid: tuple[Array, Array] | None = None) -> tuple[Array, Array]:
        """s (K,) and largest use of torque, hold and torque rate there for every member (K, members)."""
        s, left = grid or self._grid(duration)
        use = np.zeros((len(s), len(self.members)))
        for local in (self.effort, self.rate):
            if local is not None:
                values = self._values(local, *weights_at(self.basis, s, left, local.orders, duration), points)
                use = np.maximum(use, np.abs(values).max(axis=2))
        return s, use

    def needed(self, free: Array, duration: float) -> float:
        """Smallest duration near the given one, or above it, at which these control points satisfy every limit but clearance:
        joint limits on their coefficients, torque and hold on the grid."""
        points, limits, samples = self.points(free), self.limits, self.samples
        speed = float(np.abs(samples.hull1 @ points / limits.velocity).max())
        acceleration = float(np.abs(samples.b2_break @ points / limits.acceleration).max()) ** (1 / 2)
        jerk = float(np.abs(samples.b3_span @ points / limits.jerk).max()) ** (1 / 3)
        least = max(speed, acceleration, jerk)
        grid = self._grid(max(duration, least))  # the curve is the same at every speed, and so are its samples
        over = lambda t: float(self.grid_use(points, t, grid)[1].max()) - 1.0  # noqa: E731
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
        lack = self._violation(self.clearance_sites, free)
        return _Motion(free, duration, needed, float(lack.sum()), float(lack.max()), status)

    def _violation(self, s: Array, free: Array) -> Array:
        """(len(s),) lack of clearance of the worst contact [m]."""
        return self.collision.query(self.basis.design_matrix(s) @ self.points(free), self.ends, 0.0).violation(len(s))

    # -- rounds ---------------------------------------------------------------------------------------------------

    def solve(self, free: Array, duration: float) -> Reference:
        """From one start until a round changes nothing, or IPOPT has failed twice.

        The box around control points is there for linearised contacts only: it shrinks where a step made clearance worse.
        """
        begin, self.extra, self.clearance_sites = time.perf_counter(), [], self.samples.clearance
        here, best = self._motion(free, duration, "start"), None
        among = len(self.problem.scene.obstacles) > 0
        box, most = (BOX_AMONG, ROUNDS_AMONG) if among else (BOX, ROUNDS)
        iterations = rounds = failures = 0
        while rounds < most and box > BOX_LEAST and failures < 2:
            contacts = self._contacts(here.free, box)
            found = self._program(here, contacts).solve(box if len(contacts.sample) else np.inf)
            trial = self._motion(*found[:3])
            iterations, rounds, failures = iterations + found[3], rounds + 1, failures + (trial.status not in SUCCESS)
            step = float(np.abs(trial.free - here.free).max())
            if (
                trial.deepest > VIOLATION_MAX
                and trial.duration + PRICE * trial.violation > here.duration + PRICE * here.violation
            ):
                box = BOX_SHRINK * min(box, step)
                if best is not None and best.free is here.free and here.duration - trial.duration < SETTLED * here.duration:
                    break  # even the linearised contacts promise no more
                continue
            clear = not self._more_clearance(trial) and trial.deepest <= VIOLATION_MAX
            if trial.status in SUCCESS and clear and (best is None or trial.needed < best.needed):
                best = trial
            boxed = len(contacts.sample) > 0 and step > 0.99 * box and here.duration - trial.duration > SETTLED * here.duration
            box = min(2 * box, BOX_MOST) if trial.violation <= max(here.violation, VIOLATION_MAX) else box
            here = replace(trial, violation=float(self._violation(self.clearance_sites, trial.free).sum()))
            if not self._more(trial) and clear and not boxed and not failures:
                break
        return self._result(best or here, best is not None, duration, iterations, rounds, time.perf_counter() - begin)

    def _contacts(self, free: Array, box: float) -> NearPairs:
        """Contacts near this motion, without those that no motion in the box reaches."""
        q = self.basis.design_matrix(self.clearance_sites) @ self.points(free)
        found = self.collision.query(q, self.ends, REACH, gradients=True)
        near = found.margin < box * np.abs(found.gradient).sum(axis=1) + LEAST_REACH
        return found.chosen(near)

    def _program(self, here: _Motion, contacts: NearPairs) -> Program:
        rows = list(self.sites(here.free, here.duration))
        return Program(self.setting, here.free, here.duration, rows, contacts, self.clearance_sites)

    def _more_clearance(self, motion: _Motion) -> bool:
        """Where a grid finds less clearance than the rows do, it becomes a place for rows; whether there was any."""
        s = np.linspace(0.0, 1.0, int(np.ceil(motion.duration / GRID_CLEARANCE)) + 1)
        lack = np.pad(self._violation(s, motion.free), 1)
        worst = (lack[1:-1] > VIOLATION_MAX) & (lack[1:-1] >= lack[:-2]) & (lack[1:-1] >= lack[2:])
        self.clearance_sites = np.union1d(self.clearance_sites, s[worst])
        return bool(np.any(worst))

    def _more(self, motion: _Motion) -> bool:
        """Where the grid finds more than the rows allow, it becomes a row, with one to either side; whether there was any."""
        s, use = self.grid_use(self.points(motion.free), motion.duration)
        order = np.argsort(s, kind="stable")
        s, use = s[order], use[order]
        padded = np.pad(use, ((1, 1), (0, 0)))
        k, m = np.nonzero((use > 1 + OVER / 4) & (use >= padded[:-2]) & (use >= padded[2:]))
        if use.max() > 1 + OVER:
            apart = BESIDE_PEAK / motion.duration
            beside = np.clip(s[k] + apart * np.array([[-1.0], [0.0], [1.0]]), 0.0, 1.0)
            self.extra.append((beside.ravel(), np.tile(m, 3)))
        return bool(use.max() > 1 + OVER)

    def _result(self, motion: _Motion, found: bool, duration: float, iterations: int, rounds: int, seconds: float) -> Reference:
        ok = motion.status in SUCCESS and found and motion.needed <= STRETCH_MAX * motion.duration
        if not np.isfinite(motion.needed):
            return Reference(motion.status, False, None, float("inf"), duration, iterations, rounds, seconds)
        points = self.points(motion.free)
        forces = [float(held.grasp.grip_force[1]) for held in self.problem.holds]
        openings = [held.width for held in self.problem.holds]
        phase = Phase.from_spline(self.basis, points, motion.needed, forces, openings)
        trajectory = Trajectory((phase,), self.problem.robot.joint_names)
        return Reference(motion.status, ok, trajectory, motion.needed, duration, iterations, rounds, seconds)
