"""Plots over time as SVG: each limit's use, the hold, the clearance; what binds is coloured."""

from __future__ import annotations

import numpy as np

from fastmove.solution import Solution
from fastmove.spline import Array

WIDTH, HEIGHT, LEFT, BOTTOM = 395, 104, 34, 16
BINDING = 0.98  # share of a limit from which the curve is coloured
CLEARANCE_SHOWN = 0.05  # [m]
QUIET, BINDS, AXIS = "#9aa3ad", "#c0262b", "#26303a"


def plots_svg(solution: Solution) -> str:
    """One small plot per kind of limit; x is time [s], y the share of the limit (clearance: mm)."""
    assert solution.certificate is not None
    profile, problem = solution.certificate.profile, solution.problem
    time = profile["time"]
    parts = []
    for kind in ("velocity", "acceleration", "jerk", "torque", "torque_rate"):
        if kind in profile and np.any(profile[kind] > 0):
            parts.append(_plot(kind.replace("_", " ") + " / limit, by joint", time, profile[kind].T, 1.0, True))
    if problem.holds and "hold" in profile:
        parts.append(_plot("hold: S / 0.9", time, profile["hold"][None], 1.0, True))
    if len(profile.get("clearance_time", ())):
        at, least = _envelope(profile["clearance_time"], profile["clearance"], float(time[-1]))
        parts.append(_plot("least distance beyond the required one [mm]", at, least[None] * 1e3, CLEARANCE_SHOWN * 1e3, False))
    return "".join(parts)


def _envelope(time: Array, margin: Array, duration: float, bins: int = 60) -> tuple[Array, Array]:
    """Least margin per bin of time, over the bins that the sweep looked into (0.05 m stands for more)."""
    edges = np.linspace(0, duration, bins + 1)
    least = np.full(bins, CLEARANCE_SHOWN)
    index = np.clip(np.searchsorted(edges, time, side="right") - 1, 0, bins - 1)
    np.minimum.at(least, index, margin)
    seen = np.bincount(index, minlength=bins) > 0
    seen[[0, -1]] = True
    return ((edges[:-1] + edges[1:]) / 2)[seen], least[seen]


def _plot(title: str, time: Array, curves: Array, top: float, high_binds: bool) -> str:
    """curves (K, N); the stretches where one binds are drawn in colour."""
    span = float(time[-1]) or 1.0
    keep = np.unique(np.linspace(0, len(time) - 1, min(len(time), 400)).astype(int))
    x = LEFT + time[keep] / span * (WIDTH - LEFT - 6)
    limit = top * (1.08 if high_binds else 1.0)
    lines = []
    for curve in curves[:, keep]:
        y = HEIGHT - BOTTOM - np.clip(curve / limit, 0, 1) * (HEIGHT - BOTTOM - 18)
        binds = curve >= BINDING * top if high_binds else curve <= 2.0
        lines.append(_polyline(x, y, QUIET, 1.0))
        for run in _runs(binds):
            lines.append(_polyline(x[run], y[run], BINDS, 1.8))
    bound = HEIGHT - BOTTOM - (top / limit if high_binds else 0.0) * (HEIGHT - BOTTOM - 18)
    axis = "".join(
        (
            _text(LEFT, 12, 11, title),
            _line(bound, BINDS, ' stroke-dasharray="3 3"'),
            _line(HEIGHT - BOTTOM, AXIS),
            _text(LEFT, HEIGHT - 3, 9, "0"),
            _text(WIDTH - 40, HEIGHT - 3, 9, f"{span:.3f} s"),
            _text(4, bound + 3 if high_binds else 27, 9, f"{top:g}"),
        )
    )
    return f'<svg class="plot" width="{WIDTH}" height="{HEIGHT}">{axis}{"".join(lines)}</svg>'


def _text(x: float, y: float, size: int, text: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" fill="{AXIS}">{text}</text>'


def _line(y: float, colour: str, more: str = "") -> str:
    return f'<line x1="{LEFT}" x2="{WIDTH - 6}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}" stroke-width=".7"{more}/>'


def _runs(active: Array) -> list[Array]:
    """Index runs of at least two samples where active."""
    hits = np.nonzero(active)[0]
    return [r for r in np.split(hits, np.nonzero(np.diff(hits) > 1)[0] + 1) if len(r) > 1]


def _polyline(x: Array, y: Array, colour: str, width: float) -> str:
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
