"""Problem sets: what `fastmove bench` runs over, read one problem at a time.

A set is the name of one that ships (`problems/sets/`), a folder of problem files, one problem file, a `.jsonl` with a problem in
every line, or MotionBenchMaker files.  Only places are kept, so that a million problems need no more memory than a thousand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fastmove.arrays import Array
from fastmove.bench.motionbenchmaker import BenchProblem, is_motionbenchmaker, motionbenchmaker_loaders
from fastmove.errors import InputError, UnknownName
from fastmove.io.problem_file import load_problem, problem_from_table
from fastmove.resources import problems_folder
from fastmove.tables import CheckedTable

SETS = "sets"  # Folder of the shipped sets, beside the shipped problems.
NO_PROBLEM = ("items.toml",)  # Files beside problems that are none.


@dataclass(frozen=True)
class ProblemSet:
    """A set of problems, read when they are asked for.

    Attributes:
        name: What it is called in tables and reports.
        files: The files that it consists of, in order.
        count: Number of problems.
        load: Gives problem k, 0 ≤ k < count; raises InputError where it is wrong.
    """

    name: str
    files: tuple[Path, ...]
    count: int
    load: Callable[[int], BenchProblem]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[BenchProblem]:
        return map(self.load, range(self.count))

    def chosen(self, limit: int | None = None, shard: tuple[int, int] = (1, 1)) -> list[int]:
        """Numbers of at most `limit` problems, evenly spread over the set, and of these the ones of shard i of n."""
        return evenly(self.count, limit)[shard[0] - 1 :: shard[1]]

    @property
    def sha256(self) -> str:
        """Hash of the set's files, by which two runs know that they were over the same set."""
        digest = hashlib.sha256()
        for file in self.files:
            with file.open("rb") as stream:
                hashlib.file_digest(stream, lambda: digest)  # in pieces
        return digest.hexdigest()


def evenly(count: int, limit: int | None) -> list[int]:
    """At most `limit` of the numbers below `count`, evenly spread over them; None = all."""
    if limit and limit < count:
        return [int(k) for k in np.linspace(0, count - 1, limit).round()]
    return list(range(count))


def known_sets() -> tuple[str, ...]:
    """Names of the sets that ship."""
    return tuple(sorted(path.stem for path in (problems_folder() / SETS).glob("*.jsonl")))


def open_set(where: str | Path, limits: str | None = None, robot: str | None = None) -> ProblemSet:
    """Open a set.

    Args:
        where: Name of a shipped set, or a file or folder.
        limits: Name of a limit set that replaces the problems' own; None = keep theirs.
        robot: A robot.toml for MotionBenchMaker files of an arm that does not ship.

    Raises:
        UnknownName: There is neither a set of this name nor such a file or folder.
        InputError: There are no problems in it.
    """
    path = Path(where)
    if str(where) in known_sets() and not path.exists():
        path = problems_folder() / SETS / f"{where}.jsonl"
    if not path.exists():
        known = known_sets()
        raise UnknownName(
            "set", f"{str(where)!r} is no such file or folder, and no shipped set ({', '.join(known)})", str(where), known
        )
    found = _opened(path, limits, robot)
    if not found.count:
        raise InputError(str(path), "has no problems in it")
    return found


def read_set(path: Path, limits: str | None = None) -> Iterator[BenchProblem]:
    """Read all problems of a set, in order (see `open_set`)."""
    return iter(open_set(path, limits))


def _opened(path: Path, limits: str | None, robot: str | None) -> ProblemSet:
    if is_motionbenchmaker(path):
        loaders = motionbenchmaker_loaders(path, robot)
        files = tuple(sorted(p for p in path.rglob("*") if p.is_file())) if path.is_dir() else (path,)
        return ProblemSet(path.stem, files, len(loaders), lambda k: _limited(loaders[k](), limits))
    if path.suffix == ".jsonl":
        starts = _line_starts(path)
        return ProblemSet(path.stem, (path,), len(starts), lambda k: _from_line(path, int(starts[k]), k + 1, limits))
    inside = sorted(p for p in path.iterdir() if p.suffix in (".toml", ".json")) if path.is_dir() else [path]
    files = tuple(file for file in inside if file.name not in NO_PROBLEM)
    scene = path.stem if path.is_dir() else path.parent.name
    return ProblemSet(path.stem, files, len(files), lambda k: BenchProblem(files[k].stem, scene, load_problem(files[k], limits)))


def _limited(entry: BenchProblem, limits: str | None) -> BenchProblem:
    if limits is None:
        return entry
    return BenchProblem(entry.id, entry.scene, entry.problem.with_(limits=limits), entry.target)


def _line_starts(path: Path) -> Array:
    """Where in a file each line begins that is not empty [bytes]."""
    starts, at = [], 0
    with path.open("rb") as stream:
        for line in stream:
            if line.strip():
                starts.append(at)
            at += len(line)
    return np.array(starts, dtype=np.int64)


def _from_line(path: Path, start: int, number: int, limits: str | None) -> BenchProblem:
    """The problem in the line at a place of a file; `scene/…` in its name says which scene it belongs to."""
    with path.open("rb") as stream:
        stream.seek(start)
        text = stream.readline()
    where = f"{path.name}:{number}"
    try:
        row = json.loads(text)
    except ValueError as error:  # no JSON, or no UTF-8
        raise InputError(where, f"is not JSON ({error})") from None
    if not isinstance(row, dict):
        raise InputError(where, "is no table; a problem is needed in every line")
    problem = problem_from_table(CheckedTable(row, where), path.parent, f"{path.stem}/{number}", limits)
    scene, slash, _ = problem.name.partition("/")
    return BenchProblem(problem.name, scene if slash else path.stem, problem)
