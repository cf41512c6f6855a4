"""Convex hulls of mesh files: what a file says of its unit counts, and what would crash a library is refused before.

Nothing flat, empty or broken may reach coal's hull: it faults on them with a segmentation fault instead of an exception.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import coal
import numpy as np

from fastmove.arrays import Array
from fastmove.errors import InputError
from fastmove.geometry.polytope import extent_directions, hull_of_points, polytope

THIN = 1e-5  # Thickness below which a mesh counts as flat [m].
RELATIVE = 1e-7  # Thickness, as a share of its length, below which a mesh counts as flat.
LARGEST = 1e4  # Largest coordinate of a mesh [m].
THICKENED = 1e-4  # Distance by which each side of a flat mesh is moved outward: the body encloses the mesh [m].


def convex_hull(path: str | Path) -> coal.ConvexBase:
    """Returns the convex hull of a mesh file (STL, OBJ, DAE) in metres; that of a flat mesh is a thin body around it.

    Args:
        path: Path of the file, see `load_mesh`.

    Raises:
        InputError: The file cannot be read as a mesh, or has no extent.
    """
    return hull_of_mesh(load_mesh(path), str(path))


def load_mesh(path: str | Path) -> coal.BVHModelBase:
    """Returns the triangles of a mesh file (STL, OBJ, DAE) in metres.

    As in rviz and MoveIt a DAE file's `<unit meter>` counts and its `<up_axis>` does not.

    Args:
        path: Path of the file.

    Raises:
        InputError: The file is not there, cannot be read as a mesh, or has points that are not finite.
    """
    where = str(path)
    if not Path(path).is_file():
        raise InputError(where, "no such mesh file")
    try:
        mesh = coal.MeshLoader(coal.BV_OBBRSS).load(where, np.full(3, dae_unit(Path(path))))
    except InputError:
        raise
    except Exception as error:  # coal passes on exceptions of any type from assimp; their first line is a place in its source
        raise InputError(where, "cannot be read as a mesh (empty, cut off, or no STL, OBJ or DAE)") from error
    _check_points(np.asarray(mesh.vertices()), where)
    return mesh


def _check_points(points: Array, where: str) -> None:
    """Checks that all coordinates are finite and of a size that bodies have.

    Raises:
        InputError: They are not.
    """
    if not np.all(np.isfinite(points)):
        raise InputError(where, "has points that are not finite numbers; export the mesh again")
    away = float(np.abs(points).max(initial=0.0))
    if away > LARGEST:
        raise InputError(where, f"has points up to {away:.3g} m away; allowed: {LARGEST:g} m (is the file in another unit?)")


def hull_of_mesh(mesh: coal.BVHModelBase, where: str) -> coal.ConvexBase:
    """Returns the convex hull of a mesh that was read; that of a flat one is a thin body around it.

    Args:
        mesh: The mesh.
        where: File or link for messages.

    Raises:
        InputError: It has fewer than three points, or lies on one line.
    """
    points = np.asarray(mesh.vertices()).reshape(-1, 3)
    _check_points(points, where)
    if len(points) < 3:
        raise InputError(where, f"has {len(points)} points; a mesh needs at least three")
    axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2]
    spread = np.ptp(points @ axes.T, axis=0)
    thin = max(THIN, RELATIVE * float(spread[0]))
    if spread[1] < thin:
        raise InputError(where, "lies on one line; a mesh with an area or a volume is needed")
    if spread[2] < thin:
        by = max(THICKENED, 10 * thin) * axes[2]
        return _enclosing(np.concatenate([points + by, points - by]))
    try:
        mesh.buildConvexHull(True, "Qt")
    except RuntimeError:
        return _enclosing(points)
    return mesh.convex


def _enclosing(points: Array) -> coal.ConvexBase:
    """The hull of points (K, 3); where coal refuses it (a corner has at most 255 neighbours) a body of 162 planes around them."""
    try:
        return hull_of_points(points)
    except RuntimeError:
        return polytope((points @ extent_directions().T).max(axis=0))


def dae_unit(path: Path) -> float:
    """Returns the length of a mesh file's unit [m]: what a DAE file says, 1 for all others.

    Raises:
        InputError: The file is no XML, a count in it is not what is there, or its unit is no positive number.
    """
    if path.suffix.lower() != ".dae":
        return 1.0
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, UnicodeDecodeError) as error:
        raise InputError(str(path), f"is not a DAE file that can be read ({error})") from error
    _check_counts(root, path)
    unit = next((entry for entry in root.iter() if entry.tag.rsplit("}", 1)[-1] == "unit"), None)
    text = "1" if unit is None else unit.get("meter", "1")
    try:
        meter = float(text)
    except ValueError:
        meter = 0.0
    if not 0 < meter < np.inf:
        raise InputError(str(path), f"says <unit meter={text!r}>; a positive number of metres is needed")
    return meter


def _check_counts(root: ElementTree.Element, path: Path) -> None:
    """Checks that a DAE file has as many numbers as it says: assimp counts to whatever stands there, for minutes."""
    texts = [entry.text or "" for entry in root.iter() if entry.tag.rsplit("}", 1)[-1] in ("float_array", "p", "vcount")]
    most = max((len(text.split()) for text in texts), default=0)
    for entry in root.iter():
        said = [entry.get(key, "0").strip() for key in ("count", "stride", "offset")]
        said += (entry.text or "").split() if entry.tag.rsplit("}", 1)[-1] in ("p", "vcount") else []
        for number in said:
            if not (number.isascii() and number.isdigit() and int(number) <= most):
                raise InputError(str(path), f"says {number[:20]!r} where it has {most} numbers at most; export the mesh again")
