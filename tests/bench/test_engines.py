"""Engines: here and on Dask come the same rows, and a process that dies costs nothing but its job's time."""

import os
import signal
from pathlib import Path

import pytest

from fastmove import registries
from fastmove.bench.engines import Local, engine_of
from fastmove.bench.job import Job, answer
from fastmove.bench.problem_set import open_set
from fastmove.bench.results import Results, read_results
from fastmove.bench.runner import run
from fastmove.errors import InputError, UnknownName

TIMES = ("plan_time_s", "timings_s")


def without_times(row: dict) -> dict:
    return {key: value for key, value in row.items() if key not in TIMES}


def deadly(job: Job) -> dict:
    """Kills its process at `turn 2`, always, and at `turn 3`, when it runs for the first time."""
    marker = Path(os.environ["FASTMOVE_TEST_FOLDER"]) / job.entry.id
    if job.entry.id == "turn 2" or (job.entry.id == "turn 3" and not marker.exists()):
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"problem": job.entry.id, "planner": job.planner, "status": "certified"}


@pytest.fixture
def jobs(small_set: Path) -> list[Job]:
    return [Job(entry, "fastmove") for entry in open_set(small_set)]


def statuses(rows: list[dict]) -> dict[str, str]:
    assert len({row["problem"] for row in rows}) == len(rows)
    return {row["problem"]: row["status"] for row in rows}


WANTED = {f"turn {k}": "died" if k == 2 else "certified" for k in range(5)}


def test_a_process_that_dies_costs_nothing_but_its_job(jobs: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTMOVE_TEST_FOLDER", str(tmp_path))
    assert statuses(list(Local("", 2, deadly).rows(jobs))) == WANTED


def test_jobs_are_taken_as_they_are_wanted(jobs: list[Job]) -> None:
    taken = []

    def lazily():
        for k in range(100):
            taken.append(k)
            yield jobs[k % 5]

    rows = Local("", 2, without_work).rows(lazily())
    next(rows)
    assert len(taken) < 20
    rows.close()


def without_work(job: Job) -> dict:
    return {}


def test_dask_gives_the_same_rows(jobs: list[Job], tmp_path: Path) -> None:
    """The rows of Dask and of this process, sorted and without times, are the same."""
    pytest.importorskip("fastmove.bench.dask_engine")
    rows = []
    for name, engine in (("local", Local("", 1)), ("dask", engine_of("dask", 2))):
        results = Results(tmp_path / name, resume=False)
        assert run(jobs, results, engine) == 5
        rows.append(sorted(map(without_times, read_results(results.file)), key=lambda row: row["problem"]))
    assert rows[0] == rows[1]


@pytest.mark.slow
def test_dask_outlives_its_workers(jobs: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dask_engine = pytest.importorskip("fastmove.bench.dask_engine")
    monkeypatch.setenv("FASTMOVE_TEST_FOLDER", str(tmp_path))
    assert statuses(list(dask_engine.Dask("", 2, deadly).rows(jobs))) == WANTED


def test_no_scheduler_is_said(monkeypatch: pytest.MonkeyPatch, jobs: list[Job]) -> None:
    dask_engine = pytest.importorskip("fastmove.bench.dask_engine")
    monkeypatch.setattr(dask_engine, "CONNECT", 0.5)
    with pytest.raises(InputError, match="finds no Dask scheduler at tcp://127"):
        next(dask_engine.Dask("tcp://127.0.0.1:9", 1).rows(jobs))
    with pytest.raises(UnknownName, match="local"):
        engine_of("slurm", 1)


def test_a_job_that_is_refused_is_a_row(small_set: Path) -> None:
    entry = open_set(small_set).load(0)
    limits = entry.problem.limit_set.position_max
    wrong = entry.problem.with_(goal=entry.problem.goal.__class__((limits + 1.0)[None]))
    row = answer(Job(entry.__class__("wrong", "turns", wrong), "fastmove"))
    assert row["status"] in ("refused", "goal_unreachable") and row["certificate"] is None and row["detail"]


def test_a_planners_defect_is_a_row(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    def defective(problem: object) -> None:
        raise ZeroDivisionError("of something")

    monkeypatch.setitem(registries.planners._added, "defective", defective)
    row = answer(Job(jobs[0].entry, "defective"))
    assert row["status"] == "failed" and row["detail"] == "ZeroDivisionError: of something"
