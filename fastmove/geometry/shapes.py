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

from fastmove import registries
from fastmove.arrays import Array, readonly
from fastmove.errors import InputError
from fastmove.geometry.poses import is_valid_pose, pose_dict
from fastmove.geometry.shape_types import ShapeType


@dataclass(frozen=True)
class Shape:
    """One primitive and where it sits in its owner's frame.

    Attributes:
        type: a name of `registries.shapes`: box, cylinder, capsule, sphere, mesh, or a user's own.
        size: (3,) full edges of a box [m]; empty otherwise.
        radius, length: of sphere, cylinder, capsule [m].
        file: path of a mesh.
        placement: pose in the owner's frame (item, link or world).
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
            raise InputError("type", f"is {self.type!r}; allowed: {', '.join(registries.shapes.names())}")
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
        """What is known of shapes of this type."""
        return registries.shapes.get(self.type)  # type: ignore[no-any-return]

    def geometry(self) -> coal.CollisionGeometry:
        """The coal geometry, centred on the shape's own frame; one object per shape."""
        return self._geometry

    @cached_property
    def _geometry(self) -> coal.CollisionGeometry:
        return self.kind.geometry(self)

    def half_extents(self) -> Array:
        """(3,) half edges of the box around the shape's own frame that encloses it [m]."""
        return self.kind.half_extents(self)

    def hull_points(self) -> Array:
        """(K, 3) points in the owner's frame whose convex hull encloses the shape [m]."""
        return np.asarray(self.kind.corners(self) @ self.placement.rotation.T + self.placement.translation)

    def volume_inertia(self) -> tuple[float, Array, Array]:
        """Volume [m³], centre of volume (3,) in the shape's own frame [m], inertia of the solid per unit mass about it [m²].

        A mesh is its convex hull; a capsule counts as the cylinder of its full length.
        """
        return self.kind.volume_inertia(self)

    def describe(self) -> dict[str, object]:
        """Plain numbers; a mesh by file name only."""
        plain = {"size": [float(x) for x in self.size], "radius": float(self.radius), "length": float(self.length)}
        plain["file"] = Path(self.file).name  # type: ignore[assignment]
        return {"type": self.type, **{key: plain[key] for key in self.kind.sizes}, "pose": pose_dict(self.placement)}
