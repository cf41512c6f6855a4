"""Trajectories as CSV and as JointTrajectory YAML."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import yaml

from fastmove.arrays import Array
from fastmove.errors import TrajectoryFileError

CHANNELS = ("position", "velocity", "acceleration", "effort")
HANDS = ("grip_force", "opening")


def csv_text(samples: dict[str, object]) -> str:
    names = [str(n) for n in np.asarray(samples["joint_names"])]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    hands = {c: np.asarray(samples[c]).reshape(len(np.asarray(samples["time"])), -1) for c in HANDS}
    several = [c if values.shape[1] == 1 else f"{c}.{k}" for c, values in hands.items() for k in range(values.shape[1])]
    writer.writerow(["time", *(f"{c}.{n}" for c in CHANNELS for n in names), *several])
    columns = [np.asarray(samples["time"])[:, None], *(np.asarray(samples[c]) for c in CHANNELS), *hands.values()]
    for row in np.hstack(columns):
        writer.writerow([repr(float(x)) for x in row])
    return text.getvalue()


def read_csv(path: Path) -> dict[str, Array]:
    with path.open(newline="") as stream:
        rows = list(csv.reader(stream))
    if not rows or rows[0][:1] != ["time"]:
        raise TrajectoryFileError(str(path), "needs a header row: time, position.JOINT …, velocity.JOINT …, acceleration.JOINT …")
    header, values = rows[0], np.array([[float(x) for x in row] for row in rows[1:]])
    found: dict[str, Array] = {"time": values[:, 0]}
    joints = [name.split(".", 1)[1] for name in header if name.startswith("position.")]
    for channel in CHANNELS:
        if all(f"{channel}.{joint}" in header for joint in joints):
            found[channel] = values[:, [header.index(f"{channel}.{joint}") for joint in joints]]
    for channel in HANDS:
        of_hands = [k for k, name in enumerate(header) if name.split(".")[0] == channel]
        if of_hands:
            found[channel] = values[:, of_hands[0] if len(of_hands) == 1 else of_hands]
    found["joint_names"] = np.array(joints)
    return found


def yaml_text(samples: dict[str, object]) -> str:
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
    data = yaml.safe_load(path.read_text())
    points = data.get("points") if isinstance(data, dict) else None
    if not isinstance(points, list) or not points or not all(isinstance(point, dict) for point in points):
        raise TrajectoryFileError(str(path), "needs joint_names and a list of points, as of a ROS JointTrajectory")
    stamp = lambda p: p["time_from_start"]["sec"] + 1e-9 * p["time_from_start"]["nanosec"]  # noqa: E731
    found = {"time": np.array([stamp(p) for p in points], dtype=float), "joint_names": np.array(data["joint_names"])}
    for key, name in (("position", "positions"), ("velocity", "velocities"), ("acceleration", "accelerations")):
        if all(p.get(name) for p in points):
            found[key] = np.array([p[name] for p in points], dtype=float)
    return found
