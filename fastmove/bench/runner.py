"""Run planners over a set of problems: every result a line of `results.jsonl`, written whole, never twice.

A run that was killed goes on with `resume`: finished (problem, planner) pairs are skipped, a last line that was cut is dropped.
Every line carries a hash of its problem: one of another problem of the same name is no result.
"""

from __future__ import annotations

import json
import os
import time
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
from fastmove.io.problem_file import load_problem, problem_from_table
from fastmove.problem.describe import problem_sha256
from fastmove.robot.shipped import load_robot
from fastmove.solution.as_json import solution_json
from fastmove.tables import CheckedTable

IN_FLIGHT = 4  # problems handed out per process and not yet answered


@dataclass(frozen=True)
class Job:
    """One problem for one planner; with `recheck` the motion also against the raw meshes."""

    entry: BenchProblem
    planner: str
    recheck: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return self.entry.id, self.planner


def read_set(path: Path, limits: str | None = None) -> Iterator[BenchProblem]:
    """Problems of a folder of problem files, a `.jsonl` of problems, one problem file, or MotionBenchMaker's forms.

    Raises:
        InputError: none of these, or nothing in it.
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
        found = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(where, f"is not JSON ({error})") from None
    if not isinstance(found, dict):
        raise InputError(where, "is no table; a problem is needed in every line")
    return found


def run(
    jobs: Sequence[Job], out: Path, processes: int = 1, resume: bool = False, done: Callable[[dict], None] = lambda row: None
) -> list[dict]:
    """All results in the order of the jobs; `done` is told each new one.

    Raises:
        InputError: the folder holds results and `resume` is not asked for, or results of other problems of the same names.
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
        _rewrite(file, known.values())
    with file.open("ab", buffering=0) as stream:
        for row in _answers([job for job in jobs if job.key not in known], processes):
            stream.write((json.dumps(row) + "\n").encode())  # one write: a line is there whole or not at all
            os.fsync(stream.fileno())
            known[(row["problem"], row["planner"])] = row
            done(row)
    return [known[job.key] for job in jobs]


def read_results(file: Path) -> list[dict]:
    """Rows of a results file; a last line that was cut off is left out."""
    rows = []
    for line in file.read_text().splitlines() if file.exists() else ():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def _rewrite(file: Path, rows: Iterable[dict]) -> None:
    whole = file.with_suffix(".tmp")
    whole.write_text("".join(json.dumps(row) + "\n" for row in rows))
    whole.replace(file)


def _answers(jobs: Sequence[Job], processes: int) -> Iterator[dict]:
    """Results as they come; one bad problem never hurts another."""
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
    """One line of results: what `plan --json` says, with problem, planner and scene in front."""
    head: dict[str, object] = {"problem": job.entry.id, "planner": job.planner, "scene": job.entry.scene}
    head["problem_sha256"] = problem_sha256(job.entry.problem)
    try:
        solution = registries.planners.get(job.planner)(job.entry.problem)
        row = head | solution_json(solution)
        if job.recheck and solution.ok and solution.trajectory is not None:
            row["raw_hits"] = raw_hits(solution.problem, solution.trajectory)
        return row
    except FastMoveError as error:
        return head | {"status": "refused", "detail": str(error), "duration_s": None, "certificate": None}


def table(rows: Sequence[dict]) -> str:
    """Per planner and scene: certified, durations over bounds, planning times."""
    lines = [f"{'planner':<18} {'scene':<20} {'certified':>11} {'ΣT/Σb':>8} {'median':>8} {'plan p50':>9} {'p95':>9}"]
    for planner in dict.fromkeys(row["planner"] for row in rows):
        mine = [row for row in rows if row["planner"] == planner]
        for scene in [*dict.fromkeys(row["scene"] for row in mine), "all"]:
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
    return "\n".join([*lines, *_ratios(rows)])


def _ratios(rows: Sequence[dict]) -> list[str]:
    """The first planner's durations beside each other's, where both are certified (each for what it knows)."""
    names = list(dict.fromkeys(row["planner"] for row in rows))
    certified = [row for row in rows if (row.get("certificate") or {}).get("ok")]
    found = {name: {row["problem"]: row["duration_s"] for row in certified if row["planner"] == name} for name in names}
    lines = []
    for other in names[1:]:
        both = sorted(found[names[0]].keys() & found[other].keys())
        if both:
            mean = float(np.exp(np.mean([np.log(found[names[0]][key] / found[other][key]) for key in both])))
            lines.append(f"{names[0]} / {other}: geometric mean of durations {mean:.3f} on {len(both)} problems")
    return lines


def workload() -> float:
    """Time of a fixed piece of work, to compare planning times by: 10,000 `computeRNEADerivatives` of a Panda [s]."""
    model = load_robot("panda").model
    data, q, v = model.createData(), pin.neutral(model), np.zeros(model.nv)
    begin = time.perf_counter()
    for _ in range(10_000):
        pin.computeRNEADerivatives(model, data, q, v, v)
    return time.perf_counter() - begin
