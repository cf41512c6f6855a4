"""Certificate checks at the ends of a motion: states, goal regions, corridors, opened hands, grip force and grasp."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.certificate.certificate import ROUNDING, LimitMargin
from fastmove.multibody.assembly import HAND_OVERLAP, Assembly, goal_frame, hand_overlaps
from fastmove.multibody.open_hand import OpenHandCheck
from fastmove.problem.goal import GoalPose
from fastmove.problem.scene import CORRIDOR_TIP
from fastmove.problem.transfer import TransferProblem
from fastmove.trajectory.trajectory import Trajectory

END_TOLERANCE = 1e-9  # Tolerance of end states in q, v, a [rad, rad/s, rad/s²].
POSE_TOLERANCE = 1e-6  # Tolerance of end poses where the goal is a region [m, rad].
MEETING_TOLERANCE = 1e-5  # Tolerance of the motion relative to a goal that moves on [m/s, rad/s, m/s², rad/s²].


def check_ends(
    problem: TransferProblem,
    assembly: Assembly,
    trajectory: Trajectory,
    step: float,
    kinds: Collection[str],
    profile: dict[str, Array],
) -> dict[str, LimitMargin]:
    """Check the ends of a motion: start, goal, grip_force, corridor, grasp and release, those of `kinds`.

    Args:
        problem: The problem.
        assembly: Its body tree.
        trajectory: The motion.
        step: Step of the grid on which corridors are checked [s].
        kinds: Names of the kinds to check.
        profile: Receives the corridors' margin over time as "corridor_time" (N,) [s] and "corridor" (N,) [m].

    Returns:
        Worst margin of each kind.
    """
    margins = _states(problem, assembly, trajectory, kinds)
    if "corridor" in kinds and problem.corridors and problem.holds:
        margins["corridor"] = _corridors(problem, assembly, trajectory, step, profile)
    if "grasp" in kinds:
        margins["grasp"] = _grasp(assembly)
    if "release" in kinds and problem.holds:
        margins["release"] = _release(problem, trajectory)
    return margins


def _states(
    problem: TransferProblem, assembly: Assembly, trajectory: Trajectory, kinds: Collection[str]
) -> dict[str, LimitMargin]:
    """Margins of start, goal and grip_force, those of `kinds`."""
    margins = {}
    duration = trajectory.duration
    start = problem.start
    states = [trajectory.motion(k) for k in range(3)]
    if "start" in kinds:
        first = [m(0.0)[0] for m in states]
        rest = np.zeros(problem.robot.n_arm)
        wanted = (first[0], rest, rest) if start.poses else (start.q, start.v, start.a)  # Poses only ask for rest.
        margins["start"] = _end_entry(np.abs(np.stack(first) - np.stack(wanted)), 0.0, problem)
        if start.poses and margins["start"].ok:
            margins["start"] = _region(problem, assembly, first[0], 0.0, start.poses, "start")
    if "goal" in kinds:
        last = [m(duration, "left")[0] for m in states]
        margins["goal"] = _goal(problem, assembly, last, duration)
    if "grip_force" in kinds and problem.holds:
        rows = []
        for phase in trajectory.phases:
            for k, held in enumerate(problem.holds):
                low, high = held.grasp.grip_force
                force = float(phase.grip_force[k]) if len(phase.grip_force) > k else 0.0
                rows.append((min(force - low, high - force) + ROUNDING * high, held))
        margin, held = min(rows, key=lambda row: row[0] if np.isfinite(row[0]) else -np.inf)
        margins["grip_force"] = LimitMargin(
            float(margin), "N", float(margin / held.grasp.grip_force[1]), 0.0, held.gripper.name, "exact"
        )
    return margins


def _goal(problem: TransferProblem, assembly: Assembly, last: list[Array], duration: float) -> LimitMargin:
    """Margin of the last position, velocity and acceleration (n,) each against the goal."""
    goal, off = problem.goal, np.zeros(problem.robot.n_arm)  # Goal poses ask for no configuration.
    if goal.moves:
        return _meeting(problem, assembly, last, duration)
    if not goal.poses:
        goals = goal.configurations
        off = np.abs(last[0] - goals[int(np.argmin(np.abs(goals - last[0]).max(axis=1)))])
    margin = _end_entry(np.stack([off, np.abs(last[1]), np.abs(last[2])]), duration, problem)
    return _region(problem, assembly, last[0], duration, goal.poses, "goal") if goal.poses and margin.ok else margin


def _meeting(problem: TransferProblem, assembly: Assembly, last: list[Array], duration: float) -> LimitMargin:
    """Margin against a goal that moves on: where it is at the end, and moving with it, without turning and accelerating."""
    goal = problem.goal
    poses = goal.after(duration).poses
    margin = _region(problem, assembly, last[0], duration, poses, "goal")
    data = assembly.arm.createData()
    pin.forwardKinematics(assembly.arm, data, *last)
    gaps = []
    for pose in poses:
        joint, placement = goal_frame(assembly, problem.robot, pose)
        gap = max(pose.distance_outside(data.oMi[joint] * placement))
        gaps.append((gap, _relative_motion(data, joint, placement.translation, np.array(goal.velocity))))
    worst, unit = max(min(gaps)[1])
    slack = MEETING_TOLERANCE - worst
    moving = LimitMargin(slack, unit, slack / MEETING_TOLERANCE, duration, "velocity of the goal", "exact")
    return min(margin, moving, key=lambda entry: entry.normalised)


def _relative_motion(data: pin.Data, joint: int, point: Array, velocity: Array) -> list[tuple[float, str]]:
    """How a frame at a point (3,) of a joint's frame moves relative to a goal of a velocity (3,): four sizes and their units."""
    rotation, moved, gained = data.oMi[joint].rotation, data.v[joint], data.a[joint]
    turning, turned = moved.angular, gained.angular
    speed = moved.linear + np.cross(turning, point)
    # The classical acceleration of a point p of a body with spatial velocity (v, ω) and acceleration (a, α), Featherstone (2.48):
    gain = gained.linear + np.cross(turned, point) + np.cross(turning, speed)
    sizes = [np.linalg.norm(rotation @ speed - velocity), *(np.linalg.norm(x) for x in (turning, gain, turned))]
    return [(float(size), unit) for size, unit in zip(sizes, ("m/s", "rad/s", "m/s²", "rad/s²"), strict=True)]


