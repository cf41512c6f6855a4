"""Certificate check of speed limits that depend on the position, everywhere in time.

The states (q, v) within the limit are a convex set (`robot.speed_envelope`): what is left to it, v̄(q) − v, is a concave function
of the state.  On an interval both q and v, raised to the same degree, lie in the hull of their Bernstein coefficients, so the
least that is left is at least the least at the coefficients.  Intervals on which that bound is below the least found so far are
halved, until it is not by more than `NEAR`.  Beyond the ends of the envelope v̄ is not concave any more: where a coefficient of q
is there, nothing is known yet, and the interval is halved, too (the motion itself is kept within by its position limits).
"""

from __future__ import annotations

from math import comb

import numpy as np

from fastmove.arrays import Array
from fastmove.certificate.certificate import ROUNDING, LimitMargin
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.speed_envelope import SpeedEnvelope
from fastmove.trajectory.trajectory import Trajectory

NEAR = 1e-6  # How far the proven least distance may be below the least that is found [rad/s].
HALVINGS = 40  # Largest number of times that an interval is halved.


def envelope_margin(problem: TransferProblem, trajectory: Trajectory) -> LimitMargin:
    """Worst margin of the speed limits that depend on position, over all joints and times.

    Args:
        problem: The problem, whose limit set has a speed envelope.
        trajectory: The motion.
    """
    limits = problem.limit_set
    assert limits.speed_envelope is not None
    motion = trajectory.motion()
    begin, width = motion.times[:-1], np.diff(motion.times)
    q = _bernstein(motion.coefficients, width)
    v = _raised((q.shape[1] - 1) * np.diff(q, axis=1) / width[:, None, None])
    found, time, joint, proven = np.inf, 0.0, 0, np.inf
    for _ in range(HALVINGS):
        room = _room(limits.speed_envelope, q, v)  # (intervals, coefficients, n)
        at_ends = room[:, [0, -1]]
        i, end, j = np.unravel_index(int(np.argmin(at_ends)), at_ends.shape)
        if at_ends[i, end, j] < found:
            found, time, joint = float(at_ends[i, end, j]), float(begin[i] + end * width[i]), int(j)
        bound = np.where(_beyond(limits.speed_envelope, q), -np.inf, room.min(axis=(1, 2)))
        lower = bound < found - NEAR
        proven = min(proven, float(bound[~lower].min(initial=np.inf)))
        if not lower.any():
            break
        q, v = np.concatenate(_halved(q[lower])), np.concatenate(_halved(v[lower]))
        width = np.tile(width[lower] / 2, 2)
        begin = np.concatenate([begin[lower], begin[lower] + width[: len(width) // 2]])
    else:
        proven = min(proven, float(bound[lower].min(initial=np.inf)))
    scale = float(limits.velocity[joint])
    margin = max(min(found, proven), -scale) + ROUNDING * scale  # a motion beyond the envelope's ends has no margin at all
    return LimitMargin(margin, "rad/s", margin / scale, time, problem.robot.joint_names[joint], "everywhere")


def _beyond(envelope: SpeedEnvelope, q: Array) -> Array:
    """Whether some coefficient (m, d, n) of an interval is beyond the ends of the envelope, (m,)."""
    limited = np.isfinite(envelope.slope)
    return np.asarray((((q > envelope.upper) | (q < envelope.lower)) & limited).any(axis=(1, 2)))


def _room(envelope: SpeedEnvelope, q: Array, v: Array) -> Array:
    """Distances of speeds from their limits, the nearer one counting; negative beyond [rad/s]."""
    low, high = envelope.range(q)
    return np.minimum(high - v, v - low)


def _bernstein(coefficients: Array, width: Array) -> Array:
    """Bernstein coefficients (m, degree + 1, n) of pieces given by powers of the time since their beginning."""
    degree = coefficients.shape[1] - 1
    scaled = coefficients * width[:, None, None] ** np.arange(degree + 1)[None, :, None]
    matrix = np.array([[comb(i, k) / comb(degree, k) for k in range(degree + 1)] for i in range(degree + 1)])
    return np.einsum("bk,skn->sbn", matrix, scaled)


def _raised(b: Array) -> Array:
    """The same pieces with one Bernstein coefficient more (m, d + 1, n): b'_i = (i b_{i−1} + (d − i) b_i) / d."""
    count = b.shape[1]
    share = (np.arange(count + 1) / count)[None, :, None]
    return share * np.pad(b, ((0, 0), (1, 0), (0, 0))) + (1 - share) * np.pad(b, ((0, 0), (0, 1), (0, 0)))


def _halved(b: Array) -> tuple[Array, Array]:
    """Bernstein coefficients of both halves of every piece (de Casteljau)."""
    left, right, rest = [b[:, 0]], [b[:, -1]], b
    while rest.shape[1] > 1:
        rest = (rest[:, :-1] + rest[:, 1:]) / 2
        left.append(rest[:, 0])
        right.append(rest[:, -1])
    return np.stack(left, axis=1), np.stack(right[::-1], axis=1)
