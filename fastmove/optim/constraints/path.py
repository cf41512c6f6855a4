"""Rows of a user's path constraints in a subproblem (see `path_limits`)."""

from __future__ import annotations

import numpy as np

from fastmove.optim.constraints.rows import StepModel
from fastmove.optim.path_limits import POWER


def add_path(model: StepModel, price: float) -> None:
    """Add the rows of path constraints in motion, and those at rest with a slack for each sample.

    Args:
        model: The subproblem.
        price: Price of a slack.
    """
    path, values, rows, program = model.transcription.path, model.here.flow.path, model.samples.efforts, model.program
    if path is None or values is None:
        return
    sample, value, dq, dv, da, xi = path.in_motion(values)
    there = rows.chosen(sample)
    orders = list(zip((dq, dv, da), there.values, (model.here.duration**k for k in range(3)), strict=True))
    free = sum(d[:, None, :] * (b * there.free / t)[:, :, None] for d, b, t in orders)
    xi = xi + sum((d * there.moved(model.slope, k)).sum(axis=1) / t for k, (d, _, t) in enumerate(orders))
    model.add_limits(there.span, np.asarray(free).reshape(len(value), 4 * program.n), xi, value, 1.0, POWER, two_sided=False)
    if not path.path.anywhere.any():
        return
    sample, value, dq = path.at_rest(values)
    there = rows.chosen(sample)
    site = program.places(rows.span, rows.values[0] * rows.free)
    slack = program.own(site, price)
    program.positive(site, slack)
    freedom = (there.values[0] * there.free).sum(axis=1)
    xi = (dq * there.moved(model.slope)).sum(axis=1)
    model.add_at_rest(site[sample], dq, freedom, xi, value, 1.0, slack[sample])
