"""Damage against units an hour: each arm's curve over its speeds, its damage at a given rate, and intervals.

An *arm* is a hand and a way to plan.  A cycle lasts as long as its transfer, the way back of the empty hand (as long as the
kinematic motion of the same item by the same hand, for every arm) and handling; units an hour are one over the mean cycle,
damaged units included.  Between two speeds damage is interpolated along units an hour.

Trials of one catalogue item are alike, wherever it lies, so intervals resample catalogue items with all their placements and
trials (bootstrap, 95 %).  Where nothing was damaged, a resample says nothing: the bound is then that of Clopper and Pearson,
given twice: as if all trials were independent, and as if all trials of a placement were one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastmove.arrays import Array
from fastmove.bench.figures import CONFIDENCE, rate_bound
from fastmove.bench.headline.damage import CASES, Case, damage
from fastmove.bench.headline.motions import SPEEDS, WAYS
from fastmove.bench.results import Row
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

Arm = tuple[str, str]


def handling(problem: TransferProblem) -> float:
    """Time in which the hand takes and lets go of the item, with the arm at rest [s]."""
    gripper = problem.holds[0].gripper
    if isinstance(gripper, Gripper):
        return 2 * gripper.travel_time(problem.release_opening) + gripper.grip_time
    return EVACUATION + BLOW_OFF


def placements(rows: Sequence[Row]) -> list[dict[str, Row]]:
    """The rows of both hands of every placement of which both have trials, by hand."""
    by_pair: dict[int, dict[str, Row]] = {}
    for row in rows:
        if "trials" in row:
            by_pair.setdefault(row["pair"], {})[row["hand"]] = row
    return [by_pair[pair] for pair in sorted(by_pair) if len(by_pair[pair]) == len(HANDS)]


@dataclass(frozen=True)
class Curve:
    """One arm's trials.

    Attributes:
        arm: Hand and way to plan.
        cycles: (placements, speeds) duration of a cycle [s].
        damaged: (placements, speeds) number of damaged trials.
        counted: (placements,) number of trials of which something can be said of both hands; 0 where the arm has no motion.
        weights: (resamples, placements) how often each placement counts in every resample.
    """

    arm: Arm
    cycles: Array
    damaged: Array
    counted: Array
    weights: Array

    @staticmethod
    def of(found: Sequence[dict[str, Row]], arm: Arm, times: Mapping[str, float], width: float | None, case: Case) -> Curve:
        """The curve of an arm.

        Args:
            found: The placements.
            arm: Hand and way to plan.
            times: Handling time of every hand [s].
            width: Only trials of this width; None = all.
            case: How much items bear, and what counts.
        """
        hand, way = arm
        count = len(SPEEDS[way])
        cycles, damaged, counted = np.ones((len(found), count)), np.zeros((len(found), count)), np.zeros(len(found))
        for k, rows in enumerate(found):
            row, own = rows[hand], rows[hand]["speeds"].get(way)
            if own is None:
                continue
            cycles[k] = [facts[1] + row["speeds"]["kinematic"][0][1] + times[hand] for facts in own]
            for trials in zip(*(rows[other]["trials"] for other in HANDS), strict=True):
                known = case.unsettled or all(trial["pick"] != "unsettled" for trial in trials)
                if known and width in (None, trials[0]["width"]):
                    trial = trials[HANDS.index(hand)]
                    damaged[k] += [bool(damage(row, trial, way, speed, case)) for speed in range(count)]
                    counted[k] += 1
        return Curve(arm, cycles, damaged, counted, _resamples(found))

    @property
    def moved(self) -> int:
        """How many placements the arm has a motion for."""
        return int((self.counted > 0).sum())

    @property
    def trials(self) -> int:
        """How many trials were counted."""
        return int(self.counted.sum())

    def rates(self) -> tuple[Array, Array]:
        """Units an hour and share of damaged items, (speeds,) each, slowest first."""
        hourly, share = self._of(np.ones((1, len(self.cycles))))
        return hourly[0], share[0]

    @cached_property
    def resampled(self) -> tuple[Array, Array]:
        """The same of resampled items, (resamples, speeds) each."""
        return self._of(self.weights)

    def _of(self, weights: Array) -> tuple[Array, Array]:
        """Units an hour and share of damaged items, (K, speeds) each, slowest first.

        Args:
            weights: (K, placements) how often each placement counts.
        """
        weights = weights * (self.counted > 0)
        moved = np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
        hourly = 3600 * moved / np.maximum(weights @ self.cycles, 1e-9)
        share = weights @ self.damaged / np.maximum(weights @ self.counted, 1.0)[:, None]
        return hourly[:, ::-1], share[:, ::-1]  # speeds are given from the fastest on

    def at(self, hourly: float) -> float:
        """Share of damaged items at so many units an hour; beyond the arm's fastest or slowest speed, as there."""
        return float(np.interp(hourly, *self.rates()))

    def resampled_at(self, hourly: Array) -> Array:
        """The same of resampled items, (resamples,), each at its own units an hour."""
        return np.array([np.interp(at, rate, share) for at, rate, share in zip(hourly, *self.resampled, strict=True)])

    def interval(self, number: int) -> tuple[float, float]:
        """Interval of the share of damaged items at a speed, by its number as in `rates`."""
        low, high = np.quantile(self.resampled[1][:, number], ENDS)
        return float(low), self.bound if self.rates()[1][number] == 0 else float(high)

    @property
    def bound(self) -> float:
        """Upper bound of a share of which no event was seen, as if all trials of a placement were one."""
        return rate_bound(0, self.moved)


