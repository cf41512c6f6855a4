"""Collision-free paths: RRT-Connect (Kuffner & LaValle, ICRA 2000) over coal's broadphase, then shortcuts.

The smaller tree grows ("balanced", Kuffner & LaValle, CMU-RI-TR-05-34, 2005): an end in a narrow place has few nodes, so most
targets are its own.
Our own because the same problem and seed must give the same bytes in any process, which OMPL's generator cannot promise.
Both trees begin with a straight lift of the item, along its corridor or against gravity, or with an empty hand drawn back along
its approach: an item standing on its support, deep between neighbours, or a hand in a cage, leaves it the way it can.
Targets are mostly drawn around the box that both ends span; limits of ± two turns would scatter them.
Validity: clearance, corridors, and the hold at rest below 95 % (a matter of geometry).
Cut by counts, never by seconds.
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

EXTENSION = 1.0  # longest new edge [rad]: of 218 problems, 0.8 to 1.2 took the least time
BETWEEN, AROUND = 0.9, 1.6  # share of targets drawn from the box that both ends span, widened by this [rad]
ITERATIONS = 4000
BATCH = 256  # targets drawn at once
SHORTCUTS = 60  # with 100 the paths of different seeds are more alike, and the motions that come of them
ACROSS = 15  # places along two paths at which the way from one to the other is checked …
BESIDE_SHARE = 0.7  # … where no joint is farther apart than this [rad]: of 60 problems, 2 lost more than 0.5 % by it


@dataclass
class _Tree:
    """Configurations with parents; rows 0…count−1 of `nodes` are used."""

    nodes: Array
    parents: list[int]

    @staticmethod
    def from_chain(chain: list[Array]) -> _Tree:
        nodes = np.empty((64 + len(chain), len(chain[0])))
        nodes[: len(chain)] = chain
        return _Tree(nodes, [k - 1 for k in range(len(chain))])

    def __len__(self) -> int:
        return len(self.parents)

    def nearest(self, q: Array) -> int:
        gap = self.nodes[: len(self.parents)] - q
        return int(np.argmin(np.einsum("ki,ki->k", gap, gap)))

    def add(self, q: Array, parent: int) -> int:
        count = len(self.parents)
        if count == len(self.nodes):
            self.nodes = np.concatenate([self.nodes, np.empty_like(self.nodes)])
        self.nodes[count] = q
        self.parents.append(parent)
        return count

    def branch(self, node: int) -> list[Array]:
        """From the root to this node."""
        path = []
        while node >= 0:
            path.append(self.nodes[node].copy())
            node = self.parents[node]
        return path[::-1]


def connect(valid: StateValidityChecker, goal: Array, seed: int, budget_factor: int = 1, direct: bool = True) -> Array | None:
    """A collision-free polyline (K, n) from start to goal, or None within the budget of `patience` × `ITERATIONS`.

    direct: whether it may be the straight line between the lifted ends, the same for every seed.
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
    """Without end; mostly around the box that both ends span."""
    low, high = limits.position_min, limits.position_max
    inner = np.maximum(low, np.minimum(start, goal) - AROUND), np.minimum(high, np.maximum(start, goal) + AROUND)
    while True:
        between = rng.uniform(size=BATCH) < BETWEEN
        bottom, top = (np.where(between[:, None], *both) for both in zip(inner, (low, high), strict=True))
        yield from rng.uniform(bottom, top)


def _joined(trees: list[_Tree], valid: StateValidityChecker) -> list[Array] | None:
    """The lifted ends, joined directly."""
    one, other = trees
    a, b = len(one.parents) - 1, len(other.parents) - 1
    if valid.edge(one.nodes[a], other.nodes[b]):
        return one.branch(a) + other.branch(b)[::-1]
    return None


def _extend(tree: _Tree, target: Array, valid: StateValidityChecker) -> int | None:
    nearest = tree.nearest(target)
    here = tree.nodes[nearest]
    step = target - here
    q = here + step * min(1.0, EXTENSION / max(float(np.sqrt(step @ step)), 1e-12))
    return tree.add(q, nearest) if valid.edge(here, q) else None


def _reach(near: _Tree, node: int, far: _Tree, valid: StateValidityChecker) -> list[Array] | None:
    """Grow the far tree towards the new node until it arrives or is blocked."""
    target = near.nodes[node].copy()
    while True:
        new = _extend(far, target, valid)
        if new is None:
            return None
        if np.abs(far.nodes[new] - target).max() < 1e-9:
            return near.branch(node) + far.branch(new)[::-1][1:]


def _shortcut(path: Array, valid: StateValidityChecker, rng: np.random.Generator) -> Array:
    """Replace stretches between two random points on the polyline by straight lines where these are valid."""
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
    """Whether a path can be moved into another one straight through what is free, and not far (a visibility deformation: Jaillet
    & Siméon, IJRR 27(11–12), 2008): the motions that come of both are most often the same."""
    places = np.linspace(0.0, 1.0, ACROSS + 2)[1:-1]
    here, there = (on_polyline(path, lengths(path), places) for path in (one, other))
    return float(np.abs(there - here).max()) < BESIDE_SHARE and all(map(valid.edge, here, there))
