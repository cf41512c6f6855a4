"""A driver that follows every command perfectly: for tests and previews."""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array
from fastmove.drivers.driver import Command, Driver, Reading
from fastmove.problem.transfer import TransferProblem


def connect(problem: TransferProblem, address: str = "", along: Array | None = None) -> KinematicDriver:
    """The driver `kinematic`; it has no address."""
    return KinematicDriver(problem)


class KinematicDriver(Driver):
    """Attributes: sent: every command; stopped: whether `stop` was called."""

    def __init__(self, problem: TransferProblem, cycle: float = 1e-3) -> None:
        self.cycle = cycle
        self._q, self._v = np.array(problem.start.q), np.array(problem.start.v)
        self.sent: list[Command] = []
        self.stopped = False

    def connect(self) -> None:
        self.sent.clear()
        self.stopped = False

    def payload(self, mass: float, com: Array, inertia: Array) -> None:
        self.carried = mass

    def read(self) -> Reading:
        return Reading(len(self.sent), self._q, self._v, True)

    def send(self, command: Command) -> Command:
        self.sent.append(command)
        self._q, self._v = command.q, command.v
        return command

    def stop(self) -> None:
        self.stopped = True
        self._v = np.zeros_like(self._v)
