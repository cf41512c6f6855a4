"""Bytes of ROS 2 messages (CDR) from fields by name, and back; the only file that imports rosbags, which needs no ROS.

Written is little-endian CDR, read are both.  A number begins at a multiple of its size, counted from the end of the four bytes of
encapsulation (OMG, Common Object Request Broker Architecture 3.3, part 2, 9.3); the bytes that this leaves out are written as 0.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastmove.errors import InputError, MissingPackage, UnknownName, first_line
from fastmove.io.ros_messages import GOAL, JOINT_TRAJECTORY, POSTURES, SEND_GOAL, SEND_GOAL_EVENT, RosMessage

ARRAY_MAX = 1000  # Largest array of fixed size in a definition that a recording brings: the code made of it grows with it.

# Fields of control_msgs since 3.0 (2021) and of the events of services since ROS 2 Iron; tests/io/test_ros_messages.py has the
# hashes that ROS 2 gives these types.
_TOLERANCE = "float64 position\nfloat64 velocity\nfloat64 acceleration\n"
DEFINITIONS = {
    "control_msgs/msg/JointTolerance": f"string name\n{_TOLERANCE}",
    "control_msgs/msg/JointComponentTolerance": "uint16 X_AXIS=1\nuint16 Y_AXIS=2\nuint16 Z_AXIS=3\nuint16 TRANSLATION=4\n"
    f"uint16 ROTATION=5\nstring joint_name\nuint16 component\n{_TOLERANCE}",
    GOAL: "trajectory_msgs/JointTrajectory trajectory\ntrajectory_msgs/MultiDOFJointTrajectory multi_dof_trajectory\n"
    "control_msgs/JointTolerance[] path_tolerance\ncontrol_msgs/JointComponentTolerance[] component_path_tolerance\n"
    "control_msgs/JointTolerance[] goal_tolerance\ncontrol_msgs/JointComponentTolerance[] component_goal_tolerance\n"
    "builtin_interfaces/Duration goal_time_tolerance\n",
    "service_msgs/msg/ServiceEventInfo": "uint8 REQUEST_SENT=0\nuint8 REQUEST_RECEIVED=1\nuint8 RESPONSE_SENT=2\n"
    "uint8 RESPONSE_RECEIVED=3\nuint8 event_type\nbuiltin_interfaces/Time stamp\nuint8[16] client_gid\nint64 sequence_number\n",
    SEND_GOAL: f"unique_identifier_msgs/UUID goal_id\n{GOAL} goal\n",
    SEND_GOAL.replace("Request", "Response"): "bool accepted\nbuiltin_interfaces/Time stamp\n",
    SEND_GOAL_EVENT: f"service_msgs/ServiceEventInfo info\n{SEND_GOAL}[<=1] request\n"
    f"{SEND_GOAL.replace('Request', 'Response')}[<=1] response\n",
}
TYPES = (JOINT_TRAJECTORY, GOAL, SEND_GOAL, SEND_GOAL_EVENT)  # Known types that hold a trajectory.

# Kinds of fields in rosbags' definitions.
NUMBER_OR_TEXT, MESSAGE, ARRAY, SEQUENCE = 1, 2, 3, 4


def rosbags(purpose: str) -> tuple[Any, Any]:
    """Returns the modules `rosbags.rosbag2` and `rosbags.typesys`.

    Args:
        purpose: what they are needed for.

    Raises:
        MissingPackage: rosbags is not installed.
    """
    try:
        from rosbags import rosbag2, typesys
    except ImportError:
        raise MissingPackage("rosbags", purpose, "ros") from None
    return rosbag2, typesys


@functools.cache
def known_types() -> Any:
    """Returns the types of ROS 2 and those of `DEFINITIONS`, as rosbags keeps them."""
    _, typesys = rosbags("the bytes of ROS 2 messages")
    store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)  # in later ones ServiceEventInfo has another hash than ROS gives it
    for name, text in DEFINITIONS.items():
        store.register(typesys.get_types_from_msg(text, name))
    return store


def types_of(name: str, definition: str) -> Any:
    """Returns the types by which messages of a recording can be read; None where they hold no trajectory.

    Known types stay what they are: recordings before ROS 2 Iron bring no definitions, and for actions other than those of
    messages.  For all others, as MoveIt's, the definition in the recording counts.

    Args:
        name: name of the messages' type.
        definition: its definition in the language of .msg files, with those that it refers to; empty where there is none.
    """
    if name in TYPES:
        return known_types()
    if "JointTrajectory" not in definition:
        return None
    _, typesys = rosbags("reading recordings of ROS 2")
    try:
        types = typesys.get_types_from_msg(definition, name)
        kinds = [kind for _, fields in types.values() for _, kind in fields]
        if not _leads_to_trajectory(types, name) or any(kind[0] == ARRAY and kind[1][1] > ARRAY_MAX for kind in kinds):
            return None
        store = typesys.get_typestore(typesys.Stores.EMPTY)
        store.register(types)
        store.get_msgdef(name)  # makes the code that reads it
    except Exception:  # a topic whose definition is broken cannot be chosen, and takes no other with it
        return None
    return store


def _leads_to_trajectory(types: Mapping[str, Any], name: str) -> bool:
    """Whether a JointTrajectory that is no posture is somewhere in messages of a type."""
    todo, seen = [name], set()
    while todo:
        name = todo.pop()
        if name == JOINT_TRAJECTORY:
            return True
        if name not in seen and name in types:
            fields = [
                (kind[1][0] if kind[0] in (ARRAY, SEQUENCE) else kind) for key, kind in types[name][1] if key not in POSTURES
            ]
            todo += [kind[1] for kind in fields if kind[0] == MESSAGE]
        seen.add(name)
    return False


def to_cdr(message: RosMessage) -> bytes:
    """Returns the bytes of a message as ROS 2 sends and records them: little-endian CDR after four bytes of encapsulation.

    Args:
        message: the message; fields that are left out have their defaults.

    Raises:
        InputError: the type is unknown, or a value is not of its field; the field is named.
        MissingPackage: rosbags is not installed.
    """
    store = _known(message.type)
    return bytes(store.serialize_cdr(_message(store, message.type, message.fields, "fields"), message.type, little_endian=True))


def from_cdr(data: bytes, type: str = JOINT_TRAJECTORY) -> RosMessage:
    """Returns the message that is in bytes of CDR, of either endianness.

    Args:
        data: the bytes, with their four bytes of encapsulation.
        type: name of the message's type.

    Raises:
        InputError: the type is unknown, or the bytes are no message of it.
        MissingPackage: rosbags is not installed.
    """
    store = _known(type)
    try:
        return RosMessage(type, fields_of(store, data, type))
    except Exception as error:  # the reader raises whatever numpy and struct do
        raise InputError("data", f"is no {type} in CDR ({first_line(error)})") from error


def _known(type: str) -> Any:
    """The known types, of which this must be one."""
    store = known_types()
    if type not in store.fielddefs:
        raise UnknownName("type", f"{type!r} is not known; as {', '.join(TYPES)}", type, TYPES)
    return store


def fields_of(store: Any, data: bytes, type: str) -> dict[str, Any]:
    """Returns the fields of a message in CDR, with lists for arrays.

    Args:
        store: types that are known.
        data: the bytes.
        type: name of the message's type.

    Raises:
        Exception: whatever the reader raises where the bytes are no such message.
    """
    return dict(_plain(store, store.deserialize_cdr(data, type)))


def _plain(store: Any, value: Any) -> Any:
    """A value of rosbags as fields by name, lists, numbers and text."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list):
        return [_plain(store, item) for item in value]
    type = getattr(value, "__msgtype__", None)
    return value if type is None else {name: _plain(store, getattr(value, name, None)) for name, _ in store.fielddefs[type][1]}


