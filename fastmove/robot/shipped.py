"""Loading robots by name: those that ship with the package, and their meshes from example-robot-data."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

from fastmove.errors import InputError, MissingPackage, UnknownName
from fastmove.resources import robots_folder
from fastmove.robot.model import RobotModel
from fastmove.tables import read_toml


def known_robots() -> tuple[str, ...]:
    """Returns the names of the robots that ship with the package."""
    return tuple(sorted(p.parent.name for p in robots_folder().glob("*/robot.toml")))


def load_robot(name: str | Path, geometry: str = "primitives") -> RobotModel:
    """Loads a shipped robot by name, or any robot by the path of its `robot.toml`.

    Args:
        name: e.g. "panda", or the path of a `robot.toml`.
        geometry: `primitives` = our own shapes; `hulls` = convex hulls of example-robot-data's collision meshes
            (needs that package), which follow the real surface more closely.

    Raises:
        UnknownName: no such robot; the message lists those that ship.
        InputError: an unknown geometry, or a robot.toml or URDF that cannot be read.
        MissingPackage: `hulls` without example-robot-data.
    """
    path = Path(name)
    if path.suffix != ".toml":
        path = robots_folder() / str(name) / "robot.toml"
    if not path.is_file():
        raise UnknownName(
            "robot", f"{str(name)!r} is not known; known: {', '.join(known_robots())}, or a robot.toml", str(name), known_robots()
        )
    table = read_toml(path)
    if geometry == "hulls":
        folder = example_robot_data()
        mesh_urdf = folder / table.string("mesh_urdf")
        table.used.add("urdf")
        return RobotModel.from_urdf(mesh_urdf, packages=[folder.parent], config=path)
    if geometry != "primitives":
        raise InputError("geometry", f"is {geometry!r}; allowed: primitives, hulls")
    packages = [path.parent / folder for folder in table.strings("packages", [])]
    srdf = path.parent / table.string("srdf") if table.has("srdf") else None
    return RobotModel.from_urdf(path.parent / table.string("urdf"), srdf, packages, path)


def example_robot_data() -> Path:
    """Returns the data folder of the installed package example-robot-data.

    Raises:
        MissingPackage: it is not installed.
    """
    for root in (sysconfig.get_paths()["purelib"], os.environ.get("FASTMOVE_SHARE", "")):
        folder = Path(root) / "cmeel.prefix" / "share" / "example-robot-data"
        if folder.is_dir():
            return folder
    raise MissingPackage("example-robot-data", "geometry = 'hulls'", "meshes")
