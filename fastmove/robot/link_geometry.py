"""Collision shapes of links, from the URDF or from a file of extents beside robot.toml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import coal
import numpy as np
import pinocchio as pin

from fastmove.errors import UnknownName
from fastmove.geometry.polytope import extent_directions, polytope
from fastmove.tables import CheckedTable, read_toml


@dataclass(frozen=True)
class LinkShape:
    """One collision shape of a link.

    Attributes:
        name: name of the shape.
        link: link that it is fixed to.
        placement: pose of the geometry in the link's frame.
        geometry: convex coal geometry.
    """

    name: str
    link: str
    placement: pin.SE3
    geometry: coal.CollisionGeometry


def link_shapes(model: pin.Model, collision_geometry: pin.GeometryModel) -> list[LinkShape]:
    """Returns the collision shapes of a URDF; meshes become their convex hulls."""
    shapes = []
    for item in collision_geometry.geometryObjects:
        geometry = item.geometry
        if isinstance(geometry, coal.BVHModelBase):
            geometry.buildConvexHull(True, "Qt")
            geometry = geometry.convex
        link = model.frames[item.parentFrame].name
        frame = model.frames[item.parentFrame].placement
        shapes.append(LinkShape(item.name, link, frame.actInv(item.placement), geometry))
    return shapes


def with_extents(shapes: list[LinkShape], model: pin.Model, table: CheckedTable, beside: Path) -> list[LinkShape]:
    """Adds shapes from robot.toml's file of extents for the links that have none in the URDF.

    The file gives each link its extents, in millimetres, along the directions of `extent_directions`.

    Args:
        shapes: shapes of the URDF.
        model: model whose links the file may name.
        table: robot.toml; its key `extents` names the file.
        beside: folder of that file.

    Returns:
        The added shapes, then those of the URDF.

    Raises:
        UnknownName: the file names a link that the URDF does not have.
        InputError: the file is missing or has a wrong number of values.
    """
    name = table.string("extents", "")
    if not name:
        return shapes
    links_with_shapes = {shape.link for shape in shapes}
    extents = read_toml(beside / name)
    added = []
    for link in extents.data:
        values = extents.numbers(link, len(extent_directions()))
        if not model.existFrame(link):
            raise UnknownName(extents.key(link), "is no link of the URDF")
        if link not in links_with_shapes:
            added.append(LinkShape(f"{link}_0", link, pin.SE3.Identity(), polytope(np.array(values) * 1e-3)))
    return [*added, *shapes]
