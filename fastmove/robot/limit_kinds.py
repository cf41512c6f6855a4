"""Kinds of limits: the one table that certificate, report, plots, limit edits and command line read.

`registries.limit_kinds` finds each by name; a user's own is added there (docs/extend/limit_kind.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LimitKind:
    """One kind of limit.

    Attributes:
        name: in certificates and files.
        unit: of its margin.
        group: what it is a limit of, which says where its use is kept in `Certificate.profile`:
            `state` (continuity), `joint` and `effort` (one curve for each joint), `contact` and `tolerance` (of what is held),
            `distance`, `end`, and `path` (a user's own, all along the motion).
        field: attribute of `LimitSet` (joint, effort) or `Tolerance` (tolerance) that holds its value.
        slower: whether a slower motion uses less of it.
        constraint: of a user's kind that stands in limit sets: what makes its `PathConstraint` from its value.
    """

    name: str
    unit: str
    group: str
    field: str = ""
    slower: bool = False
    constraint: Callable[[float], Any] | None = None


CONTINUITY = LimitKind("continuity", "rad", "state")
POSITION = LimitKind("position", "rad", "joint")
VELOCITY = LimitKind("velocity", "rad/s", "joint", "velocity", slower=True)
ACCELERATION = LimitKind("acceleration", "rad/s²", "joint", "acceleration", slower=True)
JERK = LimitKind("jerk", "rad/s³", "joint", "jerk", slower=True)
TORQUE = LimitKind("torque", "Nm", "effort", "effort", slower=True)
TORQUE_RATE = LimitKind("torque_rate", "Nm/s", "effort", "effort_rate", slower=True)
HOLD = LimitKind("hold", "1", "contact", slower=True)
PAD_SHARE = LimitKind("pad_share", "1", "contact", slower=True)
TILT = LimitKind("tilt", "rad", "tolerance", "tilt", slower=True)
UPRIGHT = LimitKind("upright", "rad", "tolerance", "upright")
SHOCK = LimitKind("shock", "m/s²", "tolerance", "shock", slower=True)
SWING = LimitKind("swing", "1", "tolerance", "swing", slower=True)
CLEARANCE = LimitKind("clearance", "m", "distance")
ALLOWED_CONTACT = LimitKind("allowed_contact", "m", "distance")
CORRIDOR = LimitKind("corridor", "m", "distance")
START = LimitKind("start", "rad", "end")
GOAL = LimitKind("goal", "rad", "end")
GRIP_FORCE = LimitKind("grip_force", "N", "end")
GRASP = LimitKind("grasp", "m", "end")
RELEASE = LimitKind("release", "m", "end")

KINDS = (
    CONTINUITY, POSITION, VELOCITY, ACCELERATION, JERK, TORQUE, TORQUE_RATE, HOLD, PAD_SHARE, TILT, UPRIGHT, SHOCK, SWING,
    CLEARANCE, ALLOWED_CONTACT, CORRIDOR, START, GOAL, GRIP_FORCE, GRASP, RELEASE,
)  # fmt: skip  # that every certificate has, in its order; a problem's own follow (`TransferProblem.limit_kinds`)


def kinds_in(*groups: str) -> tuple[LimitKind, ...]:
    """Those of `KINDS` in these groups, in their order."""
    return tuple(kind for kind in KINDS if kind.group in groups)


def names_in(*groups: str) -> tuple[str, ...]:
    """Their names."""
    return tuple(kind.name for kind in kinds_in(*groups))
