"""The headline's page: curves of all arms, every arm at the same rate, causes, sensitivity, worst cases, and all assumptions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fastmove.bench.headline import words
from fastmove.bench.headline.curves import (
    ARMS,
    BEST,
    HANDS,
    Arm,
    AtRate,
    Curve,
    at_equal_rate,
    catalogue_id,
    curves_of,
    handling,
    placements,
)
from fastmove.bench.headline.damage import CASES, CAUSES, Case, damage
from fastmove.bench.headline.motions import SPEEDS, planned_way
from fastmove.bench.headline.trial_job import MOTIONS
from fastmove.bench.headline.trials import JUDGES, WIDTHS
from fastmove.bench.problem_set import ProblemSet, open_set
from fastmove.bench.report.charts import Axis, curves, figure
from fastmove.bench.report.parts import charts_of, definitions, run_section, section, shown_previews, table
from fastmove.bench.report.report import page_html
from fastmove.bench.results import Row, about_run, rows_in
from fastmove.certificate.certificate import finite
from fastmove.certificate.certify import certify
from fastmove.errors import FastMoveError, InputError
from fastmove.io.atomic_write import write_whole
from fastmove.problem.describe import problem_sha256
from fastmove.solution.solution import Solution

PAGE = "headline.html"
FIGURES = "headline.json"  # The page's figures, for programs.
TENTH = 0.1  # Ratio of damage that is asked for.
EQUAL = 0.005  # Difference of damage below which two arms count as equal in their order [1].


def write_page(folder: Path, previews: int) -> Path:
    """Write the page of a folder of results, and its figures beside it.

    Args:
        folder: Folder of results.
        previews: How many of the worst cases can be looked at.

    Raises:
        InputError: The folder holds no results, or no placement of which both hands have trials.
    """
    rows, about = list(rows_in(folder)), about_run(folder)
    standard = [row for row in rows if row["planner"] == JUDGES[0].name]
    if not placements(standard):
        said = "; ".join(sorted({row["left_out"] for row in standard if "left_out" in row})[:3]) or "the run has just begun"
        raise InputError(str(folder), f"has no placement of which both hands have trials ({said})")
    problems = open_set(about["set"])
    times = {hand: handling(problems.load(k).problem) for k, hand in enumerate(HANDS)}
    by_width = {width: curves_of(standard, times, width) for width in WIDTHS}
    rate = float(_best(by_width[WIDTHS[0]]).rates()[0][-1])
    at = {width: at_equal_rate(by_width[width], rate) for width in WIDTHS}
    variants = sensitivity(rows, times, rate)
    shown = [(said, page) for said, page in (_preview(folder, problems, *one) for one in _worst(standard)[:previews]) if page]
    parts = [
        section("Was it a tenth?", words.TENTH, _tenth(at)),
        _curves(by_width),
        section("Every arm at the same rate", words.EQUAL, "".join(_equal(width, at[width]) for width in WIDTHS)),
        _causes(standard),
        _sensitivity(variants),
        _speeds(by_width, standard),
        shown_previews([said for said, _ in shown], words.WORST),
        section(
            "What both hands could take", words.TAKEN, definitions([*_taken(problems).items(), *_left_out(standard).items()])
        ),
        section("Assumptions", "", definitions([*words.ASSUMPTIONS, ("handling", _handling(times))])),
        section("Elsewhere", words.CONTEXT, ""),
        run_section(about),
    ]
    title = "Damage against units an hour: two fingers and a cup"
    page = page_html(title, _lead(standard, at, rate), "\n".join(filter(None, parts)), [page for _, page in shown])
    write_whole(folder / FIGURES, (json.dumps(finite(_figures(by_width, at, rate, variants)), indent=1) + "\n").encode())
    write_whole(folder / PAGE, page.encode())
    return folder / PAGE


def spoken(folder: Path) -> str:
    """Every arm at the same rate, from the page's figures, as text."""
    figures = json.loads((folder / FIGURES).read_text())
    lines = [f"damaged at {figures['units_an_hour']:.0f} units an hour (* = at the arm's fastest), by width of the truth"]
    for arm in map(_named, ARMS):
        cells = []
        for rows in figures["equal"].values():
            row = rows[arm]
            star = "" if row["reached"] else "*"
            cells.append(f"{100 * row['damage']:6.2f} % ({100 * row['low']:.2f} to {100 * row['high']:.2f}){star}")
        lines.append(f"  {arm:<20}" + "".join(f"{cell:<30}" for cell in cells).rstrip())
    return "\n".join(lines)


