"""What a contact can carry: one convex form, as numbers for the solver and as a CasADi expression.

Conventions: wrench W = [f; m] that the hand exerts on the item, in the grasp frame (axes of the tool, y the closing
axis, z the approach, origin between the patch centroids) [N, Nm]; grip force F = normal force per pad [N].

Two-patch pinch.  Pads at distance w, Coulomb friction μ, patch constants c (mean radius of the patch, so that its
torsion capacity under normal force F is μ F c) and a (its tilting lever):

    lin     = ‖(f_x, f_z, m_y / c)‖ / 2 μ F          tangential force and torsion share the friction of two pads
                                                     (ellipsoidal limit surface, Howe & Cutkosky, IJRR 15(6), 1996)
    couples = ‖(m_x, m_z)‖ / F (κ a + μ w)           tilting, carried by shifted pressure and by opposed friction
    normal  = |f_y| / 2 F                            one pad is about to lift off
    S       = hypot(lin, couples + normal)           utilisation; hold margin = 0.9 − S

S is convex in W and S·F is convex in (W, F), so S ≤ 0.9 is a second-order cone.  The sum inside the hypot and the 0.9
come from trials in rigid-body simulation: the plain maximum of the three lets 2–6 % of items slip.

Pressure shifts only after the item has turned, so of the lever a only the share κ = 0.1 counts in S (and in R below).  With κ = 1
plans that ride the limit for long slide in steps of 0.05° with every pad point saturated, and end up to 0.5° off; a lower limit
than 0.9 costs more time and still lets them.  κ = 0.2 is enough in simulation with contacts of 2 and 4 ms, κ = 0.1 at 8 ms, too.
`fastmove.pads.friction_left` says why: with normal forces shared as elastic pads share them, the points of such plans have no
friction left.  Lines and discs have a = 0.  All this assumes that the pads have closed flat on the item (`closing_turn` says how
far it may be turned before they close).

S adds the friction of both pads up, and that is not all.  A load f_y along the closing axis presses the pads unevenly,
N = F ∓ f_y/2, and how the tangential force f_t is shared between them, t = (f_t ± d)/2, is not free: the difference d acts
at the pads' distance w, so with u the unit vector of the closing axis the moment M_t about the other two axes asks
‖(w/2) u × d − M_t‖ ≤ κ F a, what shifted pressure carries; hence ‖d − d0‖ ≤ 2 κ F a / w with d0 = (2/w) (−m_z, m_x) in (x, z).
The lighter pad must find such a d with ‖f_t ± d‖/2 ≤ μ (F ∓ f_y/2), which is possible exactly where

    V± = [ ‖f_t ± d0‖ / 2μ  ±  f_y / 2 ] / F (1 + κ a/(μ w))  ≤  1            share of the lighter pad; margin = 0.9 − V

Both are cones, too, with a κ of their own.  Pressure that has shifted has moved friction's centre along, so not all of a counts
here either.  Against the exact best share of load over the pads' points, with pressure linear over each pad, κ = 0.7 is nowhere
optimistic (`pads`; 1,600 random wrenches; κ = 1: 9 %).  But that some share balances a load does not mean that the pads find it:
of 90 transfers in rigid-body simulation one that V limits slipped at 1.04 times the grip that κ = 0.7 asks for; planned with
κ = 0.5, at 1.002; with κ = 0.4 none that V limits above 0.998 (0.983 on plans of today, 0.985 by S, V and R together).

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

from dataclasses import dataclass
from functools import cached_property

import casadi as ca
import numpy as np

from fastmove.arrays import Array, locked
from fastmove.errors import InputError

UTILISATION_MAX = 0.9
TILTING = 0.1  # κ of S and R: share of the tilting lever that carries couples before the item has turned
SHIFTED = 0.4  # κ of V
WEDGED_MAX = np.radians(0.2)  # by how much a wedged item may be turned: what the judge of physics calls held


@dataclass(frozen=True)
class Patch:
    """Where one pad touches the item.

    Attributes:
        kind: plane, line or disc; ring for a suction cup.
        center: (2,) centroid in tool x, z [m].
        size: plane: edges of the equivalent rectangle, short then long; line: (length,); disc: (radius,) [m].
        direction: (2,) unit vector of the line or of the long edge in tool x, z.
        c: mean radius about the centroid [m]; torsion capacity μ F c.
        a: tilting lever [m]; pressure can shift by a/2 to either side (how much of it counts: `TILTING`, `SHIFTED`).
        tilt: by how much the item's face, as it is grasped, is turned from the pad [rad].
    """

    kind: str
    center: Array
    size: Array
    direction: Array
    c: float
    a: float
    tilt: float = 0.0

    def points(self) -> Array:
        """(K, 2) points in tool x, z that carry the pad's force at its mean radius: what a simulation may touch with."""
        if self.kind == "disc":
            return np.array([self.center])
        across = np.array([-self.direction[1], self.direction[0]])
        short = self.a / 2
        long = float(np.sqrt(max(self.c**2 - short**2, 0.0)))
        sides = (1.0, -1.0) if self.kind == "plane" else (0.0,)
        return np.array([self.center + s * long * self.direction + t * short * across for s in (1.0, -1.0) for t in sides])


