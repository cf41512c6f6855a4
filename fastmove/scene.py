"""The world: named obstacles, and which contacts are allowed at the ends of a motion."""

from __future__ import annotations

from dataclasses import dataclass

import pinocchio as pin

from fastmove.errors import InputError
from fastmove.shapes import Shape

ITEM = "item"

# Full clearance is required once the item has moved this far from its pose at that end [m].
FADE_DISTANCE = 0.010
# Deepest overlap of an allowed contact at an end that still counts as touching [m].
CONTACT_DEPTH = 0.0005


@dataclass(frozen=True)
class Obstacle:
    """A fixed obstacle: a shape in its own frame and the pose of that frame in the world."""

    name: str
    shape: Shape

    @property
    def placement(self) -> pin.SE3:
        return self.shape.placement


@dataclass(frozen=True)
class AllowedContact:
    """The item may touch this obstacle at the start, the goal, or both.

    The clearance required of the pair grows from its distance d0 at that end to the full one:
    d(t) ≥ d0 + (clearance − d0)·min(1, l(t)/10 mm), with l the largest displacement of any item point from its pose
    at that end.  Lifting off passes; dragging along does not.
    """

    obstacle: str
    at: str = "start"

    def __post_init__(self) -> None:
        if self.at not in ("start", "goal", "both"):
            raise InputError("allowed_contacts.at", f"is {self.at!r}; allowed: start, goal, both")

    def applies(self, end: str) -> bool:
        return self.at in (end, "both")


@dataclass(frozen=True)
class Scene:
    """Named obstacles; names are unique."""

    obstacles: tuple[Obstacle, ...] = ()
    allowed_contacts: tuple[AllowedContact, ...] = ()

    def __post_init__(self) -> None:
        names = [o.name for o in self.obstacles]
        for name in names:
            if names.count(name) > 1:
                raise InputError("obstacles", f"the name {name!r} is used twice")
        for contact in self.allowed_contacts:
            if contact.obstacle not in names:
                raise InputError(
                    "allowed_contacts.obstacle", f"{contact.obstacle!r} is no obstacle; known: {', '.join(names) or 'none'}"
                )
