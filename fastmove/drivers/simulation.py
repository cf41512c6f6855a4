"""Simulated hardware that can say no: the item held by friction alone, judged for slip.

The recipe and every number in it were measured against closed forms (slip limits within 0.5 % of Coulomb, creep below 0.04 mm
in 2 s at 95 % load).  Five obvious ways to build this model give wrong verdicts, and each is avoided here on purpose:

    an item on a free joint in the world drifts at any margin       → a child of the hand: three slides and a ball
    implicit damping of servo gains gives false slips               → Euler, `eulerdamp` disabled
    box pads hold torsion 1.85 times too well                       → four spheres at the patch's own mean radius
    fingers that are not coupled cannot carry load along y          → an equality between them
    a loose solver tolerance creeps                                 → 1e-12, elliptic cones, impratio 100

The item's own joint coordinates are its slip.  Contact points come from the same patches that the planner uses; armature and
damping are the robot's.  The servo's gains follow from the least effective inertia on the way, so that they are stable at the
time step whatever the arm.
"""

from __future__ import annotations

import itertools

import numpy as np
import pinocchio as pin

from fastmove.assembly import Assembly, assemble
from fastmove.errors import InputError, MissingPackage
from fastmove.grasp import Held
from fastmove.kinematics import Kinematics
from fastmove.problem import TransferProblem
from fastmove.shapes import Shape
from fastmove.spline import Array

try:
    import mujoco
    from mujoco import rollout
except ImportError as error:  # pragma: no cover
    raise MissingPackage("mujoco", "simulated hardware", "sim") from error

PAD_RADIUS = 0.004  # [m]
SOLREF, SOLIMP = (0.004, 1.0), (0.99, 0.999, 0.001, 0.5, 2.0)
FINGER_ARMATURE, FINGER_DAMPING = 0.5, 20.0
SETTLE, SETTLE_STEP = 0.2, 2.5e-4  # [s]
SERVO_RATE = 100.0  # [rad/s] natural frequency of the tracking error, critically damped


def the_held(problem: TransferProblem) -> Held:
    """The one item that is held.  Raises InputError where it is none or several."""
    if len(problem.holds) != 1:
        raise InputError("holds", f"are {len(problem.holds)}; in simulated hardware an arm holds exactly one item")
    return problem.holds[0]


