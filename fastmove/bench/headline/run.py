"""All of `fastmove bench headline`: every item's motions by fingers and by a cup, their trials, and the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from fastmove.bench.engines import Local
from fastmove.bench.headline.page import write_page
from fastmove.bench.headline.trial_job import TrialJob, tried
from fastmove.bench.headline.trials import JUDGES
from fastmove.bench.problem_set import ProblemSet, evenly, open_set
from fastmove.bench.results import RESULTS, Results, Row, about_run
from fastmove.bench.runner import run, write_about
from fastmove.errors import InputError

SET = "headline-120"
COUNT = 15  # Trials of each placement, hand and width before the usual judge.
FEWER = 6  # How many times fewer there are before each of the others.


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
        folder: Folder of results; it is created if needed.  Its motions are those of the program that planned them.
        pairs: At most so many placements, evenly spread over the set, with draws of their own; None = all.
        count: Trials of each placement, hand and width before the usual judge; the others get a sixth of them.
        processes: Number of processes.
        previews: How many of the worst cases can be looked at in the page.
        done: Called with each new row.

    Returns:
        The page.

    Raises:
        MissingPackage: mujoco is not installed.
        InputError: The folder holds another run.
    """
    from fastmove.drivers.simulated import mujoco_parts  # noqa: F401  (its absence is said before hours of planning)

    problems, asked = open_set(SET), {"set": SET, "limit": pairs, "trials": count}
    before = about_run(folder).get("arguments", asked)
    if before != asked or ((folder / RESULTS).exists() and not about_run(folder)):
        words = ", ".join(f"{key} {value}" for key, value in before.items())
        raise InputError(str(folder), f"holds another run ({words}); choose another folder")
    results = Results(folder, resume=True)
    write_about(folder, problems, asked)
    run(_jobs(problems, pairs, count, folder), results, Local("", processes, tried), done)
    return write_page(folder, previews)


def jobs_in(pairs: int | None) -> int:
    """How many jobs there are for so many placements."""
    return 2 * len(evenly(len(open_set(SET)) // 2, pairs)) * len(JUDGES)


def _jobs(problems: ProblemSet, pairs: int | None, count: int, folder: Path) -> Iterator[TrialJob]:
    """The jobs: the usual judge's first, which plan the motions, then those of the others; either way a problem is read once."""
    for judges in (range(1), range(1, len(JUDGES))):
        for pair in evenly(len(problems) // 2, pairs):
            for entry in (problems.load(2 * pair), problems.load(2 * pair + 1)):
                for judge in judges:
                    several = count if judge == 0 else max(1, count // FEWER)
                    yield TrialJob(entry, pair, judge, several, folder, pairs or 0)
