"""The right basin: how far plans are above the best of many varied runs, of hard MotionBenchMaker problems or the shipped ones.

    python tests/support/basins.py [DIR] [--choose 40] [--problems NAME…] [--jobs 2] [--out basins]

Without DIR: the shipped problems with their own ends and `ENDS` jittered ones, start and goal displaced by up to `SHIFT` along
each axis and turned by up to `TURN` about each, drawn until they are free.  They are planned as usual from `SEEDS` seeds, from
further ones, and with more path searches: `HELD` are twelve runs for each end.

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
from fastmove.bench.engines import Local
from fastmove.bench.job import Job
from fastmove.bench.motionbenchmaker import BenchProblem
from fastmove.bench.problem_set import read_set
from fastmove.bench.results import Results, read_results
from fastmove.bench.runner import run
from fastmove.planner.relaxation import frees
from fastmove.problem.goal import State
from fastmove.search.ik import GoalIk

LIST = Path(__file__).with_name("hard_problems.txt")
SEEDS, PATHS = 3, 8
ENDS, SHIFT, TURN, DRAWS = 3, 5e-3, np.radians(3.0), 500


def planned(problem: fm.TransferProblem, seed: int, paths: int | None) -> fm.Solution:
    return fm.plan(problem, fm.Options(seed=seed, path_seeds=paths))


USUAL = [f"seed {seed}" for seed in range(SEEDS)]
VARIED = [f"seed {seed}, {PATHS} paths" for seed in range(SEEDS)]
HELD = [*(f"seed {seed}" for seed in range(3 * SEEDS)), *VARIED]
for k in range(3 * SEEDS):
    fm.registries.planners.add(f"seed {k}", partial(planned, seed=k, paths=None))
for k in range(SEEDS):
    fm.registries.planners.add(VARIED[k], partial(planned, seed=k, paths=PATHS))


def displaced(problem: fm.TransferProblem, q: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A configuration near q whose tool is displaced and turned at random."""
    twist = np.concatenate([rng.uniform(-SHIFT, SHIFT, 3), rng.uniform(-TURN, TURN, 3)])
    limits = problem.limit_set
    return np.clip(q + np.linalg.pinv(GoalIk(problem).frame(q)[1]) @ twist, limits.position_min, limits.position_max)


def jittered(problem: fm.TransferProblem, number: int) -> fm.TransferProblem:
    """The problem with other ends, each drawn until it is free; the same for the same number, its own for 0."""
    if number == 0:
        return problem
    rng = np.random.default_rng([7, number])
    start, goal = np.array(problem.start.q), np.array(problem.goal.configurations[0])
    for _ in range(DRAWS):
        moved = problem.with_(start=State.rest(displaced(problem, start, rng)), goal=fm.Goal(goal[None]))
        if frees(moved):
            break
    else:
        moved = problem  # It stands in a place without any room: its goal alone is moved.
    for _ in range(DRAWS):
        other = moved.with_(goal=fm.Goal(displaced(problem, goal, rng)[None]))
        if frees(other):
            return other
    return moved


def shipped(names: list[str]) -> list[BenchProblem]:
    """The shipped problems with their own ends and jittered ones."""
    problems = [fm.load_problem(fm.problems_folder() / f"{name}.toml") for name in names]
    return [
        BenchProblem(f"{name}, ends {number}", "shipped", jittered(problem, number))
        for name, problem in zip(names, problems, strict=True)
        for number in range(ENDS + 1)
    ]


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


def results_of(jobs: list[Job], out: Path, processes: int) -> list[dict]:
    """Runs the jobs whose results are not known yet; returns those of all."""
    results, wanted = Results(out, resume=True), {job.key for job in jobs}
    run(jobs, results, Local("", processes))
    return [row for row in read_results(results.file) if (row["problem"], row["planner"]) in wanted]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", nargs="?")
    every = sorted(p.stem for p in fm.problems_folder().glob("*.toml") if p.stem != "items")
    parser.add_argument("--problems", nargs="+", default=every)
    parser.add_argument("--choose", type=int, metavar="N")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=Path("basins"))
    options = parser.parse_args()
    if options.folder is None:
        jobs = [Job(entry, planner) for entry in shipped(options.problems) for planner in HELD]
        print(table(results_of(jobs, options.out, options.jobs)))
        return 0
    entries = {entry.id: entry for file in sorted(options.folder.glob("*.json")) for entry in read_set(file)}
    names, planners = (entries, USUAL[:1]) if options.choose else (LIST.read_text().split(), USUAL + VARIED)
    jobs = [Job(entries[name], planner) for name in names for planner in planners]
    rows = results_of(jobs, options.out, options.jobs)
    if options.choose:
        rows = [row for row in rows if (row["certificate"] or {}).get("ok")]
        rows.sort(key=lambda row: -row["duration_s"] / row["lower_bound_s"])
        LIST.write_text("".join(f"{row['problem']}\n" for row in rows[: options.choose]))
    else:
        print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
