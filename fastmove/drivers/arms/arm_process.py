"""The process in which a maker's client runs: it plays one command in every cycle of the arm, and brakes where none is left.

`python -m fastmove.drivers.arms.arm_process FD` is started by `arms.arm_driver`.  It is a process of its own, because such
clients block: on a handshake that is never finished, on a line that is dead, and some hold the interpreter all the
while.  Commands wait here for their turn, so that the arm gets every one of them, in order, by its own clock; it begins when
`lead` seconds of them are there, or all of a shorter motion, up to rest.  Where they run out in motion, or at `stop`, or when the
client is gone, every joint brakes as fast as a share of its limits allows (Ruckig), and no more commands are taken until it is
connected to again.
"""

from __future__ import annotations

import pickle
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import ruckig

from fastmove.arrays import Array
from fastmove.drivers.arms.arm import Arm, ArmState, Phase, Told
from fastmove.drivers.arms.turns import Output, Turns, is_still
from fastmove.drivers.driver import Command
from fastmove.drivers.process.packets import Kind, Line, command_unpacked
from fastmove.drivers.process.serving import sentence, serve

SHARE = 0.5  # share of the acceleration and jerk limits with which it brakes by itself
QUIET = 5  # number of cycles without a new command after which a motion that is shorter than `lead`, and ends at rest, begins
IDLE = 0.002  # time between two looks at the line where there is no arm to wait for [s]
LAST = 3.0  # longest time after the client is gone [s]


@dataclass(frozen=True)
class Setup:
    """What the client tells the process at the beginning.

    Attributes:
        arm: "module:class" of the arm.
        options: what its class is called with.
        acceleration: (n,) acceleration limits of the joints [rad/s²].
        jerk: (n,) jerk limits [rad/s³].
        lead: time of commands that are there before the arm begins [s].
    """

    arm: str
    options: dict[str, Any]
    acceleration: Array
    jerk: Array
    lead: float


