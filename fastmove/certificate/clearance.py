"""Continuous collision check of the certificate: clearances proven between samples by conservative advancement.

For a pair of bodies, |d(t) − d(t_m)| is at most the relative displacement of any of their points between t_m and t.  With
joint k turning by δ_k, a body moves by at most Σ_k r_k δ_k relative to a body that k does not move, r_k being the largest
distance of its points from axis k.  A moving obstacle moves by at most the path length of its frame's origin plus the angle that
the frame turns by times the obstacle's size.  An interval of time is proven where the distance at its middle exceeds the required
one by that bound, to 1 µm; any other is bisected, until it is proven or its margin is negative.

Where the arm may be off its commands, the required distance has the pair's stray in it (`multibody.strays`), and within an
interval joints may be off by what they turn, besides: what motion and error add up to is bounded at once.

What is proven to be at least zero may have its least value between the times looked at.  So where all is proven, intervals are
bisected further by the same bound (branch and bound), until none can be below the least margin found by more than `SHARP`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import coal
import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.certificate.motion_bounds import MotionBounds
from fastmove.multibody.assembly import Assembly, Body, HoldFrame
from fastmove.multibody.bounding_volumes import Bounding, PlacedVolumes
from fastmove.multibody.required_distance import fade_distances, required_clearances
from fastmove.problem.scene import CONTACT_DEPTH
from fastmove.problem.transfer import TransferProblem
from fastmove.trajectory.trajectory import Trajectory

RESOLUTION = 1e-6  # Excess of the displacement bound over the margin up to which an interval counts as proven [m].
SHARP = 5e-4  # Excess of the margin that is reported over the least one that there may be [m].
FAR = 0.05  # Margin from which on the least one is not looked for [m].
NOTHING = f"nothing nearer than {FAR * 1e3:g} mm"
FIRST_STEP = 0.02  # Largest length of the first intervals [s].
NORMAL_FROM = 1e-4  # Distance from which on two bodies have a known normal; they are as far apart along it, to 1 µm [m].
MAX_LEVELS = 24  # Largest number of levels of bisection [1].


@dataclass(frozen=True)
class WorstMargin:
    """Worst margin that the continuous collision check found for one kind of pairs.

    Attributes:
        margin: Least distance − required distance, to `SHARP`; at most `FAR` [m].
        time: When it is reached [s].
        where: Names of the two that have it.
        proven: Whether every interval of every pair was proven.
    """

    margin: float
    time: float
    where: str
    proven: bool


@dataclass(frozen=True)
class ClearanceResult:
    """Outcome of a continuous collision check.

    Attributes:
        clearance: Worst margin of all pairs without an allowed contact.
        allowed: Worst margin of the pairs with an allowed contact; None if none came near.
        time: (K,) times of the distance queries, in order [s].
        margin: (K,) distance − required distance then [m].
        pair: (K,) names of the two.
    """

    clearance: WorstMargin | None
    allowed: WorstMargin | None
    time: Array
    margin: Array
    pair: Array


class _AllowedEnd(NamedTuple):
    """One end at which one pair is an allowed contact.

    Attributes:
        frame: Hold frame of the item.
        points: The item's hull points in the joint's frame (K, 3) [m].
        end_points: The same points in the world at that end (K, 3) [m].
        d0: Distance that is required there [m] (see `AllowedContact`).
        surface: Velocity of the obstacle's surface, with which these places move on (3,) [m/s].
        time: Time of that end [s].
    """

    frame: HoldFrame
    points: Array
    end_points: Array
    d0: float
    surface: Array
    time: float


class ContinuousCollisionCheck:
    """Continuous collision check of one motion in one problem.

    It lists its pairs itself: all bodies that can move relative to each other, except pairs of links among the robot's
    `unchecked_pairs` and pairs of obstacles.  Not thread safe.

    Args:
        problem: The problem.
        assembly: Its body tree.
        trajectory: The motion.
    """

    def __init__(self, problem: TransferProblem, assembly: Assembly, trajectory: Trajectory) -> None:
        self.problem, self.trajectory = problem, trajectory
        self.model, self.bodies, self.frames = assembly.arm, assembly.bodies, assembly.hold_frames
        self.data = self.model.createData()
        self._frames_now = [(placed.rotation, placed.translation) for placed in self.data.oMi]  # Views that follow `data`.
        exempt = problem.robot.unchecked_pairs
        self.motions, self.movers = assembly.motions, assembly.movers
        drifting = [k for k in range(len(self.bodies)) if assembly.moves_itself(k)]
        moving = [k for k, b in enumerate(self.bodies) if b.joint > 0 and k not in drifting]
        candidates = [(i, j) for n, i in enumerate(moving) for j in moving[n + 1 :]]
        base = [k for k, b in enumerate(self.bodies) if b.joint == 0 and b.owner != "scene"]
        candidates += [(i, j) for i in moving for j in base]
        self.pairs = [
            (i, j)
            for i, j in candidates
            if self.bodies[i].joint != self.bodies[j].joint
            and not (
                self.bodies[i].owner == self.bodies[j].owner == "link"
                and frozenset((self.bodies[i].group, self.bodies[j].group)) in exempt
            )
        ]
        scene = [j for j, b in enumerate(self.bodies) if b.owner == "scene"]
        self.pairs += [(i, j) for i in moving for j in scene]
        self.pairs += [(j, i) for j in drifting for i in base]
        self.bounding = Bounding(self.bodies, self.pairs)
        self.required, self.strays = required_clearances(problem, assembly, self.bounding)
        self.fade_distance = fade_distances(self.strays.most)
        self.bounds = MotionBounds(self.model, self.bounding, trajectory, self.motions)
        touching = {contact.obstacle for contact in problem.allowed_contacts}
        touched = np.array([b.group in touching for b in self.bodies])[self.bounding.second]
        self.fade = {int(k): ends for k in np.nonzero(touched)[0] if (ends := self._fades(int(k)))}
        items = [k for k, b in enumerate(self.bodies) if b.owner == "item"]
        self.of_item = {frame.joint: [k for k in items if self.bodies[k].joint == frame.joint] for frame in self.frames}
        self.request, self.result = coal.DistanceRequest(), coal.DistanceResult()
        self.functors: dict[int, coal.ComputeDistance] = {}
        self.q = trajectory.motion(0)

    # -- geometry -------------------------------------------------------------------------------------------------

    def _fades(self, pair: int) -> list[_AllowedEnd]:
        """Ends at which the pair is an allowed contact, for each hold; empty if at none."""
        item, other = (self.bodies[k] for k in self.pairs[pair])
        if item.owner != "item" or other.owner != "scene":
            return []
        ends = []
        motion = self.trajectory.motion(0)
        for end, time, side in (("start", 0.0, "right"), ("goal", self.trajectory.duration, "left")):
            for contact in self.problem.allowed_contacts:
                if contact.obstacle != other.group or not contact.applies(end):
                    continue
                pin.forwardKinematics(self.model, self.data, motion(time, side)[0])
                for frame in self.frames:
                    if frame.joint == item.joint:
                        points = _in_joint(frame)
                        placed = self.data.oMi[frame.joint]
                        d0 = min(float(self.required[pair]), self._distance_now(item, other)) - RESOLUTION
                        end_points = points @ placed.rotation.T + placed.translation
                        surface = self.problem.scene.surface_velocity(contact.obstacle)
                        ends.append(_AllowedEnd(frame, points, end_points, d0, surface, time))
        return ends

    def _distance_now(self, first: Body, second: Body) -> float:
        """Signed distance of two bodies where the joint frames in `data` are [m]."""
        placements = [self.data.oMi[b.joint] * b.placement for b in (first, second)]
        one, two = (coal.Transform3s(p.rotation, p.translation) for p in placements)
        request, result = coal.DistanceRequest(), coal.DistanceResult()
        return float(coal.distance(first.geometry, one, second.geometry, two, request, result))

    # -- intervals ------------------------------------------------------------------------------------------------

    def run(self, sharp: bool = True) -> ClearanceResult:
        """Check the whole motion, bisecting intervals until each is proven, fails, or is too short to bisect.

        Args:
            sharp: Whether the least margin is looked for where all is proven, and all margins where something fails; otherwise
                margins are those that the proof, or the refutation, happened to look at.
        """
        duration = self.trajectory.duration
        self.sharpening = False
        self.least: dict[bool, tuple[float, float, int]] = {}
        self.unsure: dict[bool, tuple[float, float, int]] = {}  # Of pairs that the shortest intervals could not prove.
        self.proven = {True: True, False: True}
        self.seen: list[tuple[Array, Array, Array]] = []
        self._look_at(np.array([0.0, duration]))
        self._bisected(sharp)
        if sharp and self.proven[False] and self._floor() > 0 and self.pairs:
            self.sharpening = True
            self._bisected()
        time, margin = (np.concatenate([part[k] for part in self.seen]) if self.seen else np.zeros(0) for k in (0, 1))
        known, which = np.unique(np.concatenate([part[2] for part in self.seen] or [np.zeros(0, dtype=int)]), return_inverse=True)
        pair = np.array([self._names(k) for k in known], dtype=str)[which]
        order = np.argsort(time, kind="stable")
        return ClearanceResult(self._least(False), self._least(True), time[order], margin[order], pair[order])

    def _bisected(self, to_the_end: bool = True) -> None:
        """Check all pairs on the first intervals, and what stays open on their halves; or until something fails."""
        count = max(1, int(np.ceil(self.trajectory.duration / FIRST_STEP)))
        edges = np.linspace(0.0, self.trajectory.duration, count + 1)
        intervals = np.stack([edges[:-1], edges[1:]], axis=1)
        active: Array | None = None  # All pairs on all intervals.
        for level in range(MAX_LEVELS):
            failed = any(margin < 0 for margin, _, _ in self.least.values())
            if (active is not None and len(active) == 0) or (failed and not to_the_end):
                break
            open_pairs = self._level(intervals, active, last=level == MAX_LEVELS - 1)
            intervals, active = _bisect(intervals, open_pairs)

    def _floor(self) -> float:
        """Margin below which the least one is still looked for, once all is proven [m]."""
        return min(self.least.get(False, (np.inf, 0.0, 0))[0], FAR) - SHARP

    def _names(self, pair: int) -> str:
        """Names of the two groups of a pair, as one text."""
        return " – ".join(self.bodies[k].group for k in self.pairs[pair])

    def _least(self, allowed: bool) -> WorstMargin | None:
        """Worst margin of the pairs with or without an allowed contact; None if no such pair is there or came near."""
        if allowed not in self.least:
            if allowed or not self.pairs:
                return None
            return WorstMargin(FAR, 0.0, NOTHING, self.proven[False])
        margin, time, pair = self.least[allowed]
        if margin >= 0 and allowed in self.unsure:  # What prevents the proof is this pair, not the nearest one.
            margin, time, pair = self.unsure[allowed]
        elif not allowed and margin > FAR:
            return WorstMargin(FAR, time, NOTHING, self.proven[False])
        return WorstMargin(margin, time, self._names(pair), self.proven[allowed])

    def _look_at(self, times: Array) -> None:
        """Record the margins of all near pairs at given times (N,) [s]; used for the ends, which are no interval's middle."""
        rotation, origin, _ = self._placements(times)
        placed = self.bounding.place(rotation, origin)
        rows, pairs = placed.near(np.full(len(times), 0.05), self.required)
        distance, _, stray = self._measured(rows, pairs, placed, rotation, origin)
        self._record(pairs, times[rows], self._margins(pairs, distance, stray, rows, rotation, origin, times[rows]))

    def _level(self, intervals: Array, active: Array | None, last: bool) -> Array:
        """Check one level of intervals.

        Args:
            intervals: (N, 2) starts and ends [s].
            active: (K, 2) of interval and pair to check; None = all pairs, less those farther apart than any two bodies can move.
            last: Whether this level is the last: what it cannot prove is not bisected but counts as not proven.

        Returns:
            (R, 2) of interval and pair that must be bisected.
        """
        middle, half = intervals.mean(axis=1), np.diff(intervals, axis=1)[:, 0] / 2
        rotation, origin, axis = self._placements(middle)
        placed = self.bounding.place(rotation, origin)
        moved = self.bounds.displacement(middle, half, placed, origin, axis)
        drift = self.bounds.drift(intervals, middle)
        most = 2 * moved.sum(axis=2).max(axis=1, initial=0.0) + drift.max(axis=1, initial=0.0)
        floor = self._floor() if self.sharpening else 0.0
        rows, pairs = placed.near(most + floor, self.required) if active is None else (active[:, 0], active[:, 1])
        if self.sharpening and self.fade:
            whole = ~np.isin(pairs, list(self.fade))
            rows, pairs = rows[whole], pairs[whole]
        one, two = self.bounding.first[pairs], self.bounding.second[pairs]
        shift = self.bounds.pair_displacement(moved, rows, pairs) + drift[rows, one] + drift[rows, two]
        for lower in (placed.bounds, placed.tightened):
            bound = lower(rows, pairs)
            unsure = ~(bound - shift >= self.required[pairs] + floor)
            rows, pairs, shift, one = rows[unsure], pairs[unsure], shift[unsure], one[unsure]
        distance, normal, stray = self._measured(rows, pairs, placed, rotation, origin)
        if not self.strays.exact:  # The stray, too, grows with what joints turn within the interval, as far as the normal says.
            turn, towards = self.bounds.turn(middle, half)[rows], drift[rows, one] + drift[rows, self.bounding.second[pairs]]
            reached = self.strays.along(placed, (rotation, origin), rows, pairs, normal, turn) + towards
            known = np.minimum(shift + self.strays.most[pairs], reached) - stray
            shift = np.where(distance > NORMAL_FROM, known, shift)
        times = middle[rows]
        margins = self._margins(pairs, distance, stray, rows, rotation, origin, times)
        self._record(pairs, times, margins)
        needed = shift + self._fading(pairs, moved, rows, half)
        if len(rows):
            self.seen.append((times, margins, pairs))
        if self.sharpening:
            unsure = (margins >= 0.0) & (margins - needed < self._floor()) & (not last)
        else:
            unsure = (margins >= 0.0) & (margins + RESOLUTION < needed)
        if last and not self.sharpening:
            for n in np.nonzero(unsure)[0]:
                fades = int(pairs[n]) in self.fade
                self.proven[fades] = False
                found = (float(margins[n]), float(times[n]), int(pairs[n]))
                self.unsure[fades] = min(self.unsure.get(fades, (np.inf, 0.0, 0)), found)
            return np.zeros((0, 2), dtype=int)
        return np.stack([rows[unsure], pairs[unsure]], axis=1).astype(int)

    def _fading(self, pairs: Array, moved: Array, rows: Array, half: Array) -> Array:
        """By how much the required distances of pairs (K,) may change within the intervals `rows` (K,) [m].

        They grow with the displacement of the item's farthest point, on any of its shapes, from where the surface carries it.

        Args:
            pairs: (K,) pairs.
            moved: Largest displacements of bodies by joints in all intervals, as `MotionBounds.displacement` returns them [m].
            rows: (K,) intervals.
            half: Half the lengths of all intervals [s].
        """
        change = np.zeros(len(pairs))
        for pair, ends in self.fade.items():
            at = np.nonzero(pairs == pair)[0]
            if len(at):
                bodies = self.of_item[self.bodies[self.pairs[pair][0]].joint]
                item = moved[rows[at]][:, bodies].sum(axis=2).max(axis=1)
                item += half[rows[at]] * max(float(np.linalg.norm(end.surface)) for end in ends)
                change[at] = item * (self.required[pair] + CONTACT_DEPTH) / self.fade_distance[pair]
        return change

    def _record(self, pairs: Array, times: Array, margins: Array) -> None:
        """Take margins (K,) [m] of pairs (K,) at times (K,) into account; a negative one, or NaN, disproves its kind."""
        fades = np.isin(pairs, list(self.fade))
        for allowed in (False, True):
            which = np.nonzero(fades == allowed)[0]
            if not len(which):
                continue
            known = np.where(np.isnan(margins[which]), np.inf, margins[which])
            least = which[int(np.argmin(known))]
            if allowed not in self.least or margins[least] < self.least[allowed][0]:
                self.least[allowed] = (float(margins[least]), float(times[least]), int(pairs[least]))
            if not np.all(margins[which] >= 0.0):
                self.proven[allowed] = False

    def _placements(self, times: Array) -> tuple[Array, Array, Array]:
        """Frames of the world, the joints and the M moving obstacles at times (N,) [s].

        Returns:
            Rotations (N, joints + 1 + M, 3, 3), origins (N, joints + 1 + M, 3) [m] and joint axes (N, joints, 3), in the world.
        """
        q = self.q(times)
        n = self.model.njoints
        rotation, origin = np.empty((len(times), n, 3, 3)), np.empty((len(times), n, 3))
        for i in range(len(times)):
            pin.forwardKinematics(self.model, self.data, q[i])
            for j, (turned, moved) in enumerate(self._frames_now):
                rotation[i, j], origin[i, j] = turned, moved
        axes = self.bounds.axes(rotation)
        if not self.motions:
            return rotation, origin, axes
        movers = self.movers(times)
        return np.concatenate([rotation, movers[0]], axis=1), np.concatenate([origin, movers[1]], axis=1), axes

    def _measured(
        self, rows: Array, pairs: Array, placed: PlacedVolumes, rotation: Array, origin: Array
    ) -> tuple[Array, Array, Array]:
        """Distances (K,) by coal [m], normals (K, 3) and strays (K,) [m] of pairs (K,) in rows (K,)."""
        distance, normal = np.empty(len(rows)), np.zeros((len(rows), 3))
        for n, (row, pair) in enumerate(zip(rows.tolist(), pairs.tolist(), strict=True)):
            i, j = self.pairs[pair]
            if pair not in self.functors:
                self.functors[pair] = coal.ComputeDistance(self.bodies[i].geometry, self.bodies[j].geometry)
            self.result.clear()
            distance[n] = self.functors[pair](placed.transform(row, i), placed.transform(row, j), self.request, self.result)
            if not self.strays.exact:
                normal[n] = self.result.normal
        if self.strays.exact:
            return distance, normal, np.zeros(len(rows))
        along = self.strays.along(placed, (rotation, origin), rows, pairs, normal)
        touching = np.where(np.isin(pairs, list(self.fade)), 0.0, self.strays.most[pairs])  # What may be touched gives way.
        return distance, normal, np.where(distance > NORMAL_FROM, along, touching)

    def _margins(
        self, pairs: Array, distance: Array, stray: Array, rows: Array, rotation: Array, origin: Array, times: Array
    ) -> Array:
        """Margins (K,) of pairs in rows, at times [s]: distance − required distance, strays and fading contacts in it [m]."""
        required = full = self.required[pairs] - (self.strays.most[pairs] - stray)
        margins = distance - required
        for pair, ends in self.fade.items():
            at = np.nonzero(pairs == pair)[0]
            if not len(at):
                continue
            required, whole = full[at].copy(), full[at]
            for end in ends:
                turned = rotation[rows[at], end.frame.joint].transpose(0, 2, 1)
                now = end.points @ turned + origin[rows[at], end.frame.joint][:, None]
                there = end.end_points + ((times[at] - end.time)[:, None] * end.surface)[:, None]
                travelled = np.linalg.norm(now - there, axis=2).max(axis=1)
                share = np.minimum(1.0, travelled / float(self.fade_distance[pair]))
                required = np.minimum(required, np.minimum(end.d0, whole) + np.maximum(whole - end.d0, 0.0) * share)
            margins[at] = np.minimum(distance[at] - required, distance[at] + CONTACT_DEPTH)
        return np.asarray(margins)


def _in_joint(frame: HoldFrame) -> Array:
    """The item's hull points (K, 3) in the frame of its joint [m]."""
    placement = frame.joint_T_grasp * frame.held.grasp_T_item
    return np.asarray(frame.held.item.hull_points() @ placement.rotation.T + placement.translation)


def _bisect(intervals: Array, rows: Array) -> tuple[Array, Array]:
    """Halve the intervals that still have open pairs.

    Args:
        intervals: (N, 2) starts and ends [s].
        rows: (K, 2) of interval and pair that are open.

    Returns:
        The halves (M, 2) [s], and (2 K, 2) of half and pair: each pair stays open on both halves.
    """
    if len(rows) == 0:
        return np.zeros((0, 2)), rows
    old, index = np.unique(rows[:, 0], return_inverse=True)
    chosen = intervals[old]
    middle = chosen.mean(axis=1)
    halves = np.concatenate([np.stack([chosen[:, 0], middle], axis=1), np.stack([middle, chosen[:, 1]], axis=1)])
    both = np.concatenate([index, index + len(old)])
    return halves, np.stack([both, np.concatenate([rows[:, 1], rows[:, 1]])], axis=1)
