"""What a robot description must say before anything may be believed of it, each hole in one sentence.

What is left out would count as free: a link without a shape cannot be hit, one without a mass needs no torque.  What the arm
moves needs position and velocity limits, masses and inertias, and every link that is a thing needs a collision shape.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from xml.etree.ElementTree import Element

import numpy as np

from fastmove.errors import InputError
from fastmove.robot.joint_limits import FASTEST

MOVABLE = ("revolute", "continuous", "prismatic")
TRIANGLE = 1e-6  # Share of its trace by which an inertia may break the triangle inequality, as rounded numbers in files do.


def check_tree(root: Element, where: str) -> None:
    """Checks that links and joints have names of their own and make one tree.

    Args:
        root: Root of the URDF.
        where: Its file, for messages.

    Raises:
        InputError: A name is missing or there twice, a joint names no link, mimicking goes in a circle, or the links are no tree.
    """
    links = _names(root, "link", where)
    _names(root, "joint", where)
    parent_of: dict[str, str] = {}
    for joint in root.findall("joint"):
        at = f"{where}: joint {joint.get('name')}"
        ends = [joint.find(end) for end in ("parent", "child")]
        if any(end is None for end in ends):
            raise InputError(at, "has no <parent> or no <child>")
        parent, child = (str(end.get("link")) for end in ends)  # type: ignore[union-attr]
        for link in (parent, child):
            if link not in links:
                raise InputError(at, f"joins {link!r}, which is no link of the file")
        if child in parent_of:
            raise InputError(at, f"is a second joint that carries {child}; loops and several parents cannot be planned")
        parent_of[child] = parent
    roots = [link for link in links if link not in parent_of]
    mimic_joints(root, where)
    if len(roots) != 1:
        raise InputError(where, f"has {len(roots)} links that nothing carries ({', '.join(roots[:4])}); one tree is needed")


def _names(root: Element, kind: str, where: str) -> list[str]:
    """Names of all links or joints, each there once."""
    names = [entry.get("name") for entry in root.findall(kind)]
    for name in names:
        if not name:
            raise InputError(where, f"has a <{kind}> without a name")
        if names.count(name) > 1:
            raise InputError(f"{where}: {kind} {name}", "is there more than once")
    return [str(name) for name in names]


def check_joints(root: Element, where: str, arm: Collection[str]) -> None:
    """Checks that the arm's joints are of kinds that can be planned, and that joints have limits in order.

    Args:
        root: Root of the URDF.
        where: Its file, for messages.
        arm: Names of the arm's joints.

    Raises:
        InputError: A joint of the arm is floating, planar, mimics another or is followed by one.
    """
    for joint in root.findall("joint"):
        name, kind = joint.get("name"), joint.get("type")
        if name in arm and kind not in MOVABLE:
            raise InputError(
                f"{where}: joint {name}",
                f"is {kind}, which an arm cannot have; make it fixed, or name the arm's joints in robot.toml (joints = […])",
            )
    for joint in root.findall("joint"):
        mimic = joint.find("mimic")
        if mimic is None:
            continue
        name, leader = joint.get("name"), mimic.get("joint")
        if name in arm or leader in arm:
            raise InputError(
                f"{where}: joint {name}",
                f"mimics {leader}; arms whose joints follow others are not planned: name the arm's own joints in robot.toml "
                "(joints = […]), the others stand still, but for a gripper's fingers",
            )


def mimic_joints(root: Element, where: str) -> dict[str, tuple[str, float, float]]:
    """Returns for each joint that mimics another the leader, multiplier and offset of its law q = multiplier · leader + offset.

    A leader that the file does not have is left out, see `lost_leaders`.

    Args:
        root: Root of the URDF.
        where: Its file, for messages.

    Raises:
        InputError: A number is wrong, or the laws go round in a circle.
    """
    joints = {str(joint.get("name")) for joint in root.findall("joint")}
    laws: dict[str, tuple[str, float, float]] = {}
    for joint in root.findall("joint"):
        mimic, at = joint.find("mimic"), f"{where}: joint {joint.get('name')}"
        if mimic is None or mimic.get("joint") not in joints:
            continue
        leader = str(mimic.get("joint"))
        multiplier = _number(mimic, "multiplier", at) if mimic.get("multiplier") else 1.0
        laws[str(joint.get("name"))] = (leader, multiplier, _number(mimic, "offset", at))
    for name in laws:
        seen, leader = {name}, laws[name][0]
        while leader in laws:
            if leader in seen:
                raise InputError(f"{where}: joint {name}", "mimics joints that go round in a circle")
            seen.add(leader)
            leader = laws[leader][0]
    return laws


def lost_leaders(root: Element) -> tuple[str, ...]:
    """Returns a sentence on the joints that mimic one which the file does not have; empty if there are none.

    Args:
        root: Root of the URDF.
    """
    joints = {joint.get("name") for joint in root.findall("joint")}
    pairs = [(joint.get("name"), mimic.get("joint")) for joint in root.findall("joint") for mimic in joint.findall("mimic")]
    lost = [f"{name} (mimics {leader}, which is no joint of the file)" for name, leader in pairs if leader not in joints]
    return (f"{', '.join(lost)} stand{'s' * (len(lost) == 1)} still at 0",) if lost else ()


def continuous_joints(root: Element, arm: Iterable[str]) -> tuple[bool, ...]:
    """Returns whether each joint of the arm is continuous: whole turns of it are the same place.

    Args:
        root: Root of the URDF.
        arm: Names of the arm's joints, in order.
    """
    kinds = {joint.get("name"): joint.get("type") for joint in root.findall("joint")}
    return tuple(kinds.get(name) == "continuous" for name in arm)


def check_limits(root: Element, where: str, arm: Collection[str]) -> None:
    """Checks that a URDF has position and velocity limits for every joint of the arm.

    Args:
        root: Root of the URDF, as it is written.
        where: Its file, for messages.
        arm: Names of the arm's joints.

    Raises:
        InputError: A limit is missing, not a number, or not in order.
    """
    for joint in (joint for joint in root.findall("joint") if joint.get("name") in arm):
        at, limit = f"{where}: joint {joint.get('name')}", joint.find("limit")
        remedy = "mend the URDF or give [limits.NAME] in robot.toml"
        if limit is None and joint.get("type") != "continuous":
            raise InputError(at, f"has no <limit>; {remedy}")
        velocity = _number(limit, "velocity", at)
        effort = _number(limit, "effort", at)
        if not effort >= 0:
            raise InputError(at, f"has the effort limit {effort:g}; 0 (unknown) or a positive number is needed: {remedy}")
        if not 0 < velocity <= FASTEST:
            raise InputError(at, f"has the velocity limit {velocity:g}; allowed: above 0, to {FASTEST:g} rad/s: {remedy}")
        if joint.get("type") != "continuous":
            low, high = _number(limit, "lower", at), _number(limit, "upper", at)
            if not low < high:
                raise InputError(at, f"has the limits lower = {low:g}, upper = {high:g}; lower must be below upper: {remedy}")


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
    group, moving = _rigid_groups(root), _moved_by(root, arm)
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
                _number(entry, key, at)


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
    links, group = {str(link.get("name")): link for link in root.findall("link")}, _rigid_groups(root)
    enclosed = {group[name] for name in links if name in shaped}
    is_thing = lambda name, link: (  # noqa: E731
        link.find("visual") is not None or (_mass(link, where) > 0 and group[name] not in enclosed)
    )
    return [name for name, link in links.items() if name not in shaped and is_thing(name, link)]


def longest_chain(root: Element) -> list[str]:
    """Returns the joints of the longest chain from the root whose joints can move by themselves: what an arm most likely is.

    Joints that mimic others or are followed by some are those of hands, and left out.

    Args:
        root: Root of the URDF, a tree.
    """
    mimics = [(joint.get("name"), joint.find("mimic")) for joint in root.findall("joint")]
    hands = {name for name, mimic in mimics if mimic is not None}
    hands |= {mimic.get("joint") for _, mimic in mimics if mimic is not None}
    above = {_end(joint, "child"): joint for joint in root.findall("joint")}
    chains: dict[str, list[str]] = {}

    def chain(link: str) -> list[str]:
        if link not in chains:
            joint = above.get(link)
            own = joint is not None and joint.get("type") in MOVABLE and joint.get("name") not in hands
            before = [] if joint is None else chain(_end(joint, "parent"))
            chains[link] = [*before, str(joint.get("name"))] if joint is not None and own else before
        return chains[link]

    return max((chain(str(link.get("name"))) for link in root.findall("link")), key=len)


def _end(joint: Element, end: str) -> str:
    """Link at the parent's or the child's end of a joint."""
    entry = joint.find(end)
    return "" if entry is None else str(entry.get("link"))


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


def free_limits(root: Element, where: str, arm: Iterable[str]) -> tuple[str, ...]:
    """Returns what the limits of a URDF alone leave to be assumed, a sentence each.

    Args:
        root: Root of the URDF.
        where: Its file, for messages.
        arm: Names of the arm's joints.
    """
    limits = {joint.get("name"): joint.find("limit") for joint in root.findall("joint")}
    free = [name for name in arm if not _number(limits.get(name), "effort", f"{where}: joint {name}") > 0]
    said = ("accelerations to 10 rad/s² and jerks to 500 rad/s³ are allowed: a URDF has no such limits",)
    return (*said, f"{', '.join(free)} can give any torque: the URDF has no effort limit there") if free else said


def _named(names: list[str]) -> str:
    return f"link{'s' * (len(names) > 1)} {', '.join(names)}"


def _has(names: list[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _it(names: list[str]) -> str:
    return "it" if len(names) == 1 else "they"


def _rigid_groups(root: Element) -> dict[str, str]:
    """For each link the name of the first of those that fixed joints join it to."""
    group = {str(link.get("name")): str(link.get("name")) for link in root.findall("link")}
    for joint in root.findall("joint"):
        if joint.get("type") == "fixed":
            old, new = (group[str(joint.find(end).get("link"))] for end in ("child", "parent"))  # type: ignore[union-attr]
            group = {name: (new if first == old else first) for name, first in group.items()}
    return group


def _number(entry: Element | None, key: str, at: str) -> float:
    """A number of an element; 0 where it is missing."""
    text = "0" if entry is None else entry.get(key, "0")
    try:
        return float(text)
    except ValueError:
        raise InputError(at, f"has {key} = {text!r}; a number is needed") from None


def _mass(link: Element, where: str) -> float:
    """Mass of a link [kg]."""
    return _number(link.find("inertial/mass"), "value", f"{where}: link {link.get('name')}")


def _moved_by(root: Element, arm: Collection[str]) -> set[str]:
    """Names of the links that any joint of the arm moves."""
    children: dict[str, list[tuple[str, str]]] = {}
    for joint in root.findall("joint"):
        parent, child = (str(joint.find(end).get("link")) for end in ("parent", "child"))  # type: ignore[union-attr]
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
    xx, xy, xz, yy, yz, zz = (_number(entry, key, at) for key in ("ixx", "ixy", "ixz", "iyy", "iyz", "izz"))
    if not np.all(np.isfinite([xx, xy, xz, yy, yz, zz, _mass(link, where)])):
        return "has a mass or an inertia that is not finite"
    moments = np.linalg.eigvalsh([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    room = TRIANGLE * max(float(np.abs(moments).sum()), 1e-12)
    if moments[0] < -room or moments[2] > moments[0] + moments[1] + room:
        shown = ", ".join(f"{m:.3g}" for m in moments)
        return f"has an inertia that no body has (principal moments {shown} kg m²: each is at most the sum of the others)"
    return ""
