"""What an item tolerates: tilt, leaning over, shock, turning between the pads, and their squeeze.

The first three are limits on the specific force f/m of the item's centre of mass, what an accelerometer in it would read: at
rest it points up with 9.81 m/s².  With u the item's up axis, f⊥ the part of f across u, φ the allowed angle and s the largest
specific force,

    tilt     ‖f⊥‖ ≤ tan φ (u·f)         an open container spills when the liquid's surface leans; a second-order cone
    upright  the same for f at rest     the item itself leans by at most φ, however it is accelerated
    shock    ‖f‖ ≤ m s                  a second-order cone
    swing    |m_y| ≤ share · 2 μ F c    torsion that the pads must bear, as a share of their capacity: a soft item turns about
                                        the pinch axis before the pads slip
    squeeze  F (1 + u) + |f_y| / 2 ≤ M  each of two coupled fingers presses with the grip force F, at most u more than commanded,
                                        and half the load along the closing axis y presses one of them harder; M is what the
                                        item bears (`Item.max_pinch_force`)
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fastmove.arrays import Array, readonly
from fastmove.errors import InputError

# Standard gravity, to which the weight of a body is scaled [m/s²].
GRAVITY = 9.81


@dataclass(frozen=True)
class Tolerance:
    """What an item tolerates; the default is anything.

    Attributes:
        tilt: largest angle between the specific force and the up axis [rad]; infinite = any.
        upright: largest angle by which the item leans from the vertical [rad]; infinite = any.
        shock: largest specific force, gravity included [m/s²]; infinite = any.
        swing: largest share of the pads' torsion capacity, up to 1.
        up: (3,) up axis in the item frame, made a unit vector.
    """

    tilt: float = float("inf")
    upright: float = float("inf")
    shock: float = float("inf")
    swing: float = 1.0
    up: Array = field(default_factory=lambda: np.array([0.0, 0.0, 1.0]))

    def __post_init__(self) -> None:
        up = np.asarray(self.up, dtype=float)
        if up.shape != (3,) or not np.all(np.isfinite(up)) or np.linalg.norm(up) < 1e-9:
            raise InputError("tolerates.up", "needs three finite numbers that are not all zero")
        object.__setattr__(self, "up", readonly(up / np.linalg.norm(up)))
        for key in ("tilt", "upright"):
            angle = getattr(self, key)
            if not (np.radians(0.5) <= angle < np.radians(85) or angle == np.inf):
                raise InputError(f"tolerates.{key}_deg", f"is {np.degrees(angle):g}; allowed: 0.5 to 85")
        if not self.shock > 1.01 * GRAVITY:
            raise InputError(
                "tolerates.shock", f"is {self.shock}; it includes gravity and must be above {1.01 * GRAVITY:.2f} m/s²"
            )
        if not 0 < self.swing <= 1:
            raise InputError("tolerates.swing", f"is {self.swing}; allowed: above 0, to 1")

    @property
    def of_force(self) -> bool:
        """Whether the specific force is limited: tilt, upright or shock."""
        return bool(self.angles or np.isfinite(self.shock))

    @property
    def angles(self) -> bool:
        """Whether the tilt angle or the upright angle is limited."""
        return bool(np.isfinite(self.tilt) or np.isfinite(self.upright))


@dataclass(frozen=True)
class ToleranceCone:
    """A second-order cone ‖A W‖ + b·W ≤ limit that the contact wrench W of one member must stay in.

    Attributes:
        slope: matrix A (k, 6) [1/N, 1/Nm].
        offset: vector b (6,) [1/N, 1/Nm].
        limit: right-hand side, 0 or 1.
    """

    slope: Array
    offset: Array
    limit: float


class ToleranceModel:
    """The limits that the tolerance of one held item puts on the contact wrenches of its bodies.

    Wrenches are those that the hand exerts on the item, in the grasp frame [N, Nm].

    Attributes:
        tolerance: what the item tolerates.
        up: (3,) unit up axis in the grasp frame.
        masses: (M,) masses of the bodies (`HeldItem.bodies`), or of the members made of them [kg].
        side: largest load |f_y| along the closing axis, 2 (M − F (1 + u)) [N]; infinite = any.
        active: whether tilt, upright, shock or squeeze is limited (swing is a limit of the contact model).
    """

    def __init__(self, tolerance: Tolerance, up: Array, masses: Array, side: float = np.inf) -> None:
        self.tolerance, self.up, self.masses, self.side = tolerance, up, masses, side
        helper = np.eye(3)[int(np.argmin(np.abs(up)))]
        first = np.cross(up, helper)
        first /= np.linalg.norm(first)
        self._across = np.stack([first, np.cross(up, first)])
        self.active = tolerance.of_force or side < np.inf

    def of(self, bodies: Array, held: bool = True) -> ToleranceModel:
        """The same limits for some of the bodies, by their numbers; without squeeze where the hold is switched off."""
        return ToleranceModel(self.tolerance, self.up, self.masses[bodies], self.side if held else np.inf)

    def utilisation(self, wrench: Array, at_rest: bool) -> Array:
        """Computes the utilisation (N, M) of the limits by wrenches, 1 = limit.

        Args:
            wrench: (N, M, 6) contact wrenches in the grasp frame [N, Nm].
            at_rest: whether they are the wrenches at rest, for which the angles are limits of leaning and shock is none.
        """
        use, t, force = self.squeezing(wrench), self.tolerance, wrench[..., :3]
        allowed = min(t.tilt, t.upright) if at_rest else t.tilt
        if np.isfinite(allowed):
            use = np.maximum(use, self.leaning(wrench) / allowed)
        if np.isfinite(t.shock) and not at_rest:
            use = np.maximum(use, np.linalg.norm(force, axis=-1) / (self.masses * t.shock))
        return np.asarray(use)

    def leaning(self, wrench: Array) -> Array:
        """Angle (...,) between specific force and up axis [rad], of wrenches (..., 6) in the grasp frame."""
        force = wrench[..., :3]
        return np.asarray(np.arctan2(np.linalg.norm(force @ self._across.T, axis=-1), force @ self.up))

    def squeezing(self, wrench: Array) -> Array:
        """Share (...,) of the largest load along the closing axis, of wrenches (..., 6) in the grasp frame."""
        return np.asarray(np.abs(wrench[..., 1]) / self.side)

    def cones(self, member: int, at_rest: bool, share: float) -> list[ToleranceCone]:
        """Lists the second-order cones that keep one member within a share of every limit.

        Args:
            member: index of the member.
            at_rest: whether the cones are for wrenches at rest (see `utilisation`).
            share: share of every limit that may be used.
        """
        t, weight, rows = self.tolerance, float(self.masses[member]) * GRAVITY, []
        angle = min(t.tilt, t.upright) if at_rest else t.tilt
        if np.isfinite(angle):
            matrix, offset = np.zeros((2, 6)), np.zeros(6)
            matrix[:, :3], offset[:3] = self._across / (np.tan(share * angle) * weight), -self.up / weight
            rows.append(ToleranceCone(matrix, offset, 0.0))
        if not at_rest and np.isfinite(t.shock):
            matrix = np.zeros((3, 6))
            matrix[:, :3] = np.eye(3) / (share * float(self.masses[member]) * t.shock)
            rows.append(ToleranceCone(matrix, np.zeros(6), 1.0))
        if self.side < np.inf:
            matrix = np.zeros((1, 6))
            matrix[0, 1] = 1 / (share * self.side)
            rows.append(ToleranceCone(matrix, np.zeros(6), 1.0))
        return rows
