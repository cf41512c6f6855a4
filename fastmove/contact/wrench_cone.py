"""The convex form of every contact model: second-order cones in the contact wrench and the grip force."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmove.arrays import Array, readonly

UTILISATION_MAX = 0.9


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
            object.__setattr__(self, key, readonly(getattr(self, key)))
        object.__setattr__(self, "shares", tuple((readonly(a), readonly(b)) for a, b in self.shares))

    @property
    def cones(self) -> ConeContact:
        """Itself."""
        return self

    def parts(self, wrench: Array, grip_force: object) -> list[Array]:
        """S and the largest V or R."""
        return [self.score(wrench, grip_force), self.share(wrench, grip_force)]

    def tangents(self, wrench: Array, grip_force: float) -> tuple[Array, Array]:
        """None are needed: cones are exact."""
        return np.zeros((len(wrench), 0)), np.zeros((len(wrench), 0, 6))

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
