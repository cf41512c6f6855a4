"""Reading URDF and SRDF texts: encodings, xacro, mesh files and names, and what pinocchio does not read of them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from fastmove.errors import InputError
from fastmove.geometry.mesh_file import dae_unit
from fastmove.robot.ros_package import package_folders
from fastmove.robot.xacro_file import expanded

LINK_SUFFIX = " (link)"  # Appended to the name of a link that a joint has, too: pinocchio looks both up in one list of frames.


def read_urdf(path: Path, packages: Sequence[Path] = (), arguments: Mapping[str, str] | None = None) -> Element:
    """Returns the root of a URDF file, or of what a xacro file expands to.

    Args:
        path: The file.
        packages: Folders in which a xacro file's packages are looked up.
        arguments: Arguments of a xacro file.

    Raises:
        InputError: The file is missing, is no UTF-8 text or XML, is no robot description, or cannot be expanded.
        MissingPackage: It is a xacro file, and xacro is not installed.
    """
    root = _xml(path, "URDF")
    if _is_xacro(path, root):
        text = expanded(path, packages, arguments or {})
        root = ElementTree.fromstring(text)
    if root.tag != "robot":
        raise InputError(str(path), f"has the root <{root.tag}>; a URDF has <robot> (convert MJCF or SDF files first)")
    if root.find("link") is None:
        raise InputError(str(path), "has no <link>; a robot needs at least one")
    return root


def _is_xacro(path: Path, root: Element) -> bool:
    return "xacro" in path.suffix or any("xacro" in str(entry.tag) for entry in root.iter())


def _article(kind: str) -> str:
    return f"a{'n' * (kind[0] == 'S')} {kind}"


def _xml(path: Path, kind: str) -> Element:
    """Root of an XML file; a byte order mark is passed over."""
    if not path.is_file():
        raise InputError(str(path), f"no such {kind} file")
    try:
        return ElementTree.fromstring(path.read_bytes().decode("utf-8-sig").strip().encode())
    except UnicodeDecodeError as error:
        raise InputError(str(path), f"is not {_article(kind)} that can be read: it is no UTF-8 text; save it as UTF-8") from error
    except ElementTree.ParseError as error:
        raise InputError(str(path), f"is not {_article(kind)} that can be read: {error}") from error


def prepared(root: Element, path: Path, packages: Sequence[Path]) -> str:
    """Returns the text of a URDF as pinocchio reads it best.

    Continuous joints are made revolute with the range ±8π rad, so that every joint position is one number without
    wrap-around; names of collision meshes become paths, in metres; a link that has a joint's name gets `LINK_SUFFIX`.

    Args:
        root: Root of the URDF, changed in place.
        path: Its file.
        packages: Folders for `package://` names.

    Raises:
        InputError: A mesh file cannot be found, or lies outside the folders given.
    """
    for joint in root.findall("joint"):
        _complete(joint)
    for link in root.findall("link"):
        for mesh in (mesh for part in link.findall("collision") for mesh in part.iter("mesh")):
            file = mesh_path(mesh.get("filename", ""), str(link.get("name")), path, packages)
            mesh.set("filename", str(file.resolve()))
            unit = dae_unit(file)
            if unit != 1.0:
                scale = [float(x) * unit for x in (mesh.get("scale") or "1 1 1").split()]
                mesh.set("scale", " ".join(repr(x) for x in scale))
    shared = {joint.get("name") for joint in root.findall("joint")} & {link.get("name") for link in root.findall("link")}
    for link in root.findall("link"):
        if link.get("name") in shared:
            link.set("name", f"{link.get('name')}{LINK_SUFFIX}")
    for joint in root.findall("joint"):
        for end in (*joint.findall("parent"), *joint.findall("child")):
            if end.get("link") in shared:
                end.set("link", f"{end.get('link')}{LINK_SUFFIX}")
    return ElementTree.tostring(root, encoding="unicode")


def _complete(joint: Element) -> None:
    """Makes a continuous joint revolute, and gives a joint the limits without which it would not be read; 0 is unknown."""
    endless = joint.get("type") == "continuous"
    if not endless and joint.get("type") not in ("revolute", "prismatic"):
        return
    limit = joint.find("limit")
    limit = ElementTree.SubElement(joint, "limit") if limit is None else limit
    if endless:
        joint.set("type", "revolute")
        limit.set("lower", str(-8 * np.pi))
        limit.set("upper", str(8 * np.pi))
    for key in ("lower", "upper", "effort", "velocity"):
        limit.set(key, "0" if (limit.get(key) or "nan").lower() == "nan" else str(limit.get(key)))


def mesh_path(name: str, link: str, urdf: Path, packages: Sequence[Path]) -> Path:
    """Returns the file of a mesh that a URDF names.

    `package://NAME/…` is looked up in the folders given, in the folder of the URDF and in those above it: a folder is the
    package if its package.xml says so or if it has its name.  Relative paths start from the URDF.  Absolute ones must lie in
    the URDF's folder, in its package (the nearest folder above it with a package.xml) or in one of those given.

    Args:
        name: Name of the mesh in the URDF.
        link: Link that it belongs to, for messages.
        urdf: The URDF file.
        packages: Folders for `package://` names.

    Raises:
        InputError: There is no such file, or it lies elsewhere.
    """
    beside = urdf.resolve().parent
    where = f"{urdf}: link {link}"
    if match := re.match(r"(?:package|model)://([^/]+)/(.+)", name):
        package, rest = match.groups()
        found = [place / rest for place in package_folders(package, packages, beside) if (place / rest).is_file()]
        if not found:
            raise InputError(where, f"mesh {name} is not found; give the folder that {package} lies in (packages=[…])")
        return found[0]
    if name.startswith("package:"):
        raise InputError(where, f"mesh {name} names no package; package://NAME/… is needed")
    file = Path(name.removeprefix("file://"))
    if not file.is_absolute():
        found = [folder / file for folder in (beside, *packages) if (folder / file).is_file()]
        if not found:
            raise InputError(where, f"mesh {name} is not found beside the URDF")
        return found[0]
    package = next((folder for folder in (beside, *beside.parents) if (folder / "package.xml").is_file()), beside)
    if not any(file.resolve().is_relative_to(folder.resolve()) for folder in (beside, package, *packages)):
        raise InputError(where, f"mesh {name} lies outside the URDF's folder; give its folder (packages=[…]), or a relative path")
    if not file.is_file():
        raise InputError(where, f"mesh {name} is not there")
    return file


def joint_ends(joint: Element) -> tuple[str, str]:
    """Returns the links at the parent's and the child's end of a joint; empty where it has none."""
    parent, child = (joint.find(end) for end in ("parent", "child"))
    return tuple("" if end is None else str(end.get("link")) for end in (parent, child))  # type: ignore[return-value]


def rigid_groups(root: Element) -> dict[str, str]:
    """Returns for each link the name of the first of those that fixed joints join it to.

    Args:
        root: Root of the URDF, a tree.
    """
    group = {str(link.get("name")): str(link.get("name")) for link in root.findall("link")}
    for joint in root.findall("joint"):
        if joint.get("type") == "fixed":
            new, old = (group[end] for end in joint_ends(joint))
            group = {name: (new if first == old else first) for name, first in group.items()}
    return group


def number(entry: Element | None, key: str, at: str) -> float:
    """Returns a number of an element; 0 where it is missing.

    Args:
        entry: Element; None = there is none.
        key: Name of the attribute.
        at: File and link or joint, for messages.

    Raises:
        InputError: It is no number.
    """
    text = "0" if entry is None else entry.get(key, "0")
    try:
        return float(text)
    except ValueError:
        raise InputError(at, f"has {key} = {text!r}; a number is needed") from None


def adjacent_pairs(root: Element) -> dict[frozenset[str], str]:
    """Returns the pairs of links of a URDF that are joined by one joint or cannot move against each other.

    Args:
        root: Root of the URDF.

    Returns:
        {frozenset of two links: "adjacent"}.
    """
    group = rigid_groups(root)
    joined = {frozenset(group[end] for end in joint_ends(joint)) for joint in root.findall("joint")}
    names = sorted(group)
    return {
        frozenset((a, b)): "adjacent"
        for i, a in enumerate(names)
        for b in names[i + 1 :]
        if group[a] == group[b] or frozenset((group[a], group[b])) in joined
    }


def srdf_pairs(path: Path) -> dict[frozenset[str], str]:
    """Returns the pairs of links that an SRDF file excepts from collision checks, each with its reason.

    Raises:
        InputError: There is no such file, or it is no SRDF.
    """
    root = _xml(path, "SRDF")
    if root.tag != "robot":
        raise InputError(str(path), f"has the root <{root.tag}>; an SRDF has <robot>")
    entries = root.iter("disable_collisions")
    return {frozenset((str(e.get("link1")), str(e.get("link2")))): f"SRDF: {e.get('reason', 'no reason given')}" for e in entries}


def canonical_urdf(path: Path) -> str:
    """Returns the text of a URDF file with white space folded, as the problem hash uses it."""
    return re.sub(r"\s+", " ", path.read_text(encoding="utf-8-sig"))
