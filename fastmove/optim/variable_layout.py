"""Which column of a subproblem is what: D, slacks of clearances, of rest, of violated limits, ξ, ways of fading contacts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastmove.arrays import Array


@dataclass(frozen=True)
class VariableLayout:
    """Attributes:
    size: of D, which comes first.
    near, at_rest: samples whose clearances, and whose efforts at rest, have a slack each, in order.
    stated: samples whose path constraints at rest have a slack each.
    violable: whether limits may be violated, at the cost of one more slack.
    fading: sites of fading contacts, each with its way as a variable.
    """

    size: int
    near: Array
    at_rest: Array
    stated: Array
    violable: bool
    fading: int

    @property
    def clearance(self) -> int:
        """First slack of clearances."""
        return self.size

    @cached_property
    def rest(self) -> int:
        """First slack of efforts at rest."""
        return self.size + len(self.near)

    @cached_property
    def path(self) -> int:
        """First slack of path constraints at rest."""
        return self.rest + len(self.at_rest)

    @cached_property
    def sigma(self) -> int:
        """Slack of violated limits, where there is one: as much of every limit as it is large."""
        return self.path + len(self.stated)

    @cached_property
    def xi(self) -> int:
        return self.sigma + int(self.violable)

    @property
    def ways(self) -> int:
        """First way of a fading contact."""
        return self.xi + 1

    @property
    def columns(self) -> int:
        """All of them."""
        return self.ways + self.fading

    def slack_of(self, sample: Array) -> Array:
        """Columns of the slacks of clearances at these samples."""
        return self.clearance + np.searchsorted(self.near, sample)
