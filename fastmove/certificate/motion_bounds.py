"""How far bodies can move within an interval of time: bounds from speeds at its middle and largest accelerations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.geometry.pose_trajectory import PoseTrajectory
from fastmove.multibody.bounding_volumes import Bounding, PlacedVolumes, turning_joints
from fastmove.trajectory.trajectory import Trajectory


class MotionBounds:
    """Bounds on the displacement of every body of one motion.

    Args:
        model: the arm;  bounding: of all bodies;  motions: of the frames beyond the arm's joints, in their order.
    """

    def __init__(self, model: pin.Model, bounding: Bounding, trajectory: Trajectory, motions: Sequence[PoseTrajectory]) -> None:
        self.model, self.data, self.bounding, self.motions = model, model.createData(), bounding, motions
        self.chain, self.reach = bounding.motion_bounds(model)
        self.turns = turning_joints(model)
        self._local_axes = self._joint_axes()
        self._velocity = trajectory.motion(1)
        extremes = trajectory.motion(2).extremes()
        self._acceleration = np.maximum(np.abs(extremes.low), np.abs(extremes.high))

    def _joint_axes(self) -> Array:
        """(joints, 3) axes in the joints' own frames, from the geometric Jacobian at the neutral configuration."""
        pin.computeJointJacobians(self.model, self.data, np.array(pin.neutral(self.model)))
        columns = np.array(self.data.J).T
        world = np.where(self.turns[:, None], columns[:, 3:], columns[:, :3])
        return np.array([self.data.oMi[k + 1].rotation.T @ axis for k, axis in enumerate(world)])

    def axes(self, rotation: Array) -> Array:
        """(N, joints, 3) axes of all joints in the world."""
        return np.asarray(np.einsum("njab,jb->nja", rotation[:, 1:], self._local_axes))

    def displacement(self, middle: Array, half: Array, placed: PlacedVolumes, origin: Array, axis: Array) -> Array:
        """(N, B, joints) largest displacement of each body up to the last that moves, due to each joint within half an interval.

        ∫|q̇| ≤ |q̇(t_m)| h + ẍ_max h²/2.  The distance of a body from axis k at t_m, plus what joints beyond k can add,
        bounds its distance over the interval; the constant reach bounds it always.
        """
        turn = np.abs(self._velocity(middle)) * half[:, None] + self._acceleration * half[:, None] ** 2 / 2
        upto = self.bounding.n_moving
        chain, always = self.chain[:upto], np.where(self.chain, self.reach, 0.0)[:upto]
        static = always[None] * turn[:, None, :]
        lever = placed.center[:, :, None, :] - origin[:, None, 1 : self.model.njoints, :]
        (x, y, z), (u, v, w) = np.moveaxis(axis[:, None], -1, 0), np.moveaxis(lever, -1, 0)
        across = np.sqrt((y * w - z * v) ** 2 + (z * u - x * w) ** 2 + (x * v - y * u) ** 2)  # |axis × lever|
        arm = across + self.bounding.sphere[:upto, None]
        beyond = static.sum(axis=2, keepdims=True)
        now = np.where(self.turns, arm + beyond, 1.0)
        return np.asarray(np.minimum(always[None], np.where(chain[None], now, 0.0)) * turn[:, None, :])

    def drift(self, intervals: Array, middle: Array) -> Array:
        """(N, B) largest displacement within half an interval of each body that moves by itself, 0 of the others."""
        drift = np.zeros((len(middle), len(self.bounding.joint)))
        for m, motion in enumerate(self.motions):
            before, now, after = (motion.arc_length(t) for t in (intervals[:, 0], middle, intervals[:, 1]))
            way, turn = np.maximum(now - before, after - now).T
            for body in np.nonzero(self.bounding.joint == self.model.njoints + m)[0]:
                size = float(np.linalg.norm(self.bounding.center[body])) + float(self.bounding.sphere[body])
                drift[:, body] = way + turn * size
        return drift

    def pair_displacement(self, moved: Array, rows: Array, pairs: Array) -> Array:
        """(K,) relative displacement bound of each (interval, pair): joints that move only one of the two."""
        one, two = self.bounding.first[pairs], self.bounding.second[pairs]
        only_one = self.chain[one] & ~self.chain[two]
        found = (moved[rows, one] * only_one).sum(axis=1)
        other = np.nonzero(~self.bounding.fixed[pairs])[0]  # what never moves adds nothing
        only_two = self.chain[two[other]] & ~self.chain[one[other]]
        found[other] += (moved[rows[other], two[other]] * only_two).sum(axis=1)
        return np.asarray(found)
