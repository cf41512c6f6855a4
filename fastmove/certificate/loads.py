"""Certificate checks of forces: joint torques, their rates, and the loads on the grasp and the item.

Every limit is checked for each of the bodies that an item may be (`HeldItem.bodies`), on a grid with every breakpoint from both
sides and the exact end.  The code is independent of the planner: torques come from a model with the item fixed rigidly to its
joint, wrenches from Newton–Euler on the item, and S, V and R are written out in `certificate.hold`.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from fastmove.arrays import Array
from fastmove.certificate.certificate import LimitMargin, worst_row, worst_use
from fastmove.certificate.hold import UTILISATION_LIMIT, contact_uses, item_wrench, whose
from fastmove.certificate.item_tolerance import tolerance_uses
from fastmove.certificate.time_grid import TimeGrid, time_grid
from fastmove.certificate.torque import first_bodies, torque_range
from fastmove.multibody.assembly import Assembly
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.joint_limits import LimitSet
from fastmove.robot.limit_kinds import GRIPPED, names_in
from fastmove.trajectory.trajectory import Trajectory

REST_STEP = 5e-3  # Step of the grid on which the arm at rest is looked at [s].


def check_loads(
    problem: TransferProblem,
    assembly: Assembly,
    trajectory: Trajectory,
    step: float,
    kinds: Collection[str],
    profile: dict[str, Array],
) -> dict[str, LimitMargin]:
    """Check the loads: torque, torque_rate, hold, pad_share, tilt, upright, shock, swing, squeeze and rest, those of `kinds`.

    Args:
        problem: The problem.
        assembly: Its body tree.
        trajectory: The motion.
        step: Step of the grid [s].
        kinds: Names of the kinds to check.
        profile: Receives the uses over time, and wrenches and torques (see `Certificate.profile`).

    Returns:
        Worst margin of each kind that is limited, in its unit (torque [Nm], torque rate [Nm/s], others [1]).
    """
    limits, names = problem.limit_set, problem.robot.joint_names
    margins: dict[str, LimitMargin] = {}
    if "rest" in kinds and problem.must_hold:
        margins["rest"] = _at_rest(problem, assembly, trajectory)
    if set(kinds).isdisjoint(names_in("effort", "contact", "tolerance")):
        return margins
    grid = time_grid(trajectory, step)
    label = f"grid {step * 1e3:g} ms"
    need_rate = "torque_rate" in kinds and bool(np.any(np.isfinite(limits.effort_rate)))
    torque, rate, wrench, uses, checked = _over_set(problem, assembly, trajectory, grid, need_rate)
    if "torque" in kinds:
        margins["torque"] = worst_row(np.abs(torque), limits.effort, grid.time, names, "Nm", label)
    if need_rate:
        margins["torque_rate"] = worst_row(rate, limits.effort_rate, grid.time, names, "Nm/s", label)
    for kind in checked & set(kinds):
        use, contact = uses[kind], kind in names_in("contact")
        if problem.hold_active or kind not in GRIPPED:
            proof = label + "".join(whose(held) for held in problem.holds if contact)
            margins[kind] = worst_use(use, grid.time, problem.holds[0].item.name, proof, UTILISATION_LIMIT if contact else 1.0)
    profile |= uses | {
        "time": grid.time,
        "velocity": np.abs(grid.v) / limits.velocity,
        **_of_envelope(limits, grid),
        "acceleration": np.abs(grid.a) / limits.acceleration,
        "jerk": np.abs(grid.j) / limits.jerk,
        "torque": np.abs(torque) / limits.effort,
        "torque_rate": rate / limits.effort_rate,
        "wrench": wrench,
        "torque_Nm": torque,
    }
    return margins


def _of_envelope(limits: LimitSet, grid: TimeGrid) -> dict[str, Array]:
    """Speeds (N, n) as shares of the speed envelope where they are, at least 0; nothing without one."""
    if limits.speed_envelope is None:
        return {}
    low, high = limits.speed_envelope.range(grid.q)
    most = np.maximum(np.where(grid.v >= 0, high, -low), 1e-9)
    return {"speed_envelope": np.abs(grid.v) / most}


def _at_rest(problem: TransferProblem, assembly: Assembly, trajectory: Trajectory) -> LimitMargin:
    """Worst use of torque, hold, pad share and squeeze if the arm stood still at any place of the motion, for all bodies.

    A motion can be stopped only where that is within the limits.  What is held at rest and in motion is held at every constant
    share ṡ of the speed between: wrenches are affine in ṡ², and S, V, R and squeeze convex in them.
    """
    moving = time_grid(trajectory, REST_STEP)
    still = np.zeros_like(moving.q)
    grid = TimeGrid(moving.time, moving.q, still, still, still)
    torque, _, _, uses, checked = _over_set(problem, assembly, trajectory, grid, False)
    share = np.max(np.abs(torque) / problem.limit_set.effort, axis=1)
    for kind in checked & set(GRIPPED):
        share = np.maximum(share, uses[kind])
    return worst_use(share, grid.time, problem.holds[0].item.name, f"grid {REST_STEP * 1e3:g} ms", UTILISATION_LIMIT)


def _over_set(
    problem: TransferProblem, assembly: Assembly, trajectory: Trajectory, grid: TimeGrid, need_rate: bool
) -> tuple[Array, Array, Array, dict[str, Array], set[str]]:
    """Worst loads over all bodies that the held items may be.

    Returns:
        Torques (N, n) of largest magnitude [Nm], largest magnitudes of their rates (N, n) [Nm/s], the contact
        wrenches [f; m] of the hand on the item (N, 6·holds) in each hold's grasp frame, of the body that uses it most [N, Nm],
        uses (N,) by kind of contact and tolerance (NaN stays NaN), and the names of those kinds that were checked.
    """
    base, motions = first_bodies(problem, assembly, grid, need_rate)
    (low, low_rate), (high, high_rate) = torque_range(problem, assembly, grid, need_rate, base)
    torque = np.where(np.abs(high) >= np.abs(low), high, low)
    rate = np.maximum(np.abs(high_rate), np.abs(low_rate))
    use = {kind: np.zeros(len(grid.time)) for kind in names_in("contact")}
    checked: set[str] = set()
    shown = np.zeros((len(grid.time), 6 * len(problem.holds)))
    for k, frame in enumerate(assembly.hold_frames):
        commanded = np.maximum(_grip_force(trajectory, grid.time, k), 0.0)
        grip = commanded * frame.held.guaranteed_grip_ratio
        most = np.full(len(grid.time), -1.0)
        for body in frame.held.bodies:
            wrench = item_wrench(body, frame.joint_T_grasp, *motions[k][:2])
            body_uses = contact_uses(frame.held, wrench, grip)
            worse = ~(body_uses["hold"] <= most)
            most = np.where(worse, body_uses["hold"], most)
            shown[worse, 6 * k : 6 * k + 6] = wrench[worse]
            body_uses |= tolerance_uses(frame, body, wrench, commanded, motions[k][2], np.array(problem.gravity))
            checked |= set(body_uses)
            for kind, value in body_uses.items():
                use[kind] = np.maximum(use.get(kind, 0.0), value)
    return torque, rate, shown, use, checked


def _grip_force(trajectory: Trajectory, time: Array, hold: int) -> Array:
    """Grip force (N,) of the phase at each time [N]."""
    forces = [phase.grip_force[hold] if len(phase.grip_force) > hold else 0.0 for phase in trajectory.phases]
    return np.array(forces)[trajectory.phase_at(time)]
