"""Conversion of sampled trajectories to and from CSV and JointTrajectory YAML text."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fastmove.arrays import Array
from fastmove.errors import TrajectoryFileError

# Columns with one value per joint.
CHANNELS = ("position", "velocity", "acceleration", "effort")

# Columns with one value per hand.
HANDS = ("grip_force", "opening")

# Names of the column of times, and what other programs call the channels.
TIMES = ("time", "t", "time_s", "seconds", "timestamp", "time_from_start")
ALIASES = {
    **{channel: channel for channel in CHANNELS},
    **dict.fromkeys(("q", "pos", "positions"), "position"),
    **dict.fromkeys(("v", "vel", "qd", "dq", "velocities"), "velocity"),
    **dict.fromkeys(("a", "acc", "qdd", "ddq", "accelerations"), "acceleration"),
    **dict.fromkeys(("tau", "torque", "efforts"), "effort"),
}

GRIP_COMMENT = "# fastmove grip_force [N]: "  # Begins the first line of our own YAML files.
DEPTH = 4  # Number of levels of a message that are searched for a JointTrajectory.


def csv_text(samples: dict[str, object]) -> str:
    """Formats trajectory samples as CSV with a header row.

    Args:
        samples: arrays `time` (N,), `CHANNELS` (N, n_arm), `HANDS` (N,) or (N, holds), and `joint_names` (n_arm,).

    Returns:
        The text; columns are time, CHANNEL.JOINT, then grip_force and opening (with .0, .1, … of several hands).
    """
    names = [str(n) for n in np.asarray(samples["joint_names"])]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    hands = {c: np.asarray(samples[c]).reshape(len(np.asarray(samples["time"])), -1) for c in HANDS}
    hand_columns = [c if values.shape[1] == 1 else f"{c}.{k}" for c, values in hands.items() for k in range(values.shape[1])]
    writer.writerow(["time", *(f"{c}.{n}" for c in CHANNELS for n in names), *hand_columns])
    columns = [np.asarray(samples["time"])[:, None], *(np.asarray(samples[c]) for c in CHANNELS), *hands.values()]
    for row in np.hstack(columns):
        writer.writerow([repr(float(x)) for x in row])
    return text.getvalue()


def read_csv(path: Path) -> dict[str, Array]:
    """Reads the columns of a CSV trajectory into arrays.

    The header names the time (`TIMES`) and one column for each joint and channel: CHANNEL.JOINT (or an alias of
    `ALIASES`, and _ or / for the dot); a name alone is that of a joint's position.  Blank lines are passed over.

    Returns:
        `time` (N,) [s], `joint_names` (n,), and of `CHANNELS` (N, n) and `HANDS` (N,) or (N, holds) those that are there.

    Raises:
        TrajectoryFileError: there is no header row, or a row has other than numbers.
    """
    with path.open(newline="", encoding="utf-8-sig") as stream:
        rows = [(number, [cell.strip() for cell in row]) for number, row in enumerate(csv.reader(stream), 1)]
    rows = [(number, row) for number, row in rows if any(row)]
    if not rows or rows[0][1][0].lower() not in TIMES:
        raise TrajectoryFileError(str(path), "needs a header row: time, position.JOINT …, velocity.JOINT …, acceleration.JOINT …")
    header, values = [_column(name) for name in rows[0][1]], []
    for number, row in rows[1:]:
        if len(row) != len(header):
            raise TrajectoryFileError(str(path), f"has {len(row)} values in line {number}; the header has {len(header)}")
        values.append([_cell(path, number, cell) for cell in row])
    table = np.array(values).reshape(-1, len(header))
    data: dict[str, Array] = {"time": table[:, 0]}
    joints = [joint for channel, joint in header if channel == "position"]
    for channel in CHANNELS:
        if joints and all((channel, joint) in header for joint in joints):
            data[channel] = table[:, [header.index((channel, joint)) for joint in joints]]
    for channel in HANDS:
        columns = [k for k, (name, _) in enumerate(header) if name == channel]
        if columns:
            data[channel] = table[:, columns[0] if len(columns) == 1 else columns]
    data["joint_names"] = np.array(joints)
    return data


def _column(name: str) -> tuple[str, str]:
    """Channel and joint that a column's name means."""
    for channel in (*HANDS, *TIMES):
        if name.lower() == channel or name.split(".")[0] == channel:
            return channel, ""
    for separator in "./_":
        head, _, joint = name.partition(separator)
        if joint and head.lower() in ALIASES:
            return ALIASES[head.lower()], joint
    return "position", name


def _cell(path: Path, number: int, text: str) -> float:
    """Number in a cell of a line."""
    try:
        return float(text)
    except ValueError:
        raise TrajectoryFileError(str(path), f"has {text!r} in line {number}; a number is needed") from None


