"""Results of the bench on disk: one line of JSON for each, written whole and never twice.

An incomplete last line, which a kill may leave, is dropped.  Files of several shards of a run are merged into one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fastmove.errors import InputError
from fastmove.io.atomic_write import write_whole

RESULTS = "results.jsonl"  # Name of the file in a folder of results.
ABOUT = "run.json"  # Name of the file beside it that says what was run, on which machine.

Row = dict[str, Any]


def rows_of(file: Path) -> Iterator[Row]:
    """The rows of a results file one by one, up to the first incomplete line; none if there is no file."""
    if not file.exists():
        return
    with file.open() as stream:
        for line in stream:
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                return


def rows_in(folder: Path) -> Iterator[Row]:
    """The rows of a folder of results (see `rows_of`).

    Raises:
        InputError: The folder holds none.
    """
    file = folder / RESULTS
    if not file.exists() or not file.stat().st_size:
        raise InputError(str(folder), f"has no {RESULTS}, or nothing in it; give a folder of `fastmove bench --out`")
    return rows_of(file)


def about_run(folder: Path) -> dict[str, Any]:
    """What `run.json` in a folder of results says; empty where there is none."""
    file = folder / ABOUT
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return found


def read_results(file: Path) -> list[Row]:
    """All rows of a results file (see `rows_of`)."""
    return list(rows_of(file))


def rewrite_results(file: Path, rows: Iterable[Row]) -> None:
    """Replace a results file by these rows, atomically."""
    write_whole(file, "".join(json.dumps(row) + "\n" for row in rows).encode())


def key_of(row: Row) -> tuple[str, str]:
    """What identifies a result: the problem's id and the planner's name."""
    return row["problem"], row["planner"]


class Results:
    """The results file of one folder, to which rows are added.

    Args:
        folder: It is created if needed.
        resume: Whether to keep what the folder holds already.

    Raises:
        InputError: The folder holds results and `resume` is False.
    """

    def __init__(self, folder: Path, resume: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / RESULTS
        if not resume and self.file.exists() and self.file.stat().st_size:
            raise InputError(str(self.file), "exists; resume it or choose another folder")
        self.known: dict[tuple[str, str], str | None] = {}
        whole = 0
        for row in rows_of(self.file):
            self.known[key_of(row)] = row.get("problem_sha256")
            whole += 1
        if self.file.exists():
            _cut_after(self.file, whole)

    def holds(self, key: tuple[str, str], sha256: Callable[[], str]) -> bool:
        """Whether there is a result of this problem and planner.

        Args:
            key: What identifies the result.
            sha256: Gives the problem's hash, where that is wanted.

        Raises:
            InputError: There is one of another problem of the same name.
        """
        if key not in self.known:
            return False
        if self.known[key] not in (None, sha256()):
            raise InputError(
                str(self.file), f"holds a result of another {key[0]} (other limits, item or scene); choose another folder"
            )
        return True

    def add(self, row: Row) -> None:
        """Write a row by a single call, so that its line is complete or missing."""
        with self.file.open("ab", buffering=0) as stream:
            stream.write((json.dumps(row) + "\n").encode())
            os.fsync(stream.fileno())
        self.known[key_of(row)] = row.get("problem_sha256")


def _cut_after(file: Path, lines: int) -> None:
    """Cut a file after so many lines."""
    with file.open("rb+") as stream:
        for _ in range(lines):
            stream.readline()
        stream.truncate()


def merged(folders: Sequence[Path], out: Path) -> int:
    """Merge the results of several folders into one, sorted by problem and planner; equal ones are kept once.

    Args:
        folders: Folders of results, as of the shards of one run.
        out: Folder of the merged results.

    Returns:
        The number of results.

    Raises:
        InputError: A folder has no results, or two hold different problems of the same name.
    """
    rows: dict[tuple[str, str], Row] = {}
    for folder in folders:
        for row in rows_in(folder):
            other = rows.setdefault(key_of(row), row)
            if other.get("problem_sha256") != row.get("problem_sha256"):
                raise InputError(str(folder), f"has another {row['problem']} than the folders before it; merge shards of one run")
    out.mkdir(parents=True, exist_ok=True)
    rewrite_results(out / RESULTS, (rows[key] for key in sorted(rows)))
    about = next((folder / ABOUT for folder in folders if (folder / ABOUT).exists()), None)
    if about is not None and about.parent != out:
        write_whole(out / ABOUT, about.read_bytes())
    return len(rows)
