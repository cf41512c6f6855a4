"""The driver `ur`: Universal Robots' arms through ur-rtde (RTDE, servoj at 500 Hz, the dashboard for recovery).

ur-rtde uploads a script that follows its registers; the arm must be in remote control.  `servoJ` returns False where the script
no longer runs, and raises nothing, so every return value is looked at.  The payload that is set in the arm when it is connected
to is taken for the hand's; what is told later is that and the item.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from fastmove.arrays import Array
from fastmove.drivers.arms.arm import Arm, ArmFailed, ArmState
from fastmove.drivers.arms.arm_driver import LEAD, ArmDriver, needs, options_of
from fastmove.pacing import wait_until
from fastmove.problem.transfer import TransferProblem

CYCLE = 2e-3  # of an e-series arm; a CB3 arm takes 8e-3 [s]
LOOKAHEAD, GAIN = 0.03, 2000.0  # of servoj: the least smoothing [s] and the largest gain that it allows
SPIN = 2e-4  # time before a cycle is due for which it spins instead of sleeping [s]
SILENT = 0.1  # time without a new state after which the line counts as lost [s]
WHY = 0.02  # time after which the arm's state says why it takes no command [s]
WATCHDOG = 4.0  # least rate at which the arm's script wants to hear of us [Hz]
NORMAL = (1, 2)  # safety modes "normal" and "reduced"
LOST = "is the cable in, is the controller on?"
SAFETY = {
    3: "a protective stop", 4: "recovery mode", 5: "a safeguard stop", 6: "a system emergency stop",
    7: "an emergency stop of the robot", 8: "a violation of its safety limits", 9: "a fault",
}  # fmt: skip
NUMBERS, OFF = 18, 0.01  # number of digital inputs and of outputs; difference of masses that counts [kg]
OUTPUTS = {range(8): "setStandardDigitalOut", range(8, 16): "setConfigurableDigitalOut", range(16, 18): "setToolDigitalOut"}


def connect(problem: TransferProblem, address: str = "", along: Array | None = None) -> ArmDriver:
    """Builds the driver `ur` for `registries.drivers`.

    Args:
        problem: transfer that is to be run.
        address: HOST[,cycle=SECONDS][,grip_input=NUMBER][,hand_mass=KG][,lead=SECONDS][,silent=SECONDS]: the digital input that
            says that the hand grips; what the hand weighs, which the arm's own payload has to be when it is connected to; time
            without a new state after which the line counts as lost.
        along: not used.

    Raises:
        InputError: the address cannot be read.
        MissingPackage: ur-rtde is not installed.
    """
    needs("rtde_control", "the driver ur", "ur")
    host, options = options_of(address, {"cycle": float, "grip_input": int, "hand_mass": float, "lead": float, "silent": float})
    lead, cycle = options.pop("lead", LEAD), options.setdefault("cycle", CYCLE)
    arm = "fastmove.drivers.arms.ur:UrArm"
    signals, frames = (range(NUMBERS), range(NUMBERS)), ("tool0", "flange")
    return ArmDriver(problem, arm, f"the UR at {host}", cycle, frames, {"host": host, **options}, signals, lead)


class UrArm(Arm):
    """A UR arm.

    Args:
        host: name or address of its controller.
        cycle: control cycle [s].
        grip_input: digital input that says that the hand grips; None = nothing says so.
        hand_mass: mass of the hand [kg]; None = that of the payload that is set.
        silent: time without a new state after which the line counts as lost [s].
        hand: mass [kg] and centre of mass (3,) [m] of the hand, where they are known from an earlier connection.
    """

    def __init__(
        self,
        host: str,
        cycle: float = CYCLE,
        grip_input: int | None = None,
        hand_mass: float | None = None,
        silent: float = SILENT,
        hand: tuple[float, Array] | None = None,
    ) -> None:
        self.host, self.cycle, self.grip_input, self.hand_mass = host, cycle, grip_input, hand_mass
        self._control: Any = None
        self.silent = silent
        self._hand = hand

    def connect(self) -> None:
        """Clears a protective stop, uploads the script and starts the receiver."""
        import rtde_control
        import rtde_io
        import rtde_receive

        self.close()
        try:
            self._clear()
            self._receive = rtde_receive.RTDEReceiveInterface(self.host, 1 / self.cycle)
            if (mode := self._receive.getSafetyMode()) not in NORMAL:
                raise ArmFailed(f"is in {SAFETY.get(mode, f'safety mode {mode}')}; clear it on its panel")
            self._control = rtde_control.RTDEControlInterface(self.host, 1 / self.cycle)
            self._io = rtde_io.RTDEIOInterface(self.host)
        except RuntimeError as error:
            raise ArmFailed(str(error).strip()) from None
        self._control.setWatchdog(WATCHDOG)
        if self._hand is None:
            self._hand = float(self._receive.getPayload()), np.array(self._receive.getPayloadCog())
            if self.hand_mass is not None and abs(self._hand[0] - self.hand_mass) > OFF:
                said = f"believes that it carries {self._hand[0]:g} kg, its hand alone weighs {self.hand_mass:g}"
                raise ArmFailed(f"{said}; set the payload of the hand on its panel")
        self._due = self._heard = time.perf_counter()
        self._stamp = -1.0

    def _clear(self) -> None:
        """Clears a protective stop through the dashboard; what cannot be cleared shows afterwards."""
        import dashboard_client

        dashboard = dashboard_client.DashboardClient(self.host)
        dashboard.connect()
        dashboard.closeSafetyPopup()
        if "PROTECTIVE" in dashboard.safetystatus().upper():
            dashboard.unlockProtectiveStop()
        dashboard.disconnect()

    def wait(self) -> ArmState:
        """Waits for the next cycle, by this machine's clock, and returns the newest state."""
        behind = wait_until(self._due, SPIN)
        self._due += self.cycle + (behind if behind > self.cycle else 0.0)
        try:
            return self._state()
        except RuntimeError as error:
            raise ArmFailed(f"the line is lost ({str(error).strip()}); {LOST}") from None

    def _state(self) -> ArmState:
        """The newest state; raises ArmFailed where the line is lost, or the arm has stopped by itself."""
        receive, now = self._receive, time.perf_counter()
        stamp = receive.getTimestamp()
        if stamp != self._stamp:
            self._stamp, self._heard = stamp, now
        if not receive.isConnected() or now - self._heard > self.silent:
            raise ArmFailed(f"the line is lost; {LOST}")
        if (mode := receive.getSafetyMode()) not in NORMAL:
            raise ArmFailed(f"has gone into {SAFETY.get(mode, f'safety mode {mode}')}")
        assert self._hand is not None
        bits = int(receive.getActualDigitalInputBits())
        gripping = None if self.grip_input is None else bool(bits >> self.grip_input & 1)
        carried, scale = receive.getPayload() - self._hand[0], receive.getTargetSpeedFraction()
        return ArmState(np.array(receive.getActualQ()), np.array(receive.getActualQd()), gripping, carried, scale, bits)

    def move(self, q: Array, v: Array, rests: bool) -> None:
        """Sends the reference of the next cycle by servoj."""
        try:
            if self._control.servoJ(q.tolist(), 0.0, 0.0, self.cycle, LOOKAHEAD, GAIN):
                return
        except RuntimeError as error:
            raise ArmFailed(f"the line is lost ({str(error).strip()}); {LOST}") from None
        time.sleep(WHY)  # until the state says why, if it does
        self.wait()
        running = self._control.isConnected() and self._control.isProgramRunning()
        raise ArmFailed("did not take a command" if running else "its program was stopped")

    def hold(self) -> None:
        """Says that this client is there, else the arm's script would end."""
        if not self._control.kickWatchdog():
            raise ArmFailed("its program was stopped")

    def memory(self) -> dict[str, Any]:
        """Returns what the hand weighs, since the arm's payload is that and the item from now on."""
        return {"hand": self._hand}

    def payload(self, mass: float, com: Array, inertia: Array) -> None:
        """Tells the arm the mass and centre of mass of hand and item together."""
        assert self._hand is not None
        total = self._hand[0] + mass
        middle = (self._hand[0] * self._hand[1] + mass * com) / max(total, 1e-9)
        if not self._control.setPayload(total, middle.tolist()):
            raise ArmFailed(f"did not take the payload of {total:g} kg")

    def output(self, number: int, on: bool) -> None:
        """Switches a digital output: 0 to 7 standard, 8 to 15 configurable, 16 and 17 at the tool."""
        for numbers, call in OUTPUTS.items():
            if number in numbers:
                if not getattr(self._io, call)(number - numbers.start, on):
                    raise ArmFailed(f"did not switch output {number}")
                return
        raise ArmFailed(f"has no digital output {number}; allowed: 0 to 17")

    def close(self) -> None:
        """Ends servoing, sets the payload to the hand's again, and ends the script."""
        control, self._control = self._control, None
        if control is None or not control.isConnected():
            return
        control.servoStop()
        if self._hand is not None and control.isProgramRunning():
            control.setPayload(self._hand[0], self._hand[1].tolist())
        control.stopScript()
        control.disconnect()
