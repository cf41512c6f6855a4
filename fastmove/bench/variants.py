"""Variants of a problem set: goals with their symmetry, and transfers that carry the object of a pick.

MotionBenchMaker's problems end with an object between the open jaws.  `symmetric` asks for that grasp with all the freedom that
symmetry leaves; `carried` reverses the problem: the object is in the hand, the motion leads from the pick to where the arm came
from; `backwards` is the same motion with an empty hand.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace

import coal
import numpy as np
import pinocchio as pin

from fastmove.arrays import Array, readonly
from fastmove.bench import VARIANT_NAMES
from fastmove.bench.motionbenchmaker import BenchProblem
from fastmove.contact.wrench_cone import UTILISATION_MAX
from fastmove.errors import InputError
from fastmove.geometry.shapes import Shape
from fastmove.problem.goal import TOOL, Goal, GoalPose, State
from fastmove.problem.grasp import Grasp, HeldItem, hold
from fastmove.problem.item import Inertial, Item, solid_inertia
from fastmove.problem.item_catalog import ItemFacts, known_items
from fastmove.problem.scene import AllowedContact, Obstacle, Scene
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.gripper import Gripper
from fastmove.search.ik import pose_at

HALF_TURN = pin.utils.rotate("z", np.pi)  # Rotation (3, 3) of a two-finger gripper by half a turn about its approach axis.
SPARE = (1.2, 2.5)  # Range of the random ratio of the grip force to the least that the weight alone needs [1].
INSIDE_PAD = 0.002  # Least distance of a cylinder's widest line from the pads' ends [m].
LIFT_MAX = 0.012  # Largest overlap of an object and its support in the source out of which the object is raised [m].


def symmetric(entry: BenchProblem) -> BenchProblem:
    """Replace the goal configuration by the pose of its object, free by the object's and the gripper's symmetry.

    A problem without an object is returned unchanged.
    """
    if entry.target is None:
        return entry
    problem, shape = entry.problem, entry.target.shape
    tool = pose_at(problem, problem.goal.configurations[0])
    flips, axis = _symmetry(shape)
    poses = []
    for turn in (np.eye(3), HALF_TURN):
        turned = tool * pin.SE3(turn, np.zeros(3))
        offset = turned.inverse() * entry.target.placement
        poses.append(GoalPose(entry.target.placement, TOOL, offset, axis, flips=flips))
    return replace(entry, problem=problem.with_(goal=Goal.at(*poses)))


def _symmetry(shape: Shape) -> tuple[tuple[Array, ...], Array]:
    """Rotations (3, 3) that map a shape to itself, and the axis (3,) about which it may turn freely (0 = none), in its frame."""
    if shape.type in ("cylinder", "capsule"):
        return (pin.utils.rotate("x", np.pi),), np.array([0.0, 0.0, 1.0])
    if shape.type != "box":
        return (), np.zeros(3)
    flips = [pin.utils.rotate(axis, np.pi) for axis in "xyz"]
    size = np.asarray(shape.size)
    for k, axis in enumerate("xyz"):
        one, other = size[[i for i in range(3) if i != k]]
        if abs(one - other) < 1e-6:  # A square face allows quarter turns, too.
            flips += [pin.utils.rotate(axis, s * np.pi / 2) for s in (1.0, -1.0)]
    return tuple(flips), np.zeros(3)


def carried(entry: BenchProblem, seed: int = 0) -> BenchProblem:
    """Reverse the pick: carry the object from the goal configuration to the start configuration.

    Mass, friction and pinch force are those of a random row of the shipped item table (up to 2 lb), the centre of mass lies
    anywhere within half of that row's range, and the grip force is `SPARE` times what the weight needs, within what hand and item
    bear.  The object is set straight between the pads and, where the source sinks it into its support, raised out of it.  The
    opened hand is not checked at the pick: the source's fingers stand wider than the hand opens.

    Args:
        entry: The problem, with its object.
        seed: Seed of the random numbers; they depend on the problem's id, too.

    Raises:
        InputError: There is no object.
        GraspInvalid: These fingers cannot hold it.
    """
    if entry.target is None:
        raise InputError(entry.id, "has no object at its goal")
    rng = np.random.default_rng([seed, zlib.crc32(entry.id.encode())])
    problem, gripper = entry.problem, entry.problem.robot.gripper()
    pick = np.array(problem.goal.configurations[0])
    tool = pose_at(problem, pick)
    shape = replace(entry.target.shape, placement=pin.SE3.Identity())
    tool_T_item = straightened(gripper, shape, tool.inverse() * entry.target.placement)
    obstacles = problem.scene.obstacles
    where = tool * tool_T_item
    sunk = -min([d for d, _ in _distances(shape, where, obstacles)], default=0.0)
    if 0 < sunk <= LIFT_MAX:
        where = pin.SE3(where.rotation, where.translation + sunk * np.array([0.0, 0.0, 1.0]))
    held = _drawn(rng, gripper, shape, tool.inverse() * where)
    near = [name for d, name in _distances(shape, where, obstacles) if d < problem.clearance]
    allowed = tuple(AllowedContact(name, "start") for name in near)
    transfer = TransferProblem(
        entry.id, problem.robot, (held,), Scene(obstacles, allowed), State.rest(pick), Goal(readonly([problem.start.q])),
        problem.limits, problem.clearance, release_opening=0.0,
    )  # fmt: skip
    return BenchProblem(entry.id, entry.scene, transfer, entry.target)


def _drawn(rng: np.random.Generator, gripper: Gripper, shape: Shape, tool_T_item: pin.SE3) -> HeldItem:
    """The object as a held item with random mass, centre of mass, friction and grip force (see `carried`)."""
    rows = [row for row in known_items() if row.mass <= 0.907]
    facts: ItemFacts = rows[int(rng.integers(len(rows)))]
    centre, inertia = solid_inertia((shape,), facts.mass)
    com = np.array(centre) + rng.uniform(-0.5, 0.5, 3) * np.minimum(np.array(facts.com_halfrange), shape.half_extents())
    item = Item(facts.name, (shape,), (Inertial(facts.mass, readonly(com), inertia),), facts.max_pinch)
    friction = float(rng.uniform(facts.friction[0], facts.friction[1]))
    most = min(facts.max_pinch, float(gripper.force[1]))
    least = max(float(gripper.force[0]), 1e-3)
    trial = hold(gripper, item, Grasp(tool_T_item, friction, readonly([min(least, most), most])))
    body = trial.inertia(item.members[0])
    worst = 0.0
    for down in (*np.eye(3), *-np.eye(3)):  # Gravity along every axis of the hand.
        force = -9.81 * body.mass * down
        worst = max(
            worst,
            float(trial.contact_model.utilisation(np.concatenate([force, np.cross(body.lever, force)]), 1.0)) / UTILISATION_MAX,
        )
    grip = float(np.clip(worst * rng.uniform(*SPARE), least, max(least, trial.most_grip)))
    return hold(gripper, item, Grasp(tool_T_item, friction, readonly([grip, grip])))


def straightened(gripper: Gripper, shape: Shape, tool_T_item: pin.SE3) -> pin.SE3:
    """Pose of the item as closing fingers would leave it: straight between the pads and halfway between them.

    A face of a box, or the side or an end of a cylinder, is set square to the pads.  The widest line of a cylinder that lies
    across the hand is set at least `INSIDE_PAD` inside the pads' ends: in most sources it is beyond the finger tips, where a
    pinch would squeeze it out.

    Args:
        gripper: The hand.
        shape: The item's shape.
        tool_T_item: Pose of the item in the tool frame, as in the source.

    Returns:
        The straightened pose of the item in the tool frame.
    """
    rotation = tool_T_item.rotation
    y = np.array([0.0, 1.0, 0.0])
    if shape.type == "box":
        axis = rotation[:, int(np.argmax(np.abs(rotation[1])))]
        wanted = y * np.sign(axis[1])
    elif abs(rotation[1, 2]) > np.sqrt(0.5):  # A cylinder gripped at its ends.
        axis, wanted = rotation[:, 2], y * np.sign(rotation[1, 2])
    else:
        axis = rotation[:, 2]
        wanted = axis - y * axis[1]
        wanted /= np.linalg.norm(wanted)
    turn = _least_turn(axis, wanted)
    centre = tool_T_item.translation * np.array([1.0, 0.0, 1.0])
    squared = turn @ rotation
    if shape.type != "box" and abs(squared[2, 2]) < np.sqrt(0.5):
        reach = float(gripper.pad_center[1] + gripper.pad_size[1] / 2) - INSIDE_PAD
        centre[2] = min(centre[2], reach)
    return pin.SE3(squared, centre)


def _least_turn(one: Array, other: Array) -> Array:
    """Rotation (3, 3) by the smallest angle that takes one unit vector (3,) to another."""
    axis = np.cross(one, other)
    sine, cosine = float(np.linalg.norm(axis)), float(one @ other)
    return np.eye(3) if sine < 1e-12 else np.asarray(pin.exp3(axis / sine * np.arctan2(sine, cosine)))


def _distances(shape: Shape, placement: pin.SE3, obstacles: tuple[Obstacle, ...]) -> list[tuple[float, str]]:
    """(distance [m], name) of every obstacle from a shape at a placement in the world."""
    there, geometry, distances = coal.Transform3s(placement.rotation, placement.translation), shape.geometry(), []
    for obstacle in obstacles:
        at = coal.Transform3s(obstacle.placement.rotation, obstacle.placement.translation)
        distance = coal.distance(geometry, there, obstacle.shape.geometry(), at, coal.DistanceRequest(), coal.DistanceResult())
        distances.append((float(distance), obstacle.name))
    return distances


def backwards(entry: BenchProblem) -> BenchProblem:
    """Reverse the motion with an empty hand, from the goal configuration to the start: what `carried` is compared with."""
    problem = entry.problem
    pick = State.rest(np.array(problem.goal.configurations[0]))
    return replace(entry, problem=problem.with_(start=pick, goal=Goal(readonly([problem.start.q]))))


# The variants by name, in the order of `VARIANT_NAMES`.
VARIANTS: dict[str, Callable[[BenchProblem], BenchProblem]] = {
    "as-is": lambda entry: entry,
    "symmetric": symmetric,
    "carried": carried,
    "backwards": backwards,
}
assert tuple(VARIANTS) == VARIANT_NAMES
