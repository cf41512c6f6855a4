"""Rows of position, velocity, acceleration and jerk, and of speed limits that depend on the position.

    position       ±(q − middle) / half range                  ≤ 1
    velocity       ±[u + B' D / v_max T]                       ≤ 1 + ξ        (inner: (1 + ξ)^p ≥ 1 + p ξ)
    acceleration   ±[u + B'' D / a_max T²]                     ≤ 1 + 2 ξ
    jerk           ±[u + B''' D / j_max T³]                    ≤ 1 + 3 ξ
    envelope       1 + [v − v̄ + (B' / T − v̄' B) D − v̄ ξ] / v_max ≤ 1   for v̄(q) ≥ v, and alike below

with u the utilisation where the step begins.  Positions and velocities hold everywhere: they are asked of Bernstein
coefficients, whose hull contains the curve, and so are speed limits that depend on the position, of both together; accelerations,
linear between breakpoints, of breakpoints; jerks, constant there, of spans.
"""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array
from fastmove.optim.constraints.rows import SIGNS, StepModel


def add_joint_limits(model: StepModel) -> None:
    """Add the rows of all joints."""
    transcription, samples, flow, duration = model.transcription, model.samples, model.here.flow, model.here.duration
    position, velocity, acceleration, jerk = samples.limits
    model.add_per_joint(velocity, flow.speed, transcription.velocity * duration, 1)
    model.add_per_joint(acceleration, flow.acceleration, transcription.acceleration * duration**2, 2)
    model.add_per_joint(jerk, flow.jerk, transcription.jerk * duration**3, 3)
    half, middle = (transcription.high - transcription.low) / 2, (transcription.high + transcription.low) / 2
    q = position.moved(transcription.points(model.here.free, duration))
    model.add_per_joint(position, (q - middle) / half, half, 0)
    if flow.envelope is not None:
        _add_envelope(model, *flow.envelope)


def _add_envelope(model: StepModel, q: Array, v: Array) -> None:
    """Add the rows of the speed envelope, of the upper and of the lower side.

    Args:
        model: The subproblem.
        q: (R, n) positions that are to be within it [rad].
        v: (R, n) velocities there [rad/s].
    """
    transcription, duration, rows = model.transcription, model.here.duration, model.samples.places_and_speeds
    moved = rows.moved(model.slope), rows.moved(model.slope, 1) / duration
    free = rows.values[0] * rows.free, rows.values[1] * rows.free / duration
    span = np.repeat(rows.span, transcription.n)
    joint = np.tile(np.arange(transcription.n), len(rows.span))
    sides = zip(SIGNS, transcription.speed_range(q)[::-1], transcription.speed_slopes(q)[::-1], strict=True)
    for sign, limit, slope in sides:
        scale = sign / transcription.velocity
        coefficients = scale[:, None] * (free[1][:, None, :] - slope[:, :, None] * free[0][:, None, :])
        xi = scale * (moved[1] - slope * moved[0] - limit)
        value = 1 + scale * (v - limit)
        inside = np.isfinite(value).ravel()
        model.add_of_joint(
            span[inside], joint[inside], coefficients.reshape(-1, 4)[inside], xi.ravel()[inside], value.ravel()[inside]
        )
