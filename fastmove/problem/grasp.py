"""Where the item sits in the hand, which patches touch, how hard: Held = (gripper, item, grasp)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pinocchio as pin

from fastmove import registries
from fastmove.arrays import Array, readonly
from fastmove.contact.law import ContactLaw, ContactModel, Touch
from fastmove.contact.patch import Patch
from fastmove.contact.pinch import closing_turn
from fastmove.errors import GraspInvalid, InputError
from fastmove.problem.item import Inertial, Item
from fastmove.problem.patch_detection import check_on_pad, check_touch, find_patches, seal
from fastmove.problem.tolerance import ToleranceModel
from fastmove.problem.uncertainty import EXACT, Uncertainty, sample_body, shares, vertices
from fastmove.robot.gripper import Gripper
from fastmove.robot.suction_cup import SuctionCup

# -- grasps ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GraspCandidate:
    """One way to hold the problem's item.

    Attributes:
        tool_T_item: the item's frame in the tool frame.
        grip_force [N], friction: None = the problem's.  start_q: (n,) how the arm stands at the pick; None = any way.
        contact: contact model; by suction the robot's cup holds, whose tool frame then counts.
    """

    id: str
    tool_T_item: pin.SE3
    grip_force: float | None = None
    friction: float | None = None
    start_q: Array | None = None
    contact: str = "pinch"


# Below this a face is flat on the pads: poses are written with a few digits [rad].
FLAT = np.radians(0.03)
OPPOSITE_TOLERANCE = 5e-4


@dataclass(frozen=True)
class Grasp:
    """How the hand holds the item.

    Attributes:
        tool_T_item: pose of the item in the tool frame.
        friction: Coulomb coefficient between pads and item.
        grip_force: (2,) least and largest grip force per pad that may be chosen [N]; equal = fixed.
        contact: contact model by its name in `registries.contacts`; by `suction` grip_force is the cup's vacuum force.
        gripper: name of the gripper; empty = the robot's only one.
        patches: explicit patches (two), for items whose faces are not primitives; None = derived.
        width: distance of the patches [m], only with explicit patches.
    """

    tool_T_item: pin.SE3
    friction: float
    grip_force: Array
    contact: str = "pinch"
    gripper: str = ""
    patches: tuple[Patch, Patch] | None = None
    width: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "grip_force", readonly(self.grip_force))
        if not 0 < self.friction <= 2:
            raise InputError("friction", f"is {self.friction}; allowed: above 0, to 2")
        low, high = self.grip_force
        if not 0 < low <= high:
            raise InputError("grip_force", f"is {self.grip_force.tolist()}; needs 0 < least ≤ largest [N]")
        if self.contact not in registries.contacts.names():
            raise InputError("contact", f"is {self.contact!r}; allowed: {', '.join(registries.contacts.names())}")


@dataclass(frozen=True)
class HeldItem:
    """An item in a gripper, resolved: valid once built (see `hold`).

    Attributes:
        width: distance of the two patches = opening of the hand [m].
        patches: on the pad at +y and at −y.
        tool_T_grasp: the grasp frame in the tool frame.
        law: its contact model;  contact_model: what the patches can carry by it, with the least friction and grip of the set.
        uncertainty: how far all this may be from what is believed.
        given: share of a commanded grip force that is there; 1 but in a truth drawn for simulation.
    """

    gripper: Gripper | SuctionCup
    item: Item
    grasp: Grasp
    width: float
    patches: tuple[Patch, ...]
    tool_T_grasp: pin.SE3
    law: ContactLaw = field(repr=False)
    contact_model: ContactModel = field(repr=False)
    uncertainty: Uncertainty = EXACT
    realised_grip_ratio: float = 1.0

    @cached_property
    def bodies(self) -> tuple[pin.Inertia, ...]:
        """The bodies that every limit holds for, in the grasp frame: the item's members, or the vertices of the set around them
        (see `uncertainty`)."""
        found: list[pin.Inertia] = []
        for member in self.item.members:
            found += [self.grasp_T_item.act(body) for body in vertices(member, self.uncertainty, self.lever(member))]
        return tuple(found)

    def lever(self, member: Inertial) -> float:
        """Distance of a member's centre of mass from the middle of the grasp [m]."""
        return float(np.linalg.norm(self.grasp_T_item.act(np.array(member.com))))

    @cached_property
    def tolerance(self) -> ToleranceModel:
        """What the item tolerates, in the grasp frame, for all bodies; angles less what it may be turned in the hand."""
        allowed, turn = self.item.tolerates, self.uncertainty.turn
        up = self.grasp_T_item.rotation @ allowed.up
        masses = np.array([body.mass for body in self.bodies])
        return ToleranceModel(replace(allowed, tilt=allowed.tilt - turn, upright=allowed.upright - turn), up, masses)

    @property
    def friction(self) -> float:
        """Least friction of the set."""
        return self.grasp.friction * (1 - self.uncertainty.friction)

    @property
    def guaranteed_grip_ratio(self) -> float:
        """Share of a commanded grip force that is surely there."""
        return self.realised_grip_ratio * (1 - self.uncertainty.grip_force)

    @property
    def tilt(self) -> float:
        """By how much the item's faces, as it is grasped, are turned from the pads [rad]; 0 where patches are given."""
        return max((patch.tilt for patch in self.patches), default=0.0)

    @cached_property
    def closing_turn(self) -> float:
        """How far the item may be turned in the open hand and still end up flat between the pads [rad] (see `contact`)."""
        if isinstance(self.gripper, SuctionCup):
            return float("inf")
        friction, force = (
            self.grasp.friction * (1 + self.uncertainty.friction),
            self.grasp.grip_force[0] * self.guaranteed_grip_ratio,
        )
        return closing_turn(self.patches, friction, self.width, float(force), self.gripper.pad_stiffness)

    @cached_property
    def hull_points(self) -> Array:
        """(K, 3) points in the grasp frame whose convex hull encloses the item [m]."""
        return self.item.hull_points() @ self.grasp_T_item.rotation.T + self.grasp_T_item.translation

    @cached_property
    def position_uncertainty(self) -> float:
        """How far any point of the item may be outside the shapes that it is believed to be, as they sit in the hand [m]."""
        reach = float(np.linalg.norm(self.hull_points, axis=1).max())
        return np.sqrt(3) * self.uncertainty.placement + self.uncertainty.turn * reach + self.uncertainty.shape

    @property
    def grasp_T_item(self) -> pin.SE3:
        return self.tool_T_grasp.actInv(self.grasp.tool_T_item)

    def sample(self, rng: np.random.Generator, factor: float = 1.0, edge: bool = False) -> HeldItem:
        """One truth out of the set, or out of one `factor` times as wide: what is in the hand, exactly.  The grip force that a
        command gives is drawn, too, and is in its `sure_grip`.

        Args:
            edge: a corner of the set, with its least friction and grip.
        """
        wide, member = self.uncertainty.scaled(factor), self.item.members[int(rng.integers(len(self.item.members)))]
        body = sample_body(member, wide, rng, self.lever(member), edge)
        low = np.full(2, -1.0) if edge else shares(rng, 2, False)
        friction, given = self.grasp.friction * (1 + wide.friction * low[0]), 1 + wide.grip_force * low[1]
        model = self.law.model(Touch(self.patches, self.width, self.tool_T_grasp), friction, given)
        return replace(
            self,
            item=replace(self.item, members=(body,)),
            grasp=replace(self.grasp, friction=friction),
            contact_model=model,
            uncertainty=EXACT,
            realised_grip_ratio=given,
        )

    def inertia(self, member: Inertial) -> pin.Inertia:
        """The member as a pinocchio inertia in the grasp frame."""
        return self.grasp_T_item.act(member.spatial())


