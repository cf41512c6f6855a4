"""Held stops and other speeds along a certified path, certified; and the table of stops that goes with a plan.

A stop is on the path where its window is open, else off it (`brakes`); from an instant where neither is certified the motion goes
on to the next instant from which one is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from fastmove.arrays import Array
from fastmove.certificate.along_path import GEOMETRIC, SCENE, certify_along
from fastmove.certificate.certify import certify
from fastmove.dynamics.efforts import Dynamics
from fastmove.dynamics.kinematics import Kinematics
from fastmove.dynamics.speed_window import speed_window
from fastmove.errors import FastMoveError, InputError
from fastmove.execution.brakes import brake
from fastmove.execution.speed_change import Edges, looks_at, speed_laws
from fastmove.multibody.assembly import assemble, goal_frame
from fastmove.problem.goal import Goal, State
from fastmove.problem.scene import Scene
from fastmove.problem.transfer import TransferProblem
from fastmove.solution.solution import Solution
from fastmove.trajectory.time_law import NEAR_END, Pace, TimeLaw
from fastmove.trajectory.trajectory import Trajectory

ON_PATH, OFF_PATH, AT_GOAL = "on the path", "off the path", "at the goal"
EVERY = 0.025  # Distance of the instants of a table of stops [s].
WAY_POINTS = 30  # Number of points between which the length of a way off the path is added up.
LENGTH_STEP = 0.005  # Step of the places between which a way's length is added up [s].


@dataclass(frozen=True)
class Change:
    """A certified change of speed along a path, or a stop off it.

    Attributes:
        solution: Motion from the change on, to be spliced in where it begins; it ends at the path's end, or where it stops.
        law: Place on the path over time, from the change on; None where it leaves the path.
    """

    solution: Solution
    law: TimeLaw | None


class CertifiedPath:
    """The path of a certified motion, to be run at speeds from 0 to 1.

    Args:
        solution: Certified solution.

    Raises:
        InputError: The solution is not certified.
    """

    def __init__(self, solution: Solution) -> None:
        if not solution.ok or solution.trajectory is None or solution.certificate is None:
            raise InputError("solution", "is not certified; only certified paths are run at another speed")
        self.problem, self.trajectory, self.certificate = solution.problem, solution.trajectory, solution.certificate

    def under(self, problem: TransferProblem, changed: Collection[str]) -> CertifiedPath:
        """Returns the same path in the problem as it is now.

        Args:
            problem: the problem with what is carried, and what stands around, now.
            changed: what has changed (see `certify_rest`); where the scene has, distances are computed again.

        Raises:
            InputError: Not all distances are kept any more.
        """
        path = copy(self)
        path.problem = problem
        path.__dict__.pop("looks", None)
        if SCENE in changed:
            path.certificate = certify(problem, self.trajectory, GEOMETRIC, sharp=False)
            if not path.certificate.ok:
                raise InputError("path", "is not free any more")
        return path

    @property
    def end(self) -> float:
        """Place at which the path ends [s]."""
        return self.trajectory.duration

    @cached_property
    def looks(self) -> list[Edges]:
        """The window of its speed as laws look at it."""
        return looks_at(speed_window(self.problem, Dynamics(self.problem, assemble(self.problem)), self.trajectory))

    @cached_property
    def way(self) -> tuple[Array, Array]:
        """Places (K,) on the path [s], and the way (K,) of item or tool until there [m]."""
        places = np.linspace(0.0, self.end, max(2, int(np.ceil(self.end / LENGTH_STEP)) + 1))
        return places, np.concatenate([[0.0], np.cumsum(self._steps(self.trajectory.position(places)))])

    def _steps(self, configurations: Array) -> Array:
        """The distances (K − 1,) of item or tool between configurations (K, n) [m]."""
        assembly = assemble(self.problem)
        _, points, _ = Kinematics(assembly.arm).frame(configurations, *goal_frame(assembly, self.problem.robot, None))
        return np.asarray(np.linalg.norm(np.diff(points, axis=0), axis=1))

    def way_of(self, motion: Trajectory) -> float:
        """Returns the length of the way of item or tool in a motion off the path [m]."""
        return float(self._steps(motion.position(np.linspace(0.0, motion.duration, WAY_POINTS))).sum())

    def length(self, first: float, last: float) -> float:
        """Returns the length of the way of item or tool between two places [m]."""
        return float(np.diff(np.interp([first, last], *self.way))[0])

    def stop(self, pace: Pace, scene: Scene | None = None) -> Change | None:
        """Returns a certified held stop, the quickest on the path, else one off it; None where none was found.

        Args:
            pace: Where the motion is, and how fast.
            scene: The scene on a clock that begins then; None = that of the path's problem, for scenes that stand still.
        """
        for law in speed_laws(self.looks, pace, 0.0):
            change = self._certified(law, True, scene)
            if change is not None:
                return change
        try:
            problem = self.problem.with_(start=self.state(pace), scene=scene or self.problem.scene)
        except FastMoveError:  # a state that no longer can brake, at the edge of a limit
            return None
        before = self.trajectory.phases[int(self.trajectory.phase_at(np.array([pace.place]))[0])]
        solution = brake(problem, before, (self.end - pace.place) / max(pace.speed, 1e-3))
        return None if solution is None else Change(solution, None)

    def speed(self, pace: Pace, target: float, scene: Scene | None = None) -> Change | None:
        """Returns the quickest certified change to another speed, which is then kept to the end; None where none was found.

        Args:
            pace: Where the motion is, and how fast.
            target: Speed to keep, above 0, to 1.
            scene: See `stop`.
        """
        if not 0 < target <= 1:
            raise InputError("speed", f"is {target}; allowed: above 0, to 1 (0 is a stop)")
        for law in speed_laws(self.looks, pace, target):
            change = self._certified(law.kept_up(self.end), False, scene)
            if change is not None:
                return change
        return None

    def state(self, pace: Pace) -> State:
        """Returns the state of the arm at a pace."""
        q, slope, curve = (self.trajectory.sample(pace.place, order) for order in range(3))
        return State(q, slope * pace.speed, curve * pace.speed**2 + slope * pace.change)

    def _certified(self, law: TimeLaw, stops: bool, scene: Scene | None) -> Change | None:
        """The change that this law makes; None where its certificate is not ok."""
        old, last = self.problem, self.trajectory.position(law.last)[None]
        goal = Goal(last, opens_hand=False) if stops else replace(old.goal, configurations=last)
        scene = replace(scene or old.scene, corridors=() if stops else old.scene.corridors)
        try:
            problem = old.with_(start=self.state(law.pace(0.0)), goal=goal, scene=scene)
            motion, certificate = certify_along(problem, self.trajectory, self.certificate, law)
        except FastMoveError:  # a state that no longer can brake, at the edge of a limit
            return None
        if not certificate.ok:
            return None
        return Change(Solution.of(problem, motion, certificate, float("nan")), law)


@dataclass(frozen=True)
class Stop:
    """What becomes of a stop that is asked for at an instant.

    Attributes:
        at: Instant in the motion [s].
        begins: Time in the motion at which the stop begins, at the instant or at a later one of the table [s].
        time: Time from the instant to rest [s].
        distance: Way that the item (or tool) goes until then [m].
        where: `ON_PATH`, `OFF_PATH`, or `AT_GOAL` (the motion ends before it could stop).
        change: The stop to splice in; None at the goal.
    """

    at: float
    begins: float
    time: float
    distance: float
    where: str
    change: Change | None = field(default=None, repr=False)


@dataclass(frozen=True)
class StopTable:
    """Held stops of a motion, certified beforehand, to be looked up in microseconds.

    Attributes:
        stops: One for every instant, in their order.
    """

    stops: tuple[Stop, ...]

    def next(self, now: float) -> Stop:
        """Returns the stop of the first instant at or after a time [s]; the last of all after it."""
        first = bisect_left([stop.at for stop in self.stops], now - NEAR_END)
        return self.stops[min(first, len(self.stops) - 1)]

    def __str__(self) -> str:
        lines = ["  asked at   begins at   at rest after   way until then   where"]
        for s in self.stops:
            way = f"{1e3 * s.distance:11.0f} mm"
            lines.append(f"  {s.at:6.3f} s   {s.begins:7.3f} s   {s.time:11.3f} s   {way}   {s.where}")
        return "\n".join(lines)


def stop_table(solution: Solution, every: float = EVERY) -> StopTable:
    """Computes the held stops of a motion.

    Args:
        solution: Certified solution.
        every: Largest distance of the instants [s].

    Raises:
        InputError: The solution is not certified, or its goal moves on.
    """
    if solution.problem.goal.moves:
        raise InputError("goal.velocity", "is not zero; a motion that ends with its goal moving on has no stop at its end")
    path, scene = CertifiedPath(solution), solution.problem.scene
    instants = np.linspace(0.0, path.end, max(2, int(np.ceil(path.end / every)) + 1))
    changes = [path.stop(Pace(float(at)), scene.after(float(at))) for at in instants[:-1]]
    stops = [Stop(path.end, path.end, 0.0, 0.0, AT_GOAL)]
    for at, change in zip(map(float, instants[-2::-1]), reversed(changes), strict=True):
        stops.append(_stop(path, at, change, stops[-1]))
    return StopTable(tuple(reversed(stops)))


def _stop(path: CertifiedPath, at: float, change: Change | None, later: Stop) -> Stop:
    """The stop of an instant: its own, else that of the next one, unless the motion is over sooner."""
    if change is None:
        wait, way = later.at - at, path.length(at, later.at)
        if later.where == AT_GOAL or wait + later.time >= path.end - at:
            return Stop(at, at, path.end - at, path.length(at, path.end), AT_GOAL)
        return replace(later, at=at, time=wait + later.time, distance=way + later.distance)
    if change.law is None:
        motion = change.solution.trajectory
        assert motion is not None
        return Stop(at, at, motion.duration, path.way_of(motion), OFF_PATH, change)
    return Stop(at, at, change.law.duration, path.length(at, change.law.last), ON_PATH, change)