@dataclass(frozen=True)
class ConeContact:
    """Score S = hypot(‖L W‖, ‖C W‖ + |n·W|) / F and shares V_i = (‖A_i W‖ + b_i·W) / F, for constant matrices:
    second-order cones in (W, F).  The utilisation is the largest of them.

    Attributes:
        linear: L (k, 6); couples: C (l, 6); normal: n (6,).  Units 1: each row times W is a force [N].
        shares: pairs A_i (k, 6), b_i (6,), one for each pad that may become the lighter one.
        name: of the contact model.
    """

    name: str
    linear: Array
    couples: Array
    normal: Array
    shares: tuple[tuple[Array, Array], ...] = ()

    def __post_init__(self) -> None:
        for key in ("linear", "couples", "normal"):
            object.__setattr__(self, key, locked(getattr(self, key)))
        object.__setattr__(self, "shares", tuple((locked(a), locked(b)) for a, b in self.shares))

    def utilisation(self, wrench: Array, grip_force: object) -> Array:
        """max(S, V) for wrenches (..., 6) and grip forces that broadcast to (...)."""
        return np.maximum(self.score(wrench, grip_force), self.share(wrench, grip_force))

    def share(self, wrench: Array, grip_force: object) -> Array:
        """Largest V, at least 0, for wrenches (..., 6) and grip forces that broadcast to (...)."""
        worst = np.zeros(wrench.shape[:-1])
        for a, b in self.shares:
            worst = np.maximum(worst, np.linalg.norm(wrench @ a.T, axis=-1) + wrench @ b)
        return np.asarray(worst / grip_force)

    def score(self, wrench: Array, grip_force: object) -> Array:
        """S for wrenches (..., 6) and grip forces that broadcast to (...)."""
        lin = np.linalg.norm(wrench @ self.linear.T, axis=-1)
        couples = np.linalg.norm(wrench @ self.couples.T, axis=-1)
        return np.asarray(np.hypot(lin, couples + np.abs(wrench @ self.normal)) / grip_force)

    @cached_property
    def expression(self) -> ca.Function:
        """CasADi function (wrench (6,), grip_force) -> margins 0.9 − S and 0.9 − V_i, stacked; all ≥ 0 is safe.

        Differentiable wherever no norm in it vanishes (a 1e-24 under each root keeps derivatives finite there).
        """
        wrench, force = ca.SX.sym("wrench", 6), ca.SX.sym("grip_force")
        soft = lambda rows: ca.sqrt(ca.sumsqr(rows) + 1e-24)  # noqa: E731
        lin = soft(ca.mtimes(ca.DM(self.linear), wrench))
        couples = soft(ca.mtimes(ca.DM(self.couples), wrench))
        normal = ca.sqrt(ca.mtimes(ca.DM(self.normal[None, :]), wrench) ** 2 + 1e-24)
        score = ca.sqrt(lin**2 + (couples + normal) ** 2)
        shares = [soft(ca.mtimes(ca.DM(a), wrench)) + ca.mtimes(ca.DM(b[None, :]), wrench) for a, b in self.shares]
        margins = UTILISATION_MAX - ca.vertcat(score, *shares) / force
        return ca.Function("hold_margin", [wrench, force], [margins], ["wrench", "grip_force"], ["margin"])


