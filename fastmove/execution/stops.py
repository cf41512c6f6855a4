"""Held stops and other speeds along a certified path, certified; and the table of stops that goes with a plan."""

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
from fastmove.execution.speed_change import Edges, looks_at, speed_laws
from fastmove.multibody.assembly import assemble, goal_frame
from fastmove.problem.goal import Goal, State
from fastmove.problem.transfer import TransferProblem
from fastmove.solution.solution import Solution
from fastmove.trajectory.time_law import Pace, TimeLaw

ON_PATH, AT_GOAL, UNKNOWN = "on the path", "at the goal", "not known"
EVERY = 0.025  # Distance of the instants of a table of stops [s].
NEAR_END = 1e-6  # Places nearer to the end of a path than this are the end [s].
HORIZON = 0.5  # Time before its end from which on a motion is at rest at its goal soon, whatever is asked [s].
LENGTH_STEP = 0.005  # Step of the places between which a way's length is added up [s].


@dataclass(frozen=True)
class Change:
    """A certified change of speed along a path.

    Attributes:
        solution: Motion from the change on, to be spliced in where it begins; it ends at the path's end, or where it stops.
        law: Place on the path over time, from the change on.
    """

    solution: Solution
    law: TimeLaw


class CertifiedPath:
    """The path of a certified motion, to be run at speeds from 0 to 1.

    Args:
        solution: Certified solution among obstacles that stand still.

    Raises:
        InputError: The solution is not certified, or obstacles move.
    """

    def __init__(self, solution: Solution) -> None:
        if not solution.ok or solution.trajectory is None or solution.certificate is None:
            raise InputError("solution", "is not certified; only certified paths are run at another speed")
        if solution.problem.scene.moving:
            raise InputError("obstacles", "move; a path among them is certified for its own times only")
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
            path.certificate = certify(problem, self.trajectory, GEOMETRIC)
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
        assembly, problem = assemble(self.problem), self.problem
        places = np.linspace(0.0, self.end, max(2, int(np.ceil(self.end / LENGTH_STEP)) + 1))
        _, points, _ = Kinematics(assembly.arm).frame(
            self.trajectory.position(places), *goal_frame(assembly, problem.robot, None)
        )
        steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
        return places, np.concatenate([[0.0], np.cumsum(steps)])

    def length(self, first: float, last: float) -> float:
        """Returns the length of the way of item or tool between two places [m]."""
        return float(np.diff(np.interp([first, last], *self.way))[0])

    def stop(self, pace: Pace) -> Change | None:
        """Returns the quickest certified held stop on the path; None where none was found that ends before it."""
        for law in speed_laws(self.looks, pace, 0.0):
            change = self._certified(law, stops=True)
            if change is not None:
                return change
        return None

    def speed(self, pace: Pace, target: float) -> Change | None:
        """Returns the quickest certified change to another speed, which is then kept to the end; None where none was found.

        Args:
            pace: Where the motion is, and how fast.
            target: Speed to keep, above 0, to 1.
        """
        if not 0 < target <= 1:
            raise InputError("speed", f"is {target}; allowed: above 0, to 1 (0 is a stop)")
        for law in speed_laws(self.looks, pace, target):
            change = self._certified(_kept_up(law, self.end), stops=False)
            if change is not None:
                return change
        return None

    def _certified(self, law: TimeLaw, stops: bool) -> Change | None:
        """The change that this law makes; None where its certificate is not ok."""
        old, pace = self.problem, law.pace(0.0)
        q, slope, curve = (self.trajectory.sample(pace.place, order) for order in range(3))
        start = State(q, slope * pace.speed, curve * pace.speed**2 + slope * pace.change)
        last = self.trajectory.position(law.last)[None]
        goal = Goal(last, opens_hand=False) if stops else replace(old.goal, configurations=last)
        scene = replace(old.scene, corridors=()) if stops else old.scene
        try:
            problem = old.with_(start=start, goal=goal, scene=scene)
            motion, certificate = certify_along(problem, self.trajectory, self.certificate, law)
        except FastMoveError:  # a state that no longer can brake, at the edge of a limit
            return None
        if not certificate.ok:
            return None
        return Change(Solution.of(problem, motion, certificate, float("nan")), law)


def _kept_up(law: TimeLaw, end: float) -> TimeLaw:
    """A law that goes on at the speed that it has reached, to the end of the path.

    Where the path ends before the speed is reached, s̈ is not 0 there; the path is at rest, so that the motion is all the same.
    """
    pieces, speed, left = law.pieces, law.pace(law.duration).speed, end - law.last
    if left <= NEAR_END or speed <= 0:
        return law
    row = np.array([[[law.last], [speed], [0.0], [0.0]]])
    times = np.append(pieces.times, law.duration + left / speed)
    return TimeLaw(type(pieces)(times, np.concatenate([pieces.coefficients, row])))


@dataclass(frozen=True)
class Stop:
    """What becomes of a stop that is asked for at an instant.

    Attributes:
        at: Instant in the motion [s].
        time: Time from there to rest [s]; nan where no stop is known.
        distance: Way that the item (or tool) goes until then [m]; nan where no stop is known.
        where: `ON_PATH`, `AT_GOAL` (the motion ends before it could stop), or `UNKNOWN`.
        change: The stop to splice in; None at the goal, and where none is known.
    """

    at: float
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
        """Returns the first known stop that begins at or after a time [s]; the last of all where none does."""
        first = bisect_left([stop.at for stop in self.stops], now - NEAR_END)
        return next((stop for stop in self.stops[first:] if stop.where != UNKNOWN), self.stops[-1])

    def __str__(self) -> str:
        lines = ["  asked at   at rest after   way until then   where"]
        for stop in self.stops:
            said = f"{stop.time:13.3f} s   {1e3 * stop.distance:11.0f} mm" if stop.where != UNKNOWN else f"{'–':>15}   {'–':>14}"
            lines.append(f"  {stop.at:6.3f} s   {said}   {stop.where}")
        return "\n".join(lines)


def stop_table(solution: Solution, every: float = EVERY) -> StopTable:
    """Computes the held stops of a motion.

    Args:
        solution: Certified solution among obstacles that stand still.
        every: Largest distance of the instants [s].

    Raises:
        InputError: The solution is not certified, or obstacles move.
    """
    path = CertifiedPath(solution)
    instants = np.linspace(0.0, path.end, max(2, int(np.ceil(path.end / every)) + 1))
    return StopTable(tuple(_stop(path, float(at)) for at in instants))


def _stop(path: CertifiedPath, at: float) -> Stop:
    """The stop that is asked for at an instant."""
    change = path.stop(Pace(at)) if at < path.end - NEAR_END else None
    if change is not None:
        return Stop(at, change.law.duration, path.length(at, change.law.last), ON_PATH, change)
    if path.end - at <= HORIZON:
        return Stop(at, path.end - at, path.length(at, path.end), AT_GOAL)
    return Stop(at, float("nan"), float("nan"), UNKNOWN)
