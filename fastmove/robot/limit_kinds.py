"""The kinds of limits: one table, read by the certificate, report, plots, limit edits and command line.

`registries.limit_kinds` finds each kind by name; users add their own there (docs/extend/limit_kind.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LimitKind:
    """One kind of limit, such as joint velocity or clearance.

    Attributes:
        name: name in certificates and files.
        unit: unit of its margin.
        group: what it is a limit of, which says where its utilisation is kept in `Certificate.profile`: `state` (continuity),
            `joint` and `effort` (one curve for each joint), `contact` and `tolerance` (of the held item), `rest` (if it stood
            still anywhere on the way), `distance`, `end`, and `path` (a user's own, all along the motion).
        field: attribute of `LimitSet` (joint, effort) or `Tolerance` (tolerance) that holds its value.
        slower: whether a slower motion uses less of it.
        constraint: function that makes a `PathConstraint` from the limit's value, for a user's kind that stands in limit sets
            (`LimitSet.others`); None for all others.
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
SPEED_ENVELOPE = LimitKind("speed_envelope", "rad/s", "joint", slower=True)
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
SQUEEZE = LimitKind("squeeze", "1", "tolerance", slower=True)
REST = LimitKind("rest", "1", "rest")
CLEARANCE = LimitKind("clearance", "m", "distance")
ALLOWED_CONTACT = LimitKind("allowed_contact", "m", "distance")
CORRIDOR = LimitKind("corridor", "m", "distance")
START = LimitKind("start", "rad", "end")
GOAL = LimitKind("goal", "rad", "end")
GRIP_FORCE = LimitKind("grip_force", "N", "end")
GRASP = LimitKind("grasp", "m", "end")
RELEASE = LimitKind("release", "m", "end")

# Kinds that every certificate has, in its order; a problem's own kinds follow (`TransferProblem.limit_kinds`).
KINDS = (
    CONTINUITY, POSITION, VELOCITY, SPEED_ENVELOPE,
    ACCELERATION, JERK, TORQUE, TORQUE_RATE, HOLD, PAD_SHARE, TILT, UPRIGHT, SHOCK, SWING, SQUEEZE,
    REST,
    CLEARANCE, ALLOWED_CONTACT, CORRIDOR, START, GOAL, GRIP_FORCE, GRASP, RELEASE,
)  # fmt: skip


# Kinds that the grip decides; nothing is limited by them where the hold is switched off (`TransferProblem.hold_active`).
GRIPPED = tuple(kind.name for kind in KINDS if kind.group == "contact" or kind is SQUEEZE)


def shown_unit(unit: str) -> tuple[float, str]:
    """Returns the factor and the unit with which a value is shown to people: lengths in mm, pure numbers without a unit."""
    return {"m": (1e3, "mm"), "1": (1.0, "")}.get(unit, (1.0, unit))


def kinds_in(*groups: str) -> tuple[LimitKind, ...]:
    """Returns the limit kinds of the given groups, in the order of `KINDS`."""
    return tuple(kind for kind in KINDS if kind.group in groups)


def names_in(*groups: str) -> tuple[str, ...]:
    """Returns the names of the limit kinds of the given groups, in the order of `KINDS`."""
    return tuple(kind.name for kind in kinds_in(*groups))
