"""The results of a bench as text for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from fastmove.bench.figures import CONFIDENCE, TIE, Contest, Figures, Physics, Speed, cause, geometric_mean, planners_in

ABOUT = (
    "certified: keeps the limits that its planner knows; all limits: keeps every limit of its problem; ΣT/Σb: sum of durations\n"
    "over the sum of their kinematic lower bounds; median: of the ratios; plan: planning time"
)


def table(results: Sequence[Figures]) -> str:
    """Text table of the results by planner and scene: number certified, durations over lower bounds, planning times.

    Args:
        results: The results' figures.
    """
    numbers = f"{'certified':>11} {'all limits':>10} {'ΣT/Σb':>8} {'median':>8} {'plan p50':>10} {'p95':>10}"
    lines = [f"{'planner':<16} {'scene':<20} {numbers}"]
    for planner in planners_in(results):
        mine = [row for row in results if row.planner == planner]
        scenes = sorted({row.scene for row in mine})
        for scene in [*(scenes if len(scenes) > 1 else []), "all"]:
            lines.append(_line(planner, scene, [row for row in mine if scene in ("all", row.scene)]))
    looked = [row.raw_hits for row in results if row.raw_hits >= 0]
    if looked:
        lines.append(f"against the raw meshes, every 0.1 ms: {sum(looked)} hits in {len(looked)} motions")
    return "\n".join([*lines, ABOUT, *_reasons(results), *_contests(results), *_physics(results)])


def _line(planner: str, scene: str, chosen: Sequence[Figures]) -> str:
    certified, strict, speed = sum(row.ok for row in chosen), sum(row.keeps_all for row in chosen), Speed.of(chosen)
    line = f"{planner:<16} {scene:<20} {certified:>5} of {len(chosen):>3} {strict:>10}"
    if speed is not None:
        p50, p95 = speed.planning
        line += f" {speed.total:8.4f} {speed.median:8.4f} {1e3 * p50:7.0f} ms {1e3 * p95:7.0f} ms"
    return line


def _reasons(results: Sequence[Figures]) -> list[str]:
    """Lines with each planner's most frequent reason for results that are not certified."""
    lines = []
    for planner in planners_in(results):
        failed = [row for row in results if row.planner == planner and not row.ok]
        if failed:
            (words, count), *_ = Counter(cause(row.detail) for row in failed).most_common(1)
            lines.append(f"{planner}: {len(failed)} not certified, {count} of them as: {words}")
    return lines


def _contests(results: Sequence[Figures]) -> list[str]:
    """Lines with the first planner beside each other one, on problems where both are certified."""
    names, lines = planners_in(results), []
    for other in names[1:]:
        both = Contest.of(results, names[0], other)
        if len(both.durations):
            counts = f"{both.wins} faster, {both.ties} within {TIE:.1%}, {both.losses} slower"
            mean = f"{geometric_mean(both.durations):.3f} × the duration (geometric mean of {len(both.durations)}; {counts})"
            lines.append(f"{names[0]} / {other}: {mean}, {geometric_mean(both.times):.2f} × the planning time")
    return lines


def _physics(results: Sequence[Figures]) -> list[str]:
    """Lines with what became of the items in physics, by planner."""
    lines = []
    for planner in planners_in(results):
        seen = Physics.of(row for row in results if row.planner == planner)
        if seen is not None:
            rate = f"{seen.in_1000(seen.slipped):.3g} in 1,000; at {CONFIDENCE:.0%} confidence below {seen.below:.3g}"
            moved = f"{1e3 * seen.slip:.3g} mm and {np.degrees(seen.turn):.3g}° in the hand"
            lines.append(
                f"{planner} in physics: {seen.count} rollouts of {seen.motions} motions, {seen.slipped} not held ({rate}), "
                f"{seen.dropped} dropped; at most {moved}, {seen.shock:.3g} m/s²"
            )
    return lines
