"""Registries: what FastMove knows by name, and where users add their own.

A name comes from the package's own table, from an entry point of an installed package, or from a call:

    [project.entry-points."fastmove.drivers"]        # in the pyproject.toml of a user's package
    my_arm = "my_package.driver:MyDriver"

    fm.registries.drivers.add("my_arm", MyDriver)    # or, in a running program

Nothing is imported until a name is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from fastmove.errors import InputError, UnknownName

T = TypeVar("T")


class Registry(Generic[T]):
    """Things of one kind by name.

    Args:
        what: one of them, in words, for messages.
        group: of entry points that add more.
        own: name -> "module:attribute" of those that FastMove brings; or one such place, where a table of things stands that have
            a `name` each.
        more: further ones of its own beside such a table, by name.
    """

    def __init__(self, what: str, group: str, own: Mapping[str, str] | str, more: Mapping[str, str] | None = None) -> None:
        self.what, self.group, self._table, self._more = what, group, own, dict(more or {})
        self._added: dict[str, T] = {}
        self._installed: dict[str, str] | None = None

    @cached_property
    def _own(self) -> Mapping[str, str]:
        """Where each of FastMove's own is; those of a table are loaded with it."""
        if not isinstance(self._table, str):
            return self._table
        things = {thing.name: thing for thing in _load(self._table)}
        self._added = things | self._added
        return dict.fromkeys(things, self._table) | self._more

    def add(self, name: str, thing: T) -> None:
        """Make `thing` known by `name`, for this process.

        Raises:
            InputError: the name is taken by something else.
        """
        if name in self.names() and self._added.get(name) is not thing:
            raise InputError(name, f"is a {self.what} already; give yours another name")
        self._added[name] = thing

    def names(self) -> tuple[str, ...]:
        """All names: FastMove's own first, then those of installed packages, then those added by calls."""
        return tuple(dict.fromkeys((*self._own, *self._entry_points(), *self._added)))

    def get(self, name: str) -> T:
        """The thing of that name, loaded now.

        Raises:
            UnknownName: there is none; the message lists those there are.
        """
        place = self._own.get(name) or self._entry_points().get(name)
        if name in self._added:
            return self._added[name]
        if place is None:
            raise UnknownName(self.what, f"{name!r} is unknown; allowed: {', '.join(self.names())}", name, self.names())
        self._added[name] = _load(place)
        return self._added[name]

    def _entry_points(self) -> dict[str, str]:
        if self._installed is None:
            self._installed = {point.name: point.value for point in entry_points(group=self.group) if point.name not in self._own}
        return self._installed


def _load(place: str) -> Any:
    """The attribute at "module:attribute"."""
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)


# What FastMove brings.  The protocol of each kind stands beside its name; how to add to it: docs/extend/.

contacts: Registry[Any] = Registry(  # `contact.law.ContactLaw`
    "contact model",
    "fastmove.contacts",
    {"pinch": "fastmove.contact.pinch:PINCH", "suction": "fastmove.contact.suction:SUCTION"},
)
# classes of `problem.path_constraint.PathConstraint`
constraints: Registry[Any] = Registry("constraint", "fastmove.constraints", {})
# `robot.limit_kinds.LimitKind`
limit_kinds: Registry[Any] = Registry(
    "limit kind",
    "fastmove.limit_kinds",
    "fastmove.robot.limit_kinds:KINDS",
    {"hand_speed": "fastmove.problem.hand_speed:HAND_SPEED"},
)
shapes: Registry[Any] = Registry(  # `geometry.shape_types.ShapeType`
    "shape",
    "fastmove.shapes",
    {name: f"fastmove.geometry.shape_types:{name.upper()}" for name in ("box", "cylinder", "capsule", "sphere", "mesh")},
)
drivers: Registry[Any] = Registry(  # called with (problem, address, configurations on the way), gives a `drivers.driver.Driver`
    "driver",
    "fastmove.drivers",
    {name: f"fastmove.drivers.{name}:connect" for name in ("mujoco", "controller", "kinematic")}
    | {name: f"fastmove.drivers.arms.{name}:connect" for name in ("ur", "franka", "egm")},
)
planners: Registry[Any] = Registry(  # called with a problem, gives a `solution.Solution`
    "planner",
    "fastmove.planners",
    {
        "fastmove": "fastmove.planner.planner:plan",
        "fastmove-nohold": "fastmove.bench.planners:without_hold",
        "slowdown": "fastmove.bench.planners:slowdown",
        "hold-toppra": "fastmove.bench.planners:hold_toppra",
        "rrtc-ruckig": "fastmove.bench.peers:rrtc_ruckig",
        "rrtc-toppra": "fastmove.bench.peers:rrtc_toppra",
        "drake": "fastmove.bench.drake_peer:drake_kto",
        "drake-jerk": "fastmove.bench.drake_peer:drake_kto_jerk",
    },
)
engines: Registry[Any] = Registry(  # called with (address, processes), gives a `bench.engines.Engine`
    "engine",
    "fastmove.engines",
    {"local": "fastmove.bench.engines:Local", "dask": "fastmove.bench.dask_engine:Dask"},
)
