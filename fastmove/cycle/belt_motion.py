"""How a belt runs, and what is known of it at one moment of a cycle.

A belt is described in its own time: after c seconds of a cycle it has gone as far as at its nominal speed in `progress(c)`
seconds, and runs at `share(c)` of that speed.  An encoder knows where it is, how fast, and how that has changed of late; so it is
foretold where and how fast the belt will be when it is met, and that it goes on so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from fastmove.problem.scene import Scene
from fastmove.problem.transfer import TransferProblem

PAST = 0.15  # Time between the speeds from which it is foretold how the belt's speed changes [s].


class Belt(Protocol):
    """How a belt runs, by the clock of a cycle."""

    def progress(self, time: float) -> float:
        """Returns for how long the belt would have had to run at its nominal speed to be where it is at a time [s].

        The belt has run before the cycle began, at times below 0.
        """

    def share(self, time: float) -> float:
        """Returns its speed at a time [s] as a share of the nominal one."""


@dataclass(frozen=True)
class Drift:
    """A belt whose speed goes up and down, v(t) ∝ 1 + amount sin(2π t / period + phase); the nominal one is that at time 0.

    Attributes:
        amount: Largest deviation from the mean, as a share of it.
        period: Period [s].
        phase: Phase at time 0 [rad].
    """

    amount: float
    period: float
    phase: float = 0.0

    def progress(self, time: float) -> float:
        """See `Belt.progress`: the integral of the share."""
        rate = 2 * np.pi / self.period
        gone = time + self.amount / rate * (np.cos(self.phase) - np.cos(rate * time + self.phase))
        return float(gone / (1 + self.amount * np.sin(self.phase)))

    def share(self, time: float) -> float:
        """See `Belt.share`."""
        speed = 1 + self.amount * np.sin(2 * np.pi * time / self.period + self.phase)
        return float(speed / (1 + self.amount * np.sin(self.phase)))


@dataclass(frozen=True)
class Steady:
    """A belt that runs at its nominal speed."""

    def progress(self, time: float) -> float:
        """See `Belt.progress`."""
        return time

    def share(self, time: float) -> float:
        """See `Belt.share`."""
        return 1.0


def known_at(problem: TransferProblem, belt: Belt, now: float, meeting: float) -> TransferProblem:
    """Returns a belt's problem as it is known at a time of the cycle: with the place and speed foretold for the meeting.

    The speed is foretold from what it is, was and was before (Newton's backward differences, `PAST` apart):

        s(τ) = s₀ + d₁ τ + d₂ τ (τ + p) / 2,    d₁ = (s₀ − s₁) / p,   d₂ = (s₀ − 2 s₁ + s₂) / p²,    τ from now on,

    and the place by its integral.  From the meeting on the speed is taken to be constant, and so it is for all times in the
    problem: what is not near the meeting does not touch the belt.

    Args:
        problem: Problem on the cycle's clock, by the nominal speed.
        belt: How the belt runs.
        now: The time [s].
        meeting: Time about which the belt is met [s].
    """
    later, (present, was, before) = meeting - now, (belt.share(now - k * PAST) for k in range(3))
    rate, bend = (present - was) / PAST, (present - 2 * was + before) / PAST**2
    share = present + rate * later + bend * later * (later + PAST) / 2
    progress = belt.progress(now) + present * later + rate * later**2 / 2 + bend * (later**3 / 3 + PAST * later**2 / 2) / 2
    ahead = progress - share * meeting  # in seconds at the nominal speed, at time 0 of the cycle
    start, goal = problem.start, problem.goal
    if start.moves_on:
        poses = tuple(pose.shifted(np.array(start.velocity) * ahead) for pose in start.poses)
        start = replace(start, poses=poses, velocity=np.array(start.velocity) * share)
    if goal.moves:
        poses = tuple(pose.shifted(np.array(goal.velocity) * ahead) for pose in goal.poses)
        goal = replace(goal, poses=poses, velocity=np.array(goal.velocity) * share)
    return problem.with_(start=start, goal=goal, scene=surfaces_at(problem.scene, share))


def surfaces_at(scene: Scene, share: float) -> Scene:
    """Returns a scene whose surfaces move at a share of their speed."""
    return replace(scene, obstacles=tuple(o.at_share(share) for o in scene.obstacles))
