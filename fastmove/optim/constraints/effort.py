"""Rows of torque and torque rate."""

from __future__ import annotations

from dataclasses import dataclass

from fastmove.arrays import Array


@dataclass(frozen=True)
class EffortRows:
    """Torques and wrenches (K, members, rows) as value + free·D + xi ξ ≤ limit + power ξ + slack, in shares of a limit."""

    value: Array
    free: Array
    xi: Array
    limit: float
    power: int
    slack: Array | None

    @property
    def at_rest(self) -> bool:
        """Whether they are those of the arm at rest, which have a slack each."""
        return self.slack is not None
