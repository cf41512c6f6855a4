"""Comparison of two runs of the bench: what changed, and whether it is more than noise.

Only results of the same problem (by its hash) and planner are compared.  Whether a change is more than noise is said by an
interval of the geometric mean of ratios at 95 %, from resampling the problems (bootstrap, percentiles; Efron & Tibshirani, 1993),
and for how many are certified by McNemar's exact test (changes to either side are as likely as a coin's).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from fastmove.arrays import Array
from fastmove.bench.figures import CONFIDENCE, Figures, figures_of, geometric_mean, planners_in, ratios
from fastmove.bench.results import about_run, rows_in
from fastmove.certificate.certificate import finite
from fastmove.errors import InputError

RESAMPLED = 2000  # Number of resamplings of the problems.
SAME = 1e-9  # Relative difference of durations below which a motion is the same [1].
SHOWN = 8  # Number of single problems that are named.

Pair = tuple[Figures, Figures]


@dataclass(frozen=True)
class Change:
    """How the results of one planner changed from run A to run B.

    Attributes:
        planner: Name of the planner.
        pairs: The results of both runs, problem by problem.
        others: Number of problems that only one of the runs has, or that differ.
        speed: Time of the fixed workload in B over that in A, by which planning times are divided [1]; 1 where not known.
    """

    planner: str
    pairs: tuple[Pair, ...]
    others: int
    speed: float

    @property
    def certified(self) -> tuple[int, int]:
        """How many are certified in A, and in B."""
        return sum(a.ok for a, _ in self.pairs), sum(b.ok for _, b in self.pairs)

    @property
    def gained(self) -> list[str]:
        """Problems that are certified in B only."""
        return [b.problem for a, b in self.pairs if b.ok and not a.ok]

    @property
    def lost(self) -> list[str]:
        """Problems that are certified in A only."""
        return [b.problem for a, b in self.pairs if a.ok and not b.ok]

    @property
    def both(self) -> list[Pair]:
        """Those that are certified in both."""
        return [(a, b) for a, b in self.pairs if a.ok and b.ok]

    @property
    def durations(self) -> Array:
        """Durations in B over those in A (N,)."""
        return ratios(((b, a) for a, b in self.both), "duration")

    @property
    def times(self) -> Array:
        """Planning times in B over those in A, as if on the same machine (N,)."""
        return ratios(((b, a) for a, b in self.both), "planning") / self.speed

    def as_json(self) -> dict[str, Any]:
        """The change as JSON values: counts, names, and each ratio with its interval."""
        values = {"duration": self.durations, "plan_time": self.times}
        return {
            "planner": self.planner,
            "common": len(self.pairs),
            "others": self.others,
            "certified": list(self.certified),
            "gained": self.gained,
            "lost": self.lost,
        } | {key: finite({"ratio": geometric_mean(v), "interval": interval(v), "number": len(v)}) for key, v in values.items()}

    def __str__(self) -> str:
        if not self.pairs:
            return f"{self.planner}: no problem in common"
        lines = [f"{self.planner}: {len(self.pairs)} problems in common{f', {self.others} not' if self.others else ''}"]
        before, after = self.certified
        lines.append(f"  certified: {before} → {after}{self._certified_words()}")
        durations = self.durations
        if len(durations):
            changed = int(np.sum(np.abs(durations - 1) > SAME))
            lines.append(f"  durations: {_words(durations)}; {changed} of {len(durations)} motions differ")
            lines.append(f"  planning times: {_words(self.times)}")
            lines += self._largest()
        return "\n".join(lines)

    def _certified_words(self) -> str:
        gained, lost = self.gained, self.lost
        if not gained and not lost:
            return " (the same ones)"
        chance = binomtest(len(lost), len(gained) + len(lost)).pvalue
        verdict = "more than noise" if chance < 1 - CONFIDENCE else f"may be noise, p = {chance:.2g}"
        names = [*(f"+ {name}" for name in gained[:SHOWN]), *(f"− {name}" for name in lost[:SHOWN])]
        return f" (+{len(gained)} −{len(lost)}: {verdict})\n    " + "\n    ".join(names)

    def _largest(self) -> list[str]:
        """Lines with the motions whose durations changed most."""
        durations, both = self.durations, self.both
        order = np.argsort(-np.abs(np.log(durations)))[:SHOWN]
        return [
            f"    {durations[k]:.4f} × {both[k][0].problem}: {both[k][0].duration:.4f} → {both[k][1].duration:.4f} s"
            for k in order
            if abs(durations[k] - 1) > SAME
        ]


def interval(values: Array) -> tuple[float, float]:
    """Interval of the geometric mean of ratios at `CONFIDENCE`, by resampling; the same for the same ratios."""
    logs, rng = np.log(values[np.isfinite(values)]), np.random.default_rng(0)
    if not len(logs):
        return math.nan, math.nan
    means = np.array([logs[rng.integers(len(logs), size=len(logs))].mean() for _ in range(RESAMPLED)])
    low, high = np.exp(np.percentile(means, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)]))
    return float(low), float(high)


def _words(values: Array) -> str:
    if np.all(np.abs(values - 1) <= SAME):
        return "the same"
    low, high = interval(values)
    verdict = "more than noise" if low > 1 or high < 1 else "no more than noise"
    return f"{geometric_mean(values):.4f} × (geometric mean; {CONFIDENCE:.0%} interval {low:.4f} to {high:.4f}: {verdict})"


def compared(before: Path, after: Path) -> list[Change]:
    """Compares two folders of results, planner by planner.

    Args:
        before: Folder of run A.
        after: Folder of run B.

    Raises:
        InputError: A folder holds no results, or the two have no planner in common.
    """
    runs = [figures_of(rows_in(folder)) for folder in (before, after)]
    speed = _workload(after) / _workload(before)
    names = [name for name in planners_in(runs[0]) if name in planners_in(runs[1])]
    if not names:
        raise InputError(str(after), f"has no planner in common with {before}")
    return [_change(name, runs[0], runs[1], speed if speed == speed else 1.0) for name in names]


def _change(planner: str, before: Sequence[Figures], after: Sequence[Figures], speed: float) -> Change:
    own = [{(row.problem, row.sha256): row for row in run if row.planner == planner} for run in (before, after)]
    pairs = tuple((own[0][key], own[1][key]) for key in own[0] if key in own[1])
    return Change(planner, pairs, len(own[0]) + len(own[1]) - 2 * len(pairs), speed)


def _workload(folder: Path) -> float:
    """Time of the fixed workload on the machine of a run [ms]; nan where it is not known."""
    try:
        return float(about_run(folder)["machine"]["workload_ms"])
    except (OSError, ValueError, KeyError, TypeError):
        return math.nan