class Simulation:
    """One held item on one arm in MuJoCo.

    Args:
        grip_force: per pad [N];  member: which body of the item's set is in the hand;  step: [s].
        gains_along: configurations (N, n) for which the servo must be stable.
    """

    def __init__(
        self,
        problem: TransferProblem,
        grip_force: float,
        gains_along: Array,
        member: int = 0,
        step: float = 1e-3,
        friction: float | None = None,
    ) -> None:
        if the_held(problem).grasp.contact != "pinch":
            raise InputError("grasp.contact", "is suction, which is not simulated; only pinched items are judged in physics")
        self.problem, self.step_size, self.grip_force = problem, step, grip_force
        self.assembly = assemble(problem)
        self.n = problem.robot.n_arm
        self.model = _spec(problem, self.assembly, member, step, friction).compile()
        self.data = mujoco.MjData(self.model)
        self.kp, self.kd = self._gains(gains_along)
        self.model.actuator_biasprm[: self.n, 1], self.model.actuator_biasprm[: self.n, 2] = -self.kp, -self.kd
        self.item = slice(self.n + 2, self.n + 9)  # three slides and a quaternion in qpos
        self.item_dofs = slice(self.n + 2, self.n + 8)
        self._movers = [
            (int(self.model.body(f"moving_{o.name}").mocapid[0]), o.motion)
            for o in problem.scene.obstacles
            if o.motion is not None
        ]
        self._pads = [k for k in range(self.model.ngeom) if self.model.geom(k).name.startswith("pad_")]
        self.least_contacts = len(self._pads)
        self.until = np.inf  # when obstacles that move are stopped [s]
        self.grip(grip_force)

    def grip(self, force: float) -> None:
        """Force with which each finger presses [N]; negative opens."""
        self.data.ctrl[self.n :] = force

    def place(self, q: Array) -> None:
        """Arm at q, at rest, item at the grasp."""
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[: self.n] = q
        self.grip(self.grip_force)
        mujoco.mj_forward(self.model, self.data)

    def at(self, time: float) -> None:
        """Put obstacles that move where they are at this time of the motion [s]."""
        for k, motion in self._movers:
            pose = motion.pose(time)
            self.data.mocap_pos[k], self.data.mocap_quat[k] = pose.translation, wxyz(pose.rotation)

    def command(self, q: Array, v: Array, feed_forward: Array) -> None:
        """The servo's reference for the next step: torque = feed-forward + kp (q − q_now) + kd (v − v_now)."""
        self.data.ctrl[: self.n] = feed_forward + self.kp * q + self.kd * v

    def settle(self, q: Array, feed_forward: Array) -> None:
        """Close the grip on the item with the arm still at q, until nothing moves; a finer step keeps every pad point in touch.

        Closing is an impact: at a step of 1 ms an eccentric item can end on fewer points than it has.
        """
        self.place(q)
        self.model.opt.timestep = min(SETTLE_STEP, self.step_size)
        self.command(q, np.zeros_like(q), feed_forward)
        self.advance(round(SETTLE / self.model.opt.timestep))
        self.model.opt.timestep = self.step_size

    def play(self, q: Array, v: Array, feed_forward: Array, measure: bool) -> tuple[Array, Array, Array]:
        """Send all references (N, n) from the present state, one per step.

        Returns:
            joints (N, n), item poses (N, 7) after every step, and contact wrenches (N, 6), empty unless measured.
        """
        control = np.empty((len(q), self.model.nu))
        control[:, : self.n] = feed_forward + self.kp * q + self.kd * v
        control[:, self.n :] = self.grip_force
        if not measure and not self._movers:
            spec = mujoco.mjtState.mjSTATE_FULLPHYSICS
            initial = np.empty(mujoco.mj_stateSize(self.model, spec))
            mujoco.mj_getState(self.model, self.data, initial, spec)
            states, _ = rollout.rollout(self.model, self.data, initial[None], control[None])
            qpos = states[0, :, 1 : 1 + self.model.nq]
            return qpos[:, : self.n], qpos[:, self.item], np.zeros((0, 6))
        qpos, wrench = np.empty((len(q), self.model.nq)), np.empty((len(q), 6))
        for k in range(len(q)):
            self.data.ctrl[:] = control[k]
            self.at(min(k * self.step_size, self.until))
            mujoco.mj_step(self.model, self.data)
            qpos[k], wrench[k] = self.data.qpos, self.data.qfrc_constraint[self.item_dofs]
            self.least_contacts = min(self.least_contacts, self.pads_in_touch())
        return qpos[:, : self.n], qpos[:, self.item], wrench

    def pads_in_touch(self) -> int:
        """How many pad points touch the item now."""
        return int(np.count_nonzero(np.isin(self.data.contact.geom, self._pads).any(axis=1)))

    def advance(self, steps: int = 1) -> None:
        mujoco.mj_step(self.model, self.data, nstep=steps)

    def joints(self) -> Array:
        """(n,) measured configuration [rad]."""
        return np.array(self.data.qpos[: self.n])

    def item_pose(self) -> Array:
        """(7,) displacement [m] and quaternion (w, x, y, z) of the item in the grasp frame."""
        return np.array(self.data.qpos[self.item])

    def wrench(self) -> Array:
        """(6,) what contacts exert on the item, in the grasp frame [N, Nm]."""
        return np.array(self.data.qfrc_constraint[self.item_dofs])

    def _gains(self, along: Array) -> tuple[Array, Array]:
        """kp = m ω², kd = 2 m ω with m the least effective inertia 1 / (M⁻¹)_ii on the way."""
        mass, least = np.zeros((self.model.nv, self.model.nv)), np.full(self.n, np.inf)
        for q in along:
            self.place(q)
            mujoco.mj_fullM(self.model, self.data, mass)
            least = np.minimum(least, 1 / np.diag(np.linalg.inv(mass))[: self.n])
        return least * SERVO_RATE**2, 2 * least * SERVO_RATE


