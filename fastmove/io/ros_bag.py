"""Recordings of ROS 2: folders as rosbag2 writes them, and single .mcap and .db3 files.

A JointTrajectory has no place for a grip force, so that it is noted on a topic of its own.  Metadata are of version 8: in
version 9 the quality of service is written as ROS 2 Humble cannot read it (rosbag2 #2013).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastmove.errors import InputError, TrajectoryFileError, UnknownName, first_line
from fastmove.io.atomic_write import write_whole
from fastmove.io.ros_cdr import fields_of, from_cdr, known_types, rosbags, to_cdr, types_of
from fastmove.io.ros_messages import GOAL, JOINT_TRAJECTORY, SEND_GOAL_EVENT, RosMessage

FILES = (".mcap", ".db3")  # Endings of recordings of one file.
FOLDER = "_bag"  # Ending of recordings that are a folder with metadata.yaml.
WRITTEN = (JOINT_TRAJECTORY, GOAL)
GRIP_TOPIC = "/fastmove/grip_force"  # Grip force per pad, one for each hold [N].
GRIP_TYPE = "std_msgs/msg/Float64MultiArray"
TOPIC_NAME = re.compile(r"(/[A-Za-z_][A-Za-z0-9_]*)+")
NO_NAME = "?#%"  # Characters that SQLite does not take for part of a file's name.


def read_bag(path: Path, topic: str | None = None) -> list[RosMessage]:
    """Reads all messages with trajectories on one topic of a recording, in the order of their times.

    Of the goals of an action, which are recorded as they are sent, received and answered, each is read once.

    Args:
        path: folder with metadata.yaml, or an .mcap or .db3 file.
        topic: name of the topic; None means the only one with trajectories.

    Raises:
        TrajectoryFileError: it is no recording, has no such topic, or has several where none is named; the topics are listed.
        MissingPackage: rosbags is not installed.
    """
    rosbag2, _ = rosbags(f"{path.name}: reading recordings of ROS 2")
    if path.is_dir() and not (path / "metadata.yaml").is_file():
        problem = "is a folder without metadata.yaml, and no recording of ROS 2 (ros2 bag reindex writes it anew)"
        raise TrajectoryFileError(str(path), problem)
    try:
        with rosbag2.Reader(path) as reader:
            return list(_messages(path, reader, topic))
    except (InputError, PermissionError):
        raise
    except Exception as error:  # the readers raise whatever sqlite, struct and zstd do
        raise TrajectoryFileError(str(path), f"cannot be read as a recording of ROS 2 ({first_line(error)})") from error


def _messages(path: Path, reader: Any, topic: str | None) -> Iterator[RosMessage]:
    """The messages of a topic."""
    definitions = {c.msgtype: c.msgdef.data if c.msgdef.format.name == "MSG" else "" for c in reader.connections}
    types = {name: types_of(name, definition) for name, definition in definitions.items()}
    offered = [connection for connection in reader.connections if types[connection.msgtype] is not None]
    chosen = _chosen(path, reader.connections, offered, topic)
    noted = [c for c in reader.connections if (c.topic, c.msgtype) == (GRIP_TOPIC, GRIP_TYPE)]
    grip = next((from_cdr(data, GRIP_TYPE).fields["data"] for _, _, data in reader.messages(noted)), ()) if noted else ()
    goals: set[tuple[int, ...]] = set()
    for connection, time, data in reader.messages([c for c in offered if c.topic == chosen]):
        fields = fields_of(types[connection.msgtype], data, connection.msgtype)
        if connection.msgtype == SEND_GOAL_EVENT:
            new = {tuple(request["goal_id"]["uuid"]) for request in fields["request"]} - goals
            if not new:
                continue
            goals |= new
        yield RosMessage(connection.msgtype, fields, connection.topic, time, tuple(grip))


def _chosen(path: Path, connections: Sequence[Any], offered: Sequence[Any], topic: str | None) -> str:
    """The topic that is meant, or a sentence that lists those that could be."""
    types = {connection.topic: connection.msgtype for connection in connections}
    if topic is not None and topic not in types and f"/{topic}" in types:
        topic = f"/{topic}"
    count = dict.fromkeys(sorted({connection.topic for connection in offered}), 0)
    for connection in offered:
        count[connection.topic] += connection.msgcount
    filled = [name for name, number in count.items() if number]
    if topic is None and len(filled) == 1:
        return filled[0]
    if topic in filled:
        return str(topic)
    listed = "topics with trajectories: " + ", ".join(f"{name} ({types[name]}, messages: {k})" for name, k in count.items())
    if not count:
        listed = f"no topic has any; its topics: {', '.join(f'{n} ({t})' for n, t in sorted(types.items())[:12]) or 'none'}"
    if topic is None:
        several = f"holds trajectories on {len(filled)} topics; choose one by --topic (topic= in Python); {listed}"
        raise TrajectoryFileError(str(path), several if filled else f"has no trajectory; {listed}")
    if topic not in types:
        raise UnknownName(str(path), f"has no topic {topic}; {listed}", topic, count)
    what = "no message" if topic in count else f"{types[topic]}, which has no trajectory"
    raise TrajectoryFileError(str(path), f"holds {what} on {topic}; {listed}")


def check_new(path: Path) -> None:
    """Checks that a recording can be written to a path, as far as that can be known before.

    Raises:
        TrajectoryFileError: the folder is there already, or its name has a character of `NO_NAME`.
        MissingPackage: rosbags is not installed.
    """
    rosbags(f"{path.name}: writing recordings of ROS 2")
    if set(path.name) & set(NO_NAME):
        raise TrajectoryFileError(str(path), f"has one of {NO_NAME} in its name, which a recording of ROS 2 cannot have")
    if path.suffix not in FILES and path.exists():
        raise TrajectoryFileError(str(path), "is there already, and a folder is not replaced: remove it, or give another name")


def write_bag(path: Path, messages: Sequence[RosMessage]) -> None:
    """Writes messages to a recording, whole or not at all.

    Args:
        path: .mcap or .db3 file, of which one that exists is replaced, or a new folder, whose file is one of SQLite, since every
            ROS 2 reads that without more packages.
        messages: messages of the types `WRITTEN`, with topics and times.

    Raises:
        InputError: it cannot be written, a message is of another type, or a topic has no name of one.
        MissingPackage: rosbags is not installed.
    """
    check_new(path)
    rosbag2, _ = rosbags(f"{path.name}: writing recordings of ROS 2")
    for message in messages:
        if not TOPIC_NAME.fullmatch(message.topic):
            problem = f"{message.topic!r} is no topic; letters, digits and _ are allowed after each /, as /arm/joint_trajectory"
            raise InputError("topic", problem)
    other = next((message.type for message in messages if message.type not in WRITTEN), None)
    if other is not None or not messages:
        said = f"cannot hold a message of type {other!r}" if messages else "needs at least one message"
        raise TrajectoryFileError(str(path), f"{said}; allowed: {', '.join(WRITTEN)}")
    grips = {message.grip_force for message in messages}
    grip = grips.pop() if len(grips) == 1 else ()  # noted where it is that of all
    first = min(message.time for message in messages)
    notes = [RosMessage(GRIP_TYPE, {"data": list(grip)}, GRIP_TOPIC, first)] if grip else []
    plugin = rosbag2.StoragePlugin.MCAP if path.suffix == ".mcap" else rosbag2.StoragePlugin.SQLITE3
    with TemporaryDirectory() as name:
        folder = Path(name) / (path.stem if path.suffix in FILES else path.name)
        with rosbag2.Writer(folder, version=8, storage_plugin=plugin) as writer:
            connections: dict[tuple[str, str], Any] = {}
            for message in [*messages, *notes]:
                key = (message.topic, message.type)
                if key not in connections:
                    connections[key] = writer.add_connection(*key, typestore=known_types())
                writer.write(connections[key], message.time, to_cdr(message))
        if path.suffix in FILES:
            write_whole(path, (folder / f"{folder.name}{path.suffix}").read_bytes())
        else:
            _copy_whole(folder, path)


def _copy_whole(folder: Path, path: Path) -> None:
    """Copies a folder to its place, where it is whole or not there."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.mkdir()
        for file in folder.iterdir():
            shutil.copy(file, part)
        part.rename(path)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise TrajectoryFileError(str(path), f"cannot be written ({error.strerror})") from error
