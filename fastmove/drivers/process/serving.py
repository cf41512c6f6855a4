"""The beginning and end of a process of our own that runs hardware, at the other end of `remote`."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import signal
import socket
import time
from collections.abc import Callable
from typing import Any, Protocol

from fastmove.drivers.process.packets import Kind, Line
from fastmove.errors import InputError

IDLE = 1e-3  # time between two looks for the first packet [s]
NICE = -10  # change of the process's niceness


class Served(Protocol):
    """What runs the hardware.

    Attributes:
        leaving: why it is about to end; empty while it is not.
    """

    leaving: str

    def run(self) -> None:
        """Runs until it is told to end, or the client is gone."""


def serve(descriptor: int, begin: Callable[[Line, tuple[Any, ...]], tuple[Served, Any]]) -> int:
    """Runs hardware on an inherited socket; returns the exit code.

    Args:
        descriptor: number of the socket.
        begin: called with the line and with what the client told first; returns what runs, and the answer.
    """
    with contextlib.suppress(OSError):  # more urgent than other processes, where that is allowed; threads begun later inherit it
        os.nice(NICE)
    line = Line(socket.socket(fileno=descriptor))
    packets: list[tuple[Kind, bytes]] = []
    while not packets and not line.ended:
        packets = line.received()
        time.sleep(IDLE)
    if not packets:
        return 1
    try:
        served, answer = begin(line, pickle.loads(packets[0][1]))
    except Exception as error:
        wrong = isinstance(error, InputError)
        line.call(Kind.FAILED, wrong, str(error) if wrong else sentence(error))
        return 1
    line.call(Kind.ANSWER, answer)

    def leave(*_: object) -> None:
        served.leaving = served.leaving or "terminated"

    signal.signal(signal.SIGTERM, leave)
    gc.collect()
    gc.disable()  # a full collection takes longer than a cycle
    served.run()
    return 0


def sentence(error: Exception) -> str:
    """Returns what an error says, after its kind unless its words are meant for people."""
    return str(error) if getattr(error, "for_people", False) else f"{type(error).__name__}: {error}"
