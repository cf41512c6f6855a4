"""JointTrajectory and FollowJointTrajectory as ROS 2 prints and records them, byte for byte, without an installation of ROS."""

from __future__ import annotations

import copy
import struct
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from generators import free_space_pairs
from situations import BOOK

import fastmove as fm
from fastmove.cli.main import main
from fastmove.io.ros_cdr import known_types
from fastmove.io.ros_messages import GOAL, JOINT_TRAJECTORY, SEND_GOAL, SEND_GOAL_EVENT, seconds, stamp_of

RECORDINGS = ("t_bag", "t.mcap", "t.db3")
STRING = "std_msgs/msg/String"

# What ROS 2 computes of its own definitions, in the code that it generates for trajectory_msgs and control_msgs.
HASHES = {
    JOINT_TRAJECTORY: "179b33eba59d676f6d967ac71fe35e7ca2f64b2f3928f4a018cec115e213796e",
    "control_msgs/msg/JointComponentTolerance": "739ea7566931944d33830fa10f1bf5e7a7fbdc3172bce7a7eaac642bd6e3ffa4",
    GOAL: "8a9060704b269608f5a340934cc26e66869dd14bdac29e2e7fd9ec8b9882d205",
    SEND_GOAL: "179c93691f1f6d1d115881ff88c3917b7cc6eac2ba4bf56766cc7c4389e19ef1",
    SEND_GOAL.replace("Request", "Response"): "e6a48ba740ae254500129a877f0b071be8663a115da1a539b74599cc97921fbf",
    SEND_GOAL_EVENT: "906dd566308db02673c73c654f69bdd84738589629c1bc2841ddb49059ed1c6f",
}


@pytest.fixture(scope="module")
def solution() -> fm.Solution:
    return fm.plan(next(iter(free_space_pairs("benchmark", 1, 11)))).raise_for_status()


@pytest.fixture(scope="module")
def message(solution: fm.Solution) -> fm.RosMessage:
    return fm.joint_trajectory_message(solution.problem, solution.trajectory)


@pytest.fixture(scope="module")
def goal(solution: fm.Solution, message: fm.RosMessage) -> fm.RosMessage:
    """A goal of fewer points, since text takes long."""
    elbow = {"panda_joint4": 0.02}
    goal = fm.follow_joint_trajectory_goal(solution.problem, solution.trajectory, 0.05, elbow, 0.1)
    assert goal.fields["trajectory"] == message.fields
    goal.fields["trajectory"]["points"] = [*message.fields["points"][:-1:7], message.fields["points"][-1]]
    return goal


@pytest.fixture
def fewer(goal: fm.RosMessage) -> fm.RosMessage:
    """A JointTrajectory of 147 points."""
    return fm.RosMessage(JOINT_TRAJECTORY, copy.deepcopy(goal.fields["trajectory"]), grip_force=goal.grip_force)


@pytest.fixture
def needs_rosbags() -> None:
    pytest.importorskip("rosbags")


def some_message(rng: np.random.Generator) -> dict[str, Any]:
    """Fields of a JointTrajectory of any sizes, stamps and names."""

    def stamp() -> dict[str, int]:
        return {"sec": int(rng.integers(-(2**31), 2**31)), "nanosec": int(rng.integers(2**32))}

    names = ["".join(rng.choice(list("abcdefgé_関"), rng.integers(9))) for _ in range(rng.integers(9))]
    points = []
    for _ in range(rng.integers(5)):
        keys = ("positions", "velocities", "accelerations", "effort")
        values = {key: rng.normal(size=rng.choice([0, len(names)])).tolist() for key in keys}
        points.append(values | {"time_from_start": stamp()})
    return {"header": {"stamp": stamp(), "frame_id": str(rng.choice(["", "world"]))}, "joint_names": names, "points": points}


