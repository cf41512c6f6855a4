"""The right basin: how far plans are above the best of many varied runs, on the MotionBenchMaker problems that were hardest.

    python tests/support/basins.py DIR [--choose 40] [--seeds 3] [--paths 8] [--jobs 2] [--out basins.jsonl]

DIR holds files of `fastmove.mbm/1`.  The problems are those of `hard_problems.txt`, frozen: `--choose` makes that list anew, of
the largest ratios of duration to lower bound.  Every problem is planned as usual, and with `--paths` path searches from every
seed.  One line of JSON for every plan, written whole; a run that was interrupted goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

import fastmove as fm
from fastmove.bench.runner import read_set

LIST = Path(__file__).with_name("hard_problems.txt")
Job = tuple[str, int, int]  # problem, seed, path searches (0 = as usual)


def problems(folder: Path) -> dict[str, fm.TransferProblem]:
    """All problems of a folder by name."""
    return {f"{entry.scene}/{entry.id}": entry.problem for file in sorted(folder.glob("*.json")) for entry in read_set(file)}


def planned(task: tuple[Job, fm.TransferProblem]) -> dict[str, object]:
    """Plan one problem; one row."""
    (name, seed, paths), problem = task
    begin = time.process_time()
    solution = fm.plan(problem, fm.Options(seed=seed, path_seeds=paths or None))
    return {
        "problem": name,
        "seed": seed,
        "paths": paths,
        "ok": solution.ok,
        "duration": solution.duration if solution.ok else None,
        "bound": solution.lower_bound,
        "cpu": time.process_time() - begin,
    }


def rows_of(jobs: list[Job], known: dict[str, fm.TransferProblem], count: int) -> Iterator[dict[str, object]]:
    """Plan all jobs in processes of their own, in order."""
    with ProcessPoolExecutor(count, get_context("spawn")) as pool:
        yield from pool.map(planned, [(job, known[job[0]]) for job in jobs])


def table(rows: list[dict]) -> str:
    """Excess of the usual plans over the best of all runs, problem by problem, seed by seed."""
    lines, excess = [], []
    for name in sorted({row["problem"] for row in rows}):
        own = [row for row in rows if row["problem"] == name]
        best = min((row["duration"] for row in own if row["ok"]), default=np.nan)
        usual = [row["duration"] / best - 1 if row["ok"] else np.inf for row in own if not row["paths"]]
        excess += usual
        lines.append(f"{name:45} best {best:.4f} s, T/b {best / own[0]['bound']:.3f}   " + "  ".join(f"{x:7.2%}" for x in usual))
    cpu = np.mean([row["cpu"] for row in rows if not row["paths"]])
    lines.append(
        f"{len(excess)} usual plans: mean {np.mean(excess):.2%}, worst {np.max(excess):.2%} above the best of all runs; "
        f"{cpu:.2f} s of CPU on average"
    )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--choose", type=int, metavar="N")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--paths", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=Path("basins.jsonl"))
    options = parser.parse_args()
    known = problems(options.folder)
    if options.choose:
        rows = [row for row in rows_of([(name, 0, 0) for name in known], known, options.jobs) if row["ok"]]
        rows.sort(key=lambda row: -row["duration"] / row["bound"])
        LIST.write_text("".join(f"{row['problem']}\n" for row in rows[: options.choose]))
        return 0
    jobs = [
        (name, seed, paths) for name in LIST.read_text().split() for seed in range(options.seeds) for paths in (0, options.paths)
    ]
    done = [json.loads(line) for line in options.out.open()] if options.out.is_file() else []
    before = {(row["problem"], row["seed"], row["paths"]) for row in done}
    for row in rows_of([job for job in jobs if job not in before], known, options.jobs):
        with options.out.open("a") as file:
            file.write(json.dumps(row) + "\n")
    print(table([json.loads(line) for line in options.out.open()]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
