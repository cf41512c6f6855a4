"""Finding where pads or a cup touch an item, from shapes and a grasp's pose."""

from __future__ import annotations

from dataclasses import replace

import coal
import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.contact.patch import Patch, clip_polygon, disc_patch, line_patch, plane_patch
from fastmove.errors import GraspInvalid
from fastmove.geometry.shapes import Shape
from fastmove.problem.item import Item
from fastmove.robot.gripper import Gripper
from fastmove.robot.suction_cup import SuctionCup

SEAL_FLAT = np.radians(3.0)  # a face may be turned by this much from the lip
SEAL_TOUCH = 1e-3  # the lip lies within this of a face [m]


def seal(suction_cup: SuctionCup, item: Item, tool_T_item: pin.SE3) -> Patch:
    """The ring where the lip lies flat on a face of the item, all of it.

    Raises:
        GraspInvalid: no flat face of the item lies under the lip.
    """
    reasons = []
    for shape in item.shapes:
        placed = tool_T_item * shape.placement
        reason = _why_no_seal(suction_cup, shape, placed.rotation, placed.translation)
        if not reason:
            return Patch(
                "ring", np.zeros(2), np.array([suction_cup.radius]), np.array([0.0, 1.0]), suction_cup.radius, suction_cup.radius
            )
        reasons.append(reason)
    raise GraspInvalid("grasp.tool_T_item", f"the cup does not seal: {reasons[0]}")


def _why_no_seal(suction_cup: SuctionCup, shape: Shape, rotation: Array, origin: Array) -> str:
    """Why the lip does not seal on a shape; empty where it does."""
    half = shape.half_extents()
    if shape.type not in ("box", "cylinder"):
        return f"a {shape.type} has no flat face"
    axis = int(np.argmax(np.abs(rotation[2]))) if shape.type == "box" else 2
    tilt = float(np.arccos(np.clip(abs(rotation[2, axis]), 0, 1)))
    if tilt > SEAL_FLAT:
        return f"the face is turned {np.degrees(tilt):.1f}° from the lip; at most 3°"
    face = origin - rotation[:, axis] * np.sign(rotation[2, axis]) * half[axis]
    if abs(face[2]) > SEAL_TOUCH:
        return f"the face is {face[2] * 1e3:.1f} mm from the lip; at most 1 mm"
    middle = rotation.T @ -face  # the lip's middle from the face's, in the shape's axes
    if shape.type == "cylinder":
        room = shape.radius - float(np.hypot(middle[0], middle[1]))
    else:
        room = min(half[k] - abs(middle[k]) for k in range(3) if k != axis)
    if room < suction_cup.radius:
        beyond = (suction_cup.radius - room) * 1e3
        return f"the lip of radius {suction_cup.radius * 1e3:g} mm reaches {beyond:.1f} mm beyond the face"
    return ""


# A face may be turned by this much from the pads and still count as flat on them; compliant pads take it up.
FACE_TOLERANCE = np.radians(3.0)

# Pads close symmetrically: the item's middle may be off the tool's by this much before the item would be pushed [m].
CENTRE_TOLERANCE = 1e-3

# An explicit patch lies within this of the item's surface; two patches face each other within this [m].
TOUCH_TOLERANCE = 1e-3


def check_on_pad(gripper: Gripper, patch: Patch) -> None:
    """An explicit patch lies on the pad, all of it."""
    across = np.array([-patch.direction[1], patch.direction[0]])
    if patch.kind == "disc":
        extent = np.full(2, float(patch.size[0]))
    elif patch.kind == "line":
        extent = np.abs(patch.direction) * patch.size[0] / 2
    else:
        extent = (np.abs(patch.direction) * patch.size[1] + np.abs(across) * patch.size[0]) / 2
    if np.any(np.abs(patch.center - gripper.pad_center) + extent > np.asarray(gripper.pad_size) / 2 + 1e-9):
        size = [round(float(x) * 1e3, 2) for x in gripper.pad_size]
        raise GraspInvalid("grasp.patches", f"a {patch.kind} patch reaches beyond the pad of {size} mm")


def check_touch(item: Item, tool_T_item: pin.SE3, patch: Patch, y: float) -> None:
    """The item's surface is where an explicit patch says."""
    point = coal.Transform3s(np.eye(3), np.array([patch.center[0], y, patch.center[1]]))
    probe, request = coal.Sphere(1e-6), coal.DistanceRequest()
    gaps = []
    for shape in item.shapes:
        placement = tool_T_item * shape.placement
        there = coal.Transform3s(placement.rotation, placement.translation)
        gaps.append(coal.distance(shape.geometry(), there, probe, point, request, coal.DistanceResult()))
    if abs(min(gaps)) > TOUCH_TOLERANCE:
        raise GraspInvalid("grasp.patches", f"the item's surface is {min(gaps) * 1e3:.1f} mm from a patch; at most 1 mm")


