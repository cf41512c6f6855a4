"""Streaming a certified motion to a driver, and changing it in flight; it meets planning and drivers in this room.

Commands are sampled from the spline at the driver's own control cycle (never blended), with the feed-forward torque of the
dynamics.  The loop never raises: when a driver raises, stalls or goes silent, the arm does not follow, or the grip is lost, the
run ends in `driver.stop()` and a named event; the item stays held.

A run is streamed by `run`, in the caller's thread and with everything else between its calls (simulations), or by `start`, in a
thread of its own beside a planning process, with everything else at any time.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

import pinocchio as pin

from fastmove.arrays import Array
from fastmove.drivers.driver import Driver
from fastmove.drivers.readiness import not_ready, unsaid
from fastmove.drivers.signals import Signal, SignalPoint
from fastmove.errors import InputError
from fastmove.execution.answers import Answer, FlightPlanner
from fastmove.execution.command_stream import CommandStream, first_cycle
from fastmove.execution.events import Event, FlightEvent, RunReport
from fastmove.execution.flight_log import FlightLog
from fastmove.execution.loop import Loop, Splice
from fastmove.execution.planning_process import PlanningProcess, Reply, Request, answers
from fastmove.execution.update import Update
from fastmove.planner.options import Options
from fastmove.problem.following import uncovered
from fastmove.problem.goal import Goal, State
from fastmove.problem.scene import Scene
from fastmove.solution.solution import Solution
from fastmove.trajectory.trajectory import Trajectory

LOOK_AHEAD = 2  # least number of cycles between the next command and a splice
UNANSWERED = 0.15  # time after a deadline at which a known stop begins where no answer has come [s]
TRIES = 3  # number of times that a request is asked for whose answers come too late
OLDEST = 0.5  # default of the oldest scene that is planned with [s]


class Execution:
    """The execution of a certified solution on a driver; use it as a context manager to change the motion in flight.

    Args:
        driver: connected driver that the commands go to.
        solution: certified solution.
        realtime: pace the loop by the wall clock; otherwise it runs as fast as the driver answers (simulations).  None = as the
            driver needs it; `start` always does.
        options: options of planning in flight; None = the reserve of the solution, and the defaults else.
        process: planning process that serves this run, and others after it; None = one of its own.
        signals: digital outputs that are switched, and inputs that are looked at, at points of the motion.

    Raises:
        InputError: the solution is not certified for every kind of limit, or was planned without regard to the hold.
    """

    def __init__(
        self,
        driver: Driver,
        solution: Solution,
        realtime: bool | None = None,
        options: Options | None = None,
        process: PlanningProcess | None = None,
        signals: Sequence[Signal] = (),
    ) -> None:
        _certified(solution)
        self.driver, self.problem, self.solution, self.options = driver, solution.problem, solution, options
        self.planner = FlightPlanner(solution, driver.cycle, options)
        commands = self.planner.courses[0].commands(driver.cycle)
        self._signals = tuple(signals)
        points = tuple(SignalPoint(signal, _certified(solution), driver.cycle) for signal in signals)
        paced = driver.realtime if realtime is None else realtime
        self.loop = Loop(driver, commands, paced, self.problem.following, points)
        self.loop.missed, self.loop.held_stop = self._missed, self._next_stop
        self.loop.pending = lambda: any(not reply.done for reply in list(self._replies.values()))
        self._replies: dict[int, Reply] = {}
        self._numbers, self._lock = itertools.count(), threading.RLock()
        self._item_pose = self.problem.holds[0].grasp.tool_T_item if self.problem.holds else None
        self._stops: dict[int, list[Splice]] = {}
        self._last_resort: dict[int, list[Splice]] = {}  # stops certified for what was believed before
        self._process, self._own, self._served = process, process is None, False
        self._thread: threading.Thread | None = None
        self._ended: RunReport | None = None
        self._kept_courses: dict[int, Trajectory] = {}

    # -- the run --------------------------------------------------------------------------------------------------

    @property
    def stream(self) -> CommandStream:
        """Commands of the present course."""
        return self.loop.stream

    @property
    def cycle(self) -> int:
        """Index of the next command in it."""
        return self.loop.cycle

    @property
    def now(self) -> float:
        """Time of the next command in the present course [s]."""
        return self.loop.now

    @property
    def events(self) -> tuple[FlightEvent, ...]:
        """What has happened so far."""
        return tuple(self.loop.events)

    @property
    def report(self) -> RunReport | None:
        """Report of the run, or of the last call of `run`; None while what `start` began runs."""
        return self._ended

    def run(self, cycles: int | None = None) -> RunReport:
        """Streams to the end of the motion, or for some cycles; never raises, the report says what happened.

        Args:
            cycles: number of cycles to stream; default all that are left.
        """
        first, events = self.loop.sent, len(self.loop.events)
        event, detail, cost = Event.NOT_READY, self._checked() if first == 0 else "", 0.0
        if not detail:
            event, detail, cost = self.loop.run(cycles)
        happened = tuple(self.loop.events[events:])
        self._ended = RunReport(event, detail, self.loop.sent - first, self.loop.late, self.loop.worst, cost, happened)
        return self._ended

    def start(self) -> None:
        """Begins to stream in a thread of its own, at the driver's cycle by the wall clock, and returns at once.

        The planning process is started first, unless that is done (`with`).

        Raises:
            InputError: the run has begun.
            DriverFailed: the planning process does not start.
        """
        if self._thread is not None or self.loop.sent or self._replies:
            raise InputError("execution", "has begun; one execution is one run, and what is asked for is asked after `start`")
        self._prepare()
        self.loop.realtime = self.loop.waits = True
        self._thread = threading.Thread(target=self.run, name="fastmove streaming", daemon=True)
        self._thread.start()

    def wait(self, timeout: float | None = None) -> RunReport:
        """Waits until the run is over, which it then also is where the arm rests and nothing is being planned.

        Args:
            timeout: longest time to wait [s]; None = as long as it takes.

        Raises:
            InputError: `start` was not called.
            TimeoutError: the run goes on.
        """
        if self._thread is None:
            raise InputError("execution", "was not started; `run` streams in this thread")
        self.loop.ending = True
        self._thread.join(timeout)
        if self._ended is None:
            self.loop.ending = False
            raise TimeoutError(f"the run goes on after {timeout} s")
        return self._ended

    def wait_for_rest(self, timeout: float | None = None) -> None:
        """Waits until the arm rests, or the run is over.

        Args:
            timeout: longest time to wait [s]; None = as long as it takes.

        Raises:
            TimeoutError: it still moves.
        """
        until = float("inf") if timeout is None else time.perf_counter() + timeout
        while not self.loop.resting and self._ended is None:
            if time.perf_counter() > until:
                raise TimeoutError(f"the arm still moves after {timeout} s")
            time.sleep(self.driver.cycle)

    def __enter__(self) -> Self:
        self._prepare()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._thread is not None and self._ended is None:
            if kind is not None:
                self.stop()
            with contextlib.suppress(TimeoutError):
                self.wait()
        if self._process is not None and self._served:
            self._kept_courses = self.courses()
            if self._own:
                self._process.close()
            else:
                self._process.leave()
            self._process = None

    def _prepare(self) -> None:
        """Starts the planning process, and waits until it is warm and knows the stops."""
        if not self._served:
            self._process = self._process or PlanningProcess()
            self._process.serve(self.solution, self.driver.cycle, self.options, self._heard, self._lost)
            self._served = True

    def _checked(self) -> str:
        """See `_start_checks`; what the driver raises is why nothing may be sent."""
        try:
            return self._start_checks()
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    def _start_checks(self) -> str:
        """Why nothing may be sent; empty if nothing is known to be wrong.  What the motion's clearances do not cover is said."""
        planned, actual = self.problem.following, self.driver.following
        said = uncovered(planned, actual, self.problem.scene.moving)
        if said and actual is not None and not planned.exact:
            return said
        if said:
            self.loop.events.append(FlightEvent(0.0, Event.NOT_COVERED, said))
        for signal in self._signals:
            numbers = self.driver.outputs if signal.input is None else self.driver.inputs
            if (signal.output if signal.input is None else signal.input) not in numbers:
                return f"the hardware has no {signal.words.split(' at ')[0].rsplit(' ', 1)[0]}; leave the signal out"
        refused = not_ready(self.driver, self.problem, self.stream.q[0])
        if not refused and (said := unsaid(self.driver, self.problem)):
            self.loop.events.append(FlightEvent(0.0, Event.NOT_CHECKED, said))
        return refused

    def log(self) -> FlightLog:
        """Returns the log of the run so far: every command and reading, events, and the motions that were followed."""
        loop, cycle, ended = self.loop, self.driver.cycle, None if self._ended is None else self._ended.event
        return FlightLog.of(self.problem, cycle, list(loop.log), dict(loop.streams), self.events, self.courses(), ended)

    # -- requests -------------------------------------------------------------------------------------------------

    def speed(self, target: float) -> Reply:
        """Asks for another speed along the path: 1 is the motion's own, 0 a held stop, from which any speed above 0 goes on.

        The change is certified, and begins as soon as the limits leave room: a motion at its limits can at first only go on.

        Args:
            target: speed along the path, 0 to 1.

        Raises:
            InputError: the target is outside 0 to 1.
        """
        if not 0 <= target <= 1:
            raise InputError("speed", f"is {target}; allowed: 0 (a held stop) to 1 (the motion's own)")
        return self._ask(speed=float(target))

    def pause(self) -> Reply:
        """Asks for a held stop on the path; see `speed`."""
        return self.speed(0.0)

    def resume(self, target: float = 1.0) -> Reply:
        """Asks to go on along the path at a speed; see `speed`."""
        return self.speed(target)

    def stop(self) -> Reply:
        """Asks for a held stop, with which the run ends."""
        self.loop.ending = True
        return self.speed(0.0)

    def replan(
        self,
        *,
        scene: Scene | None = None,
        goal: Goal | None = None,
        mass: float | None = None,
        com: Array | None = None,
        item_shift: pin.SE3 | None = None,
        friction: float | None = None,
        grip_ratio: float | None = None,
        deadline: float = 0.1,
        seen: float | None = None,
        oldest: float = OLDEST,
    ) -> Reply:
        """Says what is otherwise than believed: the motion goes on while it is right, else a new motion or a held stop begins.

        A new motion is joined in motion within the deadline; where none is found by then the arm stops, holding, and the new
        motion is planned from there.

        Args:
            scene: the scene as it is now, in which obstacles move by a clock that begins when it was seen.
            goal: where the motion may end now.
            mass: measured mass of the first held item [kg].
            com: (3,) its measured centre of mass in the item frame [m].
            item_shift: pose of the item in the hand now, in its own frame as it was.
            friction: Coulomb coefficient between pads and item as it is now.
            grip_ratio: share of the commanded grip force that is there.
            deadline: time within which a new motion is to begin [s].
            seen: when that was seen, by `time.perf_counter()` [s]; None = now.
            oldest: age beyond which it is refused [s].

        Raises:
            InputError: nothing is said, or it is too old.
        """
        age = 0.0 if seen is None else time.perf_counter() - seen
        if not 0 <= age <= oldest:
            raise InputError("seen", f"was {age:.3g} s ago; allowed: {oldest:g} s; look again, or allow more (oldest)")
        if scene is not None and scene.moving and not self.problem.following.exact:
            said = uncovered(self.problem.following, self.driver.following, True)
            if said and self.driver.following is not None:
                raise InputError("scene", f"has obstacles that move: {said}")
        pose = None
        if item_shift is not None:
            if self._item_pose is None:
                raise InputError("item_shift", "is of what is held, but nothing is held; leave it out")
            pose = self._item_pose = self._item_pose * item_shift
        update = Update(scene, goal, mass, com, pose, friction, grip_ratio, self.now - age)
        if not update.what:
            raise InputError(
                "replan", "says nothing that has changed; say scene, goal, mass, com, item_shift, friction or grip_ratio"
            )
        self.loop.goal_asked |= goal is not None
        return self._ask(update=update, deadline=deadline)

    def splice(self, at: float, solution: Solution) -> Reply:
        """Follows the present course until a given time and then another solution's motion, joined in q, v and a.

        Args:
            at: time in the present course, at least two cycles ahead [s].
            solution: certified solution whose motion begins there.

        Raises:
            InputError: the solution may not be streamed (see `Execution`), the time is too near, or (before `start`) motions do
                not join within 1e-9.
        """
        _certified(solution)
        if at < self.now + LOOK_AHEAD * self.driver.cycle:
            raise InputError(
                "at", f"is {at:.4f} s; the next command not yet sent is at {self.now:.4f} s, two cycles ahead allowed"
            )
        return self._ask(solution=solution, at=at)

    def state_at(self, at: float) -> State:
        """Returns the state that the arm will have, which is the start of a motion to splice in at that time.

        Args:
            at: time in the present course [s], before `start`.
        """
        return self.planner.courses[self.loop.number].state(at)

    @property
    def trajectory(self) -> Trajectory:
        """The motion of the present course, from its first command on."""
        return self.courses()[self.loop.number]

    def courses(self) -> dict[int, Trajectory]:
        """Returns the motion of every course so far, by its number; only the first where the planning process was lost."""
        known = {number: course.trajectory for number, course in self.planner.courses.items()} | self._kept_courses
        return known | (self._process.courses() if self._process is not None and self._served else {})

    def _ask(self, **what: object) -> Reply:
        """Asks the planner, here or in its process."""
        loop, started = self.loop, self._thread is not None
        if not started and "speed" in what:
            what = {**what, "at": self.now + LOOK_AHEAD * self.driver.cycle}
        if self._served and not started:
            raise InputError("execution", "has not begun; ask after `start`")
        with self._lock:
            request = Request(next(self._numbers), loop.number, self.now, time.perf_counter(), started, **what)  # type: ignore[arg-type]
            reply = self._replies[request.number] = Reply(request)
        loop.say(Event.ASKED, request.what, request.number)
        loop.forget(Event.NEW_MOTION, Event.SPEED, *((Event.HELD_STOP,) if request.speed else ()))  # superseded
        if self._ended is not None and started:
            self._heard(request.number, Answer(Event.REFUSED, request.base, detail="the run is over"))
        elif not started:
            for answer in answers(self.planner, request, 0.0):
                self._heard(request.number, answer)
        elif not (request.speed == 0 and self._stop_known(request.number)):
            if request.update is not None and request.update.changed:
                self._arm(request)
            self._send(reply, request)
        return reply

    def _arm(self, request: Request) -> None:
        """Takes a known stop for the case that no answer comes in time; whatever comes replaces it.

        It is one of what was believed before, like all that are known here; they are not used for anything else from now on.
        """
        known = self._stops.pop(request.base, [])
        late = self.loop.cycle + int((request.deadline + UNANSWERED) / self.driver.cycle)
        splice = next((s for s in known if s.first >= late), None)
        self._last_resort[request.base] = known
        if splice is not None and not self.loop.resting:
            detail = f"{splice.detail}; the planner did not answer"
            self.loop.take(replace(splice, event=Event.UNSURE_STOP, detail=detail, request=request.number))

    def _send(self, reply: Reply, request: Request) -> None:
        """Sends a request to the planning process; without one, a known stop is all that there is."""
        if self._process is None or not self._process.ask(request):
            if request.update is not None and self._stop_known(request.number, resort=True):
                return
            self._heard(request.number, Answer(Event.PLANNER_LOST, request.base))

    def _stop_known(self, number: int, resort: bool = False) -> bool:
        """Begins the next stop of the present course that is known, for a request; returns whether there is one.

        Args:
            number: number of the request.
            resort: whether one that was certified for what was believed before will do, since nothing else answers.
        """
        splice = self._known(resort)
        if splice is None:
            return False
        self.loop.take(replace(splice, request=number))
        self._answered(number, FlightEvent(self.loop.since_start, splice.event, splice.detail, number), last=True)
        return True

    def _known(self, resort: bool) -> Splice | None:
        """The next stop of the present course that is known; see `_stop_known`."""
        ahead = self.loop.cycle + LOOK_AHEAD
        stops = self._stops.get(self.loop.number) or (self._last_resort.get(self.loop.number, []) if resort else [])
        return None if self.loop.resting else next((s for s in stops if s.first >= ahead), None)

    def _next_stop(self) -> bool:
        """Begins the next stop that is known, since the run has to end; returns whether it ends in one, or at its goal sooner."""
        splice = self._known(resort=True)
        if splice is not None:
            self.loop.take(splice)
        # where stops are known but none is ahead, the motion ends sooner than it could stop
        return splice is not None or bool(self._stops.get(self.loop.number))

    def _answered(self, number: int, event: FlightEvent, last: bool) -> None:
        """Notes an answer to a request."""
        reply = self._replies[number]
        if last and reply.request.update is not None and reply.request.update.goal is not None:
            self.loop.goal_asked = False
            if event.event in (Event.NOTHING_FOUND, Event.PLANNER_LOST):
                self.loop.ends_at_goal = False
        reply.add(event, last)

    def _heard(self, number: int, answer: Answer) -> None:
        """Takes an answer of the planner."""
        splice = self._splice_of(number, answer)
        if number < 0:
            assert splice is not None
            self._stops.setdefault(answer.base, []).append(splice)
            return
        event = FlightEvent(self.loop.since_start, answer.event, answer.detail, number)
        if splice is not None:
            self.loop.take(splice)
        else:
            self.loop.events.append(event)
        if answer.event is Event.REFUSED:
            self.loop.forget(Event.UNSURE_STOP)  # what was armed for the case that no answer comes
        if answer.event is Event.NO_STOP:
            self.loop.halted = answer.detail
        self._answered(number, event, answer.last)

    def _splice_of(self, number: int, answer: Answer) -> Splice | None:
        """What the loop is to follow after an answer; None if nothing else than before."""
        if answer.commands is None:
            return None
        first = -1 if answer.at_once else first_cycle(answer.at, self.driver.cycle)
        splice = Splice(answer.base, first, answer.number, answer.commands, answer.event, answer.detail, number)
        return replace(splice, ends_at_goal=answer.ends_at_goal, rests=answer.rests)

    def _missed(self, splice: Splice) -> None:
        """Asks again for what came too late."""
        reply = self._replies.get(splice.request)
        if reply is None:
            return
        if reply.tries >= TRIES or self._process is None or reply.request.solution is not None:
            self.loop.say(Event.NOTHING_FOUND, f"no answer came in time, {reply.tries} times asked", splice.request)
            if reply.request.update is not None:
                self._stop_known(splice.request, resort=True)
            return
        reply.tries += 1
        reply.again()
        again = replace(reply.request, base=self.loop.number, now=self.now, stamp=time.perf_counter(), at=float("nan"))
        if not (again.speed == 0 and self._stop_known(again.number)):
            threading.Thread(target=self._send, args=(reply, again), daemon=True).start()

    def _lost(self) -> None:
        """Notes that the planning process has ended by itself; what it owed is answered by that."""
        self.loop.say(Event.PLANNER_LOST)
        for number, reply in list(self._replies.items()):
            if not reply.done and not (reply.request.update is not None and self._stop_known(number, resort=True)):
                self._heard(number, Answer(Event.PLANNER_LOST, self.loop.number))


def _certified(solution: Solution) -> Trajectory:
    """Returns the trajectory of a solution that may be streamed; raises InputError for one that may not."""
    if not solution.ok or solution.trajectory is None or solution.certificate is None:
        raise InputError("solution", "is not certified; only certified motions are streamed")
    missing = [kind.name for kind in solution.problem.limit_kinds if kind.name not in solution.certificate.kinds]
    if missing:
        raise InputError("solution", f"has a certificate without {', '.join(missing)}; every kind is needed to stream it")
    if solution.problem.goal.moves:
        raise InputError("solution", "ends in motion, with a goal that moves on; an execution ends at rest (see plan_cycle)")
    if solution.problem.holds and not solution.problem.hold_active:
        raise InputError("solution", "was planned without regard to the hold; only motions that hold the item are streamed")
    return solution.trajectory
