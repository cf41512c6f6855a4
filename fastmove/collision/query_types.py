"""Data types of distance queries: the ends of a motion and the reach of a step, and the near pairs that a query returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastmove.arrays import Array
from fastmove.problem.scene import Corridor


@dataclass(frozen=True)
class FadingEvaluation:
    """Contacts that fade: near the end where a contact is allowed, their required distance grows with the item's displacement l.

    l is the largest displacement of any item point from its place at that end.  Close to l = 0 it is a norm that no tangent
    describes, so the optimiser keeps it as a second-order cone.  A site is one allowed contact at one sample.

    Attributes:
        row: (R,) index of each contact among the near pairs.
        site: (R,) site of each contact.
        gradient: (R, n) gradient of the distance alone [m/rad].
        floor: (R,) required distance at l = 0 [m].
        steep: (R,) growth of the required distance: it is floor + steep · l.
        sample: (S,) configuration of each site.
        moved: (S, K, 3) displacements in the world of K item points, the one that moved most among them [m].
        jacobian: (S, K, 3, n) their derivatives [m/rad].
        rate: (S, 3) their derivatives with time while the arm stands still, as the surface moves on [m/s].
    """

    row: Array
    site: Array
    gradient: Array
    floor: Array
    steep: Array
    sample: Array
    moved: Array
    jacobian: Array
    rate: Array


@dataclass(frozen=True)
class CorridorLinearization:
    """Linearised cones of corridors, first + first' δq ≥ ‖rest + rest' δq‖, for changes δq of the configuration.

    They stay second-order cones, since near its axis a cone's side bends faster than any tangent follows.

    Attributes:
        row: (R,) index of each contact among the near pairs.
        value: (R, 4) first and the three of rest [m].
        slope: (R, 4, n) their derivatives first' and rest' [m/rad].
    """

    row: Array
    value: Array
    slope: Array


class TooNear(NamedTuple):
    """Two bodies that are nearer than they may be at one configuration; the first in order is the worst.

    Attributes:
        margin: Distance − required distance, of an allowed contact also overlap − `CONTACT_DEPTH` [m]; below 0.
        one: Name of one.
        other: Name of the other.
        distance: Signed distance [m].
        required: Distance that is required, all uncertainty included, where no contact is allowed [m].
        stray: The part of it that is for what the arm may be off its commands [m].
        of_robot: Whether both are links of the robot.
    """

    margin: float
    one: str
    other: str
    distance: float
    required: float
    stray: float
    of_robot: bool


@dataclass(frozen=True)
class NearPairs:
    """C contacts over N configurations: pairs of bodies that are near each other, and corridors whose side is near.

    Two bodies with flat faces may have several contacts at one configuration.

    Attributes:
        sample: (C,) configuration of each contact.
        pair: (C,) index of its pair in `Collision.pairs`; pairs beyond the last pair of bodies are corridors.
        distance: (C,) signed distance [m].
        required: (C,) required distance, allowed contacts faded in [m].
        gradient: (C, n) gradient of distance − required [m/rad]; 0 where gradients were not asked for.
        weight: (C,) weight of a violation: 1 for most; 9 mm / l, capped, for an allowed contact that fades with the
            item's displacement l, whose first micrometres count like millimetres later; `CORRIDOR_WEIGHT` for a corridor.
        rate: (C,) change of distance − required over time while the arm stands still [m/s]; 0 unless an obstacle or the surface
            of one that may be touched moves.
        padding_scale: (C,) share of the optimiser's padding that is asked for: 0 while an allowed contact fades, where padding
            would ask for a steeper way out than the certificate does, growing to 1 from there on; 0 for a corridor.
        fading: The contacts among them that fade; None if there is none, or gradients were not asked for.
        corridor: The contacts among them with a corridor's cone; None if no corridor is near, or gradients were not asked for.
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
        """Distance − required distance (C,) [m]."""
        return self.distance - self.required

    def violation(self, count: int) -> Array:
        """Returns the violation (count,) of the worst contact at each of `count` configurations [m]; 0 where all keep theirs."""
        violation = np.zeros(count)
        np.maximum.at(violation, self.sample, -self.margin)
        return violation

    def chosen(self, which: Array) -> NearPairs:
        """Returns the contacts of given indices or mask, without `fading` and `corridor`."""
        kept = [x[which] for x in (self.sample, self.pair, self.distance, self.required, self.gradient, self.weight, self.rate)]
        return NearPairs(kept[0], kept[1], kept[2], kept[3], kept[4], kept[5], kept[6], self.padding_scale[which])


@dataclass(frozen=True)
class FadingContact:
    """One allowed contact at one end, with required distance d0 + (clearance − d0)·min(1, l / 10 mm); longer where it strays.

    l is the largest displacement of any item point from its place at that end, d0 the pair's distance there, at most its
    clearance.  The planner uses 9 mm for the 10 mm (`fading.INNER_SHARE`).

    Attributes:
        pairs: (P,) whether each pair is one of a shape of the item and a shape of the obstacle.
        joint: Joint that carries the item.
        points: (K, 3) the item's hull points in the joint's frame [m].
        origin: (K, 3) the same points in the world at that end [m].
        floor: (P,) d0 of these pairs, 0 of all others [m].
        distance: (P,) displacement of the item from which on each pair has its full distance [m].
        spread_points: (F,) indices of some points that lie far apart.
        velocity: (3,) velocity of the obstacle's surface, with which these places move on [m/s].
        time: time at which the item is at that end, and its points at `origin` [s].
    """

    pairs: Array
    joint: int
    points: Array
    origin: Array
    floor: Array
    distance: Array
    spread_points: Array
    velocity: Array
    time: float

    def shift(self, time: Array | None, count: int) -> Array:
        """Returns by how much the places have moved on at times (N,) [s], (N, 3) [m]; without times not at all."""
        return np.zeros((count, 3)) if time is None else (np.asarray(time) - self.time)[:, None] * self.velocity


@dataclass(frozen=True)
class CorridorConstraint:
    """One corridor for one held item: the grasp frame's origin leaves the start, or reaches the goal, within a cone.

    Attributes:
        corridor: The corridor.
        joint: Joint that carries the hand.
        point: (3,) origin of the grasp frame in the joint's frame [m].
        origin: (3,) where it is in the world at the corridor's end of the motion [m].
    """

    corridor: Corridor
    joint: int
    point: Array
    origin: Array


@dataclass(frozen=True)
class Ends:
    """Conditions near the two ends of a motion: contacts allowed there, and corridors by which they are left and reached.

    Attributes:
        fades: The allowed contacts.
        corridors: The corridors.
    """

    fades: tuple[FadingContact, ...]
    corridors: tuple[CorridorConstraint, ...] = ()


@dataclass(frozen=True)
class Sliding:
    """Which way the configurations of a motion follow each other: gradients count displacements across it (`collision.sliding`).

    Attributes:
        velocity: (N, n) derivative of the configurations along the motion, in any unit of time [rad].
        padding: Distance that is asked beyond what is required [m].
    """

    velocity: Array
    padding: float


@dataclass(frozen=True)
class StepReach:
    """How far a step may bring bodies together, to leave out pairs that it cannot bring near.

    A pair is left out that keeps a margin of at least `padding` however all joints change by up to `turn`.

    Attributes:
        padding: Margin that such a pair keeps [m].
        turn: (N,) largest change of every joint at each configuration [rad].
    """

    padding: float
    turn: Array
