"""Boxes that cover points, meshes and height maps: nothing sticks out, what is open stays open, plans keep off the raw data."""

import time

import coal
import numpy as np
import pinocchio as pin
import pytest
from scenes import depth_image, divided, furniture, looked_at, named
from scipy.spatial import cKDTree

import fastmove as fm
from fastmove.collision.checker import Collision
from fastmove.errors import InputError
from fastmove.geometry.box_cover import cover_heights, cover_mesh, cover_points, cover_triangles, depth_to_points
from fastmove.geometry.shapes import Shape
from fastmove.multibody.assembly import assemble
from fastmove.problem.goal import Goal, State
from fastmove.problem.scene import Obstacle, Scene
from fastmove.problem.transfer import TransferProblem


def outside(shapes, points: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    """(N,) how far points are outside all boxes, along the worst axis [m]."""
    worst = np.full(len(points), np.inf)
    for shape in shapes:
        local = (points - shape.placement.translation) @ shape.placement.rotation
        worst = np.minimum(worst, (np.abs(local) - np.array(shape.size) / 2).max(axis=1))
    return worst


def camera_cloud(shapes: list[Shape], seed: int = 0) -> np.ndarray:
    """About 100,000 points of two cameras."""
    rng, found = np.random.default_rng(seed), []
    for eye, target in (((-0.6, -1.2, 1.5), (0.5, -0.1, 0.3)), ((-0.4, 1.3, 1.4), (0.5, 0.2, 0.3))):
        camera = looked_at(np.array(eye), np.array(target))
        depth = depth_image(shapes, camera, 450, 600, 390.0, rng)
        found.append(depth_to_points(depth, (390.0, 390.0), (300.0, 225.0), camera))
    return np.concatenate(found)


@pytest.mark.parametrize("seed", range(4))
def test_no_point_is_outside_and_few_boxes_do(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for points in (camera_cloud(furniture(), seed)[::4], rng.normal(size=(500, 3)), np.tile(rng.normal(size=3), (5, 1)),
                   np.linspace(0, 1, 50)[:, None] * rng.normal(size=3)):  # fmt: skip
        boxes = cover_points(points)
        assert outside(boxes, points).max() < 1e-9 and len(boxes) <= len(points)
    assert len(cover_points(camera_cloud(furniture(), seed))) < 2500


def test_what_is_open_stays_open(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """A tote as a mesh: its hull is a block; its cover leaves the inside free."""
    corners = np.array([[x, y, z] for x in (-0.2, 0.2) for y in (-0.15, 0.15) for z in (0.0, 0.2)])
    faces = [(0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1), (2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4)]
    text = "".join(f"v {x} {y} {z}\n" for x, y, z in corners) + "".join(f"f {a + 1} {b + 1} {c + 1}\n" for a, b, c in faces)
    (tmp_path / "tote.obj").write_text(text)
    boxes = cover_mesh(tmp_path / "tote.obj")
    rng = np.random.default_rng(0)
    share = rng.dirichlet(np.ones(3), 4000)
    surface = np.einsum("nk,nkx->nx", share, corners[np.array(faces)][rng.integers(len(faces), size=4000)])
    assert outside(boxes, surface).max() < 1e-9
    inside = rng.uniform([-0.18, -0.13, 0.02], [0.18, 0.13, 0.2], (4000, 3))
    assert outside(boxes, inside).min() > 0 and len(boxes) <= 120
    (tmp_path / "p.toml").write_text(
        'format = 1\nrobot = "panda"\n[start]\nq = [0.0, -0.8, 0.0, -2.4, 0.0, 1.6, 0.8]\n[goal]\n'
        'q = [0.5, -0.8, 0.0, -2.4, 0.0, 1.6, 0.8]\n[[obstacles]]\nname = "tote"\ntype = "mesh"\nconvex = false\n'
        'file = "tote.obj"\nposition = [0.0, 0.7, 0.0]\n'
    )
    problem = fm.load_problem(tmp_path / "p.toml")
    assert len(problem.scene.obstacles[0].shapes) == len(boxes)
    assert fm.plan(problem).ok and len(fm.describe(problem)["obstacles"][0]["shapes"]) == len(boxes)


def test_triangles_of_any_size_are_covered() -> None:
    rng = np.random.default_rng(3)
    triangles = rng.normal(size=(20, 3, 3)) * rng.choice([0.01, 0.1, 0.4], (20, 1, 1))
    share = rng.dirichlet(np.ones(3), (20, 200))
    points = np.einsum("tnk,tkx->tnx", share, triangles).reshape(-1, 3)
    assert outside(cover_triangles(triangles), points).max() < 1e-9


def test_columns_of_a_height_map_are_covered_and_no_more() -> None:
    rng = np.random.default_rng(1)
    heights = np.zeros((40, 60))
    heights[10:20, 15:40], heights[30:, :] = 0.2, 0.1 + rng.uniform(0, 0.004, (10, 60))
    boxes = cover_heights(heights, 0.01, placement=pin.SE3(np.eye(3), np.array([0.5, 0.0, 0.1])))
    i, j = rng.integers(40, size=2000), rng.integers(60, size=2000)
    at = np.stack([(i + 0.5) * 0.01 + 0.3, (j + 0.5) * 0.01 - 0.3], axis=1)
    below = np.column_stack([at, 0.1 + heights[i, j] * rng.uniform(size=2000)])[heights[i, j] > 0]
    assert outside(boxes, below).max() < 1e-9
    above = np.column_stack([at, 0.1 + heights[i, j] + 0.006])
    assert outside(boxes, above).min() > 0 and len(boxes) < 200


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cover_points(np.zeros((4, 2))), "points"),
        (lambda: cover_points(np.full((4, 3), np.nan)), "finite"),
        (lambda: cover_points(np.zeros((4, 3)), 0.0), "resolution"),
        (lambda: cover_heights(np.full((3, 3), np.nan), 0.01), "heights"),
        (lambda: cover_heights(np.zeros((3, 3)), 0.0), "cell"),
        (lambda: cover_mesh("/nowhere.obj"), "nowhere"),
        (lambda: depth_to_points(np.zeros((3, 3)), (1, 1), (1, 1), pin.SE3.Identity()), "depth"),
        (lambda: Obstacle("x", ()), "no shape"),
        (lambda: Scene().changed(remove=["x"]), "'x'"),
    ],
)
def test_bad_data_is_named(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        call()


def test_a_scene_after_a_change() -> None:
    scene = Scene(named(furniture()), (fm.AllowedContact("part0"), fm.AllowedContact("part1")))
    shift = pin.SE3(np.eye(3), np.array([0.0, 0.0, 0.03]))
    new = scene.changed(add=[Obstacle("cup", furniture()[0])], remove=["part0"], move={"part1": shift})
    assert [o.name for o in new.obstacles] == [*(f"part{k}" for k in range(1, 10)), "cup"]
    assert [c.obstacle for c in new.allowed_contacts] == ["part1"]
    np.testing.assert_allclose(new.obstacles[0].placement.translation - scene.obstacles[1].placement.translation, [0, 0, 0.03])


def pairs_of(panda: fm.RobotModel, count: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Starts and goals that are free among the furniture with 25 mm to spare, so that they are in every form of it."""
    rng, limits, scene = (
        np.random.default_rng(seed),
        panda.limit_set("benchmark"),
        Scene(named(furniture()), obstacle_uncertainty=0.023),
    )
    middle = State.rest((limits.position_min + limits.position_max) / 2)
    problem = TransferProblem("pair", panda, (), scene, middle, Goal(middle.q[None]), "benchmark")
    collision = Collision(problem, assemble(problem))
    q = rng.uniform(limits.position_min, limits.position_max, (200 * count, 7))
    touching = collision.query(q, collision.ends(q[0], q[1]), 0.0).sample
    free = np.delete(q, np.unique(touching), axis=0)[: 2 * count]
    assert len(free) == 2 * count
    return list(zip(free[::2], free[1::2], strict=True))


def hits(solution: fm.Solution, points: np.ndarray, step: float) -> int:
    """Points that the robot, at these times, comes to within a micrometre of: its own convex bodies against every raw point."""
    assembly = assemble(solution.problem.with_(scene=Scene()))
    data, request, result = assembly.arm.createData(), coal.DistanceRequest(), coal.DistanceResult()
    tree, dot, found = cKDTree(points), coal.Sphere(1e-6), 0
    bodies = [b for b in assembly.bodies if b.joint > 0]
    for body in bodies:
        body.geometry.computeLocalAABB()
    for q in solution.trajectory.position(solution.trajectory.grid(step)):
        pin.forwardKinematics(assembly.arm, data, q)
        for body in bodies:
            placed, box = data.oMi[body.joint] * body.placement, body.geometry.aabb_local
            low, high = np.array(box.min_), np.array(box.max_)
            near = tree.query_ball_point(placed.act((low + high) / 2), float(np.linalg.norm(high - low)) / 2)
            local = (points[near] - placed.translation) @ placed.rotation
            for p in local[np.all((local >= low) & (local <= high), axis=1)]:
                result.clear()
                at = coal.Transform3s(np.eye(3), p)
                found += coal.distance(body.geometry, coal.Transform3s(), dot, at, request, result) <= 0
    return found


def test_plans_among_points_keep_off_every_point(panda: fm.RobotModel) -> None:
    points = camera_cloud(furniture())[::3]
    scene = Scene((Obstacle("cloud", cover_points(points)),))
    planned = 0
    for start, goal in pairs_of(panda, 4, 2):
        solution = fm.plan(TransferProblem("cloud", panda, (), scene, State.rest(start), Goal(goal[None]), "benchmark"))
        if solution.ok:
            planned += 1
            assert hits(solution, points, 0.02) == 0
    assert planned >= 3


@pytest.mark.slow
def test_planning_time_over_ten_a_hundred_a_thousand_boxes_and_a_cloud(panda: fm.RobotModel) -> None:
    """The same furniture as 10, 100, 1,000 boxes, and as two depth cameras see it; every motion against the raw points, too."""
    points = camera_cloud(furniture())
    print(f"{len(points)} points")
    begin = time.perf_counter()
    cloud = Obstacle("cloud", cover_points(points))
    print(f"cover: {len(cloud.shapes)} boxes in {time.perf_counter() - begin:.2f} s")
    forms = {str(n): Scene(named(divided(furniture(), n))) for n in (10, 100, 1000)} | {"cloud": Scene((cloud,))}
    pairs, medians = pairs_of(panda, 30, 7), {}
    for name, scene in forms.items():
        times, certified, touched = [], 0, 0
        for start, goal in pairs:
            solution = fm.plan(TransferProblem(name, panda, (), scene, State.rest(start), Goal(goal[None]), "benchmark"))
            times.append(solution.timings["total"])
            certified += solution.ok
            if solution.ok and name == "cloud":
                touched += hits(solution, points, 2e-3)
        medians[name] = float(np.median(times))
        late = np.quantile(times, 0.95)
        print(f"{name:>6}: {certified} of {len(pairs)}, median {medians[name]:.3f} s, p95 {late:.2f} s, hits {touched}")
        assert touched == 0 and certified >= 0.9 * len(pairs)
    assert medians["cloud"] <= 3 * medians["10"] and medians["1000"] <= 3 * medians["10"]
