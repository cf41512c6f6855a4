"""What the arm follows in flight: its motion from the first command on, and the certified path that the last part runs along."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from fastmove.dynamics.efforts import Dynamics
from fastmove.errors import InputError
from fastmove.execution.command_stream import CommandStream, sampled_commands
from fastmove.execution.stops import CertifiedPath, Change
from fastmove.multibody.assembly import assemble
from fastmove.problem.goal import Goal, State
from fastmove.problem.scene import Scene
from fastmove.problem.transfer import TransferProblem
from fastmove.solution.solution import Solution
from fastmove.trajectory.time_law import NEAR_END, Pace, TimeLaw
from fastmove.trajectory.trajectory import JOIN_TOLERANCE, Trajectory


@dataclass(frozen=True)
class Course:
    """A motion that is followed; its last part is certified, and either a motion of its own or along the path of one.

    Attributes:
        trajectory: all of it, from the first command on.
        part: its last part as a certified solution, from `begin` on.
        begin: time at which that part begins [s].
        goal: where it was to end when it was planned; a stop ends elsewhere.
        path: path that the part runs along.
        stale: whether something has changed since that path was certified.
        law: law by which it does, as time on the path over time from `begin` on; None = by its own times.
        arrives: whether the path ends at the goal.
        paused: whether it ends in a stop that was asked for, from which nothing goes on by itself.
    """

    trajectory: Trajectory
    part: Solution
    begin: float
    goal: Goal
    path: CertifiedPath = field(repr=False)
    law: TimeLaw | None = None
    arrives: bool = True
    paused: bool = False
    stale: bool = False

    @staticmethod
    def of(solution: Solution, goal: Goal | None = None, arrives: bool = True) -> Course:
        """Builds the course that follows a certified solution from its start.

        Args:
            solution: the solution.
            goal: where it was to end; None = the goal of its problem.
            arrives: whether it does.
        """
        assert solution.trajectory is not None
        return Course(solution.trajectory, solution, 0.0, goal or solution.problem.goal, CertifiedPath(solution), None, arrives)

    @property
    def duration(self) -> float:
        """Time from the first command to rest [s]."""
        return self.trajectory.duration

    @property
    def problem(self) -> TransferProblem:
        """Problem that the last part solves."""
        return self.part.problem

    @property
    def ends_at_goal(self) -> bool:
        """Whether it ends at the goal: not in a stop."""
        return self.arrives and (self.law is None or self.law.last >= self.path.end - NEAR_END)

    def rests(self, at: float) -> bool:
        """Whether the arm rests at a time [s], since all of it is over."""
        return at >= self.duration - NEAR_END

    def pace(self, at: float) -> Pace:
        """Returns where on its path the motion is at a time from `begin` on [s], and how fast."""
        since = min(at, self.duration) - self.begin
        if self.law is None:
            return Pace(since)
        pace = self.law.pace(since)
        return replace(pace, speed=max(pace.speed, 0.0))

    def state(self, at: float) -> State:
        """Returns the state of the arm at a time [s]."""
        q, v, a = (self.trajectory.sample(min(at, self.duration), order) for order in range(3))
        return State(q, np.zeros_like(v), np.zeros_like(a)) if self.rests(at) else State(q, v, a)

    def turned_to(self, solution: Solution, at: float, arrives: bool = True) -> Course:
        """Returns the course that leaves this one for another solution's motion; from rest it is a course of its own.

        Args:
            solution: certified solution whose motion begins in the state at that time.
            at: time at which this one is left [s].
            arrives: whether the other one ends at the goal.
        """
        goal = solution.problem.goal if arrives else self.goal
        fresh = Course.of(solution, goal, arrives)
        if self.rests(at):
            start, rest = solution.problem.start, self.state(self.duration)
            if not start.at_rest or float(np.abs(np.array(start.q) - rest.q).max()) > JOIN_TOLERANCE:
                raise InputError("solution", "does not begin where the arm rests; plan it from there (`state_at`)")
            return fresh
        return replace(fresh, trajectory=self.trajectory.splice(at, fresh.trajectory), begin=at)

    def changed(self, change: Change, at: float, path: CertifiedPath | None = None) -> Course:
        """Returns the course that runs on along its path at another speed, or stops off it.

        Args:
            change: the change of speed, from the pace at that time.
            at: time at which it begins [s].
            path: the same path with what is carried now; None = as before.
        """
        if change.law is None:
            return self.turned_to(change.solution, at, arrives=False)
        tail = change.solution.trajectory
        assert tail is not None
        begin, whole = (0.0, tail) if self.rests(at) else (at, self.trajectory.splice(at, tail))
        along = replace(self, trajectory=whole, part=change.solution, begin=begin, law=change.law)
        return replace(along, path=path or self.path, paused=False, stale=False)

    def at_speed(self, at: float, target: float, path: CertifiedPath | None = None) -> Course | None:
        """Returns the course that changes to another speed along the path; None where no such change is certified.

        Args:
            at: time at which the change begins [s].
            target: speed along the path, above 0, to 1.
            path: the same path with what is carried now; None = as before.

        Raises:
            InputError: the path is not free any more, the target is outside, the motion is at its end, or it rests among
                obstacles that move.
        """
        if path is None and self.stale:
            raise InputError("path", "is not free any more, since something has changed; replan")
        path = path or self.path
        if self.rests(at) and self.problem.scene.moving:
            raise InputError(
                "obstacles", "move; from a rest among them, which lasts as long as it lasts, only a new plan goes on"
            )
        pace = self.pace(at)
        if pace.place >= path.end - NEAR_END:
            raise InputError("speed", "cannot change any more: the motion is at its end")
        change = path.speed(pace, target, self.scene_at(at))
        return None if change is None else self.changed(change, at, path)

    def stop_at(self, at: float) -> Change | None:
        """Returns a held stop that begins at a time [s], certified for what was known of the path; None where none is."""
        return self.path.stop(self.pace(at), self.scene_at(at))

    def scene_at(self, at: float) -> Scene:
        """Returns the scene on a clock that begins at a time [s]."""
        return self.problem.scene.after(min(at, self.duration) - self.begin)

    def instants(self, every: float) -> Iterator[float]:
        """Yields the instants of a table of stops, from `begin` to before the end [s]."""
        count = max(2, int(np.ceil((self.duration - self.begin) / every)) + 1)
        yield from (float(t) for t in np.linspace(self.begin, self.duration, count)[:-1])

    @cached_property
    def dynamics(self) -> Dynamics:
        """Dynamics of arm and what the last part carries."""
        return Dynamics(self.problem, assemble(self.problem))

    def commands(self, cycle: float, since: float = 0.0) -> CommandStream:
        """Samples its commands at a control cycle [s] from a time on [s]."""
        return sampled_commands(self.trajectory, self.dynamics, cycle, since)
