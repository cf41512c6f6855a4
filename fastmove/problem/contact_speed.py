"""The limit kind `contact_speed`: how fast the hand may be near the place where it meets an item.

What a hand reaches for may stand a little off.  At a distance d of the tool's origin from that place its speed is at most

    v(d) = √(v₀² + 2 b d),

so that with a deceleration b it is down to v₀ where it arrives, wherever it would touch something on its last stretch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastmove.arrays import Array
from fastmove.problem.path_constraint import MotionView, PathConstraint
from fastmove.robot.limit_kinds import LimitKind

BRAKING = 10.0  # Deceleration b of a tool that arrives [m/s²].
SMOOTH = 1e-12  # What makes speed and distance smooth where they are 0 [m²/s², m²].


@dataclass(frozen=True)
class ContactSpeed(PathConstraint):
    """The tool is slow near a place where it may touch something.

    Attributes:
        limit: Largest speed at that place [m/s].
        place: (3,) the place in the world [m].
    """

    limit: float
    place: Array

    kind: ClassVar[LimitKind]

    def margins(self, motion: MotionView[Any]) -> Any:
        """See `PathConstraint.margins`."""
        import casadi

        tool = motion.frame("tool")
        distance = casadi.sqrt(casadi.sumsqr(tool.position - casadi.DM(np.asarray(self.place))) + SMOOTH)
        allowed = casadi.sqrt(self.limit**2 + 2 * BRAKING * distance)
        return allowed - casadi.sqrt(casadi.sumsqr(tool.velocity) + SMOOTH)

    def check(self, motion: MotionView[Array]) -> Array:
        """See `PathConstraint.check`."""
        tool = motion.frame("tool")
        distance = np.linalg.norm(tool.position - np.asarray(self.place), axis=1)
        return np.asarray(np.sqrt(self.limit**2 + 2 * BRAKING * distance) - np.linalg.norm(tool.velocity, axis=1))


ContactSpeed.kind = LimitKind("contact_speed", "m/s", "path", slower=True)