class ArmProcess:
    """Plays commands to an arm.

    Args:
        line: line to the client.
        setup: what the client asks for.
        arm: the arm.
    """

    def __init__(self, line: Line, setup: Setup, arm: Arm) -> None:
        self.line, self.setup, self.arm, self.n = line, setup, arm, len(setup.acceleration)
        self.leaving = ""
        self._begin()

    def _begin(self) -> None:
        """Connects; every earlier motion, stop and fault is forgotten."""
        self.arm.connect()
        self.phase, self.tick, self._quiet = Phase.READY, 0, 0
        self._turns = Turns()
        self._last: Command | None = None
        self._brake: ruckig.Trajectory | None = None
        self._braked = 0.0

    def run(self) -> None:
        """Plays until it is told to end or the client is gone, and then until the arm is at rest."""
        left = float("inf")
        while not (self.leaving and self._rests()) and time.monotonic() < left:
            state = self._waited()
            self._take()
            if self.leaving and left == float("inf"):
                left = time.monotonic() + LAST
                if not self._turns.end_at_rest:  # else what has been sent is played to its end
                    self._stop()
            if state is not None and self.phase is not Phase.FAILED:
                try:
                    self._advance(state.elapsed)
                except Exception as error:
                    self._fail(error)
            self.tick += 1
            if state is not None:
                self.line.send(Kind.STATE, Told(self.tick, time.monotonic(), self.phase, self._turns.taken, state).packed())
        self.arm.close()

    def _waited(self) -> ArmState | None:
        """The state of the arm in its next cycle; None where it has failed."""
        if self.phase is Phase.FAILED:
            time.sleep(IDLE)
            return None
        try:
            return self.arm.wait()
        except Exception as error:  # whatever its maker's client raises, the arm does not go on
            self._fail(error)
            return None

    def _fail(self, error: Exception) -> None:
        """Says why the arm does not go on; it stays so until it is connected to again."""
        self.phase, self._last, self._brake = Phase.FAILED, None, None
        self._turns.clear()
        self.line.call(Kind.FAULT, sentence(error))

    def _take(self) -> None:
        """Takes what has come from the client."""
        self._quiet += 1
        for kind, body in self.line.received():
            if kind is Kind.COMMAND and self.phase in (Phase.READY, Phase.GATHERING, Phase.FOLLOWING):
                self._turns.add(command_unpacked(body, self.n)[1])
                self.phase, self._quiet = max(self.phase, Phase.GATHERING), 0
            elif kind is Kind.COMMAND:
                self._turns.drop()
            elif kind is Kind.STOP:
                self._stop()
            elif kind is Kind.OUTPUT:
                output: Output = pickle.loads(body)
                self._turns.add(output) if len(self._turns) else self._switch([output])
            elif kind is Kind.CALL:
                self._called(*pickle.loads(body))
        if self.line.ended and not self.leaving:
            self.leaving = "the client is gone"

    def _switch(self, outputs: list[Output]) -> None:
        """Switches outputs in their turn; where that fails the arm brakes, and why is said."""
        for number, on in outputs:
            try:
                self.arm.output(number, on)
            except Exception as error:
                self._stop()
                self.line.call(Kind.FAULT, sentence(error))

    def _called(self, name: str, *arguments: Any) -> None:
        """Does what the client calls for at rest, and answers."""
        if name == "close":
            self.leaving = "closed"
            self.line.call(Kind.ANSWER, None)
            return
        failed = self.phase is Phase.FAILED and name != "connect"
        if failed or not self._rests():
            why = (
                f"has stopped by itself; {name} needs it recovered"
                if failed
                else f"moves, or is about to; {name} needs it at rest"
            )
            self.line.call(Kind.FAILED, False, why)
            return
        try:
            answer = (self._begin if name == "connect" else getattr(self.arm, name))(*arguments)
        except Exception as error:
            self.line.call(Kind.FAILED, False, sentence(error))
            return
        self.line.call(Kind.ANSWER, answer)

    def _advance(self, elapsed: int) -> None:
        """Sends the reference of the next cycle; those of cycles that the arm went through by itself are passed over.

        Args:
            elapsed: number of the arm's cycles since the last reference.
        """
        gathered = len(self._turns) * self.arm.cycle >= self.setup.lead - 1e-9
        whole = self._quiet > QUIET and self._turns.end_at_rest  # else more is to come, however late its sender is
        if self.phase is Phase.GATHERING and (gathered or whole):
            self.phase, elapsed = Phase.FOLLOWING, 1
        if self._brake is None and self._last is None and self.phase is not Phase.FOLLOWING:
            self.arm.hold()
        elif self._brake is not None:
            self._slow(self._brake, elapsed)
        elif self.phase is Phase.FOLLOWING:
            self._follow(elapsed)

    def _follow(self, elapsed: int) -> None:
        """Plays the next command, or brakes where none is left."""
        self._switch(self._turns.outputs())
        for _ in range(elapsed - 1):
            if len(self._turns) > 1:
                self._turns.next()
                self._switch(self._turns.outputs())
        if self.phase is Phase.FOLLOWING and len(self._turns):
            self._last = self._turns.next()
            rests = not len(self._turns) and is_still(self._last)
            self.arm.move(self._last.q, self._last.v, rests)
            if rests:
                self.phase, self._last = Phase.READY, None
                self._switch(self._turns.outputs())
            return
        self._stop()
        if self._brake is not None:
            self._slow(self._brake, elapsed)

    def _stop(self) -> None:
        """Begins to brake from the last command, unless it does or the arm is not meant to move."""
        if self.phase is Phase.FAILED or self._brake is not None:
            return
        self._turns.clear()
        self.phase = Phase.BRAKING
        if self._last is not None:
            self._brake, self._braked = _braking(self._last, self.setup), 0.0

    def _slow(self, brake: ruckig.Trajectory, elapsed: int) -> None:
        """Brakes for so many cycles."""
        self._braked += elapsed * self.arm.cycle
        q, v, _ = brake.at_time(min(self._braked, brake.duration))
        rests = self._braked >= brake.duration
        self.arm.move(np.array(q), np.array(v), rests)
        if rests:
            self._brake = self._last = None

    def _rests(self) -> bool:
        """Whether the arm is not meant to move."""
        return self.phase is Phase.FAILED or (self._last is None and not len(self._turns))


def _braking(command: Command, setup: Setup) -> ruckig.Trajectory:
    """The motion in which all joints brake to rest at the same time, as fast as the share of their limits allows."""
    n = len(command.q)
    request = ruckig.InputParameter(n)
    request.control_interface = ruckig.ControlInterface.Velocity
    request.current_position, request.current_velocity = command.q.tolist(), command.v.tolist()
    request.target_velocity = request.target_acceleration = [0.0] * n
    request.max_acceleration, request.max_jerk = (SHARE * setup.acceleration).tolist(), (SHARE * setup.jerk).tolist()
    request.current_acceleration = np.clip(command.a, -setup.acceleration, setup.acceleration).tolist()
    trajectory = ruckig.Trajectory(n)
    ruckig.Ruckig(n).calculate(request, trajectory)
    return trajectory


def begun(line: Line, told: tuple[Any, ...]) -> tuple[ArmProcess, None]:
    """Builds and connects what the client asks for; see `serve`."""
    setup = Setup(*told)
    module, _, name = setup.arm.partition(":")
    return ArmProcess(line, setup, getattr(import_module(module), name)(**setup.options)), None


if __name__ == "__main__":
    sys.exit(serve(int(sys.argv[1]), begun))
