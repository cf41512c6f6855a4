"""Limits of a problem as single numbers, and the problem with one of them changed.

Prices of limits and suggestions of which to loosen are computed with these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from fastmove import registries
from fastmove.arrays import readonly
from fastmove.problem.grasp import HeldItem, hold
from fastmove.problem.item import Inertial
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.limit_kinds import kinds_in

# Attribute of `LimitSet` that holds the values of a kind of limit, by the name of the kind.
FIELDS = {kind.name: kind.field for kind in kinds_in("joint", "effort") if kind.field}

# Units of the limits that grasp and item set; the lever is the distance of the centre of mass from the middle of the grasp.
GRASP_KINDS = {"grip_force": "N", "friction": "1", "mass": "kg", "lever": "m"}

# Units of the limits that the item tolerates, by the attributes of `Tolerance`.
TOLERANCE_KINDS = {kind.name: kind.unit for kind in kinds_in("tolerance") if kind.field}

# Unit of the force that the item bears (`Item.max_pinch_force`).
ITEM_KINDS = {"squeeze": "N"}

# Units of the limits that are attributes of `TransferProblem`.
SCENE_KINDS = {"clearance": "m", "release_opening": "m"}

# Units of all kinds of limits but those that a user registered.
UNITS = {kind.name: kind.unit for kind in kinds_in("joint", "effort")} | GRASP_KINDS | TOLERANCE_KINDS | ITEM_KINDS | SCENE_KINDS

# Kinds of limits that are loosened by a smaller value.
LESS = ("mass", "lever", "clearance", "release_opening")


@dataclass(frozen=True)
class Limit:
    """One limit of a problem, by name, with its value.

    Attributes:
        kind: one of `UNITS`, `position`, or the name of a registered limit kind.
        name: name of the joint for a limit of a joint, else empty.
        value: its value in the problem, in `unit`.
    """

    kind: str
    name: str
    value: float

    @property
    def unit(self) -> str:
        """Unit of the value; 1 for a plain number."""
        return UNITS.get(self.kind) or str(registries.limit_kinds.get(self.kind).unit)

    @property
    def sign(self) -> float:
        """Direction in which the value loosens the limit: +1 where a larger value is looser, −1 where a smaller one is."""
        return -1.0 if self.kind in LESS else 1.0

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".strip()


def limits_of(problem: TransferProblem) -> list[Limit]:
    """Lists all finite limits of a problem that `changed` can change by one number, positions apart.

    Of several held items only the limits of the first one are listed.
    """
    limit_set, names = problem.limit_set, problem.robot.joint_names
    limits = []
    for kind, field in FIELDS.items():
        values = getattr(limit_set, field)
        limits += [Limit(kind, name, float(v)) for name, v in zip(names, values, strict=True) if np.isfinite(v)]
    for held in problem.holds[:1]:
        limits += [Limit("grip_force", "", float(held.grasp.grip_force[1])), Limit("friction", "", held.grasp.friction)]
        limits += [Limit("mass", "", held.item.members[0].mass), Limit("lever", "", held.lever(held.item.members[0]))]
        tolerance = held.item.tolerates
        limits += [
            Limit(kind, "", v)
            for kind in TOLERANCE_KINDS
            if np.isfinite(v := float(getattr(tolerance, kind))) and (kind, v) != ("swing", 1)
        ]
        if held.tolerance.side < np.inf:
            limits.append(Limit("squeeze", "", held.item.max_pinch_force))
    limits += [Limit(kind, "", value) for kind, value in limit_set.others.items()]
    limits += [Limit("clearance", "", problem.clearance), Limit("release_opening", "", problem.release_opening)]
    return [limit for limit in limits if limit.value > 1e-9]


def changed(problem: TransferProblem, limit: Limit, value: float) -> TransferProblem:
    """Builds the problem with one limit at another value.

    A limit of kind `position` moves the upper end of the joint's range where the value is above it, else the lower end.  One of
    kind `lever` shifts the item's centre of mass towards or from the middle of the grasp; contact patches stay as they are.

    Args:
        problem: the problem, which is not changed.
        limit: the limit to change.
        value: its new value, in the unit of the limit.

    Raises:
        InputError: no such problem can be, for example with a grip force beyond the gripper's (or a subclass).
    """
    kind = limit.kind
    if kind in problem.limit_set.others:
        return _with_limits(problem, others={**problem.limit_set.others, kind: value})
    if kind in FIELDS or kind == "position":
        return _with_joint_limit(problem, limit, value)
    if kind in SCENE_KINDS:
        return problem.with_(**{kind: value})
    return problem.with_(holds=(_with_hold(problem.holds[0], kind, value), *problem.holds[1:]))


def with_reserve(problem: TransferProblem, share: float) -> TransferProblem:
    """Builds the problem with a share of acceleration, torque, torque rate and grip kept back, for slowing down in flight.

    The same share of what the item bears is kept back: the motion is run with the whole grip.  Where the goal moves on, so is
    half that share of velocity: a goal that is elsewhere than foretold cannot be met later.
    """
    fields = ("acceleration", "effort", "effort_rate")
    scaled = {field: readonly((1 - share) * getattr(problem.limit_set, field)) for field in fields}
    if problem.goal.moves:
        scaled["velocity"] = readonly((1 - share / 2) * problem.limit_set.velocity)
    less = _with_limits(problem, **scaled)
    holds = [_with_less(held, share) for held in problem.holds]
    return less.with_(holds=tuple(holds))


def commanded_with(held: HeldItem, reserve: float) -> float:
    """Share of a grip that is commanded where a reserve is kept back: all of a cup's vacuum, of which the reserve leaks."""
    return 1.0 if held.law.holder == "cup" else 1 - reserve


