"""Planning of many problems in several processes, with the solutions in the order of the problems.

Results do not depend on the number of processes: what is planned is decided by counts and bounds alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

from fastmove.errors import FastMoveError
from fastmove.planner.options import Options
from fastmove.planner.planner import Planner
from fastmove.problem.transfer import TransferProblem
from fastmove.solution.solution import Solution, Status


def plan_batch(problems: Iterable[TransferProblem], jobs: int = 1, options: Options | None = None) -> list[Solution]:
    """Plans many problems and returns their solutions in the order of the problems.

    A problem that raises an error gets a solution with status REFUSED; the others are planned all the same.

    Args:
        problems: Transfer problems.
        jobs: Maximum number of processes; with several, `options.progress` is not called.
        options: Options of the planner; None means the defaults.
    """
    all_problems = list(problems)
    with workers(min(jobs, len(all_problems))) as mapped:
        return mapped(partial(plan_or_failure, options=options), all_problems)


def plan_or_failure(problem: TransferProblem, options: Options | None) -> Solution:
    """Plans one problem; an error becomes a solution with status REFUSED."""
    try:
        return Planner(options).plan(problem)
    except FastMoveError as error:
        return Solution(problem, Status.REFUSED, str(error))


@contextmanager
def workers(jobs: int) -> Iterator[Callable[..., list[Any]]]:
    """Provides a function like `map` that runs in this process or in several, and returns a list in the order of its input.

    Args:
        jobs: Number of processes; up to 1 all work is done in this process.
    """
    if jobs <= 1:
        yield lambda function, questions, chunk=1: [function(question) for question in questions]
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield lambda function, questions, chunk=1: list(pool.map(function, questions, chunksize=chunk))
