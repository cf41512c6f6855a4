"""Initial guesses of the attempts at one goal: the straight line, searched paths, bent lines, and which to try in what order."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from fastmove.arrays import Array
from fastmove.collision.query_types import Ends
from fastmove.optim.breakpoints import early_breakpoints, switch_basis
from fastmove.planner.context import PlanningContext, timed
from fastmove.search.arrival import Arrival
from fastmove.search.initial_guess import along_path, bent_guess, moving_guess, straight_guess
from fastmove.search.path_validity import StateValidityChecker
from fastmove.search.rrt_connect import connect, is_deformable_to
from fastmove.search.time_bound import Bound, lower_bound
from fastmove.trajectory.bspline import SplineBasis

DEEP = 0.02  # Violation of clearance from which a sample of the straight line is deep inside obstacles [m].
DEEP_SHARE = 0.25  # Share of samples deep inside obstacles above which the straight line is tried last.
LINE_SAMPLES = 40  # Number of samples on the straight line.
MORE_PATHS_AFTER = 4  # Number of further path searches while no certified motion was found.
SEARCH_BUDGET_FACTOR = 4  # Factor on the search budget of these further path searches.


class FirstGuesses:
    """Makes the initial guesses of one goal, and remembers the paths that it has searched.

    Args:
        context: What all work on the problem shares.
        goal: Goal configuration (n,) [rad].
        bound: Kinematic lower bound to this goal.
        ends: What may touch at the two ends of the motion.
        seed: Seed of path searches and bent lines.
        arrival: States in which the motion may end, where the goal moves on.

    Attributes:
        end: Goal configuration (n,) [rad], or state of the soonest arrival.
        knots: Lower bound whose switching times become breakpoints.
        early: Times at which a moving start needs breakpoints (K,) [s].
        n_paths: Number of path searches asked for; further ones follow only where none led to a certified motion.
        exhausted: Whether a path search has spent its budget in vain.
        paths: Searched paths by number of the attempt, (K, n) [rad] each.
    """

    def __init__(
        self, context: PlanningContext, goal: Array, bound: Bound, ends: Ends, seed: int, arrival: Arrival | None = None
    ) -> None:
        self.context, self.goal, self.bound, self.ends, self.seed = context, goal, bound, ends, seed
        self.problem, self.limits = context.problem, context.problem.limit_set
        self.held = self.problem.must_hold
        self.end = goal if arrival is None else arrival.state(bound.duration)
        self.knots = self._knots()
        self.early = early_breakpoints(self.problem.start, self.limits)
        self.n_paths = 0
        self.exhausted = False
        self.paths: dict[int, Array] = {}

    def _knots(self) -> Bound:
        """Returns the lower bound whose switching times become breakpoints.

        With a torque-rate limit r its jerk limit is what the motors could follow, 0.8 r / M_ii.
        """
        limits, start = self.limits, self.problem.start
        if not np.any(np.isfinite(limits.effort_rate)):
            return self.bound
        n = len(self.goal)
        q = np.stack([np.array(start.q), self.goal])
        zero = np.zeros_like(q)
        inertia = self.context.dynamics.linearised(q, zero, zero).da[:, 0, range(n), range(n)].max(axis=0)
        jerk = np.minimum(limits.jerk, 0.8 * limits.effort_rate / inertia)
        if np.any(np.abs(start.v) + start.a**2 / (2 * jerk) > limits.velocity):
            return self.bound
        return lower_bound(start, self.end, limits, jerk)

    def order(self, path_seeds: int) -> tuple[list[int], list[int]]:
        """Returns the numbers of the attempts to make, in order, and those of further ones where none of them succeeds.

        The straight line comes first, but last where too much of it is deep inside obstacles.

        Args:
            path_seeds: Number of path searches.
        """
        self.n_paths = path_seeds
        paths, more = list(range(1, path_seeds + 1)), list(range(path_seeds + 1, path_seeds + 1 + MORE_PATHS_AFTER))
        if not self.problem.start.at_rest or not paths:
            return [0], []
        with timed(self.context.timings, "seed"):
            basis = switch_basis(self.knots)
            control_points = straight_guess(np.array(self.problem.start.q), self.goal, self.knots, basis)
            line = np.concatenate([np.tile(self.problem.start.q, (3, 1)), control_points, np.tile(self.goal, (3, 1))])
            q = basis.design_matrix(np.linspace(0, 1, LINE_SAMPLES)) @ line
            deep = self.context.collision.query(q, self.ends, -DEEP)
        inside = len(np.unique(deep.sample)) / LINE_SAMPLES
        return ([*paths, 0] if inside > DEEP_SHARE else [0, *paths]), more

    def guess(self, number: int, basis: SplineBasis) -> tuple[Array, float] | None:
        """Returns the initial guess of an attempt: free control points (n_free, n) [rad] and duration [s]; None without a path.

        Without a held item a path that can be deformed into an earlier one counts as none.
        """
        start = self.problem.start
        if not start.at_rest:
            return moving_guess(start, self.end, self.limits, basis) if number == 0 else None
        if number == 0:
            return straight_guess(np.array(start.q), self.goal, self.knots, basis), self.bound.duration
        if number < 0:
            return bent_guess(np.array(start.q), self.goal, self.limits, basis, self.seed * 1000 - number), self.bound.duration
        if number not in self.paths:
            budget_factor = 1 if number <= self.n_paths else SEARCH_BUDGET_FACTOR
            path = connect(self.valid, self.goal, self.seed * 1000 + number, budget_factor, direct=number == 1)
            if path is None:
                self.exhausted = True
                return None
            if (
                not self.held
                and number <= self.n_paths
                and any(is_deformable_to(path, other, self.valid) for other in self.paths.values())
            ):
                return None
            self.paths[number] = path
        path = self.paths[number]
        return along_path(path, basis, 1.0 / self.limits.velocity), self.bound.duration

    @cached_property
    def valid(self) -> StateValidityChecker:
        """Validity checker for path searches: configurations must be free and held at rest."""
        return StateValidityChecker(self.context.collision, self.context.dynamics, self.problem, self.ends)
