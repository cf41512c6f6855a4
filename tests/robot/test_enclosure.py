"""How closely the Panda's own shapes enclose its real meshes: nothing sticks out, little room is wasted."""

from __future__ import annotations

from pathlib import Path

import coal
import numpy as np
import pytest
from scipy.spatial import ConvexHull

import fastmove as fm
from fastmove.geometry.polytope import extent_directions, polytope
from fastmove.robot.link_geometry import LinkShape
from fastmove.robot.shipped import example_robot_data, load_robot

LINKS = (*(f"panda_link{k}" for k in range(8)), "panda_hand", "panda_leftfinger", "panda_rightfinger")
SURFACE_POINTS = 20_000  # on each mesh, besides its vertices
DENSITY = 40_000  # points per m² of our shapes
STICKS_OUT = 1e-6  # [m]
WASTE = 8e-3  # [m], 95th percentile


@pytest.fixture(scope="module")
def hulls() -> tuple[LinkShape, ...]:
    try:
        example_robot_data()
    except fm.MissingPackage as error:
        pytest.skip(str(error))
    return load_robot("panda", geometry="hulls").shapes


def in_link(shape: LinkShape, points: np.ndarray) -> np.ndarray:
    return points @ shape.placement.rotation.T + shape.placement.translation


def corners(shape: LinkShape) -> np.ndarray:
    """Vertices of a box or convex body, in the link's frame."""
    if isinstance(shape.geometry, coal.Box):
        signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        return in_link(shape, signs * np.array(shape.geometry.halfSide))
    return in_link(shape, np.asarray(shape.geometry.points()).reshape(-1, 3))


def on_surface(hull: ConvexHull, count: int, rng: np.random.Generator) -> np.ndarray:
    """Points uniform by area."""
    triangles = hull.points[hull.simplices]
    area = np.linalg.norm(np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=1)
    chosen = rng.choice(len(triangles), count, p=area / area.sum())
    return np.einsum("kij,ki->kj", triangles[chosen], rng.dirichlet(np.ones(3), count))


def depth(hull: ConvexHull, points: np.ndarray) -> np.ndarray:
    """(N,) signed distance to a convex body as its planes see it: ≤ 0 inside."""
    return (points @ hull.equations[:, :3].T + hull.equations[:, 3]).max(axis=1)


def distance(solids: list[LinkShape], points: np.ndarray) -> np.ndarray:
    """(N,) distance of points to the nearest real solid, 0 inside."""
    request, result = coal.DistanceRequest(), np.full(len(points), np.inf)
    for solid in solids:
        there = coal.Transform3s(solid.placement.rotation, solid.placement.translation)
        for k, point in enumerate(points):
            here = coal.Transform3s(np.eye(3), point)
            found = coal.distance(solid.geometry, there, coal.Sphere(1e-9), here, request, coal.DistanceResult())
            result[k] = min(result[k], max(float(found), 0.0))
    return result


def test_nothing_sticks_out_and_little_is_wasted(panda: fm.RobotModel, hulls: tuple[LinkShape, ...]) -> None:
    rng, pooled = np.random.default_rng(0), []
    for link in LINKS:
        ours = [ConvexHull(corners(s)) for s in panda.shapes if s.link == link]
        real = [s for s in hulls if s.link == link]
        meshes = [ConvexHull(corners(s)) for s in real]
        samples = np.concatenate([np.concatenate([m.points, on_surface(m, SURFACE_POINTS, rng)]) for m in meshes])
        out = float(np.min([depth(hull, samples) for hull in ours], axis=0).max())
        surface = [on_surface(hull, max(200, int(DENSITY * hull.area)), rng) for hull in ours]
        outer = [
            p[np.all([depth(o, p) > -1e-9 for o in ours if o is not hull], axis=0)] if len(ours) > 1 else p
            for hull, p in zip(ours, surface, strict=True)
        ]
        waste = distance(real, np.concatenate(outer))
        pooled.append(waste)
        assert out <= STICKS_OUT, link
    whole = float(np.percentile(np.concatenate(pooled), 95))
    assert whole <= WASTE


def test_the_base_stands_on_the_table(panda: fm.RobotModel) -> None:
    assert min(corners(s)[:, 2].min() for s in panda.shapes if s.link == "panda_link0") > -0.5e-3


def test_fingers_follow_the_items_width(panda: fm.RobotModel) -> None:
    for width in (0.0, 0.025, 0.08):
        assert sum(panda.gripper().finger_positions(width).values()) == pytest.approx(width)


def test_a_ball_measured_along_all_directions_is_enclosed_closely() -> None:
    """Extents of a ball off the origin: the body contains it and reaches at most 5 % beyond its radius."""
    radius, middle = 0.1, np.array([0.02, -0.01, 0.3])
    body = polytope(radius + extent_directions() @ middle)
    points = np.asarray(body.points()).reshape(-1, 3) - middle
    assert depth(ConvexHull(points), np.zeros((1, 3)))[0] <= -radius + 1e-9
    assert np.linalg.norm(points, axis=1).max() < 1.05 * radius


def test_extents_that_enclose_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(fm.InputError, match="enclose"):
        polytope(np.full(162, -0.01))
