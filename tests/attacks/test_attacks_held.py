"""Attacks on what is held: sets, several hands, turned items, streams; each was once possible, none may be again."""

from __future__ import annotations

import itertools
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest
from generators import block, free_space_pairs, held_however, pinched

import fastmove as fm
from fastmove.certificate.certify import certify
from fastmove.certificate.clearance import ContinuousCollisionCheck
from fastmove.drivers.kinematic import KinematicDriver
from fastmove.errors import InputError
from fastmove.execution.events import Event
from fastmove.execution.stream import Execution
from fastmove.geometry.poses import pose
from fastmove.geometry.shapes import Shape
from fastmove.io.trajectory_file import load_trajectory, save_trajectory
from fastmove.multibody.assembly import assemble, goal_frame
from fastmove.problem.goal import Goal, GoalPose, State
from fastmove.problem.grasp import Grasp, HeldItem, hold
from fastmove.problem.scene import AllowedContact, Obstacle, Scene
from fastmove.problem.tolerance import Tolerance
from fastmove.problem.transfer import TransferProblem
from fastmove.problem.uncertainty import Uncertainty, sample_body
from fastmove.robot.model import RobotModel
from fastmove.robot.multi_arm import combine_robots
from fastmove.search.ik import GoalIk, pose_at
from fastmove.solution.solution import Solution, Status
from fastmove.trajectory.bspline import SplineBasis
from fastmove.trajectory.path_curve import PathCurve
from fastmove.trajectory.piecewise_polynomial import quintic_hermite
from fastmove.trajectory.trajectory import Phase, Trajectory

HOME = np.array([0.0, -0.4, 0.0, -2.2, 0.0, 1.8, 0.8])


def line(problem: TransferProblem, duration: float, forces: list[float]) -> Trajectory:
    """Straight from start to goal, eased at both ends."""
    basis = SplineBasis(np.linspace(0, 1, 11))
    share = np.clip((np.arange(basis.size) - 2) / (basis.size - 5), 0, 1)[:, None]
    points = problem.start.q + share * (problem.goal.configurations[0] - problem.start.q)
    openings = [held.width for held in problem.holds]
    return Trajectory((Phase.from_spline(basis, points, duration, forces, openings),), problem.robot.joint_names)


def transfer(robot: RobotModel, holds: tuple[HeldItem, ...], goal: np.ndarray, start: np.ndarray = HOME) -> TransferProblem:
    return TransferProblem("attack", robot, holds, Scene(), State.rest(start), Goal(goal[None]), robot.default_limits)


@pytest.fixture(scope="module")
def simple(panda: fm.RobotModel) -> TransferProblem:
    return transfer(panda, (pinched(panda, block(0.5), 40.0, 0.5),), HOME + 0.3)


@pytest.fixture(scope="module")
def two_hands(panda: fm.RobotModel) -> TransferProblem:
    two = combine_robots({side: panda.at(pose((0.0, y, 0.0))) for side, y in (("left", 0.6), ("right", -0.6))})
    grip = lambda f: Grasp(pose(), 0.5, np.array([f, f]))  # noqa: E731
    holds = tuple(hold(two.gripper(f"{side}_hand"), block(0.3), grip(f)) for side, f in (("left", 40.0), ("right", 30.0)))
    start = np.concatenate([HOME, HOME])
    return transfer(two, holds, start + 0.2, start)


# -- sets -----------------------------------------------------------------------------------------------------------