def _message(store: Any, type: str, fields: object, where: str) -> Any:
    """A message of rosbags from fields by name."""
    definition = dict(store.fielddefs[type][1])
    if not isinstance(fields, Mapping):
        raise InputError(where, f"is {str(fields)[:60]!r}; the fields of {type} are needed: {', '.join(definition)}")
    for name in fields:
        if name not in definition:
            raise UnknownName(where, f"{name!r} is no field of {type}; allowed: {', '.join(definition)}", str(name), definition)
    return store.types[type](*(_value(store, kind, fields.get(name), f"{where}.{name}") for name, kind in definition.items()))


def _value(store: Any, kind: Any, value: object, where: str) -> Any:
    """The value of a field as rosbags has it.

    Args:
        store: types that are known.
        kind: what the definition says: (1, (name, limit)) of a number or text, (2, name) of a message, (3 or 4, (kind, count)) of
            an array or sequence.
        value: the value; None is the default.
        where: the field, for errors.
    """
    node, what = kind
    if node == NUMBER_OR_TEXT:
        return _number_or_text(what[0], value, where)
    if node == MESSAGE:
        return _message(store, what, {} if value is None else value, where)
    inner, count = what
    values = [None] * (count if node == ARRAY else 0) if value is None else value
    values = values.tolist() if isinstance(values, np.ndarray) else values
    if not isinstance(values, list | tuple):
        raise InputError(where, f"is {str(value)[:60]!r}; a list is needed")
    if count and (len(values) > count or (node == ARRAY and len(values) < count)):
        raise InputError(where, f"has {len(values)} values; {'' if node == ARRAY else 'at most '}{count} are needed")
    items = [_value(store, inner, item, f"{where}[{k}]") for k, item in enumerate(values)]
    number = inner[1][0] if inner[0] == NUMBER_OR_TEXT and inner[1][0] != "string" else None
    return items if number is None else np.array(items, dtype=OTHER_NAMES.get(number, number))


OTHER_NAMES = {"byte": "uint8", "char": "uint8"}  # What numpy calls numbers that definitions call otherwise.


def _number_or_text(name: str, value: object, where: str) -> object:
    """A number, truth or text; the default is 0, false or empty."""
    if name == "string":
        if not isinstance(value, str | None):
            raise InputError(where, f"is {value!r}; a text is needed")
        return value or ""
    real = name.startswith("float")
    if not isinstance(value, int | float | None) or (isinstance(value, float) and not real):
        raise InputError(where, f"is {str(value)[:60]!r}; a {'number' if real else 'whole number'} is needed")
    if real or name == "bool":
        return float(value or 0.0) if real else bool(value)
    limits = np.iinfo(OTHER_NAMES.get(name, name))
    if not limits.min <= (value or 0) <= limits.max:
        raise InputError(where, f"is {value}; allowed: {limits.min} to {limits.max}")
    return int(value or 0)
