"""Rows of a user's path constraints: uses u(q, v, a) ≤ 1 with derivatives from CasADi, at the samples of efforts.

    in motion   u + ∂u/∂q B D + ∂u/∂v B' D/T + ∂u/∂a B'' D/T² + (u_ξ + 2 u) ξ ≤ 1 + 2 ξ,   u_ξ = −(∂u/∂v v + 2 ∂u/∂a a)
    at rest     u(q, 0, 0) + ∂u/∂q B D ≤ 1 + e

Both sides of the first are multiplied by (1 + ξ)², as those of torques are; a slower motion has smaller v and a.  What depends
on q alone no slower motion mends: it is asked for at rest, where a lack e has its price, like that of a clearance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fastmove.arrays import Array
from fastmove.optim.margins import STATIC_MAX, STATIC_TARGET

if TYPE_CHECKING:
    from fastmove.dynamics.path_margins import PathMargins

POWER = 2  # of T in the rows in motion


@dataclass(frozen=True)
class PathValues:
    """A motion's states (N, n) at the samples, and the uses (N, K) at rest there."""

    q: Array
    v: Array
    a: Array
    still: Array

    def run_in(self, ratio: float) -> PathValues:
        """Of the same control points between rests, `ratio` times as fast."""
        return replace(self, v=self.v * ratio, a=self.a * ratio**2)


@dataclass(frozen=True)
class PathLimits:
    """The path constraints of a problem as the planner asks for them.

    Attributes:
        inside: share of every limit that is used at most.
    """

    path: PathMargins
    inside: float

    def values(self, q: Array, v: Array, a: Array) -> PathValues:
        """At states (N, n)."""
        return PathValues(q, v, a, self.path.at_rest(q))

    @property
    def target(self) -> Array:
        """(K,) use at rest that is asked for: what also depends on speed keeps some room for it."""
        return np.where(self.path.at_rest_only, self.inside, STATIC_TARGET * self.inside)

    def utilisation(self, values: PathValues, ratio: float = 1.0) -> float:
        """Largest use in motion, 1 = what may be used, run `ratio` times as fast; hopeless samples and what no slower motion
        mends apart."""
        return max(float(self.utilisations(values.run_in(ratio)).max()), 0.0)

    def utilisations(self, values: PathValues) -> Array:
        """(N,) largest use in motion at every sample, 1 = what may be used; the same apart."""
        every = np.where(self._moving(values), self.path.uses(values.q, values.v, values.a), -np.inf)
        return np.asarray(every.max(axis=1, initial=-np.inf)) / self.inside

    def violation(self, values: PathValues) -> Array:
        """(N,) largest use at rest beyond its target."""
        return np.asarray(np.maximum(values.still - self.target, 0.0).max(axis=1))

    def _moving(self, values: PathValues) -> Array:
        """(N, K) where a slower motion helps."""
        return ~self.path.at_rest_only & (values.still <= STATIC_MAX)

    def in_motion(self, values: PathValues, matrices: list[Array], duration: float) -> tuple[Array, Array, Array]:
        """Rows as (value (R,), slope with respect to all control points (R, size, n), ξ (R,)), divided by the limit."""
        k, row = np.nonzero(self._moving(values))
        dq, dv, da = (slope[k, row] / self.inside for slope in self.path.slopes(values.q, values.v, values.a))
        value = self.path.uses(values.q, values.v, values.a)[k, row] / self.inside
        slope = sum(
            d[:, None, :] * (b[k] / duration**p)[:, :, None] for p, (d, b) in enumerate(zip((dq, dv, da), matrices, strict=False))
        )
        slower = -(dv * values.v[k]).sum(axis=1) - 2 * (da * values.a[k]).sum(axis=1)
        return value, np.asarray(slope), slower + POWER * value

    def at_rest(self, values: PathValues, design_matrix: Array) -> tuple[Array, Array, Array, Array]:
        """Rows (value, slope, ξ) at rest, of target 1, and the sample (R,) of each."""
        k, row = np.nonzero(np.broadcast_to(self.path.anywhere, values.still.shape))
        target = self.target[row]
        slope = (self.path.slopes_at_rest(values.q)[k, row] / target[:, None])[:, None, :] * design_matrix[k][:, :, None]
        return values.still[k, row] / target, slope, np.zeros(len(k)), k
