"""Picks from and placements onto a belt whose speed drifts, in physics (`make belt`).

    python tests/support/belt.py [--count 50] [--seed 0] [--amount 0.05] [--out belt.jsonl]

One line of JSON for every cycle; a file that is there is gone on with.  Each is planned by what the encoder says when it
begins, changed in flight as it drifts, and run in physics with the belt as it really runs.  What the planner has no time
for is left out, by the clock of this machine.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path

import numpy as np
from belts import READY, from_belt, onto_belt

import fastmove as fm

RESERVE = 0.1  # share of the limits that is kept back for changes in flight
MET = {"pick": 1.0, "place": 1.6}  # about when what moves on is met [s]
MIDDLE = 0.25  # largest distance along the belt from before the arm where it is met then [m]


def drawn(rng: np.random.Generator, robot: fm.RobotModel, kind: str, amount: float) -> tuple[fm.TransferProblem, fm.Drift, dict]:
    """A problem at a belt, and how the belt drifts."""
    speed = float(rng.uniform(0.1, 0.5) * rng.choice([-1.0, 1.0]))
    along, mass = float(rng.uniform(-MIDDLE, MIDDLE) - speed * MET[kind]), float(rng.uniform(0.1, 0.5))
    drift = fm.Drift(amount, float(rng.uniform(3.0, 10.0)), float(rng.uniform(0.0, 2 * np.pi)))
    problem = (from_belt if kind == "pick" else onto_belt)(robot, speed, along, mass)
    return problem, drift, {"speed": speed, "along": along, "mass": mass, "period": drift.period, "phase": drift.phase}


def one(robot: fm.RobotModel, kind: str, number: int, seed: int, amount: float) -> dict:
    """One cycle, as a line of results."""
    rng = np.random.default_rng([seed, number, kind == "pick"])
    problem, drift, row = drawn(rng, robot, kind, amount)
    row |= {"kind": kind, "number": number}
    begun = time.perf_counter()
    cycle = fm.plan_cycle(problem, home=READY, options=fm.Options(reserve=RESERVE))
    row["planning_s"] = time.perf_counter() - begun
    if not cycle.ok:
        return row | {"outcome": "no plan", "why": cycle.refusal}
    row |= {"cycle_s": cycle.duration}
    flown = fm.follow_belt(cycle, drift)
    row["updates"] = [[u.phase, u.how, round(u.took, 3), bool(u.joined)] for u in flown.updates]
    if not flown.cycle.ok:
        return row | {"outcome": "no motion in flight", "why": flown.cycle.refusal}
    run = fm.run_cycle(flown)
    row |= run.as_json() | {"in_time": flown.in_time}
    return row | {"outcome": "placed" if run.ok else "failed", "why": "" if run.ok else str(run)}


def summary(rows: list[dict]) -> None:
    """Print what the lines come to."""
    for kind in ("pick", "place"):
        mine = [row for row in rows if row["kind"] == kind]
        placed = [row for row in mine if row["outcome"] == "placed"]
        late = sum(not row.get("in_time", True) for row in placed)
        took = [u[2] for row in mine for u in row.get("updates", [])]
        print(f"{kind}: {len(placed)} of {len(mine)} certified, HELD, placed within 5 mm; {late} of them waited for a plan")
        if placed:
            far = [row["placed_mm"] for row in placed]
            lasts = np.median([row["cycle_s"] for row in placed])
            lasts, rest = np.median([row["cycle_s"] for row in placed]), (np.median(far), np.percentile(far, 95), max(far))
            print("  off p50 {:.2f}, p95 {:.2f}, at most {:.2f} mm; cycles p50 {:.2f} s".format(*rest, lasts))
        if took:
            print(f"  changes in flight: {len(took)}, planned in p50 {np.median(took):.2f}, p95 {np.percentile(took, 95):.2f} s; "
                  f"cycles planned in p50 {np.median([row['planning_s'] for row in mine]):.1f} s")  # fmt: skip
        for why, count in Counter((row["outcome"], row["why"]) for row in mine if row["outcome"] != "placed").most_common():
            print(f"  {count} × {why[0]}: {why[1]}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--amount", type=float, default=0.05)
    parser.add_argument("--out", type=Path, default=Path("belt.jsonl"))
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    done, robot = {(row["kind"], row["number"]) for row in rows}, fm.load_robot("panda")
    for number in range(options.count):
        for kind in ("pick", "place"):
            if (kind, number) in done:
                continue
            rows.append(one(robot, kind, number, options.seed, options.amount))
            with options.out.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
            print(f"{len(rows)}: {kind} at {rows[-1]['speed']:+.2f} m/s: {rows[-1]['outcome']} {rows[-1]['why']}", flush=True)
    summary(rows)


if __name__ == "__main__":
    main()
