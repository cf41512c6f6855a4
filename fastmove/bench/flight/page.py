"""The page of `fastmove bench flight`: one file that opens offline, its figures as text and its curves as SVG."""

from __future__ import annotations

import html
from collections import Counter
from typing import Any

import numpy as np

from fastmove.bench.flight.summary import classified, summary
from fastmove.bench.report.charts import PAGE, Axis, figure, histogram, legend, scattered
from fastmove.execution.stops import AT_GOAL, OFF_PATH, ON_PATH

BRAKE = "the joints' own brake"
COLOURS = {ON_PATH: 1, OFF_PATH: 0, AT_GOAL: 6, BRAKE: 3}  # Numbers in the palette of the charts.
TERMS = (
    ("on the path", "the arm stops on its certified path, slower and slower"),
    ("off the path", "all joints brake together, as hard as the certificate finds the item held and everything clear"),
    ("at the goal", "the motion ends before it could stop"),
    (BRAKE, "as hard as the joints' acceleration and jerk limits allow, whatever is in the hand"),
    ("reserve", "share of acceleration, torque and grip that a motion leaves unused, so that it can be slowed"),
    ("response", "from when a change is known to the first command that follows from it"),
    ("HELD", "in physics the item moved at most 0.2 mm and 0.2° in the hand"),
)
Row = dict[str, Any]


def flight_page(rows: dict[str, list[Row]]) -> str:
    """Returns the page of all parts."""
    stops = [row for row in rows["stops"] if "stops" in row]
    terms = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in TERMS)
    parts = [
        "<h1>What happens in flight</h1>",
        f"<pre>{html.escape(summary(rows))}</pre>",
        f"<h2>Time to rest, by when the stop is asked for</h2>{legend(list(COLOURS.items()))}<div class=charts>",
        *(_stops_chart(row) for row in sorted(stops, key=lambda row: row["key"])),
        "</div>",
        *_interruption_parts(rows["interruptions"]),
        *_speed_parts(rows["speeds"]),
        f"<h2>Terms</h2><dl>{terms}</dl>",
    ]
    style = (PAGE / "report.css").read_text()
    head = f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Flight bench</title><style>{style}</style></head>'
    return f"{head}<body><article>{''.join(parts)}</article></body></html>"


def _stops_chart(row: Row) -> str:
    """Time to rest against the instant, beside the joints' own brake."""
    name, reserve = row["key"]
    x, y = (
        Axis("asked at [s]", 0.0, row["duration"]),
        Axis("to rest [s]", 0.0, max([stop["time"] for stop in row["stops"]] + [0.1])),
    )
    dots = [(stop["at"], stop["time"], COLOURS[stop["where"]]) for stop in row["stops"]]
    brake = np.array([stop["at"] for stop in row["stops"]]), np.array([brake["time"] for brake in row["brakes"]])
    return figure(f"{name}, reserve {reserve:g}", scattered(x, y, dots, (*brake, COLOURS[BRAKE])))


def _times(values: list[float], name: str, title: str) -> str:
    """How often times are, up to their 98th percentile."""
    if not values:
        return ""
    return figure(
        title, histogram(Axis(name, 0.0, max(float(np.percentile(values, 98)), 1e-3)), np.array(values), COLOURS[ON_PATH], "runs")
    )


def _interruption_parts(rows: list[Row]) -> list[str]:
    """What became of interrupted motions, the responses by kind, and those that went worst."""
    if not rows:
        return []
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    what = [name for name, _ in Counter(classified(row) for row in rows).most_common()]
    counts = Counter((row["kind"], classified(row)) for row in rows)
    body = "".join(f"<tr><td>{k}</td>{''.join(f'<td>{counts[k, w]}</td>' for w in what)}</tr>" for k in kinds)
    table = f"<table><tr><th></th>{''.join(f'<th>{html.escape(w)}</th>' for w in what)}</tr>{body}</table>"
    charts = [
        _times([1e3 * row["response"] for row in rows if row["kind"] == k and row.get("response")], "response [ms]", k)
        for k in kinds
    ]
    worst = [row for row in rows if classified(row) not in ("at the goal", "in a held stop", "not drawn")]
    said = [f"{row['key']}: {classified(row)}; {row['detail']}; {row['contacts'][:2]}" for row in worst]
    shown = "".join(f"<li>{html.escape(text)}</li>" for text in said)
    parts = ["<h2>Interrupted motions</h2>", table, "<div class=charts>", *charts, "</div>"]
    return [*parts, f"<details><summary>{len(worst)} that no certified answer reached</summary><ul>{shown}</ul></details>"]


def _speed_parts(rows: list[Row]) -> list[str]:
    """How soon speed commands were followed."""
    after = [1e3 * c["after"] for row in rows for c in row["commands"] if c["ok"] and c["after"]]
    if not after:
        return []
    return [
        "<h2>Speed commands</h2><div class=charts>",
        _times(after, "to 90 % of the change [ms]", "all commands"),
        "</div>",
    ]
