"""What the links of a robot description must say before anything may be believed of them: shapes, masses, inertias.

What is left out would count as free: a link without a shape cannot be hit, one without a mass needs no torque.  So what the arm
moves needs masses and inertias, and every link that is a thing needs a collision shape.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from xml.etree.ElementTree import Element

import numpy as np

from fastmove.errors import InputError
from fastmove.robot.urdf import joint_ends, number, rigid_groups

TRIANGLE = 1e-6  # Share of its trace by which an inertia may break the triangle inequality, as rounded numbers in files do.


def check_links(root: Element, where: str, arm: Collection[str], shaped: Collection[str], unshaped: Collection[str]) -> None:
    """Checks that links which are things have collision shapes, and that what the arm moves has masses that exist.

    A link is a thing if it has a visual, or if it has a mass and nothing that it is fixed to has a shape; a link without a mass
    may be fixed to one that has (see `weightless`).

    Args:
        root: Root of the URDF.
        where: Its file, for messages.
        arm: Names of the arm's joints.
        shaped: Names of the links that have a shape.
        unshaped: Names of the links that may have none.

    Raises:
        InputError: A link lacks a shape or a mass.
    """
    links = {str(link.get("name")): link for link in root.findall("link")}
    group, moving = rigid_groups(root), _moved_by(root, arm)
    bare = [name for name in bare_links(root, where, shaped) if name not in unshaped]
    if bare:
        raise InputError(
            f"{where}: {_named(bare)}",
            f"{_has(bare)} no collision shape, so what {_it(bare)} hit would not be seen; give <collision>, or name what may go "
            f"unchecked in robot.toml: unshaped = [{', '.join(repr(name) for name in bare)}]",
        )
    heavy = {group[name] for name, link in links.items() if _mass(link, where) > 0}
    light = [name for name in links if name in moving and name in shaped and group[name] not in heavy]
    if light:
        raise InputError(
            f"{where}: {_named(light)}",
            f"{_has(light)} no mass, so torques and their limits would mean nothing; give <inertial> with mass and inertia",
        )


def check_inertials(root: Element, where: str) -> None:
    """Checks that every <inertial> has all its numbers; one that lacks some would be dropped as a whole, with its mass.

    Args:
        root: Root of the URDF.
        where: Its file, for messages.

    Raises:
        InputError: An <inertial> lacks mass, inertia, or one of their numbers.
    """
    for link in root.findall("link"):
        at, inertial = f"{where}: link {link.get('name')}", link.find("inertial")
        for tag, keys in (("mass", ("value",)), ("inertia", ("ixx", "ixy", "ixz", "iyy", "iyz", "izz"))):
            entry = None if inertial is None else inertial.find(tag)
            if inertial is not None and (entry is None or any(entry.get(key) is None for key in keys)):
                raise InputError(
                    at, f"has an <inertial> whose <{tag}> lacks {', '.join(keys)}; give all of them or no <inertial>"
                )
            for key in () if entry is None else keys:
                number(entry, key, at)


def check_collisions(root: Element, where: str, read: Sequence[str]) -> None:
    """Checks that every <collision> was read; one that is malformed would be dropped without a word.

    Args:
        root: Root of the URDF.
        where: Its file, for messages.
        read: Name of the link of each shape that was read.

    Raises:
        InputError: A link has more <collision> than were read.
    """
    for link in root.findall("link"):
        name, there = str(link.get("name")), len(link.findall("collision"))
        if there > read.count(name):
            raise InputError(
                f"{where}: link {name}",
                f"has {there} <collision>, of which {read.count(name)} can be read; each needs <geometry> with a box, cylinder, "
                "sphere or mesh, and all their numbers",
            )


def odd_inertias(root: Element, where: str, arm: Collection[str]) -> dict[str, tuple[str, bool]]:
    """Returns the links with an inertia that no body has: what is wrong, and whether the arm moves the link.

    Args:
        root: Root of the URDF.
        where: Its file, for messages.
        arm: Names of the arm's joints.
    """
    moving = _moved_by(root, arm)
    faults = {str(link.get("name")): _inertia_fault(link, where) for link in root.findall("link")}
    return {name: (sentence, name in moving) for name, sentence in faults.items() if sentence}


def check_inertias(root: Element, where: str, arm: Collection[str], as_given: Collection[str]) -> tuple[str, ...]:
    """Checks that what the arm moves has inertias that exist; returns a sentence on each that is taken as given.

    The inertia of what stands still does not matter, and is only mentioned.

    Args:
        root: Root of the URDF.
        where: Its file, for messages.
        arm: Names of the arm's joints.
        as_given: Names of the links whose inertias robot.toml takes as they are.

    Raises:
        InputError: A link that the arm moves has an inertia that no body has.
    """
    odd = odd_inertias(root, where, arm)
    for name, (sentence, moves) in odd.items():
        if moves and name not in as_given:
            raise InputError(
                f"{where}: link {name}",
                f"{sentence}; mend it, or take it as it is in robot.toml: inertias_as_given = [{name!r}]",
            )
    said = {True: "the inertia of {}, which no body has, is right", False: "{}, whose inertia no body has, stands still"}
    return tuple(said[moves].format(name) for name, (_, moves) in odd.items())


def bare_links(root: Element, where: str, shaped: Collection[str]) -> list[str]:
    """Returns the names of the links that are things and have no shape, see `check_links`.

    Args:
        root: Root of the URDF.
        where: Its file, for messages.
        shaped: Names of the links that have a shape.
    """
    links, group = {str(link.get("name")): link for link in root.findall("link")}, rigid_groups(root)
    enclosed = {group[name] for name in links if name in shaped}
    is_thing = lambda name, link: (  # noqa: E731
        link.find("visual") is not None or (_mass(link, where) > 0 and group[name] not in enclosed)
    )
    return [name for name, link in links.items() if name not in shaped and is_thing(name, link)]


def weightless(root: Element, where: str, arm: Collection[str], shaped: Collection[str]) -> tuple[str, ...]:
    """Returns a sentence on the links with a shape and without a mass that the arm moves; empty if there are none.

    Args:
        root: Root of the URDF.
        where: Its file, for messages.
        arm: Names of the arm's joints.
        shaped: Names of the links that have a shape.
    """
    moving = _moved_by(root, arm) & set(shaped)
    light = [str(link.get("name")) for link in root.findall("link") if link.get("name") in moving and not _mass(link, where) > 0]
    return (f"{', '.join(light)} weigh{'s' * (len(light) == 1)} nothing: the URDF has no mass there",) if light else ()


def _named(names: list[str]) -> str:
    return f"link{'s' * (len(names) > 1)} {', '.join(names)}"


def _has(names: list[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _it(names: list[str]) -> str:
    return "it" if len(names) == 1 else "they"


def _mass(link: Element, where: str) -> float:
    """Mass of a link [kg]."""
    return number(link.find("inertial/mass"), "value", f"{where}: link {link.get('name')}")


def _moved_by(root: Element, arm: Collection[str]) -> set[str]:
    """Names of the links that any joint of the arm moves."""
    children: dict[str, list[tuple[str, str]]] = {}
    for joint in root.findall("joint"):
        parent, child = joint_ends(joint)
        children.setdefault(parent, []).append((str(joint.get("name")), child))
    moved: set[str] = set()
    todo = [child for pairs in children.values() for joint, child in pairs if joint in arm]
    while todo:
        link = todo.pop()
        if link not in moved:
            moved.add(link)
            todo += [child for _, child in children.get(link, [])]
    return moved


def _inertia_fault(link: Element, where: str) -> str:
    """What is wrong with the inertia of a link, as a sentence; empty if nothing is.

    Of ρ ≥ 0 anywhere, I = ∫ ρ (|x|² 1 − x xᵀ): its principal moments are not negative, and none is above the sum of the others.
    """
    if (entry := link.find("inertial/inertia")) is None or not _mass(link, where) > 0:
        return ""
    at = f"{where}: link {link.get('name')}"
    xx, xy, xz, yy, yz, zz = (number(entry, key, at) for key in ("ixx", "ixy", "ixz", "iyy", "iyz", "izz"))
    if not np.all(np.isfinite([xx, xy, xz, yy, yz, zz, _mass(link, where)])):
        return "has a mass or an inertia that is not finite"
    moments = np.linalg.eigvalsh([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    room = TRIANGLE * max(float(np.abs(moments).sum()), 1e-12)
    if moments[0] < -room or moments[2] > moments[0] + moments[1] + room:
        shown = ", ".join(f"{m:.3g}" for m in moments)
        return f"has an inertia that no body has (principal moments {shown} kg m²: each is at most the sum of the others)"
    return ""
