"""How a hand is part of the simulation: its bodies, the contacts by which it holds the item, and what its motors are told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.drivers.simulated.mujoco_parts import add_contact, add_geom, add_touch_sensor, mujoco, wxyz
from fastmove.problem.grasp import HeldItem
from fastmove.robot.suction_cup import SuctionCup

PAD_RADIUS = 0.004  # radius of the spheres that are the pads' contact points [m]
FINGER_ARMATURE = 0.5  # armature of each finger's slide [kg]
FINGER_DAMPING = 20.0  # damping of each finger's slide [Ns/m]
LIP_POINTS = 16  # number of contact points of a cup's lip
LIP_RADIUS = 0.002  # radius of the spheres that are those points [m]
SEAL_TIME = 0.005  # time for which a point of the lip may lift before the vacuum is lost, an estimate [s]
APPROACH_SLIDE = "item_2"  # the item's slide along the hand's approach


class SimulatedHand(ABC):
    """The base class of simulated hands.

    Args:
        held: the item and how it is held.

    Attributes:
        point: what its points are called.
        joints: number of the hand's own joints, which stand between the arm's and the item's.
        points: names of the geoms by which it touches the item.
        seal_time: time for which a point may lose touch before the hand holds no more [s].
    """

    point: str = "pad point"
    joints: int
    seal_time: float = np.inf

    def __init__(self, held: HeldItem) -> None:
        self.held = held
        self.points: list[str] = []

    @abstractmethod
    def add(self, spec: Any, parent: Any, joint_T_grasp: pin.SE3) -> None:
        """Adds the hand's bodies, and what moves them, to a MuJoCo specification, before the item.

        Args:
            spec: the specification.
            parent: the body that carries the hand.
            joint_T_grasp: pose of the grasp frame in that body.
        """

    @abstractmethod
    def add_contacts(self, spec: Any, item_geoms: list[str], friction: float, time_constant: float) -> None:
        """Adds the contacts of every point with the item, a sensor of each, and what else acts on the item.

        Args:
            spec: the specification.
            item_geoms: names of the item's geoms.
            friction: Coulomb coefficient.
            time_constant: time constant of contacts [s].
        """

    @abstractmethod
    def control(self, force: float) -> float:
        """Returns what the hand's motors are told for a grip force; a negative one opens the hand [N]."""

    @abstractmethod
    def frame(self, data: Any) -> tuple[Array, Array]:
        """Returns the rotation (3, 3) and origin (3,) [m] of the grasp frame in the world, of a MuJoCo state."""

    @abstractmethod
    def lightest(self, wrench: Array, force: float) -> float:
        """Returns how hard the lightest point should press, over the mean of all [1].

        Args:
            wrench: (6,) wrench that the hand puts on the item, in the grasp frame [N, Nm].
            force: grip force [N].
        """


class Fingers(SimulatedHand):
    """Two coupled fingers that slide along the closing axis, with the contact points of the pads' patches."""

    joints = 2

    def add(self, spec: Any, parent: Any, joint_T_grasp: pin.SE3) -> None:
        """Adds the fingers, a motor for each, and their coupling."""
        held = self.held
        middle = held.tool_T_grasp.translation[[0, 2]]
        for side, name, patch in ((1.0, "left", held.patches[0]), (-1.0, "right", held.patches[1])):
            finger = parent.add_body(name=name, pos=joint_T_grasp.translation, quat=wxyz(joint_T_grasp.rotation))
            finger.explicitinertial, finger.mass, finger.inertia = True, 1e-6, [1e-9] * 3
            joint = finger.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[0.0, side, 0.0])
            joint.armature, joint.damping = FINGER_ARMATURE, [FINGER_DAMPING, 0.0, 0.0]
            for k, (x, z) in enumerate(patch.points()):
                position = [x - middle[0], side * (held.width / 2 + PAD_RADIUS), z - middle[1]]
                self.points.append(f"pad_{name}_{k}")
                add_geom(finger, self.points[-1], mujoco.mjtGeom.mjGEOM_SPHERE, [PAD_RADIUS, 0, 0], position)
            motor = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
            motor.gaintype, motor.gainprm[0] = mujoco.mjtGain.mjGAIN_FIXED, -1.0
        mimic = spec.add_equality(type=mujoco.mjtEq.mjEQ_JOINT, name1="left", name2="right")
        mimic.data[:5] = [0.0, 1.0, 0.0, 0.0, 0.0]
        mimic.solref[:2], mimic.solimp[:3] = [0.002, 1.0], [0.99, 0.999, 0.001]

    def add_contacts(self, spec: Any, item_geoms: list[str], friction: float, time_constant: float) -> None:
        """Adds the contacts of the pads' points."""
        kinds = [patch for patch in self.held.patches for _ in patch.points()]
        for point, patch in zip(self.points, kinds, strict=True):
            for geom in item_geoms:
                add_contact(spec, point, geom, friction, time_constant, patch.c if patch.kind == "disc" else None)
            add_touch_sensor(spec, point)

    def control(self, force: float) -> float:
        """Returns the force itself."""
        return force

    def frame(self, data: Any) -> tuple[Array, Array]:
        """Returns the frame between the fingers."""
        finger = data.body("left")  # slides along the closing axis only
        rotation = finger.xmat.reshape(3, 3)
        return rotation, finger.xpos - rotation[:, 1] * data.joint("left").qpos[0]

    def lightest(self, wrench: Array, force: float) -> float:
        """Returns the mean force of the pad that a load along the closing axis lightens, over that of both."""
        return float(1 - min(abs(wrench[1]) / (2 * force), 0.95))


