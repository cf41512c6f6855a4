"""Where the shipped robots and problems lie: in the wheel, or beside the package in a checkout."""

from __future__ import annotations

from pathlib import Path

from fastmove.errors import InputError


def robots_folder() -> Path:
    """Where the shipped robots are: beside the package in a checkout, inside it in a wheel."""
    return _data_folder("robots")


def problems_folder() -> Path:
    """Where the shipped problems and the table of items are."""
    return _data_folder("problems")


def known_problems() -> tuple[str, ...]:
    """Names of the shipped problems, which stand for their files wherever a problem is read."""
    return tuple(sorted(path.stem for path in problems_folder().glob("*.toml") if path.stem != "items"))


def _data_folder(name: str) -> Path:
    here = Path(__file__).resolve().parent
    for folder in (here / "data" / name, here.parent / name):
        if folder.is_dir():
            return folder
    raise InputError(name, "the folder is missing from this installation; reinstall fastmove")
