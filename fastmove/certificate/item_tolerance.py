"""Use of what an item tolerates, for the certificate: tilt, leaning from the vertical, shock, swing and squeeze."""

from __future__ import annotations

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.multibody.assembly import HoldFrame


def tolerance_uses(
    frame: HoldFrame, body: pin.Inertia, wrench: Array, grip: Array, rotation: Array, gravity: Array
) -> dict[str, Array]:
    """Compute the uses of the limits that an item tolerates (see `problem.tolerance`).

    Both angles are widened by `Uncertainty.turn`, the angle that the item may be turned in the hand from its nominal pose.

    Args:
        frame: The grasp frame and its held item.
        body: The item's inertia in the grasp frame.
        wrench: (N, 6) contact wrenches in the grasp frame [N, Nm].
        grip: (N,) commanded grip forces [N].
        rotation: (N, 3, 3) rotations of the joint's frame in the world.
        gravity: (3,) gravity in the world [m/s²].

    Returns:
        Uses (N,) by kind, 1 = limit: tilt, upright, shock, swing and squeeze, those that are limited.
    """
    held, allowed, uses = frame.held, frame.held.item.tolerates, {}
    up = held.grasp_T_item.rotation @ allowed.up
    force = wrench[:, :3]
    if np.isfinite(allowed.tilt):
        cosine = force @ up / np.maximum(np.linalg.norm(force, axis=1), 1e-9)
        uses["tilt"] = (np.arccos(np.clip(cosine, -1, 1)) + held.uncertainty.turn) / allowed.tilt
    if np.isfinite(allowed.upright):
        upright = rotation @ (frame.joint_T_grasp.rotation @ up) @ (-gravity / np.linalg.norm(gravity))
        uses["upright"] = (np.arccos(np.clip(upright, -1, 1)) + held.uncertainty.turn) / allowed.upright
    if np.isfinite(allowed.shock):
        uses["shock"] = np.linalg.norm(force, axis=1) / (body.mass * allowed.shock)
    if allowed.swing < 1:
        c = sum(patch.c for patch in held.patches)  # Twice the mean c of two pads, or the c of a cup's ring.
        uses["swing"] = np.abs(wrench[:, held.law.torsion_axis]) / (
            held.friction * grip * held.guaranteed_grip_ratio * c * allowed.swing
        )
    if held.law.holder == "gripper" and np.isfinite(held.item.max_pinch_force):
        spare = held.item.max_pinch_force - grip * (1 + held.uncertainty.grip_force)
        side = np.abs(force[:, 1]) / 2  # What comes to the grip of the finger that pushes.
        uses["squeeze"] = np.where(spare > 0, side / np.maximum(spare, 1e-12), np.inf)
    return uses
