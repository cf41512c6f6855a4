"""Initial guesses of a motion: control points on a spline basis from a straight or bent line, a path, or a moving start.

The first and last three control points are fixed by the ends of the motion; the functions return the n_free between them.
"""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array
from fastmove.problem.goal import State
from fastmove.robot.joint_limits import LimitSet
from fastmove.search.polyline import on_polyline
from fastmove.search.time_bound import ARRIVING, Bound, joint_motions
from fastmove.trajectory.bspline import SplineBasis


def straight_guess(start: Array, goal: Array, knots: Bound, basis: SplineBasis) -> Array:
    """Returns the control points (n_free, n) [rad] of a straight line in joint space, timed like the slowest joint's optimum.

    That time profile is a cubic spline on the switching times, so interpolation at the Greville sites is exact.

    Args:
        start: Configuration at the start (n,) [rad].
        goal: Configuration at the goal (n,) [rad].
        knots: Lower bound with the motion of the slowest joint.
        basis: Spline basis whose breakpoints include the bound's switching times.
    """
    sites = basis.greville()
    share = np.linalg.solve(basis.design_matrix(sites), knots.progress(sites))
    return np.asarray((start + np.outer(share, goal - start))[3:-3])


def bent_guess(start: Array, goal: Array, limits: LimitSet, basis: SplineBasis, seed: int) -> Array:
    """Returns the control points (n_free, n) [rad] of a straight line bent in every joint by three random sine waves.

    They stay inside the position limits by 2 % of the range.

    Args:
        start: Configuration at the start (n,) [rad].
        goal: Configuration at the goal (n,) [rad].
        limits: Limits of the joints.
        basis: Spline basis of the guess.
        seed: Seed of the random amplitudes.
    """
    rng = np.random.default_rng(seed)
    u = np.linspace(0.0, 1.0, basis.size - 4)[1:-1, None]
    bend = sum(rng.normal(0.0, 0.4 / k, len(goal)) * np.sin(np.pi * k * u) for k in (1, 2, 3))
    margin = 0.02 * (limits.position_max - limits.position_min)
    return np.asarray(np.clip(start + (goal - start) * u + bend, limits.position_min + margin, limits.position_max - margin))


def along_path(path: Array, basis: SplineBasis, weights: Array) -> Array:
    """Returns the control points (n_free, n) [rad] of a motion near a polyline, at rest at both ends.

    The polyline is parametrised by weighted length and eased as (s + smoothstep5(s))/2.  The fit is a least-squares problem
    over 8 samples a span, with a small weight on second derivatives and fixed ends.

    Args:
        path: Polyline of configurations (K, n) [rad].
        basis: Spline basis of the guess.
        weights: Weight of every joint in the length (n,) [s/rad], e.g. 1 / velocity limit.
    """
    steps = np.linalg.norm(np.diff(path, axis=0) * weights, axis=1)
    length = np.concatenate([[0.0], np.cumsum(steps)])
    s = np.linspace(0, 1, 8 * basis.spans + 1)
    eased = (s + smooth_step(s)) / 2
    target = on_polyline(path, length, eased)
    return _fit(basis, s, target, path[0], path[-1])


def smooth_step(s: Array) -> Array:
    """Returns the quintic from 0 to 1 with no slope and no curvature at either end, at places (N,) in [0, 1]."""
    return np.asarray(s**3 * (10 - 15 * s + 6 * s * s))


def moving_guess(start: State, goal: Array | State, limits: LimitSet, basis: SplineBasis) -> tuple[Array, float]:
    """Returns a guess from a moving start: Ruckig's time-synchronised motion of all joints, fitted by a spline.

    Args:
        start: State at the start.
        goal: Configuration at the goal (n,) [rad], or state there.
        limits: Limits of the joints.
        basis: Spline basis of the guess.

    Returns:
        Control points (n_free, n) [rad] and duration [s].
    """
    trajectory = joint_motions(start, goal, limits.velocity, limits.acceleration, limits.jerk, ARRIVING)
    duration = float(trajectory.duration)
    s = np.linspace(0, 1, 12 * basis.spans + 1)
    target = np.array([trajectory.at_time(float(t))[0] for t in s * duration])
    first, last = (
        basis.end_inverse(bool(side)) @ np.stack([end.q, end.v * duration, end.a * duration**2])
        for side, end in enumerate((start, State.of(goal)))
    )
    return _fit(basis, s, target, first, last), duration


def timed_by(basis: SplineBasis, own: SplineBasis, points: Array, law: Array) -> Array:
    """Returns the control points (n_free, n) [rad] of a motion that is run through by another time law.

    Args:
        basis: Spline basis of the result.
        own: Spline basis of the given motion.
        points: All control points of the given motion (size, n) [rad].
        law: Time law as rows (t, τ) [s] (K, 2): the motion's own time τ at time t, from (0, 0) to both durations.
    """
    s = np.linspace(0, 1, 12 * basis.spans + 1)
    place = np.interp(s * law[-1, 0], law[:, 0], law[:, 1]) / law[-1, 1]
    return _fit(basis, s, own.design_matrix(np.clip(place, 0.0, 1.0)) @ points, points[0], points[-1])


def _fit(basis: SplineBasis, s: Array, target: Array, first: Array, last: Array) -> Array:
    """Fits control points (n_free, n) to targets by least squares, with the first and last three fixed.

    Args:
        basis: Spline basis of the result.
        s: Parameters of the targets in [0, 1] (N,).
        target: Configurations to fit (N, n) [rad].
        first: First three control points (3, n), or one configuration (n,) for all three [rad].
        last: Last three control points (3, n), or one configuration (n,) for all three [rad].
    """
    n = target.shape[1]
    matrix = basis.design_matrix(s)
    curvature = basis.design_matrix(basis.greville(), 2) * 1e-3
    fixed = np.zeros((basis.size, n))
    fixed[:3], fixed[-3:] = first, last
    rows = np.concatenate([matrix[:, 3:-3], curvature[:, 3:-3]])
    values = np.concatenate([target - matrix @ fixed, -curvature @ fixed])
    return np.asarray(np.linalg.lstsq(rows, values, rcond=None)[0])
