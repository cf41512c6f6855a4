"""Torques and torque rates of the arm with its items fixed rigidly to it, over a whole set of items."""

from __future__ import annotations

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.certificate.time_grid import TimeGrid
from fastmove.multibody.assembly import Assembly
from fastmove.multibody.batch_rnea import InverseDynamics
from fastmove.problem.transfer import TransferProblem
from fastmove.problem.uncertainty import affine_basis


def torque_range(
    problem: TransferProblem, assembly: Assembly, grid: TimeGrid, with_rate: bool, base: Array
) -> tuple[Array, Array]:
    """Lowest and highest joint torques and rates (2, N, n) over every combination of bodies that are held; base: of the first.

    Both are affine in each body's inertial parameters, and what one body adds does not depend on the others: so the extremes
    over all combinations are sums of extremes, and of each set only bodies that span it are computed.
    """
    first = [0] * len(assembly.hold_frames)
    low = high = base
    for k, frame in enumerate(assembly.hold_frames):
        basis, weights = affine_basis(np.array([body.toDynamicParameters() for body in frame.held.bodies]))
        others = ([*first[:k], int(j), *first[k + 1 :]] for j in basis[1:])
        parts = [base, *(_inverse_dynamics(problem, assembly, grid, bodies, with_rate) for bodies in others)]
        least = most = base
        for weight in weights:
            value = sum(w * part for w, part in zip(weight, parts, strict=True))
            least, most = np.minimum(least, value), np.maximum(most, value)
        low, high = low + (least - base), high + (most - base)
    return low, high


_Motions = list[tuple[Array, Array, Array]]


def first_bodies(problem: TransferProblem, assembly: Assembly, grid: TimeGrid, with_rate: bool) -> tuple[Array, _Motions]:
    """Joint torques and rates (2, N, n) with the first body in each hold, and for every hold, whatever is held, the spatial
    velocity and gravity-compensated acceleration (N, 6) of its joint, in the joint's frame, and (where leaning is limited) its
    rotation (N, 3, 3)."""
    count, frames = len(grid.time), assembly.hold_frames
    motions = [(np.empty((count, 6)), np.empty((count, 6)), np.empty((count, 3, 3))) for _ in frames]
    return _inverse_dynamics(problem, assembly, grid, [0] * len(frames), with_rate, motions), motions


def _inverse_dynamics(
    problem: TransferProblem,
    assembly: Assembly,
    grid: TimeGrid,
    bodies: list[int],
    with_rate: bool,
    motions: _Motions | None = None,
) -> Array:
    """Joint torques and their rates (2, N, n) with the body of this number in each hold, rigid on its joint; damping is added.

    motions: filled, where given (see `first_bodies`).
    """
    model = assembly.arm.copy()
    for frame, number in zip(assembly.hold_frames, bodies, strict=True):
        model.appendBodyToJoint(frame.joint, frame.held.bodies[number], frame.joint_T_grasp)
    data, damping = model.createData(), np.array(problem.robot.damping)
    rate = np.zeros_like(grid.q)
    leans = any(np.isfinite(frame.held.item.tolerates.upright) for frame in assembly.hold_frames)
    seen = [(frame.joint, data.v[frame.joint].vector, data.a_gf[frame.joint].vector, *motion)  # views: they follow the data
            for frame, motion in zip(assembly.hold_frames, motions or (), strict=False)]  # fmt: skip
    tau = np.empty_like(grid.q) if seen else InverseDynamics(model, grid.q.shape[1])(grid.q, grid.v, grid.a)
    for i in range(len(grid.time)) if seen else ():
        tau[i] = pin.rnea(model, data, grid.q[i], grid.v[i], grid.a[i])
        for joint, v, a, speed, acceleration, rotation in seen:
            speed[i], acceleration[i] = v, a
            if leans:  # rnea leaves world placements alone
                pin.updateGlobalPlacements(model, data)
                rotation[i] = data.oMi[joint].rotation if joint else np.eye(3)
    tau += grid.v * damping
    if with_rate:
        for i in range(len(grid.time)):
            pin.computeRNEADerivatives(model, data, grid.q[i], grid.v[i], grid.a[i])
            rate[i] = data.dtau_dq @ grid.v[i] + data.dtau_dv @ grid.a[i] + data.M @ grid.j[i]
        rate += grid.a * damping
    return np.stack([tau, rate])