def by_hand(fields: dict[str, Any], order: str = "<") -> bytes:
    """CDR of a JointTrajectory from its rules alone: a number begins at a multiple of its size, a text ends with 0."""
    out = bytearray()

    def number(kind: str, value: float) -> None:
        out.extend(bytes(-len(out) % struct.calcsize(kind)))
        out.extend(struct.pack(order + kind, value))

    def text(value: str) -> None:
        number("I", len(value.encode()) + 1)
        out.extend(value.encode() + b"\0")

    def stamp(value: dict[str, int]) -> None:
        number("i", value["sec"])
        number("I", value["nanosec"])

    stamp(fields["header"]["stamp"])
    text(fields["header"]["frame_id"])
    number("I", len(fields["joint_names"]))
    for name in fields["joint_names"]:
        text(name)
    number("I", len(fields["points"]))
    for point in fields["points"]:
        for key in ("positions", "velocities", "accelerations", "effort"):
            number("I", len(point[key]))
            for value in point[key]:
                number("d", value)
        stamp(point["time_from_start"])
    return bytes([0, order == "<", 0, 0]) + bytes(out)


def record(path: Path, messages: list[tuple[str, str, int, bytes]], compressed: bool = False) -> Path:
    """A recording made by rosbags alone, of (topic, type, time [ns], bytes)."""
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, Writer

    with_types = known_types()
    writer = Writer(path, version=9)
    if compressed:
        writer.set_compression(CompressionMode.MESSAGE, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for topic, kind, time, data in messages:
            if (topic, kind) not in connections:
                known = {"typestore": with_types} if "SendGoal" not in kind else {"msgdef": "goal\n---\n", "rihs01": "RIHS01_0"}
                connections[topic, kind] = writer.add_connection(topic, kind, **known)
            writer.write(connections[topic, kind], time, data)
    return path


def recorded(path: Path) -> list[tuple[str, str, int, bytes]]:
    """Everything in a recording as rosbags reads it."""
    from rosbags.rosbag2 import Reader

    with Reader(path) as reader:
        return [(c.topic, c.msgtype, time, bytes(data)) for c, time, data in reader.messages()]


# -- bytes ----------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("needs_rosbags")
def test_bytes_are_those_that_the_rules_of_cdr_give() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        fields = some_message(rng)
        data = fm.to_cdr(fm.RosMessage(JOINT_TRAJECTORY, fields))
        assert data == by_hand(fields)
        assert fm.from_cdr(data).fields == fm.from_cdr(by_hand(fields, ">")).fields == fields


@pytest.mark.usefixtures("needs_rosbags")
def test_types_are_those_of_ros_itself() -> None:
    for name, digest in HASHES.items():
        assert known_types().hash_rihs01(name) == f"RIHS01_{digest}", name


@pytest.mark.usefixtures("needs_rosbags")
def test_fields_that_are_left_out_have_their_defaults() -> None:
    empty = fm.from_cdr(fm.to_cdr(fm.RosMessage(GOAL, {})), GOAL)
    assert empty.fields["goal_time_tolerance"] == {"sec": 0, "nanosec": 0} and empty.fields["path_tolerance"] == []
    assert empty.fields["multi_dof_trajectory"]["header"]["frame_id"] == ""
    assert fm.to_cdr(empty) == fm.to_cdr(fm.RosMessage(GOAL, {}))


@pytest.mark.usefixtures("needs_rosbags")
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"points": [{}, {"positions": [0.0, "x"]}]}, r"fields.points\[1\].positions\[1\]: is 'x'; a number is needed"),
        ({"joint_names": "arm"}, "joint_names: is 'arm'; a list is needed"),
        ({"header": {"stamp": {"sec": 2**31}}}, "header.stamp.sec: is 2147483648; allowed: -2147483648 to 2147483647"),
        ({"header": {"stamp": {"sec": 0.5}}}, "header.stamp.sec: is '0.5'; a whole number is needed"),
        ({"header": {"seq": 0}}, "fields.header: 'seq' is no field of std_msgs/msg/Header; allowed: stamp, frame_id"),
        ({"joint_name": []}, "did you mean 'joint_names'?"),
        ({"header": 3}, "fields.header: is '3'; the fields of std_msgs/msg/Header are needed"),
    ],
)
def test_a_field_that_is_wrong_is_named(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(fm.InputError, match=words.replace("?", r"\?")):
        fm.to_cdr(fm.RosMessage(JOINT_TRAJECTORY, fields))


@pytest.mark.usefixtures("needs_rosbags")
def test_bytes_or_types_that_are_none_are_one_sentence(message: fm.RosMessage) -> None:
    for data in (b"", b"\0\1\0\0", fm.to_cdr(message)[:-9], b"\7" + fm.to_cdr(message)):
        with pytest.raises(fm.InputError, match="is no trajectory_msgs/msg/JointTrajectory in CDR"):
            fm.from_cdr(data)
    with pytest.raises(fm.InputError, match=r"'trajectory_msgs/JointTrajectory' is not known.*did you mean"):
        fm.to_cdr(replace(message, type="trajectory_msgs/JointTrajectory"))


# -- times ----------------------------------------------------------------------------------------------------------------


def test_seconds_and_back_are_exact_to_the_nanosecond() -> None:
    rng = np.random.default_rng(2)
    for bits in range(51):
        for nanoseconds in rng.integers(2**bits, 2 ** (bits + 1), 50).tolist():
            stamp = {"sec": nanoseconds // 10**9, "nanosec": nanoseconds % 10**9}
            assert stamp_of(seconds(stamp)) == stamp
    assert seconds({"secs": 1, "nsecs": 1}) == 1.000000001


@pytest.mark.parametrize("name", ["t.yaml", "t.goal.yaml", *RECORDINGS])
def test_a_motion_has_the_same_nanoseconds_in_every_file(
    name: str, solution: fm.Solution, message: fm.RosMessage, tmp_path: Path
) -> None:
    if name in RECORDINGS:
        pytest.importorskip("rosbags")
    problem, trajectory = solution.problem, solution.trajectory
    fm.save_trajectory(tmp_path / name, problem, trajectory)
    stamps = [point["time_from_start"] for point in message.fields["points"]]
    (read,) = fm.read_ros_messages(tmp_path / name)
    fields = read.fields.get("trajectory", read.fields)
    assert [point["time_from_start"] for point in fields["points"]] == stamps
    again = fm.load_trajectory(tmp_path / name, problem)
    assert [stamp_of(float(t)) for t in again.motion().times] == stamps
    assert tuple(again.phases[0].grip_force) == tuple(trajectory.phases[0].grip_force)
    t = np.linspace(0, trajectory.duration, 300)
    assert np.abs(again.position(t) - trajectory.position(t)).max() < 1e-6
    once_more = fm.joint_trajectory_message(problem, again)  # the samples of the samples are the same, to rounding at the end
    assert once_more.fields["points"][:-1] == message.fields["points"][:-1]
    assert once_more.fields["points"][-1]["time_from_start"] == stamps[-1]


def test_efforts_are_left_out_unless_asked_for(solution: fm.Solution, message: fm.RosMessage) -> None:
    assert all(point["effort"] == [] for point in message.fields["points"])
    full = fm.joint_trajectory_message(solution.problem, solution.trajectory, effort=True)
    assert all(len(point["effort"]) == 7 for point in full.fields["points"])


# -- recordings -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("needs_rosbags")
@pytest.mark.parametrize("name", RECORDINGS)
def test_rosbags_reads_what_is_written_and_back_byte_for_byte(
    name: str, message: fm.RosMessage, goal: fm.RosMessage, tmp_path: Path
) -> None:
    messages = [
        replace(message, topic="/arm/joint_trajectory", time=7),
        replace(goal, topic="/arm/goal", time=8),
        replace(message, topic="/arm/joint_trajectory", time=9),
    ]
    fm.write_ros_messages(tmp_path / name, messages)
    everything = recorded(tmp_path / name)
    found = [row for row in everything if row[1] in (JOINT_TRAJECTORY, GOAL)]
    assert found == [(m.topic, m.type, m.time, fm.to_cdr(m)) for m in messages]
    store = known_types()
    for _, kind, _, data in found:  # as rosbags itself reads and writes them
        assert bytes(store.serialize_cdr(store.deserialize_cdr(data, kind), kind)) == data
    (tmp_path / "again").mkdir()
    both = fm.read_ros_messages(tmp_path / name, "/arm/joint_trajectory") + fm.read_ros_messages(tmp_path / name, "/arm/goal")
    fm.write_ros_messages(tmp_path / "again" / name, sorted(both, key=lambda one: one.time))
    assert recorded(tmp_path / "again" / name) == everything
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.usefixtures("needs_rosbags")
@pytest.mark.parametrize("compressed", [False, True])
def test_what_rosbags_recorded_is_read_and_written_back(
    compressed: bool, solution: fm.Solution, message: fm.RosMessage, tmp_path: Path
) -> None:
    """Joints in another order, a finger among them, a stamp, a frame and efforts; another topic beside it."""
    order = np.random.default_rng(0).permutation(8)
    fields = message.fields | {"header": {"stamp": {"sec": 1700000000, "nanosec": 123456789}, "frame_id": "base"}}
    fields["joint_names"] = [[*fields["joint_names"], "finger"][k] for k in order]
    fields["points"] = [
        {
            key: value if key == "time_from_start" else [[*(value or [3.0] * 7), 0.01][k] for k in order]
            for key, value in p.items()
        }
        for p in message.fields["points"]
    ]
    data, text = by_hand(fields), fm.to_cdr(fm.RosMessage(STRING, {"data": "hello"}))
    rows = [("/said", STRING, 5, text), ("/plan", JOINT_TRAJECTORY, 1700000000123456789, data), ("/said", STRING, 6, text)]
    path = record(tmp_path / "rosbag2_2024", rows, compressed)
    (read,) = fm.read_ros_messages(path)
    assert (read.type, read.topic, read.time, read.fields) == (JOINT_TRAJECTORY, "/plan", 1700000000123456789, fields)
    fm.write_ros_messages(tmp_path / "back.mcap", [read])
    assert recorded(tmp_path / "back.mcap") == rows[1:2]
    with pytest.warns(fm.errors.Remark, match="left out.*finger"):
        again = fm.load_trajectory(path, solution.problem)
    t = np.linspace(0, solution.duration, 50)
    assert np.abs(again.position(t) - solution.trajectory.position(t)).max() < 1e-6


@pytest.mark.usefixtures("needs_rosbags")
def test_one_of_several_messages_and_topics_is_chosen(
    solution: fm.Solution, message: fm.RosMessage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problem, half = solution.problem, solution.trajectory.slowed(2.0)
    slow, empty = fm.joint_trajectory_message(problem, half), fm.RosMessage(JOINT_TRAJECTORY, {})
    one, two, none = (fm.to_cdr(m) for m in (message, slow, empty))
    text = fm.to_cdr(fm.RosMessage(STRING, {"data": ""}))
    path = record(tmp_path / "r", [("/a", JOINT_TRAJECTORY, k, data) for k, data in enumerate((one, none, two))])
    assert fm.load_trajectory(path, problem, message=3).duration == pytest.approx(half.duration, abs=1e-9)
    with pytest.raises(fm.InputError, match="holds 2 trajectories; one is needed: choose one by --message 1 or 3"):
        fm.load_trajectory(path, problem)
    with pytest.raises(fm.InputError, match="has no message 4; it has 3 on /a, numbered from 1"):
        fm.load_trajectory(path, problem, message=4)
    with pytest.raises(fm.InputError, match="needs joint_names and a list of points"):
        fm.load_trajectory(path, problem, message=2)
    with pytest.raises(fm.InputError, match=r"has no topic /b; topics with trajectories: /a \(.*JointTrajectory, messages: 3\)"):
        fm.load_trajectory(path, problem, topic="/b")
    rows = [("/arm/plan", JOINT_TRAJECTORY, 0, one), ("/other/plan", JOINT_TRAJECTORY, 1, two), ("/said", STRING, 2, text)]
    path = record(tmp_path / "s", rows)
    assert fm.load_trajectory(path, problem, topic="other/plan").duration == pytest.approx(half.duration, abs=1e-9)
    with pytest.raises(fm.InputError, match=r"on 2 topics; choose one by --topic.*: /arm/plan .*, /other/plan "):
        fm.load_trajectory(path, problem)
    with pytest.raises(fm.InputError, match="holds std_msgs/msg/String, which has no trajectory on /said; topics with traj"):
        fm.load_trajectory(path, problem, topic="/said")
    with pytest.raises(fm.InputError, match="did you mean '/arm/plan'"):
        fm.load_trajectory(path, problem, topic="/arm/plans")
    path = record(tmp_path / "v", rows[2:])
    with pytest.raises(fm.InputError, match=r"has no trajectory; no topic has any; its topics: /said \(std_msgs/msg/String\)"):
        fm.load_trajectory(path, problem)
    assert main(["check", str(BOOK), str(path)]) == 2
    assert "v: has no trajectory; no topic has any" in capsys.readouterr().err


@pytest.mark.usefixtures("needs_rosbags")
def test_goals_of_an_action_are_read_once_each(solution: fm.Solution, goal: fm.RosMessage, tmp_path: Path) -> None:
    """As rosbag2 records them: events of sending and receiving the same goal, and of answers without it."""

    def event(kind: int, request: list[dict[str, Any]]) -> bytes:
        return fm.to_cdr(fm.RosMessage(SEND_GOAL_EVENT, {"info": {"event_type": kind}, "request": request}))

    first, second = ({"goal_id": {"uuid": [k] * 16}, "goal": goal.fields} for k in (1, 2))
    events = [(0, [first]), (1, [first]), (2, []), (3, []), (0, [second])]
    topic = "/arm/follow_joint_trajectory/_action/send_goal/_service_event"
    path = record(tmp_path / "r", [(topic, SEND_GOAL_EVENT, k, event(*one)) for k, one in enumerate(events)])
    assert [one.time for one in fm.read_ros_messages(path)] == [0, 4]
    assert fm.load_trajectory(path, solution.problem, message=2).duration == pytest.approx(solution.duration, abs=1e-9)


@pytest.mark.usefixtures("needs_rosbags")
def test_messages_whose_definition_is_in_the_recording_are_read(
    solution: fm.Solution, message: fm.RosMessage, tmp_path: Path
) -> None:
    """As MoveIt's; a definition that cannot be read, or that is of something else, is that of a topic that is not offered."""
    from rosbags.rosbag2 import Writer
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store, name = get_typestore(Stores.ROS2_HUMBLE), "moveit_msgs/msg/RobotTrajectory"
    definition = (
        "trajectory_msgs/JointTrajectory joint_trajectory\ntrajectory_msgs/MultiDOFJointTrajectory multi_dof_joint_trajectory\n"
    )
    store.register(get_types_from_msg(definition, name))
    multi_dof = "trajectory_msgs/msg/MultiDOFJointTrajectory"
    parts = [(JOINT_TRAJECTORY, fm.to_cdr(message)), (multi_dof, fm.to_cdr(fm.RosMessage(multi_dof, {})))]
    with Writer(tmp_path / "r", version=8) as writer:
        one = writer.add_connection("/planned", name, typestore=store)
        built = store.types[name](*(store.deserialize_cdr(data, kind) for kind, data in parts))
        writer.write(one, 3, store.serialize_cdr(built, name))
        whole, _ = store.generate_msgdef(JOINT_TRAJECTORY, ros_version=2)
        of = f"{'=' * 80}\nMSG: trajectory_msgs/JointTrajectory\n{whole}"
        others = {
            "broken": "not a definition of JointTrajectory",
            "states": f"trajectory_msgs/JointTrajectoryPoint desired\n{of}",
            "many": f"trajectory_msgs/JointTrajectory[{10**9}] many\n{of}",
            "hands": f"trajectory_msgs/JointTrajectory detach_posture\n{of}",  # as every planning scene of MoveIt has
            "itself": f"some_msgs/itself again\ntrajectory_msgs/JointTrajectory one\n{of}",
        }
        for key, text in others.items():
            added = writer.add_connection(f"/{key}", f"some_msgs/msg/{key}", msgdef=text, rihs01="RIHS01_0")
            writer.write(added, 4, bytes(100))
    (read,) = fm.read_ros_messages(tmp_path / "r")
    assert (read.type, read.topic) == (name, "/planned") and read.fields["joint_trajectory"] == message.fields
    assert fm.trajectory_from_message(read, solution.problem).duration == pytest.approx(solution.duration, abs=1e-9)
    with pytest.raises(
        fm.InputError, match="cannot hold a message of type 'moveit_msgs/msg/RobotTrajectory'; allowed: trajectory_m"
    ):
        fm.write_ros_messages(tmp_path / "s_bag", [read])


@pytest.mark.usefixtures("needs_rosbags")
def test_a_range_of_grips_keeps_the_grip_that_was_planned(
    book: fm.TransferProblem, book_solution: fm.Solution, tmp_path: Path
) -> None:
    for name in RECORDINGS:
        fm.save_trajectory(tmp_path / name, book, book_solution.trajectory, topic="/arm/joint_trajectory")
        assert main(["check", str(BOOK), str(tmp_path / name), "--topic", "/arm/joint_trajectory", "--message", "1"]) == 0


@pytest.mark.usefixtures("needs_rosbags")
def test_what_is_no_recording_or_cannot_be_one_is_one_sentence(
    solution: fm.Solution, message: fm.RosMessage, tmp_path: Path
) -> None:
    problem, trajectory = solution.problem, solution.trajectory
    (tmp_path / "folder").mkdir()
    with pytest.raises(fm.InputError, match=r"is a folder without metadata\.yaml"):
        fm.load_trajectory(tmp_path / "folder", problem)
    for name in RECORDINGS[1:]:
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(fm.InputError, match="cannot be read as a recording of ROS 2"):
            fm.load_trajectory(tmp_path / name, problem)
        fm.save_trajectory(tmp_path / name, problem, trajectory)  # a file is replaced
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:9000])
        with pytest.raises(fm.InputError, match="cannot be read as a recording of ROS 2"):
            fm.load_trajectory(tmp_path / name, problem)
    fm.save_trajectory(tmp_path / "t_bag", problem, trajectory)
    (tmp_path / "t_bag" / "t_bag.db3").unlink()
    with pytest.raises(fm.InputError, match="cannot be read as a recording of ROS 2"):
        fm.load_trajectory(tmp_path / "t_bag", problem)
    with pytest.raises(fm.InputError, match="is there already, and a folder is not replaced"):
        fm.save_trajectory(tmp_path / "t_bag", problem, trajectory)
    with pytest.raises(fm.InputError, match="in its name"):
        fm.save_trajectory(tmp_path / "a#_bag", problem, trajectory)
    with pytest.raises(fm.InputError, match="'joint trajectory' is no topic; letters"):
        fm.save_trajectory(tmp_path / "u_bag", problem, trajectory, topic="joint trajectory")
    with pytest.raises(fm.InputError, match="cannot be written"):
        fm.write_ros_messages(tmp_path / "none" / "u_bag", [message])
    with pytest.raises(fm.InputError, match="at least one message"):
        fm.write_ros_messages(tmp_path / "u_bag", [])
    assert not (tmp_path / "u_bag").exists()


@pytest.mark.parametrize("name", RECORDINGS)
def test_without_rosbags_the_command_that_installs_it_is_said_before_planning(
    name: str, solution: fm.Solution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known_types.cache_clear()
    monkeypatch.setitem(sys.modules, "rosbags", None)
    monkeypatch.setattr("fastmove.cli.commands._planned", lambda *_: pytest.fail("it was planned"))
    assert main(["plan", str(BOOK), "--out", str(tmp_path / name)]) == 2
    assert (
        f"{name}: writing recordings of ROS 2 needs the package rosbags: pip install 'fastmove[ros]'" in capsys.readouterr().err
    )
    (tmp_path / name).mkdir()
    with pytest.raises(fm.MissingPackage, match=r"reading recordings of ROS 2 needs .* 'fastmove\[ros\]'"):
        fm.load_trajectory(tmp_path / name, solution.problem)
    with pytest.raises(fm.MissingPackage, match="the bytes of ROS 2 messages"):
        fm.to_cdr(fm.RosMessage(JOINT_TRAJECTORY, {}))
    fm.save_trajectory(tmp_path / "t.goal.yaml", solution.problem, solution.trajectory)  # YAML needs nothing
    assert fm.read_ros_messages(tmp_path / "t.goal.yaml")[0].type == GOAL


# -- text -----------------------------------------------------------------------------------------------------------------


def test_a_goal_with_tolerances_is_the_same_as_text(solution: fm.Solution, goal: fm.RosMessage, tmp_path: Path) -> None:
    names = solution.problem.robot.joint_names
    assert [(one["name"], one["position"]) for one in goal.fields["path_tolerance"]] == [(name, 0.05) for name in names]
    assert [(one["name"], one["position"]) for one in goal.fields["goal_tolerance"]] == [("panda_joint4", 0.02)]
    assert goal.fields["goal_time_tolerance"] == {"sec": 0, "nanosec": 100_000_000}
    fm.write_ros_messages(tmp_path / "g.yaml", [goal])
    (read,) = fm.read_ros_messages(tmp_path / "g.yaml")
    assert read == goal
    assert fm.trajectory_from_message(read, solution.problem).duration == pytest.approx(solution.duration, abs=1e-9)
    assert set(yaml.safe_load((tmp_path / "g.yaml").read_text())) == {
        "trajectory", "path_tolerance", "goal_tolerance", "goal_time_tolerance"
    }  # fmt: skip


@pytest.mark.usefixtures("needs_rosbags")
def test_a_goal_with_tolerances_is_the_same_in_bytes(goal: fm.RosMessage) -> None:
    data = fm.to_cdr(goal)
    read = fm.from_cdr(data, GOAL)
    assert {key: read.fields[key] for key in goal.fields} == goal.fields and fm.to_cdr(read) == data
    event = fm.to_cdr(fm.RosMessage(SEND_GOAL, {"goal_id": {"uuid": list(range(16))}, "goal": goal.fields}))
    assert event[4:20] == bytes(range(16)) and event[20:] == data[4:]


@pytest.mark.parametrize(
    ("tolerances", "words"),
    [
        (
            {"path_tolerance": {"panda_joint": 0.1}},
            "path_tolerance: 'panda_joint' is no joint of the motion; .*did you mean 'panda_joi",
        ),
        ({"goal_tolerance": 0.0}, "goal_tolerance: is 0.0 for panda_joint1; a number above 0"),
        ({"goal_tolerance": {"panda_joint2": float("nan")}}, "goal_tolerance: is nan for panda_joint2"),
        ({"goal_time_tolerance": -1.0}, "goal_time_tolerance: is -1.0"),
    ],
)
def test_a_tolerance_that_is_wrong_is_named(tolerances: dict[str, Any], words: str, solution: fm.Solution) -> None:
    with pytest.raises(fm.InputError, match=words):
        fm.follow_joint_trajectory_goal(solution.problem, solution.trajectory, **tolerances)


def echoed(fields: dict[str, Any]) -> str:
    """As ROS 2 prints a message (message_to_yaml of rosidl_runtime_py)."""
    return yaml.dump(fields, allow_unicode=True, width=sys.maxsize, default_flow_style=False, sort_keys=False)


def test_what_ros_prints_is_read(solution: fm.Solution, fewer: fm.RosMessage, goal: fm.RosMessage, tmp_path: Path) -> None:
    """`ros2 topic echo --full-length`, with a line of --- after every message, and all that `ros2 action send_goal` says."""
    path = tmp_path / "t.yaml"
    path.write_text(f"{echoed(fewer.fields)}---\n{echoed(goal.fields)}---\n")
    first, second = fm.read_ros_messages(path)
    assert (first.type, first.fields, second.type, second.fields) == (JOINT_TRAJECTORY, fewer.fields, GOAL, goal.fields)
    with pytest.raises(fm.InputError, match="holds 2 trajectories; one is needed: choose one by --message 1 or 2"):
        fm.load_trajectory(path, solution.problem)
    assert fm.load_trajectory(path, solution.problem, message=2).duration == pytest.approx(solution.duration, abs=1e-9)
    with pytest.raises(fm.InputError, match="has no message 3; it has 2, numbered from 1"):
        fm.load_trajectory(path, solution.problem, message=3)
    fm.write_ros_messages(path, [first, second])
    assert fm.read_ros_messages(path) == [first, second]
    said = f"Waiting for an action server to become available...\nSending goal:\n     {echoed(goal.fields)}\n"
    said += (
        "Goal accepted with ID: 5c6f\n\nResult:\n    error_code: 0\nerror_string: ''\n\nGoal finished with status: SUCCEEDED\n"
    )
    path.write_text(said)
    (read,) = fm.read_ros_messages(path)
    assert (read.type, read.fields) == (GOAL, goal.fields)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.update(points=[*m["points"][:128], "..."]), "cut short after 128 points.*--full-length"),
        (lambda m: m.update(points="<sequence type: trajectory_msgs/msg/JointTrajectoryPoint, length: 9>"), "a list of points"),
        (lambda m: m.update(points=[]), "needs joint_names and a list of points"),
        (lambda m: m["points"][4].pop("time_from_start"), "has time_from_start = None in point 5"),
        (lambda m: m["points"][4].update(time_from_start={"sec": 1}), r"has time_from_start = \{'sec': 1\} in point 5"),
        (
            lambda m: m.update(joint_names=[*m["joint_names"][:6], "elbow"]),
            "has joints .*elbow; needed, each once: .*panda_joint7",
        ),
        (lambda m: [point.update(velocities=[]) for point in m["points"]], "has no velocity; add it, or allow a fit"),
        (lambda m: m.update(multi={"joint_names": ["base"], "points": [{"transforms": [1]}]}), "several degrees of freedom"),
    ],
)
def test_a_message_that_is_no_motion_is_one_sentence(
    change: Any, words: str, solution: fm.Solution, fewer: fm.RosMessage, tmp_path: Path
) -> None:
    fields = fewer.fields
    change(fields)
    (tmp_path / "t.yaml").write_text(echoed({"goal": {"trajectory": fields, "other": fields.pop("multi", None)}}))
    with pytest.raises(fm.InputError, match=words):
        fm.load_trajectory(tmp_path / "t.yaml", solution.problem)
    with pytest.raises(fm.InputError, match=words):
        fm.trajectory_from_message(fm.read_ros_messages(tmp_path / "t.yaml")[0], solution.problem)


