"""Mesh files: what would crash a library is refused, a flat one is thin, a DAE file's unit counts."""

from pathlib import Path

import coal
import numpy as np
import pytest

import fastmove as fm
from fastmove.geometry.box_cover import depth_to_points
from fastmove.geometry.mesh_file import THICKENED, convex_hull
from fastmove.geometry.poses import pose
from fastmove.geometry.shapes import Shape
from fastmove.problem.item import Inertial, Item

CUBE = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)


def obj(path: Path, points: np.ndarray) -> Path:
    lines = [f"v {x} {y} {z}" for x, y, z in points]
    path.write_text("\n".join([*lines, *(f"f {i} {i + 1} {i + 2}" for i in range(1, len(points) - 1))]) + "\n")
    return path


def extent(hull: coal.ConvexBase) -> np.ndarray:
    return np.ptp(np.asarray(hull.points()).reshape(-1, 3), axis=0)


@pytest.mark.parametrize("seed", range(3))
def test_a_flat_mesh_is_a_thin_body_around_it(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    flat = np.column_stack([rng.uniform(-1, 1, (9, 2)), np.zeros(9)]) @ turn.T
    points = np.asarray(convex_hull(obj(tmp_path / "f.obj", flat)).points()).reshape(-1, 3)
    height = points @ turn[:, 2]
    assert height.max() == pytest.approx(THICKENED, abs=1e-6) and height.min() == pytest.approx(-THICKENED, abs=1e-6)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cannot be read as a mesh"),
        (b"solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0", "mesh"),
        (b"\x00" * 84, "mesh"),
        (b"v 0 0 0\nv 1 1 1\nv 2 2 2\nf 1 2 3\n", "lies on one line"),
        (b"v 0 0 0\nv nan 1 1\nv 2 0 2\nf 1 2 3\n", "not finite|cannot be read"),
        (b"v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n", "lies on one line|cannot be read"),
    ],
)
def test_broken_meshes_are_one_sentence(content: bytes, words: str, tmp_path: Path) -> None:
    for ending in ("stl", "obj"):
        path = tmp_path / f"m.{ending}"
        path.write_bytes(content)
        with pytest.raises(fm.InputError) as caught:
            convex_hull(path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)
        if (ending == "obj") == content.startswith(b"v"):
            assert any(word in str(caught.value) for word in words.split("|"))


DAE = """<?xml version="1.0"?><COLLADA xmlns="urn:collada" version="1.4.1"><asset>{unit}<up_axis>Z_UP</up_axis></asset>
<library_geometries><geometry id="g"><mesh><source id="p"><float_array id="a" count="24">{points}</float_array><technique_common>
<accessor source="#a" count="8" stride="3"><param name="X" type="float"/><param name="Y" type="float"/><param name="Z"
type="float"/></accessor></technique_common></source>
<vertices id="v"><input semantic="POSITION" source="#p"/></vertices><triangles count="6">
<input semantic="VERTEX" source="#v" offset="0"/><p>0 1 2 1 2 3 2 3 4 3 4 5 4 5 6 5 6 7</p></triangles></mesh></geometry>
</library_geometries><library_visual_scenes><visual_scene id="s"><node><instance_geometry url="#g"/></node></visual_scene>
</library_visual_scenes><scene><instance_visual_scene url="#s"/></scene></COLLADA>"""


@pytest.mark.parametrize(("unit", "size"), [("", 1.0), ('<unit meter="0.0254"/>', 0.0254), ('<unit meter="1e-3"/>', 0.001)])
def test_the_unit_of_a_dae_file_counts(unit: str, size: float, tmp_path: Path) -> None:
    path = tmp_path / "cube.dae"
    path.write_text(DAE.format(unit=unit, points=" ".join(str(x) for x in CUBE.ravel())))
    assert extent(convex_hull(path)) == pytest.approx(np.full(3, size))
    path.write_text(DAE.format(unit='<unit meter="0"/>', points="0 " * 24))
    with pytest.raises(fm.InputError, match="meter"):
        convex_hull(path)


def test_whole_numbers_of_depth_need_a_unit() -> None:
    metres = np.full((4, 5), 0.8)
    look = lambda depth, unit=None: depth_to_points(depth, (50, 50), (2, 2), pose(), unit)  # noqa: E731
    counts = (metres * 1000).astype(np.uint16)
    with pytest.raises(fm.InputError, match="unit: is missing: uint16"):
        look(counts)
    assert np.allclose(look(counts, 0.001), look(metres))
    for depth, unit in ((metres * 1000, None), (counts, 1.0), (metres, 1e-3)):
        with pytest.raises(fm.InputError, match="unit: makes the depths"):
            look(depth, unit)


def test_a_body_lies_within_its_shapes() -> None:
    """A bowl's centre of mass is in its hull, though in none of its shapes; that of a box beside it is not."""
    walls = tuple(Shape("box", size=np.array([0.01, 0.1, 0.05]), placement=pose([x, 0.0, 0.0])) for x in (-0.05, 0.05))
    inertia = np.diag([2e-4, 4e-4, 5e-4])
    assert Item("bowl", walls, (Inertial(0.2, np.zeros(3), inertia),)).members[0].mass == 0.2
    with pytest.raises(fm.InputError, match="com: lies 30 mm outside"):
        Item("bowl", walls, (Inertial(0.2, np.array([0.085, 0.0, 0.0]), inertia),))
    with pytest.raises(fm.InputError, match=r"members\[1\].inertia: is of a larger body"):
        Item("bowl", walls, (Inertial(0.2, np.zeros(3), inertia), Inertial(0.2, np.zeros(3), inertia * 40)))


def test_a_mesh_with_a_corner_of_very_many_faces_is_enclosed(tmp_path: Path) -> None:
    """A fine cone: coal keeps at most 255 neighbours of a corner."""
    turn = np.linspace(0, 2 * np.pi, 700, endpoint=False)
    rim = np.column_stack([np.cos(turn), np.sin(turn), np.zeros(700)])
    cone = np.vstack([[0, 0, 2.0], rim])
    body = convex_hull(obj(tmp_path / "cone.obj", cone))
    for point in cone[::50]:
        there, dot = coal.Transform3s(np.eye(3), point), coal.Sphere(1e-6)
        assert coal.distance(body, coal.Transform3s(), dot, there, coal.DistanceRequest(), coal.DistanceResult()) < 1e-5
    assert np.all(extent(body) < 1.2 * np.ptp(cone, axis=0))


@pytest.mark.parametrize("size", ["1e11", "1e31", "-3e5"])
def test_a_mesh_of_impossible_size_is_refused_before_it_crashes_a_library(size: str, tmp_path: Path) -> None:
    file = tmp_path / "huge.obj"
    file.write_text(f"v 0 0 0\nv 0 0 1\nv 0 {size} 0\nv 0 1 0\nv 1 1 0\nf 1 2 3\nf 1 2 4\nf 3 4 5\n")
    for shape in (fm.Shape("mesh", file=str(file)).geometry, lambda: fm.cover_mesh(file)):
        with pytest.raises(fm.InputError, match=r"m away; allowed: 10000 m"):
            shape()
