"""Whether a change of the code changed any plan: a hash of the trajectory's bytes for 24 problems.

    python tests/support/same_bytes.py [--motionbenchmaker DIR] [--jobs 2] --out before.json
    python tests/support/same_bytes.py [--motionbenchmaker DIR] [--jobs 2] --against before.json

Ten shipped problems, moving starts, item sets, two arms, and one of each MotionBenchMaker scene where their folder is given
(files of `fastmove.mbm/1`).  On one machine only: another processor rounds differently.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from generators import crossing, moving_starts, two_pandas, uncertain_transfers
from robust import shipped

import fastmove as fm
from fastmove.bench.problem_set import read_set


def problems(folder: Path | None) -> dict[str, fm.TransferProblem]:
    """By name, in their order."""
    found = {name: fm.load_problem(fm.problems_folder() / f"{name}.toml") for name in shipped()}
    found |= {f"moving start {k}": problem for k, (problem, _) in enumerate(moving_starts("benchmark", 2, 3))}
    found |= {f"item set {k}": problem for k, problem in enumerate(uncertain_transfers(3, 5))}
    found |= {f"two arms {k}": problem for k, problem in enumerate(crossing(two_pandas(), 2, 1))}
    for file in sorted(folder.glob("*.json")) if folder else ():
        found |= {f"{entry.scene}/{entry.id}": entry.problem for entry in islice(read_set(file), 1)}
    return found


def digest(problem: fm.TransferProblem) -> str:
    """Of the plan: status, and every number of the motion."""
    solution = fm.plan(problem)
    hashed = hashlib.sha256(solution.status.name.encode())
    for phase in solution.trajectory.phases if solution.trajectory is not None else ():
        for numbers in (phase.motion.times, phase.motion.coefficients, phase.grip_force, phase.opening):
            hashed.update(np.ascontiguousarray(numbers, dtype=float).tobytes())
    return f"{hashed.hexdigest()[:16]} {solution.duration:.6f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--motionbenchmaker", type=Path, metavar="DIR")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path)
    parser.add_argument("--against", type=Path)
    options = parser.parse_args()
    wanted = problems(options.motionbenchmaker)
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        found = dict(zip(wanted, pool.map(digest, wanted.values()), strict=True))
    before = json.loads(options.against.read_text()) if options.against else found
    changed = [name for name in before if before[name] != found.get(name)]
    print("\n".join(f"{value}  {name}{'   CHANGED' if name in changed else ''}" for name, value in found.items()))
    print(f"{len(found)} plans, {len(changed)} changed")
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
