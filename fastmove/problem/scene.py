"""The scene: obstacles, contacts that are allowed at the ends of a motion, and corridors for leaving and reaching them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array, readonly
from fastmove.errors import InputError
from fastmove.geometry.pose_trajectory import PoseTrajectory
from fastmove.geometry.shapes import Shape

# Name of the held item, which no obstacle may have.
ITEM = "item"

# Distance of the item from its pose at an end from which on an allowed contact has its full clearance [m].
FADE_DISTANCE = 0.010

# Deepest overlap in an allowed contact that still counts as touching [m].  The arm follows its command, and a support gives way
# less than pads do: pressed in by 0.1 mm they let go in physics, by 0.05 mm they held in all eight shipped problems tried.
CONTACT_DEPTH = 0.00005

# Distance by which a corridor's cone is widened, so that its tip is not a point [m].
CORRIDOR_TIP = 0.0005


@dataclass(frozen=True)
class Obstacle:
    """An obstacle of convex shapes, each at its pose in the world.

    Attributes:
        name: unique name in the scene.
        shapes: one shape (alone or in a tuple), or those that cover a mesh, a point cloud or a height map (see
            `geometry.box_cover`).
        motion: pose of a moving obstacle's frame in the world over time, its shapes' poses being in that frame; None = it stands.
        surface_velocity: velocity in the world of the surface of an obstacle that stands, as of a belt [m/s]; what may touch
            it moves on with it.
    """

    name: str
    shapes: tuple[Shape, ...]
    motion: PoseTrajectory | None = None
    surface_velocity: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        shapes = (self.shapes,) if isinstance(self.shapes, Shape) else tuple(self.shapes)
        object.__setattr__(self, "shapes", shapes)
        if not shapes:
            raise InputError(f"obstacles.{self.name}", "has no shape")
        velocity = np.asarray(self.surface_velocity, dtype=float)
        if velocity.shape != (3,) or not np.all(np.isfinite(velocity)):
            raise InputError(
                f"obstacles.{self.name}.surface_velocity", f"is {velocity.tolist()}; three finite numbers are needed"
            )
        object.__setattr__(self, "surface_velocity", tuple(velocity.tolist()))
        if self.motion is not None and np.any(velocity):
            raise InputError(f"obstacles.{self.name}.surface_velocity", "is of an obstacle that moves; it is for one that stands")

    @property
    def shape(self) -> Shape:
        """The first shape."""
        return self.shapes[0]

    @property
    def placement(self) -> pin.SE3:
        """Pose of the first shape in the world, or in the frame of a moving obstacle."""
        return self.shape.placement

    def settled(self) -> Obstacle:
        """Returns a standing obstacle for one whose motion is over by time 0, else this obstacle itself."""
        if self.motion is None or self.motion.end > 0:
            return self
        last = self.motion.poses[-1]
        shapes = tuple(replace(s, placement=last * s.placement) for s in self.shapes)
        return replace(self, shapes=shapes, motion=None)

    def at_share(self, share: float) -> Obstacle:
        """Returns the obstacle with its surface at a share of its velocity."""
        x, y, z = self.surface_velocity
        return replace(self, surface_velocity=(share * x, share * y, share * z)) if any(self.surface_velocity) else self

    def moved(self, by: pin.SE3) -> Obstacle:
        """Returns a moved copy of the obstacle.

        Args:
            by: transform in the world by which every pose is multiplied from the left.
        """
        if self.motion is not None:
            return replace(self, motion=self.motion.moved(by))
        shapes = tuple(replace(s, placement=by * s.placement) for s in self.shapes)
        return replace(self, shapes=shapes, surface_velocity=tuple((by.rotation @ self.surface_velocity).tolist()))


@dataclass(frozen=True)
class AllowedContact:
    """Permission for the item to touch one obstacle at the start, the goal, or both.

    The clearance required of the pair grows from its distance d0 at that end to the full one:
    d(t) ≥ d0 + (clearance − d0)·min(1, l(t)/10 mm), with l the largest displacement of any item point from its pose
    at that end.  Lifting off passes; dragging along does not.  Where the obstacle's surface moves, that pose moves on with it.

    Where the arm may be off its commands, the full distance is larger and takes longer to grow to it (see `fade_distances` in
    `multibody.required_distance`); item and obstacle are taken to give way by what the arm is off while they touch.

    Attributes:
        obstacle: name of the obstacle.
        at: start, goal or both.
    """

    obstacle: str
    at: str = "start"

    def __post_init__(self) -> None:
        if self.at not in ("start", "goal", "both"):
            raise InputError("allowed_contacts.at", f"is {self.at!r}; allowed: start, goal, both")

    def applies(self, end: str) -> bool:
        """Whether the contact is allowed at this end, `start` or `goal`."""
        return self.at in (end, "both")


@dataclass(frozen=True)
class Corridor:
    """Demand that the item leaves its pose at the start, or reaches the one at the goal, within a narrow cone.

    With δ the displacement of the grasp frame's origin from that end, u the direction and α the angle: wherever ‖δ‖ is less than
    `length`, sin α (δ·u) − cos α ‖δ − (δ·u) u‖ + 0.5 mm ≥ 0.

    Attributes:
        at: start or goal.
        direction: (3,) axis of the cone in the world, away from that end; made a unit vector.
        length: distance from that end within which the cone holds [m].
        angle: half angle of the cone [rad].
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
    """The surroundings of a motion: obstacles, allowed contacts and corridors.

    Attributes:
        obstacles: obstacles with unique names.
        allowed_contacts: contacts of the item that are allowed at the ends.
        corridors: cones in which the ends are left and reached.
        obstacle_uncertainty: largest distance of any point of an obstacle from its nominal place [m]; it widens clearances.
    """

    obstacles: tuple[Obstacle, ...] = ()
    allowed_contacts: tuple[AllowedContact, ...] = ()
    corridors: tuple[Corridor, ...] = ()
    obstacle_uncertainty: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "obstacles", tuple(o.settled() for o in self.obstacles))
        if not 0 <= self.obstacle_uncertainty <= 0.1:
            raise InputError("uncertainty.obstacles", f"is {self.obstacle_uncertainty}; allowed: 0 to 0.1 m")
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

    def surface_velocity(self, obstacle: str) -> Array:
        """Returns the velocity (3,) of the surface of an obstacle of this name [m/s]."""
        return next(np.array(o.surface_velocity) for o in self.obstacles if o.name == obstacle)

    @property
    def moving(self) -> bool:
        """Whether any obstacle moves."""
        return any(o.motion is not None for o in self.obstacles)

    def after(self, time: float) -> Scene:
        """Returns the scene as seen from a clock that begins at `time` [s]."""
        later = (o if o.motion is None else replace(o, motion=o.motion.after(time)) for o in self.obstacles)
        return replace(self, obstacles=tuple(later)) if self.moving else self

    def changed(
        self, add: Iterable[Obstacle] = (), remove: Iterable[str] = (), move: Mapping[str, pin.SE3] | None = None
    ) -> Scene:
        """Returns the scene after obstacles were removed, moved and added.

        Allowed contacts with obstacles that are gone, or that move over time now, are dropped.

        Args:
            add: obstacles to add; one whose name is there already replaces that obstacle.
            remove: names of the obstacles to remove.
            move: transform in the world for each obstacle to move, by name; its poses are multiplied by it from the left.

        Raises:
            InputError: there is no obstacle of a name to remove or move.
        """
        move, gone, new = dict(move or {}), set(remove), {o.name: o for o in add}
        for name in sorted(gone | set(move)):
            if name not in {o.name for o in self.obstacles}:
                raise InputError("obstacles", f"there is no {name!r} to remove or move")
        kept = [new.pop(o.name, o.moved(move[o.name]) if o.name in move else o) for o in self.obstacles if o.name not in gone]
        obstacles = (*kept, *new.values())
        names = {o.name for o in obstacles if o.settled().motion is None}
        return replace(self, obstacles=obstacles, allowed_contacts=tuple(c for c in self.allowed_contacts if c.obstacle in names))
