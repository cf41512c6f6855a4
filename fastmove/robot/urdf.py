"""What is read from a robot's URDF and SRDF texts beside what pinocchio reads."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np

from fastmove.errors import InputError


def revolute_for_continuous(text: str) -> str:
    """Continuous joints as revolute ones of eight half turns: one number per joint, no wrap-around."""
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
    """Links joined by one joint, and links without relative motion."""
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
    """Pairs that an SRDF file excepts, each with its reason.  Raises InputError where there is no such file."""
    if not path.is_file():
        raise InputError(str(path), "no such SRDF file")
    found = ElementTree.parse(path).getroot().iter("disable_collisions")
    return {frozenset((str(e.get("link1")), str(e.get("link2")))): f"SRDF: {e.get('reason', 'no reason given')}" for e in found}


def canonical_urdf(path: Path) -> str:
    """The URDF's text with white space folded: what the problem hash depends on."""
    return re.sub(r"\s+", " ", path.read_text())
