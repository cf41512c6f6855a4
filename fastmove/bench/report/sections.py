"""The sections of the bench's report, each made from the results' figures."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastmove import registries
from fastmove.bench.figures import CONFIDENCE, TIE, Contest, Figures, Physics, Speed, cause, geometric_mean, planners_in
from fastmove.bench.report import words
from fastmove.bench.report.charts import Axis, bars, curves, figure, histogram, shares
from fastmove.bench.report.parts import About, charts_of, definitions, run_section, section, shown_previews, table
from fastmove.bench.results import RESULTS
from fastmove.errors import FastMoveError

NO_HOLD = "fastmove-nohold"  # The planner beside which the price of the hold is seen …
PAYING = ("fastmove", "slowdown", "hold-toppra")  # … of these.
RATIO_MOST = 2.0  # Ratio at which the axes of ratios end [1].
PROFILE_MOST = 4.0  # Largest ratio at which the axis of the performance profile ends [1].
REASONS = 8  # Number of causes of failure that are named for each planner.
LISTED = 400  # Number of problems in the table.

Results = Sequence[Figures]


def sections(results: Results, about: About, previews: Sequence[str]) -> str:
    """All sections that have something to say, as HTML.

    Args:
        results: The results' figures.
        about: What `run.json` holds; empty where it is not known.
        previews: What each preview shows, in words.
    """
    parts = (
        _planners(results), _speed(results), _contests(results), _hold(results), _physics(results), _failures(results),
        shown_previews(previews, words.WORST), _problems(results), run_section(about),
    )  # fmt: skip
    return "\n".join(filter(None, parts))


def lead(results: Results) -> str:
    """The run in a few sentences."""
    names, problems = planners_in(results), {row.problem for row in results}
    robots = sorted({row.robot for row in results if row.robot})
    given = f"{len(names)} planners ({_listed(names)})" if len(names) > 1 else "a planner"
    first = _of(results, names[0])
    said = [
        f"{len(problems)} motion problems for {_listed(robots) or 'an arm'}, each given to {given}.",
        f"<b>{html.escape(names[0])}</b> solves {sum(row.ok for row in first)} of {len(first)}, and "
        f"{sum(row.keeps_all for row in first)} of its motions keep every limit.",
    ]
    for other in names[1:]:
        both, theirs = Contest.of(results, names[0], other), _of(results, other)
        solved, strict = sum(row.ok for row in theirs), sum(row.keeps_all for row in theirs)
        sentence = f"<b>{html.escape(other)}</b> solves {solved}, {strict} of them with every limit"
        if len(both.durations):
            mean, times = geometric_mean(both.durations), geometric_mean(both.times)
            beside = f"; beside it {html.escape(names[0])}'s motions take {mean:.2f} times as long"
            sentence += f"{beside} and {times:.2g} times the planning time"
        said.append(f"{sentence}.")
    return " ".join(said)


def _planners(results: Results) -> str:
    head = ("planner", "problems", "certified", "keeps all limits", "sum of T / sum of b", "median T / b", "planning, median",
            "planning, 95 % within")  # fmt: skip
    rows = []
    for name in planners_in(results):
        mine = _of(results, name)
        cells = [name, str(len(mine)), str(sum(row.ok for row in mine)), str(sum(row.keeps_all for row in mine))]
        speed = Speed.of(mine)
        if speed is not None:
            p50, p95 = speed.planning
            cells += [f"{speed.total:.3f}", f"{speed.median:.3f}", f"{p50:.2f} s", f"{p95:.2f} s"]
        rows.append(cells)
    return section("Planners", words.PLANNERS, table(head, rows) + _who(results))


def _who(results: Results) -> str:
    """What each planner is, and which limits its motions were checked for."""
    every, said_of = list(dict.fromkeys(kind for row in results for kind in row.checked)), []
    for name in planners_in(results):
        known = {kind for row in _of(results, name) for kind in row.checked}
        checked = [kind.replace("_", " ") for kind in every if kind in known]
        said = "checked for every limit" if len(checked) == len(every) else f"checked for {', '.join(checked)} only"
        said_of.append((name, "; ".join(filter(None, (_what_it_is(name), said if checked else "")))))
    return definitions(said_of)


def _what_it_is(planner: str) -> str:
    """The first line of a planner's own docstring; empty where it has none or cannot be loaded here."""
    try:
        text = registries.planners.get(planner).__doc__ or ""
    except FastMoveError:
        return ""
    return text.strip().partition("\n")[0].rstrip(".")


