"""The same answer over perturbed starts, shifted goals, seeds, processors: spread of duration and joints, smoothness, verdicts.

    python tests/support/robust.py [--starts 10] [--size 1e-9 [1e-5]] [--shifts 0] [--seeds 3]
                                   [--processors] [--problems NAME …] [--out FILE]

One line of JSON for every plan, written whole; a run that was interrupted goes on.  Start 0 is not perturbed; with two sizes the
perturbations lie between them, evenly in their logarithm.  Shifted goals have the hand `SHIFT` away, in a random
direction that does not go down, from the unperturbed start.  Other processors plan from the unperturbed start alone.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import numpy as np
import processors

HERE = "this one"
WRITING = Lock()
SAMPLES = 51
SHIFT = 1e-3  # [m]
ALIKE = 0.002  # of durations of the same answer
BESIDE = 0.05  # of joints of the same answer [rad]
NEAR = 0.02  # of durations after a shift


def shipped() -> list[str]:
    return sorted(p.stem for p in (Path(__file__).parents[2] / "problems").glob("*.toml") if p.stem != "items")


def perturbed(problem: Any, start: int, size: list[float]) -> Any:
    """The problem with its start moved by up to the given size in every joint; the same for the same number."""
    if start == 0:
        return problem
    from fastmove.problem.goal import State

    rng = np.random.default_rng([5, start])
    by = np.exp(rng.uniform(np.log(size[0]), np.log(size[-1])))
    moved = np.array(problem.start.q) + by * rng.uniform(-1, 1, problem.robot.n_arm)
    return problem.with_(start=State.rest(np.clip(moved, problem.limit_set.position_min, problem.limit_set.position_max)))


def shifted(problem: Any, shift: int) -> Any:
    """The problem with its goal moved such that the tool is `SHIFT` away, unturned; the same for the same number."""
    if shift == 0:
        return problem
    from fastmove.problem.goal import Goal
    from fastmove.search.ik import GoalIk

    q, limits = np.array(problem.goal.configurations[0]), problem.limit_set
    direction = np.random.default_rng([6, shift]).normal(size=3)
    direction[2] = abs(direction[2])  # pressed into its support the item would be refused
    way = np.concatenate([SHIFT * direction / np.linalg.norm(direction), np.zeros(3)])
    moved = np.clip(q + np.linalg.pinv(GoalIk(problem).frame(q)[1]) @ way, limits.position_min, limits.position_max)
    return problem.with_(goal=Goal(moved[None]))


def planned(job: dict[str, Any]) -> dict[str, Any]:
    """Plan, certify, judge; joints at equal shares of the time.  What raises is a row, too."""
    import fastmove as fm

    begin = time.process_time()
    try:
        return _planned(job, begin)
    except fm.FastMoveError as error:
        return job | {"status": type(error).__name__, "detail": str(error), "cpu": time.process_time() - begin}


def _planned(job: dict[str, Any], begin: float) -> dict[str, Any]:
    import fastmove as fm
    from fastmove.execution.slip_test import judge
    from fastmove.solution.smoothness import Smoothness

    problem = perturbed(fm.load_problem(fm.problems_folder() / f"{job['problem']}.toml"), job["start"], job["size"])
    problem = shifted(problem, job.get("shift", 0))
    solution = fm.plan(problem, fm.Options(seed=job["seed"]))
    row = job | {"status": solution.status.name, "detail": solution.detail, "cpu": time.process_time() - begin}
    if not solution.ok:
        return row
    trajectory = solution.trajectory
    times = np.linspace(0, solution.duration, SAMPLES)
    said = [judge(problem, trajectory, member=k, measure=False) for k in range(problem.n_members)]
    worst = max(said, key=lambda one: one.verdict.rank)
    smooth = Smoothness.of(trajectory, problem.limit_set)
    return row | {
        "duration": solution.duration,
        "bound": solution.lower_bound,
        "joints": trajectory.position(times).round(7).tolist(),
        "acceleration": smooth.acceleration**2,
        "reversals": smooth.reversals,
        "verdict": worst.verdict.name,
        "slip": worst.slip,
        "turn": worst.turn,
        "reach": worst.reach,
        "said": str(worst),
    }


def work() -> None:
    """Jobs from standard input, a line each; an answer to each on a line of standard output."""
    name = os.environ.get("ROBUST_PROCESSOR", HERE)
    if name != HERE:
        processors.check(name)
    for line in sys.stdin:
        print(json.dumps(planned(json.loads(line))), flush=True)


def run(name: str, jobs: list[dict[str, Any]], path: Path) -> None:
    """All jobs of one processor in one process."""
    environment = dict(os.environ) | {"ROBUST_PROCESSOR": name, "OMP_NUM_THREADS": "1"}
    if name != HERE:
        environment |= processors.PROCESSORS[name].environment()
    command = [sys.executable, "-W", "ignore", str(Path(__file__).resolve()), "--work"]
    text = "".join(json.dumps(job) + "\n" for job in jobs)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True) as worker:
        assert worker.stdin is not None and worker.stdout is not None
        feeding = Thread(target=lambda: (worker.stdin.write(text), worker.stdin.close()))  # else both pipes may fill
        feeding.start()
        for line in worker.stdout:
            with WRITING, path.open("a") as file:
                file.write(line)
    if worker.returncode:
        raise SystemExit(f"{name}: the worker ended with {worker.returncode}")


def spread(rows: list[dict[str, Any]]) -> tuple[float, float, float]:
    """Of one problem's certified plans, the largest over seeds of the spread of durations, of joints at equal t/T [rad], and of
    the change of duration by a shift of the goal; NaN where nothing can be compared."""
    durations, joints, shifts = [], [], []
    for seed in {row["seed"] for row in rows}:
        same = [row for row in rows if row["seed"] == seed and not row.get("shift")]
        same.sort(key=lambda row: row["start"])  # the first is the one that shifts are compared with
        t, q = np.array([row["duration"] for row in same]), np.array([row["joints"] for row in same])
        if len(same):
            durations.append(float(t.max() / t.min() - 1))
            joints.append(float((q.max(axis=0) - q.min(axis=0)).max()))
            shifts += [abs(row["duration"] / t[0] - 1) for row in rows if row["seed"] == seed and row.get("shift")]
    return max(durations, default=np.nan), max(joints, default=np.nan), max(shifts, default=np.nan)


def table(rows: list[dict[str, Any]]) -> str:
    """What a person reads: the spread over starts and processors for each seed, and over all seeds.

    A problem some plan of which is not certified is not the same answer, and what was not shifted does not count as near.
    """
    lines = [
        f"{'problem':22} {'plans':>5} {'certified':>9} {'HELD':>5}   duration [s]      spread  over seeds   joints [rad]  "
        "shifted  a²/limit²  reversals  CPU [s]"
    ]
    spreads = []
    for name in sorted({row["problem"] for row in rows}):
        own = [row for row in rows if row["problem"] == name]
        good = [row for row in own if "duration" in row]
        spreads.append(spread(good) if len(good) == len(own) else (np.nan,) * 3)
        if not good:
            lines.append(f"{name:22} {len(own):5d} {0:9d}")
            continue
        held = sum(row["verdict"] == "HELD" for row in good)
        t = np.array([row["duration"] for row in good if not row.get("shift")] or [np.nan])
        duration, joints, shift = spread(good)
        acceleration, reversals = (np.median([row[key] for row in good]) for key in ("acceleration", "reversals"))
        cpu = np.median([row["cpu"] for row in own])
        lines.append(
            f"{name:22} {len(own):5d} {len(good):9d} {held:5d}   {t.min():.4f} – {t.max():.4f}  {duration:7.2%}  "
            f"{t.max() / t.min() - 1:10.2%}   {joints:12.3f}  {shift:7.2%}  {acceleration:9.3f}  {reversals:9.0f}  {cpu:7.1f}"
        )
    duration, joints, shift = np.array(spreads).T
    lines.append(
        f"the same answer (duration within {ALIKE:.1%}, joints within {BESIDE} rad at equal t/T, seed by seed): "
        f"{np.sum((duration <= ALIKE) & (joints <= BESIDE))} of {len(spreads)}; duration within 1 %: {np.sum(duration <= 0.01)}; "
        f"within {NEAR:.0%} after a shift of {SHIFT * 1e3:g} mm: {np.sum(shift <= NEAR)}"
    )
    good = [row for row in rows if "duration" in row]
    verdicts = Counter(row["verdict"] for row in good)
    lines.append(f"{len(rows)} plans, {len(good)} certified, {dict(verdicts)}; {os.cpu_count()} CPUs; by processor:")
    for name in sorted({row["processor"] for row in rows}):
        own = [row for row in rows if row["processor"] == name]
        same = Counter(row.get("verdict", "not certified") for row in own)
        lines.append(f"  {name}: {dict(same)}")
    lines += [
        f"  {name}: skipped, {one.needs} is not here"
        for name, one in processors.PROCESSORS.items()
        if name not in processors.here()
    ]
    lines += [
        f"  {row['problem']} start {row['start']} seed {row['seed']}: {row['said']}" for row in good if row["verdict"] != "HELD"
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--problems", nargs="+", default=shipped())
    parser.add_argument("--starts", type=int, default=10, help="perturbed ones")
    parser.add_argument("--size", type=float, nargs="+", default=[1e-9], help="[rad]")
    parser.add_argument("--shifts", type=int, default=0, help="goals shifted by 1 mm")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processors", action="store_true", help="imitate others, too")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=Path("robust.jsonl"))
    options = parser.parse_args()
    if options.work:
        work()
        return 0
    done = [json.loads(line) for line in options.out.open()] if options.out.is_file() else []
    key = lambda row: (row["problem"], row["start"], row["seed"], row["processor"], row.get("shift", 0), *row["size"])  # noqa: E731
    known = {key(row) for row in done}
    jobs = [
        {"problem": problem, "start": start, "seed": seed, "size": options.size, "processor": HERE}
        for start, seed, problem in itertools.product(range(options.starts + 1), range(options.seeds), options.problems)
    ]
    jobs += [
        {"problem": problem, "start": 0, "seed": seed, "size": options.size, "processor": HERE, "shift": shift}
        for shift, seed, problem in itertools.product(range(1, options.shifts + 1), range(options.seeds), options.problems)
    ]
    if options.processors:
        every = itertools.product(processors.here(), range(options.seeds), options.problems)
        jobs += [{"problem": p, "start": 0, "seed": seed, "size": options.size, "processor": name} for name, seed, p in every]
    jobs = [job for job in jobs if key(job) not in known]
    groups = [[job for job in jobs if job["processor"] == name] for name in (HERE, *processors.PROCESSORS)]
    parts = [group[k :: options.jobs] for group in groups for k in range(options.jobs) if group[k :: options.jobs]]
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(lambda part: run(part[0]["processor"], part, options.out), parts))
    print(table([json.loads(line) for line in options.out.open()]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