def displacements(reference: Array, poses: Array) -> tuple[Array, Array]:
    """(N,) distances [m] and angles [rad] of item poses (N, 7) from a reference pose (7,)."""
    length = np.linalg.norm(reference[3:]) * np.linalg.norm(poses[:, 3:], axis=1)
    cosine = np.minimum(1.0, np.abs(poses[:, 3:] @ reference[3:]) / np.maximum(length, 1e-300))
    return np.linalg.norm(poses[:, :3] - reference[:3], axis=1), 2 * np.arccos(cosine)


def displacement(reference: Array, now: Array) -> tuple[float, float]:
    """The same for one pose."""
    distance, angle = displacements(reference, now[None])
    return float(distance[0]), float(angle[0])


# -- the model ------------------------------------------------------------------------------------------------------------


def _spec(
    problem: TransferProblem,
    assembly: Assembly,
    member: int,
    step: float,
    friction: float | None,
) -> mujoco.MjSpec:
    spec = mujoco.MjSpec()
    option = spec.option
    option.gravity, option.timestep = problem.gravity, step
    option.cone, option.impratio = mujoco.mjtCone.mjCONE_ELLIPTIC, 100.0
    option.solver, option.iterations, option.tolerance = mujoco.mjtSolver.mjSOL_NEWTON, 200, 1e-12
    option.integrator = mujoco.mjtIntegrator.mjINT_EULER
    option.disableflags |= mujoco.mjtDisableBit.mjDSBL_EULERDAMP
    spec.compiler.boundmass = spec.compiler.boundinertia = 0.0
    spec.compiler.balanceinertia = False
    bodies = _arm(spec, problem, assembly)
    frame = assembly.hold_frames[0]
    _hand(spec, bodies[frame.joint], problem, frame.joint_T_grasp)
    item_geoms = _item(spec, bodies[frame.joint], problem, frame.joint_T_grasp, member)
    mu = problem.holds[0].grasp.friction if friction is None else friction
    _pad_contacts(spec, problem, item_geoms, mu)
    _scene(spec, problem, item_geoms)
    return spec


def _arm(spec, problem: TransferProblem, assembly: Assembly):  # type: ignore[no-untyped-def]
    arm, robot, limits = assembly.arm, problem.robot, problem.limit_set
    axes = Kinematics(arm)
    bodies = {0: spec.worldbody}
    for k in range(1, arm.njoints):
        placement = arm.jointPlacements[k]
        body = bodies[int(arm.parents[k])].add_body(name=arm.names[k], pos=placement.translation, quat=wxyz(placement.rotation))
        set_inertia(body, arm.inertias[k])
        slide = bool(axes.prismatic[k - 1])
        kind = mujoco.mjtJoint.mjJNT_SLIDE if slide else mujoco.mjtJoint.mjJNT_HINGE
        joint = body.add_joint(name=arm.names[k], type=kind, axis=axes.local_axis[k - 1])
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
    """Two coupled fingers that slide along the closing axis, with pad points from the patches."""
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


def _item(spec, parent, problem: TransferProblem, joint_T_grasp: pin.SE3, member: int) -> list[str]:  # type: ignore[no-untyped-def]
    held = problem.holds[0]
    body = parent.add_body(name="item", pos=joint_T_grasp.translation, quat=wxyz(joint_T_grasp.rotation))
    set_inertia(body, held.bodies[min(member, len(held.bodies) - 1)])
    for axis in np.eye(3):
        body.add_joint(type=mujoco.mjtJoint.mjJNT_SLIDE, axis=axis)
    body.add_joint(type=mujoco.mjtJoint.mjJNT_BALL)
    return [_add_shape(spec, body, f"item_{k}", s, held.grasp_T_item * s.placement) for k, s in enumerate(held.item.shapes)]


