"""The bench on Dask: many machines, or processes of this one (`pip install 'fastmove[dask]'`).

Without an address a cluster of processes is started that listens on the loopback only and is gone at the end.  With one, jobs go
to that scheduler; its workers need the same version of FastMove and its extras.  Dask runs a job again elsewhere when its worker
dies; those that were under way where workers died again and again are run one by one at the end, and the one that kills its
workers then becomes a row that says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from fastmove.bench.engines import IN_FLIGHT, died
from fastmove.bench.job import Job, answer
from fastmove.bench.results import Row
from fastmove.errors import InputError, MissingPackage

try:
    import dask
    from distributed import Client, KilledWorker, LocalCluster, wait
except ImportError as error:  # pragma: no cover
    raise MissingPackage("distributed", "the engine dask", "dask") from error

LOOPBACK = "127.0.0.1"
# For workers of this machine's own.  Dask sets MALLOC_TRIM_THRESHOLD_ to 64 kB, and with it glibc maps every array above 128 kB
# anew: half of the time went by in the kernel, and a plan took 1.7 times as long.
SETTINGS = {
    "distributed.scheduler.allowed-failures": 2,
    "distributed.nanny.pre-spawn-environ": {
        "MALLOC_TRIM_THRESHOLD_": str(2**30),
        "MALLOC_MMAP_THRESHOLD_": str(2**25),
        "OMP_NUM_THREADS": "1",
    },
}
CONNECT = 20.0  # For how long a scheduler is looked for [s].


class Dask:
    """Workers of a Dask cluster.

    Args:
        address: Of a scheduler, as `tcp://HOST:PORT` or `tls://…`; empty means a cluster of this machine's own.
        processes: Number of workers of that cluster.
        work: What is done with a job.

    Raises:
        InputError: No scheduler answers at the address.
    """

    def __init__(self, address: str, processes: int, work: Callable[[Job], Row] = answer) -> None:
        self.address, self.processes, self.work = address, processes, work

    def rows(self, jobs: Iterable[Job]) -> Iterator[Row]:
        """The row of every job, in the order in which they are finished."""
        suspects: list[Job] = []
        with self._client() as client:
            workers = max(len(client.scheduler_info()["workers"]), self.processes)
            yield from self._through(client, iter(jobs), IN_FLIGHT * workers, suspects)
            guilty: list[Job] = []
            yield from self._through(client, iter(suspects), 1, guilty)  # one by one, so that nobody suffers for another
            yield from map(died, guilty)

    def _through(self, client: Any, waiting: Iterator[Job], most: int, suspects: list[Job]) -> Iterator[Row]:
        """Rows of the jobs, at most so many under way at once; those under way where workers died repeatedly are suspects."""
        under_way: dict[Any, Job] = {}
        while True:
            while len(under_way) < most and (job := next(waiting, None)) is not None:
                under_way[client.submit(self.work, job, pure=False)] = job
            if not under_way:
                return
            with client.as_current():
                finished = wait(list(under_way), return_when="FIRST_COMPLETED").done
            for future in finished:
                job = under_way.pop(future)
                try:
                    yield future.result()
                except KilledWorker:
                    suspects.append(job)

    @contextmanager
    def _client(self) -> Iterator[Any]:
        with dask.config.set(SETTINGS):
            if self.address:
                try:
                    client = Client(self.address, timeout=CONNECT, set_as_default=False)
                except (OSError, ValueError) as error:
                    raise InputError(
                        "--engine", f"finds no Dask scheduler at {self.address} ({error}); start one by `dask scheduler`"
                    ) from error
                with client:
                    yield client
                return
            with (
                LocalCluster(
                    n_workers=self.processes,
                    threads_per_worker=1,
                    host=LOOPBACK,
                    dashboard_address=None,
                    worker_dashboard_address=None,
                    silence_logs=logging.CRITICAL,  # that a worker died is said in its job's row
                ) as cluster,
                Client(cluster, set_as_default=False) as client,
            ):
                yield client
