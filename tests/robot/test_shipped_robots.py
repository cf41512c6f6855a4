"""The shipped UR arms: kinematics against published numbers, physical inertias, enclosing shapes, plans that hold."""

from pathlib import Path

import coal
import numpy as np
import pinocchio as pin
import pytest
from generators import block, end_is_usable, pinched

import fastmove as fm
from fastmove.collision.checker import Collision
from fastmove.errors import MissingPackage
from fastmove.multibody.assembly import assemble, hand_overlaps
from fastmove.problem.goal import Goal, State
from fastmove.problem.scene import Scene
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.link_geometry import LinkShape
from fastmove.robot.model import RobotModel
from fastmove.robot.shipped import example_robot_data

# Denavit–Hartenberg: a [m], d [m], α [rad] per joint, as Universal Robots publishes them.
TURNS = (np.pi / 2, 0.0, 0.0, np.pi / 2, -np.pi / 2, 0.0)
DH = {
    "ur5e": ((0, -0.425, -0.3922, 0, 0, 0), (0.1625, 0, 0, 0.1333, 0.0997, 0.0996)),
    "ur5": ((0, -0.425, -0.39225, 0, 0, 0), (0.089159, 0, 0, 0.10915, 0.09465, 0.0823)),
}
ARM_LINKS = ("base_link", "shoulder_link", "upper_arm_link", "forearm_link", "wrist_1_link", "wrist_2_link", "wrist_3_link")
MESHES = ("base", "shoulder", "upperarm", "forearm", "wrist1", "wrist2", "wrist3")
HOME = np.array([0.0, -np.pi / 2, 0.0, -np.pi / 2, 0.0, 0.0])
READY = np.array([0.0, -np.pi / 2, np.pi / 2, -np.pi / 2, -np.pi / 2, 0.0])
FRANKA_READY = np.array([0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785])
READY_OF = {"panda": FRANKA_READY, "fr3": FRANKA_READY, "ur5": READY, "ur5e": READY}


@pytest.mark.parametrize("name", fm.known_robots())
def test_every_robot_that_ships_is_whole(name: str) -> None:
    """Shapes on every link that moves, bodies that can be, hands that open, and a motion that is certified."""
    robot = fm.load_robot(name)
    moved = [joint for joint in robot.joint_names if robot.model.existJointName(joint)]
    assert len(moved) == robot.n_arm and robot.payload > 0 and robot.grippers
    held_by = {robot.model.frames[robot.model.getFrameId(shape.link)].parentJoint for shape in robot.shapes}
    assert {robot.model.getJointId(joint) for joint in robot.joint_names[1:]} <= held_by
    for inertia in list(robot.model.inertias)[1:]:
        moments = np.linalg.eigvalsh(np.array(inertia.inertia))
        assert inertia.mass >= 0 and moments.min() >= 0 and moments[2] <= moments[0] + moments[1] + 1e-9
    hand = robot.gripper()
    assert hand.opening[0] < hand.opening[1] and 0 < hand.force[0] <= hand.force[1]
    for limits in robot.limits:
        here = np.clip(READY_OF[name], robot.limit_set(limits).position_min, robot.limit_set(limits).position_max)
        there = fm.Goal((here + 0.2)[None])
        problem = fm.TransferProblem("step", robot, (), fm.Scene(), fm.State.rest(here), there, limits)
        assert fm.plan(problem).raise_for_status().certificate.ok


@pytest.fixture(params=sorted(DH))
def robot(request: pytest.FixtureRequest) -> RobotModel:
    return fm.load_robot(request.param)


@pytest.fixture(scope="module")
def ur_description() -> Path:
    """Folder of the ur5 in example-robot-data."""
    try:
        return example_robot_data() / "robots" / "ur_description"
    except MissingPackage as error:
        pytest.skip(str(error))


def frames(robot: RobotModel, q: np.ndarray) -> dict[str, pin.SE3]:
    """Placement of every frame in the world, fingers closed."""
    data, whole = robot.model.createData(), pin.neutral(robot.model)
    whole[: robot.n_arm] = q
    pin.framesForwardKinematics(robot.model, data, whole)
    return {frame.name: data.oMf[k] for k, frame in enumerate(robot.model.frames)}


def published_tool(name: str, q: np.ndarray) -> np.ndarray:
    """(4, 4) flange in base_link by the DH formula; base_link is turned by half a turn from the DH base."""
    found = np.diag([-1.0, -1.0, 1.0, 1.0])
    for theta, a, d, alpha in zip(q, *DH[name], TURNS, strict=True):
        c, s, ca, sa = np.cos(theta), np.sin(theta), np.cos(alpha), np.sin(alpha)
        found = found @ [[c, -s * ca, s * sa, a * c], [s, c * ca, -c * sa, a * s], [0, sa, ca, d], [0, 0, 0, 1]]
    return np.asarray(found)


