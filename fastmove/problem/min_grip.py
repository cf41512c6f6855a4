"""How two pads share a load, point by point: diagnostics beside S, V and R of `contact.pinch`, never used while planning.

The grip force of a plan is chosen in `planner.repair`.

Each pad touches at its points p_i (`Patch.points`, those that a simulation touches with) with normal forces N_i and tangential
forces t_i in Coulomb cones, ‖t_i‖ ≤ μ N_i, f_i being the two together.  Both fingers are driven by one force, so Σ N_i = 2 F over
all points.  The least F that balances a wrench W (`min_grip`) is a cone program in 3 numbers per point:

    minimise F   subject to   Σ [f_i; p_i × f_i] = W,   Σ N_i = 2 F,   ‖t_i‖ ≤ μ N_i,   N_i linear over each pad (a rigid face)

That some distribution of the load balances W is necessary for holding, but not sufficient: friction forces depend on how they
arose.

`friction_left` leaves the load less freedom, because pads are springs.  With stiffness k of every point along the closing axis
and ρ k across it, an item that the load moves by (u, ω) meets the force −k diag(ρ, 1, ρ) (u + ω × p_i) at p_i; the fingers give
way together, so that Σ N_i = 2 F stays.  That makes every N_i linear in W.  Tangential forces, which slide, remain free:

    minimise λ   subject to   Σ [t_i; p_i × t_i] = W − Σ [N_i; p_i × N_i],   ‖t_i‖ ≤ λ μ N_i            friction left = 1 − λ

Where no friction is left the item slides in small steps, whatever S says.
"""

from __future__ import annotations

import clarabel
import numpy as np
import pinocchio as pin
from scipy import sparse

from fastmove.arrays import Array
from fastmove.errors import InputError
from fastmove.problem.grasp import HeldItem


