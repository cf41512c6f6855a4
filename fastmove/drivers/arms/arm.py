"""What a maker's own client is asked for, in the process that it runs in, and what that process says of the arm."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from fastmove.arrays import Array

UNKNOWN = 2  # what stands for "cannot say" among 0 and 1


class ArmFailed(Exception):
    """The arm does not go on; the sentence says why, in the words of its maker where it has any."""

    for_people = True


class Phase(IntEnum):
    """What the process of an arm is at."""

    READY = 0  # the arm rests and waits for commands
    GATHERING = 1  # the first commands come; the arm begins once there are enough of them
    FOLLOWING = 2  # one command is played every cycle
    BRAKING = 3  # the arm brakes or rests, and takes no commands
    FAILED = 4  # the arm has stopped by itself or is gone


@dataclass(frozen=True)
class ArmState:
    """The state of an arm in one of its cycles.

    Attributes:
        q: (n,) configuration [rad].
        v: (n,) velocity [rad/s].
        gripping: whether its hand grips; None where it cannot say.
        carried: mass that it believes it carries besides its hand [kg]; None where it cannot say.
        scale: position of its speed slider, 0 to 1; None where it has none.
        inputs: its digital inputs, one bit each; None where it has none.
        elapsed: number of its cycles since the state before this one.
    """

    q: Array
    v: Array
    gripping: bool | None = None
    carried: float | None = None
    scale: float | None = None
    inputs: int | None = None
    elapsed: int = 1


@dataclass(frozen=True)
class Told:
    """What the process of an arm says at a cycle.

    Attributes:
        tick: number of cycles since it was connected to.
        stamp: time at which it was sent [s], of `time.monotonic`.
        phase: what it is at.
        taken: number of commands that have had their turn, or were dropped, since it was connected to.
        state: state of the arm.
    """

    tick: int
    stamp: float
    phase: Phase
    taken: int
    state: ArmState

    _NUMBERS = struct.Struct("<QdBQBddqB")

    def packed(self) -> bytes:
        """Returns it as bytes."""
        s = self.state
        gripping = UNKNOWN if s.gripping is None else int(s.gripping)
        carried, scale = (float("nan") if x is None else x for x in (s.carried, s.scale))
        numbers = (self.tick, self.stamp, self.phase, self.taken, gripping, carried, scale, s.inputs or 0, s.inputs is not None)
        return self._NUMBERS.pack(*numbers) + np.concatenate([s.q, s.v]).tobytes()

    @classmethod
    def unpacked(cls, body: bytes) -> Told:
        """Returns what bytes of `packed` say."""
        tick, stamp, phase, taken, gripping, carried, scale, inputs, has = cls._NUMBERS.unpack_from(body)
        q, v = np.frombuffer(body, offset=cls._NUMBERS.size).reshape(2, -1)
        known = [None if np.isnan(x) else float(x) for x in (carried, scale)]
        state = ArmState(q, v, None if gripping == UNKNOWN else bool(gripping), known[0], known[1], int(inputs) if has else None)
        return cls(tick, stamp, Phase(phase), taken, state)


class Arm(ABC):
    """An arm through its maker's client; `arm_process` calls it, and stops it where a call raises.

    Attributes:
        cycle: its control cycle [s].
    """

    cycle: float

    @abstractmethod
    def connect(self) -> None:
        """Connects, or connects anew, and clears what stopped the arm before; it may block, its caller is watched."""

    @abstractmethod
    def wait(self) -> ArmState:
        """Waits for the arm's next cycle, and returns its state.

        Raises:
            ArmFailed: it has stopped by itself, or nothing comes.
        """

    @abstractmethod
    def move(self, q: Array, v: Array, rests: bool) -> None:
        """Sends the reference of the next cycle.

        Args:
            q: (n,) configuration [rad].
            v: (n,) velocity [rad/s].
            rests: whether the motion is over with it.

        Raises:
            ArmFailed: it does not take it.
        """

    def hold(self) -> None:  # noqa: B027  most arms stay where they are
        """Keeps the arm where it is for the next cycle; called where there is nothing to follow."""

    def align(self, q: Array) -> None:  # noqa: B027  most arms take a first command that is a little off
        """Brings the arm, at rest, exactly to a configuration (n,) that it is near to [rad]."""

    def payload(self, mass: float, com: Array, inertia: Array) -> None:  # noqa: B027  some cannot be told
        """Tells the arm what it carries besides its hand, in the flange frame.

        Args:
            mass: mass [kg].
            com: (3,) centre of mass [m].
            inertia: (3, 3) rotational inertia about it [kg m²].
        """

    def output(self, number: int, on: bool) -> None:
        """Switches a digital output.

        Raises:
            ArmFailed: there is none.
        """
        raise ArmFailed(f"has no digital output {number}")

    def memory(self) -> dict[str, Any]:
        """Returns what another process would have to be told of this one, as options."""
        return {}

    @abstractmethod
    def close(self) -> None:
        """Leaves the arm, at rest, to its own program."""
