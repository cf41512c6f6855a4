"""A user's path constraints as the planner asks for them, at the effort samples: uses u(q, v, a) ≤ 1, derivatives from CasADi.

    in motion   u + ∂u/∂q B D + ∂u/∂v B' D/T + ∂u/∂a B'' D/T² + (u_ξ + 2 u) ξ ≤ 1 + 2 ξ,   u_ξ = −(∂u/∂v v + 2 ∂u/∂a a)
    at rest     u(q, 0, 0) + ∂u/∂q B D ≤ 1 + e

Both sides of the first are multiplied by (1 + ξ)², as those of torques are; a slower motion has smaller v and a.  A constraint on
q alone is not helped by a slower motion: it is asked for at rest, where a violation e has its price, like that of a clearance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fastmove.arrays import Array
from fastmove.optim.margins import STATIC_MAX, STATIC_TARGET

if TYPE_CHECKING:
    from fastmove.dynamics.path_margins import PathMargins

POWER = 2  # Power p of the T^p by which rows in motion are multiplied.


@dataclass(frozen=True)
class PathValues:
    """States of a motion at the samples, and its uses of the path constraints at rest there.

    Attributes:
        q: (N, n) configurations [rad].
        v: (N, n) velocities [rad/s].
        a: (N, n) accelerations [rad/s²].
        still: (N, K) uses at rest, 1 = limit.
    """

    q: Array
    v: Array
    a: Array
    still: Array

    def run_in(self, ratio: float) -> PathValues:
        """Values of the same control points between rests, run `ratio` times as fast."""
        return replace(self, v=self.v * ratio, a=self.a * ratio**2)


@dataclass(frozen=True)
class PathLimits:
    """The path constraints of a problem as the planner asks for them.

    Attributes:
        path: Uses of the constraints, with derivatives.
        inside: Largest share of every limit that may be used.
    """

    path: PathMargins
    inside: float

    def values(self, q: Array, v: Array, a: Array) -> PathValues:
        """Evaluate the path constraints at rest for states (N, n)."""
        return PathValues(q, v, a, self.path.at_rest(q))

    @property
    def target(self) -> Array:
        """(K,) largest use at rest that is asked for; a constraint that also depends on v or a keeps a reserve for them."""
        return np.where(self.path.at_rest_only, self.inside, STATIC_TARGET * self.inside)

    def utilisation(self, values: PathValues, ratio: float = 1.0) -> float:
        """Largest utilisation in motion, 1 = what may be used.

        Samples whose use at rest is too large already, and constraints that no slower motion helps, do not count.

        Args:
            values: Values of the motion.
            ratio: Factor on the motion's speed.
        """
        return max(float(self.utilisations(values.run_in(ratio)).max()), 0.0)

    def utilisations(self, values: PathValues) -> Array:
        """(N,) largest utilisation in motion at every sample, counted as in `utilisation`; −∞ where nothing counts."""
        every = np.where(self._moving(values), self.path.uses(values.q, values.v, values.a), -np.inf)
        return np.asarray(every.max(axis=1, initial=-np.inf)) / self.inside

    def violation(self, values: PathValues) -> Array:
        """(N,) largest use at rest beyond its target at every sample."""
        return np.asarray(np.maximum(values.still - self.target, 0.0).max(axis=1))

    def _moving(self, values: PathValues) -> Array:
        """(N, K) whether a slower motion helps."""
        return ~self.path.at_rest_only & (values.still <= STATIC_MAX)

    def in_motion(self, values: PathValues) -> tuple[Array, Array, Array, Array, Array, Array]:
        """Linearise the rows in motion, as shares of what may be used.

        Returns:
            The sample (R,) of each row, its value (R,), slopes (R, n) in configuration, velocity and acceleration, and slopes
            (R,) in ξ where the control points stay.
        """
        k, row = np.nonzero(self._moving(values))
        dq, dv, da = (slope[k, row] / self.inside for slope in self.path.slopes(values.q, values.v, values.a))
        value = self.path.uses(values.q, values.v, values.a)[k, row] / self.inside
        slower = -(dv * values.v[k]).sum(axis=1) - 2 * (da * values.a[k]).sum(axis=1)
        return k, value, dq, dv, da, slower + POWER * value

    def at_rest(self, values: PathValues) -> tuple[Array, Array, Array]:
        """Linearise the rows at rest, as shares of their targets.

        Returns:
            The sample (R,) of each row, its value (R,), and slopes (R, n) in the configuration [1/rad].
        """
        k, row = np.nonzero(np.broadcast_to(self.path.anywhere, values.still.shape))
        target = self.target[row]
        return k, values.still[k, row] / target, self.path.slopes_at_rest(values.q)[k, row] / target[:, None]
