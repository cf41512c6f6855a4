"""The kinematic lower bound (Ruckig), its switching times, and the breakpoints they give.

Ruckig solves each joint's minimum time under velocity, acceleration and jerk limits exactly (Berscheid & Kröger,
RSS 2021); no motion of all joints under more constraints can be faster than the slowest joint alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import ruckig

from fastmove.arrays import Array
from fastmove.errors import InputError
from fastmove.problem.goal import State
from fastmove.problem.transfer import INSIDE
from fastmove.robot.joint_limits import LimitSet
from fastmove.trajectory.bspline import SplineBasis

MOVING_FIRST_SPAN = 3e-3  # [s]
ALONE, ARRIVING, STRAIGHT = ruckig.Synchronization.No, ruckig.Synchronization.Time, ruckig.Synchronization.Phase
STRETCHED = 0.8  # breakpoints scale with a duration that may become longer than the bound
URGENT = 0.98  # a speed that cannot stay below this share of its limit
MIN_GAP = 2e-4  # breakpoints closer than this fraction of the duration are merged; 2 ms jerk ramps must survive


@dataclass(frozen=True)
class Bound:
    """Attributes:
    duration: lower bound of every motion from start to goal [s].
    joint: index of the joint that sets it.
    switches: times at which that joint's optimal jerk switches, 0 and the duration included [s].
    """

    duration: float
    joint: int
    switches: Array
    _trajectory: ruckig.Trajectory

    def progress(self, s: Array) -> Array:
        """(N,) share of the slowest joint's way done at s in [0, 1], between rests."""
        q = np.array([self._trajectory.at_time(float(t))[0][self.joint] for t in np.asarray(s) * self.duration])
        first, last = (self._trajectory.at_time(t)[0][self.joint] for t in (0.0, self.duration))
        return (q - first) / (last - first)


def lower_bound(start: State, goal: Array, limits: LimitSet, jerk: Array | None = None) -> Bound:
    """The bound for one goal configuration at rest.

    Args:
        jerk: smaller jerk limits (n_arm,), for breakpoints only: the result is then no bound.

    Raises:
        InputError: start and goal are the same, or no motion of a joint satisfies the limits.
    """
    trajectory = joint_motions(start, goal, limits.velocity, limits.acceleration, limits.jerk if jerk is None else jerk, ALONE)
    durations = np.array(trajectory.independent_min_durations)
    joint = int(np.argmax(durations))
    if durations[joint] < 1e-6:
        raise InputError("goal", "is the start configuration; there is nothing to move")
    profile = trajectory.profiles[0][joint]
    steps = [t for t in (*profile.brake.t, *profile.t) if t > 0]
    switches = np.concatenate([[0.0], np.cumsum(steps)])
    return Bound(float(durations[joint]), joint, switches, trajectory)


def joint_motions(
    start: State, goal: Array, velocity: Array, acceleration: Array, jerk: Array, together: ruckig.Synchronization
) -> ruckig.Trajectory:
    """Ruckig's motion from a state to a configuration at rest: joints `ALONE`, each at its own fastest; `ARRIVING` together;
    or on a `STRAIGHT` line, where the start is at rest.

    Raises:
        InputError: no motion of the joints alone satisfies the limits.
    """
    request = _to_rest(start, acceleration, jerk)
    request.target_position, request.max_velocity = goal.tolist(), velocity.tolist()
    request.synchronization = together
    return _solved(request, "goal", "no motion of the joints alone satisfies the limits")


def _to_rest(start: State, acceleration: Array, jerk: Array) -> ruckig.InputParameter:
    n = len(start.q)
    request = ruckig.InputParameter(n)
    request.current_position, request.current_velocity = start.q.tolist(), start.v.tolist()
    request.current_acceleration = start.a.tolist()
    request.target_velocity = request.target_acceleration = [0.0] * n
    request.max_acceleration, request.max_jerk = acceleration.tolist(), jerk.tolist()
    return request


def _solved(request: ruckig.InputParameter, where: str, problem: str) -> ruckig.Trajectory:
    trajectory = ruckig.Trajectory(request.degrees_of_freedom)
    try:
        result = ruckig.Ruckig(request.degrees_of_freedom).calculate(request, trajectory)
    except ruckig.RuckigError as error:
        raise InputError(where, f"{problem} ({error})") from None
    if result not in (ruckig.Result.Working, ruckig.Result.Finished):
        raise InputError(where, f"{problem} ({result})")
    return trajectory


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


def braking(start: State, limits: LimitSet, share: float) -> Array:
    """(n,) where the joints are when all have come to rest together, with this share of their acceleration and jerk.

    Raises:
        InputError: a joint cannot.
    """
    request = _to_rest(start, share * limits.acceleration, share * limits.jerk)
    request.control_interface = ruckig.ControlInterface.Velocity
    trajectory = _solved(request, "start", "cannot be brought to rest")
    return np.array(trajectory.at_time(trajectory.duration)[0])


def cosine_breakpoints(spans: int, weight: float = 0.7) -> Array:
    """(spans + 1,) breakpoints denser towards both ends: (1 − k) u + k (1 − cos πu)/2."""
    u = np.linspace(0.0, 1.0, spans + 1)
    return np.asarray((1 - weight) * u + weight * (1 - np.cos(np.pi * u)) / 2)
