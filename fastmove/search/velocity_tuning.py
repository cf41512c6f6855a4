"""When to be where on a given way, so as to miss obstacles that move (path-velocity decomposition, Kant & Zucker, 1986).

Along a motion with its own time τ a law τ(t) with 0 ≤ τ̇ ≤ 1 runs it no faster than it is, and pauses.  On a grid of places and
times, each either free or not, the places that can be reached at t + dt are those reachable at t and their successors, where
free: the first time at which the end is among them is the earliest arrival there is on the grid.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastmove.arrays import Array
from fastmove.trajectory.bspline import SplineBasis

PLACES = 48  # steps of the grid along a motion, and as many in time
LATEST = 480  # steps of time that are looked at at most
EASE = 0.16  # [s] over which a law's corners are rounded
SPANS = 24  # even breakpoints beside those of the motion's own time, wherever that is then


def time_laws(free: Callable[[Array, Array], Array], duration: float, still_from: float) -> list[Array]:
    """Laws (K, 2) of rows (t, τ) from 0 to the arrival: one that begins later and goes on without a pause; and of those that
    arrive earliest one that waits early and passes at full speed, and one that runs ahead and waits there, corners rounded.
    Empty where nothing is in the motion's way, or no law leads past what is.

    Args:
        free: whether places τ (N,) are free at times t (N,).
        duration: of the motion, τ at its end [s].
        still_from: from when on nothing moves any more [s].
    """
    step = duration / PLACES
    count = min(int(np.ceil(max(still_from, 0.0) / step)) + PLACES + 1, LATEST)
    place, time = (x.ravel() for x in np.meshgrid(np.arange(PLACES + 1), np.arange(count + 1), indexing="ij"))
    open_at = free(place * step, time * step).reshape(PLACES + 1, count + 1)
    reached = np.zeros_like(open_at)
    reached[0, 0] = True
    for j in range(count):
        reached[:, j + 1] = reached[:, j] & open_at[:, j + 1]
        reached[1:, j + 1] |= reached[:-1, j] & open_at[1:, j + 1]
    found, arrivals = [], np.nonzero(reached[-1])[0]
    for wait in range(count - PLACES + 1):
        if not reached[0, wait]:
            break
        if np.all(open_at[np.arange(PLACES + 1), wait + np.arange(PLACES + 1)]):
            if wait == 0:
                return []
            found.append(np.array([[0.0, 0.0], [wait * step, 0.0], [wait * step + duration, duration]]))
            break
    if len(arrivals):
        early, late = (_back(reached, int(arrivals[0]), moves) for moves in (True, False))
        found += [_rounded(way * step, step) for way in ([early] if np.array_equal(early, late) else [early, late])]
    return found


def along(law: Array, basis: SplineBasis) -> SplineBasis:
    """Breakpoints of a motion where a law puts them, and even ones."""
    time, place = law[:, 0] / law[-1, 0], law[:, 1] / law[-1, 1]
    there = np.interp(basis.breakpoints[1:-1], place + 1e-9 * time, time)  # where it pauses, the end of the pause
    even = np.linspace(0.0, 1.0, SPANS + 1)
    apart = np.abs(even[:, None] - there[None]).min(axis=1, initial=1.0) > 0.2 / SPANS
    return SplineBasis(np.unique(np.concatenate([[0.0, 1.0], there, even[apart]])))


def _back(reachable: Array, last: int, moves: bool) -> Array:
    """(last + 1,) places from the arrival back, moving whenever that leads back to the start, or waiting whenever it does."""
    places = np.empty(last + 1, dtype=int)
    places[last] = here = len(reachable) - 1
    for j in range(last - 1, -1, -1):
        before = bool(here > 0 and reachable[here - 1, j])
        here -= int(before if moves else not reachable[here, j])
        places[j] = here
    return places


def _rounded(places: Array, step: float) -> Array:
    """The law averaged over `EASE`, which makes it that much longer."""
    half = max(1, round(EASE / step / 2))
    padded = np.pad(places, 2 * half, mode="edge")
    mean = np.convolve(padded, np.full(2 * half + 1, 1 / (2 * half + 1)), mode="valid")
    return np.stack([np.arange(len(mean)) * step, mean], axis=1)