def _pad_contacts(spec, problem: TransferProblem, item_geoms: list[str], mu: float) -> None:  # type: ignore[no-untyped-def]
    held = problem.holds[0]
    for name, patch in (("left", held.patches[0]), ("right", held.patches[1])):
        for k in range(len(patch.points())):
            for geom in item_geoms:
                pair = spec.add_pair(geomname1=f"pad_{name}_{k}", geomname2=geom)
                pair.condim = 4 if patch.kind == "disc" else 3
                pair.friction = [mu, mu, mu * patch.c, 0.0001, 0.0001]
                pair.solref[:2], pair.solimp[:5] = SOLREF, SOLIMP


def _scene(spec, problem: TransferProblem, item_geoms: list[str]) -> None:  # type: ignore[no-untyped-def]
    for obstacle in problem.scene.obstacles:
        parent = spec.worldbody
        if obstacle.motion is not None:
            pose = obstacle.motion.pose(0.0)
            parent = parent.add_body(name=f"moving_{obstacle.name}", pos=pose.translation, quat=wxyz(pose.rotation), mocap=True)
        names = [f"scene_{obstacle.name}" + (f"_{k}" if k else "") for k in range(len(obstacle.shapes))]
        for name, shape in zip(names, obstacle.shapes, strict=True):
            _add_shape(spec, parent, name, shape, shape.placement)
        for geom, name in itertools.product(item_geoms, names):
            pair = spec.add_pair(geomname1=geom, geomname2=name)
            pair.condim, pair.friction = 3, [0.5, 0.5, 0.005, 0.0001, 0.0001]
            pair.solref[:2], pair.solimp[:5] = SOLREF, SOLIMP


def _add_shape(spec, body, name: str, shape: Shape, placement: pin.SE3) -> str:  # type: ignore[no-untyped-def]
    """A shape as a geom; a mesh is its convex hull, as it is everywhere."""
    if shape.type == "mesh":
        own = shape.hull_points() @ shape.placement.rotation - shape.placement.translation @ shape.placement.rotation
        spec.add_mesh(name=name, uservert=own.ravel())
        geom = _geom(body, name, mujoco.mjtGeom.mjGEOM_MESH, np.zeros(3), placement.translation, wxyz(placement.rotation))
        geom.meshname = name
        return name
    kinds = {
        "box": (mujoco.mjtGeom.mjGEOM_BOX, shape.half_extents()),
        "cylinder": (mujoco.mjtGeom.mjGEOM_CYLINDER, [shape.radius, shape.length / 2, 0]),
        "capsule": (mujoco.mjtGeom.mjGEOM_CAPSULE, [shape.radius, shape.length / 2, 0]),
        "sphere": (mujoco.mjtGeom.mjGEOM_SPHERE, [shape.radius, 0, 0]),
    }
    kind, size = kinds[shape.type]
    _geom(body, name, kind, size, placement.translation, wxyz(placement.rotation))
    return name


def _geom(body, name, kind, size, position, quaternion=(1, 0, 0, 0)):  # type: ignore[no-untyped-def]
    """A geom that touches only through explicit pairs and weighs nothing."""
    geom = body.add_geom(name=name, type=kind, size=size, pos=position, quat=quaternion)
    geom.contype = geom.conaffinity = 0
    geom.mass = 0.0
    return geom


def set_inertia(body, inertia: pin.Inertia) -> None:  # type: ignore[no-untyped-def]
    """Give a body of a MuJoCo specification an inertia in its own frame."""
    body.explicitinertial = True
    body.mass, body.ipos = inertia.mass, inertia.lever
    m = inertia.inertia
    body.fullinertia = [m[0, 0], m[1, 1], m[2, 2], m[0, 1], m[0, 2], m[1, 2]]


def wxyz(rotation: Array) -> Array:
    """(4,) quaternion of a rotation (3, 3) in MuJoCo's order."""
    x, y, z, w = pin.Quaternion(np.asarray(rotation)).coeffs()
    return np.array([w, x, y, z])