def waist(folder: Path) -> RobotModel:
    """A gripper at either end of a bar that turns about a horizontal waist: loads at both ends balance."""
    inertia = '<inertia ixx="0.01" ixy="0" ixz="0" iyy="0.01" iyz="0" izz="0.01"/>'
    body = '<inertial><origin xyz="0 0 0"/><mass value="{}"/>' + inertia + "</inertial>"
    parts = ['<link name="base"/>', f'<link name="bar">{body.format(1.0)}</link>']
    joint = '<joint name="{}" type="{}"><parent link="{}"/><child link="{}"/><origin xyz="{}"/><axis xyz="{}"/><limit lower="{}" upper="{}" effort="40" velocity="2"/></joint>'  # noqa: E501
    parts.append(joint.format("waist", "revolute", "base", "bar", "0 0 1", "0 1 0", -2, 2))
    for side, x in (("l", 0.5), ("r", -0.5)):
        parts += [f'<link name="{side}{part}">{body.format(0.01)}</link>' for part in ("hand", "f1", "f2")]
        parts.append(joint.format(f"{side}j", "revolute", "bar", f"{side}hand", f"{x} 0 0", "0 0 1", -2, 2))
        for k, y in ((1, 1), (2, -1)):
            parts.append(joint.format(f"{side}fj{k}", "prismatic", f"{side}hand", f"{side}f{k}", "0 0 -0.1", f"0 {y} 0", 0, 0.05))
    urdf = folder / "waist.urdf"
    urdf.write_text(f'<robot name="waist">{"".join(parts)}</robot>')
    hand = lambda side: {  # noqa: E731
        "link": f"{side}hand",
        "tool": {"position": [0, 0, -0.1], "quaternion_xyzw": [0, 0, 0, 1.0]},
        "fingers": [{"joint": f"{side}fj{k}", "scale": 0.5} for k in (1, 2)],
        "links": [f"{side}{part}" for part in ("hand", "f1", "f2")],
        "pad_size": [0.02, 0.02],
        "opening": [0.0, 0.1],
        "force": [1.0, 200.0],
    }
    links = ["bar", *(f"{side}{part}" for side in "lr" for part in ("hand", "f1", "f2"))]
    hands = {f"{s}h": hand(s) for s in "lr"}
    return RobotModel.from_urdf(urdf, config={"joints": ["waist", "lj", "rj"], "gripper": hands, "unshaped": links})


def test_one_item_may_be_heavy_while_the_other_is_light(tmp_path: Path) -> None:
    robot, unsure = waist(tmp_path), Uncertainty(mass=0.6)
    grasp = Grasp(pose(), 1.0, np.array([200.0, 200.0]))

    def problem(masses: tuple[float, float], uncertainty: Uncertainty) -> TransferProblem:
        holds = (hold(robot.gripper(f"{s}h"), block(m), grasp, uncertainty) for s, m in zip("lr", masses, strict=True))
        return transfer(robot, tuple(holds), np.array([0.0, 0.1, 0.1]), np.zeros(3)).with_(accepts=robot.unshaped)

    both = problem((8.0, 8.0), unsure)
    motion = line(both, 4.0, [200.0, 200.0])
    claimed = certify(both, motion, ("torque",)).kinds["torque"].margin
    exact = [
        certify(problem((8 * a, 8 * b), Uncertainty()), motion, ("torque",)).kinds["torque"].margin
        for a, b in itertools.product((0.4, 1.6), repeat=2)
    ]
    assert claimed == pytest.approx(min(exact), abs=1e-9) and claimed < 0 < exact[0]
    assert not fm.plan(both).ok  # at rest the waist needs 47 Nm of its 40 when one is heavy and the other light
    assert fm.plan(problem((6.0, 6.0), unsure)).ok


def test_a_turned_item_leans_by_as_much(panda: fm.RobotModel, simple: TransferProblem) -> None:
    assembly = assemble(simple)
    data = assembly.arm.createData()
    pin.forwardKinematics(assembly.arm, data, HOME)
    frame, held = assembly.hold_frames[0], simple.holds[0]
    up = (data.oMi[frame.joint] * frame.joint_T_grasp * held.grasp_T_item).rotation.T @ np.array([0.0, 0.0, 1.0])
    item = replace(held.item, tolerates=Tolerance(upright=np.radians(10), tilt=np.radians(20), up=up))
    goal = HOME + np.array([0.3, 0, 0, 0, 0, 0, 0])
    for turn, ok in ((0.0, True), (5.0, True), (9.4, True)):
        turned = held_however(held.gripper, item, held.grasp, Uncertainty(turn=np.radians(turn)))
        problem = transfer(panda, (turned,), goal)
        margins = certify(problem, line(problem, 4.0, [40.0])).kinds
        assert margins["upright"].normalised == pytest.approx(1 - turn / 10, abs=1e-6) and margins["upright"].ok is ok
        assert margins["tilt"].normalised < 1 - turn / 20 + 1e-6
    with pytest.raises(InputError, match="turn_deg"):
        hold(held.gripper, item, held.grasp, Uncertainty(turn=np.radians(20)))
    planned = fm.plan(transfer(panda, (held_however(held.gripper, item, held.grasp, Uncertainty(turn=np.radians(5))),), goal))
    assert planned.ok and planned.certificate is not None and planned.certificate.kinds["upright"].margin >= 0


