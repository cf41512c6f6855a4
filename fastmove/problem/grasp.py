"""Grasps, and items held by them: where the item sits in the hand, which patches touch it, and how hard."""

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
from fastmove.errors import GraspInvalid, InputError, did_you_mean
from fastmove.problem.item import Inertial, Item
from fastmove.problem.patch_detection import check_on_pad, check_touch, find_patches, seal
from fastmove.problem.tolerance import GRAVITY, ToleranceModel
from fastmove.problem.uncertainty import EXACT, Uncertainty, sample_body, shares, vertices
from fastmove.robot.gripper import Gripper
from fastmove.robot.suction_cup import SuctionCup


@dataclass(frozen=True)
class GraspCandidate:
    """One candidate of how to hold the item of a problem.

    Attributes:
        id: name of the candidate.
        tool_T_item: pose of the item in the tool frame; of the cup's tool frame where it holds by suction.
        grip_force: grip force per pad [N]; None = that of the problem.
        friction: Coulomb coefficient; None = that of the problem.
        start_q: (n_arm,) configuration at the pick [rad]; None = any that reaches it.
        contact: contact model, by its name in `registries.contacts`.
    """

    id: str
    tool_T_item: pin.SE3
    grip_force: float | None = None
    friction: float | None = None
    start_q: Array | None = None
    contact: str = "pinch"


# Largest angle between a face and the pads that counts as none, because poses are written with a few digits [rad].
FLAT = np.radians(0.03)

# Load along the closing axis that the grip of a range leaves room for, in weights of the item; below LEAST there is no room.
ROOM, LEAST = 2.0, 0.02

# Largest offset of two opposite patches from each other along tool x or z [m].
OPPOSITE_TOLERANCE = 5e-4


