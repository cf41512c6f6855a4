"""Collision-free paths: RRT-Connect (Kuffner & LaValle, ICRA 2000) over coal's broadphase, then shortcuts.

The smaller tree grows ("balanced", Kuffner & LaValle, CMU-RI-TR-05-34, 2005): the tree of an end in a narrow place has few
nodes, so it gets most of the targets.
OMPL is not used because the same problem and seed must give the same bytes in any process, which its random generator cannot
promise.
Both trees begin with a retreat path: a straight lift of the item along its corridor or against gravity, or an empty hand drawn
back along its approach.  This frees an item that stands on its support deep between neighbours, or a hand inside a cage.
Most targets are drawn around the box that both ends span, because position limits of ± two turns would scatter them.
A configuration is valid if it keeps the clearance and the corridors and the use of the hold at rest stays below 95 %, which
depends on the configuration only.
The search is limited by counts, never by seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from fastmove.arrays import Array
from fastmove.robot.joint_limits import LimitSet
from fastmove.search.path_validity import StateValidityChecker
from fastmove.search.polyline import lengths, on_polyline

EXTENSION = 1.0  # Maximum length of a new tree edge [rad].
BETWEEN = 0.9  # Share of targets drawn from the widened box that both ends span.
AROUND = 1.6  # Widening to every side of the box that both ends span [rad].
ITERATIONS = 4000  # Maximum number of targets of a search with a budget factor of 1.
BATCH = 256  # Number of targets drawn at once.
SHORTCUTS = 60  # Number of shortcuts tried on a path.
ACROSS = 15  # Number of places along two paths between which straight edges are checked.
BESIDE_SHARE = 0.7  # Distance of every joint below which two paths can count as deformable into each other [rad].


@dataclass
class _Tree:
    """Tree of configurations in joint space.

    Attributes:
        nodes: Configurations (capacity, n) [rad]; the first len(self) rows are used.
        parents: Row of every node's parent; −1 for the root.
    """

    nodes: Array
    parents: list[int]

    @staticmethod
    def from_chain(chain: list[Array]) -> _Tree:
        """Builds a tree from configurations, each the parent of the next."""
        nodes = np.empty((64 + len(chain), len(chain[0])))
        nodes[: len(chain)] = chain
        return _Tree(nodes, [k - 1 for k in range(len(chain))])

    def __len__(self) -> int:
        return len(self.parents)

    def nearest(self, q: Array) -> int:
        """Returns the index of the node nearest to q (n,)."""
        offsets = self.nodes[: len(self.parents)] - q
        return int(np.argmin(np.einsum("ki,ki->k", offsets, offsets)))

    def add(self, q: Array, parent: int) -> int:
        """Adds a node and returns its index."""
        count = len(self.parents)
        if count == len(self.nodes):
            self.nodes = np.concatenate([self.nodes, np.empty_like(self.nodes)])
        self.nodes[count] = q
        self.parents.append(parent)
        return count

    def branch(self, node: int) -> list[Array]:
        """Returns the configurations (n,) from the root to a node."""
        path = []
        while node >= 0:
            path.append(self.nodes[node].copy())
            node = self.parents[node]
        return path[::-1]


def connect(valid: StateValidityChecker, goal: Array, seed: int, budget_factor: int = 1, direct: bool = True) -> Array | None:
    """Returns a collision-free polyline (K, n) [rad] from the problem's start to a goal; None where none was found.

    Args:
        valid: Validity of configurations and edges.
        goal: Goal configuration (n,) [rad].
        seed: Seed of the random targets and shortcuts.
        budget_factor: Maximum number of targets in multiples of `ITERATIONS`.
        direct: Whether the straight line between the ends of the retreat paths is tried first; it is the same for every seed.
    """
    problem = valid.problem
    rng = np.random.default_rng(seed)
    limits, start = problem.limit_set, np.array(problem.start.q)
    trees = [_Tree.from_chain(valid.retreat_path(q, end)) for q, end in ((start, "start"), (goal, "goal"))]
    path = _joined(trees, valid) if direct else None
    for target in islice(_targets(limits, start, goal, rng), budget_factor * ITERATIONS):
        if path is not None:
            break
        near, far = sorted(trees, key=len)
        node = _extend(near, target, valid)
        if node is not None:
            path = _reach(near, node, far, valid)
    if path is None:
        return None
    if not np.array_equal(path[0], start):
        path = path[::-1]
    return _shortcut(np.array(path), valid, rng)


def _targets(limits: LimitSet, start: Array, goal: Array, rng: np.random.Generator) -> Iterator[Array]:
    """Yields random target configurations (n,) [rad] without end, most of them from the widened box that both ends span."""
    low, high = limits.position_min, limits.position_max
    inner = np.maximum(low, np.minimum(start, goal) - AROUND), np.minimum(high, np.maximum(start, goal) + AROUND)
    while True:
        between = rng.uniform(size=BATCH) < BETWEEN
        bottom, top = (np.where(between[:, None], *both) for both in zip(inner, (low, high), strict=True))
        yield from rng.uniform(bottom, top)


def _joined(trees: list[_Tree], valid: StateValidityChecker) -> list[Array] | None:
    """Returns the path that joins the last nodes of both trees by a straight line; None where that line is not valid."""
    one, other = trees
    a, b = len(one.parents) - 1, len(other.parents) - 1
    if valid.edge(one.nodes[a], other.nodes[b]):
        return one.branch(a) + other.branch(b)[::-1]
    return None


def _extend(tree: _Tree, target: Array, valid: StateValidityChecker) -> int | None:
    """Adds a node at most `EXTENSION` towards a target and returns its index; None where the edge is not valid."""
    nearest = tree.nearest(target)
    here = tree.nodes[nearest]
    step = target - here
    q = here + step * min(1.0, EXTENSION / max(float(np.sqrt(step @ step)), 1e-12))
    return tree.add(q, nearest) if valid.edge(here, q) else None


def _reach(near: _Tree, node: int, far: _Tree, valid: StateValidityChecker) -> list[Array] | None:
    """Grows the far tree towards a node of the near tree and returns the joined path; None where the far tree is blocked."""
    target = near.nodes[node].copy()
    while True:
        new = _extend(far, target, valid)
        if new is None:
            return None
        if np.abs(far.nodes[new] - target).max() < 1e-9:
            return near.branch(node) + far.branch(new)[::-1][1:]


def _shortcut(path: Array, valid: StateValidityChecker, rng: np.random.Generator) -> Array:
    """Replaces stretches between two random points of a polyline (K, n) by straight lines where these are valid."""
    way = lengths(path)
    for share in rng.uniform(size=(SHORTCUTS, 2)):
        places = np.sort(share) * way[-1]
        before, after = np.minimum(np.searchsorted(way, places, side="right") - 1, len(path) - 2)
        if before == after:  # on one straight line
            continue
        a, b = (
            path[k] + (path[k + 1] - path[k]) * ((place - way[k]) / (way[k + 1] - way[k]))
            for k, place in zip((before, after), places, strict=True)
        )
        if valid.edge(a, b):
            path = np.concatenate([path[: before + 1], [a, b], path[after + 1 :]])
            path = path[np.append(True, np.diff(lengths(path)) > 1e-9)]
            way = lengths(path)
    return path


def is_deformable_to(one: Array, other: Array, valid: StateValidityChecker) -> bool:
    """Returns whether a path can be moved into another nearby one along straight lines that are valid.

    This is a visibility deformation (Jaillet & Siméon, IJRR 27(11–12), 2008).  Motions optimised from two such paths are most
    often the same.

    Args:
        one: Polyline (K, n) [rad].
        other: Polyline (L, n) [rad] with the same ends.
        valid: Validity of edges.
    """
    places = np.linspace(0.0, 1.0, ACROSS + 2)[1:-1]
    here, there = (on_polyline(path, lengths(path), places) for path in (one, other))
    return float(np.abs(there - here).max()) < BESIDE_SHARE and all(map(valid.edge, here, there))
