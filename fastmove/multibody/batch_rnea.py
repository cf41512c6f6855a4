"""Inverse dynamics of many states in one call.

Where pinocchio is built with OpenMP its own loop over states is used, which takes half the time of a loop in Python.  The numbers
are the same to the last bit either way.
"""

from __future__ import annotations

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array


class InverseDynamics:
    """Inverse dynamics (RNEA) of one model at many states of its first n joints.

    All other joints are at rest in their neutral configuration.  Armature is included, damping and friction are not.  Source:
    Featherstone, Rigid Body Dynamics Algorithms, 2008, 5.3.  Not thread safe.

    Args:
        model: The pinocchio model.
        n: Number of joints whose q, v, a are given.
    """

    def __init__(self, model: pin.Model, n: int) -> None:
        self._model, self._data, self._n = model, model.createData(), n
        self._pool = pin.ModelPool(model, 1) if pin.WITH_OPENMP else None
        self._neutral = np.array(pin.neutral(model))

    def __call__(self, q: Array, v: Array, a: Array) -> Array:
        """Efforts of all joints at N states.

        Args:
            q: (N, n) configurations [rad or m].
            v: (N, n) velocities [rad/s or m/s].
            a: (N, n) accelerations [rad/s² or m/s²].

        Returns:
            (N, model.nv) efforts [Nm or N].
        """
        count, model = len(q), self._model
        whole = np.tile(self._neutral, (count, 1)), np.zeros((count, model.nv)), np.zeros((count, model.nv))
        for full, part in zip(whole, (q, v, a), strict=True):
            full[:, : self._n] = part
        if self._pool is not None:
            return np.asarray(pin.rneaInParallel(1, self._pool, *(x.T for x in whole))).reshape(model.nv, count).T
        return np.array([pin.rnea(model, self._data, *state) for state in zip(*whole, strict=True)]).reshape(count, model.nv)
