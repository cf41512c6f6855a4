"""Boxes that cover what is no primitive: points as a sensor sees them, meshes that are not convex, height maps, depth images.

Everything a motion must not touch is inside some box, so clearance from the boxes is clearance from points, triangles and columns
themselves; where these leave room wider than the resolution, the boxes do, too.  A set of points is split where the boxes of both
parts are smallest, until its tight box is flat (thinner than half the resolution) and filled, or as small as the resolution.
"""

from __future__ import annotations

from pathlib import Path

import coal
import numpy as np
import pinocchio as pin
from scipy.spatial import ConvexHull, QhullError

from fastmove.arrays import Array
from fastmove.errors import InputError
from fastmove.geometry.shapes import Shape

RESOLUTION = 0.03  # [m]
FLAT = 0.5  # thickness of a flat box in shares of the resolution: what a sensor's noise makes of a plane fits
FILLED = 0.6  # share of a flat box that must be occupied: of its cells by points, of its area by triangles
SKIN = 5e-4  # least half thickness of a box [m]
CUTS = (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.1, 0.9)
PROBED = 2000
SAME_SIZE = 0.94  # cosine of two normals
LEAST_CELL, MOST_CELLS = 1e-3, 4_000_000


def cover_points(points: object, resolution: float = RESOLUTION) -> tuple[Shape, ...]:
    """Boxes that cover points (N, 3) [m]; rows that are not finite (a sensor's holes) are left out.

    Raises:
        InputError: no finite points, another form, or a resolution below 1 mm.
    """
    found = np.asarray(points, dtype=float)
    if found.ndim != 2 or found.shape[1] != 3:
        raise InputError("points", f"have the form {found.shape}; (N, 3) is needed [m]")
    found = found[np.all(np.isfinite(found), axis=1)]
    _checked(len(found) > 0, "points", "has no finite row")
    return _covered(found, None, resolution)


def cover_mesh(path: str | Path, resolution: float = RESOLUTION) -> tuple[Shape, ...]:
    """Boxes that cover the triangles of a mesh file, hollow inside: what is open in the mesh stays open.

    Raises:
        InputError: the file cannot be read as a mesh.
    """
    try:
        mesh = coal.MeshLoader(coal.BV_OBBRSS).load(str(path), np.ones(3))
        vertices = np.asarray(mesh.vertices()).reshape(-1, 3)
        faces = np.array([[t[0], t[1], t[2]] for t in (mesh.tri_indices(k) for k in range(mesh.num_tris))])
    except Exception as error:  # coal throws whatever assimp throws
        raise InputError(str(path), f"cannot be read as a mesh ({str(error).splitlines()[0]})") from error
    return cover_triangles(vertices[faces], resolution)


def cover_triangles(triangles: Array, resolution: float = RESOLUTION) -> tuple[Shape, ...]:
    """Boxes that cover triangles (N, 3, 3) [m]."""
    _checked(len(triangles) > 0, "mesh", "has no triangles")
    fine = _divided(np.asarray(triangles, dtype=float), resolution)
    normals = np.cross(fine[:, 1] - fine[:, 0], fine[:, 2] - fine[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1), 1e-15)[:, None]
    found: list[Shape] = []
    while len(fine):  # faces that look the same way, and back, together: a wall parts from the next at once
        alike = np.abs(normals @ normals[0]) >= SAME_SIZE
        alike[0] = True
        found += _covered(fine[alike].mean(axis=1), fine[alike], resolution)
        fine, normals = fine[~alike], normals[~alike]
    return tuple(found)


