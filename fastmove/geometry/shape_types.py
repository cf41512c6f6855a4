"""Types of shapes: what sizes each has, and what follows from them.

A new type needs a name, its sizes, and the corners of a convex body around it (`ShapeType.corners`); everything else follows:
its geometry for distances, what simulation and preview draw, its volume.  See docs/extend/obstacle_shape.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import coal
import numpy as np

from fastmove.arrays import Array
from fastmove.geometry.polytope import convex_hull, hull_of_points

if TYPE_CHECKING:
    from fastmove.geometry.shapes import Shape


class ShapeType:
    """One type of convex shape, in its own frame.

    Attributes:
        name: in files.
        sizes: which of `size`, `radius`, `length` [m] and `file` it has.
        edges: how many numbers `size` has.
    """

    name: str
    sizes: tuple[str, ...]
    edges: int = 3

    def corners(self, shape: Shape) -> Array:
        """(K, 3) points whose convex hull encloses the shape [m]; by default those of the box of its half extents."""
        signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)
        return np.asarray(signs * self.half_extents(shape))

    def half_extents(self, shape: Shape) -> Array:
        """(3,) half edges of the box around the shape's own frame that encloses it [m]."""
        return np.asarray(np.abs(self.corners(shape)).max(axis=0))

    def geometry(self, shape: Shape) -> coal.CollisionGeometry:
        """What distances are measured to; by default the convex hull of the corners."""
        return hull_of_points(self.corners(shape))

    def volume_inertia(self, shape: Shape) -> tuple[float, Array, Array]:
        """Volume [m³], its centre (3,) [m], inertia of the solid per unit mass about the centre (3, 3) [m²]."""
        hull = self.geometry(shape)
        volume = float(hull.computeVolume())
        return volume, np.array(hull.computeCOM()), np.array(hull.computeMomentofInertiaRelatedToCOM()) / volume


class Box(ShapeType):
    """A box: `size`, its full edges."""

    name, sizes = "box", ("size",)

    def half_extents(self, shape: Shape) -> Array:
        return np.asarray(shape.size) / 2

    def geometry(self, shape: Shape) -> coal.CollisionGeometry:
        return coal.Box(*(float(x) for x in shape.size))

    def volume_inertia(self, shape: Shape) -> tuple[float, Array, Array]:
        x, y, z = shape.size
        return float(x * y * z), np.zeros(3), np.diag([y * y + z * z, x * x + z * z, x * x + y * y]) / 12


class Cylinder(ShapeType):
    """A cylinder about z: `radius` and `length`."""

    name, sizes = "cylinder", ("radius", "length")

    def height(self, shape: Shape) -> float:
        """From end to end [m]."""
        return shape.length

    def half_extents(self, shape: Shape) -> Array:
        return np.array([shape.radius, shape.radius, shape.length / 2])

    def geometry(self, shape: Shape) -> coal.CollisionGeometry:
        return coal.Cylinder(shape.radius, shape.length)

    def volume_inertia(self, shape: Shape) -> tuple[float, Array, Array]:
        r, height = shape.radius, self.height(shape)
        side = (3 * r * r + height * height) / 12
        return np.pi * r * r * height, np.zeros(3), np.diag([side, side, r * r / 2])


class Capsule(Cylinder):
    """A capsule about z: `radius`, and `length` between the centres of its caps; its volume is that of its full length."""

    name = "capsule"

    def height(self, shape: Shape) -> float:
        return shape.length + 2 * shape.radius

    def half_extents(self, shape: Shape) -> Array:
        return np.array([shape.radius, shape.radius, shape.length / 2 + shape.radius])

    def geometry(self, shape: Shape) -> coal.CollisionGeometry:
        return coal.Capsule(shape.radius, shape.length)


class Sphere(ShapeType):
    """A sphere: `radius`."""

    name, sizes = "sphere", ("radius",)

    def half_extents(self, shape: Shape) -> Array:
        return np.full(3, shape.radius)

    def geometry(self, shape: Shape) -> coal.CollisionGeometry:
        return coal.Sphere(shape.radius)

    def volume_inertia(self, shape: Shape) -> tuple[float, Array, Array]:
        return 4 / 3 * np.pi * shape.radius**3, np.zeros(3), np.eye(3) * 0.4 * shape.radius**2


class Mesh(ShapeType):
    """A mesh: `file`; it counts as its convex hull."""

    name, sizes = "mesh", ("file",)

    def corners(self, shape: Shape) -> Array:
        return np.asarray(convex_hull(shape.file).points()).reshape(-1, 3)

    def geometry(self, shape: Shape) -> coal.CollisionGeometry:
        return convex_hull(shape.file)


BOX, CYLINDER, CAPSULE, SPHERE, MESH = Box(), Cylinder(), Capsule(), Sphere(), Mesh()
