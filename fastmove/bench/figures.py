"""Figures of results: the few numbers of each row that tables, comparisons and reports are made from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import beta

from fastmove.arrays import Array

TIE = 0.005  # Relative difference of durations below which neither motion is the faster one [1].
CONFIDENCE = 0.95  # Of bounds and intervals.


@dataclass(frozen=True, slots=True)
class Figures:
    """What is read from one row.

    Attributes:
        problem: Id of the problem.
        planner: Name of the planner.
        scene: Scene of the problem.
        robot: Name of the robot.
        number: Number of the problem in its set; −1 where it is not known.
        sha256: Hash of the problem.
        checked: Kinds of limits that its planner knows, for which it was certified; those that the problem has.
        ok: Whether the motion keeps these.
        keeps_all: Whether it keeps every limit of the problem.
        duration: Of the motion [s]; nan where there is none.
        bound: Lower bound of the duration [s]; nan where it is not known.
        planning: Planning time [s]; nan where it is not known.
        detail: Why there is no certified motion.
        broken: Limits that the motion breaks.
        rollouts: Number of rollouts in physics.
        slipped: In how many of them the item was not held.
        unsettled: In how many of them the item did not come to rest in the hand before the motion.
        off: In how many of them a joint of the simulated arm was more than 5 mrad off.
        dropped: In how many of them it left the hand.
        slip: Largest displacement in the hand [m].
        shock: Largest force of the hand on the item over its mass [m/s²].
        turn: Largest rotation in the hand [rad].
        raw_hits: Times at which bodies overlapped that may not; −1 where nobody looked.
    """

    problem: str
    planner: str
    scene: str
    robot: str
    number: int
    sha256: str
    checked: tuple[str, ...]
    ok: bool
    keeps_all: bool
    duration: float
    bound: float
    planning: float
    detail: str
    broken: tuple[str, ...]
    rollouts: int
    slipped: int
    unsettled: int
    off: int
    dropped: int
    slip: float
    shock: float
    turn: float
    raw_hits: int

    @staticmethod
    def of(row: dict[str, Any]) -> Figures:
        """Reads the figures of a row."""
        physics = row.get("physics") or {}
        certificate = row.get("certificate") or {}
        ok = bool(certificate.get("ok"))
        all_limits = row.get("all_limits") or {"ok": False, "broken": {}}  # where nobody looked, nothing is known
        count, unsettled = int(physics.get("rollouts", 0)), int(physics.get("unsettled", 0))
        return Figures(
            problem=row["problem"],
            planner=row["planner"],
            scene=row.get("scene", ""),
            robot=row.get("robot", ""),
            number=int(row.get("number", -1)),
            sha256=row.get("problem_sha256") or "",
            checked=tuple(
                key for key, value in certificate.items() if isinstance(value, dict) and value.get("margin") is not None
            ),
            ok=ok,
            keeps_all=bool(all_limits["ok"]),
            duration=_number(row.get("duration_s")),
            bound=_number(row.get("lower_bound_s")),
            planning=_number(row.get("plan_time_s")),
            detail=str(row.get("detail") or row.get("status") or ""),
            broken=tuple(all_limits["broken"]),
            rollouts=count,
            slipped=count - unsettled - int(physics.get("held", 0)),
            unsettled=unsettled,
            off=int(physics.get("off", 0)),
            dropped=int(physics.get("dropped", 0)),
            slip=1e-3 * float(physics.get("slip_mm", 0.0)),
            shock=float(physics.get("shock", 0.0)),
            turn=math.radians(physics.get("turn_deg", 0.0)),
            raw_hits=int(row.get("raw_hits", -1)),
        )

    @property
    def ratio(self) -> float:
        """Duration over its lower bound [1]."""
        return self.duration / self.bound if self.bound > 0 else math.nan


def figures_of(rows: Iterable[dict[str, Any]], planners: Sequence[str] = ()) -> list[Figures]:
    """The figures of all rows, those of these planners first and in their order, and by the problems' names."""
    place = {name: k for k, name in enumerate(planners)}
    return sorted(map(Figures.of, rows), key=lambda one: (place.get(one.planner, len(place)), one.planner, one.problem))


def planners_in(results: Iterable[Figures]) -> list[str]:
    """Names of the planners, in the order in which they first appear."""
    return list(dict.fromkeys(one.planner for one in results))


