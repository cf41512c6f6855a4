"""The pinch contact model: the wrenches that an item pressed between two pads can carry, as convex cones.

`optim.constraints.hold` makes rows of them; `certificate.hold` checks the same by formulas of its own.

Conventions: W = [f; m] is the contact wrench that the hand exerts on the item, in the grasp frame (axes of the tool, y the
closing axis, z the approach, origin between the patch centroids) [N, Nm]; the grip force F is the normal force per pad [N].

Two-patch pinch.  Pads at distance w, Coulomb friction μ, patch constants c (mean radius of the patch, so that its
torsion capacity under normal force F is μ F c) and a (its tilting lever):

    lin     = ‖(f_x, f_z, m_y / c)‖ / 2 μ F          tangential force and torsion share the friction of two pads
                                                     (ellipsoidal limit surface, Howe & Cutkosky, IJRR 15(6), 1996)
    couples = ‖(m_x, m_z)‖ / F (κ a + μ w)           tilting, carried by shifted pressure and by opposed friction
    normal  = |f_y| / 2 F                            one pad is about to lift off
    S       = hypot(lin, couples + normal)           utilisation; hold margin = 0.9 − S

S is convex in W and S·F is convex in (W, F), so S ≤ 0.9 is a second-order cone.  The sum inside the hypot and the 0.9
come from trials in rigid-body simulation: the plain maximum of the three lets 2–6 % of items slip.

Pressure shifts only after the item has turned, so of the lever a only the share κ = `TILTING` counts in S (and in R below).
`problem.min_grip.friction_left` says why: with normal forces shared as elastic pads share them, the points of plans that count
all of a have no friction left.  Lines and discs have a = 0.  All this assumes that the pads have closed flat on the item
(`closing_turn` says how far it may be turned before they close).

S adds the friction of both pads up, and that is not all.  A load f_y along the closing axis presses the pads unevenly,
N = F ∓ f_y/2, and how the tangential force f_t is shared between them, t = (f_t ± d)/2, is not free: the difference d acts
at the pads' distance w, so with u the unit vector of the closing axis the moment M_t about the other two axes asks
‖(w/2) u × d − M_t‖ ≤ κ F a, what shifted pressure carries; hence ‖d − d0‖ ≤ 2 κ F a / w with d0 = (2/w) (−m_z, m_x) in (x, z).
The lighter pad must find such a d with ‖f_t ± d‖/2 ≤ μ (F ∓ f_y/2), which is possible exactly where

    V± = [ ‖f_t ± d0‖ / 2μ  ±  f_y / 2 ] / F (1 + κ a/(μ w))  ≤  1            share of the lighter pad; margin = 0.9 − V

Both are cones, too, with a κ of their own, `SHIFTED`.  Pressure that has shifted has moved friction's centre along, so not all of
a counts here either.  κ must be smaller still than the best share of the load over the pads' points allows
(`problem.min_grip.min_grip`): that some share balances a load does not mean that the pads find it.

S alone is up to 29 % optimistic between wide plane pads and 41 % where the pads touch along a line or at a point (a = 0).
Torsion is left out of V: it may rest on the heavier pad.

The ellipsoid has its own weakness: it may be exceeded where force and torsion add up on one side of a patch.  An item that
slides about a point r of it meets friction of moment 2 μ F D(r) there at most, D(r) the mean distance of the pressed points from
r, so |m_r| ≤ 2 μ F D(r): a supporting plane of the true limit surface for every r (Goyal, Ruina & Papadopoulos, Wear 143, 1991).
The ellipsoid knows r at the centre and at infinity; the points of the patches that pressure rests on (`Patch.points`) are added:

    R = max over r of ‖(m_r / 2 μ D(r), couples, normal)‖ / F           share of sliding about a pressed point; margin = 0.9 − R

Of the exact limit surface of four points the ellipsoid alone misses up to 15 % (square) or 24 % (slender), of the two halves of a
line 29 %; with R 8 % and 6 %.  (Spread evenly over a square or disc it would miss 7 %, over a line 13 %.)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fastmove.arrays import Array
from fastmove.contact.law import ContactLaw, ContactModel, Touch
from fastmove.contact.patch import Patch
from fastmove.contact.wrench_cone import UTILISATION_MAX, ConeContact

TILTING = 0.1  # κ of S and R: share of the tilting lever that carries couples before the item has turned [1].
SHIFTED = 0.4  # κ of V: share of the tilting lever that counts for the share of the lighter pad [1].
WEDGED_MAX = np.radians(0.2)  # Largest turn of a wedged item in the hand, as in `execution.slip_test.HELD_TURN` [rad].


def pinch(
    friction: float, width: float, c: float, a: float, points: Array | None = None, guaranteed: float = 1.0, swing: float = 1.0
) -> ConeContact:
    """Contact model of the two-patch pinch: S, V and R of this module as cones.

    Args:
        friction: Least Coulomb friction coefficient μ.
        width: Distance w of the two patches [m].
        c: Mean radius, averaged over the two patches [m].
        a: Tilting lever, averaged over the two patches [m].
        points: (K, 2) points in x, z of the grasp frame that press, as many of each pad [m], for the shares R; None = no R.
        guaranteed: Guaranteed share of a commanded grip force.
        swing: Largest share of the pads' torsion that may be used (see `problem.tolerance`); below 1 it adds one more share.
    """
    linear = np.zeros((3, 6))
    linear[0, 0] = linear[1, 2] = 1 / (2 * friction)
    linear[2, 4] = 1 / (2 * friction * c)
    couples = np.zeros((2, 6))
    couples[0, 3] = couples[1, 5] = 1 / (TILTING * a + friction * width)
    spare, shares = 1 + SHIFTED * a / (friction * width), []
    for side in (1.0, -1.0):
        light = np.zeros((2, 6))
        light[0, 0] = light[1, 2] = 1 / (2 * friction)
        light[0, 5], light[1, 3] = -side / (friction * width), side / (friction * width)
        shares.append((light / spare / guaranteed, np.array([0, side / 2, 0, 0, 0, 0]) / spare / guaranteed))
    others = np.vstack([couples, [0, 0.5, 0, 0, 0, 0]])
    for rows in [] if points is None else _sliding(points):
        shares.append((np.vstack([rows / (2 * friction), others]) / guaranteed, np.zeros(6)))
    if swing < 1:
        turning = np.zeros((1, 6))
        turning[0, 4] = UTILISATION_MAX / (2 * friction * c * swing * guaranteed)
        shares.append((turning, np.zeros(6)))
    return ConeContact(
        "pinch", linear / guaranteed, couples / guaranteed, np.array([0, 0.5, 0, 0, 0, 0]) / guaranteed, tuple(shares)
    )


class Pinch(ContactLaw):
    """Contact law of two pads that press an item flat from both sides."""

    name = "pinch"
    lever_shares: Mapping[str, float] = {"hold": TILTING, "pad_share": SHIFTED}

    def model(self, touch: Touch, friction: float, guaranteed: float = 1.0, swing: float = 1.0) -> ContactModel:
        """Build the contact model of the two-patch pinch (see `pinch`)."""
        return pinch(friction, touch.width, touch.c, touch.a, touch.points, guaranteed, swing)


PINCH = Pinch()


def _sliding(points: Array) -> list[Array]:
    """Rows (1, 6) of R times 2 μ F [N]: the moment about each pressed point over its mean distance D(r) from all points."""
    moments = []
    for x, z in points[np.unique(np.round(points, 9), axis=0, return_index=True)[1]]:
        row = np.zeros((1, 6))
        row[0, 0], row[0, 2], row[0, 4] = -z, x, 1.0
        moments.append(row / np.linalg.norm(points - [x, z], axis=1).mean())
    return moments


def closing_turn(patches: tuple[Patch, ...], friction: float, width: float, force: float, stiffness: float) -> float:
    """Largest turn of an item before the pads close with which it still ends up flat between them [rad].

    The turn is about either axis across the closing axis.  It is infinite where the pads turn the item flat themselves.

    A turned face meets each pad at an edge.  There the pads' pressure turns it flat with a couple of up to F b, b the lever
    between the edges (a of a plane; 2 c of a line, whose points press at ± c; a disc has no edge), while their friction, at the
    distance w from each other, keeps it turned with up to μ F w.  Where b ≥ μ w it comes to lie flat, else it stays wedged except
    for what the pads yield.  A pad of stiffness k along an extent L, pressed with F on a face turned by θ, presses everywhere
    while θ L / 2 ≤ F / k, and its pressure's middle is off by k θ L² / 12 F, on the two pads to opposite sides: a couple
    k θ L² / 6 that friction carries before there is any load.  It may take what S leaves unused, (1 − 0.9) F (κ a + μ w).  A load
    that slides the item flat after all must not turn it by more than it may turn in the hand, 0.2°.

    Args:
        patches: The two patches.
        friction: Largest Coulomb friction coefficient μ.
        width: Distance w of the two patches [m].
        force: Least guaranteed force F that presses each pad [N].
        stiffness: Stiffness k of one pad along the closing axis [N/m]; infinite = rigid, or unknown.
    """
    largest = np.inf
    for patch in patches:
        lever, extent = patch.a if patch.kind == "plane" else 2 * patch.c, float(np.max(patch.size))
        if patch.kind in ("plane", "line") and lever < friction * width:
            spare = 6 * (1 - UTILISATION_MAX) * (TILTING * patch.a + friction * width) / extent
            largest = min(largest, min(2.0, spare) * force / (stiffness * extent), WEDGED_MAX)
    return float(largest)
