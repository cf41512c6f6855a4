"""Bounds on how far bodies move within intervals of time, from speeds at the middles and the largest accelerations."""

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
        model: Pinocchio model of the arm.
        bounding: Bounding volumes of all bodies.
        trajectory: The motion of the arm.
        motions: Motions of the moving obstacles' frames, which `Body.joint` counts after the arm's joints.
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
        """Joint axes (joints, 3) in the joints' own frames, from the geometric Jacobian at the neutral configuration."""
        pin.computeJointJacobians(self.model, self.data, np.array(pin.neutral(self.model)))
        columns = np.array(self.data.J).T
        world = np.where(self.turns[:, None], columns[:, 3:], columns[:, :3])
        return np.array([self.data.oMi[k + 1].rotation.T @ axis for k, axis in enumerate(world)])

    def axes(self, rotation: Array) -> Array:
        """Returns the joint axes (N, joints, 3) in the world, given the rotations (N, joints + 1, 3, 3) of world and joints."""
        return np.asarray(np.einsum("njab,jb->nja", rotation[:, 1:], self._local_axes))

    def turn(self, middle: Array, half: Array) -> Array:
        """Bounds (N, joints) on how far joints turn within half (N,) [s] from the middles (N,) of intervals [s], [rad or m]."""
        return np.asarray(np.abs(self._velocity(middle)) * half[:, None] + self._acceleration * half[:, None] ** 2 / 2)

    def displacement(self, middle: Array, half: Array, placed: PlacedVolumes, origin: Array, axis: Array) -> Array:
        """Bound the displacement of each body within half an interval, by the joint that causes it.

        A joint turns by ∫|q̇| ≤ |q̇(t_m)| h + q̈_max h²/2.  The distance of a body from axis k at t_m, plus what joints beyond k
        can add, bounds its distance over the interval; the constant reach bounds it always.

        Args:
            middle: (N,) middles t_m of the intervals [s].
            half: (N,) halves h of their lengths [s].
            placed: Bounding volumes at the middles.
            origin: (N, J, 3) origins of the frames at the middles: world, joints, moving obstacles [m].
            axis: (N, joints, 3) joint axes in the world at the middles.

        Returns:
            (N, B, joints) bounds [m], of the B bodies up to the last that moves.
        """
        turn = self.turn(middle, half)
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
        """Bound the displacement of moving obstacles within half an interval.

        Args:
            intervals: (N, 2) starts and ends [s].
            middle: (N,) their middles [s].

        Returns:
            (N, bodies) bounds [m]; 0 for all other bodies.
        """
        drift = np.zeros((len(middle), len(self.bounding.joint)))
        for m, motion in enumerate(self.motions):
            before, now, after = (motion.arc_length(t) for t in (intervals[:, 0], middle, intervals[:, 1]))
            travelled, turned = np.maximum(now - before, after - now).T
            for body in np.nonzero(self.bounding.joint == self.model.njoints + m)[0]:
                size = float(np.linalg.norm(self.bounding.center[body])) + float(self.bounding.sphere[body])
                drift[:, body] = travelled + turned * size
        return drift

    def pair_displacement(self, moved: Array, rows: Array, pairs: Array) -> Array:
        """Bound the relative displacement of pairs of bodies: only joints that move one of the two and not the other count.

        Args:
            moved: (N, B, joints) bounds of the bodies (see `displacement`) [m].
            rows: (K,) intervals.
            pairs: (K,) pairs.

        Returns:
            (K,) bounds [m], without what obstacles move by themselves.
        """
        one, two = self.bounding.first[pairs], self.bounding.second[pairs]
        only_one = self.chain[one] & ~self.chain[two]
        bound = (moved[rows, one] * only_one).sum(axis=1)
        other = np.nonzero(~self.bounding.fixed[pairs])[0]  # Fixed bodies add nothing.
        only_two = self.chain[two[other]] & ~self.chain[one[other]]
        bound[other] += (moved[rows[other], two[other]] * only_two).sum(axis=1)
        return np.asarray(bound)
