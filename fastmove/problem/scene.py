"""The world: named obstacles, and which contacts are allowed at the ends of a motion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array, readonly
from fastmove.errors import InputError
from fastmove.geometry.pose_trajectory import PoseTrajectory
from fastmove.geometry.shapes import Shape

ITEM = "item"

# Full clearance is required once the item has moved this far from its pose at that end [m].
FADE_DISTANCE = 0.010

# Deepest overlap of an allowed contact at an end that still counts as touching [m].
CONTACT_DEPTH = 0.0005

# The tip of a corridor's cone is this wide [m].
CORRIDOR_TIP = 0.0005


@dataclass(frozen=True)
class Obstacle:
    """An obstacle: convex shapes, each at its pose in the world.

    Attributes:
        shapes: one (given alone, or in a tuple), or those that cover a mesh, a point cloud or a height map (see `cover`).
        motion: of an obstacle that moves, the pose of its frame over time; its shapes' poses are in that frame then.
    """

    name: str
    shapes: tuple[Shape, ...]
    motion: PoseTrajectory | None = None

    def __post_init__(self) -> None:
        shapes = (self.shapes,) if isinstance(self.shapes, Shape) else tuple(self.shapes)
        object.__setattr__(self, "shapes", shapes)
        if not shapes:
            raise InputError(f"obstacles.{self.name}", "has no shape")

    @property
    def shape(self) -> Shape:
        """The first."""
        return self.shapes[0]

    @property
    def placement(self) -> pin.SE3:
        """Pose of the first shape, in the world or in the frame that moves."""
        return self.shape.placement

    def settled(self) -> Obstacle:
        """The same; one whose motion is over by time 0 as what it is from then on, an obstacle that stands still."""
        if self.motion is None or self.motion.end > 0:
            return self
        there = self.motion.poses[-1]
        return Obstacle(self.name, tuple(replace(s, placement=there * s.placement) for s in self.shapes))

    def moved(self, by: pin.SE3) -> Obstacle:
        """The same, every pose in the world multiplied by this motion from the left."""
        if self.motion is not None:
            return replace(self, motion=self.motion.moved(by))
        return Obstacle(self.name, tuple(replace(s, placement=by * s.placement) for s in self.shapes))


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
class Corridor:
    """The item leaves its pose at the start, or reaches the one at the goal, straight within a cone.

    With δ the displacement of the grasp's origin from that end, u the direction and α the angle: wherever ‖δ‖ is less than
    `length`, sin α (δ·u) − cos α ‖δ − (δ·u) u‖ + 0.5 mm ≥ 0.

    Attributes:
        at: start or goal.
        direction: (3,) away from that end, in the world (made a unit vector).
        length: [m].  angle: half angle of the cone [rad].
    """

    at: str
    direction: Array
    length: float
    angle: float

    def __post_init__(self) -> None:
        if self.at not in ("start", "goal"):
            raise InputError("corridors.at", f"is {self.at!r}; allowed: start, goal")
        direction = np.asarray(self.direction, dtype=float)
        if direction.shape != (3,) or not np.all(np.isfinite(direction)) or np.linalg.norm(direction) < 1e-9:
            raise InputError("corridors.direction", "needs three finite numbers that are not all zero")
        object.__setattr__(self, "direction", readonly(direction / np.linalg.norm(direction)))
        if not 0 < self.length <= 0.5:
            raise InputError("corridors.length", f"is {self.length}; allowed: above 0, to 0.5 m")
        if not 0 < self.angle < np.pi / 2:
            raise InputError("corridors.angle", f"is {np.degrees(self.angle):.1f} degrees; allowed: between 0 and 90")


@dataclass(frozen=True)
class Scene:
    """Named obstacles (names are unique), what may touch at the ends, and how the ends are left and reached.

    Attributes:
        tolerance: every point of an obstacle may be this far from where it is believed to be [m]; clearances widen by it.
    """

    obstacles: tuple[Obstacle, ...] = ()
    allowed_contacts: tuple[AllowedContact, ...] = ()
    corridors: tuple[Corridor, ...] = ()
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "obstacles", tuple(o.settled() for o in self.obstacles))
        if not 0 <= self.tolerance <= 0.1:
            raise InputError("uncertainty.obstacles", f"is {self.tolerance}; allowed: 0 to 0.1 m")
        names = [o.name for o in self.obstacles]
        for name in names:
            if names.count(name) > 1:
                raise InputError("obstacles", f"the name {name!r} is used twice")
        for contact in self.allowed_contacts:
            if contact.obstacle not in names:
                raise InputError(
                    "allowed_contacts.obstacle", f"{contact.obstacle!r} is no obstacle; known: {', '.join(names) or 'none'}"
                )
            if any(o.name == contact.obstacle and o.motion is not None for o in self.obstacles):
                raise InputError("allowed_contacts.obstacle", f"{contact.obstacle!r} moves; what is touched stands still")

    @property
    def moving(self) -> bool:
        """Whether any obstacle moves."""
        return any(o.motion is not None for o in self.obstacles)

    def after(self, time: float) -> Scene:
        """The same, seen from a clock that begins at `time` [s]."""
        later = (o if o.motion is None else replace(o, motion=o.motion.after(time)) for o in self.obstacles)
        return replace(self, obstacles=tuple(later)) if self.moving else self

    def changed(
        self, add: Iterable[Obstacle] = (), remove: Iterable[str] = (), move: Mapping[str, pin.SE3] | None = None
    ) -> Scene:
        """The scene after a change: obstacles taken away, moved (poses in the world multiplied from the left) and added (one of
        a name that is there already replaces it).  Contacts allowed with what is gone, or moves now, go, too.

        Raises:
            InputError: a name to remove or move is not there.
        """
        move, gone, new = dict(move or {}), set(remove), {o.name: o for o in add}
        for name in sorted(gone | set(move)):
            if name not in {o.name for o in self.obstacles}:
                raise InputError("obstacles", f"there is no {name!r} to remove or move")
        kept = [new.pop(o.name, o.moved(move[o.name]) if o.name in move else o) for o in self.obstacles if o.name not in gone]
        obstacles = (*kept, *new.values())
        names = {o.name for o in obstacles if o.settled().motion is None}
        return replace(self, obstacles=obstacles, allowed_contacts=tuple(c for c in self.allowed_contacts if c.obstacle in names))
