"""Breakpoints of a motion's B-spline: at switching times, near a moving start, and spaced by a cosine."""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array
from fastmove.optim.margins import INSIDE
from fastmove.problem.goal import State
from fastmove.robot.joint_limits import LimitSet
from fastmove.search.time_bound import Bound
from fastmove.trajectory.bspline import SplineBasis

MOVING_FIRST_SPAN = 3e-3  # Shortest first span of a motion with a moving start [s].
STRETCHED = 0.8  # Share of the longest first span that is used, as breakpoints stretch with the duration.
URGENT = 0.98  # Share of the velocity limit beyond which an unavoidable peak velocity gets breakpoints of its own.
MIN_GAP = 2e-4  # Share of the duration below which two breakpoints are merged.


def early_breakpoints(start: State, limits: LimitSet) -> Array:
    """List the times at which a moving start needs breakpoints, the more important ones first.

    On the first span h, the second Bernstein coefficient of a joint's velocity is v + h a / 2, whatever the free control points.
    So h must not exceed 2 (v_max − |v|) / |a| where the joint still accelerates.  (v_max − |v| ≥ a² / 2 j, so h ≥ |a| / j.)

    A joint that must brake at once, with all its jerk, to stay below its velocity limit switches at |a| / j.  A second breakpoint
    just before keeps small what the coefficients of its velocity lose when the duration, and the breakpoints with it, grow.

    Args:
        start: State at the start.
        limits: Limits of the joints.

    Returns:
        (1 + 2 K,) times [s], for K joints that must brake at once; the first is infinite if no joint accelerates.
    """
    v, a = np.abs(start.v), np.maximum(np.abs(start.a), 1e-9)
    accelerating = np.array(start.v) * np.array(start.a) > 0
    headroom = 2 * np.maximum(limits.velocity * (1 - 2 * INSIDE) - v, 0.0)
    urgent = accelerating & (v + a**2 / (2 * limits.jerk) > URGENT * limits.velocity)
    first = STRETCHED * float((headroom / a)[accelerating].min(initial=np.inf))
    return np.concatenate([[first], np.outer((1.0, 0.98), (a / limits.jerk)[urgent]).ravel()])


def switch_basis(bound: Bound, spans: int = 14, at_rest: bool = True, early: Array | None = None) -> SplineBasis:
    """Build a basis with breakpoints at the switching times of a bound, its widest spans bisected.

    With a moving start the first span is at least 3 ms: the acceleration that control points can represent at its beginning is
    rounded by about 4·10⁻¹⁶ |q| / h², which must stay below the 10⁻⁹ of a join.

    Args:
        bound: Lower bound of the duration, with the switching times of its slowest joint.
        spans: Least number of spans; the widest ones are bisected until there are as many.
        at_rest: Whether the start is at rest.
        early: (K,) more breakpoints for a moving start [s]; ignored in the second half or too near another breakpoint.
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
    """Choose the breakpoints for the rest of a motion that is under way.

    Args:
        beta: Remaining breakpoints of the motion, as shares of the remaining duration.
        early: More breakpoints for a moving start, as such shares; ignored in the second half.
        duration: Remaining duration [s].
        spans: Least number of spans; the widest ones are bisected until there are as many.

    Returns:
        (m + 1,) breakpoints from 0 to 1.
    """
    first, kept = MOVING_FIRST_SPAN / duration, [0.0]
    for value in np.sort(np.concatenate([beta[beta < 1 - MIN_GAP], early[early < 0.5]])):
        if value - kept[-1] > (MIN_GAP if len(kept) > 1 else first):
            kept.append(float(value))
    kept.append(1.0)
    return _bisected(kept, spans)


def _bisected(kept: list[float], spans: int) -> Array:
    """Bisect the widest spans until there are this many."""
    while len(kept) - 1 < spans:
        widest = int(np.argmax(np.diff(kept)))
        kept.insert(widest + 1, (kept[widest] + kept[widest + 1]) / 2)
    return np.array(kept)


def cosine_breakpoints(spans: int, weight: float = 0.7) -> Array:
    """Space breakpoints more densely towards both ends: (1 − k) u + k (1 − cos πu)/2 at evenly spaced u.

    Args:
        spans: Number of spans.
        weight: Weight k of the cosine; 0 = even spacing.

    Returns:
        (spans + 1,) breakpoints from 0 to 1.
    """
    u = np.linspace(0.0, 1.0, spans + 1)
    return np.asarray((1 - weight) * u + weight * (1 - np.cos(np.pi * u)) / 2)
