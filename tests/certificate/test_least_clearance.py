"""The least clearance that a certificate shows is the least there is, wherever the proof had to look."""

from __future__ import annotations

import coal
import numpy as np
import pinocchio as pin
import pytest

import fastmove as fm
from fastmove.certificate.clearance import FAR, SHARP, ContinuousCollisionCheck
from fastmove.multibody.assembly import assemble

HOME = np.array([0.0, -0.6, 0.0, -2.2, 0.0, 1.7, 0.8])


def transfer(panda: fm.RobotModel, seed: int) -> tuple[fm.TransferProblem, fm.Trajectory]:
    """A bare motion, and a ball that it passes at 6 to 11 mm without knowing of it."""
    rng = np.random.default_rng([41, seed])
    there, state = HOME + rng.uniform(-0.6, 0.6, 7), fm.State.rest(HOME)
    empty = fm.TransferProblem("past a ball", panda, (), fm.Scene(), state, fm.Goal(there[None]), panda.default_limits)
    motion = fm.plan(empty).trajectory
    hand, way = fm.pose_at(empty, (HOME + there) / 2, "tool").translation, rng.normal(size=3)
    for away in np.arange(0.0, 1.0, 0.005):
        place = pin.SE3(np.eye(3), hand + away * way / np.linalg.norm(way))
        scene = fm.Scene((fm.Obstacle("ball", (fm.Shape("sphere", radius=0.03, placement=place),)),))
        if fm.certify(empty.with_(scene=scene, clearance=0.006), motion, ("clearance",)).ok:
            return empty.with_(scene=scene, clearance=0.0), motion
    raise AssertionError("the ball is never free")


def least_sampled(problem: fm.TransferProblem, motion: fm.Trajectory, samples: int) -> float:
    """Least margin over all pairs that the certificate looks at, at many times."""
    assembly = assemble(problem)
    check = ContinuousCollisionCheck(problem, assembly, motion)
    data, request = assembly.arm.createData(), coal.DistanceRequest()
    least = np.inf
    for q in motion.position(np.linspace(0, motion.duration, samples)):
        pin.forwardKinematics(assembly.arm, data, q)
        places = [data.oMi[b.joint] * b.placement for b in check.bodies]
        moved = [coal.Transform3s(p.rotation, p.translation) for p in places]
        for k, (i, j) in enumerate(check.pairs):
            one, two = check.bodies[i].geometry, check.bodies[j].geometry
            distance = coal.distance(one, moved[i], two, moved[j], request, coal.DistanceResult())
            least = min(least, distance - check.required[k])
    return float(least)


@pytest.mark.parametrize("seed", range(5))
def test_the_margin_shown_is_the_least(panda: fm.RobotModel, seed: int) -> None:
    problem, motion = transfer(panda, seed)
    shown = fm.certify(problem, motion, ("clearance",)).kinds["clearance"]
    least = least_sampled(problem, motion, 400)
    assert 0.006 <= shown.margin <= 0.0115
    assert shown.where.endswith("ball")
    assert least - 2e-3 <= shown.margin <= least + SHARP  # there may be less between these samples


@pytest.mark.parametrize("seed", range(5))
def test_the_margin_of_a_larger_clearance_is_less_by_as_much(panda: fm.RobotModel, seed: int) -> None:
    """It is of the same pair at the same time, wherever the proof has to look."""
    problem, motion = transfer(panda, seed)
    margins = [
        fm.certify(problem.with_(clearance=c), motion, ("clearance",)).kinds["clearance"].margin for c in (0.0, 0.002, 0.005)
    ]
    assert np.diff(margins) == pytest.approx([-0.002, -0.003], abs=SHARP)


def test_far_from_everything_says_how_far_it_has_looked() -> None:
    robot = fm.load_robot("ur5e")  # nothing of it is near anything of itself
    start, goal = np.array([0.0, -1.2, 1.0, -1.2, -1.5, 0.0]), np.array([0.6, -1.2, 1.0, -1.2, -1.5, 0.0])
    ball = fm.Shape("sphere", radius=0.03, placement=pin.SE3(np.eye(3), np.array([3.0, 0.0, 0.0])))
    scene = fm.Scene((fm.Obstacle("ball", (ball,)),))
    problem = fm.TransferProblem("far", robot, (), scene, fm.State.rest(start), fm.Goal(goal[None]), robot.default_limits)
    solution = fm.plan(problem)
    shown = solution.certificate.kinds["clearance"]
    assert shown.ok
    assert shown.margin == pytest.approx(min(least_sampled(problem, solution.trajectory, 100), FAR), abs=SHARP)
