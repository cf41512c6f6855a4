"""The list of pairs of bodies whose distances the planner checks."""

from __future__ import annotations

from fastmove.multibody.assembly import Assembly
from fastmove.problem.transfer import TransferProblem


def checked_pairs(problem: TransferProblem, assembly: Assembly) -> list[tuple[int, int]]:
    """List the pairs of bodies that can move relative to each other.

    Left out are pairs of links among the robot's `unchecked_pairs`, and pairs of obstacles.

    Args:
        problem: The problem.
        assembly: Its body tree.

    Returns:
        Indices of both bodies, one that moves first.
    """
    skip, bodies = problem.robot.unchecked_pairs, assembly.bodies
    pairs = []
    world = sum(b.owner == "scene" for b in bodies)  # They come last; none of their pairs is left out.
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
