"""The controller's own process: it runs simulated hardware in real time, takes commands as they come, and brakes by itself.

`python -m fastmove.drivers.controller_process FD` is started by `drivers.controller`.  At every tick it takes the newest command
that was sent before the tick was due.  Where none came it goes on by velocity and acceleration of the last one; where none came
for the watchdog's time and the arm is not at rest, or the client is gone, it brakes every joint evenly to rest, still gripping.
It outlives its client by as long as that takes, and writes what became of arm and item to a file.

A tick that begins late because the machine was busy is made up for at once, with the commands that were there when it was due:
what the simulated hardware does is what it would have done in time.
"""

from __future__ import annotations

import json
import pickle
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastmove.arrays import Array
from fastmove.drivers.driver import Command
from fastmove.drivers.mujoco import BRAKE, STILL, MujocoDriver
from fastmove.drivers.process.packets import Kind, Line, State, Status, command_unpacked
from fastmove.drivers.process.serving import serve
from fastmove.drivers.simulated.imperfections import Imperfections
from fastmove.drivers.simulated.settling import Settling
from fastmove.pacing import wait_until
from fastmove.problem.transfer import TransferProblem

SPIN = 2e-4  # time before a tick is due for which it spins instead of sleeping [s]
LATE = 0.5  # delay, as a share of the cycle, beyond which a tick counts as late [1]
CATCH_UP = 0.5  # delay beyond which ticks are not made up for, as after a suspended machine [s]
RESTING_SPEED = 1e-6  # commanded velocity up to which the arm is meant to be at rest [rad/s]
RESTING_ACCELERATION = 1e-2  # commanded acceleration up to which the arm is meant to stay at rest [rad/s²]
AT_REST = 0.02  # true velocity up to which the arm is reported to be at rest [rad/s]


@dataclass(frozen=True)
class Setup:
    """What the client tells its controller at the beginning.

    Attributes:
        problem: transfer that the motion was planned for.
        truth: what is really there; None = the problem.
        cycle: control cycle [s].
        step: simulation step [s].
        along: (N, n) configurations along the motion [rad]; None = the driver's default.
        imperfections: of servo, encoders, grip and line.
        watchdog: time without a command after which a moving arm is braked [s].
        report: file for what became of arm and item; None = none is written.
    """

    problem: TransferProblem
    truth: TransferProblem | None
    cycle: float
    step: float
    along: Array | None
    imperfections: Imperfections
    watchdog: float
    report: Path | None

    def hardware(self) -> MujocoDriver:
        """Returns the simulated hardware that is asked for."""
        return MujocoDriver(self.problem, self.cycle, self.step, self.along, self.imperfections, self.truth)


