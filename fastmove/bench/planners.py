"""Planners to compare with, built from FastMove's own: without the hold, uniformly slowed down, and retimed along the path.

Each takes a problem and returns a `Solution`, whose certificate covers only the limits that the planner knows.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from fastmove.certificate.certify import certify
from fastmove.planner.context import PlanningContext
from fastmove.planner.planner import plan
from fastmove.planner.retiming import REST_SAMPLES, retime
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.limit_kinds import TORQUE_RATE, kinds_in
from fastmove.solution.solution import Solution, Status
from fastmove.trajectory.trajectory import Trajectory

SLOWEST = 64.0  # Largest factor by which `slowdown` stretches the duration [1].
FACTOR = 1.5  # Ratio of successive trial factors until one holds [1].
BISECTIONS = 14  # Number of bisections of the factor that follow, down to 3e-5 of the duration [1].
# Kinds of limits that `slowdown` checks at every trial factor: those that a slower motion uses less of, but the torque rate.
MENDED = tuple(kind.name for kind in kinds_in("effort", "contact", "tolerance") if kind.slower and kind is not TORQUE_RATE)


def without_hold(problem: TransferProblem) -> Solution:
    """Plan with the hold limit switched off; the certificate does not check the hold either."""
    return plan(problem.with_(hold_active=False))


def slowdown(problem: TransferProblem) -> Solution:
    """Plan without the hold limit, then slow the motion down uniformly until the hold and every other limit is met."""
    begin = time.perf_counter()
    free = without_hold(problem)
    if free.trajectory is None or not free.ok:
        return replace(free, problem=problem)
    trajectory = free.trajectory

    def holds(factor: float) -> bool:
        return certify(problem, trajectory.slowed(factor), MENDED).ok

    if holds(1.0):
        return _certified(problem, free, trajectory, begin)
    refusal = PlanningContext.of(problem).checks.path_refusal(
        trajectory.position(np.linspace(0, trajectory.duration, REST_SAMPLES))
    )
    low, high = 1.0, FACTOR
    while refusal is None and not holds(high):
        low, high = high, high * FACTOR
        refusal = f"not even {low:.0f} times slower" if high > SLOWEST else None
    if refusal is not None:
        return Solution(problem, Status.NOT_HOLDABLE, f"no slower motion holds: {refusal}", lower_bound=free.lower_bound)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return _certified(problem, free, trajectory.slowed(high), begin)


def hold_toppra(problem: TransferProblem) -> Solution:
    """Plan without the hold limit, then follow the same path as fast as every limit and the hold allow (`retime`)."""
    begin = time.perf_counter()
    free = without_hold(problem)
    if free.trajectory is None or not free.ok:
        return replace(free, problem=problem)
    retimed = retime(free.problem.with_(hold_active=True), free.trajectory)
    return replace(retimed, problem=problem, timings=retimed.timings | {"total": time.perf_counter() - begin})


def _certified(problem: TransferProblem, free: Solution, trajectory: Trajectory, begin: float) -> Solution:
    certificate = certify(problem, trajectory)
    status = Status.CERTIFIED if certificate.ok else Status.NOT_CERTIFIED
    timings = {"total": time.perf_counter() - begin}
    return replace(free, problem=problem, status=status, trajectory=trajectory, certificate=certificate, timings=timings)
