"""Ways of the empty hand: to an item that it will pick, and away from one that it has placed.

The item that stands there is an obstacle like any other; the open hand reaches around it without touching.  While the hand
arrives its fingers may close already, and still open while it leaves, as long as nothing is touched.  A finger that slides moves
by its scale times what the opening changes: between two openings that are δ apart it is at most scale δ/2 from where it is at the
nearer one, and a clearance wider by that at both holds for all between.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.certificate.certify import certify
from fastmove.errors import InputError, StartInCollision
from fastmove.geometry.pose_trajectory import PoseTrajectory
from fastmove.problem.contact_speed import ContactSpeed
from fastmove.problem.goal import Goal, State
from fastmove.problem.grasp import HeldItem
from fastmove.problem.scene import Obstacle, Scene
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.gripper import Gripper
from fastmove.search.ik import is_prismatic, pose_at
from fastmove.solution.solution import Solution
from fastmove.trajectory.piecewise_polynomial import PiecewisePolynomial
from fastmove.trajectory.trajectory import Phase, Trajectory

FOLLOWED = 60.0  # Time for which an item on a belt is known to move on [s].
OPENING_STEP = 0.002  # Step δ of openings at which fingers that move are checked [m].
TO_PICK, PLACED = "to pick", "that was placed"  # What the names of items end in that stand in the scene of a cycle, …
CLOSING_BLOCKED = "something stands between the open fingers and {} where it is picked"
OPENING_BLOCKED = "something stands where the fingers open about {} at its goal"
WAITING, DONE = "(waiting)", "(placed)"  # … and of the other items of a shift.
WIDER = 1e-4  # Part of an opening beyond what clearances ask for [m].


@dataclass(frozen=True)
class Fingers:
    """How long the fingers of one hand take about one item.

    Attributes:
        opening: Opening with which the hand reaches for the item and leaves it [m].
        about: Opening about the item alone, whatever the hand had before [m].
        nearest: Least opening at which the fingers keep their clearance from the item [m].
        width: Opening at which they touch it [m].
        widen: Time in which the hand opens from what it had before to `opening`, with the arm at rest [s].
        travel: Time from `opening` to `nearest`, during which nothing is touched [s].
        apart: Time from `nearest` to `about`, once the item is let go [s].
        close: Time from `nearest` until the grip is at its force and confirmed [s].
        release: Time from the grip to `nearest` [s].
    """

    opening: float
    about: float
    nearest: float
    width: float
    widen: float
    travel: float
    apart: float
    close: float
    release: float

    @staticmethod
    def of(problem: TransferProblem, at_least: float = 0.0) -> Fingers:
        """Computes the times of the hand of a problem about its item.

        Args:
            problem: Transfer problem.
            at_least: Opening that the hand has anyway, as it has about an item that it placed before [m].

        Raises:
            InputError: It holds no item, or several, or not by a gripper; the gripper's speed is unknown; it does not open wide
                enough.
        """
        held = the_pinched(problem)
        gripper = held.gripper
        assert isinstance(gripper, Gripper)
        for key, value in (("closing_speed", gripper.closing_speed), ("grip_time", gripper.grip_time)):
            if not np.isfinite(value):
                raise InputError(
                    f"gripper.{gripper.name}.{key}", "is not known, and a cycle's time needs it; add it to robot.toml"
                )
        beside = held.position_uncertainty + problem.clearance + OPENING_STEP / 2 * float(np.abs(gripper.finger_scale).max())
        nearest = held.width + 2 * beside + WIDER
        widest = float(gripper.opening[1])
        about = min(max(held.width + problem.release_opening, nearest), widest)
        opening = min(max(about, at_least), widest)
        if opening < nearest:
            raise InputError(
                "grasp",
                f"leaves the open hand less than its clearance beside {held.item.name}: "
                f"it opens {widest * 1e3:g} mm, {nearest * 1e3:.1f} mm are needed",
            )
        reach = gripper.travel_time(nearest - held.width)
        return Fingers(
            opening=opening,
            about=about,
            nearest=nearest,
            width=held.width,
            widen=gripper.travel_time(opening - at_least) if at_least else 0.0,
            travel=gripper.travel_time(opening - nearest),
            apart=gripper.travel_time(about - nearest),
            close=reach + gripper.grip_time,
            release=reach,
        )


def the_pinched(problem: TransferProblem) -> HeldItem:
    """Returns the one item that a problem's gripper holds.

    Raises:
        InputError: It holds none or several, or not by a gripper, or not so that it must not slip; obstacles move; it begins in
            motion, or the hand does not open at its goal.
    """
    if len(problem.holds) != 1 or not isinstance(problem.holds[0].gripper, Gripper):
        raise InputError("holds", "must be one item in one gripper; a cycle picks and places one item by its fingers")
    if problem.scene.moving:
        raise InputError("obstacles", "move; a cycle is planned among obstacles that stand still")
    if not problem.start.at_rest:
        raise InputError("start", "is in motion; a cycle picks its item up at rest")
    if not problem.goal.opens_hand:
        raise InputError("goal.opens_hand", "is false; a cycle lets go of its item at the goal")
    if not problem.hold_active:
        raise InputError("hold_active", "is false; a cycle whose hold is not limited may drop its item")
    return problem.holds[0]


def to_pick(problem: TransferProblem) -> str:
    """Returns the name of a problem's item as an obstacle, where it waits to be picked."""
    return f"{problem.holds[0].item.name} {TO_PICK}"


def standing(problem: TransferProblem, q: np.ndarray, name: str) -> Obstacle:
    """Returns a problem's item as an obstacle, where it is held at a configuration.

    Args:
        problem: Transfer problem.
        q: Configuration (n,) [rad].
        name: Name of the obstacle.
    """
    return standing_at(problem, pose_at(problem, q), name)