@dataclass(frozen=True)
class AtRate:
    """One arm at the units an hour of the best arm as planned.

    Attributes:
        arm: Hand and way to plan.
        damage: Share of damaged items.
        low: Lower end of its interval.
        high: Upper end of its interval; where nothing was damaged, the bound as if all trials of a placement were one.
        ratio: The best arm's damage over this one's; nan where this one damages nothing.
        most: Upper end of the ratio's one-sided interval; infinite or nan where nothing can be said.
        strict: The same where, of a best arm that damaged nothing, all trials of a placement count as one.
        in_reach: Whether the arm is that fast at all; if not, damage is that at its fastest.
        fastest: Units an hour as planned.
        moved: Number of placements that it has a motion for.
    """

    arm: Arm
    damage: float
    low: float
    high: float
    ratio: float
    most: float
    strict: float
    in_reach: bool
    fastest: float
    moved: int


def at_equal_rate(curves: Sequence[Curve], hourly: float) -> list[AtRate]:
    """Every arm at so many units an hour, beside the best arm.

    A resample has a rate of its own, `hourly` times its best arm's rate over that of all.

    Args:
        curves: The arms' curves, over the same placements.
        hourly: Units an hour.
    """
    best, found = next(curve for curve in curves if curve.arm == BEST), []
    rates = hourly * best.resampled[0][:, -1] / best.rates()[0][-1]
    mine, nothing = best.resampled_at(rates), best.at(hourly) == 0
    for curve in curves:
        value, others = curve.at(hourly), curve.resampled_at(rates)
        low, high = (float(end) for end in np.quantile(others, ENDS))
        most, strict = (
            _upper(np.maximum(mine, bound if nothing else 0.0), others) for bound in (rate_bound(0, best.trials), best.bound)
        )
        ratio, fastest = best.at(hourly) / value if value else math.nan, float(curve.rates()[0][-1])
        high = curve.bound if value == 0 else high
        in_reach = hourly <= fastest + 1e-9
        found.append(AtRate(curve.arm, value, low, high, ratio, most, strict, in_reach, fastest, curve.moved))
    return found


def _upper(mine: Array, others: Array) -> float:
    """Upper end of the one-sided interval of a ratio, from resamples of both; nan where the other is always 0."""
    if not others.any():
        return math.nan
    ratios = np.divide(mine, others, out=np.full_like(mine, np.inf), where=others > 0)
    return float(np.quantile(ratios, CONFIDENCE, method="higher"))


def _resamples(found: Sequence[dict[str, Row]]) -> Array:
    """How often each placement counts, (`RESAMPLES`, placements), where catalogue items are drawn; the same each time."""
    names = [catalogue_id(rows[HANDS[0]]) for rows in found]
    groups = np.unique(names, return_inverse=True)[1] if names else np.zeros(0, int)
    count = int(groups.max(initial=-1)) + 1
    drawn = np.random.default_rng(0).integers(max(count, 1), size=(RESAMPLES, count))
    return np.array([np.bincount(items, minlength=count) for items in drawn], float)[:, groups]


def catalogue_id(row: Row) -> str:
    """Id of a row's item in the catalogue, from the problem's name `scene/ID/number/hand`."""
    return str(row["problem"].split("/")[1])


def curves_of(rows: Sequence[Row], times: Mapping[str, float], width: float | None = None, case: Case = CASES[0]) -> list[Curve]:
    """The curves of all arms, over the placements of which both hands have trials.

    Args:
        rows: Rows of one judge.
        times: Handling time of every hand [s].
        width: Only trials of this width; None = all.
        case: How much items bear, and what counts.
    """
    found = placements(rows)
    return [Curve.of(found, arm, times, width, case) for arm in ARMS]
