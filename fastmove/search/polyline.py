"""Polylines of configurations: the length along them, and points at shares of it."""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array


def lengths(path: Array) -> Array:
    """Returns the length (K,) [rad] from the start of a polyline (K, n) to each of its points."""
    steps = np.diff(path, axis=0)
    return np.concatenate([[0.0], np.cumsum(np.sqrt(np.einsum("ki,ki->k", steps, steps)))])


def on_polyline(path: Array, length: Array, shares: Array) -> Array:
    """Returns the configurations (N, n) [rad] at shares of the length of a polyline.

    Args:
        path: Polyline of configurations (K, n) [rad].
        length: Length from its start to each of its points (K,), in any unit.
        shares: Shares of the whole length in [0, 1] (N,).
    """
    return np.stack([np.interp(shares * length[-1], length, joint) for joint in path.T], axis=1)
