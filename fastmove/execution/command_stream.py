"""The commands of a motion at a driver's control cycle, sampled from its spline, with the feed-forward torque of the dynamics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmove.arrays import Array
from fastmove.drivers.driver import Command
from fastmove.dynamics.efforts import Dynamics
from fastmove.trajectory.trajectory import Trajectory

ROWS = ("q", "v", "a", "effort", "grip")  # What a command has a row of.


@dataclass(frozen=True)
class CommandStream:
    """The commands of one motion; row k is sent in cycle k.

    Attributes:
        q: (N, n) configurations [rad].
        v: (N, n) velocities [rad/s].
        a: (N, n) accelerations [rad/s²].
        effort: (N, n) feed-forward torques [Nm].
        grip: (N, holds) grip forces per pad [N].
    """

    q: Array
    v: Array
    a: Array
    effort: Array
    grip: Array

    def __len__(self) -> int:
        return len(self.q)

    def command(self, k: int) -> Command:
        """Returns the command of cycle k."""
        return Command(self.q[k], self.v[k], self.a[k], self.effort[k], self.grip[k])

    def joined(self, first: int, tail: CommandStream) -> CommandStream:
        """Returns the rows before cycle `first`, followed by those of another stream."""
        pairs = ((getattr(self, key)[:first], getattr(tail, key)) for key in ROWS)
        return CommandStream(*(np.concatenate(pair) for pair in pairs))


def first_cycle(at: float, cycle: float) -> int:
    """Returns the number of the first cycle at or after a time [s]."""
    return int(np.ceil(at / cycle - 1e-9))


def sampled_commands(trajectory: Trajectory, dynamics: Dynamics, cycle: float, since: float = 0.0) -> CommandStream:
    """Samples the commands of a motion, the last of which is its end.

    Args:
        trajectory: the motion.
        dynamics: dynamics of arm and what it holds.
        cycle: control cycle [s].
        since: time of the motion from which on its cycles are wanted [s].
    """
    numbers = np.arange(first_cycle(since, cycle), first_cycle(trajectory.duration, cycle) + 1)
    time = np.minimum(numbers * cycle, trajectory.duration)
    q, v, a = (trajectory.motion(k)(time) for k in range(3))
    forces = np.array([phase.grip_force for phase in trajectory.phases]).reshape(len(trajectory.phases), -1)
    return CommandStream(q, v, a, dynamics.torques(q, v, a), forces[trajectory.phase_at(time)])
