"""Kinematic lower bound of a motion's duration, and the jerk-limited motions it comes from (Ruckig).

Ruckig solves each joint's minimum time under velocity, acceleration and jerk limits exactly (Berscheid & Kröger,
RSS 2021); no motion of all joints under more constraints can be faster than the slowest joint alone.  Where speed limits depend
on positions, a joint takes at least the time of `envelope_bound`, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import ruckig

from fastmove.arrays import Array
from fastmove.errors import InputError
from fastmove.problem.goal import State
from fastmove.robot.joint_limits import LimitSet
from fastmove.search.envelope_bound import EnvelopeMotion, envelope_motion

ALONE = ruckig.Synchronization.No  # Every joint moves as fast as it can.
ARRIVING = ruckig.Synchronization.Time  # All joints arrive at the same time.
CLOSE = 1e-5  # Distance of switching times that are the same one [s].
STRAIGHT = ruckig.Synchronization.Phase  # The joints move on a straight line in joint space.


@dataclass(frozen=True)
class Bound:
    """Lower bound of the duration of all motions from a start to a goal.

    Attributes:
        duration: Lower bound [s].
        joint: Index of the slowest joint, which sets the bound.
        switches: Times at which the optimal jerk of the slowest joint switches, 0 and the duration included [s].
    """

    duration: float
    joint: int
    switches: Array
    _place: Callable[[float], float]

    def progress(self, s: Array) -> Array:
        """Returns the share (N,) of its way that the slowest joint has done at shares s (N,) in [0, 1] of the duration."""
        q = np.array([self._place(float(t)) for t in np.asarray(s) * self.duration])
        first, last = (self._place(t) for t in (0.0, self.duration))
        return (q - first) / (last - first)


def _place(trajectory: ruckig.Trajectory, joint: int, time: float) -> float:
    """Where a joint is at a time [s] of Ruckig's motion [rad]."""
    return float(trajectory.at_time(time)[0][joint])


def lower_bound(start: State, goal: Array | State, limits: LimitSet, jerk: Array | None = None) -> Bound:
    """Returns the lower bound of the duration from a start to one goal configuration at rest, or to one goal state.

    Args:
        start: State at the start.
        goal: Goal configuration (n_arm,) [rad], or state; to one in motion position-dependent speed limits are left out.
        limits: Limits of the joints.
        jerk: Smaller jerk limits (n_arm,) [rad/s³], for breakpoints only: the result is then no bound.

    Raises:
        InputError: Start and goal are the same, or no motion of a joint satisfies the limits.
    """
    jerk = limits.jerk if jerk is None else jerk
    trajectory = joint_motions(start, goal, limits.velocity, limits.acceleration, jerk, ALONE)
    durations = np.array(trajectory.independent_min_durations)
    slowed: list[EnvelopeMotion | None] = [None] * len(durations)
    if limits.speed_envelope is not None and not isinstance(goal, State):
        slowed = _within_envelope(start, goal, limits, jerk, durations)
    joint = int(np.argmax(durations))
    if durations[joint] < 1e-6:
        raise InputError("goal", "is the start configuration; there is nothing to move")
    if (slower := slowed[joint]) is not None:
        return Bound(slower.duration, joint, slower.switches, lambda t: float(np.interp(t, slower.time, slower.place)))
    profile = trajectory.profiles[0][joint]
    steps = [t for t in (*profile.brake.t, *profile.t) if t > 0]
    switches = np.concatenate([[0.0], np.cumsum(steps)])
    return Bound(float(durations[joint]), joint, switches, partial(_place, trajectory, joint))


def _within_envelope(start: State, goal: Array, limits: LimitSet, jerk: Array, durations: Array) -> list[EnvelopeMotion | None]:
    """The motions (n,) of joints that their speed envelope slows down; their durations (n,) are raised."""
    found: list[EnvelopeMotion | None] = []
    for joint in range(len(goal)):
        motion = envelope_motion(start, goal, limits, joint, float(jerk[joint]))
        slower = motion is not None and motion.duration > durations[joint]
        found.append(motion if slower else None)
        durations[joint] = motion.duration if motion is not None and slower else durations[joint]
    return found


def quickest_first(ways: Array, limits: LimitSet, most: int) -> Array:
    """Returns the indices (K,) of at most so many ways that take the least time by the joints' speed limits alone, least first.

    Args:
        ways: Differences of configurations (N, n) [rad].
        limits: Limits of the joints.
        most: Largest number of ways.
    """
    return np.argsort((np.abs(ways) / limits.velocity).max(axis=1), kind="stable")[:most]