def standing_at(problem: TransferProblem, world_T_item: pin.SE3, name: str) -> Obstacle:
    """Returns a problem's item as an obstacle of this name that stands at a pose in the world."""
    shapes = problem.holds[0].item.shapes
    return Obstacle(name, tuple(replace(s, placement=world_T_item * s.placement) for s in shapes))


def closing_blocked(bare: TransferProblem, q: np.ndarray, fingers: Fingers, name: str) -> str | None:
    """Returns what is in the way of fingers that close about an item with the arm at rest, as a sentence; None if nothing.

    Args:
        bare: Problem of the empty hand without that item.
        q: Configuration (n,) at which they close [rad].
        fingers: The fingers.
        name: Name of the item.
    """
    return None if fingers_free_at(bare, q, fingers.width, fingers.opening) else CLOSING_BLOCKED.format(name)


def opening_blocked(bare: TransferProblem, q: np.ndarray, fingers: Fingers, widest: float, name: str) -> str | None:
    """Returns the same of fingers that open to an opening [m]; see `closing_blocked`."""
    return None if fingers_free_at(bare, q, fingers.width, widest) else OPENING_BLOCKED.format(name)


def carried_along(item: Obstacle, velocity: Array) -> Obstacle:
    """Returns an item as an obstacle that moves on from where it stands with a velocity (3,) [m/s]; itself without one."""
    if not np.any(velocity):
        return item
    there = pin.SE3(np.eye(3), np.asarray(velocity) * FOLLOWED)
    return replace(item, motion=PoseTrajectory(np.array([0.0, FOLLOWED]), (pin.SE3.Identity(), there)))


def empty_way(
    problem: TransferProblem,
    start: np.ndarray | State,
    goal: np.ndarray | Goal,
    standing_items: tuple[Obstacle, ...],
    opening: float,
    contact_speed: float | None,
) -> TransferProblem:
    """Returns the problem of the empty hand's way between two configurations at rest, or from a state to a goal.

    Args:
        problem: Transfer problem whose robot, limits and scene it takes.
        start: Configuration at the start (n,) [rad], or state there.
        goal: Configuration at the goal (n,) [rad], or a goal.
        standing_items: Items that stand in the scene meanwhile, or move on there.
        opening: Opening of the hand [m].
        contact_speed: Largest speed of the tool where it arrives [m/s]; None = it may touch nothing there.

    Raises:
        InputError: An obstacle of the scene has the name of an item that stands there.
    """
    held = problem.holds[0]
    new = tuple(o for o in standing_items if not any(o is other for other in problem.scene.obstacles))
    for name in {o.name for o in new} & {o.name for o in problem.scene.obstacles}:
        raise InputError("obstacles", f"has {name!r}, which is what an item of the cycle is called; give it another name")
    obstacles = (*problem.scene.obstacles, *new)
    way = problem.with_(
        name=f"{problem.name}, empty hand",
        holds=(),
        alternatives=(),
        constraints=(),
        scene=Scene(obstacles, obstacle_uncertainty=max(problem.scene.obstacle_uncertainty, held.position_uncertainty)),
        start=State.of(start),
        goal=goal if isinstance(goal, Goal) else Goal(np.asarray(goal)[None]),
        openings=(*((name, o) for name, o in problem.openings if name != held.gripper.name), (held.gripper.name, opening)),
    )
    if contact_speed is None or isinstance(goal, Goal):
        return way
    return way.with_(constraints=(ContactSpeed(contact_speed, pose_at(way, goal).translation),))


def fingers_move_freely(way: Solution, least: float, most: float, first: float, last: float) -> bool:
    """Proves that the fingers may have any opening between two during a part of an empty hand's way.

    Args:
        way: Certified way of the empty hand.
        least: Least opening [m].
        most: Largest opening [m].
        first: Begin of the part [s].
        last: End of the part [s].
    """
    assert way.trajectory is not None
    part = way.trajectory
    part = part.before(last) if last < part.duration else part
    part = part.after(first) if first > 0 else part
    return part.duration <= 0 or _free(way.problem, part, least, most)


def fingers_free_at(problem: TransferProblem, q: np.ndarray, least: float, most: float) -> bool:
    """Proves that the fingers may have any opening between two where the arm rests.

    Args:
        problem: Problem of an empty hand's way, with what stands there.
        q: Configuration (n,) [rad].
        least: Least opening [m].
        most: Largest opening [m].
    """
    rest = Phase(PiecewisePolynomial(np.array([0.0, 1e-3]), np.asarray(q, dtype=float)[None, None]))
    return _free(problem, Trajectory((rest,), problem.robot.joint_names), least, most)


def _free(problem: TransferProblem, part: Trajectory, least: float, most: float) -> bool:
    """Whether all clearances are kept in a part of a motion with any opening between two; see the module."""
    name = problem.openings[-1][0]
    gripper = problem.robot.gripper(name)
    if not all(is_prismatic(problem.robot, joint) for joint in gripper.finger_joints):
        return least == most  # a finger that turns is nowhere proven
    count = max(1, int(np.ceil((most - least) / OPENING_STEP)))
    between = max(most - least, 0.0) / count / 2 * float(np.abs(gripper.finger_scale).max())
    wider, others = problem.with_(clearance=problem.clearance + between), problem.openings[:-1]
    for opening in np.linspace(least, most, count + 1):
        try:
            opened = wider.with_(openings=(*others, (name, float(opening))))
            certificate = certify(opened, part, kinds=("clearance",), sharp=False)
        except StartInCollision:
            return False
        if not certificate.ok:
            return False
    return True
