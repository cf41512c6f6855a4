"""Conversion of sampled trajectories to and from CSV text."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

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
