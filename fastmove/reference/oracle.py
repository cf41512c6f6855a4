"""The oracle: a second optimiser for the same transfer, to measure how much duration the planner leaves unused.

It solves one nonlinear program over the planner's splines with CasADi and IPOPT (Wächter & Biegler, Mathematical Programming
106(1), 2006).  It is independent of the planner in what can go wrong: torques and wrenches come from its own Newton–Euler
recursion (`casadi_rnea`), an interior-point method with exact second derivatives (`nonlinear_program`) takes the place of convex
subproblems, and the hold is an expression, not a set of cones.  It shares with the planner the body tree (`assembly`), where rows
stand (`ConstraintGrid`), linearised distances (`collision`), and the distance kept from limits (`INSIDE`, `LIMIT_BACKOFF`), so
that durations are comparable.

    minimise   ξ + price · Σ e          over free control points P, ξ = T/T0, slacks e ≥ 0 of clearances
    position   B P                      within its range: Bernstein coefficients of every span
    velocity   |B' P| / v T ≤ 1         Bernstein coefficients of every span
    accel.     |B'' P| / a T² ≤ 1       at breakpoints
    jerk       |B''' P| / j T³ ≤ 1      on every span
    torque     |τ| / τ_max ≤ 1          at breakpoints and `samples_per_span` points in every span, for members of the item set
    rate       |∂τ/∂q q̇ + ∂τ/∂q̇ q̈ + ∂τ/∂q̈ q⃛| / r_max ≤ 1       on both sides of breakpoints and at mid-points
    hold       S, V ≤ 0.9               at the samples of torque; the grip force is the largest that may be chosen
    clearance  margin + ∇margin · δq + e ≥ 0      for pairs with a margin below `REACH`, linearised at the round's motion

The program is solved in rounds.  Limits that a 1 ms grid, and clearances that a 4 ms grid, find violated between rows become rows
of the next round, and near pairs are linearised again, inside a box on control points that shrinks where a step made clearance
worse.  The final duration is the one at which the grid finds no violation (to `OVER`, half of `LIMIT_BACKOFF`), so that no
violation counts as a gain.

Two demands of the planner are not made here: that everything could be held at rest wherever the motion passes (`stoppable` makes
it), and a padding of up to 6 mm, of which 0.2 mm are kept here.
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

REACH = 0.04  # largest margin of near pairs that may get clearance rows [m]
SETTLED = 1e-4  # relative gain of duration in a round that counts as none [1]
STEP_BOX = 0.5  # initial half width of the box around control points, without obstacles [rad]
BOX_AMONG = 0.05  # initial half width of the box around control points, among obstacles [rad]
BOX_MOST = 1.0  # largest half width of the box [rad]
BOX_SHRINK = 0.35  # new half width of the box over the step that made clearance worse [1]
BOX_LEAST = 5e-4  # half width of the box below which no further round begins [rad]
LEAST_REACH = 0.002  # margin beyond what a step in the box may use up, within which near pairs still get rows [m]
ROUNDS = 10  # largest number of rounds without obstacles
ROUNDS_AMONG = 25  # largest number of rounds among obstacles
VIOLATION_MAX = 1e-4  # clearance violation that counts as none, because fading contacts are hard to follow [m]
OVER = 1e-4  # utilisation beyond 1 between rows from which new rows are added [1]
BESIDE_PEAK = 3e-3  # distance of the two new rows beside each peak of utilisation [s]
LOAD_GRID = 1e-3  # step of the grid on which torque, torque rate and hold are checked between rows [s]
GRID_CLEARANCE = 4e-3  # step of the grid on which clearance is checked between rows [s]
ALL_MEMBERS = 3  # largest item set with rows for every member; larger sets get rows for their worst members
STRETCH_MAX = 1.05  # duration that satisfies the limits on the grid over IPOPT's, beyond which a motion counts as failed [1]
# IPOPT's return statuses that count as success.
SUCCESS = ("Solve_Succeeded", "Solved_To_Acceptable_Level")


@dataclass(frozen=True)
class Reference:
    """The result of the oracle: a motion and how IPOPT found it.

    Attributes:
        status: IPOPT's return status in the round that the motion comes from.
        ok: whether IPOPT succeeded, torque and hold are satisfied on a 1 ms grid and every clearance (to 0.1 mm) on a 4 ms grid.
        trajectory: one phase with its spline; None where nothing was found.
        duration: duration of the motion found [s]; infinite where nothing was found.
        start_duration: duration of the motion that it started from [s].
        iterations: number of IPOPT iterations in all rounds.
        rounds: number of rounds.
        seconds: wall time [s].
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
        """Share of the start's duration that was saved [1]; negative where the motion found is slower."""
        return 1.0 - self.duration / self.start_duration

    def as_json(self) -> dict[str, object]:
        """Returns everything but the trajectory as plain values, in SI units."""
        keys = ("status", "ok", "duration", "start_duration", "gain", "iterations", "rounds", "seconds")
        return {key: getattr(self, key) for key in keys}

    def __str__(self) -> str:
        how = f"{self.status}, {self.rounds} rounds, {self.seconds:.1f} s"
        return f"IPOPT from here: {self.duration:.4f} s, {self.gain:.2%} less ({how})"


