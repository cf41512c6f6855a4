"""Rows of a user's path constraints in a subproblem (see `path_limits`)."""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array
from fastmove.optim.constraints.rows import LimitRows, StepModel
from fastmove.optim.path_limits import POWER


def add_path(model: StepModel, rows: LimitRows) -> None:
    """Add the rows of path constraints in motion, and those at rest with a slack for each sample.

    Args:
        model: The subproblem.
        rows: Rows to add to.
    """
    path, values = model.transcription.path, model.here.flow.path
    if path is None or values is None:
        return
    value, slope, xi = path.in_motion(values, model.samples.b_effort, model.here.duration)
    _add(model, rows, value, slope, xi, POWER, None)
    value, slope, xi, sample = path.at_rest(values, model.samples.b_effort[0])
    _add(model, rows, value, slope, xi, 0, model.layout.path + sample)


def _add(model: StepModel, rows: LimitRows, value: Array, slope: Array, xi: Array, power: int, slack: Array | None) -> None:
    """Add one-sided rows whose slopes are over all control points.

    Args:
        model: The subproblem.
        rows: Rows to add to.
        value: (R,) uses.
        slope: (R, size, n) derivatives with respect to all control points.
        xi: (R,) derivatives with respect to ξ where the control points stay.
        power: Power p of the T^p by which the rows are multiplied.
        slack: (R,) columns of slacks, or None.
    """
    xi = xi + np.einsum("rci,ci->r", slope, model.slope)
    free = slope[:, model.transcription.free].reshape(len(value), model.layout.size)
    rows.add(free, xi, value, 1.0, power, slack, two_sided=False)
