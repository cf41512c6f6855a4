"""The interface to hardware: connect, payload, read, send, stop.  No clock: who streams owns the time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import pinocchio as pin

from fastmove.arrays import Array
from fastmove.drivers.settling import Settling


@dataclass(frozen=True)
class Command:
    """One control cycle: q [rad], v [rad/s], a [rad/s²], feed-forward effort [Nm], (n_arm,) each; grip_force (holds,) of every
    hand, per pad [N]."""

    q: Array
    v: Array
    a: Array
    effort: Array
    grip_force: Array


@dataclass(frozen=True)
class Reading:
    """What the hardware says: cycles since connect (stands still when it is silent), q, v (n_arm,), whether it grips."""

    cycles: int
    q: Array
    v: Array
    gripping: bool


class Driver(ABC):
    """Attributes: cycle: control cycle [s].  Use as a context manager; any call may raise, the caller then stops it."""

    cycle: float

    @abstractmethod
    def connect(self) -> None: ...

    @abstractmethod
    def payload(self, mass: float, com: Array, inertia: Array) -> None:
        """What is carried, in the tool frame: [kg], (3,) [m], (3, 3) about the centre of mass [kg m²]."""

    @abstractmethod
    def read(self) -> Reading: ...

    @abstractmethod
    def send(self, command: Command) -> Command:
        """Send for the next cycle; returns what was really sent."""

    @abstractmethod
    def stop(self) -> None:
        """Brake to rest and stay there, still gripping.  Must not raise."""

    def close(self) -> None:  # noqa: B027  nothing to do by default
        """Disconnect."""

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class PhysicsDriver(Driver):
    """Simulated hardware that also knows how the item moves in the hand.

    Attributes:
        settling: how the item sat in the closed hand, after `connect`.
        least_touching: fewest pad points in touch since then.
        recorded: (time [s], pose of the item's own frame in the world), every 10 ms.
    """

    settling: Settling
    least_touching: int
    recorded: list[tuple[float, pin.SE3]]

    @abstractmethod
    def worst_slip(self) -> tuple[float, float, float]:
        """The largest displacement [m] and rotation [rad] of the item in the hand since it settled, and the largest way of its
        farthest point [m]."""

    @abstractmethod
    def release(self) -> None:
        """Open the fingers, arm still, and let the item come to rest."""

    @abstractmethod
    def item_in_world(self) -> pin.SE3:
        """Pose of the item's own frame in the world."""
