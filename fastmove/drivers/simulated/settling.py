"""How an item sits in the closed hand before the motion, and whether that may serve as the reference for slip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SETTLED_SLIP = 1e-4  # largest displacement from the planned grasp [m]
SETTLED_TURN = np.radians(0.1)  # largest rotation from the planned grasp [rad]

# Friction that is a soft constraint creeps under a load that it holds, at a speed that grows with the time constant of contacts.
# The limit is 1e-3 rad/s at `TIME_CONSTANT` times the mean radius of a full pad, 6.9 mm.
SETTLED_CREEP = 6.9e-6  # largest creep [m/s]
SETTLED_PRESS = 0.3  # least normal force of a pad point over the mean of all points [1]
SETTLED_WRENCH = 0.02  # largest relative error of the wrench that the pads carry [1]


@dataclass(frozen=True)
class Settling:
    """How an item sits in the closed hand before the motion.

    Slip is measured from there, which makes sense only if the item is at rest and sits as planned.

    Attributes:
        slip: displacement from the planned grasp [m].
        turn: rotation from the planned grasp [rad].
        touching: number of the hand's points in touch, on pads or the lip of a cup.
        points: number of those points.
        lightest: least normal force of a point over the mean of all points [1], as counted by `SimulatedHand.lightest`: where the
            weight pulls along the closing axis, the mean counts 1 − |f_y| / 2 F times, as on the pad that the weight lightens.
        wrench_error: relative error of the wrench that the hand carries, against the weight of the body that is truly in the
            hand [1].
        creep: speed of the item's rotation in the hand at the mean radius of its patches [m/s], scaled from the time constant of
            contacts to `TIME_CONSTANT`.
        point: what those points are called.
    """

    slip: float
    turn: float
    touching: int
    points: int
    lightest: float
    wrench_error: float
    creep: float
    point: str = "pad point"

    @property
    def faults(self) -> list[str]:
        """What is wrong, in words; empty if the item has settled."""
        checks = (
            (self.slip, SETTLED_SLIP, f"moved {self.slip * 1e3:.2f} mm"),
            (self.turn, SETTLED_TURN, f"turned {np.degrees(self.turn):.2f}°"),
            (self.points - self.touching, 0, f"{self.touching} of {self.points} {self.point}s in touch"),
            (-self.lightest, -SETTLED_PRESS, f"a {self.point} presses with {self.lightest:.2f} of the mean"),
            (self.wrench_error, SETTLED_WRENCH, f"the hand carries {self.wrench_error:.0%} other than its weight"),
            (self.creep, SETTLED_CREEP, f"still turns, at {self.creep * 1e6:.0f} µm/s where the hand presses"),
        )
        return [words for value, most, words in checks if not value <= most]  # NaN is a fault

    @property
    def ok(self) -> bool:
        """Whether the item has settled as planned."""
        return not self.faults
