"""The exact best share of load between two pads: a diagnostic beside S and V, never asked for while planning.

Each pad touches at its points p_i (`Patch.points`, the ones a simulation touches with) with forces in Coulomb cones,
‖t_i‖ ≤ μ N_i.  Both fingers are driven by one force, so Σ N_i = 2 F over all points.  The least F that balances a wrench W is
a cone program in 3 numbers per point:

    minimise F   subject to   Σ [f_i; p_i × f_i] = W,   Σ N_i = 2 F,   ‖t_i‖ ≤ μ N_i,   N_i linear over each pad (a rigid face)

That some share of load balances W is necessary for holding, not sufficient: friction remembers how it came there.
"""

from __future__ import annotations

import clarabel
import numpy as np
from scipy import sparse

from fastmove.errors import InputError
from fastmove.grasp import Held
from fastmove.spline import Array


def least_grip(held: Held, wrenches: Array) -> Array:
    """(N,) least grip force per pad [N] that balances wrenches (N, 6) in the grasp frame [N, Nm]; inf where none does.

    A point contact (disc patch) has no torsion here: patches of kind disc are refused.

    Raises:
        InputError: the patch is a disc.
    """
    if any(patch.kind == "disc" for patch in held.patches):
        raise InputError("grasp", "touches at a disc, which has no points to share load between; allowed: planes and lines")
    equal, cone = _balance(held)
    size = equal.shape[1]
    rows = sparse.csc_matrix(np.vstack([equal, -cone]))
    kinds = [clarabel.ZeroConeT(len(equal))] + [clarabel.SecondOrderConeT(3)] * (len(cone) // 3)
    cost = np.zeros(size)
    cost[-1] = 1.0
    settings = clarabel.DefaultSettings()
    settings.verbose, settings.max_threads = False, 1
    found = np.full(len(wrenches), np.inf)
    for k, wrench in enumerate(wrenches):
        bound = np.concatenate([wrench, np.zeros(len(equal) - 6 + len(cone))])
        solution = clarabel.DefaultSolver(sparse.csc_matrix((size, size)), cost, rows, bound, kinds, settings).solve()
        if solution.status in (clarabel.SolverStatus.Solved, clarabel.SolverStatus.AlmostSolved):
            found[k] = solution.x[-1]
    return found


def _balance(held: Held) -> tuple[Array, Array]:
    """Rows of [W; 0; …] = E x and of the cones C x, x = (N, t_x, t_z of every point, F)."""
    middle = held.tool_T_grasp.translation[[0, 2]]
    columns: list[Array] = []
    for side, patch in zip((1.0, -1.0), held.patches, strict=True):
        for x, z in patch.points() - middle:
            arm = np.array([x, side * held.width / 2, z])
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
    """Rows over all normal forces: on the four corners of a rectangle, linear means that both diagonals carry the same."""
    rows, first = np.zeros((counts.count(4), sum(counts))), 0
    for k, count in enumerate(counts):
        if count == 4:
            rows[counts[:k].count(4), first : first + 4] = (1.0, -1.0, -1.0, 1.0)
        first += count
    return rows
