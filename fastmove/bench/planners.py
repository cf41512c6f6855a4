"""Planners by name, for comparison: each takes a problem and returns a Solution with a certificate of what that planner knows."""

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

SLOWEST = 64.0  # times the duration
FACTOR, BISECTIONS = 1.5, 14  # to 3e-5 of the duration
MENDED = tuple(kind.name for kind in kinds_in("effort", "contact", "tolerance") if kind.slower and kind is not TORQUE_RATE)


def without_hold(problem: TransferProblem) -> Solution:
    """The same planner with the hold switched off; the certificate knows nothing of the hold either."""
    return plan(problem.with_(hold_active=False))


def slowdown(problem: TransferProblem) -> Solution:
    """The motion without hold, slowed uniformly until it holds (and every other limit with it)."""
    begin = time.perf_counter()
    free = without_hold(problem)
    if free.trajectory is None or not free.ok:
        return replace(free, problem=problem)
    way = free.trajectory

    def holds(factor: float) -> bool:
        return certify(problem, way.slowed(factor), MENDED).ok

    if holds(1.0):
        return _certified(problem, free, way, begin)
    refusal = PlanningContext.of(problem).checks.path_refusal(way.position(np.linspace(0, way.duration, REST_SAMPLES)))
    low, high = 1.0, FACTOR
    while refusal is None and not holds(high):
        low, high = high, high * FACTOR
        refusal = f"not even {low:.0f} times slower" if high > SLOWEST else None
    if refusal is not None:
        return Solution(problem, Status.NOT_HOLDABLE, f"no slower motion holds: {refusal}", lower_bound=free.lower_bound)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return _certified(problem, free, way.slowed(high), begin)


def hold_toppra(problem: TransferProblem) -> Solution:
    """The path of the motion without hold, gone along as fast as every limit and the hold allow (`retime`)."""
    begin = time.perf_counter()
    free = without_hold(problem)
    if free.trajectory is None or not free.ok:
        return replace(free, problem=problem)
    found = retime(free.problem.with_(hold_active=True), free.trajectory)
    return replace(found, problem=problem, timings=found.timings | {"total": time.perf_counter() - begin})


def _certified(problem: TransferProblem, free: Solution, trajectory: Trajectory, begin: float) -> Solution:
    certificate = certify(problem, trajectory)
    status = Status.CERTIFIED if certificate.ok else Status.NOT_CERTIFIED
    timings = {"total": time.perf_counter() - begin}
    return replace(free, problem=problem, status=status, trajectory=trajectory, certificate=certificate, timings=timings)