def _region(
    problem: TransferProblem, assembly: Assembly, q: Array, time: float, poses: Sequence[GoalPose], end: str
) -> LimitMargin:
    """Margin of the pose that an end places, in configuration q (n,), against the nearest of its regions."""
    data = assembly.arm.createData()
    pin.forwardKinematics(assembly.arm, data, q)
    rows = []
    for k, goal in enumerate(poses):
        joint, placement = goal_frame(assembly, problem.robot, goal)
        distance, angle = goal.distance_outside(data.oMi[joint] * placement)
        rows.append((max(distance, angle), distance >= angle, k))
    gap, far, number = min(rows)
    margin = POSE_TOLERANCE - gap
    return LimitMargin(margin, "m" if far else "rad", margin / POSE_TOLERANCE, time, f"{end} pose {number + 1}", "exact")


def _end_entry(offsets: Array, time: float, problem: TransferProblem) -> LimitMargin:
    """Worst margin of an end state whose q, v and a are off by offsets (3, n)."""
    order, joint = np.unravel_index(int(np.argmax(offsets)), offsets.shape)
    margin = END_TOLERANCE - float(offsets[order, joint])
    unit = ("rad", "rad/s", "rad/s²")[order]
    return LimitMargin(margin, unit, margin / END_TOLERANCE, time, problem.robot.joint_names[joint], "exact")


def _grasp(assembly: Assembly) -> LimitMargin:
    """Worst margin of held items against overlap with their hands; touching pads are no overlap."""
    worst = min(hand_overlaps(assembly), default=(float("inf"), "nothing held"))
    return LimitMargin(worst[0], "m", worst[0] / HAND_OVERLAP, 0.0, worst[1], "exact")


def _release(problem: TransferProblem, trajectory: Trajectory) -> LimitMargin:
    """Worst clearance margin of the opened hands from the scene: at the start if at rest, at the goal if the hand opens there."""
    ends = []
    if problem.start.at_rest:  # A hand in motion does not open.
        ends.append((0.0, trajectory.motion()(0.0)[0]))
    if problem.goal.opens_hand:
        ends.append((trajectory.duration, trajectory.motion()(trajectory.duration, "left")[0]))
    if not ends:
        return LimitMargin(float("inf"), "m", float("inf"), 0.0, "the hand stays closed", "no limit")
    hand = OpenHandCheck(problem)
    margin, where, time = min((*hand.margin(q, time), time) for time, q in ends)
    return LimitMargin(margin, "m", margin / max(problem.clearance, 1e-3), time, where or "nothing near", "exact")


def _corridors(
    problem: TransferProblem, assembly: Assembly, trajectory: Trajectory, step: float, profile: dict[str, Array]
) -> LimitMargin:
    """Worst margin of all corridors (see `Corridor`) on a grid and at all breakpoints; its curve goes to `profile`."""
    time = np.unique(np.concatenate([trajectory.grid(step), trajectory.motion().times]))
    model, data, q = assembly.arm, assembly.arm.createData(), trajectory.motion()(time)
    origins = np.empty((len(time), len(assembly.hold_frames), 3))
    for i in range(len(time)):
        pin.forwardKinematics(model, data, q[i])
        for k, frame in enumerate(assembly.hold_frames):
            origins[i, k] = data.oMi[frame.joint].act(frame.joint_T_grasp.translation)
    least = np.full(len(time), np.inf)
    for corridor in problem.corridors:
        moved = origins - origins[0 if corridor.at == "start" else -1]
        height = moved @ corridor.direction
        aside = np.linalg.norm(np.cross(moved, corridor.direction), axis=2)
        inside = height * np.sin(corridor.angle) - aside * np.cos(corridor.angle) + CORRIDOR_TIP
        past = np.linalg.norm(moved, axis=2) >= corridor.length
        least = np.minimum(least, np.where(past, np.inf, inside).min(axis=1))
    worst = int(np.argmin(least))
    profile["corridor_time"], profile["corridor"] = time, least
    margin = float(least[worst])
    if not np.isfinite(margin):
        return LimitMargin(margin, "m", margin, 0.0, "grasp origin", "no limit")
    return LimitMargin(margin, "m", margin / CORRIDOR_TIP, float(time[worst]), "grasp origin", f"grid {step * 1e3:g} ms")
