"""Held stops of a motion, measured: certified, held in physics, beside the joints' own brake."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from fastmove.certificate.certify import certify
from fastmove.certificate.hold import UTILISATION_LIMIT
from fastmove.execution.slip_test import judge
from fastmove.execution.stops import Stop, stop_table
from fastmove.problem.goal import Goal, State
from fastmove.problem.transfer import TransferProblem
from fastmove.search.time_bound import braking_motion, sampled
from fastmove.solution.solution import Solution
from fastmove.trajectory.piecewise_polynomial import quintic_hermite
from fastmove.trajectory.trajectory import Phase, Trajectory

SWEPT = 10  # Every tenth stop gets the full certificate from scratch.
BEGUN = 0.999  # Speed below which slowing has begun.
BRAKE_SAMPLES = 40
JUDGED = 2  # Number of rollouts of the slip test for each stop; the second one is disturbed.


def held_motion(solution: Solution, stop: Stop) -> tuple[TransferProblem, Trajectory]:
    """Returns the motion up to a stop and through it, and the problem that it solves."""
    assert stop.change is not None and stop.change.solution.trajectory is not None and solution.trajectory is not None
    last = stop.change.solution.trajectory
    goal = Goal(last.position(last.duration)[None], opens_hand=False)
    return solution.problem.with_(goal=goal), solution.trajectory.splice(stop.begins, last)


def own_brake(solution: Solution, at: float) -> dict[str, Any]:
    """Measures the brake of the joints alone, as fast as acceleration and jerk limits allow, whatever is in the hand."""
    problem, trajectory = solution.problem, solution.trajectory
    assert trajectory is not None
    start = State(trajectory.position(at), trajectory.velocity(at), trajectory.acceleration(at))
    motion = braking_motion(start, problem.limit_set, 1.0)
    if motion.duration < 1e-3:
        return {"time": 0.0, "throws": False}
    times = np.linspace(0, motion.duration, BRAKE_SAMPLES + 1)
    widths = np.array([held.width for held in problem.holds])
    phase = Phase(quintic_hermite(times, *sampled(motion, times)), None, None, np.array(solution.grip_force), widths)
    kinds = certify(problem, Trajectory((phase,), problem.robot.joint_names), ["hold", "pad_share"]).kinds
    return {"time": motion.duration, "throws": max(1 - e.normalised for e in kinds.values()) * UTILISATION_LIMIT > 1}


def stops_of(solution: Solution, instants: int) -> dict[str, Any]:
    """Measures the stops at so many instants of a motion.

    Returns:
        CPU time of the table [s]; for each instant when it begins, time to rest, way and where; verdicts of physics on each that
        is begun; when slowing begins [s]; the joints' own brakes; instants whose certificate from scratch is not ok.
    """
    begin = time.process_time()
    table = stop_table(solution, solution.duration / (instants - 1))
    cost = time.process_time() - begin
    verdicts, begun, faults = [], [], []
    brakes = [own_brake(solution, min(stop.at, solution.duration - 1e-6)) for stop in table.stops]
    own = [stop for stop in table.stops if stop.change is not None and stop.begins == stop.at]
    for k, stop in enumerate(own):
        problem, motion = held_motion(solution, stop)
        verdicts.append(judge(problem, motion, measure=False, rollouts=JUDGED).verdict.name)
        assert stop.change is not None
        if stop.change.law is not None:
            grid = np.arange(0.0, stop.change.law.duration, 0.001)
            begun.append(float(grid[np.argmax(stop.change.law.pieces.derivative()(grid)[:, 0] < BEGUN)]))
        else:
            begun.append(0.0)
        if k % SWEPT == 0:
            kinds = [kind.name for kind in problem.limit_kinds if kind.name not in ("release", "corridor")]
            faults += [] if certify(problem, motion, kinds).ok else [stop.at]
    rows = [{"at": s.at, "begins": s.begins, "time": s.time, "distance": s.distance, "where": s.where} for s in table.stops]
    return {"table_s": cost, "stops": rows, "verdicts": verdicts, "begun": begun, "brakes": brakes, "faults": faults}
