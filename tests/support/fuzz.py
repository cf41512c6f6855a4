"""Mutated files of every kind that is read: never a traceback, a crash, longer than `SLOW`, or a file opened elsewhere.

    python tests/support/fuzz.py [--count 10000] [--seed 0] [--kinds problem,urdf,…]

Files are mutated in chains of `CHAIN`, each guided by coverage: a file that makes a reader run a line, after another one, that no
file of the chain did before joins those from which the next are mutated.  Every chain runs in a worker that reads what came of
each mutation and does the end checks (no planning).  A worker that dies or hangs is a finding like a traceback; the same kind,
number and seed give the same chain, and the file of a finding is kept in `fuzz-findings`.
"""

from __future__ import annotations

import argparse
import functools
import json
import re
import sys
import time
import tomllib
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

CHAIN = 25  # Number of files mutated one from the other.
SLOW = 5.0  # Longest time of reading and end checks [s].
NUMBERS = (b"nan", b"inf", b"-1", b"0", b"1e300", b"-1e-300", b"99999999999", b"1e-12", b"true", b"''", b"[]", b"0x1F", b"1e999")
ROOT = Path(__file__).parents[2]
PROBLEM = (ROOT / "problems" / "cereal_box.toml").read_bytes()
ROBOT = (ROOT / "robots" / "ur5e" / "robot.toml").read_bytes()
URDF = (ROOT / "robots" / "ur5e" / "ur5e.urdf").read_bytes()
SRDF = b'<robot name="a"><disable_collisions link1="wrist_1_link" link2="wrist_3_link" reason="Never"/></robot>'
CUBE = (
    b"".join(b"v %d %d %d\n" % (x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1))
    + b"f 1 2 3\nf 2 3 4\nf 5 6 7\nf 1 5 8\n"
)
DAE = (
    b'<?xml version="1.0"?><COLLADA version="1.4.1"><asset><unit meter="0.01"/></asset><library_geometries><geometry id="g">'
    b'<mesh><source id="p"><float_array id="a" count="12">0 0 0 1 0 0 0 1 0 0 0 1</float_array><technique_common>'
    b'<accessor source="#a" '
    b'count="4" stride="3"><param name="X" type="float"/><param name="Y" type="float"/><param name="Z" type="float"/></accessor>'
    b'</technique_common></source><vertices id="v"><input semantic="POSITION" source="#p"/></vertices><triangles count="2">'
    b'<input semantic="VERTEX" source="#v" offset="0"/><p>0 1 2 1 2 3</p></triangles></mesh></geometry></library_geometries>'
    b'<library_visual_scenes><visual_scene id="s"><node><instance_geometry url="#g"/></node></visual_scene>'
    b'</library_visual_scenes><scene><instance_visual_scene url="#s"/></scene></COLLADA>'
)
SCENE = b"""format = 1
robot = "panda"
[start]
q = [0.4, -0.3, 0.0, -2.2, 0.0, 1.9, 0.785]
[goal]
q = [-0.4, -0.3, 0.0, -2.2, 0.0, 1.9, 0.785]
[[obstacles]]
name = "thing"
type = "KIND"
file = "FILE"
position = [1.5, 0.0, 0.2]
"""