def cover_heights(
    heights: object, cell: float, floor: float = 0.0, placement: pin.SE3 | None = None, tolerance: float = RESOLUTION / 4
) -> tuple[Shape, ...]:
    """Boxes over a height map: heights (nx, ny) [m] of square cells around placement's origin, solid down to the floor.

    Args:
        cell: edge of a cell [m].
        tolerance: cells whose heights differ by no more share a box [m]; its top is the highest.

    Raises:
        InputError: another form, or heights that are not finite (fill holes with what may be there at most).
    """
    z = np.asarray(heights, dtype=float)
    if z.ndim != 2 or not np.all(np.isfinite(z)):
        raise InputError("heights", "needs a table (nx, ny) of finite numbers [m]; fill holes with what may be there at most")
    _checked(cell >= LEAST_CELL, "cell", f"is {cell}; allowed: at least {LEAST_CELL} m")
    base = pin.SE3.Identity() if placement is None else placement
    corner, boxes = -np.array(z.shape) * cell / 2, []
    todo = [(0, 0, *z.shape)]
    while todo:
        i, j, ni, nj = todo.pop()
        block = z[i : i + ni, j : j + nj]
        low, high = float(block.min()), float(block.max())
        if high <= floor:
            continue
        if high - low <= tolerance:
            size = np.array([ni * cell, nj * cell, high - floor])
            middle = np.array([*(corner + cell * np.array([i + ni / 2, j + nj / 2])), (high + floor) / 2])
            boxes.append(Shape("box", size, placement=base * pin.SE3(np.eye(3), middle)))
        elif ni >= nj:
            todo += [(i, j, ni // 2, nj), (i + ni // 2, j, ni - ni // 2, nj)]
        else:
            todo += [(i, j, ni, nj // 2), (i, j + nj // 2, ni, nj - nj // 2)]
    return tuple(boxes)


def depth_to_points(depth: object, focal: tuple[float, float], centre: tuple[float, float], camera: pin.SE3) -> Array:
    """(N, 3) points in the world of a depth image (rows, columns) [m], its holes (0 or not finite) left out.

    Args:
        focal, centre: of a pinhole camera, (f_x, f_y) and (c_x, c_y) [pixels].
        camera: pose of the camera in the world; z forward, x right, y down.
    """
    z = np.asarray(depth, dtype=float)
    if z.ndim != 2:
        raise InputError("depth", f"has the form {z.shape}; an image (rows, columns) is needed [m]")
    rows, columns = np.nonzero(np.isfinite(z) & (z > 0))
    _checked(len(rows) > 0, "depth", "has no pixel with a depth")
    seen = z[rows, columns]
    local = np.stack([(columns - centre[0]) / focal[0] * seen, (rows - centre[1]) / focal[1] * seen, seen], axis=1)
    return np.asarray(local @ camera.rotation.T + camera.translation)


def _checked(right: bool, where: str, problem: str) -> None:
    if not right:
        raise InputError(where, problem)


def _divided(triangles: Array, edge: float) -> Array:
    """The same surface in triangles whose edges are at most this long: the longest edge is halved until it is."""
    done = []
    while len(triangles):
        sides = np.linalg.norm(triangles - np.roll(triangles, -1, axis=1), axis=2)  # of corners k and k + 1
        small = sides.max(axis=1) <= edge
        done.append(triangles[small])
        rest, longest = triangles[~small], sides[~small].argmax(axis=1)
        rest = np.take_along_axis(rest, ((longest[:, None] + np.arange(3)) % 3)[:, :, None], axis=1)
        middle = (rest[:, 0] + rest[:, 1]) / 2
        triangles = np.concatenate(
            [np.stack([rest[:, 0], middle, rest[:, 2]], axis=1), np.stack([middle, rest[:, 1], rest[:, 2]], axis=1)]
        )
        _checked(len(triangles) < MOST_CELLS, "mesh", f"is too large for a resolution of {edge} m; choose a coarser one")
    return np.concatenate(done)


def _covered(centres: Array, triangles: Array | None, resolution: float) -> tuple[Shape, ...]:
    """Boxes over elements: points, or triangles with these centres."""
    _checked(resolution >= LEAST_CELL, "resolution", f"is {resolution}; allowed: at least {LEAST_CELL} m")
    boxes, todo = [], [np.arange(len(centres))]
    area = None if triangles is None else _areas(triangles)
    while todo:
        chosen = todo.pop()
        corners = centres[chosen] if triangles is None else triangles[chosen].reshape(-1, 3)
        axes, low, high = _tight_box(corners)
        size, local = high - low, centres[chosen] @ axes
        flat = size[2] <= FLAT * resolution
        filled = flat and (_filled(local, size, resolution) if area is None else area[chosen].sum() >= FILLED * size[0] * size[1])
        if len(chosen) == 1 or size.max() <= resolution or filled:
            half = np.maximum(size / 2, SKIN)
            boxes.append(Shape("box", 2 * half, placement=pin.SE3(axes, axes @ ((low + high) / 2))))
            continue
        left = _best_split(local, resolution / 4)
        todo += [chosen[~left], chosen[left]]
    return tuple(boxes)


def _best_split(local: Array, skin: float) -> Array:
    """(N,) which points go to the left: of cuts at tenths along every axis the one with the least volume of both boxes, each
    thicker by the skin, so that a wall parts from a wall at their corner; of many points some are asked."""
    best, found = np.inf, np.arange(len(local)) < len(local) // 2  # where all are at one place, any half
    probe = local[:: max(1, len(local) // PROBED)]
    for axis in range(3):
        along = probe[:, axis]
        low, high = along.min(), along.max()
        for share in CUTS if high - low > 1e-9 else ():
            left = along <= low + share * (high - low)
            if not 0 < np.count_nonzero(left) < len(left):
                continue
            cost = sum(float(np.prod(np.ptp(side, axis=0) + skin)) for side in (probe[left], probe[~left]))
            if cost < best:
                best, found = cost, local[:, axis] <= low + share * (high - low)
    return found


def _areas(triangles: Array) -> Array:
    sides = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    return np.asarray(np.linalg.norm(sides, axis=1) / 2)


def _filled(local: Array, size: Array, cell: float) -> bool:
    """Whether points, seen along the third axis, occupy most cells of their box."""
    counts = np.maximum(1, np.ceil(size[:2] / cell).astype(int))
    index = np.minimum(((local[:, :2] - local[:, :2].min(axis=0)) / np.maximum(size[:2], 1e-12) * counts).astype(int), counts - 1)
    occupied = len(np.unique(index[:, 0] * counts[1] + index[:, 1]))
    return occupied >= FILLED * counts[0] * counts[1]


def _tight_box(points: Array) -> tuple[Array, Array, Array]:
    """Axes (columns, right-handed), least and largest coordinates along them: thinnest principal axis last, and across it the
    rectangle of least area (one of its sides lies on a side of the convex hull: Freeman & Shapira, CACM 18(7), 1975)."""
    middle = points.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov((points - middle).T) if len(points) > 1 else np.eye(3))
    axes = axes[:, ::-1]
    flat = (points - middle) @ axes[:, :2]
    try:
        hull = flat[ConvexHull(flat).vertices]
    except (QhullError, ValueError):  # on a line, or a single point: principal axes are as tight as any
        hull = np.zeros((0, 2))
    if len(hull):
        sides = np.roll(hull, -1, axis=0) - hull
        angle = np.unique(np.round(np.arctan2(sides[:, 1], sides[:, 0]) % (np.pi / 2), 6))
        turn = np.stack([np.stack([np.cos(angle), -np.sin(angle)], -1), np.stack([np.sin(angle), np.cos(angle)], -1)], axis=-2)
        area = np.prod(np.ptp(hull @ turn, axis=1), axis=1)
        axes = np.column_stack([axes[:, :2] @ turn[int(np.argmin(area))], axes[:, 2]])
    axes[:, 2] = np.cross(axes[:, 0], axes[:, 1])
    local = points @ axes
    return axes, local.min(axis=0), local.max(axis=0)
