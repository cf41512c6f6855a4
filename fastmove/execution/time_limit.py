"""Planning within a time: what is found by then, whatever it is that takes the time."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fastmove.errors import Interrupted
from fastmove.solution.solution import Solution

_planning = threading.local()


def interrupt(number: int = signal.SIGALRM, _: object = None) -> None:
    """Handler of signals that end planning: with what has been found so far, or by SIGUSR1 with nothing: it is superseded."""
    if getattr(_planning, "now", False):
        _planning.dropped = number == signal.SIGUSR1
        raise KeyboardInterrupt


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raises KeyboardInterrupt after some time [s], where `interrupt` handles the alarm (in the planning process)."""
    armed = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGALRM) is interrupt
    _planning.now, _planning.dropped = armed, False
    try:
        if armed:
            signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
        yield
    finally:
        _planning.now = False
        if armed:
            signal.setitimer(signal.ITIMER_REAL, 0.0)


def within(seconds: float, work: Callable[[], Solution | None]) -> Solution | None:
    """Returns the solution that `work` finds within a time [s], or the best that it had found by then; None without one.

    The time is kept in the planning process only; elsewhere `work` takes what it takes.
    """
    try:
        with _limited(seconds):
            solution = work()
    except Interrupted as stopped:
        return stopped.solution if isinstance(stopped.solution, Solution) and not getattr(_planning, "dropped", False) else None
    except KeyboardInterrupt:
        return None
    return solution
