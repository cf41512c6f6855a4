"""How far an arm that is off its commands can bring two bodies together: the stray of a pair.

With every joint k off by at most δ_k, turn one joint after the other.  A joint that moves both bodies or neither leaves their
distance as it is; call the others the pair's joints.

Anywhere: joint k moves points of its body by at most r_k δ_k, r_k being its reach, the largest distance of the body's points from
axis k at any configuration (`Bounding.motion_bounds`).  So a pair strays by at most Σ r_k δ_k over its joints.

At one configuration, with n the unit normal between two convex bodies at distance d > 0: all points a of the one and b of the
other have n·(b − a) ≥ d.  A body's point p moves along n by Σ δ_k (p − o_k)·(n × a_k) to first order, with axis a_k through
o_k, whose magnitude over a capsule around the body is largest at an end of its axis, plus radius · |n × a_k|.  Second order: on
the way p(s), every δ_k growing evenly with s, the velocity is Σ δ_k a_k × (p − o_k), and its derivative

    Σ_k δ_k [Σ_{j<k} δ_j a_j × (a_k × (p − o_k)) + a_k × Σ_{j≥k} δ_j a_j × (p − o_j)] ≤ 2 (Σ δ_k) (Σ r_k δ_k),

so p is off the first order by at most (Σ δ_k) (Σ r_k δ_k), along n as along any direction.

A delay leaves the arm where it was commanded to be at most `delay` ago, while an obstacle has moved on: that strays by the
longest way that it goes within any time of that length.
"""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array
from fastmove.geometry.pose_trajectory import PoseTrajectory
from fastmove.multibody.assembly import Assembly
from fastmove.multibody.bounding_volumes import Bounding, PlacedVolumes, turning_joints
from fastmove.multibody.joint_axes import joint_axis
from fastmove.problem.following import Following


class Strays:
    """Bounds on how far pairs of bodies stray.

    Args:
        following: How closely the arm follows its commands.
        assembly: The body tree.
        bounding: Bounding volumes of its bodies, with the pairs.

    Attributes:
        exact: Whether the arm follows exactly: nothing strays.
        most: (P,) largest stray of every pair at any configuration [m].
    """

    def __init__(self, following: Following, assembly: Assembly, bounding: Bounding) -> None:
        self.exact, self.most, self._bounding = following.exact, np.zeros(len(bounding.first)), bounding
        if self.exact:
            return
        self._n = n = assembly.arm.njoints - 1
        chain, reach = bounding.motion_bounds(assembly.arm)
        one, two = bounding.first, bounding.second
        self._apart = (chain[one] & ~chain[two], chain[two] & ~chain[one])
        self._reach = np.where(chain[one] != chain[two], reach[one] + reach[two], 0.0)  # Of one only: the other's is 0.
        self._turns, self._error = turning_joints(assembly.arm), following.errors(n)
        axes = [joint_axis(assembly.arm.joints[k + 1]) for k in range(n)]
        self._local_axes = np.array([np.zeros(3) if axis is None else axis for axis in axes])
        self._known = np.array([axis is not None for axis in axes])
        late = np.zeros(len(assembly.bodies))
        for m, motion in enumerate(assembly.motions):
            for body in np.nonzero(bounding.joint == assembly.arm.njoints + m)[0]:
                size = float(np.linalg.norm(bounding.center[body])) + float(bounding.sphere[body])
                late[body] = _moved_within(motion, following.delay, size)
        self._late = late[one] + late[two]
        self.most = self._reach @ self._error + self._late

    def along(
        self,
        placed: PlacedVolumes,
        frames: tuple[Array, Array],
        rows: Array,
        pairs: Array,
        normal: Array,
        change: Array | None = None,
    ) -> Array:
        """Bound the strays of pairs whose normals are known, at N configurations (rows).

        Args:
            placed: All bodies in the world.
            frames: Rotations (N, J, 3, 3) and origins (N, J, 3) [m] of world, joints and, if any, moving obstacles.
            rows: (C,) rows.
            pairs: (C,) pairs.
            normal: (C, 3) unit normals between their two bodies, in the world.
            change: (C, joints) largest changes of the joints from these configurations, beyond the errors [rad or m].

        Returns:
            (C,) bounds, at most `most` where nothing changes [m]; of what nothing is known, as a normal of NaN, the largest.
        """
        off = self._error if change is None else self._error + change
        off = np.broadcast_to(off, (len(rows), self._n))
        rotation, origin = (frame[:, 1 : self._n + 1] for frame in frames)
        axis = np.einsum("njab,jb->nja", rotation, self._local_axes)[rows]
        across, b = np.cross(normal[:, None], axis), self._bounding
        size, slide = np.linalg.norm(across, axis=2), np.abs(np.einsum("cja,ca->cj", axis, normal))
        stray = np.zeros(len(rows))
        for bodies, apart in zip((b.first[pairs], b.second[pairs]), self._apart, strict=True):
            body = np.minimum(bodies, b.n_moving - 1)  # No joint moves the others.
            ends = placed.segment[rows, body][:, :, None] - origin[rows][:, None]
            lever = np.abs(np.einsum("ceja,cja->cej", ends, across)).max(axis=1) + b.radius[body][:, None] * size
            lever = np.where(self._known, np.where(self._turns, lever, slide), self._reach[pairs])
            stray += (lever * apart[pairs] * off).sum(axis=1)
        anywhere = (self._reach[pairs] * off).sum(axis=1)
        stray += (off * (self._reach[pairs] > 0)).sum(axis=1) * anywhere
        return np.asarray(np.where(stray < anywhere, stray, anywhere) + self._late[pairs])


def _moved_within(motion: PoseTrajectory, delay: float, size: float) -> float:
    """Longest way of any point within `size` of a moving frame's origin, within any `delay` from time 0 on [m].

    Ways grow linearly from waypoint to waypoint, so the largest difference has one of its ends at a waypoint, or at time 0.
    """
    begins = np.maximum(np.concatenate([motion.times, motion.times - delay, [0.0]]), 0.0)
    travelled, turned = (motion.arc_length(begins + delay) - motion.arc_length(begins)).T
    return float((travelled + turned * size).max())
