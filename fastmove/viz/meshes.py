"""Triangle meshes to look at: tubes, arrows and cones, smooth normals, and the visual meshes of robots."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.errors import FastMoveError
from fastmove.resources import robots_folder
from fastmove.robot.model import RobotModel
from fastmove.robot.shipped import example_robot_data, known_robots
from fastmove.tables import read_toml

CREASE = np.cos(np.radians(40.0))  # Edges sharper than this stay sharp.
CELL = 0.004  # Size of the cells whose points become one, in meshes of robots [m].
SIDES = 8  # Number of sides of a tube.


@dataclass(frozen=True)
class Mesh:
    """Triangles with a normal at every point.

    Attributes:
        points: Points (N, 3) [m].
        normals: Unit normals (N, 3).
        faces: Indices (M, 3) of the points of each triangle.
    """

    points: Array
    normals: Array
    faces: Array

    @staticmethod
    def of(points: Array, faces: Array) -> Mesh:
        """Builds a mesh with smooth normals from points (N, 3) and triangles (M, 3); edges beyond `CREASE` stay sharp.

        The normal of a corner is the mean of the normals of all triangles at that point, weighted by their angles there (then it
        does not matter how a face is cut), or its own triangle's where that turns by more from it than a crease.
        """
        corner = [points[faces[:, k]] for k in range(3)]
        across = np.cross(corner[1] - corner[0], corner[2] - corner[0])
        real = np.linalg.norm(across, axis=1) > 0
        faces, across, corner = faces[real], _unit(across[real]), [c[real] for c in corner]
        mean = np.zeros(points.shape)
        for k in range(3):
            one, other = (_unit(corner[(k + i) % 3] - corner[k]) for i in (1, 2))
            angle = np.arccos(np.clip(np.sum(one * other, axis=1), -1, 1))
            np.add.at(mean, faces[:, k], angle[:, None] * across)
        own = np.repeat(across, 3, axis=0)
        smooth = _unit(mean)[faces.ravel()]
        normals = np.where(np.sum(own * smooth, axis=1)[:, None] < CREASE, own, smooth)
        corners = np.hstack([points[faces.ravel()], normals]).astype(np.float32)
        unique, index = np.unique(corners, axis=0, return_inverse=True)
        return Mesh(unique[:, :3], unique[:, 3:], np.reshape(index, (-1, 3)))


def _unit(vectors: Array) -> Array:
    """Vectors (N, 3) of length 1; those without a length stay 0."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def tube(way: Array, radius: float) -> Mesh:
    """A tube around a polyline (K, 3) [m]."""
    along = _unit(np.gradient(way, axis=0))
    reference = np.eye(3)[np.argmin(np.abs(along).max(axis=0))]
    side = _unit(np.cross(along, reference))
    other = np.cross(along, side)
    angle = np.linspace(0, 2 * np.pi, SIDES, endpoint=False)
    rings = way[:, None] + radius * (side[:, None] * np.cos(angle)[:, None] + other[:, None] * np.sin(angle)[:, None])
    return Mesh.of(rings.reshape(-1, 3), _wall(len(way)))


def _wall(rings: int, sides: int = SIDES) -> Array:
    """Triangles (M, 3) between rings of `sides` points each, in their order."""
    k, s = (x.ravel() for x in np.meshgrid(np.arange(rings - 1), np.arange(sides), indexing="ij"))
    a, b = k * sides + s, k * sides + (s + 1) % sides
    return np.concatenate([np.stack([a, b, b + sides], axis=1), np.stack([a, b + sides, a + sides], axis=1)])


def revolved(profile: list[tuple[float, float]], sides: int = 24) -> Mesh:
    """A body of revolution about z, from its profile of (radius, z) [m]."""
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    rings = [np.stack([r * np.cos(angle), r * np.sin(angle), np.full(sides, z)], axis=1) for r, z in profile]
    return Mesh.of(np.concatenate(rings), _wall(len(profile), sides))


def arrow(width: float) -> Mesh:
    """An arrow along z of length 1, to be scaled along it; width [m] of its shaft."""
    return revolved([(0.0, 0.0), (width / 2, 0.0), (width / 2, 0.75), (1.6 * width, 0.75), (0.0, 1.0)])


def link_meshes(robot: RobotModel) -> dict[str, list[tuple[Mesh, pin.SE3]]]:
    """The visual meshes of a robot's links with their poses in the link's frame; empty where none can be read.

    They are those of the robot's URDF, for a robot that ships those of example-robot-data where that is installed.
    """
    try:
        urdf, folders = _visual_urdf(robot)
        model = pin.buildModelFromUrdf(str(urdf))
        visual = pin.buildGeomFromUrdf(model, str(urdf), pin.VISUAL, package_dirs=[str(folder) for folder in folders])
    except (FastMoveError, ValueError, RuntimeError):
        return {}
    meshes: dict[str, list[tuple[Mesh, pin.SE3]]] = {}
    for thing in visual.geometryObjects:
        frame = model.frames[thing.parentFrame]
        count = getattr(thing.geometry, "num_tris", 0)
        if not count:
            continue
        points = np.asarray(thing.geometry.vertices()) * np.asarray(thing.meshScale)
        faces = np.array([[t[0], t[1], t[2]] for t in map(thing.geometry.tri_indices, range(count))])
        meshes.setdefault(frame.name, []).append((_coarser(points, faces), frame.placement.inverse() * thing.placement))
    return meshes


def _visual_urdf(robot: RobotModel) -> tuple[Path, list[Path]]:
    """The URDF with the robot's visual meshes, and the folders of its packages."""
    if robot.name in known_robots():
        table = read_toml(robots_folder() / robot.name / "robot.toml")
        if table.has("mesh_urdf"):
            data = example_robot_data()
            return data / table.string("mesh_urdf"), [data.parent]
    return robot.urdf, [Path(folder) for folder in robot.package_dirs]


def _coarser(points: Array, faces: Array) -> Mesh:
    """A mesh with the points of every cell of `CELL` drawn together, so that a page stays small."""
    _, first, index = np.unique(np.round(points / CELL).astype(np.int64), axis=0, return_index=True, return_inverse=True)
    drawn = np.reshape(index, -1)[faces]
    whole = (drawn[:, 0] != drawn[:, 1]) & (drawn[:, 1] != drawn[:, 2]) & (drawn[:, 2] != drawn[:, 0])
    return Mesh.of(points[first], np.unique(drawn[whole], axis=0))
