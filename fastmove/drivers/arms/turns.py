"""Commands that wait for their turn, one in every cycle of the arm, and digital outputs between them."""

from __future__ import annotations

from collections import deque

import numpy as np

from fastmove.drivers.driver import Command

STILL = (1e-6, 1e-3)  # velocity [rad/s] and acceleration [rad/s²] of a command up to which the arm is meant to be at rest

Output = tuple[int, bool]  # number of a digital output, and whether it is to be on


class Turns:
    """The queue of commands, in their order.

    Attributes:
        taken: number of commands that have had their turn, or were dropped.
    """

    def __init__(self) -> None:
        self._queue: deque[Command | Output] = deque()
        self._commands, self.taken = 0, 0

    def __len__(self) -> int:
        return self._commands

    @property
    def end_at_rest(self) -> bool:
        """Whether there are commands, the last of which is of an arm at rest."""
        newest = next((entry for entry in reversed(self._queue) if isinstance(entry, Command)), None)
        return newest is not None and is_still(newest)

    def add(self, entry: Command | Output) -> None:
        """Adds a command, or an output that is switched before the next one."""
        self._queue.append(entry)
        self._commands += isinstance(entry, Command)

    def drop(self) -> None:
        """Counts a command that is not played."""
        self.taken += 1

    def clear(self) -> None:
        """Drops all."""
        self.taken += self._commands
        self._queue.clear()
        self._commands = 0

    def outputs(self) -> list[Output]:
        """Takes the outputs that come before the next command."""
        found: list[Output] = []
        while self._queue and not isinstance(self._queue[0], Command):
            found.append(self._queue.popleft())  # type: ignore[arg-type]
        return found

    def next(self) -> Command:
        """Takes the next command, whose outputs have been taken."""
        command = self._queue.popleft()
        assert isinstance(command, Command)
        self._commands -= 1
        self.taken += 1
        return command


def is_still(command: Command) -> bool:
    """Returns whether a command is of an arm at rest that stays there."""
    return bool(np.abs(command.v).max() <= STILL[0] and np.abs(command.a).max() <= STILL[1])
