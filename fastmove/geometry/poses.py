"""Poses made from position and quaternion, their check, and their form as plain numbers."""

from __future__ import annotations

import numpy as np
import pinocchio as pin

from fastmove.errors import InputError


def pose(position: object = (0.0, 0.0, 0.0), quaternion_xyzw: object = (0.0, 0.0, 0.0, 1.0)) -> pin.SE3:
    """Builds a pose from a position and a quaternion, which is normalised.

    Args:
        position: Position (3,) [m].
        quaternion_xyzw: Quaternion (x, y, z, w) of length 1 within 1 %.

    Raises:
        InputError: The quaternion is not of length 1.
    """
    quaternion = np.asarray(quaternion_xyzw, dtype=float)
    norm = float(np.linalg.norm(quaternion))
    if not 0.99 < norm < 1.01:
        raise InputError("quaternion_xyzw", f"has length {norm:.4g}; a rotation needs length 1 (order x, y, z, w)")
    return pin.XYZQUATToSE3(np.concatenate([np.asarray(position, dtype=float), quaternion / norm]))


def is_valid_pose(placement: pin.SE3) -> bool:
    """Returns whether all numbers of a pose are finite and its rotation is a proper rotation matrix."""
    turn = np.asarray(placement.rotation)
    right = np.abs(turn @ turn.T - np.eye(3)).max() < 1e-6 and np.linalg.det(turn) > 0
    return bool(right and np.all(np.isfinite(placement.translation)))


def pose_dict(placement: pin.SE3) -> dict[str, list[float]]:
    """Returns a pose as plain numbers: position [m] and quaternion xyzw with w ≥ 0."""
    values = pin.SE3ToXYZQUAT(placement)
    quaternion = values[3:] if values[6] >= 0 else -values[3:]
    return {"position": [float(x) for x in values[:3]], "quaternion_xyzw": [float(x) for x in quaternion]}
