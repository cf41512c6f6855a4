"""What a robot description holds, lacks and gets wrong, and a first robot.toml for it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from xml.etree.ElementTree import Element

import coal
import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.errors import InputError
from fastmove.robot.description import check_tree, continuous_joints, longest_chain
from fastmove.robot.link_description import bare_links, odd_inertias
from fastmove.robot.link_geometry import link_frame
from fastmove.robot.model import RobotModel, robot_of
from fastmove.robot.urdf import read_urdf
from fastmove.tables import CheckedTable

ACCELERATION, JERK = 10.0, 500.0  # What a draft assumes where nothing is known [rad/s²], [rad/s³].
ASSUMED = f"accelerations to {ACCELERATION:g} rad/s² and jerks to {JERK:g} rad/s³ are allowed, which a draft cannot know"
TOUCH = "touch at the reference pose"  # Reason that is entered.
TOUCHING = 0.002  # Distance below which two links count as touching at the reference pose: the default clearance [m].


@dataclass(frozen=True)
class RobotDraft:
    """What was found of a robot description.

    Attributes:
        joints: Joints of the arm.
        findings: A sentence each: what is assumed, what has no shape, what touches.
        faults: What must be mended in the description itself before it can be used, a sentence each.
        text: A first robot.toml.
        robot: The robot that description and draft make; None where there are faults.
    """

    joints: tuple[str, ...]
    findings: tuple[str, ...]
    faults: tuple[str, ...]
    text: str
    robot: RobotModel | None = field(default=None, repr=False)


def draft_robot(
    urdf: str | Path,
    srdf: str | Path | None = None,
    packages: Sequence[str | Path] = (),
    beside: str | Path | None = None,
    arguments: Mapping[str, str] | None = None,
) -> RobotDraft:
    """Looks at a robot description and drafts its robot.toml.

    Args:
        urdf: URDF file, or a xacro file where `xacro` is installed.
        srdf: SRDF file, if there is one.
        packages: Folders for `package://` names.
        beside: Folder that the robot.toml will be in; None = that of the URDF.
        arguments: Arguments of a xacro file.

    Raises:
        InputError: The file cannot be read as a robot at all.
    """
    path, folders = Path(urdf), [Path(folder) for folder in packages]
    root = read_urdf(path, folders, arguments)
    check_tree(root, path.name)
    arm = longest_chain(root)
    findings = [f"{len(arm)} joints of the longest chain are taken for the arm: {', '.join(arm)}"]
    findings.append(f"links: {_few([str(link.get('name')) for link in root.findall('link')], 40)}")
    shaped = {str(link.get("name")) for link in root.findall("link") if link.find("collision") is not None}
    bare = bare_links(root, path.name, shaped)
    said = f"{len(bare)} links have no collision shape and are not checked, problems must accept them: {_few(bare)}"
    findings.append(said if bare else "every link that is a thing has a collision shape")
    odd = [name for name, (_, moves) in odd_inertias(root, path.name, arm).items() if moves]
    if odd:
        findings.append(f"{len(odd)} moving links have inertias that no body has, taken as they are: {_few(odd)}")
    faults: list[str] = []
    config: dict[str, list[str]] = {"joints": arm, "unshaped": bare, "inertias_as_given": odd}
    try:
        if not arm:
            raise InputError(path.name, "has no joint that moves by itself; nothing could be planned")
        table = CheckedTable({**config, "xacro": dict(arguments or {})}, "robot")
        robot = robot_of(root, path, srdf, folders, table, path.parent)
    except InputError as error:
        faults.append(str(error))
        robot = None
    touching = [] if robot is None else _touching(robot)
    if robot is not None:
        findings += _found(robot, touching)
        excepted = {frozenset(pair): TOUCH for pair in touching}
        robot = replace(robot, unchecked_pairs={**robot.unchecked_pairs, **excepted})
    folder = Path(beside or path.parent)
    files = {"urdf": path, **({} if srdf is None else {"srdf": Path(srdf)})}
    places = {key: _quoted(_relative(file, folder)) for key, file in files.items()}
    if packages:
        places["packages"] = _list([_relative(p, folder) for p in folders])
    if arguments:
        places["xacro"] = f"{{{', '.join(f'{_quoted(key)} = {_quoted(value)}' for key, value in arguments.items())}}}"
    text = _text(root, robot, config, touching, places)
    return RobotDraft(tuple(arm), tuple(findings), tuple(faults), text, robot)


def _found(robot: RobotModel, touching: list[tuple[str, str]]) -> list[str]:
    """What is to be said of a robot that could be built: pairs that touch, joints that stand still, assumptions."""
    said = f"{len(touching)} pairs of links touch at the reference pose, entered as [[unchecked]]: look at each"
    found = [said if touching else "no pair of links touches at the reference pose but neighbours, which are not checked"]
    still = [f"{joint} at {value:.3g}" for joint, value in robot.still_joints({}).items()]
    if still:
        found.append(f"{len(still)} other joints stand still ([still] in robot.toml puts them elsewhere): {_few(still)}")
    return [*found, *(f"assumed: {sentence}" for sentence in robot.assumes)]


def _touching(robot: RobotModel) -> list[tuple[str, str]]:
    """Pairs of links that touch at the reference pose, and are not excepted already: 0, or the middle where 0 is out of range."""
    limits, model = robot.limit_set(), robot.model
    locked = [k for k in range(1, model.njoints) if model.names[k] not in robot.joint_names]
    arm = pin.buildReducedModel(model, locked, robot.still_configuration({}))
    inside = (limits.position_min <= 0) & (limits.position_max >= 0)
    q = pin.neutral(arm)
    for k, name in enumerate(robot.joint_names):
        q[arm.joints[arm.getJointId(name)].idx_q] = 0.0 if inside[k] else limits.middle[k]
    data = arm.createData()
    pin.forwardKinematics(arm, data, q)
    places = [(shape, frame := link_frame(arm, shape.link), data.oMi[frame.parentJoint] * frame.placement * shape.placement)
              for shape in robot.shapes]  # fmt: skip
    found: dict[tuple[str, str], None] = {}
    for (one, frame, here), (other, across, there) in combinations(places, 2):
        pair = (one.link, other.link)
        if frame.parentJoint == across.parentJoint or frozenset(pair) in robot.unchecked_pairs or pair in found:
            continue
        poses = [coal.Transform3s(place.rotation, place.translation) for place in (here, there)]
        result = coal.DistanceResult()
        if coal.distance(one.geometry, poses[0], other.geometry, poses[1], coal.DistanceRequest(), result) < TOUCHING:
            found[pair] = None
    return list(found)


def _text(
    root: Element,
    robot: RobotModel | None,
    config: dict[str, list[str]],
    touching: list[tuple[str, str]],
    places: dict[str, str],
) -> str:
    """The robot.toml as text; `places` are the keys that say where the description is, with their values."""
    arm = config["joints"]
    lines = [
        f"# A first robot.toml, drafted from {places['urdf'][1:-1]}: look at every line.",
        f"name = {_quoted(str(root.get('name')))}",
    ]
    lines += [f"{key} = {value}" for key, value in places.items()]
    lines.append(f"joints = {_list(arm)}")
    if config["unshaped"]:
        lines += ["# Links without a collision shape: whatever they hit is not seen.", f"unshaped = {_list(config['unshaped'])}"]
    if config["inertias_as_given"]:
        lines += ["# Moving links whose inertias no body has.", f"inertias_as_given = {_list(config['inertias_as_given'])}"]
    if robot is not None:
        size, limits = len(arm), robot.limit_set()
        lines += [
            "",
            "# Positions, speeds and efforts are the URDF's (inf: it has none); acceleration and jerk are assumed.",
            "# Put your robot's own and delete `assumed`, which every certificate repeats.",
            '# The first set of limits in this file is the default; a problem names another one: limits = "…".',
            "[limits.drafted]",
            f"assumed = {_quoted(ASSUMED)}",
            *(f"{key} = {_numbers(getattr(limits, key))}" for key in ("position_min", "position_max", "velocity")),
            f"acceleration = {_numbers(np.full(size, ACCELERATION))}",
            f"jerk = {_numbers(np.full(size, JERK))}",
            f"effort = {_numbers(limits.effort)}",
            f"effort_rate = {_numbers(np.full(size, np.inf))}",
        ]
        turning = [name for name, endless in zip(arm, continuous_joints(root, arm), strict=True) if endless]
        if turning:
            lines.append(f"# {', '.join(turning)} turn without end; ±8π stands for it.")
    for pair in touching:
        lines += ["", "[[unchecked]]", f"links = {_list(list(pair))}", f'reason = "{TOUCH}"']
    return "\n".join(lines) + "\n"


def _relative(file: Path, folder: Path) -> str:
    return Path(os.path.relpath(file.resolve(), folder.resolve())).as_posix()


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _list(texts: list[str]) -> str:
    return f"[{', '.join(_quoted(text) for text in texts)}]"


def _numbers(values: Array) -> str:
    return f"[{', '.join(repr(float(value)) for value in values)}]"


def _few(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
