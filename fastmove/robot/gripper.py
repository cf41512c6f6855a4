"""The two-finger gripper: pads, opening, forces, and where its fingers stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pinocchio as pin

from fastmove.arrays import Array


@dataclass(frozen=True)
class Gripper:
    """A two-finger parallel hand.

    Tool frame: y is the closing axis, z the approach; pads close symmetrically about y = 0.

    Attributes:
        name: its name in `robot.toml`.
        parent_frame: URDF link that carries it; parent_T_tool its tool frame there.
        finger_joints: joints that move with the opening: position = `finger_scale`·opening + `finger_offset`.
        links: links of the hand, which may touch the item (its fingers and palm).
        pad_size: (2,) pad face along tool x and z [m].
        pad_center: (2,) centre of the pad face in tool x, z [m].
        opening: (2,) least and largest distance between the pads [m].
        force: (2,) least and largest grip force per pad [N].
        disc_radius: contact radius assumed on a round item [m].
        pad_stiffness: of one pad along the closing axis [N/m]; infinite = rigid, or unknown.
    """

    holds_by: ClassVar[str] = "gripper"  # what contact models call it
    how: ClassVar[str] = "is a gripper, which pinches"

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

    def finger_positions(self, opening: float) -> dict[str, float]:
        """Joint positions of the fingers at this opening [m]."""
        values = self.finger_scale * opening + self.finger_offset
        return {name: float(value) for name, value in zip(self.finger_joints, values, strict=True)}
