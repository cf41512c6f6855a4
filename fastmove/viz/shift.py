"""Preview of pick cycles: one page in which all of a shift's motions follow each other, every item where it is meanwhile.

The page is that of one long motion of the empty hand, in which items are obstacles that stand, are carried, and stand again.
Fingers are drawn at one opening.  The plots show joints and torques of the commands; certificates are those of the cycles.
"""

from __future__ import annotations

import numpy as np
import pinocchio as pin

from fastmove.arrays import Array
from fastmove.certificate.certify import certify
from fastmove.cycle.empty_hand import DONE, PLACED, TO_PICK, WAITING
from fastmove.cycle.pick_cycle import PickCycle
from fastmove.cycle.shift import ShiftReport
from fastmove.errors import InputError
from fastmove.geometry.pose_trajectory import PoseTrajectory
from fastmove.problem.goal import Goal, State
from fastmove.problem.scene import Obstacle, Scene
from fastmove.search.ik import pose_at
from fastmove.solution.solution import Solution
from fastmove.trajectory.piecewise_polynomial import PiecewisePolynomial
from fastmove.trajectory.trajectory import Phase, Trajectory
from fastmove.viz.preview import preview_html
from fastmove.viz.scene import Overlay

CARRIED_STEP = 0.02  # Time between the poses of an item that is carried [s].
DRAWN = ("position", "velocity", "acceleration", "jerk", "torque")  # Kinds of limits that the plots show.


def shift_html(report: ShiftReport) -> str:
    """Draws a shift as one page.

    Args:
        report: The shift.

    Raises:
        InputError: It has no cycle.
    """
    if not report.cycles:
        raise InputError("shift", "has no cycle to draw")
    figures = ((f"{report.units_per_hour:.0f}", "units an hour"), (str(len(report.cycles)), f"of {len(report.names)} picks"))
    return _page([one.cycle for one in report.cycles], f"{len(report.names)} picks", figures, str(report))


def cycle_html(cycle: PickCycle) -> str:
    """Draws one cycle as a page.

    Args:
        cycle: Certified cycle.

    Raises:
        InputError: It is not certified.
    """
    if not cycle.ok:
        raise InputError("cycle", f"is not certified, there is nothing to draw: {cycle.refusal}")
    return _page([cycle], cycle.problem.name, ((f"{cycle.units_per_hour:.0f}", "units an hour"),), str(cycle))


def _page(cycles: list[PickCycle], title: str, figures: tuple[tuple[str, str], ...], text: str) -> str:
    """Returns the page of cycles that follow each other."""
    phases, carried = _joined(cycles)
    first = cycles[0].approach
    assert first is not None
    trajectory = Trajectory(tuple(phases), first.problem.robot.joint_names)
    standing = {o.name for cycle in cycles for o in _items(cycle)}
    still = tuple(o for o in first.problem.scene.obstacles if o.name not in standing)
    moved = tuple(_moved(k, cycle, begin) for k, (cycle, begin) in enumerate(zip(cycles, carried, strict=True)))
    problem = first.problem.with_(
        name=title,
        constraints=(),
        scene=Scene((*still, *moved)),
        start=State.rest(trajectory.position(0.0)),
        goal=Goal(trajectory.position(trajectory.duration)[None]),
    )
    certificate = certify(problem, trajectory, kinds=DRAWN)
    solution = Solution.of(problem, trajectory, certificate, float("nan"))
    badge = "CYCLE CERTIFIED" if len(cycles) == 1 else f"{len(cycles)} CYCLES CERTIFIED"
    overlay = Overlay(badge=badge, figures=figures, text=text)
    return preview_html(solution, overlay=overlay)


def _items(cycle: PickCycle) -> tuple[Obstacle, ...]:
    """Returns the items among the obstacles of a cycle's approach: what the transfer's own scene does not have, and its items."""
    assert cycle.approach is not None
    return tuple(o for o in cycle.approach.problem.scene.obstacles if o.name.endswith((TO_PICK, PLACED, WAITING, DONE)))


def _joined(cycles: list[PickCycle]) -> tuple[list[Phase], list[float]]:
    """Returns the phases of all motions with the arm's rests between them, and when each transfer begins [s]."""
    phases: list[Phase] = []
    carried, begin = [], 0.0
    for cycle in cycles:
        times = {phase.name: phase.duration for phase in cycle.phases}
        if times.get("widen"):
            assert cycle.approach is not None and cycle.approach.trajectory is not None
            phases.append(_at_rest(cycle.approach.trajectory.position(0.0), times["widen"]))
            begin += times["widen"]
        closes = times["close"] if cycle.closing is None else 0.0
        opens = times["open"] if cycle.opening is None else 0.0
        motions = (
            (cycle.approach, closes), (cycle.closing, 0.0), (cycle.transfer, opens), (cycle.opening, 0.0), (cycle.back, 0.0)
        )  # fmt: skip
        for motion, rest in motions:
            if motion is None or motion.trajectory is None:
                continue
            if motion is cycle.transfer:
                carried.append(begin)
            phases += [Phase(phase.motion) for phase in motion.trajectory.phases]
            begin += motion.duration
            if rest > 0:
                phases.append(_at_rest(motion.trajectory.position(motion.duration), rest))
                begin += rest
    return phases, carried


def _at_rest(q: Array, duration: float) -> Phase:
    """Returns a phase in which the arm stands still for a time [s]."""
    return Phase(PiecewisePolynomial(np.array([0.0, duration]), np.asarray(q)[None, None]))


def _moved(number: int, cycle: PickCycle, begin: float) -> Obstacle:
    """Returns a cycle's item as an obstacle that is carried from when its transfer begins [s]."""
    assert cycle.transfer is not None and cycle.transfer.trajectory is not None
    problem, duration = cycle.transfer.problem, cycle.transfer.duration
    times = np.linspace(0.0, duration, max(2, int(np.ceil(duration / CARRIED_STEP)) + 1))
    poses = [pose_at(problem, q) for q in cycle.transfer.trajectory.position(times)]
    name, start, goal = f"{problem.holds[0].item.name}_{number}", cycle.problem.start, cycle.problem.goal
    when = list(begin + times)
    if start.moves_on:  # on the belt until it is gripped
        when.insert(0, 0.0)
        poses.insert(0, start.poses[0].placement)
    if goal.moves:  # and on the belt again
        later = cycle.duration - when[-1] + CARRIED_STEP
        poses.append(pin.SE3(poses[-1].rotation, poses[-1].translation + later * np.array(goal.velocity)))
        when.append(when[-1] + later)
    return Obstacle(name, problem.holds[0].item.shapes, PoseTrajectory(np.array(when), tuple(poses)))