POSES = b"""format = 1
robot = "ur5e"
[start.pose]
of = "tool"
position = [0.4, 0.2, 0.4]
quaternion_xyzw = [1.0, 0.0, 0.0, 0.0]
[[goal.poses]]
of = "wrist_3_link"
position = [0.4, -0.2, 0.4]
quaternion_xyzw = [1.0, 0.0, 0.0, 0.0]
free_axis = [0.0, 0.0, 1.0]
range_deg = [-90.0, 90.0]
flips = [{axis = [0.0, 0.0, 1.0], angle_deg = 180.0}]
tolerance = [0.01, 0.0, 0.0]
"""
GRASPS = b"""[{"id": "a", "tool_T_item": {"position": [0.0, 0.0, 0.01], "quaternion_xyzw": [0.0, 0.0, 0.0, 1.0]},
"grip_force_N": 30.0, "friction": 0.5, "start_q": [0.4, -0.3, 0.0, -2.2, 0.0, 1.9, 0.785]},
{"id": "b", "tool_T_item": {"position": [0.0, 0.0, 0.0], "quaternion_xyzw": [0.0, 0.0, 1.0, 0.0]}}]"""
PLY = (
    b"ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\nelement face 1\n"
    b"property list uchar int vertex_indices\nend_header\n0 0 0\n0.1 0 0\n0 0.1 0\n3 0 1 2\n"
)
PCD = (
    b"# .PCD v0.7\nVERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH 6\nHEIGHT 1\n"
    b"VIEWPOINT 0 0 0 1 0 0 0\nPOINTS 6\nDATA "
)
MOVEIT_TEXT = (
    b"scene\n* table\n0.7 0 -0.3\n0 0 0 1\n2\nbox\n0.6 1.2 0.05\n0 0 0\n0 0 0 1\n0 0 0 0\nmesh\n4 2\n0 0 0\n0.1 0 0\n0 0.1 0\n"
    b"0 0 0.1\n0 1 2\n0 1 3\n0 0 0.1\n0 0 0 1\n0 0 0 0\n1\ncorner\n0 0 0\n0 0 0 1\n* can\n0.9 0.2 0.06\n0 0 0 1\n1\ncylinder\n"
    b"0.04 0.12\n0 0 0\n0 0 0 1\n1 0 0 1\n0\n.\n"
)
MOVEIT_MESSAGE = b"""world:
  collision_objects:
    - id: table
      header: {frame_id: world}
      pose: {position: {x: 0.9, y: 0.0, z: -0.3}, orientation: {w: 1.0}}
      primitives: [{type: 1, dimensions: [0.6, 1.2, 0.05]}, {type: cone, dimensions: [0.1, 0.04]}]
      primitive_poses: [{position: {x: 0, y: 0, z: 0}}, {position: [0, 0, 0.1], orientation: [0, 0, 0, 1]}]
      meshes: [{vertices: [{x: 0, y: 0, z: 0}, {x: 1, y: 0, z: 0}, {x: 0, y: 1, z: 0}], triangles: [{vertex_indices: [0, 1, 2]}]}]
      mesh_poses: [{position: {x: 0, y: 0, z: 0.2}, orientation: {w: 1}}]
      operation: 0
robot_state: {attached_collision_objects: [{object: {id: mug}}]}
"""
XACRO = URDF.replace(b"<robot ", b'<robot xmlns:xacro="' + b"http" + b'://www.ros.org/wiki/xacro" ', 1).replace(
    b"</robot>",
    b'<xacro:property name="a" value="${2 * pi}"/><xacro:if value="${a > 3}"><link name="extra"/>'
    b'<joint name="fixed_extra" type="fixed"><parent link="base_link"/><child link="extra"/></joint></xacro:if></robot>',
)


