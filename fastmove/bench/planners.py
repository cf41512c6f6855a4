"""Planners by name, for comparison: each takes a problem and returns a Solution whose certificate is for that problem."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from fastmove.bench.peers import rrtc_ruckig, rrtc_toppra
from fastmove.certificate import certify
from fastmove.planner import plan
from fastmove.problem import TransferProblem
from fastmove.retiming import retime
from fastmove.solution import Solution, Status
from fastmove.trajectory import Trajectory

SLOWEST = 64.0  # times the duration
BISECTIONS = 20
HELD = ("torque", "hold", "pad_share", "tilt", "shock", "swing")  # what slowing down can mend


def without_hold(problem: TransferProblem) -> Solution:
    """The same planner with the hold switched off; the certificate knows nothing of the hold either."""
    return plan(problem.with_(hold_active=False))


def slowdown(problem: TransferProblem) -> Solution:
    """The motion without hold, slowed uniformly until it holds (and every other limit with it)."""
    begin = time.perf_counter()
    free = without_hold(problem)
    if free.trajectory is None or not free.ok:
        return replace(free, problem=problem)
    low, high = 1.0, 1.0
    while not certify(problem, free.trajectory.slowed(high), HELD).ok:
        low, high = high, high * 1.5
        if high > SLOWEST:
            return Solution(problem, Status.NOT_HOLDABLE, "no slower motion along this path holds", lower_bound=free.lower_bound)
    for _ in range(BISECTIONS if high > 1.0 else 0):
        middle = (low + high) / 2
        if certify(problem, free.trajectory.slowed(middle), HELD).ok:
            high = middle
        else:
            low = middle
    return _certified(problem, free, free.trajectory.slowed(high), begin)


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


PLANNERS: dict[str, Callable[[TransferProblem], Solution]] = {
    "fastmove": plan,
    "fastmove-nohold": without_hold,
    "slowdown": slowdown,
    "hold-toppra": hold_toppra,
    "rrtc-ruckig": rrtc_ruckig,
    "rrtc-toppra": rrtc_toppra,
}
