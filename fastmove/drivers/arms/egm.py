"""The driver `egm`: ABB's arms through Externally Guided Motion (ABBRobotEGM: UDP, joint angles at 250 Hz).

The robot sends first: its RAPID program runs EGMRunJoint with this machine as its UDP partner, and every packet of its is
answered with the reference of the next cycle.  Degrees on the wire.  EGM knows no payload: it is set in RAPID (GripLoad), and
not read back.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastmove.arrays import Array
from fastmove.drivers.arms.arm import Arm, ArmFailed, ArmState
from fastmove.drivers.arms.arm_driver import LEAD, ArmDriver, needs, options_of
from fastmove.problem.transfer import TransferProblem

CYCLE, PORT = 4e-3, 6510  # of EGM [s], and where robots send to unless they are told otherwise
FIRST = 5.0  # longest time until the robot's first packet [s]
SILENT = 0.1  # longest time between two of its packets [s]
SIGNAL = 0  # number of the one digital signal that EGM has in each direction


def connect(problem: TransferProblem, address: str = "", along: Array | None = None) -> ArmDriver:
    """Builds the driver `egm` for `registries.drivers`.

    Args:
        problem: transfer that is to be run.
        address: HOST[,port=NUMBER][,lead=SECONDS]: the robot, whose packets alone are answered; the UDP port that it sends to.
        along: not used.

    Raises:
        InputError: the address cannot be read.
        MissingPackage: ABBRobotEGM is not installed.
    """
    needs("ABBRobotEGM", "the driver egm", "egm")
    host, options = options_of(address, {"port": int, "lead": float})
    lead, arm = options.pop("lead", LEAD), "fastmove.drivers.arms.egm:EgmArm"
    signals, frames = ((SIGNAL,), (SIGNAL,)), ("tool0", "flange")
    return ArmDriver(problem, arm, f"the ABB at {host}", CYCLE, frames, {"host": host, **options}, signals, lead)


class EgmArm(Arm):
    """An ABB arm.

    Args:
        host: address of its controller.
        port: UDP port to which it sends.
    """

    def __init__(self, host: str, port: int = PORT) -> None:
        self.host, self.port, self.cycle = host, port, CYCLE
        self._line: Any = None
        self._on: bool | None = None

    def connect(self) -> None:
        """Waits for the robot's first packet."""
        from ABBRobotEGM import EGM

        self.close()
        try:
            self._line = EGM(self.port)
        except OSError as error:
            raise ArmFailed(f"cannot be listened to on UDP port {self.port}: {error.strerror}") from None
        self._q: Array | None = None
        self._before: tuple[Array, float] | None = None  # configuration [rad] and time [s] of the packet before
        state = self._next(FIRST, f"sends nothing to UDP port {self.port}; does its program run EGMRunJoint with this machine?")
        self._q = np.array(state.joint_angles)

    def _next(self, timeout: float, silent: str) -> Any:
        """The newest packet of the robot; raises ArmFailed where none comes, or it does not follow."""
        came, state, _ = self._line.receive_latest(timeout)
        if not came:
            raise ArmFailed(silent)
        if self._line.egm_addr[0] != self.host:
            raise ArmFailed(f"is not what sends to UDP port {self.port}: {self._line.egm_addr[0]} does")
        if not state.motors_on:
            raise ArmFailed("has its motors off")
        if not state.rapid_running or state.mci_state != state.robot_message.mciState.MCI_RUNNING:
            raise ArmFailed("has stopped its program, or its guided motion is over")
        return state

    def wait(self) -> ArmState:
        """Waits for the robot's next packet."""
        state = self._next(SILENT, "is silent; is the cable in, does its program run?")
        q, now = np.radians(np.array(state.joint_angles)), 1e-3 * int(state.header.tm)
        before, since = (q, now - self.cycle) if self._before is None else self._before
        self._before = q, now
        v = (q - before) / max(now - since, self.cycle)
        digital = state.robot_message.RAPIDfromRobot.digVal if state.robot_message.HasField("RAPIDfromRobot") else None
        return ArmState(q, v, inputs=None if digital is None else int(digital) << SIGNAL)

    def move(self, q: Array, v: Array, rests: bool) -> None:
        """Sends the reference of the next cycle."""
        self._q = np.degrees(q)
        self.hold()

    def hold(self) -> None:
        """Answers with where the arm is meant to be: a packet that is not answered ends the guided motion."""
        if self._q is not None and not self._line.send_to_robot(self._q, digital_signal_to_robot=self._on):
            raise ArmFailed("cannot be sent to")

    def output(self, number: int, on: bool) -> None:
        """Switches the one digital signal that EGM takes to the robot."""
        if number != SIGNAL:
            raise ArmFailed(f"has no digital output {number}; EGM has {SIGNAL} alone")
        self._on = on

    def close(self) -> None:
        """Stops answering, which ends the guided motion."""
        line, self._line = self._line, None
        if line is not None:
            line.close()
