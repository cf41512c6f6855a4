"""User-defined constraints that hold all along a motion.

A constraint states its margins twice: as CasADi expressions of one instant, which the optimiser differentiates, and with numpy
over all instants, for the certificate.  The two are written independently on purpose, so that each reveals errors of the other.

    margins(motion)   one instant; `motion.q`, `.v`, `.a` and `motion.frame(name)` are CasADi expressions (n,), (3,), (3, 3)
    check(motion)     all instants; the same names are arrays (N, n), (N, 3), (N, 3, 3)

A constraint is added to a problem by `problem.with_(constraints=(...,))`, by [[constraints]] in its file, or, where it is one
number of a robot, by that number in a limit set (`LimitKind.constraint`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np

from fastmove.arrays import Array
from fastmove.robot.limit_kinds import LimitKind
from fastmove.tables import CheckedTable

# Type of the values that a constraint sees: CasADi expressions or arrays.
T = TypeVar("T", covariant=True)


@dataclass(frozen=True)
class FrameMotion(Generic[T]):
    """Pose and velocity of a frame in the world, at one instant or at N of them.

    Attributes:
        position: (3,) or (N, 3) position of its origin [m].
        rotation: (3, 3) or (N, 3, 3) rotation from its axes to those of the world.
        velocity: (3,) or (N, 3) velocity of its origin [m/s].
        spin: (3,) or (N, 3) angular velocity [rad/s].
    """

    position: T
    rotation: T
    velocity: T
    spin: T


class MotionView(Protocol[T]):
    """A motion as a constraint sees it: one instant as CasADi expressions, or many as arrays."""

    @property
    def q(self) -> T:
        """Configuration, (n,) or (N, n) [rad]."""

    @property
    def v(self) -> T:
        """Joint velocities, (n,) or (N, n) [rad/s]."""

    @property
    def a(self) -> T:
        """Joint accelerations, (n,) or (N, n) [rad/s²]."""

    def frame(self, name: str) -> FrameMotion[T]:
        """Looks up the motion of a frame.

        Args:
            name: `tool`, `item` (the frame of the held item), or the name of a link of the robot.

        Raises:
            UnknownName: there is no frame of that name.
        """


class PathConstraint(ABC):
    """A user-defined constraint that holds all along a motion.

    Subclasses are best frozen dataclasses; their fields are then the keys of the constraint in files.

    Attributes:
        kind: limit kind by which certificates, reports and plots name it.  Its group is "path" and its name the one that the
            constraint is registered by.
    """

    kind: ClassVar[LimitKind]

    @abstractmethod
    def margins(self, motion: MotionView[Any]) -> Any:
        """States the margins at one instant, for the optimiser.

        Args:
            motion: the motion at that instant, as CasADi expressions.

        Returns:
            CasADi expression (k,), ≥ 0 where the motion is safe, in the unit of `kind`; smooth in q, v and a.
        """

    @abstractmethod
    def check(self, motion: MotionView[Array]) -> Array:
        """Computes the same margins at all instants with numpy, for the certificate.

        Args:
            motion: the motion at N instants, as arrays.

        Returns:
            (N,) or (N, k) margins in the unit of `kind`.
        """

    @property
    def scale(self) -> float:
        """Margin that counts as far from the limit, so that use = 1 − margin / scale, in the unit of `kind`.

        By default it is the field `limit` of the constraint, which fits limits on a magnitude; without one, give it a value.
        """
        return float(self.limit)  # type: ignore[attr-defined]

    @classmethod
    def from_table(cls, table: CheckedTable) -> PathConstraint:
        """Reads a constraint from a table of a file.

        Args:
            table: table with a key for every field of the dataclass: a text for a str, a number for a float, else a list of
                numbers.
        """
        own = [field for field in fields(cls) if field.init]  # type: ignore[arg-type]
        return cls(**{field.name: _read(table, field.name, getattr(field.type, "__name__", field.type)) for field in own})

    def describe(self) -> dict[str, object]:
        """Describes the constraint by its type and the plain values of its fields."""
        entries: dict[str, object] = {"type": self.kind.name}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            entries[field.name] = np.asarray(value).tolist() if not isinstance(value, str) else value
        return entries


def _read(table: CheckedTable, name: str, kind: object) -> object:
    """Reads a field whose type is called `kind`, whether the module's annotations are texts (PEP 563) or types."""
    if kind == "str":
        return table.string(name)
    return table.number(name) if kind == "float" else np.array(table.numbers(name, None))
