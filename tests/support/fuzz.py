"""Mutated files of every kind that is read: never a traceback, a crash, or longer than `SLOW`.

    python tests/support/fuzz.py [--count 10000] [--seed 0] [--kinds problem,urdf,…]

Every case runs in a worker that reads what came of the mutation and does the end checks (no planning).  A worker that dies or
hangs is a finding like a traceback; the same kind, number and seed give the same file.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

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

    if kind in ("problem", "robot", "urdf", "srdf"):
        files = {"problem": "p.toml", "robot": "robot.toml", "urdf": "ur5e.urdf", "srdf": "a.srdf"}
        for name, usual in (("robot.toml", ROBOT), ("ur5e.urdf", URDF), ("a.srdf", SRDF), ("p.toml", PROBLEM)):
            (folder / name).write_bytes(data if files[kind] == name else usual)
        if kind == "problem":
            PlanningContext.of(fm.load_problem(folder / "p.toml")).checks.start()
        elif kind == "robot":
            fm.load_robot(folder / "robot.toml")
        else:
            draft_robot(folder / "ur5e.urdf", folder / "a.srdf")
    elif kind in ("csv", "yaml"):
        (folder / f"t.{kind}").write_bytes(data)
        (folder / "p.toml").write_bytes(SCENE.partition(b"[[")[0])
        load_trajectory(folder / f"t.{kind}", fm.load_problem(folder / "p.toml"), fit=True)
    else:
        (folder / f"f.{kind}").write_bytes(data)
        shape = b"points" if kind == "npy" else b"mesh"
        (folder / "p.toml").write_bytes(SCENE.replace(b"KIND", shape).replace(b"FILE", f"f.{kind}".encode()))
        PlanningContext.of(fm.load_problem(folder / "p.toml")).checks.start()


def case(kind: str, number: int, seed: int) -> tuple[str, str]:
    """What came of one mutation: `read`, `said`, `slow` or `traceback`, and the sentence."""
    import warnings

    import fastmove as fm

    warnings.simplefilter("ignore")
    rng = np.random.default_rng([seed, number])
    with TemporaryDirectory() as name:
        data = mutated(CORPUS[kind](Path(name)), rng)
        begin = time.perf_counter()
        try:
            read(kind, data, Path(name))
            outcome, said = "read", ""
        except fm.FastMoveError as error:
            outcome, said = ("said", str(error)) if "\n" not in str(error) else ("traceback", f"two lines: {error}")
        except Exception:
            outcome, said = "traceback", traceback.format_exc(limit=-4)
        if outcome != "traceback" and time.perf_counter() - begin > SLOW:
            outcome, said = "slow", f"{time.perf_counter() - begin:.1f} s {said}"
        return outcome, said


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
}


def outcomes(jobs: list[tuple[str, int, int]], workers: int) -> Iterator[tuple[tuple[str, int, int], str, str]]:
    """Outcome of every job; a worker that dies is replaced, and its job counts as a crash."""
    todo = list(jobs)
    while todo:
        with ProcessPoolExecutor(workers) as pool:
            running = {job: pool.submit(case, *job) for job in todo[: 50 * workers]}
            done = []
            for job, future in running.items():
                try:
                    done.append(job)
                    yield job, *future.result(timeout=10 * SLOW)
                except BrokenProcessPool:
                    done.pop()
                    break
                except TimeoutError:
                    yield job, "hangs", ""
        if len(done) < len(running):  # one of those not done has died: one at a time
            job = next(job for job in running if job not in done)
            with ProcessPoolExecutor(1) as alone:
                try:
                    yield job, *alone.submit(case, *job).result(timeout=10 * SLOW)
                except BrokenProcessPool:
                    yield job, "crash", ""
            done.append(job)
        todo = [job for job in todo if job not in set(done)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--kinds", default=",".join(CORPUS))
    options = parser.parse_args()
    kinds = options.kinds.split(",")
    jobs = [(kinds[k % len(kinds)], k, options.seed) for k in range(options.count)]
    tally: Counter[tuple[str, str]] = Counter()
    findings = 0
    for job, outcome, said in outcomes(jobs, options.jobs):
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
