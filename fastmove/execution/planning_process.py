"""The planning process: a warm interpreter of its own that answers while the arm moves, so that the streaming loop never waits.

It is a fresh interpreter, not a copy of this one, so that nobody's script needs a guard around its main part, and talks over a
socket that nothing else has.  Between requests it computes the held stops of the course that is followed, one after the other.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

from fastmove.child_process import child_process
from fastmove.errors import DriverFailed
from fastmove.execution.answers import Answer, FlightPlanner
from fastmove.execution.events import Event, FlightEvent
from fastmove.execution.update import Update
from fastmove.planner.options import Options
from fastmove.solution.solution import Solution
from fastmove.trajectory.trajectory import Trajectory

START = 60.0  # longest time that the process may take to import and to warm up [s]
BAD = (Event.REFUSED, Event.NOTHING_FOUND, Event.NO_STOP, Event.PLANNER_LOST)  # answers that change nothing for the better
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Request:
    """One request to the planner of a run.

    Attributes:
        number: number of the request; −1 for the stops that are computed beforehand.
        base: number of the course that is followed.
        now: time of that course [s] at `stamp`.
        stamp: `time.perf_counter()`, which all processes of a machine share [s].
        realtime: whether that time goes on; in a simulation it stands still while the planner works.
        speed: speed along the path that is wanted; None = something else is.
        update: what has changed; None = nothing.
        solution: certified solution to turn to at `at`; None = none.
        at: time at which the answer begins [s]; nan = as soon as it can.
        deadline: time within which a new motion is to begin [s].
    """

    number: int
    base: int
    now: float
    stamp: float
    realtime: bool
    speed: float | None = None
    update: Update | None = None
    solution: Solution | None = None
    at: float = float("nan")
    deadline: float = 0.1

    @property
    def what(self) -> str:
        """What is asked for, in words."""
        if self.update is not None:
            return f"{self.update.what} changed; a new motion within {self.deadline:g} s"
        if self.speed is None:
            return f"another motion at {self.at:.3f} s"
        return "a held stop" if self.speed == 0 else f"{self.speed:.0%} of the speed"

    def clock(self) -> float:
        """Returns the present time of the course [s]."""
        return self.now + (time.perf_counter() - self.stamp if self.realtime else 0.0)


class Reply:
    """The reply to one request: its answers, as they come.

    Attributes:
        request: the request.
        answers: answers so far, in their order.
        tries: how often it was asked.
    """

    def __init__(self, request: Request) -> None:
        self.request, self.tries = request, 1
        self.answers: list[FlightEvent] = []
        self._done = threading.Event()

    @property
    def done(self) -> bool:
        """Whether no more answers follow."""
        return self._done.is_set()

    @property
    def ok(self) -> bool:
        """Whether the last answer is what was asked for, or that nothing need change; waits for it."""
        return self.wait().event not in BAD

    def wait(self, timeout: float | None = None) -> FlightEvent:
        """Waits for the last answer and returns it.

        Args:
            timeout: longest time to wait [s]; None = as long as it takes.

        Raises:
            TimeoutError: it did not come.
        """
        if not self._done.wait(timeout):
            raise TimeoutError(f"no last answer within {timeout} s")
        return self.answers[-1]

    def again(self) -> None:
        """Notes that it is asked for again: its last answer did not come in time."""
        self._done.clear()

    def add(self, answer: FlightEvent, last: bool) -> None:
        """Adds an answer."""
        self.answers.append(answer)
        if last:
            self._done.set()


def answers(planner: FlightPlanner, request: Request, takes: float) -> Iterator[Answer]:
    """Yields the answers to a request.

    Args:
        planner: planner of the run.
        request: the request.
        takes: time that an answer about the speed is believed to take [s].
    """
    if request.update is not None:
        yield from planner.answers(request.base, request.clock, request.update, request.deadline)
    elif request.solution is not None:
        yield planner.turn(request.base, request.at, request.solution)
    elif request.speed is not None:
        at = request.at if request.at == request.at else request.clock() + takes
        yield from planner.speed(request.base, at, request.speed)


class PlanningProcess:
    """A planning process, and the client of it; one serves any number of runs, one after the other (`Execution`).

    Raises:
        DriverFailed: the process does not start.
    """

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = child_process("fastmove.execution.planning_main", theirs, **ONE_THREAD)
        self.connection = Connection(ours.detach())
        self._run = 0  # number of the run that is served
        self._heard: Callable[[int, Answer], None] = lambda number, answer: None
        self._lost: Callable[[], None] = lambda: None
        self._tabled, self._courses_came = threading.Event(), threading.Event()
        self._courses: dict[int, Trajectory] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._receive, name="fastmove answers", daemon=True).start()

    def serve(
        self,
        solution: Solution,
        cycle: float,
        options: Options | None,
        heard: Callable[[int, Answer], None],
        lost: Callable[[], None],
    ) -> None:
        """Begins to serve a run; returns when the process is warm and knows the stops.

        Args:
            solution: certified solution that the run begins with.
            cycle: control cycle [s].
            options: options of the planner.
            heard: called, from a thread of its own, with the number of the request and each answer.
            lost: called when the process has ended by itself.

        Raises:
            DriverFailed: the process has ended, or does not get ready.
        """
        self._run += 1
        self._heard, self._lost = heard, lost
        self._tabled.clear()
        begun = self._run > 1  # before, the process has no handler yet, and a signal would end it
        if not self._send((self._run, solution, cycle, options), supersedes=begun):
            raise DriverFailed("the planning process has ended")
        if not self._tabled.wait(START) or self.process.poll() is not None:
            self.close()
            raise DriverFailed(f"the planning process did not get ready within {START:g} s")

    def leave(self) -> None:
        """Ends a run; what still comes of it is heard by nobody."""
        self._run += 1
        self._heard, self._lost = lambda number, answer: None, lambda: None

    def _send(self, what: object, supersedes: bool = True) -> bool:
        """Sends something, and ends what is being planned unless that goes on; returns whether it could be sent.

        The signal comes first, too: a process that plans does not read, and a large message would wait for it.
        """
        try:
            if supersedes:
                self.process.send_signal(signal.SIGUSR1)
            with self._lock:
                self.connection.send(what)
            if supersedes:
                self.process.send_signal(signal.SIGUSR1)
        except (OSError, ValueError):
            return False
        return True

    def ask(self, request: Request) -> bool:
        """Sends a request, and ends what is being planned for an earlier one; returns whether it could be sent."""
        return self._send(request)

    def courses(self, seconds: float = 5.0) -> dict[int, Trajectory]:
        """Returns all courses of the run by number; empty where the process does not answer within a time [s]."""
        self._courses_came.clear()
        known = self._send("courses", supersedes=False) and self._courses_came.wait(seconds)
        return self._courses if known else {}

    def close(self) -> None:
        """Ends the process."""
        self.leave()
        with contextlib.suppress(OSError):
            self.connection.close()
        for end in (self.process.terminate, self.process.kill):
            end()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(1.0)
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _receive(self) -> None:
        """Passes on what arrives until the connection ends."""
        try:
            while True:
                run, what = self.connection.recv()
                if run != self._run:
                    continue
                if what == "tabled":
                    self._tabled.set()
                elif isinstance(what, dict):
                    self._courses = what
                    self._courses_came.set()
                else:
                    self._heard(*what)
        except (EOFError, OSError, TypeError):  # TypeError: the connection was closed while it was read
            pass
        finally:
            self._tabled.set()
            self._lost()
