"""Columns of a subproblem's variables: control points, slacks, ξ, and displacements of fading contacts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastmove.arrays import Array


@dataclass(frozen=True)
class VariableLayout:
    """Columns of a subproblem's variables, in this order: D, slacks, ξ, and the ways of fading contacts.

    Attributes:
        size: Number of components of D, the change of the free control points.
        near: Samples whose clearances have a slack, in increasing order.
        at_rest: Samples whose efforts at rest have a slack, in increasing order.
        stated: Samples whose path constraints at rest have a slack.
        violable: Whether limits may be violated at the cost of one more slack.
        fading: Number of sites of fading contacts; each has the displacement of its item (its way) as a variable.
    """

    size: int
    near: Array
    at_rest: Array
    stated: Array
    violable: bool
    fading: int

    @property
    def clearance(self) -> int:
        """Column of the first slack of clearances."""
        return self.size

    @cached_property
    def rest(self) -> int:
        """Column of the first slack of efforts at rest."""
        return self.size + len(self.near)

    @cached_property
    def path(self) -> int:
        """Column of the first slack of path constraints at rest."""
        return self.rest + len(self.at_rest)

    @cached_property
    def sigma(self) -> int:
        """Column of the slack of violated limits, if there is one: it is added to every limit."""
        return self.path + len(self.stated)

    @cached_property
    def xi(self) -> int:
        """Column of ξ, the relative change of the duration."""
        return self.sigma + int(self.violable)

    @property
    def ways(self) -> int:
        """Column of the first way of a fading contact."""
        return self.xi + 1

    @property
    def columns(self) -> int:
        """Number of variables."""
        return self.ways + self.fading

    def slack_of(self, sample: Array) -> Array:
        """Columns (K,) of the slacks of clearances at these samples (K,), which must be among `near`."""
        return self.clearance + np.searchsorted(self.near, sample)
