"""Ranking of grasps for one transfer by the duration that each allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pinocchio as pin

from fastmove import registries
from fastmove.arrays import Array, readonly
from fastmove.errors import FastMoveError, InputError
from fastmove.planner.batch import plan_batch, plan_or_failure, workers
from fastmove.planner.context import PlanningContext
from fastmove.planner.options import Options
from fastmove.problem.goal import Goal, GoalPose, State
from fastmove.problem.grasp import Grasp, GraspCandidate, HeldItem, hold
from fastmove.problem.scene import ITEM
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.joint_limits import LimitSet
from fastmove.robot.limit_kinds import names_in
from fastmove.search.ik import GoalIk, pose_at
from fastmove.search.time_bound import lower_bound, quickest_first
from fastmove.solution.as_json import solution_json
from fastmove.solution.solution import Solution, Status, limiting_shares

WAVE = 4  # Number of grasps planned before it is checked whether another one can still be faster.
CHUNK = 4  # Number of grasps bounded per message to a process.
PAIRS = 80  # Maximum number of pairs of start and goal configurations whose lower bounds are computed.
GOALS = 3  # Maximum number of goal configurations given to the planner with each grasp.


@dataclass(frozen=True)
class RankedGrasp:
    """One grasp with the lower bound and, where it was planned, the solution of the transfer by it.

    Attributes:
        id: Name of the grasp.
        lower_bound: Lower bound of the duration with this grasp, among the configurations found [s]; inf where it is refused.
        static_use: Utilisation of hold and torque at rest, 1 = limit, at the worse end; nan where it is refused.
        reason: Sentence that says why it is refused or has no certified motion; empty otherwise.
        solution: Solution of the transfer by this grasp; None where it was refused, or could not be faster than those planned.
        problem: Transfer problem by this grasp; None where it was refused.
    """

    id: str
    lower_bound: float = float("inf")
    static_use: float = float("nan")
    reason: str = ""
    solution: Solution | None = None
    problem: TransferProblem | None = field(default=None, repr=False)

    @property
    def duration(self) -> float:
        """Duration of the motion [s]; nan where it was not planned, or no motion was certified."""
        return self.solution.duration if self.solution is not None and self.solution.ok else float("nan")

    @property
    def margin(self) -> float:
        """Least margin of the hold along the motion, 0.9 − S; nan where there is no motion."""
        certificate = None if self.solution is None else self.solution.certificate
        kinds = {} if certificate is None else certificate.kinds
        return min((kinds[k].margin for k in names_in("contact") if k in kinds), default=float("nan"))

    @property
    def limited_by(self) -> str:
        """What limits the motion for the longest time, in words; empty without a certified motion."""
        shares = limiting_shares(self.solution) if self.solution is not None and self.solution.ok else []
        return f"{shares[0][0]} ({shares[0][1]:.0%} of the time)" if shares else ""

    @property
    def key(self) -> tuple[bool, float]:
        """Sort key that puts certified motions first, by duration, and the others after them, by lower bound."""
        return not np.isfinite(self.duration), self.duration if np.isfinite(self.duration) else self.lower_bound

    def as_json(self) -> dict[str, object]:
        """Returns the grasp as JSON values in SI units, with the whole solution where there is one."""
        return {
            "id": self.id,
            "duration_s": self.duration,
            "lower_bound_s": self.lower_bound,
            "static_use": self.static_use,
            "hold_margin": self.margin,
            "reason": self.reason,
            "start_q": None if self.problem is None else np.array(self.problem.start.q).tolist(),
            "solution": None if self.solution is None else solution_json(self.solution),
        }


def ranking(ranked: Sequence[RankedGrasp]) -> str:
    """Returns a table of ranked grasps as text, in their order.

    Columns: duration and its ratio to the best one, lower bound, use of hold and torque at rest, and what limits the motion for
    the longest time, or why there is no certified one.
    """
    best = min((g.duration for g in ranked if np.isfinite(g.duration)), default=float("inf"))
    lines = [f"{'grasp':<20} {'duration':>9} {'× best':>7} {'bound':>8} {'at rest':>8}  limited by"]
    for g in ranked:
        duration = f"{g.duration:7.3f} s {g.duration / best:7.3f}" if np.isfinite(g.duration) else "        –       –"
        bound = f"{g.lower_bound:6.3f} s" if np.isfinite(g.lower_bound) else "       –"
        use = f"{g.static_use:8.0%}" if np.isfinite(g.static_use) else "       –"
        note = g.reason or ("not planned" if g.lower_bound < best else "cannot beat the best")
        lines.append(f"{g.id:<20} {duration} {bound} {use}  {g.limited_by or note}".rstrip())
    return "\n".join(lines)


def rank_grasps(
    problem: TransferProblem,
    grasps: Sequence[GraspCandidate],
    jobs: int = 1,
    everything: bool = False,
    most: int | None = None,
    options: Options | None = None,
    regret: float = 0.0,
) -> list[RankedGrasp]:
    """Ranks grasps of the problem's item by the duration of the transfer, best first.

    The item moves from where it is at the start to where it is at the goal.  All grasps are checked and bounded; they are then
    planned in the order of their lower bounds until none that is left can be faster than the best.  So the first is the one that
    full plans of all would find (among the configurations found, one pair for each).  Of goal regions the first region's own pose
    counts, without its freedom.

    Args:
        problem: Transfer problem with a held item.
        grasps: Grasps to compare.
        jobs: Maximum number of processes.
        everything: Whether every grasp that is not refused is planned.
        most: Number of grasps to plan at most, rounded up to whole waves of `WAVE`; the best of them need not be the best of all.
        options: Options of the planner; None means the defaults.
        regret: Share of the duration by which the first may be slower than the best of all; with 0.01 far fewer are planned.

    Raises:
        InputError: The problem holds nothing or starts in motion, its goal places the tool, two grasps have the same id, a
            `start_q` belongs to another robot or is not finite, or the regret is outside [0, 1).
    """
    if not problem.holds:
        raise InputError("problem", "holds no item; grasps are of an item")
    if not 0 <= regret < 1:
        raise InputError("regret", f"is {regret}; allowed: 0 to below 1")
    if len({g.id for g in grasps}) != len(grasps):
        raise InputError("grasps", "have an id twice; every id must be its own")
    for grasp in grasps:
        size = problem.robot.n_arm
        if grasp.start_q is not None and np.shape(grasp.start_q) != (size,):
            raise InputError(
                f"grasps: {grasp.id}.start_q", f"has {np.size(grasp.start_q)} numbers; {problem.robot.name} has {size} joints"
            )
        if grasp.start_q is not None and not np.all(np.isfinite(grasp.start_q)):
            raise InputError(f"grasps: {grasp.id}.start_q", "has numbers that are not finite [rad]")
    ends = ItemEnds.of(problem)
    with workers(min(jobs, len(grasps))) as mapped:
        ranked: list[RankedGrasp] = mapped(partial(_bounded, problem, ends), grasps, CHUNK)
        order = sorted((k for k, g in enumerate(ranked) if not g.reason), key=lambda k: (ranked[k].lower_bound, k))
        best = float("inf")
        for first in range(0, len(order) if most is None else min(most, len(order)), WAVE):
            wave = [k for k in order[first : first + WAVE] if everything or ranked[k].lower_bound * (1 + regret) < best]
            if not wave:
                break
            if options is not None and options.progress is not None:
                so_far = f", best {best:.3g} s so far" if np.isfinite(best) else ""
                options.progress(f"{len(order)} of {len(grasps)} grasps can hold it, {first} planned{so_far}")
            solutions = mapped(partial(plan_or_failure, options=options), [ranked[k].problem for k in wave])
            for k, solution in zip(wave, solutions, strict=True):
                ranked[k] = replace(ranked[k], solution=solution, reason="" if solution.ok else solution.detail)
                best = min(best, solution.duration if solution.ok else best)
    return sorted(ranked, key=lambda g: g.key)


@dataclass(frozen=True)
class ItemEnds:
    """Poses of the item at both ends, and configurations from which those of other grasps are searched.

    The configurations come from the problem's own grasp, so that every grasp starts its search from the same ones.

    Attributes:
        start: Pose of the item in the world at the start.
        goal: Pose of the item in the world at the goal.
        pools: Configurations (K, n) [rad] at the start and at the goal.
    """

    start: pin.SE3
    goal: pin.SE3
    pools: tuple[Array, Array]

    @staticmethod
    def of(problem: TransferProblem) -> ItemEnds:
        """Finds the ends of a problem.

        Raises:
            InputError: The problem starts in motion, or its goal places the tool.
        """
        if not problem.start.at_rest:
            raise InputError("start", "moves; grasps are compared from rest (v and a are zero)")
        if problem.start.moves_on or problem.goal.moves:
            raise InputError("velocity", "is not zero; grasps are compared between a start and a goal that stand still")
        starts, goals = problem.start.poses, problem.goal.poses
        start = _item_pose(starts[0], "start.pose") if starts else pose_at(problem, np.array(problem.start.q))
        goal = _item_pose(goals[0], "goal.poses") if goals else pose_at(problem, np.array(problem.goal.configurations[0]))
        reach = GoalIk(problem)
        own = (
            np.array(problem.start.q).reshape(-1, problem.robot.n_arm),
            np.array(problem.goal.configurations).reshape(-1, problem.robot.n_arm),
        )
        pools = tuple(np.concatenate([q, reach.all(end)]) for q, end in zip(own, (start, goal), strict=True))
        return ItemEnds(start, goal, pools)  # type: ignore[arg-type]


def _item_pose(region: GoalPose, end: str) -> pin.SE3:
    """Returns the nominal pose of the item in the world in a region.

    Raises:
        InputError: The region does not place the item.
    """
    if region.of != ITEM:
        raise InputError(end, f"places the {region.of}; grasps are compared on the way of the item (of = item)")
    return region.placement * region.offset.inverse()


def _bounded(problem: TransferProblem, ends: ItemEnds, grasp: GraspCandidate) -> RankedGrasp:
    """Returns a grasp with its lower bound and the problem to plan, or the reason why it is refused."""
    try:
        return regrasped(problem, ends, _held(problem, grasp), grasp.id, grasp.start_q)
    except FastMoveError as error:
        return RankedGrasp(grasp.id, reason=str(error))


def _held(problem: TransferProblem, grasp: GraspCandidate) -> HeldItem:
    """Returns the problem's item held by a candidate's grasp."""
    old = problem.holds[0]
    friction = old.grasp.friction if grasp.friction is None else grasp.friction
    if registries.contacts.get(grasp.contact).holder == "cup":
        cup = problem.robot.suction_cup()
        return hold(cup, old.item, Grasp(grasp.tool_T_item, friction, cup.force, grasp.contact, cup.name), old.uncertainty)
    force = old.grasp.grip_force if grasp.grip_force is None else readonly([grasp.grip_force] * 2)
    new = replace(old.grasp, tool_T_item=grasp.tool_T_item, friction=friction, grip_force=force, patches=None, width=None)
    new = replace(new, contact=grasp.contact)
    return hold(old.gripper, old.item, new, old.uncertainty)


def regrasped(problem: TransferProblem, ends: ItemEnds, new: HeldItem, name: str, start_q: Array | None = None) -> RankedGrasp:
    """Prepares the transfer by another grasp, from its free pair of configurations with the least lower bound.

    Args:
        problem: Transfer problem.
        ends: Ends of the problem.
        new: Item held by the other grasp.
        name: Name of the other grasp.
        start_q: Configuration at the start (n_arm,) [rad]; None means any that reaches it.

    Returns:
        The grasp, not planned yet, or with the reason why no pair of configurations is free.

    Raises:
        FastMoveError: The grasp does not make a valid problem, or no configuration reaches an end.
    """
    open_start, pool = problem.start.open, ends.pools[0]
    if open_start and len(pool) == 0:
        raise InputError("start.pose", f"is out of reach: no configuration of {problem.robot.name} gets there")
    start = problem.start.settled(pool[0]) if open_start else problem.start
    candidate = problem.with_(holds=(new, *problem.holds[1:]), start=start)
    checks = PlanningContext.of(candidate).checks
    checks.grasp()
    reach = GoalIk(candidate)
    starts = reach.near(ends.start, ends.pools[0]) if start_q is None else np.asarray(start_q)[None]
    goals = reach.near(ends.goal, ends.pools[1])
    for end, configurations in (("start", starts), ("goal", goals)):
        if len(configurations) == 0:
            raise InputError("", f"no configuration of {problem.robot.name} holds the item so at the {end}")
    limits = candidate.limit_set
    pairs = sorted((lower_bound(State.rest(starts[i]), goals[j], limits).duration, i, j) for i, j in _near(starts, goals, limits))
    refused: dict[tuple[str, int], tuple[Status, str] | None] = {}
    for bound, i, j in pairs:
        for end, k, q, other in (("start", i, starts[i], goals[j]), ("goal", j, goals[j], starts[i])):
            if (end, k) not in refused:
                refused[end, k] = checks.refusal(q, other, end)
        if refused["start", i] is None and refused["goal", j] is None:
            usable = [y for b, x, y in pairs if x == i and refused.get(("goal", y)) is None and b >= bound][:GOALS]
            use = max(checks.static_use(q)[0] for q in (starts[i], goals[j]))
            regrasped_problem = candidate.with_(start=State.rest(starts[i]), goal=Goal(goals[usable]))
            return RankedGrasp(name, bound, use, problem=regrasped_problem)
    reason = next(r for r in refused.values() if r is not None)[1]
    return RankedGrasp(name, reason=f"{len(starts)} ways to stand at the start, {len(goals)} at the goal, none free: {reason}")


def _near(starts: Array, goals: Array, limits: LimitSet) -> list[tuple[int, int]]:
    """Returns the index pairs of configurations that are nearest in time, by the joints' speed limits alone.

    Args:
        starts: Configurations at the start (K, n) [rad].
        goals: Configurations at the goal (L, n) [rad].
        limits: Limits of the joints.
    """
    ways = (starts[:, None] - goals[None]).reshape(-1, starts.shape[1])
    order = quickest_first(ways, limits, PAIRS)
    return [(int(k) // len(goals), int(k) % len(goals)) for k in order]


def plan_contacts(problem: TransferProblem, contact: str = "best", options: Options | None = None) -> list[RankedGrasp]:
    """Plans the same transfer by the problem's own grasp and by its alternatives, and returns them best first.

    Args:
        problem: Transfer problem.
        contact: Name of a contact model, or "best" for all of them.
        options: Options of the planner; None means the defaults.

    Raises:
        InputError: The problem has no way to hold by that contact, or has alternatives to compare but starts in motion.
    """
    own = problem.holds[0].grasp.contact if problem.holds else "pinch"
    ranked = [RankedGrasp(own, problem=problem)] if contact in (own, "best") else []
    ends = None
    for held in problem.alternatives:
        if contact in (held.grasp.contact, "best"):
            ends = ends or ItemEnds.of(problem)
            try:
                ranked.append(regrasped(problem, ends, held, held.grasp.contact))
            except FastMoveError as error:
                ranked.append(RankedGrasp(held.grasp.contact, reason=str(error)))
    if not ranked:
        raise InputError("contact", f"{contact!r} needs a [{contact}] table in the problem, which says how it is held so")
    solutions = plan_batch([g.problem for g in ranked if g.problem is not None and not g.reason], options=options)
    rest = iter(solutions)
    for k, grasp in enumerate(ranked):
        if grasp.problem is not None and not grasp.reason:
            solution = next(rest)
            ranked[k] = replace(
                grasp, solution=solution, lower_bound=solution.lower_bound, reason="" if solution.ok else solution.detail
            )
    return sorted(ranked, key=lambda g: g.key)
