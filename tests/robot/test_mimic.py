"""Joints that mimic others: those of hands follow their law, those of arms are refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest

import fastmove as fm
from fastmove.multibody.assembly import assemble
from fastmove.robot.link_geometry import link_frame

BODY = (
    '<inertial><mass value="1"/><inertia ixx="0.01" iyy="0.01" izz="0.01" ixy="0" ixz="0" iyz="0"/></inertial>'
    '<collision><geometry><box size="0.04 0.04 0.04"/></geometry></collision>'
)


def write_robot(folder: Path, laws: dict[str, str], extra: str = "") -> Path:
    """An arm of two joints and a hand of three sliding ones, some of which mimic others."""
    links = "".join(f'<link name="{name}">{BODY}</link>' for name in ("base", "upper", "lower", "f1", "f2", "f3"))
    slide = '<axis xyz="1 0 0"/><limit lower="-0.05" upper="0.05" velocity="1" effort="10"/>'
    turn = '<axis xyz="0 1 0"/><limit lower="-2" upper="2" velocity="2" effort="50"/>'
    joints = [("j1", "base", "upper", "0 0 0.2", turn), ("j2", "upper", "lower", "0 0 0.2", turn)]
    joints += [(f"s{k}", "lower", f"f{k}", f"0 {0.1 * (k - 2)} 0.1", slide) for k in (1, 2, 3)]
    kind = {"s": "prismatic", "j": "revolute"}
    text = "".join(
        f'<joint name="{name}" type="{kind[name[0]]}"><parent link="{parent}"/><child link="{child}"/>'
        f'<origin xyz="{xyz}"/>{rest}{laws.get(name, "")}</joint>'
        for name, parent, child, xyz, rest in joints
    )
    file = folder / "arm.urdf"
    file.write_text(f'<robot name="arm">{links}{text}{extra}</robot>')
    return file


def finger_shift(robot: fm.RobotModel, finger: str) -> float:
    """How far along x a finger stands from where it is at zero."""
    state = fm.State.rest(np.zeros(2))
    problem = fm.TransferProblem("p", robot, (), fm.Scene(), state, fm.Goal([[0.1, 0.1]]), robot.default_limits)
    arm = assemble(problem).arm
    data = arm.createData()
    pin.forwardKinematics(arm, data, np.zeros(2))
    frame = link_frame(arm, finger)
    return float((data.oMi[frame.parentJoint] * frame.placement).translation[0])


@pytest.mark.parametrize(("multiplier", "offset"), [(1.0, 0.01), (-0.5, 0.02), (0.0, -0.03)])
def test_followers_stand_where_their_law_says(multiplier: float, offset: float, tmp_path: Path) -> None:
    laws = {
        "s2": f'<mimic joint="s1" multiplier="{multiplier}" offset="{offset}"/>',
        "s3": '<mimic joint="s2" multiplier="2"/>',
    }
    robot = fm.RobotModel.from_urdf(write_robot(tmp_path, laws), config={"joints": ["j1", "j2"]})
    assert finger_shift(robot, "f1") == pytest.approx(0.0, abs=1e-12)
    assert finger_shift(robot, "f2") == pytest.approx(offset, abs=1e-12)
    assert finger_shift(robot, "f3") == pytest.approx(2 * offset, abs=1e-12)


def test_the_follower_of_a_finger_goes_with_it(tmp_path: Path) -> None:
    laws = {"s2": '<mimic joint="s1" multiplier="-1"/>', "s3": '<mimic joint="s2" offset="0.001"/>'}
    gripper = {
        "link": "lower", "tool": {"position": [0.0, 0.0, 0.1], "quaternion_xyzw": [0.0, 0.0, 0.0, 1.0]},
        "fingers": [{"joint": "s1", "scale": 0.5}], "links": ["f1", "f2"], "pad_size": [0.02, 0.02], "opening": [0.0, 0.08],
        "force": [5.0, 50.0],
    }  # fmt: skip
    robot = fm.RobotModel.from_urdf(write_robot(tmp_path, laws), config={"joints": ["j1", "j2"], "gripper": {"two": gripper}})
    assert finger_shift(robot, "f1") == pytest.approx(0.04)
    assert finger_shift(robot, "f2") == pytest.approx(-0.04)
    assert finger_shift(robot, "f3") == pytest.approx(-0.039)


@pytest.mark.parametrize(
    ("laws", "joints", "says"),
    [
        ({"j2": '<mimic joint="j1"/>'}, None, "joint j2: mimics j1"),
        ({"s1": '<mimic joint="j1"/>'}, ["j1", "j2"], "joint s1: mimics j1"),
        ({"j2": '<mimic joint="no"/>'}, ["j1", "j2"], "joint j2: mimics no"),
        ({"s1": '<mimic joint="s2"/>', "s2": '<mimic joint="s1"/>'}, ["j1", "j2"], "go round in a circle"),
        ({"s1": '<mimic joint="s2" multiplier="x"/>'}, ["j1", "j2"], "multiplier = 'x'; a number is needed"),
    ],
)
def test_laws_that_cannot_be_followed_are_named(
    laws: dict[str, str], joints: list[str] | None, says: str, tmp_path: Path
) -> None:
    with pytest.raises(fm.InputError, match=says):
        fm.RobotModel.from_urdf(write_robot(tmp_path, laws), config={} if joints is None else {"joints": joints})


def test_a_follower_without_its_leader_is_an_assumption(tmp_path: Path) -> None:
    robot = fm.RobotModel.from_urdf(write_robot(tmp_path, {"s1": '<mimic joint="no"/>'}), config={"joints": ["j1", "j2"]})
    assert "s1 (mimics no, which is no joint of the file) stands still at 0" in robot.assumes
    assert finger_shift(robot, "f1") == 0.0


def test_a_floating_base_stands_still_where_the_arm_is_named(tmp_path: Path) -> None:
    extra = '<link name="world"/><joint name="float" type="floating"><parent link="world"/><child link="base"/></joint>'
    file = write_robot(tmp_path, {}, extra)
    with pytest.raises(fm.InputError, match="joint float: is floating"):
        fm.RobotModel.from_urdf(file)
    robot = fm.RobotModel.from_urdf(file, config={"joints": ["j1", "j2"]})
    assert finger_shift(robot, "f1") == pytest.approx(0.0, abs=1e-12)