def _speed(results: Results) -> str:
    """Performance profile, durations over bounds, planning times."""
    names, problems = planners_in(results), list(dict.fromkeys(row.problem for row in results))
    ok = [[row for row in _of(results, name) if row.ok] for name in names]
    charts = []
    if len(names) > 1:
        title = "Who is fastest, and how far behind are the others"
        charts.append(figure(title, _profile(results, names, problems), words.PROFILE))
    ratios = [(name, np.array([row.ratio for row in ok[k]]), len(problems), k) for k, name in enumerate(names)]
    if any(np.isfinite(values).any() for _, values, _, _ in ratios):
        axis = Axis("duration over its lower bound, T / b", 1.0, RATIO_MOST)
        charts.append(figure("How close to what no motion can beat", shares(axis, ratios), words.BOUND))
    times = [(name, np.array([row.planning for row in ok[k]]), len(problems), k) for k, name in enumerate(names)]
    positive = np.concatenate([values[values > 0] for _, values, _, _ in times])
    if len(positive):
        low, high = 10.0 ** np.floor(np.log10(positive.min())), 10.0 ** np.ceil(np.log10(positive.max()) + 1e-9)
        axis = Axis("planning time [s] (logarithmic)", float(low), float(max(high, 10 * low)), logarithmic=True)
        charts.append(figure("How long planning takes", shares(axis, times), words.PLANNING))
    return section("Durations and planning times", "", charts_of(charts))


def _profile(results: Results, names: Sequence[str], problems: Sequence[str]) -> str:
    """Performance profile of durations (Dolan & Moré, Mathematical Programming 91, 2002)."""
    number = {problem: k for k, problem in enumerate(problems)}
    duration = np.full((len(names), len(problems)), np.inf)
    for row in results:
        if row.ok:
            duration[names.index(row.planner), number[row.problem]] = row.duration
    best = duration.min(axis=0)
    ratio = np.full_like(duration, np.inf)
    solved = np.isfinite(best)
    ratio[:, solved] = duration[:, solved] / best[solved]
    ratio[ratio <= 1 + TIE] = 1.0
    most = float(np.clip(np.max(ratio[np.isfinite(ratio)], initial=1.2), 1.2, PROFILE_MOST))
    grid = np.linspace(1.0, most, 200)
    lines = [(name, grid, (ratio[k][None, :] <= grid[:, None] + 1e-12).mean(axis=1), k) for k, name in enumerate(names)]
    return curves(Axis("times as long as the fastest", 1.0, most), Axis("share of problems", 0.0, 1.0), lines)


def _contests(results: Results) -> str:
    """The first planner beside each of the others."""
    names = planners_in(results)
    head = ("planner / other", "both solve", "T ratio", "shorter", f"within {TIE:.1%}", "longer", "planning time ratio",
            "both keep all", "T ratio on these")  # fmt: skip
    rows = []
    for other in names[1:]:
        both, strict = Contest.of(results, names[0], other), Contest.of(results, names[0], other, all_limits=True)
        counts = [str(x) for x in (both.wins, both.ties, both.losses)]
        strictly = [str(len(strict.durations)), _ratio(strict.durations)]
        first = [f"{names[0]} / {other}", str(len(both.durations)), _ratio(both.durations)]
        rows.append([*first, *counts, _number(geometric_mean(both.times), 2), *strictly])
    return section("Side by side", words.CONTESTS, table(head, rows)) if rows else ""


def _hold(results: Results) -> str:
    """The price of the hold: durations with it over those without."""
    names, charts = planners_in(results), []
    for k, name in enumerate(names if NO_HOLD in names else []):
        price = Contest.of(results, name, NO_HOLD).durations if name in PAYING else np.zeros(0)
        if len(price):
            longer = f"{np.mean(price > 1 + TIE):.0%} of {len(price)} take longer, the longest {price.max():.2f} times."
            chart = histogram(Axis("duration with the hold over that without", 1.0, RATIO_MOST), price, k)
            charts.append(figure(f"{name}: {_ratio(price)} times as long on average", chart, f"{words.HOLD} {longer}"))
    return section("The price of holding the item", "", charts_of(charts)) if charts else ""