@pytest.mark.parametrize("seed", range(5))
def test_a_centre_of_mass_that_is_off_and_turned_is_in_the_set(panda: fm.RobotModel, seed: int) -> None:
    rng = np.random.default_rng(seed)
    unsure = Uncertainty(com=rng.uniform(0, 0.03, 3), placement=2e-3, turn=np.radians(20))
    held = held_however(panda.gripper(), block(0.5), pinched(panda, block(0.5), 40.0, 0.5, (0.01, 0.005)).grasp, unsure)
    body, exact = held.item.members[0], replace(unsure, placement=0.0, turn=0.0)
    room = unsure.com_range(held.lever(body))
    for _ in range(200):
        com = held.grasp_T_item.act(np.array(sample_body(body, exact, rng, edge=True).com))
        axis = rng.normal(size=3)
        turned = pin.exp3(axis / np.linalg.norm(axis) * unsure.turn) @ com + rng.uniform(-2e-3, 2e-3, 3)
        off = held.grasp_T_item.inverse().act(turned) - np.array(body.com)
        assert np.all(np.abs(off) <= room + np.sqrt(3) * 1e-12)


# -- the certificate ------------------------------------------------------------------------------------------------


def test_nan_is_never_within_a_limit(simple: TransferProblem, two_hands: TransferProblem) -> None:
    robot, motion = simple.robot, line(simple, 3.0, [40.0])
    assert certify(simple, motion).ok
    assert not certify(simple.with_(robot=replace(robot, damping=np.full(7, np.nan))), motion).kinds["torque"].ok
    model = robot.model.copy()
    body = model.inertias[7]
    body.mass = float("nan")
    model.inertias[7] = body
    assert not certify(simple.with_(robot=replace(robot, model=model)), motion).kinds["torque"].ok
    for forces in ([np.nan, 30.0], [40.0, np.nan]):
        assert not certify(two_hands, line(two_hands, 3.0, forces), ("hold",)).ok
    with np.errstate(divide="ignore", invalid="ignore"):
        for force in (0.0, -40.0):
            assert not certify(simple, line(simple, 3.0, [force]), ("hold",)).ok
            assert not certify(simple, line(simple, 3.0, [force]), ("pad_share",)).ok


def test_what_fades_grows_with_the_farthest_shape_of_an_item(panda: fm.RobotModel) -> None:
    """A cube on a post and a small one at the end of a long lever: turning joint 7 hardly moves the first, but the second."""
    cube = block(0.3, (0.03, 0.03, 0.03))
    item = replace(cube, shapes=(cube.shapes[0], Shape("box", np.full(3, 0.01), placement=pose([0.8, 0.0, 0.0]))))
    x, z = np.array(panda.gripper().pad_center)
    held = hold(panda.gripper(), item, Grasp(pose([x, 0.0, z]), 0.5, np.array([40.0, 40.0])))
    problem = transfer(panda, (held,), HOME + 0.1)
    here, reach = pose_at(problem, HOME), GoalIk(problem)

    def lifted(height: float) -> np.ndarray:
        """The item higher, not turned."""
        return reach.near(pin.SE3(here.rotation, here.translation - here.rotation[:, 2] * height), HOME[None])[0]

    foot = here.act(np.array([0.0, 0.0, 0.02]))
    post = Obstacle("post", (Shape("box", np.full(3, 0.01), placement=pin.SE3(here.rotation, foot)),))
    top = lifted(0.006)
    scene = Scene((post,), (AllowedContact("post", "start"),))
    problem = problem.with_(scene=scene, clearance=0.008, release_opening=0.0, goal=Goal(top[None]))
    assembly, time = assemble(problem), np.linspace(0, 0.6, 13)
    s = time / 0.6
    law = (s**3 * (10 - 15 * s + 6 * s**2), 30 * s**2 * (1 - s) ** 2 / 0.6, (60 * s - 180 * s**2 + 120 * s**3) / 0.36)
    slope = [(lifted(0.006 * u + 1e-5) - lifted(0.006 * u - 1e-5)) / 2e-5 * 0.006 for u in law[0]]
    rise = [np.array([lifted(0.006 * u) for u in law[0]]), *(np.array(slope) * rate[:, None] for rate in law[1:])]
    seen, proofs, jerk, half = [], 0, 14.0, 0.012
    for peak in np.linspace(4.0e-3, 6.5e-3, 26):
        run = 2.2 * (peak - jerk * half**2 / 2) / (jerk * half)
        knees = [(1 - half - run, 0, 0, 0), (1 - half, peak - jerk * half**2 / 2, jerk * half, -jerk), (1.0, peak, 0, -jerk)]
        knees += [(1 + half, peak - jerk * half**2 / 2, -jerk * half, -jerk), (1 + half + run, 0, 0, 0), (2.0, 0, 0, 0)]
        more = [np.tile(top, (6, 1)), np.zeros((6, 7)), np.zeros((6, 7))]
        for k in range(3):
            more[k][:, 6] += [knee[k + 1] for knee in knees]
        motion = quintic_hermite(
            np.append(time, [knee[0] for knee in knees]), *(np.vstack([a, b]) for a, b in zip(rise, more, strict=True))
        )
        trajectory = Trajectory((Phase(motion, None, None, [40.0], [held.width]),), panda.joint_names)
        sweep = ContinuousCollisionCheck(problem, assembly, trajectory)
        allowed = sweep.run().allowed
        assert allowed is not None
        at = np.linspace(0.9, 1.1, 401)
        rotation, origin, _ = sweep._placements(at)
        bodies = sweep.bounding.place(rotation, origin)
        rows, pairs = (x.ravel() for x in np.meshgrid(np.arange(len(at)), list(sweep.fade)))
        distance, _, stray = sweep._measured(rows, pairs, bodies, rotation, origin)
        least = float(sweep._margins(pairs, distance, stray, rows, rotation, origin, at[rows]).min())
        seen.append(least)
        proofs += allowed.proven
        assert not allowed.proven or least >= -2e-6, (peak, allowed, least)
    assert min(seen) < -1e-4 and proofs > 0


