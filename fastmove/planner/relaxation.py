"""The smallest single change of a limit that frees a problem whose ends are infeasible.

An end makes a transfer impossible before any motion is planned where it is outside a joint's range or in contact, where the
opened hand does not fit, where the arm cannot carry or the grasp cannot hold the item at rest, or where the item leans too far.
Each limit is loosened by itself, by bisection on the same checks with which planning begins, and the change that is smallest
relative to the limit's value is suggested.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fastmove.errors import FastMoveError
from fastmove.planner.context import PlanningContext
from fastmove.problem.limit_edit import Limit, changed, limits_of
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.limit_kinds import shown_unit
from fastmove.search.ik import soonest_pairs, with_configurations

LOOSER = 10.0  # Maximum factor by which a limit is loosened.
BISECTIONS = 24  # Number of bisections of a limit.
MARGIN = 1.002  # Ratio of the suggested change to the least one.
# Kinds of limits that are loosened, besides the joints' position ranges.
CHECKED = ("torque", "grip_force", "friction", "mass", "lever", "tilt", "upright", "clearance", "release_opening")
PAIRS = 300  # Number of pairs of configurations whose lower bounds are compared.
POSITION_SCALE = 1.0  # Size to which changes of a joint's range are compared [rad].


@dataclass(frozen=True)
class Relaxation:
    """A change of one limit that frees a problem.

    Attributes:
        limit: The limit with its present value.
        value: Value that it would have to have, in its unit.
    """

    limit: Limit
    value: float

    @property
    def size(self) -> float:
        """Size of the change relative to the limit's value; of a joint's range in [rad]."""
        scale = POSITION_SCALE if self.limit.kind == "position" else self.limit.value
        return abs(self.value - self.limit.value) / scale

    def apply(self, problem: TransferProblem, share: float = 1.0) -> TransferProblem:
        """Returns the problem with the limit changed.

        Args:
            problem: Transfer problem to which the limit belongs.
            share: Share of the change that is applied.
        """
        return changed(problem, self.limit, self.limit.value + share * (self.value - self.limit.value))

    def __str__(self) -> str:
        scale, unit = shown_unit(self.limit.unit)
        before, after = self.limit.value * scale, self.value * scale
        digits = next((n for n in range(4, 16) if f"{before:.{n}g}" != f"{after:.{n}g}"), 4)  # so many that they differ
        return f"{self.limit} {before:.{digits}g} → {after:.{digits}g} {unit}".rstrip()


def frees(problem: TransferProblem) -> bool:
    """Returns whether the start and at least one goal configuration pass all checks that are made before planning."""
    checks = PlanningContext.of(problem).checks
    try:
        checks.start()
    except FastMoveError:
        return False
    start, limits = np.array(problem.start.q), problem.limit_set
    inside = np.all((start >= limits.position_min - 1e-9) & (start <= limits.position_max + 1e-9))
    if not inside or checks.static_use(start)[0] > 1:
        return False
    return any(checks.refusal(np.array(q)) is None for q in problem.goal.configurations)


@dataclass(frozen=True)
class FoundEnds:
    """Configurations at the ends of a problem.

    Attributes:
        problem: The problem with the pair that is soonest by its lower bound, free ones before others; its goal comes first.
        starts: Number of configurations at the start.
        free_starts: Number of these at which nothing is in the way and the item is held.
        goals: Number of configurations at the goal.
        free_goals: Number of these at which nothing is in the way and the item is held.
    """

    problem: TransferProblem
    starts: int
    free_starts: int
    goals: int
    free_goals: int


def soonest_ends(problem: TransferProblem, seed: int = 0) -> FoundEnds:
    """Finds configurations at both ends, and those from which and to which a motion is soonest.

    Raises:
        FastMoveError: A pose is out of reach.
    """
    branches = with_configurations(problem, seed)
    checks, first = PlanningContext.of(branches[0]).checks, branches[0]
    free_starts = [checks.refusal(np.array(b.start.q), np.array(b.goal.configurations[0]), "start") is None for b in branches]
    free_goals = [checks.refusal(np.array(q), np.array(first.start.q)) is None for q in first.goal.configurations]
    pairs = soonest_pairs(branches, PAIRS)
    _, k, b = next((pair for pair in pairs if free_starts[pair[2]] and free_goals[pair[1]]), pairs[0])
    goal, soonest = branches[b].goal, np.array(branches[b].goal.configurations[k])
    configurations = np.vstack([soonest, np.delete(goal.configurations, k, axis=0)])
    counts = len(branches), sum(free_starts), len(free_goals), sum(free_goals)
    return FoundEnds(branches[b].with_(goal=replace(goal, configurations=configurations)), *counts)


def relaxation(problem: TransferProblem) -> Relaxation | None:
    """Returns the smallest change of a single limit that frees the ends; None where `relaxations` has none."""
    return next(iter(relaxations(problem)), None)


def relaxations(problem: TransferProblem) -> list[Relaxation]:
    """Returns the changes of single limits that free the ends, the smallest first.

    Of ends given by poses it is the pair of configurations that is soonest, free ones before others.

    Returns:
        Empty where the ends are free already, no single change frees them, or a pose is out of reach.
    """
    if problem.start.open or len(problem.goal.configurations) == 0:
        try:
            problem = soonest_ends(problem).problem
        except FastMoveError:
            return []
        problem = problem.with_(goal=replace(problem.goal, configurations=problem.goal.configurations[:1]))
    if frees(problem):
        return []
    found = []
    for limit in [*(x for x in limits_of(problem) if x.kind in CHECKED), *_positions(problem)]:
        value = _least(problem, limit)
        if value is not None:
            found.append(Relaxation(limit, value))
    return sorted(found, key=lambda change: change.size)


def remedy(problem: TransferProblem) -> str:
    """Returns in a few words the smallest change that frees the ends, and a stronger grip where that does, too; else nothing."""
    changes = relaxations(problem)
    said = [f"the smallest change that would free it: {changes[0]}"] if changes else []
    grip = next((change for change in changes[1:] if change.limit.kind == "grip_force"), None)
    return "; ".join([*said, *([f"or {grip}"] if grip is not None else [])])


def _positions(problem: TransferProblem) -> list[Limit]:
    """Returns the position limits that goal configurations are outside of."""
    limits, violated = problem.limit_set, []
    for q in problem.goal.configurations:
        for name, x, low, high in zip(problem.robot.joint_names, q, limits.position_min, limits.position_max, strict=True):
            if not low <= x <= high:
                violated.append(Limit("position", name, float(high if x > high else low)))
    return violated


def _least(problem: TransferProblem, limit: Limit) -> float | None:
    """Returns the value of a limit that frees the problem with the least change, and a little more; None where none does."""
    if limit.kind == "position":
        wanted = [float(q[problem.robot.joint_names.index(limit.name)]) for q in problem.goal.configurations]
        reach = [x for x in wanted if abs(x - limit.value) > 0]
        best = min(reach, key=lambda x: abs(x - limit.value), default=None)
        return best if best is not None and _free_at(problem, limit, best) else None
    tight, loose = limit.value, limit.value * LOOSER if limit.sign > 0 else limit.value * 1e-3
    if limit.kind in ("tilt", "upright"):
        loose = min(loose, float(np.radians(84)))
    if limit.kind == "friction":
        loose = min(loose, 2.0)
    if limit.kind == "grip_force":
        loose = min(loose, problem.holds[0].most_grip)
    if not _free_at(problem, limit, loose):
        return None
    for _ in range(BISECTIONS):
        middle = (tight + loose) / 2
        if _free_at(problem, limit, middle):
            loose = middle
        else:
            tight = middle
    spared = limit.value + MARGIN * (loose - limit.value)
    return spared if _free_at(problem, limit, spared) else loose


def _free_at(problem: TransferProblem, limit: Limit, value: float) -> bool:
    """Returns whether another value of a limit frees the problem; a value that is not allowed does not."""
    try:
        return frees(changed(problem, limit, value))
    except FastMoveError:
        return False
