"""A limit kind of your own: the largest speed of the tool's origin.

It is one number of the robot (for one of each joint take a constraint with a list, constraint.py): in robot.toml,
[limits.NAME] tool_speed = 1.0, or `dataclasses.replace(limits, others=...)`.
Certificates, reports, plots and `explain` then know it like any other limit.
"""

from dataclasses import dataclass
from typing import ClassVar

import casadi as ca
import numpy as np

import fastmove as fm


@dataclass(frozen=True)
class ToolSpeed(fm.PathConstraint):
    """Attributes: limit: largest speed of the tool's origin in the world [m/s]."""

    limit: float

    kind: ClassVar[fm.LimitKind]

    def margins(self, motion: fm.MotionView) -> ca.SX:
        velocity = motion.frame("tool").velocity
        return self.limit - ca.sqrt(ca.sumsqr(velocity) + 1e-12)  # smooth at rest, too

    def check(self, motion: fm.MotionView) -> np.ndarray:
        return self.limit - np.linalg.norm(motion.frame("tool").velocity, axis=1)


ToolSpeed.kind = fm.LimitKind("tool_speed", "m/s", "path", slower=True, constraint=ToolSpeed)
fm.registries.limit_kinds.add("tool_speed", ToolSpeed.kind)
