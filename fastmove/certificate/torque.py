"""Torques and torque rates of the arm with held items fixed rigidly to it, over all bodies that the items may be.

`certificate.loads` compares them with their limits.
"""

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
    """Compute the lowest and highest joint torques and rates over every combination of bodies that may be held.

    Both are affine in each body's inertial parameters, and what one body adds does not depend on the others: so the extremes
    over all combinations are sums of extremes, and of each set only bodies that span it are computed.

    Args:
        problem: The problem.
        assembly: Its body tree.
        grid: The motion.
        with_rate: Whether rates are computed; else they are 0.
        base: (2, N, n) torques and rates with the first body in each hold (see `first_bodies`).

    Returns:
        Lowest and highest values, each (2, N, n): torques [Nm], then rates [Nm/s].
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


_Motions = list[tuple[Array, Array, Array]]  # Of each hold's joint: velocities, accelerations, rotations.


def first_bodies(problem: TransferProblem, assembly: Assembly, grid: TimeGrid, with_rate: bool) -> tuple[Array, _Motions]:
    """Compute joint torques and rates with the first body in each hold, and the motion of each hold's joint.

    Args:
        problem: The problem.
        assembly: Its body tree.
        grid: The motion.
        with_rate: Whether rates are computed; else they are 0.

    Returns:
        Torques [Nm] and rates [Nm/s] as one array (2, N, n), and for each hold, whichever body is held: the spatial velocity
        (N, 6) and the spatial acceleration less gravity (N, 6) of its joint's frame, in that frame, and the frame's rotation in
        the world (N, 3, 3), which is filled only where an item's leaning is limited.
    """
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
    """Joint torques [Nm] and their rates [Nm/s] as one array (2, N, n), with one body fixed rigidly in each hold.

    Joint damping is included.

    Args:
        problem: The problem.
        assembly: Its body tree.
        grid: The motion.
        bodies: Index of the body in each hold, among `HeldItem.bodies`.
        with_rate: Whether rates are computed; else they are 0.
        motions: Filled with the motions of the holds' joints, if given (see `first_bodies`).
    """
    model = assembly.arm.copy()
    for frame, number in zip(assembly.hold_frames, bodies, strict=True):
        model.appendBodyToJoint(frame.joint, frame.held.bodies[number], frame.joint_T_grasp)
    data, damping = model.createData(), np.array(problem.robot.damping)
    rate = np.zeros_like(grid.q)
    leans = any(np.isfinite(frame.held.item.tolerates.upright) for frame in assembly.hold_frames)
    seen = [(frame.joint, data.v[frame.joint].vector, data.a_gf[frame.joint].vector, *motion)  # Views that follow `data`.
            for frame, motion in zip(assembly.hold_frames, motions or (), strict=False)]  # fmt: skip
    tau = np.empty_like(grid.q) if seen else InverseDynamics(model, grid.q.shape[1])(grid.q, grid.v, grid.a)
    for i in range(len(grid.time)) if seen else ():
        tau[i] = pin.rnea(model, data, grid.q[i], grid.v[i], grid.a[i])
        for joint, v, a, speed, acceleration, rotation in seen:
            speed[i], acceleration[i] = v, a
            if leans:  # `rnea` does not update placements in the world.
                pin.updateGlobalPlacements(model, data)
                rotation[i] = data.oMi[joint].rotation if joint else np.eye(3)
    tau += grid.v * damping
    if with_rate:
        for i in range(len(grid.time)):
            pin.computeRNEADerivatives(model, data, grid.q[i], grid.v[i], grid.a[i])
            rate[i] = data.dtau_dq @ grid.v[i] + data.dtau_dv @ grid.a[i] + data.M @ grid.j[i]
        rate += grid.a * damping
    return np.stack([tau, rate])