def _best(found: Sequence[Curve]) -> Curve:
    return next(curve for curve in found if curve.arm == BEST)


def _named(arm: Arm) -> str:
    return ", ".join(arm)


def percent(value: float) -> str:
    """A share in words, with two digits."""
    return f"{100 * value:.2f} %" if np.isfinite(value) else "–"


def _lead(standard: Sequence[Row], at: dict[float, list[AtRate]], rate: float) -> str:
    """The outcome in a few sentences."""
    found = placements(standard)
    kinds, trials = len({catalogue_id(rows[HANDS[0]]) for rows in found}), sum(len(rows[HANDS[0]]["trials"]) for rows in found)
    said = [
        f"{len(found)} placements of {kinds} retail items that both hands can take, each moved by fingers and by a cup,",
        f"planned in three ways, in physics: {trials} trials of each arm.",
        f"With FastMove's motions fingers move {rate:.0f} units an hour.",
    ]
    for width in WIDTHS:
        rows = {row.arm: row for row in at[width]}
        mine = rows.pop(BEST)
        beside = [f"{percent(rows[hand, 'kinematic'].damage)} ({hand}, kinematic)" for hand in HANDS]
        less = [row for row in rows.values() if row.damage < mine.damage or (row.damage == mine.damage and row.fastest > rate)]
        sentence = f"{_where(width)}, they damage <b>{percent(mine.damage)}</b>, at the same rate {' and '.join(beside)}"
        if less:
            better = ", ".join(f"{_named(row.arm)} ({percent(row.damage)}, up to {row.fastest:.0f} an hour)" for row in less)
            sentence += f"; as gentle and faster, or gentler (at this rate or at their fastest): {better}"
        said.append(f"{sentence}.")
    return " ".join(said)


def _where(width: float) -> str:
    return "Where the planner's set holds" if width == 1 else f"Where truth is {width:g} times as wide"


def _tenth(at: dict[float, list[AtRate]]) -> str:
    """Whether the best arm's damage is at most a tenth of that of kinematic arms, with the bounds of the ratio."""
    head = ("beside", *(f"width {width:g}" for width in at))
    rows = []
    for hand in HANDS:
        cells = []
        for found in at.values():
            row = next(row for row in found if row.arm == (hand, "kinematic"))
            if not np.isfinite(row.ratio):
                cells.append("neither damages anything" if row.damage == 0 else "–")
                continue
            answer = "no" if row.ratio > TENTH else "yes" if row.strict <= TENTH else "yes, not proven"
            cells.append(f"{answer}: {row.ratio:.3f} (at most {_bound(row.most)}; {_bound(row.strict)})")
        rows.append((f"{hand}, kinematic", *cells))
    return table(head, rows)


