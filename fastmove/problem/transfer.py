"""TransferProblem: everything that defines one transfer, valid once built."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from fastmove import registries
from fastmove.arrays import Array, readonly
from fastmove.errors import InputError, StateOutsideLimits
from fastmove.problem.goal import Goal, State
from fastmove.problem.grasp import HeldItem, hold
from fastmove.problem.path_constraint import PathConstraint
from fastmove.problem.scene import ITEM, Corridor, Scene
from fastmove.problem.uncertainty import affine_basis
from fastmove.robot.joint_limits import LimitSet
from fastmove.robot.limit_kinds import KINDS, LimitKind
from fastmove.robot.model import RobotModel


@dataclass(frozen=True, repr=False)
class TransferProblem:
    """One transfer.

    Attributes:
        holds: what is held by which gripper; a tuple, empty for a bare arm.
        limits: name of the robot's limit set.
        clearance: least distance of arm, hand and item to everything, allowed contacts apart [m].
        gravity: (3,) in the world [m/s²].
        hold_active: False drops the hold from plan and certificate, for comparison only (its use is still in the profile).
        alternatives: other ways to hold the same item, for `plan_contacts`.
        constraints: of the user's own, all along the motion; those of the limit set's further kinds are added to them.
        release_opening: at both ends the hand must be free with its pads this much wider apart than the item [m]; 0 = no check.
    """

    name: str
    robot: RobotModel
    holds: tuple[HeldItem, ...]
    scene: Scene
    start: State
    goal: Goal
    limits: str
    clearance: float = 0.002
    gravity: Array = field(default_factory=lambda: readonly([0.0, 0.0, -9.81]))
    hold_active: bool = True
    release_opening: float = 0.01
    alternatives: tuple[HeldItem, ...] = ()
    constraints: tuple[PathConstraint, ...] = ()

    path_constraints: tuple[PathConstraint, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "gravity", readonly(self.gravity))
        n = self.robot.n_arm
        if self.gravity.shape != (3,) or not np.all(np.isfinite(self.gravity)):
            raise InputError("gravity", "needs three finite numbers [m/s²]")
        if not 0 <= self.clearance <= 0.1:
            raise InputError("clearance", f"is {self.clearance}; allowed: 0 to 0.1 m")
        if not 0 <= self.release_opening <= 0.1:
            raise InputError("release_opening", f"is {self.release_opening}; allowed: 0 to 0.1 m")
        for key in ("q", "v", "a"):
            if getattr(self.start, key).shape != (n,):
                raise InputError(f"start.{key}", f"needs {n} numbers, one per joint of {self.robot.name}")
        if any(p.of == ITEM for p in self.goal.poses) and not self.holds:
            raise InputError("goal.poses", "place the item, but nothing is held; place the tool instead (of = tool)")
        found = self.goal.configurations
        if (len(found) and found.shape[1] != n) or not (len(found) or self.goal.poses):
            raise InputError("goal.q", f"needs {n} numbers, one per joint of {self.robot.name}")
        if not np.all(np.isfinite(found)):
            raise InputError("goal.q", "has numbers that are not finite [rad]")
        mass = sum(max(body.mass for body in held.bodies) for held in self.holds)
        if mass > self.robot.payload:
            raise InputError("item.mass", f"is {mass:g} kg; {self.robot.name} carries at most {self.robot.payload:g} kg")
        taken = {shape.link for shape in self.robot.shapes} | {ITEM}
        for obstacle in self.scene.obstacles:
            if obstacle.name in taken:
                raise InputError("obstacles.name", f"{obstacle.name!r} is a part of the robot or the item; give it another name")
        self._check_start(self.limit_set)
        self._add_constraints(self.limit_set)

    def _add_constraints(self, limits: LimitSet) -> None:
        """The constraints all along the motion: found once, so that a worker process needs no registry."""
        further = [registries.limit_kinds.get(key).constraint(value) for key, value in limits.others.items()]
        every = (*self.constraints, *further)
        names = [constraint.kind.name for constraint in every]
        taken = {kind.name for kind in KINDS}
        for name in names:
            if names.count(name) > 1 or name in taken:
                raise InputError("constraints", f"{name!r} is there twice; every constraint needs a kind of its own")
        object.__setattr__(self, "path_constraints", every)

    @property
    def limit_kinds(self) -> tuple[LimitKind, ...]:
        """Every kind that a certificate of this problem has, in its order."""
        return (*KINDS, *(constraint.kind for constraint in self.path_constraints))

    def __repr__(self) -> str:
        holds = " and ".join(f"{h.item.name} ({h.item.members[0].mass:g} kg, {h.grasp.contact})" for h in self.holds)
        poses, configurations = len(self.goal.poses), len(self.goal.configurations)
        return (
            f"TransferProblem({self.name!r}: {self.robot.name} with limits {self.limits}, holding {holds or 'nothing'}, "
            f"{len(self.scene.obstacles)} obstacles, clearance {self.clearance * 1e3:g} mm, from a start "
            f"{'at rest' if self.start.at_rest else 'in motion'} to "
            f"{f'{poses} goal poses' if poses else f'{configurations} goal configurations'})"
        )

    def _check_start(self, limits: LimitSet) -> None:
        """The start satisfies position, velocity and acceleration limits, and can stay inside the velocity limit.

        With |a| > 0 the velocity grows by at least a²/2j before the acceleration can reach zero.
        """
        q, v, a = self.start.q, self.start.v, self.start.a
        names = self.robot.joint_names
        ahead = v + a * np.abs(a) / (2 * limits.jerk)
        rows = (
            ("q", q, limits.position_min, limits.position_max, "rad"),
            ("v", v, -limits.velocity, limits.velocity, "rad/s"),
            ("a", a, -limits.acceleration, limits.acceleration, "rad/s²"),
            ("v", ahead, -limits.velocity, limits.velocity, "rad/s reached unavoidably"),
        )
        for key, value, low, high, unit in rows:
            slack = 1e-9 * np.maximum(1.0, np.maximum(np.abs(low), np.abs(high)))
            for i in np.nonzero((value < low - slack) | (value > high + slack) | ~np.isfinite(value))[0]:
                raise StateOutsideLimits(
                    f"start.{key}", f"of {names[i]} is {value[i]:.6g} {unit}; allowed: {low[i]:.6g} to {high[i]:.6g}"
                )

    @property
    def corridors(self) -> tuple[Corridor, ...]:
        """Those of the scene that are asked for: of the goal only where the hand opens there."""
        return tuple(c for c in self.scene.corridors if c.at == "start" or self.goal.opens_hand)

    @cached_property
    def limit_set(self) -> LimitSet:
        return self.robot.limit_set(self.limits)

    @cached_property
    def member_indices(self) -> tuple[tuple[int, ...], ...]:
        """For every member of the set that is planned for, the number of the body in each hold.

        Every body is in some member.  Where several items are uncertain, those of one are met by those of the other from
        either end of their lists (heavy and heavy, heavy and light), not by all: that would be thousands.  What the fingers
        carry depends on one body at a time; of torques the certificate knows every combination.
        """
        sizes = [len(held.bodies) for held in self.holds]
        found = [tuple(min(k, size - 1) for size in sizes) for k in range(max(sizes, default=1))]
        if sum(size > 1 for size in sizes) > 1:
            flip = lambda part, k: tuple(sizes[j] - 1 - n if j == k else n for j, n in enumerate(part))  # noqa: E731
            found += [flip(part, k) for k in range(1, len(sizes)) for part in tuple(found)]
        return tuple(dict.fromkeys(found))

    @property
    def members(self) -> int:
        """Number of bodies, or of combinations of them, that are planned for (1 for a bare arm)."""
        return len(self.member_indices)

    @cached_property
    def spanning_members(self) -> tuple[Array, Array]:
        """(indices (B,), weights (members, B)): what is linear in a body's inertial parameters is, for every member, this
        combination of what it is for those at the indices."""
        rows = [
            [held.bodies[n].toDynamicParameters() for held, n in zip(self.holds, part, strict=True)]
            for part in self.member_indices
        ]
        return affine_basis(np.array([np.concatenate(row) if row else np.zeros(1) for row in rows]))

    @property
    def uncertain(self) -> bool:
        """Whether anything may be other than believed."""
        return self.scene.tolerance > 0 or any(not h.uncertainty.exact or len(h.item.members) > 1 for h in self.holds)

    def nominal(self) -> TransferProblem:
        """The same with everything exactly as believed: the first member of each item, the grasp and the scene as given."""
        items = [replace(h.item, members=h.item.members[:1]) for h in self.holds]
        holds = tuple(hold(h.gripper, item, h.grasp) for h, item in zip(self.holds, items, strict=True))
        others = tuple(hold(h.gripper, h.item, h.grasp) for h in self.alternatives)
        return self.with_(holds=holds, alternatives=others, scene=replace(self.scene, tolerance=0.0))

    def with_(self, **changes: object) -> TransferProblem:
        """A copy with these attributes changed, validated again."""
        return replace(self, **changes)  # type: ignore[arg-type]
