"""The page of `fastmove bench flight`: one file that opens offline, its figures as text and its curves as SVG."""

from __future__ import annotations

import html
from collections import Counter
from typing import Any

import numpy as np

from fastmove.bench.flight.summary import classified, summary
from fastmove.execution.stops import AT_GOAL, OFF_PATH, ON_PATH

WIDE, HIGH, EDGE = 420, 180, 34  # Size of a chart, and of its margins [pixels].
COLOURS = {ON_PATH: "#1d6fa5", OFF_PATH: "#d9822b", AT_GOAL: "#9aa5b1", "brake": "#c0262b"}
BINS = 24  # Number of bars of a histogram.
TERMS = (
    ("on the path", "the arm stops on its certified path, slower and slower"),
    ("off the path", "all joints brake together, as hard as the certificate finds the item held and everything clear"),
    ("at the goal", "the motion ends before it could stop"),
    ("the joints' own brake", "as hard as the joints' acceleration and jerk limits allow, whatever is in the hand"),
    ("reserve", "share of acceleration, torque and grip that a motion leaves unused, so that it can be slowed"),
    ("response", "from when a change is known to the first command that follows from it"),
    ("HELD", "in physics the item moved at most 0.2 mm and 0.2° in the hand"),
)
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2933; max-width: 1320px; margin: 24px auto; padding: 0 16px; }
h1 { font-size: 22px } h2 { font-size: 17px; margin: 28px 0 6px }
pre { background: #f4f6f8; padding: 12px; overflow-x: auto; font-size: 13px }
.charts { display: flex; flex-wrap: wrap; gap: 12px } figure { margin: 0 } figcaption { font-size: 13px; color: #52606d }
svg text { font: 11px system-ui, sans-serif; fill: #52606d } table { border-collapse: collapse; font-size: 14px }
td, th { padding: 3px 10px; border-bottom: 1px solid #e4e7eb; text-align: left }
dt { font-weight: 600 } dd { margin: 0 0 6px 16px }
i { display: inline-block; width: 10px; height: 10px; border-radius: 5px; margin: 0 4px 0 12px }
"""

Row = dict[str, Any]


def flight_page(rows: dict[str, list[Row]]) -> str:
    """Returns the page of all parts."""
    legend = "".join(f'<i style="background:{colour}"></i>{html.escape(name)}' for name, colour in COLOURS.items())
    stops = [row for row in rows["stops"] if "stops" in row]
    terms = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in TERMS)
    parts = [
        "<h1>What happens in flight</h1>",
        f"<pre>{html.escape(summary(rows))}</pre>",
        f"<h2>Time to rest, by when the stop is asked for</h2><p>{legend}</p><div class=charts>",
        *(_stops_chart(row) for row in sorted(stops, key=lambda row: row["key"])),
        "</div>",
        *_interruption_parts(rows["interruptions"]),
        *_speed_parts(rows["speeds"]),
        f"<h2>Terms</h2><dl>{terms}</dl>",
    ]
    head = f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Flight bench</title><style>{STYLE}</style></head>'
    return f"{head}<body>{''.join(parts)}</body></html>"


def _axes(x_most: float, y_most: float, x_name: str, y_name: str) -> tuple[str, Any, Any]:
    """SVG of two axes, and the functions that place a value on them."""

    def x(value: float) -> float:
        return EDGE + (WIDE - EDGE - 8) * value / x_most

    def y(value: float) -> float:
        return HIGH - EDGE + 8 - (HIGH - EDGE - 18) * min(value / y_most, 1.0)

    lines = f'<path d="M{EDGE} 8V{HIGH - EDGE + 8}H{WIDE - 8}" fill="none" stroke="#9aa5b1"/>'
    text = (
        f'<text x="{WIDE - 8}" y="{HIGH - 8}" text-anchor="end">{html.escape(x_name)} (to {x_most:.3g})</text>'
        f'<text x="{EDGE + 4}" y="16">{html.escape(y_name)} (to {y_most:.3g})</text>'
    )
    return lines + text, x, y


def _stops_chart(row: Row) -> str:
    """Time to rest against the instant, beside the joints' own brake."""
    name, reserve = row["key"]
    most = max([stop["time"] for stop in row["stops"]] + [0.1])
    axes, x, y = _axes(row["duration"], most, "asked at [s]", "to rest [s]")
    dots = "".join(
        f'<circle cx="{x(s["at"]):.1f}" cy="{y(s["time"]):.1f}" r="3" fill="{COLOURS[s["where"]]}"/>' for s in row["stops"]
    )
    line = " ".join(
        f"{x(stop['at']):.1f},{y(brake['time']):.1f}" for stop, brake in zip(row["stops"], row["brakes"], strict=True)
    )
    brake = f'<polyline points="{line}" fill="none" stroke="{COLOURS["brake"]}"/>'
    return _figure(axes + brake + dots, f"{name}, reserve {reserve:g}")


def _figure(content: str, caption: str) -> str:
    svg = f'<svg width="{WIDE}" height="{HIGH}" viewBox="0 0 {WIDE} {HIGH}">{content}</svg>'
    return f"<figure>{svg}<figcaption>{html.escape(caption)}</figcaption></figure>"


def _histogram(values: list[float], name: str, caption: str) -> str:
    """How often values are, up to their 98th percentile."""
    if not values:
        return ""
    top = max(float(np.percentile(values, 98)), 1e-3)
    counts, edges = np.histogram(np.minimum(values, top), bins=BINS, range=(0.0, top))
    axes, x, y = _axes(top, float(counts.max()), name, "runs")
    bars = "".join(
        f'<rect x="{x(a):.1f}" y="{y(c):.1f}" width="{x(b) - x(a) - 1:.1f}" height="{y(0) - y(c):.1f}" fill="#1d6fa5"/>'
        for c, a, b in zip(counts, edges[:-1], edges[1:], strict=True)
    )
    return _figure(axes + bars, caption)


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
        _histogram([1e3 * row["response"] for row in rows if row["kind"] == k and row.get("response")], "response [ms]", k)
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
        _histogram(after, "to 90 % of the change [ms]", "all commands"),
        "</div>",
    ]
