"""The item that is carried: its shapes, the rigid bodies that it may be, and what it tolerates."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import coal
import numpy as np
import pinocchio as pin

from fastmove.arrays import Array, readonly
from fastmove.errors import InputError
from fastmove.geometry.polytope import hull_of_points
from fastmove.geometry.shapes import Shape
from fastmove.problem.tolerance import Tolerance


@dataclass(frozen=True)
class Inertial:
    """Mass, centre of mass and inertia of one rigid body that an item may be.

    Attributes:
        mass: mass [kg].
        com: (3,) centre of mass in the item frame [m].
        inertia: (3, 3) inertia about the centre of mass, in item axes [kg m²].
    """

    mass: float
    com: Array
    inertia: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "com", readonly(self.com))
        object.__setattr__(self, "inertia", readonly(self.inertia))
        if not (np.isfinite(self.mass) and self.mass > 0):
            raise InputError("mass", f"is {self.mass}; it must be positive [kg]")
        if self.com.shape != (3,) or not np.all(np.isfinite(self.com)):
            raise InputError("com", "needs three finite coordinates [m]")
        if self.inertia.shape != (3, 3) or not np.all(np.isfinite(self.inertia)):
            raise InputError("inertia", "needs a 3 x 3 matrix [kg m²]")
        if not np.allclose(self.inertia, self.inertia.T, atol=1e-12):
            raise InputError("inertia", "is not symmetric")
        moments = np.linalg.eigvalsh(self.inertia)
        if moments[0] <= 0 or moments[0] + moments[1] < moments[2] * (1 - 1e-9):
            raise InputError(
                "inertia",
                f"has principal moments {moments.tolist()}, which no rigid body has: all must be positive and "
                "the sum of any two at least the third",
            )

    def scaled(self, factor: float) -> Inertial:
        """Returns a body with `factor` times the mass and inertia."""
        return Inertial(self.mass * factor, self.com, self.inertia * factor)

    def moved(self, by: Array) -> Inertial:
        """Returns the body with its centre of mass shifted by (3,) [m]."""
        return Inertial(self.mass, self.com + by, self.inertia)

    def spatial(self) -> pin.Inertia:
        """Converts the body to a pinocchio inertia in the item frame."""
        return pin.Inertia(self.mass, np.array(self.com), np.array(self.inertia))


OUTSIDE = 1e-3  # Distance by which a centre of mass may lie outside the hull of the shapes: shapes are approximations [m].


@dataclass(frozen=True)
class Item:
    """An item that a robot carries.

    Attributes:
        name: name for messages.
        shapes: shapes that make up its solid, placed in the item frame.
        members: rigid bodies that it may be, the nominal one first; every limit holds for each of them.
        max_pinch_force: largest normal force of one pad that it bears, grip and what moves it together [N].
        tolerates: tilt, leaning, shock and turning between the pads that it tolerates.
    """

    name: str
    shapes: tuple[Shape, ...]
    members: tuple[Inertial, ...]
    max_pinch_force: float = field(default=float("inf"))
    tolerates: Tolerance = field(default_factory=Tolerance)

    def __post_init__(self) -> None:
        if not self.shapes:
            raise InputError("shapes", "is empty; an item needs at least one shape")
        if not self.members:
            raise InputError("members", "is empty; an item is at least one rigid body")
        points = self.hull_points()
        hull = _hull(points)
        for k, body in enumerate(self.members):
            self._check_body(body, points, hull, f"members[{k}]." if k else "")
        if not self.max_pinch_force > 0:
            raise InputError("max_pinch_force", f"is {self.max_pinch_force}; it must be positive [N]")

    def with_mass_inside(self, nominal: Inertial, body: Inertial) -> Inertial:
        """Moves a body's centre of mass towards a nominal one, as far as needed for it to lie in the hull of the shapes.

        Args:
            nominal: one of the members.
            body: a body that may stand for it.
        """
        hull = _hull(self.hull_points())
        if _distance_outside(body.com, hull) <= OUTSIDE:
            return body
        within, beyond, start, way = 0.0, 1.0, np.array(nominal.com), np.array(body.com) - np.array(nominal.com)
        for _ in range(40):
            middle = (within + beyond) / 2
            within, beyond = (within, middle) if _distance_outside(start + middle * way, hull) > OUTSIDE else (middle, beyond)
        return replace(body, com=readonly(start + within * way))

    def _check_body(self, body: Inertial, points: Array, hull: tuple[coal.CollisionGeometry, coal.Transform3s], key: str) -> None:
        """Checks that a body's mass can lie where the shapes are.

        Mass within a hull has its centre in the hull (a bowl's, too), and ½ tr I = ∫ ρ |x|² ≤ m R² with R the distance of the
        farthest corner from it.
        """
        outside = _distance_outside(body.com, hull)
        if outside > OUTSIDE:
            raise InputError(
                f"{key}com",
                f"lies {outside * 1e3:.3g} mm outside the item's shapes, at {body.com.tolist()}; allowed: inside their hull [m]",
            )
        reach = float(np.linalg.norm(points - body.com, axis=1).max()) + OUTSIDE
        most = body.mass * reach**2
        if np.trace(body.inertia) / 2 > most:
            raise InputError(
                f"{key}inertia",
                f"is of a larger body: half its trace is {np.trace(body.inertia) / 2:.3g} kg m², and {body.mass:g} kg within "
                f"{reach * 1e3:.3g} mm of their centre have at most {most:.3g}",
            )

    def hull_points(self) -> Array:
        """Computes points (K, 3) in the item frame whose convex hull encloses the item [m]."""
        return np.concatenate([shape.hull_points() for shape in self.shapes])


def solid_inertia(shapes: tuple[Shape, ...], mass: float) -> tuple[Array, Array]:
    """Computes centre and inertia of uniformly filled shapes.

    Overlaps count twice.  This is used where a file gives no inertia.  A given centre of mass does not change the inertia: the
    material is then not uniform, and the inertia about the true centre of mass is taken as that of the uniform solid.

    Args:
        shapes: shapes placed in the item frame.
        mass: mass of all of them together [kg].

    Returns:
        Centre of volume (3,) in the item frame [m], and inertia (3, 3) about it in item axes [kg m²].
    """
    parts = [shape.volume_inertia() for shape in shapes]
    weights = np.array([volume for volume, _, _ in parts])
    weights = weights / weights.sum() * mass
    centres = np.array([shape.placement.act(middle) for shape, (_, middle, _) in zip(shapes, parts, strict=True)])
    centre = weights @ centres / mass
    inertia = np.zeros((3, 3))
    for weight, (_, _, unit), shape, c in zip(weights, parts, shapes, centres, strict=True):
        rotation, offset = shape.placement.rotation, c - centre
        inertia += weight * (rotation @ unit @ rotation.T)
        inertia += weight * (offset @ offset * np.eye(3) - np.outer(offset, offset))
    return centre, inertia


def _hull(points: Array) -> tuple[coal.CollisionGeometry, coal.Transform3s]:
    """The hull of points (K, 3), or their box where they are flat, with its pose."""
    low, high = points.min(axis=0), points.max(axis=0)
    if np.linalg.matrix_rank(points - points.mean(axis=0), tol=1e-6) < 3:
        return coal.Box(*(high - low)), coal.Transform3s(np.eye(3), (low + high) / 2)
    return hull_of_points(points), coal.Transform3s()


def _distance_outside(point: Array, hull: tuple[coal.CollisionGeometry, coal.Transform3s]) -> float:
    """Distance of a point (3,) from a hull with its pose; 0 inside [m]."""
    there = coal.Transform3s(np.eye(3), np.array(point))
    dot, request, result = coal.Sphere(1e-6), coal.DistanceRequest(), coal.DistanceResult()
    return max(0.0, float(coal.distance(*hull, dot, there, request, result)))
