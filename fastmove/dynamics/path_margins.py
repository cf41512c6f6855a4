"""A problem's path constraints as functions of one instant (q, v, a), with derivatives, for all samples at once."""

from __future__ import annotations

import casadi as ca
import numpy as np

from fastmove.arrays import Array
from fastmove.dynamics.kinematics import Kinematics
from fastmove.errors import InputError
from fastmove.multibody.assembly import Assembly, named_frame
from fastmove.problem.path_constraint import FrameMotion
from fastmove.problem.transfer import TransferProblem


class SymbolicMotion:
    """One instant of a motion as CasADi expressions (a `MotionView`): q, v, a are (n,)."""

    def __init__(self, problem: TransferProblem, assembly: Assembly, q: ca.SX, v: ca.SX, a: ca.SX) -> None:
        self.problem, self.assembly = problem, assembly
        self.q, self.v, self.a = q, v, a

    def frame(self, name: str) -> FrameMotion[ca.SX]:
        """See `MotionView.frame`."""
        joint, placement = named_frame(self.assembly, self.problem.robot, name)
        rotation, origin = _joint_frames(Kinematics(self.assembly.arm), self.q)[joint]
        position = origin + rotation @ ca.SX(placement.translation)
        axes = rotation @ ca.SX(placement.rotation)
        turning = ca.reshape(ca.jtimes(ca.vec(axes), self.q, self.v), 3, 3) @ axes.T
        spin = ca.vertcat(turning[2, 1], turning[0, 2], turning[1, 0])  # dR/dt = [ω]× R
        return FrameMotion(position, axes, ca.jtimes(position, self.q, self.v), spin)


def _joint_frames(tree: Kinematics, q: ca.SX) -> list[tuple[ca.SX, ca.SX]]:
    """Rotation and origin of the world's frame and then of every joint's, in the world."""
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
    """Uses of the path constraints, 1 = limit, at states (N, n).

    Attributes:
        names, units, scales: (K,) of every row: its kind, the unit of its margin, and the margin at a use of 0.
        at_rest_only: (K,) whether a row depends on q alone: then no slower motion mends it.
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
        """(N, K)."""
        if len(q) == 0:  # CasADi would evaluate once
            return np.zeros((0, len(self.names)))
        return np.array(self.expression(q.T, v.T, a.T)).T

    def at_rest(self, q: Array) -> Array:
        """(N, K) where nothing moves."""
        return self.uses(q, np.zeros_like(q), np.zeros_like(q))

    def slopes(self, q: Array, v: Array, a: Array) -> tuple[Array, Array, Array]:
        """(N, K, n) derivatives with respect to q, v and a."""
        n = q.shape[1]
        found = np.array(self._slopes(q.T, v.T, a.T)).reshape(len(self.names), len(q), 3 * n).transpose(1, 0, 2)
        return found[..., :n], found[..., n : 2 * n], found[..., 2 * n :]

    def slopes_at_rest(self, q: Array) -> Array:
        """(N, K, n) derivatives of `at_rest` with respect to q."""
        return np.array(self._still_slopes(q.T)).reshape(len(self.names), len(q), q.shape[1]).transpose(1, 0, 2)

    def sentence(self, q: Array) -> tuple[float, str]:
        """Largest use at rest of a configuration (n,), and the words that name it."""
        use = self.at_rest(q[None])[0]
        worst = int(np.argmax(use))
        short = (use[worst] - 1) * self.scales[worst]
        return float(use[worst]), f"{self.names[worst]} misses its limit by {short:.3g} {self.units[worst]}".rstrip(" 1")


def _depends(rows: ca.SX, on: ca.SX) -> Array:
    """(K,) whether a row depends on any of these symbols."""
    pattern = ca.jacobian(rows, on).sparsity()
    return np.asarray(np.array(ca.DM(pattern, 1)).reshape(rows.numel(), on.numel()).any(axis=1))


def path_margins(problem: TransferProblem, assembly: Assembly) -> PathMargins:
    """Those of the problem.

    Raises:
        InputError: a constraint's margins are no CasADi expression, which is its author's mistake.
    """
    try:
        return PathMargins(problem, assembly)
    except (NotImplementedError, TypeError, RuntimeError) as error:
        names = ", ".join(type(constraint).__qualname__ for constraint in problem.path_constraints)
        raise InputError("constraints", f"{names}: margins() is no CasADi expression ({str(error).splitlines()[0]})") from error
