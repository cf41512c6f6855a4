"""Whether an item can be turned in the hand from one end to the other so slowly that it could be left standing on the way.

At rest a contact's use depends on nothing but the direction d of gravity in the grasp frame, and it is sublinear in it: every
share of a contact is a largest of norms and linear functions of the wrench, which is linear in d.  So use(x) − use(y) ≤
use(x − y) ≤ L |x − y| with L the largest use of any direction.  A way between two directions that nowhere uses more than u
passes, on a lattice of covering radius h, over neighbours (at most 2h apart) of use at most u + L h; and L is at most the
lattice's own largest plus L h.  Where the lattice is not connected at u + L h, no such way exists, whatever the arm: a proof
before any search.
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

POINTS = 6000
COVERING = 3.0  # covering radius of the lattice times √POINTS (2.73 found numerically)


def utilisation_at_rest(held: HeldItem, direction: Array, gravity: float) -> Array:
    """(N,) use of the contact at rest, 1 = limit, at its largest grip; gravity [m/s²] along (N, 3) in the grasp frame."""
    use, force = np.zeros(len(direction)), float(held.grasp.grip_force[1])
    for body in held.bodies:
        weight = -gravity * body.mass * direction
        wrench = np.concatenate([weight, np.cross(np.broadcast_to(body.lever, weight.shape), weight)], axis=1)
        use = np.maximum(use, held.contact_model.utilisation(wrench, force) / UTILISATION_MAX)
    return use


def bottleneck(held: HeldItem, start: Array, goal: Array, gravity: float) -> float:
    """Least use, 1 = limit, that every way from one direction of gravity (3,) to the other exceeds somewhere (a lower bound)."""
    points = even_directions(POINTS)
    radius = COVERING / np.sqrt(POINTS)
    use = utilisation_at_rest(held, points, gravity)
    pairs = cKDTree(points).query_pairs(2 * radius, output_type="ndarray")
    cost = np.maximum(use[pairs[:, 0]], use[pairs[:, 1]]) + 1e-9  # zero would be no edge
    tree = minimum_spanning_tree(coo_array((cost, (pairs[:, 0], pairs[:, 1])), shape=(POINTS, POINTS)))
    first, last = (int(np.argmax(points @ end)) for end in (start, goal))
    _, before = shortest_path(tree, directed=False, unweighted=True, indices=first, return_predecessors=True)
    worst, node = float(use[first]), last  # along the only way in a spanning tree of least costs the largest cost is least
    while node != first:
        worst, node = max(worst, float(use[node])), int(before[node])
    return worst - float(use.max()) / (1 - radius) * radius
