"""Boundary states and goals of a motion; a goal region is a pose with what may be free about it.

What may be free is an angle about an axis, a choice among symmetric rotations of item or gripper, and a position tolerance.  The
goal frame G is fixed in the item or in the tool, P is its nominal pose in the world, and the region is

    G = P · R_axis(θ) · R_flip,   low ≤ θ ≤ high,   R_flip one of a finite set,   position within ± tolerance of P's

Examples: for a bottle that may stand turned any way, the axis is the bottle's own and θ is within ±180°.  A box that may be set
down on either end has a flip by 180°.  A gripper that is the same after half a turn about its approach axis has a flip of a goal
frame in the tool.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array, readonly
from fastmove.errors import InputError
from fastmove.problem.scene import ITEM

# Largest speed with which a goal may move on [m/s]: above that of belts that carry items (sorters run at up to 3 m/s).
FASTEST_GOAL = 3.0


def checked_velocity(velocity: object, where: str) -> Array:
    """Returns a velocity (3,) of poses [m/s], checked.

    Args:
        velocity: What is to be one.
        where: What it is called in messages.

    Raises:
        InputError: It is none, or faster than `FASTEST_GOAL`.
    """
    found = np.asarray(velocity, dtype=float)
    if found.shape != (3,) or not np.all(np.isfinite(found)) or np.linalg.norm(found) > FASTEST_GOAL:
        raise InputError(where, f"is {found.tolist()}; allowed: three finite numbers, at most {FASTEST_GOAL:g} m/s")
    return readonly(found)


@dataclass(frozen=True)
class State:
    """State of the arm at the start or the end of a motion.

    Attributes:
        q: (n_arm,) configuration [rad]; with poses, the one that planning chose for them (empty before).
        v: (n_arm,) velocity [rad/s].
        a: (n_arm,) acceleration [rad/s²].
        poses: regions of the item's or tool's pose, at rest in any of which the motion may begin; where there are any, the
            certificate checks these.
        velocity: (3,) velocity in the world with which poses move on, as those of an item on a belt [m/s]; only cycles begin so.
    """

    q: Array
    v: Array
    a: Array
    poses: tuple[GoalPose, ...] = ()
    velocity: Array = field(default_factory=lambda: np.zeros(3))

    def __post_init__(self) -> None:
        for key in ("q", "v", "a"):
            object.__setattr__(self, key, readonly(getattr(self, key)))
        object.__setattr__(self, "velocity", checked_velocity(self.velocity, "start.velocity"))
        if self.moves_on and not self.poses:
            raise InputError("start.velocity", "is of a start by configuration; an item that moves on is where its pose says")

    @staticmethod
    def rest(q: object) -> State:
        """Builds the state at rest at a configuration (n_arm,) [rad]."""
        q = np.asarray(q, dtype=float)
        return State(q, np.zeros_like(q), np.zeros_like(q))

    @staticmethod
    def of(end: Array | State) -> State:
        """Returns an end as a state: one given by a configuration (n_arm,) [rad] is at rest there."""
        return end if isinstance(end, State) else State.rest(end)

    @staticmethod
    def at(*poses: GoalPose, velocity: object = (0.0, 0.0, 0.0)) -> State:
        """Builds the state at rest in any configuration in any of these regions; planning chooses by the time it takes.

        Args:
            *poses: The regions.
            velocity: (3,) velocity with which they move on [m/s]; an item is picked up there by a cycle.
        """
        nothing = np.zeros(0)
        return State(nothing, nothing, nothing, poses, np.asarray(velocity, dtype=float))

    @property
    def moves_on(self) -> bool:
        """Whether it is given by poses that move on."""
        return bool(np.any(self.velocity))

    def settled(self, q: object) -> State:
        """Returns the state at rest at a configuration (n_arm,) [rad] that was chosen for its poses."""
        return replace(State.rest(q), poses=self.poses)

    @property
    def open(self) -> bool:
        """Whether only poses are given and no configuration is chosen yet."""
        return bool(self.poses) and self.q.size == 0

    @property
    def at_rest(self) -> bool:
        """Whether velocity and acceleration are exactly zero."""
        return not (np.any(self.v) or np.any(self.a))


@dataclass(frozen=True)
class Goal:
    """Where a motion may end, at rest: at one of a finite set of configurations, or anywhere in a set of regions.

    Attributes:
        configurations: (K, n_arm) [rad]; with poses, the configurations that planning found for them (none before).
        poses: regions of the item's or tool's pose; where there are any, the certificate checks these.
        opens_hand: whether the hand opens at the goal; where it only stops, holding the item, neither the corridors of the goal
            nor free room for the opening hand are required.
        velocity: (3,) velocity in the world with which the regions move on, as on a belt [m/s]: the motion ends at a pose that is
            in a region then, moving on with it, without turning and without acceleration.  Zero where the motion ends at rest.
        time: time at which `configurations` are in the regions, where these move; the motion begins at 0, when the regions are
            where their poses say [s].
    """

    configurations: Array = field(default_factory=lambda: np.zeros((0, 0)))
    poses: tuple[GoalPose, ...] = ()
    opens_hand: bool = True
    velocity: Array = field(default_factory=lambda: np.zeros(3))
    time: float = 0.0

    def __post_init__(self) -> None:
        q = np.asarray(self.configurations, dtype=float)
        object.__setattr__(self, "configurations", readonly(q.reshape(0, 0) if q.size == 0 else np.atleast_2d(q)))
        object.__setattr__(self, "velocity", checked_velocity(self.velocity, "goal.velocity"))
        if self.moves and not self.poses:
            raise InputError("goal.velocity", "moves configurations; a goal that moves is given by poses (goal.pose)")

    @staticmethod
    def at(*poses: GoalPose, velocity: object = (0.0, 0.0, 0.0)) -> Goal:
        """Builds the goal of ending in any of these regions, in any configuration; they may move on with a velocity [m/s]."""
        return Goal(poses=poses, velocity=np.asarray(velocity, dtype=float))

    @property
    def moves(self) -> bool:
        """Whether the regions move on."""
        return bool(np.any(self.velocity))

    def after(self, time: float) -> Goal:
        """Returns the goal as seen from a clock that begins at `time` [s]."""
        if not self.moves:
            return self
        poses = tuple(pose.shifted(np.array(self.velocity) * time) for pose in self.poses)
        return replace(self, poses=poses, time=self.time - time if len(self.configurations) else 0.0)


# What a goal frame may be fixed in (`GoalPose.of`), besides a held item and a link of the robot.
TOOL = "tool"  # the frame between the pads, where goals place it

# Largest step between samples of a free angle [rad].
ANGLE_STEP = np.radians(15.0)


@dataclass(frozen=True)
class GoalPose:
    """A region of poses that a goal frame, fixed in the held item, the tool or a link, may end in.

    Attributes:
        placement: nominal pose P of the goal frame in the world.
        of: what the goal frame is fixed in, `ITEM`, `TOOL` or the name of a link.
        offset: pose of the goal frame in the frame of the item, tool or link.
        axis: (3,) free axis in the goal frame, made a unit vector; zero = none.
        span: least and largest angle about the axis [rad].
        flips: rotations (3, 3) of the goal frame that are as good as none; the identity is always added as the first.
        tolerance: (3,) allowed shift along the axes of the world, to either side [m].
    """

    placement: pin.SE3
    of: str = ITEM
    offset: pin.SE3 = field(default_factory=pin.SE3.Identity)
    axis: Array = field(default_factory=lambda: np.zeros(3))
    span: tuple[float, float] = (-np.pi, np.pi)
    flips: tuple[Array, ...] = ()
    tolerance: Array = field(default_factory=lambda: np.zeros(3))

    def __post_init__(self) -> None:
        parts = (self.axis, self.tolerance, self.span, self.placement.homogeneous, self.offset.homogeneous)
        if [np.shape(part) for part in parts[:3]] != [(3,), (3,), (2,)] or not all(np.all(np.isfinite(part)) for part in parts):
            raise InputError("goal pose", "needs finite numbers: two poses, three of axis and tolerance each, two of a range")
        axis = np.asarray(self.axis, dtype=float)
        length = float(np.linalg.norm(axis))
        object.__setattr__(self, "axis", readonly(axis / length if length > 0 else axis))
        object.__setattr__(self, "tolerance", readonly(self.tolerance))
        object.__setattr__(self, "flips", tuple(readonly(r) for r in (np.eye(3), *self.flips)))
        if not self.span[0] <= self.span[1]:
            raise InputError("range_deg", f"is {np.degrees(self.span).tolist()}; the first must not be above the second")
        if np.any(np.array(self.tolerance) < 0):
            raise InputError("tolerance", f"is {np.array(self.tolerance).tolist()}; allowed: at least 0 m")

    @property
    def fixed(self) -> bool:
        """Whether nothing is free about the pose but which of finitely many flips it has."""
        return not np.any(self.axis) and not np.any(self.tolerance)

    def shifted(self, shift: Array) -> GoalPose:
        """Returns the region shifted in the world by a vector (3,) [m]."""
        return replace(self, placement=pin.SE3(self.placement.rotation, self.placement.translation + shift), flips=self.flips[1:])

    def samples(self, step: float = ANGLE_STEP) -> list[pin.SE3]:
        """Samples poses of the goal frame in the world that cover the region.

        The samples combine θ at most every `step`, all flips, and the middle and ends of the tolerance.  Neighbours in the list
        are neighbours in θ, so that configurations can be followed along it.

        Args:
            step: largest step of the angle [rad].
        """
        shifts = [np.zeros(3)] + [s * np.array(e) for e in np.diag(self.tolerance) if np.any(e) for s in (1.0, -1.0)]
        return [
            pin.SE3(self.placement.rotation @ pin.exp3(self.axis * angle) @ flip, self.placement.translation + shift)
            for flip in self.flips
            for shift in shifts
            for angle in self._angles(step)
        ]

    def _angles(self, step: float) -> Array:
        """Samples (K,) of the free angle [rad]; only 0 where there is no free axis."""
        if not np.any(self.axis):
            return np.zeros(1)
        low, high = self.span
        count = max(1, int(np.ceil((high - low) / step - 1e-9)))
        # On a whole turn both ends are the same angle, and only one of them is kept.
        whole = high - low >= 2 * np.pi - 1e-9
        return np.linspace(low, high, count + 1)[: count if whole else None]

    def distance_outside(self, frame: pin.SE3) -> tuple[float, float]:
        """Returns how far a pose of the goal frame in the world is outside the region.

        Returns:
            Distance [m], the largest along an axis of the world, and angle [rad]; both are zero inside.
        """
        shift = np.abs(frame.translation - self.placement.translation) - np.array(self.tolerance)
        return float(np.maximum(shift, 0.0).max()), min(self._turn_gap(frame.rotation @ flip.T) for flip in self.flips)

    def nearest(self, frame: pin.SE3) -> pin.SE3:
        """Finds the pose of the region that is nearest to a pose of the goal frame in the world."""
        flip = self._flip(frame)
        turn = pin.exp3(self.axis * float(np.clip(self._angle(frame.rotation @ flip.T), *self.span)))
        shift = np.clip(frame.translation - self.placement.translation, -self.tolerance, self.tolerance)
        return pin.SE3(self.placement.rotation @ turn @ flip, self.placement.translation + shift)

    def turn_range(self, frame: pin.SE3) -> tuple[float, float]:
        """Returns how far a goal frame in the region may still turn about the free axis.

        Returns:
            The angles that are left down to the least and up to the largest [rad]; infinite where any angle is allowed, and where
            there is no axis.
        """
        if not np.any(self.axis) or self.span[1] - self.span[0] >= 2 * np.pi - 1e-9:
            return np.inf, np.inf
        angle = self._angle(frame.rotation @ self._flip(frame).T)
        return max(angle - self.span[0], 0.0), max(self.span[1] - angle, 0.0)

    def _flip(self, frame: pin.SE3) -> Array:
        """The flip (3, 3) that leaves the least angle between a goal frame and the region."""
        return min(self.flips, key=lambda flip: self._turn_gap(frame.rotation @ flip.T))

    def _angle(self, rotation: Array) -> float:
        """Angle about the free axis (swing–twist decomposition), by whole turns nearest to the middle of its range [rad]."""
        if not np.any(self.axis):
            return 0.0
        x = pin.Quaternion(self.placement.rotation.T @ rotation).coeffs()
        twist = 2 * float(np.arctan2(x[:3] @ self.axis, x[3]))
        middle = (self.span[0] + self.span[1]) / 2
        return middle + (twist - middle + np.pi) % (2 * np.pi) - np.pi

    def _turn_gap(self, rotation: Array) -> float:
        """Angle that is left after the best allowed turn about the free axis [rad]."""
        turn, angle = self.placement.rotation.T @ rotation, float(np.clip(self._angle(rotation), *self.span))
        return float(np.linalg.norm(pin.log3(turn @ pin.exp3(-self.axis * angle))))
