"""The results of a bench as text for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from fastmove.bench.figures import CONFIDENCE, TIE, Contest, Figures, cause, geometric_mean, planners_in, rate_bound

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
    ok = [row for row in chosen if row.ok]
    line = f"{planner:<16} {scene:<20} {len(ok):>5} of {len(chosen):>3} {sum(row.keeps_all for row in chosen):>10}"
    known = [row for row in ok if row.bound > 0]
    if known:
        duration, bound = (np.array([getattr(row, key) for row in known]) for key in ("duration", "bound"))
        p50, p95 = np.percentile([row.planning for row in known], [50, 95]) * 1e3
        line += f" {duration.sum() / bound.sum():8.4f} {np.median(duration / bound):8.4f} {p50:7.0f} ms {p95:7.0f} ms"
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
        mine = [row for row in results if row.planner == planner and row.rollouts and row.ok]
        count = sum(row.rollouts for row in mine) - sum(row.unsettled for row in mine)
        if count:
            slipped, lost = sum(row.slipped for row in mine), sum(row.dropped for row in mine)
            below = f"at {CONFIDENCE:.0%} confidence below {1e3 * rate_bound(slipped, count):.3g}"
            slip, turn, shock = (max(getattr(row, key) for row in mine) for key in ("slip", "turn", "shock"))
            rate, moved = f"{1e3 * slipped / count:.3g} in 1,000", f"{1e3 * slip:.3g} mm and {np.degrees(turn):.3g}° in the hand"
            lines.append(
                f"{planner} in physics: {count} rollouts of {len(mine)} motions, {slipped} not held ({rate}; {below}), "
                f"{lost} dropped; at most {moved}, {shock:.3g} m/s²"
            )
    return lines
