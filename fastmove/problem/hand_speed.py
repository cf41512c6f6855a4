"""The limit kind `hand_speed`: the largest speed of the hand in the world, which some arms check by themselves.

In robot.toml `[limits.NAME] hand_speed = 2.9` [m/s]; Franka's FR3 stops beyond 3 m/s, of whatever it is told is its end effector.
So it holds for the tool's origin and for a point `BEHIND` it against the approach: the speed of what is fixed to a rigid body is
a convex function of the place, and all between the two, flange and wrist included, is no faster than the faster of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastmove.arrays import Array
from fastmove.problem.path_constraint import MotionView, PathConstraint
from fastmove.robot.limit_kinds import LimitKind

BEHIND = 0.22  # Distance from the tool's origin to the other point: beyond the last joint's frame of the arms that ship [m].
SMOOTH = 1e-12  # What makes the speed smooth at rest [m²/s²].


@dataclass(frozen=True)
class HandSpeed(PathConstraint):
    """The speed of the hand, from its tool to behind its flange, stays below a limit.

    Attributes:
        limit: Largest speed [m/s].
    """

    limit: float

    kind: ClassVar[LimitKind]

    def margins(self, motion: MotionView[Any]) -> Any:
        """See `PathConstraint.margins`."""
        import casadi

        tool = motion.frame("tool")
        behind = tool.velocity + casadi.cross(tool.spin, -BEHIND * tool.rotation[:, 2])
        return casadi.vertcat(*(self.limit - casadi.sqrt(casadi.sumsqr(v) + SMOOTH) for v in (tool.velocity, behind)))

    def check(self, motion: MotionView[Array]) -> Array:
        """See `PathConstraint.check`."""
        tool = motion.frame("tool")
        behind = tool.velocity + np.cross(tool.spin, -BEHIND * tool.rotation[:, :, 2])
        return self.limit - np.stack([np.linalg.norm(v, axis=1) for v in (tool.velocity, behind)], axis=1)


HAND_SPEED = HandSpeed.kind = LimitKind("hand_speed", "m/s", "path", slower=True, constraint=HandSpeed)
