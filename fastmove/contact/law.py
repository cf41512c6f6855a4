"""Interfaces of contact models: `ContactLaw`, found by name in `registries.contacts`, and the `ContactModel` it builds.

A law says twice what a contact can carry: `model` builds what the planner uses, as cones (`ConeContact`) or as one CasADi
expression (`SmoothContact`); `check` computes with numpy what the certificate uses.  The two are written independently on
purpose.  The checks of FastMove's own laws are in `certificate.hold`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.contact.patch import Patch

if TYPE_CHECKING:
    from fastmove.contact.wrench_cone import ConeContact


class ContactModel(Protocol):
    """The wrenches that one contact can carry, in the form that the planner needs.

    Utilisations are for a wrench at a grip force; 1 = the contact slips, and 0.9 of that is allowed.  (A use, as certificates and
    plots give it, is the utilisation over 0.9: 1 = limit.)
    """

    @property
    def cones(self) -> ConeContact | None:
        """The model itself if it is made of cones, which enter the convex programs exactly; None if tangents replace it."""

    def utilisation(self, wrench: Array, grip_force: object) -> Array:
        """Largest utilisation of each wrench; the planner uses at most `UTILISATION_MAX` of it.

        Args:
            wrench: (..., 6) wrenches [f; m] of the hand on the item, in the grasp frame [N, Nm].
            grip_force: Grip forces that broadcast to (...) [N].

        Returns:
            (...,) utilisations.
        """

    def parts(self, wrench: Array, grip_force: object) -> list[Array]:
        """Utilisations of the model's parts, each (...,), whose largest is the utilisation or bounds it.

        Args:
            wrench: (..., 6) wrenches [f; m] of the hand on the item, in the grasp frame [N, Nm].
            grip_force: Grip forces that broadcast to (...) [N].
        """

    def tangents(self, wrench: Array, grip_force: float) -> tuple[Array, Array]:
        """Utilisations and their slopes in the wrench, for a model without cones.

        Args:
            wrench: (N, 6) wrenches [f; m] of the hand on the item, in the grasp frame [N, Nm].
            grip_force: Grip force [N].

        Returns:
            Utilisations (N, k) and slopes (N, k, 6) [1/N, 1/Nm]; k = 0 for cones.
        """


@dataclass(frozen=True)
class Touch:
    """Where a hand touches an item.

    Attributes:
        patches: Of a pinch two, on the pad at +y and on the pad at −y; of a suction cup one ring.
        width: Distance of the two patches [m]; 0 for a cup.
        tool_T_grasp: Pose of the grasp frame in the tool frame: axes of the tool, origin between the patch centroids.
    """

    patches: tuple[Patch, ...]
    width: float
    tool_T_grasp: pin.SE3

    @cached_property
    def c(self) -> float:
        """Mean radius of the patches [m] (see `Patch.c`)."""
        return sum(patch.c for patch in self.patches) / len(self.patches)

    @cached_property
    def a(self) -> float:
        """Mean tilting lever of the patches [m] (see `Patch.a`)."""
        return sum(patch.a for patch in self.patches) / len(self.patches)

    @cached_property
    def points(self) -> Array | None:
        """Points that carry the pads' force, as many of each pad.

        Returns:
            (K, 2) points in x, z of the grasp frame [m]; None if a pad touches at a single point.
        """
        points = [patch.points() for patch in self.patches]
        most = max(len(p) for p in points)
        if min(len(p) for p in points) < 2:
            return None
        middle = np.asarray(self.tool_T_grasp.translation)[[0, 2]]
        return np.concatenate([np.repeat(p, most // len(p), axis=0) for p in points]) - middle


class ContactLaw(ABC):
    """Base class of contact laws: how one kind of contact holds an item.

    Attributes:
        name: Name of the law in files and in `registries.contacts`.
        holder: Kind of hand that holds by it: `gripper` (two fingers) or `cup`.
        torsion_axis: Row of the wrench that turns the item in the hand: 4 (about y) between pads, 5 (about z) under a cup.
        simulated: Whether simulated hardware can judge it.
        verified: Whether simulated hardware has judged it; an unverified law carries a note.
        lever_shares: Share of the patches' tilting lever a that counts, by kind of limit, for `describe`.
    """

    name: str
    holder: str = "gripper"
    torsion_axis: int = 4
    simulated: bool = True
    verified: bool = True
    lever_shares: Mapping[str, float] = {}

    @abstractmethod
    def model(self, touch: Touch, friction: float, guaranteed: float = 1.0, swing: float = 1.0) -> ContactModel:
        """Build the contact model that the planner uses.

        Args:
            touch: Where the hand touches the item.
            friction: Least Coulomb friction coefficient.
            guaranteed: Guaranteed share of a commanded grip force.
            swing: Largest share of the contact's torsion that may be used (`Tolerance.swing`).
        """

    def check(self, held: Any, wrench: Array, grip_force: Array) -> dict[str, Array]:
        """Compute the utilisations for the certificate, with numpy and independently of `model`.

        Args:
            held: The `HeldItem`, with `friction` (the least), `width`, `patches` and `tool_T_grasp`.
            wrench: (N, 6) wrenches [f; m] of the hand on the item, in the grasp frame [N, Nm].
            grip_force: (N,) guaranteed grip forces [N].

        Returns:
            Utilisations (N,) [1] by kind of limit, 1 = the contact slips (the certificate divides them by 0.9); `hold`,
            and at most `pad_share` besides.

        Raises:
            NotImplementedError: The law has no check of its own.
        """
        raise NotImplementedError
