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
from fastmove.robot.joint_limits import LimitSet

ALONE, ARRIVING, STRAIGHT = ruckig.Synchronization.No, ruckig.Synchronization.Time, ruckig.Synchronization.Phase


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
    start: State, goal: Array, velocity: Array, acceleration: Array, jerk: Array, synchronization: ruckig.Synchronization
) -> ruckig.Trajectory:
    """Ruckig's motion from a state to a configuration at rest: joints `ALONE`, each at its own fastest; `ARRIVING` together;
    or on a `STRAIGHT` line, where the start is at rest.

    Raises:
        InputError: no motion of the joints alone satisfies the limits.
    """
    request = _to_rest(start, acceleration, jerk)
    request.target_position, request.max_velocity = goal.tolist(), velocity.tolist()
    request.synchronization = synchronization
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


def braking(start: State, limits: LimitSet, share: float) -> Array:
    """(n,) where the joints are when all have come to rest together, with this share of their acceleration and jerk.

    Raises:
        InputError: a joint cannot.
    """
    request = _to_rest(start, share * limits.acceleration, share * limits.jerk)
    request.control_interface = ruckig.ControlInterface.Velocity
    trajectory = _solved(request, "start", "cannot be brought to rest")
    return np.array(trajectory.at_time(trajectory.duration)[0])
