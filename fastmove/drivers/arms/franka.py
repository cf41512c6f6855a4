"""The driver `franka`: Franka Robotics' FR3 through pylibfranka (joint positions at 1 kHz, by the robot's clock).

pylibfranka holds the interpreter while it waits and its calls have no timeout, which is why it runs in a process of its
own.  The robot takes a motion only from right where it is, and checks every command by differences over its cycles: so the arm
is brought to the first configuration exactly and held there by commands, and where the robot went through cycles by itself as
many commands are passed over.  What its hand grips is asked only while the arm rests, since that blocks, too.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from fastmove.arrays import Array
from fastmove.drivers.arms.arm import Arm, ArmFailed, ArmState
from fastmove.drivers.arms.arm_driver import LEAD, ArmDriver, needs, options_of
from fastmove.problem.transfer import TransferProblem

CYCLE = 1e-3  # [s]
HELD = 500  # number of cycles for which a motion that is over is held by commands, before the robot holds by itself
GENTLE = 0.2  # acceleration with which the last milliradians are gone [rad/s²]
SHORTEST = 0.1  # least time for that [s]
HAND_EVERY = 0.2  # time between two looks at the hand while the arm rests [s]
SPEED = 0.05  # of the fingers [m/s]
WIDER = 0.005  # how far from the item's width the fingers may be when they grip it [m]


def connect(problem: TransferProblem, address: str = "", along: Array | None = None) -> ArmDriver:
    """Builds the driver `franka` for `registries.drivers`.

    Args:
        problem: transfer that is to be run.
        address: HOST[,grasp=1][,realtime=1][,lead=SECONDS]: grasp = 1 closes the hand on the item when it is connected to;
            realtime = 1 asks for a real-time kernel, as Franka does.
        along: not used.

    Raises:
        InputError: the address cannot be read.
        MissingPackage: pylibfranka is not installed.
    """
    needs("pylibfranka", "the driver franka", "franka")
    host, options = options_of(address, {"grasp": int, "realtime": int, "lead": float})
    realtime = bool(options.pop("realtime", 0))
    lead, grasps = options.pop("lead", LEAD), bool(options.pop("grasp", 0)) and bool(problem.holds)
    held = problem.holds[0] if grasps else None
    grasp = None if held is None else (held.width, held.planned_grip)
    options = {"host": host, "grasp": grasp, "realtime": realtime}
    arm, flanges = "fastmove.drivers.arms.franka:FrankaArm", ("fr3_link8", "panda_link8", "link8")
    return ArmDriver(problem, arm, f"the Franka at {host}", CYCLE, flanges, options, lead=lead)


class FrankaArm(Arm):
    """A Franka arm.

    Args:
        host: name or address of its controller.
        grasp: width [m] and force [N] with which the hand is closed when it is connected to; None = it stays as it is.
        realtime: whether a real-time kernel is asked for.
    """

    def __init__(self, host: str, grasp: tuple[float, float] | None = None, realtime: bool = False) -> None:
        self.host, self.cycle, self.grasp, self.realtime = host, CYCLE, grasp, realtime
        self._robot: Any = None
        self._motion: Any = None
        self._load: tuple[float, list[float], list[float]] | None = None

    def connect(self) -> None:
        """Connects, recovers from a reflex, tells the load again, and closes the hand if that is asked for."""
        import pylibfranka

        self._client = pylibfranka
        self.close()
        try:
            config = pylibfranka.RealtimeConfig
            self._robot = pylibfranka.Robot(self.host, config.kEnforce if self.realtime else config.kIgnore)
            if self._state().robot_mode == pylibfranka.RobotMode.Reflex:
                self._robot.automatic_error_recovery()
            mode = self._state().robot_mode
            if mode not in (pylibfranka.RobotMode.Idle, pylibfranka.RobotMode.Move):
                raise ArmFailed(f"is in the mode {mode.name}; release its stop, and let it be idle")
            if self._load is not None:
                self._robot.set_load(*self._load)
        except RuntimeError as error:
            raise ArmFailed(_words(error)) from None
        self._find_hand()
        self._elapsed = 0.0

    def _find_hand(self) -> None:
        """Looks for a hand; without one nothing says whether it grips."""
        self._hand: Any = None
        self._gripping: bool | None = None
        self._looked = 0.0
        try:
            self._hand = self._client.Gripper(self.host)
            if self.grasp is not None:
                self._hand.grasp(self.grasp[0], SPEED, self.grasp[1], WIDER, WIDER)
        except RuntimeError as error:
            if self.grasp is not None:
                raise ArmFailed(f"does not grasp: {_words(error)}") from None

    def _state(self) -> Any:
        """The robot's state now: after a pause the first one that is read is as old as the pause."""
        self._robot.read_once()
        return self._robot.read_once()

    def wait(self) -> ArmState:
        """Waits for the robot's next cycle."""
        try:
            if self._motion is None:
                state, elapsed = self._robot.read_once(), 1
                self._look_at_hand()
            else:
                state, since = self._motion.readOnce()
                elapsed = max(1, round(since.to_sec() / self.cycle))
        except RuntimeError as error:
            self._motion = None
            raise ArmFailed(_words(error)) from None
        gripping = self._gripping if self._motion is None else None
        return ArmState(np.array(state.q), np.array(state.dq), gripping, float(state.m_load), elapsed=elapsed)

    def _look_at_hand(self) -> None:
        """Asks the hand now and then whether it grips."""
        if self._hand is not None and time.perf_counter() - self._looked > HAND_EVERY:
            self._looked = time.perf_counter()
            self._gripping = bool(self._hand.read_once().is_grasped)

    def align(self, q: Array) -> None:
        """Goes the last milliradians by a quintic from right where the robot's own reference is, and stays there."""
        try:
            self._finish()
            begin = np.array(self._state().q_d)
            self._begin()
            duration = max(SHORTEST, float(np.sqrt(6 * np.abs(q - begin).max() / GENTLE)))
            self._motion.readOnce()
            for s in np.linspace(0.0, 1.0, int(np.ceil(duration / self.cycle)) + 1):
                self._write(begin + s**3 * (10 - 15 * s + 6 * s * s) * (q - begin))
                self._motion.readOnce()
            self._write(q)
        except RuntimeError as error:
            self._motion = None
            raise ArmFailed(_words(error)) from None

    def _begin(self) -> None:
        """Begins a motion; the robot wants a reference in every cycle from then on."""
        self._motion = self._robot.start_joint_position_control(self._client.ControllerMode.JointImpedance)
        self._held = 0

    def _write(self, q: Array, finished: bool = False) -> None:
        """Sends a reference."""
        positions = self._client.JointPositions(q.tolist())
        positions.motion_finished = finished
        self._motion.writeOnce(positions)
        self._q = q

    def _finish(self) -> None:
        """Ends a motion that is at rest; the robot holds by itself from then on."""
        if self._motion is not None:
            self._motion.readOnce()
            self._write(self._q, finished=True)
            self._motion = None

    def move(self, q: Array, v: Array, rests: bool) -> None:
        """Sends the reference of the next cycle."""
        if self._motion is None:
            raise ArmFailed("has no motion under way; it begins where it was brought to (`align`)")
        self._held = 0
        self._sent(q)

    def _sent(self, q: Array, finished: bool = False) -> None:
        """Sends a reference; raises ArmFailed where the robot does not take it."""
        try:
            self._write(q, finished)
        except (RuntimeError, ValueError) as error:
            self._motion = None
            raise ArmFailed(_words(error)) from None

    def hold(self) -> None:
        """Holds a motion that is over or has not begun by commands, for a while."""
        if self._motion is None:
            return
        self._held += 1
        finished = self._held >= HELD
        self._sent(self._q, finished)
        if finished:
            self._motion = None

    def payload(self, mass: float, com: Array, inertia: Array) -> None:
        """Tells the robot its load, with no motion under way."""
        self._load = mass, com.tolist(), inertia.T.ravel().tolist()
        try:
            self._finish()
            self._robot.set_load(*self._load)
        except RuntimeError as error:
            raise ArmFailed(_words(error)) from None

    def close(self) -> None:
        """Ends a motion that is under way, and leaves the robot."""
        self._motion = self._robot = self._hand = None


def _words(error: Exception) -> str:
    """What the robot says, without the name of its library."""
    return str(error).removeprefix("libfranka").removeprefix(" robot").removeprefix(" gripper").removeprefix(":").strip()