def transfer(robot: RobotModel, start: np.ndarray, goal: np.ndarray, size: float = 0.05, force: float = 40.0) -> TransferProblem:
    """A cube of this edge in free space from start to goal at the default limits."""
    held = pinched(robot, block(0.5, (size, size, size)), force, 0.5)
    name = f"{robot.name} free"
    return TransferProblem(name, robot, (held,), Scene(), State.rest(start), Goal(goal[None]), robot.default_limits)


def random_transfer(robot: RobotModel, seed: int) -> TransferProblem:
    """Between random configurations whose ends are free and can be held."""
    rng = np.random.default_rng(seed)
    while True:
        problem = transfer(robot, *rng.uniform(-np.pi, np.pi, (2, robot.n_arm)))
        if end_is_usable(problem):
            return problem


def test_flange_is_where_the_published_parameters_put_it(robot: RobotModel) -> None:
    rng = np.random.default_rng(1)
    for q in rng.uniform(-2 * np.pi, 2 * np.pi, (100, 6)):
        np.testing.assert_allclose(frames(robot, q)["tool0"].homogeneous, published_tool(robot.name, q), atol=1e-9)


def test_ur5_agrees_with_example_robot_data(ur_description: Path) -> None:
    robot = fm.load_robot("ur5")
    other = pin.buildModelFromUrdf(str(ur_description / "urdf" / "ur5_robot.urdf"))
    data, rng, worst = other.createData(), np.random.default_rng(2), 0.0
    wrist_T_tool = pin.SE3(pin.utils.rotate("x", -np.pi / 2), np.array([0.0, 0.0823, 0.0]))
    for q in rng.uniform(-np.pi, np.pi, (100, 6)):
        pin.framesForwardKinematics(other, data, q)
        tool = data.oMf[other.getFrameId("wrist_3_link")] * wrist_T_tool
        worst = max(worst, float(np.abs(tool.homogeneous - frames(robot, q)["tool0"].homogeneous).max()))
    assert worst <= 1e-6


def test_inertias_are_physical(robot: RobotModel) -> None:
    """Positive definite, triangle inequality, radius of gyration of a link of that size; the hand weighs what it should."""
    for name, inertia in zip(robot.model.names[1:], list(robot.model.inertias)[1:], strict=True):
        moments = np.linalg.eigvalsh(inertia.inertia)
        assert inertia.mass > 0 and moments[0] > 0, name
        assert moments[2] <= moments[0] + moments[1] + 1e-12, name
        radius = np.sqrt(moments[2] / inertia.mass)
        reach = 0.22 if name in ("shoulder_lift_joint", "elbow_joint") else 0.09
        assert 0.01 < radius < reach, (name, radius)
        assert np.linalg.norm(inertia.lever) < 0.3, name
    wrist = robot.model.inertias[robot.model.getJointId("wrist_3_joint")].mass
    fingers = sum(robot.model.inertias[robot.model.getJointId(j)].mass for j in robot.gripper().finger_joints)
    tool = wrist + fingers - {"ur5e": 0.365, "ur5": 0.1879 + 0.3}[robot.name]
    assert tool == pytest.approx(0.925, abs=1e-9)


def test_limit_sets(robot: RobotModel) -> None:
    assert robot.default_limits == {"ur5e": "ur", "ur5": "benchmark"}[robot.name]
    speed = {"ur5e": [3.1416] * 6, "ur5": [3.15] * 3 + [3.2] * 3}[robot.name]
    for limits in robot.limits.values():
        np.testing.assert_array_equal(limits.velocity, speed)
        np.testing.assert_array_equal(limits.effort, [150.0] * 3 + [28.0] * 3)
        np.testing.assert_array_equal(limits.acceleration, 15.0)
        np.testing.assert_array_equal(limits.jerk, 500.0)
    assert robot.payload == pytest.approx({"ur5e": 4.075, "ur5": 3.775}[robot.name])


def test_nothing_touches_at_home_and_no_pair_needs_an_exception(robot: RobotModel) -> None:
    assert set(robot.unchecked_pairs.values()) == {"adjacent"}
    problem = transfer(robot, HOME, READY).with_(clearance=0.002)
    collision = Collision(problem, assemble(problem))
    ends = collision.ends(HOME, READY)
    for q in (HOME, READY, np.zeros(6)):
        assert collision.margins_at(q, ends) == []


def test_an_item_between_the_pads_overlaps_no_finger(robot: RobotModel) -> None:
    for size in (0.02, 0.03, 0.05):
        worst = min(hand_overlaps(assemble(transfer(robot, HOME, READY, size))))
        assert worst[0] >= 0, (size, worst)