def find_patches(gripper: Gripper, item: Item, tool_T_item: pin.SE3) -> tuple[tuple[Patch, Patch], float]:
    sides = []
    for side in (1.0, -1.0):
        found = [
            contact
            for shape in item.shapes
            if (contact := _touch(gripper, shape, tool_T_item * shape.placement, side)) is not None
        ]
        if not found:
            raise GraspInvalid("grasp.tool_T_item", "no face of the item lies between the pads")
        sides.append(max(found, key=lambda contact: side * contact[0]))
    (top, patch_top), (bottom, patch_bottom) = sides
    middle = (top + bottom) / 2
    if abs(middle) > CENTRE_TOLERANCE:
        raise GraspInvalid(
            "grasp.tool_T_item",
            f"the item's middle is {middle * 1e3:.1f} mm off the pads' along y; pads close symmetrically, at most 1 mm",
        )
    return (patch_top, patch_bottom), top - bottom


def _touch(gripper: Gripper, shape: Shape, tool_T_shape: pin.SE3, side: float) -> tuple[float, Patch] | None:
    """(y of the face, patch) where the pad at +y (side 1) or −y meets this shape, or None where it misses it."""
    half, center = np.asarray(gripper.pad_size) / 2, np.asarray(gripper.pad_center)
    rotation, origin = tool_T_shape.rotation, tool_T_shape.translation
    if shape.type == "box":
        return _touch_box(shape, rotation, origin, side, half, center)
    if shape.type == "sphere":
        inside = np.all(np.abs(origin[[0, 2]] - center) <= half)
        y = origin[1] + side * shape.radius
        return (float(y), disc_patch(origin[[0, 2]], gripper.disc_radius)) if inside else None
    if shape.type not in ("cylinder", "capsule"):
        raise GraspInvalid("grasp.patches", f"is missing; a {shape.type} item needs its two contact patches given")
    return _touch_round(gripper, shape, rotation, origin, side)


def _touch_box(
    shape: Shape, rotation: Array, origin: Array, side: float, half: Array, center: Array
) -> tuple[float, Patch] | None:
    axis = int(np.argmax(np.abs(rotation[1])))
    tilt = np.arccos(np.clip(abs(rotation[1, axis]), 0, 1))
    if tilt > FACE_TOLERANCE:
        raise GraspInvalid("grasp.tool_T_item", f"the item's face is turned {np.degrees(tilt):.1f}° from the pads; at most 3°")
    u, v = [k for k in range(3) if k != axis]
    edges = np.asarray(shape.size) / 2
    face = origin + side * np.sign(rotation[1, axis]) * rotation[:, axis] * edges[axis]
    corners = [
        face + su * rotation[:, u] * edges[u] + sv * rotation[:, v] * edges[v] for su, sv in ((1, 1), (-1, 1), (-1, -1), (1, -1))
    ]
    polygon = clip_polygon(np.array(corners)[:, [0, 2]], half, center)
    return (float(face[1]), replace(plane_patch(polygon), tilt=float(tilt))) if len(polygon) >= 3 else None


def _touch_round(gripper: Gripper, shape: Shape, rotation: Array, origin: Array, side: float) -> tuple[float, Patch] | None:
    """Cylinder or capsule: along the closing axis its end is gripped, across it a line of its side."""
    half, center = np.asarray(gripper.pad_size) / 2, np.asarray(gripper.pad_center)
    axis = rotation[:, 2]
    along = abs(axis[1])
    if along >= np.cos(FACE_TOLERANCE):
        y = origin[1] + side * shape.half_extents()[2]
        if shape.type == "capsule":
            inside = np.all(np.abs(origin[[0, 2]] - center) <= half)
            return (float(y), disc_patch(origin[[0, 2]], gripper.disc_radius)) if inside else None
        angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        circle = origin[[0, 2]] + shape.radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        polygon = clip_polygon(circle, half, center)
        tilt = float(np.arccos(min(along, 1.0)))
        return (float(y), replace(plane_patch(polygon), tilt=tilt)) if len(polygon) >= 3 else None
    if along > np.sin(FACE_TOLERANCE):
        tilt = np.degrees(np.arcsin(along))
        raise GraspInvalid("grasp.tool_T_item", f"the {shape.type}'s axis is {tilt:.1f}° from lying across or along the pads")
    ends = [(origin + s * axis * shape.length / 2)[[0, 2]] for s in (-1, 1)]
    clipped = _clip_segment(ends[0], ends[1], half, center)
    y = origin[1] + side * shape.radius
    return (float(y), replace(line_patch(*clipped), tilt=float(np.arcsin(along)))) if clipped is not None else None


def _clip_segment(start: Array, end: Array, half: Array, center: Array) -> tuple[Array, Array] | None:
    """The part of a segment inside the rectangle center ± half (Liang–Barsky)."""
    low, high = 0.0, 1.0
    step = end - start
    for axis in (0, 1):
        for sign in (1.0, -1.0):
            slope = sign * step[axis]
            room = half[axis] - sign * (start[axis] - center[axis])
            if abs(slope) < 1e-15:
                if room < 0:
                    return None
            elif slope > 0:
                high = min(high, room / slope)
            else:
                low = max(low, room / slope)
    if high - low <= 1e-9:
        return None
    return start + low * step, start + high * step
