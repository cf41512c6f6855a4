"""Where a ROS package lies that a robot description names."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from pathlib import Path


def package_folders(name: str, packages: Sequence[Path], beside: Path) -> Iterator[Path]:
    """Yields the folders that are a package: below or at one of the folders given, a file's own folder, or one above that.

    A folder is the package if its package.xml says so or if it has its name.

    Args:
        name: Name of the package.
        packages: Folders given.
        beside: Folder of the file that names the package.
    """
    for folder in (*packages, beside, *beside.parents):
        yield from (place for place in (folder / name, folder) if _is_package(place, name))


def _is_package(folder: Path, name: str) -> bool:
    """Whether a folder is the package of this name."""
    manifest = folder / "package.xml"
    if folder.name == name or not manifest.is_file():
        return folder.name == name and folder.is_dir()
    try:
        return (ElementTree.parse(manifest).getroot().findtext("name") or "").strip() == name
    except ElementTree.ParseError:
        return False
