"""Damage against units an hour: each arm's curve over its speeds, its damage at a given rate, and intervals.

An *arm* is a hand and a way to plan.  A cycle lasts as long as its transfer, the way back of the empty hand (as long as the
kinematic motion of the same item by the same hand, for every arm) and handling; units an hour are one over the mean cycle of all
items.  Between two speeds damage is interpolated along units an hour.  Trials of one item are alike, so intervals resample items,
not trials (bootstrap, 95 %); fingers and cup meet the same items.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from fastmove.arrays import Array
from fastmove.bench.figures import CONFIDENCE, rate_bound
from fastmove.bench.headline.damage import THRESHOLDS, Thresholds, damage
from fastmove.bench.headline.motions import WAYS
from fastmove.bench.headline.trials import SPEEDS
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.gripper import Gripper

HANDS = ("pinch", "suction")
ARMS = tuple((hand, way) for hand in HANDS for way in WAYS)
BEST = ("pinch", "fastmove")  # The arm that the others are compared with.
# Handling by a cup [s]: time until the vacuum is there and confirmed, and until the item is blown off; our estimates, as makers'
# figures depend on volumes and hoses.
EVACUATION, BLOW_OFF = 0.2, 0.1
RESAMPLES = 2000
ENDS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)  # Quantiles between which an interval lies.

Row = dict[str, Any]
Arm = tuple[str, str]


def handling(problem: TransferProblem) -> float:
    """Time in which the hand takes and lets go of the item, with the arm at rest [s]."""
    gripper = problem.holds[0].gripper
    if isinstance(gripper, Gripper):
        return 2 * gripper.travel_time(problem.release_opening) + gripper.grip_time
    return EVACUATION + BLOW_OFF


@dataclass(frozen=True)
class Curve:
    """One arm's trials.

    Attributes:
        arm: Hand and way to plan.
        cycles: (items, speeds) duration of a cycle [s].
        damaged: (items, speeds) number of damaged trials.
        counted: (items,) number of trials of which something can be said.
    """

    arm: Arm
    cycles: Array
    damaged: Array
    counted: Array

    @staticmethod
    def of(rows: Sequence[Row], arm: Arm, times: dict[str, float], width: float | None, thresholds: Thresholds) -> Curve:
        """The curve of an arm.

        Args:
            rows: The rows of the arm's hand, one for each item.
            arm: Hand and way to plan.
            times: Handling time of every hand [s].
            width: Only trials of this width; None = all.
            thresholds: How much items bear.
        """
        hand, way = arm
        cycles, damaged, counted = [], [], []
        for row in rows:
            back = row["speeds"]["kinematic"][0][1]
            cycles.append([facts[1] + back + times[hand] for facts in row["speeds"][way]])
            found = [
                [damage(row, trial, way, k, thresholds) for k in range(len(SPEEDS[way]))]
                for trial in row["trials"]
                if width in (None, trial["width"])
            ]
            said = [one for one in found if one[0] is not None]
            counted.append(len(said))
            damaged.append([sum(bool(one[k]) for one in said) for k in range(len(SPEEDS[way]))])
        return Curve(arm, np.array(cycles), np.array(damaged, float), np.array(counted, float))

    def rates(self) -> tuple[Array, Array]:
        """Units an hour and share of damaged items, (speeds,) each, slowest first."""
        hourly, share = self._of_items(np.ones((1, len(self.cycles))))
        return hourly[0], share[0]

    @cached_property
    def resampled(self) -> tuple[Array, Array]:
        """The same of resampled items, (resamples, speeds) each."""
        return self._of_items(_resamples(len(self.cycles)))

    def _of_items(self, weights: Array) -> tuple[Array, Array]:
        """Units an hour and share of damaged items, (K, speeds) each, slowest first.

        Args:
            weights: (K, items) how often each item counts.
        """
        hourly = 3600 * weights.sum(axis=1, keepdims=True) / (weights @ self.cycles)
        share = weights @ self.damaged / np.maximum(weights @ self.counted, 1.0)[:, None]
        return hourly[:, ::-1], share[:, ::-1]  # speeds are given from the fastest on

    def at(self, hourly: float) -> float:
        """Share of damaged items at so many units an hour; beyond the arm's fastest or slowest speed, as there."""
        return float(np.interp(hourly, *self.rates()))

    def resampled_at(self, hourly: float) -> Array:
        """The same of resampled items, (resamples,)."""
        return np.array([np.interp(hourly, rate, share) for rate, share in zip(*self.resampled, strict=True)])

    def interval(self, number: int) -> tuple[float, float]:
        """Interval of the share of damaged items at a speed, by its number as in `rates`.

        Where nothing was damaged, its upper end is Clopper and Pearson's bound for as many independent trials.
        """
        low, high = np.quantile(self.resampled[1][:, number], ENDS)
        if self.rates()[1][number] == 0:
            high = rate_bound(0, self.trials)
        return float(low), float(high)

    @property
    def trials(self) -> int:
        """How many trials were counted."""
        return int(self.counted.sum())


