"""How closely the Panda's own shapes enclose its meshes: nothing sticks out, and little room is wasted."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import coal
import numpy as np
import pinocchio as pin
import pytest
from scipy.spatial import ConvexHull

import fastmove as fm
from fastmove.robot import LinkShape, example_robot_data, load_robot

LINKS = (*(f"link{k}" for k in range(8)), "hand", "leftfinger", "rightfinger")
SURFACE_POINTS = 100_000  # on each mesh, besides its vertices and points on its edges
DENSITY = 40_000  # points per m² of our shapes
STICKS_OUT = 1e-6  # [m]
WANTED = 8.0  # [mm], 95th percentile of the waste
REACHED = {  # [mm], what the shapes keep to; links above WANTED are those whose corners primitives fill badly
    "link0": 15.8,
    "link1": 7.5,
    "link2": 7.5,
    "link3": 10.4,
    "link4": 10.5,
    "link5": 8.0,
    "link6": 10.8,
    "link7": 8.0,
    "hand": 9.0,
    "leftfinger": 5.0,
    "rightfinger": 5.0,
}
REACHED_IN_ALL = 11.4  # [mm], pooled over all links by area


@dataclass(frozen=True)
class Measured:
    """Of one link: how far the mesh sticks out [m]; distances of its shapes' outer surface to the mesh [m]."""

    shapes: int
    sticks_out: float
    waste: np.ndarray


@pytest.fixture(scope="module")
def meshes() -> Path:
    try:
        return example_robot_data() / "robots" / "panda_description" / "meshes" / "collision"
    except fm.errors.MissingPackage as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def measured(panda: fm.RobotModel, meshes: Path) -> dict[str, Measured]:
    hulls = load_robot("panda", geometry="hulls").shapes
    return {link: measure(panda, meshes, link, hulls) for link in LINKS}


def measure(panda: fm.RobotModel, meshes: Path, link: str, hulls: tuple[LinkShape, ...]) -> Measured:
    rng = np.random.default_rng(0)
    shapes = [s for s in panda.shapes if s.link == f"panda_{link}"]
    real = mesh(meshes, link)
    boxes = [box_triangles(s) for s in hulls if s.link == f"panda_{link}" and isinstance(s.geometry, coal.Box)]
    points = surface_points(np.concatenate([real, *boxes]), rng)
    outside = np.min([signed_distance(s, points) for s in shapes], axis=0)
    return Measured(len(shapes), float(outside.max()), distance_to_hull(outer_surface(shapes, rng), real))


def mesh(folder: Path, link: str) -> np.ndarray:
    """Triangles (K, 3, 3) of a link's binary STL; both fingers share one, turned half around."""
    data = (folder / f"{'finger' if 'finger' in link else link}.stl").read_bytes()
    facets = np.frombuffer(data[84:], np.dtype([("normal", "<3f4"), ("corners", "<9f4"), ("flags", "<u2")]))
    corners = facets["corners"].reshape(-1, 3, 3).astype(float)
    return corners * [-1.0, -1.0, 1.0] if link == "rightfinger" else corners


def box_triangles(shape: LinkShape) -> np.ndarray:
    """(12, 3, 3): the boxes that the reference model has for its fingers."""
    corners = np.array(list(itertools.product((-1.0, 1.0), repeat=3))) * shape.geometry.halfSide
    hull = ConvexHull(corners).simplices
    return (corners @ shape.placement.rotation.T + shape.placement.translation)[hull]


