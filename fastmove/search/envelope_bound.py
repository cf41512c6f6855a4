"""The least time of one joint whose speed limit depends on its position, from accelerations and speeds alone.

Counted along its way, x from 0 to d, a joint that comes from speed v₀ and ends at rest can be no faster than the least of

    √(v₀² + 2 a x)     what it can have gained since the start           dt = dV / a
    v_max                                                                dt = dx / v_max
    −c + √(k (u − x))  its envelope, w = √(k (u − x))                    dt = (2 / k) d(−w − c ln(w − c))
    √(2 a (d − x))     what it can still lose before the goal            dt = −dV / a

and ∫ dx / V is a lower bound of its time; jerk limits add to it (a / j for a joint at rest at both ends).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import brentq

from fastmove.arrays import Array
from fastmove.problem.goal import State
from fastmove.robot.joint_limits import LimitSet

GAIN, CRUISE, ALONG, LOSE = range(4)  # What limits the speed.
PLACES = 400  # Number of places at which it is asked what limits the speed.
LAW = 40  # Number of places on each part of the way at which the time is kept.
SLOWEST = 1e-6  # Speed below which a joint does not arrive [rad/s].


@dataclass(frozen=True)
class EnvelopeMotion:
    """The fastest motion of one joint without jerk limits.

    Attributes:
        duration: Its duration [s].
        switches: Times, from 0 to the duration, between which a jerk limit would change its acceleration: around every time at
            which what limits it changes, and at both ends [s].
        time: Times (K,), strictly increasing [s].
        place: Positions (K,) at these times [rad].
    """

    duration: float
    switches: Array
    time: Array
    place: Array


def envelope_motion(start: State, goal: Array, limits: LimitSet, joint: int, jerk: float) -> EnvelopeMotion | None:
    """Returns the fastest motion of a joint within its speed envelope.

    Args:
        start: State at the start.
        goal: Goal configuration (n_arm,) [rad].
        limits: Limits of the joints, with a speed envelope.
        joint: Index of the joint.
        jerk: Jerk with which accelerations would change, for `switches` only [rad/s³].

    Returns:
        None where the joint has no envelope, or it begins by moving away or too fast to end at the goal without turning.
    """
    envelope, way = limits.speed_envelope, float(goal[joint] - start.q[joint])
    assert envelope is not None
    sign, distance = np.sign(way), abs(way)
    first, most = float(start.v[joint] * sign), float(limits.acceleration[joint])
    if distance == 0 or not np.isfinite(envelope.slope[joint]) or first < 0 or first**2 > 2 * most * distance:
        return None
    end = envelope.upper[joint] if sign > 0 else -envelope.lower[joint]
    speeds = _Speeds(
        distance, first, float(limits.velocity[joint]), most, float(envelope.slope[joint]), float(envelope.offset[joint]),
        float(end - sign * start.q[joint]),
    )  # fmt: skip
    bounds = speeds.changes()
    times, places, accelerations = [0.0], [0.0], []
    ends = [0.0]
    for one, other in pairwise(bounds):
        kind, at = speeds.slowest((one + other) / 2), np.linspace(one, other, LAW + 1)
        spent = speeds.time(kind, at) + ends[-1]
        times, places = [*times, *spent[1:]], [*places, *at[1:]]
        ends.append(float(spent[-1]))
        accelerations.append(speeds.acceleration_at(kind, np.array([one, other])))
    time, place = np.array(times), start.q[joint] + sign * np.array(places)
    kept = np.concatenate([[True], np.diff(time) > 0])
    return EnvelopeMotion(ends[-1], _switches(np.array(ends), np.array(accelerations), jerk), time[kept], place[kept])


def _switches(ends: Array, accelerations: Array, jerk: float) -> Array:
    """Times between which the acceleration would change with this jerk: half before and half after each end of a part.

    Args:
        ends: Times (K + 1,) at which the K parts begin and end [s].
        accelerations: Accelerations (K, 2) at the beginning and the end of each part [rad/s²].
        jerk: The jerk [rad/s³].
    """
    first, last = abs(accelerations[0, 0]) / jerk, ends[-1] - abs(accelerations[-1, 1]) / jerk
    half = np.abs(accelerations[1:, 0] - accelerations[:-1, 1]) / jerk / 2
    times = np.concatenate([[0.0, first, last, ends[-1]], ends[1:-1] - half, ends[1:-1] + half])
    return np.unique(np.clip(times, 0.0, ends[-1]))


@dataclass(frozen=True)
class _Speeds:
    """What limits the speed of a joint on its way, x from 0 to `distance` [rad].

    Attributes:
        distance: d.
        first: v₀.
        most: v_max.
        acceleration: a.
        slope: k.
        offset: c.
        end: u, counted from the start.
    """

    distance: float
    first: float
    most: float
    acceleration: float
    slope: float
    offset: float
    end: float

    def all(self, x: Array) -> Array:
        """The four speeds (4, K) at places x (K,) [rad/s]."""
        x = np.clip(x, 0.0, self.distance)
        left = np.sqrt(self.slope * np.maximum(self.end - x, 0.0)) - self.offset
        return np.stack(
            [
                np.sqrt(self.first**2 + 2 * self.acceleration * x),
                np.full_like(x, self.most),
                np.maximum(left, SLOWEST),
                np.sqrt(2 * self.acceleration * (self.distance - x)),
            ]
        )

    def slowest(self, x: float) -> int:
        """Which of them is the least at a place."""
        return int(np.argmin(self.all(np.array([x]))[:, 0]))

    def changes(self) -> list[float]:
        """Places at which another one becomes the least, 0 and the distance included."""
        x = self.distance * (1 - np.cos(np.pi * np.linspace(0, 1, PLACES))) / 2
        least = np.argmin(self.all(x), axis=0)
        found = [0.0]
        for k in np.flatnonzero(np.diff(least)):
            one, other = int(least[k]), int(least[k + 1])
            found.append(float(brentq(self._difference, x[k], x[k + 1], args=(one, other), xtol=1e-14)))
        return [*found, self.distance]

    def _difference(self, x: float, one: int, other: int) -> float:
        """Difference of two of the speeds at a place [rad/s]."""
        speeds = self.all(np.array([x]))[:, 0]
        return float(speeds[one] - speeds[other])

    def acceleration_at(self, kind: int, x: Array) -> Array:
        """Accelerations (K,) at places (K,) where this is the least speed; along the envelope v̇ = −k v / 2 (v + c) [rad/s²]."""
        if kind == ALONG:
            speed = self.all(x)[ALONG]
            return np.asarray(-self.slope * speed / 2 / (speed + self.offset))
        return np.full(len(x), {GAIN: self.acceleration, CRUISE: 0.0, LOSE: -self.acceleration}[kind])

    def time(self, kind: int, x: Array) -> Array:
        """Times (K,) that one of the speeds takes from the first of the places x (K,) to each [s]."""
        if kind == CRUISE:
            return np.asarray((x - x[0]) / self.most)
        if kind == ALONG:
            w = np.maximum(np.sqrt(self.slope * np.maximum(self.end - x, 0.0)), self.offset + SLOWEST)
            return np.asarray(2 / self.slope * (w[0] - w + self.offset * np.log((w[0] - self.offset) / (w - self.offset))))
        speed = self.all(x)[kind]
        return np.asarray(np.abs(speed - speed[0]) / self.acceleration)
