"""Faults in flight, measured: the arm comes to rest, the item is held where physics allows it, and what happened has a name."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pinocchio as pin

from fastmove.child_process import import_path
from fastmove.drivers.driver import Command, Reading
from fastmove.drivers.mujoco import MujocoDriver
from fastmove.drivers.simulated.imperfections import Imperfections
from fastmove.execution.planning_process import PlanningProcess
from fastmove.execution.run_transfer import places_along
from fastmove.execution.slip_test import verdict_of
from fastmove.execution.stream import Execution
from fastmove.execution.update import Update
from fastmove.problem.goal import TOOL, Goal, GoalPose
from fastmove.solution.solution import Solution

FAULTS = (
    "late cycles", "lost packets", "read raises", "send raises", "saturation", "weak grip", "heavier item", "goal gone", "Ctrl-C",
    "our process killed", "planner killed",
)  # fmt: skip
WHEN = (0.1, 0.8)  # Range of the shares of the motion's duration at which the fault happens.
LATE = 0.03  # By how much each of some cycles is late [s].
LATE_CYCLES = 5
LOST = 0.2  # Share of commands that are lost.
SATURATED = 0.6  # Share of the torque limits beyond which torque is clipped.
WEAK, HEAVY = (0.6, 0.95), (1.1, 1.6)  # Ranges of the factors of grip force and mass, of which nobody knows.
PATIENCE = 60.0  # Longest run [s].
CHILD = """
import pickle, sys
import fastmove as fm
from fastmove.drivers.controller import ControllerDriver
solution = pickle.load(open(sys.argv[1], "rb"))
with ControllerDriver(solution.problem, report=sys.argv[2]) as driver, fm.Execution(driver, solution) as run:
    print("begins", flush=True)
    run.start()
    run.wait()
    print("done", flush=True)
    sys.stdin.read()
"""


class FaultyDriver(MujocoDriver):
    """Simulated hardware that is late or raises from one cycle on.

    Args:
        fault: one of `FAULTS`.
        at: time of the motion from which on it happens [s].
        others: arguments of `MujocoDriver`.
    """

    def __init__(self, fault: str, at: float, *others: Any, **named: Any) -> None:
        super().__init__(*others, **named)
        self.fault, self.at = fault, at

    @property
    def _now(self) -> bool:
        return self.cycles * self.cycle >= self.at

    def read(self) -> Reading:
        """Raises where that is the fault."""
        if self._now and self.fault == "read raises":
            raise OSError("cable pulled")
        if self._now and self.fault == "Ctrl-C":
            raise KeyboardInterrupt
        return super().read()

    def send(self, command: Command) -> Command:
        """Raises, or takes its time, where that is the fault."""
        if self._now and self.fault == "send raises":
            raise RuntimeError("controller fault 7")
        if self.fault == "late cycles" and self.at <= self.cycles * self.cycle < self.at + LATE_CYCLES * self.cycle:
            time.sleep(LATE)
        return super().send(command)


def faulted(solution: Solution, fault: str, rng: np.random.Generator, process: PlanningProcess) -> dict[str, Any]:
    """Flies a motion in physics with one fault.

    Returns:
        How the run ended, the named events, whether the arm is at rest, whether the item is held.
    """
    at = float(rng.uniform(*WHEN) * solution.duration)
    if fault == "our process killed":
        return {"fault": fault, "at": at} | _killed(solution, at)
    driver = FaultyDriver(fault, at, solution.problem, along=places_along(solution), **_wrong(solution, fault, rng))
    raised, own = "", PlanningProcess() if fault == "planner killed" else None
    with driver, Execution(driver, solution, process=own or process) as run:
        try:
            run.start()
            while run.now < at and run.report is None:
                time.sleep(0.001)
            if fault == "goal gone" and run.report is None:
                run.replan(goal=Goal(poses=(GoalPose(pin.SE3(np.eye(3), np.array([9.0, 9.0, 9.0])), of=TOOL),)))
            elif own is not None:
                os.kill(own.process.pid, signal.SIGKILL)
                run.stop()
            report = run.wait(PATIENCE)
        except Exception as error:
            raised, report = f"{type(error).__name__}: {error}", run.wait(PATIENCE)
        slip, turn, reach = driver.worst_slip()
        speed = _speed(driver)
    if own is not None:
        own.close()
    held = verdict_of(slip, turn, 0.0, reach, solution.problem.clearance, False).name
    return {
        "fault": fault, "at": at, "ended": report.event.name, "events": [event.event.name for event in report.events],
        "raised": raised, "at_rest": speed < 0.02, "speed": speed, "verdict": held, "slip_mm": 1e3 * slip,
        "turn_deg": float(np.degrees(turn)), "touching": driver.least_touching,
    }  # fmt: skip


def _speed(driver: MujocoDriver) -> float:
    """Largest joint speed of the simulated arm now [rad/s]."""
    simulation = driver.simulation
    return float(np.abs(np.array(simulation.data.qvel[: simulation.n])).max())


def _wrong(solution: Solution, fault: str, rng: np.random.Generator) -> dict[str, Any]:
    """What is wrong with the hardware or with what it carries, from the start on and told to nobody."""
    problem = solution.problem
    if fault == "lost packets":
        return {"imperfections": Imperfections(lost=LOST, seed=int(rng.integers(1 << 30)))}
    if fault == "saturation":
        return {"imperfections": Imperfections(saturation=SATURATED)}
    if fault == "weak grip":
        return {"imperfections": Imperfections(grip_factor=float(rng.uniform(*WEAK)))}
    if fault == "heavier item":
        mass = problem.holds[0].item.members[0].mass * float(rng.uniform(*HEAVY))
        return {"truth": Update(mass=mass).applied(problem, 0.0)}
    return {}


def _killed(solution: Solution, at: float) -> dict[str, Any]:
    """Flies in a process of its own, to a controller in another one, and kills the first with -9."""
    with tempfile.TemporaryDirectory() as folder:
        plan, said = Path(folder) / "plan", Path(folder) / "report.json"
        plan.write_bytes(pickle.dumps(solution))
        command = [sys.executable, "-W", "ignore", "-c", CHILD, str(plan), str(said)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": import_path()}
        ) as child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(at)
            child.send_signal(signal.SIGKILL)
            child.wait()
        until = time.monotonic() + 5.0
        while not said.exists() and time.monotonic() < until:
            time.sleep(0.02)
        row: dict[str, Any] = json.loads(said.read_text()) if said.exists() else {}
    if not row:
        return {"ended": "KILLED", "events": [], "raised": "", "at_rest": False, "verdict": "UNKNOWN"}
    slip, turn, reach = 1e-3 * row["slip_mm"], float(np.radians(row["slip_deg"])), 1e-3 * row["farthest_mm"]
    verdict = verdict_of(slip, turn, 0.0, reach, solution.problem.clearance, False).name
    return {
        "ended": "KILLED", "events": [row["ended"], row["status"]], "raised": "", "at_rest": row["arm"] == "at rest",
        "speed": row["speed_rad_s"], "verdict": verdict, "slip_mm": row["slip_mm"], "turn_deg": row["slip_deg"],
    }  # fmt: skip
