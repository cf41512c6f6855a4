"""Unwanted contacts of a simulated run: arm, hand or item touches an obstacle or the robot, and no allowed contact says it may.

The physics lets only pads, item and obstacles touch (`mujoco_model`), since links that push back would hide a collision.  So the
states of the run are kept, and distances are looked at afterwards, for the bodies of `multibody.assembly`.
"""

from __future__ import annotations

import coal
import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.multibody.assembly import Assembly, assemble
from fastmove.multibody.bounding_volumes import Bounding, PlacedVolumes
from fastmove.problem.scene import FADE_DISTANCE
from fastmove.problem.transfer import TransferProblem

BATCH = 256  # number of states whose bodies are placed at once
PARTED = 0.01  # time apart from which on two touches of the same bodies are two contacts [s]


class MovedRecord:
    """The states that a simulated run went through, one row per step.

    Attributes:
        time: times since the hand began to close [s].
        motion: times of the motion, at which moving obstacles are [s].
        q: configurations (n,) [rad].
        item: item poses in the grasp frame (7,): displacement [m] and quaternion (w, x, y, z).
    """

    def __init__(self) -> None:
        self.time: list[float] = []
        self.motion: list[float] = []
        self.q: list[Array] = []
        self.item: list[Array] = []

    def add(self, time: float, motion: float, q: Array, item: Array) -> None:
        """Adds a state; the arguments are the attributes' elements."""
        self.time.append(time)
        self.motion.append(motion)
        self.q.append(q)
        self.item.append(item)


def unwanted_contacts(problem: TransferProblem, record: MovedRecord, ends: Array) -> list[tuple[float, str, str]]:
    """Lists the contacts that a run had and should not have had.

    The item may touch an obstacle of an allowed contact while no point of it is farther than 10 mm from where it is at that end.
    Not looked at: the item and the links of the hand that holds it, which touch by design, links among the robot's
    `unchecked_pairs`, and obstacles among each other.

    Args:
        problem: transfer that was run, as it truly is; where it holds nothing, the record's item poses do not count.
        record: states that it went through.
        ends: (2, n) configurations at start and goal [rad].

    Returns:
        (time of the motion [s], name, name) at which each contact began; names are those of links, the item and obstacles.
    """
    scan = _Scan(problem, ends)
    seen: dict[tuple[str, str], float] = {}
    found: list[tuple[float, str, str]] = []
    for first in range(0, len(record.time), BATCH):
        rows = slice(first, first + BATCH)
        for row, names in scan.touching(np.array(record.q[rows]), np.array(record.item[rows]), np.array(record.motion[rows])):
            now = record.time[first + row]
            if now - seen.get(names, -np.inf) > PARTED:
                found.append((record.motion[first + row], *names))
            seen[names] = now
    return found


