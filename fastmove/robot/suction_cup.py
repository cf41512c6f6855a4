"""A suction cup, and where it seals on an item.

The model of its ring is that of Mahler et al., Dex-Net 3.0 (ICRA 2018, arXiv:1709.06670, section IV): the vacuum pulls with a
constant force V, the ring presses with N = V + f_z (f_z < 0 where the item hangs), friction and torsion share μ N, and the
moments across the cup open the lip.  See `contact.suction` for what is made of it here.
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
    """A cup at the end of a stem.  Tool frame: origin in the middle of the lip, z the approach, towards the item.

    Attributes:
        name: its name in `robot.toml`.
        parent_frame: URDF link that carries it; parent_T_tool its tool frame there.
        radius: of the lip [m];  pressure: below the surroundings' [Pa].
        stem_radius, stem_length: of the cylinder behind the lip, which may not touch anything [m].
    """

    holds_by: ClassVar[str] = "cup"  # what contact models call it
    how: ClassVar[str] = "is a suction cup"

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
        """(2,) its vacuum force V = p π r², least and largest alike [N]."""
        return readonly([self.pressure * np.pi * self.radius**2] * 2)

    def finger_positions(self, opening: float) -> dict[str, float]:
        """None: it has no fingers."""
        return {}

    def stem(self) -> Shape:
        """In the tool frame; it ends a millimetre behind the lip."""
        back = pin.SE3(np.eye(3), np.array([0.0, 0.0, -self.stem_length / 2 - 1e-3]))
        return Shape("cylinder", radius=self.stem_radius, length=self.stem_length, placement=back)
