"""A problem in words for people: item, grip, ends, scene, bound, and what will probably bind."""

from __future__ import annotations

import numpy as np
import pinocchio as pin

from fastmove.certificate.certify import certify
from fastmove.geometry.shapes import Shape
from fastmove.planner.context import PlanningContext
from fastmove.planner.relaxation import FoundEnds, soonest_ends
from fastmove.problem.grasp import HeldItem, force_words
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.limit_kinds import names_in
from fastmove.search.ik import pose_at
from fastmove.search.time_bound import ARRIVING, joint_motions, lower_bound, sampled
from fastmove.trajectory.piecewise_polynomial import quintic_hermite
from fastmove.trajectory.trajectory import Phase, Trajectory

SAMPLES = 60  # Number of intervals of the motion that is looked at.
NEAR = 0.9  # Use of a limit from which it will probably bind [1].
LISTED = 6  # Number of obstacles that are named.


def problem_words(problem: TransferProblem) -> str:
    """Returns a text of some ten lines about a problem.

    Raises:
        FastMoveError: An end is out of reach, or the grasp or the start cannot be as they are, as planning would say.
    """
    lines = [f"{problem.name}: {problem.robot.name}, {problem.robot.n_arm} joints, limits {problem.limits}"]
    for held in problem.holds:
        lines += _held(problem, held)
    lines += _scene(problem)
    found = soonest_ends(problem)
    return "\n".join([*lines, *_ends(found, problem), *_outlook(found.problem)])


def _held(problem: TransferProblem, held: HeldItem) -> list[str]:
    """What is held, and how."""
    item = held.item
    shapes = ", ".join(_size(shape) for shape in item.shapes[:3]) + (" …" if len(item.shapes) > 3 else "")
    centre = np.linalg.norm(held.grasp.tool_T_item.act(item.members[0].com))
    by = "per pad" if held.law.holder == "gripper" else "of vacuum"
    lines = [
        f"  item      {item.name}: {item.members[0].mass:g} kg, {shapes}; centre of mass {centre * 1e3:.0f} mm from the pads",
        f"  grip      {force_words(held.grasp.grip_force)} N {by} of at most {held.most_grip:g} N, "
        f"friction {held.grasp.friction:g}, {held.width * 1e3:.1f} mm wide",
    ]
    if len(held.bodies) > 1:
        lines.append(f"  may be    any of a set spanned by {len(held.bodies)} bodies; every limit holds for all of them")
    return lines


def _size(shape: Shape) -> str:
    """A shape with its size, as in "box 200 × 30 × 140 mm"."""
    sizes = " × ".join(f"{2e3 * x:.0f}" for x in shape.half_extents())
    return f"{shape.type} {sizes} mm"


def _scene(problem: TransferProblem) -> list[str]:
    """What stands around."""
    names = [obstacle.name for obstacle in problem.scene.obstacles]
    shown = ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
    lines = [
        f"  scene     {len(names)} obstacle{'s' if len(names) > 1 else ''}: {shown}" if names else "  scene     nothing in it"
    ]
    lines[0] += f"; at least {problem.clearance * 1e3:g} mm from everything"
    lines[0] += "" if problem.following.exact else f", for an arm that {problem.following}"
    moving = [obstacle.name for obstacle in problem.scene.obstacles if obstacle.motion is not None]
    touched = [f"{c.obstacle} at {'both ends' if c.at == 'both' else f'the {c.at}'}" for c in problem.scene.allowed_contacts]
    lines += [f"  moving    {', '.join(moving)}"] if moving else []
    lines += [f"  touches   {', '.join(touched)}"] if touched else []
    return lines


def _ends(found: FoundEnds, asked: TransferProblem) -> list[str]:
    """Where the item or tool goes, whether both ends are free, and what holding it there takes."""
    problem = found.problem
    start, goal = np.array(problem.start.q), np.array(problem.goal.configurations[0])
    there, here = (pose_at(problem, q) for q in (goal, start))
    far = float(np.linalg.norm(there.translation - here.translation))
    turn = float(np.degrees(np.linalg.norm(pin.log3(here.rotation.T @ there.rotation))))
    what = "item" if problem.holds else "tool"
    lines = [f"  way       the {what} goes {far * 1e3:.0f} mm as the crow flies and turns by {turn:.0f}°"]
    checks = PlanningContext.of(problem).checks
    if not asked.start.open:
        checks.start()  # what planning begins with, as where the item is in the hand
    for end, q, count, free in (
        ("start", start, found.starts, found.free_starts),
        ("goal", goal, found.goals, found.free_goals),
    ):
        refused = checks.refusal(q, goal if end == "start" else start, end)
        which = f"{free} of {count} configurations free; the soonest" if count > 1 else "free;"
        use = f"{which} at rest uses {checks.static_use(q)[0]:.0%} of the hardest limit of torque and hold" if not refused else ""
        lines.append(f"  {end:<9} {refused[1] if refused else use}")
    return lines


def _outlook(problem: TransferProblem) -> list[str]:
    """The lower bound of the duration, and which limits a motion of the joints alone in that time would break."""
    limits, goal = problem.limit_set, np.array(problem.goal.configurations[0])
    bound = lower_bound(problem.start, goal, limits)
    joint = problem.robot.joint_names[bound.joint]
    lines = [f"  bound     no motion of this arm is faster than {bound.duration:.3f} s, since {joint} alone takes that long"]
    motion = joint_motions(problem.start, goal, limits.velocity, limits.acceleration, limits.jerk, ARRIVING)
    times = np.linspace(0, motion.duration, SAMPLES + 1)
    q, v, a = sampled(motion, times)
    forces, widths = [h.planned_grip for h in problem.holds], [h.width for h in problem.holds]
    trajectory = Trajectory((Phase(quintic_hermite(times, q, v, a), None, None, forces, widths),), problem.robot.joint_names)  # type: ignore[arg-type]
    kinds = ["torque", *names_in("contact", "tolerance"), "clearance"]  # no rates: this motion's jerk jumps as no plan's would
    certificate = certify(problem, trajectory, kinds)
    uses = {k: certificate.usage(k) for k in kinds if np.isfinite(certificate.kinds[k].margin)}
    hard = sorted((k for k in uses if uses[k] > NEAR), key=lambda k: -uses[k])
    said = [f"{k.replace('_', ' ')} ({certificate.kinds[k].where}) {_share(k, uses[k])}" for k in hard]
    if not said:
        return [*lines, "  binding   probably only the joints' own limits: nothing else is near its limit on the direct way"]
    lines.append("  binding   probably these, besides the joints' own limits (use on the direct way in that time):")
    return [*lines, *(f"            {sentence}" for sentence in said)]


def _share(kind: str, usage: float) -> str:
    """How much of a limit is used, in words."""
    if kind == "clearance":
        return "is in the way" if usage == np.inf else f"{usage:.0%} of the distance there is"
    return f"{usage:.0%}" if usage < 10 else f"more than {min(usage, 1000) // 10 * 10:.0f} times as much as there is"
