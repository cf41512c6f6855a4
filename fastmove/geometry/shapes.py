"""Convex shapes at a pose, as plain values.

A pose is a `pinocchio.SE3`; in files it is {position = [x, y, z], quaternion_xyzw = [x, y, z, w]}.
Shapes are box (full edge lengths), cylinder and capsule (radius, length, axis z; the length of a capsule is the distance
between the centres of its caps), sphere, and mesh (a file, used as its convex hull).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import coal
import numpy as np
import pinocchio as pin

from fastmove import registries
from fastmove.arrays import Array, readonly
from fastmove.errors import InputError, did_you_mean
from fastmove.geometry.poses import is_valid_pose, pose_dict
from fastmove.geometry.shape_types import ShapeType


@dataclass(frozen=True)
class Shape:
    """A convex shape and its pose in its owner's frame.

    Attributes:
        type: Name in `registries.shapes`: box, cylinder, capsule, sphere, mesh, or a user's own.
        size: Full edges of a box (3,) [m]; empty otherwise.
        radius: Radius of a sphere, cylinder or capsule [m].
        length: Length of a cylinder, or of a capsule between the centres of its caps [m].
        file: Path of a mesh.
        placement: Pose in the owner's frame (item, link or world).
    """

    type: str
    size: Array = field(default_factory=lambda: readonly([]))
    radius: float = 0.0
    length: float = 0.0
    file: str = ""
    placement: pin.SE3 = field(default_factory=pin.SE3.Identity)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", readonly(self.size))
        if self.type not in registries.shapes.names():
            known = registries.shapes.names()
            raise InputError("type", f"is {self.type!r}; allowed: {', '.join(known)}{did_you_mean(self.type, known)}")
        if not is_valid_pose(self.placement):
            raise InputError("placement", f"of a {self.type} is no pose: finite numbers and a rotation are needed")
        for key in self.kind.sizes:
            if key == "file":
                continue
            numbers = np.atleast_1d(np.asarray(getattr(self, key), dtype=float))
            if not np.all(np.isfinite(numbers)) or numbers.size == 0 or np.any(numbers <= 0):
                raise InputError(key, f"of a {self.type} is {np.asarray(getattr(self, key)).tolist()}; it must be positive [m]")
        if "size" in self.kind.sizes and self.size.shape != (self.kind.edges,):
            raise InputError("size", f"of a {self.type} needs {self.kind.edges} edge lengths [m]")

    @property
    def kind(self) -> ShapeType:
        """Shape type registered under `type`."""
        return registries.shapes.get(self.type)  # type: ignore[no-any-return]

    def geometry(self) -> coal.CollisionGeometry:
        """Returns the coal geometry in the shape's own frame; always the same object for one shape."""
        return self._geometry

    @cached_property
    def _geometry(self) -> coal.CollisionGeometry:
        return self.kind.geometry(self)

    def half_extents(self) -> Array:
        """Returns the half edges (3,) [m] of the enclosing box that is centred on the shape's own frame."""
        return self.kind.half_extents(self)

    def hull_points(self) -> Array:
        """Returns points (K, 3) [m] in the owner's frame whose convex hull encloses the shape."""
        return np.asarray(self.kind.corners(self) @ self.placement.rotation.T + self.placement.translation)

    def volume_inertia(self) -> tuple[float, Array, Array]:
        """Returns the volume, its centre, and the inertia per unit mass of the solid shape, in the shape's own frame.

        A mesh counts as its convex hull, a capsule as the cylinder of its full length.

        Returns:
            Volume [m³], centre of volume (3,) [m], inertia per unit mass about the centre (3, 3) [m²].
        """
        return self.kind.volume_inertia(self)

    def describe(self) -> dict[str, object]:
        """Returns the shape as plain numbers; a mesh by the name of its file without the folder."""
        plain = {"size": [float(x) for x in self.size], "radius": float(self.radius), "length": float(self.length)}
        plain["file"] = Path(self.file).name  # type: ignore[assignment]
        return {"type": self.type, **{key: plain[key] for key in self.kind.sizes}, "pose": pose_dict(self.placement)}
