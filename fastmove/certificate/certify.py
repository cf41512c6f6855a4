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
    a user's own constraints                 grid 1 ms, by their own numpy functions; the proof names them

Assumed, and said in `Certificate.assumes`: the pads have closed flat on the item (hold, pad_share).
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from fastmove.arrays import Array
from fastmove.certificate.certificate import Certificate, LimitMargin
from fastmove.certificate.clearance import ContinuousCollisionCheck
from fastmove.certificate.ends import check_ends
from fastmove.certificate.joint_limits import joint_limits
from fastmove.certificate.loads import check_loads
from fastmove.certificate.path import check_path
from fastmove.errors import InputError
from fastmove.multibody.assembly import Assembly, assemble
from fastmove.problem.grasp import HeldItem
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.limit_kinds import names_in
from fastmove.trajectory.trajectory import Trajectory

LOADS = set(names_in("effort", "contact", "tolerance"))
STEP_MAX = 0.01  # coarsest grid that may be asked for [s]


def certify(
    problem: TransferProblem, trajectory: Trajectory, kinds: Collection[str] | None = None, step: float = 1e-3
) -> Certificate:
    """Recompute the margins of a motion.

    Args:
        kinds: which of `problem.limit_kinds` to check, by name; None = all of them.
        step: grid of torque, torque rate and hold, at most `STEP_MAX` [s].

    Raises:
        InputError: unknown or no kinds, a step that is no grid, or a trajectory of other joints.
    """
    if not 0 < step <= STEP_MAX:
        raise InputError("step", f"is {step} s; allowed: above 0, to {STEP_MAX:g} s")
    if not isinstance(trajectory, Trajectory):
        raise InputError("trajectory", f"is {type(trajectory).__name__}; a motion is needed (did the plan fail?)")
    if trajectory.joint_names != problem.robot.joint_names:
        raise InputError("trajectory.joint_names", f"are {', '.join(trajectory.joint_names)}; not this robot's")
    kinds = _requested(problem, kinds)
    assembly = assemble(problem)
    found: dict[str, LimitMargin] = {}
    profile: dict[str, Array] = {}
    found |= joint_limits(problem, trajectory, kinds)
    if LOADS & set(kinds):
        found |= check_loads(problem, assembly, trajectory, step, kinds, profile)
    if {"clearance", "allowed_contact"} & set(kinds):
        found |= _clearances(problem, assembly, trajectory, kinds, profile)
    found |= check_ends(problem, assembly, trajectory, kinds, step, profile)
    found |= check_path(problem, assembly, trajectory, step, kinds, profile)
    for kind in kinds:
        found.setdefault(kind, LimitMargin(float("inf"), "1", float("inf"), 0.0, "nothing to limit", "no limit"))
    return Certificate({kind: found[kind] for kind in kinds}, profile, _assumptions(problem, kinds))


def _assumptions(problem: TransferProblem, kinds: Collection[str]) -> tuple[str, ...]:
    """What the hold takes for granted."""
    if not set(names_in("contact")) & set(kinds) or not problem.hold_active:
        return ()
    return tuple(_closing(held) for held in problem.holds if held.law.holder == "gripper")


def _closing(held: HeldItem) -> str:
    evened = "" if np.isinf(held.closing_turn) else f"; they even out at most {np.degrees(held.closing_turn):.2g}°"
    tilted = f", whose faces are turned {np.degrees(held.tilt):.2g}° from them" if held.tilt > held.closing_turn else ""
    return f"the pads have closed flat on {held.item.name}{tilted}{evened}"


def _requested(problem: TransferProblem, kinds: Collection[str] | None) -> tuple[str, ...]:
    every = tuple(kind.name for kind in problem.limit_kinds)
    if kinds is None:
        return every
    if isinstance(kinds, str) or not kinds or not set(kinds) <= set(every):
        raise InputError("kinds", f"is {kinds!r}; allowed: a list of at least one of {', '.join(every)}")
    return tuple(kind for kind in every if kind in kinds)


def _clearances(
    problem: TransferProblem,
    assembly: Assembly,
    trajectory: Trajectory,
    kinds: Collection[str],
    profile: dict[str, Array],
) -> dict[str, LimitMargin]:
    result = ContinuousCollisionCheck(problem, assembly, trajectory).run()
    scale = max(problem.clearance, 1e-3)
    found = {}
    for kind, least in (("clearance", result.clearance), ("allowed_contact", result.allowed)):
        if kind in kinds and least is not None:
            margin = least.margin if least.proven else min(least.margin, -1e-9)
            proof = "everywhere" if least.proven else "not proven"
            found[kind] = LimitMargin(margin, "m", margin / scale, least.time, least.where, proof)
    profile["clearance_time"], profile["clearance"], profile["clearance_pair"] = result.time, result.margin, result.pair
    return found