@dataclass(frozen=True)
class AtRate:
    """One arm at the units an hour of the best arm as planned.

    Attributes:
        arm: Hand and way to plan.
        damage: Share of damaged items.
        low: Lower end of its interval.
        high: Upper end of its interval.
        ratio: The best arm's damage over this one's; nan where neither damages anything.
        most: Upper end of the ratio's interval.
        reached: Whether the arm is that fast at all; if not, damage is that at its fastest.
    """

    arm: Arm
    damage: float
    low: float
    high: float
    ratio: float
    most: float
    reached: bool


def at_equal_rate(curves: Sequence[Curve], hourly: float) -> list[AtRate]:
    """Every arm at so many units an hour, beside the best arm.

    Args:
        curves: The arms' curves, over the same items.
        hourly: Units an hour.
    """
    best, found = next(curve for curve in curves if curve.arm == BEST), []
    bound = rate_bound(0, best.trials) if best.at(hourly) == 0 else 0.0
    mine = np.maximum(best.resampled_at(hourly), bound)
    for curve in curves:
        value, others = curve.at(hourly), curve.resampled_at(hourly)
        low, high = np.quantile(others, ENDS)
        high = max(float(high), rate_bound(0, curve.trials) if value == 0 else 0.0)
        ratio = best.at(hourly) / value if value else math.nan
        ratios = mine[others > 0] / others[others > 0]
        most = float(np.quantile(ratios, CONFIDENCE)) if len(ratios) else math.nan
        reached = bool(hourly <= curve.rates()[0].max() + 1e-9)
        found.append(AtRate(curve.arm, value, float(low), high, ratio, most, reached))
    return found


@lru_cache
def _resamples(count: int) -> Array:
    """How often each item counts in every resample, (`RESAMPLES`, count); the same ones each time."""
    drawn = np.random.default_rng(0).integers(count, size=(RESAMPLES, count))
    return np.array([np.bincount(items, minlength=count) for items in drawn], float)


def curves_of(
    rows: Sequence[Row], times: dict[str, float], width: float | None = None, thresholds: Thresholds = THRESHOLDS[0]
) -> list[Curve]:
    """The curves of all arms, over the items of which every arm has trials.

    Args:
        rows: Rows of one judge.
        times: Handling time of every hand [s].
        width: Only trials of this width; None = all.
        thresholds: How much items bear.
    """
    by_hand = {hand: {row["pair"]: row for row in rows if row["hand"] == hand and "trials" in row} for hand in HANDS}
    both = sorted(set(by_hand["pinch"]) & set(by_hand["suction"]))
    return [Curve.of([by_hand[arm[0]][pair] for pair in both], arm, times, width, thresholds) for arm in ARMS]
