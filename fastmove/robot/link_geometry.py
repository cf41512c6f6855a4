"""Collision shapes of links, from the URDF or from a file of extents beside robot.toml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import coal
import numpy as np
import pinocchio as pin

from fastmove.errors import InputError, UnknownName
from fastmove.geometry.mesh_file import hull_of_mesh
from fastmove.geometry.polytope import extent_directions, polytope
from fastmove.robot.urdf import LINK_SUFFIX
from fastmove.tables import CheckedTable, read_toml

LARGEST_LINK = 10.0  # Length from which on a shape of a link counts as one in the wrong unit [m].


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


def has_link(model: pin.Model, name: str) -> bool:
    """Returns whether a model has a link of this name."""
    return bool(model.existFrame(name + LINK_SUFFIX) or model.existFrame(name))


def link_names(model: pin.Model) -> list[str]:
    """Returns the names of all links of a model."""
    return [frame.name.removesuffix(LINK_SUFFIX) for frame in model.frames if frame.type == pin.FrameType.BODY]


def link_frame(model: pin.Model, name: str) -> pin.Frame:
    """Returns the frame of a link of a model, also where a joint has the same name."""
    return model.frames[model.getFrameId(name + LINK_SUFFIX if model.existFrame(name + LINK_SUFFIX) else name)]


def link_shapes(model: pin.Model, collision_geometry: pin.GeometryModel) -> list[LinkShape]:
    """Returns the collision shapes of a URDF; meshes become their convex hulls."""
    shapes = []
    for item in collision_geometry.geometryObjects:
        geometry = item.geometry
        link = model.frames[item.parentFrame].name.removesuffix(LINK_SUFFIX)
        if isinstance(geometry, coal.BVHModelBase):
            geometry = hull_of_mesh(geometry, f"mesh of link {link}")
        geometry.computeLocalAABB()
        size = float(np.ptp(np.stack([geometry.aabb_local.min_, geometry.aabb_local.max_]), axis=0).max())
        if not size <= LARGEST_LINK:
            remedy = "if the mesh is in millimetres, give it scale='0.001 0.001 0.001'"
            raise InputError(
                f"link {link}", f"has a collision shape that is {size:.4g} m long; allowed: {LARGEST_LINK:g} m; {remedy}"
            )
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
        if not has_link(model, link):
            raise UnknownName(extents.key(link), "is no link of the URDF", link, link_names(model))
        if link not in links_with_shapes:
            added.append(LinkShape(f"{link}_0", link, pin.SE3.Identity(), polytope(np.array(values) * 1e-3)))
    return [*added, *shapes]
