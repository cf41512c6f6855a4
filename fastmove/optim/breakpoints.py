"""Breakpoints of B-splines: where a motion switches, where it starts, and evenly by cosine."""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array
from fastmove.optim.margins import INSIDE
from fastmove.problem.goal import State
from fastmove.robot.joint_limits import LimitSet
from fastmove.search.time_bound import Bound
from fastmove.trajectory.bspline import SplineBasis

MOVING_FIRST_SPAN = 3e-3  # [s]
STRETCHED = 0.8  # breakpoints scale with a duration that may become longer than the bound
URGENT = 0.98  # a speed that cannot stay below this share of its limit
MIN_GAP = 2e-4  # breakpoints closer than this fraction of the duration are merged; 2 ms jerk ramps must survive


def early_breakpoints(start: State, limits: LimitSet) -> Array:
    """Times at which a moving start wants breakpoints, the more important ones first [s].

    The second Bernstein coefficient of a joint's speed on the first span h is v + h a / 2, whatever the free control points:
    h must not exceed 2 (v_max − |v|) / |a| where the joint still accelerates.  (v_max − |v| ≥ a² / 2 j, so h ≥ |a| / j.)
    A joint that must brake at once, with all its jerk, to stay below its speed limit switches at |a| / j; a breakpoint just
    before keeps what its speed's coefficients lose small where the duration grows and the breakpoints with it.
    """
    v, a = np.abs(start.v), np.maximum(np.abs(start.a), 1e-9)
    towards = np.array(start.v) * np.array(start.a) > 0
    room = 2 * np.maximum(limits.velocity * (1 - 2 * INSIDE) - v, 0.0)
    urgent = towards & (v + a**2 / (2 * limits.jerk) > URGENT * limits.velocity)
    first = STRETCHED * float((room / a)[towards].min(initial=np.inf))
    return np.concatenate([[first], np.outer((1.0, 0.98), (a / limits.jerk)[urgent]).ravel()])


def switch_basis(bound: Bound, spans: int = 14, at_rest: bool = True, early: Array | None = None) -> SplineBasis:
    """Breakpoints at the switching times, the widest spans bisected up to `spans`.

    With a moving start the first span is at least 3 ms: the acceleration that control points can represent at its beginning is
    rounded by about 4·10⁻¹⁶ |q| / h², which must stay below the 10⁻⁹ of a join.

    Args:
        early: more breakpoints that a moving start wants [s], where no other is that near.
    """
    beta = bound.switches / bound.switches[-1]
    first = MIN_GAP if at_rest else MOVING_FIRST_SPAN / bound.duration
    kept = [0.0]
    for value in beta[1:-1]:
        if value - kept[-1] > (MIN_GAP if len(kept) > 1 else first) and 1.0 - value > MIN_GAP:
            kept.append(float(value))
    kept.append(1.0)
    for wanted in np.zeros(0) if early is None else early / bound.duration:
        if wanted < 0.5:
            value = max(float(wanted), first)
            if np.abs(np.array(kept) - value).min() > MIN_GAP:
                kept = sorted([*kept, value])
    return SplineBasis(_bisected(kept, spans))


def warm_breakpoints(beta: Array, early: Array, duration: float, spans: int = 8) -> Array:
    """Breakpoints of what is left of a motion, as shares of its duration, with the early ones that a moving start wants; the
    widest spans are bisected where fewer than `spans` are left."""
    first, kept = MOVING_FIRST_SPAN / duration, [0.0]
    for value in np.sort(np.concatenate([beta[beta < 1 - MIN_GAP], early[early < 0.5]])):
        if value - kept[-1] > (MIN_GAP if len(kept) > 1 else first):
            kept.append(float(value))
    kept.append(1.0)
    return _bisected(kept, spans)


def _bisected(kept: list[float], spans: int) -> Array:
    """The widest spans halved until there are this many."""
    while len(kept) - 1 < spans:
        widest = int(np.argmax(np.diff(kept)))
        kept.insert(widest + 1, (kept[widest] + kept[widest + 1]) / 2)
    return np.array(kept)


def cosine_breakpoints(spans: int, weight: float = 0.7) -> Array:
    """(spans + 1,) breakpoints denser towards both ends: (1 − k) u + k (1 − cos πu)/2."""
    u = np.linspace(0.0, 1.0, spans + 1)
    return np.asarray((1 - weight) * u + weight * (1 - np.cos(np.pi * u)) / 2)
