"""Displacement and rotation of an item in the hand; poses are (7,): position [m] and quaternion (w, x, y, z)."""

from __future__ import annotations

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array


def displacements(reference: Array, poses: Array) -> tuple[Array, Array]:
    """Returns how far item poses are displaced and rotated from a reference pose.

    Args:
        reference: (7,) reference pose.
        poses: (N, 7) poses.

    Returns:
        Distances (N,) [m] and angles (N,) [rad].
    """
    length = np.linalg.norm(reference[3:]) * np.linalg.norm(poses[:, 3:], axis=1)
    cosine = np.minimum(1.0, np.abs(poses[:, 3:] @ reference[3:]) / np.maximum(length, 1e-300))
    return np.linalg.norm(poses[:, :3] - reference[:3], axis=1), 2 * np.arccos(cosine)


def farthest(reference: Array, poses: Array, points: Array) -> Array:
    """Returns the displacement of the item's point that has moved farthest from a reference pose.

    Args:
        reference: (7,) reference pose.
        poses: (N, 7) poses.
        points: (K, 3) points of the item, in its own frame [m].

    Returns:
        Largest displacements (N,) [m].
    """
    there = points @ pin.Quaternion(*reference[3:]).toRotationMatrix().T + reference[:3]
    w, u = poses[:, None, 3:4], poses[:, None, 4:]
    once = 2 * np.cross(u, points[None])
    # a unit quaternion (w, u) turns p by 2 w u × p + 2 u × (u × p)
    now = points[None] + w * once + np.cross(u, once) + poses[:, None, :3]
    return np.asarray(np.linalg.norm(now - there, axis=2).max(axis=1))


def worst(reference: Array, poses: Array, points: Array) -> tuple[float, float, float]:
    """Returns the largest displacement [m], rotation [rad] and displacement of the farthest point [m]; see `farthest`."""
    slip, turn = displacements(reference, poses)
    return float(slip.max()), float(turn.max()), float(farthest(reference, poses, points).max())


def displacement(reference: Array, now: Array) -> tuple[float, float]:
    """Returns how far one item pose is displaced [m] and rotated [rad] from a reference pose.

    Args:
        reference: (7,) reference pose.
        now: (7,) pose.
    """
    distance, angle = displacements(reference, now[None])
    return float(distance[0]), float(angle[0])
