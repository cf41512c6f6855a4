"""Streaming a certified motion to a driver; it meets planning and drivers in this room.

Commands are sampled from the spline at the driver's own control cycle (never blended), with the feed-forward torque of the
dynamics.  The loop never raises: when a driver raises, stalls or goes silent, the arm does not follow, or the grip is lost, the
run ends in `driver.stop()` and a named event; the item stays held.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from fastmove.arrays import Array
from fastmove.drivers.driver import Command, Driver
from fastmove.dynamics.efforts import Dynamics
from fastmove.errors import InputError
from fastmove.execution.stops import AT_GOAL, ON_PATH, CertifiedPath, Change, Stop, StopTable
from fastmove.multibody.assembly import assemble
from fastmove.problem.goal import State
from fastmove.problem.transfer import TransferProblem
from fastmove.solution.solution import Solution
from fastmove.trajectory.time_law import Pace, TimeLaw
from fastmove.trajectory.trajectory import Trajectory

TRACKING_MAX = 0.02  # joint error beyond which the arm is stopped [rad]
STALL = 0.25  # duration of the driver's calls in a cycle beyond which it counts as stalled [s]
SILENT_CYCLES = 5  # number of cycles with the same reading from which the driver counts as silent
LATE = 1e-3  # delay beyond which a cycle counts as late [s]
SPIN = 2e-3  # time before a command is due for which the loop spins instead of sleeping [s]
STOPS = 3  # number of attempts to stop the arm while interrupts keep coming
LOOK_AHEAD = 2  # least number of cycles between the next command and a splice


class Event(Enum):
    """The ways in which a run can end; the value is the sentence to show."""

    DONE = "the motion was streamed to its end"
    DRIVER_RAISED = "the driver raised an error; arm stopped, item held"
    DRIVER_STALLED = "the driver took too long to answer; arm stopped, item held"
    DRIVER_SILENT = "the driver's readings stood still; arm stopped, item held"
    NOT_FOLLOWING = "a joint was too far from its command; arm stopped, item held"
    INTERRUPTED = "the run was interrupted; arm stopped, item held"
    GRIP_LOST = "the gripper no longer reports its grip; arm stopped, item held as far as it is"


@dataclass(frozen=True)
class RunReport:
    """The report of one streamed run.

    Attributes:
        event: how the run ended.
        detail: when and why it ended early; empty if it did not.
        cycles: number of commands sent.
        late: number of cycles that were more than 1 ms late (real time only).
        tracking: largest joint error [rad].
        command_us: median time that one cycle takes before the command is sent [µs].
    """

    event: Event
    detail: str
    cycles: int
    late: int
    tracking: float
    command_us: float

    @property
    def ok(self) -> bool:
        """Whether the motion was streamed to its end."""
        return self.event is Event.DONE


@dataclass
class _Stream:
    """The commands of one trajectory at the driver's control cycle; row k is sent in cycle k.

    Attributes:
        trajectory: the motion that was sampled.
        time: (N,) times [s].
        q: (N, n) configurations [rad].
        v: (N, n) velocities [rad/s].
        a: (N, n) accelerations [rad/s²].
        effort: (N, n) feed-forward torques [Nm].
        grip: (N, holds) grip forces per pad [N].
    """

    trajectory: Trajectory
    time: Array
    q: Array
    v: Array
    a: Array
    effort: Array
    grip: Array

    def command(self, k: int) -> Command:
        """Returns the command of cycle k."""
        return Command(self.q[k], self.v[k], self.a[k], self.effort[k], self.grip[k])


class Execution:
    """The execution of a certified solution on a driver.

    Args:
        driver: connected driver that the commands go to.
        solution: certified solution.
        realtime: pace the loop by the wall clock; otherwise it runs as fast as the driver answers (simulations).

    Raises:
        InputError: the solution is not certified for every kind of limit, or was planned without regard to the hold.
    """

    def __init__(self, driver: Driver, solution: Solution, realtime: bool = False) -> None:
        trajectory = _certified(solution)
        self.driver, self.problem, self.realtime = driver, solution.problem, realtime
        self.dynamics = Dynamics(self.problem, assemble(self.problem))
        self.stream = self._sample(trajectory)
        self.cycle = 0  # index of the next command
        self._follow(solution, 0.0)

    def _follow(self, solution: Solution, begin: float) -> None:
        """Takes a solution's motion, which begins at a time of the stream [s], for the path along which speed may change."""
        self._solution = solution
        self._path: CertifiedPath | None = None  # looked at when a change is asked for
        self._law: TimeLaw | None = None
        self._begin = begin

    def _sample(self, trajectory: Trajectory) -> _Stream:
        """Returns the commands of a trajectory at the driver's control cycle."""
        cycle = self.driver.cycle
        time_ = np.minimum(np.arange(int(np.ceil(trajectory.duration / cycle - 1e-9)) + 1) * cycle, trajectory.duration)
        q, v, a = (trajectory.motion(k)(time_) for k in range(3))
        effort = self.dynamics.torques(q, v, a)
        forces = np.array([phase.grip_force for phase in trajectory.phases]).reshape(len(trajectory.phases), -1)
        grip = forces[trajectory.phase_at(time_)]
        return _Stream(trajectory, time_, q, v, a, effort, grip)

    @property
    def now(self) -> float:
        """Time of the next command in the present trajectory [s]."""
        return self.cycle * self.driver.cycle

    def splice(self, at: float, solution: Solution) -> None:
        """Follows the present trajectory until a given time and then another solution's, joined in q, v and a.

        Args:
            at: time in the present trajectory, at least two cycles ahead [s].
            solution: certified solution whose motion begins there.

        Raises:
            InputError: the solution may not be streamed (see `Execution`), the time is too near, or the two motions do not join
                within 1e-9.
        """
        trajectory = _certified(solution)
        if at < self.now + LOOK_AHEAD * self.driver.cycle:
            raise InputError(
                "at", f"is {at:.4f} s; the next command not yet sent is at {self.now:.4f} s, two cycles ahead allowed"
            )
        self.stream = self._sample(self.stream.trajectory.splice(at, trajectory))
        self._follow(solution, at)

    def speed(self, target: float) -> bool:
        """Changes the speed along the path: 1 is the motion's own, 0 a held stop, from which any speed above 0 goes on.

        The change is certified and begins two cycles ahead, or as soon after as the limits leave room: a motion at its limits can
        at first only go on.  It is computed here, in tens of milliseconds to some tenths of a second: between calls of `run`.  A
        table of stops (`stop_table`) is computed beforehand, and `stop` looks it up.

        Args:
            target: speed along the path, 0 to 1.

        Returns:
            Whether a certified change was found; without one the motion goes on as it was.

        Raises:
            InputError: obstacles move, the target is outside 0 to 1, or the motion has ended.
        """
        if self._path is None:
            self._path = CertifiedPath(self._solution)
        resting = self.cycle >= len(self.stream.time)
        at = self.stream.trajectory.duration if resting else self.now + LOOK_AHEAD * self.driver.cycle
        pace = self._pace(min(at, self.stream.trajectory.duration))
        if pace.place >= self._path.end - 1e-9 or (not resting and at >= self.stream.trajectory.duration):
            raise InputError("speed", "cannot change any more: the motion is at its end")
        change = self._path.stop(pace) if target == 0 else self._path.speed(pace, target)
        if change is not None:
            self._change(change, at, resting)
        return change is not None

    def pause(self) -> bool:
        """Begins a held stop on the path; see `speed`."""
        return self.speed(0.0)

    def resume(self, target: float = 1.0) -> bool:
        """Goes on along the path at a speed; see `speed`."""
        return self.speed(target)

    def stop(self, table: StopTable | None = None) -> Stop | None:
        """Begins a held stop on the path, of a table computed beforehand or now.

        Args:
            table: stops of the motion that is streamed at its own speed (`stop_table` of its solution).

        Returns:
            The stop; None where none is certified: then only `driver.stop` is left.
        """
        if table is None or self._law is not None or self._begin != 0.0:
            place = self._pace(self.now).place
            if not self.speed(0.0) or self._law is None:
                return None
            return Stop(place, self._law.duration, float("nan"), ON_PATH, None)
        stop = table.next(self.now + LOOK_AHEAD * self.driver.cycle)
        if stop.change is None:
            return stop if stop.where == AT_GOAL else None
        self._change(stop.change, stop.at, resting=False)
        return stop

    def _change(self, change: Change, at: float, resting: bool) -> None:
        """Follows a change of speed from a time of the stream on [s], or now where the arm rests."""
        motion = change.solution.trajectory
        assert motion is not None
        if resting:
            self.stream, self.cycle, at = self._sample(motion), 0, 0.0
        else:
            self.stream = self._sample(self.stream.trajectory.splice(at, motion))
        self._law, self._begin = change.law, at

    def _pace(self, at: float) -> Pace:
        """Returns where on its path the motion is at a time of the stream [s], and how fast."""
        since = at - self._begin
        if self._law is None:
            return Pace(since)
        pace = self._law.pace(since)
        return replace(pace, speed=max(pace.speed, 0.0))

    def state_at(self, at: float) -> State:
        """Returns the state that the arm will have, which is the start of a motion to splice in at that time.

        Args:
            at: time in the present trajectory [s].
        """
        q, v, a = (self.stream.trajectory.sample(at, order) for order in range(3))
        return State(q, v, a)

    def run(self, cycles: int | None = None) -> RunReport:
        """Streams to the end of the motion, or for some cycles; never raises, the report says what happened.

        Args:
            cycles: number of cycles to stream; default all that are left.
        """
        first = self.cycle
        try:
            with _no_garbage_collection():
                return self._run(cycles)
        except KeyboardInterrupt:  # raised between two statements of the loop, not inside a call of the driver
            self._stop()
            return RunReport(Event.INTERRUPTED, f"at {self.now:.3f} s", self.cycle - first, 0, float("nan"), 0.0)

    def _run(self, cycles: int | None) -> RunReport:
        """Streams as `run` does; raises KeyboardInterrupt where one comes outside the calls of the driver."""
        costs: list[float] = []
        worst, late, silent, last = 0.0, 0, 0, -1
        event, detail = Event.DONE, ""
        begin, first = time.perf_counter(), self.cycle
        stop_at = None if cycles is None else self.cycle + cycles
        while self.cycle < len(self.stream.time) and self.cycle != stop_at:
            try:
                if self.realtime:
                    late += self._wait(begin + (self.cycle - first) * self.driver.cycle)
                started = time.perf_counter()
                reading = self.driver.read()
                # hardware may report the state before or after the cycle of the last command
                around = self.stream.q[max(self.cycle - 1, 0) : self.cycle + 1]
                off = float(np.abs(reading.q - around).max(axis=1).min())
                cycles_now, gripping = int(reading.cycles), bool(reading.gripping)
                command = self.stream.command(self.cycle)
                before = time.perf_counter()
                self.driver.send(command)
                after = time.perf_counter()
            except KeyboardInterrupt:
                event, detail = Event.INTERRUPTED, f"at {self.now:.3f} s"
                break
            except Exception as error:
                event, detail = Event.DRIVER_RAISED, f"{type(error).__name__}: {error}"
                break
            self.cycle += 1
            worst = max(worst, off)
            silent = silent + 1 if cycles_now == last else 0
            last = cycles_now
            costs.append(before - started)
            event = self._trouble(after - started, silent, off, gripping)
            if event is not Event.DONE:
                detail = f"at {self.now:.3f} s, joint error {off * 1e3:.1f} mrad"
                break
        if event is not Event.DONE:
            self._stop()
        median = float(np.median(costs)) * 1e6 if costs else 0.0
        return RunReport(event, detail, self.cycle - first, late, worst, median)

    def _trouble(self, took: float, silent: int, off: float, gripping: bool) -> Event:
        """Returns what is wrong after a cycle, or `Event.DONE` if nothing is.

        Args:
            took: duration of the driver's calls [s].
            silent: number of cycles with the same reading.
            off: joint error [rad].
            gripping: whether the hand reports its grip.
        """
        if took > STALL:
            return Event.DRIVER_STALLED
        if silent >= SILENT_CYCLES:
            return Event.DRIVER_SILENT
        if not off <= TRACKING_MAX:
            return Event.NOT_FOLLOWING
        return Event.DONE if gripping else Event.GRIP_LOST

    def _wait(self, due: float) -> int:
        """Waits until a cycle is due; returns 1 if it is more than 1 ms late, else 0.

        It sleeps and then spins for the last 2 ms, since sleep alone wakes late.
        """
        left = due - time.perf_counter()
        if left < -LATE:
            return 1
        if left > SPIN:
            time.sleep(left - SPIN)
        while time.perf_counter() < due:
            pass
        return int(time.perf_counter() - due > LATE)

    def _stop(self) -> None:
        """Stops the driver, whatever it raises."""
        for _ in range(STOPS):
            try:
                self.driver.stop()
            except KeyboardInterrupt:  # after a further interrupt, stopping the arm still comes first
                continue
            except Exception:  # nothing more can be done here with a driver that cannot stop
                return
            return


def _certified(solution: Solution) -> Trajectory:
    """Returns the trajectory of a solution that may be streamed; raises InputError for one that may not."""
    if not solution.ok or solution.trajectory is None or solution.certificate is None:
        raise InputError("solution", "is not certified; only certified motions are streamed")
    missing = [kind.name for kind in solution.problem.limit_kinds if kind.name not in solution.certificate.kinds]
    if missing:
        raise InputError("solution", f"has a certificate without {', '.join(missing)}; every kind is needed to stream it")
    if solution.problem.holds and not solution.problem.hold_active:
        raise InputError("solution", "was planned without regard to the hold; only motions that hold the item are streamed")
    return solution.trajectory


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Suspends garbage collection, since a full one after planning stops the interpreter for tens of milliseconds."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def announce_payload(driver: Driver, problem: TransferProblem) -> None:
    """Tells a driver the mass, centre of mass and inertia of the first held item, in the tool frame.

    Args:
        driver: driver to tell.
        problem: transfer; nothing is told if it holds no item.
    """
    for held in problem.holds[:1]:
        member = held.item.members[0]
        body = held.tool_T_grasp.act(held.inertia(member))
        driver.payload(body.mass, np.array(body.lever), np.array(body.inertia))