def test_a_region_is_never_called_optimal(panda: fm.RobotModel) -> None:
    """Its configurations are samples: there may be faster ones between them."""
    bare = transfer(panda, (), HOME + 0.1)
    assembly = assemble(bare)
    data = assembly.arm.createData()
    joint, offset = goal_frame(assembly, panda)
    pin.forwardKinematics(assembly.arm, data, HOME + np.array([0.25, 0, 0, 0, 0, 0, 0]))
    region = GoalPose(data.oMi[joint] * offset, of="tool", tolerance=np.full(3, 0.05))
    found = fm.plan(bare.with_(goal=Goal.at(region)))
    assert found.ok and found.status is Status.CERTIFIED and found.duration < 0.187  # 0.217 s to the best of its samples


# -- planners -------------------------------------------------------------------------------------------------------


def test_what_an_item_tolerates_needs_no_hold() -> None:
    cup = fm.load_problem(Path(__file__).parents[2] / "problems" / "open_cup.toml").with_(scene=Scene())
    held, free = (fm.plan(cup.with_(hold_active=active), fm.Options(path_seeds=0)) for active in (True, False))
    assert held.ok and free.ok and free.duration <= 1.002 * held.duration


def test_a_trajectory_as_a_way_is_its_own_path() -> None:
    for problem in free_space_pairs("benchmark", 8, 5):
        trajectory = fm.plan(problem, fm.Options(path_seeds=0)).raise_for_status().trajectory
        way, sigma = PathCurve.through(trajectory), np.linspace(0, 1, 5001)
        assert np.abs(way.at(sigma) - trajectory.position(sigma * trajectory.duration)).max() < 1e-5


# -- streams --------------------------------------------------------------------------------------------------------


def test_only_what_is_certified_whole_is_streamed(simple: TransferProblem) -> None:
    fast, slow = line(simple, 0.05, [0.0]), line(simple, 3.0, [40.0])
    partly = Solution.of(simple, fast, certify(simple, fast, ("position",)), 0.0)
    assert partly.ok
    with pytest.raises(InputError, match="without continuity, velocity"):
        Execution(KinematicDriver(simple), partly)
    loose = simple.with_(hold_active=False)
    with pytest.raises(InputError, match="regard to the hold"):
        Execution(KinematicDriver(simple), Solution.of(loose, slow, certify(loose, slow), 0.0))
    assert Execution(KinematicDriver(simple), Solution.of(simple, slow, certify(simple, slow), 0.0)).run(3).ok


def interrupted_at(execution: Execution, number: int) -> Event:
    """How a run ends that is interrupted before this line of its loop."""
    count = 0

    def trace(frame: object, _event: str, _argument: object) -> Callable[..., object] | None:
        return lines if frame.f_code.co_name == "_run" else None  # type: ignore[attr-defined]

    def lines(_frame: object, event: str, _argument: object) -> Callable[..., object]:
        nonlocal count
        count += event == "line"
        if count == number:
            sys.settrace(None)
            raise KeyboardInterrupt
        return lines

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return execution.run(5).event
    finally:
        sys.settrace(before)


