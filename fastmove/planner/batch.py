"""Many problems, many grasps: processes that share nothing but the question, answers in the order asked.

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
    """Solutions in the order of the problems; one bad problem never hurts another (its status is REFUSED).

    Args:
        jobs: processes; with several `options.progress` is not called.
    """
    asked = list(problems)
    with workers(min(jobs, len(asked))) as mapped:
        return mapped(partial(plan_or_failure, options=options), asked)


def plan_or_failure(problem: TransferProblem, options: Options | None) -> Solution:
    try:
        return Planner(options).plan(problem)
    except FastMoveError as error:
        return Solution(problem, Status.REFUSED, str(error))


@contextmanager
def workers(jobs: int) -> Iterator[Callable[..., list[Any]]]:
    """Something that maps a function over questions, here or in this many processes, the answers in order."""
    if jobs <= 1:
        yield lambda function, questions, chunk=1: [function(question) for question in questions]
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield lambda function, questions, chunk=1: list(pool.map(function, questions, chunksize=chunk))
