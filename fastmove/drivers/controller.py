"""The driver `controller`: simulated hardware in a process of its own, in real time, as hardware behind a network is.

The controller (`controller_process`) ticks whether commands come or not.  This client never waits for it in flight: `send` puts a
command on the line, `read` takes the newest state from it.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.drivers.driver import Command, PhysicsDriver, Reading
from fastmove.drivers.process.packets import Kind, State, Status, command_packed
from fastmove.drivers.process.remote import CALL_TIMEOUT, Remote
from fastmove.drivers.simulated.contact_record import unwanted_contacts
from fastmove.drivers.simulated.displacement import worst
from fastmove.drivers.simulated.imperfections import Imperfections, imperfections_of
from fastmove.errors import DriverFailed, InputError
from fastmove.problem.transfer import TransferProblem

WATCHDOG = 0.02  # default time without a command after which a moving arm is braked [s]
STALE = 2  # age of the newest state, in cycles, from which on `read` waits for another
READ_TIMEOUT = 0.01  # longest time that `read` waits [s]
START_TIMEOUT = 60.0  # longest time in which the process starts and closes the hand [s]

WORDS = {
    Status.STOPPED: "was stopped and takes no commands until it is connected to again",
    Status.WATCHDOG: "braked by its watchdog, since commands stayed away, and takes none until it is connected to again",
    Status.RELEASED: "has opened the hand and takes no commands until it is connected to again",
}


def connect(problem: TransferProblem, address: str = "", along: Array | None = None) -> ControllerDriver:
    """Builds the driver `controller` for `registries.drivers`.

    Args:
        problem: transfer to simulate.
        address: imperfections of the hardware, as `delay=0.001,lost=0.1` (see `Imperfections`); empty = perfect.
        along: (N, n) configurations along the motion, see `MujocoDriver` [rad].
    """
    return ControllerDriver(problem, along=along, imperfections=imperfections_of(address))


class ControllerDriver(PhysicsDriver):
    """The client of a controller in a process of its own; commands must come in real time, one a cycle.

    How closely it follows depends on that they do, so it does not say (`following` is None).

    Args:
        problem: transfer that the motion was planned for.
        cycle: control cycle [s], a whole number of simulation steps.
        step: simulation step [s].
        along: (N, n) configurations along the motion, see `MujocoDriver` [rad].
        imperfections: of servo, encoders, grip and the way of commands; default none.
        truth: what is really there; default the problem.
        watchdog: time without a command after which the controller brakes a moving arm by itself [s].
        report: JSON file in which the controller says what became of arm and item as it ends, also where the client was killed.

    Attributes:
        state: newest state that came.

    Raises:
        InputError: the watchdog's time is out of range.
    """

    realtime = True

    def __init__(
        self,
        problem: TransferProblem,
        cycle: float = 1e-3,
        step: float = 1e-3,
        along: Array | None = None,
        imperfections: Imperfections | None = None,
        truth: TransferProblem | None = None,
        watchdog: float = WATCHDOG,
        report: str | os.PathLike[str] | None = None,
    ) -> None:
        if not 2 * cycle <= watchdog <= 1.0:
            raise InputError("watchdog", f"is {watchdog}; allowed: two cycles, {2 * cycle:g}, to 1 s")
        self.problem, self.truth, self.cycle = problem, truth or problem, cycle
        self._step, self._along, self._faults = step, along, imperfections or Imperfections()
        self._watchdog, self._report = watchdog, None if report is None else Path(report).absolute()
        self._remote = Remote("fastmove.drivers.controller_process", "the controller", self._heard)
        self.state: State | None = None
        self.recorded: list[tuple[float, pin.SE3]] = []
        self.least_touching, self._looks = -1, 0

    def connect(self) -> None:
        """Starts the process if it does not run, closes the hand and waits for the first state.

        Raises:
            InputError: the problem cannot be simulated.
            DriverFailed: the process does not start.
        """
        self.state = None
        if self._remote.line is not None:
            self.settling = self._remote.call("connect")
        else:
            setup = (self.problem, None if self.truth is self.problem else self.truth, self.cycle, self._step, self._along)
            self.settling = self._remote.start(*setup, self._faults, self._watchdog, self._report, timeout=START_TIMEOUT)
        self.state = None
        self._remote.wait(lambda: self.state is not None, CALL_TIMEOUT)
        self.recorded, self.least_touching, self._looks = [], self.settling.touching, 0

    def payload(self, mass: float, com: Array, inertia: Array) -> None:
        """Tells the controller what it carries; every command's feed-forward torque includes it."""
        self._remote.call("payload", float(mass), np.array(com), np.array(inertia))
        tick = self._now().tick
        self._remote.wait(lambda: self._now().tick > tick, CALL_TIMEOUT)

    def carried(self) -> float:
        """Returns the mass that the controller carries by its own account [kg], at first 0."""
        self._remote.receive()
        return self._now().mass

    def speed_scale(self) -> float:
        """Returns 1: there is no speed slider."""
        return 1.0

    def status(self) -> Status:
        """Returns what the controller is at."""
        self._remote.receive()
        return self._now().status

    @property
    def process_id(self) -> int:
        """Number of the controller's process; 0 where none runs."""
        return self._remote.process_id

    def late(self) -> int:
        """Returns how many of the controller's ticks began late, by more than half a cycle."""
        self._remote.receive()
        return self._now().late

    def read(self) -> Reading:
        """Returns the newest state, at once; only where that is two cycles old it waits up to 10 ms for another.

        Its `cycles` counts ticks, and one more for every further look at a tick that is not old: a client that was late and makes
        up for it looks often, and the controller is not silent for that.

        Raises:
            DriverFailed: the controller is gone.
        """
        self._remote.receive()
        if self._age() > STALE * self.cycle:
            self._remote.wait(lambda: self._age() <= STALE * self.cycle, READ_TIMEOUT, strict=False)
        now = self._now()
        if self._age() <= STALE * self.cycle:
            self._looks = max(now.tick, self._looks + 1)
        return Reading(self._looks, now.q, now.v, now.gripping)

    def send(self, command: Command) -> Command:
        """Puts a command on the line, for the controller's next tick; it never waits.

        Raises:
            DriverFailed: the controller is gone, or takes no commands because of its watchdog, a stop or the open hand.
        """
        now = self._now()
        if now.status in WORDS:
            raise DriverFailed(f"the controller {WORDS[now.status]}")
        if not self._remote.live().send(Kind.COMMAND, command_packed(time.monotonic(), command)):
            raise DriverFailed("the controller no longer takes commands from the line")
        return command

    def stop(self) -> None:
        """Tells the controller to brake to rest and stay there, still gripping; it neither waits for that nor raises."""
        with contextlib.suppress(Exception):
            self._remote.live().send(Kind.STOP)

    def release(self, seconds: float = 0.6) -> None:
        """Opens the fingers with the arm at rest, and waits for the item to come to rest.

        Args:
            seconds: time to wait [s].

        Raises:
            DriverFailed: the arm moves, or the controller is gone.
        """
        self._remote.call("release", seconds, timeout=seconds + CALL_TIMEOUT)
        self._account()

    def worst_slip(self) -> tuple[float, float, float]:
        """Returns the item's largest displacement [m], rotation [rad] and displacement of its farthest point [m] in the hand."""
        poses = self._account()["poses"]
        return worst(poses[0], poses, self.truth.holds[0].hull_points)

    def item_in_world(self) -> pin.SE3:
        """Returns the pose of the item's frame in the world."""
        pose: pin.SE3 = self._account()["item"]
        return pose

    def contacts(self) -> list[tuple[float, str, str]]:
        """Returns the unwanted contacts since `connect`, until the hand opens (see `contact_record.unwanted_contacts`)."""
        goal = self.problem.goal.configurations[:1] if self._along is None else self._along[-1:]
        ends = np.stack([self.problem.start.q, *(goal if len(goal) else [self.problem.start.q])])
        return unwanted_contacts(self.truth, self._account()["moved"], ends)

    def close(self) -> None:
        """Lets the controller brake if the arm moves, write its report and end; the process is gone afterwards."""
        self._remote.close()

    def _now(self) -> State:
        """Returns the newest state that came."""
        if self.state is None:
            raise DriverFailed("the controller is not connected")
        return self.state

    def _age(self) -> float:
        """Returns the age of the newest state [s]."""
        return time.monotonic() - self._now().stamp

    def _heard(self, body: bytes) -> None:
        """Keeps the newest state."""
        self.state = State.unpacked(body)

    def _account(self) -> dict[str, Any]:
        """Returns what the controller knows of the run (see `MujocoDriver.account`)."""
        account: dict[str, Any] = self._remote.call("account")
        self.recorded, self.least_touching = account["recorded"], account["least_touching"]
        return account
