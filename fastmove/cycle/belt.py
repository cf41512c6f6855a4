"""Pick cycles at a belt: the hand meets an item that moves on, or lets go of one at a goal that does, and follows meanwhile.

All is on one clock, which begins with the cycle: where the item, or its goal, is then, and its velocity.  So the motions are
planned one after the other, each from where and when the one before it ends.  While the fingers close or open, the arm follows
what it has met: the item does not move between them, and the belt carries it on where they leave it.

No arm follows a belt to the last millimetre a second, and friction does not ask how fast things slide: until an item is lifted
the belt drags it by μ m g, at its foot.  The grip has to bear that, too (`drag_grip`), and the hand rises a little while it
grips: an item between a hand and a belt that drift apart by a tenth of a millimetre would be tilted more than pads even out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from fastmove.arrays import Array
from fastmove.certificate.certify import certify
from fastmove.cycle.empty_hand import (
    CLOSING_BLOCKED,
    OPENING_BLOCKED,
    PLACED,
    Fingers,
    carried_along,
    closing_blocked,
    empty_way,
    fingers_move_freely,
    opening_blocked,
    standing,
    standing_at,
    the_pinched,
    to_pick,
)
from fastmove.cycle.pick_cycle import PickCycle
from fastmove.errors import FastMoveError, InputError
from fastmove.planner.options import Options
from fastmove.planner.planner import plan
from fastmove.planner.replanning import bent_to_join
from fastmove.problem.goal import TOOL, Goal, GoalPose, State
from fastmove.problem.grasp import hold
from fastmove.problem.scene import ITEM, Obstacle
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.gripper import Gripper
from fastmove.search.arrival import followed_on
from fastmove.solution.solution import Solution
from fastmove.trajectory.trajectory import Phase, Trajectory

GENTLY = 3e-4  # Height by which the hand lifts an item off a belt while the grip closes [m].
MEET_ROOM = 0.03  # Time after the fingers should have met the item at which it begins to [s].
GRIP_ROOM = 0.08  # Time for which the arm follows an item on: slow fingers have closed then, and the transfer is planned [s].
DRAG_SHARE = 0.4  # Share of what a grip can bear that the drag of a belt may use: from half of it on a pad lifts off at one edge.
FOOT = 1e-4  # Height above an item's lowest point up to which its points stand on the belt [m].
BELT_FRICTION = 0.6  # Coulomb coefficient between items and belts: rubber on cardboard and plastics, upper end [1].


class NoCycle(Exception):
    """There is no cycle, for the reason that the exception says."""


def at_belt(problem: TransferProblem) -> bool:
    """Returns whether the item of a problem, or its goal, moves on."""
    return problem.start.moves_on or problem.goal.moves


def plan_belt_cycle(
    problem: TransferProblem,
    begin: Array,
    home: Array | None = None,
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
    fingers = Fingers.of(problem, at_least_open)
    if problem.start.moves_on:
        problem = gripped_firmly(problem)
    cell, clock = BeltPlanner(problem, fingers, options or Options(), planner), fingers.widen
    try:
        approach = cell.approach(np.asarray(begin, dtype=float), clock, contact_speed)
        clock += approach.duration
        closing = cell.closing(approach)
        clock += cell.closes
        transfer = cell.transfer(end_state(closing or approach), clock)
        opening = cell.opening(transfer)
        back = None if home is None else cell.back(end_state(opening or transfer), home)
    except NoCycle as reason:
        return PickCycle(problem, refusal=str(reason), timings=cell.timings)
    return PickCycle(problem, transfer, approach, back, fingers, timings=cell.timings, closing=closing, opening=opening)


@dataclass
class BeltPlanner:
    """The planner of one cycle's motions.

    Attributes:
        problem: Transfer problem, on the clock of the cycle.
        fingers: Times of the fingers.
        options: Options of the planner.
        planner: Function that plans each motion.
        timings: Planning time by phase [s].
    """

    problem: TransferProblem
    fingers: Fingers
    options: Options
    planner: Callable[[TransferProblem, Options], Solution] = plan
    timings: dict[str, float] = field(default_factory=dict)

    def planned(self, name: str, what: str, problem: Callable[[], TransferProblem]) -> Solution:
        """Plans one motion.

        Raises:
            NoCycle: There is none.
        """
        begin = time.perf_counter()
        try:
            solution = self.planner(problem(), self.options)
        except FastMoveError as error:
            raise NoCycle(f"{what}: {error}") from None
        self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - begin
        if not solution.ok:
            raise NoCycle(f"{what}: {solution.detail or solution.status.value}")
        return solution

    # -- approach -------------------------------------------------------------------------------------------------

    def approach(self, begin: Array, clock: float, contact_speed: float | None) -> Solution:
        """The way of the empty hand to the item, from rest at a time of the cycle [s]."""
        problem, opening = self.problem, self.fingers.opening
        said = f"no way of the empty hand to {problem.holds[0].item.name}"
        if problem.start.moves_on:
            goal = self.tool_goal().after(clock)
            return self.planned(
                "approach", said, lambda: empty_way(problem, begin, goal, (self.item_on_belt(clock),), opening, None)
            )
        q = np.array(problem.start.q)
        there = (standing(problem, q, to_pick(problem)),)
        return self.planned("approach", said, lambda: empty_way(problem, begin, q, there, opening, contact_speed))

    def tool_goal(self) -> Goal:
        """The goal of meeting an item that moves on, as one of the tool, on the clock of the cycle."""
        start, held = self.problem.start, self.problem.holds[0]
        tool = _only_pose(start).placement * held.grasp.tool_T_item.inverse()
        return Goal.at(GoalPose(tool, of=TOOL), velocity=np.array(start.velocity))

    def item_on_belt(self, clock: float) -> Obstacle:
        """An item that moves on, as an obstacle on a clock that begins at a time of the cycle [s]."""
        velocity = np.array(self.problem.start.velocity)
        world_T_item = _only_pose(self.problem.start).shifted(velocity * clock).placement
        return carried_along(standing_at(self.problem, world_T_item, to_pick(self.problem)), velocity)

    @property
    def closes(self) -> float:
        """Time in which the fingers close and the grip is confirmed [s]; longer where the arm may not wait for it."""
        return self.fingers.travel + self.fingers.close + (GRIP_ROOM if self.problem.start.moves_on else 0.0)

    @property
    def opens(self) -> float:
        """Time in which the fingers open [s]."""
        return self.fingers.release + self.fingers.apart

    def closing(self, approach: Solution) -> Solution | None:
        """The motion while the fingers close about an item that moves on; None where they close with the arm at rest."""
        problem, name = self.problem, self.problem.holds[0].item.name
        if not problem.start.moves_on:
            q = np.array(problem.start.q)
            if (reason := closing_blocked(self._bare(State.rest(q), Goal(q[None])), q, self.fingers, name)) is not None:
                raise NoCycle(reason)
            return None
        goal = approach.problem.goal.after(approach.duration)
        said = f"the arm cannot follow {name} while the fingers close"
        bare = self._bare(end_state(approach), goal)
        lifting = self._lifting(bare, _followed(bare, self.closes, said))
        if lifting is None:
            raise NoCycle(f"{said}, and lift it by {GENTLY * 1e3:g} mm")
        if not self.closes_freely(lifting):
            raise NoCycle(CLOSING_BLOCKED.format(name))
        return lifting

    def _lifting(self, problem: TransferProblem, follows: Trajectory) -> Solution | None:
        """Returns a motion that follows an item with a little lift once the fingers should have met it; None where none is."""
        gripper = self.problem.holds[0].gripper
        assert isinstance(gripper, Gripper)
        met = self.fingers.travel + self.fingers.close - gripper.grip_time + MEET_ROOM
        goal = self.lifted(problem.goal)
        q, v, a = (follows.sample(met, order) for order in range(3))
        state = State(q, v, a)
        rest = bent_to_join(problem.with_(start=state, goal=goal.after(met)), follows.after(met))
        if rest is None or rest.trajectory is None:
            return None
        problem, motion = problem.with_(goal=goal), follows.splice(met, rest.trajectory)
        solution = Solution.of(problem, motion, certify(problem, motion), follows.duration)
        return solution if solution.ok else None

    def lifted(self, goal: Goal) -> Goal:
        """Returns the goal of the tool at the end of the closing: a little higher, so that the belt no longer drags the item."""
        up = -np.array(self.problem.gravity) / np.linalg.norm(self.problem.gravity)
        poses = tuple(pose.shifted(GENTLY * up) for pose in goal.poses)
        return replace(goal, poses=poses, configurations=np.zeros((0, 0)), time=0.0)

    def closes_freely(self, follows: Solution) -> bool:
        """Returns whether nothing but the item is in the way of the fingers while the arm follows it."""
        return fingers_move_freely(follows, self.fingers.width, self.fingers.opening, 0.0, follows.duration)

    # -- transfer -------------------------------------------------------------------------------------------------

    def transfer_problem(self, start: State, clock: float) -> TransferProblem:
        """The problem of the transfer from a state in which the item is gripped at a time of the cycle [s]."""
        return self.problem.with_(start=start, goal=self.problem.goal.after(clock))

    def transfer(self, start: State, clock: float) -> Solution:
        """The transfer from a state in which the item is gripped at a time of the cycle [s]."""
        said = f"no transfer of {self.problem.holds[0].item.name}"
        return self.planned("transfer", said, lambda: self.transfer_problem(start, clock))

    def opening(self, transfer: Solution) -> Solution | None:
        """The motion while the fingers open about an item whose goal moves on; None where they open with the arm at rest.

        What supports the item bears it then: the motion is one of the empty hand.
        """
        problem, name, fingers = transfer.problem, self.problem.holds[0].item.name, self.fingers
        goal, end = problem.goal.after(transfer.duration), end_state(transfer)
        if not goal.moves:
            q = np.array(end.q)
            bare = self._bare(State.rest(q), Goal(q[None]))
            if (reason := opening_blocked(bare, q, fingers, fingers.about, name)) is not None:
                raise NoCycle(reason)
            return None
        here = self._bare(end, _of_tool(problem, goal))
        follows = _following(here, self.opens, f"the arm cannot follow the goal of {name} while the fingers open")
        if not fingers_move_freely(follows, fingers.width, fingers.about, 0.0, follows.duration):
            raise NoCycle(OPENING_BLOCKED.format(name))
        return follows

    # -- return ---------------------------------------------------------------------------------------------------

    def back_problem(self, start: State, home: Array) -> TransferProblem:
        """The problem of the empty hand's way home from a state in which it has let go of the item."""
        item = standing(self.problem, start.q, f"{self.problem.holds[0].item.name} {PLACED}")
        there = carried_along(item, np.array(self.problem.goal.velocity))
        return empty_way(self.problem, start, home, (there,), self.fingers.about, None)

    def back(self, start: State, home: Array) -> Solution:
        """The way of the empty hand home from a state in which it has let go of the item."""
        said = f"no way of the empty hand home from {self.problem.holds[0].item.name}"
        return self.planned("return", said, lambda: self.back_problem(start, home))

    def _bare(self, start: State, goal: Goal) -> TransferProblem:
        """The problem of the empty hand without the item."""
        return empty_way(self.problem, start, goal, (), self.fingers.opening, None)


