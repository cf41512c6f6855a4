"""Detection of the contact patches of pads or a cup, from the item's shapes and its pose in the hand."""

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

# Largest angle between a face and the plane of a cup's lip at which the lip seals [rad].
SEAL_FLAT = np.radians(3.0)

# Largest distance of a face from the plane of a cup's lip at which the lip seals [m].
SEAL_TOUCH = 1e-3


def seal(suction_cup: SuctionCup, item: Item, tool_T_item: pin.SE3) -> Patch:
    """Finds the ring patch of a cup whose whole lip lies flat on a face of the item.

    Args:
        suction_cup: the cup.
        item: the item.
        tool_T_item: pose of the item in the tool frame of the cup.

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
    """Says why the lip does not seal on a shape; empty where it does.

    Args:
        suction_cup: the cup.
        shape: one shape of the item.
        rotation: (3, 3) orientation of the shape in the tool frame.
        origin: (3,) position of the shape in the tool frame [m].
    """
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
    middle = rotation.T @ -face  # from the middle of the face to that of the lip, in the shape's axes [m]
    if shape.type == "cylinder":
        edge_distance = shape.radius - float(np.hypot(middle[0], middle[1]))
    else:
        edge_distance = min(half[k] - abs(middle[k]) for k in range(3) if k != axis)
    if edge_distance < suction_cup.radius:
        beyond = (suction_cup.radius - edge_distance) * 1e3
        return f"the lip of radius {suction_cup.radius * 1e3:g} mm reaches {beyond:.1f} mm beyond the face"
    return ""


# Largest angle between a face and the pads at which the face still counts as flat on them [rad].
FACE_TOLERANCE = np.radians(3.0)

# Largest offset of the item's middle from that of the symmetrically closing pads, along the closing axis [m].
CENTRE_TOLERANCE = 1e-3

# Largest distance of an explicit patch from the item's surface [m].
TOUCH_TOLERANCE = 1e-3


def check_on_pad(gripper: Gripper, patch: Patch) -> None:
    """Checks that an explicit patch lies on the pad as a whole.

    Raises:
        GraspInvalid: it reaches beyond the pad.
    """
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
    """Checks that the item's surface is where an explicit patch says.

    Args:
        item: the item.
        tool_T_item: pose of the item in the tool frame.
        patch: the patch, whose centre is in tool x and z.
        y: where the patch lies along the closing axis of the tool [m].

    Raises:
        GraspInvalid: the surface is farther from the patch's centre than `TOUCH_TOLERANCE`.
    """
    point = coal.Transform3s(np.eye(3), np.array([patch.center[0], y, patch.center[1]]))
    probe, request = coal.Sphere(1e-6), coal.DistanceRequest()
    distances = []
    for shape in item.shapes:
        placement = tool_T_item * shape.placement
        pose = coal.Transform3s(placement.rotation, placement.translation)
        distances.append(coal.distance(shape.geometry(), pose, probe, point, request, coal.DistanceResult()))
    if abs(min(distances)) > TOUCH_TOLERANCE:
        raise GraspInvalid("grasp.patches", f"the item's surface is {min(distances) * 1e3:.1f} mm from a patch; at most 1 mm")


def find_patches(gripper: Gripper, item: Item, tool_T_item: pin.SE3) -> tuple[tuple[Patch, Patch], float]:
    """Finds the two patches where closing pads touch an item.

    Args:
        gripper: the gripper.
        item: the item.
        tool_T_item: pose of the item in the tool frame.

    Returns:
        The patches on the pads at +y and −y of the tool, and the distance between them [m].

    Raises:
        GraspInvalid: no face lies between the pads, a face is turned from them, the item is off centre, or one of its shapes has
            no patches that can be found (a mesh).
    """
    sides = []
    for side in (1.0, -1.0):
        contacts = [
            contact
            for shape in item.shapes
            if (contact := _touch(gripper, shape, tool_T_item * shape.placement, side)) is not None
        ]
        if not contacts:
            raise GraspInvalid("grasp.tool_T_item", "no face of the item lies between the pads")
        sides.append(max(contacts, key=lambda contact: side * contact[0]))
    (top, patch_top), (bottom, patch_bottom) = sides
    middle = (top + bottom) / 2
    if abs(middle) > CENTRE_TOLERANCE:
        raise GraspInvalid(
            "grasp.tool_T_item",
            f"the item's middle is {middle * 1e3:.1f} mm off the pads' along y; pads close symmetrically, at most 1 mm",
        )
    return (patch_top, patch_bottom), top - bottom


def _touch(gripper: Gripper, shape: Shape, tool_T_shape: pin.SE3, side: float) -> tuple[float, Patch] | None:
    """Finds where one pad touches one shape; None where it misses the shape.

    Args:
        gripper: the gripper.
        shape: one shape of the item.
        tool_T_shape: pose of the shape in the tool frame.
        side: 1 for the pad at +y of the tool, −1 for the one at −y.

    Returns:
        The y coordinate of the touched face in the tool frame [m], and the patch.
    """
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
    """Touch of a box: the part of its face that lies on the pad `center` ± `half` (arguments and result as in `_touch`)."""
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
    """Touch of a cylinder or capsule: its end where its axis is along the closing axis, a line of its side where it is across."""
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
    """Clips a segment to the rectangle center ± half (Liang–Barsky); None where nothing is inside.

    Args:
        start: (2,) first end [m].
        end: (2,) other end [m].
        half: (2,) half edges of the rectangle [m].
        center: (2,) centre of the rectangle [m].
    """
    low, high = 0.0, 1.0
    step = end - start
    for axis in (0, 1):
        for sign in (1.0, -1.0):
            slope = sign * step[axis]
            distance = half[axis] - sign * (start[axis] - center[axis])
            if abs(slope) < 1e-15:
                if distance < 0:
                    return None
            elif slope > 0:
                high = min(high, distance / slope)
            else:
                low = max(low, distance / slope)
    if high - low <= 1e-9:
        return None
    return start + low * step, start + high * step
