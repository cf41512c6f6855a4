"""One limit of a problem, loosened or tightened: what prices and suggestions are about."""

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

FIELDS = {kind.name: kind.field for kind in kinds_in("joint", "effort") if kind.field}  # of LimitSet
GRASP_KINDS = {"grip_force": "N", "friction": "1", "mass": "kg", "lever": "m"}
CARE_KINDS = {kind.name: kind.unit for kind in kinds_in("tolerance")}
SCENE_KINDS = {"clearance": "m", "release_opening": "m"}
UNITS = {kind.name: kind.unit for kind in kinds_in("joint", "effort")} | GRASP_KINDS | CARE_KINDS | SCENE_KINDS
LESS = ("mass", "lever", "clearance", "release_opening")  # loosened by making them smaller


@dataclass(frozen=True)
class Limit:
    """One limit by name.

    Attributes:
        kind: of `UNITS`.
        name: the joint, for limits of joints; else empty.
        value: as it is, in `unit`.
    """

    kind: str
    name: str
    value: float

    @property
    def unit(self) -> str:
        return UNITS.get(self.kind) or str(registries.limit_kinds.get(self.kind).unit)

    @property
    def sign(self) -> float:
        """+1 where a larger value is looser, −1 where a smaller one is."""
        return -1.0 if self.kind in LESS else 1.0

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".strip()


def limits_of(problem: TransferProblem) -> list[Limit]:
    """All finite limits that can be changed by one number, in the order of `UNITS`."""
    chosen, names = problem.limit_set, problem.robot.joint_names
    found = []
    for kind, field in FIELDS.items():
        values = getattr(chosen, field)
        found += [Limit(kind, name, float(v)) for name, v in zip(names, values, strict=True) if np.isfinite(v)]
    for held in problem.holds[:1]:
        found += [Limit("grip_force", "", float(held.grasp.grip_force[1])), Limit("friction", "", held.grasp.friction)]
        found += [Limit("mass", "", held.item.members[0].mass), Limit("lever", "", held.lever(held.item.members[0]))]
        allowed = held.item.tolerates
        found += [
            Limit(kind, "", v)
            for kind in CARE_KINDS
            if np.isfinite(v := float(getattr(allowed, kind))) and (kind, v) != ("swing", 1)
        ]
    found += [Limit(kind, "", value) for kind, value in chosen.others.items()]
    found += [Limit("clearance", "", problem.clearance), Limit("release_opening", "", problem.release_opening)]
    return [limit for limit in found if limit.value > 1e-9]


def changed(problem: TransferProblem, limit: Limit, value: float) -> TransferProblem:
    """The problem with this limit at another value.

    `position` widens the joint's range to hold the value; `lever` moves the item in the hand until its centre of mass is that
    far from the middle of the grasp, contact patches as they are.

    Raises:
        InputError and its subclasses: no such problem can be, for example a grip beyond what the hand gives.
    """
    kind = limit.kind
    if kind in problem.limit_set.others:
        return _with_limits(problem, others={**problem.limit_set.others, kind: value})
    if kind in FIELDS or kind == "position":
        return _with_joint_limit(problem, limit, value)
    if kind in SCENE_KINDS:
        return problem.with_(**{kind: value})
    return problem.with_(holds=(_with_hold(problem.holds[0], kind, value), *problem.holds[1:]))


def _with_joint_limit(problem: TransferProblem, limit: Limit, value: float) -> TransferProblem:
    chosen = problem.limit_set
    joint = problem.robot.joint_names.index(limit.name)
    if limit.kind == "position":
        key = "position_max" if value > chosen.position_max[joint] else "position_min"
    else:
        key = FIELDS[limit.kind]
    values = np.array(getattr(chosen, key))
    values[joint] = value
    return _with_limits(problem, **{key: readonly(values)})


def _with_limits(problem: TransferProblem, **changes: object) -> TransferProblem:
    robot, chosen = problem.robot, problem.limit_set
    new = replace(chosen, **changes)  # type: ignore[arg-type]
    return problem.with_(robot=replace(robot, limits={**robot.limits, chosen.name: new}))


def _with_hold(held: HeldItem, kind: str, value: float) -> HeldItem:
    item, grasp = held.item, held.grasp
    if kind == "grip_force":
        low = min(float(grasp.grip_force[0]), value)
        if grasp.grip_force[0] == grasp.grip_force[1]:
            low = value
        grasp = replace(grasp, grip_force=readonly([low, value]))
    elif kind == "friction":
        grasp = replace(grasp, friction=value)
    elif kind in CARE_KINDS:
        item = replace(item, tolerates=replace(item.tolerates, **{kind: value}))  # type: ignore[arg-type]
    else:
        change: Callable[[Inertial], Inertial] = (
            _lighter(value / item.members[0].mass) if kind == "mass" else _nearer(held, value)
        )
        item = replace(item, members=tuple(change(member) for member in item.members))
    return hold(held.gripper, item, grasp, held.uncertainty)


def _lighter(factor: float) -> Callable[[Inertial], Inertial]:
    return lambda body: Inertial(body.mass * factor, body.com, body.inertia * factor)


def _nearer(held: HeldItem, lever: float) -> Callable[[Inertial], Inertial]:
    """Centres of mass shifted alike, the first one towards the middle of the grasp."""
    middle = held.grasp_T_item.inverse().translation
    first = np.array(held.item.members[0].com)
    shift = (middle - first) * (1 - lever / max(held.lever(held.item.members[0]), 1e-12))
    return lambda body: Inertial(body.mass, body.com + shift, body.inertia)
