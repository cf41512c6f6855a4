"""Encoders of simulated joints: positions of finite resolution, velocities with noise."""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array
from fastmove.drivers.simulated.imperfections import Imperfections


class Encoders:
    """What the servo and the client get to know of the joints.

    Args:
        imperfections: resolution, noise and seed.

    Attributes:
        exact: whether they tell the truth.
    """

    def __init__(self, imperfections: Imperfections) -> None:
        self._resolution, self._noise, self._seed = imperfections.encoder, imperfections.velocity_noise, imperfections.seed
        self.exact = self._resolution == 0 and self._noise == 0
        self.begin()

    def begin(self) -> None:
        """Begins anew, with the same random numbers."""
        self._rng = np.random.default_rng((self._seed, 2))

    def measured(self, q: Array, v: Array) -> tuple[Array, Array]:
        """Returns configuration (n,) [rad] and velocity (n,) [rad/s] as measured; every call draws new noise.

        Args:
            q: (n,) true configuration [rad].
            v: (n,) true velocity [rad/s].
        """
        if self._resolution:
            q = np.round(q / self._resolution) * self._resolution
        if self._noise:
            v = v + self._noise * self._rng.standard_normal(len(v))
        return q, v
