"""The suction contact model: the ring of a suction cup that slides, turns or peels.

z is the cup's approach, r the radius of its lip, V its vacuum force, N = V + f_z the force with which the ring presses (f_z < 0
where the item hangs below the cup), and e a unit vector across.  The lip's pressure is linear, N/2πr + M·e_θ/πr² at e_θ, where
M = (−m_y, m_x) is how much more the ring presses on one side than on the other.

    peel     ‖M‖ ≤ N r / 2          the pressure is nowhere below 0
    slide    ‖(f_x, f_y)‖ ≤ μ N     friction against a translation
    turn     friction against a rotation about any point of the plane: with d the distance of that point, at ρ e, from the lip,
             ±(m_z − ρ e × f) ≤ μ ∫ pressure · d = μ (N D₀ + M·e D₁),   D₀ = mean(d),   D₁ = mean(2 cos θ d)/r < 0

For one ρ the last holds for all e exactly where ±m_z + ‖±ρ (f_y, −f_x) + μ D₁ M‖ ≤ μ D₀ N: two second-order cones.  Four ρ,
`CENTRES`, stand for all: a load that presses the cup on with at most V / 2 is nowhere more than 3 % beyond the exact limit
(`tests/contact`).  A ring that counts as an ellipsoid of force and torsion is up to 10 % too good with even pressure, and up to
40 % where the load also peels.

Dex-Net 3.0 (Mahler et al., ICRA 2018, arXiv:1709.06670, section IV) bounds force, torsion and moments separately, the moments by
what its ring bears elastically; the condition that the lip opens nowhere needs no constant of its material.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from fastmove.contact.law import ContactLaw, ContactModel, Touch
from fastmove.contact.wrench_cone import UTILISATION_MAX, ConeContact

CENTRES = (0.6, 1.0, 1.7)  # Distances of the points that the ring may turn about from its middle, over its radius, beside 0 [1].
LIP_POINTS = 100_000  # Points of the lip by which means over it are taken.


def suction(friction: float, radius: float, guaranteed: float = 1.0, swing: float = 1.0) -> ConeContact:
    """Contact model of a suction cup, whose "grip force" is its vacuum force V [N].

    All limits (see above) are shares ‖A W‖ + b·W ≤ 0.9 V.

    Args:
        friction: Least Coulomb friction coefficient.
        radius: Radius r of the lip [m].
        guaranteed: Guaranteed share of the vacuum force.
        swing: Largest share of the torsion capacity that may be used; below 1 it adds one more share.
    """
    force, moment, torsion = np.eye(6)[[1, 0]] * [[1], [-1]], np.eye(6)[[4, 3]] * [[-1], [1]], np.eye(6)[5]
    pull = -np.eye(6)[2]
    shares = [
        (np.eye(6)[:2] / friction, pull),  # slide
        (2 / radius * moment, pull),  # peel
        (torsion[None] / (friction * radius), pull),  # turn about the middle, where D₀ = r and D₁ = 0
    ]
    for centre in CENTRES:
        even, uneven = lip_distance(centre)
        for sign in (1.0, -1.0):
            turning = sign * centre / (friction * even) * force + uneven / (radius * even) * moment
            shares.append((turning, sign * torsion / (friction * radius * even) + pull))
    scaled = [(a / guaranteed, b / guaranteed) for a, b in shares]
    if swing < 1:
        scaled.append((UTILISATION_MAX / (friction * radius * swing * guaranteed) * torsion[None], np.zeros(6)))
    return ConeContact("suction", np.zeros((1, 6)), np.zeros((1, 6)), np.zeros(6), tuple(scaled))


@lru_cache
def lip_distance(centre: float) -> tuple[float, float]:
    """D₀ / r and D₁ of a point in the plane of the lip.

    Args:
        centre: Distance of the point from the middle of the lip, over its radius.
    """
    angle = (np.arange(LIP_POINTS) + 0.5) * 2 * np.pi / LIP_POINTS
    distance = np.hypot(np.cos(angle) - centre, np.sin(angle))
    return float(distance.mean()), float((2 * np.cos(angle) * distance).mean())


class Suction(ContactLaw):
    """Contact law of one cup whose vacuum pulls an item against its lip; its "grip force" is the vacuum force."""

    name = "suction"
    holder = "cup"
    torsion_axis = 5

    def model(self, touch: Touch, friction: float, guaranteed: float = 1.0, swing: float = 1.0) -> ContactModel:
        """Build the contact model of the cup (see `suction`)."""
        return suction(friction, touch.c, guaranteed, swing)


SUCTION = Suction()
