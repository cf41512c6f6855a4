"""Arriving at a goal that moves on: the joint motions that follow it, and how soon each can be met.

The goal moves with a constant velocity u and does not turn.  A configuration that is at it at one time follows it along

    q̇ = J(q)⁺ (u, 0),

the slowest joint motion that does, J the Jacobian of the goal frame.  Along this curve q(T), q̇(T), q̈(T) is the state in which a
motion of duration T may end; the hand then stays with the goal for as long as it is within reach.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pinocchio as pin
from scipy.optimize import brentq

from fastmove.arrays import Array
from fastmove.dynamics.kinematics import Kinematics
from fastmove.errors import GoalOutOfReach
from fastmove.multibody.assembly import assemble, goal_frame
from fastmove.problem.goal import Goal, GoalPose, State
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.joint_limits import LimitSet
from fastmove.search.time_bound import Bound, lower_bound
from fastmove.trajectory.piecewise_polynomial import PiecewisePolynomial, quintic_hermite

NODE_STEP = 0.02  # Time between nodes of a joint motion that follows a goal [s]: accelerations between are off by 1e-6 m/s².
HORIZON = 2.0  # Time for which a goal is followed after the time at which it may be met [s].
LOOK_EVERY = 0.1  # Time after which a goal that is out of reach is looked for again [s].
LOOKS = 60  # Maximum number of times that are looked at.
NUDGE = 1e-4  # Half the time over which accelerations are differences of velocities [s].
ON_GOAL = 1e-9  # Largest error of the pose at a node [m, rad].
NEWTON = 6  # Maximum number of iterations that bring a node onto its pose.
SETTLED = 1e-7  # Change of the time of arrival up to which it is found [s].
ROUNDS = 60  # Maximum number of iterations that look for it.
SHARE = 0.8  # Share of the limits of velocity and acceleration within which a goal is followed: the rest is for arriving.
LEAST_RANGE = 1e-8  # Singular values of a Jacobian below this share of its largest count as none.


@dataclass(frozen=True)
class Arrival:
    """A joint motion that follows a goal which moves on, and hence the states in which the arm may arrive at it.

    Attributes:
        motion: Positions over time [rad], from when the goal comes within reach to when it leaves it.
    """

    motion: PiecewisePolynomial

    @property
    def first(self) -> float:
        """Time from which on the goal is followed [s]."""
        return float(self.motion.times[0])

    @property
    def last(self) -> float:
        """Time up to which the goal is followed [s]."""
        return float(self.motion.times[-1])

    def derivatives(self, time: float) -> Array:
        """Returns position, velocity, acceleration and jerk (4, n) at a time [rad, rad/s, …]; straight on beyond its ends."""
        found = [curve(time)[0] for curve in self._curves]
        beyond = time - float(np.clip(time, self.first, self.last))
        if beyond:
            found[0], found[2:] = found[0] + beyond * found[1], [np.zeros_like(found[0])] * 2
        return np.array(found)

    @cached_property
    def _curves(self) -> list[PiecewisePolynomial]:
        """The motion and its first three derivatives."""
        return _derivatives(self.motion, 4)

    def state(self, time: float) -> State:
        """Returns the state in which the arm arrives at a time [s]."""
        return State(*self.derivatives(time)[:3])

    def reaches(self, time: float) -> bool:
        """Returns whether the goal is within reach at a time [s]."""
        return self.first - SETTLED <= time <= self.last + SETTLED


def arrivals(problem: TransferProblem, configurations: Array, last: float | None = None) -> list[Arrival | None]:
    """Returns the joint motions by which configurations follow the goal of a problem; None where one is not at the goal.

    They are within the joints' limits of position, and within a share of those of velocity and acceleration.

    Args:
        problem: Transfer problem whose goal moves on.
        configurations: (K, n) configurations at its goal at `goal.time` [rad].
        last: Time until which it is followed [s]; None = `HORIZON` after that time.
    """
    q, goal = np.atleast_2d(np.asarray(configurations, dtype=float)), problem.goal
    last = goal.time + HORIZON if last is None else last
    found: list[Arrival | None] = [None] * len(q)
    for pose, rows in _by_frame(problem, q):
        follower = _Follower(problem, pose)
        for row, arrival in zip(rows, follower.followed(q[rows], goal.time, min(0.0, goal.time), last), strict=True):
            found[row] = arrival
    return found


def arrival_of(problem: TransferProblem, configuration: Array, last: float | None = None) -> Arrival | None:
    """Returns the joint motion by which one configuration (n,) follows the goal; None where the goal stands still.

    Args:
        problem: Transfer problem.
        configuration: (n,) configuration at its goal at `goal.time` [rad].
        last: See `arrivals`.

    Raises:
        GoalOutOfReach: The configuration is not at the goal then, or beyond the limits.
    """
    if not problem.goal.moves:
        return None
    (arrival,) = arrivals(problem, configuration, last)
    if arrival is None:
        raise GoalOutOfReach("goal", f"is not followed from a configuration that is not at it at {problem.goal.time:.3f} s")
    return arrival


def followed_on(problem: TransferProblem, state: State, time: float, duration: float) -> PiecewisePolynomial | None:
    """Returns the joint motion that goes on with a moving goal from a state that has met it; None where limits do not let it.

    Args:
        problem: Transfer problem whose goal moves on.
        state: State of the arm, moving with the goal.
        time: Time at which it is there, on the goal's clock [s].
        duration: For how long it follows [s].

    Returns:
        Positions over time from 0 on [rad]; at first exactly in that state.
    """
    there = problem.with_(goal=replace(problem.goal, configurations=np.array(state.q)[None], time=time))
    (arrival,) = arrivals(there, state.q, time + duration)
    if arrival is None or not arrival.reaches(time + duration):
        return None
    times = arrival.motion.times
    times = times[times > time - SETTLED]
    q, v, a = (derivative(times) for derivative in _derivatives(arrival.motion, 3))
    q[0], v[0], a[0] = state.q, state.v, state.a
    return quintic_hermite(times - time, q, v, a)


def _derivatives(motion: PiecewisePolynomial, count: int) -> list[PiecewisePolynomial]:
    """Returns a motion and its derivatives, so many in all."""
    found = [motion]
    while len(found) < count:
        found.append(found[-1].derivative())
    return found


def goal_bound(problem: TransferProblem, configuration: Array, arrival: Arrival | None) -> Bound:
    """Returns the lower bound to a goal configuration (n,) [rad], or to the state in which the arm first can meet the goal.

    Of a goal that moves on it is the least T with τ(T) ≤ T, τ(T) the bound to the state of the arrival at T.  Joints that follow
    the goal are slower than they could be, so that |τ'| < 1 and T + (τ(T) − T) / 2 comes nearer to it without passing it.

    Raises:
        InputError: See `lower_bound`.
        GoalOutOfReach: The goal leaves the reach before the arm could be there.
    """
    if arrival is None:
        return lower_bound(problem.start, configuration, problem.limit_set)
    return _first_meeting(problem.start, arrival, problem.limit_set)


def _first_meeting(start: State, arrival: Arrival, limits: LimitSet) -> Bound:
    """Returns the bound to the first state of an arrival that can be there in time."""
    first = max(arrival.first, 0.0)

    def bound_at(time: float) -> Bound:
        return lower_bound(start, arrival.state(time), limits)

    late = first
    for _ in range(ROUNDS):
        bound = bound_at(late)
        missing = bound.duration - late
        if missing <= SETTLED:
            break
        if late + missing / 2 > arrival.last:
            raise GoalOutOfReach(
                "goal", f"leaves the reach at {arrival.last:.3f} s; the arm could be there after {bound.duration:.3f} s"
            )
        before, late = late, late + missing / 2
    if missing < 0 and late > first:  # a step too far
        late = float(brentq(lambda t: bound_at(t).duration - t, before, late, xtol=SETTLED))
    return replace(bound_at(late), duration=late)


def with_met_configurations(problem: TransferProblem, configurations_at: Callable[[Goal], Array]) -> TransferProblem:
    """Returns the problem with configurations at its moving goal, at about the time at which it may be met first.

    Args:
        problem: Transfer problem whose goal moves on.
        configurations_at: Function that returns the configurations (K, n) in the regions of a goal that stands still.

    Raises:
        GoalOutOfReach: The goal does not come within reach, or leaves it too soon.
    """
    time, goal, seen = 0.0, problem.goal, False
    for _ in range(LOOKS):
        q = configurations_at(replace(goal.after(time), velocity=np.zeros(3), time=0.0))
        seen = seen or len(q) > 0
        q = q[_following(problem.with_(goal=replace(goal, time=time)), q)] if len(q) else q
        least = min((lower_bound(problem.start, row, problem.limit_set).duration for row in q), default=np.inf)
        if least <= time + LOOK_EVERY / 4:
            return problem.with_(goal=replace(goal, configurations=q, time=time))
        time = max(time + LOOK_EVERY / 10, least) if len(q) else time + LOOK_EVERY
    speed = float(np.linalg.norm(goal.velocity))
    why = "leaves the reach before the arm could be there" if seen else f"does not come within reach in {time:.1f} s"
    raise GoalOutOfReach("goal", f"{why}; it moves at {speed:g} m/s (goal.velocity)")


def _following(problem: TransferProblem, q: Array) -> Array:
    """Returns which configurations (K, n) at the goal at `goal.time` can follow it a moment, not being at the edge of reach."""
    followed = arrivals(problem, q, last=problem.goal.time + NODE_STEP)
    return np.array([arrival is not None and arrival.last > problem.goal.time for arrival in followed], dtype=bool)


def closest_approach(goal: Goal, point: Array) -> float:
    """Returns the time, 0 or later, at which the first region of a moving goal is nearest to a point (3,) [s]."""
    velocity = np.array(goal.velocity)
    return max(0.0, float(velocity @ (point - goal.poses[0].placement.translation) / (velocity @ velocity)))


def _by_frame(problem: TransferProblem, q: Array) -> list[tuple[GoalPose, list[int]]]:
    """Returns which rows of configurations (K, n) are at which region of the goal, by the frames that it places."""
    goal, assembly = problem.goal, assemble(problem)
    kinematics = Kinematics(assembly.arm)
    rows: dict[int, list[int]] = {}
    poses = [pose.shifted(np.array(goal.velocity) * goal.time) for pose in goal.poses]
    frames = [kinematics.frame(q, *goal_frame(assembly, problem.robot, pose))[:2] for pose in poses]
    for row in range(len(q)):
        gaps = [
            max(pose.distance_outside(pin.SE3(rotation[row], origin[row])))
            for pose, (rotation, origin) in zip(poses, frames, strict=True)
        ]
        if min(gaps) < 1e-6:
            rows.setdefault(int(np.argmin(gaps)), []).append(row)
    return [(goal.poses[k], at) for k, at in rows.items()]


class _Follower:
    """Follows one region of a moving goal from configurations that are in it.

    Args:
        problem: Transfer problem whose goal moves on.
        goal: Region that says which frame is placed.
    """

    def __init__(self, problem: TransferProblem, goal: GoalPose) -> None:
        assembly = assemble(problem)
        self.kinematics, self.limits = Kinematics(assembly.arm), problem.limit_set
        self.joint, self.placement = goal_frame(assembly, problem.robot, goal)
        self.velocity = np.array(problem.goal.velocity)
        self.twist = np.concatenate([self.velocity, np.zeros(3)])

    def followed(self, q: Array, time: float, first: float, last: float) -> list[Arrival | None]:
        """Returns the motions from configurations (K, n) that are at the goal at a time, from `first` to `last` [s]."""
        rotation, origin, _ = self.kinematics.frame(q, self.joint, self.placement)
        there = (rotation, origin, time)
        later, sooner = (self._marched(q, time, end, there) for end in (last, first))
        found: list[Arrival | None] = []
        for row in range(len(q)):
            nodes = [*reversed(sooner[row][1:]), *later[row]]
            if not later[row] or len(nodes) < 2:
                found.append(None)
                continue
            times, places = np.array([t for t, _ in nodes]), np.array([x for _, x in nodes])
            speed = self._speed(places)
            found.append(Arrival(quintic_hermite(times, places, speed, self._acceleration(places, speed))))
        return found

    def _marched(self, q: Array, time: float, end: float, there: tuple[Array, Array, float]) -> list[list[tuple[float, Array]]]:
        """Returns the nodes (time, configuration) of each row from a time towards `end` [s], as far as limits let it follow."""
        nodes: list[list[tuple[float, Array]]] = [[] for _ in q]
        count = int(np.ceil(abs(end - time) / NODE_STEP - 1e-9))
        alive, step = np.arange(len(q)), (end - time) / max(count, 1)
        for k in range(count + 1):
            now = time + k * step
            inside = self._within_limits(q)
            alive, q = alive[inside], q[inside]
            for row, place in zip(alive, q, strict=True):
                nodes[row].append((now, place))
            if len(q) == 0 or k == count:
                break
            q, met = self._onto(self._advanced(q, step), alive, there, now + step)
            alive, q = alive[met], q[met]
        return nodes

    def _speed(self, q: Array) -> Array:
        """Velocities (N, n) that follow the goal at configurations (N, n) [rad/s]."""
        jacobian = self.kinematics.frame(q, self.joint, self.placement)[2]
        return np.asarray(np.linalg.pinv(jacobian, rcond=LEAST_RANGE) @ self.twist)

    def _acceleration(self, q: Array, speed: Array) -> Array:
        """Accelerations (N, n) of these velocities (N, n) along their own way [rad/s²]."""
        ahead = self._speed(np.concatenate([q + NUDGE * speed, q - NUDGE * speed]))
        return np.asarray((ahead[: len(q)] - ahead[len(q) :]) / (2 * NUDGE))

    def _advanced(self, q: Array, step: float) -> Array:
        """Configurations (N, n) one step [s] on, by the classical Runge–Kutta method of fourth order."""
        one = self._speed(q)
        two = self._speed(q + step / 2 * one)
        three = self._speed(q + step / 2 * two)
        return np.asarray(q + step / 6 * (one + 2 * two + 2 * three + self._speed(q + step * three)))

    def _onto(self, q: Array, rows: Array, there: tuple[Array, Array, float], now: float) -> tuple[Array, Array]:
        """Returns configurations (N, n) brought onto where the goal is at a time [s], and which of them (N,) got there.

        Args:
            q: Configurations near there.
            rows: (N,) their rows in `there`.
            there: Rotations (K, 3, 3), origins (K, 3) [m] of the goal frames of all rows, and the time at which they are so [s].
            now: The time [s].
        """
        rotation, origin = there[0][rows], there[1][rows] + self.velocity * (now - there[2])
        for _ in range(NEWTON):
            turned, place, jacobian = self.kinematics.frame(q, self.joint, self.placement)
            turn = np.array([pin.log3(r) for r in rotation @ turned.transpose(0, 2, 1)]).reshape(-1, 3)
            error = np.hstack([origin - place, turn])
            if np.abs(error).max(initial=0.0) < ON_GOAL / 100:
                break
            q = q + np.einsum("kij,kj->ki", np.linalg.pinv(jacobian, rcond=LEAST_RANGE), error)
        return q, np.abs(error).max(axis=1) < ON_GOAL

    def _within_limits(self, q: Array) -> Array:
        """Which configurations (N, n) are within the limits, and follow within a share of those of velocity and acceleration."""
        limits, speed = self.limits, self._speed(q)
        gain = np.abs(self._acceleration(q, speed))
        reached = np.abs(speed) + gain**2 / (2 * limits.jerk)  # while the acceleration goes back to none
        inside = (q >= limits.position_min) & (q <= limits.position_max)
        inside &= (reached <= SHARE * limits.velocity) & (gain <= SHARE * limits.acceleration)
        return np.asarray(inside.all(axis=1))