def _physics(results: Results) -> str:
    """What became of the items in physics."""
    head = ("planner", "motions", "rollouts", "not held, in 1,000", f"below, at {CONFIDENCE:.0%}", "dropped, in 1,000",
            "furthest slip", "largest turn", "peak shock", "arm off", "not settled")  # fmt: skip
    rows, drawn = [], []
    for k, name in enumerate(planners_in(results)):
        seen = Physics.of(_of(results, name))
        if seen is None:
            continue
        rate = seen.in_1000(seen.slipped)
        rates = [f"{rate:.3g}", f"{seen.below:.3g}", f"{seen.in_1000(seen.dropped):.3g}"]
        sizes = [f"{1e3 * seen.slip:.3g} mm", f"{np.degrees(seen.turn):.3g}°", f"{seen.shock:.3g} m/s²"]
        rows.append([name, str(seen.motions), str(seen.count), *rates, *sizes, str(seen.off), str(seen.unsettled)])
        drawn.append((name, rate, f"{rate:.3g}", k))
    if not rows:
        return ""
    most = max(value for _, value, _, _ in drawn)
    chart = figure("Items not held, in 1,000 rollouts", bars(drawn, most), "Shorter is better.") if most > 0 else ""
    return section("In physics", words.PHYSICS, table(head, rows) + chart)


def _failures(results: Results) -> str:
    """Causes of failure, and limits that motions break which their planners do not know."""
    charts = []
    for k, name in enumerate(planners_in(results)):
        mine = _of(results, name)
        causes = Counter(cause(row.detail) for row in mine if not row.ok).most_common(REASONS)
        broken = Counter(kind.replace("_", " ") for row in mine if row.ok for kind in row.broken).most_common()
        for title, counts, caption in (
            (f"{name}: why there is no certified motion", causes, words.FAILURES),
            (f"{name}: limits that it breaks", broken, words.BROKEN),
        ):
            if counts:
                rows = [(said, float(count), str(count), k) for said, count in counts]
                charts.append(figure(title, bars(rows, float(counts[0][1])), caption))
    return section("What fails", "", charts_of(charts)) if charts else ""


def _problems(results: Results) -> str:
    """The table by problem, the largest ratio of the first planner first."""
    names, by_problem = planners_in(results), dict[str, dict[str, Figures]]()
    for row in results:
        by_problem.setdefault(row.problem, {})[row.planner] = row
    order = sorted(by_problem, key=lambda problem: -excess(by_problem[problem].get(names[0])))
    physics = any(row.rollouts for row in results)
    head = ["problem", *(f"{name}: T [s]" for name in names), "T / b", "planning [s]", *["not held"] * physics]
    rows = []
    for problem in order[:LISTED]:
        own = by_problem[problem]
        first = own.get(names[0])
        cells = [problem, *(_duration(own.get(name)) for name in names)]
        cells += [_number(first.ratio if first and first.ok else np.nan), _number(first.planning if first else np.nan, 2)]
        cells += [f"{first.slipped} of {first.rollouts}" if first and first.rollouts else "–"] * physics
        rows.append(cells)
    said = f"The largest T / b of {html.escape(names[0])} first. {words.PROBLEMS}"
    if len(order) > LISTED:
        said += f"The {len(order) - LISTED} with the smallest are left out; they are in {RESULTS}."
    return section("Problem by problem", said, table(head, rows, sortable=True))


def excess(row: Figures | None) -> float:
    """T / b of a certified motion; infinite where there is none, so that it comes first."""
    return row.ratio if row is not None and row.ok and row.ratio == row.ratio else np.inf


# -- small parts ------------------------------------------------------------------------------------------------------------


def _of(results: Results, planner: str) -> list[Figures]:
    return [row for row in results if row.planner == planner]


def _listed(names: Sequence[str]) -> str:
    return html.escape(", ".join(names))


def _ratio(values: Any) -> str:
    return _number(geometric_mean(values))


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else "–"


def _duration(row: Figures | None) -> str:
    if row is None or not row.ok:
        return "–"
    return f"{row.duration:.3f}{'' if row.keeps_all else ' *'}"
