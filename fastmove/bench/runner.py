"""Runner of planners over a set of problems; every result is one line of `results.jsonl`.

A run that was killed goes on where it was: (problem, planner) pairs with a result are skipped.  Every line carries a hash of its
problem, so that a result of another problem of the same name is refused.  Neither jobs nor rows are kept in memory.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pinocchio as pin

from fastmove.bench.engines import AnyJob, Engine, Local
from fastmove.bench.job import Job
from fastmove.bench.problem_set import ProblemSet
from fastmove.bench.results import ABOUT, Results, Row
from fastmove.bench.variants import VARIANTS
from fastmove.errors import FastMoveError
from fastmove.io.atomic_write import write_whole
from fastmove.problem.describe import problem_sha256
from fastmove.robot.shipped import load_robot

PACKAGES = (
    "pin",
    "coal",
    "casadi",
    "numpy",
    "scipy",
    "piqp",
    "clarabel",
    "numba",
    "ruckig",
    "mujoco",
    "toppra",
    "drake",
    "distributed",
)


def run(
    jobs: Iterable[AnyJob], results: Results, engine: Engine | None = None, done: Callable[[Row], None] = lambda row: None
) -> int:
    """Run the jobs whose results are not known yet, and add each result at once.

    Args:
        jobs: The jobs; they are taken as they are wanted.
        results: Where the results are added.
        engine: What runs the jobs; None = this process.
        done: Called with each new result.

    Returns:
        How many results are new.

    Raises:
        InputError: There is a result of another problem of the same name.
    """
    count = 0
    missing = (job for job in jobs if not results.holds(job.key, partial(problem_sha256, job.entry.problem)))
    for row in (engine or Local("", 1)).rows(missing):
        results.add(row)
        count += 1
        done(row)
    return count


def jobs_of(
    problems: ProblemSet,
    numbers: Sequence[int],
    planners: Sequence[str],
    variant: str = "as-is",
    recheck: bool = False,
    rollouts: int = 0,
    unusable: Callable[[str], None] = lambda sentence: None,
) -> Iterator[Job]:
    """The jobs of a set, problem by problem, each for every planner.

    Args:
        problems: The set.
        numbers: Numbers of the problems that are run.
        planners: Names of the planners.
        variant: Name of the variant of every problem (see `bench.variants`).
        recheck: See `Job`.
        rollouts: See `Job`.
        unusable: Called with a sentence for each problem that is wrong or has no such variant.
    """
    for number in numbers:
        try:
            entry = VARIANTS[variant](problems.load(number))
        except FastMoveError as error:
            unusable(f"problem {number + 1} of {problems.name}: {error}")
            continue
        for name in planners:
            yield Job(entry, name, recheck, rollouts, number)


def write_about(out: Path, problems: ProblemSet, arguments: dict[str, Any]) -> dict[str, Any]:
    """Write beside the results what is run, by which versions, on which machine (`run.json`), and return it."""
    about: dict[str, Any] = {
        "set": problems.name,
        "set_sha256": problems.sha256,
        "problems": len(problems),
        "arguments": arguments,
        "machine": {
            "processor": _processor(),
            "cpus": os.cpu_count(),
            "system": f"{platform.system()} {platform.release()}",
            "python": platform.python_version(),
            "workload_ms": round(1e3 * workload(), 1),
        },
        "versions": {"fastmove": version("fastmove"), "commit": _commit()} | _versions(),
        "begun": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
    }
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / ABOUT, (json.dumps(about, indent=1) + "\n").encode())
    return about


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    """The processor's name, where the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str | None:
    """The commit of the checkout that this package runs from, with + where files differ from it; None without one."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return None
    try:
        said = [
            subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True).stdout
            for arguments in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        ]
    except (OSError, subprocess.SubprocessError):
        return None
    return said[0].strip() + ("+" if said[1].strip() else "")


def workload() -> float:
    """Time of a fixed piece of work, 10,000 `computeRNEADerivatives` of a Panda, to compare planning times by [s]."""
    model = load_robot("panda").model
    data, q, v = model.createData(), pin.neutral(model), np.zeros(model.nv)
    begin = time.perf_counter()
    for _ in range(10_000):
        pin.computeRNEADerivatives(model, data, q, v, v)
    return time.perf_counter() - begin
