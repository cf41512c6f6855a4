"""The instants at which loads are checked: a uniform grid, with every breakpoint from both sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmove.arrays import Array
from fastmove.trajectory.trajectory import Trajectory


@dataclass(frozen=True)
class TimeGrid:
    """Instants of a motion in order of time, with the motion there; a breakpoint is there twice, seen from either side.

    Attributes:
        time: (N,) times [s].
        q: (N, n) positions [rad].
        v: (N, n) velocities [rad/s].
        a: (N, n) accelerations [rad/s²].
        j: (N, n) jerks [rad/s³].
    """

    time: Array
    q: Array
    v: Array
    a: Array
    j: Array


def time_grid(trajectory: Trajectory, step: float) -> TimeGrid:
    """Sample a motion every `step` [s], at its exact end, and at every breakpoint from both sides, since jerk jumps there."""
    uniform = trajectory.grid(step)
    breaks = trajectory.motion().times
    time = np.concatenate([uniform[:-1], breaks[:-1], breaks[1:]])
    left = np.concatenate([np.zeros(len(uniform) - 1 + len(breaks) - 1, dtype=bool), np.ones(len(breaks) - 1, dtype=bool)])
    order = np.lexsort((~left, time))
    time, left = time[order], left[order]
    values = []
    for k in range(4):
        motion = trajectory.motion(k)
        value = motion(time, "right")
        value[left] = motion(time[left], "left")
        values.append(value)
    return TimeGrid(time, *values)
