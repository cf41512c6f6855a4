"""A block between a table and a belt, as seeded tests and measurements want it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pinocchio as pin
from cycle_blocks import DOWN, box

import fastmove as fm

READY = np.array([0.0, -0.3, 0.0, -2.2, 0.0, 1.9, 0.785])
SIZE = np.array([0.05, 0.03, 0.10])  # of the block [m]
BELT_TOP = 0.10  # height of the belt's surface [m]
BELT_X = 0.55  # middle of the belt [m]
TABLE = np.array([0.18, 0.48])  # where the block stands on the table [m]


def surroundings(speed: float) -> tuple[fm.Obstacle, ...]:
    """A table, and a belt that runs along y at a speed [m/s]."""
    belt = box("belt", (0.25, 3.0, 0.05), (BELT_X, 0.0, BELT_TOP - 0.025))
    return box("table", (0.3, 0.4, 0.05), (0.18, 0.48, -0.025)), replace(belt, surface_velocity=(0.0, speed, 0.0))


def upright(place: tuple[float, ...], turn: float = 0.0) -> fm.GoalPose:
    """The pose of the block that stands with its middle at a place (3,) [m], turned about the vertical [rad]."""
    return fm.GoalPose(pin.SE3(pin.exp3(np.array([0.0, 0.0, turn])), np.array(place)))


def onto_belt(
    robot: fm.RobotModel, speed: float, along: float = -0.5, mass: float = 0.2, touch: bool = True
) -> fm.TransferProblem:
    """The block from the table onto a place of the belt that is at y = `along` [m] when the motion begins.

    Args:
        robot: A Panda.
        speed: Speed of the belt along y [m/s].
        along: Where the place is at first [m].
        mass: Mass of the block [kg].
        touch: Whether the block is put down on the belt; else 3 mm above it.
    """
    shapes = (fm.Shape("box", SIZE),)
    item = fm.Item("block", shapes, (fm.Inertial(mass, *fm.solid_inertia(shapes, mass)),), 60.0)
    grasp = fm.Grasp(pin.SE3(DOWN, np.array([0.0, 0.0, SIZE[2] / 2 - 0.012])), 0.5, np.array([20.0, 50.0]))
    held = fm.hold(robot.gripper(), item, grasp)
    contacts = (fm.AllowedContact("table", "start"),) + ((fm.AllowedContact("belt", "goal"),) if touch else ())
    place = upright((BELT_X, along, BELT_TOP + SIZE[2] / 2 + (0.0 if touch else 0.003)))
    goal = fm.Goal.at(place, velocity=(0.0, speed, 0.0))
    scene = fm.Scene(surroundings(speed), contacts)
    problem = fm.TransferProblem("onto a belt", robot, (held,), scene, fm.State.rest(READY), goal, "fer")
    start = fm.ik(problem, upright((*TABLE, SIZE[2] / 2)), near=READY)[0]
    return problem.with_(start=fm.State.rest(start))


def from_belt(robot: fm.RobotModel, speed: float, along: float = -0.5, mass: float = 0.2) -> fm.TransferProblem:
    """The block from a place of the belt that is at y = `along` [m] when the cycle begins, to the table."""
    there = onto_belt(robot, speed, along, mass)
    contacts = (fm.AllowedContact("belt", "start"), fm.AllowedContact("table", "goal"))
    start = fm.State.at(upright((BELT_X, along, BELT_TOP + SIZE[2] / 2)), velocity=(0.0, speed, 0.0))
    scene, goal = replace(there.scene, allowed_contacts=contacts), fm.Goal(np.array(there.start.q)[None])
    return there.with_(name="from a belt", scene=scene, start=start, goal=goal)
