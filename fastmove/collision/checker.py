"""Clearances and their gradients at many configurations at once (through coal), for the planner.

All bodies that can move relative to each other are pairs, except the robot's own `unchecked_pairs` and two obstacles.  Bounding
volumes in numpy (`multibody.bounding_volumes`) bound all distances from below; one coal distance query for each pair that they
leave gives the rest.

The distance d between points p1, p2 with unit normal n from body 1 to body 2 has the gradient ∂d/∂q = nᵀ (J2(p2) − J1(p1)),
valid wherever the witness points are unique; of flat faces in contact over an area, and where the closest edges change, they are
not.  A moving obstacle, its point p2 at velocity ṗ2, adds ∂d/∂t = n · ṗ2.
"""

from __future__ import annotations

from dataclasses import replace

import coal
import numpy as np

from fastmove.arrays import Array
from fastmove.collision.close_pairs import ClosePairs, Within
from fastmove.collision.corridor import CorridorEvaluation, with_corridors
from fastmove.collision.face_contacts import ContactManifolds
from fastmove.collision.fading import FADE_POINTS, fading, far_apart, required_distances
from fastmove.collision.pairs import checked_pairs
from fastmove.collision.query_types import (
    CorridorConstraint,
    Ends,
    FadingContact,
    NearPairs,
    Sliding,
    StepReach,
    TooNear,
)
from fastmove.collision.sliding import across
from fastmove.dynamics.kinematics import Kinematics, Placements
from fastmove.multibody.assembly import Assembly
from fastmove.multibody.bounding_volumes import Bounding, PlacedVolumes
from fastmove.multibody.required_distance import fade_distances, required_clearances
from fastmove.problem.scene import CONTACT_DEPTH
from fastmove.problem.transfer import TransferProblem

NEAREST = 2  # Largest number of contacts kept for two groups at a sample where gradients are asked for [1].
NOWHERE = 1e6  # Coordinate of moving obstacles where no time is given [m].


