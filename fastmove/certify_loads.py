"""The part of a certificate about forces: joint torques, their rates, and what the grasp carries, for every member of the set.

Independent of the planner: torques from a model with the item fixed rigidly to its joint, wrenches by Newton–Euler on the item,
S and V written out.  On a grid, with every breakpoint from both sides and the exact end.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.evidence import Entry, worst_row, worst_use
from fastmove.multibody.assembly import Assembly, HoldFrame
from fastmove.multibody.batch_rnea import InverseDynamics
from fastmove.problem.grasp import Held
from fastmove.problem.transfer import TransferProblem
from fastmove.problem.uncertainty import affine_basis
from fastmove.trajectory.trajectory import Trajectory

UTILISATION_LIMIT = 0.9
TILTING, SHIFTED = 0.1, 0.4  # shares of the tilting lever that count: in S and R, in V (see `contact`; the certificate's own)


@dataclass(frozen=True)
class _Grid:
    """Times with the side from which jumps are seen, and the motion there."""

    time: Array
    q: Array
    v: Array
    a: Array
    j: Array


def _grid(trajectory: Trajectory, step: float) -> _Grid:
    """Every `step`, the exact end, and every breakpoint from both sides (jerk jumps there)."""
    uniform = trajectory.grid(step)
    breaks = trajectory.motion().times
    time = np.concatenate([uniform[:-1], breaks[:-1], breaks[1:]])
    left = np.concatenate([np.zeros(len(uniform) - 1 + len(breaks) - 1, dtype=bool), np.ones(len(breaks) - 1, dtype=bool)])
    order = np.lexsort((~left, time))
    time, left = time[order], left[order]
    values = []
    for k in range(4):
        motion = trajectory.motion(k)
        value = motion(time, "right")
        value[left] = motion(time[left], "left")
        values.append(value)
    return _Grid(time, *values)


def check_loads(
    problem: TransferProblem,
    assembly: Assembly,
    trajectory: Trajectory,
    step: float,
    kinds: Collection[str],
    profile: dict[str, Array],
) -> dict[str, Entry]:
    """Kinds torque, torque_rate, hold, pad_share, tilt, upright, shock and swing, those of `kinds`; all uses go to `profile`."""
    limits, names = problem.limit_set, problem.robot.joint_names
    grid = _grid(trajectory, step)
    label = f"grid {step * 1e3:g} ms"
    need_rate = "torque_rate" in kinds and bool(np.any(np.isfinite(limits.effort_rate)))
    torque, rate, wrench, carried = _over_set(problem, assembly, trajectory, grid, need_rate)
    found: dict[str, Entry] = {}
    if "torque" in kinds:
        found["torque"] = worst_row(np.abs(torque), limits.effort, grid.time, names, "Nm", label)
    if need_rate:
        found["torque_rate"] = worst_row(rate, limits.effort_rate, grid.time, names, "Nm/s", label)
    for kind, use in carried.items() if problem.holds else ():
        contact = kind in ("hold", "pad_share")
        if kind in kinds and (problem.hold_active or not contact):
            scale = UTILISATION_LIMIT if contact else 1.0
            found[kind] = worst_use(use, grid.time, problem.holds[0].item.name, label, scale)
    profile |= carried | {
        "time": grid.time,
        "velocity": np.abs(grid.v) / limits.velocity,
        "acceleration": np.abs(grid.a) / limits.acceleration,
        "jerk": np.abs(grid.j) / limits.jerk,
        "torque": np.abs(torque) / limits.effort,
        "torque_rate": rate / limits.effort_rate,
        "wrench": wrench,
        "torque_Nm": torque,
    }
    return found


def _over_set(
    problem: TransferProblem, assembly: Assembly, trajectory: Trajectory, grid: _Grid, need_rate: bool
) -> tuple[Array, Array, Array, dict[str, Array]]:
    """Worst torques (N, n) and rates over the set, for every hold the wrench (N, 6) of the body that uses it most, and uses
    (N,) of what is carried by kind: hold, pad_share, and what items tolerate.  NaN stays NaN."""
    base, motions = _first_bodies(problem, assembly, grid, need_rate)
    (low, low_rate), (high, high_rate) = _torque_range(problem, assembly, grid, need_rate, base)
    torque = np.where(np.abs(high) >= np.abs(low), high, low)
    rate = np.maximum(np.abs(high_rate), np.abs(low_rate))
    use = {"hold": np.zeros(len(grid.time)), "pad_share": np.zeros(len(grid.time))}
    shown = np.zeros((len(grid.time), 6 * len(problem.holds)))
    for k, frame in enumerate(assembly.hold_frames):
        grip = np.maximum(_grip_force(trajectory, grid.time, k), 0.0) * frame.held.sure_grip
        most = np.full(len(grid.time), -1.0)
        for body in frame.held.bodies:
            wrench = _item_wrench(body, frame.joint_T_grasp, *motions[k][:2])
            found = _contact_uses(frame.held, wrench, grip)
            worse = ~(found["hold"] <= most)
            most = np.where(worse, found["hold"], most)
            shown[worse, 6 * k : 6 * k + 6] = wrench[worse]
            found |= _care(frame, body, wrench, grip, motions[k][2], np.array(problem.gravity))
            for kind, value in found.items():
                use[kind] = np.maximum(use.get(kind, 0.0), value)
    return torque, rate, shown, use


def _contact_uses(held: Held, wrench: Array, grip: Array) -> dict[str, Array]:
    """Uses (N,) of one contact, 1 = limit."""
    if held.grasp.contact == "suction":
        return {"hold": _cup_use(held, wrench, grip) / UTILISATION_LIMIT}
    found = {"hold": _utilisation(held, wrench, grip), "pad_share": _pad_share(held, wrench, grip)}
    return {kind: use / UTILISATION_LIMIT for kind, use in found.items()}


def _torque_range(problem: TransferProblem, assembly: Assembly, grid: _Grid, with_rate: bool, base: Array) -> tuple[Array, Array]:
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


def _first_bodies(problem: TransferProblem, assembly: Assembly, grid: _Grid, with_rate: bool) -> tuple[Array, _Motions]:
    """Joint torques and rates (2, N, n) with the first body in each hold, and for every hold, whatever is held, the spatial
    velocity and gravity-compensated acceleration (N, 6) of its joint, in the joint's frame, and (where leaning is limited) its
    rotation (N, 3, 3)."""
    count, frames = len(grid.time), assembly.hold_frames
    motions = [(np.empty((count, 6)), np.empty((count, 6)), np.empty((count, 3, 3))) for _ in frames]
    return _inverse_dynamics(problem, assembly, grid, [0] * len(frames), with_rate, motions), motions


def _inverse_dynamics(
    problem: TransferProblem, assembly: Assembly, grid: _Grid, bodies: list[int], with_rate: bool, motions: _Motions | None = None
) -> Array:
    """Joint torques and their rates (2, N, n) with the body of this number in each hold, rigid on its joint; damping is added.

    motions: filled, where given (see `_first_bodies`).
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