def pinch(
    friction: float, width: float, c: float, a: float, points: Array | None = None, sure: float = 1.0, swing: float = 1.0
) -> ConeContact:
    """The two-patch pinch; c and a are means over the two patches [m], width = distance of the patches [m].

    Args:
        points: (K, 2) in x, z of the grasp frame that press, as many of each pad, for the shares R; None = no such shares.
        sure: share of a grip force that is surely there.
        swing: share of the pads' torsion that may be asked for (see `tolerance`); below 1 one more share.
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
        shares.append((light / spare / sure, np.array([0, side / 2, 0, 0, 0, 0]) / spare / sure))
    others = np.vstack([couples, [0, 0.5, 0, 0, 0, 0]])
    for rows in [] if points is None else _sliding(points):
        shares.append((np.vstack([rows / (2 * friction), others]) / sure, np.zeros(6)))
    if swing < 1:
        turning = np.zeros((1, 6))
        turning[0, 4] = UTILISATION_MAX / (2 * friction * c * swing * sure)
        shares.append((turning, np.zeros(6)))
    return ConeContact("pinch", linear / sure, couples / sure, np.array([0, 0.5, 0, 0, 0, 0]) / sure, tuple(shares))


def _sliding(points: Array) -> list[Array]:
    """Rows (1, 6) of R times 2 μ F: the moment about each pressed point over its mean distance from all."""
    found = []
    for x, z in points[np.unique(np.round(points, 9), axis=0, return_index=True)[1]]:
        row = np.zeros((1, 6))
        row[0, 0], row[0, 2], row[0, 4] = -z, x, 1.0
        found.append(row / np.linalg.norm(points - [x, z], axis=1).mean())
    return found


def closing_turn(patches: tuple[Patch, ...], friction: float, width: float, force: float, stiffness: float) -> float:
    """How far an item may be turned about the two axes across the closing axis before the pads close, and still end up flat
    between them [rad]; infinite where they turn it flat themselves.

    A turned face meets each pad at an edge.  There the pads' pressure turns it flat with a couple of up to F b, b the lever
    between the edges (a of a plane; 2 c of a line, whose points press at ± c; a disc has no edge), while their friction, at the
    distance w from each other, keeps it turned with up to μ F w.  Where b ≥ μ w it comes to lie flat, else it stays wedged, but
    for what the pads give.  A pad of stiffness k along an extent L, pressed with F on a face turned by θ, presses everywhere
    while θ L / 2 ≤ F / k, and its pressure's middle is off by k θ L² / 12 F, on the two pads to opposite sides: a couple
    k θ L² / 6 that friction carries before there is any load.  It may take what S leaves free, (1 − 0.9) F (κ a + μ w).  A load
    that slides the item flat after all must not turn it by more than it may turn in the hand, 0.2°.

    Args:
        friction: the largest;  force: the least that surely presses each pad [N].
        stiffness: of one pad along the closing axis [N/m]; infinite = rigid, or unknown.
    """
    found = np.inf
    for patch in patches:
        lever, extent = patch.a if patch.kind == "plane" else 2 * patch.c, float(np.max(patch.size))
        if patch.kind in ("plane", "line") and lever < friction * width:
            spare = 6 * (1 - UTILISATION_MAX) * (TILTING * patch.a + friction * width) / extent
            found = min(found, min(2.0, spare) * force / (stiffness * extent), WEDGED_MAX)
    return float(found)


def suction(friction: float, radius: float, sure: float = 1.0, swing: float = 1.0) -> ConeContact:
    """A suction cup with lip radius r [m]; its "grip force" is the vacuum force V [N], z its approach.

    With N = V + f_z what the ring presses with (f_z < 0 where the item hangs below the cup):

        slide   ‖(f_x, f_y, m_z / r)‖ ≤ μ N            ellipsoid instead of the three separate bounds of Dex-Net 3.0
        peel    ‖(m_x, m_y)‖ ≤ N r / 2                 linear pressure along the ring, p = N/2πr + M cos θ/πr², never below 0

    Both are shares ‖A W‖ + b·W ≤ 0.9 V.  Dex-Net bounds the moments by what its ring bears elastically; that the lip opens
    nowhere needs no constant of its material.
    """
    slide, peel = np.zeros((3, 6)), np.zeros((2, 6))
    slide[0, 0] = slide[1, 1] = 1 / friction
    slide[2, 5] = 1 / (friction * radius)
    peel[0, 3] = peel[1, 4] = 2 / radius
    pull = np.array([0, 0, -1.0, 0, 0, 0])
    shares = [(slide / sure, pull / sure), (peel / sure, pull / sure)]
    if swing < 1:
        turning = np.zeros((1, 6))
        turning[0, 5] = UTILISATION_MAX / (friction * radius * swing * sure)
        shares.append((turning, np.zeros(6)))
    return ConeContact("suction", np.zeros((1, 6)), np.zeros((1, 6)), np.zeros(6), tuple(shares))


def plane_patch(polygon: Array) -> Patch:
    """A convex polygon (K, 2) in tool x, z under uniform pressure.

    c is the exact mean distance from the centroid.  For the tilting lever and the sample points of a simulation the
    polygon counts as the rectangle A × B with its second moments: points at (±h_x, ±h_z), (h_x, h_z) =
    c (A, B) / hypot(A, B), a = 2 min(h_x, h_z).  Square of edge L: c = 0.3826 L, a = 0.541 L.
    """
    area, center, second = _moments(polygon)
    c = _mean_radius(polygon - center) / area
    moments, axes = np.linalg.eigh(second / area)
    edges = np.sqrt(12 * np.maximum(moments, 0.0))
    square = edges[1] - edges[0] < 1e-6
    direction = np.array([0.0, 1.0]) if square else axes[:, 1] * np.sign(axes[np.argmax(np.abs(axes[:, 1])), 1])
    a = 2 * c * float(edges.min()) / float(np.hypot(*edges))
    return Patch("plane", locked(center), locked(edges), locked(direction), float(c), float(a))


def line_patch(start: Array, end: Array) -> Patch:
    """A line of contact (cylinder across the pad): c = l/4, a = 0, points at ± l/4."""
    length = float(np.linalg.norm(end - start))
    return Patch("line", locked((start + end) / 2), locked([length]), locked((end - start) / length), length / 4, 0.0)


def disc_patch(center: Array, radius: float) -> Patch:
    """A small disc (round item): c = 2 r / 3, the mean radius of a disc; a = 0."""
    return Patch("disc", locked(center), locked([radius]), locked([0.0, 1.0]), 2 * radius / 3, 0.0)


def clip_polygon(polygon: Array, half: Array, center: Array) -> Array:
    """The part of a convex polygon (K, 2) inside the rectangle center ± half (Sutherland–Hodgman); may be empty."""
    points = [np.asarray(p, dtype=float) for p in polygon]
    for axis in (0, 1):
        for sign in (1.0, -1.0):
            bound = sign * center[axis] + half[axis]
            kept = []
            for p, q in zip(points, points[1:] + points[:1], strict=True):
                dp, dq = bound - sign * p[axis], bound - sign * q[axis]
                if dp >= 0:
                    kept.append(p)
                if (dp > 0) != (dq > 0) and dp != dq:
                    kept.append(p + (q - p) * dp / (dp - dq))
            points = kept
            if not points:
                return np.zeros((0, 2))
    return np.array(points)


def _moments(polygon: Array) -> tuple[float, Array, Array]:
    """Area, centroid and second moments about the centroid (Green's theorem)."""
    p, q = polygon, np.roll(polygon, -1, axis=0)
    cross = p[:, 0] * q[:, 1] - q[:, 0] * p[:, 1]
    area = cross.sum() / 2
    if abs(area) < 1e-10:
        raise InputError("grasp", "the pads touch the item along less than 0.1 mm²")
    center = ((p + q) * cross[:, None]).sum(axis=0) / (6 * area)
    p, q = p - center, q - center
    cross = p[:, 0] * q[:, 1] - q[:, 0] * p[:, 1]
    both = np.einsum("ki,kj->kij", p, p) + np.einsum("ki,kj->kij", q, q)
    mixed = np.einsum("ki,kj->kij", p, q)
    second = np.einsum("k,kij->ij", cross, 2 * both + mixed + mixed.transpose(0, 2, 1)) / 24
    return abs(float(area)), center, second * np.sign(area)


def _mean_radius(polygon: Array) -> float:
    """∫ r dA over a convex polygon around the origin.

    Triangle (0, P, Q) with distance h from 0 to the line PQ and angles θ from the perpendicular:
    ∫∫ r · r dr dθ = h³/3 ∫ sec³θ dθ = h³/6 [sec θ tan θ + asinh(tan θ)].
    """
    total = 0.0
    for p, q in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        edge = q - p
        length = float(np.hypot(*edge))
        if length < 1e-12:
            continue
        height = abs(float(p[0] * q[1] - p[1] * q[0])) / length
        if height < 1e-12:
            continue
        tangents = (float(p @ edge) / length / height, float(q @ edge) / length / height)
        primitive = [t * np.hypot(1.0, t) + np.arcsinh(t) for t in tangents]
        total += height**3 / 6 * (primitive[1] - primitive[0])
    return float(total)