def _with_less(held: HeldItem, reserve: float) -> HeldItem:
    """The item held by a share of its grip, which bears the same share of what it does."""
    share = commanded_with(held, reserve)
    if share == 1:
        return held.weakened(1 - reserve)
    item = replace(held.item, max_pinch_force=share * held.item.max_pinch_force)
    low, high = float(held.grasp.grip_force[0]), share * held.planned_grip
    grasp = replace(held.grasp, grip_force=readonly([min(low, high), high]))
    return hold(held.gripper, item, grasp, held.uncertainty)


def _with_joint_limit(problem: TransferProblem, limit: Limit, value: float) -> TransferProblem:
    limit_set = problem.limit_set
    joint = problem.robot.joint_names.index(limit.name)
    if limit.kind == "position":
        key = "position_max" if value > limit_set.position_max[joint] else "position_min"
    else:
        key = FIELDS[limit.kind]
    values = np.array(getattr(limit_set, key))
    values[joint] = value
    return _with_limits(problem, **{key: readonly(values)})


def _with_limits(problem: TransferProblem, **changes: object) -> TransferProblem:
    robot, limit_set = problem.robot, problem.limit_set
    new = replace(limit_set, **changes)  # type: ignore[arg-type]
    return problem.with_(robot=replace(robot, limits={**robot.limits, limit_set.name: new}))


def _with_hold(held: HeldItem, kind: str, value: float) -> HeldItem:
    item, grasp = held.item, held.grasp
    if kind == "grip_force":
        low = min(float(grasp.grip_force[0]), value)
        if grasp.grip_force[0] == grasp.grip_force[1]:
            low = value
        grasp = replace(grasp, grip_force=readonly([low, value]))
    elif kind == "friction":
        grasp = replace(grasp, friction=value)
    elif kind in TOLERANCE_KINDS:
        item = replace(item, tolerates=replace(item.tolerates, **{kind: value}))  # type: ignore[arg-type]
    elif kind == "squeeze":
        item = replace(item, max_pinch_force=value)
    else:
        change: Callable[[Inertial], Inertial] = (
            _lighter(value / item.members[0].mass) if kind == "mass" else _nearer(held, value)
        )
        item = replace(item, members=tuple(change(member) for member in item.members))
    return hold(held.gripper, item, grasp, held.uncertainty)


def _lighter(factor: float) -> Callable[[Inertial], Inertial]:
    """Function that scales mass and inertia of a body by a factor."""
    return lambda body: body.scaled(factor)


def _nearer(held: HeldItem, lever: float) -> Callable[[Inertial], Inertial]:
    """Function that shifts the centres of mass of all members alike, so that the first one gets this lever [m]."""
    middle = held.grasp_T_item.inverse().translation
    first = np.array(held.item.members[0].com)
    shift = (middle - first) * (1 - lever / max(held.lever(held.item.members[0]), 1e-12))
    return lambda body: body.moved(shift)
