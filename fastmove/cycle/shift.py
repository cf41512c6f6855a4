"""A shift: many picks one after another, in an order chosen as it goes, each cycle planned while the one before moves.

Every item that waits, and every one that was placed, stands in the scene of the others.  The next pick is the one whose cycle can
be the shortest, by the kinematic bounds of the hand's way and the transfer; one that cannot be planned, or whose grip was not
confirmed, is put off with its reason, and tried again once another item is out of the way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from fastmove.arrays import Array
from fastmove.cycle.empty_hand import DONE, WAITING, empty_way, standing, the_pinched
from fastmove.cycle.experience import Experience
from fastmove.cycle.pick_cycle import HOUR, PickCycle
from fastmove.cycle.planning import CONTACT_SPEED, configuration, plan_cycle
from fastmove.errors import FastMoveError, InputError
from fastmove.planner.options import Options
from fastmove.planner.planner import plan
from fastmove.problem.goal import State
from fastmove.problem.scene import Obstacle
from fastmove.problem.transfer import TransferProblem
from fastmove.search.time_bound import lower_bound
from fastmove.solution.solution import Solution

LATE = 0.01  # Wait for a plan from which on it is told [s].
TRIES = 2  # Number of times that a pick is tried in vain before it is given up, each time after another one was done.


@dataclass(frozen=True)
class ShiftCycle:
    """One cycle of a shift.

    Attributes:
        pick: Number of its pick in the list.
        cycle: The cycle.
        planning: Time that its planning took, picks included that were tried in vain before it [s].
    """

    pick: int
    cycle: PickCycle
    planning: float


@dataclass(frozen=True)
class ShiftState:
    """How far a shift is.

    Attributes:
        waiting: Numbers of the picks whose items wait.
        placed: Where the others' items were placed, by number of the pick.
        at: Configuration (n,) in which the empty hand is [rad].
        opening: Opening that it has there [m].
        tried: Number of times that each pick was tried in vain, by its number.
        failed: Reason for which each pick was put off last, by its number.
    """

    waiting: tuple[int, ...]
    placed: dict[int, Obstacle]
    at: Array
    opening: float = 0.0
    tried: dict[int, int] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)

    def put_off(self, number: int, reason: str, times: int = 1) -> ShiftState:
        """Returns the state after a pick was tried in vain."""
        tried = self.tried | {number: self.tried.get(number, 0) + times}
        return replace(self, tried=tried, failed=self.failed | {number: reason})

    def done(self, number: int, placed: Obstacle, at: Array, opening: float) -> ShiftState:
        """Returns the state after a pick was planned: its item stands at its goal, and the hand is there, opened."""
        waiting = tuple(k for k in self.waiting if k != number)
        failed = {k: reason for k, reason in self.failed.items() if k != number}
        return replace(self, waiting=waiting, placed=self.placed | {number: placed}, at=at, opening=opening, failed=failed)


class ShiftPlanner:
    """Plans the cycles of a shift one after the other.

    Args:
        picks: Transfer problems, one for each item, with the scene that stands still; their names are distinct.
        options: Options of the planner.
        contact_speed: See `plan_cycle`.
        experience: Store of motions that were certified before, from which like ones begin; None = none.

    Raises:
        InputError: A pick holds no item in a gripper, or does not begin and end at a configuration; two have the same name.
    """

    def __init__(
        self, picks: Sequence[TransferProblem], options: Options, contact_speed: float, experience: Experience | None
    ) -> None:
        names = [pick.name for pick in picks]
        for pick in picks:
            if names.count(pick.name) > 1:
                raise InputError("picks", f"{pick.name!r} is there twice; every pick needs a name of its own")
            the_pinched(pick)
            if pick.start.open or len(pick.goal.configurations) != 1 or pick.robot.name != picks[0].robot.name:
                raise InputError(
                    f"picks.{pick.name}", "must begin and end at a configuration of the one robot (fm.ik finds some for poses)"
                )
        # what waits or was placed is where it is no better than it is known in the hand
        uncertain = max((pick.holds[0].position_uncertainty for pick in picks), default=0.0)
        picks = [
            pick.with_(scene=replace(pick.scene, obstacle_uncertainty=max(pick.scene.obstacle_uncertainty, uncertain)))
            for pick in picks
        ]
        self.picks, self.options, self.contact_speed = picks, options, contact_speed
        self._plan: Callable[[TransferProblem, Options], Solution] = plan if experience is None else experience.plan
        self._standing = [standing(p, np.array(p.start.q), f"{p.name} {WAITING}") for p in picks]

    def begin(self, home: object) -> ShiftState:
        """Returns the state at the beginning, with the empty hand at a configuration (n,) [rad]."""
        return ShiftState(tuple(range(len(self.picks))), {}, configuration(self.picks[0], home))

    def next(self, state: ShiftState) -> tuple[ShiftCycle | None, ShiftState]:
        """Plans the next cycle; returns it, None where no pick is left that can be planned, and the state after it."""
        begin = time.perf_counter()
        for number in self._by_bound(state):
            if state.tried.get(number, 0) >= TRIES:
                continue
            pick = self.picks[number]
            try:
                cycle = self._planned(pick, state, number)
            except FastMoveError as error:
                cycle = PickCycle(pick, refusal=str(error))
            if cycle.ok and cycle.transfer is not None and cycle.transfer.trajectory is not None and cycle.fingers is not None:
                at = cycle.transfer.trajectory.position(cycle.transfer.duration)
                state = state.done(number, standing(pick, at, f"{pick.name} {DONE}"), at, cycle.fingers.about)
                return ShiftCycle(number, cycle, time.perf_counter() - begin), state
            state = state.put_off(number, cycle.refusal)
        return None, state

    def not_gripped(self, state: ShiftState, one: ShiftCycle) -> tuple[Solution | None, ShiftState]:
        """Plans the empty hand's way back from an item that it did not grip; the pick is tried once more.

        The item counts as standing where it was believed to; whoever knows better plans a new shift.

        Args:
            state: State after the cycle was planned.
            one: The cycle.

        Returns:
            The way back to where its approach began, and the state there.  Where none is certified the hand goes on from where
            it is, and the pick is given up.
        """
        pick, approach, fingers = self.picks[one.pick], one.cycle.approach, one.cycle.fingers
        assert approach is not None and approach.trajectory is not None and fingers is not None
        placed = {k: o for k, o in state.placed.items() if k != one.pick}
        state = replace(
            state, waiting=(*state.waiting, one.pick), placed=placed, at=np.array(pick.start.q), opening=fingers.opening
        )
        state = state.put_off(one.pick, "the grip was not confirmed")
        back = approach.trajectory.position(0.0)
        try:
            way = self._plan(
                empty_way(pick, state.at, back, self._others(state), state.opening, self.contact_speed), self.options
            )
        except FastMoveError:
            way = None
        if way is None or not way.ok:
            return None, state.put_off(one.pick, "the grip was not confirmed, and there is no way back", TRIES)
        return way, replace(state, at=back)

    def _by_bound(self, state: ShiftState) -> list[int]:
        """Numbers of the picks that wait, the one whose cycle can be the shortest first."""
        bounds = []
        for number in state.waiting:
            pick = self.picks[number]
            start, goal = np.array(pick.start.q), np.array(pick.goal.configurations[0])
            way = lower_bound(State.rest(state.at), start, pick.limit_set).duration if np.any(state.at != start) else 0.0
            bounds.append((way + lower_bound(pick.start, goal, pick.limit_set).duration, number))
        return [number for _, number in sorted(bounds)]

    def _others(self, state: ShiftState, but: int | None = None) -> tuple[Obstacle, ...]:
        """All items that stand around, but one."""
        return (*(self._standing[k] for k in state.waiting if k != but), *state.placed.values())

    def _planned(self, pick: TransferProblem, state: ShiftState, number: int) -> PickCycle:
        """Plans the cycle of one pick among all other items."""
        others = self._others(state, number)
        return plan_cycle(
            pick,
            options=self.options,
            contact_speed=self.contact_speed,
            before=state.at,
            others=others,
            at_least_open=state.opening,
            planner=self._plan,
        )


@dataclass(frozen=True)
class ShiftReport:
    """What became of a shift.

    Attributes:
        names: Names of the picks.
        cycles: Cycles in the order in which they were carried out.
        failed: Reason for which each other pick was given up, by its number.
        retreats: Ways of the empty hand back from items that it did not grip.
        waited: For each cycle, how long the arm waited for its plan [s].
        lost: Time that tries without a grip took: approach, closing, way back [s].
    """

    names: tuple[str, ...]
    cycles: tuple[ShiftCycle, ...]
    failed: dict[int, str]
    retreats: tuple[Solution, ...] = ()
    waited: tuple[float, ...] = ()
    lost: float = 0.0

    @property
    def moving_time(self) -> float:
        """Time that all cycles take, and tries without a grip [s]."""
        return float(sum(c.cycle.duration for c in self.cycles)) + self.lost

    @property
    def units_per_hour(self) -> float:
        """Number of items that an hour of such motion moves, plans being there in time."""
        return HOUR * len(self.cycles) / self.moving_time if self.cycles else 0.0

    def as_json(self) -> dict[str, object]:
        """Returns the shift as JSON values in SI units."""
        return {
            "format": 1,
            "units_per_hour": self.units_per_hour,
            "moving_s": self.moving_time,
            "waited_s": list(self.waited),
            "cycles": [{"pick": self.names[c.pick], "planning_s": c.planning} | c.cycle.as_json() for c in self.cycles],
            "failed": {self.names[k]: reason for k, reason in self.failed.items()},
        }

    def __str__(self) -> str:
        head = f"{len(self.cycles)} of {len(self.names)} picks in {self.moving_time:.1f} s of motion"
        lines = [f"{head}: {self.units_per_hour:.0f} units an hour"]
        shares: dict[str, float] = {}
        for one in self.cycles:
            for phase in one.cycle.phases:
                shares[phase.name] = shares.get(phase.name, 0.0) + phase.duration
        lines.append("  " + "   ".join(f"{name} {seconds / self.moving_time:.0%}" for name, seconds in shares.items()))
        for one, waited in zip(self.cycles, self.waited, strict=True):
            late = f", waited for {waited:.2f} s" if waited > LATE else ""
            lines.append(f"  {self.names[one.pick]:<24} {one.cycle.duration:6.3f} s   planned in {one.planning:6.2f} s{late}")
        lines += [f"  not done: {self.names[k]}: {reason}" for k, reason in self.failed.items()]
        return "\n".join(lines)


_worker: list[ShiftPlanner] = []  # The planner of a process that plans beside the motion.


def plan_shift(
    picks: Sequence[TransferProblem],
    home: object,
    options: Options | None = None,
    contact_speed: float = CONTACT_SPEED,
    experience: Experience | None = None,
    carried_out: Callable[[ShiftCycle], bool] = lambda one: True,
    beside: bool = False,
    retreated: Callable[[Solution], None] = lambda way: None,
) -> ShiftReport:
    """Plans a shift, and carries it out where a function for that is given.

    Args:
        picks: Transfer problems, one for each item, with the scene that stands still; items that wait or were placed are added.
        home: Configuration (n,) at which the hand is empty at the beginning [rad].
        options: Options of the planner; None means the defaults.
        contact_speed: See `plan_cycle`.
        experience: Store of motions that were certified before; None = none.
        carried_out: Function that carries a cycle out and tells whether its grip was confirmed; a pick whose grip was not is
            tried once more.
        beside: Whether a process of its own plans the next cycle while one is carried out; it has the store's folder to itself.
            A script that asks for it does so under `if __name__ == "__main__"`, as for all processes that are spawned.
        retreated: Function that carries out the way back from an item that was not gripped, the fingers open again.

    Returns:
        All cycles in their order, and why the others were given up.

    Raises:
        InputError: A pick holds no item in a gripper, or does not begin and end at a configuration; two have the same name.
    """
    options = options or Options()
    planner = ShiftPlanner(picks, options, contact_speed, experience)
    names = tuple(pick.name for pick in picks)
    if not picks:
        return ShiftReport(names, (), {})
    state = planner.begin(home)
    if not beside:
        return _carry_out(state, names, (carried_out, retreated), _Here(planner))
    store = None if experience is None else (experience.folder, experience.most)
    setting = list(picks), replace(options, progress=None), contact_speed, store
    with ProcessPoolExecutor(1, get_context("spawn"), _begin_worker, setting) as pool:
        report = _carry_out(state, names, (carried_out, retreated), pool)
    if experience is not None and experience.folder is not None:
        experience.forget()
    return report


class _Here:
    """Asks this process's planner once an answer is wanted; an executor of `concurrent.futures` asks that of another process."""

    def __init__(self, planner: ShiftPlanner) -> None:
        self.planner = planner

    def submit(self, ask: Callable[..., Any], what: str, *arguments: object) -> _Later:
        """Returns what gives the answer of a method of the planner."""
        return _Later(lambda: getattr(self.planner, what)(*arguments))


