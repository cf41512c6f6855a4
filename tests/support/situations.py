"""Problems and motions that many tests start from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pinocchio as pin
from generators import block, pinched

import fastmove as fm
from fastmove.geometry.pose_trajectory import PoseTrajectory
from fastmove.geometry.poses import pose
from fastmove.geometry.shapes import Shape
from fastmove.optim.breakpoints import switch_basis
from fastmove.problem.goal import Goal, State
from fastmove.problem.scene import AllowedContact, Obstacle, Scene
from fastmove.problem.transfer import TransferProblem
from fastmove.search.initial_guess import straight_guess
from fastmove.search.time_bound import lower_bound
from fastmove.trajectory.trajectory import Phase, Trajectory

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "problems" / "book_to_tote.toml"


def behind_a_post(panda: fm.RobotModel) -> TransferProblem:
    """A post that the straight motion of hand and item would hit."""
    held = pinched(panda, block(0.3), 40.0, 0.6)
    post = Obstacle("post", Shape("box", size=np.array([0.06, 0.06, 0.5]), placement=pose((0.31, 0.0, 0.25))))
    start, goal = READY + np.eye(7)[0] * -0.7, READY + np.eye(7)[0] * 0.7
    return TransferProblem("post", panda, (held,), Scene((post,)), State.rest(start), Goal([goal]), "benchmark")


READY = np.array([0, -0.785, 0, -2.356, 0, 1.571, 0.785])


def cluttered(panda: fm.RobotModel, seed: int = 0) -> TransferProblem:
    """Boxes, cylinders, capsules and spheres around a Panda that holds a block."""
    rng = np.random.default_rng(seed)
    obstacles = []
    for k in range(12):
        angle, radius = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 0.8)
        where = pose((radius * np.cos(angle), radius * np.sin(angle), rng.uniform(0, 0.8)), quaternion(rng))
        size, r, length = rng.uniform(0.05, 0.3, 3), rng.uniform(0.02, 0.1), rng.uniform(0.05, 0.3)
        kind = ("box", "cylinder", "capsule", "sphere")[k % 4]
        obstacles.append(Obstacle(f"o{k}", Shape(kind, size, r, length, placement=where)))
    held = pinched(panda, block(0.5), 40.0, 0.5)
    return TransferProblem("clutter", panda, (held,), Scene(tuple(obstacles)), State.rest(READY), Goal([READY + 0.5]), "fer")


def quaternion(rng: np.random.Generator) -> np.ndarray:
    q = rng.normal(size=4)
    return q / np.linalg.norm(q)


def random_q(panda: fm.RobotModel, count: int, seed: int) -> np.ndarray:
    limits = panda.limit_set()
    return np.random.default_rng(seed).uniform(limits.position_min, limits.position_max, (count, 7))


def on_table(panda: fm.RobotModel, direction: np.ndarray, allowed: bool = True) -> TransferProblem:
    """A block standing on a table, moved by this vector [m]."""
    held = pinched(panda, block(0.4), 40.0, 0.6)
    start, goal = (reach(panda, np.array([0.45, 0.0, 0.3]) + k * direction) for k in (0, 1))
    top = 0.3 - 0.00025 - 0.03
    table = Obstacle("table", Shape("box", size=np.array([1.0, 1.0, 0.1]), placement=pose((0.7, 0, top - 0.05))))
    contacts = (AllowedContact("table", "both"),) if allowed else ()
    return TransferProblem("table", panda, (held,), Scene((table,), contacts), State.rest(start), Goal(goal[None]), "benchmark")


def reach(panda: fm.RobotModel, position: np.ndarray) -> np.ndarray:
    """A configuration with the tool there, pointing down."""
    model, q = panda.model, pin.neutral(panda.model)
    data, frame = model.createData(), model.getFrameId("panda_hand_tcp")
    q[:7] = READY
    target = pin.SE3(np.diag([1.0, -1.0, -1.0]), position)
    for _ in range(300):
        pin.framesForwardKinematics(model, data, q)
        error = pin.log6(data.oMf[frame].actInv(target)).vector
        jacobian = pin.computeFrameJacobian(model, data, q, frame, pin.LOCAL)[:, :7]
        q[:7] += jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + 1e-9 * np.eye(6), error)
    assert np.linalg.norm(error) < 1e-10
    return np.array(q[:7])


def straight_motion(problem: TransferProblem, stretch: float = 1.5) -> Trajectory:
    """The straight line in joint space, slow enough for every limit."""
    start, goal = np.array(problem.start.q), np.array(problem.goal.configurations[0])
    bound = lower_bound(problem.start, goal, problem.limit_set)
    basis = switch_basis(bound)
    free = straight_guess(start, goal, bound, basis)
    points = np.concatenate([np.tile(start, (3, 1)), free, np.tile(goal, (3, 1))])
    forces = [float(h.grasp.grip_force[1]) for h in problem.holds]
    phase = Phase.from_spline(basis, points, bound.duration * stretch, forces, [h.width for h in problem.holds])
    return Trajectory((phase,), problem.robot.joint_names)


UP = pose((0.0, 0.0, 0.0))


OUT = np.array([0, 0.3, 0, -1.9, 0, 2.2, 0.785])  # the arm stretched out, the item 0.6 m in front of it


def box(name: str, size: tuple[float, float, float], motion: PoseTrajectory | None = None) -> Obstacle:
    return Obstacle(name, Shape("box", np.array(size), placement=UP), motion)


def straight_by(first: tuple[float, ...], last: tuple[float, ...], begin: float, end: float) -> PoseTrajectory:
    return PoseTrajectory(np.array([begin, end]), (pose(first), pose(last)))


def held_arm(panda: fm.RobotModel, *obstacles: Obstacle) -> TransferProblem:
    """A light block carried sideways in front of a Panda, at most at the limits of the benchmark set."""
    goal, start = OUT + np.array([1.2, 0, 0, 0, 0, 0, 0]), OUT - np.array([0.6, 0, 0, 0, 0, 0, 0])
    held = pinched(panda, block(0.05), 60.0, 0.8)
    return TransferProblem("passing", panda, (held,), Scene(obstacles), State.rest(start), Goal([goal]), "benchmark")
