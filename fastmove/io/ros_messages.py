"""ROS 2 messages that hold a joint trajectory, as fields by name: JointTrajectory and the goal of FollowJointTrajectory.

Fields are nested as the definitions of trajectory_msgs and control_msgs nest them, and as `ros2 topic echo` prints them.
Times are whole seconds and nanoseconds.  In seconds t = n / 10⁹ is the double nearest to n nanoseconds, and round(10⁹ t) gives n
again: both roundings are off by 2⁻⁵³ at most, together by less than half a nanosecond as long as n < 2⁵¹ (26 days).

Efforts are left out unless asked for: where it commands none itself, the joint_trajectory_controller of ros2_controllers refuses
a trajectory whose points have them (`validate_trajectory_msg`, ros2_controllers #699).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastmove.arrays import Array
from fastmove.errors import InputError, TrajectoryFileError, UnknownName

JOINT_TRAJECTORY = "trajectory_msgs/msg/JointTrajectory"
GOAL = "control_msgs/action/FollowJointTrajectory_Goal"
SEND_GOAL = "control_msgs/action/FollowJointTrajectory_SendGoal_Request"
SEND_GOAL_EVENT = "control_msgs/action/FollowJointTrajectory_SendGoal_Event"  # What `ros2 bag record` keeps of an action's goals.

TOPIC = "/joint_trajectory"  # Where a trajectory is recorded unless another topic is named.
DEPTH = 4  # Number of levels of a message that are searched for a JointTrajectory.

# Fields of MoveIt's messages that are JointTrajectory, too, but postures of a hand.
POSTURES = ("detach_posture", "pre_grasp_posture", "grasp_posture", "post_place_posture")

# Channels of samples, and what a JointTrajectoryPoint calls them.
POINT_FIELDS = {"position": "positions", "velocity": "velocities", "acceleration": "accelerations", "effort": "effort"}
READ = ("position", "velocity", "acceleration")  # Channels that are read: efforts are computed anew.

# A joint's largest error: of every joint [rad or m], or of those that are named.
Tolerance = float | Mapping[str, float]


@dataclass(frozen=True)
class RosMessage:
    """A ROS 2 message with a joint trajectory in it.

    Attributes:
        type: name of its type, as "trajectory_msgs/msg/JointTrajectory"; empty where a file does not tell.
        fields: values of its fields by name, as lists, numbers and text; those that are left out have their defaults.
        topic: topic on which it was or will be recorded.
        time: time of the recording since 1970 [ns].
        grip_force: grip force per pad, one for each hold [N], noted beside the message by FastMove; empty where it is not.
    """

    type: str
    fields: dict[str, Any] = field(repr=False)
    topic: str = TOPIC
    time: int = 0
    grip_force: tuple[float, ...] = ()


def seconds(stamp: Mapping[str, int]) -> float:
    """Returns a time as a number of seconds, the nearest there is, from {sec, nanosec} (ROS 2) or {secs, nsecs} (ROS 1)."""
    whole, parts = ("sec", "nanosec") if "sec" in stamp else ("secs", "nsecs")
    return (stamp[whole] * 10**9 + stamp[parts]) / 1e9


def stamp_of(time: float) -> dict[str, int]:
    """Returns a time [s] as {sec, nanosec}, rounded to a nanosecond."""
    sec, nanosec = divmod(round(time * 1e9), 10**9)
    return {"sec": sec, "nanosec": nanosec}


def joint_trajectory(samples: Mapping[str, object], topic: str = TOPIC, effort: bool = False) -> RosMessage:
    """Returns a JointTrajectory of samples.

    Args:
        samples: arrays `time` (N,) [s], `position`, `velocity`, `acceleration` and `effort` (N, n_arm), `grip_force` (N,) or
            (N, holds) [N], and `joint_names` (n_arm,).
        topic: topic on which it will be recorded.
        effort: whether the points have efforts.
    """
    times = np.asarray(samples["time"])
    columns = [np.asarray(samples[channel]).tolist() for channel in POINT_FIELDS]
    points = []
    for t, *rows in zip(times, *columns, strict=True):
        point: dict[str, object] = dict(zip(POINT_FIELDS.values(), rows, strict=True))
        points.append(point | ({} if effort else {"effort": []}) | {"time_from_start": stamp_of(float(t))})
    grip = np.asarray(samples["grip_force"]).reshape(len(times), -1)
    header = {"stamp": {"sec": 0, "nanosec": 0}, "frame_id": ""}
    names = [str(name) for name in np.asarray(samples["joint_names"])]
    fields = {"header": header, "joint_names": names, "points": points}
    return RosMessage(JOINT_TRAJECTORY, fields, topic, 0, tuple(grip[0].tolist()) if np.all(grip == grip[0]) else ())


def goal_of(message: RosMessage, path: Tolerance | None, end: Tolerance | None, end_time: float) -> RosMessage:
    """Returns the goal of FollowJointTrajectory that asks for a JointTrajectory.

    Args:
        message: the JointTrajectory.
        path: how far a joint may be from its command on the way; None leaves that to the controller.
        end: how far it may be at the end, likewise.
        end_time: how long after the end it may take to get there [s]; 0 leaves that to the controller.

    Raises:
        InputError: a tolerance is no number above 0, is of a joint that does not move, or the time is negative.
    """
    names = message.fields["joint_names"]
    if not 0 <= end_time <= 1e9:
        raise InputError("goal_time_tolerance", f"is {end_time}; a number of seconds from 0 is needed")
    fields = {
        "trajectory": message.fields,
        "path_tolerance": _tolerances("path_tolerance", path, names),
        "goal_tolerance": _tolerances("goal_tolerance", end, names),
        "goal_time_tolerance": stamp_of(end_time),
    }
    return RosMessage(GOAL, fields, message.topic, message.time, message.grip_force)


def _tolerances(where: str, tolerance: Tolerance | None, names: Sequence[str]) -> list[dict[str, object]]:
    """List of JointTolerance; velocity and acceleration 0 leave these to the controller."""
    if tolerance is None:
        return []
    errors = dict(tolerance) if isinstance(tolerance, Mapping) else dict.fromkeys(names, tolerance)
    for name, error in errors.items():
        if name not in names:
            raise UnknownName(where, f"{name!r} is no joint of the motion; allowed: {', '.join(names)}", str(name), names)
        if not 0 < error < np.inf:
            raise InputError(where, f"is {error} for {name}; a number above 0 is needed [rad or m]")
    return [{"name": n, "position": float(errors[n]), "velocity": 0.0, "acceleration": 0.0} for n in names if n in errors]


def one_trajectory(where: str, messages: Sequence[RosMessage]) -> tuple[RosMessage, dict[str, Any]]:
    """Returns the one JointTrajectory with points in messages, with the message that it is in.

    Raises:
        TrajectoryFileError: there is none or more than one, or joints with several degrees of freedom move, too.
    """
    found = [(k, message, one) for k, message in enumerate(messages, 1) for one in _joint_trajectories(message.fields)]
    if not found:
        raise TrajectoryFileError(where, "needs joint_names and a list of points, as of a ROS JointTrajectory")
    if any(isinstance(point, dict) and "transforms" in point for _, _, one in found for point in one["points"]):
        raise TrajectoryFileError(where, "moves joints of several degrees of freedom (multi_dof_trajectory), which are not read")
    if len(found) > 1:
        several = sorted({str(k) for k, _, _ in found}, key=int)
        choose = f": choose one by --message {' or '.join(several[:9])} (message= in Python)" if len(several) > 1 else ""
        raise TrajectoryFileError(where, f"holds {len(found)} trajectories; one is needed{choose}")
    return found[0][1], found[0][2]


def _joint_trajectories(data: object, depth: int = 0) -> list[dict[str, Any]]:
    """All parts of a message that have joint_names and points."""
    if isinstance(data, dict) and {"joint_names", "points"} <= set(data):
        return [data] if data["points"] else []
    inner = (
        [part for key, part in data.items() if key not in POSTURES]
        if isinstance(data, dict)
        else data
        if isinstance(data, list)
        else []
    )
    return [one for part in inner for one in _joint_trajectories(part, depth + 1)] if depth < DEPTH else []


def arrays_of(where: str, trajectory: Mapping[str, Any], grip_force: Sequence[float] = ()) -> dict[str, Array]:
    """Returns the points of a JointTrajectory as arrays.

    Args:
        where: the file, for errors.
        trajectory: fields of the JointTrajectory.
        grip_force: grip force of each hold [N]; empty where it is not known.

    Returns:
        `time` (N,) [s], `joint_names` (n,), of position, velocity and acceleration (N, n) those that the points have, and
        `grip_force` (N,) or (N, holds) where it is given.

    Raises:
        TrajectoryFileError: there is no list of points, or a point is not like the others; the point is named.
    """
    names, points = trajectory["joint_names"], trajectory["points"]
    if isinstance(points, list) and points and points[-1] == "...":
        shown = f"is cut short after {len(points) - 1} points, as ros2 topic echo does; print it with --full-length"
        raise TrajectoryFileError(where, shown)
    if not isinstance(names, list) or not isinstance(points, list) or not all(isinstance(point, dict) for point in points):
        raise TrajectoryFileError(where, "needs joint_names and a list of points, as of a ROS JointTrajectory")
    data: dict[str, Array] = {
        "time": np.array([_stamp(where, k, point) for k, point in enumerate(points, 1)]),
        "joint_names": np.array([str(name) for name in names]),
    }
    for channel in READ:
        key = POINT_FIELDS[channel]
        if any(point.get(key) for point in points):
            data[channel] = np.array([_values(where, k, point, key, len(names)) for k, point in enumerate(points, 1)])
    if len(grip_force):
        grip = np.array(grip_force, dtype=float)
        data["grip_force"] = np.tile(grip, (len(points), 1)) if grip.size > 1 else np.full(len(points), grip.sum())
    return data


def _stamp(where: str, number: int, point: Mapping[str, Any]) -> float:
    """Time of a point [s]."""
    stamp = point.get("time_from_start")
    for keys in (("sec", "nanosec"), ("secs", "nsecs")):
        if isinstance(stamp, dict) and all(isinstance(stamp.get(key), int) for key in keys):
            return seconds(stamp)
    raise TrajectoryFileError(
        where,
        f"has time_from_start = {stamp!r} in point {number}; {{sec, nanosec}} (ROS 2) or {{secs, nsecs}} (ROS 1) is needed",
    )


def _values(where: str, number: int, point: Mapping[str, Any], key: str, count: int) -> list[float]:
    """Numbers of a point, one for each joint."""
    values = point.get(key) or []
    if not isinstance(values, list) or len(values) != count:
        found = len(values) if isinstance(values, list) else repr(values)
        raise TrajectoryFileError(where, f"has {found} {key} in point {number} of {count} joints, unlike others")
    try:
        return [float(value) for value in values]
    except (TypeError, ValueError):
        raise TrajectoryFileError(where, f"has {key} {values!r} in point {number}; numbers are needed") from None
