"""Xacro files: expanded with their arguments and packages, read nowhere else, and named where they cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fastmove as fm
from fastmove.cli.main import main
from fastmove.robot import xacro_file

NAMESPACE = 'xmlns:xacro="http' + '://www.ros.org/wiki/xacro"'
SEGMENT = f"""<robot {NAMESPACE}><xacro:macro name="seg" params="name parent z">
<link name="${{name}}"><inertial><origin xyz="0 0 0.1"/><mass value="1"/>
<inertia ixx="0.01" iyy="0.01" izz="0.01" ixy="0" ixz="0" iyz="0"/></inertial>
<collision><origin xyz="0 0 0.1"/><geometry><box size="0.05 0.05 0.15"/></geometry></collision></link>
<joint name="turn_${{name}}" type="revolute"><parent link="${{parent}}"/><child link="${{name}}"/><origin xyz="0 0 ${{z}}"/>
<axis xyz="0 1 0"/><limit lower="${{-pi/2}}" upper="${{pi/2}}" velocity="2" effort="50"/></joint></xacro:macro></robot>"""
ARM = f"""<robot {NAMESPACE} name="arm"><xacro:arg name="count" default="2"/>
<xacro:include filename="$(find my_robot)/urdf/segment.xacro"/><link name="base"/>
<xacro:seg name="a" parent="base" z="0.1"/><xacro:seg name="b" parent="a" z="0.25"/>
<xacro:if value="${{xacro.arg('count') == '3'}}"><xacro:seg name="c" parent="b" z="0.25"/></xacro:if></robot>"""


@pytest.fixture
def arm(tmp_path: Path) -> Path:
    """A package with a xacro file that includes another one by the package's name."""
    folder = tmp_path / "checked_out_under_another_name"
    (folder / "urdf").mkdir(parents=True)
    (folder / "package.xml").write_text("<package><name>my_robot</name></package>")
    (folder / "urdf" / "segment.xacro").write_text(SEGMENT)
    file = folder / "urdf" / "arm.urdf.xacro"
    file.write_text(ARM)
    return file


def test_a_xacro_file_is_expanded_with_its_arguments(arm: Path) -> None:
    assert fm.RobotModel.from_urdf(arm).joint_names == ("turn_a", "turn_b")
    robot = fm.RobotModel.from_urdf(arm, config={"xacro": {"count": 3}})
    assert robot.joint_names == ("turn_a", "turn_b", "turn_c")
    np.testing.assert_allclose(robot.limit_set().position_max, np.pi / 2)


def test_a_drafted_robot_keeps_the_arguments(arm: Path, tmp_path: Path) -> None:
    out = tmp_path / "robot.toml"
    assert main(["robot", "check", str(arm), "--xacro", "count:=3", "--out", str(out)]) == 0
    assert fm.load_robot(out).n_arm == 3


def test_a_file_elsewhere_is_not_read(arm: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.xacro"
    secret.write_text(SEGMENT)
    arm.write_text(ARM.replace("$(find my_robot)/urdf/segment.xacro", str(secret)))
    with pytest.raises(fm.InputError, match=r"secret\.xacro lies outside of the folders given"):
        fm.RobotModel.from_urdf(arm)
    arm.write_text(ARM.replace("<link name", f"${{xacro.load_yaml('{secret}')}}<link name"))
    with pytest.raises(fm.InputError, match="lies outside of the folders given"):
        fm.RobotModel.from_urdf(arm)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("my_robot", "no_such_package", "the package no_such_package is not found"),
        ("<xacro:seg name", "<xacro:sog name", "cannot be expanded"),
        ("${xacro.arg('count') == '3'}", "${1 / 0}", "cannot be expanded: division by zero"),
        ("segment.xacro", "none.xacro", "cannot be expanded"),
    ],
)
def test_what_cannot_be_expanded_is_named(arm: Path, old: str, new: str, says: str) -> None:
    arm.write_text(ARM.replace(old, new, 1))
    with pytest.raises(fm.InputError, match=says):
        fm.RobotModel.from_urdf(arm)


def test_an_endless_expansion_ends(arm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xacro_file, "TIME", 3.0)
    arm.write_text(ARM.replace("${xacro.arg('count') == '3'}", "${len(str(9 ** (9 ** 9)))}"))
    with pytest.raises(fm.InputError, match=r"does not end within 3 s|cannot be expanded"):
        fm.RobotModel.from_urdf(arm)


def test_without_xacro_the_sentence_says_what_to_install(arm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xacro_file.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(fm.MissingPackage, match=r"this is a xacro file; .* pip install 'fastmove\[xacro\]'"):
        fm.RobotModel.from_urdf(arm)


def test_meshes_by_absolute_paths_into_its_own_package_are_read(arm: Path) -> None:
    (arm.parents[1] / "meshes").mkdir()
    box = "v 0 0 0\nv 0 0 0.1\nv 0 0.1 0\nv 0.1 0 0\nf 1 2 3\nf 1 2 4\nf 1 3 4\nf 2 3 4\n"
    (arm.parents[1] / "meshes" / "box.obj").write_text(box)
    mesh = '<mesh filename="file:///$(find my_robot)/meshes/box.obj"/>'
    (arm.parent / "segment.xacro").write_text(SEGMENT.replace('<box size="0.05 0.05 0.15"/>', mesh))
    assert len(fm.RobotModel.from_urdf(arm).shapes) == 2


def test_an_argument_without_a_default_is_asked_for(arm: Path) -> None:
    arm.write_text(ARM.replace('name="arm"', 'name="$(arg side)_arm"'))
    with pytest.raises(fm.InputError, match="needs the argument side: --xacro side:="):
        fm.RobotModel.from_urdf(arm)
    assert main(["robot", "check", str(arm), "--xacro", "side:=left", "--xacro", "count:=3"]) == 0


def test_what_expands_the_file_again_uses_the_same_arguments(arm: Path) -> None:
    arm.write_text(ARM.replace("== '3'", "== 'true'"))
    robot = fm.RobotModel.from_urdf(arm, config={"xacro": {"count": True}})
    assert robot.xacro_arguments == {"count": "true"}
    assert robot.n_arm == 3