def drag_grip(problem: TransferProblem) -> float:
    """Returns the least grip force that bears the drag of the belt that a problem's item stands on [N].

    Nothing but the drag is on the hand while the belt bears the item: a force μ m g along the belt, to either side, at any of the
    item's lowest points.  A part of what the grip can bear at most is used for it, so that no part of a pad lifts off.
    """
    held, velocity = problem.holds[0], np.array(problem.start.velocity)
    world_T_grasp = _only_pose(problem.start).placement * held.grasp_T_item.inverse()
    points = held.hull_points @ world_T_grasp.rotation.T  # from the grasp frame's origin, in the world
    down = np.array(problem.gravity) / np.linalg.norm(problem.gravity)
    depth = points @ down
    lowest = points[depth > depth.max() - FOOT]
    size = BELT_FRICTION * max(body.mass for body in held.bodies) * float(np.linalg.norm(problem.gravity))
    wrenches = []
    for sign in (1.0, -1.0):
        force = -sign * size * velocity / np.linalg.norm(velocity)  # of the hand on the item
        moments = np.cross(lowest, force)
        turned = world_T_grasp.rotation.T
        wrenches += [np.concatenate([turned @ force, turned @ moment]) for moment in moments]
    most = held.planned_grip
    use = float(held.contact_model.utilisation(np.array(wrenches)[:, None], most).max())
    return most * use / DRAG_SHARE


