"""What perception says in flight: what is otherwise than it was believed when the motion was planned."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.certificate.along_path import LOAD, SCENE
from fastmove.errors import InputError
from fastmove.problem.goal import Goal
from fastmove.problem.grasp import HeldItem, hold
from fastmove.problem.item import Inertial
from fastmove.problem.scene import Scene
from fastmove.problem.transfer import TransferProblem

SAID = ("scene", "goal", "mass", "com", "item_shift", "placed", "friction", "grip_ratio")  # What an update may say.


@dataclass(frozen=True)
class Update:
    """What is otherwise than it was believed; None = as before.

    Attributes:
        scene: the scene as it is now, in which obstacles move by a clock that begins at `seen`.
        goal: where the motion may end now.
        mass: measured mass of the first held item [kg].
        com: (3,) its measured centre of mass, in the item frame [m].
        item_shift: how it has moved in the hand: pose of the item now, in the item frame as it was.
        placed: pose of the item in the tool frame now, which is what a shift comes to (`settled`).
        friction: Coulomb coefficient between pads and item as it is now.
        grip_ratio: share of the commanded grip force that is there.
        seen: time of the run at which the scene's clock begins [s].
    """

    scene: Scene | None = None
    goal: Goal | None = None
    mass: float | None = None
    com: Array | None = None
    item_shift: pin.SE3 | None = None
    friction: float | None = None
    grip_ratio: float | None = None
    seen: float = 0.0
    placed: pin.SE3 | None = None

    @property
    def of_item(self) -> bool:
        """Whether it says anything about the item or how it is held."""
        return any(getattr(self, key) is not None for key in SAID[2:])

    @property
    def changed(self) -> tuple[str, ...]:
        """What a certificate has to look at again (see `certify_rest`)."""
        scene = any(value is not None for value in (self.scene, self.item_shift, self.placed))
        return ((SCENE,) if scene else ()) + ((LOAD,) if self.of_item else ())

    @property
    def what(self) -> str:
        """Names of what has changed, for messages."""
        words = {"placed": "item shift"}
        return ", ".join(words.get(key, key.replace("_", " ")) for key in SAID if getattr(self, key) is not None)

    def followed_by(self, later: Update) -> Update:
        """Returns what is otherwise than believed after this update and a later one."""
        said = {key: getattr(later, key) for key in SAID if getattr(later, key) is not None}
        if later.scene is not None:
            said["seen"] = later.seen
        return replace(self, **said)

    def settled(self, problem: TransferProblem) -> Update:
        """Returns the same update for an item as it is held in a problem: a shift becomes a place, which may be said twice."""
        if self.item_shift is None or not problem.holds:
            return self
        return replace(self, item_shift=None, placed=problem.holds[0].grasp.tool_T_item * self.item_shift)

    def applied(self, problem: TransferProblem, begin: float) -> TransferProblem:
        """Builds the problem as it is now, but for the goal.

        Args:
            problem: problem as it was believed to be.
            begin: time of the run at which its motion begins [s].

        Raises:
            InputError: nothing is held, nothing is said, or no such problem can be (or a subclass).
        """
        if not self.what:
            raise InputError("update", f"says nothing; it may say {', '.join(SAID)}")
        if self.of_item:
            if not problem.holds:
                raise InputError("update", f"is of the held item ({self.what}), and nothing is held")
            problem = problem.with_(holds=(self._held(problem.holds[0]), *problem.holds[1:]))
        return problem if self.scene is None else problem.with_(scene=self.scene.after(begin - self.seen))

    def _held(self, held: HeldItem) -> HeldItem:
        """The item as it is held now; where it has shifted, the pads touch it where they find it now."""
        item, grasp = held.item, held.grasp
        if self.mass is not None or self.com is not None:
            first = item.members[0]
            factor = 1.0 if self.mass is None else self.mass / first.mass
            shift = np.zeros(3) if self.com is None else np.asarray(self.com, dtype=float) - first.com
            members = tuple(Inertial(b.mass * factor, b.com + shift, b.inertia * factor) for b in item.members)
            item = replace(item, members=members)
        if self.item_shift is not None:
            grasp = replace(grasp, tool_T_item=grasp.tool_T_item * self.item_shift)
        if self.placed is not None:
            grasp = replace(grasp, tool_T_item=self.placed)
        if self.friction is not None:
            grasp = replace(grasp, friction=self.friction)
        new = hold(held.gripper, item, grasp, held.uncertainty)
        ratio = held.realised_grip_ratio if self.grip_ratio is None else self.grip_ratio
        return new if ratio == 1 else new.weakened(ratio)