def yaml_text(samples: dict[str, object]) -> str:
    """Formats trajectory samples as YAML in the layout of a ROS trajectory_msgs/JointTrajectory.

    Args:
        samples: arrays `time` (N,), `position`, `velocity`, `acceleration` and `effort` (N, n_arm), `grip_force` (N,) or
            (N, holds), and `joint_names` (n_arm,).
    """
    time = np.asarray(samples["time"])
    points = []
    for i, t in enumerate(time):
        nanoseconds = round(float(t) * 1e9)
        point: dict[str, object] = {
            "positions": np.asarray(samples["position"])[i].tolist(),
            "velocities": np.asarray(samples["velocity"])[i].tolist(),
            "accelerations": np.asarray(samples["acceleration"])[i].tolist(),
            "effort": np.asarray(samples["effort"])[i].tolist(),
            "time_from_start": {"sec": nanoseconds // 10**9, "nanosec": nanoseconds % 10**9},
        }
        points.append(point)
    names = [str(n) for n in np.asarray(samples["joint_names"])]
    grip = np.asarray(samples["grip_force"]).reshape(len(time), -1)
    # A comment, since a JointTrajectory has no place for it, and ROS reads no message with a key more.
    said = f"{GRIP_COMMENT}{[float(force) for force in grip[0]]}\n" if np.all(grip == grip[0]) else ""
    return said + yaml.safe_dump({"joint_names": names, "points": points}, default_flow_style=None, sort_keys=False)


def read_yaml(path: Path) -> dict[str, Array]:
    """Reads the points of a trajectory in YAML, as ROS prints and records them, into arrays.

    It is a JointTrajectory or a message that has one (MoveIt RobotTrajectory or DisplayTrajectory, FollowJointTrajectory goal),
    with the stamps of ROS 1 or 2, in the one document of several that has points.

    Returns:
        `time` (N,) [s], `joint_names` (n,), of position, velocity and acceleration (N, n) those that the points have, and
        `grip_force` (N,) or (N, holds) where our own comment says it.

    Raises:
        TrajectoryFileError: the file has no list of points, or a point is not like the others; the point is named.
    """
    text = path.read_text(encoding="utf-8-sig")
    found = [one for document in yaml.safe_load_all(text) for one in _joint_trajectories(document)]
    if len(found) != 1:
        problem = "needs joint_names and a list of points, as of a ROS JointTrajectory"
        raise TrajectoryFileError(str(path), f"holds {len(found)} trajectories; one is needed" if found else problem)
    names, points = found[0]["joint_names"], found[0]["points"]
    if not isinstance(names, list) or not isinstance(points, list) or not all(isinstance(point, dict) for point in points):
        raise TrajectoryFileError(str(path), "needs joint_names and a list of points, as of a ROS JointTrajectory")
    data: dict[str, Array] = {
        "time": np.array([_stamp(path, k, point) for k, point in enumerate(points, 1)]),
        "joint_names": np.array([str(name) for name in names]),
    }
    for key, name in (("position", "positions"), ("velocity", "velocities"), ("acceleration", "accelerations")):
        if any(point.get(name) for point in points):
            data[key] = np.array([_values(path, k, point, name, len(names)) for k, point in enumerate(points, 1)])
    first = text.partition("\n")[0]
    if first.startswith(GRIP_COMMENT):
        grip = np.array(yaml.safe_load(first.removeprefix(GRIP_COMMENT)), dtype=float)
        data["grip_force"] = np.tile(grip, (len(points), 1)) if grip.size > 1 else np.full(len(points), grip.sum())
    return data


def _joint_trajectories(data: object, depth: int = 0) -> list[dict[str, Any]]:
    """All parts of a document that have joint_names and points."""
    if isinstance(data, dict) and {"joint_names", "points"} <= set(data):
        return [data] if data["points"] else []
    inner = list(data.values()) if isinstance(data, dict) else data if isinstance(data, list) else []
    return [one for part in inner for one in _joint_trajectories(part, depth + 1)] if depth < DEPTH else []


def _stamp(path: Path, number: int, point: dict[str, Any]) -> float:
    """Time of a point [s]."""
    stamp = point.get("time_from_start")
    for whole, parts in (("sec", "nanosec"), ("secs", "nsecs")):
        if isinstance(stamp, dict) and all(isinstance(stamp.get(key), int) for key in (whole, parts)):
            return float(stamp[whole] + 1e-9 * stamp[parts])
    raise TrajectoryFileError(
        str(path),
        f"has time_from_start = {stamp!r} in point {number}; {{sec, nanosec}} (ROS 2) or {{secs, nsecs}} (ROS 1) is needed",
    )


def _values(path: Path, number: int, point: dict[str, Any], key: str, count: int) -> list[float]:
    """Numbers of a point, one for each joint."""
    values = point.get(key) or []
    if not isinstance(values, list) or len(values) != count:
        found = len(values) if isinstance(values, list) else repr(values)
        raise TrajectoryFileError(str(path), f"has {found} {key} in point {number} of {count} joints, unlike others")
    try:
        return [float(value) for value in values]
    except (TypeError, ValueError):
        raise TrajectoryFileError(str(path), f"has {key} {values!r} in point {number}; numbers are needed") from None
