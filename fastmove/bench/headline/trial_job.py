"""One job of the headline: the trials of one item by one hand, before one judge, and the row that they become."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastmove.bench.headline.motions import WAYS, planned_way
from fastmove.bench.headline.trials import JUDGES, WIDTHS, Trials
from fastmove.bench.motionbenchmaker import BenchProblem
from fastmove.bench.results import Row
from fastmove.errors import FastMoveError
from fastmove.problem.describe import problem_sha256

MOTIONS = "motions"  # Folder of motions, in the folder of results.
# Ways without whose motion an item has no trials.  A motion that is slowed down may lean the item where no speed holds it.
NEEDED = ("kinematic", "fastmove")


@dataclass(frozen=True)
class TrialJob:
    """The trials of one item by one hand.

    Attributes:
        entry: The problem.
        pair: Number of the item's draw, which fingers and cup have in common.
        judge: Number of the judge in `JUDGES`.
        count: Number of trials with each of `WIDTHS`.
        folder: Folder of results.
        series: Number of the series of draws.
    """

    entry: BenchProblem
    pair: int
    judge: int
    count: int
    folder: Path
    series: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """The problem's id and the judge's name, which identify a row."""
        return self.entry.id, JUDGES[self.judge].name

    @property
    def head(self) -> Row:
        """What the row begins with."""
        problem = self.entry.problem
        held = problem.holds[0]
        return {
            "problem": self.entry.id,
            "planner": JUDGES[self.judge].name,
            "pair": self.pair,
            "problem_sha256": problem_sha256(problem),
            "hand": held.law.name,
            "item": held.item.name,
            "bears": held.item.max_pinch_force,
        }


def tried(job: TrialJob) -> Row:
    """Run one job and return its row.

    Returns:
        What `TrialJob.head` says; `planning` (status and time of each way); where the ways of `NEEDED` have a motion `speeds`
        (see `motions.speed_facts`) and `trials` (see `Trials.trial`) of all ways that have one, else `left_out` with the reason.
    """
    head, problem = job.head, job.entry.problem
    try:
        made = {way: planned_way(problem, way, job.folder / MOTIONS) for way in WAYS}
        row = head | {"planning": {way: [one.status, round(one.seconds, 2)] for way, one in made.items()}}
        motions = {way: one.trajectory for way, one in made.items() if one.trajectory is not None}
        if missing := [way for way in NEEDED if way not in motions]:
            return row | {"left_out": f"no motion: {', '.join(missing)}"}
        trials = Trials(problem, motions, JUDGES[job.judge], job.series)
        drawn = [trials.trial(job.pair, width, k) for width in WIDTHS for k in range(job.count)]
        return row | {"speeds": {way: made[way].speeds for way in motions}, "trials": drawn}
    except FastMoveError as error:
        return head | {"left_out": str(error)}
    except Exception as error:  # a defect is a result, too, and does not stop the others
        return head | {"left_out": f"{type(error).__name__}: {error}"}