def hold(gripper: Gripper | SuctionCup, item: Item, grasp: Grasp, uncertainty: Uncertainty = EXACT) -> HeldItem:
    """Close the gripper on the item, or put the cup on it.

    Raises:
        GraspInvalid: the pads do not meet two parallel faces, off centre, too wide, or the grip force is out of reach.
    """
    law: ContactLaw = registries.contacts.get(grasp.contact)
    _check_turn(item, uncertainty)
    if gripper.holds_by != law.holder:
        raise GraspInvalid("grasp.contact", f"is {grasp.contact!r}, by a {law.holder}; {gripper.name!r} {gripper.how}")
    if isinstance(gripper, SuctionCup):
        grasp = replace(grasp, grip_force=gripper.force)
        touch = Touch((seal(gripper, item, grasp.tool_T_item),), 0.0, pin.SE3.Identity())
    else:
        touch = _pinched(gripper, item, grasp)
        _check_force(gripper, item, grasp, uncertainty)
        _check_opposite(touch.patches)
    friction, guaranteed = grasp.friction * (1 - uncertainty.friction), 1 - uncertainty.grip_force
    model = law.model(touch, friction, guaranteed, item.tolerates.swing)
    held = HeldItem(gripper, item, grasp, touch.width, touch.patches, touch.tool_T_grasp, law, model, uncertainty)
    _check_closing(held)
    return held


