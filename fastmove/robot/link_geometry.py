"""Collision shapes of links, read from a description and bounded."""

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
    """A collision shape of a link: coal geometry at `placement` in the link's frame."""

    name: str
    link: str
    placement: pin.SE3
    geometry: coal.CollisionGeometry


def link_shapes(model: pin.Model, collision_geometry: pin.GeometryModel) -> list[LinkShape]:
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
    """Links without a shape in the URDF become what robot.toml's file of extents says of them."""
    name = table.string("extents", "")
    if not name:
        return shapes
    drawn = {shape.link for shape in shapes}
    extents = read_toml(beside / name)
    found = []
    for link in extents.data:
        values = extents.numbers(link, len(extent_directions()))
        if not model.existFrame(link):
            raise UnknownName(extents.key(link), "is no link of the URDF")
        if link not in drawn:
            found.append(LinkShape(f"{link}_0", link, pin.SE3.Identity(), polytope(np.array(values) * 1e-3)))
    return [*found, *shapes]
