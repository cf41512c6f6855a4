"""Joint torques and contact wrenches of held items along a motion, with derivatives.

The grasp is a joint: the item hangs behind a 6-DoF joint at the grasp frame, held at zero.  RNEA's "torque" there is the
contact wrench [f; m] that the hand exerts on the item, in the grasp frame, and one `computeRNEADerivatives` call gives it
with the arm's torques and all derivatives (Carpentier & Mansard, RSS 2018).  pinocchio's rnea includes armature and
ignores damping, which is added here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.multibody.assembly import Assembly
from fastmove.multibody.batch_rnea import InverseDynamics
from fastmove.problem.transfer import TransferProblem

if TYPE_CHECKING:
    from fastmove.dynamics.path_margins import PathMargins


@dataclass(frozen=True)
class Efforts:
    """Joint torques and contact wrenches at N states, for every member of the item set.

    A member is one body in every hold (`TransferProblem.member_indices` of `HeldItem.bodies`), not one of `Item.members`.

    Each is an array (N, members, rows) whose rows are n_arm torques [Nm] and then six wrench rows for each hold: [f; m] of the
    hand on the item in the grasp frame [N], [Nm].

    Attributes:
        total: Efforts at (q, v, a).
        gravity: The part that remains at rest.
        viscous: The part linear in v (joint damping).
    """

    total: Array
    gravity: Array
    viscous: Array


@dataclass(frozen=True)
class Linearised:
    """Efforts with their derivatives (N, members, rows, n_arm).

    Attributes:
        efforts: The efforts.
        dq: Derivatives with respect to q [Nm/rad], [N/rad].
        dv: Derivatives with respect to v, joint damping included [Nm s/rad], [N s/rad].
        da: Derivatives with respect to a [Nm s²/rad], [N s²/rad].
    """

    efforts: Efforts
    dq: Array
    dv: Array
    da: Array


class Dynamics:
    """Efforts of a problem, for every member of the item set, and its path constraints.

    Efforts are linear in a body's inertial parameters: of a large set only members that span it are computed, the others are
    combinations of them.  Not thread safe (pinocchio data inside).

    Args:
        problem: The problem.
        assembly: Its body tree.

    Attributes:
        n: Number of joints of the arm.
        rows: Number of efforts: torques, then wrenches.
        damping: (n,) viscous damping of the joints [Nms/rad].
        models: Pinocchio models of the members that are computed.
        path: Uses of the path constraints; None if there are none.
    """

    def __init__(self, problem: TransferProblem, assembly: Assembly) -> None:
        self.n = problem.robot.n_arm
        self.rows = self.n + 6 * len(assembly.hold_frames)
        self.damping = np.array(problem.robot.damping)
        basis, self._weights = problem.spanning_members
        self._all = len(basis) == problem.n_members  # then every member is computed by itself
        self.models = [
            _with_items(assembly, problem.member_indices[k]) for k in (range(problem.n_members) if self._all else basis)
        ]
        self._data = [model.createData() for model in self.models]
        self._inverse = [InverseDynamics(model, self.n) for model in self.models]
        self.path = _path_margins(problem, assembly)
        self._q = np.array(pin.neutral(self.models[0]))
        self._v = np.zeros(self.rows)
        self._a = np.zeros(self.rows)

    def efforts(self, q: Array, v: Array, a: Array) -> Efforts:
        """Compute the efforts at N states.

        Args:
            q: (N, n_arm) configurations [rad].
            v: (N, n_arm) velocities [rad/s].
            a: (N, n_arm) accelerations [rad/s²].
        """
        total, gravity = self._at_once(q, v, a), self._at_once(q, np.zeros_like(v), np.zeros_like(a))
        return self._with_damping(self._members(total), self._members(gravity), v)

    def _at_once(self, q: Array, v: Array, a: Array) -> Array:
        """Compute efforts (N, models, rows) without damping."""
        return np.stack([inverse(q, v, a) for inverse in self._inverse], axis=1)

    def torques(self, q: Array, v: Array, a: Array, member: int = 0) -> Array:
        """Compute the torques (N, n_arm) of the arm alone at N states, for one member of the item set [Nm].

        Args:
            q: (N, n_arm) configurations [rad].
            v: (N, n_arm) velocities [rad/s].
            a: (N, n_arm) accelerations [rad/s²].
            member: Index of the member; one too large means the last.
        """
        member, n = min(member, len(self._weights) - 1), self.n
        torque = v * self.damping
        weights = np.eye(len(self.models))[member] if self._all else self._weights[member]
        for weight, inverse in zip(weights, self._inverse, strict=True):
            if weight:
                torque += weight * inverse(q, v, a)[:, :n]
        return torque

    def linearised(self, q: Array, v: Array, a: Array, members: Array | None = None) -> Linearised:
        """Compute efforts and their derivatives at N states.

        Args:
            q: (N, n_arm) configurations [rad].
            v: (N, n_arm) velocities [rad/s].
            a: (N, n_arm) accelerations [rad/s²].
            members: Indices of the members that are wanted; None = all.
        """
        shape = (len(q), len(self.models), self.rows)
        n = self.n
        total, gravity = np.empty(shape), self._at_once(q, np.zeros_like(v), np.zeros_like(a))
        dq, dv, da = (np.empty((*shape, n)) for _ in range(3))
        full_q, full_v, full_a = self._q, self._v, self._a
        for k, (model, data) in enumerate(zip(self.models, self._data, strict=True)):
            tau, by_q, by_v, by_a = data.tau, data.dtau_dq[:, :n], data.dtau_dv[:, :n], data.M[:, :n]  # views of the data
            for i in range(len(q)):
                full_q[:n], full_v[:n], full_a[:n] = q[i], v[i], a[i]
                pin.computeRNEADerivatives(model, data, full_q, full_v, full_a)
                total[i, k], dq[i, k], dv[i, k], da[i, k] = tau, by_q, by_v, by_a
        total, gravity, dq, dv, da = (self._members(x, members) for x in (total, gravity, dq, dv, da))
        dv[:, :, range(n), range(n)] += self.damping
        return Linearised(self._with_damping(total, gravity, v), dq, dv, da)

    def _members(self, values: Array, members: Array | None = None) -> Array:
        """Convert (N, models, …) to (N, members, …), for the members asked for or all."""
        if self._all:
            return values if members is None else values[:, members]
        weights = self._weights if members is None else self._weights[members]
        return np.asarray(np.tensordot(values, weights, axes=(1, 1))).transpose(0, values.ndim - 1, *range(1, values.ndim - 1))

    def gravity_slope(self, q: Array, members: Array | None = None) -> Array:
        """Compute the derivative (N, members, rows, n_arm) of the efforts at rest with respect to q.

        Args:
            q: (N, n_arm) configurations [rad].
            members: Indices of the members that are wanted; None = all.
        """
        n, zero = self.n, np.zeros(self.rows)
        slope = np.empty((len(q), len(self.models), self.rows, n))
        for k, (model, data) in enumerate(zip(self.models, self._data, strict=True)):
            for i in range(len(q)):
                self._q[:n] = q[i]
                pin.computeRNEADerivatives(model, data, self._q, zero, zero)
                slope[i, k] = data.dtau_dq[:, :n]
        return self._members(slope, members)

    def static(self, q: Array) -> Array:
        """Compute the efforts (N, members, rows) at rest of configurations (N, n_arm) [rad].

        For one configuration at a time, which path searches ask for, this is faster than `efforts`.
        """
        n = self.n
        gravity = np.empty((len(q), len(self.models), self.rows))
        for k, (model, data) in enumerate(zip(self.models, self._data, strict=True)):
            for i in range(len(q)):
                self._q[:n] = q[i]
                gravity[i, k] = pin.computeGeneralizedGravity(model, data, self._q)
        return self._members(gravity)

    def _with_damping(self, total: Array, gravity: Array, v: Array) -> Efforts:
        """Add joint damping to efforts without it."""
        viscous = np.zeros_like(total)
        viscous[:, :, : self.n] = (v * self.damping)[:, None, :]
        return Efforts(total + viscous, gravity, viscous)


def _with_items(assembly: Assembly, bodies: tuple[int, ...]) -> pin.Model:
    """Model of the arm with an item behind a 6-DoF joint at each grasp frame, the body of the given number."""
    model = assembly.arm.copy()
    for k, (frame, number) in enumerate(zip(assembly.hold_frames, bodies, strict=True)):
        joint = model.addJoint(frame.joint, pin.JointModelFreeFlyer(), frame.joint_T_grasp, f"grasp{k}")
        model.appendBodyToJoint(joint, frame.held.bodies[number], pin.SE3.Identity())
    return model


def _path_margins(problem: TransferProblem, assembly: Assembly) -> PathMargins | None:
    """Uses of the path constraints; None if the problem has none, in which case casadi is not loaded."""
    if not problem.path_constraints:
        return None
    from fastmove.dynamics.path_margins import path_margins

    return path_margins(problem, assembly)
