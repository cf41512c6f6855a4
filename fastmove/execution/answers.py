"""Answers to what is asked for in flight: another speed, a held stop, or what to do about a change that perception reports.

To a change the answers are, in this order: the motion is still right and goes on; a held stop, certified for what is there now,
which is begun only if nothing better comes before; a new motion, joined in motion by the deadline or from the rest that the stop
leads to.  The same code answers in the planning process while the arm moves, and in the caller's own process between its calls.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from fastmove.errors import FastMoveError, InputError
from fastmove.execution.command_stream import CommandStream
from fastmove.execution.course import Course
from fastmove.execution.events import Event
from fastmove.execution.rechecks import Kept, kept, path_now, problem_at_rest, still, way_is_free
from fastmove.execution.speed_change import ARRIVED
from fastmove.execution.stops import EVERY, Change
from fastmove.execution.time_limit import within
from fastmove.execution.update import Update
from fastmove.planner.options import Options
from fastmove.planner.replanning import bent_towards, problem_ahead, searched, warm_started
from fastmove.solution.solution import Solution

LEAD = 0.025  # Time from computing an answer to its first command: it is sampled, sent and picked up [s].
LEAST_PLANNING = 0.03  # Time left before a deadline below which no plan is begun [s].
LATER = 0.3  # Time by which a stop may begin later than it is asked for [s].
CERTIFYING = 0.04  # Time that it takes to certify a stop again [s].
WARM_UP = 3.0  # Time that warming up may take [s].
DEPARTS = 2.0  # Time after which a motion from rest begins where obstacles move [s].
PATIENCE = 20.0  # Time that planning from rest may take [s].
SLOWER = (0.8, 0.6, 0.4, 0.2)  # Speeds along the path that are tried with an item that is otherwise than believed.


@dataclass(frozen=True)
class Answer:
    """One answer to a request.

    Attributes:
        event: what it is.
        base: number of the course that it leaves.
        at: time at which it leaves it [s].
        number: number of the course that begins then; −1 if none does.
        course: that course; None if none does.
        commands: its commands from the first cycle at or after `at` on; all of them from rest.
        detail: in words.
        last: whether no more answers follow.
        ends_at_goal: whether that course ends at the goal, not in a stop.
        rests: whether it begins from the rest at the end of the base.
        at_once: whether it begins as soon as the arm rests there, rather than at its time.
    """

    event: Event
    base: int
    at: float = 0.0
    number: int = -1
    course: Course | None = field(default=None, repr=False)
    commands: CommandStream | None = field(default=None, repr=False)
    detail: str = ""
    last: bool = True
    ends_at_goal: bool = True
    rests: bool = False
    at_once: bool = False


class FlightPlanner:
    """The planner of one run: it knows the courses so far, by number, and answers what is asked for on one of them.

    Args:
        solution: certified solution that the run begins with.
        cycle: control cycle of the driver [s].
        options: options of the planner; None = the reserve of the solution, and the defaults else.
    """

    def __init__(self, solution: Solution, cycle: float, options: Options | None = None) -> None:
        self.cycle, self.options = cycle, options or Options(reserve=solution.reserve)
        self.courses = {0: Course.of(solution)}
        self.unaware: dict[int, Update] = {}  # what has changed since a course was certified, by its number
        self.tables: dict[int, list[tuple[float, Change | None]]] = {}

    def warm_up(self) -> None:
        """Plans once, so that all that is compiled or loaded at first use is there when it is needed."""
        course = self.courses[0]
        goal = replace(course.goal, poses=(), configurations=course.state(0.4 * course.duration).q[None])
        self._from_motion(course, 0.3 * course.duration, lambda: -WARM_UP, Update(goal=goal))

    # -- another speed --------------------------------------------------------------------------------------------

    def speed(self, base: int, at: float, target: float) -> Iterator[Answer]:
        """Yields the answer to a request for another speed along the path, 0 to 1, from a time on [s].

        From the rest that a stop off the path led to, the way is planned anew.
        """
        course, news = self.courses[base], self.unaware.get(base, Update())
        if course.rests(at) and target == 0:
            self.courses[base] = replace(course, paused=True)
            yield Answer(Event.KEPT, base, at, detail="at rest")
            return
        off_path = (course.law is None and not course.arrives) or course.stale
        if course.rests(at) and not course.ends_at_goal and (off_path or news.what):
            yield from self._from_rest(base, replace(course, paused=False), lambda: at, news)
            return
        at = min(at, course.duration)  # from rest it begins as soon as it can
        pace = course.pace(at)
        if abs(pace.speed - target) < ARRIVED and abs(pace.change) < ARRIVED and not course.rests(at):
            yield Answer(Event.KEPT, base, at, detail=f"it goes at {target:.0%} already")
            return
        try:
            at, changed = self._at_speed(course, at, target, news)
        except FastMoveError as error:
            yield Answer(Event.REFUSED, base, at, detail=str(error))
            return
        if changed is None:
            said = f"no change to speed {target:g} from {at:.3f} s is certified"
            yield Answer(Event.NOTHING_FOUND, base, at, detail=said)
        elif target == 0:
            yield self._new(Event.HELD_STOP, base, at, replace(changed, paused=True), f"{at:.3f} s into the motion")
        else:
            yield self._new(Event.SPEED, base, at, changed, f"to {target:.0%}")

    @staticmethod
    def _at_speed(course: Course, at: float, target: float, news: Update) -> tuple[float, Course | None]:
        """The course at another speed, and when that begins; a stop that is not certified at once may be so a moment later."""
        if target > 0 and not news.what:
            return at, course.at_speed(at, target)
        if target > 0:
            path = path_now(course, news) if way_is_free(course, at - LEAD, at, news) else None
            if path is None:
                raise InputError("path", "is not free any more, since something has changed; replan")
            return at, course.at_speed(at, target, path)
        for later in np.arange(at, min(at + LATER, course.duration), EVERY):
            change = course.stop_at(float(later))
            certified = None if change is None else still(course, change, float(later), at - LEAD, news)
            if certified is not None:
                return float(later), course.changed(certified, float(later))
        return at, None

    def turn(self, base: int, at: float, solution: Solution) -> Answer:
        """Answers a request to leave a course, at a time [s], for a certified solution that begins in its state then.

        Raises:
            TrajectoryFileError: the two motions do not join within 1e-9.
        """
        return self._new(Event.NEW_MOTION, base, at, self.courses[base].turned_to(solution, at))

    def stops(self, base: int) -> Iterator[Answer]:
        """Yields the held stops of a course, an instant after the other; each is to be begun at its time or not at all."""
        course, table = self.courses[base], self.tables.setdefault(base, [])
        if course.stale:
            return
        for at in course.instants(EVERY):
            change = course.stop_at(at)
            table.append((at, change))
            if change is not None:
                stopping = replace(course.changed(change, at), paused=True)
                answer = self._new(Event.HELD_STOP, base, at, stopping, f"{at:.3f} s into the motion")
                if base in self.unaware:
                    self.unaware[answer.number] = self.unaware[base]
                yield answer

    # -- changes --------------------------------------------------------------------------------------------------

    def answers(self, base: int, clock: Callable[[], float], update: Update, deadline: float) -> Iterator[Answer]:
        """Yields answers to a change that perception reports.

        Args:
            base: number of the course that is followed.
            clock: the present time of that course [s].
            update: what has changed.
            deadline: time within which a new motion is to begin [s].
        """
        course, asked = self.courses[base], clock()
        update = self.unaware.get(base, Update()).followed_by(update)
        try:
            update.applied(course.problem, course.begin)
        except FastMoveError as error:
            yield Answer(Event.REFUSED, base, detail=str(error))
            return
        for number in self.courses:
            self.unaware[number] = self.unaware.get(number, Update()).followed_by(update)
        looked = Kept(None) if update.goal is not None else kept(course, asked, update)
        if looked.course is not None:
            yield from self._goes_on(base, looked.course, clock, update)
        elif course.rests(asked):
            yield from self._from_rest(base, course, clock, update)
        elif update.of_item and update.scene is None:
            yield from self._slower(base, course, clock, update)
        else:
            yield from self._around(base, course, clock, asked + deadline, update, looked.blocked)

    def _goes_on(self, base: int, course: Course, clock: Callable[[], float], update: Update) -> Iterator[Answer]:
        """Answers that a course is still right; from a stop that nobody asked for it goes on then."""
        last = course.ends_at_goal or course.paused
        if course.rests(clock() + LEAD):
            self.courses[base] = course
            self.unaware.pop(base, None)
            yield Answer(Event.KEPT, base, detail="at rest", last=last)
        else:
            yield self._new(Event.KEPT, base, max(clock() + LEAD, course.begin), course, last=last)
            base = max(self.courses)
        if not last:
            yield from self._from_rest(base, course, clock, update)

    def _around(
        self, base: int, course: Course, clock: Callable[[], float], late: float, update: Update, blocked: float
    ) -> Iterator[Answer]:
        """Answers for a scene or goal that has changed: a new motion by `late` [s], else a stop and a new motion from there."""
        stop = self._stop(base, course, clock, late, update, blocked)
        if update.goal is not None:
            self.courses[base] = replace(course, goal=update.goal, arrives=False)
        if stop is not None:
            self._outdate(stop, update)
            yield replace(stop, detail=f"{stop.detail}; no new motion was there by then", last=False)
        at = min(late, course.duration if stop is None else stop.at)
        new = self._from_motion(course, at, clock, update)
        if new is not None:
            yield self._new(Event.NEW_MOTION, base, at, new)
        elif stop is not None and stop.course is not None:
            yield from self._from_rest(stop.number, stop.course, clock, update)
        elif update.scene is None:  # The motion is certified as it is, only not what is wanted: it goes on to its end.
            yield from self._from_rest(base, course, clock, update)
        else:
            said = f"{update.what} changed; no stop from {clock():.3f} s on is certified"
            yield Answer(Event.NO_STOP, base, clock(), detail=said)

    def _new(self, event: Event, base: int, at: float, course: Course, detail: str = "", last: bool = True) -> Answer:
        """The answer that a new course begins."""
        number = max(self.courses) + 1
        self.courses[number] = course
        resting = self.courses[base].rests(at) if base in self.courses else False
        commands = course.commands(self.cycle, 0.0 if resting else at)
        at_once = resting and at <= self.courses[base].duration
        return Answer(event, base, at, number, course, commands, detail, last, course.ends_at_goal, resting, at_once)

    def _outdate(self, stop: Answer, update: Update) -> None:
        """Notes that the path that a stop is on, or the goal that it is short of, is not what is asked for any more.

        What is asked of that course later is answered for what is there now; on along its path goes nothing that has not looked
        at it again.
        """
        course = stop.course
        assert course is not None
        part = course.part
        with contextlib.suppress(FastMoveError):
            part = replace(part, problem=update.applied(part.problem, course.begin))
        goal, arrives = update.goal or course.goal, course.arrives and update.goal is None
        self.courses[stop.number] = replace(course, part=part, goal=goal, arrives=arrives, stale=True)

    def _stop(
        self, base: int, course: Course, clock: Callable[[], float], late: float, update: Update, blocked: float
    ) -> Answer | None:
        """A held stop that is certified for what is there now: as late as planning takes, if it can be.

        First the one at `late` [s] is looked at, then the latest before it, then the soonest; left out are those that come to
        where something is known to be in the way, from the time `blocked` of the course on.
        """
        tried: set[float] = set()
        for at, change in self._candidates(base, course, clock, late, blocked):
            if change is None or at in tried or at < clock() + LEAD:
                continue
            tried.add(at)
            certified = still(course, change, at, clock(), update)
            if certified is not None and at > clock():
                return self._new(Event.HELD_STOP, base, at, course.changed(certified, at), f"{at:.3f} s into the motion")
        return None

    def _candidates(
        self, base: int, course: Course, clock: Callable[[], float], late: float, blocked: float
    ) -> Iterator[tuple[float, Change | None]]:
        """Yields the stops that `_stop` looks at, one after the other: which is the soonest depends on how long that takes."""
        known = [(at, change) for at, change in self.tables.get(base, []) if change is not None]
        if not known:
            yield self._tabled(course, base, clock() + LEAD + CERTIFYING)
            return
        place = course.pace(blocked).place if blocked < course.duration else float("inf")
        free = [(at, change) for at, change in known if at < blocked and (change.law is None or change.law.last < place)]
        yield from [row for row in free if row[0] >= late][:1]
        yield from [row for row in free if row[0] < late][-1:]
        soon = clock() + LEAD + CERTIFYING
        yield from [row for row in free if row[0] >= soon][:1]

    def _tabled(self, course: Course, base: int, least: float) -> tuple[float, Change | None]:
        """The first known stop from a time on [s], from the table or computed."""
        for at, change in self.tables.get(base, []):
            if at >= least and change is not None:
                return at, change
        if self.tables.get(base) or course.rests(least):
            return least, None
        return least, course.stop_at(least)

    def _slower(self, base: int, course: Course, clock: Callable[[], float], update: Update) -> Iterator[Answer]:
        """Answers for an item that is otherwise than believed: the next stop at once, then the same path as fast as it bears.

        The stop is begun whether or not it is certified with that item: the motion is not, and asks for more.  Whether it is, is
        said afterwards.
        """
        at, change = self._tabled(course, base, clock() + LEAD)
        if change is None:
            said = f"{update.what} changed; no stop from {at:.3f} s on is certified"
            yield Answer(Event.NO_STOP, base, at, detail=said)
            return
        stop = self._new(
            Event.UNSURE_STOP, base, at, course.changed(change, at), f"{at:.3f} s into the motion; {update.what} changed"
        )
        self._outdate(stop, update)
        yield replace(stop, last=False)
        certified = still(course, change, at, at, update)
        if certified is not None:
            stop = replace(stop, course=course.changed(certified, at))
            yield Answer(Event.CERTIFIED, base, at, detail="the stop, for what is there now", last=False)
        assert stop.course is not None
        yield from self._from_rest(stop.number, stop.course, clock, update)

    def _from_motion(self, course: Course, at: float, clock: Callable[[], float], update: Update) -> Course | None:
        """The course that leaves this one at a time for a new motion; None where none is found until then."""
        seconds = at - LEAD - clock()
        if seconds < LEAST_PLANNING or course.rests(at):
            return None
        part, since = course.part, at - course.begin
        if not way_is_free(course, clock(), at, update):
            return None
        try:
            believed = replace(part, problem=update.applied(part.problem, course.begin))
            goal = update.goal or (None if course.ends_at_goal else course.goal)
            problem, old = problem_ahead(believed, since, goal=goal), part.trajectory
        except FastMoveError:
            return None
        assert old is not None
        first = bent_towards(problem, old, since) if update.goal is not None else None
        work = lambda: warm_started(problem, old, since) or searched(problem, self.options)  # noqa: E731
        new = first or within(at - LEAD - clock(), work)
        return course.turned_to(new, at) if new is not None and new.ok else None

    def _from_rest(self, base: int, course: Course, clock: Callable[[], float], update: Update) -> Iterator[Answer]:
        """Answers with a motion from where a course comes to rest: on along its path, else a new one.

        Among obstacles that move it begins at a set time, until which it has to be found.
        """
        if course.paused:
            goal = update.goal or course.goal
            self.courses[base] = replace(course, goal=goal, arrives=course.arrives and update.goal is None, stale=True)
            yield Answer(Event.KEPT, base, detail="at rest, paused; `resume` plans for what is there now")
            return
        if update.goal is None and course.arrives and not course.ends_at_goal:
            path = path_now(course, update)
            for target in (1.0, *(SLOWER if update.of_item else ())) if path is not None else ():
                with contextlib.suppress(FastMoveError):
                    on = course.at_speed(course.duration, target, path)
                    if on is not None:
                        yield self._new(Event.SPEED, base, course.duration, on, f"to {target:.0%}, from rest")
                        return
        moving = (update.scene or course.problem.scene).moving
        at = max(course.duration, clock()) + DEPARTS if moving else course.duration
        problem = problem_at_rest(course, at, update)
        seconds = at - clock() - LEAD if moving else PATIENCE
        new = None if isinstance(problem, str) else within(seconds, lambda: searched(problem, self.options))
        if new is None or not new.ok:
            said = problem if isinstance(problem, str) else "no time was left" if new is None else new.detail or new.status.value
            yield Answer(Event.NOTHING_FOUND, base, course.duration, detail=said)
        else:
            yield self._new(Event.NEW_MOTION, base, at, course.turned_to(new, course.duration), "from rest")
