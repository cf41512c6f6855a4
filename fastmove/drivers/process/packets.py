"""Packets between a client and the controller's process: framed on a stream socket; nobody ever waits for the other.

A packet is its kind (1 byte), the length of its body (4 bytes) and the body: commands and states as numbers of fixed size, calls
and answers pickled.  The two are one program's own processes: nothing comes from outside.
"""

from __future__ import annotations

import pickle
import socket
import struct
import threading
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from fastmove.arrays import Array
from fastmove.drivers.driver import Command

HEADER = struct.Struct("<BI")
CHUNK = 1 << 16  # bytes read at once
FULL = 1 << 16  # bytes waiting to be sent beyond which states and commands are left out


class Kind(IntEnum):
    """The kinds of packets."""

    COMMAND = 1
    STATE = 2
    STOP = 3
    CALL = 4  # (name, arguments), pickled
    ANSWER = 5  # the value, pickled
    FAILED = 6  # (whether the input is wrong, the sentence), pickled
    OUTPUT = 7  # (number, on), pickled; it is not answered
    FAULT = 8  # what has failed uncalled for, (sentence,), pickled


class Status(IntEnum):
    """What the controller is at."""

    READY = 0  # at rest, waits for commands
    FOLLOWING = 1  # follows commands
    STOPPED = 2  # was told to stop: brakes or is at rest, takes no commands
    WATCHDOG = 3  # commands stayed away: brakes or is at rest, takes no commands
    RELEASED = 4  # the hand is open; takes no commands


@dataclass(frozen=True)
class State:
    """What the controller says of itself at a tick.

    Attributes:
        tick: number of ticks since the controller was connected to.
        stamp: time at which it was sent [s], of `time.monotonic`.
        status: what it is at.
        gripping: whether the fingers are at the item.
        late: number of ticks that began late.
        missed: number of ticks in motion for which no command had come.
        lost: number of commands that were lost on purpose.
        mass: mass that it was told it carries [kg].
        q: (n,) configuration [rad].
        v: (n,) velocity [rad/s].
    """

    tick: int
    stamp: float
    status: Status
    gripping: bool
    late: int
    missed: int
    lost: int
    mass: float
    q: Array
    v: Array

    _NUMBERS = struct.Struct("<QdBBQQQd")

    def packed(self) -> bytes:
        """Returns the state as bytes."""
        counts = (self.late, self.missed, self.lost)
        numbers = self._NUMBERS.pack(self.tick, self.stamp, self.status, self.gripping, *counts, self.mass)
        return numbers + np.concatenate([self.q, self.v]).tobytes()

    @classmethod
    def unpacked(cls, body: bytes) -> State:
        """Returns the state that bytes of `packed` say."""
        tick, stamp, status, gripping, late, missed, lost, mass = cls._NUMBERS.unpack_from(body)
        q, v = np.frombuffer(body, offset=cls._NUMBERS.size).reshape(2, -1)
        return cls(tick, stamp, Status(status), bool(gripping), late, missed, lost, mass, q, v)


def command_packed(stamp: float, command: Command) -> bytes:
    """Returns a command and the time at which it is sent [s] as bytes."""
    parts = ([stamp], command.q, command.v, command.a, command.effort, command.grip_force)
    return np.concatenate(parts, dtype=float).tobytes()


def command_unpacked(body: bytes, n: int) -> tuple[float, Command]:
    """Returns the time of sending [s] and the command of an arm of n joints."""
    numbers = np.frombuffer(body)
    q, v, a, effort = numbers[1 : 1 + 4 * n].reshape(4, n)
    return float(numbers[0]), Command(q, v, a, effort, numbers[1 + 4 * n :])


class Line:
    """One end of the line.

    Args:
        end: connected stream socket, which this takes over.

    Attributes:
        ended: whether the other end is gone.
    """

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket, self.ended = end, False
        self._coming, self._going = bytearray(), bytearray()
        self._lock = threading.RLock()  # a stop may come from another thread

    def fileno(self) -> int:
        """Returns the socket's file number, for `select`."""
        return self._socket.fileno()

    @property
    def waits(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._going)

    def send(self, kind: Kind, body: bytes = b"") -> bool:
        """Sends a packet, or what of it goes at once: the rest goes with later calls.

        Returns:
            Whether it is on its way; False for states and commands where too much waits already, and where the other end is gone.
        """
        with self._lock:
            if self.ended or (len(self._going) > FULL and kind in (Kind.COMMAND, Kind.STATE)):
                self.flush()
                return False
            self._going += HEADER.pack(kind, len(body)) + body
            self.flush()
            return not self.ended

    def call(self, kind: Kind, *content: Any) -> bool:
        """Sends a packet of pickled values; see `send`."""
        return self.send(kind, pickle.dumps(content))

    def flush(self) -> None:
        """Sends what waits, as far as it goes at once."""
        with self._lock:
            try:
                while self._going:
                    del self._going[: self._socket.send(self._going)]
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self.ended = True

    def received(self) -> list[tuple[Kind, bytes]]:
        """Returns the packets that have come since the last call, oldest first."""
        with self._lock:
            return self._received()

    def _received(self) -> list[tuple[Kind, bytes]]:
        """See `received`."""
        try:
            while not self.ended:
                chunk = self._socket.recv(CHUNK)
                self.ended = not chunk
                self._coming += chunk
                if len(chunk) < CHUNK:
                    break
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.ended = True
        packets, at = [], 0
        while len(self._coming) - at >= HEADER.size:
            kind, length = HEADER.unpack_from(self._coming, at)
            if len(self._coming) - at - HEADER.size < length:
                break
            body = bytes(self._coming[at + HEADER.size : at + HEADER.size + length])
            packets.append((Kind(kind), body))
            at += HEADER.size + length
        del self._coming[:at]
        return packets

    def close(self) -> None:
        """Closes this end."""
        self.ended = True
        self._socket.close()
