"""The hold, and what items tolerate, as second-order cones of a subproblem.

    hold           ‖L W, p + n‖ ≤ 0.9 F (1 + 2 ξ),  p ≥ ‖C W‖, n ≥ |W_y|/2,  W = w + J D + 2 w_g ξ
    pad share      ‖A W‖ + b·W ≤ 0.9 F (1 + 2 ξ), for each pad
    tilt, shock    ‖A W‖ + b·W ≤ 0 or 1 (1 + 2 ξ), in shares of the item's weight
    hold at rest   the same for W = w_g + ∂w_g/∂q B D ≤ 0.97 · 0.9 F + h, wherever the static use exceeds 60 %

Linearised, the hold takes several times as many steps and ends slower.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmove.contact import ConeContact
from fastmove.spline import Array
from fastmove.tolerance import Care
from fastmove.transcription import ROW_MEMBERS, STATIC_TARGET, Transcription

CONE_FROM = 0.35  # use of the hold from which a sample gets its cones


@dataclass(frozen=True)
class EffortRows:
    """Torques and wrenches (K, members, rows) as value + free·D + xi ξ ≤ limit + power ξ + slack, in shares of a limit."""

    value: Array
    free: Array
    xi: Array
    limit: float
    power: int
    slack: Array | None


_Where = tuple[EffortRows, int, int, int]  # rows, sample, member, hold


@dataclass(frozen=True)
class Layout:
    """Columns of a subproblem: `size` of D, slacks up to `sigma`, that of violated limits there where there is one, ξ at `xi`,
    `columns` in all."""

    size: int
    sigma: int
    xi: int
    columns: int


class HoldCones:
    """Cones (A, b) of the samples, members and holds that can bind in the trust region.

    Args:
        efforts: in motion, and at rest.
        members: of the item set that they are for; None = all.
        radius, stretch_range: of the step.

    Attributes:
        cones: (A (k, columns), b (k,)), b₀ + A₀ x ≥ ‖b₁… + A₁… x‖.
        rows, bounds: rows x ≤ bound that belong to them.
        columns: with two more for every hold that may bind, p and n.
    """

    def __init__(
        self,
        tr: Transcription,
        efforts: list[EffortRows],
        members: Array | None,
        radius: float,
        stretch_range: tuple[float, float],
        layout: Layout,
    ) -> None:
        self.tr, self.efforts, self.members, self.layout = tr, efforts, members, layout
        self.rows: list[Array] = []
        self.bounds: list[Array] = []
        chosen, shared = self._near(radius, stretch_range)
        self.columns = layout.columns + 2 * len(chosen)
        self.cones = [cone for i, row in enumerate(chosen) for cone in self._score_cones(*row, layout.columns + 2 * i)]
        self.cones += [cone for row in shared for cone in self._share_cones(*row)] + self._care_cones()

    def _near(self, radius: float, stretch_range: tuple[float, float]) -> tuple[list[_Where], list[_Where]]:
        """Where S may bind, and where V or R may."""
        tr, n = self.tr, self.tr.n
        chosen: list[_Where] = []
        shared: list[_Where] = []
        for e in self.efforts:
            reach = np.abs(e.free).sum(axis=(3, 4)) * radius
            reach += np.abs(e.xi) * max(abs(stretch_range[0]), abs(stretch_range[1]))
            for hold, contact in enumerate(tr.carry.contacts):
                rows = slice(n + 6 * hold, n + 6 * hold + 6)
                bound = _largest_use(contact, np.abs(e.value[:, :, rows]) + reach[:, :, rows]) / tr.carry.forces[hold]
                least = tr.hold_max * (e.limit + e.power * stretch_range[0])
                wrench, full = e.value[:, :, rows], tr.hold_max * e.limit
                near = (bound > least) & _worst_members(contact.score(wrench, tr.carry.forces[hold]) / full)
                chosen += [(e, int(k), int(m), hold) for k, m in zip(*np.nonzero(near), strict=True)]
                near = _worst_members(contact.share(wrench, tr.carry.forces[hold]) / full)
                shared += [(e, int(k), int(m), hold) for k, m in zip(*np.nonzero(near), strict=True)]
        return chosen, shared

    def _score_cones(self, e: EffortRows, k: int, m: int, hold: int, p: int) -> list[tuple[Array, Array]]:
        """p ≥ ‖C W‖, n ≥ |n·W| and 0.9 (limit + power ξ) + h ≥ ‖(L W, p + n)‖, all divided by F; columns p and n = p + 1."""
        contact = self.tr.carry.contacts[hold]
        wrench, change, room = self._per_force(e, k, m, hold)
        unit = np.zeros((2, self.columns))
        unit[0, p] = unit[1, p + 1] = 1.0
        for sign in (1.0, -1.0):
            self.rows.append((sign * contact.normal @ change - unit[1])[None])
            self.bounds.append(np.array([-sign * contact.normal @ wrench]))
        couples = (np.vstack([unit[0], contact.couples @ change]), np.concatenate([[0.0], contact.couples @ wrench]))
        whole = np.vstack([room, contact.linear @ change, unit[0] + unit[1]])
        return [couples, (whole, np.concatenate([[e.limit * self.tr.hold_max], contact.linear @ wrench, [0.0]]))]

    def _share_cones(self, e: EffortRows, k: int, m: int, hold: int) -> list[tuple[Array, Array]]:
        """0.9 (limit + power ξ) + h − b·W ≥ ‖A W‖ for each pad, divided by F."""
        wrench, change, room = self._per_force(e, k, m, hold)
        full = e.limit * self.tr.hold_max
        return [
            (np.vstack([room - b @ change, a @ change]), np.concatenate([[full - b @ wrench], a @ wrench]))
            for a, b in self.tr.carry.contacts[hold].shares
            if float(np.linalg.norm(a @ wrench) + b @ wrench) > CONE_FROM * full
        ]

    def _care_cones(self) -> list[tuple[Array, Array]]:
        """limit (1 + power ξ) + h − b·W ≥ ‖A W‖ for what items tolerate, in shares of their weight."""
        tr, cones = self.tr, []
        for e in self.efforts:
            at_rest = e.slack is not None
            share = tr.inside * (STATIC_TARGET if at_rest else 1.0)
            for hold, care in enumerate(tr.carry.cares):
                if care is None:
                    continue
                members = np.arange(e.value.shape[1]) if self.members is None else self.members
                wrench = e.value[:, :, tr.n + 6 * hold : tr.n + 6 * hold + 6]
                use = Care(care.tolerance, care.up, care.masses[members]).use(wrench, at_rest)
                for k, m in zip(*np.nonzero(_worst_members(use)), strict=True):
                    there, change, room = self._wrench(e, int(k), int(m), hold)
                    for cone in care.cones(int(members[m]), at_rest, share):
                        row = room.copy()
                        row[self.layout.xi] *= cone.limit
                        matrix = np.vstack([row - cone.offset @ change, cone.matrix @ change])
                        cones.append((matrix, np.concatenate([[cone.limit - cone.offset @ there], cone.matrix @ there])))
        return cones

    def _per_force(self, e: EffortRows, k: int, m: int, hold: int) -> tuple[Array, Array, Array]:
        """The wrench over F, its change (6, columns), and the row of what a longer duration and slacks add to 0.9."""
        wrench, change, room = self._wrench(e, k, m, hold)
        force = self.tr.carry.forces[hold]
        room[: self.layout.sigma] *= self.tr.hold_max
        room[self.layout.xi] *= self.tr.hold_max
        return wrench / force, change / force, room

    def _wrench(self, e: EffortRows, k: int, m: int, hold: int) -> tuple[Array, Array, Array]:
        """A wrench, its change (6, columns), and the row of what a longer duration and slacks add to a limit of 1."""
        tr = self.tr
        rows = slice(tr.n + 6 * hold, tr.n + 6 * hold + 6)
        change = np.zeros((6, self.columns))
        change[:, : self.layout.size] = e.free[k, m, rows].reshape(6, -1)
        change[:, self.layout.xi] = e.xi[k, m, rows]
        room = np.zeros(self.columns)
        room[self.layout.xi] = e.power
        if e.slack is not None:
            room[e.slack[k]] = 1.0
        if not tr.at_rest:
            room[self.layout.sigma] = 1.0
        return e.value[k, m, rows], change, room


def _worst_members(use: Array) -> Array:
    """(N, members) whether a member's hold is used enough, and among the most of its sample, to get cones."""
    return np.asarray((use > CONE_FROM) & (np.argsort(np.argsort(-use, axis=1), axis=1) < ROW_MEMBERS))


def _largest_use(contact: ConeContact, largest: Array) -> Array:
    """Upper bound of S·F over wrenches with |W| ≤ largest, component by component."""
    lin = np.linalg.norm(largest @ np.abs(contact.linear).T, axis=-1)
    couples = np.linalg.norm(largest @ np.abs(contact.couples).T, axis=-1)
    return np.asarray(np.hypot(lin, couples + largest @ np.abs(contact.normal)))
