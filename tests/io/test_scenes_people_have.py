"""Point clouds and MoveIt scenes as sensors and tools write them: where things are, or what is wrong in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest

import fastmove as fm

POINTS = np.random.default_rng(3).uniform([0.5, -0.2, 0.1], [0.6, 0.2, 0.3], (200, 3))


def write_cloud(folder: Path, kind: str) -> Path:
    """The same points in a file of this kind."""
    file = folder / f"cloud.{kind.split('-')[0]}"
    rows = "\n".join(" ".join(f"{x:.9f}" for x in p) for p in POINTS)
    match kind:
        case "npy":
            np.save(file, POINTS)
        case "npz":
            np.savez(file, points=POINTS, colours=np.zeros((200, 3)))
        case "xyz" | "txt":
            file.write_text(f"# a cloud\n{rows}\n")
        case "pts":
            file.write_text(f"{len(POINTS)}\n{rows}\n")
        case "csv":
            file.write_text("x,y,z,intensity\n" + "\n".join(",".join(map(repr, [*p.tolist(), 7.0])) for p in POINTS))
        case "ply":
            head = f"ply\nformat ascii 1.0\nelement vertex {len(POINTS)}\n"
            file.write_text(head + "".join(f"property float {x}\n" for x in "xyz") + f"end_header\n{rows}\n")
        case "ply-binary":
            head = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(POINTS)}\n"
            head += "".join(f"property float {x}\n" for x in "xyz") + "end_header\n"
            file.write_bytes(head.encode() + POINTS.astype("<f4").tobytes())
        case "pcd" | "pcd-binary" | "pcd-compressed":
            from pypcd4 import Encoding
            from pypcd4.pypcd4 import PointCloud

            how = {"pcd": Encoding.ASCII, "pcd-binary": Encoding.BINARY}.get(kind, Encoding.BINARY_COMPRESSED)
            PointCloud.from_xyz_points(POINTS.astype(np.float32)).save(file, how)
    return file


@pytest.mark.parametrize(
    "kind", ["npy", "npz", "xyz", "txt", "pts", "csv", "ply", "ply-binary", "pcd", "pcd-binary", "pcd-compressed"]
)
def test_a_cloud_is_the_same_in_every_kind_of_file(kind: str, tmp_path: Path) -> None:
    np.testing.assert_allclose(fm.load_points(write_cloud(tmp_path, kind)), POINTS, atol=1e-6)


def test_records_with_more_fields_than_x_y_z(tmp_path: Path) -> None:
    records = np.zeros(200, dtype=[("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<u4")])
    for k, key in enumerate("xyz"):
        records[key] = POINTS[:, k]
    np.savez(tmp_path / "cloud.npz", records)
    np.testing.assert_allclose(fm.load_points(tmp_path / "cloud.npz"), POINTS, atol=1e-6)


def test_whole_numbers_need_a_unit(tmp_path: Path) -> None:
    np.save(tmp_path / "mm.npy", np.round(POINTS * 1000).astype(np.int16))
    with pytest.raises(fm.InputError, match=r"unit: is missing: mm\.npy holds whole numbers"):
        fm.load_points(tmp_path / "mm.npy")
    np.testing.assert_allclose(fm.load_points(tmp_path / "mm.npy", 1e-3), POINTS, atol=6e-4)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.ply", b"ply\nformat ascii 1.0\nelement vertex 4\n", "is no .ply point cloud"),
        ("a.pcd", b"VERSION .7\nFIELDS x y\n", "is no .pcd point cloud"),
        ("a.xyz", b"1 2\n3 4\n", "fewer than three numbers"),
        ("a.xyz", b"1 2 three\n", "is no .xyz point cloud"),
        ("a.npz", b"PK\x03\x04", "is no .npz array"),
        ("a.las", b"", "is no kind of point cloud that is read"),
        ("a.npy", b"", "is no .npy array"),
    ],
)
def test_a_broken_cloud_is_named(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(fm.InputError, match=says):
        fm.load_points(tmp_path / name)


def test_arrays_that_are_no_cloud_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", a=POINTS, b=POINTS)
    with pytest.raises(fm.InputError, match="holds 2 arrays"):
        fm.load_points(tmp_path / "two.npz")
    np.save(tmp_path / "flat.npy", POINTS.ravel())
    with pytest.raises(fm.InputError, match=r"\(N, 3\) is needed"):
        fm.load_points(tmp_path / "flat.npy")


OLDER = """(noname)+
* a table
1
box
0.6 1.2 0.05
0.7 0 -0.025
0 0 0 1
0 0 0 0
* can
1
cylinder
0.04 0.12
0.5 0.2 0.06
0 0 0 1
0 0 0 0
.
"""
NEWER = """scene
* a table
0.7 0 -0.025
0 0 0 1
2
box
0.6 1.2 0.05
0 0 0
0 0 0 1
0 0 0 0
mesh
4 4
0 0 0
0.1 0 0
0 0.1 0
0 0 0.1
0 1 2
0 1 3
0 2 3
1 2 3
0 0 0.1
0 0 0 1
0 0 0 0
1
corner
0.3 0.6 0
0 0 0 1
* can
0.5 0.2 0.06
0 0 0.7071067811865476 0.7071067811865476
1
cylinder
0.04 0.12
0 0 0
0 0 0 1
1 0 0 1
0
.
"""
MESSAGE = """
name: kitchen
world:
  collision_objects:
    - id: a table
      header: {frame_id: world}
      pose: {position: {x: 0.7, y: 0.0, z: -0.025}, orientation: {x: 0.0, y: 0.0, z: 0.0, w: 0.0}}
      primitives: [{type: 1, dimensions: [0.6, 1.2, 0.05]}]
      primitive_poses: [{position: {x: 0, y: 0, z: 0}, orientation: {w: 1}}]
      operation: 0
    - id: can
      header: {frame_id: /world}
      primitives: [{type: cylinder, dimensions: [0.12, 0.04]}]
      primitive_poses: [{position: [0.5, 0.2, 0.06], orientation: [0, 0, 0, 1]}]
    - id: gone
      operation: 1
