"""Other people's URDFs: what they leave out is refused or said, each kind in one sentence that names file, link or joint."""

from pathlib import Path

import numpy as np
import pytest

import fastmove as fm
from fastmove.certificate.certify import certify
from fastmove.geometry.poses import pose
from fastmove.geometry.shapes import Shape
from fastmove.problem.goal import Goal, State
from fastmove.problem.scene import Obstacle, Scene
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.link_geometry import LARGEST_LINK

INERTIAL = (
    '<inertial><origin xyz="0 0 0.1"/><mass value="{mass}"/>'
    '<inertia ixx="{xx}" iyy="0.02" izz="0.01" ixy="0" ixz="0" iyz="0"/></inertial>'
)
BOX = '<collision><origin xyz="0 0 0.12"/><geometry><box size="0.06 0.06 0.16"/></geometry></collision>'
START, GOAL = np.array([0.1, 0.3, 0.5]), np.array([0.8, 0.6, -0.2])


def link(name: str, mass: float = 1.5, xx: float = 0.02, shape: str = BOX, visual: str = "") -> str:
    inertial = INERTIAL.format(mass=mass, xx=xx) if mass else ""
    return f'<link name="{name}">{inertial}{visual}{shape}</link>'


def joint(
    name: str, parent: str, child: str, axis: str = "0 1 0", kind: str = "revolute", limit: str = "", more: str = ""
) -> str:
    limit = limit or 'lower="-2.5" upper="2.5" effort="80" velocity="2"'
    ends = f'<parent link="{parent}"/><child link="{child}"/><origin xyz="0 0 0.25"/>'
    return f'<joint name="{name}" type="{kind}">{ends}<axis xyz="{axis}"/><limit {limit}/>{more}</joint>'


def arm(**parts: str) -> str:
    """An arm of three joints; any part may be another."""
    usual = {name: link(name) for name in ("foot", "lower", "upper", "hand")}
    usual |= {
        "turn": joint("turn", "foot", "lower", "0 0 1"),
        "bend": joint("bend", "lower", "upper"),
        "wrist": joint("wrist", "upper", "hand"),
    }
    return f'<robot name="arm">{"".join((usual | parts).values())}</robot>'


def read(folder: Path, text: str | bytes, config: dict[str, object] | None = None, **more: object) -> fm.RobotModel:
    path = folder / "arm.urdf"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return fm.RobotModel.from_urdf(path, config=config, **more)  # type: ignore[arg-type]


def problem(robot: fm.RobotModel, *obstacles: Obstacle, start: np.ndarray = START, goal: np.ndarray = GOAL) -> TransferProblem:
    return TransferProblem("t", robot, (), Scene(obstacles), State.rest(start), Goal([goal]), robot.default_limits)