def _bound(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "∞"


def _curves(by_width: dict[float, list[Curve]]) -> str:
    """A chart for each width."""
    charts, most, low, high = [], 0.01, np.inf, 0.0
    for found in by_width.values():
        for curve in found:
            rate, _ = curve.rates()
            most = max(most, *(curve.interval(n)[1] for n in range(len(rate))))
            low, high = min(low, float(rate.min())), max(high, float(rate.max()))
    for width, found in by_width.items():
        x, y = Axis("units an hour", 50 * np.floor(low / 50), 50 * np.ceil(high / 50)), Axis("damaged [%]", 0.0, 100 * most)
        lines, spans = [], []
        for k, curve in enumerate(found):
            rate, share = curve.rates()
            lines.append((_named(curve.arm), rate, 100 * share, k))
            for n, value in enumerate(rate):
                start, end = curve.interval(n)
                spans.append((float(value), 100 * start, 100 * end, k))
        title = f"Truth {width:g} times as wide as the planner's set" if width != 1 else "Truth within the planner's set"
        charts.append(figure(title, curves(x, y, lines, spans)))
    return section("Damage against units an hour", f"{words.CURVES}</p><p>{words.WIDTHS}", charts_of(charts))


def _equal(width: float, at: Sequence[AtRate]) -> str:
    head = ("arm", "placements", "units an hour as planned", "damaged", "95 % interval", "ratio", "ratio at most", "strictly")
    rows = []
    for row in at:
        ratios = ("–",) * 3 if row.arm == BEST or not np.isfinite(row.ratio) else (
            f"{row.ratio:.3f}", _bound(row.most), _bound(row.strict)
        )  # fmt: skip
        span = f"{percent(row.low)} to {percent(row.high)}"
        name = f"{_named(row.arm)}{'' if row.in_reach else ' *'}"
        rows.append((name, str(row.moved), f"{row.fastest:.0f}", percent(row.damage), span, *ratios))
    return f"<h3>{_where(width)}</h3>{table(head, rows)}"


def _causes(standard: Sequence[Row]) -> str:
    """What happened to the items, by arm, as planned."""
    head = ("arm", "trials", "could not be lifted", *CAUSES, "undamaged", "not settled")
    rows = []
    for hand, way in ARMS:
        counts = Counter[str]()
        for row in (found[hand] for found in placements(standard) if way in found[hand]["speeds"]):
            for trial in row["trials"]:
                known = {"slipped": "could not be lifted", "unsettled": "not settled"}.get(trial["pick"])
                counts[known or damage(row, trial, way, 0) or "undamaged"] += 1
        rows.append((_named((hand, way)), str(counts.total()), *(str(counts[name]) for name in head[2:])))
    return section("What happens to the items", words.CAUSES, table(head, rows))


def _speeds(by_width: dict[float, list[Curve]], standard: Sequence[Row]) -> str:
    """Every speed of every arm."""
    head = ("arm", "speed", "mean transfer [s]", "units an hour", "use", *(f"damaged, width {width:g}" for width in WIDTHS))
    rows = []
    for number, (hand, way) in enumerate(ARMS):
        facts = np.array([found[hand]["speeds"][way] for found in placements(standard) if way in found[hand]["speeds"]])
        for k, speed in enumerate(SPEEDS[way] if len(facts) else ()):
            slowest_first = len(SPEEDS[way]) - 1 - k
            cells = []
            for found in by_width.values():
                low, high = found[number].interval(slowest_first)
                cells.append(f"{percent(found[number].rates()[1][slowest_first])} ({100 * low:.2f} to {100 * high:.2f})")
            rate = by_width[WIDTHS[0]][number].rates()[0][slowest_first]
            mean = facts[:, k].mean(axis=0)
            rows.append((_named((hand, way)), f"{speed:g}", f"{mean[1]:.3f}", f"{rate:.0f}", f"{mean[2]:.2f}", *cells))
    return section("Every speed", words.SPEEDS, table(head, rows, sortable=True))


def sensitivity(rows: Sequence[Row], times: dict[str, float], rate: float) -> list[tuple[str, list[AtRate]]]:
    """Every arm at the same rate, all widths together, with the usual judge and thresholds first, then with each change."""
    found = []
    longer = {hand: times | {hand: 2 * seconds} for hand, seconds in times.items()}
    cases: list[tuple[str, str, Case, dict[str, float]]] = [(judge.said, judge.name, CASES[0], times) for judge in JUDGES]
    cases += [(case.name, JUDGES[0].name, case, times) for case in CASES[1:]]
    cases += [(f"handling by {hand} takes twice as long", JUDGES[0].name, CASES[0], longer[hand]) for hand in HANDS]
    for said, judge, case, takes in cases:
        own = [row for row in rows if row["planner"] == judge]
        if placements(own):
            curves_here = curves_of(own, takes, None, case)
            here = rate if takes is times else float(_best(curves_here).rates()[0][-1])
            found.append((said, at_equal_rate(curves_here, here)))
    return found


def order(at: Sequence[AtRate]) -> list[set[Arm]]:
    """The arms from least to most damage, in groups whose neighbours differ by less than `EQUAL`."""
    groups: list[set[Arm]] = []
    last = -np.inf
    for row in sorted(at, key=lambda row: row.damage):
        if row.damage - last >= EQUAL or not groups:
            groups.append(set())
        groups[-1].add(row.arm)
        last = row.damage
    return groups


def _sensitivity(variants: Sequence[tuple[str, list[AtRate]]]) -> str:
    head = ("change", *map(_named, ARMS), "order")
    rows = []
    for said, at in variants:
        same = order(at) == order(variants[0][1])
        rows.append((said, *(percent(row.damage) for row in at), "the same" if same else "another"))
    return section("Sensitivity", words.SENSITIVITY, table(head, rows))


def _worst(standard: Sequence[Row]) -> list[tuple[Row, Row, str]]:
    """The damaged trials of the best arm as planned, at the smallest width first, the farthest slips first; one of each item."""
    hand, way = BEST
    found = [
        (trial["width"], -trial["runs"][way][0][0], row, trial, what)
        for row in standard
        if row["hand"] == hand and "trials" in row
        for trial in row["trials"]
        if trial["pick"] == "held" and (what := damage(row, trial, way, 0))
    ]
    found.sort(key=lambda one: one[:2])
    first: dict[str, tuple[Row, Row, str]] = {}
    for _, _, row, trial, what in found:
        first.setdefault(row["problem"], (row, trial, what))
    return list(first.values())


def _preview(folder: Path, problems: ProblemSet, row: Row, trial: Row, what: str) -> tuple[str, str]:
    """Words and page of one of the worst cases; an empty page where it cannot be drawn."""
    slip, turn = trial["runs"][BEST[1]][0][:2]
    said = (
        f"{row['problem']}, {row['item']}: {what} at width {trial['width']:g} ({slip:.2f} mm, {turn:.1f}° in the hand); "
        f"friction {trial['friction']:.2f}, grip {trial['force']:.1f} N, {trial['mass']:.3f} kg"
    )
    try:
        from fastmove.viz.preview import preview_html

        problem = problems.load(2 * row["pair"] + HANDS.index(row["hand"])).problem
        made = planned_way(problem, BEST[1], folder / MOTIONS)
        if made.trajectory is None or problem_sha256(problem) != row["problem_sha256"]:
            return said, ""
        certificate = certify(problem, made.trajectory)
        return said, preview_html(Solution.of(problem, made.trajectory, certificate, float("nan")))
    except FastMoveError:
        return said, ""


def _left_out(standard: Sequence[Row]) -> dict[str, object]:
    """Why placements have no trials, or an arm no motion."""
    counts: Counter[str] = Counter(f"{row['hand']}: {row['left_out']}" for row in standard if "left_out" in row)
    for row in standard:
        counts.update(f"{row['hand']}, {way}: no motion" for way in SPEEDS if way not in row.get("speeds", SPEEDS))
    return dict(counts)


def _taken(problems: ProblemSet) -> dict[str, object]:
    """What was drawn and put back when the set was made."""
    beside = problems.files[0].with_suffix(".json")
    counts: dict[str, object] = json.loads(beside.read_text()) if beside.exists() else {}
    return counts


def _handling(times: dict[str, float]) -> str:
    return ", ".join(f"{hand} {seconds:.2f} s" for hand, seconds in times.items())


def _figures(
    by_width: dict[float, list[Curve]], at: dict[float, list[AtRate]], rate: float, variants: Sequence[tuple[str, list[AtRate]]]
) -> Row:
    """The page's figures as JSON values."""
    arms = {}
    for number, arm in enumerate(ARMS):
        widths = {}
        for width, found in by_width.items():
            hourly, share = found[number].rates()
            points = [[round(float(x), 2), round(float(y), 6), *map(float, found[number].interval(k))]
                      for k, (x, y) in enumerate(zip(hourly, share, strict=True))]  # fmt: skip
            widths[f"{width:g}"] = {"trials": found[number].trials, "placements": found[number].moved, "points": points}
        arms[_named(arm)] = widths

    def listed(rows: Sequence[AtRate]) -> Row:
        return {
            _named(row.arm): {"damage": row.damage, "low": row.low, "high": row.high, "ratio": row.ratio,
                              "most": row.most, "strict": row.strict, "reached": row.in_reach,
                              "fastest": row.fastest, "placements": row.moved}
            for row in rows
        }  # fmt: skip

    equal = {f"{width:g}": listed(rows) for width, rows in at.items()}
    return {"format": 1, "units_an_hour": rate, "arms": arms, "equal": equal, "sensitivity": {s: listed(r) for s, r in variants}}
