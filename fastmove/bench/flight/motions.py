"""The motions that are flown: the shipped transfers, and the way back of each, planned once and kept in the folder of results.

The kept plans are read by the version that wrote them: a certificate of an older one may lack a kind; begin a new folder then.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from fastmove.bench.kept import kept
from fastmove.io.problem_file import load_problem
from fastmove.planner.options import Options
from fastmove.planner.planner import plan
from fastmove.problem.describe import problem_sha256
from fastmove.problem.goal import Goal, State
from fastmove.problem.transfer import TransferProblem
from fastmove.resources import known_problems
from fastmove.solution.solution import Solution

BACK = " back"
SWAPPED = {"start": "goal", "goal": "start", "both": "both"}


def flown_problems() -> Iterator[tuple[str, TransferProblem]]:
    """Yields the name and problem of every transfer: the shipped ones, and the way back of each, past what stands still."""
    for name in known_problems():
        problem = load_problem(name)
        yield name, problem
        if not problem.start.open and len(problem.goal.configurations):
            yield name + BACK, way_back(problem)


def way_back(problem: TransferProblem) -> TransferProblem:
    """Returns the transfer from the goal's first configuration to the start, what is touched and left there swapped.

    What moves is left out: by its clock it would not be where the way back is.
    """
    standing = tuple(obstacle for obstacle in problem.scene.obstacles if obstacle.motion is None)
    contacts = tuple(replace(c, at=SWAPPED[c.at]) for c in problem.scene.allowed_contacts)
    corridors = tuple(replace(c, at=SWAPPED[c.at]) for c in problem.scene.corridors)
    scene = replace(problem.scene, obstacles=standing, allowed_contacts=contacts, corridors=corridors)
    start, goal = State.rest(np.array(problem.goal.configurations[0])), Goal(np.array([problem.start.q]))
    return problem.with_(name=problem.name + BACK, start=start, goal=goal, scene=scene)


def planned(problem: TransferProblem, reserve: float, folder: Path) -> tuple[Solution, float]:
    """Returns the solution of a problem and the CPU time that planning took [s]; what this folder holds is not planned again."""

    def make() -> tuple[Solution, float]:
        begin = time.process_time()
        return plan(problem, Options(reserve=reserve)), time.process_time() - begin

    return kept(folder / f"{problem_sha256(problem)[:16]}_{reserve:g}.plan", make)
