"""Changing speed along a certified path: the law from a place and speed to another speed, as quick as the window leaves.

A law is built step by step: s̈ goes towards the window's edge as it is over the next moments (so that it is back in time where the
window narrows), never faster than s⃛ may, and back to 0 as the speed arrives, ending in one piece of constant s⃛.  Laws with
several looks ahead and shares of the window are built, and the quickest is taken that the certificate accepts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fastmove.arrays import Array
from fastmove.dynamics.speed_window import SpeedWindow
from fastmove.trajectory.time_law import TimeLaw

PIECE = 0.004  # Duration of a step of a law [s].
LONGEST = 3.0  # Longest law that is looked for [s].
TRIES = ((0.02, 0.9), (0.04, 0.9), (0.08, 0.9), (0.04, 0.7), (0.08, 0.6), (0.12, 0.4))  # (look ahead [s], share of the window).
BISECTIONS = 50  # Number of bisections of the last step of a law that comes to the path's end.
OVERSHOOT = 1e-3  # Largest excess over the motion's own speed while a law is built [1].
ARRIVED = 1e-6  # Difference of speeds that is none.


@dataclass(frozen=True)
class Pace:
    """Where a motion is on its path, and how fast it goes along it.

    Attributes:
        place: s [s].
        speed: ṡ [1], 1 = the motion's own speed.
        change: s̈ [1/s].
    """

    place: float
    speed: float = 1.0
    change: float = 0.0


def speed_laws(window: SpeedWindow, pace: Pace, target: float) -> Iterator[TimeLaw]:
    """Yields laws from a pace to a target speed with s̈ = 0, the quickest first; none where the path ends before.

    Args:
        window: Window of the path.
        pace: Where the motion is, and how fast.
        target: Speed to reach, 0 to 1.
    """
    found = [law for ahead, share in TRIES if (law := _law(_Edges(window, ahead, share), pace, target)) is not None]
    yield from sorted(found, key=lambda law: law.duration)


class _Edges:
    """The window as a law looks at it: the narrowest over the places that are passed in the next moments.

    Args:
        window: Window of the path.
        ahead: How far it looks ahead [s].
        share: Share of the window that it uses.
    """

    def __init__(self, window: SpeedWindow, ahead: float, share: float) -> None:
        self.end, self.step = float(window.place[-1]), float(window.place[1] - window.place[0])
        count = max(1, round(ahead / self.step))
        self.low, self.high = share * _ahead(window.low, count, np.max), share * _ahead(window.high, count, np.min)
        self.third = share * _ahead(window.third, count, np.min)
        self.speeds = len(window.speed) - 1

    def at(self, place: float, speed: float) -> tuple[float, float, float]:
        """Least and largest s̈, and largest |s⃛|, at the worse of the speeds beside this one."""
        k = min(max(int(place / self.step), 0), len(self.low) - 1)
        m = min(max(speed, 0.0), 1.0) * self.speeds
        a, b = int(m), min(int(m) + 1, self.speeds)
        share = m - a
        low = (1 - share) * self.low[k, a] + share * self.low[k, b]
        high = (1 - share) * self.high[k, a] + share * self.high[k, b]
        return float(low), float(high), float((1 - share) * min(self.third[k, a], 1e6) + share * min(self.third[k, b], 1e6))


def _ahead(table: Array, count: int, worst: object) -> Array:
    """The worst (K, M) of each row of a table and those that follow it."""
    padded = np.concatenate([table, np.repeat(table[-1:], count, axis=0)])
    return worst(np.lib.stride_tricks.sliding_window_view(padded, count + 1, axis=0), axis=-1)[: len(table)]  # type: ignore[operator]


def _law(edges: _Edges, pace: Pace, target: float) -> TimeLaw | None:
    """One law, or None where the patience ends before it arrives, or the path before it stands.

    A law that is to go on may come to the path's end before it has its speed: the path itself is at rest there.
    """
    place, speed, change = pace.place, pace.speed, pace.change
    steps: list[tuple[float, float]] = []
    while len(steps) * PIECE < LONGEST:
        low, high, third = edges.at(place, speed)
        gap = target - speed
        if abs(gap) < ARRIVED and abs(change) < ARRIVED:
            break
        landing = change * change / (2 * abs(gap)) if gap * change > 0 else 0.0  # |s⃛| with which s̈ is 0 as the speed arrives
        if landing >= third and landing > 0:
            steps.append((2 * gap / change, -change * change / (2 * gap)))
            break
        wanted = np.sqrt(2 * max(third, 1e-9) * abs(gap)) * np.sign(gap)
        wanted = min(max(wanted, low), high)
        rate = min(max((wanted - change) / PIECE, -third), third)
        there = _place(place, speed, change, rate, PIECE)
        if there >= edges.end:
            steps.append((_arrival(edges.end, place, speed, change, rate), rate))
            break
        steps.append((PIECE, rate))
        place, speed, change = there, speed + PIECE * (change + PIECE * rate / 2), change + PIECE * rate
        if not -ARRIVED <= speed <= 1 + OVERSHOOT:
            return None
    law = TimeLaw.of(pace.place, pace.speed, pace.change, steps) if steps else None
    if law is None or len(steps) * PIECE >= LONGEST or law.last > edges.end + ARRIVED:
        return None
    return None if target == 0 and abs(law.speed_at_end) > ARRIVED else law


def _place(place: float, speed: float, change: float, rate: float, width: float) -> float:
    """The place [s] to which a step of this duration leads."""
    return place + width * (speed + width * (change / 2 + width * rate / 6))


def _arrival(end: float, place: float, speed: float, change: float, rate: float) -> float:
    """The duration [s] after which a step comes to a place; it goes beyond it in `PIECE`."""
    low, high = 0.0, PIECE
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if _place(place, speed, change, rate, middle) >= end else (middle, high)
    return high