def test_pads_are_where_the_opening_says(robot: RobotModel) -> None:
    """The inner face of each fingertip is at y = ± half the opening in the tool frame, and covers the pad there."""
    gripper = robot.gripper()
    for opening in (0.0, 0.05, 0.085):
        whole = pin.neutral(robot.model)
        for joint, value in gripper.finger_positions(opening).items():
            whole[robot.model.joints[robot.model.getJointId(joint)].idx_q] = value
        data = robot.model.createData()
        pin.framesForwardKinematics(robot.model, data, whole)
        world_T_tool = data.oMf[robot.model.getFrameId(gripper.parent_frame)] * gripper.parent_T_tool
        for side, link in ((1.0, gripper.links[1]), (-1.0, gripper.links[2])):
            tip = next(s for s in robot.shapes if s.link == link)
            there = world_T_tool.actInv(data.oMf[robot.model.getFrameId(link)] * tip.placement)
            half = np.asarray(tip.geometry.halfSide)
            np.testing.assert_allclose(there.rotation, np.eye(3), atol=1e-9)
            assert side * there.translation[1] - half[1] == pytest.approx(opening / 2, abs=1e-6)
            assert 2 * half[0] >= gripper.pad_size[0] and 2 * half[2] >= gripper.pad_size[1]


# -- enclosure ------------------------------------------------------------------------------------------------------------


def surface_points(path: Path, step: float = 0.006) -> np.ndarray:
    """(N, 3) points over the triangles of a mesh, vertices included [m]."""
    mesh = coal.MeshLoader().load(str(path), np.ones(3))
    vertices = np.array(mesh.vertices())
    found = [vertices]
    for k in range(mesh.num_tris):
        a, b, c = vertices[[mesh.tri_indices(k)[j] for j in range(3)]]
        count = int(np.ceil(max(np.linalg.norm(b - a), np.linalg.norm(c - a), np.linalg.norm(c - b)) / step))
        i, j = (np.ravel(x) / count for x in np.meshgrid(np.arange(count + 1), np.arange(count + 1)))
        inside = i + j <= 1 + 1e-9
        found.append(a + i[inside, None] * (b - a) + j[inside, None] * (c - a))
    return np.concatenate(found)


def outside(shape: LinkShape, points: np.ndarray) -> np.ndarray:
    """(N,) distance of points (in the link's frame) outside a shape [m], negative inside."""
    local = (points - shape.placement.translation) @ shape.placement.rotation
    geometry = shape.geometry
    if isinstance(geometry, coal.Box):
        beyond = np.abs(local) - np.asarray(geometry.halfSide)
        return np.asarray(np.linalg.norm(np.maximum(beyond, 0), axis=1) + np.minimum(beyond.max(axis=1), 0))
    around, along = np.linalg.norm(local[:, :2], axis=1), np.abs(local[:, 2]) - geometry.halfLength
    if isinstance(geometry, coal.Capsule):
        return np.asarray(np.hypot(around, np.maximum(along, 0)) - geometry.radius)
    beyond = np.stack([around - geometry.radius, along], axis=1)
    return np.asarray(np.linalg.norm(np.maximum(beyond, 0), axis=1) + np.minimum(beyond.max(axis=1), 0))


def test_ur5_shapes_enclose_the_arm(ur_description: Path) -> None:
    """No point of example-robot-data's collision meshes sticks out of our shapes."""
    robot = fm.load_robot("ur5")
    other = pin.buildModelFromUrdf(str(ur_description / "urdf" / "ur5_robot.urdf"))
    data = other.createData()
    pin.framesForwardKinematics(other, data, np.zeros(6))
    ours, worst, count = frames(robot, np.zeros(6)), {}, 0
    for link, mesh in zip(ARM_LINKS, MESHES, strict=True):
        link_T_mesh = ours[link].actInv(data.oMf[other.getFrameId(link)])
        points = surface_points(ur_description / "meshes" / "ur5" / "collision" / f"{mesh}.stl")
        points = points @ link_T_mesh.rotation.T + link_T_mesh.translation
        shapes = [s for s in robot.shapes if s.link == link]
        worst[link] = float(np.min([outside(s, points) for s in shapes], axis=0).max())
        count += len(shapes)
    assert max(worst.values()) <= 1e-6 and count <= 30


# -- plans ----------------------------------------------------------------------------------------------------------------


def test_a_transfer_is_planned_and_certified(robot: RobotModel) -> None:
    solution = fm.plan(random_transfer(robot, 0)).raise_for_status()
    assert solution.ok and solution.certificate.ok


def test_the_simulation_holds_what_is_planned(robot: RobotModel) -> None:
    pytest.importorskip("mujoco", reason="mujoco is not installed")
    from fastmove.execution.slip_test import Verdict, judge

    goal = READY + np.array([1.2, -0.3, 0.6, -0.4, 0.5, 0.8])
    solution = fm.plan(transfer(robot, READY, goal, force=20.0)).raise_for_status()
    judgement = judge(solution.problem, solution.trajectory)
    assert judgement.verdict is Verdict.HELD