class Collision:
    """Distance queries of one problem, for many configurations at once; not thread safe.

    Attributes:
        pairs: Pairs of bodies, by index, the first one moving.
        required: (P,) required distance of each pair where no contact fades [m].
        strays: How far pairs stray, whose largest strays are in `required`.
        travels: (P,) largest relative displacement of each pair for 1 rad (or m) of every joint [m].
        moving: Whether any obstacle moves.

    Args:
        problem: The problem.
        assembly: Its body tree.
    """

    def __init__(self, problem: TransferProblem, assembly: Assembly) -> None:
        self.assembly = assembly
        self.clearance = problem.clearance
        self.kinematics = Kinematics(assembly.arm)
        self.bodies = assembly.bodies
        self.pairs = checked_pairs(problem, assembly)
        self.moving = bool(assembly.motions)
        # 1 where a joint (column) moves a frame (row).
        self._moves = np.pad(self.kinematics.moves, ((0, len(assembly.motions)), (0, 0)))
        self._frames = assembly.hold_frames
        self._allowed, self._corridors = problem.allowed_contacts, problem.corridors
        self._surfaces = {c.obstacle: problem.scene.surface_velocity(c.obstacle) for c in self._allowed}
        self._met = problem.goal.time  # time of goal configurations, of a goal that moves on [s]
        self._bounding = Bounding(self.bodies, self.pairs)
        self.required, self.strays = required_clearances(problem, assembly, self._bounding)
        self._joint = self._bounding.joint
        self._faces = ContactManifolds(self.bodies, self._bounding)
        groups = {name: k for k, name in enumerate(sorted({b.group for b in self.bodies}))}
        code = np.array([groups[b.group] for b in self.bodies], dtype=int)
        self._group_pair = code[self._bounding.first] * len(groups) + code[self._bounding.second]
        highest = np.zeros(len(groups) ** 2)
        np.maximum.at(highest, self._group_pair, self.required)
        # coal begins with a mesh where its last distance of that pair ended, so that the last bits depend on which are asked for.
        meshes = np.array([isinstance(b.geometry, coal.ConvexBase) for b in self.bodies], dtype=bool)
        keeps = meshes[self._bounding.first] | meshes[self._bounding.second]
        self._highest = np.where(keeps, np.inf, highest[self._group_pair])
        self._close = ClosePairs(self.bodies, self._bounding)
        self._request = coal.DistanceRequest()
        self._request.gjk_tolerance = 1e-10
        self._request.gjk_variant = coal.GJKVariant.PolyakAcceleration  # Same distances as the default, in less time.
        self._result = coal.DistanceResult()
        self.travels = self._travels()
        self._poses = [coal.Transform3s(b.placement.rotation, b.placement.translation) for b in self.bodies]
        self._functors: list[coal.ComputeDistance | None] = [None] * len(self.pairs)
        self._last: tuple[Array, Placements, PlacedVolumes] | None = None

    def _travels(self) -> Array:
        """Largest relative displacement (P,) of the bodies of each pair when every joint turns by 1 rad [m]."""
        chain, reach = self._bounding.motion_bounds(self.assembly.arm)
        one, two = self._bounding.first, self._bounding.second
        return np.asarray(np.where(chain[one] != chain[two], reach[one] + reach[two], 0.0).sum(axis=1))

    def ends(self, q_start: Array, q_goal: Array) -> Ends:
        """Collect the allowed contacts and corridors at the two ends of a motion.

        Args:
            q_start: (n,) configuration at the start [rad].
            q_goal: (n,) configuration at the goal [rad]; where the goal moves on, at `Goal.time`.
        """
        fades, constraints = [], []
        for end, q, time in (("start", q_start, 0.0), ("goal", q_goal, self._met)):
            frames, placed = self._place(q[None])
            for contact in self._allowed:
                if contact.applies(end):
                    fades += [self._fade(contact.obstacle, frame, frames, placed, time) for frame in self._frames]
            for corridor in self._corridors:
                if corridor.at == end:
                    for frame in self._frames:
                        point = np.array(frame.joint_T_grasp.translation)
                        origin = frames.rotation[0, frame.joint] @ point + frames.origin[0, frame.joint]
                        constraints.append(CorridorConstraint(corridor, frame.joint, point, origin))
        return Ends(tuple(fades), tuple(constraints))

    def _fade(  # type: ignore[no-untyped-def]
        self, obstacle: str, frame, frames: Placements, placed: PlacedVolumes, time: float
    ) -> FadingContact:
        """Allowed contact of the item in one hold frame with an obstacle, at the end that the bodies are placed at, at a time."""
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
        among, floor = np.zeros(len(self.pairs), dtype=bool), np.zeros(len(self.pairs))
        among[pairs], floor[pairs] = True, [min(float(self.required[k]), self.distance(k, placed, 0)) for k in pairs]
        distance = fade_distances(self.strays.most)
        spread = far_apart(points, FADE_POINTS)
        return FadingContact(among, frame.joint, points, origin, floor, distance, spread, self._surfaces[obstacle], time)

    def travel(self, q: Array, ends: Ends) -> float:
        """Largest displacement of any item point at q (n,) from the nearest end with an allowed contact [m]; inf without one.

        Surfaces that move are taken as they are when the item is at that end.
        """
        if not ends.fades:
            return float("inf")
        frames = self.kinematics.placements(q[None])
        displacement = float("inf")
        for fade in ends.fades:
            points = fade.points @ frames.rotation[0, fade.joint].T + frames.origin[0, fade.joint]
            displacement = min(displacement, float(np.linalg.norm(points - fade.origin, axis=1).max()))
        return displacement

    def margins_at(self, q: Array, ends: Ends, time: float | None = None) -> list[TooNear]:
        """List the pairs that are nearer than required at one configuration.

        An allowed contact may also overlap by no more than `CONTACT_DEPTH`.

        Args:
            q: (n,) configuration [rad].
            ends: The ends of the motion.
            time: Time at which moving obstacles are placed [s]; None = they are left out.

        Returns:
            Those pairs, worst first.
        """
        # An allowed contact has no margin at its own end: whether it comes out as below 0 would be a matter of rounding.
        contacts = self.query(q[None], ends, CONTACT_DEPTH, time=None if time is None else np.array([time]))
        rows = []
        for k, margin, distance, required in zip(
            contacts.pair, contacts.margin, contacts.distance, contacts.required, strict=True
        ):
            allowed = k < len(self.pairs) and any(fade.pairs[k] for fade in ends.fades)
            worst = min(float(margin), float(distance) + CONTACT_DEPTH) if allowed else float(margin)
            if worst < -1e-12:
                (one, other), (most, stray, of_robot) = self.names(int(k)), self._asked(int(k))
                spared = 0.0 if allowed or self.strays.exact else most - float(required)
                rows.append(TooNear(worst, one, other, float(distance), most - spared, stray - spared, of_robot))
        return sorted(rows)

    def _asked(self, pair: int) -> tuple[float, float, bool]:
        """Distance required of a pair without allowed contact, its largest stray [m], and whether both are the robot's links."""
        if pair >= len(self.pairs):
            return 0.0, 0.0, False
        of_robot = all(self.bodies[k].owner == "link" for k in self.pairs[pair])
        return float(self.required[pair]), float(self.strays.most[pair]), of_robot

    def names(self, pair: int) -> tuple[str, str]:
        """Names of the two that a contact is between; pairs beyond the last pair of bodies are corridors."""
        if pair >= len(self.pairs):
            return "item", "the side of its corridor"
        i, j = self.pairs[pair]
        return self.bodies[i].group, self.bodies[j].group

    def is_moving_obstacle(self, pair: Array) -> Array:
        """Mask (C,) of the pairs (C,) that involve a moving obstacle."""
        moving = np.append(np.maximum(self._joint[self._bounding.first], self._joint[self._bounding.second]), 0)
        return np.asarray(moving[np.minimum(pair, len(self.pairs))] > self.kinematics.n)

    def has_full_clearance(self, contacts: NearPairs) -> Array:
        """Mask (C,) of the contacts for which the full clearance is required: pairs of bodies, fading ones left out."""
        faded = self.strays.exact | (contacts.padding_scale > 0)  # Else an allowed contact may ask for more before it has faded.
        return np.asarray((contacts.required >= self.clearance - 1e-9) & faded)

    def in_corridors(self, q: Array, ends: Ends) -> bool:
        """Whether configuration q (n,) satisfies every corridor."""
        if not ends.corridors:
            return True
        frames = self.kinematics.placements(q[None])
        return all(float(CorridorEvaluation.of(corridor, frames).margin[0]) >= 0 for corridor in ends.corridors)

    def query(
        self,
        q: Array,
        ends: Ends,
        reach: object,
        gradients: bool = False,
        step: StepReach | None = None,
        time: Array | None = None,
        sliding: Sliding | None = None,
    ) -> NearPairs:
        """Find the contacts whose margin (distance − required distance) is below `reach` at N configurations.

        Args:
            q: (N, n) configurations [rad].
            ends: The ends of the motion, with allowed contacts and corridors.
            reach: Margin below which contacts are returned, a number or (N,) [m].
            gradients: Whether gradients are computed, and with them further contacts of flat faces, `fading` and `corridor`.
            step: If given, pairs that such a step cannot bring near are left out; it takes no account of obstacles' motion.
            time: (N,) times at which moving obstacles and surfaces are placed [s]; None = obstacles that move are left out, and
                surfaces are as when the item is at its end.
            sliding: If given, gradients leave out displacements along the motion, but for what touches or moves.
        """
        clock = time  # of surfaces that move
        time = time if self.moving else None
        frames, placed = self._placed(q, time)
        limit = np.broadcast_to(np.asarray(reach, dtype=float), len(q))
        sample, pair = self._close.find(placed, Within.of(limit, step, self.travels, self.required, self._highest))
        count = len(sample)
        distance, normal, one, two = self._measured(placed, sample, pair, gradients or not self.strays.exact)
        if gradients and count:
            sample, pair, distance, normal, one, two = self._faces.manifolds(
                placed, *_nearest(self._group_pair, sample, pair, distance, normal, one, two)
            )
        full = self.required[pair]
        if not self.strays.exact:  # The stray's gradient is left out: levers times joint errors are far less than levers.
            along = self.strays.along(placed, (frames.rotation, frames.origin), sample, pair, normal)
            full -= self.strays.most[pair] - along
        required, slope, weight, padding_scale, fading_rate = required_distances(
            self.kinematics, full, frames, sample, pair, ends, gradients, clock
        )
        keep = distance - required < limit[sample]
        gradient, rate = np.zeros((len(sample), self.kinematics.n)), -fading_rate
        if gradients and count:
            first, second = (self._joint[k[pair]] for k in (self._bounding.first, self._bounding.second))
            # Both witness points lie on one line along the normal.
            moves = self._moves[second] - self._moves[first]
            counts = normal
            if sliding is not None:
                margin = np.where(self.is_moving_obstacle(pair), -np.inf, distance - required)
                counts = across(frames, self.kinematics.prismatic, (sample, one, normal, moves), sliding, margin, padding_scale)
            gradient = self.kinematics.line_gradient(frames, sample, one, counts) * moves - slope
            if time is not None:
                rate = rate + self._rates(time[sample], first, -normal, one) + self._rates(time[sample], second, normal, two)
        contacts = NearPairs(sample, pair, distance, required, gradient, weight, rate, padding_scale).chosen(keep)
        if gradients and ends.fades and count:
            contacts = replace(
                contacts, fading=fading(self.kinematics, full[keep], frames, contacts, gradient[keep] + slope[keep], ends, clock)
            )
        return with_corridors(self.kinematics, len(self.pairs), contacts, frames, ends, limit, gradients, sliding)

    def _measured(self, placed: PlacedVolumes, sample: Array, pair: Array, witnesses: bool) -> tuple[Array, Array, Array, Array]:
        """Signed distances (C,) of pairs (C,) in samples (C,) [m], and if witnesses are asked for, their normals and points.

        Returns:
            Distances, normals (C, 3) from first to second body, and the nearest points (C, 3) of both bodies in the world [m].
        """
        count, result, request = len(sample), self._result, self._request
        rotation, origin, poses, still = placed.rotation, placed.origin, self._poses, self._bounding.n_moving
        distances, normal, one, two = [0.0] * count, np.zeros((count, 3)), np.zeros((count, 3)), np.zeros((count, 3))
        at = [-1] * still  # Row that each body's pose belongs to.
        for c, (k, row) in enumerate(zip(pair.tolist(), sample.tolist(), strict=True)):
            i, j = self.pairs[k]
            if at[i] != row:
                poses[i].setTransform(rotation[row, i], origin[row, i])
                at[i] = row
            if j < still and at[j] != row:
                poses[j].setTransform(rotation[row, j], origin[row, j])
                at[j] = row
            result.clear()
            distances[c] = (self._functors[k] or self._functor(k))(poses[i], poses[j], request, result)
            if witnesses:
                normal[c], one[c], two[c] = result.normal, result.getNearestPoint1(), result.getNearestPoint2()
        return np.array(distances), normal, one, two

    def _rates(self, time: Array, frame: Array, way: Array, point: Array) -> Array:
        """Speed of points along directions, from the motion of obstacles alone.

        Args:
            time: (C,) times [s].
            frame: (C,) frames that the points are fixed to; only moving obstacles' frames count.
            way: (C, 3) unit directions in the world.
            point: (C, 3) points in the world [m].

        Returns:
            (C,) way · velocity [m/s].
        """
        rate = np.zeros(len(frame))
        for m, motion in enumerate(self.assembly.motions):
            rows = np.nonzero(frame == self.kinematics.n + 1 + m)[0]
            (velocity, turn), (_, origin) = motion.rate(time[rows]), motion.at(time[rows])
            rate[rows] = np.einsum("ci,ci->c", way[rows], velocity + np.cross(turn, point[rows] - origin))
        return rate

    def _placed(self, q: Array, time: Array | None) -> tuple[Placements, PlacedVolumes]:
        """Joint frames and all bodies at q (N, n); kept for the next call, since a motion is often linearised once assessed."""
        key = q.copy() if time is None else np.column_stack([q, time])
        if self._last is None or not np.array_equal(self._last[0], key):
            self._last = key, *self._place(q, time)
        return self._last[1:]

    def _place(self, q: Array, time: Array | None = None) -> tuple[Placements, PlacedVolumes]:
        """Joint frames and all bodies at q (N, n) and times (N,)."""
        frames = self.kinematics.placements(q)
        if not self.moving:
            return frames, self._close.place(frames.rotation, frames.origin)
        rotation, origin = self.assembly.movers(np.zeros(len(q)) if time is None else time)
        origin = origin + (NOWHERE if time is None else 0.0)
        every = np.concatenate([frames.rotation, rotation], axis=1), np.concatenate([frames.origin, origin], axis=1)
        return frames, self._close.place(*every)

    def distance(self, pair: int, placed: PlacedVolumes, sample: int) -> float:
        """Signed distance of one pair in one sample [m].

        The normal from first to second body and the witness points, in the world, stay in `_result`.
        """
        i, j = self.pairs[pair]
        functor = self._functors[pair] or self._functor(pair)
        self._result.clear()
        return float(functor(placed.transform(sample, i), placed.transform(sample, j), self._request, self._result))

    def _functor(self, pair: int) -> coal.ComputeDistance:
        """The function that computes the distance of a pair, made once it is asked for."""
        functor = self._functors[pair] = coal.ComputeDistance(*(self.bodies[k].geometry for k in self.pairs[pair]))
        return functor


def _nearest(group: Array, sample: Array, pair: Array, distance: Array, *rest: Array) -> tuple[Array, ...]:
    """Keep the `NEAREST` contacts of every two groups (as link and link, or link and obstacle) at every sample.

    Args:
        group: (P,) number of the two groups of each pair.
        sample: (C,) configuration of each contact.
        pair: (C,) its pair.
        distance: (C,) its distance [m].
        rest: Further arrays of C rows.

    Returns:
        sample, pair, distance and rest of the contacts kept.
    """
    key = sample * (int(group.max()) + 1) + group[pair]
    order = np.lexsort((distance, key))
    ordered = key[order]
    first = np.searchsorted(ordered, ordered)
    chosen = np.sort(order[np.arange(len(order)) - first < NEAREST])
    return tuple(a[chosen] for a in (sample, pair, distance, *rest))
