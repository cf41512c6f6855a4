"""What the tree and the joints of a robot description must say before anything may be believed of it.

Names, one tree, kinds of joints, laws of those that mimic others, and limits; each hole is one sentence.  For the links see
`robot.link_description`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from xml.etree.ElementTree import Element

from fastmove.errors import InputError
from fastmove.robot.joint_limits import FASTEST
from fastmove.robot.urdf import joint_ends, number

MOVABLE = ("revolute", "continuous", "prismatic")


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
        multiplier = number(mimic, "multiplier", at) if mimic.get("multiplier") else 1.0
        laws[str(joint.get("name"))] = (leader, multiplier, number(mimic, "offset", at))
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
        velocity = number(limit, "velocity", at)
        effort = number(limit, "effort", at)
        if not effort >= 0:
            raise InputError(at, f"has the effort limit {effort:g}; 0 (unknown) or a positive number is needed: {remedy}")
        if not 0 < velocity <= FASTEST:
            raise InputError(at, f"has the velocity limit {velocity:g}; allowed: above 0, to {FASTEST:g} rad/s: {remedy}")
        if joint.get("type") != "continuous":
            low, high = number(limit, "lower", at), number(limit, "upper", at)
            if not low < high:
                raise InputError(at, f"has the limits lower = {low:g}, upper = {high:g}; lower must be below upper: {remedy}")


def longest_chain(root: Element) -> list[str]:
    """Returns the joints of the longest chain from the root whose joints can move by themselves: what an arm most likely is.

    Joints that mimic others or are followed by some are those of hands, and left out.

    Args:
        root: Root of the URDF, a tree.
    """
    mimics = [(joint.get("name"), joint.find("mimic")) for joint in root.findall("joint")]
    hands = {name for name, mimic in mimics if mimic is not None}
    hands |= {mimic.get("joint") for _, mimic in mimics if mimic is not None}
    above = {joint_ends(joint)[1]: joint for joint in root.findall("joint")}
    chains: dict[str, list[str]] = {}

    def chain(link: str) -> list[str]:
        if link not in chains:
            joint = above.get(link)
            own = joint is not None and joint.get("type") in MOVABLE and joint.get("name") not in hands
            before = [] if joint is None else chain(joint_ends(joint)[0])
            chains[link] = [*before, str(joint.get("name"))] if joint is not None and own else before
        return chains[link]

    return max((chain(str(link.get("name"))) for link in root.findall("link")), key=len)


def free_limits(root: Element, where: str, arm: Iterable[str]) -> tuple[str, ...]:
    """Returns what the limits of a URDF alone leave to be assumed, a sentence each.

    Args:
        root: Root of the URDF.
        where: Its file, for messages.
        arm: Names of the arm's joints.
    """
    limits = {joint.get("name"): joint.find("limit") for joint in root.findall("joint")}
    free = [name for name in arm if not number(limits.get(name), "effort", f"{where}: joint {name}") > 0]
    said = ("accelerations to 10 rad/s² and jerks to 500 rad/s³ are allowed: a URDF has no such limits",)
    return (*said, f"{', '.join(free)} can give any torque: the URDF has no effort limit there") if free else said
