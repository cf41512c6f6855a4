"""The driver `kinematic`: it follows every command perfectly, for tests and previews."""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array
from fastmove.drivers.driver import Command, Driver, Reading
from fastmove.problem.following import EXACTLY
from fastmove.problem.transfer import TransferProblem


def connect(problem: TransferProblem, address: str = "", along: Array | None = None) -> KinematicDriver:
    """Builds the driver `kinematic` for `registries.drivers`.

    Args:
        problem: transfer whose start is the arm's first configuration.
        address: not used.
        along: not used.
    """
    return KinematicDriver(problem)


class KinematicDriver(Driver):
    """A driver without physics, which reports the last command as its state.

    Args:
        problem: transfer whose start is the arm's first configuration.
        cycle: control cycle [s].

    Attributes:
        sent: all commands since `connect`.
        stopped: whether `stop` was called since `connect`.
    """

    def __init__(self, problem: TransferProblem, cycle: float = 1e-3) -> None:
        self.cycle, self.following = cycle, EXACTLY
        self._q, self._v = np.array(problem.start.q), np.array(problem.start.v)
        self.sent: list[Command] = []
        self.stopped, self._mass = False, 0.0

    def connect(self) -> None:
        """Forgets earlier commands and calls of `stop`."""
        self.sent.clear()
        self.stopped = False

    def payload(self, mass: float, com: Array, inertia: Array) -> None:
        """Keeps the mass for `carried`."""
        self._mass = mass

    def carried(self) -> float:
        """Returns the mass told by `payload` [kg], at first 0."""
        return self._mass

    def speed_scale(self) -> float:
        """Returns 1: there is no speed slider."""
        return 1.0

    def read(self) -> Reading:
        """Returns the last command, at first the start, as the present state; the grip always holds."""
        return Reading(len(self.sent), self._q, self._v, True)

    def send(self, command: Command) -> Command:
        """Keeps a command, which becomes the present state."""
        self.sent.append(command)
        self._q, self._v = command.q, command.v
        return command

    def stop(self) -> None:
        """Stops at once, at the present configuration."""
        self.stopped = True
        self._v = np.zeros_like(self._v)
