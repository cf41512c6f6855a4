"""A problem's path constraints as functions of one instant (q, v, a), with derivatives, for all samples at once."""

from __future__ import annotations

from functools import cached_property

import casadi as ca
import numpy as np

from fastmove.arrays import Array
from fastmove.dynamics.kinematics import Kinematics
from fastmove.errors import InputError
from fastmove.multibody.assembly import Assembly, named_frame
from fastmove.problem.path_constraint import FrameMotion
from fastmove.problem.transfer import TransferProblem


class SymbolicMotion:
    """One instant of a motion as CasADi expressions (a `MotionView`).

    Args:
        problem: The problem.
        assembly: Its body tree.
        q: (n,) joint positions [rad].
        v: (n,) joint velocities [rad/s].
        a: (n,) joint accelerations [rad/s²].
    """

    def __init__(self, problem: TransferProblem, assembly: Assembly, q: ca.SX, v: ca.SX, a: ca.SX) -> None:
        self.problem, self.assembly = problem, assembly
        self.q, self.v, self.a = q, v, a

    def frame(self, name: str) -> FrameMotion[ca.SX]:
        """Motion of the frame of this name in the world, as expressions; see `MotionView.frame`."""
        joint, placement = named_frame(self.assembly, self.problem.robot, name)
        rotation, origin = self._joint_frames[joint]
        position = origin + rotation @ ca.SX(placement.translation)
        axes = rotation @ ca.SX(placement.rotation)
        turning = ca.reshape(ca.jtimes(ca.vec(axes), self.q, self.v), 3, 3) @ axes.T
        spin = ca.vertcat(turning[2, 1], turning[0, 2], turning[1, 0])  # dR/dt = [ω]× R
        return FrameMotion(position, axes, ca.jtimes(position, self.q, self.v), spin)

    @cached_property
    def _joint_frames(self) -> list[tuple[ca.SX, ca.SX]]:
        """Rotations and origins, in the world, of the world's frame and then of every joint's."""
        return _joint_frames(Kinematics(self.assembly.arm), self.q)


def _joint_frames(tree: Kinematics, q: ca.SX) -> list[tuple[ca.SX, ca.SX]]:
    """Rotations and origins, in the world, of the world's frame and then of every joint's."""
    frames = [(ca.SX.eye(3), ca.SX.zeros(3))]
    for k in range(tree.n):
        rotation, origin = frames[tree.parents[k]]
        axis, turned = ca.SX(tree.local_axis[k]), rotation @ ca.SX(tree.offset_rotation[k])
        origin = origin + rotation @ ca.SX(tree.offset[k])
        if tree.prismatic[k]:
            origin = origin + turned @ axis * q[k]
        else:  # Rodrigues
            cross = ca.skew(axis)
            turned = turned @ (ca.SX.eye(3) + ca.sin(q[k]) * cross + (1 - ca.cos(q[k])) * (cross @ cross))
        frames.append((turned, origin))
    return frames