def surface_points(triangles: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Vertices, points along the edges, and points spread evenly over the area."""
    along = np.linspace(0.0, 1.0, 60)[:, None, None, None]
    edges = triangles + along * (np.roll(triangles, -1, axis=1) - triangles)
    sides = triangles[:, 1:] - triangles[:, :1]
    area = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1)
    chosen = rng.choice(len(triangles), SURFACE_POINTS, p=area / area.sum())
    u = np.sort(rng.random((SURFACE_POINTS, 2)), axis=1)
    weights = np.stack([u[:, 0], u[:, 1] - u[:, 0], 1 - u[:, 1]], axis=1)
    return np.concatenate([edges.reshape(-1, 3), np.einsum("nk,nkx->nx", weights, triangles[chosen])])


def size_of(geometry: coal.CollisionGeometry) -> tuple[float, float]:
    """Radius and half length of a sphere, capsule or cylinder."""
    return float(geometry.radius), float(getattr(geometry, "halfLength", 0.0))


def signed_distance(shape: LinkShape, points: np.ndarray) -> np.ndarray:
    """(N,) distance to the shape's surface, negative inside."""
    local = (points - shape.placement.translation) @ shape.placement.rotation
    if isinstance(shape.geometry, coal.Box):
        beyond = np.abs(local) - shape.geometry.halfSide
    else:
        radius, half = size_of(shape.geometry)
        along, across = np.abs(local[:, 2]) - half, np.linalg.norm(local[:, :2], axis=1)
        if not isinstance(shape.geometry, coal.Cylinder):
            return np.hypot(np.maximum(along, 0.0), across) - radius
        beyond = np.stack([across - radius, along], axis=1)
    return np.linalg.norm(np.maximum(beyond, 0.0), axis=1) + np.minimum(beyond.max(axis=1), 0.0)


def shape_surface(shape: LinkShape, rng: np.random.Generator) -> np.ndarray:
    """Points on the shape's whole surface, evenly by area."""
    if isinstance(shape.geometry, coal.Box):
        local = box_surface(np.array(shape.geometry.halfSide), rng)
    else:
        local = round_surface(*size_of(shape.geometry), isinstance(shape.geometry, coal.Cylinder), rng)
    return local @ shape.placement.rotation.T + shape.placement.translation


def round_surface(radius: float, half: float, flat: bool, rng: np.random.Generator) -> np.ndarray:
    """Tube and two ends, which are discs or half spheres."""
    tube, ends = (
        rng.random((int(DENSITY * area), 3)) for area in (4 * np.pi * radius * half, (2 if flat else 4) * np.pi * radius**2)
    )
    sign, u = np.where(ends[:, 1] < 0.5, -1.0, 1.0), ends[:, 2]
    across, along = (np.sqrt(u), 0.0) if flat else (np.sqrt(1 - u**2), u)
    across = np.concatenate([np.ones(len(tube)), across])
    along = np.concatenate([half * (2 * tube[:, 2] - 1), sign * (half + radius * along)])
    angle = 2 * np.pi * np.concatenate([tube[:, 0], ends[:, 0]])
    return np.stack([radius * across * np.cos(angle), radius * across * np.sin(angle), along], axis=1)


def box_surface(half: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    faces = []
    for axis in range(3):
        area = 8 * float(np.prod(np.delete(half, axis)))
        face = rng.uniform(-1.0, 1.0, (int(DENSITY * area), 3))
        face[:, axis] = np.where(face[:, axis] < 0, -1.0, 1.0)
        faces.append(face * half)
    return np.concatenate(faces)


def outer_surface(shapes: list[LinkShape], rng: np.random.Generator) -> np.ndarray:
    """Points on the surface of the union: those inside another shape of the link are dropped."""
    kept = []
    for shape in shapes:
        points = shape_surface(shape, rng)
        inside = [signed_distance(other, points) < 0 for other in shapes if other is not shape]
        kept.append(points[~np.any(inside, axis=0)] if inside else points)
    return np.concatenate(kept)


def distance_to_hull(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(N,) exact distance to the mesh, which is convex; zero inside."""
    corners = triangles.reshape(-1, 3)
    hull = ConvexHull(corners)
    distance = np.zeros(len(points))
    out = np.flatnonzero(np.max(points @ hull.equations[:, :3].T + hull.equations[:, 3], axis=1) > 0)
    for part in np.array_split(out, len(out) // 500 + 1):
        distance[part] = distance_to_triangles(points[part], corners[hull.simplices], hull.equations)
    return distance


def distance_to_triangles(points: np.ndarray, triangles: np.ndarray, planes: np.ndarray) -> np.ndarray:
    """(N,) distance to the nearest of the triangles, whose planes have these unit normals and offsets."""
    height = points @ planes[:, :3].T + planes[:, 3]
    over, nearest = np.ones(height.shape, dtype=bool), np.full(height.shape, np.inf)
    centre = triangles.mean(axis=1)
    for k in range(3):
        start, side = triangles[:, k], triangles[:, (k + 1) % 3] - triangles[:, k]
        inward = np.cross(planes[:, :3], side)
        inward *= np.sign(np.sum(inward * (centre - start), axis=1))[:, None]
        over &= points @ inward.T >= np.sum(inward * start, axis=1)
        along = np.clip((points @ side.T - np.sum(side * start, axis=1)) / np.sum(side**2, axis=1), 0.0, 1.0)
        apart = points[:, None] - start - along[..., None] * side
        nearest = np.minimum(nearest, np.sqrt(np.einsum("nkx,nkx->nk", apart, apart)))
    return np.where(over, np.abs(height), nearest).min(axis=1)


def p95(values: np.ndarray) -> float:
    """95th percentile [mm] of distances [m]."""
    return float(np.percentile(values, 95)) * 1e3


def pooled(measured: dict[str, Measured]) -> float:
    """The same over all links, each by its area."""
    return p95(np.concatenate([found.waste for found in measured.values()]))


def test_nothing_sticks_out_of_the_shapes(measured: dict[str, Measured]) -> None:
    for link, found in measured.items():
        print(f"{link}: {found.shapes} shapes, mesh sticks out {found.sticks_out * 1e3:.4f} mm (negative: covered by this much)")
    assert all(found.sticks_out <= STICKS_OUT for found in measured.values())


def test_the_shapes_waste_no_more_than_they_did(measured: dict[str, Measured]) -> None:
    for link, found in measured.items():
        print(f"{link}: waste 95 % {p95(found.waste):.2f} mm, largest {found.waste.max() * 1e3:.2f} mm")
    print(f"all links: {sum(f.shapes for f in measured.values())} shapes, waste 95 % {pooled(measured):.2f} mm")
    assert pooled(measured) <= REACHED_IN_ALL
    assert {link for link, found in measured.items() if p95(found.waste) > REACHED[link]} == set()


@pytest.mark.xfail(reason="links 0, 3, 4, 6 and the hand waste more than wanted", strict=True)
def test_the_waste_is_what_is_wanted(measured: dict[str, Measured]) -> None:
    assert pooled(measured) <= WANTED


def test_the_base_stays_above_its_table(panda: fm.RobotModel) -> None:
    points = outer_surface([s for s in panda.shapes if s.link == "panda_link0"], np.random.default_rng(0))
    print(f"lowest point of the base {points[:, 2].min() * 1e3:.2f} mm")
    assert points[:, 2].min() >= -0.0005


@pytest.mark.parametrize("width", (0.0, 0.025, 0.08))
def test_fingers_follow_the_width(panda: fm.RobotModel, width: float) -> None:
    """The inner faces of the finger shapes are as far apart as the item is wide, to 0.3 mm."""
    model, q = panda.model, pin.neutral(panda.model)
    for joint, value in panda.gripper().finger_positions(width).items():
        q[model.joints[model.getJointId(joint)].idx_q] = value
    data = model.createData()
    pin.framesForwardKinematics(model, data, q)
    left, right = (points_in_hand(panda, data, f"panda_{side}finger") for side in ("left", "right"))
    gap = left[:, 1].min() - right[:, 1].max()
    print(f"width {width * 1e3:.1f} mm: gap {gap * 1e3:.2f} mm")
    assert abs(gap - width) < 3e-4


def points_in_hand(panda: fm.RobotModel, data: pin.Data, link: str) -> np.ndarray:
    """Points on the link's shapes, seen from the hand."""
    hand, frame = (data.oMf[panda.model.getFrameId(name)] for name in ("panda_hand", link))
    place = hand.actInv(frame)
    points = outer_surface([s for s in panda.shapes if s.link == link], np.random.default_rng(0))
    return points @ place.rotation.T + place.translation
