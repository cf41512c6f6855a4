"""Which attempts at a goal are made, converged and finished, with a planner that only counts."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np

from fastmove.planner.goal_search import BEHIND, PATHS, PATHS_HELD, SLOW_PATHS, Search
from fastmove.planner.options import Options

BOUND = 1.0


@dataclass
class Counting:
    """A goal planner whose attempts end at given durations.

    Attributes:
        held: Whether a hold has to last.
        candidates: Duration of the candidate of each attempt; None where it fails.
        finished_at: Duration to which a candidate of this duration is finished; default its own.
        places: Place of an attempt's motion: those at one place are the same motion.
        finer: Attempts whose candidates have finer breakpoints.
        failing: Durations of candidates whose motions are not certified.
        rivals: Merit that each candidate had to come near to.
    """

    held: bool
    candidates: dict[int, float | None]
    finished_at: dict[float, float] = field(default_factory=dict)
    places: dict[int, int] = field(default_factory=dict)
    exhausted: bool = False
    obstacles_bind: bool = True
    tried: list[int] = field(default_factory=list)
    done: list[float] = field(default_factory=list)
    rivals: dict[int, float] = field(default_factory=dict)
    finer: tuple[int, ...] = ()
    failing: tuple[float, ...] = ()

    def order(self, paths: int) -> tuple[list[int], list[int]]:
        return list(range(paths + 1)), list(range(paths + 1, paths + 5))

    def partial_solve(self, number: int, rival: float) -> SimpleNamespace | None:
        self.tried.append(number)
        if number not in self.candidates:
            self.exhausted = True
            return None
        duration = self.candidates[number]
        merit = 9.0 if duration is None else duration
        return SimpleNamespace(number=number, merit=merit, duration=merit, clear=False, sqp_run=SimpleNamespace(finished=False))

    def candidate(self, partial_solve: SimpleNamespace, rival: float) -> SimpleNamespace | None:
        number = partial_solve.number
        self.rivals[number] = rival
        if self.candidates[number] is None:
            return None
        place = self.places.get(number, number)
        same = lambda other: other.place == place  # noqa: E731
        duration = self.candidates[number]
        finer = SimpleNamespace(basis=SimpleNamespace(spans=30 if number in self.finer else 14))
        point = SimpleNamespace(merit=duration)
        return SimpleNamespace(number=number, duration=duration, point=point, transcription=finer, place=place, same=same)

    def finer_candidate(self, partial_solve: SimpleNamespace) -> None:
        return None

    def may_have_faster_path(self, candidate: SimpleNamespace) -> bool:
        return True

    def limited_by_static_hold(self, candidate: SimpleNamespace) -> bool:
        return False

    def is_reorientable(self) -> bool:
        return True

    def finished(self, candidate: SimpleNamespace, rival: float) -> tuple[SimpleNamespace, SimpleNamespace] | None:
        self.done.append(candidate.duration)
        duration = self.finished_at.get(candidate.duration, candidate.duration)
        if duration >= rival:
            return None
        return SimpleNamespace(duration=duration), SimpleNamespace(ok=candidate.duration not in self.failing)


def found(planner: Counting) -> float:
    motion = Search(planner, BOUND, Options(), lambda: False).run()  # type: ignore[arg-type]
    assert motion is not None
    return motion[0].duration


def test_attempts_end_once_the_best_was_found_twice() -> None:
    planner = Counting(True, dict.fromkeys(range(9), 2.0) | {0: 3.0, 2: 1.5, 4: 1.5}, places={2: 2, 4: 2})
    assert found(planner) == 1.5 and planner.tried == [0, 1, 2, 3, 4] and planner.done == [1.5]


def test_a_duration_found_twice_by_different_motions_is_not_the_same() -> None:
    planner = Counting(True, dict.fromkeys(range(9), 2.0))
    assert found(planner) == 2.0 and planner.tried == list(range(PATHS_HELD + 1)) and len(planner.done) == 1


def test_a_candidate_on_finer_breakpoints_does_not_hide_that_the_best_of_the_others_was_found_twice() -> None:
    planner = Counting(True, dict.fromkeys(range(9), 2.0) | {0: 1.4, 1: 1.5, 2: 1.5}, places={1: 1, 2: 1}, finer=(0,))
    assert found(planner) == 1.4 and planner.tried == [0, 1, 2] and planner.done == [1.4]


def test_the_best_candidate_is_finished_and_the_next_where_it_fails() -> None:
    planner = Counting(True, dict.fromkeys(range(9), 3.0) | {1: 1.50, 2: 1.52, 3: 1.60}, {1.50: 1.45, 1.52: 1.40})
    assert found(planner) == 1.45 and planner.done == [1.50]
    failing = Counting(True, dict.fromkeys(range(9), 3.0) | {1: 1.50, 2: 1.52, 3: 1.60}, failing=(1.50,))
    assert found(failing) == 1.52 and failing.done == [1.50, 1.52]


def test_candidates_with_an_item_may_be_left_behind_the_best_one() -> None:
    planner = Counting(True, dict.fromkeys(range(9), 2.0) | {0: 1.5})
    found(planner)
    assert planner.rivals[0] == np.inf and {planner.rivals[k] for k in range(1, PATHS_HELD + 1)} == {BEHIND * 1.5}
    free = Counting(False, dict.fromkeys(range(PATHS + 1), 1.3))
    found(free)
    assert set(free.rivals.values()) == {np.inf}


def test_a_slow_free_motion_is_searched_for_further() -> None:
    """Beyond 1.05 of the bound: one of the further paths is faster; below it they are not asked for."""
    slow = Counting(False, dict.fromkeys(range(PATHS + 1), 1.3) | dict.fromkeys(range(PATHS + 1, 20), 1.1))
    assert found(slow) == 1.1 and slow.tried == list(range(PATHS + SLOW_PATHS + 1))
    fast = Counting(False, dict.fromkeys(range(20), 1.04))
    assert found(fast) == 1.04 and fast.tried == list(range(PATHS + 1))


def test_a_search_in_vain_is_followed_by_a_longer_one() -> None:
    planner = Counting(True, {0: None, PATHS_HELD + 2: 1.7})
    assert found(planner) == 1.7 and planner.tried == [0, 1, PATHS_HELD + 1, PATHS_HELD + 2]