def joint_motions(
    start: State, goal: Array | State, velocity: Array, acceleration: Array, jerk: Array, synchronization: ruckig.Synchronization
) -> ruckig.Trajectory:
    """Returns Ruckig's motion from a state to a configuration at rest, or to another state.

    Args:
        start: State at the start.
        goal: Goal configuration (n,) [rad], or state.
        velocity: Velocity limits (n,) [rad/s].
        acceleration: Acceleration limits (n,) [rad/s²].
        jerk: Jerk limits (n,) [rad/s³].
        synchronization: `ALONE`, `ARRIVING`, or `STRAIGHT`, which needs a start at rest.

    Raises:
        InputError: No motion of the joints alone satisfies the limits.
    """
    request = _to_rest(start, acceleration, jerk)
    end = State.of(goal)
    request.target_position, request.max_velocity = end.q.tolist(), velocity.tolist()
    request.target_velocity, request.target_acceleration = end.v.tolist(), end.a.tolist()
    request.synchronization = synchronization
    return _solved(request, "goal", "no motion of the joints alone satisfies the limits")


def _to_rest(start: State, acceleration: Array, jerk: Array) -> ruckig.InputParameter:
    """Returns Ruckig's input for a motion from a state to rest, with limits (n,) of acceleration and jerk."""
    n = len(start.q)
    request = ruckig.InputParameter(n)
    request.current_position, request.current_velocity = start.q.tolist(), start.v.tolist()
    request.current_acceleration = start.a.tolist()
    request.target_velocity = request.target_acceleration = [0.0] * n
    request.max_acceleration, request.max_jerk = acceleration.tolist(), jerk.tolist()
    return request


def _solved(request: ruckig.InputParameter, where: str, problem: str) -> ruckig.Trajectory:
    """Returns Ruckig's trajectory; raises an InputError with `where` and `problem` where there is none."""
    trajectory = ruckig.Trajectory(request.degrees_of_freedom)
    try:
        result = ruckig.Ruckig(request.degrees_of_freedom).calculate(request, trajectory)
    except ruckig.RuckigError as error:
        raise InputError(where, f"{problem} ({error})") from None
    if result not in (ruckig.Result.Working, ruckig.Result.Finished):
        raise InputError(where, f"{problem} ({result})")
    return trajectory


def sampled(motion: ruckig.Trajectory, times: Array) -> tuple[Array, Array, Array]:
    """Returns positions, velocities and accelerations (N, n) of a motion at times (N,) [s]."""
    states = [motion.at_time(float(t)) for t in times]
    q, v, a = (np.array([state[k] for state in states]) for k in range(3))
    return q, v, a


def switching_times(motion: ruckig.Trajectory) -> Array:
    """Returns the times (K,) at which the jerk of any joint switches, from 0 to the duration [s]; between them q is cubic."""
    steps = [np.cumsum([0.0, *profile.brake.t, *profile.t, *profile.accel.t]) for profile in motion.profiles[0]]
    times = np.unique(np.concatenate([[0.0, motion.duration], *steps]))
    times = times[(times >= 0) & (times < motion.duration - CLOSE)]
    return np.append(times[np.concatenate([[True], np.diff(times) > CLOSE])], motion.duration)


def braking(start: State, limits: LimitSet, share: float) -> Array:
    """Returns the configuration (n,) [rad] in which the joints come to rest; see `braking_motion`."""
    motion = braking_motion(start, limits, share)
    return np.array(motion.at_time(motion.duration)[0])


def braking_motion(start: State, limits: LimitSet, share: float, jerk: float | None = None) -> ruckig.Trajectory:
    """Returns the motion in which all joints brake to stop at the same time, whatever is in the hand.

    Args:
        start: State from which the joints brake.
        limits: Limits of the joints.
        share: Share of the acceleration limits that may be used.
        jerk: Share of the jerk limits that may be used; None = the same.

    Raises:
        InputError: A joint cannot be brought to rest.
    """
    request = _to_rest(start, share * limits.acceleration, (share if jerk is None else jerk) * limits.jerk)
    request.control_interface = ruckig.ControlInterface.Velocity
    return _solved(request, "start", "cannot be brought to rest")
