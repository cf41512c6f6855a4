"""Forward kinematics of many configurations at once.

pinocchio computes one configuration in under a microsecond, but reading its joint placements from Python costs tens; the
planner needs them for dozens of samples at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.compiled import compiled, row_by_column, row_by_vector
from fastmove.errors import InputError
from fastmove.multibody.joint_axes import joint_axis


@dataclass(frozen=True)
class Placements:
    """Joint frames at N configurations, in the world; index 0 is the world itself.

    Attributes:
        rotation: (N, joints + 1, 3, 3) rotations of the frames.
        origin: (N, joints + 1, 3) origins of the frames [m].
        axis: (N, joints, 3) unit joint axes.
    """

    rotation: Array
    origin: Array
    axis: Array

    @cached_property
    def moment(self) -> Array:
        """(N, joints, 3) moment origin × axis of every joint axis [m]."""
        return np.cross(self.origin[:, 1:], self.axis)


class Tree(NamedTuple):
    """The joints of an arm, as the compiled loops take them.

    Attributes:
        parents: (n,) index of each joint's parent frame, 0 = the world.
        prismatic: (n,) whether a joint is prismatic.
        offset: (n, 3) origin of each joint's frame in its parent at q = 0 [m].
        slide: (n, 3) unit axis in the parent's frame.
        axis: (n, 3) unit axis in the joint's frame.
        still: (n, 3, 3) rotation of each joint's frame in its parent at q = 0.
        sine: (n, 3, 3) what sin θ adds to it.
        versine: (n, 3, 3) what 1 − cos θ adds to it.
    """

    parents: Array
    prismatic: Array
    offset: Array
    slide: Array
    axis: Array
    still: Array
    sine: Array
    versine: Array


class Kinematics:
    """Joint frames and point Jacobians of a tree of revolute and prismatic joints.

    Args:
        arm: Pinocchio model of the arm.

    Attributes:
        n: Number of joints.
        parents: Index of each joint's parent frame, 0 = the world.
        offset_rotation: (n, 3, 3) rotation of each joint's frame in its parent at q = 0.
        offset: (n, 3) origin of each joint's frame in its parent at q = 0 [m].
        prismatic: (n,) whether a joint is prismatic.
        local_axis: (n, 3) unit axis in the joint's frame.
        moves: (n + 1, n) 1 where joint k moves frame j, else 0.

    Raises:
        InputError: A joint is neither revolute nor prismatic.
    """

    def __init__(self, arm: pin.Model) -> None:
        n = arm.njoints - 1
        self.n = n
        self.parents = [int(arm.parents[k + 1]) for k in range(n)]
        self.offset_rotation = np.array([arm.jointPlacements[k + 1].rotation for k in range(n)])
        self.offset = np.array([arm.jointPlacements[k + 1].translation for k in range(n)])
        self.prismatic = np.zeros(n, dtype=bool)
        self.local_axis = np.zeros((n, 3))
        for k in range(n):
            joint = arm.joints[k + 1]
            axis = joint_axis(joint)
            if axis is None:
                raise InputError(f"{arm.names[k + 1]}", f"is a {joint.shortname()}; allowed: revolute, prismatic, continuous")
            self.local_axis[k] = axis
            self.prismatic[k] = "P" in joint.shortname()
        x, y, z = self.local_axis.T
        zero = np.zeros(n)
        cross = np.array([[zero, -z, y], [z, zero, -x], [-y, x, zero]]).transpose(2, 0, 1)
        sine = self.offset_rotation @ cross
        slide = (self.offset_rotation @ self.local_axis[:, :, None])[..., 0]
        parts = self.parents, self.prismatic, self.offset, slide, self.local_axis, self.offset_rotation, sine, sine @ cross
        self._tree = Tree(*map(np.ascontiguousarray, parts))
        self.moves = self._support()

    def frame(self, q: Array, joint: int, placement: pin.SE3) -> tuple[Array, Array, Array]:
        """Compute the pose and the Jacobian of a frame that is fixed to a joint, in the world.

        Args:
            q: (N, n) configurations [rad or m].
            joint: Index of the joint's frame, 0 = the world.
            placement: Pose of the frame in the joint's frame.

        Returns:
            Rotations (N, 3, 3), origins (N, 3) [m], and Jacobians (N, 6, n): velocity of the origin, then angular velocity.
        """
        frames = self.placements(q)
        rotation = frames.rotation[:, joint] @ placement.rotation
        origin = frames.rotation[:, joint] @ placement.translation + frames.origin[:, joint]
        moves, prismatic = self.moves[joint][None, :, None], self.prismatic[None, :, None]
        linear = np.where(prismatic, frames.axis, np.cross(frames.axis, origin[:, None] - frames.origin[:, 1:])) * moves
        angular = np.where(prismatic, 0.0, frames.axis) * moves
        return rotation, origin, np.concatenate([linear, angular], axis=2).transpose(0, 2, 1)

    def _support(self) -> Array:
        """(joints + 1, joints) 1 where joint k moves frame j."""
        moves = np.zeros((self.n + 1, self.n))
        for j in range(self.n):
            moves[j + 1] = moves[self.parents[j]]
            moves[j + 1, j] = 1.0
        return moves

    def placements(self, q: Array) -> Placements:
        """Compute the joint frames at configurations q (N, n) [rad or m]."""
        rotation, origin, axis = _frames(np.ascontiguousarray(q, dtype=float), np.sin(q), np.cos(q), self._tree)
        return Placements(rotation, origin, axis)

    def line_gradient(self, frames: Placements, sample: Array, point: Array, direction: Array) -> Array:
        """Compute the gradient (C, n) of direction · (velocity of a point), for C points that every joint would move [m/rad].

        A joint's screw (axis a through o) and the line's moment p × d:  d · (a × (p − o)) = a · (p × d) + d · (o × a).

        Args:
            frames: Joint frames at N configurations.
            sample: (C,) configuration of each point.
            point: (C, 3) points in the world [m].
            direction: (C, 3) directions in the world.
        """
        return _turned(frames.axis, frames.moment, self.prismatic, *map(np.ascontiguousarray, (sample, point, direction)))

    def point_gradient(self, frames: Placements, sample: Array, joint: Array, point: Array, direction: Array) -> Array:
        """Compute the gradient (C, n) of direction · (velocity of a point fixed to a joint's frame), for C points [m/rad].

        Args:
            frames: Joint frames at N configurations.
            sample: (C,) configuration of each point.
            joint: (C,) joint frame to which each point is fixed.
            point: (C, 3) points in the world [m].
            direction: (C, 3) directions in the world.
        """
        return np.asarray(self.line_gradient(frames, sample, point, direction) * self.moves[joint])


@compiled
def _frames(q: Array, sine: Array, cosine: Array, tree: Tree) -> tuple[Array, Array, Array]:
    """Rotations (N, n + 1, 3, 3) and origins (N, n + 1, 3) of the joint frames, and axes (N, n, 3), at configurations (N, n).

    Rodrigues: R = 1 + sin θ K + (1 − cos θ) K², after the joint's own offset.
    """
    rows, n = q.shape
    rotation, origin, axis = np.zeros((rows, n + 1, 3, 3)), np.zeros((rows, n + 1, 3)), np.zeros((rows, n, 3))
    turn, shift = np.empty((3, 3)), np.empty(3)
    for row in range(rows):
        for i in range(3):
            rotation[row, 0, i, i] = 1.0
        for k in range(n):
            before, after, slides = rotation[row, tree.parents[k]], rotation[row, k + 1], tree.prismatic[k]
            s, v = (0.0, 0.0) if slides else (sine[row, k], 1 - cosine[row, k])
            for i in range(3):
                shift[i] = tree.offset[k, i] + (q[row, k] * tree.slide[k, i] if slides else 0.0)
                for j in range(3):
                    turn[i, j] = tree.still[k, i, j] + s * tree.sine[k, i, j] + v * tree.versine[k, i, j]
            for i in range(3):
                a, b, c = before[i, 0], before[i, 1], before[i, 2]
                moved = row_by_vector(a, b, c, shift[0], shift[1], shift[2])
                origin[row, k + 1, i] = origin[row, tree.parents[k], i] + moved
                for j in range(3):
                    after[i, j] = row_by_column(a, b, c, turn[0, j], turn[1, j], turn[2, j])
                a, b, c = after[i, 0], after[i, 1], after[i, 2]
                axis[row, k, i] = row_by_vector(a, b, c, tree.axis[k, 0], tree.axis[k, 1], tree.axis[k, 2])
    return rotation, origin, axis


@compiled
def _turned(axis: Array, moment: Array, prismatic: Array, sample: Array, point: Array, direction: Array) -> Array:
    """The gradients of `Kinematics.line_gradient`, given axes and moments (N, n, 3); sums are in the order of numpy's einsum."""
    out = np.empty((len(sample), len(prismatic)))
    for c in range(len(sample)):
        row, x, y, z = sample[c], direction[c, 0], direction[c, 1], direction[c, 2]
        p, q, r = point[c, 0], point[c, 1], point[c, 2]
        u, v, w = q * z - r * y, r * x - p * z, p * y - q * x  # p × d
        for j in range(len(prismatic)):
            a, m = axis[row, j], moment[row, j]
            if prismatic[j]:
                out[c, j] = a[0] * x + a[2] * z + a[1] * y
            else:
                out[c, j] = (a[0] * u + a[2] * w + a[1] * v) + (m[0] * x + m[2] * z + m[1] * y)
    return out
