"""Covers of boxes for points from a sensor, meshes that are not convex, height maps and depth images.

Everything that a motion must not touch is inside some box, so clearance from the boxes is clearance from the points, triangles
and columns themselves; gaps between these that are wider than the resolution stay open.  A set of points is split where the boxes
of both parts are smallest, until its tight box is flat and filled, or as small as the resolution.  Flat is thinner than half the
resolution, so that a plane fits as a sensor with noise sees it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pinocchio as pin
from scipy.spatial import ConvexHull, QhullError

from fastmove.arrays import Array
from fastmove.errors import InputError
from fastmove.geometry.mesh_file import load_mesh
from fastmove.geometry.shapes import Shape

NEAREST, FARTHEST = 0.02, 50.0  # Range of median depths of depth cameras (0.1 to 20 m), and some more on either side [m].
FAR = 1e3  # Distance from which on points count as ones in another unit [m].
RESOLUTION = 0.03  # Default resolution [m].
FLAT = 0.5  # Maximum thickness of a flat box as a share of the resolution.
FILLED = 0.6  # Minimum share of a flat box that is occupied: of its cells by points, of its area by triangles.
SKIN = 5e-4  # Minimum half thickness of a box [m].
CUTS = (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.1, 0.9)  # Places of the cuts tried along an axis as shares of the extent.
PROBED = 2000  # Approximate number of points by which cuts are compared.
SAME_DIRECTION = 0.94  # Minimum absolute cosine of the normals of triangles that are covered together.
LEAST_CELL = 1e-3  # Minimum resolution and edge of a height map's cell [m].
MOST_CELLS = 4_000_000  # Number of triangles left to divide from which on a mesh is refused.


def cover_points(points: object, resolution: float = RESOLUTION) -> tuple[Shape, ...]:
    """Returns boxes that cover points.

    Args:
        points: Points (N, 3) [m]; rows that are not finite (a sensor's holes) are left out.
        resolution: Width from which on gaps between points stay open [m].

    Raises:
        InputError: There are no finite points, the array has another shape, or the resolution is below 1 mm.
    """
    rows = np.asarray(points, dtype=float)
    if rows.ndim != 2 or rows.shape[1] != 3:
        raise InputError("points", f"have the form {rows.shape}; (N, 3) is needed [m]")
    rows = rows[np.all(np.isfinite(rows), axis=1)]
    _checked(len(rows) > 0, "points", "has no finite row")
    away = float(np.abs(rows).max())
    _checked(away <= FAR, "points", f"are up to {away:.3g} m away; allowed: {FAR:g} m (is the file in another unit?)")
    return _covered(rows, None, resolution)


def cover_mesh(path: str | Path, resolution: float = RESOLUTION) -> tuple[Shape, ...]:
    """Returns boxes that cover the triangles of a mesh file; hollows and openings of the mesh stay free.

    Args:
        path: Path of the file.
        resolution: Width from which on gaps between triangles stay open [m].

    Raises:
        InputError: The file cannot be read as a mesh, has no triangles or is too large, or the resolution is below 1 mm.
    """
    mesh = load_mesh(path)
    vertices = np.asarray(mesh.vertices()).reshape(-1, 3)
    faces = np.array([[t[0], t[1], t[2]] for t in (mesh.tri_indices(k) for k in range(mesh.num_tris))], dtype=int).reshape(-1, 3)
    return cover_triangles(vertices[faces], resolution)


def cover_triangles(triangles: Array, resolution: float = RESOLUTION) -> tuple[Shape, ...]:
    """Returns boxes that cover triangles.

    Args:
        triangles: Corners of the triangles (N, 3, 3) [m].
        resolution: Width from which on gaps between triangles stay open [m].

    Raises:
        InputError: There are no triangles, too many for the resolution, or the resolution is below 1 mm.
    """
    _checked(len(triangles) > 0, "mesh", "has no triangles")
    away = float(np.abs(triangles).max())
    _checked(away <= FAR, "mesh", f"has points up to {away:.3g} m away; allowed: {FAR:g} m (is it in another unit?)")
    fine = _divided(np.asarray(triangles, dtype=float), resolution)
    normals = np.cross(fine[:, 1] - fine[:, 0], fine[:, 2] - fine[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1), 1e-15)[:, None]
    boxes: list[Shape] = []
    while len(fine):  # parallel triangles together, so that walls with different normals are apart from the beginning
        parallel = np.abs(normals @ normals[0]) >= SAME_DIRECTION
        parallel[0] = True
        boxes += _covered(fine[parallel].mean(axis=1), fine[parallel], resolution)
        fine, normals = fine[~parallel], normals[~parallel]
    return tuple(boxes)


def cover_heights(
    heights: object, cell: float, floor: float = 0.0, placement: pin.SE3 | None = None, tolerance: float = RESOLUTION / 4
) -> tuple[Shape, ...]:
    """Returns boxes that cover a height map of square cells, solid down to a floor.

    Args:
        heights: Height of every cell (nx, ny) [m]; the middle of the map is at the origin of `placement`.
        cell: Edge of a cell [m].
        floor: Height down to which the map is solid; cells that are not higher have no box [m].
        placement: Pose of the map in the frame of the boxes; None means the identity.
        tolerance: Largest difference of heights within one box, whose top is at the highest [m].

    Raises:
        InputError: The array has another shape, a height is not finite, or the cell is smaller than 1 mm.
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


def depth_to_points(
    depth: object, focal: tuple[float, float], centre: tuple[float, float], camera: pin.SE3, unit: float | None = None
) -> Array:
    """Returns the points (N, 3) [m] in the world that a depth image shows.

    Args:
        depth: Depth of every pixel (rows, columns) [unit]; holes (0 or not finite) are left out.
        focal: Focal lengths (f_x, f_y) of the pinhole camera [pixels].
        centre: Principal point (c_x, c_y) of the pinhole camera [pixels].
        camera: Pose of the camera in the world; z forward, x right, y down.
        unit: Length of one count [m]; None: 1 for an image of floating-point numbers.

    Raises:
        InputError: The array is no image, no pixel has a depth, its whole numbers have no unit, or it shows what no depth camera
            sees (`FARTHEST`).
    """
    if unit is None and not np.issubdtype(np.asarray(depth).dtype, np.floating):
        kind = np.asarray(depth).dtype
        raise InputError("unit", f"is missing: {kind} depths are usually millimetres (unit = 0.001); say the metres of one count")
    z = np.asarray(depth, dtype=float) * (1.0 if unit is None else unit)
    if z.ndim != 2:
        raise InputError("depth", f"has the form {z.shape}; an image (rows, columns) is needed [m]")
    rows, columns = np.nonzero(np.isfinite(z) & (z > 0))
    _checked(len(rows) > 0, "depth", "has no pixel with a depth")
    seen = z[rows, columns]
    typical = float(np.median(seen))
    _checked(
        NEAREST <= typical <= FARTHEST,
        "unit",
        f"makes the depths {typical:.3g} m (median); a depth camera sees {NEAREST:g} to {FARTHEST:g} m (in mm: unit = 0.001)",
    )
    local = np.stack([(columns - centre[0]) / focal[0] * seen, (rows - centre[1]) / focal[1] * seen, seen], axis=1)
    return np.asarray(local @ camera.rotation.T + camera.translation)


def _checked(right: bool, where: str, problem: str) -> None:
    """Raises an InputError with `where` and `problem` unless `right`."""
    if not right:
        raise InputError(where, problem)


def _divided(triangles: Array, edge: float) -> Array:
    """Returns the same surface in triangles (M, 3, 3) [m] with edges of at most `edge` [m], by halving the longest edges.

    Raises:
        InputError: There are too many triangles.
    """
    area = np.linalg.norm(np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=1).sum() / 2
    needed = area / (np.sqrt(3) / 4 * edge**2)  # no triangle with such edges is larger than that
    _checked(needed < MOST_CELLS, "mesh", f"is too large for a resolution of {edge} m; choose a coarser one")
    done = []
    while len(triangles):
        sides = np.linalg.norm(triangles - np.roll(triangles, -1, axis=1), axis=2)  # length of the edge from corner k to k + 1
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
    """Returns boxes that cover points, or triangles.

    Args:
        centres: Points, or centres of the triangles (N, 3) [m].
        triangles: Corners of the triangles (N, 3, 3) [m]; None for points.
        resolution: Width from which on gaps stay open [m].

    Raises:
        InputError: The resolution is below 1 mm.
    """
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
    """Returns which points (N,) go to the left of the best cut.

    Of cuts at tenths along every axis it is the one with the least volume of both boxes.  Each box counts as thicker by the
    skin, so that two walls are parted at their common corner.  Of many points only some are used to compare cuts.

    Args:
        local: Points along the axes of their box (N, 3) [m].
        skin: Addition to the edges of both boxes [m].
    """
    best, is_left = np.inf, np.arange(len(local)) < len(local) // 2  # any half, where all points are at one place
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
                best, is_left = cost, local[:, axis] <= low + share * (high - low)
    return is_left


def _areas(triangles: Array) -> Array:
    """Returns the areas (N,) [m²] of triangles (N, 3, 3) [m]."""
    sides = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    return np.asarray(np.linalg.norm(sides, axis=1) / 2)


def _filled(local: Array, size: Array, cell: float) -> bool:
    """Returns whether points (N, 3), seen along the third axis, occupy the share `FILLED` of the square cells of their box."""
    counts = np.maximum(1, np.ceil(size[:2] / cell).astype(int))
    index = np.minimum(((local[:, :2] - local[:, :2].min(axis=0)) / np.maximum(size[:2], 1e-12) * counts).astype(int), counts - 1)
    occupied = len(np.unique(index[:, 0] * counts[1] + index[:, 1]))
    return occupied >= FILLED * counts[0] * counts[1]


def _tight_box(points: Array) -> tuple[Array, Array, Array]:
    """Returns a tight box around points (N, 3) [m].

    Its last axis is the thinnest principal axis.  Across this it is the rectangle of least area, one of whose sides lies on a
    side of the convex hull (Freeman & Shapira, CACM 18(7), 1975).

    Returns:
        Axes as columns (3, 3), right-handed, and the least and largest coordinates along them (3,) [m].
    """
    middle = points.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov((points - middle).T) if len(points) > 1 else np.eye(3))
    axes = axes[:, ::-1]
    flat = (points - middle) @ axes[:, :2]
    try:
        hull = flat[ConvexHull(flat).vertices]
    except (QhullError, ValueError):  # points on a line, or a single one: the principal axes are as tight as any
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
