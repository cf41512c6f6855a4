"""Lower bound of the hold's use at rest on every way of turning a held item between two directions of gravity.

At rest the use of a contact depends only on the direction d of gravity in the grasp frame, and it is sublinear in d: every
share of a contact is a maximum of norms and linear functions of the contact wrench, which is linear in d.  So use(x) − use(y) ≤
use(x − y) ≤ L |x − y|, where L is the largest use of any direction.  A way between two directions that nowhere uses more than u
passes, on a lattice of covering radius h, over neighbours (at most 2h apart) whose use is at most u + L h; and L is at most the
largest use on the lattice plus L h.  Where the lattice is not connected at u + L h, no such way exists for any arm.  This is a
proof of infeasibility that needs no path search.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree, shortest_path
from scipy.spatial import cKDTree

from fastmove.arrays import Array
from fastmove.contact.wrench_cone import UTILISATION_MAX
from fastmove.geometry.polytope import even_directions
from fastmove.problem.grasp import HeldItem

POINTS = 6000  # Number of directions of gravity in the lattice.
COVERING = 3.0  # Upper bound of the lattice's covering radius, as a chord of the unit sphere, times √POINTS.


def utilisation_at_rest(held: HeldItem, direction: Array, gravity: float) -> Array:
    """Returns the use (N,) of a contact at rest under its largest grip force, 1 = limit.

    Args:
        held: Item in the hand.
        direction: Directions of gravity in the grasp frame (N, 3); unit vectors, or longer where gravity is stronger.
        gravity: Acceleration of gravity for a unit vector [m/s²].
    """
    use, force = np.zeros(len(direction)), float(held.grasp.grip_force[1])
    for body in held.bodies:
        weight = -gravity * body.mass * direction
        wrench = np.concatenate([weight, np.cross(np.broadcast_to(body.lever, weight.shape), weight)], axis=1)
        use = np.maximum(use, held.contact_model.utilisation(wrench, force) / UTILISATION_MAX)
    return use


def bottleneck(held: HeldItem, start: Array, goal: Array, gravity: float) -> float:
    """Returns a lower bound of the use, 1 = limit, that every way between two directions of gravity reaches somewhere.

    The lattice is that of `even_directions`; its covering radius times √POINTS was found numerically to be 2.73 (chord length).

    Args:
        held: Item in the hand.
        start: First direction of gravity in the grasp frame (3,), a unit vector.
        goal: Last direction of gravity in the grasp frame (3,), a unit vector.
        gravity: Acceleration of gravity [m/s²].
    """
    points = even_directions(POINTS)
    radius = COVERING / np.sqrt(POINTS)
    use = utilisation_at_rest(held, points, gravity)
    pairs = cKDTree(points).query_pairs(2 * radius, output_type="ndarray")
    cost = np.maximum(use[pairs[:, 0]], use[pairs[:, 1]]) + 1e-9  # a cost of zero would be no edge
    tree = minimum_spanning_tree(coo_array((cost, (pairs[:, 0], pairs[:, 1])), shape=(POINTS, POINTS)))
    first, last = (int(np.argmax(points @ end)) for end in (start, goal))
    _, before = shortest_path(tree, directed=False, unweighted=True, indices=first, return_predecessors=True)
    worst, node = float(use[first]), last  # no way has a smaller largest cost than the one in the minimum spanning tree
    while node != first:
        worst, node = max(worst, float(use[node])), int(before[node])
    return worst - float(use.max()) / (1 - radius) * radius
