"""Types of convex shapes: the sizes each has, and the geometry that follows from them.

A new type needs a name, its sizes, and the corners of a convex body around it (`ShapeType.corners`).  From these follow its
geometry for distances, what simulation and preview draw, and its volume.  See docs/extend/obstacle_shape.py.  An item of a new
type is pinched with explicit patches, and a cup does not seal on it (`problem.patch_detection` knows only the types here).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import coal
import numpy as np

from fastmove.arrays import Array
from fastmove.geometry.mesh_file import convex_hull
from fastmove.geometry.polytope import hull_of_points

if TYPE_CHECKING:
    from fastmove.geometry.shapes import Shape


class ShapeType:
    """A type of convex shape, whose geometry is given in the shape's own frame.

    Attributes:
        name: Name in files.
        sizes: Which of `size`, `radius`, `length` [m] and `file` the type has.
        edges: Number of edge lengths in `size`.
    """

    name: str
    sizes: tuple[str, ...]
    edges: int = 3

    def corners(self, shape: Shape) -> Array:
        """Returns points (K, 3) [m] whose convex hull encloses the shape; by default the corners of its enclosing box."""
        signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)
        return np.asarray(signs * self.half_extents(shape))

    def half_extents(self, shape: Shape) -> Array:
        """Returns the half edges (3,) [m] of the enclosing box that is centred on the shape's own frame."""
        return np.asarray(np.abs(self.corners(shape)).max(axis=0))

    def geometry(self, shape: Shape) -> coal.CollisionGeometry:
        """Returns the geometry to which distances are measured; by default the convex hull of the corners.

        The preview draws a coal convex hull, Box, Sphere, Cylinder or Capsule, and of anything else its box; simulation takes the
        hull of the corners of every type but these four primitives.
        """
        return hull_of_points(self.corners(shape))

    def volume_inertia(self, shape: Shape) -> tuple[float, Array, Array]:
        """Returns the volume [m³], its centre (3,) [m], and the inertia per unit mass of the solid about it (3, 3) [m²]."""
        hull = self.geometry(shape)
        volume = float(hull.computeVolume())
        return volume, np.array(hull.computeCOM()), np.array(hull.computeMomentofInertiaRelatedToCOM()) / volume


class Box(ShapeType):
    """A box with full edges `size`."""

    name, sizes = "box", ("size",)

    def half_extents(self, shape: Shape) -> Array:
        """Returns the half edges (3,) [m] of the enclosing box."""
        return np.asarray(shape.size) / 2

    def geometry(self, shape: Shape) -> coal.CollisionGeometry:
        """Returns coal's box."""
        return coal.Box(*(float(x) for x in shape.size))

    def volume_inertia(self, shape: Shape) -> tuple[float, Array, Array]:
        """Returns the volume [m³], its centre (3,) [m], and the inertia per unit mass about it (3, 3) [m²]."""
        x, y, z = shape.size
        return float(x * y * z), np.zeros(3), np.diag([y * y + z * z, x * x + z * z, x * x + y * y]) / 12


class Cylinder(ShapeType):
    """A cylinder about z with `radius` and `length`."""

    name, sizes = "cylinder", ("radius", "length")

    def height(self, shape: Shape) -> float:
        """Returns the distance from end to end along z [m]."""
        return shape.length

    def half_extents(self, shape: Shape) -> Array:
        """Returns the half edges (3,) [m] of the enclosing box."""
        return np.array([shape.radius, shape.radius, shape.length / 2])

    def geometry(self, shape: Shape) -> coal.CollisionGeometry:
        """Returns coal's cylinder."""
        return coal.Cylinder(shape.radius, shape.length)

    def volume_inertia(self, shape: Shape) -> tuple[float, Array, Array]:
        """Returns the volume [m³], its centre (3,) [m], and the inertia per unit mass about it (3, 3) [m²]."""
        r, height = shape.radius, self.height(shape)
        side = (3 * r * r + height * height) / 12
        return np.pi * r * r * height, np.zeros(3), np.diag([side, side, r * r / 2])


class Capsule(Cylinder):
    """A capsule about z with `radius` and with `length` between the centres of its caps.

    Its volume and inertia are those of the cylinder of its full length.
    """

    name = "capsule"

    def height(self, shape: Shape) -> float:
        """Returns the distance from cap to cap along z [m]."""
        return shape.length + 2 * shape.radius

    def half_extents(self, shape: Shape) -> Array:
        """Returns the half edges (3,) [m] of the enclosing box."""
        return np.array([shape.radius, shape.radius, shape.length / 2 + shape.radius])

    def geometry(self, shape: Shape) -> coal.CollisionGeometry:
        """Returns coal's capsule."""
        return coal.Capsule(shape.radius, shape.length)


class Sphere(ShapeType):
    """A sphere with `radius`."""

    name, sizes = "sphere", ("radius",)

    def half_extents(self, shape: Shape) -> Array:
        """Returns the half edges (3,) [m] of the enclosing box."""
        return np.full(3, shape.radius)

    def geometry(self, shape: Shape) -> coal.CollisionGeometry:
        """Returns coal's sphere."""
        return coal.Sphere(shape.radius)

    def volume_inertia(self, shape: Shape) -> tuple[float, Array, Array]:
        """Returns the volume [m³], its centre (3,) [m], and the inertia per unit mass about it (3, 3) [m²]."""
        return 4 / 3 * np.pi * shape.radius**3, np.zeros(3), np.eye(3) * 0.4 * shape.radius**2


class Mesh(ShapeType):
    """A mesh from `file`, which counts as its convex hull."""

    name, sizes = "mesh", ("file",)

    def corners(self, shape: Shape) -> Array:
        """Returns the points (K, 3) [m] of the convex hull."""
        return np.asarray(convex_hull(shape.file).points()).reshape(-1, 3)

    def geometry(self, shape: Shape) -> coal.CollisionGeometry:
        """Returns the convex hull of the mesh."""
        return convex_hull(shape.file)


BOX, CYLINDER, CAPSULE, SPHERE, MESH = Box(), Cylinder(), Capsule(), Sphere(), Mesh()
