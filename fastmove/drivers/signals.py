"""Digital signals at points of a motion: an output that is switched there, or an input that has to be as it is needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmove.arrays import Array
from fastmove.errors import InputError
from fastmove.trajectory.trajectory import Trajectory

NEAR_ENOUGH = 2.0  # distance from its place, in cycles of the motion there, within which a signal counts as passed
AT_REST = 1e-6  # distance within which a place at rest counts as reached [rad]


@dataclass(frozen=True)
class Signal:
    """A digital signal at a point of a motion, whichever way and speed the arm comes past it.

    Attributes:
        at: time in the planned motion at which the arm is at that point [s].
        output: number of the output that is switched there; None for an input.
        input: number of the input that is looked at there: where it is not as needed, a held stop begins.
        on: whether the output is to be on, or the input has to be.

    Raises:
        InputError: neither or both of output and input are given, or the time is negative.
    """

    at: float
    output: int | None = None
    input: int | None = None
    on: bool = True

    def __post_init__(self) -> None:
        if (self.output is None) == (self.input is None):
            raise InputError("signal", "needs either an output to switch or an input to look at")
        if not self.at >= 0:
            raise InputError("signal.at", f"is {self.at}; allowed: times in the motion, from 0 s")

    @property
    def words(self) -> str:
        """What it is, for messages."""
        what = f"output {self.output}" if self.output is not None else f"input {self.input}"
        return f"{what} {'on' if self.on else 'off'} at {self.at:.3f} s"


class SignalPoint:
    """The point of a signal: says when commands pass it.

    Args:
        signal: the signal.
        trajectory: the motion as it was planned.
        cycle: control cycle [s].

    Raises:
        InputError: the signal is beyond the motion.
    """

    def __init__(self, signal: Signal, trajectory: Trajectory, cycle: float) -> None:
        if signal.at > trajectory.duration:
            raise InputError("signal.at", f"is {signal.at} s; allowed: in the motion, to {trajectory.duration:.3f} s")
        self.signal = signal
        self._place, self._way = trajectory.sample(signal.at, 0), trajectory.sample(signal.at, 1)
        beside = np.clip(signal.at + NEAR_ENOUGH * cycle * np.array([-1.0, 1.0]), 0.0, trajectory.duration)
        self._near = max(AT_REST, float(np.abs(trajectory.position(beside) - self._place).max()))

    def passed(self, q: Array) -> bool:
        """Returns whether a commanded configuration (n,) is at the point or just past it [rad]."""
        beyond = q - self._place
        return bool(float(np.abs(beyond).max()) <= self._near and float(beyond @ self._way) >= 0.0)
