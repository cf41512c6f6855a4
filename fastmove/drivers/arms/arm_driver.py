"""The driver of a real arm: the client's side of the process in which its maker's own client runs.

Nothing here waits for the arm in flight: `send` puts a command on the line, `read` takes the newest state from it.  Whatever may
block runs under a watchdog: where no answer comes in time the process is ended, and the sentence says so.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection
from importlib.util import find_spec
from typing import Any

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.drivers.arms.arm import Phase, Told
from fastmove.drivers.driver import Command, Driver, Reading
from fastmove.drivers.process.packets import Kind, command_packed
from fastmove.drivers.process.remote import Remote
from fastmove.errors import DriverFailed, InputError, MissingPackage, UnknownName
from fastmove.multibody.assembly import assemble
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.link_geometry import link_frame

LEAD = 0.03  # default time of commands that wait for their turn [s]
LATENCY = 0.01  # longest time from a command's turn until a reading shows where the arm went [s]
CONNECT_TIMEOUT = 10.0  # longest time of a handshake [s]
RECOVER_TIMEOUT = 10.0  # longest time in which what stopped the arm is cleared [s]
READ_BACK = 0.5  # longest time until a payload that was told is read back [s]
ALIGN_TIMEOUT = 5.0  # longest time in which it goes there [s]
SPARE = 3  # number of commands that may wait beyond those that are meant to
STALE = 2  # age of the newest state, in cycles, from which on `read` waits for another
READ_TIMEOUT = 0.02  # longest time that `read` waits [s]

WORDS = {
    Phase.BRAKING: "was stopped, or ran out of commands, and takes none until `recover`",
    Phase.FAILED: "has stopped by itself",
}


class ArmDriver(Driver):
    """A real arm; commands must come in real time, one a cycle, and are acted on `lead` later.

    Args:
        problem: transfer that the motion was planned for; its robot says where flange and hand are.
        arm: "module:class" of what calls the maker's client.
        name: what it is and where, for messages.
        cycle: control cycle of the arm [s].
        flanges: names that the frame of the flange may have in the robot's URDF.
        options: what the class is called with.
        signals: numbers of its digital inputs and of its outputs.
        lead: time of commands that are there before the arm begins to move [s].

    Attributes:
        told: what the process said last.
    """

    realtime = True

    def __init__(
        self,
        problem: TransferProblem,
        arm: str,
        name: str,
        cycle: float,
        flanges: tuple[str, ...],
        options: dict[str, Any],
        signals: tuple[Collection[int], Collection[int]] = ((), ()),
        lead: float = LEAD,
    ) -> None:
        if not 2 * cycle <= lead <= 1.0:
            raise InputError("lead", f"is {lead} s; allowed: two cycles, {2 * cycle:g}, to 1 s")
        self.problem, self.arm, self.name, self.cycle, self.lead = problem, arm, name, cycle, lead + LATENCY
        self.inputs, self.outputs = signals
        self._options, self._gathered, self._looks, self._sent = options, lead, 0, 0
        self._tool = _flange_T_tool(problem, flanges)
        self._remote = Remote("fastmove.drivers.arms.arm_process", name, self._heard)
        self.told: Told | None = None

    def connect(self) -> None:
        """Starts the process and its handshake with the arm, or connects anew; waits for the arm's first state.

        Raises:
            DriverFailed: there is no such arm, it refuses, or its handshake is not finished in time.
        """
        self.told, self._looks, self._sent, self._remote.fault = None, 0, 0, ""
        if self._remote.line is not None and not self._remote.line.ended:
            self._called("connect", timeout=CONNECT_TIMEOUT)
        else:
            self._remote.close()
            self._begin()
        self._options |= self._called("memory")
        self.told, self._remote.fault = None, ""
        self._remote.wait(lambda: self.told is not None, CONNECT_TIMEOUT)

    def _begin(self) -> None:
        """Starts the process."""
        limits = self.problem.limit_set
        setup = (self.arm, self._options, np.array(limits.acceleration), np.array(limits.jerk), self._gathered)
        try:
            self._remote.start(*setup, timeout=CONNECT_TIMEOUT)
        except DriverFailed as error:
            self._remote.close()
            said = str(error).removeprefix(f"{self.name} refused start: ")
            late = "within" in said and "did not answer" in said
            what = f"{self.name} did not finish its handshake within {CONNECT_TIMEOUT:g} s; is another client connected?"
            raise DriverFailed(what if late else f"{self.name}: {said}") from None

    def recover(self) -> None:
        """Clears what stopped the arm, with the arm where it is, and connects anew.

        Raises:
            DriverFailed: it does not answer, or is stopped still.
        """
        try:
            self.connect()
        except DriverFailed:
            self._remote.close()
            self.connect()

    def payload(self, mass: float, com: Array, inertia: Array) -> None:
        """Tells the arm what it carries besides its hand, while it rests."""
        body = self._tool.act(pin.Inertia(float(mass), np.array(com), np.array(inertia)))
        self._called("payload", body.mass, np.array(body.lever), np.array(body.inertia))
        self._pass_cycles()
        self._remote.wait(lambda: self._carries(body.mass), READ_BACK, strict=False)

    def _pass_cycles(self) -> None:
        """Waits for two more cycles of the arm; raises DriverFailed where it has stopped by itself."""
        tick = self._now().tick
        self._remote.wait(lambda: self._now().tick > tick + 1 or self._failed(), CONNECT_TIMEOUT)
        self._raise_fault()

    def _carries(self, mass: float) -> bool:
        """Whether the arm believes that it carries so much, or cannot say."""
        carried = self._now().state.carried
        return carried is None or abs(carried - mass) < 1e-3

    def carried(self) -> float | None:
        """Returns the mass that the arm believes it carries besides its hand [kg]; None where it cannot say."""
        return self._newest().state.carried

    def speed_scale(self) -> float | None:
        """Returns the position of the arm's speed slider, 0 to 1; None where it has none."""
        return self._newest().state.scale

    def align(self, q: Array) -> None:
        """Lets the arm go the last milliradians to where a motion begins, where its maker asks for that."""
        self._called("align", np.array(q), timeout=ALIGN_TIMEOUT)
        self._pass_cycles()

    def input(self, number: int) -> bool | None:
        """Returns whether a digital input is on; None where the arm has none."""
        bits = self._newest().state.inputs
        return None if bits is None else bool(bits >> number & 1)

    def output(self, number: int, on: bool) -> None:
        """Puts the switching of a digital output on the line, where it waits for its turn among the commands."""
        self._remote.live().call(Kind.OUTPUT, number, on)

    def takes_more(self) -> bool:
        """Returns whether no more commands wait for their turn than are meant to; else the arm's clock is behind ours."""
        self._remote.receive()
        return self._sent - self._now().taken <= self._gathered / self.cycle + SPARE

    def played(self) -> bool:
        """Returns whether every command that was sent has had its turn."""
        self._remote.receive()
        self._raise_fault()
        return self._now().taken >= self._sent

    def read(self) -> Reading:
        """Returns the newest state, at once; only where that is two cycles old it waits up to 20 ms for another.

        Raises:
            DriverFailed: the arm has stopped by itself, or the process is gone.
        """
        self._remote.receive()
        if self._age() > STALE * self.cycle:
            self._remote.wait(lambda: self._age() <= STALE * self.cycle or self._failed(), READ_TIMEOUT, strict=False)
        self._raise_fault()
        now = self._now()
        if self._age() <= STALE * self.cycle:
            self._looks = max(now.tick, self._looks + 1)
        return Reading(self._looks, now.state.q, now.state.v, now.state.gripping, now.state.scale)

    def send(self, command: Command) -> Command:
        """Puts a command on the line, to be played in its turn; it never waits.

        Raises:
            DriverFailed: the arm has stopped, or the process is gone.
        """
        self._raise_fault()
        if self._now().phase in WORDS:
            raise DriverFailed(f"{self.name} {WORDS[self._now().phase]}")
        if not self._remote.live().send(Kind.COMMAND, command_packed(time.monotonic(), command)):
            raise DriverFailed(f"{self.name} no longer takes commands from the line")
        self._sent += 1
        return command

    def stop(self) -> None:
        """Tells the process to brake the arm and keep it at rest, still gripping; it neither waits for that nor raises."""
        with contextlib.suppress(Exception):
            self._remote.live().send(Kind.STOP)

    def close(self) -> None:
        """Lets the arm brake if it moves, and leaves it to its own program; the process is gone afterwards."""
        self._remote.close()

    # -- the line -----------------------------------------------------------------------------------------------------

    def _called(self, call: str, *arguments: Any, timeout: float = RECOVER_TIMEOUT) -> Any:
        """Calls for something; where no answer comes in time the process is ended, since its client hangs."""
        try:
            return self._remote.call(call, *arguments, timeout=timeout)
        except DriverFailed as error:
            if "did not answer" in str(error):
                self._remote.close()
                raise DriverFailed(f"{self.name} hung in {call}; its client was ended after {timeout:g} s") from None
            raise

    def _heard(self, body: bytes) -> None:
        """Keeps what the process said last."""
        self.told = Told.unpacked(body)

    def _failed(self) -> bool:
        """Whether the process said, uncalled for, that something has failed."""
        return bool(self._remote.fault)

    def _raise_fault(self) -> None:
        """Raises DriverFailed with what the arm said, where it has stopped by itself."""
        if self._remote.fault:
            raise DriverFailed(f"{self.name}: {self._remote.fault}")

    def _now(self) -> Told:
        """What the process said last."""
        if self.told is None:
            raise DriverFailed(f"{self.name} is not connected")
        return self.told

    def _newest(self) -> Told:
        """What the process says now."""
        self._remote.receive()
        return self._now()

    def _age(self) -> float:
        """Age of what it said last [s]."""
        return time.monotonic() - self._now().stamp


