"""The instants at which loads are checked: every breakpoint from both sides, and a grid between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmove.arrays import Array
from fastmove.trajectory.trajectory import Trajectory


@dataclass(frozen=True)
class TimeGrid:
    """Times with the side from which jumps are seen, and the motion there."""

    time: Array
    q: Array
    v: Array
    a: Array
    j: Array


def time_grid(trajectory: Trajectory, step: float) -> TimeGrid:
    """Every `step`, the exact end, and every breakpoint from both sides (jerk jumps there)."""
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
