"""Blocks on a table that the tests of pick cycles move."""

import numpy as np
import pinocchio as pin

import fastmove as fm

DOWN = np.diag([1.0, -1.0, -1.0])
WIDTH = 0.04
READY = np.array([0.0, -0.3, 0.0, -2.2, 0.0, 1.9, 0.785])


def box(name: str, size: tuple[float, ...], at: tuple[float, ...]) -> fm.Obstacle:
    return fm.Obstacle(name, fm.Shape("box", np.array(size), placement=pin.SE3(np.eye(3), np.array(at))))


def block_from_to(panda: fm.RobotModel, name: str, start: tuple[float, float], goal: tuple[float, float]) -> fm.TransferProblem:
    """A block that stands on a table, to be put down elsewhere on it (x, y) [m]."""
    shapes = (fm.Shape("box", np.array([0.05, WIDTH, 0.12])),)
    item = fm.Item("block", shapes, (fm.Inertial(0.2, *fm.solid_inertia(shapes, 0.2)),), 60.0)
    grasp = fm.Grasp(pin.SE3(DOWN, np.array([0.0, 0.0, 0.04])), 0.5, np.array([40.0, 40.0]))
    held = fm.hold(panda.gripper(), item, grasp)
    scene = fm.Scene((box("table", (1.0, 1.2, 0.05), (0.45, 0.0, -0.025)),), (fm.AllowedContact("table", "both"),))
    ends = [fm.GoalPose(pin.SE3(np.eye(3), np.array([*at, 0.06]))) for at in (start, goal)]
    whole = fm.TransferProblem(name, panda, (held,), scene, fm.State.rest(READY), fm.Goal.at(ends[0]), "fer")
    q_start, q_goal = (fm.ik(whole, end, near=READY)[0] for end in ends)
    return whole.with_(start=fm.State.rest(q_start), goal=fm.Goal(np.array(q_goal)[None]))


def tool_at(problem: fm.TransferProblem, q: np.ndarray) -> np.ndarray:
    """Where the tool of an empty hand is (3,) [m]."""
    return np.array(fm.pose_at(problem, q).translation)
