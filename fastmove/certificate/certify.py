"""Certification of a motion: every limit recomputed by code that cannot import the optimiser.

It is independent of the planner in what can go wrong: torques come from a model with the item fixed rigidly to its joint, and
wrenches from Newton–Euler on the item; the utilisation S and the shares V and R of the pads, the list of pairs of bodies, the
exact extremes of the polynomials and the continuous collision check, which proves clearances between samples, are its own.  It
shares with the planner nouns, the body tree (`multibody.assembly`), its bounding volumes, pinocchio and coal.

Where each kind is checked (`LimitMargin.proof`):
    position, velocity, acceleration, jerk   everywhere: exact extremes of the polynomial pieces
    speed_envelope                           everywhere: hulls of the pieces, halved until they are tight
    torque, torque_rate, hold, pad_share,    on a grid of 1 ms, with every breakpoint from both sides and the exact end
    tilt, upright, shock, swing, squeeze
    clearance, allowed_contact               everywhere, to 1 µm: |d(t) − d(t_k)| ≤ ∫ relative speed of the pair
    continuity                               everywhere: jumps of q, v, a at breakpoints
    corridor                                 on a grid of 1 ms: the grasp frame's origin leaves the start and reaches the goal
                                             within their cones
    start, goal, grip_force                  exactly
    grasp                                    exactly: the item overlaps no link of the hand by more than touching pads may
    release                                  exactly: the opened hand keeps its clearance from the scene at both ends
    a user's own constraints                 on a grid of 1 ms, by their own numpy functions, which the proof names

hold and pad_share assume that the pads have closed flat on the item; `Certificate.assumes` says so.

clearance, allowed_contact and release hold for every arm that follows its commands as the problem's `following` says, which
`Certificate.assumes` names; what is touched at an end is assumed to give way by what the arm is off there.  All other kinds are
of the commanded motion: position limits are limits of what may be commanded (end stops lie beyond them by more than any servo's
error), and a corridor says which way to leave.
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
from fastmove.certificate.speed_envelope import envelope_margin
from fastmove.errors import InputError
from fastmove.multibody.assembly import Assembly, assemble
from fastmove.problem.grasp import HeldItem
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.limit_kinds import names_in
from fastmove.trajectory.trajectory import Trajectory

LOADS = set(names_in("effort", "contact", "tolerance", "rest"))  # Names of the kinds that `check_loads` checks.
GIVES = "; what its item may touch gives way by as much, where the motion begins and ends"
STEP_MAX = 0.01  # Largest grid step that may be asked for [s].


def certify(
    problem: TransferProblem,
    trajectory: Trajectory,
    kinds: Collection[str] | None = None,
    step: float = 1e-3,
    sharp: bool = True,
) -> Certificate:
    """Recompute the margins of a motion against every limit of its problem.

    Args:
        problem: The problem that the motion should solve.
        trajectory: The motion.
        kinds: Names of the `problem.limit_kinds` to check; None = all of them.
        step: Step of the grid for the kinds that are checked on one, at most `STEP_MAX` [s].
        sharp: Whether the least clearance is looked for; otherwise only whether all are kept is proven (see the proof's words).

    Raises:
        InputError: A kind is unknown or none is given, the step is out of range, or the trajectory is of other joints.
    """
    if not 0 < step <= STEP_MAX:
        raise InputError("step", f"is {step} s; allowed: above 0, to {STEP_MAX:g} s")
    if not isinstance(trajectory, Trajectory):
        raise InputError("trajectory", f"is {type(trajectory).__name__}; a motion is needed (did the plan fail?)")
    if trajectory.joint_names != problem.robot.joint_names:
        raise InputError("trajectory.joint_names", f"are {', '.join(trajectory.joint_names)}; not this robot's")
    kinds = _requested(problem, kinds)
    assembly = assemble(problem)
    margins: dict[str, LimitMargin] = {}
    profile: dict[str, Array] = {}
    margins |= joint_limits(problem, trajectory, kinds)
    if "speed_envelope" in kinds and problem.limit_set.speed_envelope is not None:
        margins["speed_envelope"] = envelope_margin(problem, trajectory)
    if LOADS & set(kinds):
        margins |= check_loads(problem, assembly, trajectory, step, kinds, profile)
    if {"clearance", "allowed_contact"} & set(kinds):
        margins |= _clearances(problem, assembly, trajectory, kinds, profile, sharp)
    margins |= check_ends(problem, assembly, trajectory, step, kinds, profile)
    margins |= check_path(problem, assembly, trajectory, step, kinds, profile)
    for kind in kinds:
        margins.setdefault(kind, LimitMargin(float("inf"), "1", float("inf"), 0.0, "nothing to limit", "no limit"))
    unchecked = _unchecked(problem, kinds)
    accepted = tuple(name for name in unchecked if name in problem.accepts)
    return Certificate({kind: margins[kind] for kind in kinds}, profile, _assumptions(problem, kinds), unchecked, accepted)


def _unchecked(problem: TransferProblem, kinds: Collection[str]) -> dict[str, str]:
    """What the checks could not see, by name, a sentence each."""
    if not {"clearance", "allowed_contact"} & set(kinds):
        return {}
    return {link: f"{link} has no collision shape, whatever it hits is not seen" for link in problem.robot.unshaped}


def _assumptions(problem: TransferProblem, kinds: Collection[str]) -> tuple[str, ...]:
    """Sentences on what the checks assume: of the robot's limits, of the hold, one for each item between pads, of the arm."""
    assumed = [*problem.robot.assumes, *filter(None, (problem.limit_set.assumed,))]
    if set(names_in("contact")) & set(kinds) and problem.hold_active:
        assumed += [_closing(held) for held in problem.holds if held.law.holder == "gripper"]
    if {"clearance", "allowed_contact", "release"} & set(kinds):
        gives = not problem.following.exact and problem.allowed_contacts
        assumed.append(f"the arm {problem.following}{GIVES if gives else ''}")
    return tuple(assumed)


def _closing(held: HeldItem) -> str:
    """Sentence on how flat the pads have closed on an item."""
    evened = "" if np.isinf(held.closing_turn) else f"; they even out at most {np.degrees(held.closing_turn):.2g}°"
    tilted = f", whose faces are turned {np.degrees(held.tilt):.2g}° from them" if held.tilt > held.closing_turn else ""
    return f"the pads have closed flat on {held.item.name}{tilted}{evened}"


def _requested(problem: TransferProblem, kinds: Collection[str] | None) -> tuple[str, ...]:
    """Names of the requested kinds in the order of `problem.limit_kinds`; None asks for all."""
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
    sharp: bool,
) -> dict[str, LimitMargin]:
    """Margins of clearance and allowed_contact, those of `kinds`; the margins over time go to `profile`."""
    result = ContinuousCollisionCheck(problem, assembly, trajectory).run(sharp)
    scale = max(problem.clearance, 1e-3)
    margins = {}
    for kind, worst in (("clearance", result.clearance), ("allowed_contact", result.allowed)):
        if kind in kinds and worst is not None:
            margin = worst.margin if worst.proven else min(worst.margin, -1e-9)
            proof = ("everywhere" if sharp else "everywhere, not the least") if worst.proven else "not proven"
            margins[kind] = LimitMargin(margin, "m", margin / scale, worst.time, worst.where, proof)
    profile["clearance_time"], profile["clearance"], profile["clearance_pair"] = result.time, result.margin, result.pair
    return margins