def options_of(address: str, known: dict[str, type]) -> tuple[str, dict[str, Any]]:
    """Reads HOST,NAME=VALUE,… from a driver's address.

    Args:
        address: the address.
        known: type of the value of every name.

    Returns:
        The host, and the values by name.

    Raises:
        InputError: there is no host, a name is unknown, or a value cannot be read.
    """
    host, *parts = address.split(",")
    if not host or "=" in host:
        raise InputError("driver", f"has the address {address!r}; needed: HOST or HOST,NAME=VALUE,… of {', '.join(known)}")
    values: dict[str, Any] = {}
    for part in parts:
        name, _, text = part.partition("=")
        if name not in known:
            raise UnknownName("driver", f"{name!r} is unknown in its address; allowed: {', '.join(known)}", name, known)
        try:
            values[name] = known[name](text)
        except ValueError:
            raise InputError("driver", f"has {name} = {text!r} in its address; a number is needed") from None
    return host, values


def needs(package: str, purpose: str, extra: str) -> None:
    """Raises MissingPackage where a maker's client is not installed."""
    if find_spec(package) is None:
        raise MissingPackage(package, purpose, extra)


def _flange_T_tool(problem: TransferProblem, flanges: tuple[str, ...]) -> pin.SE3:
    """Pose of the tool frame, of what holds the first item (else of the first hand or cup), in the flange's."""
    robot, model = problem.robot, assemble(problem).arm
    names = [name for name in flanges if model.existFrame(name)]
    if not names:
        raise InputError("robot", f"{robot.name} has no flange frame; one of {', '.join(flanges)} is needed in its URDF")
    if not robot.grippers:
        return pin.SE3.Identity()
    gripper = problem.holds[0].gripper if problem.holds else next(iter(robot.grippers.values()))
    flange, hand = link_frame(model, names[0]), link_frame(model, gripper.parent_frame)
    if flange.parentJoint != hand.parentJoint:
        raise InputError("robot", f"{robot.name} has a joint between {names[0]} and {gripper.parent_frame}; none may be there")
    return flange.placement.actInv(hand.placement * gripper.parent_T_tool)
