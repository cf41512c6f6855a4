"""Held stops and other speeds in flight, measured: `make flight` (resumes; half an hour on one core).

    python tests/support/flight.py [--instants 50] [--commands 20] [--out flight.jsonl]

For every shipped problem whose obstacles stand still, with a reserve of 0 and of 0.1: the plan, held stops at evenly spaced
instants (certified; the certificate's full sweep for some; physics for each on the path), beside the brake of the joints alone
(how long it takes, and whether it asks more than the grip has); and random speed commands, checked every millisecond.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import fastmove as fm
from fastmove.certificate.hold import UTILISATION_LIMIT
from fastmove.execution.stops import AT_GOAL, OFF_PATH, ON_PATH, Stop, stop_table
from fastmove.search.time_bound import braking_motion, sampled
from fastmove.trajectory.piecewise_polynomial import quintic_hermite
from fastmove.trajectory.trajectory import Phase

RESERVES = (0.0, 0.1)
SPEEDS = (0.0, 0.05, 0.3, 1.0)
SWEPT = 10  # Every tenth stop gets the full certificate, distances included.
BEGUN = 0.999  # Speed below which slowing has begun.
BRAKE_SAMPLES = 40


def held_motion(solution: fm.Solution, stop: Stop) -> tuple[fm.TransferProblem, fm.Trajectory]:
    """The motion up to a stop and through it, and the problem that it solves."""
    last = stop.change.solution.trajectory
    goal = fm.Goal(last.position(last.duration)[None], opens_hand=False)
    return solution.problem.with_(goal=goal), solution.trajectory.splice(stop.begins, last)


def brake(solution: fm.Solution, at: float) -> dict[str, Any]:
    """The brake of the joints alone: each as fast as its acceleration and jerk allow, whatever is in the hand."""
    problem = solution.problem
    start = fm.State(*(solution.trajectory.sample(at, order) for order in range(3)))
    motion = braking_motion(start, problem.limit_set, 1.0)
    if motion.duration < 1e-3:
        return {"time": 0.0, "throws": False}
    times = np.linspace(0, motion.duration, BRAKE_SAMPLES + 1)
    phase = Phase(
        quintic_hermite(times, *sampled(motion, times)), None, None, solution.grip_force, [h.width for h in problem.holds]
    )
    kinds = fm.certify(problem, fm.Trajectory((phase,), problem.robot.joint_names), ["hold", "pad_share"]).kinds
    return {"time": motion.duration, "throws": max(1 - e.normalised for e in kinds.values()) * UTILISATION_LIMIT > 1}


def stops_of(solution: fm.Solution, instants: int) -> dict[str, Any]:
    """Stops at so many instants, and what physics says of them."""
    begin = time.process_time()
    table = stop_table(solution, solution.duration / (instants - 1))
    cost = time.process_time() - begin
    verdicts, begun, brakes, faults = [], [], [], []
    for k, stop in enumerate(table.stops):
        brakes.append(brake(solution, min(stop.at, solution.duration - 1e-6)))
        if stop.where != ON_PATH:
            continue
        problem, motion = held_motion(solution, stop)
        verdicts.append(fm.judge_batch([(problem, motion)])[0].verdict.name)
        law = stop.change.law
        grid = np.arange(0.0, law.duration, 0.001)
        begun.append(float(grid[np.argmax(law.pieces.derivative()(grid)[:, 0] < BEGUN)]))
        if k % SWEPT == 0:
            kinds = [kind.name for kind in problem.limit_kinds if kind.name != "release"]
            faults += [] if fm.certify(problem, motion, kinds).ok else [stop.at]
    rows = [{"at": s.at, "time": s.time, "distance": s.distance, "where": s.where} for s in table.stops]
    return {"table_s": cost, "stops": rows, "verdicts": verdicts, "begun": begun, "brakes": brakes, "faults": faults}


class Recorder(fm.drivers.KinematicDriver):
    """A driver that keeps every command."""

    def __init__(self, problem: fm.TransferProblem) -> None:
        super().__init__(problem)
        self.commands: list[Any] = []

    def send(self, command: Any) -> None:
        self.commands.append(command)
        super().send(command)


def overrides_of(solution: fm.Solution, commands: int) -> dict[str, Any]:
    """Random speed commands at random times of runs of the motion, and the violations of what was sent, every millisecond."""
    limits, rng = solution.problem.limit_set, np.random.default_rng(0)
    given, done, violations, arrived, cost = 0, 0, 0, [], []
    while given < commands:
        with Recorder(solution.problem) as driver:
            execution = fm.Execution(driver, solution)
            while given < commands:
                execution.run(int(rng.integers(20, 200)))
                begin = time.process_time()
                try:
                    changed = execution.speed(float(rng.choice(SPEEDS)))
                except fm.InputError:
                    break  # it has arrived
                cost.append(time.process_time() - begin)
                given, done = given + 1, done + changed
            while np.abs(execution.stream.q[-1] - solution.trajectory.position(solution.duration)).max() > 1e-9:
                execution.run()
                if not execution.speed(1.0):
                    break
            execution.run()
            q, v, a = (np.array([getattr(c, key) for c in driver.commands]) for key in ("q", "v", "a"))
            arrived.append(bool(np.abs(q[-1] - solution.trajectory.position(solution.duration)).max() < 1e-9))
            off = np.abs(np.diff(q, axis=0) / driver.cycle - (v[1:] + v[:-1]) / 2) > driver.cycle**2 * limits.jerk
            violations += int(np.sum(off) + np.sum(np.abs(v) > limits.velocity * (1 + 1e-9)))
            violations += int(np.sum(np.abs(a) > limits.acceleration * (1 + 1e-9)))
    return {"given": given, "changed": done, "violations": violations, "arrived": arrived, "command_s": cost}


def row_of(name: str, reserve: float, instants: int, commands: int) -> dict[str, Any]:
    """Everything about one problem and reserve."""
    head = {"problem": name, "reserve": reserve}
    begin = time.process_time()
    solution = fm.plan(name, fm.Options(reserve=reserve))
    head |= {"plan_s": time.process_time() - begin}
    if not solution.ok or solution.problem.scene.moving:
        return head | {"left out": solution.detail or "obstacles move"}
    return head | {"duration": solution.duration} | stops_of(solution, instants) | overrides_of(solution, commands)


def percentiles(values: Any) -> str:
    """Median and 95th percentile, in words."""
    p50, p95 = np.percentile(np.asarray(values, dtype=float), [50, 95])
    return f"p50 {p50:.3g}, p95 {p95:.3g}"


def table(rows: list[dict[str, Any]]) -> str:
    """The figures of all rows, by reserve."""
    lines = [f"left out: {row['problem']} ({row['left out']})" for row in rows if "left out" in row and row["reserve"] == 0]
    for reserve in RESERVES:
        mine = [row for row in rows if row["reserve"] == reserve and "left out" not in row]
        if not mine:
            continue
        stops = [stop for row in mine for stop in row["stops"]]
        where = {kind: sum(stop["where"] == kind for stop in stops) for kind in (ON_PATH, OFF_PATH, AT_GOAL)}
        times = [stop["time"] for stop in stops if stop["where"] == ON_PATH]
        begun, brakes = (np.concatenate([row[key] for row in mine]) for key in ("begun", "brakes"))
        verdicts = [v for row in mine for v in row["verdicts"]]
        durations = {row["problem"]: row["duration"] for row in rows if row["reserve"] == 0 and "left out" not in row}
        price = np.exp(np.mean([np.log(row["duration"] / durations[row["problem"]]) for row in mine])) - 1
        command = np.concatenate([row["command_s"] for row in mine])
        arrived = [a for row in mine for a in row["arrived"]]
        counts = ", ".join(f"{count} {kind}" for kind, count in where.items())
        rest, late = percentiles(times), percentiles(1e3 * begun)
        held, swept = f"HELD {verdicts.count('HELD')} of {len(verdicts)}", sum(len(row["faults"]) for row in mine)
        throws, alone = np.mean([b["throws"] for b in brakes]), percentiles([b["time"] for b in brakes])
        given, changed, violations = (sum(row[key] for row in mine) for key in ("given", "changed", "violations"))
        lines += [
            f"reserve {reserve:g}: {len(mine)} motions, {price:+.1%} duration; {len(stops)} instants: {counts}",
            f"  on the path: to rest {rest} s; slowing begins after {late} ms, within 20 ms in {np.mean(begun <= 0.02):.0%}",
            f"  {held}; full certificates not ok: {swept}",
            f"  the joints' own brake: {alone} s, asks more than the grip has in {throws:.0%} of instants",
            f"  table / plan, CPU: worst {max(row['table_s'] / row['plan_s'] for row in mine):.2f}",
            f"  {given} speed commands, {changed} changed the speed, {violations} violations, {sum(arrived)} of {len(arrived)} "
            f"runs arrived; a command costs {percentiles(1e3 * command)} ms",
        ]
    return "\n".join(lines)


def main() -> None:
    """Measures what is missing in the file, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instants", type=int, default=50)
    parser.add_argument("--commands", type=int, default=20)
    parser.add_argument("--problems", nargs="+", default=list(fm.known_problems()))
    parser.add_argument("--out", type=Path, default=Path("flight.jsonl"))
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    known = {(row["problem"], row["reserve"]) for row in rows}
    for name in options.problems:
        for reserve in RESERVES:
            if (name, reserve) not in known:
                rows.append(row_of(name, reserve, options.instants, options.commands))
                with options.out.open("a") as file:
                    file.write(json.dumps(rows[-1], default=float) + "\n")
    print(table(rows))


if __name__ == "__main__":
    main()
