"""The protocol of contact models: one `ContactLaw` per model, found by name in `registries.contacts`.

A law says twice what a contact can carry: `model`, for the planner, as cones (`ConeContact`) or as one CasADi expression
(`SmoothContact`); and `check`, with numpy, for the certificate.  The two are written apart on purpose.  Those of FastMove's own
laws are in `certificate.hold`.
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
    """What one contact can carry, as the planner asks for it; uses at grip force F, 1 = it slips."""

    @property
    def cones(self) -> ConeContact | None:
        """Itself where it is made of cones, which enter the convex programs as they are; None where tangents stand for it."""

    def utilisation(self, wrench: Array, grip_force: object) -> Array:
        """Largest use of wrenches (..., 6) in the grasp frame [N, Nm]; the planner uses 0.9 at most."""

    def parts(self, wrench: Array, grip_force: object) -> list[Array]:
        """Uses of its parts, each (...,), whose largest is the utilisation or bounds it."""

    def tangents(self, wrench: Array, grip_force: float) -> tuple[Array, Array]:
        """Uses (N, k) at wrenches (N, 6) and their slopes (N, k, 6), where there are no cones."""


@dataclass(frozen=True)
class Touch:
    """Where a hand touches an item.

    Attributes:
        patches: two of a pinch, on the pad at +y and at −y; one ring of a cup.
        width: distance of the two patches [m]; 0 of a cup.
        tool_T_grasp: the grasp frame in the tool frame: axes of the tool, origin between the patch centroids.
    """

    patches: tuple[Patch, ...]
    width: float
    tool_T_grasp: pin.SE3

    @cached_property
    def c(self) -> float:
        """Mean radius of the patches [m]."""
        return sum(patch.c for patch in self.patches) / len(self.patches)

    @cached_property
    def a(self) -> float:
        """Mean tilting lever of the patches [m]."""
        return sum(patch.a for patch in self.patches) / len(self.patches)

    @cached_property
    def points(self) -> Array | None:
        """(K, 2) points in x, z of the grasp frame that carry the pads' force, as many of each [m]; None where a pad touches
        at one."""
        points = [patch.points() for patch in self.patches]
        most = max(len(p) for p in points)
        if min(len(p) for p in points) < 2:
            return None
        middle = np.asarray(self.tool_T_grasp.translation)[[0, 2]]
        return np.concatenate([np.repeat(p, most // len(p), axis=0) for p in points]) - middle


class ContactLaw(ABC):
    """One contact model.

    Attributes:
        name: in files.
        holder: what holds by it: `gripper` (two fingers) or `cup`.
        torsion_axis: row of the wrench that turns the item in the hand: 4, about y, between pads; 5, about z, under a cup.
        simulated: whether simulated hardware can judge it.
        verified: whether any has; what is not carries a note.
        force: what the grip force is called.
        lever_shares: shares of the patches' lever a that count, by kind of limit, for `describe`.
    """

    name: str
    holder: str = "gripper"
    torsion_axis: int = 4
    simulated: bool = True
    verified: bool = True
    force: str = "grip"
    lever_shares: Mapping[str, float] = {}

    @abstractmethod
    def model(self, touch: Touch, friction: float, guaranteed: float = 1.0, swing: float = 1.0) -> ContactModel:
        """What the contact can carry, for the planner.

        Args:
            friction: the least.
            guaranteed: share of a grip force that is surely there.
            swing: share of the contact's torsion that may be asked for (`Tolerance.swing`).
        """

    def check(self, held: Any, wrench: Array, grip_force: Array) -> dict[str, Array]:
        """Uses (N,) by kind of limit, 1 = the contact slips, of wrenches (N, 6) at grip forces (N,) that are surely there: the
        certificate's own, with numpy.  `hold` is asked for at least.

        Args:
            held: the `Held` item: `friction` (the least), `width`, `patches`, `tool_T_grasp`.
        """
        raise NotImplementedError
