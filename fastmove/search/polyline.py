"""Polylines of configurations: their lengths, and points along them."""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array


def lengths(path: Array) -> Array:
    """(K,) along a polyline (K, n) [rad]."""
    gap = np.diff(path, axis=0)
    return np.concatenate([[0.0], np.cumsum(np.sqrt(np.einsum("ki,ki->k", gap, gap)))])


def on_polyline(path: Array, length: Array, shares: Array) -> Array:
    """(N, n) at these shares (N,) of the way along a polyline (K, n) whose points are at `length` (K,)."""
    return np.stack([np.interp(shares * length[-1], length, joint) for joint in path.T], axis=1)