class _Scan:
    """The pairs of bodies that should not touch, and where they are in given states."""

    def __init__(self, problem: TransferProblem, ends: Array) -> None:
        self.problem, self.assembly = problem, assemble(problem)
        self.bodies, self.frame = self.assembly.bodies, next(iter(self.assembly.hold_frames), None)
        self.data = self.assembly.arm.createData()
        self.pairs = _pairs(problem, self.assembly)
        self.bounding = Bounding(self.bodies, self.pairs)
        self.points = np.zeros((1, 3)) if self.frame is None else self.frame.held.hull_points  # in the grasp frame
        grasps = [self._frames(q)[2] for q in ends]
        self.allowed = {
            contact.obstacle: [
                self.points @ grasp.rotation.T + grasp.translation
                for end, grasp in zip(("start", "goal"), grasps, strict=True)
                if any(c.obstacle == contact.obstacle and c.applies(end) for c in problem.allowed_contacts)
            ]
            for contact in problem.allowed_contacts
        }

    def touching(self, q: Array, item: Array, motion: Array) -> list[tuple[int, tuple[str, str]]]:
        """Returns (row, names) of all bodies that touch and should not, in N states; the arguments are those of `MovedRecord`."""
        frames = [self._frames(one) for one in q]
        rotation, origin = (np.array([frame[k] for frame in frames]) for k in (0, 1))
        if self.assembly.motions:
            movers = self.assembly.movers(motion)
            rotation, origin = np.concatenate([rotation, movers[0]], axis=1), np.concatenate([origin, movers[1]], axis=1)
        placed = self.bounding.place(rotation, origin)
        moved = [_pose(pose) for pose in item]
        # volumes are those of an item that has not moved in the hand: by so much distances may be smaller
        slipped = np.array([self._farthest(m, self.points) for m in moved])
        found = []
        for row, pair in zip(*placed.near(slipped, np.zeros(len(self.pairs))), strict=True):
            names = self._touch(int(pair), placed, int(row), frames[row][2], moved[row])
            if names is not None:
                found.append((int(row), names))
        return found

    def _frames(self, q: Array) -> tuple[Array, Array, pin.SE3]:
        """Returns rotations (J, 3, 3) and origins (J, 3) [m] of world and joints, and the grasp frame in the world, if any."""
        pin.forwardKinematics(self.assembly.arm, self.data, q)
        placed = list(self.data.oMi)
        grasp = pin.SE3.Identity() if self.frame is None else placed[self.frame.joint] * self.frame.joint_T_grasp
        return np.array([p.rotation for p in placed]), np.array([p.translation for p in placed]), grasp

    def _farthest(self, pose: pin.SE3, there: Array) -> float:
        """Returns how far the item's points, in a grasp frame at a pose, are at most from places (K, 3) [m]."""
        return float(np.linalg.norm(self.points @ pose.rotation.T + pose.translation - there, axis=1).max())

    def _touch(self, pair: int, placed: PlacedVolumes, row: int, grasp: pin.SE3, moved: pin.SE3) -> tuple[str, str] | None:
        """Returns the names of a pair's bodies if they touch and should not, else None."""
        one, two = (self.bodies[k] for k in self.pairs[pair])
        there = []
        for k, body in zip(self.pairs[pair], (one, two), strict=True):
            if body.owner == "item" and self.frame is not None:
                pose = grasp * moved * self.frame.joint_T_grasp.inverse() * body.placement
                there.append(coal.Transform3s(pose.rotation, pose.translation))
            else:
                there.append(coal.Transform3s(*placed.frame(row, k)))
        distance = coal.distance(one.geometry, there[0], two.geometry, there[1], coal.DistanceRequest(), coal.DistanceResult())
        if distance >= 0:
            return None
        item, other = (one, two) if one.owner == "item" else (two, one)
        ends = self.allowed.get(other.group, []) if item.owner == "item" else []
        if any(self._farthest(grasp * moved, end) <= FADE_DISTANCE for end in ends):
            return None
        return one.group, two.group


def _pose(values: Array) -> pin.SE3:
    """Returns the transform of a displacement [m] and a quaternion (w, x, y, z), (7,)."""
    return pin.SE3(pin.Quaternion(*values[3:]).normalized().toRotationMatrix(), values[:3])


def _pairs(problem: TransferProblem, assembly: Assembly) -> list[tuple[int, int]]:
    """Returns the pairs of bodies that can move relative to each other; what stands in the world is the second of a pair."""
    bodies, skip = assembly.bodies, problem.robot.unchecked_pairs
    own = [k for k, b in enumerate(bodies) if b.owner != "scene"]
    scene = [k for k, b in enumerate(bodies) if b.owner == "scene"]
    pairs = []
    for n, i in enumerate(own):
        for j in own[n + 1 :]:
            one, two = bodies[i], bodies[j]
            links = one.owner == two.owner == "link"
            if one.joint != two.joint and not (links and frozenset((one.group, two.group)) in skip):
                pairs.append((j, i) if one.joint == 0 else (i, j))
    for i in own:
        for j in scene:
            if bodies[i].joint > 0:
                pairs.append((i, j))
            elif bodies[j].joint > 0:
                pairs.append((j, i))
    return pairs