def archive(folder: Path) -> bytes:
    """An .npz with records."""
    records = np.zeros(9, dtype=[("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("i", "<u2")])
    np.savez(folder / "c.npz", points=records)
    return (folder / "c.npz").read_bytes()


def stl() -> bytes:
    """A binary STL of two triangles."""
    rows = np.zeros(2, dtype=[("n", "<f4", 3), ("v", "<f4", 9), ("a", "<u2")])
    rows["v"] = [[0, 0, 0, 1, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 1, 0, 1, 0]]
    return bytes(80) + np.uint32(2).tobytes() + rows.tobytes()


def cloud(folder: Path) -> bytes:
    np.save(folder / "c.npy", np.random.default_rng(0).normal(size=(30, 3)) * 0.1)
    return (folder / "c.npy").read_bytes()


def trajectory(ending: str) -> bytes:
    names = [f"panda_joint{k}" for k in range(1, 8)]
    q = np.array([0.4, -0.3, 0.0, -2.2, 0.0, 1.9, 0.785])
    if ending == "csv":
        header = ",".join(["time", *(f"{c}.{n}" for c in ("position", "velocity", "acceleration") for n in names)])
        rows = [",".join(map(repr, [0.1 * k, *(q + 0.01 * k).tolist(), *[0.1] * 7, *[0.0] * 7])) for k in range(6)]
        return "\n".join([header, *rows]).encode()
    points = "".join(
        f"- {{positions: {(q + 0.01 * k).tolist()}, velocities: {[0.1] * 7}, accelerations: {[0.0] * 7}, "
        f"time_from_start: {{sec: 0, nanosec: {k}00000000}}}}\n"
        for k in range(6)
    )
    return f"joint_names: [{', '.join(names)}]\npoints:\n{points}".encode()


def recording(folder: Path, ending: str) -> bytes:
    """A recording of ROS 2 with one trajectory, and the definition of its type."""
    from fastmove.io.ros_file import read_ros_messages, write_ros_messages

    (folder / "t.yaml").write_bytes(trajectory("yaml"))
    write_ros_messages(folder / f"t.{ending}", read_ros_messages(folder / "t.yaml"))
    return (folder / f"t.{ending}").read_bytes()


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """The data with one to four changes: bytes, spans, numbers or words."""
    for _ in range(int(rng.integers(1, 5))):
        size, kind = len(data), int(rng.integers(7))
        at, to = sorted(int(x) for x in rng.integers(0, size + 1, 2))
        to = min(to, at + int(rng.integers(1, 60)))
        if kind == 0:
            data = data[:at] + bytes([int(rng.integers(256))]) + data[at + 1 :]
        elif kind == 1:
            data = data[:at] + data[to:]
        elif kind == 2:
            data = data[:to] + data[at:]
        elif kind == 3:
            data = data[:at]
        elif kind in (4, 5):
            found = list(re.finditer(rb"-?\d+\.?\d*(e-?\d+)?", data))
            if found:
                one = found[int(rng.integers(len(found)))]
                data = data[: one.start()] + NUMBERS[int(rng.integers(len(NUMBERS)))] + data[one.end() :]
        else:
            words = list(re.finditer(rb"[A-Za-z_]{3,}", data))
            if len(words) > 1:
                one, other = (words[int(k)] for k in rng.integers(0, len(words), 2))
                data = data[: one.start()] + other.group() + data[one.end() :]
    return data


def read(kind: str, data: bytes, folder: Path) -> None:
    """Read what a user would and do the end checks, whatever comes of it."""
    import fastmove as fm
    from fastmove.io.trajectory_file import load_trajectory
    from fastmove.planner.context import PlanningContext
    from fastmove.robot.draft import draft_robot

    if kind in ("poses", "json"):
        (folder / f"p.{'toml' if kind == 'poses' else 'json'}").write_bytes(data)
        fm.load_problem(folder / f"p.{'toml' if kind == 'poses' else 'json'}")
    elif kind == "grasps":
        (folder / "g.json").write_bytes(data)
        fm.read_grasps(folder / "g.json")
    elif kind in ("scene", "moveit"):
        name = "s.scene" if kind == "scene" else "s.yaml"
        (folder / name).write_bytes(data)
        (folder / "p.toml").write_bytes(SCENE.partition(b"[[")[0] + b'[[scenes]]\nfile = "%s"\n' % name.encode())
        PlanningContext.of(fm.load_problem(folder / "p.toml")).checks.start()
    elif kind == "xacro":
        (folder / "r.urdf.xacro").write_bytes(data)
        draft_robot(folder / "r.urdf.xacro")
    elif kind in ("problem", "robot", "urdf", "srdf"):
        files = {"problem": "p.toml", "robot": "robot.toml", "urdf": "ur5e.urdf", "srdf": "a.srdf"}
        for name, usual in (("robot.toml", ROBOT), ("ur5e.urdf", URDF), ("a.srdf", SRDF), ("p.toml", PROBLEM)):
            (folder / name).write_bytes(data if files[kind] == name else usual)
        if kind == "problem":
            PlanningContext.of(fm.load_problem(folder / "p.toml")).checks.start()
        elif kind == "robot":
            fm.load_robot(folder / "robot.toml")
        else:
            draft_robot(folder / "ur5e.urdf", folder / "a.srdf")
    elif kind in ("csv", "yaml", "mcap", "db3"):
        (folder / f"t.{kind}").write_bytes(data)
        (folder / "p.toml").write_bytes(SCENE.partition(b"[[")[0])
        load_trajectory(folder / f"t.{kind}", fm.load_problem(folder / "p.toml"), fit=True)
    else:
        (folder / f"f.{kind}").write_bytes(data)
        shape = b"points" if kind in ("npy", "npz", "xyz", "ply", "pcd") else b"mesh"
        (folder / "p.toml").write_bytes(SCENE.replace(b"KIND", shape).replace(b"FILE", f"f.{kind}".encode()))
        PlanningContext.of(fm.load_problem(folder / "p.toml")).checks.start()


class Coverage:
    """Pairs of lines of FastMove's readers, one run after the other, since the beginning; by `sys.settrace`."""

    def __init__(self) -> None:
        self.pairs: set[tuple[int, int, int]] = set()

    def __enter__(self) -> Coverage:
        sys.settrace(self._called)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _called(self, frame: Any, event: str, argument: object) -> Any:
        file = frame.f_code.co_filename
        if "/fastmove/" not in file or not any(room in file for room in READERS):
            return None
        code, last = hash(frame.f_code.co_qualname + file), 0

        def line(frame: Any, event: str, argument: object) -> Any:
            nonlocal last
            self.pairs.add((code, last, frame.f_lineno))
            last = frame.f_lineno
            return line

        return line


READERS = ("/io/", "/robot/", "/problem/", "/geometry/", "/tables.py")
OPENED: list[str] = []  # Files opened while a case is read.
watched = False


def _opened(event: str, arguments: tuple[Any, ...]) -> None:
    if not watched or event != "open" or not isinstance(arguments[0], str | bytes):
        return
    name = arguments[0].decode() if isinstance(arguments[0], bytes) else arguments[0]
    if not name.startswith("<"):  # as "<string>", where Python looks for the line of a warning in text that is no file
        OPENED.append(str(Path(name).absolute()))


def elsewhere(folder: Path) -> str:
    """The first file that was opened outside of a case's folder, and that is no part of Python, FastMove or the system."""
    places = (folder, folder.resolve(), ROOT, sys.prefix, sys.base_prefix, "/proc", "/sys", "/dev", "/usr/lib", "/usr/share")
    return next((name for name in OPENED if not name.startswith(tuple(str(place) for place in places))), "")


def case(kind: str, number: int, seed: int) -> list[tuple[str, str]]:
    """What came of each file of a chain: `read`, `said`, `slow`, `traceback` or `outside`, and the sentence."""
    import warnings

    import fastmove as fm

    global watched
    warnings.simplefilter("ignore")
    if _opened not in HOOKED:
        sys.addaudithook(_opened)
        HOOKED.append(_opened)
    rng, results, covered = np.random.default_rng([seed, number]), [], set()
    pool: list[bytes] = []
    for step in range(CHAIN):
        with TemporaryDirectory() as name:
            pool = pool or [CORPUS[kind](Path(name))]
            data = mutated(pool[int(rng.integers(len(pool))) if step % 2 else 0], rng)
            kept = FINDINGS / f"{kind}-{seed}-{number}-{step}"
            FINDINGS.mkdir(exist_ok=True)
            kept.write_bytes(data)  # stays where the worker dies
            OPENED.clear()
            begin, watched = time.perf_counter(), True
            with Coverage() as coverage:
                try:
                    read(kind, data, Path(name))
                    outcome, said = "read", ""
                except fm.FastMoveError as error:
                    outcome, said = ("said", str(error)) if "\n" not in str(error) else ("traceback", f"two lines: {error}")
                except Exception:
                    outcome, said = "traceback", traceback.format_exc(limit=-4)
            watched = False
            if outcome != "traceback" and time.perf_counter() - begin > SLOW:
                outcome, said = "slow", f"{time.perf_counter() - begin:.1f} s {said}"
            if file := elsewhere(Path(name)):
                outcome, said = "outside", file
            if outcome in ("read", "said"):
                kept.unlink()
            if coverage.pairs - covered:
                covered |= coverage.pairs
                pool.append(data)
            results.append((outcome, said))
    return results


HOOKED: list[Any] = []
FINDINGS = Path("fuzz-findings")


CORPUS: dict[str, Any] = {
    "problem": lambda folder: PROBLEM,
    "robot": lambda folder: ROBOT,
    "urdf": lambda folder: URDF,
    "srdf": lambda folder: SRDF,
    "obj": lambda folder: CUBE,
    "stl": lambda folder: stl(),
    "dae": lambda folder: DAE,
    "npy": cloud,
    "csv": lambda folder: trajectory("csv"),
    "yaml": lambda folder: trajectory("yaml"),
    "json": lambda folder: json.dumps(tomllib.loads(POSES.decode())).encode(),
    "poses": lambda folder: POSES,
    "grasps": lambda folder: GRASPS,
    "xyz": lambda folder: b"# x y z\n0.1 0.2 0.3\n0.2 0.3 0.4 9\n",
    "ply": lambda folder: PLY,
    "pcd": lambda folder: PCD + b"binary\n" + np.random.default_rng(1).normal(size=(6, 3)).astype("<f4").tobytes(),
    "npz": archive,
    "scene": lambda folder: MOVEIT_TEXT,
    "moveit": lambda folder: MOVEIT_MESSAGE,
    "xacro": lambda folder: XACRO,
}
if find_spec("rosbags"):
    CORPUS |= {ending: functools.partial(recording, ending=ending) for ending in ("mcap", "db3")}
RARE = ("xacro",)  # Kinds that take long: one chain in ten of the others'.


def outcomes(jobs: list[tuple[str, int, int]], workers: int) -> Iterator[tuple[tuple[str, int, int], str, str]]:
    """Outcome of every file of every chain; a worker that dies is replaced, and its chain counts as a crash."""
    todo = list(jobs)
    while todo:
        with ProcessPoolExecutor(workers) as pool:
            running = {job: pool.submit(case, *job) for job in todo[: 10 * workers]}
            done = []
            for job, future in running.items():
                try:
                    done.append(job)
                    yield from ((job, *result) for result in future.result(timeout=CHAIN * SLOW))
                except BrokenProcessPool:
                    done.pop()
                    break
                except TimeoutError:
                    yield job, "hangs", ""
        if len(done) < len(running):  # one of those not done has died: one at a time
            job = next(job for job in running if job not in done)
            with ProcessPoolExecutor(1) as alone:
                try:
                    yield from ((job, *result) for result in alone.submit(case, *job).result(timeout=CHAIN * SLOW))
                except BrokenProcessPool:
                    yield job, "crash", ""
            done.append(job)
        todo = [job for job in todo if job not in set(done)]


def chains(kinds: list[str], count: int, seed: int) -> list[tuple[str, int, int]]:
    """Chains of at least so many files, the same number of every kind but of the `RARE` ones."""
    weights = [0.1 if kind in RARE else 1.0 for kind in kinds]
    each = count / CHAIN / sum(weights)
    return [(kind, k, seed) for kind, weight in zip(kinds, weights, strict=True) for k in range(int(np.ceil(each * weight)))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--kinds", default=",".join(CORPUS))
    options = parser.parse_args()
    kinds = options.kinds.split(",")
    tally: Counter[tuple[str, str]] = Counter()
    findings = 0
    for job, outcome, said in outcomes(chains(kinds, options.count, options.seed), options.jobs):
        tally[job[0], outcome] += 1
        if outcome not in ("read", "said"):
            findings += 1
            print(f"{outcome}: {job}\n{said}", flush=True)
    for kind in kinds:
        print(f"{kind:8}", {outcome: n for (k, outcome), n in sorted(tally.items()) if k == kind})
    print(f"{sum(tally.values())} mutated files, {findings} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
