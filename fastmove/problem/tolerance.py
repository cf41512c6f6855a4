"""What an item tolerates beside a squeeze: tilt, shock, leaning over, turning between the pads.

All but the last are limits on the specific force f/m of its centre of mass, what an accelerometer in it would read: at rest it
points up with 9.81 m/s².  With u the item's up axis, ⊥ the part across it and φ the angle allowed,

    tilt     ‖f⊥‖ ≤ tan φ (u·f)         an open container spills when the liquid's surface leans: second-order cone
    upright  the same for f at rest     the item itself leans by at most φ, however it is accelerated
    shock    ‖f‖ ≤ m s                  second-order cone
    swing    |m_y| ≤ share · 2 μ F c    torsion asked of the pads, as a share of what they have: a soft item turns about the
                                        pinch axis before they slip
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fastmove.arrays import Array, readonly
from fastmove.errors import InputError

GRAVITY = 9.81


@dataclass(frozen=True)
class Tolerance:
    """Attributes:
    tilt, upright: largest angles [rad]; infinite = any.
    up: (3,) in the item frame, made a unit vector.
    shock: largest specific force, gravity included [m/s²].
    swing: largest share of the pads' torsion, up to 1.
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
    def angles(self) -> bool:
        """Whether an angle is limited."""
        return bool(np.isfinite(self.tilt) or np.isfinite(self.upright))


@dataclass(frozen=True)
class ToleranceCone:
    """‖A W‖ + b·W ≤ limit for the wrench W of one member.

    Attributes:
        matrix, offset: A (k, 6), b (6,), in shares of the item's weight.
        limit: 0 or 1.
    """

    slope: Array
    offset: Array
    limit: float


class ToleranceModel:
    """The limits of one held item on the wrenches of its members.

    Args:
        up: (3,) in the grasp frame.
        masses: (M,) of the members [kg].
    """

    def __init__(self, tolerance: Tolerance, up: Array, masses: Array) -> None:
        self.tolerance, self.up, self.masses = tolerance, up, masses
        helper = np.eye(3)[int(np.argmin(np.abs(up)))]
        first = np.cross(up, helper)
        first /= np.linalg.norm(first)
        self._across = np.stack([first, np.cross(up, first)])
        self.active = tolerance.angles or np.isfinite(tolerance.shock)

    def utilisation(self, wrench: Array, at_rest: bool) -> Array:
        """Largest use, 1 = limit, of wrenches (N, M, 6) in motion, or at rest (N, M)."""
        t = self.tolerance
        force = wrench[..., :3]
        angle = np.arctan2(np.linalg.norm(force @ self._across.T, axis=-1), force @ self.up)
        if at_rest:
            return np.asarray(angle / min(t.tilt, t.upright))
        return np.asarray(np.maximum(angle / t.tilt, np.linalg.norm(force, axis=-1) / (self.masses * t.shock)))

    def cones(self, member: int, at_rest: bool, share: float) -> list[ToleranceCone]:
        """For one member, with this share of every limit."""
        t, weight, found = self.tolerance, float(self.masses[member]) * GRAVITY, []
        angle = min(t.tilt, t.upright) if at_rest else t.tilt
        if np.isfinite(angle):
            matrix, offset = np.zeros((2, 6)), np.zeros(6)
            matrix[:, :3], offset[:3] = self._across / (np.tan(share * angle) * weight), -self.up / weight
            found.append(ToleranceCone(matrix, offset, 0.0))
        if not at_rest and np.isfinite(t.shock):
            matrix = np.zeros((3, 6))
            matrix[:, :3] = np.eye(3) / (share * float(self.masses[member]) * t.shock)
            found.append(ToleranceCone(matrix, np.zeros(6), 1.0))
        return found
