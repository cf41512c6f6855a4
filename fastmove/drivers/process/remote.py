"""The client's end of a process of our own that runs hardware: its start, calls with answers, and its end."""

from __future__ import annotations

import atexit
import contextlib
import pickle
import select
import socket
import subprocess
import time
from collections.abc import Callable
from typing import Any

from fastmove.child_process import child_process
from fastmove.drivers.process.packets import Kind, Line
from fastmove.errors import DriverFailed, InputError

CALL_TIMEOUT = 5.0  # longest time that a call waits for its answer unless it says otherwise [s]
CLOSE_TIMEOUT = 2.0  # longest time in which the process ends by itself, at each of three requests [s]


class Remote:
    """A process that runs hardware.

    Args:
        module: module that it runs.
        name: what it is, for messages.
        news: called with the body of the newest state that came.

    Attributes:
        line: line to it; None where it does not run.
    """

    def __init__(self, module: str, name: str, news: Callable[[bytes], None]) -> None:
        self.module, self.name, self.news = module, name, news
        self.line: Line | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: list[tuple[Kind, bytes]] = []
        self.fault = ""  # what it said, uncalled for, has failed

    @property
    def process_id(self) -> int:
        """Number of the process; 0 where none runs."""
        return 0 if self._process is None else self._process.pid

    def start(self, *setup: Any, timeout: float) -> Any:
        """Starts the process, tells it its setup, and returns its answer.

        Args:
            setup: what it is told.
            timeout: longest time that it may take [s].

        Raises:
            InputError: what it was told is wrong.
            DriverFailed: it does not start in time, or says why not.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = child_process(self.module, theirs)
        self.line, self._answers, self.fault = Line(ours), [], ""
        atexit.register(self.close)
        self.live().call(Kind.CALL, *setup)
        return self.answer("start", timeout)

    def live(self) -> Line:
        """Returns the line; raises DriverFailed where there is none or the other end is gone."""
        if self.line is None:
            raise DriverFailed(f"{self.name} is not connected")
        if self.line.ended:
            code = None if self._process is None else self._process.poll()
            raise DriverFailed(f"{self.name}'s process has ended{'' if code is None else f', exit code {code}'}")
        return self.line

    def receive(self) -> None:
        """Takes all that has come."""
        newest = None
        line = self.live()
        for kind, body in line.received():
            if kind is Kind.STATE:
                newest = body
            elif kind is Kind.FAULT:
                self.fault = str(pickle.loads(body)[0])
            else:
                self._answers.append((kind, body))
        line.flush()
        if newest is not None:
            self.news(newest)

    def wait(self, so: Callable[[], bool], timeout: float, strict: bool = True) -> None:
        """Takes what comes until something is so; raises DriverFailed where it is not in time, or only returns if not strict."""
        until = time.monotonic() + timeout
        while not so():
            left = until - time.monotonic()
            if left <= 0:
                if strict:
                    raise DriverFailed(f"{self.name} did not answer within {timeout:g} s")
                return
            line = self.live()
            select.select([line], [line] if line.waits else [], [], left)
            self.receive()

    def call(self, name: str, *arguments: Any, timeout: float = CALL_TIMEOUT) -> Any:
        """Calls for something by name, and returns the answer."""
        self.receive()
        self._answers.clear()
        self.live().call(Kind.CALL, name, *arguments)
        return self.answer(name, timeout)

    def answer(self, name: str, timeout: float) -> Any:
        """Waits for an answer and returns it; raises what it says has failed."""
        self.wait(lambda: bool(self._answers), timeout)
        kind, body = self._answers.pop(0)
        content = pickle.loads(body)
        if kind is Kind.FAILED:
            wrong, sentence = content
            raise InputError("", sentence) if wrong else DriverFailed(f"{self.name} refused {name}: {sentence}")
        return content[0]

    def close(self) -> None:
        """Hangs up, by which the process ends by itself, else it is ended; it is gone afterwards."""
        atexit.unregister(self.close)
        line, process, self.line, self._process = self.line, self._process, None, None
        if line is not None:
            line.close()
        if process is None:
            return
        for end in (lambda: None, process.terminate, process.kill):
            end()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(CLOSE_TIMEOUT)
                return
