"""The log of one run: every command and reading, what happened, and the motions that were followed.

Its file is whole or not there: an npz of numbers and one JSON text, so that reading one runs nothing.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fastmove.arrays import Array
from fastmove.errors import InputError
from fastmove.execution.command_stream import ROWS, CommandStream
from fastmove.execution.events import Event, FlightEvent
from fastmove.io.atomic_write import write_whole
from fastmove.problem.describe import problem_sha256
from fastmove.problem.transfer import TransferProblem
from fastmove.trajectory.piecewise_polynomial import PiecewisePolynomial
from fastmove.trajectory.trajectory import Trajectory

FORMAT = 1  # version of the file's layout


@dataclass(frozen=True)
class FlightLog:
    """The log of one run.

    Attributes:
        problem: name of the problem that the run began with.
        problem_sha256: its hash.
        joint_names: names of the n joints.
        cycle: control cycle [s].
        time: (N,) time of each command since streaming began, by the wall clock [s].
        course: (N,) number of the course that it is of.
        q: (N, n) configurations sent [rad].
        v: (N, n) velocities sent [rad/s].
        a: (N, n) accelerations sent [rad/s²].
        effort: (N, n) feed-forward torques sent [Nm].
        grip: (N, holds) grip forces sent, per pad [N].
        read: (N, n) configurations read before each command [rad].
        gripping: (N,) whether the hand reported its grip.
        events: what happened, in order.
        courses: the motion of each course, from its first command on, by number.
        ended: how the run ended; None while it runs.
    """

    problem: str
    problem_sha256: str
    joint_names: tuple[str, ...]
    cycle: float
    time: Array = field(repr=False)
    course: Array = field(repr=False)
    q: Array = field(repr=False)
    v: Array = field(repr=False)
    a: Array = field(repr=False)
    effort: Array = field(repr=False)
    grip: Array = field(repr=False)
    read: Array = field(repr=False)
    gripping: Array = field(repr=False)
    events: tuple[FlightEvent, ...]
    courses: dict[int, PiecewisePolynomial] = field(repr=False)
    ended: Event | None = None

    @staticmethod
    def of(
        problem: TransferProblem,
        cycle: float,
        rows: list[tuple[float, int, int, Array, bool]],
        streams: dict[int, CommandStream],
        events: tuple[FlightEvent, ...],
        courses: dict[int, Trajectory],
        ended: Event | None,
    ) -> FlightLog:
        """Builds the log of a run from what its loop kept.

        Args:
            problem: problem that it began with.
            cycle: control cycle [s].
            rows: for every cycle: time [s], number of the course, cycle in it, joints read [rad], whether the hand gripped.
            streams: commands of every course that was followed, by number.
            events: what happened, in order.
            courses: the motion of each course, of which those that were followed are kept.
            ended: how the run ended; None while it runs.
        """
        n, count = problem.robot.n_arm, len(rows)
        shapes = dict.fromkeys(ROWS, n) | {"grip": len(problem.holds)}
        sent = {key: np.array([getattr(streams[number], key)[row] for _, number, row, _, _ in rows]) for key in ROWS}
        return FlightLog(
            problem.name,
            problem_sha256(problem),
            problem.robot.joint_names,
            cycle,
            np.array([row[0] for row in rows]),
            np.array([row[1] for row in rows], dtype=int),
            **{key: value.reshape(count, shapes[key]) for key, value in sent.items()},
            read=np.array([row[3] for row in rows]).reshape(count, n),
            gripping=np.array([row[4] for row in rows], dtype=bool),
            events=events,
            courses={number: motion.motion() for number, motion in courses.items() if number in streams},
            ended=ended,
        )

    @property
    def tracking(self) -> float:
        """Largest distance of a joint from the last two commands [rad]; 0 without any."""
        if not len(self.q):
            return 0.0
        before = np.concatenate([self.q[:1], self.q[:-1]])
        return float(np.minimum(np.abs(self.read - self.q), np.abs(self.read - before)).max())

    def save(self, path: str | Path) -> None:
        """Writes the log, whole or not at all.

        Raises:
            TrajectoryFileError: the file cannot be written.
        """
        said = {
            "format": FORMAT,
            "problem": self.problem,
            "problem_sha256": self.problem_sha256,
            "joint_names": self.joint_names,
            "cycle": self.cycle,
            "ended": None if self.ended is None else self.ended.name,
            "events": [[e.time, e.event.name, e.detail, e.request] for e in self.events],
            "courses": list(self.courses),
        }
        arrays = {key: getattr(self, key) for key in (*ROWS, "time", "course", "read", "gripping")}
        for number, motion in self.courses.items():
            arrays |= {f"course_{number}_times": motion.times, f"course_{number}_coefficients": motion.coefficients}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, said=json.dumps(said), **arrays)
        write_whole(Path(path), buffer.getvalue())

    def as_json(self) -> dict[str, object]:
        """Returns what happened as plain values; the unit of each is in its key."""
        return {
            "problem": self.problem,
            "commands": len(self.q),
            "cycle_s": self.cycle,
            "tracking_rad": self.tracking,
            "ended": None if self.ended is None else self.ended.name.lower(),
            "events": [{"time_s": e.time, "event": e.event.name.lower(), "detail": e.detail} for e in self.events],
        }

    def __str__(self) -> str:
        lasted = float(self.time[-1] - self.time[0]) if len(self.time) else 0.0
        gaps = 1e3 * np.diff(self.time)
        pace = f"; {np.median(gaps):.3f} ms apart (median), {gaps.max():.3f} ms at most" if len(gaps) else ""
        lines = [
            f"{self.problem}: {len(self.q)} commands in {lasted:.3f} s{pace}",
            f"  farthest from its command: {1e3 * self.tracking:.2f} mrad   motions followed: {len(np.unique(self.course))}",
            *(f"  {event}" for event in self.events),
        ]
        return "\n".join([*lines, f"  ended: {'it runs' if self.ended is None else self.ended.value}"])


def load_log(path: str | Path) -> FlightLog:
    """Reads the log of a run.

    Raises:
        InputError: the file is no such log.
    """
    try:
        with np.load(Path(path), allow_pickle=False) as file:
            said = json.loads(str(file["said"]))
            if said["format"] != FORMAT:
                raise InputError(str(path), f"has format {said['format']}; allowed: {FORMAT}")
            arrays = {key: file[key] for key in (*ROWS, "time", "course", "read", "gripping")}
            courses = {
                int(k): PiecewisePolynomial(file[f"course_{k}_times"], file[f"course_{k}_coefficients"]) for k in said["courses"]
            }
            events = tuple(FlightEvent(float(t), Event[name], str(text), int(k)) for t, name, text, k in said["events"])
            ended = None if said["ended"] is None else Event[said["ended"]]
            names = tuple(str(name) for name in said["joint_names"])
            cycle, name, sha = float(said["cycle"]), str(said["problem"]), str(said["problem_sha256"])
    except (OSError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(str(path), f"is no log of a run ({type(error).__name__}: {error}); `Execution.log` makes one") from error
    rows = len(arrays["time"])
    wrong = [key for key, array in arrays.items() if len(array) != rows or (key in "qva" and array.shape != (rows, len(names)))]
    if wrong:
        raise InputError(str(path), f"has {', '.join(wrong)} of another length than its commands")
    return FlightLog(name, sha, names, cycle, **arrays, events=events, courses=courses, ended=ended)
