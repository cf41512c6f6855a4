"""Clearances of a subproblem: rows of distances, cones where allowed contacts fade and where the side of a corridor is near.

    distance       w (margin + ∇margin B D + ∂margin/∂t s T ξ − padding) ≥ −e
    fading         w (d + ∇d B D − floor − steep L) ≥ −e,  L ≥ ‖moved + J B D + ∂moved/∂t s T ξ‖ for points of the item
    corridor       w (first + first' B D) + e ≥ w ‖rest + rest' B D‖

with a slack e for each sample and w the weight of a contact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmove.arrays import Array
from fastmove.optim.banded_program import Solution
from fastmove.optim.constraints.rows import BROKEN, XI, StepModel
from fastmove.optim.linearization import active_row_fraction


def add_clearance(model: StepModel, price: float) -> None:
    """Add the rows and cones of all nearby pairs, with a slack for every sample that has some.

    Args:
        model: The subproblem.
        price: Price of a slack.
    """
    contacts = model.here.contacts
    if len(contacts.sample) == 0:
        return
    clearance = ClearanceRows(model, price)
    clearance.distances()
    if contacts.fading is not None:
        clearance.fading()
    if contacts.corridor is not None:
        clearance.corridors()


@dataclass(frozen=True)
class IdleDistances:
    """Rows of distances slope·(B D) + xi ξ ≤ allowance + slack beyond the reach of the step that is expected.

    Attributes:
        span: (K,) spans of their samples.
        basis: (K, 4) coefficients of the control points there, 0 of those that are fixed.
        slope: (K, n) coefficients of the configuration.
        xi: (K,) coefficients of ξ.
        allowance: (K,) bounds [m].
        price: Price of a slack.
    """

    span: Array
    basis: Array
    slope: Array
    xi: Array
    allowance: Array
    price: float

    def broken(self, solution: Solution) -> Array:
        """(K,) whether a solution breaks them."""
        change = np.einsum("ka,kan->kn", self.basis, solution.points[self.span[:, None] + np.arange(4)])
        moved = np.einsum("kn,kn->k", self.slope, change) + self.xi * float(solution.border[XI])
        return np.asarray(moved > self.allowance + BROKEN)

    def chosen(self, which: Array) -> IdleDistances:
        """Some of the rows."""
        return IdleDistances(
            self.span[which], self.basis[which], self.slope[which], self.xi[which], self.allowance[which], self.price
        )

    def join(self, model: StepModel) -> None:
        """Add the rows to the program, each with a slack of its own."""
        if len(self.span) == 0:
            return
        program = model.program
        site = program.places(self.span, self.basis)
        slack = program.own(site, self.price)
        program.positive(site, slack)
        program.rows(site, self.slope, model.border(self.xi), self.allowance, slack[:, None], -np.ones((len(site), 1)))


class ClearanceRows:
    """Rows and cones of the pairs near the motion that the step starts from.

    Args:
        model: The subproblem.
        price: Price of a slack.
    """

    def __init__(self, model: StepModel, price: float) -> None:
        self.model, self.program, self.price = model, model.program, price
        self.contacts = model.here.contacts
        self.near, self.at = np.unique(self.contacts.sample, return_inverse=True)
        self.basis = basis = model.samples.distances.chosen(self.near)
        self.site = self.program.places(basis.span, basis.values[0] * basis.free)
        self.slack = self.program.own(self.site, price)
        self.program.positive(self.site, self.slack)
        self.freedom = np.abs(basis.values[0] * basis.free).sum(axis=1)
        self.moved = basis.moved(model.slope)  # of the configuration with ξ, through control points that change with T
        self.later = model.samples.clearance[self.near] * model.here.duration  # what happens at s happens by s T ξ later
        self.likely = active_row_fraction(model.transcription)  # rows that need more than this share of a step are left out

    def distances(self) -> None:
        """Add the rows of the pairs that a step could make bind, but for fading contacts and sides of corridors."""
        contacts, model, weight = self.contacts, self.model, self.contacts.weight
        slope, xi = self._rows(contacts.gradient * weight[:, None], contacts.rate * weight, self.at)
        allowance = (contacts.margin - model.here.paddings) * weight
        for apart in (contacts.fading, contacts.corridor):
            if apart is not None:
                allowance[apart.row] = np.inf
        reach = np.abs(slope).sum(axis=1) * self.freedom[self.at] * model.radius
        reach += np.abs(xi) * max(-model.stretch_range[0], model.stretch_range[1])
        binding = allowance < (self.likely * reach if model.transcription.at_rest else np.inf)
        reached = reach * (model.expected / model.radius) if np.isfinite(model.expected) else np.inf
        far = binding & (allowance > reached) & np.isfinite(allowance)
        basis, k = self.basis, self.at[far]
        model.idle.append(
            IdleDistances(basis.span[k], basis.values[0][k] * basis.free[k], slope[far], xi[far], allowance[far], self.price)
        )
        at, near = self.at[binding & ~far], binding & ~far
        border, own = model.border(xi[near]), self.slack[at][:, None]
        self.program.rows(self.site[at], slope[near], border, allowance[near], own, -np.ones(own.shape))

    def fading(self) -> None:
        """Add the rows of fading contacts, and the cones of the items' ways L."""
        fading, contacts, program = self.contacts.fading, self.contacts, self.program
        assert fading is not None
        at, count = np.searchsorted(self.near, fading.sample), len(fading.sample)
        ways = program.own(self.site[at], 0.0)
        first = np.zeros((count, 4, 1))
        first[:, 0] = 1.0
        for point in range(fading.moved.shape[1]):
            lifted, border = self._turned(fading.jacobian[:, point], at)
            border = border + fading.rate * self.later[at][:, None]
            zero = np.zeros((count, 1))
            lifted, border = np.concatenate([zero[..., None] * lifted[:, :1], lifted], axis=1), np.hstack([zero, border])
            offset = np.hstack([zero, fading.moved[:, point]])
            program.cones(self.site[at], lifted, self.model.border(border), offset, ways[:, None], first)
        weight, at = contacts.weight[fading.row], self.at[fading.row]
        still = np.zeros(len(at))  # what may be touched stands still, whether or not its surface moves
        slope, xi = self._rows(fading.gradient * weight[:, None], still, at)
        own = np.stack([self.slack[at], ways[fading.site]], axis=1)
        value = np.stack([-np.ones(len(at)), weight * fading.steep], axis=1)
        bound = weight * (contacts.distance[fading.row] - fading.floor)
        program.rows(self.site[at], slope, self.model.border(xi), bound, own, value)

    def corridors(self) -> None:
        """Add the cones of the corridors' sides that a step could reach."""
        contacts, corridor, model = self.contacts, self.contacts.corridor, self.model
        assert corridor is not None
        at = self.at[corridor.row]
        turned = np.linalg.norm(np.abs(corridor.slope).sum(axis=2), axis=1)
        reach = 2 * turned * self.freedom[at] * model.radius
        near = contacts.margin[corridor.row] < reach if model.transcription.at_rest else np.ones(len(at), dtype=bool)
        at, weight = at[near], contacts.weight[corridor.row[near]]
        lifted, border = self._turned(corridor.slope[near] * weight[:, None, None], at)
        first = np.zeros((len(at), lifted.shape[1], 1))
        first[:, 0] = 1.0
        own = self.slack[at][:, None]
        self.program.cones(self.site[at], lifted, model.border(border), corridor.value[near] * weight[:, None], own, first)

    def _rows(self, slope: Array, rate: Array, at: Array) -> tuple[Array, Array]:
        """Coefficients (C, n) of the configuration and (C,) of ξ in rows −slope·q' − rate s T ξ.

        Args:
            slope: (C, n) gradients of margins.
            rate: (C,) derivatives of margins with time.
            at: (C,) places of their samples.
        """
        return -slope, -(slope * self.moved[at]).sum(axis=1) - rate * self.later[at]

    def _turned(self, slope: Array, at: Array) -> tuple[Array, Array]:
        """Coefficients (K, r, n) of the configuration, as they are, and (K, r) of ξ, of quantities of the configuration."""
        return slope, np.einsum("kri,ki->kr", slope, self.moved[at])
