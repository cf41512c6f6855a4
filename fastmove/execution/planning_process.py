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

from fastmove.child_process import child_process
from fastmove.errors import DriverFailed
from fastmove.execution.answers import Answer, FlightPlanner
from fastmove.execution.update import Update
from fastmove.planner.options import Options
from fastmove.solution.solution import Solution
from fastmove.trajectory.trajectory import Trajectory

START = 60.0  # longest time that the process may take to import and to warm up [s]
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

    def clock(self) -> float:
        """Returns the present time of the course [s]."""
        return self.now + (time.perf_counter() - self.stamp if self.realtime else 0.0)


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
    """The client of the planning process.

    Args:
        solution: certified solution that the run begins with.
        cycle: control cycle [s].
        options: options of the planner.
        heard: called, from a thread of its own, with the number of the request and each answer.
        lost: called when the process has ended by itself.

    Raises:
        DriverFailed: the process does not start.
    """

    def __init__(
        self,
        solution: Solution,
        cycle: float,
        options: Options | None,
        heard: Callable[[int, Answer], None],
        lost: Callable[[], None],
    ) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = child_process("fastmove.execution.planning_main", theirs, **ONE_THREAD)
        self.connection = Connection(ours.detach())
        self.heard, self.lost = heard, lost
        self.tabled = threading.Event()  # set when the stops of the first course are known
        self._lock = threading.Lock()
        self._courses: dict[int, Trajectory] | None = None
        self._courses_came = threading.Event()
        self.connection.send((solution, cycle, options))
        self._thread = threading.Thread(target=self._receive, name="fastmove answers", daemon=True)
        self._thread.start()
        if not self.tabled.wait(START):
            self.close()
            raise DriverFailed(f"the planning process did not get ready within {START:g} s")

    def ask(self, request: Request) -> bool:
        """Sends a request, and ends what is being planned for an earlier one; returns whether it could be sent."""
        try:
            with self._lock:
                self.connection.send(request)
            self.process.send_signal(signal.SIGUSR1)
        except OSError:
            return False
        return True

    def courses(self, seconds: float = 5.0) -> dict[int, Trajectory]:
        """Returns all courses by number; empty where the process does not answer within a time [s]."""
        try:
            with self._lock:
                self.connection.send("courses")
        except OSError:
            return {}
        self._courses_came.wait(seconds)
        return self._courses or {}

    def close(self) -> None:
        """Ends the process."""
        self.lost = lambda: None
        with contextlib.suppress(OSError):
            self.connection.close()
        self.process.terminate()
        try:
            self.process.wait(1.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _receive(self) -> None:
        """Passes on what arrives until the connection ends."""
        try:
            while True:
                what = self.connection.recv()
                if what == "tabled":
                    self.tabled.set()
                elif isinstance(what, dict):
                    self._courses = what
                    self._courses_came.set()
                else:
                    self.heard(*what)
        except (EOFError, OSError, TypeError):  # TypeError: the connection was closed while it was read
            pass
        self.tabled.set()
        self.lost()
