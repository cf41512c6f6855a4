"""Clearances of a subproblem: rows of distances, cones where allowed contacts fade and where the side of a corridor is near.

    distance       w (margin + ∇margin B D + ∂margin/∂t s T ξ − padding) ≥ −e
    fading         w (d + ∇d B D − floor − steep L) ≥ −e,  L ≥ ‖moved + J B D‖ for points of the item
    corridor       w (first + first' B D) + e ≥ w ‖rest + rest' B D‖

with a slack e for each sample and w the weight of a contact.
"""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array
from fastmove.optim.cone_program import Cones
from fastmove.optim.constraints.rows import LimitRows, StepModel
from fastmove.optim.linearization import active_row_fraction


def add_clearance(model: StepModel, rows: LimitRows, cones: Cones) -> None:
    """Add the rows and cones of all nearby pairs.

    Args:
        model: The subproblem.
        rows: Rows to add to.
        cones: Cones to add to.
    """
    contacts = model.here.contacts
    if len(contacts.sample) == 0:
        return
    clearance = ClearanceRows(model)
    rows.add_whole(*clearance.distances())
    if contacts.fading is not None:
        rows.add_whole(*clearance.fading(cones))
    if contacts.corridor is not None:
        clearance.corridors(cones)


class ClearanceRows:
    """Rows and cones of the pairs near the motion that the step starts from.

    Args:
        model: The subproblem.
    """

    def __init__(self, model: StepModel) -> None:
        self.model, self.transcription, self.samples = model, model.transcription, model.samples
        self.contacts, self.layout, self.slope = model.here.contacts, model.layout, model.slope
        self.radius, self.stretch_range, self.duration = model.radius, model.stretch_range, model.here.duration
        self.likely = active_row_fraction(model.transcription)  # rows that need more than this share of a step are left out

    def distances(self) -> tuple[Array, Array]:
        """Rows (K, columns) and bounds (K,) of the pairs that a step could make bind.

        Fading contacts and sides of corridors are left out here.
        """
        contacts, weight, layout = self.contacts, self.contacts.weight, self.layout
        block = self._rows(contacts.sample, contacts.gradient * weight[:, None], contacts.rate * weight)
        allowance = (contacts.margin - self.model.here.paddings) * weight
        for apart in (contacts.fading, contacts.corridor):
            if apart is not None:
                allowance[apart.row] = np.inf
        reach = np.abs(block[:, : layout.size]).sum(axis=1) * self.radius
        reach += np.abs(block[:, layout.xi]) * max(-self.stretch_range[0], self.stretch_range[1])
        binding = allowance < (self.likely * reach if self.transcription.at_rest else np.inf)
        return block[binding], allowance[binding]

    def fading(self, cones: Cones) -> tuple[Array, Array]:
        """Rows (K, columns) and bounds (K,) of fading contacts.

        Args:
            cones: Cones to which those of the items' ways L are added.
        """
        contacts, fading, layout = self.contacts, self.contacts.fading, self.layout
        assert fading is not None
        count = len(fading.sample)
        columns, points = self._touched(layout.ways + np.arange(count)), fading.moved.shape[1]
        for point in range(points):
            change = np.zeros((count, 4, layout.size + 2))
            change[:, 1:, :-1], change[:, 0, -1] = self._turned(fading.sample, fading.jacobian[:, point]), 1.0
            cones.add(columns, change, np.hstack([np.zeros((count, 1)), fading.moved[:, point]]))
        weight = contacts.weight[fading.row]
        still = contacts.rate[fading.row]  # what may be touched stands still
        block = self._rows(contacts.sample[fading.row], fading.gradient * weight[:, None], still)
        block[np.arange(len(block)), layout.ways + fading.site] = weight * fading.steep
        return block, weight * (contacts.distance[fading.row] - fading.floor)

    def corridors(self, cones: Cones) -> None:
        """Add the cones of the corridors' sides that a step could reach."""
        contacts, corridor, transcription, layout = self.contacts, self.contacts.corridor, self.transcription, self.layout
        assert corridor is not None
        sample = contacts.sample[corridor.row]
        turned = np.linalg.norm(np.abs(corridor.slope).sum(axis=2), axis=1)
        reach = 2 * turned * np.abs(self.samples.b_clearance[sample][:, transcription.free]).sum(axis=1) * self.radius
        near = contacts.margin[corridor.row] < reach if transcription.at_rest else np.ones(len(sample), dtype=bool)
        sample, weight = sample[near], contacts.weight[corridor.row[near]]
        change = np.zeros((len(sample), 4, layout.size + 2))
        change[:, :, :-1] = self._turned(sample, corridor.slope[near]) * weight[:, None, None]
        change[:, 0, -1] = 1.0
        cones.add(self._touched(layout.slack_of(sample)), change, corridor.value[near] * weight[:, None])

    def _rows(self, sample: Array, slope: Array, rate: Array) -> Array:
        """Rows (C, columns) −slope·(B D) − rate s T ξ − e of pairs, with the slack e of each one's sample.

        What happens at s happens by δt = s T ξ later.

        Args:
            sample: (C,) samples of the pairs.
            slope: (C, n) gradients of their margins.
            rate: (C,) derivatives of their margins with time.
        """
        layout, turned = self.layout, self._turned(sample, slope[:, None])[:, 0]
        block = np.zeros((len(sample), layout.columns))
        block[:, : layout.size], block[:, layout.xi] = -turned[:, :-1], -turned[:, -1]
        block[:, layout.xi] -= rate * self.samples.clearance[sample] * self.duration
        block[np.arange(len(block)), layout.slack_of(sample)] = -1.0
        return block

    def _turned(self, sample: Array, slope: Array) -> Array:
        """Derivatives (K, r, size + 1) with respect to D and ξ of quantities of the configuration.

        Args:
            sample: (K,) distance samples.
            slope: (K, r, n) derivatives with respect to the configuration.
        """
        b = self.samples.b_clearance[sample]
        free = (b[:, None, self.transcription.free, None] * slope[:, :, None, :]).reshape(*slope.shape[:2], self.layout.size)
        return np.concatenate([free, np.einsum("kri,ki->kr", slope, b @ self.slope)[..., None]], axis=2)

    def _touched(self, last: Array) -> Array:
        """Columns (K, size + 2) of D, ξ, and one more (K,)."""
        every = np.append(np.arange(self.layout.size), self.layout.xi)
        return np.hstack([np.tile(every, (len(last), 1)), last[:, None]])