def test_an_interrupt_anywhere_in_the_loop_stops_the_arm(simple: TransferProblem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastmove.execution.loop.STALL", np.inf)  # a busy machine is no stall here
    slow = line(simple, 3.0, [40.0])
    solution = Solution.of(simple, slow, certify(simple, slow), 0.0)
    for number in range(1, 60):
        with KinematicDriver(simple) as driver:
            assert interrupted_at(Execution(driver, solution), number) is Event.INTERRUPTED and driver.stopped, number


def test_a_second_interrupt_does_not_keep_the_arm_from_stopping(simple: TransferProblem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastmove.execution.loop.STALL", np.inf)

    class Slow(KinematicDriver):
        tries = 0

        def stop(self) -> None:
            self.tries += 1
            if self.tries == 1:
                raise KeyboardInterrupt
            super().stop()

        def read(self):  # type: ignore[no-untyped-def]
            if len(self.sent) == 3:
                signal.raise_signal(signal.SIGINT)
            return super().read()

    slow = line(simple, 3.0, [40.0])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background ignores it
    try:
        with Slow(simple) as driver:
            report = Execution(driver, Solution.of(simple, slow, certify(simple, slow), 0.0)).run()
            assert report.event is Event.INTERRUPTED and driver.stopped and driver.tries == 2
    finally:
        signal.signal(signal.SIGINT, before)


def test_every_hand_has_its_own_grip(two_hands: TransferProblem, tmp_path: Path) -> None:
    motion = line(two_hands, 3.0, [40.0, 30.0])
    certificate = certify(two_hands, motion)
    assert certificate.ok
    with KinematicDriver(two_hands) as driver:
        Execution(driver, Solution.of(two_hands, motion, certificate, 0.0)).run(3)
        assert [tuple(command.grip_force) for command in driver.sent] == [(40.0, 30.0)] * 3
    for ending in (".npz", ".csv"):
        save_trajectory(tmp_path / f"two{ending}", two_hands, motion)
        again = load_trajectory(tmp_path / f"two{ending}", two_hands)
        assert tuple(again.phases[0].grip_force) == (40.0, 30.0)
        assert all(
            entry.ok for kind, entry in certify(two_hands, again).kinds.items() if kind != "continuity" or ending == ".npz"
        )


def test_simulated_hardware_takes_meshes_and_says_what_it_cannot(
    simple: TransferProblem, two_hands: TransferProblem, tmp_path: Path
) -> None:
    pytest.importorskip("mujoco")
    from fastmove.drivers.mujoco import MujocoDriver
    from fastmove.drivers.simulated.simulation import Simulation

    corners = [(x, y, z) for x in (0.0, 0.1) for y in (0.0, 0.2) for z in (0.0, 0.3)]
    faces = ((1, 2, 4, 3), (5, 6, 8, 7), (1, 2, 6, 5), (3, 4, 8, 7), (1, 3, 7, 5), (2, 4, 8, 6))
    mesh = tmp_path / "box.obj"
    mesh.write_text("".join(f"v {x} {y} {z}\n" for x, y, z in corners) + "".join(f"f {a} {b} {c} {d}\n" for a, b, c, d in faces))
    where = pin.SE3(pin.exp3(np.array([0.3, 0.2, 1.0])), np.array([2.0, 0.5, 0.1]))
    problem = simple.with_(scene=Scene((Obstacle("crate", (Shape("mesh", file=str(mesh), placement=where),)),)))
    simulation = Simulation(problem, 40.0, HOME[None])
    simulation.place(HOME)
    geom, model = simulation.model.geom("scene_crate").id, simulation.model
    first, count = model.mesh_vertadr[model.geom_dataid[geom]], model.mesh_vertnum[model.geom_dataid[geom]]
    points = model.mesh_vert[first : first + count] @ simulation.data.geom_xmat[geom].reshape(3, 3).T
    placed = np.sort((points + simulation.data.geom_xpos[geom]).round(6), axis=0)
    np.testing.assert_allclose(placed, np.sort(np.array(corners) @ where.rotation.T + where.translation, axis=0), atol=2e-5)
    region = simple.with_(goal=Goal.at(GoalPose(pose())))
    for along in (None, HOME[None]):
        assert MujocoDriver(region, along=along).cycle == 1e-3
    with pytest.raises(InputError, match="exactly one item"):
        MujocoDriver(two_hands)