class Cup(SimulatedHand):
    """A cup: a ring of contact points, and the vacuum's force on the item, at its point that was planned under the lip's middle.

    The force acts along the approach until a point of the lip has not touched the item for `SEAL_TIME`: then the seal is open and
    the vacuum lost.  MuJoCo's adhesion actuators put the same force on all contacts of the ring; slip and peel begin at the same
    loads with both (within 0.1 %), but adhesion pulls on through the points that still touch, off the middle.
    """

    point = "lip point"
    joints = 0
    seal_time = SEAL_TIME

    def add(self, spec: Any, parent: Any, joint_T_grasp: pin.SE3) -> None:
        """Adds the ring, fixed to the arm."""
        ring = parent.add_body(name="cup", pos=joint_T_grasp.translation, quat=wxyz(joint_T_grasp.rotation))
        ring.explicitinertial, ring.mass, ring.inertia = True, 1e-6, [1e-9] * 3
        for k, angle in enumerate((np.arange(LIP_POINTS) + 0.5) * 2 * np.pi / LIP_POINTS):
            radius = self.held.patches[0].c
            self.points.append(f"lip_{k}")
            place = [radius * np.cos(angle), radius * np.sin(angle), -LIP_RADIUS]
            add_geom(ring, self.points[-1], mujoco.mjtGeom.mjGEOM_SPHERE, [LIP_RADIUS, 0, 0], place)

    def add_contacts(self, spec: Any, item_geoms: list[str], friction: float, time_constant: float) -> None:
        """Adds the contacts of the lip, and the vacuum."""
        for point in self.points:
            for geom in item_geoms:
                add_contact(spec, point, geom, friction, time_constant)
            add_touch_sensor(spec, point)
        vacuum = spec.add_actuator(name="vacuum", target=APPROACH_SLIDE, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        vacuum.gaintype, vacuum.gainprm[0] = mujoco.mjtGain.mjGAIN_FIXED, -1.0

    def control(self, force: float) -> float:
        """Returns the vacuum force, none where the hand opens."""
        return max(force, 0.0)

    def frame(self, data: Any) -> tuple[Array, Array]:
        """Returns the frame in the middle of the lip."""
        cup = data.body("cup")
        return cup.xmat.reshape(3, 3), cup.xpos

    def lightest(self, wrench: Array, force: float) -> float:
        """Returns the lightest point of a ring under linear pressure, 1 − 2 ‖M‖ / N r (see `contact.suction`)."""
        pressing = max(force + wrench[2], 1e-9)
        return float(max(1 - 2 * np.hypot(wrench[3], wrench[4]) / (pressing * self.held.patches[0].c), 0.05))


def simulated_hand(held: HeldItem) -> SimulatedHand:
    """Returns the simulated hand that holds an item: a cup, or fingers."""
    return Cup(held) if isinstance(held.gripper, SuctionCup) else Fingers(held)
