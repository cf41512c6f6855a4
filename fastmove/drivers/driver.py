"""The interface to hardware: connect, payload, read, send, stop, recover, and digital signals.

A driver has no clock of its own; the caller that streams commands decides when each is sent.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import pinocchio as pin

from fastmove.arrays import Array
from fastmove.drivers.simulated.settling import Settling
from fastmove.errors import DriverFailed
from fastmove.problem.following import Following


@dataclass(frozen=True)
class Command:
    """The command of one control cycle.

    Attributes:
        q: (n_arm,) configuration [rad].
        v: (n_arm,) velocity [rad/s].
        a: (n_arm,) acceleration [rad/s²].
        effort: (n_arm,) feed-forward torque [Nm].
        grip_force: (holds,) grip force of every hand, per pad [N].
    """

    q: Array
    v: Array
    a: Array
    effort: Array
    grip_force: Array


@dataclass(frozen=True)
class Reading:
    """What the hardware reports in one control cycle.

    Attributes:
        cycles: number of cycles since `connect`; it does not change while the hardware is silent.
        q: (n_arm,) configuration [rad].
        v: (n_arm,) velocity [rad/s].
        gripping: whether the hand grips the item; None where the hardware cannot say.
        scale: position of the speed slider, 0 to 1, at which commands are followed; None where the hardware cannot say.
    """

    cycles: int
    q: Array
    v: Array
    gripping: bool | None
    scale: float | None = None


class Driver(ABC):
    """The base class of all hardware, real or simulated; use it as a context manager.

    Every call but `stop` may raise; the caller then stops the hardware.  What stopped it (a protective stop, a lost line) is
    named by what `read` and `send` raise from then on, until `recover`.

    Attributes:
        cycle: control cycle [s].
        realtime: whether the hardware has a clock of its own, so that a command must come in every cycle of it, neither sooner
            nor later; otherwise a command may be sent as soon as the one before has been taken.
        following: how closely this hardware follows its commands; None = nobody has said, so it is not checked whether a plan's
            clearances cover it (`problem.following.uncovered`).
        outputs: numbers of the digital outputs that it has.
        inputs: numbers of the digital inputs that it has.
        lead: longest time from when a command is sent until a reading shows where the arm went, where commands wait for their
            turn or lines take time [s].
    """

    cycle: float
    realtime: bool = False
    lead: float = 0.0
    outputs: Collection[int] = ()
    inputs: Collection[int] = ()
    following: Following | None = None

    @abstractmethod
    def connect(self) -> None:
        """Connects to the hardware and makes it ready for commands; where it was connected before, it connects anew."""
        ...

    def recover(self) -> None:
        """Clears what stopped the hardware, with the arm where it is, so that it takes commands again."""
        self.connect()

    @abstractmethod
    def payload(self, mass: float, com: Array, inertia: Array) -> None:
        """Tells the hardware what it carries, in the tool frame.

        Args:
            mass: mass [kg].
            com: (3,) centre of mass [m].
            inertia: (3, 3) rotational inertia about the centre of mass [kg m²].
        """

    def carried(self) -> float | None:
        """Returns the mass that the hardware believes it carries, read back from it [kg]; None where it cannot say."""
        return None

    def speed_scale(self) -> float | None:
        """Returns the speed slider's position, 0 to 1, at which commands are followed; None where it cannot say."""
        return None

    def align(self, q: Array) -> None:  # noqa: B027  most hardware takes a first command that is a little off
        """Brings the arm, at rest, exactly to where a motion begins; called before the first command.

        Args:
            q: (n_arm,) configuration, which the arm is near to [rad].
        """

    def input(self, number: int) -> bool | None:
        """Returns whether a digital input is on; None where the hardware has none or cannot say.

        Args:
            number: number of the input, as the hardware counts.
        """
        return None

    def output(self, number: int, on: bool) -> None:
        """Switches a digital output with the next command that is sent, or at once where none follows; it never waits.

        Args:
            number: number of the output, as the hardware counts.
            on: whether it is to be on.

        Raises:
            DriverFailed: the hardware has no such output.
        """
        raise DriverFailed(f"this hardware has no digital output {number}")

    def takes_more(self) -> bool:
        """Returns whether it takes another command now, where commands wait for their turn by the hardware's own clock."""
        return True

    def played(self) -> bool:
        """Returns whether every command that was sent has had its turn."""
        return True

    @abstractmethod
    def read(self) -> Reading:
        """Returns what the hardware reports now."""
        ...

    @abstractmethod
    def send(self, command: Command) -> Command:
        """Sends the command of the next cycle, and returns what was really sent."""

    @abstractmethod
    def stop(self) -> None:
        """Brakes the arm to rest and keeps it there, still gripping; must not raise."""

    def close(self) -> None:  # noqa: B027  nothing to do by default
        """Disconnects from the hardware."""

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class PhysicsDriver(Driver):
    """The base class of simulated hardware that also knows how the item moves in the hand.

    Attributes:
        settling: how the item sat in the closed hand after `connect`.
        least_touching: fewest pad points in touch since `connect`.
        recorded: (time [s], pose of the item's frame in the world), every 10 ms.
    """

    settling: Settling
    least_touching: int
    recorded: list[tuple[float, pin.SE3]]

    @abstractmethod
    def worst_slip(self) -> tuple[float, float, float]:
        """Returns the item's largest displacement [m], rotation [rad] and displacement of its farthest point [m] in the hand.

        All are largest values since the item settled.
        """

    @abstractmethod
    def release(self) -> None:
        """Opens the fingers with the arm at rest, and waits until the item has come to rest."""

    @abstractmethod
    def item_in_world(self) -> pin.SE3:
        """Returns the pose of the item's frame in the world."""