@dataclass(frozen=True)
class Grasp:
    """How a hand is to hold an item, before it is resolved into a `HeldItem`.

    Attributes:
        tool_T_item: pose of the item in the tool frame.
        friction: nominal Coulomb coefficient between pads and item.
        grip_force: (2,) least and largest grip force per pad that may be chosen [N]; equal = fixed.
        contact: contact model, by its name in `registries.contacts`; with `suction` the grip force is the cup's vacuum force.
        gripper: name of the gripper; empty = the robot's only one.
        patches: two explicit patches, for items whose faces are not primitives; None = found from the shapes.
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
            known = registries.contacts.names()
            raise InputError("contact", f"is {self.contact!r}; allowed: {', '.join(known)}{did_you_mean(self.contact, known)}")


@dataclass(frozen=True)
class HeldItem:
    """An item in a gripper or on a cup, with everything that follows from its grasp; built and checked by `hold`.

    Attributes:
        gripper: the gripper or cup that holds it.
        item: the item.
        grasp: the grasp.
        width: distance of the two patches, which is the opening of the hand [m]; 0 on a cup.
        patches: those on the pads at +y and at −y of the tool, or the one of a cup.
        tool_T_grasp: pose of the grasp frame in the tool frame (see `contact.law.Touch`).
        law: the contact law.
        contact_model: what the contact can carry, with the least friction and grip force within the uncertainty.
        uncertainty: how far item, friction, grip force and pose may be from their nominal values.
        realised_grip_ratio: share of a commanded grip force that is there; 1 but in one sampled for simulation (`sample`).
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
        """The bodies that every limit must hold for, in the grasp frame.

        These are the members of the item or, where they are uncertain, the vertices of the sets around them (see
        `uncertainty.vertices`).
        """
        bodies: list[pin.Inertia] = []
        for member in self.item.members:
            bodies += [self.grasp_T_item.act(body) for body in vertices(member, self.uncertainty, self.lever(member))]
        return tuple(bodies)

    def __getstate__(self) -> dict[str, object]:
        """Leaves `bodies` out: some are no real bodies (see `uncertainty.vertices`), and pinocchio would not read them back."""
        return {key: value for key, value in self.__dict__.items() if key != "bodies"}

    def lever(self, member: Inertial) -> float:
        """Computes the distance of a member's centre of mass from the middle of the grasp [m]."""
        return float(np.linalg.norm(self.grasp_T_item.act(np.array(member.com))))

    @cached_property
    def tolerance(self) -> ToleranceModel:
        """Limits of what the item tolerates, for all `bodies`; angles are reduced by what it may be turned in the hand."""
        nominal, turn = self.item.tolerates, self.uncertainty.turn
        up = self.grasp_T_item.rotation @ nominal.up
        masses = np.array([body.mass for body in self.bodies])
        side = 2 * (self._bears - self.planned_grip * (1 + self.uncertainty.grip_force))
        return ToleranceModel(replace(nominal, tilt=nominal.tilt - turn, upright=nominal.upright - turn), up, masses, side)

    @property
    def planned_grip(self) -> float:
        """Grip force that motions are planned with: the largest of the grasp's range up to `most_grip`, or its least [N]."""
        low, high = (float(x) for x in self.grasp.grip_force)
        return min(max(self.most_grip, low), high)

    @property
    def _bears(self) -> float:
        """Largest normal force that the item bears of one pad [N]; infinite on a cup, which does not press."""
        return self.item.max_pinch_force if self.law.holder == "gripper" else float("inf")

    @property
    def _weight(self) -> float:
        """Largest weight of the item [N]."""
        return GRAVITY * max(float(body.mass) for body in self.bodies)

    @property
    def friction(self) -> float:
        """Least Coulomb coefficient within the uncertainty."""
        return self.grasp.friction * (1 - self.uncertainty.friction)

    @property
    def guaranteed_grip_ratio(self) -> float:
        """Least share of a commanded grip force within the uncertainty."""
        return self.realised_grip_ratio * (1 - self.uncertainty.grip_force)

    @property
    def most_grip(self) -> float:
        """Largest grip force per pad that the hand gives and, within its uncertainty, the item bears [N].

        It leaves room for a load of `ROOM` weights along the closing axis, half of which presses one pad harder (see
        `problem.tolerance`: squeeze).
        """
        bears = (self._bears - ROOM / 2 * self._weight) / (1 + self.uncertainty.grip_force)
        return min(float(self.gripper.force[1]), bears)

    @property
    def tilt(self) -> float:
        """Largest angle between the grasped faces and the pads [rad]; 0 where patches are given."""
        return max((patch.tilt for patch in self.patches), default=0.0)

    @cached_property
    def closing_turn(self) -> float:
        """Largest angle by which the item may be turned in the open hand and still end up flat between the pads [rad].

        It is computed by `contact.pinch.closing_turn`; infinite on a cup.
        """
        if isinstance(self.gripper, SuctionCup):
            return float("inf")
        friction, force = (
            self.grasp.friction * (1 + self.uncertainty.friction),
            self.grasp.grip_force[0] * self.guaranteed_grip_ratio,
        )
        return closing_turn(self.patches, friction, self.width, float(force), self.gripper.pad_stiffness)

    @cached_property
    def hull_points(self) -> Array:
        """Points (K, 3) in the grasp frame whose convex hull encloses the item [m]."""
        return self.item.hull_points() @ self.grasp_T_item.rotation.T + self.grasp_T_item.translation

    @cached_property
    def position_uncertainty(self) -> float:
        """Largest distance of any point of the item from its nominal shapes at their nominal place in the hand [m]."""
        reach = float(np.linalg.norm(self.hull_points, axis=1).max())
        return np.sqrt(3) * self.uncertainty.placement + self.uncertainty.turn * reach + self.uncertainty.shape

    @property
    def grasp_T_item(self) -> pin.SE3:
        """Pose of the item in the grasp frame."""
        return self.tool_T_grasp.actInv(self.grasp.tool_T_item)

    def sample(self, rng: np.random.Generator, factor: float = 1.0, edge: bool = False) -> HeldItem:
        """Samples one exact held item out of the uncertainty, with the share of grip force in its `realised_grip_ratio`.

        A centre of mass that would lie outside the item's shapes is moved towards the nominal one, to their hull.

        Args:
            rng: source of random numbers.
            factor: factor by which the uncertainty is widened first.
            edge: whether a corner of the uncertain set is sampled, with the least friction and grip force, instead of its inside.
        """
        scaled, member = self.uncertainty.scaled(factor), self.item.members[int(rng.integers(len(self.item.members)))]
        body = self.item.with_mass_inside(member, sample_body(member, scaled, rng, self.lever(member), edge))
        signed = np.full(2, -1.0) if edge else shares(rng, 2, False)
        friction, grip_ratio = self.grasp.friction * (1 + scaled.friction * signed[0]), 1 + scaled.grip_force * signed[1]
        model = self.law.model(Touch(self.patches, self.width, self.tool_T_grasp), friction, grip_ratio)
        return replace(
            self,
            item=replace(self.item, members=(body,)),
            grasp=replace(self.grasp, friction=friction),
            contact_model=model,
            uncertainty=EXACT,
            realised_grip_ratio=grip_ratio,
        )

    def weakened(self, ratio: float) -> HeldItem:
        """Returns the same held item where only this share of a commanded grip force is there."""
        if not 0 < ratio <= 1:
            raise InputError("grip_ratio", f"is {ratio}; allowed: above 0, to 1")
        guaranteed = ratio * (1 - self.uncertainty.grip_force)
        model = self.law.model(
            Touch(self.patches, self.width, self.tool_T_grasp), self.friction, guaranteed, self.item.tolerates.swing
        )
        return replace(self, contact_model=model, realised_grip_ratio=ratio)

    def inertia(self, member: Inertial) -> pin.Inertia:
        """Converts a member of the item to a pinocchio inertia in the grasp frame."""
        return self.grasp_T_item.act(member.spatial())