@dataclass(frozen=True)
class _Motion:
    """A motion of one round, with what it violates between rows.

    Attributes:
        free: (K, n) free control points [rad].
        duration: duration by IPOPT [s].
        needed: duration at which it satisfies torque and hold on the grid [s].
        violation: clearance violations of the worst pairs, summed over the samples [m].
        deepest: the largest of these violations [m].
        status: IPOPT's return status.
    """

    free: Array
    duration: float
    needed: float
    violation: float
    deepest: float
    status: str


class Oracle:
    """The reference optimiser for one spline basis between two ends, for any number of initial guesses.

    Not thread safe: it keeps coal's data and the rows added in rounds.

    Args:
        problem: transfer.
        basis: spline basis of the motions.
        start: (n,) configuration at rest [rad].
        goal: (n,) configuration at rest [rad].
        tolerance: IPOPT's tolerance on the scaled optimality conditions.
        samples_per_span: number of equally spaced points of torque and hold rows inside every span.
        max_iter: largest number of IPOPT iterations in a round.
        stoppable: also ask that arm and hold could bear the item at rest wherever it passes (see `reference`).

    Raises:
        InputError: a number is out of range.
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
        self.extra: list[tuple[Array, Array]] = []  # added rows: samples s, and the member that each is for

    # -- where rows stand -----------------------------------------------------------------------------------------

    def points(self, free: Array) -> Array:
        """Returns all control points of a motion.

        Args:
            free: (K, n) free control points [rad].

        Returns:
            (K + 6, n) control points [rad]: three at the start, the free ones, three at the goal.
        """
        return np.concatenate([np.tile(self.start, (3, 1)), free, np.tile(self.goal, (3, 1))])

    def sites(self, free: Array, duration: float) -> Iterator[tuple[Local, Sites]]:
        """Yields every kind of row with its samples and the bodies held there: torque and hold, at rest, torque rate.

        Args:
            free: (K, n) free control points [rad].
            duration: duration [s].
        """
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
        """Returns the sites of rows at samples s, for the members of the item set that count there.

        Of a small set (`ALL_MEMBERS`) all members count, of a larger one those that are highest or lowest in some row; `extra`
        adds the rows that earlier rounds asked for.
        """
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
        """Returns the values (K, members, rows) of the rows at K samples, at ξ = 1."""
        near = points[first[:, None] + np.arange(4)]  # (K, 4, n)
        state = np.einsum("kod,kdn->kon", weights.reshape(len(first), local.orders, 4), near).reshape(len(first), -1)
        each = [np.array(local.at(state.T, np.tile(body[:, None], len(first)))).T for body in self.members]
        return np.stack(each, axis=1)

    # -- a motion between rows ------------------------------------------------------------------------------------

    def _grid(self, duration: float) -> tuple[Array, Array]:
        """Returns a `LOAD_GRID` of s and both sides of every span (K,), and whether each is approached from the left (K,)."""
        s = np.linspace(0.0, 1.0, int(np.ceil(duration / LOAD_GRID)) + 1)
        both = np.concatenate([s, self.basis.breakpoints[:-1], self.basis.breakpoints[1:]])
        left = np.arange(len(both)) >= len(both) - self.basis.spans
        return both, left

    def grid_use(self, points: Array, duration: float, grid: tuple[Array, Array] | None = None) -> tuple[Array, Array]:
        """Returns the largest utilisation of torque, hold and torque rate along a motion.

        Args:
            points: (size, n) all control points [rad].
            duration: duration [s].
            grid: samples s (K,) and whether each is approached from the left (K,); default a grid of 1 ms.

        Returns:
            Samples s (K,), and utilisation there for every member of the item set (K, members) [1].
        """
        s, left = grid or self._grid(duration)
        use = np.zeros((len(s), len(self.members)))
        for local in (self.effort, self.rate):
            if local is not None:
                values = self._values(local, *weights_at(self.basis, s, left, local.orders, duration), points)
                use = np.maximum(use, np.abs(values).max(axis=2))
        return s, use

    def needed(self, free: Array, duration: float) -> float:
        """Returns the smallest duration, near the given one or above it, at which a path satisfies all limits but clearance.

        Joint limits are checked on spline coefficients, torque and hold on the grid.

        Args:
            free: (K, n) free control points [rad].
            duration: duration near which the search begins [s].

        Returns:
            Duration [s]; infinite where no slower motion helps.
        """
        points, limits, samples = self.points(free), self.limits, self.samples
        speed = float(np.abs(samples.hull1 @ points / limits.velocity).max())
        acceleration = float(np.abs(samples.b2_break @ points / limits.acceleration).max()) ** (1 / 2)
        jerk = float(np.abs(samples.b3_span @ points / limits.jerk).max()) ** (1 / 3)
        least = max(speed, acceleration, jerk)
        grid = self._grid(max(duration, least))  # the curve is the same at every speed, and so are its samples
        excess = lambda t: float(self.grid_use(points, t, grid)[1].max()) - 1.0  # noqa: E731
        if excess(least) <= 0:
            return least
        low, high = least, max(duration, least * (1 + 1e-6))
        while excess(high) > 0:
            if high > 20 * least:
                return float("inf")
            low, high = high, high * (1.002 if high < 1.01 * duration else 1.2)
        return float(brentq(excess, low, high, xtol=1e-7 * high)) * (1 + 1e-7)

    def _motion(self, free: Array, duration: float, status: str) -> _Motion:
        """Returns a motion with the duration that it needs on the grid and its clearance violations."""
        kept = status in SUCCESS and float(self.grid_use(self.points(free), duration)[1].max()) <= 1 + OVER
        needed = duration if kept else self.needed(free, duration)
        violation = self._violation(self.clearance_sites, free)
        return _Motion(free, duration, needed, float(violation.sum()), float(violation.max()), status)

    def _violation(self, s: Array, free: Array) -> Array:
        """Returns the clearance violation of the worst pair at every sample s, (len(s),) [m]."""
        return self.collision.query(self.basis.design_matrix(s) @ self.points(free), self.ends, 0.0).violation(len(s))

    # -- rounds ---------------------------------------------------------------------------------------------------

    def solve(self, free: Array, duration: float) -> Reference:
        """Solves from one initial guess, in rounds, until a round changes nothing or IPOPT has failed twice.

        The box around control points is there for linearised clearances only: it shrinks where a step made clearance worse.

        Args:
            free: (K, n) free control points of the initial guess [rad].
            duration: its duration [s].
        """
        begin, self.extra, self.clearance_sites = time.perf_counter(), [], self.samples.clearance
        current, best = self._motion(free, duration, "start"), None
        among = len(self.problem.scene.obstacles) > 0
        box, most = (BOX_AMONG, ROUNDS_AMONG) if among else (STEP_BOX, ROUNDS)
        iterations = rounds = failures = 0
        while rounds < most and box > BOX_LEAST and failures < 2:
            near_pairs = self._contacts(current.free, box)
            answer = self._program(current, near_pairs).solve(box if len(near_pairs.sample) else np.inf)
            trial = self._motion(*answer[:3])
            iterations, rounds, failures = iterations + answer[3], rounds + 1, failures + (trial.status not in SUCCESS)
            step = float(np.abs(trial.free - current.free).max())
            if (
                trial.deepest > VIOLATION_MAX
                and trial.duration + PRICE * trial.violation > current.duration + PRICE * current.violation
            ):
                box = BOX_SHRINK * min(box, step)
                if (
                    best is not None
                    and best.free is current.free
                    and current.duration - trial.duration < SETTLED * current.duration
                ):
                    break  # even with linearised clearances no more can be gained
                continue
            clear = not self._more_clearance(trial) and trial.deepest <= VIOLATION_MAX
            if trial.status in SUCCESS and clear and (best is None or trial.needed < best.needed):
                best = trial
            boxed = (
                len(near_pairs.sample) > 0
                and step > 0.99 * box
                and current.duration - trial.duration > SETTLED * current.duration
            )
            box = min(2 * box, BOX_MOST) if trial.violation <= max(current.violation, VIOLATION_MAX) else box
            current = replace(trial, violation=float(self._violation(self.clearance_sites, trial.free).sum()))
            if not self._more(trial) and clear and not boxed and not failures:
                break
        return self._result(best or current, best is not None, duration, iterations, rounds, time.perf_counter() - begin)

    def _contacts(self, free: Array, box: float) -> NearPairs:
        """Returns the pairs near a motion, without those that no motion in the box around it can bring together."""
        q = self.basis.design_matrix(self.clearance_sites) @ self.points(free)
        pairs = self.collision.query(q, self.ends, REACH, gradients=True)
        near = pairs.margin < box * np.abs(pairs.gradient).sum(axis=1) + LEAST_REACH
        return pairs.chosen(near)

    def _program(self, here: _Motion, contacts: NearPairs) -> Program:
        """Returns the nonlinear program of one round, linearised at the motion `here`."""
        rows = list(self.sites(here.free, here.duration))
        return Program(self.setting, here.free, here.duration, rows, contacts, self.clearance_sites)

    def _more_clearance(self, motion: _Motion) -> bool:
        """Adds clearance rows at the peaks of violation that a grid finds; returns whether there were any."""
        s = np.linspace(0.0, 1.0, int(np.ceil(motion.duration / GRID_CLEARANCE)) + 1)
        padded = np.pad(self._violation(s, motion.free), 1)
        worst = (padded[1:-1] > VIOLATION_MAX) & (padded[1:-1] >= padded[:-2]) & (padded[1:-1] >= padded[2:])
        self.clearance_sites = np.union1d(self.clearance_sites, s[worst])
        return bool(np.any(worst))

    def _more(self, motion: _Motion) -> bool:
        """Adds rows at, and on both sides of, the peaks of utilisation that a grid finds; returns whether there were any."""
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

    def _result(
        self, motion: _Motion, succeeded: bool, duration: float, iterations: int, rounds: int, seconds: float
    ) -> Reference:
        """Returns the result, at the duration that the motion needs on the grid; `succeeded` says whether it was successful."""
        ok = motion.status in SUCCESS and succeeded and motion.needed <= STRETCH_MAX * motion.duration
        if not np.isfinite(motion.needed):
            return Reference(motion.status, False, None, float("inf"), duration, iterations, rounds, seconds)
        points = self.points(motion.free)
        forces = [held.planned_grip for held in self.problem.holds]
        openings = [held.width for held in self.problem.holds]
        phase = Phase.from_spline(self.basis, points, motion.needed, forces, openings)
        trajectory = Trajectory((phase,), self.problem.robot.joint_names)
        return Reference(motion.status, ok, trajectory, motion.needed, duration, iterations, rounds, seconds)
