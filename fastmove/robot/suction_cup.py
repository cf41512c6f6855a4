"""The suction cup: its lip, stem and vacuum force.

The vacuum pulls with a constant force V, and the ring presses with N = V + f_z (f_z < 0 where the item hangs), as in Dex-Net 3.0
(Mahler et al., ICRA 2018, arXiv:1709.06670, section IV).  `contact.suction` says what such a ring holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array, readonly
from fastmove.errors import InputError
from fastmove.geometry.shapes import Shape


@dataclass(frozen=True)
class SuctionCup:
    """A suction cup at the end of a stem.

    Tool frame: origin in the middle of the lip, z the approach, towards the item.

    Attributes:
        name: name in `robot.toml`.
        parent_frame: URDF link that carries the cup.
        parent_T_tool: pose of the tool frame in that link's frame.
        radius: radius of the lip [m].
        pressure: pressure below the surroundings' [Pa].
        stem_radius: radius of the cylinder behind the lip, which may not touch anything [m].
        stem_length: length of that cylinder [m].
        links: links that may touch the item: none.
        finger_joints: joints of fingers: none.
        opening: (2,) least and largest opening: zeros, as if it were a gripper that is always shut [m].
    """

    holds_by: ClassVar[str] = "cup"  # what contact models call this kind of holder
    how: ClassVar[str] = "is a suction cup"  # the same as the end of an error message

    name: str
    parent_frame: str
    parent_T_tool: pin.SE3
    radius: float
    pressure: float
    stem_radius: float
    stem_length: float
    links: tuple[str, ...] = ()
    finger_joints: tuple[str, ...] = ()
    opening: Array = field(default_factory=lambda: np.zeros(2))

    def __post_init__(self) -> None:
        if not 0.001 <= self.radius <= 0.1:
            raise InputError(f"suction.{self.name}.radius", f"is {self.radius}; allowed: 0.001 to 0.1 m")
        if not 0 < self.pressure <= 101_325:
            raise InputError(f"suction.{self.name}.pressure", f"is {self.pressure}; allowed: above 0, to 101325 Pa")

    @property
    def force(self) -> Array:
        """Vacuum force V = p π r² as (2,) least and largest force, which are equal [N]."""
        return readonly([self.pressure * np.pi * self.radius**2] * 2)

    def finger_positions(self, opening: float) -> dict[str, float]:
        """Returns an empty table, since a cup has no fingers."""
        return {}

    def stem(self) -> Shape:
        """Returns the stem as a cylinder in the tool frame that ends a millimetre behind the lip."""
        back = pin.SE3(np.eye(3), np.array([0.0, 0.0, -self.stem_length / 2 - 1e-3]))
        return Shape("cylinder", radius=self.stem_radius, length=self.stem_length, placement=back)