def test_a_text_of_too_many_levels_is_refused(solution: fm.Solution, tmp_path: Path) -> None:
    """The loader in C would end the process."""
    (tmp_path / "t.yaml").write_text("[" * 300_000 + "]" * 300_000)
    with pytest.raises(fm.InputError, match="more than 100 levels"):
        fm.load_trajectory(tmp_path / "t.yaml", solution.problem)


def test_a_topic_or_message_of_a_file_without_them_is_refused(solution: fm.Solution, tmp_path: Path) -> None:
    for name in ("t.npz", "t.csv", "t.yaml"):
        fm.save_trajectory(tmp_path / name, solution.problem, solution.trajectory)
    with pytest.raises(fm.InputError, match="is no recording, and has no topic /a"):
        fm.load_trajectory(tmp_path / "t.yaml", solution.problem, topic="/a")
    for name in ("t.npz", "t.csv"):
        with pytest.raises(fm.InputError, match="holds one trajectory; a topic or message is chosen in files of ROS 2"):
            fm.load_trajectory(tmp_path / name, solution.problem, message=1)
    with pytest.raises(fm.InputError, match=r"has an unknown ending; allowed: \.yaml, \.yml, \.mcap, \.db3, _bag"):
        fm.read_ros_messages(tmp_path / "t.npz")
    with pytest.raises(fm.InputError, match=r"has an unknown ending; allowed: \.yaml"):
        fm.write_ros_messages(tmp_path / "t.txt", [])
