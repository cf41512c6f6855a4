"""How far an item has moved in the hand."""

from __future__ import annotations

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array


def displacements(reference: Array, poses: Array) -> tuple[Array, Array]:
    """(N,) distances [m] and angles [rad] of item poses (N, 7) from a reference pose (7,)."""
    length = np.linalg.norm(reference[3:]) * np.linalg.norm(poses[:, 3:], axis=1)
    cosine = np.minimum(1.0, np.abs(poses[:, 3:] @ reference[3:]) / np.maximum(length, 1e-300))
    return np.linalg.norm(poses[:, :3] - reference[:3], axis=1), 2 * np.arccos(cosine)


def farthest(reference: Array, poses: Array, points: Array) -> Array:
    """(N,) largest distance [m] that any of the points (K, 3) of an item moves between a reference pose (7,) and poses (N, 7)."""
    there = points @ pin.Quaternion(*reference[3:]).toRotationMatrix().T + reference[:3]
    w, u = poses[:, None, 3:4], poses[:, None, 4:]
    once = 2 * np.cross(u, points[None])
    # a unit quaternion (w, u) turns p by 2 w u × p + 2 u × (u × p)
    now = points[None] + w * once + np.cross(u, once) + poses[:, None, :3]
    return np.asarray(np.linalg.norm(now - there, axis=2).max(axis=1))


def displacement(reference: Array, now: Array) -> tuple[float, float]:
    """The same for one pose."""
    distance, angle = displacements(reference, now[None])
    return float(distance[0]), float(angle[0])
