"""Searching goals and starts: sketches of many, drafts of the promising, the best finished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastmove.certificate.certificate import Certificate
from fastmove.planner.candidate import Candidate, PartialSolve
from fastmove.planner.goal_planner import GoalPlanner
from fastmove.planner.options import Options
from fastmove.trajectory.trajectory import Trajectory

PATHS, PATHS_HELD = 3, 4  # searches; of 210 problems a fourth makes 3 more than 1 % shorter where nothing is held, and all slower
ENOUGH = 1.005  # no further path search once the duration is within this factor of the bound
DRAFTED, ALIKE = 2, 1.05  # sketches gone on with at most where nothing is held, the second if its merit is within this factor
BENT = 4  # bent lines that are tried where nothing is in the way but the hold at rest
FINISHED = 2  # drafts in the way of obstacles that are refined and certified, the fastest first …
PROMISING, PROMISING_HELD = 1.0, 1.10  # … unless they are slower than the best motion times what finishing one may gain


@dataclass
class Search:
    """Attempts at one goal: all are sketched, the most promising are drafted and finished, until one is as good as any can be."""

    task: GoalPlanner
    bound: float
    options: Options
    late: Callable[[], bool]
    best: tuple[Trajectory, Certificate] | None = None
    last: tuple[Trajectory, Certificate] | None = None

    def run(self) -> tuple[Trajectory, Certificate] | None:
        """The best certified motion, else the last that was refused, else None."""
        paths = self.options.path_seeds
        if paths is None:
            paths = PATHS_HELD if self.task.held else PATHS
        usual, more = self.task.order(paths)
        self._finish_all(self._drafts(self._sketches(usual)))
        if more and self.best is None and not self.late() and not self.task.is_reorientable():
            return None
        for tried, number in enumerate(more):
            if self.best is not None or self.late():
                break
            sketch = self._sketched(len(usual) + tried, number)
            if sketch is not None:
                self._finish_all(self._drafts([sketch]))
        return self.best or self.last

    def _sketches(self, numbers: list[int]) -> list[PartialSolve]:
        """Attempts to be gone on with, unless one was finished at once: as fast as any can be, or the first and unobstructed."""
        found: list[PartialSolve] = []
        for tried, number in enumerate(numbers):
            if self._enough() or (tried and self.late()) or (found and self._fruitless(tried, number)):
                break
            rival = np.inf if self.task.held else min((s.merit for s in found), default=np.inf)
            sketch = self._sketched(tried, number, rival)
            if sketch is None:
                continue
            whole = self.task.held or (tried == 0 and sketch.clear) or (number != 0 and self._fast(sketch))
            draft = self.task.draft(sketch) if whole else None
            if draft is not None and (self._fast(draft) or (tried == 0 and not self.task.may_have_faster_path(draft))):
                self._finish(draft)
                continue
            found.append(sketch)
            if draft is not None and tried == 0 and self.task.limited_by_static_hold(draft):
                found += filter(None, (self._sketched(bend, -bend) for bend in range(1, BENT + 1)))
        return found

    def _drafts(self, sketches: list[PartialSolve]) -> list[Candidate]:
        """Of the most promising; on finer breakpoints where none can be followed as they are."""
        ordered = sorted(sketches, key=lambda s: (s.merit, s.number))
        found: list[Candidate] = []
        if self._enough():
            return found
        for sketch in ordered:
            alike = len(found) < DRAFTED and sketch.merit <= ALIKE * ordered[0].merit
            if (not found or alike or sketch.descent.finished or self.task.held) and (
                draft := self.task.draft(sketch)
            ) is not None:
                found.append(draft)
        for sketch in [] if found else ordered:
            if (draft := self.task.finer_draft(sketch)) is not None:
                return [draft]
        return found

    def _finish_all(self, drafts: list[Candidate]) -> None:
        """Of these drafts those that look faster than the best, the fastest first."""
        promising = PROMISING_HELD if self.task.held else PROMISING
        done: list[Candidate] = []
        for draft in sorted(drafts, key=lambda d: (d.duration, d.number)):
            if self.best is not None and (
                self._enough() or draft.duration > promising * self.best[0].duration or len(done) >= FINISHED
            ):
                break
            if not any(draft.same(other) for other in done):
                self._finish(draft)
                done.append(draft)

    def _fast(self, found: PartialSolve | Candidate) -> bool:
        return found.duration <= ENOUGH * self.bound

    def _enough(self) -> bool:
        return self.best is not None and (self.best[0].duration <= ENOUGH * self.bound or not self.task.obstacles_bind)

    def _fruitless(self, tried: int, number: int) -> bool:
        """Where there is a draft already: a line deep inside obstacles, or a search after one that has found nothing."""
        return (number == 0 and tried > 0) or self.task.exhausted

    def _sketched(self, tried: int, number: int, rival: float = np.inf) -> PartialSolve | None:
        if self.options.progress is not None:
            self.options.progress(f"attempt {tried + 1}: {_called(number)}")
        return self.task.sketch(number, rival)

    def _finish(self, draft: Candidate) -> None:
        self.last = self.task.finished(draft)
        if self.last[1].ok and (self.best is None or self.last[0].duration < self.best[0].duration):
            self.best = self.last


def _called(number: int) -> str:
    """What an attempt begins with."""
    if number == 0:
        return "straight line"
    return f"searched path {number}" if number > 0 else f"bent line {-number}"
