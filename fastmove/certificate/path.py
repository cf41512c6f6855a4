"""Certificate checks of a user's own path constraints, by their own numpy functions on a grid."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.certificate.certificate import ROUNDING, LimitMargin
from fastmove.certificate.time_grid import TimeGrid, time_grid
from fastmove.errors import InputError
from fastmove.multibody.assembly import Assembly, named_frame
from fastmove.problem.path_constraint import FrameMotion, PathConstraint
from fastmove.problem.transfer import TransferProblem
from fastmove.trajectory.trajectory import Trajectory


@dataclass(frozen=True)
class SampledMotion:
    """A motion at the N instants of a grid, as the `check` of a path constraint reads it (a `MotionView` of arrays).

    Attributes:
        problem: The problem.
        assembly: Its body tree, whose frames are placed by pinocchio.
        grid: The instants and the motion there.
    """

    problem: TransferProblem
    assembly: Assembly
    grid: TimeGrid

    @property
    def q(self) -> Array:
        """Joint positions (N, n) [rad]."""
        return self.grid.q

    @property
    def v(self) -> Array:
        """Joint velocities (N, n) [rad/s]."""
        return self.grid.v

    @property
    def a(self) -> Array:
        """Joint accelerations (N, n) [rad/s²]."""
        return self.grid.a

    def frame(self, name: str) -> FrameMotion[Array]:
        """Pose and velocity of a named frame in the world at all instants (see `MotionView.frame`).

        Args:
            name: `tool`, `item`, or the name of a link.

        Raises:
            UnknownName: There is no such frame.
        """
        joint, placement = named_frame(self.assembly, self.problem.robot, name)
        arm, data, count = self.assembly.arm, self.assembly.arm.createData(), len(self.q)
        position, rotation = np.empty((count, 3)), np.empty((count, 3, 3))
        velocity, spin = np.zeros((count, 3)), np.zeros((count, 3))
        for i in range(count):
            pin.forwardKinematics(arm, data, self.q[i], self.v[i])
            there = data.oMi[joint] * placement
            position[i], rotation[i] = there.translation, there.rotation
            moving = placement.actInv(data.v[joint])
            velocity[i], spin[i] = there.rotation @ moving.linear, there.rotation @ moving.angular
        return FrameMotion(position, rotation, velocity, spin)


def check_path(
    problem: TransferProblem,
    assembly: Assembly,
    trajectory: Trajectory,
    step: float,
    kinds: Collection[str],
    profile: dict[str, Array],
) -> dict[str, LimitMargin]:
    """Check the problem's path constraints, those of `kinds`.

    Args:
        problem: The problem.
        assembly: Its body tree.
        trajectory: The motion.
        step: Step of the grid [s].
        kinds: Names of the kinds to check.
        profile: Receives the use (N,) of each constraint over the grid, 1 = limit.

    Returns:
        Worst margin of each kind.

    Raises:
        InputError: The `check` of a constraint gives an array of another shape than (N,) or (N, k).
    """
    wanted = [constraint for constraint in problem.path_constraints if constraint.kind.name in kinds]
    if not wanted:
        return {}
    grid, margins = time_grid(trajectory, step), {}
    profile.setdefault("time", grid.time)
    motion = SampledMotion(problem, assembly, grid)
    for constraint in wanted:
        margin = _margins(constraint, motion)
        worst, scale = int(np.argmin(margin)), constraint.scale
        own = f"{type(constraint).__module__}.{type(constraint).__qualname__}"
        least = float(margin[worst]) + ROUNDING * scale
        proof = f"grid {step * 1e3:g} ms, by {own}"
        margins[constraint.kind.name] = LimitMargin(
            least, constraint.kind.unit, least / scale, float(grid.time[worst]), own, proof
        )
        profile[constraint.kind.name] = 1 - margin / scale
    return margins


def _margins(constraint: PathConstraint, motion: SampledMotion) -> Array:
    """Least margin (N,) of a constraint at each instant, in its own unit; NaN counts as −infinity."""
    margin: Array = np.array(constraint.check(motion), dtype=float)
    if margin.ndim not in (1, 2) or len(margin) != len(motion.q):
        name = type(constraint).__qualname__
        raise InputError(f"{name}.check", f"gives an array {margin.shape}; needed: ({len(motion.q)},) or ({len(motion.q)}, k)")
    margin = margin.reshape(len(margin), -1).min(axis=1)
    return np.where(np.isnan(margin), -np.inf, margin)
