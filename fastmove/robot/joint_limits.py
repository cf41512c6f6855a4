"""Sets of joint limits: position, velocity (also by position), acceleration, jerk, effort and effort rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from fastmove import registries
from fastmove.arrays import Array, readonly
from fastmove.errors import InputError
from fastmove.robot.speed_envelope import SpeedEnvelope

# Fields of a limit set that have one number per joint.
LIMIT_KEYS = ("position_min", "position_max", "velocity", "acceleration", "jerk", "effort", "effort_rate")


FASTEST = 60.0  # Speed above which a joint of an arm counts as given in another unit [rad/s].


@dataclass(frozen=True)
class LimitSet:
    """A named set of joint limits, one number per arm joint, in joint order.

    Units are those of revolute joints; for prismatic joints read m for rad and N for Nm.  Infinite means no limit; velocity,
    acceleration and jerk must be finite.

    Attributes:
        name: name of the set.
        position_min: (n_arm,) least positions [rad].
        position_max: (n_arm,) largest positions [rad].
        velocity: (n_arm,) largest speeds [rad/s].
        acceleration: (n_arm,) largest accelerations [rad/s²].
        jerk: (n_arm,) largest jerks [rad/s³].
        effort: (n_arm,) largest torques [Nm].
        effort_rate: (n_arm,) largest rates of torque [Nm/s].
        speed_envelope: speed limits that depend on the positions, besides `velocity`; None = there are none.
        others: limits of further kinds by name, one number each (see `registries.limit_kinds`).
        assumed: sentence on what of it is only assumed; empty if nothing is.
    """

    name: str
    position_min: Array
    position_max: Array
    velocity: Array
    acceleration: Array
    jerk: Array
    effort: Array
    effort_rate: Array
    speed_envelope: SpeedEnvelope | None = None
    others: Mapping[str, float] = field(default_factory=dict)
    assumed: str = ""

    @property
    def middle(self) -> Array:
        """(n_arm,) middles of the position ranges [rad]."""
        return np.asarray((self.position_min + self.position_max) / 2)

    def __post_init__(self) -> None:
        for key in LIMIT_KEYS:
            object.__setattr__(self, key, readonly(getattr(self, key)))
        size = len(self.position_min)
        for key in LIMIT_KEYS:
            if getattr(self, key).shape != (size,):
                raise InputError(f"limits.{self.name}.{key}", f"needs {size} numbers, one per joint")
        if np.any(self.position_min >= self.position_max):
            raise InputError(f"limits.{self.name}.position_min", "must be below position_max for every joint")
        for key in ("velocity", "acceleration", "jerk", "effort", "effort_rate"):
            values = getattr(self, key)
            if np.any(np.isnan(values)) or np.any(values <= 0):
                raise InputError(f"limits.{self.name}.{key}", f"is {values.tolist()}; every limit must be positive")
        if np.any(self.velocity > FASTEST):
            raise InputError(
                f"limits.{self.name}.velocity",
                f"is {self.velocity.tolist()}; allowed: to {FASTEST:g} rad/s (degrees need × π/180)",
            )
        if not all(np.all(np.isfinite(getattr(self, key))) for key in ("velocity", "acceleration", "jerk")):
            raise InputError(f"limits.{self.name}", "velocity, acceleration and jerk must be finite")
        if self.speed_envelope is not None:
            self.speed_envelope.check(f"limits.{self.name}.speed_envelope", self.position_min, self.position_max)
        for key, value in self.others.items():
            if registries.limit_kinds.get(key).constraint is None:
                raise InputError(f"limits.{self.name}.{key}", "is no limit that one number says")
            if not 0 < value < np.inf:
                raise InputError(f"limits.{self.name}.{key}", f"is {value}; it must be positive")
