"""The streaming loop itself, measured: how many cycles are late while the planner works beside it, and what a command costs."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from fastmove.drivers.kinematic import KinematicDriver
from fastmove.execution.loop import LATE, SPIN
from fastmove.execution.planning_process import PlanningProcess
from fastmove.execution.stream import Execution
from fastmove.pacing import wait_until
from fastmove.problem.goal import Goal
from fastmove.solution.solution import Solution

CHANGED = 0.15  # Time of the motion at which its goal is moved, so that the planner works [s].
MOVED = 0.05  # By how much the first joint of the goal is moved [rad].


def bare_loop(seconds: float, cycle: float = 1e-3) -> dict[str, Any]:
    """Runs a loop that does nothing but wait for its cycles, as the streaming loop waits for its own."""
    late, count, end = 0, 0, time.perf_counter() + seconds
    due = time.perf_counter()
    while time.perf_counter() < end:
        if (behind := wait_until(due, SPIN)) > LATE:
            late, due = late + 1, due + behind
        due += cycle
        count += 1
    return {"cycles": count, "late": late}


def loop_under_load(solution: Solution, seconds: float, process: PlanningProcess) -> dict[str, Any]:
    """Streams for so many seconds at 1 kHz, in flights whose goal is moved in each, so that the planner works beside the loop.

    Returns:
        Cycles, late ones, how late at most [s], the median cost of a command [µs], how long the planner worked [s].
    """
    assert solution.trajectory is not None
    cycles = late = 0
    costs, worst, planning = [], 0.0, 0.0
    goal = solution.trajectory.position(solution.duration)
    goal[0] += MOVED
    while cycles * 1e-3 < seconds:
        with KinematicDriver(solution.problem) as driver, Execution(driver, solution, process=process) as run:
            run.start()
            time.sleep(CHANGED)
            asked = time.perf_counter()
            reply = run.replan(goal=Goal(goal[None]))
            reply.wait(30)
            planning += time.perf_counter() - asked
            report, log = run.wait(30), run.log()
        cycles, late = cycles + report.cycles, late + report.late
        costs.append(report.command_us)
        worst = max(worst, float(np.diff(log.time).max()) - 1e-3)
    return {"cycles": cycles, "late": late, "worst": worst, "command_us": float(np.median(costs)), "planning_s": planning}
