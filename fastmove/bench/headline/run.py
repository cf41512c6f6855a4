"""All of `fastmove bench headline`: every item's motions by fingers and by a cup, their trials, and the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fastmove.bench.engines import Local
from fastmove.bench.headline.page import write_page
from fastmove.bench.headline.trial_job import TrialJob, tried
from fastmove.bench.headline.trials import JUDGES
from fastmove.bench.problem_set import ProblemSet, open_set
from fastmove.bench.results import Results
from fastmove.bench.runner import run, write_about

SET = "headline-150"
COUNT = 12  # Trials of each item, hand and width before the usual judge.
BESIDE = 4  # How many times fewer there are before each of the others.

Row = dict[str, Any]


def headline(
    folder: Path,
    pairs: int | None = None,
    count: int = COUNT,
    processes: int = 1,
    previews: int = 3,
    done: Callable[[Row], None] = lambda row: None,
) -> Path:
    """Run what is missing in a folder, and write its page.

    Args:
        folder: Folder of results; it is created if needed.
        pairs: At most so many items, evenly spread over the set; None = all.
        count: Trials of each item, hand and width before the usual judge; the others get a quarter of them.
        processes: Number of processes.
        previews: How many of the worst cases can be looked at in the page.
        done: Called with each new row.

    Returns:
        The page.
    """
    problems = open_set(SET)
    results = Results(folder, resume=True)
    write_about(folder, problems, {"set": SET, "limit": pairs, "trials": count})
    run(_jobs(problems, pairs, count, folder), results, Local("", processes, tried), done)
    return write_page(folder, previews)


def jobs_in(pairs: int | None) -> int:
    """How many jobs there are for so many items."""
    problems = open_set(SET)
    return 2 * len(_pairs(problems, pairs)) * len(JUDGES)


def _pairs(problems: ProblemSet, pairs: int | None) -> list[int]:
    """Numbers of the items, evenly spread over the set."""
    return ProblemSet(problems.name, problems.files, len(problems) // 2, problems.load).chosen(pairs)


def _jobs(problems: ProblemSet, pairs: int | None, count: int, folder: Path) -> Iterator[TrialJob]:
    """The jobs, the usual judge's first."""
    for judge in range(len(JUDGES)):
        several = count if judge == 0 else max(1, count // BESIDE)
        for pair in _pairs(problems, pairs):
            for number in (2 * pair, 2 * pair + 1):
                yield TrialJob(problems.load(number), pair, judge, several, folder)