@dataclass(frozen=True)
class _Later:
    """The result of work that is done when it is asked for."""

    result: Callable[[], Any]


def _carry_out(
    state: ShiftState,
    names: tuple[str, ...],
    do: tuple[Callable[[ShiftCycle], bool], Callable[[Solution], None]],
    pool: ProcessPoolExecutor | _Here,
) -> ShiftReport:
    """Carries out one cycle after the other; the next is planned meanwhile where the pool is another process.

    Args:
        state: State at the beginning.
        names: Names of the picks.
        do: Functions that carry out a cycle, and a way back.
        pool: Where it is planned.
    """
    carried_out, retreated = do
    cycles: list[ShiftCycle] = []
    waited: list[float] = []
    retreats: list[Solution] = []
    lost = 0.0
    coming = pool.submit(_ask, "next", state)
    while True:
        asked = time.perf_counter()
        one, state = coming.result()
        wait = time.perf_counter() - asked
        if one is None:
            return ShiftReport(names, tuple(cycles), dict(state.failed), tuple(retreats), tuple(waited), lost)
        coming = pool.submit(_ask, "next", state)
        if carried_out(one):
            cycles.append(one)
            waited.append(wait)
            continue
        lost += sum(phase.duration for phase in one.cycle.phases if phase.name in ("widen", "approach", "close"))
        way, state = pool.submit(_ask, "not_gripped", state, one).result()  # what was planned ahead is of no use now
        if way is not None:
            retreats.append(way)
            lost += way.duration
            retreated(way)
        coming = pool.submit(_ask, "next", state)


def _begin_worker(
    picks: list[TransferProblem], options: Options, contact_speed: float, store: tuple[Path | None, int] | None
) -> None:
    """Builds the planner of this process, with a store in a folder of so many motions, if any."""
    _worker[:] = [ShiftPlanner(picks, options, contact_speed, None if store is None else Experience(*store))]


def _ask(what: str, *arguments: object) -> Any:
    """Returns the answer of a method of the planner of this process."""
    return getattr(_worker[0], what)(*arguments)
