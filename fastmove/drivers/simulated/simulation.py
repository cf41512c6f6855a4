"""A physics simulation (MuJoCo) of one arm that holds one item by friction, or on a cup, so that the item can slip and fall.

The model was checked against closed forms: slip limits within 0.5 % of Coulomb, creep below 0.04 mm in 2 s at 95 % load.  Six
obvious ways to build it give wrong verdicts on slip, and each is avoided here on purpose:

    an item on a free joint in the world drifts at any margin       → a child of the hand: three slides and a ball joint
    implicit damping of servo gains gives false slips               → Euler integration, `eulerdamp` disabled
    box pads hold torsion 1.85 times too well                       → four spheres at the patch's own mean radius
    fingers that are not coupled cannot carry load along y          → an equality constraint between them
    a loose solver tolerance lets the item creep                    → tolerance 1e-12, elliptic cones, impratio 100
    convex collision is wrong at grazing contact (a cup on a        → tolerance 1e-12 within 1000 iterations, and supports that
    saucer is now and then 60 mm deep for one step)                   may be touched are 50 µm smaller all around

The item's own joint coordinates are its slip.  Contact points of pads come from the same patches that the planner uses; armature
and damping are the robot's.  A cup is a ring of contact points and a force that is lost when its seal opens (`simulated_hand`).
The servo's gains follow from the least effective inertia along the motion, so that they are stable at the time step for any arm.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.drivers.simulated.displacement import displacement
from fastmove.drivers.simulated.hand import simulated_hand
from fastmove.drivers.simulated.mujoco_model import mujoco_model
from fastmove.drivers.simulated.mujoco_parts import TIME_CONSTANT, mujoco, wxyz
from fastmove.drivers.simulated.settling import Settling
from fastmove.errors import InputError
from fastmove.multibody.assembly import assemble
from fastmove.problem.grasp import HeldItem
from fastmove.problem.transfer import TransferProblem

CLOSE = 0.1  # duration of the first phase of settling, in which the fingers close [s]
LOAD = 0.1  # duration of the second phase of settling, in which the pads take over the item's weight [s]
REST = 0.05  # duration of the third phase of settling, in which the item comes to rest [s]
SETTLE_STEP = 2.5e-4  # largest simulation step while the item settles [s]
CLOSED = 0.8  # share of `CLOSE` after which the grip is at its full force [1]
DRAG = 1e-3  # time constant of the damping that slows the item while the fingers close [s]
NEARLY_NOTHING = 1e-6  # share of its inertia that the item has while the hand is empty [1]
SERVO_RATE = 100.0  # natural frequency of the critically damped tracking error [rad/s]


def the_held(problem: TransferProblem) -> HeldItem:
    """Returns the one item that a problem holds.

    Raises:
        InputError: it holds none or several.
    """
    if len(problem.holds) != 1:
        raise InputError("holds", f"are {len(problem.holds)}; in simulated hardware an arm holds exactly one item")
    return problem.holds[0]


class Simulation:
    """A MuJoCo simulation of one arm with a servo, a two-finger hand or a cup, and one held item.

    Args:
        problem: transfer whose robot, item and scene are simulated.
        grip_force: grip force per pad, or vacuum force of a cup [N].
        gains_along: (N, n) configurations for which the servo must be stable [rad].
        member: index of the body, of the item's set, that is in the hand.
        step: simulation step [s].
        friction: Coulomb coefficient between hand and item; default the grasp's.
        time_constant: time constant of contacts [s].

    Raises:
        InputError: the problem does not hold exactly one item, or not by a contact that is simulated.
    """

    def __init__(
        self,
        problem: TransferProblem,
        grip_force: float,
        gains_along: Array,
        member: int = 0,
        step: float = 1e-3,
        friction: float | None = None,
        time_constant: float = TIME_CONSTANT,
    ) -> None:
        law = the_held(problem).law
        if not law.simulated:
            raise InputError("grasp.contact", f"is {law.name}, which is not simulated; what is judged in physics: pinch, suction")
        self.problem, self.step_size, self.grip_force, self.time_constant = problem, step, grip_force, time_constant
        self.assembly = assemble(problem)
        self.n = problem.robot.n_arm
        self.body = problem.holds[0].bodies[min(member, len(problem.holds[0].bodies) - 1)]
        self.hand = simulated_hand(problem.holds[0])
        self.model = mujoco_model(problem, self.assembly, self.hand, self.body, step, friction, time_constant).compile()
        self.data = mujoco.MjData(self.model)
        self.kp, self.kd = self._gains(gains_along)
        self.model.actuator_biasprm[: self.n, 1], self.model.actuator_biasprm[: self.n, 2] = -self.kp, -self.kd
        first = self.n + self.hand.joints
        self.item = slice(first, first + 7)  # the item in qpos: three slides and a quaternion
        self.item_dofs = slice(first, first + 6)
        self._movers = [
            (int(self.model.body(f"moving_{o.name}").mocapid[0]), o.motion)
            for o in problem.scene.obstacles
            if o.motion is not None
        ]
        self._belts = [
            (self.model.joint(f"belt_{o.name}"), float(np.linalg.norm(o.surface_velocity)))
            for o in problem.scene.obstacles
            if any(o.surface_velocity)
        ]
        self._inertia = (np.array(self.model.body("item").mass), np.array(self.model.body("item").inertia))
        self._points = [self.model.geom(name).id for name in self.hand.points]
        self._lifted, self.lost = 0, False  # for how many steps a point has not touched; whether the hand holds no more
        self.until = np.inf  # time at which moving obstacles stop [s]
        self.surface_share, self.surface_time = 1.0, 0.0  # share of their speed at which surfaces run, and its integral [s]
        self.grip(grip_force)

    def grip(self, force: float) -> None:
        """Sets the force with which each finger presses, or the vacuum force [N]; a negative one opens the hand."""
        self.data.ctrl[self.n :] = self.told(force)

    def told(self, force: float) -> float:
        """Returns what the hand's motors are told for a grip force [N]; nothing where the hand holds no more."""
        return 0.0 if self.lost else self.hand.control(force)

    def limit_torque(self, share: float) -> None:
        """Clips the servo's torques at a share of the robot's effort limits."""
        if share != 1.0:
            self.model.actuator_forcerange[: self.n] *= share

    def torque(self, a: Array) -> Array:
        """Returns the torque (n,) that arm and item need in the present state for accelerations (n,) [Nm].

        The item is taken along: it does not move in the hand.
        """
        mass = np.zeros((self.model.nv, self.model.nv))
        mujoco.mj_fullM(self.model, self.data, mass)
        passive = self.model.dof_damping[: self.n] * self.data.qvel[: self.n]
        return np.asarray(mass[: self.n, : self.n] @ a + self.data.qfrc_bias[: self.n] + passive)

    def saturated(self) -> bool:
        """Returns whether a torque of the servo was clipped in the last step."""
        torque, limit = self.data.actuator_force[: self.n], self.model.actuator_forcerange[: self.n, 1]
        return bool(np.any((np.abs(torque) >= limit) & (limit > 0)))  # joints without a limit have the range 0

    def place(self, q: Array) -> None:
        """Resets the simulation: the arm at rest at q (n,) [rad], the item as the grasp says."""
        mujoco.mj_resetData(self.model, self.data)
        self._lifted, self.lost = 0, False
        self.data.qpos[: self.n] = q
        self.grip(self.grip_force)
        mujoco.mj_forward(self.model, self.data)

    def disturb(self, size: float, seed: int) -> None:
        """Moves the item in the open hand, and the arm's joints, at random.

        Args:
            size: largest change of every coordinate [m, rad].
            seed: seed of the random numbers.
        """
        rng = np.random.default_rng(seed)
        self.data.qpos[: self.n] += size * rng.uniform(-1, 1, self.n)
        self.data.qpos[self.item] += size * rng.uniform(-1, 1, 7)
        mujoco.mj_normalizeQuat(self.model, self.data.qpos)

    @property
    def obstacles_move(self) -> bool:
        """Whether an obstacle, or the surface of one, moves."""
        return bool(self._movers or self._belts)

    def at(self, time: float) -> None:
        """Puts moving obstacles where they are at a time of the motion [s]."""
        for k, motion in self._movers:
            pose = motion.pose(time)
            self.data.mocap_pos[k], self.data.mocap_quat[k] = pose.translation, wxyz(pose.rotation)

    def command(self, q: Array, v: Array, feed_forward: Array) -> None:
        """Sets the servo's reference for the next step: torque = feed-forward + kp (q − q_now) + kd (v − v_now).

        Args:
            q: (n,) configuration [rad].
            v: (n,) velocity [rad/s].
            feed_forward: (n,) torque [Nm].
        """
        self.data.ctrl[: self.n] = feed_forward + self.kp * q + self.kd * v

    def settle(self, q: Array, longer: float = 0.0, disturbance: float = 0.0, seed: int = 0) -> Settling:
        """Grips the item with the arm still at q, loads the hand with the item's weight, and waits for rest.

        The pads close flat, as the certificate assumes: while they close, slowly, the item's support carries its weight and damps
        its motion, and then hands the weight over evenly.  If pads snap shut on an item that is free to fall, an eccentric item
        turns by a thousandth of a degree before they press, and stays wedged between a few of their points.  The servo gets the
        torque that arm and item, as they truly are, need at rest.

        Args:
            q: (n,) configuration [rad].
            longer: time to wait for rest beyond the usual [s].
            disturbance: size of a random change of item and arm beforehand, see `disturb` [m, rad].
            seed: seed of that change.

        Returns:
            How the item sits in the hand then.
        """
        self.place(q)
        if disturbance:
            self.disturb(disturbance, seed)
        self.model.opt.timestep = min(SETTLE_STEP, self.step_size)
        self.command(q, np.zeros_like(q), np.array(self.data.qfrc_bias[: self.n]))  # arm and item are at rest
        weight = np.array(self.data.qfrc_bias[self.item_dofs])
        closing, loading, resting = (round(seconds / self.model.opt.timestep) for seconds in (CLOSE, LOAD, REST + longer))
        self.model.dof_damping[self.item_dofs] = self._drag
        for k in range(closing):
            self.grip(self.grip_force * min(1.0, (k + 1) / (CLOSED * closing)))
            self._carried(weight, 1)
        self.model.dof_damping[self.item_dofs] = 0.0
        for k in range(loading):
            self._carried(weight * (1 - (k + 1) / loading), 1)
        self._carried(np.zeros(6), resting)
        self.model.opt.timestep = self.step_size
        return self.settled()

    @cached_property
    def _drag(self) -> Array:
        """Damping (6,) of the item in the hand while the pads close [Ns/m, Nms].

        It acts at the middle of the grasp, where the pads push, so that an item whose centre of mass is elsewhere is pushed but
        not turned.
        """
        least = float(np.linalg.eigvalsh(np.array(self.body.inertia)).min())
        return np.repeat([self.body.mass, least], 3) / DRAG

    def _carried(self, force: Array, steps: int) -> None:
        """Advances by `steps` with a generalized force (6,) on the item [N, Nm], which the arm feels like the item's weight."""
        self.data.qfrc_applied[self.item_dofs] = force
        self.advance(steps)

    def settled(self) -> Settling:
        """Returns how the item sits in the hand now."""
        mujoco.mj_forward(self.model, self.data)
        planned = np.array([0.0, 0, 0, 1, 0, 0, 0])
        slip, turn = displacement(planned, self.item_pose())
        normal, wrench, expected = *self.points_carry(), self._weight()
        held = self.problem.holds[0]
        scale = max(float(np.linalg.norm(expected[:3])), 0.1 * held.friction * self.grip_force)  # not 0 without gravity
        radius = min(patch.c for patch in held.patches)
        lever = max(float(np.linalg.norm(expected[3:]) / scale), radius)
        error = (wrench - expected) / scale / np.repeat([1.0, lever], 3)
        creep = float(np.linalg.norm(self.data.qvel[self.item_dofs][3:])) * radius * TIME_CONSTANT / self.time_constant
        wrench_error = max(float(np.linalg.norm(error[:3])), float(np.linalg.norm(error[3:])))
        lightest = float(normal.min() / (normal.mean() * self.hand.lightest(expected, self.grip_force))) if normal.any() else 0.0
        points = (self.points_in_touch(), len(self._points), lightest)
        return Settling(slip, turn, *points, wrench_error, creep, self.hand.point)

    def points_carry(self) -> tuple[Array, Array]:
        """Returns the normal force of the hand's points (points,) [N], and the wrench (6,) of the hand on the item [N, Nm].

        The wrench is in the grasp frame, and counts the vacuum's force.
        """
        normal, force = np.zeros(len(self._points)), np.zeros(6)
        wrench = np.array(self.data.qfrc_actuator[self.item_dofs])
        frame, origin = self.hand.frame(self.data)
        for k, contact in enumerate(self.data.contact):
            is_hand = [int(g) in self._points for g in contact.geom]
            if not any(is_hand):
                continue
            mujoco.mj_contactForce(self.model, self.data, k, force)
            sign = 1.0 if is_hand[0] else -1.0  # the force is that of the first geom on the second
            axes = contact.frame.reshape(3, 3)
            push, twist = sign * frame.T @ (axes.T @ force[:3]), sign * frame.T @ (axes.T @ force[3:])
            wrench += np.concatenate([push, np.cross(frame.T @ (contact.pos - origin), push) + twist])
            normal[self._points.index(int(contact.geom[0 if is_hand[0] else 1]))] += force[0]
        return normal, wrench

    def _weight(self) -> Array:
        """Returns the wrench (6,) that holds the body in the hand against gravity at rest, in the grasp frame [N, Nm]."""
        push = -self.body.mass * self.hand.frame(self.data)[0].T @ np.array(self.problem.gravity)
        return np.concatenate([push, np.cross(self.body.lever, push)])

    def state(self) -> Array:
        """Returns the whole state, for `resume`."""
        spec = mujoco.mjtState.mjSTATE_FULLPHYSICS
        state = np.empty(mujoco.mj_stateSize(self.model, spec))
        mujoco.mj_getState(self.model, self.data, state, spec)
        return state

    def resume(self, state: Array) -> None:
        """Goes on from a state, with a hand that has lost nothing."""
        mujoco.mj_setState(self.model, self.data, state, mujoco.mjtState.mjSTATE_FULLPHYSICS)
        self._lifted, self.lost = 0, False

    def without_item(self, off: bool) -> None:
        """Switches all contacts off, and the item's inertia, or on again, as for the ways of a hand that holds nothing."""
        flag = int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
        self.model.opt.disableflags = self.model.opt.disableflags | flag if off else self.model.opt.disableflags & ~flag
        item, share = self.model.body("item"), NEARLY_NOTHING if off else 1.0
        item.mass[:], item.inertia[:] = share * self._inertia[0], share * self._inertia[1]

    def park_item(self) -> None:
        """Keeps the item, which nothing holds, at rest in the hand's frame, and the fingers as they are."""
        self.data.qpos[self.item], self.data.qvel[self.item_dofs] = (0.0, 0, 0, 1, 0, 0, 0), 0.0
        self.data.qvel[self.n : self.item_dofs.start] = 0.0
        self.grip(0.0)

    def stand_item(self, world_T_grasp: pin.SE3, fingers: float) -> None:
        """Puts the item at rest where it stands in the world, and the fingers around it.

        Args:
            world_T_grasp: where the grasp frame would be if the hand held the item there.
            fingers: distance of each finger from where it touches the item [m].
        """
        own = slice(self.n, self.item.start)
        self.data.qpos[own], self.data.qvel[own] = fingers, 0.0
        mujoco.mj_forward(self.model, self.data)
        rotation, origin = self.hand.frame(self.data)
        moved = pin.SE3(rotation, origin).actInv(world_T_grasp)
        x, y, z, w = pin.Quaternion(moved.rotation).coeffs()
        self.data.qpos[self.item], self.data.qvel[self.item_dofs] = (*moved.translation, w, x, y, z), 0.0
        mujoco.mj_forward(self.model, self.data)

    def finger_drag(self) -> float:
        """Returns the damping of each finger's slide [Ns/m]."""
        return float(self.model.dof_damping[self.n])

    def finger_gap(self) -> float:
        """Returns how far the fingers are from where they touch the item, the nearer one [m]."""
        return float(np.min(self.data.qpos[self.n : self.item.start]))

    def both_pads_touch(self) -> bool:
        """Returns whether each pad touched the item with at least one point when contacts were last computed."""
        touch = np.asarray(self.data.sensordata) > 0
        return bool(touch[: len(touch) // 2].any() and touch[len(touch) // 2 :].any())

    def item_in_world(self) -> pin.SE3:
        """Returns the pose of the item's frame in the world."""
        body = self.data.body("item")
        w, x, y, z = body.xquat
        world_T_grasp = pin.XYZQUATToSE3(np.array([*body.xpos, x, y, z, w]))
        return world_T_grasp * self.problem.holds[0].grasp_T_item

    def points_in_touch(self) -> int:
        """Returns how many of the hand's points touched the item when contacts were last computed."""
        return int(np.count_nonzero(self.data.sensordata))

    def step(self) -> None:
        """Advances the simulation by one step; a cup whose lip has not touched all around for `leak_steps` holds no more."""
        self.advance()
        if np.isfinite(self.hand.seal_time):
            self._lifted = 0 if self.points_in_touch() == len(self._points) else self._lifted + 1
            if self._lifted >= self.leak_steps:
                self.lost = True
                self.grip(0.0)

    @property
    def leak_steps(self) -> int:
        """For how many steps a point of a cup's lip may not touch before the vacuum is lost."""
        return max(1, round(self.hand.seal_time / self.model.opt.timestep))

    def advance(self, steps: int = 1) -> None:
        """Advances the simulation by a number of steps."""
        for joint, speed in self._belts:  # a surface that moves stays where it is
            self.data.qpos[joint.qposadr[0]], self.data.qvel[joint.dofadr[0]] = 0.0, speed * self.surface_share
        self.surface_time += self.surface_share * steps * self.model.opt.timestep
        mujoco.mj_step(self.model, self.data, nstep=steps)

    def joints(self) -> Array:
        """Returns the present configuration (n,) [rad]."""
        return np.array(self.data.qpos[: self.n])

    def velocities(self) -> Array:
        """Returns the present joint velocities (n,) [rad/s]."""
        return np.array(self.data.qvel[: self.n])

    @property
    def time(self) -> float:
        """Time since `place` [s]."""
        return float(self.data.time)

    def item_pose(self) -> Array:
        """Returns the item's pose in the grasp frame, (7,): displacement [m] and quaternion (w, x, y, z)."""
        return np.array(self.data.qpos[self.item])

    def wrench(self) -> Array:
        """Returns the wrench (6,) on the item, of the hand and what else it touches, in the grasp frame [N, Nm]."""
        return np.array(self.data.qfrc_constraint[self.item_dofs] + self.data.qfrc_actuator[self.item_dofs])

    def _gains(self, along: Array) -> tuple[Array, Array]:
        """Returns the servo's gains (n,) kp = m ω² and kd = 2 m ω, with m the least effective inertia 1 / (M⁻¹)_ii.

        The least is taken over the configurations `along` (N, n).
        """
        mass, least = np.zeros((self.model.nv, self.model.nv)), np.full(self.n, np.inf)
        for q in along:
            self.place(q)
            mujoco.mj_fullM(self.model, self.data, mass)
            least = np.minimum(least, 1 / np.diag(np.linalg.inv(mass))[: self.n])
        return least * SERVO_RATE**2, 2 * least * SERVO_RATE
