"""The motions of the headline: one transfer of one item by one hand, by each of three ways to plan.

A motion is kept in a folder under the hash of its problem, so that a run that was killed plans nothing twice.
"""

from __future__ import annotations

import pickle
import time
from dataclasses import dataclass
from pathlib import Path

from fastmove import registries
from fastmove.errors import FastMoveError
from fastmove.io.atomic_write import write_whole
from fastmove.problem.describe import problem_sha256
from fastmove.problem.transfer import TransferProblem
from fastmove.trajectory.trajectory import Trajectory

# Ways to plan, by the planner of `registries.planners`: without the hold; that slowed down evenly until the hold and every other
# limit is kept for every item of the problem's set; fastest with all limits.
WAYS = {"kinematic": "fastmove-nohold", "slow-down": "slowdown", "fastmove": "fastmove"}


@dataclass(frozen=True)
class PlannedWay:
    """What one way to plan made of a problem.

    Attributes:
        status: Name of the solution's status.
        trajectory: The motion; None if there is none that keeps the limits which this way knows.
        seconds: Time that planning took, of one processor [s].
    """

    status: str
    trajectory: Trajectory | None
    seconds: float


def planned_way(problem: TransferProblem, way: str, folder: Path) -> PlannedWay:
    """The motion of a problem by one way to plan, from the folder if it is there.

    The files are pickles: they are read only where this program wrote them.

    Args:
        problem: The problem.
        way: One of `WAYS`.
        folder: Where motions are kept; it is created if needed.
    """
    path = folder / f"{problem_sha256(problem)[:24]}_{way}.motion"
    if path.exists():
        kept: PlannedWay = pickle.loads(path.read_bytes())
        return kept
    begin = time.process_time()
    try:
        solution = registries.planners.get(WAYS[way])(problem)
        made = PlannedWay(solution.status.name, solution.trajectory if solution.ok else None, time.process_time() - begin)
    except FastMoveError as error:
        made = PlannedWay(f"refused: {error}", None, time.process_time() - begin)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(path, pickle.dumps(made))
    return made
