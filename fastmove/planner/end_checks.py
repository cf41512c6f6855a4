"""Checks of both ends before any optimisation: limits, contacts, space to open the hand, and the hold at rest."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from fastmove.arrays import Array
from fastmove.collision.checker import Collision
from fastmove.collision.query_types import TooNear
from fastmove.contact.wrench_cone import UTILISATION_MAX
from fastmove.dynamics.efforts import Dynamics
from fastmove.dynamics.load_usage import LoadUtilisation
from fastmove.errors import GraspInvalid, InputError, StartInCollision
from fastmove.multibody.assembly import HAND_OVERLAP, Assembly, hand_overlaps
from fastmove.multibody.open_hand import OpenHandCheck
from fastmove.problem.grasp import HeldItem
from fastmove.problem.scene import CONTACT_DEPTH, ITEM
from fastmove.problem.transfer import TransferProblem
from fastmove.solution.solution import Status


class EndChecks:
    """Checks of the ends of one problem; every refusal is a sentence that says what would free the end.

    Args:
        problem: Transfer problem.
        assembly: Model of arm, hands and held items.
        dynamics: Efforts and path constraints of the problem.
        collision: Distance queries of the problem.
    """

    def __init__(self, problem: TransferProblem, assembly: Assembly, dynamics: Dynamics, collision: Collision) -> None:
        self.problem, self.limits = problem, problem.limit_set
        self.assembly, self.dynamics, self.collision = assembly, dynamics, collision
        self.loads = LoadUtilisation(problem)

    def start(self) -> None:
        """Checks the grasp, and that the start is free and satisfies the path constraints.

        Raises:
            GraspInvalid: An item overlaps the hand beyond its pads.
            StartInCollision: The arm at the start, or its opened hand, is in contact.
            InputError: The start violates a path constraint, or a link has no shape and is not accepted.
        """
        self.shapes()
        self.grasp()
        q = np.array(self.problem.start.q)
        ends = self.collision.ends(q, np.array(self.problem.goal.configurations[0]))
        contacts = self.collision.margins_at(q, ends, 0.0)
        if contacts:
            raise StartInCollision("start.q", self._contact_sentence(contacts[0], "start"))
        tight = self._open_hand(q, 0.0) if self.problem.start.at_rest else ""
        if tight:
            raise StartInCollision("start.q", tight)
        if self.dynamics.path is not None:
            use, sentence = self.dynamics.path.sentence(q)
            if use > 1:
                raise InputError("start.q", sentence)

    def shapes(self) -> None:
        """Checks that every link has a shape, or that the problem accepts by name that it has none.

        Raises:
            InputError: A link has no collision shape and is not accepted.
        """
        unseen = [link for link in self.problem.robot.unshaped if link not in self.problem.accepts]
        if unseen:
            raise InputError(
                "accepts",
                f"does not name {', '.join(unseen)}, of which the robot has no collision shape: whatever such a link hits is not "
                f"seen; to plan all the same, accept it by name: accepts = [{', '.join(repr(link) for link in unseen)}]",
            )

    def grasp(self) -> None:
        """Checks that no item overlaps the hand that holds it, except at the pads.

        Raises:
            GraspInvalid: An item overlaps the hand beyond its pads.
        """
        overlap, names = min(hand_overlaps(self.assembly), default=(0.0, ""))
        if overlap < 0:
            depth = (HAND_OVERLAP - overlap) * 1e3
            raise GraspInvalid("grasp.tool_T_item", f"{names} overlap by {depth:.1f} mm; only the pads may touch the item")

    def refusal(self, q: Array, other: Array | None = None, end: str = "goal") -> tuple[Status, str] | None:
        """Returns why the motion cannot end (or start) at a configuration, as a status and a sentence; None where it can.

        Moving obstacles are left out, since it is not known yet when the motion will be there.

        Args:
            q: Configuration at this end (n,) [rad].
            other: Configuration at the other end (n,) [rad]; None means the problem's start.
            end: Which end this is, "goal" or "start".
        """
        other = np.array(self.problem.start.q) if other is None else other
        low, high = self.limits.position_min, self.limits.position_max
        for i in np.nonzero((q < low - 1e-9) | (q > high + 1e-9) | ~np.isfinite(q))[0]:
            name = self.problem.robot.joint_names[i]
            away = max(low[i] - q[i], q[i] - high[i])
            return Status.GOAL_UNREACHABLE, (
                f"the {end} has {name} at {q[i]:.9g} rad; allowed: {low[i]:.7g} to {high[i]:.7g}; "
                f"moving it by {away:.2g} rad would free it"
            )
        ends = self.collision.ends(other, q) if end == "goal" else self.collision.ends(q, other)
        contacts = self.collision.margins_at(q, ends)
        if contacts:
            sentence = self._contact_sentence(contacts[0], end)
            return Status.GOAL_UNREACHABLE, f"at the {end} {sentence}; {-contacts[0].margin * 1e3:.2f} mm more would free it"
        tight = self._open_hand(q) if end == "start" or self.problem.goal.opens_hand else ""
        if tight:
            return Status.GOAL_UNREACHABLE, f"at the {end} {tight}"
        use, sentence = self.static_use(q)
        if use > 1:
            return Status.NOT_HOLDABLE, f"at the {end} {sentence}"
        if self.dynamics.path is not None:
            use, sentence = self.dynamics.path.sentence(q)
            if use > 1:
                return Status.GOAL_UNREACHABLE, f"at the {end} {sentence}"
        return None

    def static_use(self, q: Array) -> tuple[float, str]:
        """Returns the largest utilisation of torque, hold and tilt at rest, 1 = limit, and a sentence about it.

        Args:
            q: Configuration (n,) [rad].
        """
        n, efforts = self.dynamics.n, self.dynamics.static(q[None])[0]
        needed = np.max(np.abs(efforts[:, :n]), axis=0)
        joint = int(np.argmax(needed / self.limits.effort))
        worst = float(needed[joint] / self.limits.effort[joint])
        carried = "the arm and what it holds" if self.problem.holds else "the arm itself"
        sentence = (
            f"{self.problem.robot.joint_names[joint]} needs {needed[joint]:.1f} Nm at rest to carry {carried}; "
            f"allowed: {self.limits.effort[joint]:g} Nm"
        )
        for k, held in enumerate(self.problem.holds):
            wrench = self.loads.wrench(efforts[None], k)
            use = float(held.contact_model.utilisation(wrench, self.loads.forces[k]).max()) / UTILISATION_MAX
            if self.problem.hold_active and use > worst:
                worst, sentence = use, self._grip_sentence(held, use)
            squeezing = float(held.tolerance.squeezing(wrench).max())
            if self.problem.hold_active and squeezing > worst:
                worst, sentence = squeezing, self._squeeze_sentence(held, float(np.abs(wrench[..., 1]).max()))
            allowed = min(held.tolerance.tolerance.tilt, held.tolerance.tolerance.upright)
            leaning = float(held.tolerance.leaning(wrench).max())
            if leaning / allowed > worst:
                worst = leaning / allowed
                sentence = f"{held.item.name} leans by {np.degrees(leaning):.1f}°; allowed: {np.degrees(allowed):g}°"
        return worst, sentence

    def path_refusal(self, path: Array) -> str | None:
        """Returns a sentence about the configuration of a path that is hardest to hold at rest; None where all can be held.

        Neither another time law nor a slower motion mends that: at rest nothing but gravity counts.

        Args:
            path: Configurations in order (N, n) [rad].
        """
        uses = [self.static_use(q) for q in path]
        worst = int(np.argmax([use for use, _ in uses]))
        return f"at {worst / (len(path) - 1):.0%} of the path {uses[worst][1]}" if uses[worst][0] > 1 else None

    @staticmethod
    def _squeeze_sentence(held: HeldItem, side: float) -> str:
        """Sentence about a load along the closing axis [N], which presses one pad harder than the item bears."""
        bears, more = held.item.max_pinch_force, 1 + held.uncertainty.grip_force
        return (
            f"one finger presses {held.item.name} with {held.planned_grip * more + side / 2:.4g} N at rest, {side / 2:.2g} N of "
            f"which are half of its weight along the closing axis; it bears {bears:g} N: grip with at most "
            f"{(bears - side / 2) / more:.4g} N"
        )

    @staticmethod
    def _grip_sentence(held: HeldItem, utilisation: float) -> str:
        """Returns a sentence about the force that a grasp needs at rest, and what would reduce it.

        Args:
            held: Item with its grasp.
            utilisation: Utilisation of the contact at rest, 1 = limit.
        """
        if held.law.holder == "cup":
            force = float(held.gripper.force[1])
            return (
                f"the cup needs {force * utilisation:.1f} N of vacuum at rest to hold {held.item.name}; it has "
                f"{force:.1f} N: hold it nearer above its centre of mass, or by a larger cup"
            )
        most, bears, gives = held.planned_grip, float(held.item.max_pinch_force), float(held.gripper.force[1])
        body = max(held.bodies, key=lambda b: float(b.mass * np.linalg.norm(b.lever)))
        lever = float(np.linalg.norm(body.lever))
        limits = f"the hand gives {gives:g} N" + (f", the item bears {bears:g} N" if np.isfinite(bears) else "")
        remedy = "grip harder" if most * utilisation <= min(gives, bears) else "grasp nearer its centre of mass"
        return (
            f"the grasp needs {most * utilisation:.1f} N at rest to hold {held.item.name} ({body.mass:.3g} kg at "
            f"{lever * 100:.1f} cm from the pads, friction {held.friction:.3g}); it may use {most:g} N ({limits}): {remedy}"
        )

    @cached_property
    def _opened(self) -> OpenHandCheck:
        return OpenHandCheck(self.problem)

    def _open_hand(self, q: Array, time: float | None = None) -> str:
        """Returns a sentence about what the opened hand would touch at q (n,) [rad]; empty where it is free.

        Args:
            q: Configuration at an end (n,) [rad].
            time: Time at which moving obstacles are placed [s]; None means that they are left out.
        """
        margin, where = self._opened.margin(q, time)
        if margin >= 0:
            return ""
        problem, stray = self.problem, self._opened.stray
        required = problem.clearance + stray
        return (
            f"the hand opened by {problem.release_opening * 1e3:g} mm comes within {(margin + required) * 1e3:.1f} mm "
            f"({where}); allowed: at least {_parts(required, problem.clearance, stray)}, or a smaller release_opening"
        )

    def _contact_sentence(self, near: TooNear, end: str) -> str:
        """Returns a sentence about two bodies that are too near at an end: what was measured, what is allowed, what helps."""
        gap = near.distance * 1e3
        state = f"{near.one} and {near.other} " + (f"are {gap:.1f} mm apart" if gap >= 0.05 else f"overlap by {-gap:.1f} mm")
        state = state if abs(gap) >= 0.05 else f"{near.one} and {near.other} touch"
        contacts = self.problem.allowed_contacts
        if near.one == ITEM and any(contact.obstacle == near.other and contact.applies(end) for contact in contacts):
            return (
                f"{near.one} overlaps {near.other} by {-gap:.2f} mm; "
                f"an allowed contact may overlap by at most {CONTACT_DEPTH * 1e3:g} mm, since deeper it slips in the hand"
            )
        allowed = f"allowed: at least {_parts(near.required, self.problem.clearance, near.stray)}"
        if near.of_robot:
            return (
                f"{state}; {allowed}; if these links touch by design, except the pair in the robot's SRDF or in robot.toml: "
                f"[[unchecked]] links = ['{near.one}', '{near.other}'] and a reason"
            )
        if near.one != ITEM:
            return f"{state}; {allowed}"
        return f"{state}; {allowed}, or an [[allowed_contacts]] entry that overlaps by at most {CONTACT_DEPTH * 1e3:g} mm"


def _parts(required: float, clearance: float, stray: float) -> str:
    """Returns a required distance in words, with what it is made of where it is more than the clearance.

    Args:
        required: Required distance [m].
        clearance: Clearance of the problem [m].
        stray: Part of it that is for what the arm may be off its commands [m].
    """
    unsure = (required - stray) * 1e3 - clearance * 1e3
    parts = [f"{unsure:g} mm of uncertainty"] if unsure > 1e-6 else []
    parts += [f"{stray * 1e3:.3g} mm for how the arm follows its commands"] if stray > 0 else []
    if not parts:
        return f"{required * 1e3:g} mm"
    return f"{required * 1e3:{'.3g' if stray > 0 else 'g'}} mm ({' and '.join([f'{clearance * 1e3:g} mm', *parts])})"
