"""What a motion is judged by: its duration first, then how smooth it is.

The fastest motion is not unique: joints that do not limit the duration may do what they like, and rounding would decide what.
Therefore the cost of a motion run in T is

    T + ε T J,   J = 1/n Σ_j ∫₀¹ (q̈_j / a_j)² ds,

with a_j the acceleration limit of joint j: a strictly convex form of the control points.  Within its limits a motion has J ≤ 1.
With T* and J* of the fastest motion, the one of least cost has T ≤ T* (1 + ε (J* − J)): smoothness costs less than ε of the time.
It costs far less: at the fastest motion J falls like J* − c √(T/T* − 1), as joints that brake at their limits just in time need
not do so a moment later, so that the least cost is at T* (1 + (c ε / 2)²).  Measured: up to 0.1 % where a hold limits the motion,
with ε = 0.015.  Where only the joints' own limits do, c is some three times as large, and ε is 0.001.

While it is open which way a motion goes the price is low, too: a high one keeps it from ways that are rough at first.  The
slowest joint of a motion that is as fast as its lower bound has no choice, and the others are smooth for any price.

Acceleration rather than jerk: currents and forces go with it, and it is what shakes arm and item.
"""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array
from fastmove.trajectory.bspline import SplineBasis

SMOOTHNESS = 1e-3  # Usual price ε of roughness, as a share of the duration [1].
SMOOTHNESS_HELD = 0.015  # The same of motions with a held item, once they are finished [1].
SMOOTHNESS_PROVEN = 3e-4  # The same of motions as fast as their lower bound [1].


class Roughness:
    """Mean square over time and joints of acceleration over its limit, J = 1/n Σ_j p_jᵀ F p_j / (a_j² T⁴).

    q'' is linear on every span, so ∫ q''² ds = xᵀ M x for its values x = B'' p at the breakpoints, with the mass matrix M of
    linear elements: h/3 twice and h/6 on the span between two of them.

    Args:
        basis: The spline basis.
        acceleration: (n,) acceleration limits [rad/s²].
    """

    def __init__(self, basis: SplineBasis, acceleration: Array) -> None:
        beta = basis.breakpoints
        width, second = np.diff(beta), basis.design_matrix(beta, 2)
        mass = np.diag(np.append(width, 0.0) + np.append(0.0, width)) / 3
        mass += (np.diag(width, 1) + np.diag(width, -1)) / 6
        self.form = second.T @ mass @ second
        self.weight = 1.0 / (len(acceleration) * np.asarray(acceleration) ** 2)

    def value(self, points: Array, duration: float) -> float:
        """J of control points (size, n) [rad] run in a duration [s]."""
        return float(np.einsum("ij,ij,j->", points, self.form @ points, self.weight)) / duration**4

    def gradient(self, points: Array, duration: float) -> Array:
        """Derivative (size, n) [1/rad] of J with respect to control points (size, n) [rad]."""
        return np.asarray(2 * self.form @ points * self.weight / duration**4)

    def band(self, duration: float) -> Array:
        """Second derivative [1/rad²] of J with respect to a control point and the free ones k after it (size, k = 0 … 3, n)."""
        size = len(self.form)
        band = np.zeros((size, 4))
        for k in range(4):
            band[3 : size - 3 - k, k] = np.diagonal(self.form, k)[3 : size - 3 - k]
        return np.asarray(band[:, :, None] * (2 * self.weight / duration**4))
