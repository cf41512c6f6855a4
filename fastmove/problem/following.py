"""How closely an arm follows its commands: joint errors and a delay, within which clearances hold.

What is sent is the plan; where the arm is, is another matter: servos lag, controllers interpolate between samples.  A following
says that at every time t there is a τ(t) of 0 to `delay`, the same for all joints, with

    |q_true,k(t) − q_commanded,k(t − τ(t))| ≤ error_k     for every joint k.

A delay alone changes no path: where nothing moves but the arm, only `error` takes clearance away.  Of an obstacle that moves, the
arm may meet any place that it reaches within `delay` of the planned time.

What is sent are samples of the commanded polynomial q, one control cycle h apart.  Between them a controller goes its own way:

    linear   |q − chord| ≤ a h² / 8 with |q̈| ≤ a: the difference vanishes at both samples and has the second derivative q̈; its
             kernel at the middle is a triangle of height h/4 and area h²/8
    cubic    through the samples' q and q̇: |q − cubic| ≤ j h³ / 96 with |q⃛| ≤ j; at the middle the difference is −∫ k(t) q⃛ dt
             with k = t (h − 2t) / 8 up to h/2 and odd about it, ∫|k| = h³/96 (Birkhoff & Priver, J. Math. Phys. 46, 1967)
    hold     the last sample stays: q a cycle ago at most, which adds h to the delay and nothing to the error
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmove.arrays import Array
from fastmove.errors import InputError

ERROR_MAX = 0.1  # Largest joint error that a following may have [rad or m].
DELAY_MAX = 0.5  # Largest delay [s].


@dataclass(frozen=True)
class Following:
    """How closely an arm follows its commands; the default is exactly.

    Attributes:
        error: largest distance from the command of every joint, or of each (n,) [rad; m for prismatic joints].
        delay: longest delay of the arm behind its commands [s].
    """

    error: float | tuple[float, ...] = 0.0
    delay: float = 0.0

    def __post_init__(self) -> None:
        errors = np.asarray(self.error, dtype=float)
        if errors.ndim > 1 or errors.size == 0 or not np.all((errors >= 0) & (errors <= ERROR_MAX)):
            raise InputError(
                "following.error", f"is {errors.tolist()}; allowed: 0 to {ERROR_MAX:g} rad (m for prismatic joints), one or each"
            )
        if not 0 <= self.delay <= DELAY_MAX:
            raise InputError("following.delay", f"is {self.delay}; allowed: 0 to {DELAY_MAX:g} s")
        object.__setattr__(self, "error", float(errors) if errors.ndim == 0 else tuple(errors.tolist()))
        object.__setattr__(self, "delay", float(self.delay))

    @staticmethod
    def of(
        error: float | tuple[float, ...],
        delay: float,
        cycle: float,
        interpolation: str,
        acceleration: object = None,
        jerk: object = None,
    ) -> Following:
        """Builds the following of an arm whose controller fills in what is between samples one control cycle h apart.

        Beyond what is measured at the samples, a linear interpolation adds a h² / 8 to the error, a cubic one j h³ / 96, and
        holding the last sample adds h to the delay (derived at the top of this module).

        Args:
            error: largest joint error at the samples, of every joint or of each [rad].
            delay: longest delay at the samples [s].
            cycle: time h between samples [s].
            interpolation: `linear`, `cubic` or `hold`.
            acceleration: largest acceleration a of the motion, of every joint or of each, for `linear` [rad/s²].
            jerk: largest jerk j likewise, for `cubic` [rad/s³].

        Raises:
            InputError: an interpolation is unknown, what its bound needs is missing, or the sum is out of range.
        """
        if not 0 <= cycle <= DELAY_MAX:
            raise InputError("following.cycle", f"is {cycle}; allowed: 0 to {DELAY_MAX:g} s")
        if interpolation == "hold":
            return Following(error, delay + cycle)
        bounds = {"linear": ("acceleration", acceleration, cycle**2 / 8), "cubic": ("jerk", jerk, cycle**3 / 96)}
        if interpolation not in bounds:
            raise InputError("following.interpolation", f"is {interpolation!r}; allowed: linear, cubic, hold")
        key, largest, share = bounds[interpolation]
        if largest is None:
            raise InputError(f"following.{key}", f"is missing; what a {interpolation} interpolation leaves out depends on it")
        sizes = np.abs(np.asarray(largest, dtype=float))
        return Following(tuple(np.atleast_1d(np.asarray(error) + share * sizes).tolist()), delay)

    @property
    def exact(self) -> bool:
        """Whether the arm follows exactly and at once."""
        return not (np.any(self.error) or self.delay)

    def errors(self, n: int) -> Array:
        """Returns the largest error of each of n joints (n,) [rad or m]."""
        return np.broadcast_to(np.asarray(self.error, dtype=float), n)

    def covers(self, actual: Following, obstacles_move: bool = True) -> bool:
        """Whether an arm that follows like `actual` stays within this following.

        Args:
            actual: how closely the arm follows, as its driver says.
            obstacles_move: whether any obstacle moves; if none does, a delay takes no clearance away.
        """
        kept = bool(np.all(np.asarray(actual.error) <= np.asarray(self.error) * (1 + 1e-9)))
        return kept and (not obstacles_move or actual.delay <= self.delay * (1 + 1e-9))

    def __str__(self) -> str:
        if self.exact:
            return "follows its commands exactly"
        errors = np.atleast_1d(self.error) * 1e3
        low, high = f"{errors.min():.3g}", f"{errors.max():.3g}"
        return f"follows its commands within {high if low == high else f'{low} to {high}'} mrad and {self.delay * 1e3:.3g} ms"


EXACTLY = Following()  # The following of an arm that is always where its command is.


def uncovered(planned: Following, actual: Following | None, obstacles_move: bool) -> str:
    """Says what of a driver's following a plan does not cover; empty where it covers all.

    Args:
        planned: the following that the problem was planned and certified with.
        actual: the driver's; None where nobody has said how closely it follows.
        obstacles_move: whether any obstacle moves.
    """
    if actual is None:
        return "not checked: nobody has said how closely this arm follows its commands (`Driver.following`)"
    if planned.covers(actual, obstacles_move):
        return ""
    return (
        f"the arm {actual}, the plan is clear of everything for one that {planned}: "
        f"plan with [following] joint_error_mrad = {np.max(actual.error) * 1e3:.3g}, delay_ms = {actual.delay * 1e3:.3g}"
    )
