"""Speed limits of joints that depend on where the joints are: less towards either end of their range.

Makers ask for them so that a joint can always stop before its end: a joint at speed v that brakes with k/2 needs v²/k, so

    v ≤ −c + √(k (u − q))   towards the upper end,   v ≥ c − √(k (q − l))   towards the lower one.

The largest speed is a concave function of q (the least one convex), so the states within the limit are a convex set: where the
control points of a polynomial q(t) and of its derivative, raised to the same degree, are within, the whole piece is.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from fastmove.arrays import Array, readonly
from fastmove.errors import InputError

LEAST = 1e-3  # Speed that must be left at the ends of the range, so that they can be reached [rad/s].
FLATTEST = 1e-9  # Distance from an end below which the slope is taken there, so that it stays finite [rad].


@dataclass(frozen=True)
class SpeedEnvelope:
    """Speed limits that depend on position, one number per arm joint; an infinite slope means that a joint has none.

    Units are those of revolute joints; for prismatic joints read m for rad.

    Attributes:
        offset: (n_arm,) c, the speed by which it stays below √(k (u − q)) [rad/s].
        slope: (n_arm,) k, twice the deceleration along it at high speed [rad/s²].
        upper: (n_arm,) u, a little beyond the upper end of the range [rad].
        lower: (n_arm,) l, a little beyond the lower end [rad].
    """

    offset: Array
    slope: Array
    upper: Array
    lower: Array

    def __post_init__(self) -> None:
        for key in ENVELOPE_KEYS:
            object.__setattr__(self, key, readonly(getattr(self, key)))

    def check(self, at: str, position_min: Array, position_max: Array) -> None:
        """Checks the numbers against the range of positions.

        Args:
            at: Where they stand, for messages.
            position_min: (n_arm,) least positions [rad].
            position_max: (n_arm,) largest positions [rad].

        Raises:
            InputError: A number is missing or impossible, or the joints may go where no speed but back is allowed.
        """
        for key in ENVELOPE_KEYS:
            values = getattr(self, key)
            if values.shape != position_min.shape:
                raise InputError(f"{at}.{key}", f"needs {len(position_min)} numbers, one per joint")
            if np.any(np.isnan(values)) or (key in ("offset", "slope") and np.any(values < 0)):
                raise InputError(f"{at}.{key}", f"is {values.tolist()}; numbers from 0 on are needed")
        limited = np.isfinite(self.slope)
        if not np.all(np.isfinite(np.stack([self.offset, self.upper, self.lower])[:, limited])) or np.any(self.slope == 0):
            raise InputError(f"{at}.slope", "must be positive, and the other numbers finite where it is (inf = no such limit)")
        ends = (self.offset[limited] + LEAST) ** 2 / self.slope[limited]  # where the largest speed is `LEAST`
        highest, lowest = self.upper[limited] - ends, self.lower[limited] + ends
        beyond = (position_max[limited] > highest + 1e-9) | (position_min[limited] < lowest - 1e-9)
        for i in np.nonzero(beyond)[0]:
            joint = int(np.nonzero(limited)[0][i])
            raise InputError(
                at,
                f"allows joint {joint + 1} no speed but back beyond {lowest[i]:.6g} to {highest[i]:.6g} rad, but its positions "
                f"go from {position_min[joint]:.6g} to {position_max[joint]:.6g}; give position_min and position_max within",
            )

    def range(self, q: Array) -> tuple[Array, Array]:
        """Returns the least and the largest speeds (..., n_arm) [rad/s] at configurations (..., n_arm) [rad].

        Beyond `upper` and `lower` they are those at these places.
        """
        return -self._most(np.asarray(q) - self.lower), self._most(self.upper - np.asarray(q))

    def slopes(self, q: Array) -> tuple[Array, Array]:
        """Returns the derivatives of `range` with respect to the positions, (..., n_arm) each [1/s]."""
        return -self._rise(np.asarray(q) - self.lower), -self._rise(self.upper - np.asarray(q))

    def _most(self, left: Array) -> Array:
        """Largest speeds towards an end that is so far away (..., n_arm) [rad]; infinite where there is no limit."""
        most = np.sqrt(np.where(np.isfinite(self.slope), self.slope, 0.0) * np.maximum(left, 0.0)) - self.offset
        return np.where(np.isfinite(self.slope), most, np.inf)

    def _rise(self, left: Array) -> Array:
        """Derivative of `_most`, √k / 2 √left, (..., n_arm) [1/s]."""
        slope = np.where(np.isfinite(self.slope), self.slope, 0.0)
        return np.asarray(np.sqrt(slope / np.maximum(left, FLATTEST)) / 2)


# Names of the numbers of a speed envelope, as in files.
ENVELOPE_KEYS = tuple(field.name for field in fields(SpeedEnvelope))


def unlimited(n: int) -> SpeedEnvelope:
    """Returns the envelope of joints (n,) whose speeds do not depend on their positions."""
    return SpeedEnvelope(np.zeros(n), np.full(n, np.inf), np.zeros(n), np.zeros(n))
