"""Use of what an item tolerates: tilt, leaning, shock, swing."""

from __future__ import annotations

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.multibody.assembly import HoldFrame


def care(frame: HoldFrame, body: pin.Inertia, wrench: Array, grip: Array, rotation: Array, gravity: Array) -> dict[str, Array]:
    """Uses (N,), 1 = limit, of what the item tolerates, where anything is limited (see `tolerance`); by as much as it may be
    turned in the hand, it may lean more than is believed.

    rotation: (N, 3, 3) of the joint in the world.
    """
    held, allowed, found = frame.held, frame.held.item.tolerates, {}
    up = held.grasp_T_item.rotation @ allowed.up
    force = wrench[:, :3]
    if np.isfinite(allowed.tilt):
        cosine = force @ up / np.maximum(np.linalg.norm(force, axis=1), 1e-9)
        found["tilt"] = (np.arccos(np.clip(cosine, -1, 1)) + held.uncertainty.turn) / allowed.tilt
    if np.isfinite(allowed.upright):
        upright = rotation @ (frame.joint_T_grasp.rotation @ up) @ (-gravity / np.linalg.norm(gravity))
        found["upright"] = (np.arccos(np.clip(upright, -1, 1)) + held.uncertainty.turn) / allowed.upright
    if np.isfinite(allowed.shock):
        found["shock"] = np.linalg.norm(force, axis=1) / (body.mass * allowed.shock)
    if allowed.swing < 1:
        c = sum(patch.c for patch in held.patches)  # twice the mean of two pads, or the ring's
        found["swing"] = np.abs(wrench[:, held.law.torsion_axis]) / (held.friction * grip * c * allowed.swing)
    return found
