"""Utilisation of the hold, for the certificate: contact wrenches by Newton–Euler, and what pads or a cup can carry.

The formulas of FastMove's contact laws are written out here once more, so that an error in the planner's is found (see
`contact.pinch` and `contact.suction` for their derivation and symbols).
"""

from __future__ import annotations

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.errors import InputError
from fastmove.problem.grasp import HeldItem
from fastmove.robot.limit_kinds import names_in

UTILISATION_LIMIT = 0.9  # Largest allowed utilisation of a contact; the certificate's own `contact.wrench_cone.UTILISATION_MAX`.
TILTING = 0.1  # Share of the tilting lever that counts in S and R [1].
SHIFTED = 0.4  # Share of the tilting lever that counts in V [1].

# Points that a cup may turn about: distance ρ from its middle over the radius r of its lip, and of that point the mean distance
# d of the lip over r and mean(2 cos θ d)/r.  With m = 4 r ρ / (r + ρ)² and the complete elliptic integrals K and E,
# mean(d) = 2/π (r + ρ) E(m), mean(d³) = 2/3π (r + ρ)³ ((4 − 2 m) E(m) − (1 − m) K(m)), and 2 cos θ = (r² + ρ² − d²) / r ρ.
TURNS = (
    (0.6, 1.0922385835546897, -0.5716215886449854),
    (1.0, 4 / np.pi, -8 / (3 * np.pi)),
    (1.7, 1.8505593362795334, -0.9546366771442911),
)


def contact_uses(held: HeldItem, wrench: Array, grip: Array) -> dict[str, Array]:
    """Compute the uses of one contact: by the formulas here for FastMove's contact laws, by `check` for a user's law.

    Args:
        held: The held item.
        wrench: (N, 6) contact wrenches in the grasp frame [N, Nm].
        grip: (N,) guaranteed grip forces [N].

    Returns:
        Uses (N,) by kind of limit, 1 = limit; hold at least.

    Raises:
        InputError: The user's law has no `check`, or it gives other kinds than hold and pad_share.
    """
    check = OWN.get(held.law.name, held.law.check)
    try:
        utilisations = check(held, wrench, grip)
    except NotImplementedError:
        raise InputError("grasp.contact", f"{held.law.name!r} has no `check`, without which nothing is certified") from None
    if "hold" not in utilisations or not set(utilisations) <= set(names_in("contact")):
        raise InputError(
            "grasp.contact", f"{held.law.name!r} checks {', '.join(utilisations)}; needed: hold, and at most pad_share"
        )
    return {kind: use / UTILISATION_LIMIT for kind, use in utilisations.items()}


def whose(held: HeldItem) -> str:
    """Suffix of a proof that names the class which checks the hold; empty for FastMove's contact laws, checked here."""
    return "" if held.law.name in OWN else f", by {type(held.law).__module__}.{type(held.law).__qualname__}"


def item_wrench(body: pin.Inertia, joint_T_grasp: pin.SE3, speed: Array, acceleration: Array) -> Array:
    """Compute the contact wrenches [f; m] of the hand on an item by Newton–Euler.

    With ω, α and the acceleration a of the joint frame's origin (a = a_spatial + ω × v), the centre of mass at c accelerates by
    a_c = a + α × c + ω × (ω × c);  f = m a_c;  the moment about the grasp frame's origin o is I α + ω × I ω + (c − o) × f.

    Args:
        body: The item's inertia in the grasp frame.
        joint_T_grasp: Pose of the grasp frame in the joint's frame.
        speed: (N, 6) spatial velocities of the joint's frame, in that frame [m/s, rad/s].
        acceleration: (N, 6) spatial accelerations of the joint's frame, in that frame, gravity subtracted [m/s², rad/s²].

    Returns:
        (N, 6) wrenches in the grasp frame [N, Nm].
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


def _pinch_utilisation(held: HeldItem, wrench: Array, grip_force: Array) -> Array:
    """Utilisations S (N,) of the two-patch pinch (see `contact.pinch`)."""
    mu, width = held.friction, held.width
    c = sum(patch.c for patch in held.patches) / 2
    a = sum(patch.a for patch in held.patches) / 2
    fx, fy, fz, mx, my, mz = wrench.T
    shear = np.sqrt(fx**2 + fz**2 + (my / c) ** 2) / (2 * mu * grip_force)
    couples = np.hypot(mx, mz) / (grip_force * (TILTING * a + mu * width))
    return np.asarray(np.hypot(shear, couples + np.abs(fy) / (2 * grip_force)))


def _suction_utilisation(held: HeldItem, wrench: Array, vacuum: Array) -> Array:
    """Utilisations (N,) of a suction cup, the largest of slide, peel and turn (see `contact.suction`)."""
    mu, r = held.friction, held.patches[0].c
    fx, fy, fz, mx, my, mz = wrench.T
    worst = np.maximum(np.hypot(fx, fy) / mu, np.maximum(2 * np.hypot(mx, my) / r, np.abs(mz) / (mu * r)))
    for centre, distance, uneven in TURNS:
        rho = centre * r
        for way in (1, -1):
            across = np.hypot(way * rho * fy - mu * uneven * my, mu * uneven * mx - way * rho * fx)
            worst = np.maximum(worst, (way * mz + across) / (mu * distance * r))
    return np.asarray((worst - fz) / vacuum)


def _pad_share(held: HeldItem, wrench: Array, grip_force: Array) -> Array:
    """Larger (N,) of V and R (see `contact.pinch`)."""
    return np.asarray(np.maximum(lightened_share(held, wrench, grip_force), sliding_share(held, wrench, grip_force)))


def lightened_share(held: HeldItem, wrench: Array, grip_force: Array) -> Array:
    """Share V (N,) of the pad that a load along the closing axis lightens (see `contact.pinch`)."""
    mu, width = held.friction, held.width
    ratio = SHIFTED * sum(patch.a for patch in held.patches) / 2 / (mu * width)
    fx, fy, fz, mx, _, mz = wrench.T
    first = np.hypot(fx - 2 * mz / width, fz + 2 * mx / width) / (2 * mu) + fy / 2
    second = np.hypot(fx + 2 * mz / width, fz - 2 * mx / width) / (2 * mu) - fy / 2
    return np.asarray(np.maximum(first, second) / (grip_force * (1 + ratio)))


def sliding_share(held: HeldItem, wrench: Array, grip_force: Array) -> Array:
    """Largest share R (N,) of sliding about any pressed point (see `contact.pinch`); 0 where a pad presses at one point."""
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


def _pinch_utilisations(held: HeldItem, wrench: Array, grip_force: Array) -> dict[str, Array]:
    """Utilisations (N,) of the two-patch pinch by kind of limit."""
    return {"hold": _pinch_utilisation(held, wrench, grip_force), "pad_share": _pad_share(held, wrench, grip_force)}


def _suction_utilisations(held: HeldItem, wrench: Array, grip_force: Array) -> dict[str, Array]:
    """Utilisations (N,) of a suction cup by kind of limit."""
    return {"hold": _suction_utilisation(held, wrench, grip_force)}


OWN = {"pinch": _pinch_utilisations, "suction": _suction_utilisations}  # Checks of FastMove's contact laws, by the law's name.
