"""Conversion of sampled trajectories to and from CSV and JointTrajectory YAML text."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import yaml

from fastmove.arrays import Array
from fastmove.errors import TrajectoryFileError

# Columns with one value per joint.
CHANNELS = ("position", "velocity", "acceleration", "effort")

# Columns with one value per hand.
HANDS = ("grip_force", "opening")


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

    Returns:
        `time` (N,) [s], `joint_names` (n_arm,), and of `CHANNELS` (N, n_arm) and `HANDS` (N,) or (N, holds) those that are there.

    Raises:
        TrajectoryFileError: there is no header row that begins with time.
    """
    with path.open(newline="") as stream:
        rows = list(csv.reader(stream))
    if not rows or rows[0][:1] != ["time"]:
        raise TrajectoryFileError(str(path), "needs a header row: time, position.JOINT …, velocity.JOINT …, acceleration.JOINT …")
    header, values = rows[0], np.array([[float(x) for x in row] for row in rows[1:]])
    data: dict[str, Array] = {"time": values[:, 0]}
    joints = [name.split(".", 1)[1] for name in header if name.startswith("position.")]
    for channel in CHANNELS:
        if all(f"{channel}.{joint}" in header for joint in joints):
            data[channel] = values[:, [header.index(f"{channel}.{joint}") for joint in joints]]
    for channel in HANDS:
        columns = [k for k, name in enumerate(header) if name.split(".")[0] == channel]
        if columns:
            data[channel] = values[:, columns[0] if len(columns) == 1 else columns]
    data["joint_names"] = np.array(joints)
    return data


def yaml_text(samples: dict[str, object]) -> str:
    """Formats trajectory samples as YAML in the layout of a ROS trajectory_msgs/JointTrajectory.

    Args:
        samples: arrays `time` (N,), `position`, `velocity`, `acceleration` and `effort` (N, n_arm), and `joint_names` (n_arm,).
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
    return yaml.safe_dump({"joint_names": names, "points": points}, default_flow_style=None, sort_keys=False)


def read_yaml(path: Path) -> dict[str, Array]:
    """Reads the points of a JointTrajectory YAML file into arrays.

    Returns:
        `time` (N,) [s], `joint_names` (n_arm,), and of position, velocity and acceleration (N, n_arm) those that every point has.

    Raises:
        TrajectoryFileError: the file has no list of points.
    """
    data = yaml.safe_load(path.read_text())
    points = data.get("points") if isinstance(data, dict) else None
    if not isinstance(points, list) or not points or not all(isinstance(point, dict) for point in points):
        raise TrajectoryFileError(str(path), "needs joint_names and a list of points, as of a ROS JointTrajectory")
    stamp = lambda p: p["time_from_start"]["sec"] + 1e-9 * p["time_from_start"]["nanosec"]  # noqa: E731
    channels = {"time": np.array([stamp(p) for p in points], dtype=float), "joint_names": np.array(data["joint_names"])}
    for key, name in (("position", "positions"), ("velocity", "velocities"), ("acceleration", "accelerations")):
        if all(p.get(name) for p in points):
            channels[key] = np.array([p[name] for p in points], dtype=float)
    return channels
