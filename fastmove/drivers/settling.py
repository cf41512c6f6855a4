"""How an item sits in the closed hand before it is moved, and what makes that no reference for slip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SETTLED_SLIP, SETTLED_TURN = 1e-4, np.radians(0.1)  # [m], [rad]

# Friction that is a soft constraint creeps under a load that it holds, at a speed that grows with the time constant.  At the mean
# radius of a full pad (6.9 mm) 1e-3 rad/s at `TIME_CONSTANT` [m/s]; healthy grasps creep at a tenth to three quarters of it.
SETTLED_CREEP = 6.9e-6
SETTLED_PRESS, SETTLED_WRENCH = 0.3, 0.02  # least normal force over the mean of all points; relative error of the wrench


@dataclass(frozen=True)
class Settling:
    """How the item sits in the closed hand before the motion: only what is at rest there, as planned, may be a reference.

    Attributes:
        slip, turn: how far it has moved [m] and turned [rad] from where the grasp says.
        touching, points: pad points in touch, and how many there are.
        lightest: least normal force of a point, as a share of the mean over all points, times 1 − |f_y| / 2 F where the weight
            pulls along the closing axis.
        wrench_error: of what the pads carry, against the weight of the body that is truly in the hand, relative.
        creep: speed with which the item turns in the hand at the mean radius of its patches, over the time constant of contacts,
            in shares of `TIME_CONSTANT` [m/s].
    """

    slip: float
    turn: float
    touching: int
    points: int
    lightest: float
    wrench_error: float
    creep: float

    @property
    def faults(self) -> list[str]:
        """What is wrong, in words; empty where it has settled."""
        checks = (
            (self.slip, SETTLED_SLIP, f"moved {self.slip * 1e3:.2f} mm"),
            (self.turn, SETTLED_TURN, f"turned {np.degrees(self.turn):.2f}°"),
            (self.points - self.touching, 0, f"{self.touching} of {self.points} pad points in touch"),
            (-self.lightest, -SETTLED_PRESS, f"a pad point presses with {self.lightest:.2f} of the mean"),
            (self.wrench_error, SETTLED_WRENCH, f"the pads carry {self.wrench_error:.0%} other than its weight"),
            (self.creep, SETTLED_CREEP, f"still turns, at {self.creep * 1e6:.0f} µm/s where the pads press"),
        )
        return [words for value, most, words in checks if not value <= most]  # NaN is a fault

    @property
    def ok(self) -> bool:
        return not self.faults
