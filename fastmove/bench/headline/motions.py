"""The motions of the headline: one transfer of one item by one hand, by each of three ways to plan.

A motion is kept in a folder under the hash of its problem, so that a run that was killed plans nothing twice.  It is read by the
version that planned it: begin a new folder after a planner has changed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fastmove import registries
from fastmove.bench.kept import kept
from fastmove.certificate.certify import certify
from fastmove.errors import FastMoveError
from fastmove.problem.describe import problem_sha256
from fastmove.problem.transfer import TransferProblem
from fastmove.trajectory.trajectory import Trajectory

# Ways to plan, by the planner of `registries.planners`: without the hold; that slowed down evenly until the hold and every other
# limit is kept for every item of the problem's set; fastest with all limits.
WAYS = {"kinematic": "fastmove-nohold", "slow-down": "slowdown", "fastmove": "fastmove"}

# Speeds at which each way's motions are played, 1 = as planned.
SPEEDS: dict[str, tuple[float, ...]] = {
    "kinematic": (1.0, 0.9, 0.8, 0.7, 0.6, 0.5),
    "slow-down": (1.0, 0.85, 0.7),
    "fastmove": (1.0, 0.9, 0.8),
}


@dataclass(frozen=True)
class PlannedWay:
    """What one way to plan made of a problem.

    Attributes:
        status: Name of the solution's status.
        trajectory: The motion; None if there is none that keeps the limits which this way knows.
        seconds: Time that planning took, of one processor [s].
        speeds: What is known of the motion at every one of its `SPEEDS` (see `speed_facts`); empty without a motion.
    """

    status: str
    trajectory: Trajectory | None
    seconds: float
    speeds: list[list[float]]


def planned_way(problem: TransferProblem, way: str, folder: Path) -> PlannedWay:
    """The motion of a problem by one way to plan, from the folder if it is there.

    Args:
        problem: The problem.
        way: One of `WAYS`.
        folder: Where motions are kept; it is created if needed.
    """
    return kept(folder / f"{problem_sha256(problem)[:24]}_{way}.motion", lambda: _planned(problem, way))


def _planned(problem: TransferProblem, way: str) -> PlannedWay:
    begin = time.process_time()
    try:
        solution = registries.planners.get(WAYS[way])(problem)
    except FastMoveError as error:
        return PlannedWay(f"refused: {error}", None, time.process_time() - begin, [])
    seconds, motion = time.process_time() - begin, solution.trajectory if solution.ok else None
    return PlannedWay(solution.status.name, motion, seconds, [] if motion is None else speed_facts(problem, way, motion))


def speed_facts(problem: TransferProblem, way: str, motion: Trajectory) -> list[list[float]]:
    """For every speed of a way: speed, duration [s], the hold's use by the worst item of the set, shock [m/s²], side load [N].

    The shock is the largest force of the hand over the lightest mass of the set; the side load is what the largest load along the
    closing axis adds to the grip of one of two coupled fingers, |f_y| / 2.

    Args:
        problem: The problem.
        way: One of `WAYS`.
        motion: Its motion.
    """
    lightest, facts = min(body.mass for body in problem.holds[0].bodies), []
    for speed in SPEEDS[way]:
        slower = motion.slowed(1 / speed)
        profile = certify(problem, slower, ("hold",)).profile
        force = profile["wrench"][:, :3]
        shock, side = np.linalg.norm(force, axis=1).max() / lightest, np.abs(force[:, 1]).max() / 2
        said = (slower.duration, profile["hold"].max(), shock, side)
        facts.append([speed, *(round(float(value), 5) for value in said)])
    return facts