class PathMargins:
    """Uses of a problem's path constraints, 1 = limit, at states (N, n), one row for each scalar constraint.

    Args:
        problem: The problem.
        assembly: Its body tree.

    Attributes:
        expression: CasADi function (q, v, a) -> uses (K,).
        names: Kind of each row.
        units: Unit of each row's margin.
        scales: (K,) margin of each row at a use of 0, in its unit.
        at_rest_only: (K,) whether a row depends on q alone, so that no slower motion reduces it.
        anywhere: (K,) whether a row depends on q where nothing moves.
    """

    def __init__(self, problem: TransferProblem, assembly: Assembly) -> None:
        n = problem.robot.n_arm
        q, v, a = (ca.SX.sym(name, n) for name in "qva")
        motion, rows = SymbolicMotion(problem, assembly, q, v, a), []
        names, units, scales = [], [], []
        for constraint in problem.path_constraints:
            margins = ca.vec(ca.SX(constraint.margins(motion)))
            rows.append(1 - margins / constraint.scale)
            names += [constraint.kind.name] * margins.numel()
            units += [constraint.kind.unit] * margins.numel()
            scales += [constraint.scale] * margins.numel()
        self.expression = ca.Function("path_uses", [q, v, a], [ca.vertcat(*rows)])
        self.names, self.units, self.scales = tuple(names), tuple(units), np.array(scales)
        uses, zero = self.expression(q, v, a), ca.SX.zeros(n)
        still = self.expression(q, zero, zero)
        self.at_rest_only = ~_depends(uses, ca.vertcat(v, a))
        self.anywhere = _depends(still, q)
        self._slopes = ca.Function("path_slopes", [q, v, a], [ca.densify(ca.jacobian(uses, ca.vertcat(q, v, a)))])
        self._still_slopes = ca.Function("path_slopes_at_rest", [q], [ca.densify(ca.jacobian(still, q))])

    def uses(self, q: Array, v: Array, a: Array) -> Array:
        """Compute the uses (N, K), 1 = limit.

        Args:
            q: (N, n) configurations [rad].
            v: (N, n) velocities [rad/s].
            a: (N, n) accelerations [rad/s²].
        """
        if len(q) == 0:  # CasADi would evaluate once
            return np.zeros((0, len(self.names)))
        return np.array(self.expression(q.T, v.T, a.T)).T

    def at_rest(self, q: Array) -> Array:
        """Compute the uses (N, K), 1 = limit, of configurations q (N, n) [rad] where nothing moves."""
        return self.uses(q, np.zeros_like(q), np.zeros_like(q))

    def slopes(self, q: Array, v: Array, a: Array) -> tuple[Array, Array, Array]:
        """Compute the derivatives (N, K, n) of the uses with respect to q, v and a.

        Args:
            q: (N, n) configurations [rad].
            v: (N, n) velocities [rad/s].
            a: (N, n) accelerations [rad/s²].
        """
        n = q.shape[1]
        slopes = np.array(self._slopes(q.T, v.T, a.T)).reshape(len(self.names), len(q), 3 * n).transpose(1, 0, 2)
        return slopes[..., :n], slopes[..., n : 2 * n], slopes[..., 2 * n :]

    def slopes_at_rest(self, q: Array) -> Array:
        """Compute the derivatives (N, K, n) of `at_rest` with respect to q (N, n) [1/rad]."""
        return np.array(self._still_slopes(q.T)).reshape(len(self.names), len(q), q.shape[1]).transpose(1, 0, 2)

    def sentence(self, q: Array) -> tuple[float, str]:
        """Largest use at rest of a configuration q (n,) [rad], and the words that say which constraint it is and by how much."""
        use = self.at_rest(q[None])[0]
        worst = int(np.argmax(use))
        short = (use[worst] - 1) * self.scales[worst]
        return float(use[worst]), f"{self.names[worst]} misses its limit by {short:.3g} {self.units[worst]}".rstrip(" 1")


def _depends(rows: ca.SX, on: ca.SX) -> Array:
    """(K,) whether a row depends on any of these symbols."""
    pattern = ca.jacobian(rows, on).sparsity()
    return np.asarray(np.array(ca.DM(pattern, 1)).reshape(rows.numel(), on.numel()).any(axis=1))


def path_margins(problem: TransferProblem, assembly: Assembly) -> PathMargins:
    """Build the uses of a problem's path constraints.

    Args:
        problem: The problem.
        assembly: Its body tree.

    Raises:
        InputError: A constraint's margins are no CasADi expression, which is its author's mistake.
    """
    try:
        return PathMargins(problem, assembly)
    except (NotImplementedError, TypeError, RuntimeError) as error:
        names = ", ".join(type(constraint).__qualname__ for constraint in problem.path_constraints)
        raise InputError("constraints", f"{names}: margins() is no CasADi expression ({str(error).splitlines()[0]})") from error
