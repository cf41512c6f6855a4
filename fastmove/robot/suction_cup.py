"""A suction cup, and where it seals on an item.

The model of its ring is that of Mahler et al., Dex-Net 3.0 (ICRA 2018, arXiv:1709.06670, section IV): the vacuum pulls with a
constant force V, the ring presses with N = V + f_z (f_z < 0 where the item hangs), friction and torsion share μ N, and the
moments across the cup open the lip.  See `contact.suction` for what is made of it here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array, locked
from fastmove.contact.patch import Patch
from fastmove.errors import GraspInvalid, InputError
from fastmove.geometry.shapes import Shape
from fastmove.item import Item

FLAT = np.radians(3.0)  # a face may be turned by this much from the lip


TOUCH = 1e-3  # the lip lies within this of a face [m]


@dataclass(frozen=True)
class SuctionCup:
    """A cup at the end of a stem.  Tool frame: origin in the middle of the lip, z the approach, towards the item.

    Attributes:
        name: its name in `robot.toml`.
        parent_frame: URDF link that carries it; parent_T_tool its tool frame there.
        radius: of the lip [m];  pressure: below the surroundings' [Pa].
        stem_radius, stem_length: of the cylinder behind the lip, which may not touch anything [m].
    """

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
        return locked([self.pressure * np.pi * self.radius**2] * 2)

    def finger_positions(self, opening: float) -> dict[str, float]:
        """None: it has no fingers."""
        return {}

    def stem(self) -> Shape:
        """In the tool frame; it ends a millimetre behind the lip."""
        back = pin.SE3(np.eye(3), np.array([0.0, 0.0, -self.stem_length / 2 - 1e-3]))
        return Shape("cylinder", radius=self.stem_radius, length=self.stem_length, placement=back)


def seal(cup: SuctionCup, item: Item, tool_T_item: pin.SE3) -> Patch:
    """The ring where the lip lies flat on a face of the item, all of it.

    Raises:
        GraspInvalid: no flat face of the item lies under the lip.
    """
    reasons = []
    for shape in item.shapes:
        placed = tool_T_item * shape.placement
        reason = _reason(cup, shape, placed.rotation, placed.translation)
        if not reason:
            return Patch("ring", np.zeros(2), np.array([cup.radius]), np.array([0.0, 1.0]), cup.radius, cup.radius)
        reasons.append(reason)
    raise GraspInvalid("grasp.tool_T_item", f"the cup does not seal: {reasons[0]}")


def _reason(cup: SuctionCup, shape: Shape, rotation: Array, origin: Array) -> str:
    """Why the lip does not seal on a shape; empty where it does."""
    half = shape.half_extents()
    if shape.type not in ("box", "cylinder"):
        return f"a {shape.type} has no flat face"
    axis = int(np.argmax(np.abs(rotation[2]))) if shape.type == "box" else 2
    tilt = float(np.arccos(np.clip(abs(rotation[2, axis]), 0, 1)))
    if tilt > FLAT:
        return f"the face is turned {np.degrees(tilt):.1f}° from the lip; at most 3°"
    face = origin - rotation[:, axis] * np.sign(rotation[2, axis]) * half[axis]
    if abs(face[2]) > TOUCH:
        return f"the face is {face[2] * 1e3:.1f} mm from the lip; at most 1 mm"
    middle = rotation.T @ -face  # the lip's middle from the face's, in the shape's axes
    if shape.type == "cylinder":
        room = shape.radius - float(np.hypot(middle[0], middle[1]))
    else:
        room = min(half[k] - abs(middle[k]) for k in range(3) if k != axis)
    if room < cup.radius:
        return f"the lip of radius {cup.radius * 1e3:g} mm reaches {(cup.radius - room) * 1e3:.1f} mm beyond the face"
    return ""
