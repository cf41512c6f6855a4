"""How the speed along a motion's path may change: the window of s̈, and of s⃛, that its limits leave at a place s and speed ṡ.

With ′ for derivatives along the path (in the motion's own time s), everything that is limited but the rates is affine in s̈:

    acceleration   q″ ṡ² + q′ s̈
    efforts        E₂ ṡ² + E₁ ṡ + E₀ + E_m s̈     torques and contact wrenches; E₀ at rest, E₁ damping, E_m = M q′

so each place and speed has an interval of s̈, found in closed form for joints and torques and by bisection for the hold, whose
use is convex in s̈.  At ṡ ≤ 1 and s̈ = 0 accelerations, torques without damping and wrenches lie between those of the motion at
full speed and those at rest, so the interval holds 0 wherever the item is held at rest.  Jerk and torque rate are affine in s⃛:

    jerk           q‴ ṡ³ + 3 q″ ṡ s̈ + q′ s⃛
    torque rate    ṡ (E₂′ ṡ² + E₁′ ṡ + E₀′ + E_m′ s̈) + 2 E₂ ṡ s̈ + E₁ s̈ + E_m s⃛

The tables are on a grid, derivatives of efforts are differences on it: they propose laws, the certificate decides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastmove.arrays import Array
from fastmove.dynamics.efforts import Dynamics
from fastmove.dynamics.load_usage import LoadUtilisation
from fastmove.problem.transfer import TransferProblem
from fastmove.trajectory.trajectory import Trajectory

PLACE_STEP = 0.002  # Distance of places on the path [s].
SPEEDS = 21  # Number of speeds from 0 to 1.
USED = 0.99  # Share of the limits of joints and torques that is used.
HELD = 0.999  # Share of the hold and of what the items tolerate that is used.
MOST = 60.0  # Largest magnitude of s̈ [1/s].
BISECTIONS = 12  # Number of bisections of the interval that the hold leaves.
TINY = 1e-9  # Slope from which on a row limits s̈ or s⃛.


@dataclass(frozen=True)
class SpeedWindow:
    """Intervals on a grid of places (K,) and speeds (M,); see the module.

    Attributes:
        place: Places s (K,) on the path [s].
        speed: Speeds ṡ (M,) from 0 to 1.
        low: Least s̈ (K, M) [1/s], not above 0; 0 where the window is shut.
        high: Largest s̈ (K, M) [1/s], not below 0.
        third: Largest magnitude (K, M) of s⃛ [1/s²] that jerk and torque rate allow at s̈ = 0 and at `low` and `high` as well.
    """

    place: Array
    speed: Array
    low: Array
    high: Array
    third: Array


def speed_window(problem: TransferProblem, dynamics: Dynamics, trajectory: Trajectory) -> SpeedWindow:
    """Computes the window of a motion's path."""
    limits, n = problem.limit_set, problem.robot.n_arm
    place = np.linspace(0.0, trajectory.duration, max(2, round(trajectory.duration / PLACE_STEP)) + 1)
    q, v, a, j = (trajectory.motion(k)(place) for k in range(4))
    zero = np.zeros_like(q)
    full, lean = dynamics.efforts(q, v, a), dynamics.efforts(q, zero, v)
    rest, damping = full.gravity, full.viscous
    square, mass = full.total - rest - damping, lean.total - rest
    speed = np.linspace(0.0, 1.0, SPEEDS)
    still = speed**2 * square[..., None] + speed * damping[..., None] + rest[..., None]  # (K, members, rows, M)
    low, high = np.full((len(place), SPEEDS), -MOST), np.full((len(place), SPEEDS), MOST)
    low, high = _narrowed(low, high, a[..., None] * speed**2, v, USED * limits.acceleration)
    for member in range(still.shape[1]):
        low, high = _narrowed(low, high, still[:, member, :n], mass[:, member, :n], USED * limits.effort)
    low, high = _held(LoadUtilisation(problem), still, mass, low, high)
    slopes = [np.gradient(x, place, axis=0) for x in (square, damping, rest, mass)]
    low, high, third = _thirds(
        problem, speed, (v, a, j), (square, damping, rest, mass), slopes, np.minimum(low, 0), np.maximum(high, 0)
    )
    return SpeedWindow(place, speed, low, high, third)