def cause(detail: str) -> str:
    """A sentence about a failure without its numbers and places, so that like ones are counted together."""
    if " misses its limit" in detail:
        return f"{detail.split()[0].replace('_', ' ')} misses its limit"
    return re.sub(r"\s+", " ", re.sub(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", "…", detail.split(";")[0])).strip() or "not said"


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


@dataclass(frozen=True)
class Contest:
    """One planner beside another, on the problems where both have a certified motion.

    Attributes:
        one: Name of the first planner.
        other: Name of the second.
        durations: The first's durations over the second's (N,).
        times: The first's planning times over the second's (N,).
    """

    one: str
    other: str
    durations: Array
    times: Array

    @staticmethod
    def of(results: Iterable[Figures], one: str, other: str, all_limits: bool = False) -> Contest:
        """Compares two planners.

        Args:
            results: The results of both.
            one: Name of the first planner.
            other: Name of the second.
            all_limits: Whether only motions count that keep every limit; else those that keep what their planner knows.
        """
        found: dict[str, dict[str, Figures]] = {one: {}, other: {}}
        for row in results:
            if row.planner in found and (row.keeps_all if all_limits else row.ok):
                found[row.planner][row.problem] = row
        both = [(found[one][key], found[other][key]) for key in found[one] if key in found[other]]
        return Contest(one, other, ratios(both, "duration"), ratios(both, "planning"))

    @property
    def wins(self) -> int:
        """On how many the first is faster by more than `TIE`."""
        return int(np.sum(self.durations < 1 - TIE))

    @property
    def losses(self) -> int:
        """On how many the second is faster by more than `TIE`."""
        return int(np.sum(self.durations > 1 / (1 - TIE)))

    @property
    def ties(self) -> int:
        """On how many neither is."""
        return len(self.durations) - self.wins - self.losses


def ratios(pairs: Iterable[tuple[Figures, Figures]], key: str) -> Array:
    """A figure of the first of each pair over that of the second (N,)."""
    return np.array([getattr(one, key) / getattr(other, key) for one, other in pairs])


@dataclass(frozen=True)
class Speed:
    """How fast one planner's certified motions are, and how long it took to find them.

    Attributes:
        total: Sum of durations over the sum of their lower bounds [1].
        median: Median of the ratios [1].
        planning: Median and 95th percentile of the planning times [s].
    """

    total: float
    median: float
    planning: tuple[float, float]

    @staticmethod
    def of(results: Iterable[Figures]) -> Speed | None:
        """Of the certified motions whose bound is known; None if there is none."""
        known = [row for row in results if row.ok and row.bound > 0]
        if not known:
            return None
        p50, p95 = np.nanpercentile([row.planning for row in known], [50, 95])
        total = sum(row.duration for row in known) / sum(row.bound for row in known)
        return Speed(total, float(np.median([row.ratio for row in known])), (float(p50), float(p95)))


@dataclass(frozen=True)
class Physics:
    """What became of the items of one planner's certified motions in physics.

    Attributes:
        motions: Number of motions that were judged.
        count: Number of rollouts in which the item had settled.
        unsettled: Number of the others.
        slipped: Number of rollouts in which the item was not held.
        dropped: Number of those in which it left the hand.
        off: Number of those in which a joint of the arm was off.
        slip: Largest displacement in the hand [m].
        turn: Largest rotation in the hand [rad].
        shock: Largest force of the hand on an item over its mass [m/s²].
    """

    motions: int
    count: int
    unsettled: int
    slipped: int
    dropped: int
    off: int
    slip: float
    turn: float
    shock: float

    @staticmethod
    def of(results: Iterable[Figures]) -> Physics | None:
        """Of the certified motions that were judged; None where nothing settled."""
        mine = [row for row in results if row.ok and row.rollouts]
        sums = {key: sum(getattr(row, key) for row in mine) for key in ("unsettled", "slipped", "dropped", "off")}
        count = sum(row.rollouts for row in mine) - sums["unsettled"]
        if not count:
            return None
        most = {key: max(getattr(row, key) for row in mine) for key in ("slip", "turn", "shock")}
        return Physics(len(mine), count, **sums, **most)

    def in_1000(self, events: int) -> float:
        """So many events in a thousand rollouts."""
        return 1e3 * events / self.count

    @property
    def below(self) -> float:
        """Bound of the items not held in a thousand rollouts, at `CONFIDENCE`."""
        return 1e3 * rate_bound(self.slipped, self.count)


def geometric_mean(values: Array) -> float:
    """The geometric mean of positive values; nan of none."""
    finite = values[np.isfinite(values)] if len(values) else values
    return float(np.exp(np.log(finite).mean())) if len(finite) else math.nan


def rate_bound(events: int, trials: int) -> float:
    """Upper bound of a rate at `CONFIDENCE`, by Clopper and Pearson (Biometrika 26, 1934); 1 without trials."""
    return 1.0 if events >= trials else float(beta.ppf(CONFIDENCE, events + 1, trials - events))
