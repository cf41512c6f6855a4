"""Building a MuJoCo model of a transfer: arm, hand, item and scene."""

from __future__ import annotations

import itertools

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.drivers.simulated.hand import SimulatedHand
from fastmove.drivers.simulated.mujoco_parts import add_contact, add_shape, mujoco, set_inertia, wxyz
from fastmove.multibody.assembly import Assembly
from fastmove.multibody.joint_axes import joint_axis
from fastmove.problem.transfer import TransferProblem

CCD_TOLERANCE = 1e-12  # tolerance of convex collision detection (MuJoCo's `ccd_tolerance`)
CCD_ITERATIONS = 1000  # largest number of iterations of convex collision detection
SUPPORT_GAP = 5e-5  # distance by which the surfaces of supports are moved inwards [m]
SCENE_FRICTION = 0.5  # Coulomb coefficient between item and obstacles [1]
BELT_MASS = 1e4  # mass of a belt, which nothing slows down [kg]


# -- the model ------------------------------------------------------------------------------------------------------------


def mujoco_model(
    problem: TransferProblem,
    assembly: Assembly,
    hand: SimulatedHand,
    body: pin.Inertia,
    step: float,
    friction: float | None,
    time_constant: float,
) -> mujoco.MjSpec:
    """Builds the specification of the MuJoCo model of a transfer.

    Args:
        problem: transfer with one held item.
        assembly: body tree of that problem.
        hand: the hand that holds it.
        body: inertia of the item in the hand, in the grasp frame.
        step: simulation step [s].
        friction: Coulomb coefficient between hand and item; None = the grasp's.
        time_constant: time constant of contacts [s].
    """
    spec = mujoco.MjSpec()
    option = spec.option
    option.gravity, option.timestep = problem.gravity, step
    option.cone, option.impratio = mujoco.mjtCone.mjCONE_ELLIPTIC, 100.0
    option.solver, option.iterations, option.tolerance = mujoco.mjtSolver.mjSOL_NEWTON, 200, 1e-12
    option.ccd_tolerance, option.ccd_iterations = CCD_TOLERANCE, CCD_ITERATIONS
    option.integrator = mujoco.mjtIntegrator.mjINT_EULER
    option.disableflags |= mujoco.mjtDisableBit.mjDSBL_EULERDAMP
    spec.compiler.boundmass = spec.compiler.boundinertia = 0.0
    spec.compiler.balanceinertia = False
    bodies = _arm(spec, problem, assembly)
    frame = assembly.hold_frames[0]
    hand.add(spec, bodies[frame.joint], frame.joint_T_grasp)
    item_geoms = _item(spec, bodies[frame.joint], problem, frame.joint_T_grasp, body)
    mu = problem.holds[0].grasp.friction if friction is None else friction
    hand.add_contacts(spec, item_geoms, mu, time_constant)
    _scene(spec, problem, item_geoms, time_constant)
    return spec


def _arm(spec, problem: TransferProblem, assembly: Assembly):  # type: ignore[no-untyped-def]
    """Adds the arm with a servo per joint; returns the MuJoCo body of every joint by its index (0 = the world)."""
    arm, robot, limits = assembly.arm, problem.robot, problem.limit_set
    bodies = {0: spec.worldbody}
    for k in range(1, arm.njoints):
        placement = arm.jointPlacements[k]
        body = bodies[int(arm.parents[k])].add_body(name=arm.names[k], pos=placement.translation, quat=wxyz(placement.rotation))
        set_inertia(body, arm.inertias[k])
        slide = "P" in arm.joints[k].shortname()
        kind = mujoco.mjtJoint.mjJNT_SLIDE if slide else mujoco.mjtJoint.mjJNT_HINGE
        joint = body.add_joint(name=arm.names[k], type=kind, axis=joint_axis(arm.joints[k]))
        joint.armature, joint.damping = robot.armature[k - 1], [robot.damping[k - 1], 0.0, 0.0]
        bodies[k] = body
        effort = float(limits.effort[k - 1])
        servo = spec.add_actuator(name=arm.names[k], target=arm.names[k], trntype=mujoco.mjtTrn.mjTRN_JOINT)
        servo.gaintype, servo.biastype = mujoco.mjtGain.mjGAIN_FIXED, mujoco.mjtBias.mjBIAS_AFFINE
        servo.gainprm[0] = 1.0
        if np.isfinite(effort):
            servo.forcelimited, servo.forcerange = True, [-effort, effort]
    return bodies


def _item(spec, parent, problem: TransferProblem, joint_T_grasp: pin.SE3, inertia: pin.Inertia) -> list[str]:  # type: ignore[no-untyped-def]
    """Adds the item on three slides and a ball joint in the hand; returns the names of its geoms."""
    held = problem.holds[0]
    body = parent.add_body(name="item", pos=joint_T_grasp.translation, quat=wxyz(joint_T_grasp.rotation))
    set_inertia(body, inertia)
    for k, axis in enumerate(np.eye(3)):
        body.add_joint(name=f"item_{k}", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=axis)
    body.add_joint(type=mujoco.mjtJoint.mjJNT_BALL)
    return [add_shape(spec, body, f"item_{k}", s, held.grasp_T_item * s.placement) for k, s in enumerate(held.item.shapes)]


def _scene(spec, problem: TransferProblem, item_geoms: list[str], constant: float) -> None:  # type: ignore[no-untyped-def]
    """Adds the obstacles and their contacts with the item; moving obstacles become mocap bodies, belts slide (`_belt`)."""
    supports = {allowed.obstacle for allowed in problem.scene.allowed_contacts}
    for obstacle in problem.scene.obstacles:
        parent = spec.worldbody
        if obstacle.motion is not None:
            pose = obstacle.motion.pose(0.0)
            parent = parent.add_body(name=f"moving_{obstacle.name}", pos=pose.translation, quat=wxyz(pose.rotation), mocap=True)
        elif any(obstacle.surface_velocity):
            parent = _belt(parent, obstacle.name, np.array(obstacle.surface_velocity))
        names = [f"scene_{obstacle.name}" + (f"_{k}" if k else "") for k in range(len(obstacle.shapes))]
        for name, shape in zip(names, obstacle.shapes, strict=True):
            gap = SUPPORT_GAP if obstacle.name in supports else 0.0
            add_shape(spec, parent, name, shape, shape.placement, gap)
        for geom, name in itertools.product(item_geoms, names):
            add_contact(spec, geom, name, SCENE_FRICTION, constant)


def _belt(parent, name: str, velocity: Array):  # type: ignore[no-untyped-def]
    """Adds the body of an obstacle whose surface moves: it slides with that velocity, and `Simulation.advance` puts it back.

    A mocap body would have no velocity as contacts see it, and would drag nothing along.
    """
    speed = float(np.linalg.norm(velocity))
    body = parent.add_body(name=f"belt_{name}", gravcomp=1.0)
    set_inertia(body, pin.Inertia(BELT_MASS, np.zeros(3), BELT_MASS * np.eye(3)))
    body.add_joint(name=f"belt_{name}", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=velocity / speed)
    return body
