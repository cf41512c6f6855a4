"""What arrives of the commands at a servo: some are lost, all act later; what is missing is extrapolated."""

from __future__ import annotations

from collections import deque

import numpy as np

from fastmove.drivers.driver import Command
from fastmove.drivers.simulated.imperfections import Imperfections


def extrapolated(command: Command, seconds: float) -> Command:
    """Returns a command as it would be some time later [s] with its acceleration, feed-forward and grip unchanged."""
    q = command.q + command.v * seconds + command.a * (seconds * seconds / 2)
    return Command(q, command.v + command.a * seconds, command.a, command.effort, command.grip_force)


class Arrival:
    """The way of commands to a servo.

    Args:
        imperfections: what is lost, and by how much all is late.
        cycle: control cycle [s].
        step: simulation step [s].

    Attributes:
        lost: number of commands that were lost since `begin`.
    """

    def __init__(self, imperfections: Imperfections, cycle: float, step: float) -> None:
        self._imperfections, self._cycle = imperfections, cycle
        self._steps = imperfections.delay_steps(step)
        self.lost = 0

    def begin(self, first: Command) -> None:
        """Begins anew, with the same random numbers.

        Args:
            first: command that acts until another has arrived.
        """
        self.lost, self._last = 0, first
        self._rng = np.random.default_rng((self._imperfections.seed, 1))
        self._late = deque([first] * self._steps)

    def arrived(self, command: Command) -> bool:
        """Returns whether a command is not lost."""
        if self._imperfections.lost == 0 or self._rng.random() >= self._imperfections.lost:
            return True
        self.lost += 1
        return False

    def taken(self, command: Command | None) -> Command:
        """Returns the command of a cycle, extrapolated from the last one where none came.

        Args:
            command: command that came; None where none did.
        """
        self._last = extrapolated(self._last, self._cycle) if command is None else command
        return self._last

    def acting(self, command: Command) -> Command:
        """Returns the command that acts in one simulation step, in which `command` is the newest."""
        if not self._steps:
            return command
        self._late.append(command)
        return self._late.popleft()
