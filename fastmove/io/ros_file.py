"""Files with ROS 2 messages: YAML text and recordings, told apart by the endings of their names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fastmove.errors import InputError, TrajectoryFileError, first_line
from fastmove.io import ros_bag
from fastmove.io.atomic_write import write_whole
from fastmove.io.ros_messages import RosMessage
from fastmove.io.ros_text import message_text, read_text

TEXTS = (".yaml", ".yml")
ENDINGS = (*TEXTS, *ros_bag.FILES, ros_bag.FOLDER)


def is_recording(path: Path) -> bool:
    """Returns whether a path is or would be a recording of ROS 2: a folder, or a name with the ending of one."""
    return path.is_dir() or path.suffix in ros_bag.FILES or path.name.endswith(ros_bag.FOLDER)


def read_ros_messages(path: str | Path, topic: str | None = None, message: int | None = None) -> list[RosMessage]:
    """Reads ROS 2 messages from YAML, as `ros2 topic echo` and `ros2 action send_goal` print them, or from a recording.

    Args:
        path: .yaml or .yml file; rosbag2 folder, .mcap or .db3 file (`pip install 'fastmove[ros]'`).
        topic: topic of a recording; None means the only one that has trajectories.
        message: which message is read, from 1; None means all.

    Returns:
        Messages in their order, of a recording those of the topic.

    Raises:
        TrajectoryFileError: the file cannot be read, or has no such topic or message; topics are listed.
        MissingPackage: rosbags is not installed, and the file is a recording.
    """
    path = Path(path)
    if not path.exists():
        raise TrajectoryFileError(str(path), "no such file")
    if not is_recording(path) and path.suffix not in TEXTS:
        raise TrajectoryFileError(str(path), f"has an unknown ending; allowed: {', '.join(ENDINGS)}, or a recording's folder")
    if is_recording(path):
        messages = ros_bag.read_bag(path, topic)
    elif topic is not None:
        raise TrajectoryFileError(str(path), f"is no recording, and has no topic {topic}")
    else:
        try:
            messages = read_text(path)
        except (InputError, PermissionError):
            raise
        except Exception as error:  # yaml raises whatever Python's parsers do
            raise TrajectoryFileError(str(path), f"cannot be read as a trajectory ({first_line(error)})") from error
    if message is None:
        return messages
    if not 1 <= message <= len(messages):
        on = f" on {messages[0].topic}" if messages and is_recording(path) else ""
        raise TrajectoryFileError(str(path), f"has no message {message}; it has {len(messages)}{on}, numbered from 1")
    return [messages[message - 1]]


def write_ros_messages(path: str | Path, messages: Sequence[RosMessage]) -> None:
    """Writes ROS 2 messages to YAML or a recording, whole or not at all.

    Args:
        path: .yaml or .yml file, .mcap or .db3 file, or a folder NAME_bag that is not there yet.
        messages: the messages; several stand apart by `---` in YAML, and are recorded with their topics and times.

    Raises:
        TrajectoryFileError: the ending is unknown, the file cannot be written, or a recording cannot hold a message.
        MissingPackage: rosbags is not installed, and a recording is asked for.
    """
    path = Path(path)
    if path.suffix in TEXTS:
        write_whole(path, message_text(messages).encode())
    elif is_recording(path):
        ros_bag.write_bag(path, messages)
    else:
        raise TrajectoryFileError(str(path), f"has an unknown ending; allowed: {', '.join(ENDINGS)}")
