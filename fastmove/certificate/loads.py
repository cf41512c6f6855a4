"""The part of a certificate about forces: joint torques, their rates, and what the grasp carries, for every member of the set.

Independent of the planner: torques from a model with the item fixed rigidly to its joint, wrenches by Newton–Euler on the item,
S and V written out.  On a grid, with every breakpoint from both sides and the exact end.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from fastmove.arrays import Array
from fastmove.certificate.certificate import LimitMargin, worst_row, worst_use
from fastmove.certificate.hold import UTILISATION_LIMIT, contact_uses, item_wrench, whose
from fastmove.certificate.item_tolerance import care
from fastmove.certificate.time_grid import TimeGrid, time_grid
from fastmove.certificate.torque import first_bodies, torque_range
from fastmove.multibody.assembly import Assembly
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.limit_kinds import names_in
from fastmove.trajectory.trajectory import Trajectory


def check_loads(
    problem: TransferProblem,
    assembly: Assembly,
    trajectory: Trajectory,
    step: float,
    kinds: Collection[str],
    profile: dict[str, Array],
) -> dict[str, LimitMargin]:
    """Kinds torque, torque_rate, hold, pad_share, tilt, upright, shock and swing, those of `kinds`; all uses go to `profile`."""
    limits, names = problem.limit_set, problem.robot.joint_names
    grid = time_grid(trajectory, step)
    label = f"grid {step * 1e3:g} ms"
    need_rate = "torque_rate" in kinds and bool(np.any(np.isfinite(limits.effort_rate)))
    torque, rate, wrench, carried, checked = _over_set(problem, assembly, trajectory, grid, need_rate)
    found: dict[str, LimitMargin] = {}
    if "torque" in kinds:
        found["torque"] = worst_row(np.abs(torque), limits.effort, grid.time, names, "Nm", label)
    if need_rate:
        found["torque_rate"] = worst_row(rate, limits.effort_rate, grid.time, names, "Nm/s", label)
    for kind in checked & set(kinds):
        use, contact = carried[kind], kind in names_in("contact")
        if problem.hold_active or not contact:
            proof = label + "".join(whose(held) for held in problem.holds if contact)
            found[kind] = worst_use(use, grid.time, problem.holds[0].item.name, proof, UTILISATION_LIMIT if contact else 1.0)
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
    problem: TransferProblem, assembly: Assembly, trajectory: Trajectory, grid: TimeGrid, need_rate: bool
) -> tuple[Array, Array, Array, dict[str, Array], set[str]]:
    """Worst torques (N, n) and rates over the set, for every hold the wrench (N, 6) of the body that uses it most, and uses
    (N,) of what is carried by kind: hold, pad_share, and what items tolerate (NaN stays NaN); and which of these were checked."""
    base, motions = first_bodies(problem, assembly, grid, need_rate)
    (low, low_rate), (high, high_rate) = torque_range(problem, assembly, grid, need_rate, base)
    torque = np.where(np.abs(high) >= np.abs(low), high, low)
    rate = np.maximum(np.abs(high_rate), np.abs(low_rate))
    use = {kind: np.zeros(len(grid.time)) for kind in names_in("contact")}
    checked: set[str] = set()
    shown = np.zeros((len(grid.time), 6 * len(problem.holds)))
    for k, frame in enumerate(assembly.hold_frames):
        grip = np.maximum(_grip_force(trajectory, grid.time, k), 0.0) * frame.held.guaranteed_grip_ratio
        most = np.full(len(grid.time), -1.0)
        for body in frame.held.bodies:
            wrench = item_wrench(body, frame.joint_T_grasp, *motions[k][:2])
            found = contact_uses(frame.held, wrench, grip)
            worse = ~(found["hold"] <= most)
            most = np.where(worse, found["hold"], most)
            shown[worse, 6 * k : 6 * k + 6] = wrench[worse]
            found |= care(frame, body, wrench, grip, motions[k][2], np.array(problem.gravity))
            checked |= set(found)
            for kind, value in found.items():
                use[kind] = np.maximum(use.get(kind, 0.0), value)
    return torque, rate, shown, use, checked


def _grip_force(trajectory: Trajectory, time: Array, hold: int) -> Array:
    """(N,) grip force of the phase at each time [N]."""
    forces = [phase.grip_force[hold] if len(phase.grip_force) > hold else 0.0 for phase in trajectory.phases]
    return np.array(forces)[trajectory.phase_at(time)]