def gripped_firmly(problem: TransferProblem) -> TransferProblem:
    """Returns the problem with a grip that bears the drag of the belt that its item stands on.

    Raises:
        InputError: The item bears no such grip, or the hand has none.
    """
    held, least = problem.holds[0], drag_grip(problem)
    low, high = held.grasp.grip_force
    if least <= low:
        return problem
    if least > held.planned_grip:
        raise InputError(
            "grasp.grip_force",
            f"is at most {held.planned_grip:.3g} N; until {held.item.name} is lifted the belt drags at its foot, for which "
            f"{least:.3g} N are needed; grasp it nearer to its foot, or harder",
        )
    firmer = replace(held.grasp, grip_force=np.array([least, high]))
    return problem.with_(holds=(hold(held.gripper, held.item, firmer, held.uncertainty),))


def end_state(motion: Solution) -> State:
    """Returns the state in which a motion ends, at rest but with a goal that moves on."""
    assert motion.trajectory is not None
    q, v, a = (motion.trajectory.sample(motion.trajectory.duration, order) for order in range(3))
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


def _following(problem: TransferProblem, duration: float, said: str) -> Solution:
    """Returns the certified motion that follows a moving goal from the start of a problem, which has met it (`_followed`)."""
    motion = _followed(problem, duration, said)
    solution = Solution.of(problem, motion, certify(problem, motion), duration)
    if not solution.ok:
        raise NoCycle(f"{said}: {solution.detail or solution.status.value}")
    return solution


def _followed(problem: TransferProblem, duration: float, said: str) -> Trajectory:
    """Returns the motion that follows a moving goal from the start of a problem, which has met it.

    Args:
        problem: Problem whose clock begins where the goal has been met.
        duration: For how long [s].
        said: Sentence on what is not possible otherwise.
    """
    curve = followed_on(problem, problem.start, 0.0, duration)
    if curve is None:
        raise NoCycle(f"{said}: it leaves the reach, or the limits of the joints, in {duration:.3f} s")
    return Trajectory((Phase(curve),), problem.robot.joint_names)