def _item_wrench(body: pin.Inertia, joint_T_grasp: pin.SE3, speed: Array, acceleration: Array) -> Array:
    """(N, 6) wrench [f; m] of the hand on the item in the grasp frame, by Newton–Euler; body: in the grasp frame.

    speed, acceleration: spatial, of the joint's frame, gravity already subtracted.  With ω, α and the acceleration a of the
    frame's origin (a = a_spatial + ω × v), the centre of mass at c accelerates by a + α × c + ω × (ω × c);
    f = m a_c;  moment about the grasp origin = I α + ω × I ω + (c − o) × f.
    """
    rotation = joint_T_grasp.rotation
    c = joint_T_grasp.act(np.array(body.lever))
    inertia = rotation @ np.array(body.inertia) @ rotation.T
    omega, alpha = speed[:, 3:], acceleration[:, 3:]
    origin = acceleration[:, :3] + np.cross(omega, speed[:, :3])
    com = origin + np.cross(alpha, c) + np.cross(omega, np.cross(omega, c))
    force = body.mass * com
    spin = omega @ inertia.T
    moment = alpha @ inertia.T + np.cross(omega, spin) + np.cross(c - joint_T_grasp.translation, force)
    return np.hstack([force @ joint_T_grasp.rotation, moment @ joint_T_grasp.rotation])


def _utilisation(held: Held, wrench: Array, grip_force: Array) -> Array:
    """S of the two-patch pinch, written out (see `contact`): the certificate's own."""
    mu, width = held.friction, held.width
    c = sum(patch.c for patch in held.patches) / 2
    a = sum(patch.a for patch in held.patches) / 2
    fx, fy, fz, mx, my, mz = wrench.T
    shear = np.sqrt(fx**2 + fz**2 + (my / c) ** 2) / (2 * mu * grip_force)
    couples = np.hypot(mx, mz) / (grip_force * (TILTING * a + mu * width))
    return np.asarray(np.hypot(shear, couples + np.abs(fy) / (2 * grip_force)))


