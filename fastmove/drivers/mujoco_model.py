"""Building a MuJoCo model of a transfer: arm, hand, item, pads and scene."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pinocchio as pin
from scipy.spatial import ConvexHull, HalfspaceIntersection

from fastmove.arrays import Array
from fastmove.errors import MissingPackage
from fastmove.geometry.shapes import Shape
from fastmove.multibody.assembly import Assembly
from fastmove.multibody.joint_axes import joint_axis
from fastmove.problem.transfer import TransferProblem

try:
    import mujoco as mujoco
    from mujoco import rollout as rollout
except ImportError as error:  # pragma: no cover
    raise MissingPackage("mujoco", "simulated hardware", "sim") from error

PAD_RADIUS = 0.004  # radius of the spheres that are the pads' contact points [m]
TIME_CONSTANT = 0.004  # time constant of contacts (MuJoCo's `solref[0]`) [s]
SOLIMP = (0.99, 0.999, 0.001, 0.5, 2.0)  # impedance of contacts (MuJoCo's `solimp`)
CCD_TOLERANCE = 1e-12  # tolerance of convex collision detection (MuJoCo's `ccd_tolerance`)
CCD_ITERATIONS = 1000  # largest number of iterations of convex collision detection
SUPPORT_GAP = 5e-5  # distance by which the surfaces of supports are moved inwards [m]
FINGER_ARMATURE = 0.5  # armature of each finger's slide [kg]
FINGER_DAMPING = 20.0  # damping of each finger's slide [Ns/m]

# MuJoCo's primitive for each type of shape, and its sizes when the surface is moved inwards by a gap [m].
PRIMITIVES: dict[str, tuple[Any, Callable[[Shape, float], Any]]] = {
    "box": (mujoco.mjtGeom.mjGEOM_BOX, lambda shape, gap: shape.half_extents() - gap),
    "cylinder": (mujoco.mjtGeom.mjGEOM_CYLINDER, lambda shape, gap: [shape.radius - gap, shape.length / 2 - gap, 0]),
    "capsule": (mujoco.mjtGeom.mjGEOM_CAPSULE, lambda shape, gap: [shape.radius - gap, shape.length / 2, 0]),
    "sphere": (mujoco.mjtGeom.mjGEOM_SPHERE, lambda shape, gap: [shape.radius - gap, 0, 0]),
}

# -- the model ------------------------------------------------------------------------------------------------------------


def mujoco_model(
    problem: TransferProblem,
    assembly: Assembly,
    body: pin.Inertia,
    step: float,
    friction: float | None,
    time_constant: float,
) -> mujoco.MjSpec:
    """Builds the specification of the MuJoCo model of a transfer.

    Args:
        problem: transfer with one pinched item.
        assembly: body tree of that problem.
        body: inertia of the item in the hand, in the grasp frame.
        step: simulation step [s].
        friction: Coulomb coefficient between pads and item; None = the grasp's.
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
    _hand(spec, bodies[frame.joint], problem, frame.joint_T_grasp)
    item_geoms = _item(spec, bodies[frame.joint], problem, frame.joint_T_grasp, body)
    mu = problem.holds[0].grasp.friction if friction is None else friction
    _pad_contacts(spec, problem, item_geoms, mu, time_constant)
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


def _hand(spec, parent, problem: TransferProblem, joint_T_grasp: pin.SE3) -> None:  # type: ignore[no-untyped-def]
    """Adds two coupled fingers that slide along the closing axis, with the contact points of the patches."""
    held = problem.holds[0]
    middle = held.tool_T_grasp.translation[[0, 2]]
    for side, name, patch in ((1.0, "left", held.patches[0]), (-1.0, "right", held.patches[1])):
        finger = parent.add_body(name=name, pos=joint_T_grasp.translation, quat=wxyz(joint_T_grasp.rotation))
        finger.explicitinertial, finger.mass, finger.inertia = True, 1e-6, [1e-9] * 3
        joint = finger.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[0.0, side, 0.0])
        joint.armature, joint.damping = FINGER_ARMATURE, [FINGER_DAMPING, 0.0, 0.0]
        for k, (x, z) in enumerate(patch.points()):
            position = [x - middle[0], side * (held.width / 2 + PAD_RADIUS), z - middle[1]]
            _geom(finger, f"pad_{name}_{k}", mujoco.mjtGeom.mjGEOM_SPHERE, [PAD_RADIUS, 0, 0], position)
        motor = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        motor.gaintype, motor.gainprm[0] = mujoco.mjtGain.mjGAIN_FIXED, -1.0
    mimic = spec.add_equality(type=mujoco.mjtEq.mjEQ_JOINT, name1="left", name2="right")
    mimic.data[:5] = [0.0, 1.0, 0.0, 0.0, 0.0]
    mimic.solref[:2], mimic.solimp[:3] = [0.002, 1.0], [0.99, 0.999, 0.001]


def _item(spec, parent, problem: TransferProblem, joint_T_grasp: pin.SE3, inertia: pin.Inertia) -> list[str]:  # type: ignore[no-untyped-def]
    """Adds the item on three slides and a ball joint in the hand; returns the names of its geoms."""
    held = problem.holds[0]
    body = parent.add_body(name="item", pos=joint_T_grasp.translation, quat=wxyz(joint_T_grasp.rotation))
    set_inertia(body, inertia)
    for axis in np.eye(3):
        body.add_joint(type=mujoco.mjtJoint.mjJNT_SLIDE, axis=axis)
    body.add_joint(type=mujoco.mjtJoint.mjJNT_BALL)
    return [_add_shape(spec, body, f"item_{k}", s, held.grasp_T_item * s.placement) for k, s in enumerate(held.item.shapes)]


