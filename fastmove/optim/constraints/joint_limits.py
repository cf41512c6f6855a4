"""Rows of position, velocity, acceleration and jerk.

    position       ±(q − middle) / half range                  ≤ 1
    velocity       ±[u + B' D / v_max T]                       ≤ 1 + ξ        (inner: (1 + ξ)^p ≥ 1 + p ξ)
    acceleration   ±[u + B'' D / a_max T²]                     ≤ 1 + 2 ξ
    jerk           ±[u + B''' D / j_max T³]                    ≤ 1 + 3 ξ

with u the utilisation where the step begins.  Positions and velocities hold everywhere: they are asked of Bernstein
coefficients, whose hull contains the curve; accelerations, linear between breakpoints, of breakpoints; jerks, constant there, of
spans.
"""

from __future__ import annotations

from fastmove.optim.constraints.rows import StepModel


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
