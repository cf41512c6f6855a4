"""Interrupted motions, measured: something changes at a random time, and what becomes of arm and item in physics."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.drivers.mujoco import MujocoDriver
from fastmove.drivers.simulated.contact_record import MovedRecord, unwanted_contacts
from fastmove.drivers.simulated.displacement import displacements
from fastmove.errors import FastMoveError
from fastmove.execution.events import Event
from fastmove.execution.flight_log import FlightLog
from fastmove.execution.planning_process import PlanningProcess
from fastmove.execution.run_transfer import places_along
from fastmove.execution.slip_test import verdict_of
from fastmove.execution.stream import Execution
from fastmove.execution.update import Update
from fastmove.geometry.shapes import Shape
from fastmove.multibody.assembly import assemble
from fastmove.planner.context import PlanningContext
from fastmove.problem.goal import Goal
from fastmove.problem.scene import Obstacle
from fastmove.problem.transfer import TransferProblem
from fastmove.solution.solution import Solution

KINDS = ("goal", "obstacle", "mass", "shift")
DEADLINE = 0.15  # Time within which a new motion is asked for [s].
WHEN = (0.05, 0.85)  # Range of the shares of the motion's duration at which something changes.
GOAL_MOVED = 0.08  # Largest displacement of a goal's joints [rad].
BOX = (0.03, 0.06)  # Range of the edges of an obstacle that appears [m].
ASIDE = 0.10  # Largest offset of such a box from where the item will be [m].
MASS = (0.8, 1.3)  # Range of the factor of the mass.
SHIFT, TURN = 0.004, np.radians(3.0)  # Largest shift between the pads [m] and turn about the closing axis [rad].
DRAWS = 30  # Number of draws until one leaves the ends free.
PATIENCE = 60.0  # Longest run [s].
BEGUN = (Event.HELD_STOP, Event.UNSURE_STOP, Event.NEW_MOTION, Event.SPEED, Event.KEPT)


@dataclass(frozen=True)
class Interruption:
    """One change that happens to a motion.

    Attributes:
        kind: one of `KINDS`.
        at: time at which it is known [s].
        update: what perception says.
        truth: what is really in the hand, from the start on.
        after: the problem as it is from then on.
    """

    kind: str
    at: float
    update: Update
    truth: TransferProblem
    after: TransferProblem


def draw(solution: Solution, kind: str, rng: np.random.Generator) -> Interruption | None:
    """Draws an interruption that leaves the goal free and the item holdable there at rest; None where none was found."""
    problem, at = solution.problem, float(rng.uniform(*WHEN) * solution.duration)
    for k in range(DRAWS):
        update = _drawn_update(solution, kind, at, 1 - k / DRAWS, rng)
        try:
            after = update.applied(problem, 0.0)
            after = after if update.goal is None else after.with_(goal=update.goal)
            checks = PlanningContext.of(after).checks
            free = checks.refusal(np.array(_goal(solution, update)), np.array(problem.start.q)) is None
        except FastMoveError:
            continue
        if free:
            return Interruption(kind, at, update, after.with_(scene=problem.scene, goal=problem.goal), after)
    return None


def _goal(solution: Solution, update: Update) -> Array:
    """The configuration at which the motion is to end."""
    assert solution.trajectory is not None
    if update.goal is not None:
        return np.array(update.goal.configurations[0])
    return solution.trajectory.position(solution.duration)


def _drawn_update(solution: Solution, kind: str, at: float, far: float, rng: np.random.Generator) -> Update:
    """What perception says, drawn at random; a goal moves by at most a share `far` of the most."""
    problem, held = solution.problem, solution.problem.holds[0]
    end = _goal(solution, Update())
    if kind == "goal":
        return Update(goal=Goal(np.array([end + far * rng.uniform(-GOAL_MOVED, GOAL_MOVED, len(end))])))
    if kind == "mass":
        return Update(mass=float(held.item.members[0].mass * rng.uniform(*MASS)))
    if kind == "shift":
        moved = pin.SE3(
            pin.AngleAxis(float(rng.uniform(-TURN, TURN)), np.array([0.0, 1.0, 0.0])).matrix(),
            np.array([rng.uniform(-SHIFT, SHIFT), 0.0, rng.uniform(-SHIFT, SHIFT)]),
        )
        middle = held.tool_T_grasp.actInv(held.grasp.tool_T_item)  # the item in the grasp frame, in which it moves
        return Update(item_pose=held.tool_T_grasp * moved * middle)
    edges, place = (
        rng.uniform(*BOX, 3),
        _item_at(solution, float(rng.uniform(min(at + 0.1, solution.duration), solution.duration))),
    )
    turn = pin.Quaternion(*(lambda x: x / np.linalg.norm(x))(rng.normal(size=4))).matrix()
    box = Shape("box", size=edges, placement=pin.SE3(turn, place + rng.uniform(-ASIDE, ASIDE, 3)))
    seen = problem.scene.after(at)  # on a clock that begins when it is seen
    return Update(scene=seen.changed(add=[Obstacle("box that appears", (box,))]), seen=at)


def _item_at(solution: Solution, t: float) -> Array:
    """Where the item is at a time (3,) [m]."""
    assert solution.trajectory is not None
    assembly = assemble(solution.problem)
    data, frame = assembly.arm.createData(), assembly.hold_frames[0]
    pin.forwardKinematics(assembly.arm, data, solution.trajectory.position(t))
    return np.array((data.oMi[frame.joint] * frame.joint_T_grasp).translation)


def interrupted(solution: Solution, change: Interruption, process: PlanningProcess) -> dict[str, Any]:
    """Runs a motion in physics, beside the planning process, and tells it of the change when that happens."""
    assert solution.trajectory is not None
    truth = change.truth if change.kind in ("mass", "shift") else None
    with MujocoDriver(solution.problem, along=places_along(solution), truth=truth) as driver:
        settled = driver.settling.ok
        with Execution(driver, solution, process=process) as run:
            run.start()
            _sleep_until(run, change.at)
            said = {key: getattr(change.update, key) for key in ("scene", "goal", "mass")}
            if change.update.item_pose is not None:
                said["item_shift"] = solution.problem.holds[0].grasp.tool_T_item.actInv(change.update.item_pose)
            asked = run.loop.since_start
            reply = run.replan(**said, deadline=DEADLINE)
            report = run.wait(PATIENCE)
            log = run.log()
        slip, turn, reach = driver.worst_slip()
        before = _slip_before(driver, change.at)
        contacts = _contacts(change.after, driver, change.at, log)
    begun = [event for event in report.events if event.request == 0 and event.event in BEGUN]
    end = log.q[-1]
    at_goal = float(np.abs(end - _goal(solution, change.update)).max()) < 1e-6
    verdict = verdict_of(slip, turn, report.tracking, reach, solution.problem.clearance, False).name if settled else "NOT_SETTLED"
    return {
        "kind": change.kind, "at": change.at, "ended": report.event.name, "at_goal": at_goal, "at_rest": _at_rest(log),
        "verdict": verdict, "slip_mm": 1e3 * slip, "turn_deg": float(np.degrees(turn)), "before": before, "contacts": contacts,
        "response": begun[0].time - asked if begun else None, "first": begun[0].event.name if begun else None,
        "answers": [event.event.name for event in reply.answers], "detail": reply.answers[-1].detail if reply.answers else "",
        "jump": jumps(log), "late": report.late, "cycles": report.cycles, "total": float(log.time[-1]),
        "planned": solution.duration,
        "events": [str(event) for event in report.events],
    }  # fmt: skip


def _sleep_until(run: Execution, at: float) -> None:
    """Waits until a time of the first course, or until the run is over."""
    while run.now < at and run.report is None:
        time.sleep(0.0005)


def _at_rest(log: FlightLog) -> bool:
    """Whether the last command is at rest."""
    return bool(np.abs(log.v[-1]).max() < 1e-6)


def _slip_before(driver: MujocoDriver, at: float) -> list[float]:
    """How far the item had moved [mm] and turned [°] in the hand before a time, at most."""
    poses = np.array([item for t, item in zip(driver.moved.motion, driver.moved.item, strict=True) if t < at])
    slip, turn = displacements(driver.reference, poses) if len(poses) else (np.zeros(1), np.zeros(1))
    return [1e3 * float(slip.max()), float(np.degrees(turn.max()))]


def _contacts(problem: TransferProblem, driver: MujocoDriver, since: float, log: FlightLog) -> list[list[Any]]:
    """Unwanted contacts after a time, with what is there from then on."""
    record, kept = driver.moved, MovedRecord()
    for row in zip(record.time, record.motion, record.q, record.item, strict=True):
        if row[1] >= since:
            kept.add(*row)
    ends = (log.q[-1], driver.end)  # what may be touched at the goal may be so at the goal as it was, near which a stop may be
    found = [unwanted_contacts(problem, kept, np.stack([log.q[0], end])) for end in ends]
    return [list(row) for row in found[0] if any(row[1:] == other[1:] and abs(row[0] - other[0]) < 0.1 for other in found[1])]


def jumps(log: FlightLog) -> float:
    """Returns the largest jump of q [rad], q̇ [rad/s] or q̈ [rad/s²] within the motions that were followed."""
    worst = 0.0
    for motion in log.courses.values():
        inner = motion.times[1:-1]
        for _ in range(3):
            worst = max(worst, float(np.abs(motion(inner) - motion(inner, "left")).max(initial=0.0)))
            motion = motion.derivative()
    return worst


def spread_over(motions: int, count: int, rng: np.random.Generator) -> list[tuple[int, str]]:
    """Returns the number of the motion and the kind of change of so many interruptions, all kinds equally often."""
    return [(int(rng.integers(motions)), KINDS[k % len(KINDS)]) for k in range(count)]
