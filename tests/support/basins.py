"""The right basin: how far plans are above the best of many varied runs, on the MotionBenchMaker problems that were hardest.

    python tests/support/basins.py DIR [--choose 40] [--jobs 2] [--out basins]

DIR holds files of `fastmove.mbm/1`.  The problems are those of `hard_problems.txt`, frozen: `--choose` makes that list anew, of
the largest ratios of duration to lower bound.  Every problem is planned as usual, and with `PATHS` path searches, from every
seed, each a planner of the bench: results go to `--out`/results.jsonl, and a run that was interrupted goes on.
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path

import numpy as np

import fastmove as fm
from fastmove.bench.runner import Job, read_set, run

LIST = Path(__file__).with_name("hard_problems.txt")
SEEDS, PATHS = 3, 8


def planned(problem: fm.TransferProblem, seed: int, paths: int | None) -> fm.Solution:
    return fm.plan(problem, fm.Options(seed=seed, path_seeds=paths))


USUAL = [f"seed {seed}" for seed in range(SEEDS)]
VARIED = [f"seed {seed}, {PATHS} paths" for seed in range(SEEDS)]
for k in range(SEEDS):
    fm.registries.planners.add(USUAL[k], partial(planned, seed=k, paths=None))
    fm.registries.planners.add(VARIED[k], partial(planned, seed=k, paths=PATHS))


def table(rows: list[dict]) -> str:
    """Excess of the usual plans over the best of all runs, problem by problem, seed by seed; infinite where there is none."""
    lines, excess = [], []
    duration = lambda row: row["duration_s"] if (row["certificate"] or {}).get("ok") else np.inf  # noqa: E731
    for name in sorted({row["problem"] for row in rows}):
        own = [row for row in rows if row["problem"] == name]
        best = min(map(duration, own))
        usual = [duration(row) / best - 1 if duration(row) < np.inf else np.inf for row in own if row["planner"] in USUAL]
        excess += usual
        lines.append(f"{name:35} best {best:.4f} s   " + "  ".join(f"{x:7.2%}" for x in usual))
    times = [row.get("plan_time_s", np.nan) for row in rows if row["planner"] in USUAL]
    lines.append(
        f"{len(excess)} usual plans: mean {np.mean(excess):.2%}, worst {np.max(excess):.2%} above the best of all runs; "
        f"{np.mean(times):.2f} s each"
    )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--choose", type=int, metavar="N")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=Path("basins"))
    options = parser.parse_args()
    entries = {entry.id: entry for file in sorted(options.folder.glob("*.json")) for entry in read_set(file)}
    names, planners = (entries, USUAL[:1]) if options.choose else (LIST.read_text().split(), USUAL + VARIED)
    jobs = [Job(entries[name], planner) for name in names for planner in planners]
    rows = run(jobs, options.out, options.jobs, resume=True)
    if options.choose:
        rows = [row for row in rows if (row["certificate"] or {}).get("ok")]
        rows.sort(key=lambda row: -row["duration_s"] / row["lower_bound_s"])
        LIST.write_text("".join(f"{row['problem']}\n" for row in rows[: options.choose]))
    else:
        print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
