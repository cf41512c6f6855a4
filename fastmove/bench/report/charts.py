"""Charts as SVG, for the pages of the bench: curves and bars with their axes, each with a caption that says how to read it."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fastmove.arrays import Array

PAGE = Path(__file__).parent / "page"  # Where the page's style lies.
WIDE, HIGH = 540, 280  # Size of a chart [pixels].
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 40  # Margins around the plotted area [pixels].
# Colours of planners, in order; they differ for colour-blind readers, too (Okabe & Ito, 2008, darkened where pale).
PALETTE = ("#d55e00", "#0072b2", "#00805f", "#a3407f", "#8a6d00", "#3a7ca8", "#52606d", "#7a3b00")
DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 2", "1 2", "12 4", "6 2 1 2")
INK, QUIET, LINE = "#1f2933", "#52606d", "#d9dee4"
BAR = 22  # Height of a bar with its gap [pixels].


@dataclass(frozen=True)
class Axis:
    """One axis: what is shown along it.

    Attributes:
        name: What it is, with its unit.
        low: Value at its beginning.
        high: Value at its end.
        logarithmic: Whether equal ratios are equally far apart.
    """

    name: str
    low: float
    high: float
    logarithmic: bool = False

    def share(self, values: Array) -> Array:
        """Where values are on the axis, 0 to 1; beyond its ends they are at its ends."""
        scale: Callable[[Array], Array] = np.log if self.logarithmic else np.asarray
        low, high = scale(np.array(self.low)), scale(np.array(self.high))
        inside = np.clip(np.asarray(values, float), self.low, self.high)
        return np.asarray((scale(inside) - low) / (high - low))

    def ticks(self) -> list[float]:
        """Round values along the axis, about five."""
        if self.logarithmic:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            steps = (1, 2, 5) if len(decades) <= 4 else (1,)
            values = [step * 10.0**decade for decade in decades for step in steps]
        else:
            raw = (self.high - self.low) / 5
            unit = 10.0 ** math.floor(math.log10(raw))
            step = unit * min((1, 2, 5, 10), key=lambda s: abs(s * unit - raw))
            values = [step * k for k in range(math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9) + 1)]
        return [value for value in values if self.low * (1 - 1e-9) <= value <= self.high * (1 + 1e-9)]


def curves(
    x: Axis, y: Axis, lines: Sequence[tuple[str, Array, Array, int]], spans: Sequence[tuple[float, float, float, int]] = ()
) -> str:
    """A chart of lines with its legend.

    Args:
        x: Horizontal axis.
        y: Vertical axis.
        lines: Name, values along x and y, and number in the palette of each line.
        spans: Intervals: value along x, both ends along y, and number in the palette.
    """
    drawn = [_axes(x, y)]
    for at, low, high, number in spans:
        where, (foot, top) = float(_right(x, np.array(at))), _up(y, np.array([low, high]))
        drawn.append(f'<path d="M{where:.1f} {foot:.1f}V{top:.1f}" stroke="{colour(number)}" stroke-width="5" opacity="0.3"/>')
    for _, across, up, number in lines:
        drawn.append(_polyline(x, y, across, up, f'stroke-width="2" {_stroke(number)}'))
    return _svg("".join(drawn), WIDE, HIGH) + legend([(name, number) for name, _, _, number in lines])


def scattered(x: Axis, y: Axis, dots: Sequence[tuple[float, float, int]], line: tuple[Array, Array, int]) -> str:
    """A chart of single values beside a line.

    Args:
        x: Horizontal axis.
        y: Vertical axis.
        dots: Values along x and y, and number in the palette of each dot.
        line: The same of the line.
    """
    across, up, number = line
    beside = _polyline(x, y, across, up, f'stroke="{colour(number)}"')
    drawn = "".join(
        f'<circle cx="{_right(x, np.array(a)):.1f}" cy="{_up(y, np.array(b)):.1f}" r="3" fill="{colour(k)}"/>' for a, b, k in dots
    )
    return _svg(f"{_axes(x, y)}{beside}{drawn}", WIDE, HIGH)


def shares(x: Axis, samples: Sequence[tuple[str, Array, int, int]]) -> str:
    """Distribution functions: which share of all is at most x.

    Args:
        x: Horizontal axis.
        samples: Name, values, the number of all (those without a value never arrive), and number in the palette.
    """
    lines = []
    for name, values, count, number in samples:
        ordered = np.sort(values[values <= x.high])  # beyond its end the axis shows nothing
        across = np.repeat(np.concatenate([[x.low], ordered, [x.high]]), 2)[1:]
        up = np.repeat(np.concatenate([np.arange(len(ordered) + 1), [len(ordered)]]), 2)[:-1] / max(count, 1)
        lines.append((name, across, up, number))
    return curves(x, Axis("share of problems", 0.0, 1.0), lines)


def histogram(x: Axis, values: Array, number: int, of: str = "problems", bins: int = 30) -> str:
    """A chart of how often values of so many things `of` are; those beyond an end of the axis are in its last bar."""
    where = x.share(values)
    counts, edges = np.histogram(where, bins=bins, range=(0.0, 1.0))
    y = Axis(of, 0.0, float(max(counts.max(), 1)))
    inner = WIDE - LEFT - RIGHT
    bars = "".join(
        f'<rect x="{LEFT + a * inner:.1f}" y="{_up(y, np.array(c)):.1f}" width="{(b - a) * inner - 1:.1f}" '
        f'height="{_up(y, np.array(0.0)) - _up(y, np.array(c)):.1f}" fill="{colour(number)}"/>'
        for c, a, b in zip(counts, edges[:-1], edges[1:], strict=True)
        if c
    )
    return _svg(_axes(x, y) + bars, WIDE, HIGH)


def bars(rows: Sequence[tuple[str, float, str, int]], most: float) -> str:
    """Horizontal bars with their names and values.

    Args:
        rows: Name, length, value in words and number in the palette of each bar.
        most: Value of the longest possible bar.
    """
    name_width, inner, drawn = 240, WIDE - 240 - 90, []
    for k, (name, value, said, number) in enumerate(rows):
        y, length = k * BAR, inner * min(value / most, 1.0) if most > 0 else 0.0
        drawn.append(f'<text x="{name_width - 6}" y="{y + 14}" text-anchor="end">{html.escape(_short(name))}</text>')
        drawn.append(
            f'<rect x="{name_width}" y="{y + 3}" width="{max(length, 1):.1f}" height="{BAR - 7}" fill="{colour(number)}"/>'
        )
        drawn.append(f'<text x="{name_width + length + 5:.1f}" y="{y + 14}">{html.escape(said)}</text>')
    return _svg("".join(drawn), WIDE, BAR * len(rows) + 4)


def legend(names: Sequence[tuple[str, int]]) -> str:
    """The names of lines or bars with how they are drawn."""
    parts = "".join(
        f'<li><svg width="26" height="10" aria-hidden="true"><path d="M1 5H25" stroke-width="3" '
        f"{_stroke(number)}/></svg>{html.escape(name)}</li>"
        for name, number in names
    )
    return f'<ul class="legend">{parts}</ul>'


def figure(title: str, chart: str, caption: str = "") -> str:
    """A chart under its title, with a caption that says how to read it."""
    said = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return f"<figure><h3>{html.escape(title)}</h3>{chart}{said}</figure>"


def colour(number: int) -> str:
    """The colour of a number in the palette."""
    return PALETTE[number % len(PALETTE)]


def _stroke(number: int) -> str:
    """How a line of a number in the palette is drawn."""
    return f'stroke="{colour(number)}" stroke-dasharray="{DASHES[number % len(DASHES)]}"'


def _polyline(x: Axis, y: Axis, across: Array, up: Array, look: str) -> str:
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(_right(x, across), _up(y, up), strict=True))
    return f'<polyline points="{points}" fill="none" {look}/>'


def _axes(x: Axis, y: Axis) -> str:
    """Grid, ticks and names of both axes."""
    parts, foot = [], HIGH - BOTTOM
    for value in x.ticks():
        at = float(_right(x, np.array(value)))
        parts.append(f'<path d="M{at:.1f} {TOP}V{foot}" stroke="{LINE}"/>')
        parts.append(f'<text x="{at:.1f}" y="{foot + 15}" text-anchor="middle">{value:g}</text>')
    for value in y.ticks():
        at = float(_up(y, np.array(value)))
        parts.append(f'<path d="M{LEFT} {at:.1f}H{WIDE - RIGHT}" stroke="{LINE}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{value:g}</text>')
    middle = (TOP + foot) / 2
    parts.append(f'<text x="{(LEFT + WIDE - RIGHT) / 2}" y="{HIGH - 6}" text-anchor="middle">{html.escape(x.name)}</text>')
    parts.append(f'<text transform="translate(13 {middle}) rotate(-90)" text-anchor="middle">{html.escape(y.name)}</text>')
    return "".join(parts)


def _right(x: Axis, values: Array) -> Array:
    return LEFT + (WIDE - LEFT - RIGHT) * x.share(values)


def _up(y: Axis, values: Array) -> Array:
    return HIGH - BOTTOM - (HIGH - BOTTOM - TOP) * y.share(values)


def _svg(content: str, wide: int, high: int) -> str:
    return f'<svg class="chart" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}" role="img">{content}</svg>'


def _short(text: str, most: int = 36) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