def hold(gripper: Gripper | SuctionCup, item: Item, grasp: Grasp, uncertainty: Uncertainty = EXACT) -> HeldItem:
    """Resolves a grasp, by closing the gripper on the item or putting the cup on it.

    Args:
        gripper: the gripper or cup.
        item: the item.
        grasp: how it is to be held.
        uncertainty: how far item, friction, grip force and pose may be from their nominal values.

    Raises:
        GraspInvalid: the pads meet no two parallel faces, the item is off centre or too wide, the cup does not seal, or the grip
            force is beyond the gripper's range or what the item bears.
        InputError: the item may be turned in the hand by more than it tolerates or the pads even out.
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
    _check_squeeze(held)
    return held


def _pinched(gripper: Gripper, item: Item, grasp: Grasp) -> Touch:
    """Touch of two pads, at the explicit patches of the grasp or where they are found."""
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


def force_words(force: Array) -> str:
    """Returns a range of grip forces (2,) [N] in words: one number, or from the least to the largest."""
    return f"{force[1]:g}" if force[0] == force[1] else f"{force[0]:g} to {force[1]:g}"


def _check_opposite(patches: tuple[Patch, ...]) -> None:
    """Checks that two patches face each other."""
    apart = float(np.abs(patches[0].center - patches[1].center).max())
    if apart > OPPOSITE_TOLERANCE:
        raise GraspInvalid(
            "grasp", f"the patches are {apart * 1e3:.1f} mm beside each other; the squeeze would turn the item, at most 0.5 mm"
        )


def _check_closing(held: HeldItem) -> None:
    """Checks that the item is not turned by more than the pads' pressure evens out; a wedged item is held at a few points."""
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


def _check_squeeze(held: HeldItem) -> None:
    """Checks that the grip leaves room for a load along the closing axis, which presses one pad harder."""
    if held.tolerance.side < LEAST * held._weight:
        raise GraspInvalid(
            "grasp.grip_force",
            f"is at least {held.planned_grip:g} N; the item bears {held.item.max_pinch_force:g} N per pad, and what moves it "
            f"along the closing axis presses one pad harder: allowed at most {held.most_grip:.3g} N",
        )


def _check_turn(item: Item, uncertainty: Uncertainty) -> None:
    """Checks that the item tolerates at least 0.5° more of leaning than it may already be turned in the hand."""
    allowed = min(item.tolerates.tilt, item.tolerates.upright)
    if uncertainty.turn > allowed - np.radians(0.5):
        raise InputError(
            "uncertainty.turn_deg",
            f"is {np.degrees(uncertainty.turn):g}; {item.name} tolerates {np.degrees(allowed):g}° of leaning: "
            f"allowed at most {np.degrees(allowed) - 0.5:g}",
        )


def _check_force(gripper: Gripper, item: Item, grasp: Grasp, uncertainty: Uncertainty) -> None:
    """Checks the range of grip forces against the gripper and against what the item bears."""
    low, high = grasp.grip_force
    if low < gripper.force[0] or high > gripper.force[1]:
        raise GraspInvalid(
            "grasp.grip_force",
            f"is {low:g} to {high:g} N; the gripper gives {gripper.force[0]:g} to {gripper.force[1]:g} N per pad",
        )
    most = high * (1 + uncertainty.grip_force)
    if most > item.max_pinch_force:
        raise GraspInvalid("grasp.grip_force", f"goes up to {most:g} N; the item bears {item.max_pinch_force:g} N per pad")