class Controller:
    """The controller of simulated hardware.

    Args:
        line: line to the client.
        setup: what the client asks for.
    """

    def __init__(self, line: Line, setup: Setup) -> None:
        self.line, self.setup, self.hardware = line, setup, setup.hardware()
        self.cycle, self.n = setup.cycle, setup.problem.robot.n_arm
        self.leaving = ""  # why this process is about to end
        self.late = self.missed = 0
        self._connect()

    def _connect(self) -> None:
        """Closes the hand on the item, and waits for commands; every earlier motion and stop is forgotten."""
        self.hardware.connect()
        self.status, self.tick, self._unheard = Status.READY, 0, 0
        self._reference = self.hardware.still(self.hardware.start, np.array([self.hardware.force]))
        self._braked: float | None = None  # time since the brake began [s]
        self._opened, self._open_for = 0.0, 0.0  # time since the hand began to open, and until the item counts as at rest [s]
        self._begun = True
        self._waiting: deque[tuple[float, Command]] = deque()

    def run(self) -> None:
        """Ticks until it is told to end or the client is gone, and then until the arm is at rest."""
        due = time.monotonic()
        while not (self.leaving and self._rests()):
            due += self.cycle
            behind = wait_until(due, SPIN, time.monotonic)
            self.late += behind > LATE * self.cycle
            if behind > CATCH_UP:
                due = time.monotonic()
            self._take()
            if self._begun:  # closing the hand took its time
                due, self._begun = time.monotonic(), False
            if self.leaving and not _resting(self._reference):
                self._brake(self.status)
            self._advance(due)
            self.tick += 1
            self.line.send(Kind.STATE, self._state().packed())
        if self.setup.report is not None:
            self._write(self.setup.report)

    def _take(self) -> None:
        """Takes what has come from the client."""
        for kind, body in self.line.received():
            if kind is Kind.COMMAND:
                self._waiting.append(command_unpacked(body, self.n))
            elif kind is Kind.STOP:
                self._brake(Status.STOPPED)
            elif kind is Kind.CALL:
                self._called(*pickle.loads(body))
        if self.line.ended and not self.leaving:
            self.leaving = "the client is gone"

    def _called(self, name: str, *arguments: Any) -> None:
        """Does what the client calls for, and answers; the answer to `release` comes when the item has come to rest."""
        if name == "payload":
            self.hardware.payload(*arguments)
        elif name == "connect":
            self._connect()
        elif name == "release":
            if not self._rests():
                self.line.call(Kind.FAILED, False, "the hand opens only with the arm at rest")
                return
            self.status, self._opened, self._open_for = Status.RELEASED, 0.0, float(arguments[0])
            self.hardware.open()
            return
        elif name == "close":
            self.leaving = "closed"
        self.line.call(Kind.ANSWER, self.hardware.settling if name == "connect" else self._account(name))

    def _account(self, name: str) -> dict[str, Any] | None:
        """Returns what is known of the run if that is what was called for."""
        return self.hardware.account() if name == "account" else None

    def _newest(self, due: float) -> Command | None:
        """Returns the newest command that was sent before a tick was due and is not lost; None where there is none."""
        newest = None
        while self._waiting and self._waiting[0][0] <= due:
            command = self._waiting.popleft()[1]
            if self.hardware.arrival.arrived(command):
                newest = command
        return newest

    def _advance(self, due: float) -> None:
        """Advances the hardware by one cycle, under what it is at."""
        newest = self._newest(due)
        if self.status is Status.RELEASED:
            self._opening()
        elif self.status in (Status.READY, Status.FOLLOWING) and self._braked is None:
            self._follow(newest)
        else:
            self._slow()

    def _follow(self, newest: Command | None) -> None:
        """Follows the newest command, goes on by the last one, or begins to brake."""
        if newest is not None:
            self.status, self._unheard = Status.FOLLOWING, 0
            self._reference = self.hardware.arrival.taken(newest)
        elif _resting(self._reference):
            self.status = Status.READY
            self.hardware.follow(self._reference, record=False)
            return
        else:
            self._unheard += 1
            self.missed += 1
            if self._unheard * self.cycle >= self.setup.watchdog - 1e-9:
                self._brake(Status.WATCHDOG)
                self._slow()
                return
            self._reference = self.hardware.arrival.taken(None)
        self.hardware.follow(self._reference)

    def _brake(self, status: Status) -> None:
        """Begins to brake from the present reference, unless the arm brakes already or the hand is open."""
        if self._braked is None and self.status is not Status.RELEASED:
            self.status, self._braked, self._from = status, 0.0, self._reference

    def _slow(self) -> None:
        """Brakes every joint evenly to rest for one cycle, or keeps it there."""
        braked = self._braked or 0.0
        self._braked = braked + self.cycle
        t, begin = min(self._braked, BRAKE), self._from
        q, v = begin.q + begin.v * (t - t * t / (2 * BRAKE)), begin.v * (1 - t / BRAKE)
        if t < BRAKE:
            a = -begin.v / BRAKE
            # with inertia: the servo alone is soft where joints move together, and would swing
            self._reference = Command(q, v, a, self.hardware.simulation.torque(a), begin.grip_force)
        else:
            self._reference = self.hardware.still(q, begin.grip_force)
        self.hardware.follow(self._reference, record=self._braked < BRAKE + STILL)

    def _opening(self) -> None:
        """Keeps the arm at rest with the hand open for one cycle, and answers once that has lasted long enough."""
        before = self._opened
        self._opened += self.cycle
        self.hardware.hold(self._reference.q, self.cycle, record=before < self._open_for)
        if before < self._open_for <= self._opened:
            self.line.call(Kind.ANSWER, None)

    def _rests(self) -> bool:
        """Returns whether the arm is meant to be at rest, and for long enough after a brake."""
        if self.status is Status.RELEASED:
            return True
        return _resting(self._reference) if self._braked is None else self._braked >= BRAKE + STILL

    def _state(self) -> State:
        """Returns what to tell the client."""
        reading, hardware = self.hardware.read(), self.hardware
        counts = (self.late, self.missed, hardware.arrival.lost)
        stamp, mass = time.monotonic(), hardware.carried()
        return State(self.tick, stamp, self.status, bool(reading.gripping), *counts, mass, reading.q, reading.v)

    def _write(self, path: Path) -> None:
        """Writes what became of arm and item; the file is there at once and whole."""
        hardware, reading = self.hardware, self.hardware.read()
        slip, turn, reach = hardware.worst_slip()
        speed = float(np.abs(hardware.simulation.velocities()).max())
        said = {
            "ended": self.leaving,
            "status": self.status.name.lower(),
            "arm": "at rest" if speed <= AT_REST else "moving",
            "speed_rad_s": speed,
            "q_rad": hardware.simulation.joints().tolist(),
            "item": "released" if self.status is Status.RELEASED else "held" if reading.gripping else "lost",
            "slip_mm": slip * 1e3,
            "slip_deg": float(np.degrees(turn)),
            "farthest_mm": reach * 1e3,
            "item_position_m": hardware.item_in_world().translation.tolist(),
            "contacts": hardware.contacts(),
            "ticks": self.tick,
            "late_ticks": self.late,
            "ticks_without_command": self.missed,
            "lost_commands": hardware.arrival.lost,
        }
        beside = path.with_name(path.name + ".part")
        beside.write_text(json.dumps(said, indent=1))
        beside.replace(path)


def _resting(command: Command) -> bool:
    """Returns whether a command is of an arm at rest that stays there."""
    return bool(np.abs(command.v).max() <= RESTING_SPEED and np.abs(command.a).max() <= RESTING_ACCELERATION)


def begun(line: Line, told: tuple[Any, ...]) -> tuple[Controller, Settling]:
    """Builds the controller that the client asks for; see `serve`."""
    controller = Controller(line, Setup(*told))
    return controller, controller.hardware.settling


if __name__ == "__main__":
    sys.exit(serve(int(sys.argv[1]), begun))
