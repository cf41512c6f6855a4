"""Certificate checks of position, velocity, acceleration, jerk and continuity, from exact extremes of a motion's pieces."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from fastmove.certificate.certificate import ROUNDING, LimitMargin
from fastmove.problem.transfer import TransferProblem
from fastmove.trajectory.trajectory import Trajectory

JUMPS = (1e-9, 1e-6, 1e-3)  # Largest jumps of q, v, a at breakpoints that count as rounding [rad, rad/s, rad/s²].


def _continuity(problem: TransferProblem, trajectory: Trajectory) -> LimitMargin:
    """Worst margin of the jumps of q, v and a over all breakpoints, against `JUMPS`."""
    worst = LimitMargin(float("inf"), "rad", float("inf"), 0.0, "one piece", "everywhere")
    for order, (allowed, unit) in enumerate(zip(JUMPS, ("rad", "rad/s", "rad/s²"), strict=True)):
        motion = trajectory.motion(order)
        inner = motion.times[1:-1]
        if len(inner) == 0:
            break
        jump = np.abs(motion(inner, "left") - motion(inner, "right"))
        row, joint = np.unravel_index(int(np.argmax(jump)), jump.shape)
        margin = allowed - float(jump[row, joint])
        if margin / allowed < worst.normalised:
            name = problem.robot.joint_names[joint]
            worst = LimitMargin(margin, unit, margin / allowed, float(inner[row]), name, "everywhere")
    return worst


def joint_limits(problem: TransferProblem, trajectory: Trajectory, kinds: Collection[str]) -> dict[str, LimitMargin]:
    """Check the limits of joint motion: continuity, position, velocity, acceleration and jerk, those of `kinds`.

    Args:
        problem: The problem, with its limit set.
        trajectory: The motion.
        kinds: Names of the kinds to check.

    Returns:
        Worst margin of each kind, everywhere in time; normalised by the larger magnitude of the joint's two limits.
    """
    limits, names = problem.limit_set, problem.robot.joint_names
    rows = (
        ("position", 0, limits.position_min, limits.position_max, "rad"),
        ("velocity", 1, -limits.velocity, limits.velocity, "rad/s"),
        ("acceleration", 2, -limits.acceleration, limits.acceleration, "rad/s²"),
        ("jerk", 3, -limits.jerk, limits.jerk, "rad/s³"),
    )
    margins = {"continuity": _continuity(problem, trajectory)} if "continuity" in kinds else {}
    for kind, order, low, high, unit in rows:
        if kind not in kinds:
            continue
        extremes = trajectory.motion(order).extremes()
        finite = np.where(np.isfinite(np.stack([low, high])), np.abs(np.stack([low, high])), 0.0)
        scale = np.maximum(finite.max(axis=0), 1e-9)
        above = high + ROUNDING * finite[1] - extremes.high
        below = extremes.low - low + ROUNDING * finite[0]
        margin = np.minimum(above, below)
        worst = int(np.argmin(margin / scale))
        time = extremes.high_time if above[worst] < below[worst] else extremes.low_time
        margins[kind] = LimitMargin(
            float(margin[worst]), unit, float(margin[worst] / scale[worst]), float(time[worst]), names[worst], "everywhere"
        )
    return margins
