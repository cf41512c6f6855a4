"""What distance queries are asked and what they answer: ends of a motion, reach of a step, contacts nearby."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmove.arrays import Array
from fastmove.problem.scene import Corridor


@dataclass(frozen=True)
class FadingEvaluation:
    """Contacts near an allowed one's end, where the distance asked for grows with the way l of the item: close to l = 0 a norm
    that no tangent describes, so the optimiser keeps it as it is.

    Attributes:
        row: (R,) which contacts;  site: (R,) at which site;  gradient: (R, n) of the distance alone [m/rad].
        floor, steep: (R,) required distance = floor + steep · l.
        sample: (S,) of every site (one allowed contact at one sample);  moved: (S, K, 3) how far points of the item are from
            where they are at the end [m], the one that moved most among them;  jacobian: (S, K, 3, n) of these.
    """

    row: Array
    site: Array
    gradient: Array
    floor: Array
    steep: Array
    sample: Array
    moved: Array
    jacobian: Array


@dataclass(frozen=True)
class CorridorLinearization:
    """Corridors' cones, first + first' δq ≥ ‖rest + rest' δq‖, for changes δq of the configuration: near its axis a cone's side
    bends faster than any tangent follows.

    Attributes:
        row: (R,) which contacts;  value: (R, 4) first and rest [m];  slope: (R, 4, n) [m/rad].
    """

    row: Array
    value: Array
    slope: Array


@dataclass(frozen=True)
class NearPairs:
    """C nearby pairs over N configurations.

    Attributes:
        sample: (C,) which configuration;  pair: (C,) which pair.
        distance: (C,) signed [m].
        required: (C,) least distance allowed there [m], allowed contacts faded in.
        gradient: (C, n) of distance − required [m/rad].
        weight: (C,) 1, or for a fading allowed contact 10 mm / l: its first micrometres count like millimetres later.
        rate: (C,) of distance − required with time where the arm stands still [m/s]: not 0 for obstacles that move.
        room: (C,) share of an optimiser's own room beyond the required distance that is asked for: 0 while an allowed contact
            fades, where that would ask for a steeper way out than the certificate does, growing to 1 from there on.
        fading: which of them fade, and how; None where gradients were not asked for, or none does.
        aisle: which of them are the side of a corridor, in the same way.
    """

    sample: Array
    pair: Array
    distance: Array
    required: Array
    gradient: Array
    weight: Array
    rate: Array
    padding_scale: Array
    fading: FadingEvaluation | None = None
    corridor: CorridorLinearization | None = None

    @property
    def margin(self) -> Array:
        return self.distance - self.required

    def violation(self, count: int) -> Array:
        """(count,) lack of clearance of the worst contact of every sample [m], 0 where there is none."""
        lack = np.zeros(count)
        np.maximum.at(lack, self.sample, -self.margin)
        return lack

    def chosen(self, which: Array) -> NearPairs:
        """Only these, nothing said of what fades."""
        kept = [x[which] for x in (self.sample, self.pair, self.distance, self.required, self.gradient, self.weight, self.rate)]
        return NearPairs(kept[0], kept[1], kept[2], kept[3], kept[4], kept[5], kept[6], self.padding_scale[which])


@dataclass(frozen=True)
class FadingContact:
    """One allowed contact at one end: required distance d0 + (clearance − d0)·min(1, l / 10 mm)."""

    pairs: frozenset[int]
    joint: int
    points: Array  # (K, 3) item hull in the joint's frame
    origin: Array  # (K, 3) where they are at that end, in the world
    floor: dict[int, float]  # d0 per pair
    spread_points: Array  # of the points some that lie far apart


@dataclass(frozen=True)
class CorridorConstraint:
    """One corridor for one grasp: `point` in the joint's frame must leave or reach `origin` (world) within its cone."""

    corridor: Corridor
    joint: int
    point: Array
    origin: Array


@dataclass(frozen=True)
class Ends:
    """The two end configurations of a motion, with what may touch there and how they are left and reached."""

    fades: tuple[FadingContact, ...]
    corridors: tuple[CorridorConstraint, ...] = ()


@dataclass(frozen=True)
class StepReach:
    """How far a step may bring bodies together: a pair that needs more than `turn` of every joint to lose all but `pad` of its
    margin counts as far.

    Attributes:
        pad: [m];  turn: (N,) of every joint at each configuration [rad].
    """

    padding: float
    turn: Array
