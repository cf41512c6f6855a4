"""Hardware, real or simulated, behind one small interface."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastmove.drivers.controller import ControllerDriver as ControllerDriver
    from fastmove.drivers.driver import Command as Command
    from fastmove.drivers.driver import Driver as Driver
    from fastmove.drivers.driver import Reading as Reading
    from fastmove.drivers.kinematic import KinematicDriver as KinematicDriver
    from fastmove.drivers.mujoco import MujocoDriver as MujocoDriver
    from fastmove.drivers.simulated.imperfections import Imperfections as Imperfections

_HOME = {
    "Command": "driver",
    "ControllerDriver": "controller",
    "Driver": "driver",
    "Imperfections": "simulated.imperfections",
    "KinematicDriver": "kinematic",
    "MujocoDriver": "mujoco",
    "Reading": "driver",
}
__all__ = sorted(_HOME)

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Imports a driver when it is first asked for, because that of simulated hardware needs mujoco."""
        if name in _HOME:
            return getattr(import_module(f"fastmove.drivers.{_HOME[name]}"), name)
        raise AttributeError(f"module 'fastmove.drivers' has no attribute {name!r}")

    def __dir__() -> list[str]:
        """Returns the names that can be imported from here."""
        return __all__
