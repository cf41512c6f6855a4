"""The certificate: every limit of a motion recomputed, by code that cannot import the optimiser.

Independent of the planner in what can go wrong: torques from a model with the item fixed rigidly to its joint, wrenches by
Newton–Euler on the item, its own utilisation S and shares V and R of pads, its own list of collision pairs, exact extremes of the
polynomials, and a sweep that proves clearances between samples.  Shared with it: the body tree (`assembly`), pinocchio and coal.

Where each kind holds (`proof`):
    position, velocity, acceleration, jerk   everywhere: exact extremes of the pieces
    torque, torque_rate, hold, pad_share,    grid 1 ms, with every breakpoint from both sides and the exact end
    tilt, upright, shock, swing
    clearance, allowed_contact               everywhere to 1 µm: |d(t) − d(t_k)| ≤ ∫ relative speed of the pair
    continuity                               everywhere: jumps of q, v, a at breakpoints
    corridor                                 grid 1 ms: the grasp's origin leaves and reaches its ends within their cones
    start, goal, grip_force, grasp           exact; grasp: the item does not overlap the hand beyond its pads
    release                                  exact: the hand, opened, keeps its clearance from the scene at both ends

Assumed, and said in `Certificate.assumes`: the pads have closed flat on the item (hold, pad_share).
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from fastmove.arrays import Array
from fastmove.certify_ends import check_ends
from fastmove.certify_loads import check_loads
from fastmove.errors import InputError
from fastmove.evidence import ROUNDING, Certificate, Entry
from fastmove.multibody.assembly import Assembly, assemble
from fastmove.problem.grasp import Held
from fastmove.problem.transfer import TransferProblem
from fastmove.sweep import Sweep
from fastmove.trajectory.trajectory import Trajectory

KINDS = (
    "continuity",
    "position", "velocity", "acceleration", "jerk", "torque", "torque_rate", "hold", "pad_share", "tilt",
    "upright", "shock", "swing", "clearance", "allowed_contact", "corridor", "start", "goal", "grip_force", "grasp", "release",
)  # fmt: skip
LOADS = {"torque", "torque_rate", "hold", "pad_share", "tilt", "upright", "shock", "swing"}
STEP_MAX = 0.01  # coarsest grid that may be asked for [s]
JUMPS = (1e-9, 1e-6, 1e-3)  # of q, v, a at breakpoints: what rounding may leave [rad, rad/s, rad/s²]


def certify(problem: TransferProblem, trajectory: Trajectory, kinds: Collection[str] = KINDS, step: float = 1e-3) -> Certificate:
    """Recompute the margins of a motion.

    Args:
        kinds: which of `KINDS` to check.
        step: grid of torque, torque rate and hold, at most `STEP_MAX` [s].

    Raises:
        InputError: unknown or no kinds, a step that is no grid, or a trajectory of other joints.
    """
    kinds = _requested(kinds)
    if not 0 < step <= STEP_MAX:
        raise InputError("step", f"is {step} s; allowed: above 0, to {STEP_MAX:g} s")
    if not isinstance(trajectory, Trajectory):
        raise InputError("trajectory", f"is {type(trajectory).__name__}; a motion is needed (did the plan fail?)")
    if trajectory.joint_names != problem.robot.joint_names:
        raise InputError("trajectory.joint_names", f"are {', '.join(trajectory.joint_names)}; not this robot's")
    assembly = assemble(problem)
    found: dict[str, Entry] = {}
    profile: dict[str, Array] = {}
    found |= _joint_limits(problem, trajectory, kinds)
    if LOADS & set(kinds):
        found |= check_loads(problem, assembly, trajectory, step, kinds, profile)
    if {"clearance", "allowed_contact"} & set(kinds):
        found |= _clearances(problem, assembly, trajectory, kinds, profile)
    found |= check_ends(problem, assembly, trajectory, kinds, step, profile)
    for kind in kinds:
        found.setdefault(kind, Entry(float("inf"), "1", float("inf"), 0.0, "nothing to limit", "no limit"))
    return Certificate({kind: found[kind] for kind in KINDS if kind in found}, profile, _assumptions(problem, kinds))


def _assumptions(problem: TransferProblem, kinds: Collection[str]) -> tuple[str, ...]:
    """What the hold takes for granted."""
    if not {"hold", "pad_share"} & set(kinds) or not problem.hold_active:
        return ()
    return tuple(_closing(held) for held in problem.holds if held.grasp.contact == "pinch")


def _closing(held: Held) -> str:
    evened = "" if np.isinf(held.closing_turn) else f"; they even out at most {np.degrees(held.closing_turn):.2g}°"
    tilted = f", whose faces are turned {np.degrees(held.tilt):.2g}° from them" if held.tilt > held.closing_turn else ""
    return f"the pads have closed flat on {held.item.name}{tilted}{evened}"


def _requested(kinds: Collection[str]) -> tuple[str, ...]:
    if isinstance(kinds, str) or not kinds or not set(kinds) <= set(KINDS):
        raise InputError("kinds", f"is {kinds!r}; allowed: a list of at least one of {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in kinds)


def _continuity(problem: TransferProblem, trajectory: Trajectory) -> Entry:
    """Jumps of q, v, a at all breakpoints, in shares of what rounding may leave."""
    worst = Entry(float("inf"), "rad", float("inf"), 0.0, "one piece", "everywhere")
    for order, (allowed, unit) in enumerate(zip(JUMPS, ("rad", "rad/s", "rad/s²"), strict=True)):
        motion = trajectory.motion(order)
        inner = motion.times[1:-1]
        if len(inner) == 0:
            break
        jump = np.abs(motion(inner, "left") - motion(inner, "right"))
        row, joint = np.unravel_index(int(np.argmax(jump)), jump.shape)
        margin = allowed - float(jump[row, joint])
        if margin / allowed < worst.normalised:
            name = problem.robot.joint_names[joint]
            worst = Entry(margin, unit, margin / allowed, float(inner[row]), name, "everywhere")
    return worst


def _joint_limits(problem: TransferProblem, trajectory: Trajectory, kinds: Collection[str]) -> dict[str, Entry]:
    limits, names = problem.limit_set, problem.robot.joint_names
    rows = (
        ("position", 0, limits.position_min, limits.position_max, "rad"),
        ("velocity", 1, -limits.velocity, limits.velocity, "rad/s"),
        ("acceleration", 2, -limits.acceleration, limits.acceleration, "rad/s²"),
        ("jerk", 3, -limits.jerk, limits.jerk, "rad/s³"),
    )
    found = {"continuity": _continuity(problem, trajectory)} if "continuity" in kinds else {}
    for kind, order, low, high, unit in rows:
        if kind not in kinds:
            continue
        extremes = trajectory.motion(order).extremes()
        finite = np.where(np.isfinite(np.stack([low, high])), np.abs(np.stack([low, high])), 0.0)
        scale = np.maximum(finite.max(axis=0), 1e-9)
        above = high + ROUNDING * finite[1] - extremes.high
        below = extremes.low - low + ROUNDING * finite[0]
        margin = np.minimum(above, below)
        worst = int(np.argmin(margin / scale))
        time = extremes.high_time if above[worst] < below[worst] else extremes.low_time
        found[kind] = Entry(
            float(margin[worst]), unit, float(margin[worst] / scale[worst]), float(time[worst]), names[worst], "everywhere"
        )
    return found


def _clearances(
    problem: TransferProblem,
    assembly: Assembly,
    trajectory: Trajectory,
    kinds: Collection[str],
    profile: dict[str, Array],
) -> dict[str, Entry]:
    result = Sweep(problem, assembly, trajectory).run()
    scale = max(problem.clearance, 1e-3)
    found = {}
    for kind, least in (("clearance", result.clearance), ("allowed_contact", result.allowed)):
        if kind in kinds and least is not None:
            margin = least.margin if least.proven else min(least.margin, -1e-9)
            proof = "everywhere" if least.proven else "not proven"
            found[kind] = Entry(margin, "m", margin / scale, least.time, least.where, proof)
    profile["clearance_time"], profile["clearance"], profile["clearance_pair"] = result.time, result.margin, result.pair
    return found
