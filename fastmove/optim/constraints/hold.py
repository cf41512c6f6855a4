"""The hold, and what items tolerate, as second-order cones of a subproblem.

    hold           ‖L W, p + n‖ ≤ 0.9 F (1 + 2 ξ),  p ≥ ‖C W‖, n ≥ |W_y|/2,  W = w + J D + 2 w_g ξ
    pad share      ‖A W‖ + b·W ≤ 0.9 F (1 + 2 ξ), for each pad
    tilt, shock    ‖A W‖ + b·W ≤ 0 or 1 (1 + 2 ξ), in shares of the item's weight (`problem.tolerance`); upright: that of tilt
                   for the wrench at rest; swing is one more pad share (`contact.pinch`)
    squeeze        |W_y| ≤ side (1 + 2 ξ), likewise, and at rest
    curved         use + ∂use/∂W (W − w) ≤ 0.9 (1 + 2 ξ), for contacts that are expressions instead of cones
    hold at rest   the same for W = w_g + ∂w_g/∂q B D ≤ 0.9 F (0.97 + h), wherever the utilisation at rest exceeds 60 %

If the hold were linearised, the loop would take several times as many steps and end with a longer duration.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fastmove.arrays import Array
from fastmove.contact.law import ContactModel
from fastmove.contact.wrench_cone import ConeContact
from fastmove.optim.constraints.effort import EffortRows
from fastmove.optim.constraints.rows import SIGMA, XI, StepModel
from fastmove.optim.margins import STATIC_TARGET
from fastmove.optim.transcription import ROW_MEMBERS
from fastmove.problem.tolerance import ToleranceModel

CONE_FROM = 0.35  # Utilisation of the hold above which a sample gets cones.


@dataclass(frozen=True)
class WrenchSamples:
    """Contact wrenches of one hold that get cones: W = wrench + slope y + xi ξ over the grip force.

    Attributes:
        efforts: Efforts that they are among.
        hold: Number of the hold.
        k: (N,) indices of their samples among the efforts.
        m: (N,) their members.
        wrench: (N, 6) wrenches over the grip force where the step begins.
        site: (N,) sites that they belong to.
        slope: (N, 6, r) their derivatives with respect to the sites' quantities.
        xi: (N, 6) their derivatives with respect to ξ.
    """

    efforts: EffortRows
    hold: int
    k: Array
    m: Array
    wrench: Array
    site: Array
    slope: Array
    xi: Array

    def of(self, which: Array) -> WrenchSamples:
        """Only some of the wrenches."""
        return replace(self, **{key: getattr(self, key)[which] for key in ("k", "m", "wrench", "site", "slope", "xi")})


class HoldCones:
    """Cones of the samples, members and holds that can bind in the trust region.

    In motion every such wrench is a site of its own, whose quantities are the six components of its change over the grip force.

    Args:
        model: The subproblem.
        efforts: Efforts in motion, and at rest.
    """

    def __init__(self, model: StepModel, efforts: list[EffortRows]) -> None:
        self.model, self.transcription, self.members, self.program = model, model.transcription, model.here.members, model.program
        for e in efforts:
            reach = np.abs(e.free).sum(axis=(3, 4)) * model.radius
            reach += np.abs(e.xi) * max(abs(model.stretch_range[0]), abs(model.stretch_range[1]))
            for hold in range(len(model.transcription.problem.holds)):
                self._add(e, hold, reach, model.stretch_range[0])

    def _add(self, e: EffortRows, hold: int, reach: Array, stretch: float) -> None:
        """Add all cones of one hold.

        Args:
            e: Efforts.
            hold: Number of the hold.
            reach: (K, members, rows) largest change of the efforts by a step.
            stretch: Least ξ.
        """
        tolerance, rows, force = self._tolerance(hold), self._rows(hold), self.transcription.loads.forces[hold]
        scored, shared = np.zeros(e.value.shape[:2], dtype=bool), []
        full = self.transcription.hold_max * e.limit
        contacts = self.transcription.loads.contacts  # empty where the hold is switched off
        carried = contacts[hold] if contacts else None
        contact, curved = (None, None) if carried is None else (carried.cones, carried if carried.cones is None else None)
        if contact is not None:
            wrench, reach = e.value[:, :, rows] / force, reach[:, :, rows] / force
            least = self.transcription.hold_max * (e.limit + e.power * stretch)
            score, worst = contact.score(wrench, 1.0), _worst_members(contact.share(wrench, 1.0) / full)
            scored = (score + _largest_use(contact, reach) > least) & _worst_members(score / full)
            shared = [worst & near for near in _near_shares(contact, wrench, reach, CONE_FROM * full, least)]
        if curved is not None:
            scored = _worst_members(curved.utilisation(e.value[:, :, rows], force) / full)
        tolerated = (
            np.zeros_like(scored) if tolerance is None else _worst_members(tolerance.utilisation(e.value[:, :, rows], e.at_rest))
        )
        sites = self._placed(e, hold, *np.nonzero(np.logical_or.reduce([scored, tolerated, *shared])))
        if curved is not None:
            self._tangents(sites.of(scored[sites.k, sites.m]), curved, full, force)
        if contact is not None:
            self._score(sites.of(scored[sites.k, sites.m]), contact)
            for near, (a, b) in zip(shared, contact.shares, strict=True):
                self._limit(
                    sites.of(near[sites.k, sites.m]),
                    a,
                    b,
                    full,
                    (self.transcription.hold_max * e.power, self.transcription.hold_max),
                )
        if tolerance is not None:
            self._tolerance_cones(sites.of(tolerated[sites.k, sites.m]), tolerance)

    def _rows(self, hold: int) -> slice:
        """Rows of the efforts that are the wrench of a hold."""
        return slice(self.transcription.n + 6 * hold, self.transcription.n + 6 * hold + 6)

    def _tolerance(self, hold: int) -> ToleranceModel | None:
        """What the item of a hold tolerates, for the members that are linearised; None if nothing is limited."""
        tolerance = self.transcription.loads.tolerances[hold]
        if tolerance is None or self.members is None:
            return tolerance
        return tolerance.of(self.members)

    def _placed(self, e: EffortRows, hold: int, k: Array, m: Array) -> WrenchSamples:
        """Give wrenches their sites.

        Args:
            e: Efforts.
            hold: Number of the hold.
            k: (N,) indices of samples among the efforts.
            m: (N,) members.
        """
        force, rows = self.transcription.loads.forces[hold], self._rows(hold)
        wrench, xi = e.value[k, m, rows] / force, e.xi[k, m, rows] / force
        if e.slope is not None and e.site is not None:
            return WrenchSamples(e, hold, k, m, wrench, e.site[k], e.slope[k, m, rows] / force, xi)
        site = self.program.dense(e.span[k], e.free[k, m, rows].reshape(len(k), 6, 4 * self.transcription.n) / force)
        return WrenchSamples(e, hold, k, m, wrench, site, np.broadcast_to(np.eye(6), (len(k), 6, 6)), xi)

    def _cones(
        self,
        sites: WrenchSamples,
        coefficients: Array,
        offset: Array,
        growth: tuple[float, float] = (0.0, 0.0),
        helpers: tuple[Array, Array] | None = None,
    ) -> None:
        """Add cones of coefficients · W + offset, whose first row grows with ξ and with the slacks.

        Args:
            sites: The wrenches.
            coefficients: (N, k, 6) or (k, 6) coefficients of W' = W − wrench.
            offset: (N, k) values where the step begins.
            growth: What ξ, and every slack, adds to the first row.
            helpers: Further variables of the sites' own (N, r) and their coefficients (k, r); None if there are none.
        """
        count, rows = offset.shape
        e = sites.efforts
        border = np.zeros((count, rows, self.program.border))
        border[..., XI] = (coefficients @ sites.xi[:, :, None])[..., 0]
        border[:, 0, XI] += growth[0]
        border[:, 0, SIGMA:] += growth[1]
        own, value = np.zeros((count, 0), dtype=np.int64), np.zeros((count, rows, 0))
        if helpers is not None:
            own, value = helpers[0], np.broadcast_to(helpers[1], (count, rows, helpers[0].shape[1]))
        if e.slack is not None and growth[1]:
            first = np.zeros((count, rows, 1))
            first[:, 0] = growth[1]
            own, value = np.hstack([own, e.slack[sites.k][:, None]]), np.concatenate([value, first], axis=2)
        self.program.cones(sites.site, coefficients @ sites.slope, border, offset, own, value)

    def _score(self, sites: WrenchSamples, contact: ConeContact) -> None:
        """Add p ≥ ‖C W‖, n ≥ |n·W| and 0.9 (limit + power ξ + h) ≥ ‖(L W, p + n)‖, all divided by F."""
        count = len(sites.k)
        helpers, normal = np.stack([self.program.own(sites.site, 0.0) for _ in range(2)], axis=1), contact.normal[None]
        for helper, rows in ((helpers[:, :1], contact.couples), (helpers[:, 1:], normal)):
            head = np.zeros((len(rows) + 1, 1))
            head[0] = 1.0
            offset = np.hstack([np.zeros((count, 1)), sites.wrench @ rows.T])
            self._cones(sites, np.vstack([np.zeros((1, 6)), rows]), offset, helpers=(helper, head))
        lines = len(contact.linear)
        last = np.zeros((lines + 2, 2))
        last[-1] = 1.0
        full = np.full((count, 1), sites.efforts.limit * self.transcription.hold_max)
        offset = np.hstack([full, sites.wrench @ contact.linear.T, np.zeros((count, 1))])
        share = self.transcription.hold_max
        growth = (share * sites.efforts.power, share)
        self._cones(sites, np.vstack([np.zeros((1, 6)), contact.linear, np.zeros((1, 6))]), offset, growth, (helpers, last))

    def _limit(self, sites: WrenchSamples, a: Array, b: Array, limit: float, growth: tuple[float, float]) -> None:
        """Add limit + growth − b·W ≥ ‖A W‖: a pad's share, or what an item tolerates.

        Args:
            sites: The wrenches W.
            a: (k, 6) coefficients A.
            b: (6,) vector b.
            limit: Limit.
            growth: What ξ, and every slack, adds to it.
        """
        offset = np.hstack([limit - sites.wrench @ b[:, None], sites.wrench @ a.T])
        self._cones(sites, np.vstack([-b[None], a]), offset, growth)

    def _tangents(self, sites: WrenchSamples, contact: ContactModel, limit: float, force: float) -> None:
        """Add limit + 0.9 slacks − ∂use/∂W δW ≥ use, for every use of a contact that is not made of cones; W in shares of F.

        Args:
            sites: The wrenches.
            contact: The contact model.
            limit: Limit of the uses.
            force: Grip force F [N].
        """
        use, slope = contact.tangents(sites.wrench * force, force)
        share = self.transcription.hold_max
        for row in range(use.shape[1]):
            coefficients = -slope[:, row][:, None] * force
            self._cones(sites, coefficients, limit - use[:, row, None], (share * sites.efforts.power, share))

    def _tolerance_cones(self, sites: WrenchSamples, care: ToleranceModel) -> None:
        """Add limit (1 + power ξ) + h − b·W ≥ ‖A W‖ for what an item tolerates, in shares of its weight."""
        at_rest, force = sites.efforts.at_rest, self.transcription.loads.forces[sites.hold]
        inside = self.transcription.inside * (STATIC_TARGET if at_rest else 1.0)
        for m in np.unique(sites.m):
            for cone in care.cones(int(m), at_rest, inside):
                growth = (cone.limit * sites.efforts.power, 1.0)
                self._limit(sites.of(sites.m == m), cone.slope * force, cone.offset * force, cone.limit, growth)


def _worst_members(utilisation: Array) -> Array:
    """(N, members) whether a member's utilisation is large enough, and among the largest of its sample, to get cones."""
    return np.asarray((utilisation > CONE_FROM) & (np.argsort(np.argsort(-utilisation, axis=1), axis=1) < ROW_MEMBERS))


def _near_shares(contact: ConeContact, wrench: Array, reach: Array, used: float, least: float) -> list[Array]:
    """For each share V_i, say whether it is used enough and a step can make it bind, at a grip force of 1.

    Args:
        contact: The contact model.
        wrench: (N, members, 6) wrenches over the grip force.
        reach: (N, members, 6) their largest change by a step.
        used: Utilisation from which it counts.
        least: Smallest limit in the trust region.

    Returns:
        A mask (N, members) for each share.
    """
    masks = []
    for a, b in contact.shares:
        use = np.linalg.norm(wrench @ a.T, axis=-1) + wrench @ b
        most = use + np.linalg.norm(reach @ np.abs(a).T, axis=-1) + reach @ np.abs(b)
        masks.append((use > used) & (most > least))
    return masks


def _largest_use(contact: ConeContact, largest: Array) -> Array:
    """Upper bound of S·F, a norm, over wrenches with |W| ≤ largest, component by component."""
    lin = np.linalg.norm(largest @ np.abs(contact.linear).T, axis=-1)
    couples = np.linalg.norm(largest @ np.abs(contact.couples).T, axis=-1)
    return np.asarray(np.hypot(lin, couples + largest @ np.abs(contact.normal)))
