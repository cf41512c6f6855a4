"""Runner of planners over a set of problems; every result is one line of `results.jsonl`.

A run that was killed continues with `resume`: finished (problem, planner) pairs are skipped, and an incomplete last line is
dropped.  Every line carries a hash of its problem, so that a result of another problem of the same name is refused.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pinocchio as pin

from fastmove import registries
from fastmove.bench.motionbenchmaker import BenchProblem, is_motionbenchmaker, read_motionbenchmaker
from fastmove.bench.recheck import raw_hits
from fastmove.errors import FastMoveError, InputError
from fastmove.io.atomic_write import write_whole
from fastmove.io.problem_file import load_problem, problem_from_table
from fastmove.problem.describe import problem_sha256
from fastmove.robot.shipped import load_robot
from fastmove.solution.as_json import solution_json
from fastmove.tables import CheckedTable

IN_FLIGHT = 4  # Largest number of submitted but unfinished jobs for each process [1].


@dataclass(frozen=True)
class Job:
    """One problem to be solved by one planner.

    Attributes:
        entry: The problem.
        planner: Name of the planner in `registries.planners`.
        recheck: Whether a certified motion is also checked against the raw meshes (see `bench.recheck`).
    """

    entry: BenchProblem
    planner: str
    recheck: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """The problem's id and the planner's name, which identify a result."""
        return self.entry.id, self.planner


def read_set(path: Path, limits: str | None = None) -> Iterator[BenchProblem]:
    """Read the problems of a folder of problem files, a `.jsonl` of problems, one problem file, or a MotionBenchMaker set.

    Args:
        path: The file or folder.
        limits: Name of a limit set that replaces the problems' own; None = keep theirs.

    Raises:
        InputError: The path does not exist, or something in it is not a valid problem.
    """
    if not path.exists():
        raise InputError(str(path), "no such file or folder")
    if is_motionbenchmaker(path):
        for entry in read_motionbenchmaker(path):
            yield (
                entry if limits is None else BenchProblem(entry.id, entry.scene, entry.problem.with_(limits=limits), entry.target)
            )
    elif path.suffix == ".jsonl":
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line.strip():
                table = CheckedTable(_parsed(line, f"{path.name}:{number}"), f"{path.name}:{number}")
                problem = problem_from_table(table, path.parent, f"{path.stem}/{number}", limits)
                yield BenchProblem(problem.name, path.stem, problem)
    else:
        files = sorted(p for p in path.iterdir() if p.suffix in (".toml", ".json")) if path.is_dir() else [path]
        for file in files:
            if file.name != "items.toml":
                yield BenchProblem(file.stem, path.stem if path.is_dir() else path.parent.name, load_problem(file, limits))


def _parsed(line: str, where: str) -> dict[str, object]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(where, f"is not JSON ({error})") from None
    if not isinstance(row, dict):
        raise InputError(where, "is no table; a problem is needed in every line")
    return row


def run(
    jobs: Sequence[Job], out: Path, processes: int = 1, resume: bool = False, done: Callable[[dict], None] = lambda row: None
) -> list[dict]:
    """Run all jobs and write each result at once as a line of `results.jsonl`.

    Args:
        jobs: The jobs.
        out: Folder of `results.jsonl`; it is created if needed.
        processes: Number of processes.
        resume: Whether to keep the results that the folder already holds and run only the other jobs.
        done: Called with each new result.

    Returns:
        The results of all jobs, kept ones included, in the order of the jobs.

    Raises:
        InputError: The folder holds results and `resume` is False, or it holds results of other problems of the same names.
    """
    out.mkdir(parents=True, exist_ok=True)
    file = out / "results.jsonl"
    known = {(row["problem"], row["planner"]): row for row in read_results(file)} if resume else {}
    if file.exists() and not resume and file.stat().st_size:
        raise InputError(str(file), "exists; resume it or choose another folder")
    for job in jobs:
        if job.key in known and known[job.key].get("problem_sha256") not in (None, problem_sha256(job.entry.problem)):
            raise InputError(
                str(file), f"holds a result of another {job.entry.id} (other limits, item or scene); choose another folder"
            )
    if resume:
        rewrite_results(file, known.values())
    with file.open("ab", buffering=0) as stream:
        for row in _answers([job for job in jobs if job.key not in known], processes):
            stream.write((json.dumps(row) + "\n").encode())  # A single write, so that a line is complete or missing.
            os.fsync(stream.fileno())
            known[(row["problem"], row["planner"])] = row
            done(row)
    return [known[job.key] for job in jobs]


def read_results(file: Path) -> list[dict]:
    """Read the rows of a results file, up to the first incomplete line; empty if there is no file."""
    rows = []
    for line in file.read_text().splitlines() if file.exists() else ():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def rewrite_results(file: Path, rows: Iterable[dict]) -> None:
    """Replace a results file by these rows, atomically."""
    write_whole(file, "".join(json.dumps(row) + "\n" for row in rows).encode())


def _answers(jobs: Sequence[Job], processes: int) -> Iterator[dict]:
    """Results in the order in which they are finished; a refused problem does not stop the others."""
    if processes <= 1:
        yield from map(answer, jobs)
        return
    with ProcessPoolExecutor(processes) as pool:
        waiting = iter(jobs)
        open_: set[Future] = set()
        while True:
            while len(open_) < IN_FLIGHT * processes and (job := next(waiting, None)) is not None:
                open_.add(pool.submit(answer, job))
            if not open_:
                return
            finished, open_ = wait(open_, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in finished)


def answer(job: Job) -> dict:
    """Run one job and return its row: what `plan --json` prints, preceded by problem, planner, scene and problem hash."""
    head: dict[str, object] = {"problem": job.entry.id, "planner": job.planner, "scene": job.entry.scene}
    head["problem_sha256"] = problem_sha256(job.entry.problem)
    try:
        solution = registries.planners.get(job.planner)(job.entry.problem)
        row = head | solution_json(solution) | head  # in front, and the set's name of the problem
        if job.recheck and solution.ok and solution.trajectory is not None:
            row["raw_hits"] = raw_hits(solution.problem, solution.trajectory)
        return row
    except FastMoveError as error:
        return head | {"status": "refused", "detail": str(error), "duration_s": None, "certificate": None}


def table(rows: Sequence[dict]) -> str:
    """Text table of the results by planner and scene: number certified, durations over lower bounds, planning times.

    Args:
        rows: Results, as `run` returns them.
    """
    lines = [f"{'planner':<18} {'scene':<20} {'certified':>11} {'ΣT/Σb':>8} {'median':>8} {'plan p50':>9} {'p95':>9}"]
    for planner in dict.fromkeys(row["planner"] for row in rows):
        mine = [row for row in rows if row["planner"] == planner]
        scenes = list(dict.fromkeys(row["scene"] for row in mine))
        for scene in [*(scenes if len(scenes) > 1 else []), "all"]:
            chosen = [row for row in mine if scene in ("all", row["scene"])]
            ok = [row for row in chosen if (row.get("certificate") or {}).get("ok")]
            line = f"{planner:<18} {scene:<20} {len(ok):>5} of {len(chosen):>3}"
            if ok:
                duration, bound = (np.array([row[key] for row in ok]) for key in ("duration_s", "lower_bound_s"))
                p50, p95 = np.percentile([row["plan_time_s"] for row in ok], [50, 95]) * 1e3
                line += f" {duration.sum() / bound.sum():8.4f} {np.median(duration / bound):8.4f} {p50:6.0f} ms {p95:6.0f} ms"
            lines.append(line)
    checked = [row["raw_hits"] for row in rows if "raw_hits" in row]
    if checked:
        lines.append(f"against the raw meshes, every 0.1 ms: {sum(checked)} hits in {len(checked)} motions")
    about = "ΣT/Σb: sum of durations over the sum of their kinematic lower bounds; median: of the ratios; plan: planning time"
    return "\n".join([*lines, about, *_reasons(rows), *_ratios(rows)])


def _reasons(rows: Sequence[dict]) -> list[str]:
    """Lines with each planner's most frequent reason for results that are not certified."""
    lines = []
    for planner in dict.fromkeys(row["planner"] for row in rows):
        failed = [row for row in rows if row["planner"] == planner and not (row.get("certificate") or {}).get("ok")]
        if failed:
            (detail, count), *_ = Counter(str(row.get("detail") or row["status"]) for row in failed).most_common(1)
            lines.append(f"{planner}: {len(failed)} not certified, {count} of them as: {detail}")
    return lines


def _ratios(rows: Sequence[dict]) -> list[str]:
    """Lines with the first planner's durations over each other planner's, on problems where both are certified."""
    names = list(dict.fromkeys(row["planner"] for row in rows))
    certified = [row for row in rows if (row.get("certificate") or {}).get("ok")]
    durations = {name: {row["problem"]: row["duration_s"] for row in certified if row["planner"] == name} for name in names}
    lines = []
    for other in names[1:]:
        both = sorted(durations[names[0]].keys() & durations[other].keys())
        if both:
            mean = float(np.exp(np.mean([np.log(durations[names[0]][key] / durations[other][key]) for key in both])))
            lines.append(f"{names[0]} / {other}: geometric mean of durations {mean:.3f} on {len(both)} problems")
    return lines


def workload() -> float:
    """Time of a fixed piece of work, 10,000 `computeRNEADerivatives` of a Panda, to compare planning times by [s]."""
    model = load_robot("panda").model
    data, q, v = model.createData(), pin.neutral(model), np.zeros(model.nv)
    begin = time.perf_counter()
    for _ in range(10_000):
        pin.computeRNEADerivatives(model, data, q, v, v)
    return time.perf_counter() - begin
