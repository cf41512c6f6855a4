"""Constraints of a user's own that hold all along a motion.

A constraint says twice what it asks: as CasADi expressions of one instant, which the optimiser differentiates, and with numpy
over all instants, for the certificate.  The two are written apart on purpose: what one gets wrong, the other finds.

    margins(motion)   one instant; `motion.q`, `.v`, `.a` and `motion.frame(name)` are CasADi expressions (n,), (3,), (3, 3)
    check(motion)     all instants; the same names are arrays (N, n), (N, 3), (N, 3, 3)

It joins a problem by `problem.with_(constraints=(...,))`, by [[constraints]] in its file, or, where it is one number of a
robot, by that number in a limit set (`LimitKind.constraint`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np

from fastmove.arrays import Array
from fastmove.robot.limit_kinds import LimitKind
from fastmove.tables import CheckedTable

T = TypeVar("T", covariant=True)


@dataclass(frozen=True)
class FrameMotion(Generic[T]):
    """Where a frame is and how it moves, in the world.

    Attributes:
        position: of its origin [m];  rotation: from its axes to the world's.
        velocity: of its origin [m/s];  spin: its angular velocity [rad/s].
    """

    position: T
    rotation: T
    velocity: T
    spin: T


class MotionView(Protocol[T]):
    """A motion as a constraint sees it: one instant as CasADi expressions, or many as arrays."""

    @property
    def q(self) -> T:
        """Joint positions [rad]."""

    @property
    def v(self) -> T:
        """Joint velocities [rad/s]."""

    @property
    def a(self) -> T:
        """Joint accelerations [rad/s²]."""

    def frame(self, name: str) -> FrameMotion[T]:
        """The frame `tool`, `item` (the held item's own), or a link of the robot by its name.

        Raises:
            UnknownName: there is none of that name.
        """


class PathConstraint(ABC):
    """One constraint all along a motion; best a frozen dataclass, whose fields are then what files may say.

    Attributes:
        kind: how certificates, reports and plots call it.
        scale: margin that counts as far from the limit: use = 1 − margin / scale.  Of a limit on a magnitude it is the limit
            itself, and the field `limit` is taken for it.
    """

    kind: ClassVar[LimitKind]

    @abstractmethod
    def margins(self, motion: MotionView[Any]) -> Any:
        """CasADi expression (k,): ≥ 0 is safe, in the unit of `kind`; smooth in q, v and a."""

    @abstractmethod
    def check(self, motion: MotionView[Array]) -> Array:
        """(N,) or (N, k) the same margins, with numpy: the certificate's own."""

    @property
    def scale(self) -> float:
        return float(self.limit)  # type: ignore[attr-defined]

    @classmethod
    def from_table(cls, table: CheckedTable) -> PathConstraint:
        """Read from a table of a file: every field of the dataclass a number, or a list of numbers where it is an array."""
        own = [field for field in fields(cls) if field.init]  # type: ignore[arg-type]
        return cls(**{field.name: _read(table, field.name, str(field.type)) for field in own})

    def describe(self) -> dict[str, object]:
        """Plain numbers."""
        found: dict[str, object] = {"type": self.kind.name}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            found[field.name] = np.asarray(value).tolist() if not isinstance(value, str) else value
        return found


def _read(table: CheckedTable, name: str, kind: str) -> object:
    if kind == "str":
        return table.string(name)
    return table.number(name) if kind == "float" else np.array(table.numbers(name, None))
