"""The suction contact model: the ring of a suction cup that slides or peels."""

from __future__ import annotations

import numpy as np

from fastmove.contact.law import ContactLaw, ContactModel, Touch
from fastmove.contact.wrench_cone import UTILISATION_MAX, ConeContact


def suction(friction: float, radius: float, guaranteed: float = 1.0, swing: float = 1.0) -> ConeContact:
    """Contact model of a suction cup, whose "grip force" is its vacuum force V [N].

    z is the cup's approach, r the radius of its lip, and N = V + f_z the force with which the ring presses (f_z < 0 where the
    item hangs below the cup):

        slide   ‖(f_x, f_y, m_z / r)‖ ≤ μ N            ellipsoid instead of the three separate bounds of Dex-Net 3.0
        peel    ‖(m_x, m_y)‖ ≤ N r / 2                 linear pressure along the ring, p = N/2πr + M cos θ/πr², never below 0

    Both are shares ‖A W‖ + b·W ≤ 0.9 V.  Dex-Net bounds the moments by what its ring bears elastically; the condition that the
    lip opens nowhere needs no constant of its material.

    Args:
        friction: Least Coulomb friction coefficient.
        radius: Radius r of the lip [m].
        guaranteed: Guaranteed share of the vacuum force.
        swing: Largest share of the torsion capacity that may be used; below 1 it adds one more share.
    """
    slide, peel = np.zeros((3, 6)), np.zeros((2, 6))
    slide[0, 0] = slide[1, 1] = 1 / friction
    slide[2, 5] = 1 / (friction * radius)
    peel[0, 3] = peel[1, 4] = 2 / radius
    pull = np.array([0, 0, -1.0, 0, 0, 0])
    shares = [(slide / guaranteed, pull / guaranteed), (peel / guaranteed, pull / guaranteed)]
    if swing < 1:
        turning = np.zeros((1, 6))
        turning[0, 5] = UTILISATION_MAX / (friction * radius * swing * guaranteed)
        shares.append((turning, np.zeros(6)))
    return ConeContact("suction", np.zeros((1, 6)), np.zeros((1, 6)), np.zeros(6), tuple(shares))


class Suction(ContactLaw):
    """Contact law of one cup whose vacuum pulls an item against its lip; its "grip force" is the vacuum force."""

    name = "suction"
    holder = "cup"
    torsion_axis = 5
    simulated = verified = False

    def model(self, touch: Touch, friction: float, guaranteed: float = 1.0, swing: float = 1.0) -> ContactModel:
        """Build the contact model of the cup (see `suction`)."""
        return suction(friction, touch.c, guaranteed, swing)


SUCTION = Suction()