def _cup_use(held: Held, wrench: Array, vacuum: Array) -> Array:
    """Larger use of slide and peel of a suction cup, written out (see `contact.suction`): the certificate's own."""
    mu, radius = held.friction, held.patches[0].c
    fx, fy, fz, mx, my, mz = wrench.T
    slide = np.sqrt(fx**2 + fy**2 + (mz / radius) ** 2) / mu - fz
    peel = 2 * np.hypot(mx, my) / radius - fz
    return np.asarray(np.maximum(slide, peel) / vacuum)


def _pad_share(held: Held, wrench: Array, grip_force: Array) -> Array:
    """Largest of V, the share of a pad that the load along the closing axis lightens, and R, written out (see `contact`)."""
    mu, width = held.friction, held.width
    ratio = SHIFTED * sum(patch.a for patch in held.patches) / 2 / (mu * width)
    fx, fy, fz, mx, _, mz = wrench.T
    first = np.hypot(fx - 2 * mz / width, fz + 2 * mx / width) / (2 * mu) + fy / 2
    second = np.hypot(fx + 2 * mz / width, fz - 2 * mx / width) / (2 * mu) - fy / 2
    spare = np.maximum(first, second) / (grip_force * (1 + ratio))
    return np.asarray(np.maximum(spare, _sliding_share(held, wrench, grip_force)))


def _sliding_share(held: Held, wrench: Array, grip_force: Array) -> Array:
    """Largest share R of sliding about a point that presses, written out (see `contact`); 0 where a pad presses at one point."""
    mu, width, middle = held.friction, held.width, held.tool_T_grasp.translation[[0, 2]]
    a = sum(patch.a for patch in held.patches) / 2
    fx, fy, fz, mx, my, mz = wrench.T
    pads = [patch.points() - middle for patch in held.patches]
    if min(len(pad) for pad in pads) < 2:
        return np.zeros(len(wrench))
    worst = np.zeros(len(wrench))
    for x, z in np.concatenate(pads):
        away = sum(np.hypot(pad[:, 0] - x, pad[:, 1] - z).mean() for pad in pads) / 2
        worst = np.maximum(worst, np.abs(my - z * fx + x * fz) / (2 * mu * away))
    rest = (np.hypot(mx, mz) / (TILTING * a + mu * width)) ** 2 + (fy / 2) ** 2
    return np.asarray(np.sqrt(worst**2 + rest) / grip_force)


def _care(frame: HoldFrame, body: pin.Inertia, wrench: Array, grip: Array, rotation: Array, gravity: Array) -> dict[str, Array]:
    """Uses (N,), 1 = limit, of what the item tolerates, where anything is limited (see `tolerance`); by as much as it may be
    turned in the hand, it may lean more than is believed.

    rotation: (N, 3, 3) of the joint in the world.
    """
    held, allowed, found = frame.held, frame.held.item.tolerates, {}
    up = held.grasp_T_item.rotation @ allowed.up
    force = wrench[:, :3]
    if np.isfinite(allowed.tilt):
        cosine = force @ up / np.maximum(np.linalg.norm(force, axis=1), 1e-9)
        found["tilt"] = (np.arccos(np.clip(cosine, -1, 1)) + held.uncertainty.turn) / allowed.tilt
    if np.isfinite(allowed.upright):
        upright = rotation @ (frame.joint_T_grasp.rotation @ up) @ (-gravity / np.linalg.norm(gravity))
        found["upright"] = (np.arccos(np.clip(upright, -1, 1)) + held.uncertainty.turn) / allowed.upright
    if np.isfinite(allowed.shock):
        found["shock"] = np.linalg.norm(force, axis=1) / (body.mass * allowed.shock)
    if allowed.swing < 1:
        c = sum(patch.c for patch in held.patches)  # twice the mean of two pads, or the ring's
        axis = 5 if held.grasp.contact == "suction" else 4
        found["swing"] = np.abs(wrench[:, axis]) / (held.friction * grip * c * allowed.swing)
    return found


def _grip_force(trajectory: Trajectory, time: Array, hold: int) -> Array:
    """(N,) grip force of the phase at each time [N]."""
    forces = [phase.grip_force[hold] if len(phase.grip_force) > hold else 0.0 for phase in trajectory.phases]
    return np.array(forces)[trajectory.phase_at(time)]
