"""Pick cycles at a belt: the hand meets an item that moves on, or lets go of one at a goal that does, and follows meanwhile.

All is on one clock, which begins with the cycle: where the item, or its goal, is then, and its velocity.  So the motions are
planned one after the other, each from where and when the one before it ends.  While the fingers close or open, the arm follows
what it has met: the item does not move between them, and the belt carries it on where they leave it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from fastmove.arrays import Array
from fastmove.certificate.certify import certify
from fastmove.cycle.empty_hand import (
    PLACED,
    Fingers,
    carried_along,
    empty_way,
    fingers_free_at,
    fingers_move_freely,
    standing,
    the_pinched,
    to_pick,
)
from fastmove.cycle.pick_cycle import PickCycle
from fastmove.errors import FastMoveError, InputError
from fastmove.planner.options import Options
from fastmove.planner.planner import plan
from fastmove.problem.goal import TOOL, Goal, GoalPose, State
from fastmove.problem.scene import ITEM, Obstacle
from fastmove.problem.transfer import TransferProblem
from fastmove.search.arrival import followed_on
from fastmove.solution.solution import Solution
from fastmove.trajectory.trajectory import Phase, Trajectory


class _NoCycle(Exception):
    """There is no cycle, for the reason that the exception says."""


def at_belt(problem: TransferProblem) -> bool:
    """Returns whether the item of a problem, or its goal, moves on."""
    return problem.start.moves_on or problem.goal.moves


def plan_belt_cycle(
    problem: TransferProblem,
    begin: Array,
    home: Array | None = None,
    others: tuple[Obstacle, ...] = (),
    at_least_open: float = 0.0,
    options: Options | None = None,
    contact_speed: float | None = None,
    planner: Callable[[TransferProblem, Options], Solution] = plan,
) -> PickCycle:
    """Plans a pick cycle whose item is picked from a belt, or placed onto one.

    Args:
        problem: Transfer problem: start poses or goal poses that move on, on a clock that begins with the cycle.
        begin: Configuration (n,) at which the arm begins, at rest [rad].
        home: Configuration (n,) at which it ends [rad]; None = where the item has been let go, moving on with it if that moves.
        others: Items that stand in the scene besides.
        at_least_open: Opening that the hand has at the begin [m].
        options: Options of the planner; None means the defaults.
        contact_speed: Largest speed of the tool where it arrives at an item that stands [m/s].
        planner: Function that plans each motion.

    Returns:
        The cycle; one without a certified motion says why.

    Raises:
        InputError: See `the_pinched` and `Fingers.of`, or the start is given by more than one pose.
    """
    the_pinched(problem)
    cell = _Cell(problem, Fingers.of(problem, at_least_open), others, options or Options(), planner)
    try:
        return cell.cycle(np.asarray(begin, dtype=float), home, contact_speed)
    except _NoCycle as reason:
        return PickCycle(problem, refusal=str(reason), timings=cell.timings)


@dataclass
class _Cell:
    """The planning of one cycle.

    Attributes:
        problem: Transfer problem.
        fingers: Times of the fingers.
        others: Items that stand in the scene besides.
        options: Options of the planner.
        planner: Function that plans each motion.
        timings: Planning time by phase [s].
    """

    problem: TransferProblem
    fingers: Fingers
    others: tuple[Obstacle, ...]
    options: Options
    planner: Callable[[TransferProblem, Options], Solution]
    timings: dict[str, float] = field(default_factory=dict)

    def cycle(self, begin: Array, home: Array | None, contact_speed: float | None) -> PickCycle:
        """Plans all motions, one after the other."""
        fingers, clock = self.fingers, self.fingers.widen
        approach = self.approach(begin, clock, contact_speed)
        clock += approach.duration
        closing = self.closing(approach, fingers.travel + fingers.close)
        clock += fingers.travel + fingers.close
        transfer = self.transfer(_end(closing or approach), clock)
        opening = self.opening(transfer, fingers.release + fingers.apart)
        back = None if home is None else self.back(transfer, _end(opening or transfer), home)
        phases = PickCycle(self.problem, transfer, approach, back, fingers, timings=self.timings)
        return replace(phases, closing=closing, opening=opening)

    def planned(self, name: str, what: str, problem: Callable[[], TransferProblem]) -> Solution:
        """Plans one motion; where there is none, the cycle ends with the reason."""
        begin = time.perf_counter()
        try:
            solution = self.planner(problem(), self.options)
        except FastMoveError as error:
            raise _NoCycle(f"{what}: {error}") from None
        self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - begin
        if not solution.ok:
            raise _NoCycle(f"{what}: {solution.detail or solution.status.value}")
        return solution

    # -- the phases -----------------------------------------------------------------------------------------------

    def approach(self, begin: Array, clock: float, contact_speed: float | None) -> Solution:
        """The way of the empty hand to the item, from rest at a time of the cycle [s]."""
        problem, opening = self.problem, self.fingers.opening
        said = f"no way of the empty hand to {problem.holds[0].item.name}"
        if not problem.start.moves_on:
            q = np.array(problem.start.q)
            there = (standing(problem, q, to_pick(problem)), *self.others)
            return self.planned("approach", said, lambda: empty_way(problem, begin, q, there, opening, contact_speed))
        velocity, held = np.array(problem.start.velocity), problem.holds[0]
        world_T_item = _only_pose(problem.start).shifted(velocity * clock).placement
        shapes = tuple(replace(s, placement=world_T_item * s.placement) for s in held.item.shapes)
        item = carried_along(Obstacle(to_pick(problem), shapes), velocity)
        tool = GoalPose(world_T_item * held.grasp.tool_T_item.inverse(), of=TOOL)
        goal = Goal.at(tool, velocity=velocity)
        return self.planned("approach", said, lambda: empty_way(problem, begin, goal, (item, *self.others), opening, None))

    def closing(self, approach: Solution, duration: float) -> Solution | None:
        """The motion while the fingers close about an item that moves on; None where they close with the arm at rest."""
        problem, name = self.problem, self.problem.holds[0].item.name
        goal = approach.problem.goal if problem.start.moves_on else Goal(np.array(problem.start.q)[None])
        bare = self._bare(_end(approach), goal.after(approach.duration) if goal.moves else goal)
        blocked = _NoCycle(f"something stands between the open fingers and {name} where it is picked")
        if not problem.start.moves_on:
            if not fingers_free_at(bare, np.array(problem.start.q), self.fingers.width, self.fingers.opening):
                raise blocked
            return None
        follows = _following(bare, duration, f"the arm cannot follow {name} while the fingers close")
        if not fingers_move_freely(follows, self.fingers.width, self.fingers.opening, 0.0, duration):
            raise blocked
        return follows

    def transfer(self, start: State, clock: float) -> Solution:
        """The transfer from a state in which the item is gripped at a time of the cycle [s]."""
        problem = self.problem
        said = f"no transfer of {problem.holds[0].item.name}"
        return self.planned("transfer", said, lambda: problem.with_(start=start, goal=problem.goal.after(clock)))

    def opening(self, transfer: Solution, duration: float) -> Solution | None:
        """The motion while the fingers open about an item whose goal moves on; None where they open with the arm at rest."""
        problem, name, fingers = transfer.problem, self.problem.holds[0].item.name, self.fingers
        blocked = _NoCycle(f"something stands where the fingers open about {name} at its goal")
        goal = problem.goal.after(transfer.duration)
        if not goal.moves:
            q = np.array(_end(transfer).q)
            if not fingers_free_at(self._bare(State.rest(q), Goal(q[None])), q, fingers.width, fingers.about):
                raise blocked
            return None
        scene = problem.scene
        both = tuple(replace(c, at="both") for c in scene.allowed_contacts if c.applies("goal"))
        here = problem.with_(start=_end(transfer), goal=goal, scene=replace(scene, allowed_contacts=both))
        follows = _following(here, duration, f"the arm cannot follow the goal of {name} while the fingers open", transfer)
        empty = self._bare(_end(transfer), _of_tool(problem, goal))
        if not fingers_move_freely(replace(follows, problem=empty), fingers.width, fingers.about, 0.0, duration):
            raise blocked
        return follows

    def back(self, transfer: Solution, start: State, home: Array) -> Solution:
        """The way of the empty hand home from a state in which it has let go of the item."""
        name = self.problem.holds[0].item.name
        item = carried_along(standing(transfer.problem, start.q, f"{name} {PLACED}"), np.array(self.problem.goal.velocity))
        said = f"no way of the empty hand home from {name}"
        there = (item, *self.others)
        return self.planned("return", said, lambda: empty_way(self.problem, start, home, there, self.fingers.about, None))

    def _bare(self, start: State, goal: Goal) -> TransferProblem:
        """The problem of the empty hand without the item."""
        return empty_way(self.problem, start, goal, self.others, self.fingers.opening, None)


def _end(motion: Solution) -> State:
    """Returns the state in which a motion ends."""
    assert motion.trajectory is not None
    q, v, a = (motion.trajectory.sample(motion.duration, order) for order in range(3))
    return State(q, v, a) if motion.problem.goal.moves else State.rest(q)


def _only_pose(start: State) -> GoalPose:
    """Returns the one pose of an item that moves on.

    Raises:
        InputError: There are several, or something about it is free.
    """
    if len(start.poses) != 1 or not start.poses[0].fixed or start.poses[0].of == TOOL:
        raise InputError("start.pose", "of an item that moves on must be one pose of the item, with nothing free about it")
    return start.poses[0]


def _of_tool(problem: TransferProblem, goal: Goal) -> Goal:
    """Returns a moving goal of a held item as one of the tool, for the hand that has let go of it.

    Args:
        problem: Transfer problem with the held item.
        goal: The goal, on a clock that begins where the hand lets go; its regions need not be fixed.
    """
    tool_T_item = problem.holds[0].grasp.tool_T_item
    poses = tuple(
        replace(pose, of=TOOL, offset=tool_T_item * pose.offset, flips=pose.flips[1:]) if pose.of == ITEM else pose
        for pose in goal.poses
    )
    return replace(goal, poses=poses)


def _following(problem: TransferProblem, duration: float, said: str, transfer: Solution | None = None) -> Solution:
    """Returns the certified motion that follows a moving goal from the start of a problem, which has met it.

    Args:
        problem: Problem whose clock begins where the goal has been met.
        duration: For how long [s].
        said: Sentence on what is not possible otherwise.
        transfer: The motion before it with the item in the hand, whose grip it begins with; None where the hand is empty.
    """
    curve = followed_on(problem, problem.start, 0.0, duration)
    if curve is None:
        raise _NoCycle(f"{said}: it leaves the reach, or the limits of the joints, in {duration:.3f} s")
    last = None if transfer is None or transfer.trajectory is None else transfer.trajectory.phases[-1]
    phase = Phase(curve) if last is None else Phase(curve, None, None, last.grip_force, last.opening)
    trajectory = Trajectory((phase,), problem.robot.joint_names)
    certificate = certify(problem, trajectory)
    solution = Solution.of(problem, trajectory, certificate, duration)
    if not solution.ok:
        raise _NoCycle(f"{said}: {solution.detail or solution.status.value}")
    return solution
