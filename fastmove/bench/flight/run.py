"""All of `fastmove bench flight`: its parts, their rows in one file each, resumed after a kill, and the page that shows them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fastmove.bench.flight.faults import FAULTS, faulted
from fastmove.bench.flight.interruptions import draw, interrupted, spread_over
from fastmove.bench.flight.loop_time import bare_loop, loop_under_load
from fastmove.bench.flight.motions import BACK, flown_problems, planned
from fastmove.bench.flight.page import flight_page
from fastmove.bench.flight.speeds import commanded
from fastmove.bench.flight.stops import stops_of
from fastmove.bench.flight.summary import summary
from fastmove.bench.results import read_results, rewrite_results
from fastmove.errors import InputError
from fastmove.execution.planning_process import PlanningProcess
from fastmove.io.atomic_write import write_whole
from fastmove.solution.solution import Solution

RESERVES = (0.1, 0.0)
RESERVE = 0.1  # Reserve of the motions that are slowed, interrupted and disturbed.
COUNTS = {"stops": 50, "speeds": 20, "interruptions": 300, "faults": 20, "loop": 60}
PAGE = "flight.html"

Row = dict[str, Any]


class Part:
    """The rows of one part of the bench, in a file to which each is added at once.

    Args:
        folder: folder of results.
        name: name of the part.
        done: called with each new row.
    """

    def __init__(self, folder: Path, name: str, done: Callable[[Row], None]) -> None:
        self.path, self.done = folder / f"{name}.jsonl", done
        self.rows = read_results(self.path)
        if self.path.exists():
            rewrite_results(self.path, self.rows)  # without the half line that a killed run may have left
        self.known = {tuple(row["key"]) for row in self.rows}

    def add(self, key: tuple[Any, ...], measured: Callable[[], Row]) -> None:
        """Measures what this key stands for, unless that is known."""
        if key in self.known:
            return
        row = {"key": list(key)} | measured()
        self.rows.append(row)
        with self.path.open("a") as file:
            file.write(json.dumps(row, default=float) + "\n")
        self.done(row)


def fly(folder: Path, counts: dict[str, int], done: Callable[[Row], None] = lambda row: None) -> str:
    """Measures what is missing in a folder, writes its page, and returns the figures as text.

    Args:
        folder: folder of results; it is created if needed.
        counts: for every part that is wanted, how much of it (see `COUNTS`): instants of every motion, commands for each,
            interrupted motions in all, runs with each fault, seconds of the loop.
        done: called with each new row.

    Raises:
        InputError: a part is unknown.
    """
    if unknown := sorted(set(counts) - set(COUNTS)):
        raise InputError("parts", f"are {', '.join(unknown)}; allowed: {', '.join(COUNTS)}")
    folder.mkdir(parents=True, exist_ok=True)
    sections = {name: Part(folder, name, done) for name in COUNTS}
    if "stops" in counts:
        for name, problem in flown_problems():
            for reserve in RESERVES:
                sections["stops"].add((name, reserve), lambda p=problem, r=reserve: _stops(folder, p, r, counts["stops"]))  # type: ignore[misc]
    if set(counts) - {"stops"}:
        shipped = [(name, planned(problem, RESERVE, folder / "plans")[0]) for name, problem in flown_problems()]
        ready = [(name, solution) for name, solution in shipped if solution.ok and not name.endswith(BACK)]
        with PlanningProcess() as process:
            _flights(sections, counts, ready, process)
    rows = {name: part.rows for name, part in sections.items()}
    write_whole(folder / PAGE, flight_page(rows).encode())
    return summary(rows)


def _stops(folder: Path, problem: Any, reserve: float, instants: int) -> Row:
    """Stops of one motion."""
    solution, cost = planned(problem, reserve, folder / "plans")
    row: Row = {"plan_s": cost, "duration": solution.duration}
    return row | (stops_of(solution, instants) if solution.ok else {"left_out": solution.detail or solution.status.value})


def _flights(
    sections: dict[str, Part], counts: dict[str, int], ready: list[tuple[str, Solution]], process: PlanningProcess
) -> None:
    """Everything that is flown in real time."""
    for k, (name, solution) in enumerate(ready if "speeds" in counts else ()):
        rng = np.random.default_rng([2, k])
        sections["speeds"].add((name,), lambda s=solution, r=rng: commanded(s, counts["speeds"], r, process))  # type: ignore[misc]
    for key, measure in _interruptions(counts.get("interruptions", 0), ready, process):
        sections["interruptions"].add(key, measure)
    for f, fault in enumerate(FAULTS if "faults" in counts else ()):
        for k in range(counts["faults"]):
            name, solution = ready[(k + f) % len(ready)]
            rng = np.random.default_rng([3, f, k])
            sections["faults"].add(
                (fault, k, name),
                lambda s=solution, w=fault, r=rng: faulted(s, w, r, process),  # type: ignore[misc]
            )
    if "loop" in counts:
        seconds = float(counts["loop"])
        sections["loop"].add(("bare",), lambda: bare_loop(seconds))
        quick = next(solution for name, solution in ready if name == "heavy_jar")
        sections["loop"].add(("streaming",), lambda: loop_under_load(quick, seconds, process))


def _interruptions(
    count: int, ready: list[tuple[str, Solution]], process: PlanningProcess
) -> Iterator[tuple[tuple[Any, ...], Callable[[], Row]]]:
    """The key of every interrupted motion, and what measures it."""

    def measured(solution: Solution, kind: str, number: int) -> Row:
        change = draw(solution, kind, np.random.default_rng([1, number]))
        return (
            {"kind": kind, "left_out": "no draw leaves the goal free"}
            if change is None
            else interrupted(solution, change, process)
        )

    for number, (k, kind) in enumerate(spread_over(len(ready), count, np.random.default_rng(0))):
        name, solution = ready[k]
        yield (number, name, kind), lambda s=solution, w=kind, n=number: measured(s, w, n)  # type: ignore[misc]
