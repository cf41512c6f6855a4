"""Geometric primitives and poses, as plain values.

A pose is a `pinocchio.SE3`; in files it is {position = [x, y, z], quaternion_xyzw = [x, y, z, w]}.
Shapes: box (full edge lengths), cylinder and capsule (radius, length, axis z; a capsule's length is the distance
between its cap centres), sphere, mesh (a file, used as its convex hull).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import coal
import numpy as np
import pinocchio as pin

from fastmove.arrays import Array, locked
from fastmove.errors import InputError
from fastmove.geometry.polytope import convex_hull
from fastmove.geometry.poses import is_pose, pose_dict

TYPES = ("box", "cylinder", "capsule", "sphere", "mesh")


@dataclass(frozen=True)
class Shape:
    """One primitive and where it sits in its owner's frame.

    Attributes:
        type: one of `TYPES`.
        size: (3,) full edges of a box [m]; empty otherwise.
        radius, length: of sphere, cylinder, capsule [m].
        file: path of a mesh.
        placement: pose in the owner's frame (item, link or world).
    """

    type: str
    size: Array = field(default_factory=lambda: locked([]))
    radius: float = 0.0
    length: float = 0.0
    file: str = ""
    placement: pin.SE3 = field(default_factory=pin.SE3.Identity)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", locked(self.size))
        if self.type not in TYPES:
            raise InputError("type", f"is {self.type!r}; allowed: {', '.join(TYPES)}")
        if not is_pose(self.placement):
            raise InputError("placement", f"of a {self.type} is no pose: finite numbers and a rotation are needed")
        checks: dict[str, dict[str, object]] = {
            "box": {"size": self.size},
            "cylinder": {"radius": self.radius, "length": self.length},
            "capsule": {"radius": self.radius, "length": self.length},
            "sphere": {"radius": self.radius},
            "mesh": {},
        }
        for key, value in checks[self.type].items():
            numbers = np.atleast_1d(np.asarray(value, dtype=float))
            if not np.all(np.isfinite(numbers)) or numbers.size == 0 or np.any(numbers <= 0):
                raise InputError(key, f"of a {self.type} is {np.asarray(value).tolist()}; it must be positive [m]")
        if self.type == "box" and self.size.shape != (3,):
            raise InputError("size", "of a box needs three edge lengths [m]")

    def geometry(self) -> coal.CollisionGeometry:
        """The coal geometry, centred on the shape's own frame; one object per shape."""
        return self._geometry

    @cached_property
    def _geometry(self) -> coal.CollisionGeometry:
        match self.type:
            case "box":
                return coal.Box(*(float(x) for x in self.size))
            case "cylinder":
                return coal.Cylinder(self.radius, self.length)
            case "capsule":
                return coal.Capsule(self.radius, self.length)
            case "sphere":
                return coal.Sphere(self.radius)
            case _:
                return convex_hull(self.file)

    def half_extents(self) -> Array:
        """(3,) half edges of the enclosing box in the shape's own frame [m] (for a mesh see `hull_points`)."""
        match self.type:
            case "box":
                return np.asarray(self.size) / 2
            case "cylinder":
                return np.array([self.radius, self.radius, self.length / 2])
            case "capsule":
                return np.array([self.radius, self.radius, self.length / 2 + self.radius])
            case _:
                return np.full(3, self.radius)

    def hull_points(self) -> Array:
        """(K, 3) points in the owner's frame whose convex hull encloses the shape."""
        if self.type == "mesh":
            local = np.asarray(convex_hull(self.file).points()).reshape(-1, 3)
        else:
            corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)
            local = corners * self.half_extents()
        return np.asarray(local @ self.placement.rotation.T + self.placement.translation)

    def volume_inertia(self) -> tuple[float, Array, Array]:
        """Volume [m³], centre of volume (3,) in the shape's own frame [m], inertia of the solid per unit mass about it [m²].

        A mesh is its convex hull; a capsule counts as the cylinder of its full length.
        """
        zero = np.zeros(3)
        if self.type == "box":
            x, y, z = self.size
            return float(x * y * z), zero, np.diag([y * y + z * z, x * x + z * z, x * x + y * y]) / 12
        if self.type == "sphere":
            return 4 / 3 * np.pi * self.radius**3, zero, np.eye(3) * 0.4 * self.radius**2
        if self.type in ("cylinder", "capsule"):
            r, height = self.radius, self.length + (2 * self.radius if self.type == "capsule" else 0.0)
            side = (3 * r * r + height * height) / 12
            return np.pi * r * r * height, zero, np.diag([side, side, r * r / 2])
        hull = convex_hull(self.file)
        volume = float(hull.computeVolume())
        return volume, np.array(hull.computeCOM()), np.array(hull.computeMomentofInertiaRelatedToCOM()) / volume

    def describe(self) -> dict[str, object]:
        """Plain numbers; a mesh by file name only."""
        result: dict[str, object] = {"type": self.type}
        if self.type == "box":
            result["size"] = [float(x) for x in self.size]
        if self.type in ("cylinder", "capsule", "sphere"):
            result["radius"] = float(self.radius)
        if self.type in ("cylinder", "capsule"):
            result["length"] = float(self.length)
        if self.type == "mesh":
            result["file"] = Path(self.file).name
        return result | {"pose": pose_dict(self.placement)}
