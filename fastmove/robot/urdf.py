"""Reading from URDF and SRDF texts what pinocchio does not: continuous joints, adjacent links, unchecked pairs."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np

from fastmove.errors import InputError


def revolute_for_continuous(text: str) -> str:
    """Returns a URDF text whose continuous joints are made revolute, with the range ±8π rad.

    Every joint position is then one number, without wrap-around.

    Args:
        text: URDF text.
    """
    root = ElementTree.fromstring(text)
    for joint in root.iter("joint"):
        if joint.get("type") == "continuous":
            joint.set("type", "revolute")
            limit = joint.find("limit")
            limit = ElementTree.SubElement(joint, "limit") if limit is None else limit
            limit.set("lower", str(-8 * np.pi))
            limit.set("upper", str(8 * np.pi))
            for key in ("effort", "velocity"):
                limit.set(key, limit.get(key) or "0")
    return ElementTree.tostring(root, encoding="unicode")


def adjacent_pairs(text: str) -> dict[frozenset[str], str]:
    """Returns the pairs of links of a URDF text that are joined by one joint or cannot move against each other.

    Args:
        text: URDF text.

    Returns:
        {frozenset of two links: "adjacent"}.
    """
    root = ElementTree.fromstring(text)
    joints = [(j.get("type"), j.find("parent"), j.find("child")) for j in root.findall("joint")]
    edges = [(kind, p.get("link"), c.get("link")) for kind, p, c in joints if p is not None and c is not None]
    group = {link.get("name"): link.get("name") for link in root.findall("link")}
    for kind, parent, child in edges:
        if kind == "fixed":
            old, new = group[child], group[parent]
            group = {k: (new if v == old else v) for k, v in group.items()}
    joined = {frozenset((group[p], group[c])) for _, p, c in edges}
    names = sorted(str(n) for n in group)
    return {
        frozenset((a, b)): "adjacent"
        for i, a in enumerate(names)
        for b in names[i + 1 :]
        if group[a] == group[b] or frozenset((group[a], group[b])) in joined
    }


def srdf_pairs(path: Path) -> dict[frozenset[str], str]:
    """Returns the pairs of links that an SRDF file excepts from collision checks, each with its reason.

    Raises:
        InputError: there is no such file.
    """
    if not path.is_file():
        raise InputError(str(path), "no such SRDF file")
    entries = ElementTree.parse(path).getroot().iter("disable_collisions")
    return {frozenset((str(e.get("link1")), str(e.get("link2")))): f"SRDF: {e.get('reason', 'no reason given')}" for e in entries}


def canonical_urdf(path: Path) -> str:
    """Returns the text of a URDF file with white space folded, as the problem hash uses it."""
    return re.sub(r"\s+", " ", path.read_text())
