"""The planning process itself: `python -m fastmove.execution.planning_main FD`, started by `planning_process`."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection

from fastmove.errors import FastMoveError
from fastmove.execution.answers import Answer, FlightPlanner
from fastmove.execution.events import Event
from fastmove.execution.planning_process import Request, answers
from fastmove.execution.time_limit import interrupt
from fastmove.planner.options import Options
from fastmove.solution.solution import Solution

NICE = 5  # by which the planning process gives way to the streaming loop
SPEED_TAKES = 0.06  # time that an answer about the speed is believed to take at first [s]


class _Planning:
    """The planning process itself.

    Args:
        connection: connection to the run.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection, self.warm = connection, False
        self._begin(*connection.recv())

    def _begin(self, run: int, solution: Solution, cycle: float, options: Options | None) -> None:
        """Begins to serve a run."""
        self.run = run
        self.takes, self.tabled = SPEED_TAKES, False
        self.planner = FlightPlanner(solution, cycle, options)
        self.stops: Iterator[Answer] | None = self.planner.stops(0)

    def serve(self) -> None:
        """Answers until the connection ends; computes stops while nothing is asked."""
        while True:
            if not self.tabled or not self.connection.poll(0):
                self._next_stop()
            if self.connection.poll(0 if self.stops is not None else None):
                self._answer(self.connection.recv())

    def _next_stop(self) -> None:
        """Computes and sends one more stop of the course that is followed."""
        try:
            stop = next(self.stops, None) if self.stops is not None else None
        except Exception:  # a stop less is no reason to lose all answers
            stop = None
        if stop is not None:
            self._send(-1, stop)
            return
        self.stops = None
        if not self.tabled:
            self.tabled = True
            if not self.warm:
                self.planner.warm_up()
                self.warm = True
            self.connection.send((self.run, "tabled"))

    def _send(self, number: int, answer: Answer) -> None:
        """Sends an answer; the course itself stays here."""
        self.connection.send((self.run, (number, replace(answer, course=None))))

    def _answer(self, what: object) -> None:
        """Answers a request; stops of the course that it leads to are computed next."""
        if isinstance(what, tuple):
            self._begin(*what)
            return
        if not isinstance(what, Request):
            self.connection.send((self.run, {number: course.trajectory for number, course in self.planner.courses.items()}))
            return
        begin, newest = time.perf_counter(), -1
        try:
            for answer in answers(self.planner, what, self.takes):
                self._send(what.number, answer)
                newest = max(newest, answer.number)
        except Exception as error:  # whatever it is, the next request gets an answer
            known = str(error) if isinstance(error, FastMoveError) else f"{type(error).__name__}: {error}"
            self._send(what.number, Answer(Event.REFUSED, what.base, detail=known))
        base = self.planner.courses.get(what.base)
        if what.speed is not None and base is not None and not base.rests(what.now):
            self.takes = max(0.5 * self.takes, min(1.3 * (time.perf_counter() - begin), 1.0))
        if newest >= 0:
            self.stops = self.planner.stops(newest)


def main() -> None:
    """Runs the planning process on the socket whose number is the first argument."""
    for number in (signal.SIGALRM, signal.SIGUSR1):
        signal.signal(number, interrupt)
    os.nice(NICE)
    with Connection(int(sys.argv[1])) as connection, contextlib.suppress(EOFError, OSError):
        _Planning(connection).serve()


if __name__ == "__main__":
    main()
