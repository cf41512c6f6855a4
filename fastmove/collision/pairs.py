"""Which pairs of bodies may touch, and how far the others stay apart."""

from __future__ import annotations

from fastmove.multibody.assembly import Assembly
from fastmove.problem.transfer import TransferProblem


def checked_pairs(problem: TransferProblem, assembly: Assembly) -> list[tuple[int, int]]:
    """Index pairs (moving first) of bodies that can move relative to each other and are not exempt."""
    skip, bodies = problem.robot.unchecked_pairs, assembly.bodies
    pairs = []
    world = sum(b.owner == "scene" for b in bodies)  # they come last, and nothing exempts them
    own = len(bodies) - world
    for i, a in enumerate(bodies[:own]):
        for j in range(i + 1, own):
            b = bodies[j]
            declared = a.owner == b.owner == "link" and frozenset((a.group, b.group)) in skip
            if a.joint == b.joint or declared:
                continue
            pairs.append((i, j) if a.joint != 0 else (j, i))
        others = range(own, len(bodies))
        pairs += [(i, j) for j in others] if a.joint != 0 else [(j, i) for j in others if assembly.moves_itself(j)]
    return pairs