def _narrowed(low: Array, high: Array, here: Array, slope: Array, limit: Array) -> tuple[Array, Array]:
    """Intervals (K, M) in which also |here (K, n, M) + slope (K, n) · x| ≤ limit (n,)."""
    size = np.maximum(np.abs(slope), TINY)[..., None]
    middle = -here / np.where(slope < 0, -size[..., 0], size[..., 0])[..., None]
    half = np.where(np.isfinite(limit), limit, np.inf)[:, None] / size
    return np.maximum(low, (middle - half).max(axis=1)), np.minimum(high, (middle + half).min(axis=1))


def _held(loads: LoadUtilisation, still: Array, mass: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Intervals in which the contacts hold, too, and the items bear it; 0 where not even s̈ = 0 does."""
    if not loads.contacts and not any(tolerance is not None for tolerance in loads.tolerances):
        return low, high
    count, members, rows, speeds = still.shape
    flat = np.moveaxis(still, -1, 1).reshape(count * speeds, members, rows)
    slope = np.repeat(mass, speeds, axis=0)

    def bears(x: Array) -> Array:
        efforts = flat + slope * x.ravel()[:, None, None]
        worst = np.maximum(loads.hold_utilisation(efforts), loads.tolerance_utilisation(efforts, at_rest=False))
        return (worst <= HELD).reshape(count, speeds)

    ends = []
    for edge in (low, high):
        inner, outer = np.zeros_like(edge), edge.copy()
        fits = bears(outer)
        for _ in range(BISECTIONS):
            middle = (inner + outer) / 2
            ok = bears(middle)
            inner, outer = np.where(ok, middle, inner), np.where(ok, outer, middle)
        ends.append(np.where(fits, edge, inner))
    return ends[0], ends[1]


def _thirds(
    problem: TransferProblem, speed: Array, motion: tuple[Array, Array, Array], efforts: tuple[Array, ...], slopes: list[Array],
    low: Array, high: Array,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Intervals of s̈ in which s⃛ = 0 keeps jerk and torque rate, and how much |s⃛| they leave at the worst of their ends."""
    limits, n = problem.limit_set, problem.robot.n_arm
    v, a, j = motion
    square, damping, _, mass = (x[:, :, :n] for x in efforts)
    square_, damping_, rest_, mass_ = (x[:, :, :n] for x in slopes)
    rows = [(j[..., None] * speed**3, 3 * a[..., None] * speed, v, USED * limits.jerk)]
    if np.any(np.isfinite(limits.effort_rate)):
        for m in range(square.shape[1]):
            fixed = speed * (square_[:, m, :, None] * speed**2 + damping_[:, m, :, None] * speed + rest_[:, m, :, None])
            slope = speed * mass_[:, m, :, None] + 2 * speed * square[:, m, :, None] + damping[:, m, :, None]
            rows.append((fixed, slope, mass[:, m], USED * limits.effort_rate))
    third = np.full(low.shape, np.inf)
    for fixed, slope, lead, limit in rows:
        room = limit[:, None] - np.abs(fixed)  # left for s̈ and s⃛ where they do the worst
        half = np.maximum(room, 0.0)
        most = half / 2 / np.maximum(np.abs(slope), TINY)  # half of it for s̈ …
        low, high = np.maximum(low, -most.min(axis=1)), np.minimum(high, most.min(axis=1))
        third = np.minimum(third, (half / 2 / np.maximum(np.abs(lead), TINY)[..., None]).min(axis=1))  # … and half for s⃛
    return low, high, third