REFUSED = {
    "no shape": (arm(upper=link("upper", shape="")), "link upper: has no collision shape"),
    "a visual alone": (
        arm(lamp=link("lamp", 0, shape="", visual="<visual/>"), screw=joint("screw", "hand", "lamp", kind="fixed")),
        "link lamp: has no collision shape",
    ),
    "no mass": (arm(hand=link("hand", 0)), "link hand: has no mass"),
    "an inertia of no body": (arm(lower=link("lower", xx=0.5)), "link lower: has an inertia that no body has"),
    "a mass that is no number": (arm(lower=link("lower").replace("1.5", "x")), "link lower: has value = 'x'"),
    "no speed": (
        arm(bend=joint("bend", "lower", "upper", limit='lower="-1" upper="1" effort="9"')),
        "joint bend: has the velocity",
    ),
    "reversed limits": (
        arm(wrist=joint("wrist", "upper", "hand", limit='lower="1" upper="-1" effort="9" velocity="1"')),
        "joint wrist: has the limits lower = 1, upper = -1",
    ),
    "effort nan": (
        arm(turn=joint("turn", "foot", "lower", limit='lower="-1" upper="1" effort="nan" velocity="1"')),
        "joint turn: has the effort limit nan",
    ),
    "a planar joint": (arm(turn=joint("turn", "foot", "lower", kind="planar")), "joint turn: is planar"),
    "a follower": (
        arm(wrist=joint("wrist", "upper", "hand", more='<mimic joint="bend" multiplier="-1"/>')),
        "joint wrist: mimics bend",
    ),
    "two parents": (arm(again=joint("again", "foot", "hand")), "joint again: is a second joint that carries hand"),
    "two trees": (arm(alone=link("alone")), "has 2 links that nothing carries"),
    "a name twice": (arm(double=link("upper")), "link upper: is there more than once"),
    "an unknown link": (arm(wrist=joint("wrist", "upper", "claw")), "joins 'claw', which is no link"),
    "MJCF": ("<mujoco/>", "has the root <mujoco>"),
    "cut off": (arm()[:200], "not a URDF that can be read"),
    "UTF-16": (arm().encode("utf-16"), "save it as UTF-8"),
    "a mesh elsewhere": (
        arm(hand=link("hand", shape='<collision><geometry><mesh filename="file:///etc/hostname"/></geometry></collision>')),
        "lies outside the URDF's folder",
    ),
    "a package unknown": (
        arm(hand=link("hand", shape='<collision><geometry><mesh filename="package://mine/a.stl"/></geometry></collision>')),
        "give the folder that mine lies in",
    ),
    "a mesh that is not there": (
        arm(hand=link("hand", shape='<collision><geometry><mesh filename="a.stl"/></geometry></collision>')),
        "mesh a.stl is not found beside the URDF",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_left_out_or_wrong_is_one_sentence(case: str, tmp_path: Path) -> None:
    text, words = REFUSED[case]
    with pytest.raises(fm.InputError) as caught:
        read(tmp_path, text)
    assert words in str(caught.value) and "arm.urdf" in str(caught.value) and "\n" not in str(caught.value)


def test_a_link_without_a_shape_passes_only_where_it_is_named_twice(tmp_path: Path) -> None:
    robot = read(tmp_path, arm(hand=link("hand", shape="")), {"unshaped": ["hand"]})
    wall = Obstacle("wall", Shape("box", size=np.array([0.05, 0.4, 0.4]), placement=pose([0.9, 0.0, 0.6])))
    there = problem(robot, wall)
    with pytest.raises(fm.InputError, match=r"hand.*accepts = \['hand'\]"):
        fm.plan(there)
    solution = fm.plan(there.with_(accepts=("hand",))).raise_for_status()
    assert solution.certificate.ok and list(solution.certificate.unchecked) == ["hand"]
    assert "not checked (accepted): hand" in str(solution)
    unaccepted = certify(there, solution.trajectory)
    assert not unaccepted.ok and all(entry.ok for entry in unaccepted.kinds.values())
    with pytest.raises(fm.UnknownName, match="claw"):
        read(tmp_path, arm(), {"unshaped": ["claw"]})


def test_what_a_urdf_has_no_word_for_is_said_to_be_assumed(tmp_path: Path) -> None:
    free = joint("bend", "lower", "upper", limit='lower="-2.5" upper="2.5" velocity="2"')
    solution = fm.plan(problem(read(tmp_path, arm(bend=free)))).raise_for_status()
    said = " ".join(solution.certificate.assumes)
    assert "accelerations to 10 rad/s²" in said and "bend can give any torque" in said
    cap = link("cap", 0, shape=BOX.replace("0.12", "0.22").replace("0.16", "0.02"))
    light = read(tmp_path, arm(cap=cap, glue=joint("glue", "hand", "cap", kind="fixed")))
    assert any("cap weighs nothing" in sentence for sentence in light.assumes)
    assert fm.load_robot("panda").assumes == ()


def test_links_and_joints_may_share_names(tmp_path: Path) -> None:
    shared = {"turn": joint("lower", "foot", "lower", "0 0 1"), "bend": joint("upper", "lower", "upper")}
    one, other = fm.plan(problem(read(tmp_path, arm()))), fm.plan(problem(read(tmp_path, arm(**shared))))
    assert other.ok and other.problem.robot.joint_names == ("lower", "upper", "wrist")
    assert {shape.link for shape in other.problem.robot.shapes} == {"foot", "lower", "upper", "hand"}
    assert other.duration == one.duration


def test_continuous_joints_take_the_short_way(tmp_path: Path) -> None:
    turning = joint("turn", "foot", "lower", "0 0 1", kind="continuous", limit='effort="80" velocity="2"')
    robot = read(tmp_path, arm(turn=turning))
    start, goal = np.array([3.0, 0.3, 0.5]), np.array([-3.0, 0.3, 0.5])
    for turns in (0, 1, -3):
        there = problem(robot, start=start, goal=goal + np.array([2 * np.pi * turns, 0, 0]))
        solution = fm.plan(there).raise_for_status()
        assert solution.trajectory.position(solution.duration)[0] - start[0] == pytest.approx(2 * np.pi - 6.0)
    walled = problem(read(tmp_path, arm()), start=np.array([2.4, 0.3, 0.5]), goal=np.array([-2.4, 0.3, 0.5]))
    assert fm.plan(walled).trajectory.position(9e9)[0] == pytest.approx(-2.4)  # ends at ± 2.5 rad: the long way


def test_meshes_lie_beside_the_urdf_in_packages_and_in_their_unit(tmp_path: Path) -> None:
    points = np.array([[x, y, z] for x in (-30, 30) for y in (-30, 30) for z in (0, 160.0)])
    write_obj(tmp_path / "desc" / "meshes" / "part.obj", points)
    (tmp_path / "desc" / "package.xml").write_text("<package><name>my_arm</name></package>")
    (tmp_path / "desc" / "urdf").mkdir()
    for name in ("../meshes/part.obj", "package://my_arm/meshes/part.obj", "package://desc/meshes/part.obj"):
        mesh = f'<collision><geometry><mesh filename="{name}" scale="0.001 0.001 0.001"/></geometry></collision>'
        robot = read(tmp_path / "desc" / "urdf", arm(hand=link("hand", shape=mesh)))
        hand = next(shape for shape in robot.shapes if shape.link == "hand")
        assert np.ptp(np.asarray(hand.geometry.points()).reshape(-1, 3), axis=0) == pytest.approx([0.06, 0.06, 0.16])
        with pytest.raises(
            fm.InputError, match=f"link hand: has a collision shape that is 160 m long; allowed: {LARGEST_LINK:g} m"
        ):
            read(tmp_path / "desc" / "urdf", arm(hand=link("hand", shape=mesh.replace("0.001 0.001 0.001", "1 1 1"))))


def write_obj(path: Path, points: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"v {x} {y} {z}" for x, y, z in points]
    path.write_text("\n".join([*lines, *(f"f {i} {i + 1} {i + 2}" for i in range(1, len(points) - 1))]) + "\n")


def test_a_byte_order_mark_and_a_broken_srdf(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbf" + arm().encode()).n_arm == 3
    (tmp_path / "arm.srdf").write_text("<robot name='arm'><disable_collisions link1='a'")
    with pytest.raises(fm.InputError, match="not an SRDF that can be read"):
        read(tmp_path, arm(), srdf=tmp_path / "arm.srdf")


GRIPPER = {
    "link": "hand",
    "links": ["hand"],
    "tool": {"position": [0, 0, 0.2], "quaternion_xyzw": [0, 0, 0, 1]},
    "fingers": [],
    "pad_size": [0.02, 0.02],
    "opening": [0.0, 0.08],
    "force": [5.0, 80.0],
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pad_size": [20.0, 20.0]}, "pad_size: is [20.0, 20.0]; allowed: 0.0001 to 0.2 m"),
        ({"opening": [0.0, 80.0]}, "opening"),
        ({"opening": [0.08, 0.0]}, "opening"),
        ({"force": [80.0, 5.0]}, "force"),
        ({"force": [-5.0, 80.0]}, "force"),
        ({"links": ["hnd"]}, "'hnd' is no link"),
        ({"disc_radius": 3.0}, "disc_radius"),
    ],
)
def test_hands_of_impossible_sizes_are_named(change: dict[str, object], words: str, tmp_path: Path) -> None:
    assert read(tmp_path, arm(), {"gripper": {"g": GRIPPER}}).gripper().name == "g"
    with pytest.raises(fm.InputError) as caught:
        read(tmp_path, arm(), {"gripper": {"g": GRIPPER | change}})
    assert words in str(caught.value) and "gripper.g." in str(caught.value)


@pytest.mark.parametrize(("key", "value"), [("payload", -1.0), ("armature", [-1.0, 0, 0]), ("damping", [0.0, 0, -2.0])])
def test_what_a_robot_toml_cannot_mean_is_named(key: str, value: object, tmp_path: Path) -> None:
    with pytest.raises(fm.InputError, match=key):
        read(tmp_path, arm(), {key: value})