robot_state:
  attached_collision_objects:
    - {link_name: hand, object: {id: mug}}
"""


@pytest.mark.parametrize(("name", "text"), [("old.scene", OLDER), ("new.scene", NEWER), ("kitchen.yaml", MESSAGE)])
def test_the_same_table_and_can_in_every_kind_of_scene(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.warns(UserWarning, match="mug") if "mug" in text else _nothing():
        table, can = fm.load_scene(tmp_path / name)
    assert (table.name, can.name) == ("a table", "can")
    np.testing.assert_allclose(table.shapes[0].size, [0.6, 1.2, 0.05])
    np.testing.assert_allclose(table.shapes[0].placement.translation, [0.7, 0.0, -0.025])
    assert (can.shape.radius, can.shape.length) == (0.04, 0.12)
    np.testing.assert_allclose(can.placement.translation, [0.5, 0.2, 0.06])
    if len(table.shapes) > 1:  # the mesh, in the table's own frame
        corners = np.vstack([shape.hull_points() for shape in table.shapes[1:]])
        np.testing.assert_allclose(corners.min(axis=0), [0.7, 0.0, 0.075], atol=0.03)
        np.testing.assert_allclose(corners.max(axis=0), [0.8, 0.1, 0.175], atol=0.03)


def _nothing():  # type: ignore[no-untyped-def]
    from contextlib import nullcontext

    return nullcontext()


def test_a_frame_that_is_taken_for_the_world_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(MESSAGE.replace("/world", "camera").replace("world}", "camera}"))
    with pytest.warns(UserWarning, match="poses are in the frame 'camera', which is taken for the world"):
        assert len(fm.load_scene(tmp_path / "a.yaml")) == 2


def test_a_scene_may_be_placed_and_a_cone_is_enclosed(tmp_path: Path) -> None:
    (tmp_path / "a.scene").write_text(OLDER.replace("cylinder", "cone"))
    there = pin.SE3(np.eye(3), np.array([0.0, 0.0, 0.4]))
    _, cone = fm.load_scene(tmp_path / "a.scene", there)
    assert cone.shape.type == "cylinder"
    assert cone.placement.translation[2] == pytest.approx(0.46)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.scene", OLDER[:-2], "no dot at its end"),
        ("a.scene", OLDER.replace("0.6 1.2 0.05", "0.6 1.2"), "a.scene"),
        ("a.scene", "(noname)+\n.\n", "has no object"),
        ("a.scene", OLDER.replace("box\n", "octree\n"), "a table"),
        ("a.yaml", "world: {collision_objects: [{id: floor, planes: [{coef: [0, 0, 1, 0]}]}]}", "floor: is a plane"),
        ("a.yaml", "world: {collision_objects: []}", "has no collision object"),
        ("a.yaml", "world: {octomap: {octomap: {data: [1, 2]}}, collision_objects: []}", "octomap: cannot be read"),
        ("a.yaml", "[1, 2", "is no MoveIt scene"),
        ("a.yaml", "world: 3", "is no MoveIt scene"),
        ("a.yaml", "", "is no MoveIt scene"),
        (
            "a.yaml",
            "[{id: a, header: {frame_id: map}}, {id: b, header: {frame_id: base}}]",
            "are in several frames",
        ),
    ],
)
def test_a_scene_that_cannot_be_checked_against_is_refused(name: str, text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(fm.InputError, match=says):
        fm.load_scene(tmp_path / name)


def test_problems_name_scenes_and_clouds(tmp_path: Path) -> None:
    (tmp_path / "old.scene").write_text(OLDER)
    write_cloud(tmp_path, "pcd")
    ends = "\n".join(f"[{end}]\nq = [{x}, -0.3, 0.0, -2.2, 0.0, 1.9, 0.785]" for end, x in (("start", 0.4), ("goal", -0.4)))
    text = (
        f'format = 1\nrobot = "panda"\n{ends}\n[[scenes]]\nfile = "old.scene"\nposition = [0.0, 0.0, -1.0]\n'
        '[[obstacles]]\nname = "seen"\ntype = "points"\nfile = "cloud.pcd"\n'
    )
    (tmp_path / "problem.toml").write_text(text)
    problem = fm.load_problem(tmp_path / "problem.toml")
    assert [obstacle.name for obstacle in problem.scene.obstacles] == ["seen", "a table", "can"]
    assert problem.scene.obstacles[2].placement.translation[2] == pytest.approx(-0.94)
    (tmp_path / "problem.toml").write_text(text.replace("old.scene", "other.scene"))
    with pytest.raises(fm.InputError, match="no such scene file"):
        fm.load_problem(tmp_path / "problem.toml")
