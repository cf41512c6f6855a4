"""Drivers for tests of what happens in flight."""

from __future__ import annotations

from typing import Any

import fastmove as fm


class Recorder(fm.drivers.KinematicDriver):
    """A driver that keeps every command."""

    def __init__(self, problem: fm.TransferProblem) -> None:
        super().__init__(problem)
        self.commands: list[Any] = []

    def send(self, command: Any) -> Any:
        self.commands.append(command)
        return super().send(command)
