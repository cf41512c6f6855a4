"""Waiting for a time exactly: sleep and then spin, since sleep alone wakes late."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(due: float, spin: float, clock: Callable[[], float] = time.perf_counter) -> float:
    """Waits until a time; returns by how much it is over [s].

    Args:
        due: the time, by the clock [s].
        spin: time before it for which it spins instead of sleeping [s].
        clock: the clock.
    """
    left = due - clock()
    if left > spin:
        time.sleep(left - spin)
    while (now := clock()) < due:
        pass
    return now - due
