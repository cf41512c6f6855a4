"""The convex form of every contact model: second-order cones in the contact wrench and the grip force."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastmove.arrays import Array, readonly

UTILISATION_MAX = (
    0.9  # Largest utilisation that plans use, 1 = slip; the certificate's own: `certificate.hold.UTILISATION_LIMIT`.
)


@dataclass(frozen=True)
class ConeContact:
    """A contact model made of second-order cones in the contact wrench W and the grip force F.

    Its score is S = hypot(‖L W‖, ‖C W‖ + |n·W|) / F, its shares are V_i = (‖A_i W‖ + b_i·W) / F, all for constant matrices.  The
    utilisation is the largest of them.  Each row of a matrix times W is a force [N].

    Attributes:
        name: Name of the contact model.
        linear: L (k, 6), tangential force and torsion.
        couples: C (l, 6), moments across the closing axis.
        normal: n (6,), force along the closing axis.
        shares: Pairs A_i (k_i, 6), b_i (6,) of further ways to slip, such as that of the pad that a load makes the lighter one.
    """

    name: str
    linear: Array
    couples: Array
    normal: Array
    shares: tuple[tuple[Array, Array], ...] = ()

    def __post_init__(self) -> None:
        for key in ("linear", "couples", "normal"):
            object.__setattr__(self, key, readonly(getattr(self, key)))
        object.__setattr__(self, "shares", tuple((readonly(a), readonly(b)) for a, b in self.shares))

    @property
    def cones(self) -> ConeContact:
        """The model itself, as cones enter the convex programs exactly."""
        return self

    def parts(self, wrench: Array, grip_force: object) -> list[Array]:
        """The score S and the largest share V_i, each (...,), of wrenches (..., 6)."""
        return [self.score(wrench, grip_force), self.share(wrench, grip_force)]

    def tangents(self, wrench: Array, grip_force: float) -> tuple[Array, Array]:
        """Empty arrays (N, 0) and (N, 0, 6): cones are exact and need no tangents."""
        return np.zeros((len(wrench), 0)), np.zeros((len(wrench), 0, 6))

    def utilisation(self, wrench: Array, grip_force: object) -> Array:
        """Utilisation max(S, V_i) (...,) of wrenches (..., 6) [N, Nm] at grip forces that broadcast to (...) [N]."""
        return np.maximum(self.score(wrench, grip_force), self.share(wrench, grip_force))

    def share(self, wrench: Array, grip_force: object) -> Array:
        """Largest share V_i (...,), at least 0, of wrenches (..., 6) [N, Nm] at grip forces that broadcast to (...) [N]."""
        if not self.shares:
            return np.asarray(np.zeros(wrench.shape[:-1]) / grip_force)
        forces, loads = self._stacked
        lengths = _lengths((wrench @ forces).reshape(*wrench.shape[:-1], len(self.shares), forces.shape[1] // len(self.shares)))
        return np.asarray(np.maximum((lengths + wrench @ loads).max(axis=-1), 0.0) / grip_force)

    @cached_property
    def _stacked(self) -> tuple[Array, Array]:
        """Transposes of all A_i, with rows of zeros up to the same number of each, and of all b_i."""
        most = max(len(a) for a, _ in self.shares)
        forces = np.concatenate([np.pad(a, ((0, most - len(a)), (0, 0))) for a, _ in self.shares])
        return forces.T, np.stack([b for _, b in self.shares], axis=1)

    def score(self, wrench: Array, grip_force: object) -> Array:
        """Score S (...,) of wrenches (..., 6) [N, Nm] at grip forces that broadcast to (...) [N]."""
        lin = _lengths(wrench @ self.linear.T)
        couples = _lengths(wrench @ self.couples.T)
        return np.asarray(np.hypot(lin, couples + np.abs(wrench @ self.normal)) / grip_force)


def _lengths(vectors: Array) -> Array:
    """Lengths (...,) of vectors (..., k), as `np.linalg.norm` without checks that take most of its time where they are few."""
    return np.asarray(np.sqrt(np.add.reduce(vectors * vectors, axis=-1)))
