"""Clearances and their gradients for many configurations at once (coal), for the planner.

Every pair of bodies that can move relative to each other is a pair, except the robot's own list of `unchecked_pairs` and two
obstacles that move by themselves.
A numpy prefilter (bounding sphere of a moving body against the oriented box of an obstacle, or sphere against sphere)
bounds all distances from below; one coal distance call per surviving pair gives the rest.

Gradient of a distance d between points p1, p2 with unit normal n from body 1 to body 2: ∂d/∂q = nᵀ (J2(p2) − J1(p1)),
valid wherever the witness points are unique (flat faces in contact over an area, or edges changing, are not).  An obstacle that
moves by itself, its point p2 at velocity ṗ2, adds ∂d/∂t = n · ṗ2.
"""

from __future__ import annotations

from dataclasses import replace

import coal
import numpy as np

from fastmove.arrays import Array
from fastmove.collision.corridor import CorridorEvaluation, with_corridors
from fastmove.collision.face_contacts import ContactManifolds
from fastmove.collision.fading import FADE_POINTS, fading, far_apart, required_distances
from fastmove.collision.pairs import checked_pairs
from fastmove.collision.query_types import (
    CorridorConstraint,
    Ends,
    FadingContact,
    NearPairs,
    StepReach,
)
from fastmove.dynamics.kinematics import Kinematics, Placements
from fastmove.multibody.assembly import Assembly, required_clearances
from fastmove.multibody.bounding_volumes import Bounding, PlacedVolumes
from fastmove.problem.scene import CONTACT_DEPTH
from fastmove.problem.transfer import TransferProblem

NEAREST = 2  # contacts kept per two groups and sample, in the rows only
NOWHERE = 1e6  # [m] where obstacles that move are when no time is given


