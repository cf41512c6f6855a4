"""Poses as functions of time, given by waypoints, for obstacles that move."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array, readonly
from fastmove.errors import InputError
from fastmove.geometry.poses import is_valid_pose, pose_dict


@dataclass(frozen=True)
class PoseTrajectory:
    """A pose in the world as a function of time, interpolated between waypoints.

    On the leg from one waypoint to the next the origin moves straight and the axes turn about one line by at most half a turn,
    both at a constant rate.  Before the first waypoint and after the last the pose is constant.

    Attributes:
        times: Increasing times of the waypoints (K,), K ≥ 2; the arm begins to move at 0 [s].
        poses: Poses at the K waypoints.
    """

    times: Array
    poses: tuple[pin.SE3, ...]

    def __post_init__(self) -> None:
        times = np.asarray(self.times, dtype=float)
        object.__setattr__(self, "times", readonly(times))
        object.__setattr__(self, "poses", tuple(self.poses))
        if times.ndim != 1 or len(times) != len(self.poses) or len(times) < 2:
            raise InputError("waypoints", f"are {len(self.poses)} poses at {times.size} times; at least two of each are needed")
        if not np.all(np.isfinite(times)) or np.any(np.diff(times) <= 0):
            raise InputError("waypoints.time", f"is {times.tolist()}; finite times that increase are needed [s]")
        if not all(is_valid_pose(p) for p in self.poses):
            raise InputError("waypoints", "hold something that is no pose: finite numbers and a rotation are needed")

    @property
    def end(self) -> float:
        """Time of the last waypoint, after which the pose is constant [s]."""
        return float(self.times[-1])

    @cached_property
    def _origins(self) -> Array:
        """Origins at the waypoints (K, 3) [m]."""
        return np.array([p.translation for p in self.poses])

    @cached_property
    def _legs(self) -> tuple[Array, Array]:
        """Velocity of the origin [m/s] and angular velocity ω [rad/s] on every leg, in the world, (K − 1, 3) each.

        R(t + dt) = exp(ω dt) R(t).
        """
        length = np.diff(self.times)[:, None]
        turns = np.array([pin.log3(b.rotation @ a.rotation.T) for a, b in zip(self.poses[:-1], self.poses[1:], strict=True)])
        return np.diff(self._origins, axis=0) / length, turns / length

    def at(self, time: Array) -> tuple[Array, Array]:
        """Returns the rotations (N, 3, 3) and origins (N, 3) [m] at times (N,) [s]."""
        time = np.clip(time, self.times[0], self.times[-1])
        origin = np.stack([np.interp(time, self.times, x) for x in self._origins.T], axis=1)
        leg = np.clip(np.searchsorted(self.times, time, side="right") - 1, 0, len(self.times) - 2)
        turned = self._legs[1][leg] * (time - self.times[leg])[:, None]
        rotation = [pin.exp3(turn) @ self.poses[k].rotation for turn, k in zip(turned, leg, strict=True)]
        return np.array(rotation).reshape(-1, 3, 3), origin

    def pose(self, time: float) -> pin.SE3:
        """Returns the pose at one time [s]."""
        rotation, origin = self.at(np.array([time]))
        return pin.SE3(rotation[0], origin[0])

    def rate(self, time: Array) -> tuple[Array, Array]:
        """Returns the velocity of the origin [m/s] and the angular velocity [rad/s] in the world at times (N,) [s].

        Both are (N, 3); at a waypoint they are those of the leg after it.
        """
        leg = np.searchsorted(self.times, time, side="right") - 1
        moving = ((leg >= 0) & (leg < len(self.times) - 1))[:, None]
        velocity, turn = (x[np.clip(leg, 0, len(x) - 1)] for x in self._legs)
        return np.where(moving, velocity, 0.0), np.where(moving, turn, 0.0)

    def arc_length(self, time: Array) -> Array:
        """Returns the path length of the origin [m] and the angle turned [rad] since the first waypoint at times (N,) [s].

        They are the columns of an array (N, 2) and never decrease.
        """
        velocity, turn = self._legs
        speeds = np.stack([np.linalg.norm(velocity, axis=1), np.linalg.norm(turn, axis=1)], axis=1)
        ways = np.concatenate([np.zeros((1, 2)), np.cumsum(speeds * np.diff(self.times)[:, None], axis=0)])
        return np.stack([np.interp(time, self.times, way) for way in ways.T], axis=1)

    def after(self, time: float) -> PoseTrajectory:
        """Returns the same motion on a clock that begins at `time` [s]."""
        return PoseTrajectory(self.times - time, self.poses)

    def moved(self, by: pin.SE3) -> PoseTrajectory:
        """Returns the trajectory with every pose multiplied by the transform `by` from the left."""
        return PoseTrajectory(self.times, tuple(by * p for p in self.poses))

    def describe(self) -> list[dict[str, object]]:
        """Returns the waypoints as plain numbers."""
        return [{"time": float(t), **pose_dict(p)} for t, p in zip(self.times, self.poses, strict=True)]
