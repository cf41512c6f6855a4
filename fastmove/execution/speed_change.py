"""Changing speed along a certified path: the law from a place and speed to another speed, as quick as the window leaves.

A law is built step by step: s̈ goes towards the window's edge as it is over the next moments (so that it is back in time where the
window narrows), never faster than s⃛ may, and back to 0 as the speed arrives, ending in one piece of constant s⃛.  Laws with
several looks ahead and shares of the window are built, and the quickest is taken that the certificate accepts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fastmove.arrays import Array
from fastmove.dynamics.speed_window import SpeedWindow
from fastmove.trajectory.time_law import Pace, TimeLaw

PIECE = 0.004  # Duration of a step of a law [s].
LONGEST = 3.0  # Longest law that is looked for [s].
TRIES = ((0.02, 0.9), (0.04, 0.9), (0.08, 0.9), (0.04, 0.7), (0.08, 0.6), (0.12, 0.4))  # (look ahead [s], share of the window).
MOST_THIRD = 1e6  # Largest |s⃛| that is looked at, where nothing limits it [1/s²].
BISECTIONS = 50  # Number of bisections of the last step of a law that comes to the path's end.
OVERSHOOT = 1e-3  # Largest excess over the motion's own speed while a law is built [1].
ARRIVED = 1e-6  # Difference of speeds that is none.


def speed_laws(looks: Sequence[Edges], pace: Pace, target: float) -> list[TimeLaw]:
    """Returns laws from a pace to a target speed with s̈ = 0, the quickest first; none where the path ends before.

    Args:
        looks: The window of the path as laws look at it (`looks_at`).
        pace: Where the motion is, and how fast.
        target: Speed to reach, 0 to 1.
    """
    found = [law for edges in looks if (law := _law(edges, pace, target)) is not None]
    return sorted(found, key=lambda law: law.duration)


def looks_at(window: SpeedWindow) -> list[Edges]:
    """Returns a window as each of the `TRIES` looks at it."""
    return [Edges(window, ahead, share) for ahead, share in TRIES]


class Edges:
    """The window as a law looks at it: the narrowest over the places that are passed in the next moments.

    Args:
        window: Window of the path.
        ahead: How far it looks ahead [s].
        share: Share of the window that it uses.
    """

    def __init__(self, window: SpeedWindow, ahead: float, share: float) -> None:
        self.end, self.step = float(window.place[-1]), float(window.place[1] - window.place[0])
        count = max(1, round(ahead / self.step))
        low, high = _ahead(window.low, count, np.max), _ahead(window.high, count, np.min)
        third = np.minimum(_ahead(window.third, count, np.min), MOST_THIRD)
        self.table = share * np.stack([low, high, third], axis=-1)  # (K, M, 3)

    def at(self, pace: Pace) -> tuple[float, float, float]:
        """Least and largest s̈, and largest |s⃛|, between those of the speeds beside this one."""
        k = min(max(int(pace.place / self.step), 0), len(self.table) - 1)
        last = self.table.shape[1] - 1
        m = min(max(pace.speed, 0.0), 1.0) * last
        a, b = int(m), min(int(m) + 1, last)
        low, high, third = ((1 - (m - a)) * self.table[k, a] + (m - a) * self.table[k, b]).tolist()
        return low, high, third


def _ahead(table: Array, count: int, worst: Callable[..., Array]) -> Array:
    """The worst (K, M) of each row of a table and those that follow it."""
    padded = np.concatenate([table, np.repeat(table[-1:], count, axis=0)])
    return worst(np.lib.stride_tricks.sliding_window_view(padded, count + 1, axis=0), axis=-1)[: len(table)]


def _law(edges: Edges, pace: Pace, target: float) -> TimeLaw | None:
    """One law, or None where the patience ends before it arrives, or the path before it stands.

    A law that is to go on may come to the path's end before it has its speed: the path itself is at rest there.
    """
    here, steps = pace, list[tuple[float, float]]()
    while len(steps) * PIECE < LONGEST:
        low, high, third = edges.at(here)
        gap, change = target - here.speed, here.change
        if abs(gap) < ARRIVED and abs(change) < ARRIVED:
            break
        landing = change * change / (2 * abs(gap)) if gap * change > 0 else 0.0  # |s⃛| with which s̈ is 0 as the speed arrives
        if landing >= third and landing > 0:
            steps.append((2 * gap / change, -change * change / (2 * gap)))
            break
        wanted = np.sqrt(2 * max(third, 1e-9) * abs(gap)) * np.sign(gap)
        wanted = min(max(wanted, low), high)
        rate = min(max((wanted - change) / PIECE, -third), third)
        there = here.after(PIECE, rate)
        if there.place >= edges.end:
            steps.append((_arrival(edges.end, here, rate), rate))
            break
        steps.append((PIECE, rate))
        here = there
        if not -ARRIVED <= here.speed <= 1 + OVERSHOOT:
            return None
    law = TimeLaw.of(pace, steps) if steps else None
    if law is None or len(steps) * PIECE >= LONGEST or law.last > edges.end + ARRIVED:
        return None
    return None if target == 0 and abs(law.pace(law.duration).speed) > ARRIVED else law


def _arrival(end: float, pace: Pace, rate: float) -> float:
    """The duration [s] after which a step comes to a place; it goes beyond it in `PIECE`."""
    low, high = 0.0, PIECE
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if pace.after(middle, rate).place >= end else (middle, high)
    return high