def _pinched(gripper: Gripper, item: Item, grasp: Grasp) -> Touch:
    """Where the pads touch: found, or where the grasp says."""
    if grasp.patches is not None:
        if grasp.width is None:
            raise GraspInvalid("grasp.width", "is missing; explicit patches need the distance between them [m]")
        patches, width = grasp.patches, grasp.width
        for patch, side in zip(patches, (1.0, -1.0), strict=True):
            check_on_pad(gripper, patch)
            check_touch(item, grasp.tool_T_item, patch, side * width / 2)
    else:
        patches, width = find_patches(gripper, item, grasp.tool_T_item)
    low, high = gripper.opening
    if not low <= width <= high:
        raise GraspInvalid(
            "grasp",
            f"the item is {width * 1e3:.1f} mm wide between the pads; the gripper opens {low * 1e3:g} to {high * 1e3:g} mm",
        )
    middle = (patches[0].center + patches[1].center) / 2
    return Touch(patches, width, pin.SE3(np.eye(3), np.array([middle[0], 0.0, middle[1]])))


def _check_opposite(patches: tuple[Patch, ...]) -> None:
    """Two patches face each other."""
    apart = float(np.abs(patches[0].center - patches[1].center).max())
    if apart > OPPOSITE_TOLERANCE:
        raise GraspInvalid(
            "grasp", f"the patches are {apart * 1e3:.1f} mm beside each other; the squeeze would turn the item, at most 0.5 mm"
        )


def _check_closing(held: HeldItem) -> None:
    """The item may not be turned further than the pads' pressure evens out: a wedged one is held at a few points."""
    turn, tilt, allowed = held.uncertainty.turn, held.tilt, held.closing_turn
    stiffness = held.gripper.pad_stiffness if isinstance(held.gripper, Gripper) else np.inf
    known = f"pads of {stiffness:g} N/m" if np.isfinite(stiffness) else "rigid pads (or unknown: `pad_stiffness` in robot.toml)"
    force = held.grasp.grip_force[0] * held.guaranteed_grip_ratio
    even = (
        f"{known} even out at most {np.degrees(allowed):.2g}° of {held.item.name} when they close with "
        f"{force:g} N, and what stays wedged between them is not held as certified"
    )
    if turn > 0 and turn + tilt > allowed:
        besides = f", and its faces are {np.degrees(tilt):.2g}° from the pads as it is grasped" if tilt > FLAT else ""
        raise InputError("uncertainty.turn_deg", f"is {np.degrees(turn):g}{besides}; {even}")
    if tilt > max(allowed, FLAT) and np.isfinite(stiffness):
        raise GraspInvalid("grasp.tool_T_item", f"the item's face is turned {np.degrees(tilt):.2g}° from the pads; {even}")


def _check_turn(item: Item, uncertainty: Uncertainty) -> None:
    """What it may lean must be more than what it may already be turned in the hand."""
    allowed = min(item.tolerates.tilt, item.tolerates.upright)
    if uncertainty.turn > allowed - np.radians(0.5):
        raise InputError(
            "uncertainty.turn_deg",
            f"is {np.degrees(uncertainty.turn):g}; {item.name} tolerates {np.degrees(allowed):g}° of leaning: "
            f"allowed at most {np.degrees(allowed) - 0.5:g}",
        )


def _check_force(gripper: Gripper, item: Item, grasp: Grasp, uncertainty: Uncertainty) -> None:
    low, high = grasp.grip_force
    if low < gripper.force[0] or high > gripper.force[1]:
        raise GraspInvalid(
            "grasp.grip_force",
            f"is {low:g} to {high:g} N; the gripper gives {gripper.force[0]:g} to {gripper.force[1]:g} N per pad",
        )
    most = high * (1 + uncertainty.grip_force)
    if most > item.max_pinch_force:
        raise GraspInvalid("grasp.grip_force", f"goes up to {most:g} N; the item bears {item.max_pinch_force:g} N per pad")
