"""Use of the hold: the wrench on the item by Newton-Euler, and what pads or a cup can carry, written out once more."""

from __future__ import annotations

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.errors import InputError
from fastmove.problem.grasp import HeldItem
from fastmove.robot.limit_kinds import names_in

UTILISATION_LIMIT = 0.9
TILTING, SHIFTED = 0.1, 0.4  # shares of the tilting lever that count: in S and R, in V (see `contact`; the certificate's own)


def contact_uses(held: HeldItem, wrench: Array, grip: Array) -> dict[str, Array]:
    """Uses (N,) of one contact by kind, 1 = limit: by the certificate's own formula for FastMove's contact models, by the
    model's own `check` for a user's."""
    check = OWN.get(held.law.name, held.law.check)
    try:
        found = check(held, wrench, grip)
    except NotImplementedError:
        raise InputError("grasp.contact", f"{held.law.name!r} has no `check`, without which nothing is certified") from None
    if "hold" not in found or not set(found) <= set(names_in("contact")):
        raise InputError("grasp.contact", f"{held.law.name!r} checks {', '.join(found)}; needed: hold, and at most pad_share")
    return {kind: use / UTILISATION_LIMIT for kind, use in found.items()}


def whose(held: HeldItem) -> str:
    """Who checks the hold, for its proof: nobody need be named where the formula is the certificate's own."""
    return "" if held.law.name in OWN else f", by {type(held.law).__module__}.{type(held.law).__qualname__}"


def item_wrench(body: pin.Inertia, joint_T_grasp: pin.SE3, speed: Array, acceleration: Array) -> Array:
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


def _utilisation(held: HeldItem, wrench: Array, grip_force: Array) -> Array:
    """S of the two-patch pinch, written out (see `contact`): the certificate's own."""
    mu, width = held.friction, held.width
    c = sum(patch.c for patch in held.patches) / 2
    a = sum(patch.a for patch in held.patches) / 2
    fx, fy, fz, mx, my, mz = wrench.T
    shear = np.sqrt(fx**2 + fz**2 + (my / c) ** 2) / (2 * mu * grip_force)
    couples = np.hypot(mx, mz) / (grip_force * (TILTING * a + mu * width))
    return np.asarray(np.hypot(shear, couples + np.abs(fy) / (2 * grip_force)))


def _cup_use(held: HeldItem, wrench: Array, vacuum: Array) -> Array:
    """Larger use of slide and peel of a suction cup, written out (see `contact.suction`): the certificate's own."""
    mu, radius = held.friction, held.patches[0].c
    fx, fy, fz, mx, my, mz = wrench.T
    slide = np.sqrt(fx**2 + fy**2 + (mz / radius) ** 2) / mu - fz
    peel = 2 * np.hypot(mx, my) / radius - fz
    return np.asarray(np.maximum(slide, peel) / vacuum)


def _pad_share(held: HeldItem, wrench: Array, grip_force: Array) -> Array:
    """Largest of V, the share of a pad that the load along the closing axis lightens, and R, written out (see `contact`)."""
    mu, width = held.friction, held.width
    ratio = SHIFTED * sum(patch.a for patch in held.patches) / 2 / (mu * width)
    fx, fy, fz, mx, _, mz = wrench.T
    first = np.hypot(fx - 2 * mz / width, fz + 2 * mx / width) / (2 * mu) + fy / 2
    second = np.hypot(fx + 2 * mz / width, fz - 2 * mx / width) / (2 * mu) - fy / 2
    spare = np.maximum(first, second) / (grip_force * (1 + ratio))
    return np.asarray(np.maximum(spare, _sliding_share(held, wrench, grip_force)))


def _sliding_share(held: HeldItem, wrench: Array, grip_force: Array) -> Array:
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


def _pinch_uses(held: HeldItem, wrench: Array, grip_force: Array) -> dict[str, Array]:
    return {"hold": _utilisation(held, wrench, grip_force), "pad_share": _pad_share(held, wrench, grip_force)}


def _suction_uses(held: HeldItem, wrench: Array, grip_force: Array) -> dict[str, Array]:
    return {"hold": _cup_use(held, wrench, grip_force)}


OWN = {"pinch": _pinch_uses, "suction": _suction_uses}  # by the contact model's name: what the certificate says itself