class Collision:
    """Distance queries for one problem.  Not thread safe."""

    def __init__(self, problem: TransferProblem, assembly: Assembly) -> None:
        self.assembly = assembly
        self.clearance = problem.clearance
        self.kinematics = Kinematics(assembly.arm)
        self.bodies = assembly.bodies
        self.pairs = checked_pairs(problem, assembly)
        self.moving = bool(assembly.motions)
        self._moves = np.pad(self.kinematics.moves, ((0, len(assembly.motions)), (0, 0)))  # of every frame, by every joint
        self._frames = assembly.hold_frames
        self._allowed, self._corridors = problem.scene.allowed_contacts, problem.corridors
        self._bounding = Bounding(self.bodies, self.pairs)
        self.required = required_clearances(problem, self.bodies, self._bounding.first, self._bounding.second)
        self._joint = self._bounding.joint
        self._faces = ContactManifolds(self.bodies, self._bounding)
        groups = {name: k for k, name in enumerate(sorted({b.group for b in self.bodies}))}
        code = np.array([groups[b.group] for b in self.bodies], dtype=int)
        self._group_pair = code[self._bounding.first] * len(groups) + code[self._bounding.second]
        self._request = coal.DistanceRequest()
        self._request.gjk_tolerance = 1e-10
        self._request.gjk_variant = coal.GJKVariant.PolyakAcceleration  # the same distances to 1e-15, in two thirds of the time
        self._result = coal.DistanceResult()
        self.travels = self._travels()
        self._functors: list[coal.ComputeDistance | None] = [None] * len(self.pairs)
        self._last: tuple[Array, Placements, PlacedVolumes] | None = None

    def _travels(self) -> Array:
        """(P,) how far the bodies of a pair move relative to each other at most when every joint turns by 1 rad [m]."""
        chain, reach = self._bounding.motion_bounds(self.assembly.arm)
        one, two = self._bounding.first, self._bounding.second
        return np.asarray(np.where(chain[one] != chain[two], reach[one] + reach[two], 0.0).sum(axis=1))

    def ends(self, q_start: Array, q_goal: Array) -> Ends:
        """What may touch at these two ends."""
        fades, lanes = [], []
        for end, q in (("start", q_start), ("goal", q_goal)):
            frames, placed = self._place(q[None])
            for contact in self._allowed:
                if contact.applies(end):
                    fades += [self._fade(contact.obstacle, frame, frames, placed) for frame in self._frames]
            for corridor in self._corridors:
                if corridor.at == end:
                    for frame in self._frames:
                        point = np.array(frame.joint_T_grasp.translation)
                        origin = frames.rotation[0, frame.joint] @ point + frames.origin[0, frame.joint]
                        lanes.append(CorridorConstraint(corridor, frame.joint, point, origin))
        return Ends(tuple(fades), tuple(lanes))

    def _fade(self, obstacle: str, frame, frames: Placements, placed: PlacedVolumes) -> FadingContact:  # type: ignore[no-untyped-def]
        pairs = [
            k
            for k, (i, j) in enumerate(self.pairs)
            if self.bodies[i].owner == "item"
            and self.bodies[i].joint == frame.joint
            and self.bodies[j].owner == "scene"
            and self.bodies[j].group == obstacle
        ]
        hull = frame.held.item.hull_points()
        placement = frame.joint_T_grasp * frame.held.grasp_T_item
        points = hull @ placement.rotation.T + placement.translation
        origin = points @ frames.rotation[0, frame.joint].T + frames.origin[0, frame.joint]
        floor = {k: min(float(self.required[k]), self.distance(k, placed, 0)) for k in pairs}
        return FadingContact(frozenset(pairs), frame.joint, points, origin, floor, far_apart(points, FADE_POINTS))

    def travel(self, q: Array, ends: Ends) -> float:
        """Largest displacement of any item point from the nearest end with an allowed contact [m]; inf without one."""
        if not ends.fades:
            return float("inf")
        frames = self.kinematics.placements(q[None])
        found = float("inf")
        for fade in ends.fades:
            points = fade.points @ frames.rotation[0, fade.joint].T + frames.origin[0, fade.joint]
            found = min(found, float(np.linalg.norm(points - fade.origin, axis=1).max()))
        return found

    def margins_at(self, q: Array, ends: Ends, time: float | None = None) -> list[tuple[float, str, str]]:
        """(distance − required, group, group) of every pair nearer than required at one configuration (and time [s]), worst
        first; an allowed contact may overlap by 0.5 mm."""
        found = self.query(q[None], ends, 0.0, time=None if time is None else np.array([time]))
        rows = []
        for k, margin, distance in zip(found.pair, found.margin, found.distance, strict=True):
            allowed = any(int(k) in fade.pairs for fade in ends.fades)
            worst = min(float(margin), float(distance) + CONTACT_DEPTH) if allowed else float(margin)
            if worst < -1e-12:
                rows.append((worst, *self.names(int(k))))
        return sorted(rows)

    def names(self, pair: int) -> tuple[str, str]:
        """What a contact is between; pairs beyond the last are corridors."""
        if pair >= len(self.pairs):
            return "item", "the side of its corridor"
        i, j = self.pairs[pair]
        return self.bodies[i].group, self.bodies[j].group

    def is_moving_obstacle(self, pair: Array) -> Array:
        """(C,) which pairs (C,) are with an obstacle that moves."""
        moving = np.append(np.maximum(self._joint[self._bounding.first], self._joint[self._bounding.second]), 0)
        return np.asarray(moving[np.minimum(pair, len(self.pairs))] > self.kinematics.n)

    def has_full_clearance(self, contacts: NearPairs) -> Array:
        """(C,) bool: which contacts keep their full clearance, no allowed contact fading there."""
        return contacts.required >= self.clearance - 1e-9

    def in_corridors(self, q: Array, ends: Ends) -> bool:
        """Whether one configuration is inside every corridor."""
        if not ends.corridors:
            return True
        frames = self.kinematics.placements(q[None])
        return all(float(CorridorEvaluation.of(lane, frames).margin[0]) >= 0 for lane in ends.corridors)

    def query(
        self,
        q: Array,
        ends: Ends,
        reach: object,
        gradients: bool = False,
        step: StepReach | None = None,
        time: Array | None = None,
    ) -> NearPairs:
        """Pairs whose margin (distance − required) may be below `reach` [m, scalar or (N,)] at q (N, n).

        step: leave out what a step cannot bring near (for what stands still).
        time: (N,) when, for obstacles that move [s]; without it they are left out.
        """
        time = time if self.moving else None
        frames, placed = self._placed(q, time)
        limit = np.broadcast_to(np.asarray(reach, dtype=float), len(q))
        if step is None:
            sample, pair = placed.near(limit, self.required)
            within = limit[sample]
        else:
            by_pair = step.padding + float(step.turn.max(initial=0.0)) * self.travels
            by_row = np.minimum(limit, step.padding + step.turn * float(self.travels.max(initial=0.0)))
            sample, pair = placed.near(by_row, self.required, by_pair)
            within = np.minimum(limit[sample], step.padding + step.turn[sample] * self.travels[pair])
        near = placed.tightened(sample, pair) < within + self.required[pair]
        sample, pair = sample[near], pair[near]
        count = len(sample)
        distance, normal, one, two = np.empty(count), np.empty((count, 3)), np.empty((count, 3)), np.empty((count, 3))
        for c, (k, row) in enumerate(zip(pair.tolist(), sample.tolist(), strict=True)):
            distance[c] = self.distance(k, placed, row)
            if gradients:
                found = self._result
                normal[c], one[c], two[c] = found.normal, found.getNearestPoint1(), found.getNearestPoint2()
        if gradients and count:
            sample, pair, distance, normal, one, two = self._faces.manifolds(
                placed, *_nearest(self._group_pair, sample, pair, distance, normal, one, two)
            )
        required, slope, weight, room = required_distances(self.kinematics, self.required, frames, sample, pair, ends, gradients)
        keep = distance - required < limit[sample]
        gradient, rate = np.zeros((len(sample), self.kinematics.n)), np.zeros(len(sample))
        if gradients and count:
            first, second = (self._joint[k[pair]] for k in (self._bounding.first, self._bounding.second))
            # both witness points lie on one line along the normal
            moves = self._moves[second] - self._moves[first]
            gradient = self.kinematics.line_gradient(frames, sample, one, normal) * moves - slope
            if time is not None:
                rate = self._rates(time[sample], first, -normal, one) + self._rates(time[sample], second, normal, two)
        contacts = NearPairs(sample, pair, distance, required, gradient, weight, rate, room).chosen(keep)
        if gradients and ends.fades and count:
            contacts = replace(
                contacts, fading=fading(self.kinematics, self.required, frames, contacts, gradient[keep] + slope[keep], ends)
            )
        return (
            with_corridors(self.kinematics, len(self.pairs), contacts, frames, ends, limit, gradients)
            if ends.corridors
            else contacts
        )

    def _rates(self, time: Array, frame: Array, way: Array, point: Array) -> Array:
        """(C,) way · velocity of points (C, 3) fixed to frames (C,), of those that move by themselves [m/s]."""
        rate = np.zeros(len(frame))
        for m, motion in enumerate(self.assembly.motions):
            rows = np.nonzero(frame == self.kinematics.n + 1 + m)[0]
            (velocity, turn), (_, origin) = motion.rate(time[rows]), motion.at(time[rows])
            rate[rows] = np.einsum("ci,ci->c", way[rows], velocity + np.cross(turn, point[rows] - origin))
        return rate

    def _placed(self, q: Array, time: Array | None) -> tuple[Placements, PlacedVolumes]:
        """All bodies at q; kept, since a motion that was assessed is often linearised next."""
        key = q.copy() if time is None else np.column_stack([q, time])
        if self._last is None or not np.array_equal(self._last[0], key):
            self._last = key, *self._place(q, time)
        return self._last[1:]

    def _place(self, q: Array, time: Array | None = None) -> tuple[Placements, PlacedVolumes]:
        frames = self.kinematics.placements(q)
        if not self.moving:
            return frames, self._bounding.place(frames.rotation, frames.origin)
        rotation, origin = self.assembly.movers(np.zeros(len(q)) if time is None else time)
        origin = origin + (NOWHERE if time is None else 0.0)
        every = np.concatenate([frames.rotation, rotation], axis=1), np.concatenate([frames.origin, origin], axis=1)
        return frames, self._bounding.place(*every)

    def distance(self, pair: int, placed: PlacedVolumes, sample: int) -> float:
        """Distance of a pair; normal from first to second body and witness points, in the world, stay in `_result`."""
        functor = self._functors[pair]
        if functor is None:
            functor = self._functors[pair] = coal.ComputeDistance(*(self.bodies[k].geometry for k in self.pairs[pair]))
        i, j = self.pairs[pair]
        self._result.clear()
        return float(functor(placed.transform(sample, i), placed.transform(sample, j), self._request, self._result))


def _nearest(group: Array, sample: Array, pair: Array, distance: Array, *rest: Array) -> tuple[Array, ...]:
    """At most `NEAREST` contacts of every two groups (link and link, link and obstacle) at every sample."""
    key = sample * (int(group.max()) + 1) + group[pair]
    order = np.lexsort((distance, key))
    ordered = key[order]
    first = np.searchsorted(ordered, ordered)
    chosen = np.sort(order[np.arange(len(order)) - first < NEAREST])
    return tuple(a[chosen] for a in (sample, pair, distance, *rest))
