"""ROS 2 messages as YAML text, as `ros2 topic echo` prints them and `ros2 topic pub` and `ros2 action send_goal` take them.

Several messages stand apart by lines of `---`.  What `ros2 action send_goal` prints is read, too: the goal that it says it sends.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fastmove.io.ros_messages import GOAL, JOINT_TRAJECTORY, SEND_GOAL, SEND_GOAL_EVENT, RosMessage

GRIP_COMMENT = "# fastmove grip_force [N]: "  # Begins the first line of our own files: ROS takes no message with a field more.
SENDING, ACCEPTED = "Sending goal:\n", "\nGoal "  # Lines of ros2 action send_goal around the goal.

# Fields by which a type is told, first match.
TYPES = (
    ({"joint_names", "points"}, JOINT_TRAJECTORY),
    ({"goal_id", "goal"}, SEND_GOAL),
    ({"info", "request"}, SEND_GOAL_EVENT),
    ({"joint_trajectory"}, "moveit_msgs/msg/RobotTrajectory"),
    ({"trajectory_start", "trajectory"}, "moveit_msgs/msg/DisplayTrajectory"),
    ({"trajectory"}, GOAL),
)
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
LEVELS = 100  # Largest number of levels of a document: the loader in C calls itself once for each, and would end the process.


def message_text(messages: Sequence[RosMessage]) -> str:
    """Returns messages as YAML, after a comment with the grip force where all of them have the same one noted."""
    grips = {message.grip_force for message in messages}
    grip = grips.pop() if len(grips) == 1 else ()
    said = f"{GRIP_COMMENT}{[float(force) for force in grip]}\n" if grip else ""
    return said + "---\n".join(yaml.dump(m.fields, Dumper=Dumper, default_flow_style=None, sort_keys=False) for m in messages)


def read_text(path: Path) -> list[RosMessage]:
    """Reads all messages of a YAML file.

    Raises:
        YAMLError: the file is no YAML.
        ValueError: the file is no text, or its levels are too many.
    """
    text = path.read_text(encoding="utf-8-sig")
    first, text = text.partition("\n")[0], _goal_sent(text)
    noted = yaml.safe_load(first.removeprefix(GRIP_COMMENT)) if first.startswith(GRIP_COMMENT) else []
    grip = tuple(np.atleast_1d(np.array(noted, dtype=float)).tolist())
    level = 0
    for event in yaml.parse(text, Loader):
        level += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if level > LEVELS:
            raise ValueError(f"more than {LEVELS} levels")
    documents = [document for document in yaml.load_all(text, Loader) if document is not None]
    return [RosMessage(_type_of(d), _fields(d), grip_force=grip) for d in documents]


def _goal_sent(text: str) -> str:
    """The goal in what ros2 action send_goal prints, whose first line alone is indented; other text as it is."""
    _, found, rest = text.partition(SENDING)
    return rest.partition(ACCEPTED)[0].lstrip(" ") if found else text


def _fields(document: object) -> dict[str, Any]:
    """A document as the fields of a message; what is no message is searched as one field."""
    return document if isinstance(document, dict) else {"document": document}


def _type_of(document: object) -> str:
    """Name of the type of a message, as far as its fields tell."""
    return next((name for keys, name in TYPES if isinstance(document, dict) and keys <= set(document)), "")
