"""A shift: many picks one after another, in an order chosen as it goes, each cycle planned while the one before moves.

Every item that waits, and every one that was placed, stands in the scene of the others.  The next pick is the one whose cycle can
be the shortest, by the kinematic bounds of the hand's way and the transfer; one that cannot be planned, or whose grip was not
confirmed, is put off with its reason, and tried again once another item is out of the way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fastmove.cycle.empty_hand import empty_way, standing, the_pinched
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


@dataclass
class Shift:
    """A shift that is being planned: an iterator over its cycles, in the order in which they are carried out.

    Args:
        picks: Transfer problems, one for each item, with the scene that stands still; their names are distinct.
        home: Configuration (n,) at which the hand is empty at the beginning [rad].
        options: Options of the planner; None means the defaults.
        contact_speed: See `plan_cycle`.
        experience: Store of motions that were certified before, from which like ones begin; None = none.

    Attributes:
        failed: Reason for which each pick was put off last, by its number.
        retreats: Certified ways of the empty hand back from items that it did not grip.
    """

    picks: Sequence[TransferProblem]
    home: object
    options: Options | None = None
    contact_speed: float = CONTACT_SPEED
    experience: Experience | None = None
    failed: dict[int, str] = field(default_factory=dict)
    retreats: list[Solution] = field(default_factory=list)

    def __post_init__(self) -> None:
        names = [pick.name for pick in self.picks]
        for name in names:
            if names.count(name) > 1:
                raise InputError("picks", f"{name!r} is there twice; every pick needs a name of its own")
        for pick in self.picks:
            the_pinched(pick)
            if pick.start.open or len(pick.goal.configurations) != 1 or pick.robot.name != self.picks[0].robot.name:
                raise InputError(
                    f"picks.{pick.name}", "must begin and end at a configuration of the one robot (fm.ik finds some for poses)"
                )
        self._waiting = {k: standing(p, np.array(p.start.q), f"{p.name} (waiting)") for k, p in enumerate(self.picks)}
        self._placed: dict[int, Obstacle] = {}
        self._tried = dict.fromkeys(self._waiting, 0)
        self._at, self._opened = configuration(self.picks[0], self.home) if self.picks else np.zeros(0), 0.0

    def __iter__(self) -> Iterator[ShiftCycle]:
        """Plans and yields one cycle after the other, until no pick is left that can be planned."""
        put_off: set[int] = set()
        while left := [k for k in self._by_bound() if k not in put_off and self._tried[k] < TRIES]:
            begin = time.perf_counter()
            found = self._next(left, put_off)
            if found is None:
                return
            number, cycle = found
            put_off.clear()  # one item less stands in the way
            yield ShiftCycle(number, cycle, time.perf_counter() - begin)

    def not_gripped(self, one: ShiftCycle) -> None:
        """Says that a cycle's grip was not confirmed: the hand goes back to where it came from, the pick is tried once more.

        Where no way back is certified, the hand goes on from where it is, and the pick is given up.

        Args:
            one: The cycle, the last that was planned.
        """
        pick, cycle = self.picks[one.pick], one.cycle
        assert cycle.approach is not None and cycle.approach.trajectory is not None and cycle.fingers is not None
        item = standing(pick, np.array(pick.start.q), f"{pick.name} (waiting)")
        self._placed.pop(one.pick)
        others = (*self._waiting.values(), *self._placed.values(), item)
        self._waiting[one.pick] = item
        here, back = np.array(pick.start.q), cycle.approach.trajectory.position(0.0)
        self._at, self._opened = here, cycle.fingers.opening
        self._put_off(one.pick, "the grip was not confirmed")
        try:
            way = self._planner(empty_way(pick, here, back, others, self._opened, self.contact_speed), self.options or Options())
        except FastMoveError:
            way = None
        if way is None or not way.ok:
            self._tried[one.pick] = TRIES
            return
        self.retreats.append(way)
        self._at = back

    def _put_off(self, number: int, reason: str) -> None:
        self.failed[number] = reason
        self._tried[number] += 1

    def _by_bound(self) -> list[int]:
        """Numbers of the picks that wait, the one whose cycle can be the shortest first."""
        bounds = []
        for number in self._waiting:
            pick = self.picks[number]
            start, goal = np.array(pick.start.q), np.array(pick.goal.configurations[0])
            way = lower_bound(State.rest(self._at), start, pick.limit_set).duration if np.any(self._at != start) else 0.0
            bounds.append((way + lower_bound(pick.start, goal, pick.limit_set).duration, number))
        return [number for _, number in sorted(bounds)]

    def _next(self, left: list[int], put_off: set[int]) -> tuple[int, PickCycle] | None:
        """Plans the first pick that can be; None where none can."""
        for number in left:
            pick = self.picks[number]
            others = (*(o for k, o in self._waiting.items() if k != number), *self._placed.values())
            try:
                cycle = self._planned(pick, others)
            except FastMoveError as error:
                cycle = PickCycle(pick, refusal=str(error))
            if cycle.ok and cycle.transfer is not None and cycle.transfer.trajectory is not None:
                placed = cycle.transfer.trajectory.position(cycle.transfer.duration)
                del self._waiting[number]
                self._placed[number] = standing(pick, placed, f"{pick.name} (placed)")
                self._at = placed
                self._opened = 0.0 if cycle.fingers is None else cycle.fingers.about
                self.failed.pop(number, None)
                return number, cycle
            put_off.add(number)
            self._put_off(number, cycle.refusal)
        return None

    @property
    def _planner(self) -> Callable[[TransferProblem, Options], Solution]:
        """What plans each motion."""
        return plan if self.experience is None else self.experience.plan

    def _planned(self, pick: TransferProblem, others: tuple[Obstacle, ...]) -> PickCycle:
        """Plans the cycle of one pick among all other items."""
        among = pick.with_(scene=replace(pick.scene, obstacles=(*pick.scene.obstacles, *others)))
        return plan_cycle(
            among,
            options=self.options,
            contact_speed=self.contact_speed,
            before=self._at,
            others=others,
            at_least_open=self._opened,
            planner=self._planner,
        )


@dataclass(frozen=True)
class ShiftReport:
    """What became of a shift.

    Attributes:
        names: Names of the picks.
        cycles: Cycles in the order in which they were carried out.
        failed: Reason for which each other pick was given up, by its number.
        retreats: Ways of the empty hand back from items that it did not grip.
    """

    names: tuple[str, ...]
    cycles: tuple[ShiftCycle, ...]
    failed: dict[int, str]
    retreats: tuple[Solution, ...] = ()

    @property
    def moving_time(self) -> float:
        """Time in which all cycles move [s]."""
        return float(sum(c.cycle.duration for c in self.cycles))

    @property
    def waited(self) -> tuple[float, ...]:
        """For each cycle but the first, how long the arm waits for its plan [s], if one process plans while the arm moves."""
        waits, ready, free = [], 0.0, 0.0
        for k, one in enumerate(self.cycles):
            ready += one.planning
            if k:
                waits.append(max(0.0, ready - free))
            free = max(ready, free) + one.cycle.duration
        return tuple(waits)

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
        lines = [
            f"{len(self.cycles)} of {len(self.names)} picks in {self.moving_time:.1f} s: {self.units_per_hour:.0f} units an hour"
        ]
        shares: dict[str, float] = {}
        for one in self.cycles:
            for phase in one.cycle.phases:
                shares[phase.name] = shares.get(phase.name, 0.0) + phase.duration
        lines.append("  " + "   ".join(f"{name} {seconds / self.moving_time:.0%}" for name, seconds in shares.items()))
        for one in self.cycles:
            lines.append(f"  {self.names[one.pick]:<24} {one.cycle.duration:6.3f} s   planned in {one.planning:6.2f} s")
        late = sum(wait > 0 for wait in self.waited)
        lines.append(f"  {len(self.waited) - late} of {len(self.waited)} cycles after the first were planned while the arm moved")
        lines += [f"  not done: {self.names[k]}: {reason}" for k, reason in self.failed.items()]
        return "\n".join(lines)


def plan_shift(
    picks: Sequence[TransferProblem],
    home: object,
    options: Options | None = None,
    contact_speed: float = CONTACT_SPEED,
    experience: Experience | None = None,
    carried_out: Callable[[ShiftCycle], bool] | None = None,
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

    Returns:
        All cycles in their order, and why the others were given up.

    Raises:
        InputError: A pick holds no item in a gripper, or does not begin and end at a configuration; two have the same name.
    """
    shift = Shift(picks, home, options, contact_speed, experience)
    cycles = []
    for one in shift:
        if carried_out is not None and not carried_out(one):
            shift.not_gripped(one)
            continue
        cycles.append(one)
    return ShiftReport(tuple(p.name for p in picks), tuple(cycles), dict(shift.failed), tuple(shift.retreats))
