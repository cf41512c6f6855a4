"""Parts of MuJoCo models: geoms of FastMove's shapes, inertias, and contacts that hold; the one file that imports MuJoCo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pinocchio as pin
from scipy.spatial import ConvexHull, HalfspaceIntersection

from fastmove.arrays import Array
from fastmove.errors import MissingPackage
from fastmove.geometry.shapes import Shape

try:
    import mujoco as mujoco
    from mujoco import rollout as rollout
except ImportError as error:  # pragma: no cover
    raise MissingPackage("mujoco", "simulated hardware", "sim") from error

TIME_CONSTANT = 0.004  # time constant of contacts (MuJoCo's `solref[0]`) [s]
SOLIMP = (0.99, 0.999, 0.001, 0.5, 2.0)  # impedance of contacts (MuJoCo's `solimp`)

# MuJoCo's primitive for each type of shape, and its sizes when the surface is moved inwards by a gap [m].
PRIMITIVES: dict[str, tuple[Any, Callable[[Shape, float], Any]]] = {
    "box": (mujoco.mjtGeom.mjGEOM_BOX, lambda shape, gap: shape.half_extents() - gap),
    "cylinder": (mujoco.mjtGeom.mjGEOM_CYLINDER, lambda shape, gap: [shape.radius - gap, shape.length / 2 - gap, 0]),
    "capsule": (mujoco.mjtGeom.mjGEOM_CAPSULE, lambda shape, gap: [shape.radius - gap, shape.length / 2, 0]),
    "sphere": (mujoco.mjtGeom.mjGEOM_SPHERE, lambda shape, gap: [shape.radius - gap, 0, 0]),
}


def add_shape(spec, body, name: str, shape: Shape, placement: pin.SE3, gap: float = 0.0) -> str:  # type: ignore[no-untyped-def]
    """Adds a shape as a geom with its surface moved inwards by `gap` [m]; returns the geom's name.

    A shape that is no primitive of MuJoCo becomes the mesh of its convex hull.
    """
    if shape.type not in PRIMITIVES:
        own = shape.hull_points() @ shape.placement.rotation - shape.placement.translation @ shape.placement.rotation
        spec.add_mesh(name=name, uservert=(inset(own, gap) if gap else own).ravel())
        geom = add_geom(body, name, mujoco.mjtGeom.mjGEOM_MESH, np.zeros(3), placement.translation, wxyz(placement.rotation))
        geom.meshname = name
        return name
    gap = min(gap, float(shape.half_extents().min()) / 4)
    kind, size = PRIMITIVES[shape.type]
    add_geom(body, name, kind, size(shape, gap), placement.translation, wxyz(placement.rotation))
    return name


def inset(points: Array, gap: float) -> Array:
    """Returns the corners of a convex hull whose faces are all moved inwards.

    Args:
        points: (N, 3) points that span the hull [m].
        gap: distance by which every face moves [m], at most half of its distance from the middle of the points.

    Returns:
        (K, 3) corners [m].
    """
    planes, middle = ConvexHull(points).equations.copy(), points.mean(axis=0)
    depth = -(planes[:, :3] @ middle + planes[:, 3])
    planes[:, 3] += np.minimum(gap, depth / 2)
    return np.asarray(HalfspaceIntersection(planes, middle).intersections)


def add_geom(body, name, kind, size, position, quaternion=(1, 0, 0, 0)):  # type: ignore[no-untyped-def]
    """Adds a massless geom that touches only through explicit pairs."""
    geom = body.add_geom(name=name, type=kind, size=size, pos=position, quat=quaternion)
    geom.contype = geom.conaffinity = 0
    geom.mass = 0.0
    return geom


def set_inertia(body, inertia: pin.Inertia) -> None:  # type: ignore[no-untyped-def]
    """Sets the inertia of a body of a MuJoCo specification.

    Args:
        body: the body.
        inertia: its inertia, in its own frame.
    """
    body.explicitinertial = True
    body.mass, body.ipos = inertia.mass, inertia.lever
    m = inertia.inertia
    body.fullinertia = [m[0, 0], m[1, 1], m[2, 2], m[0, 1], m[0, 2], m[1, 2]]


def wxyz(rotation: Array) -> Array:
    """Returns the quaternion (4,) of a rotation (3, 3) in MuJoCo's order (w, x, y, z)."""
    x, y, z, w = pin.Quaternion(np.asarray(rotation)).coeffs()
    return np.array([w, x, y, z])


def add_contact(spec, one: str, other: str, friction: float, time_constant: float, twist: float | None = None) -> None:  # type: ignore[no-untyped-def]
    """Adds the contact of two geoms.

    Args:
        spec: the specification of the model.
        one: name of a geom.
        other: name of the other.
        friction: Coulomb coefficient.
        time_constant: time constant of the contact [s].
        twist: lever of the friction against turning about the normal [m]; None = there is none.
    """
    pair = spec.add_pair(geomname1=one, geomname2=other)
    pair.condim = 3 if twist is None else 4
    pair.friction = [friction, friction, 0.005 if twist is None else friction * twist, 0.0001, 0.0001]
    pair.solref[:2], pair.solimp[:5] = (time_constant, 1.0), SOLIMP


def add_touch_sensor(spec, geom: str) -> None:  # type: ignore[no-untyped-def]
    """Adds a sensor that says whether a geom touches the item."""
    touch = spec.add_sensor(name=f"touch_{geom}", type=mujoco.mjtSensor.mjSENS_CONTACT)
    touch.objtype, touch.objname = mujoco.mjtObj.mjOBJ_GEOM, geom
    touch.reftype, touch.refname = mujoco.mjtObj.mjOBJ_BODY, "item"
    touch.intprm[:3] = [1 << int(mujoco.mjtConDataField.mjCONDATA_FOUND), 0, 1]
