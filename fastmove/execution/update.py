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
from fastmove.problem.scene import Scene
from fastmove.problem.transfer import TransferProblem

# What an update may say, in words.
SAID = {
    "scene": "scene", "goal": "goal", "mass": "mass", "com": "com", "item_pose": "item shift", "friction": "friction",
    "grip_ratio": "grip ratio",
}  # fmt: skip
OF_ITEM = ("mass", "com", "item_pose", "friction", "grip_ratio")  # What of it is about the item and how it is held.


@dataclass(frozen=True)
class Update:
    """What is otherwise than it was believed; None = as before.

    Attributes:
        scene: the scene as it is now, in which obstacles move by a clock that begins at `seen`.
        goal: where the motion may end now.
        mass: measured mass of the first held item [kg].
        com: (3,) its measured centre of mass, in the item frame [m].
        item_pose: pose of the item in the tool frame now, if it has shifted in the hand.
        friction: Coulomb coefficient between pads and item as it is now.
        grip_ratio: share of the commanded grip force that is there.
        seen: time of the run at which the scene's clock begins [s].
    """

    scene: Scene | None = None
    goal: Goal | None = None
    mass: float | None = None
    com: Array | None = None
    item_pose: pin.SE3 | None = None
    friction: float | None = None
    grip_ratio: float | None = None
    seen: float = 0.0

    @property
    def of_item(self) -> bool:
        """Whether it says anything about the item or how it is held."""
        return any(getattr(self, key) is not None for key in OF_ITEM)

    @property
    def changed(self) -> tuple[str, ...]:
        """What a certificate has to look at again (see `certify_rest`)."""
        scene = self.scene is not None or self.item_pose is not None
        return ((SCENE,) if scene else ()) + ((LOAD,) if self.of_item else ())

    @property
    def what(self) -> str:
        """Names of what has changed, for messages."""
        return ", ".join(words for key, words in SAID.items() if getattr(self, key) is not None)

    def followed_by(self, later: Update) -> Update:
        """Returns what is otherwise than believed after this update and a later one."""
        said = {key: getattr(later, key) for key in SAID if getattr(later, key) is not None}
        if later.scene is not None:
            said["seen"] = later.seen
        return replace(self, **said)

    def applied(self, problem: TransferProblem, begin: float) -> TransferProblem:
        """Builds the problem as it is now, but for the goal.

        Args:
            problem: problem as it was believed to be.
            begin: time of the run at which its motion begins [s].

        Raises:
            InputError: nothing is held, nothing is said, or no such problem can be (or a subclass).
        """
        if not self.what:
            raise InputError("update", f"says nothing; it may say {', '.join(SAID.values())}")
        if self.of_item:
            if not problem.holds:
                raise InputError("update", f"is of the held item ({self.what}), and nothing is held")
            problem = problem.with_(holds=(self._held(problem.holds[0]), *problem.holds[1:]))
        return problem if self.scene is None else problem.with_(scene=self.scene.after(begin - self.seen))

    def _held(self, held: HeldItem) -> HeldItem:
        """The item as it is held now; where it has shifted, the pads touch it where they find it now."""
        item, grasp = held.item, held.grasp
        first = item.members[0]
        if self.mass is not None:
            item = replace(item, members=tuple(body.scaled(self.mass / first.mass) for body in item.members))
        if self.com is not None:
            item = replace(item, members=tuple(body.moved(np.asarray(self.com) - first.com) for body in item.members))
        if self.item_pose is not None:
            grasp = replace(grasp, tool_T_item=self.item_pose)
        if self.friction is not None:
            grasp = replace(grasp, friction=self.friction)
        new = hold(held.gripper, item, grasp, held.uncertainty)
        ratio = held.realised_grip_ratio if self.grip_ratio is None else self.grip_ratio
        return new if ratio == 1 else new.weakened(ratio)
