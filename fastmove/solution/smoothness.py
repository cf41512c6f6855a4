"""How smooth a motion is: accelerations and jerks in shares of their limits, and how often joints reverse their acceleration.

Two motions as fast as each other need not be alike: joints that do not limit the duration may thrash at their limits, which heats
motors and shakes arm and item.  The figures do not depend on the order of joints, and of one path run in another duration the
acceleration goes by 1/T², the jerk by 1/T³, the reversals not at all (but for those below `REVERSAL`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmove.arrays import Array
from fastmove.robot.joint_limits import LimitSet
from fastmove.trajectory.piecewise_polynomial import PiecewisePolynomial
from fastmove.trajectory.trajectory import Trajectory

REVERSAL = 0.05  # Share of its limit that an acceleration must exceed on both sides to have been reversed [1].
NODES, WEIGHTS = np.polynomial.legendre.leggauss(4)  # Exact for squares of cubics, hence for motions up to quintic.


@dataclass(frozen=True)
class Smoothness:
    """Smoothness of a motion, over all joints and all of its time.

    Attributes:
        acceleration: Root mean square of acceleration over its limit [1].
        jerk: Root mean square of jerk over its limit [1].
        reversals: Number of times that a joint's acceleration changes its sign, beyond `REVERSAL` of the limit on both sides.
    """

    acceleration: float
    jerk: float
    reversals: int

    @staticmethod
    def of(trajectory: Trajectory, limits: LimitSet) -> Smoothness:
        """Measures a motion against the limits (n,) of its joints."""
        acceleration = trajectory.motion(2)
        return Smoothness(
            _root_mean_square(acceleration, limits.acceleration),
            _root_mean_square(trajectory.motion(3), limits.jerk),
            _reversals(acceleration, limits.acceleration),
        )

    def __str__(self) -> str:
        return (
            f"acceleration {self.acceleration:.0%} and jerk {self.jerk:.0%} of their limits (root mean square of all joints), "
            f"{self.reversals} reversals of acceleration"
        )


def _at_nodes(curve: PiecewisePolynomial, nodes: Array) -> Array:
    """Returns the values (m, k, n) of a curve at nodes (k,) in [−1, 1] of each of its m spans."""
    times = curve.times[:-1, None] + np.diff(curve.times)[:, None] * (nodes + 1) / 2
    return curve(times.ravel()).reshape(*times.shape, curve.dimension)


def _root_mean_square(curve: PiecewisePolynomial, limit: Array) -> float:
    """Returns the root of the mean over time and components of (x / limit)², by Gauss–Legendre quadrature on every span."""
    share = np.diff(curve.times) / curve.duration
    square = ((_at_nodes(curve, NODES) / limit) ** 2).mean(axis=2) @ (WEIGHTS / 2)
    return float(np.sqrt(share @ square))


def _reversals(curve: PiecewisePolynomial, limit: Array) -> int:
    """Returns how often components of a curve change their sign, excursions of at most `REVERSAL` · limit not counted."""
    values = _at_nodes(curve, np.concatenate([[-1.0], NODES])).reshape(-1, curve.dimension) / limit
    signs = (np.sign(x[np.abs(x) > REVERSAL]) for x in values.T)
    return int(sum(np.count_nonzero(np.diff(sign)) for sign in signs))
