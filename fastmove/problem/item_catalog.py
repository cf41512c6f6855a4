"""Catalogue of the shipped retail items (`problems/items.toml`): facts with their sources, made into items."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fastmove.arrays import Array, readonly
from fastmove.errors import UnknownName
from fastmove.geometry.shapes import Shape
from fastmove.problem.item import Inertial, Item, solid_inertia
from fastmove.resources import problems_folder
from fastmove.tables import CheckedTable, read_toml


@dataclass(frozen=True)
class ItemFacts:
    """Facts about one retail item: one row of the catalogue.

    Attributes:
        id: name that `item_facts` finds it by.
        name: what it is, in words.
        category: group of items that it belongs to.
        shape: box, cylinder or sphere.
        size: (3,) full extents along the item's axes [m]; the axis of a cylinder is z.
        mass: nominal mass [kg].
        com_halfrange: (3,) the centre of mass lies within ± this of the middle [m].
        friction: (3,) low, nominal and high Coulomb coefficient of its surface.
        max_pinch: normal force per pad above which damage is expected [N].
        source: where each figure comes from, by the name of the figure.
    """

    id: str
    name: str
    category: str
    shape: str
    size: Array
    mass: float
    com_halfrange: Array
    friction: Array
    max_pinch: float
    source: dict[str, str]

    def solid(self) -> Shape:
        """Builds the box, cylinder (axis z) or sphere of these extents."""
        if self.shape == "sphere":
            return Shape("sphere", radius=float(self.size[0]) / 2)
        if self.shape == "cylinder":
            return Shape("cylinder", radius=float(self.size[0]) / 2, length=float(self.size[2]))
        return Shape("box", size=np.array(self.size))

    def item(self, com: object = (0.0, 0.0, 0.0)) -> Item:
        """Builds the item with the inertia of a uniform solid.

        Args:
            com: (3,) centre of mass from the middle of the item, along its axes [m].
        """
        shape = self.solid()
        _, inertia = solid_inertia((shape,), self.mass)
        return Item(self.name, (shape,), (Inertial(self.mass, readonly(com), inertia),), self.max_pinch)


@lru_cache(maxsize=1)
def known_items() -> tuple[ItemFacts, ...]:
    """Reads all items of the catalogue, in the order of the file (cached)."""
    table = read_toml(problems_folder() / "items.toml")
    classes = table.tables("friction_classes")
    return tuple(_facts(row, classes) for row in table.list_of_tables("items"))


def item_facts(name: str) -> ItemFacts:
    """Looks up the item with this id.

    Raises:
        UnknownName: no item has this id.
    """
    for row in known_items():
        if row.id == name:
            return row
    raise UnknownName(
        "item",
        f"{name!r} is not in problems/items.toml; it has {', '.join(r.id for r in known_items()[:5])}, …",
        name,
        [r.id for r in known_items()],
    )


def _facts(row: CheckedTable, classes: dict[str, CheckedTable]) -> ItemFacts:
    surface = row.choice("surface", tuple(classes))
    friction = [classes[surface].number(key) for key in ("low", "nominal", "high")]
    source = row.raw("source")
    return ItemFacts(
        row.string("id"),
        row.string("name"),
        row.string("category"),
        row.choice("shape", ("box", "cylinder", "sphere")),
        readonly(row.numbers("size", 3)),
        row.number("mass", low=1e-4, high=1e3),
        readonly(row.numbers("com_halfrange", 3)),
        readonly(friction),
        row.number("max_pinch", low=0.0),
        {str(k): str(v) for k, v in source.items()} if isinstance(source, dict) else {},
    )
