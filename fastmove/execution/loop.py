"""The streaming loop: one command a cycle, and nothing else that could make it wait or raise.

What is to be followed next is prepared elsewhere and handed over as a `Splice`; the loop takes it when its cycle comes.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from fastmove.arrays import Array
from fastmove.drivers.driver import Driver, Reading
from fastmove.drivers.readiness import SLIDER_OFF
from fastmove.drivers.signals import SignalPoint
from fastmove.execution.command_stream import CommandStream
from fastmove.execution.events import Event, FlightEvent
from fastmove.pacing import wait_until
from fastmove.problem.following import EXACTLY, Following

TRACKING_MAX = 0.02  # joint error beyond which the arm is stopped where the motion assumes that it follows exactly [rad]
RESOLVED = 1e-4  # joint error that is never too much, since encoders resolve no less [rad]
STALL = 0.25  # duration of the driver's calls in a cycle beyond which it counts as stalled [s]
SILENT_CYCLES = 5  # number of cycles with the same reading from which the driver counts as silent
LATE = 1e-3  # delay beyond which a cycle counts as late [s]
JUMP = 1e-3  # distance of a course's first command from what the course that it leaves would send then [rad]
SPIN = 3e-4  # time before a command is due for which the loop spins instead of sleeping [s]
STOPPING = (Event.HELD_STOP, Event.UNSURE_STOP)  # what is taken where the run has to end
PLAYED = 1.0  # time beyond the driver's lead until the last command has to have had its turn [s]
STOPS = 3  # number of attempts to stop the arm while interrupts keep coming
WATCHED, MANY_LATE = 100, 5  # of so many cycles, so many late ones are said at once
SAID_AGAIN = 1000  # number of cycles after which that is said again
SWITCH = 1e-4  # time after which another thread of the interpreter gives way while the loop runs [s]


@dataclass(frozen=True)
class Splice:
    """What is to be followed from a cycle of a course on.

    Attributes:
        base: number of the course that is left.
        first: cycle of that course with which its commands begin; −1 = as soon as the arm rests.
        number: number of the course that begins.
        tail: commands from then on.
        event: what it is.
        detail: in words.
        request: number of the request that it answers.
        ends_at_goal: whether the run is over when it is.
        rests: whether it begins from the rest at the end of the base.
    """

    base: int
    first: int
    number: int
    tail: CommandStream
    event: Event
    detail: str = ""
    request: int = -1
    ends_at_goal: bool = True
    rests: bool = False


class Loop:
    """The streaming loop of one run.

    Args:
        driver: connected driver.
        stream: commands of the first course, number 0.
        realtime: pace the loop by the wall clock; otherwise it runs as fast as the driver answers.
        following: how closely the motion assumes that the arm follows; one that follows exactly is stopped beyond `TRACKING_MAX`.
        points: points of the motion at which outputs are switched or inputs looked at.

    Attributes:
        stream: commands of the present course.
        number: its number.
        cycle: index of the next command in it; at its length or beyond, the arm rests.
        waits: whether the loop keeps the arm at rest, and itself running, where a course ends short of its goal.
        pending: whether requests are being answered, for which it waits on anyway.
        goal_asked: whether another goal was asked for and not answered yet: then it is not over where the old one is.
        ending: whether the run is over as soon as the arm rests and nothing is pending.
        halted: why the driver has to stop the arm at once; empty if it has not.
        events: what has happened.
        log: for every cycle: time [s], number of the course, cycle, joints read [rad], whether the hand gripped.
        streams: commands of every course that was followed, by number.
        late: number of late cycles.
        missed: called, from the loop, with a splice whose cycle was over when it came.
        held_stop: called, from the loop, where the run has to end and the driver still follows: begins a known held stop, and
            returns whether there is one.
    """

    def __init__(
        self,
        driver: Driver,
        stream: CommandStream,
        realtime: bool,
        following: Following = EXACTLY,
        points: tuple[SignalPoint, ...] = (),
    ) -> None:
        self.driver, self.stream, self.realtime = driver, stream, realtime
        self.number, self.cycle, self.ends_at_goal = 0, 0, True
        self.waits = self.ending = self.goal_asked = False
        self.pending: Callable[[], bool] = lambda: False
        self.halted = ""
        self.events: list[FlightEvent] = []
        self.log: list[tuple[float, int, int, Array, bool]] = []
        self.streams = {0: stream}
        self.late, self.worst, self.sent = 0, 0.0, 0
        self.missed: Callable[[Splice], None] = lambda splice: None
        self.held_stop: Callable[[], bool] = lambda: False
        self._points, self._why = list(points), Event.STOPPED
        self._splices: dict[int, Splice] = {}
        n, behind = stream.q.shape[1], 0.0 if following.exact else following.delay
        self._allowed = np.full(n, TRACKING_MAX) if following.exact else np.maximum(following.errors(n), RESOLVED)
        # hardware may report the state before its last command
        self._behind = 1 + int(np.ceil((behind + driver.lead) / driver.cycle - 1e-9))
        self._begin, self._rested, self._due = time.perf_counter(), -1, 0.0
        self._lates: list[int] = []
        self._said = -1

    @property
    def now(self) -> float:
        """Time of the next command in the present course [s]."""
        return self.cycle * self.driver.cycle

    @property
    def resting(self) -> bool:
        """Whether all commands of the present course are sent."""
        return self.cycle >= len(self.stream)

    @property
    def since_start(self) -> float:
        """Time since streaming began [s]: of the clock in real time, else of the commands sent."""
        return time.perf_counter() - self._begin if self.realtime else self.sent * self.driver.cycle

    def say(self, event: Event, detail: str = "", request: int = -1) -> None:
        """Notes an event."""
        self.events.append(FlightEvent(self.since_start, event, detail, request))

    def take(self, splice: Splice) -> None:
        """Takes what is to be followed; a later one that leaves the same course replaces an earlier one.

        Where the run has to end, only stops are taken.
        """
        if self.leaving and splice.event not in STOPPING:
            self.say(Event.REFUSED, f"{splice.event.value}: {self._why.value}", splice.request)
            return
        self._splices[splice.base] = splice

    def forget(self, *events: Event) -> None:
        """Forgets what was to be followed and has not begun, of these events."""
        if not self.leaving:
            self._splices = {base: splice for base, splice in self._splices.items() if splice.event not in events}

    def _switch(self) -> None:
        """Begins what is to be followed, when its cycle has come."""
        for base in [base for base in self._splices if base != self.number and base in self.streams]:
            self._miss(self._splices.pop(base))  # what it leaves has been left already
        splice = self._splices.get(self.number)
        if splice is None or splice.first > self.cycle or (splice.rests and not self.resting):
            return
        self._splices.pop(self.number, None)
        if 0 <= splice.first < self.cycle or (self.resting and not splice.rests):
            self._miss(splice)
            return
        row = self.cycle if not splice.rests else -1
        before = self.stream.q[min(row, len(self.stream) - 1)]
        if not float(np.abs(splice.tail.q[0] - before).max()) <= JUMP:
            self.say(Event.REFUSED, f"{splice.event.value}: its first command is elsewhere", splice.request)
            return
        if splice.rests:
            self.stream, self.cycle = splice.tail, 0
        else:
            self.stream = self.stream.joined(splice.first, splice.tail)
        self.number, self.ends_at_goal = splice.number, splice.ends_at_goal
        self.streams[self.number] = self.stream
        self.say(splice.event, splice.detail, splice.request)

    def _miss(self, splice: Splice) -> None:
        """Says that an answer came too late to join."""
        self.say(Event.TOO_LATE, splice.detail, splice.request)
        self.missed(splice)

    def run(self, cycles: int | None = None) -> tuple[Event, str, float]:
        """Streams to the end, or for some cycles; never raises.

        Args:
            cycles: number of cycles to stream; default all that are left.

        Returns:
            How it ended, when and why, and the median time that a cycle takes before its command is sent [µs].
        """
        costs: list[float] = []
        if not self.sent:
            self._begin = time.perf_counter()
            if self.waits:
                self.say(Event.STARTED)
        self._due = time.perf_counter()
        try:
            with _undisturbed():
                event, detail = self._run(cycles, costs)
        except KeyboardInterrupt:  # raised between two statements of the loop, not inside a call of the driver
            event, detail = Event.INTERRUPTED, f"at {self.now:.3f} s"
        except Exception as error:  # a fault of this program: the arm is stopped all the same
            event, detail = Event.LOOP_FAILED, f"{type(error).__name__}: {error}"
        if event not in (Event.DONE, Event.STOPPED) and not (event is self._why and self.ending):  # else it rests, holding
            self.stop_driver()
        return event, detail, float(np.median(costs)) * 1e6 if costs else 0.0

    def _run(self, cycles: int | None, costs: list[float]) -> tuple[Event, str]:
        """Streams as `run` does; raises KeyboardInterrupt where one comes outside the calls of the driver."""
        silent, last, until = 0, -1, None if cycles is None else self.sent + cycles
        while self.sent != until:
            self._switch()
            if self.halted:
                return Event.NO_STOP, self.halted
            if self.resting and self._over():
                return self._played(self._ended())
            row = min(self.cycle, len(self.stream) - 1)
            try:
                if self.realtime:
                    self._wait()
                started = time.perf_counter()
                reading = self.driver.read()
                apart = np.abs(reading.q - self.stream.q[max(row - self._behind, 0) : row + 1])
                off, beyond = float(apart.max(axis=1).min()), float((apart / self._allowed).max(axis=1).min())
                cycles_now, gripping = int(reading.cycles), reading.gripping is None or bool(reading.gripping)
                command = self.stream.command(row)
                wrong = self._wrong(reading, command.q)
                before = time.perf_counter()
                self.driver.send(command)
                after = time.perf_counter()
            except KeyboardInterrupt:
                return Event.INTERRUPTED, f"at {self.now:.3f} s"
            except Exception as error:
                return Event.DRIVER_RAISED, f"{type(error).__name__}: {error}"
            self.log.append((started - self._begin, self.number, row, reading.q, gripping))
            self.cycle += 1
            self.sent += 1
            self.worst = max(self.worst, off)
            silent = silent + 1 if cycles_now == last else 0
            last = cycles_now
            costs.append(before - started)
            event = _trouble(after - started, silent, beyond, gripping)
            if event is not Event.DONE:
                return event, f"at {self.now:.3f} s, joint error {off * 1e3:.1f} mrad"
            if wrong is not None and not self.leaving:
                self._why, detail = wrong
                if not self.held_stop():
                    return self._why, detail
                self.say(self._why, detail)
                self.ending = True
        return Event.DONE, ""

    def _ended(self) -> Event:
        """How a run has ended whose commands are all sent; points that were not passed are said."""
        for point in self._points:
            self.say(Event.NOT_PASSED, point.signal.words)
        return self._why if self.leaving or (self.ending and not self.ends_at_goal) else Event.DONE

    @property
    def leaving(self) -> bool:
        """Whether the run has to end: only a stop is taken from then on."""
        return self._why is not Event.STOPPED

    def _played(self, event: Event) -> tuple[Event, str]:
        """Watches the hardware until what was sent has had its turn; returns how the run ended."""
        until = time.perf_counter() + self.driver.lead + PLAYED
        try:
            while not self.driver.played():
                reading = self.driver.read()
                if reading.gripping is not None and not reading.gripping:
                    return Event.GRIP_LOST, "in the last commands"
                if time.perf_counter() > until:
                    return Event.DRIVER_STALLED, "the last commands have not had their turn"
                time.sleep(self.driver.cycle)
        except Exception as error:
            return Event.DRIVER_RAISED, f"{type(error).__name__}: {error}"
        return event, ""

    def _wrong(self, reading: Reading, q: Array) -> tuple[Event, str] | None:
        """Switches the outputs whose points a commanded configuration (n,) passes; returns what asks for a held stop."""
        wrong = None
        if reading.scale is not None and abs(reading.scale - 1) > SLIDER_OFF:
            wrong = Event.SLIDER_MOVED, f"to {reading.scale:.0%} at {self.now:.3f} s"
        for point in [point for point in self._points if point.passed(q)]:
            self._points.remove(point)
            signal = point.signal
            if signal.output is not None:
                self.driver.output(signal.output, signal.on)
                self.say(Event.SIGNAL, signal.words)
            elif signal.input is not None and bool(self.driver.input(signal.input)) != signal.on:
                wrong = Event.INPUT_MISSING, signal.words
        return wrong

    def _over(self) -> bool:
        """Whether the run is over, the arm being at rest; where it waits on, that is said once."""
        busy = self.pending() or self.number in self._splices
        if not self.waits or (self.ends_at_goal and not self.goal_asked) or (self.ending and not busy):
            return True
        if self._rested != self.number:
            self._rested = self.number
            self.say(Event.RESTING)
        return False

    def _wait(self) -> None:
        """Waits until the next cycle is due; a late one is not caught up with, since nobody follows a burst of commands."""
        behind = wait_until(self._due, SPIN)
        if behind > LATE:
            self._lateness()
            self._due += behind
        self._due += self.driver.cycle
        until = time.perf_counter() + STALL
        while not self.driver.takes_more() and time.perf_counter() < until:  # a clock of the hardware's own is what counts
            time.sleep(self.driver.cycle / 4)
        self._due = max(self._due, time.perf_counter())

    def _lateness(self) -> None:
        """Counts a late cycle; says so where there are many, once in `SAID_AGAIN` cycles."""
        self.late += 1
        self._lates = [*self._lates[-MANY_LATE + 1 :], self.sent]
        many = len(self._lates) == MANY_LATE and self.sent - self._lates[0] < WATCHED
        if many and (self._said < 0 or self.sent - self._said > SAID_AGAIN):
            self._said = self.sent
            self.say(Event.CYCLES_LATE, f"{self.late} of {self.sent + 1} cycles so far were more than 1 ms late")

    def stop_driver(self) -> None:
        """Stops the driver, whatever it raises."""
        for _ in range(STOPS):
            try:
                self.driver.stop()
            except KeyboardInterrupt:  # after a further interrupt, stopping the arm still comes first
                continue
            except Exception:  # nothing more can be done here with a driver that cannot stop
                return
            return


def _trouble(took: float, silent: int, beyond: float, gripping: bool) -> Event:
    """Returns what is wrong after a cycle, or `Event.DONE` if nothing is.

    Args:
        took: duration of the driver's calls [s].
        silent: number of cycles with the same reading.
        beyond: joint error over the largest that is allowed [1].
        gripping: whether the hand reports its grip.
    """
    if took > STALL:
        return Event.DRIVER_STALLED
    if silent >= SILENT_CYCLES:
        return Event.DRIVER_SILENT
    if not beyond <= 1:
        return Event.NOT_FOLLOWING
    return Event.DONE if gripping else Event.GRIP_LOST


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keeps the interpreter from stopping the loop.

    A full garbage collection after planning takes tens of milliseconds, and another thread that computes gives way only after the
    interpreter's switch interval, 5 ms unless it is told otherwise.
    """
    collects, interval = gc.isenabled(), sys.getswitchinterval()
    gc.disable()
    sys.setswitchinterval(SWITCH)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        if collects:
            gc.enable()
