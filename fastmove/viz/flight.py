"""Preview of a run from its log: the motion as it was sent, beside the one that was planned, and where something happened."""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array
from fastmove.certificate.certify import certify
from fastmove.errors import InputError
from fastmove.execution.events import Event
from fastmove.execution.flight_log import FlightLog
from fastmove.problem.describe import problem_sha256
from fastmove.problem.goal import Goal, State
from fastmove.problem.transfer import TransferProblem
from fastmove.solution.solution import Solution
from fastmove.trajectory.piecewise_polynomial import PiecewisePolynomial, quintic_hermite
from fastmove.trajectory.trajectory import Phase, Trajectory
from fastmove.viz.preview import preview_html
from fastmove.viz.scene import Mark, Overlay

PIECES = 4000  # Largest number of pieces through which the motion is drawn as it was sent.
WAY = 60  # Number of points of a way.
APART = 0.01  # Distance of joints from which on two ways are two [rad].
FINE = 1e-3  # Step of the times among which one is looked for [s].
OF_ENDS = ("continuity", "jerk", "start", "goal", "release", "grasp", "corridor", "allowed_contact")  # Not of what was sampled.
MARKS = {
    Event.HELD_STOP: "held stop", Event.UNSURE_STOP: "stop", Event.NEW_MOTION: "new motion", Event.SPEED: "other speed",
    Event.RESTING: "rests",
}  # fmt: skip


def flight_html(log: FlightLog, problem: TransferProblem) -> str:
    """Draws a run as one page.

    Args:
        log: Log of the run.
        problem: The problem that it began with.

    Raises:
        InputError: The log is of another problem, or nothing was sent.
    """
    if log.problem_sha256 != problem_sha256(problem):
        raise InputError("problem", f"{problem.name} is not what was flown ({log.problem}, or it has been changed since)")
    if len(log.q) < 2:
        raise InputError("log", "has fewer than two commands; there is nothing to draw")
    return preview_html(as_sent(log, problem), overlay=_overlay(log))


def as_sent(log: FlightLog, problem: TransferProblem) -> Solution:
    """Returns the commands of a run as a motion through them, with the use of the limits of the problem as it was planned."""
    rows = np.unique(np.append(np.arange(0, len(log.q), max(1, -(-len(log.q) // PIECES))), len(log.q) - 1))
    times = rows * log.cycle
    motion = quintic_hermite(times, log.q[rows], log.v[rows], log.a[rows])
    phase = Phase(motion, None, None, log.grip[0], np.array([held.width for held in problem.holds]))
    trajectory = Trajectory((phase,), log.joint_names)
    sent = problem.with_(start=State(log.q[0], log.v[0], log.a[0]), goal=Goal(log.q[-1:], opens_hand=False))
    kinds = [kind.name for kind in sent.limit_kinds if kind.name not in OF_ENDS]
    return Solution.of(sent, trajectory, certify(sent, trajectory, kinds), float("nan"))


def _overlay(log: FlightLog) -> Overlay:
    """The rest of every motion that was left for another way, and the places where something began, numbered as in the legend."""
    ways, order = [], list(dict.fromkeys(int(number) for number in log.course))
    for number in order[:-1]:
        left, motion = int(np.flatnonzero(log.course == number)[-1]), log.courses.get(number)
        if motion is None:
            continue
        rest = motion(np.linspace(_reached(motion, log.q[left]), motion.duration, WAY))
        if np.max([np.abs(log.q[left:] - q).max(axis=1).min() for q in rest]) > APART:
            what = "as planned at first" if number == 0 else "as planned then"
            ways.append((f"{what}, left at {left * log.cycle:.2f} s", rest))
    marks = []
    for event in log.events:
        if event.event in MARKS:
            row = min(int(np.searchsorted(log.time, event.time)), len(log.q) - 1)
            marks.append(Mark(f"{MARKS[event.event]}, {row * log.cycle:.2f} s", log.q[row], row * log.cycle))
    first = log.courses.get(0)
    if first is not None and np.abs(first(first.duration)[0] - log.q[-1]).max() > APART:
        marks.append(Mark("goal at first", first(first.duration)[0], None))
    ended = "it runs" if log.ended is None else log.ended.name.replace("_", " ")
    figures = ((str(len(log.q)), "commands"), (f"{1e3 * log.tracking:.2f} mrad", "farthest from its command"))
    return Overlay(tuple(ways), tuple(marks), f"AS SENT: {ended}", figures, str(log))


def _reached(motion: PiecewisePolynomial, q: Array) -> float:
    """The time of a motion [s] at which it is nearest to a configuration (n,)."""
    times = np.linspace(0.0, motion.duration, max(2, int(motion.duration / FINE)))
    return float(times[np.argmin(np.abs(motion(times) - q).max(axis=1))])
