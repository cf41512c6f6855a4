"""The limit kind `hand_speed`: the largest speed of the tool's origin in the world, which some arms check by themselves.

In robot.toml `[limits.NAME] hand_speed = 2.9` [m/s]; Franka's FR3 stops beyond 3 m/s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastmove.arrays import Array
from fastmove.problem.path_constraint import MotionView, PathConstraint
from fastmove.robot.limit_kinds import LimitKind

SMOOTH = 1e-12  # What makes the speed smooth at rest [m²/s²].


@dataclass(frozen=True)
class HandSpeed(PathConstraint):
    """The speed of the tool's origin stays below a limit.

    Attributes:
        limit: Largest speed [m/s].
    """

    limit: float

    kind: ClassVar[LimitKind]

    def margins(self, motion: MotionView[Any]) -> Any:
        """See `PathConstraint.margins`."""
        velocity = motion.frame("tool").velocity
        return self.limit - (velocity.T @ velocity + SMOOTH) ** 0.5

    def check(self, motion: MotionView[Array]) -> Array:
        """See `PathConstraint.check`."""
        return self.limit - np.linalg.norm(motion.frame("tool").velocity, axis=1)


HAND_SPEED = HandSpeed.kind = LimitKind("hand_speed", "m/s", "path", slower=True, constraint=HandSpeed)