def min_grip(held: HeldItem, wrenches: Array) -> Array:
    """Computes the least grip force that balances each contact wrench.

    Args:
        held: the pinched item; a disc patch is refused, because a single point bears no torsion here.
        wrenches: (N, 6) in the grasp frame [N, Nm].

    Returns:
        (N,) grip force per pad [N]; infinite where no force balances the wrench.

    Raises:
        InputError: a patch is a disc.
    """
    _refuse_discs(held)
    equal, cone = _balance(held)
    rows = sparse.csc_matrix(np.vstack([equal, -cone]))
    kinds = [clarabel.ZeroConeT(len(equal))] + [clarabel.SecondOrderConeT(3)] * (len(cone) // 3)
    cost = np.append(np.zeros(equal.shape[1] - 1), 1.0)
    bounds = (np.concatenate([wrench, np.zeros(len(equal) - 6 + len(cone))]) for wrench in wrenches)
    return np.array([_least(cost, rows, bound, kinds) for bound in bounds])


def friction_left(held: HeldItem, wrenches: Array, grip_force: float, stiffness_ratio: float = 1.0) -> Array:
    """Computes the share of friction that each contact wrench leaves if normal forces are distributed as between springs.

    Args:
        held: the pinched item.
        wrenches: (N, 6) in the grasp frame [N, Nm].
        grip_force: grip force per pad [N].
        stiffness_ratio: stiffness of a pad across the closing axis over that along it.

    Returns:
        (N,) shares 1 − λ; below 0 the points have too little friction, −inf where a point lifts off.

    Raises:
        InputError: a patch is a disc, or a number is not positive.
    """
    _refuse_discs(held)
    for key, value in (("grip_force", grip_force), ("stiffness_ratio", stiffness_ratio)):
        if not value > 0:
            raise InputError(key, f"is {value}; it must be positive")
    arms, sides = _points(held)
    count, left = len(arms), np.full(len(wrenches), -np.inf)
    across = np.concatenate(
        [_wrenches(arms, axis) for axis in np.eye(3)[[0, 2]]], axis=1
    )  # (6, 2 K): t_x of all points, then t_z
    along = _wrenches(arms, np.array([0.0, -1.0, 0.0])) * sides
    cost = np.append(np.zeros(2 * count), 1.0)
    kinds = [clarabel.ZeroConeT(6)] + [clarabel.SecondOrderConeT(3)] * count
    for k, (wrench, normal) in enumerate(zip(wrenches, _elastic(held, wrenches, grip_force, stiffness_ratio), strict=True)):
        if normal.min() <= 0:
            continue
        cone = np.zeros((3 * count, 2 * count + 1))
        cone[0::3, -1] = held.grasp.friction * normal
        cone[np.arange(1, 3 * count, 3), np.arange(count)] = cone[np.arange(2, 3 * count, 3), count + np.arange(count)] = 1.0
        rows = sparse.csc_matrix(np.vstack([np.column_stack([across, np.zeros(6)]), -cone]))
        bound = np.concatenate([wrench - along @ normal, np.zeros(3 * count)])
        left[k] = 1 - _least(cost, rows, bound, kinds)
    return left


def _elastic(held: HeldItem, wrenches: Array, grip_force: float, ratio: float) -> Array:
    """Normal forces (N, K) of the points if pads are springs [N]; ratio = stiffness across over along the closing axis."""
    arms, sides = _points(held)
    moved = np.concatenate(
        [np.tile(np.eye(3), (len(arms), 1, 1)), -np.array([pin.skew(p) for p in arms])], axis=2
    )  # (K, 3, 6): u + ω × p
    # (K, 6): how far every point is pressed in per unit of (u, ω), less the mean, by which the fingers give way.
    squeezed = moved[:, 1] * sides[:, None]
    squeezed -= squeezed.mean(axis=0)
    push = np.zeros((len(arms), 3, 6))
    push[:, [0, 2]], push[:, 1] = -ratio * moved[:, [0, 2]], -sides[:, None] * squeezed
    stiffness = np.einsum("kji,kjl->il", moved, push)
    start = np.concatenate([np.full(n, grip_force / n) for n in (len(patch.points()) for patch in held.patches)])
    return np.asarray(start + np.linalg.solve(stiffness, wrenches.T).T @ squeezed.T)


def _refuse_discs(held: HeldItem) -> None:
    """Raises InputError where a patch is a disc."""
    if any(patch.kind == "disc" for patch in held.patches):
        raise InputError("grasp", "touches at a disc, which has no points to share load between; allowed: planes and lines")


def _least(cost: Array, rows: sparse.csc_matrix, bound: Array, kinds: list[object]) -> float:
    """Solves a cone program and returns its last variable, which is minimised; infinite where it has no solution."""
    settings = clarabel.DefaultSettings()
    settings.verbose, settings.max_threads = False, 1
    nothing = sparse.csc_matrix((len(cost), len(cost)))
    solution = clarabel.DefaultSolver(nothing, cost, rows, bound, kinds, settings).solve()
    solved = solution.status in (clarabel.SolverStatus.Solved, clarabel.SolverStatus.AlmostSolved)
    return float(solution.x[-1]) if solved else float("inf")


def _points(held: HeldItem) -> tuple[Array, Array]:
    """Positions (K, 3) of the touching points in the grasp frame [m], and their sides (K,), +1 for the pad at +y."""
    middle = held.tool_T_grasp.translation[[0, 2]]
    arms, sides = [], []
    for side, patch in zip((1.0, -1.0), held.patches, strict=True):
        for x, z in patch.points() - middle:
            arms.append([x, side * held.width / 2, z])
            sides.append(side)
    return np.array(arms), np.array(sides)


def _wrenches(arms: Array, force: Array) -> Array:
    """Wrenches (6, K) of one force (3,) at every point."""
    return np.vstack([np.tile(force[:, None], len(arms)), np.cross(arms, force).T])


def _balance(held: HeldItem) -> tuple[Array, Array]:
    """Matrices E and C of the balance [W; 0; …] = E x and of the cones C x, where x = (N, t_x, t_z of every point, F)."""
    columns: list[Array] = []
    for arm, side in zip(*_points(held), strict=True):
        for force in ((0.0, -side, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)):
            columns.append(np.concatenate([force, np.cross(arm, force)]))
    count = len(columns) // 3
    linear = _linear_pressure([len(patch.points()) for patch in held.patches])
    equal = np.zeros((7 + len(linear), 3 * count + 1))
    equal[:6, :-1] = np.array(columns).T
    equal[6, 0:-1:3], equal[6, -1] = 1.0, -2.0
    equal[7:, 0:-1:3] = linear
    cone = np.zeros((3 * count, 3 * count + 1))
    cone[np.arange(3 * count), np.arange(3 * count)] = np.tile([held.grasp.friction, 1.0, 1.0], count)
    return equal, cone


def _linear_pressure(counts: list[int]) -> Array:
    """Rows over all normal forces that keep pressure linear: both diagonals of a pad with four points carry the same."""
    rows, first = np.zeros((counts.count(4), sum(counts))), 0
    for k, count in enumerate(counts):
        if count == 4:
            rows[counts[:k].count(4), first : first + 4] = (1.0, -1.0, -1.0, 1.0)
        first += count
    return rows
