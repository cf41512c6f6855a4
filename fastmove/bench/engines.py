"""Engines of the bench: what runs its jobs, here in processes of this machine.

An engine takes jobs as they are wanted, so that memory does not grow with the set, and gives a row for each, in the order in
which they are finished. A process that dies costs nothing but its job's time: the jobs that were under way are run again, one
by one, and one that kills its own process twice becomes a row that says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol

from fastmove import registries
from fastmove.bench.job import NOTHING, answer
from fastmove.bench.motionbenchmaker import BenchProblem
from fastmove.bench.results import Row

IN_FLIGHT = 4  # Largest number of submitted but unfinished jobs for each process [1].


class AnyJob(Protocol):
    """What an engine runs: something with a problem, that becomes a row."""

    @property
    def entry(self) -> BenchProblem:
        """The problem."""

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the row: the problem's id, and the planner's name or what stands for it."""

    @property
    def head(self) -> Row:
        """What the row begins with."""


class Engine(Protocol):
    """What runs jobs."""

    def rows(self, jobs: Iterable[Any]) -> Iterator[Row]:
        """The row of every job, in the order in which they are finished."""
        ...


def engine_of(text: str, processes: int) -> Engine:
    """The engine of a name and, after a colon, an address: `local`, `dask`, `dask:tcp://HOST:PORT`.

    Raises:
        UnknownName: There is no engine of this name.
        MissingPackage: It needs a package that is not installed.
    """
    name, _, address = text.partition(":")
    engine: Engine = registries.engines.get(name)(address, processes)
    return engine


def died(job: AnyJob) -> Row:
    """The row of a job that killed each process it ran in."""
    detail = "every process that ran it died; run this problem alone to see why"
    return job.head | NOTHING | {"status": "died", "detail": detail}


class Local:
    """Processes of this machine; with one, the jobs are run in this process.

    Args:
        address: Not used.
        processes: Number of processes.
        work: What is done with a job.
    """

    def __init__(self, address: str, processes: int, work: Callable[[Any], Row] = answer) -> None:
        self.processes, self.work = processes, work

    def rows(self, jobs: Iterable[AnyJob]) -> Iterator[Row]:
        """The row of every job, in the order in which they are finished."""
        if self.processes <= 1:
            yield from map(self.work, jobs)
            return
        waiting, ended = iter(jobs), False
        while not ended:
            under_way: dict[Future[Row], AnyJob] = {}
            with ProcessPoolExecutor(self.processes) as pool:
                try:
                    yield from self._through(pool, waiting, under_way)
                    ended = True
                except BrokenProcessPool:
                    pass
            for future, job in under_way.items():
                finished = future.done() and future.exception() is None
                yield future.result() if finished else self._alone(job)

    def _through(
        self, pool: ProcessPoolExecutor, waiting: Iterator[AnyJob], under_way: dict[Future[Row], AnyJob]
    ) -> Iterator[Row]:
        """Rows of the jobs through one pool; what is `under_way` when a process dies stays there."""
        while True:
            while len(under_way) < IN_FLIGHT * self.processes and (job := next(waiting, None)) is not None:
                try:
                    under_way[pool.submit(self.work, job)] = job
                except BrokenProcessPool:
                    under_way[Future()] = job
                    raise
            if not under_way:
                return
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                row = future.result()
                del under_way[future]
                yield row

    def _alone(self, job: AnyJob) -> Row:
        """The row of a job in a process of its own, and in another one should that die."""
        for _ in range(2):
            try:
                with ProcessPoolExecutor(1) as pool:
                    return pool.submit(self.work, job).result()
            except BrokenProcessPool:
                continue
        return died(job)
