"""Time laws that run a given motion past moving obstacles (path-velocity decomposition, Kant & Zucker, 1986).

A motion has its own time τ, also called a place on it.  A time law τ(t) with 0 ≤ τ̇ ≤ 1 runs the motion no faster than it is,
and may pause.  On a grid of places and times, each either free or not, the places that can be reached at t + dt are those
reachable at t and their successors, where free.  The first time at which the end is among them is the earliest arrival on the
grid.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastmove.arrays import Array
from fastmove.trajectory.bspline import SplineBasis

PLACES = 48  # Number of grid steps into which the motion's duration is divided, both in place and in time.
LATEST = 480  # Maximum number of time steps of the grid.
EASE = 0.16  # Width of the moving average that rounds the corners of a law [s].
SPANS = 24  # Number of even spans whose breakpoints are added to those that the law moves.


def time_laws(free: Callable[[Array, Array], Array], duration: float, still_from: float) -> list[Array]:
    """Returns up to three time laws along which a motion misses all moving obstacles.

    The first begins later and goes on without a pause.  The others arrive earliest: one waits early and then passes at full
    speed, one runs ahead and waits there; their corners are rounded.

    Args:
        free: Function of places τ (N,) and times t (N,) [s] that tells which are free (N,).
        duration: Duration of the motion, i.e. τ at its end [s].
        still_from: Time from which on no obstacle moves any more [s].

    Returns:
        Laws (K, 2) as rows (t, τ) [s] from (0, 0) to the arrival.  The list is empty where no obstacle is in the motion's way,
        or no law leads past the obstacles.
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
    laws, arrivals = [], np.nonzero(reached[-1])[0]
    for wait in range(count - PLACES + 1):
        if not reached[0, wait]:
            break
        if np.all(open_at[np.arange(PLACES + 1), wait + np.arange(PLACES + 1)]):
            if wait == 0:
                return []
            laws.append(np.array([[0.0, 0.0], [wait * step, 0.0], [wait * step + duration, duration]]))
            break
    if len(arrivals):
        early, late = (_back(reached, int(arrivals[0]), moves) for moves in (True, False))
        laws += [_rounded(way * step, step) for way in ([early] if np.array_equal(early, late) else [early, late])]
    return laws


def along(law: Array, basis: SplineBasis) -> SplineBasis:
    """Returns a spline basis for a motion that is run through by a time law.

    Its breakpoints are those of the motion, moved to where the law puts them, and even ones that are not close to these.

    Args:
        law: Time law as rows (t, τ) [s] (K, 2).
        basis: Spline basis of the motion in its own time.
    """
    time, place = law[:, 0] / law[-1, 0], law[:, 1] / law[-1, 1]
    there = np.interp(basis.breakpoints[1:-1], place + 1e-9 * time, time)  # for a pause, its end
    even = np.linspace(0.0, 1.0, SPANS + 1)
    apart = np.abs(even[:, None] - there[None]).min(axis=1, initial=1.0) > 0.2 / SPANS
    return SplineBasis(np.unique(np.concatenate([[0.0, 1.0], there, even[apart]])))


def _back(reachable: Array, last: int, moves: bool) -> Array:
    """Returns the place (last + 1,) at every time step of one way back from the arrival to the start.

    Args:
        reachable: Whether a place can be reached at a time, on the grid (places, times).
        last: Time step of the arrival.
        moves: Whether, going back, the way moves wherever it can; else it waits wherever it can.
    """
    places = np.empty(last + 1, dtype=int)
    places[last] = here = len(reachable) - 1
    for j in range(last - 1, -1, -1):
        before = bool(here > 0 and reachable[here - 1, j])
        here -= int(before if moves else not reachable[here, j])
        places[j] = here
    return places


def _rounded(places: Array, step: float) -> Array:
    """Returns a law (K, 2) averaged over `EASE`, and longer by as much.

    Args:
        places: Places τ at even times [s] (N,).
        step: Time from one place to the next [s].
    """
    half = max(1, round(EASE / step / 2))
    padded = np.pad(places, 2 * half, mode="edge")
    mean = np.convolve(padded, np.full(2 * half + 1, 1 / (2 * half + 1)), mode="valid")
    return np.stack([np.arange(len(mean)) * step, mean], axis=1)
