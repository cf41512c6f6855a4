"""Speed commands in flight, measured: how soon they are followed, whether any limit is left, whether physics holds the item."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from fastmove.arrays import Array
from fastmove.drivers.mujoco import MujocoDriver
from fastmove.execution.flight_log import FlightLog
from fastmove.execution.planning_process import BAD, PlanningProcess
from fastmove.execution.run_transfer import places_along
from fastmove.execution.slip_test import verdict_of
from fastmove.execution.stream import Execution
from fastmove.robot.joint_limits import LimitSet
from fastmove.solution.solution import Solution
from fastmove.trajectory.trajectory import Trajectory

SPEEDS = (0.0, 0.05, 0.3, 1.0)
APART = (0.05, 0.35)  # Range of the time between two commands [s].
SHARE = 0.9  # Share of a change after which it counts as followed.
JOINED = 0.1  # Time after which what was answered has begun [s].
FINE = 2e-4  # Step of the places on the path among which the nearest is looked for [s].
SMOOTHED = 5  # Number of cycles over which the speed along the path is averaged.


def commanded(solution: Solution, commands: int, rng: np.random.Generator, process: PlanningProcess) -> dict[str, Any]:
    """Flies a motion with random speed commands at random times, then on to its end, in physics.

    Returns:
        For each command what was asked, when, how it was answered, and after how long 90 % of the change was there [s];
        violations of the joints' limits in what was sent; verdict of physics.
    """
    assert solution.trajectory is not None
    rows: list[dict[str, Any]] = []
    with MujocoDriver(solution.problem, along=places_along(solution)) as driver:
        with Execution(driver, solution, process=process) as run:
            run.start()
            for _ in range(commands):
                time.sleep(float(rng.uniform(*APART)))
                if run.report is not None:
                    break
                target, asked = float(rng.choice(SPEEDS)), run.loop.since_start
                rows.append({"target": target, "asked": asked, "reply": run.speed(target)})
            time.sleep(JOINED)
            while run.report is None and not run.loop.ends_at_goal:
                run.resume().wait(20)
                time.sleep(JOINED)
            report, log = run.wait(60), run.log()
        slip, turn, reach = driver.worst_slip()
    speed = speed_along(solution.trajectory, log)
    for row in rows:
        reply = row.pop("reply")
        row["answer"] = reply.answers[-1].event.name if reply.answers else ""
        row["detail"] = reply.answers[-1].detail if reply.answers else ""
        row["ok"] = bool(reply.answers) and reply.answers[-1].event not in BAD
        row["after"] = _followed(log.time, speed, row["asked"], row["target"]) if row["ok"] else None
    at_end = np.abs(log.q[-1] - solution.trajectory.position(solution.duration)).max() < 1e-9
    return {
        "commands": rows, "violations": violations(log, solution.problem.limit_set), "arrived": bool(at_end),
        "verdict": verdict_of(slip, turn, report.tracking, reach, solution.problem.clearance, False).name, "late": report.late,
        "cycles": report.cycles,
    }  # fmt: skip


def speed_along(path: Trajectory, log: FlightLog) -> Array:
    """Returns the speed (N,) along a path at each command, 1 = the path's own: from where on it the commands are."""
    places = np.arange(0.0, path.duration + FINE, FINE)
    q = path.position(np.minimum(places, path.duration))
    at = np.array([places[int(np.argmin(np.abs(q - row).sum(axis=1)))] for row in log.q])
    kernel = np.ones(SMOOTHED) / SMOOTHED
    return np.convolve(np.gradient(at, log.cycle), kernel, mode="same")


def _followed(times: Array, speed: Array, asked: float, target: float) -> float | None:
    """Time after which 90 % of a change of speed was there [s]; 0 where there was nothing to change, None where it never was."""
    first = int(np.searchsorted(times, asked))
    if first >= len(times) or abs(speed[first] - target) < 0.02:
        return 0.0 if first < len(times) else None
    there = np.abs(speed[first:] - target) <= (1 - SHARE) * abs(speed[first] - target) + 0.01
    return float(times[first + int(np.argmax(there))] - asked) if there.any() else None


def violations(log: FlightLog, limits: LimitSet) -> int:
    """Counts what was sent beyond the joints' limits, and jumps, cycle by cycle and by finite differences alone."""
    q, v, a, cycle = log.q, log.v, log.a, log.cycle
    off = np.abs(np.diff(q, axis=0) / cycle - (v[1:] + v[:-1]) / 2) > cycle**2 * limits.jerk
    jerk = np.abs(np.diff(a, axis=0)) > 1.01 * cycle * limits.jerk + 1e-4
    beyond = [np.abs(v) > limits.velocity * (1 + 1e-9), np.abs(a) > limits.acceleration * (1 + 1e-9)]
    return int(off.sum() + jerk.sum() + sum(row.sum() for row in beyond))
