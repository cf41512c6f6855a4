"""The transfer problem: everything that defines one transfer, validated when it is built."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from fastmove import registries
from fastmove.arrays import Array, readonly
from fastmove.errors import InputError, StateOutsideLimits, UnknownName
from fastmove.problem.following import EXACTLY, Following
from fastmove.problem.goal import TOOL, Goal, State
from fastmove.problem.grasp import HeldItem, hold
from fastmove.problem.path_constraint import PathConstraint
from fastmove.problem.scene import ITEM, AllowedContact, Corridor, Scene
from fastmove.problem.uncertainty import affine_basis
from fastmove.robot.joint_limits import LimitSet
from fastmove.robot.limit_kinds import KINDS, LimitKind
from fastmove.robot.link_geometry import has_link, link_names
from fastmove.robot.model import RobotModel

SLIPPING = 1e-9  # Largest difference of velocity between the goal and what is touched there [m/s].


@dataclass(frozen=True, repr=False)
class TransferProblem:
    """One transfer of held items from a start state to a goal; building one validates it.

    Attributes:
        name: name of the problem.
        robot: the robot.
        holds: held items, one per gripper in use; empty for a bare arm.
        scene: obstacles, allowed contacts and corridors.
        start: state that the motion begins in.
        goal: where the motion may end, at rest or moving on with it; positions of continuous joints are taken within half a turn
            of the start, since whole turns of them are the same place.
        limits: name of the limit set of the robot.
        clearance: least distance of arm, hand and item from everything else, but for allowed contacts [m].
        gravity: (3,) gravity in the world [m/s²].
        hold_active: whether the hold is limited; False drops it from plan and certificate, for comparison only (its use is still
            in the profile).
        release_opening: at both ends the hand must be free with its pads wider apart than the item by this [m]; 0 = no check.
        alternatives: other ways to hold the same item, for `plan_contacts`.
        constraints: user-defined constraints that hold all along the motion.
        accepts: names of what may stay unchecked (`Certificate.unchecked`), as a link without a collision shape; else nothing is
            planned for such a robot, and no certificate is ok.
        following: how closely the arm follows its commands; clearances hold for every arm that follows so.
        openings: (name of a gripper, its opening [m]) of hands that hold nothing; those that are not named are fully open.
        path_constraints: `constraints` and those that the limit set of the robot demands by registered limit kinds.
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
    accepts: tuple[str, ...] = ()
    following: Following = EXACTLY
    openings: tuple[tuple[str, float], ...] = ()

    path_constraints: tuple[PathConstraint, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "gravity", readonly(self.gravity))
        n = self.robot.n_arm
        if not isinstance(self.limits, str):
            raise InputError(
                "limits", f"needs the name of a limit set, one of {', '.join(self.robot.limits)}, not the set itself"
            )
        if self.gravity.shape != (3,) or not np.all(np.isfinite(self.gravity)):
            raise InputError("gravity", "needs three finite numbers [m/s²]")
        if not 0 <= self.clearance <= 0.1:
            raise InputError("clearance", f"is {self.clearance}; allowed: 0 to 0.1 m")
        if np.ndim(self.following.error) and len(np.atleast_1d(self.following.error)) != n:
            raise InputError("following.error", f"needs one number, or {n}, one per joint of {self.robot.name}")
        if not 0 <= self.release_opening <= 0.1:
            raise InputError("release_opening", f"is {self.release_opening}; allowed: 0 to 0.1 m")
        self._check_openings()
        for key in () if self.start.open else ("q", "v", "a"):
            if getattr(self.start, key).shape != (n,):
                raise InputError(f"start.{key}", f"needs {n} numbers, one per joint of {self.robot.name}")
        for end, poses in (("start.pose", self.start.poses), ("goal.pose", self.goal.poses)):
            for placed in poses:
                self._check_placed(end, placed.of)
        goal_q = self.goal.configurations
        if (len(goal_q) and goal_q.shape[1] != n) or not (len(goal_q) or self.goal.poses):
            raise InputError("goal.q", f"needs {n} numbers, one per joint of {self.robot.name}")
        if not np.all(np.isfinite(goal_q)):
            raise InputError("goal.q", "has numbers that are not finite [rad]")
        self._turn_goals()
        self._check_moving_goal()
        mass = sum(max(body.mass for body in held.bodies) for held in self.holds)
        if mass > self.robot.payload:
            raise InputError("item.mass", f"is {mass:g} kg; {self.robot.name} carries at most {self.robot.payload:g} kg")
        taken = {shape.link for shape in self.robot.shapes} | {ITEM}
        for obstacle in self.scene.obstacles:
            if obstacle.name in taken:
                raise InputError("obstacles.name", f"{obstacle.name!r} is a part of the robot or the item; give it another name")
        if not self.start.open:
            self._check_start(self.limit_set)
        self._add_constraints(self.limit_set)

    def _check_moving_goal(self) -> None:
        """Checks that what the item touches at the goal moves on as the goal does."""
        for contact in self.allowed_contacts:
            surface = self.scene.surface_velocity(contact.obstacle)
            if contact.applies("goal") and np.abs(surface - self.goal.velocity).max() > SLIPPING:
                raise InputError(
                    "goal.velocity",
                    f"is {np.array(self.goal.velocity).tolist()} m/s, but what the item touches there, {contact.obstacle!r}, "
                    f"moves at {surface.tolist()} m/s (surface_velocity); they must be the same, or it is dragged",
                )
        if self.goal.moves and self.start.open and not self.start.moves_on:
            raise InputError("start.pose", "is given where the goal moves on; give the start as a configuration (start.q)")
        if self.goal.moves and any(corridor.at == "goal" for corridor in self.scene.corridors):
            raise InputError("corridors.at", "is goal, where the goal moves; corridors are for goals that stand still")

    def _check_openings(self) -> None:
        """Checks the openings of hands that hold nothing."""
        holding = {held.gripper.name for held in self.holds}
        for name, opening in self.openings:
            if name not in self.robot.grippers:
                known = tuple(self.robot.grippers)
                raise UnknownName("openings", f"{name!r} is no gripper of {self.robot.name}", name, known)
            if name in holding:
                raise InputError("openings", f"gives {name!r} an opening, but it holds an item, whose width is its opening")
            low, high = self.robot.grippers[name].opening
            if not low <= opening <= high:
                raise InputError("openings", f"of {name!r} is {opening} m; allowed: {low:g} to {high:g} m")

    def _check_placed(self, end: str, of: str) -> None:
        """Checks that there is what a pose places: the item, the tool, or a link."""
        if of == ITEM and not self.holds:
            instead = "the tool (of = tool) or a link" if self.robot.grippers else "a link (of = its name)"
            raise InputError(end, f"places the item, but nothing is held; place {instead} instead")
        if of == TOOL and not self.robot.grippers:
            raise InputError(end, f"places the tool, but {self.robot.name} has no gripper; place a link instead (of = its name)")
        if of not in (ITEM, TOOL) and not has_link(self.robot.model, of):
            known = (ITEM, TOOL, *link_names(self.robot.model))
            allowed = ", ".join(known[:20])
            raise UnknownName(end, f"places {of!r}, which is no link of {self.robot.name}; allowed: {allowed}", of, known)

    def _turn_goals(self) -> None:
        """Takes each goal position of a continuous joint the short way from the start: whole turns of it are the same place."""
        turns, q = np.array(self.robot.continuous, dtype=bool), self.goal.configurations
        if not turns.any() or len(q) == 0 or self.start.open:
            return
        whole = 2 * np.pi * np.round((q - self.start.q) / (2 * np.pi))
        object.__setattr__(self, "goal", replace(self.goal, configurations=np.where(turns, q - whole, q)))

    def _add_constraints(self, limits: LimitSet) -> None:
        """Sets `path_constraints`, once when the problem is built, so that a worker process needs no registry."""
        from_limits = [registries.limit_kinds.get(key).constraint(value) for key, value in limits.others.items()]
        constraints = (*self.constraints, *from_limits)
        names = [constraint.kind.name for constraint in constraints]
        taken = {kind.name for kind in KINDS}
        for name in names:
            if names.count(name) > 1 or name in taken:
                raise InputError("constraints", f"{name!r} is there twice; every constraint needs a kind of its own")
        object.__setattr__(self, "path_constraints", constraints)

    @property
    def limit_kinds(self) -> tuple[LimitKind, ...]:
        """All limit kinds that a certificate of this problem has, in the order of the certificate."""
        return (*KINDS, *(constraint.kind for constraint in self.path_constraints))

    def __repr__(self) -> str:
        holds = " and ".join(f"{h.item.name} ({h.item.members[0].mass:g} kg, {h.grasp.contact})" for h in self.holds)
        poses, configurations = len(self.goal.poses), len(self.goal.configurations)
        return (
            f"TransferProblem({self.name!r}: {self.robot.name} with limits {self.limits}, holding {holds or 'nothing'}, "
            f"{len(self.scene.obstacles)} obstacles, clearance {self.clearance * 1e3:g} mm, from a start "
            f"{'by poses' if self.start.poses else 'at rest' if self.start.at_rest else 'in motion'} to "
            f"{f'{poses} goal poses' if poses else f'{configurations} goal configurations'})"
        )

    def _check_start(self, limits: LimitSet) -> None:
        """Checks that the start is within position, velocity and acceleration limits, and can stay within the velocity limit.

        With |a| > 0 the velocity grows by at least a²/2j before the acceleration can reach zero.
        """
        q, v, a = self.start.q, self.start.v, self.start.a
        names = self.robot.joint_names
        ahead = v + a * np.abs(a) / (2 * limits.jerk)
        slowest, fastest = (
            (-limits.velocity, limits.velocity) if limits.speed_envelope is None else limits.speed_envelope.range(q)
        )
        rows = (
            ("q", q, limits.position_min, limits.position_max, "rad"),
            ("v", v, -limits.velocity, limits.velocity, "rad/s"),
            ("v", v, slowest, fastest, "rad/s at its position"),
            ("a", a, -limits.acceleration, limits.acceleration, "rad/s²"),
            ("v", ahead, -limits.velocity, limits.velocity, "rad/s reached unavoidably"),
        )
        for key, value, low, high, unit in rows:
            slack = 1e-9 * np.maximum(1.0, np.maximum(np.abs(low), np.abs(high)))
            for i in np.nonzero((value < low - slack) | (value > high + slack) | ~np.isfinite(value))[0]:
                beyond = max(low[i] - value[i], value[i] - high[i])
                raise StateOutsideLimits(
                    f"start.{key}",
                    f"of {names[i]} is {value[i]:.9g} {unit}; allowed: {low[i]:.7g} to {high[i]:.7g} ({beyond:.2g} beyond)",
                )
        # At the largest deceleration v² / 2a is needed; jerk makes it longer.
        stop = q + np.sign(v) * v * v / (2 * limits.acceleration)
        beyond = (stop < limits.position_min - 1e-9) | (stop > limits.position_max + 1e-9)
        for i in np.nonzero(beyond & (v != 0))[0]:
            end = limits.position_max[i] if v[i] > 0 else limits.position_min[i]
            raise StateOutsideLimits(
                "start",
                f"{names[i]} at {q[i]:.4f} rad and {v[i]:.3g} rad/s cannot stop before {end:.4f} rad "
                f"(it needs {abs(stop[i] - q[i]):.3g} rad at {limits.acceleration[i]:g} rad/s²)",
            )

    @property
    def must_hold(self) -> bool:
        """Whether something is held whose hold has to last."""
        return self.hold_active and bool(self.holds)

    @property
    def allowed_contacts(self) -> tuple[AllowedContact, ...]:
        """Allowed contacts of the scene that apply: at a goal at rest nothing is touched whose surface moves."""
        if self.goal.moves:
            return self.scene.allowed_contacts
        moving = {obstacle.name for obstacle in self.scene.obstacles if any(obstacle.surface_velocity)}
        apply = (c for c in self.scene.allowed_contacts if c.obstacle not in moving or c.applies("start"))
        return tuple(replace(c, at="start") if c.obstacle in moving else c for c in apply)

    @property
    def corridors(self) -> tuple[Corridor, ...]:
        """Corridors of the scene that are required; those of the goal are only where the hand opens there."""
        return tuple(c for c in self.scene.corridors if c.at == "start" or self.goal.opens_hand)

    @cached_property
    def limit_set(self) -> LimitSet:
        """The limit set of the robot that `limits` names."""
        return self.robot.limit_set(self.limits)

    @cached_property
    def member_indices(self) -> tuple[tuple[int, ...], ...]:
        """For every combination of bodies that is planned for, the index of the body in each hold.

        Every body is in some combination.  Where several items are uncertain, their lists of bodies are paired in order and
        reversed (heavy with heavy, heavy with light) instead of in all combinations, which would be thousands.  What the fingers
        carry depends on one body at a time; for torques the certificate covers every combination.
        """
        sizes = [len(held.bodies) for held in self.holds]
        combinations = [tuple(min(k, size - 1) for size in sizes) for k in range(max(sizes, default=1))]
        if sum(size > 1 for size in sizes) > 1:
            flip = lambda part, k: tuple(sizes[j] - 1 - n if j == k else n for j, n in enumerate(part))  # noqa: E731
            combinations += [flip(part, k) for k in range(1, len(sizes)) for part in tuple(combinations)]
        return tuple(dict.fromkeys(combinations))

    @property
    def n_members(self) -> int:
        """Number of combinations of bodies that are planned for; 1 for a bare arm."""
        return len(self.member_indices)

    @cached_property
    def spanning_members(self) -> tuple[Array, Array]:
        """Members from which everything that is linear in the inertial parameters follows for all members.

        Indices (B,) of these members, and weights (members, B): a quantity of every member is the weighted sum of that of these.
        """
        rows = [
            [held.bodies[n].toDynamicParameters() for held, n in zip(self.holds, part, strict=True)]
            for part in self.member_indices
        ]
        return affine_basis(np.array([np.concatenate(row) if row else np.zeros(1) for row in rows]))

    @property
    def uncertain(self) -> bool:
        """Whether anything, of the held items or the obstacles, may differ from its nominal value."""
        return self.scene.obstacle_uncertainty > 0 or any(not h.uncertainty.exact or len(h.item.members) > 1 for h in self.holds)

    def nominal(self) -> TransferProblem:
        """Returns the problem without uncertainty: each held item is its first member, grasp and scene are as given."""
        items = [replace(h.item, members=h.item.members[:1]) for h in self.holds]
        holds = tuple(hold(h.gripper, item, h.grasp) for h, item in zip(self.holds, items, strict=True))
        alternatives = tuple(hold(h.gripper, h.item, h.grasp) for h in self.alternatives)
        return self.with_(holds=holds, alternatives=alternatives, scene=replace(self.scene, obstacle_uncertainty=0.0))

    def with_(self, **changes: object) -> TransferProblem:
        """Returns a copy with these attributes changed, validated again."""
        return replace(self, **changes)  # type: ignore[arg-type]
