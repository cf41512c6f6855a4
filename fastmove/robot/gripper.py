"""The two-finger gripper: its pads, opening, forces and finger joints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.errors import InputError

# What a hand for one item can have: key, least and largest value, unit.  Values beyond are taken for ones in another unit.
RANGES = (
    ("pad_size", 1e-4, 0.2, "m"),
    ("pad_center", -0.2, 0.2, "m"),
    ("opening", 0.0, 0.5, "m"),
    ("force", 1e-3, 1e4, "N"),
    ("disc_radius", 1e-5, 0.1, "m"),
)


@dataclass(frozen=True)
class Gripper:
    """A two-finger parallel gripper.

    Tool frame: y is the closing axis, z the approach; the pads close symmetrically about y = 0.

    Attributes:
        name: name in `robot.toml`.
        parent_frame: URDF link that carries the gripper.
        parent_T_tool: pose of the tool frame in that link's frame.
        finger_joints: (fingers,) joints that move with the opening: position = `finger_scale`·opening + `finger_offset`.
        finger_scale: (fingers,) joint motion per opening [m/m, or rad/m for a revolute finger].
        finger_offset: (fingers,) joint positions of the closed hand [m or rad].
        links: links of the hand (fingers and palm), which may touch the item.
        pad_size: (2,) size of the pad face along tool x and z [m].
        pad_center: (2,) centre of the pad face in tool x, z [m].
        opening: (2,) least and largest distance between the pads [m].
        force: (2,) least and largest grip force per pad [N].
        disc_radius: contact radius assumed on a round item [m].
        pad_stiffness: stiffness of one pad along the closing axis [N/m]; infinite = rigid, or unknown.
        closing_speed: speed at which the distance between the pads changes [m/s]; nan = unknown, as pick cycles need it.
        grip_time: time from when the pads touch until the grip is at its force and confirmed [s]; nan = unknown.
    """

    holds_by: ClassVar[str] = "gripper"  # what contact models call this kind of holder
    how: ClassVar[str] = "is a gripper, which pinches"  # the same as the end of an error message

    name: str
    parent_frame: str
    parent_T_tool: pin.SE3
    finger_joints: tuple[str, ...]
    finger_scale: Array
    finger_offset: Array
    links: tuple[str, ...]
    pad_size: Array
    pad_center: Array
    opening: Array
    force: Array
    disc_radius: float
    pad_stiffness: float = float("inf")
    closing_speed: float = float("nan")
    grip_time: float = float("nan")

    def __post_init__(self) -> None:
        for key, least, most, kind in RANGES:
            values = np.atleast_1d(np.asarray(getattr(self, key), dtype=float))
            if not np.all((values >= least) & (values <= most)):
                raise InputError(key, f"is {values.tolist()}; allowed: {least:g} to {most:g} {kind}")
        for key in ("opening", "force"):
            least, most = getattr(self, key)
            if not (least < most if key == "opening" else least <= most):
                raise InputError(key, f"is {[float(least), float(most)]}; the least comes first, then the largest")

    def travel_time(self, distance: float) -> float:
        """Returns the time in which the distance between the pads changes by so much [s]; nan where its speed is unknown.

        Args:
            distance: change of the opening [m].
        """
        return abs(distance) / self.closing_speed

    def finger_positions(self, opening: float) -> dict[str, float]:
        """Returns the joint position of every finger [m or rad] at an opening [m]."""
        values = self.finger_scale * opening + self.finger_offset
        return {name: float(value) for name, value in zip(self.finger_joints, values, strict=True)}
