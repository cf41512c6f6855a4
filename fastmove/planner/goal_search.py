"""Search over attempts at one goal: partial solves of all, candidates of the promising ones, the best of them finished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from fastmove.certificate.certificate import Certificate
from fastmove.planner.candidate import Candidate, PartialSolve
from fastmove.planner.goal_planner import GoalPlanner
from fastmove.planner.options import Options
from fastmove.trajectory.trajectory import Trajectory

PATHS = 3  # Number of path searches without a held item.
PATHS_HELD = 6  # Maximum number of path searches with a held item.
SLOW = 1.05  # Ratio of duration to lower bound from which `SLOW_PATHS` more searches are made, without a held item.
SLOW_PATHS = 5  # Number of these searches.
ENOUGH = 1.005  # Ratio of duration to lower bound up to which no further attempt is made.
MOST_CANDIDATES = 2  # Maximum number of partial solves converged without a held item, except those that have already converged.
ALIKE = 1.05  # Ratio to the best merit up to which the second of these is converged.
BENT = 4  # Number of bent lines that are tried where only the static hold limits the motion.
FINISHED = 2  # Number of candidates after which no further one is finished, once there is a certified motion.
BEHIND = 1.04  # Ratio to the best merit that a candidate with a held item must come near to, or it is left as it is.


@dataclass
class Search:
    """Searches over attempts at one goal until a motion is as good as any can be.

    All attempts are solved in part, the most promising of these are converged to candidates, and the best candidates finished.

    Attributes:
        goal_planner: Planner for the goal.
        bound: Lower bound of the duration [s].
        options: Options of the planner.
        late: Function that tells whether the deadline has passed.
        report: Function that is told in a few words what is being done.
        best: Fastest certified motion so far.
        last: Last motion that was finished, certified or not.
        converged: Candidates by the numbers of their attempts.
    """

    goal_planner: GoalPlanner
    bound: float
    options: Options
    late: Callable[[], bool]
    report: Callable[[str], None] = lambda text: None
    best: tuple[Trajectory, Certificate] | None = None
    last: tuple[Trajectory, Certificate] | None = None
    converged: dict[int, Candidate | None] = field(default_factory=dict)

    def run(self) -> tuple[Trajectory, Certificate] | None:
        """Returns the fastest certified motion, else the last one that failed its certificate, else None."""
        paths = self.options.path_seeds
        further = 0
        if paths is None:
            paths, further = (PATHS_HELD, 0) if self.goal_planner.held else (PATHS, SLOW_PATHS)
        usual, more = self.goal_planner.order(paths + further)
        for numbers in ([k for k in usual if k <= paths], [k for k in usual if k > paths]):
            if self.best is None or (self.best[0].duration > SLOW * self.bound and not self.late()):
                self._finish_all(self._candidates(self._partial_solves(numbers)))
        if more and self.best is None and not self.late() and not self.goal_planner.is_reorientable():
            return None
        for tried, number in enumerate(more):
            if self.best is not None or self.late():
                break
            partial_solve = self._partial_solve(len(usual) + tried, number)
            if partial_solve is not None:
                self._finish_all(self._candidates([partial_solve]))
        return self.best or self.last

    def _partial_solves(self, numbers: list[int]) -> list[PartialSolve]:
        """Returns the partial solves that are worth continuing.

        An attempt is finished at once instead where it is as fast as any can be, or is the first one and unobstructed.  No
        further one is made once the best motion was found twice.

        Args:
            numbers: Numbers of the attempts, in order.
        """
        partial_solves: list[PartialSolve] = []
        found: list[Candidate] = []
        for tried, number in enumerate(numbers):
            if self._enough() or (tried and self.late()):
                break
            if self._fruitless(tried, number, partial_solves):
                continue
            rival = np.inf if self.goal_planner.held else min((s.merit for s in partial_solves), default=np.inf)
            partial_solve = self._partial_solve(tried, number, rival)
            if partial_solve is None:
                continue
            converge_now = (
                self.goal_planner.held or (tried == 0 and partial_solve.clear) or (number != 0 and self._fast(partial_solve))
            )
            candidate = self._candidate(partial_solve, found) if converge_now else None
            if candidate is not None and (
                self._fast(candidate)
                or (tried == 0 and not self._slow(candidate) and not self.goal_planner.may_have_faster_path(candidate))
            ):
                self._finish(candidate)
                continue
            partial_solves.append(partial_solve)
            if candidate is not None:
                found.append(candidate)
                if _found_twice(found):
                    break
            if candidate is not None and tried == 0 and self.goal_planner.limited_by_static_hold(candidate):
                partial_solves += filter(None, (self._partial_solve(bend, -bend) for bend in range(1, BENT + 1)))
        return partial_solves

    def _candidates(self, partial_solves: list[PartialSolve]) -> list[Candidate]:
        """Returns the candidates to which the most promising partial solves converge.

        Where none converges, the first that does on finer breakpoints is returned.
        """
        ordered = sorted(partial_solves, key=lambda s: (s.merit, s.number))
        candidates: list[Candidate] = []
        if self._enough():
            return candidates
        for partial_solve in ordered:
            alike = len(candidates) < MOST_CANDIDATES and partial_solve.merit <= ALIKE * ordered[0].merit
            if (not candidates or alike or partial_solve.sqp_run.finished or self.goal_planner.held) and (
                candidate := self._candidate(partial_solve, candidates)
            ) is not None:
                candidates.append(candidate)
        for partial_solve in [] if candidates else ordered:
            if (candidate := self.goal_planner.finer_candidate(partial_solve)) is not None:
                return [candidate]
        return candidates

    def _candidate(self, partial_solve: PartialSolve, rivals: list[Candidate]) -> Candidate | None:
        """Returns the candidate that a partial solve converges to; with a held item it may be left behind its rivals."""
        number = partial_solve.number
        if number not in self.converged:
            rival = min((c.point.merit for c in rivals), default=np.inf) if self.goal_planner.held else np.inf
            self.converged[number] = self.goal_planner.candidate(partial_solve, BEHIND * rival)
        return self.converged[number]

    def _finish_all(self, candidates: list[Candidate]) -> None:
        """Finishes the fastest candidate, and others until one is certified and no further one looks faster."""
        done: list[Candidate] = []
        for candidate in sorted(candidates, key=lambda d: (d.duration, d.number)):
            if self.best is not None and (self._enough() or candidate.duration >= self.best[0].duration or len(done) >= FINISHED):
                break
            if not any(candidate.same(other) for other in done):
                self._finish(candidate)
                done.append(candidate)

    def _fast(self, solve: PartialSolve | Candidate) -> bool:
        """Returns whether a motion is nearly as fast as the lower bound."""
        return solve.duration <= ENOUGH * self.bound

    def _slow(self, solve: Candidate | Trajectory) -> bool:
        """Returns whether a motion is much slower than the lower bound without a hold that might be the reason."""
        return not self.goal_planner.held and solve.duration > SLOW * self.bound

    def _enough(self) -> bool:
        """Returns whether the best motion is nearly as fast as the lower bound, or no other path might be faster."""
        if self.best is None:
            return False
        fastest = self.best[0]
        return fastest.duration <= ENOUGH * self.bound or not (self.goal_planner.obstacles_bind or self._slow(fastest))

    def _fruitless(self, tried: int, number: int, partial_solves: list[PartialSolve]) -> bool:
        """Returns whether an attempt is skipped.

        The straight line is skipped where others have led to partial solves and it does not come first, being deep inside
        obstacles.  All attempts are skipped after a path search has spent its budget in vain: others would, too, and those
        that follow where no motion was found have a larger one.

        Args:
            tried: Number of attempts made before.
            number: Number of the attempt.
            partial_solves: What they have led to.
        """
        return (number == 0 and tried > 0 and bool(partial_solves)) or (number > 0 and self.goal_planner.exhausted)

    def _partial_solve(self, tried: int, number: int, rival: float = np.inf) -> PartialSolve | None:
        """Announces an attempt and solves it in part; see `GoalPlanner.partial_solve`."""
        self.report(f"attempt {tried + 1} ({_called(number)})")
        return self.goal_planner.partial_solve(number, rival)

    def _finish(self, candidate: Candidate) -> None:
        """Finishes a candidate and keeps the motion if it is certified and the fastest."""
        self.report(f"finishing a motion of about {candidate.duration:.3g} s")
        finished = self.goal_planner.finished(candidate, np.inf if self.best is None else self.best[0].duration)
        if finished is not None:
            self.last = finished
            if finished[1].ok and (self.best is None or finished[0].duration < self.best[0].duration):
                self.best = finished


def _found_twice(found: list[Candidate]) -> bool:
    """Returns whether the fastest candidate was found twice; those that are faster for their finer breakpoints do not count."""
    spans = min(candidate.transcription.basis.spans for candidate in found)
    alike = [candidate for candidate in found if candidate.transcription.basis.spans == spans]
    return sum(map(min(alike, key=lambda c: c.duration).same, alike)) > 1


def _called(number: int) -> str:
    """Returns the name of an attempt's initial guess."""
    if number == 0:
        return "straight line"
    return f"searched path {number}" if number > 0 else f"bent line {-number}"