def _pad_contacts(spec, problem: TransferProblem, item_geoms: list[str], mu: float, constant: float) -> None:  # type: ignore[no-untyped-def]
    """Adds the contact of every pad point with the item, and a sensor that says whether it touches."""
    held = problem.holds[0]
    for name, patch in (("left", held.patches[0]), ("right", held.patches[1])):
        for k in range(len(patch.points())):
            for geom in item_geoms:
                pair = spec.add_pair(geomname1=f"pad_{name}_{k}", geomname2=geom)
                pair.condim = 4 if patch.kind == "disc" else 3
                pair.friction = [mu, mu, mu * patch.c, 0.0001, 0.0001]
                pair.solref[:2], pair.solimp[:5] = (constant, 1.0), SOLIMP
            touch = spec.add_sensor(name=f"touch_{name}_{k}", type=mujoco.mjtSensor.mjSENS_CONTACT)
            touch.objtype, touch.objname = mujoco.mjtObj.mjOBJ_GEOM, f"pad_{name}_{k}"
            touch.reftype, touch.refname = mujoco.mjtObj.mjOBJ_BODY, "item"
            touch.intprm[:3] = [1 << int(mujoco.mjtConDataField.mjCONDATA_FOUND), 0, 1]


def _scene(spec, problem: TransferProblem, item_geoms: list[str], constant: float) -> None:  # type: ignore[no-untyped-def]
    """Adds the obstacles and their contacts with the item; moving obstacles become mocap bodies."""
    supports = {allowed.obstacle for allowed in problem.scene.allowed_contacts}
    for obstacle in problem.scene.obstacles:
        parent = spec.worldbody
        if obstacle.motion is not None:
            pose = obstacle.motion.pose(0.0)
            parent = parent.add_body(name=f"moving_{obstacle.name}", pos=pose.translation, quat=wxyz(pose.rotation), mocap=True)
        names = [f"scene_{obstacle.name}" + (f"_{k}" if k else "") for k in range(len(obstacle.shapes))]
        for name, shape in zip(names, obstacle.shapes, strict=True):
            gap = SUPPORT_GAP if obstacle.name in supports else 0.0
            _add_shape(spec, parent, name, shape, shape.placement, gap)
        for geom, name in itertools.product(item_geoms, names):
            pair = spec.add_pair(geomname1=geom, geomname2=name)
            pair.condim, pair.friction = 3, [0.5, 0.5, 0.005, 0.0001, 0.0001]
            pair.solref[:2], pair.solimp[:5] = (constant, 1.0), SOLIMP


def _add_shape(spec, body, name: str, shape: Shape, placement: pin.SE3, gap: float = 0.0) -> str:  # type: ignore[no-untyped-def]
    """Adds a shape as a geom with its surface moved inwards by `gap` [m]; returns the geom's name.

    A shape that is no primitive of MuJoCo becomes the mesh of its convex hull.
    """
    if shape.type not in PRIMITIVES:
        own = shape.hull_points() @ shape.placement.rotation - shape.placement.translation @ shape.placement.rotation
        spec.add_mesh(name=name, uservert=(inset(own, gap) if gap else own).ravel())
        geom = _geom(body, name, mujoco.mjtGeom.mjGEOM_MESH, np.zeros(3), placement.translation, wxyz(placement.rotation))
        geom.meshname = name
        return name
    gap = min(gap, float(shape.half_extents().min()) / 4)
    kind, size = PRIMITIVES[shape.type]
    _geom(body, name, kind, size(shape, gap), placement.translation, wxyz(placement.rotation))
    return name


def inset(points: Array, gap: float) -> Array:
    """Returns the corners of a convex hull whose faces are all moved inwards.

    Args:
        points: (N, 3) points that span the hull [m].
        gap: distance by which every face moves [m], at most half of its distance from the middle of the points.

    Returns:
        (K, 3) corners [m].
    """
    planes, middle = ConvexHull(points).equations.copy(), points.mean(axis=0)
    depth = -(planes[:, :3] @ middle + planes[:, 3])
    planes[:, 3] += np.minimum(gap, depth / 2)
    return np.asarray(HalfspaceIntersection(planes, middle).intersections)


def _geom(body, name, kind, size, position, quaternion=(1, 0, 0, 0)):  # type: ignore[no-untyped-def]
    """Adds a massless geom that touches only through explicit pairs."""
    geom = body.add_geom(name=name, type=kind, size=size, pos=position, quat=quaternion)
    geom.contype = geom.conaffinity = 0
    geom.mass = 0.0
    return geom


def set_inertia(body, inertia: pin.Inertia) -> None:  # type: ignore[no-untyped-def]
    """Sets the inertia of a body of a MuJoCo specification.

    Args:
        body: the body.
        inertia: its inertia, in its own frame.
    """
    body.explicitinertial = True
    body.mass, body.ipos = inertia.mass, inertia.lever
    m = inertia.inertia
    body.fullinertia = [m[0, 0], m[1, 1], m[2, 2], m[0, 1], m[0, 2], m[1, 2]]


def wxyz(rotation: Array) -> Array:
    """Returns the quaternion (4,) of a rotation (3, 3) in MuJoCo's order (w, x, y, z)."""
    x, y, z, w = pin.Quaternion(np.asarray(rotation)).coeffs()
    return np.array([w, x, y, z])
