"""Plots over time as SVG: each limit's use, the hold, the clearance; what binds is coloured.

A page that plays the motion moves every `.cursor` and the dot of the hold's own plot along (see `preview.PAGE`).
"""

from __future__ import annotations

import numpy as np

from fastmove.arrays import Array
from fastmove.contact.wrench_cone import UTILISATION_MAX
from fastmove.robot.limit_kinds import names_in
from fastmove.solution.solution import Solution

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
    for kind in names_in("joint", "effort"):
        if kind in profile and np.any(profile[kind] > 0):
            parts.append(_plot(kind.replace("_", " ") + " / limit, by joint", time, profile[kind].T, 1.0, True))
    if problem.holds and "hold" in profile:
        both = np.stack([profile[kind] for kind in names_in("contact")])
        parts.append(_plot("hold: S / 0.9, and the pads' shares V, R / 0.9", time, both, 1.0, True))
    for kind in (one.name for one in problem.limit_kinds if one.group == "path"):
        if kind in profile:
            parts.append(_plot(f"{kind.replace('_', ' ')} / limit", time, profile[kind][None], 1.0, True))
    for kind in names_in("tolerance"):
        if kind in profile:
            parts.append(_plot(f"{kind} / what the item tolerates", time, profile[kind][None], 1.0, True))
    if len(profile.get("clearance_time", ())):
        at, least = _envelope(profile["clearance_time"], profile["clearance"], float(time[-1]))
        parts.append(_plot("least distance beyond the required one [mm]", at, least[None] * 1e3, CLEARANCE_SHOWN * 1e3, False))
    return "".join(parts)


CONE_SIZE = 150


def cone_svg(solution: Solution) -> str:
    """The contact wrench against its cone, in the cone's own plane; empty where nothing is held.

    x: share of friction, tangential force and torsion; y: couples and normal load; both in shares of S = 0.9, so that the
    quarter circle is the limit of the plan and S the distance from the corner.  The path of the motion, and a dot at one time.
    """
    holds, certificate = solution.problem.holds, solution.certificate
    if certificate is None or not holds or "wrench" not in certificate.profile:
        return ""
    cones = holds[0].contact_model.cones
    if cones is None or not np.any(cones.linear):  # no score S, no plane to draw it in
        return ""
    x, y = (CONE_SIZE * share for share in _cone_shares(solution))
    room = CONE_SIZE + 30
    path = _polyline(26 + x, room - 14 - y, QUIET, 1.0)
    arc = f'<path d="M 26 {room - 14 - CONE_SIZE} A {CONE_SIZE} {CONE_SIZE} 0 0 1 {26 + CONE_SIZE} {room - 14}" fill="none" '
    axes = f'<path d="M 26 10 V {room - 14} H {room + 10}" fill="none" stroke="{AXIS}" stroke-width=".7"/>'
    labels = _text(30, 12, 11, "contact wrench in its cone (S / 0.9)") + _text(60, room - 2, 9, "friction: force and torsion")
    side = f'<text transform="translate(12 {room - 24}) rotate(-90)" font-size="9" fill="{AXIS}">couples + normal load</text>'
    dot = f'<circle id="wrench-dot" cx="26" cy="{room - 14}" r="4" fill="{BINDS}"/>'
    arc += f'stroke="{BINDS}" stroke-dasharray="3 3"/>'
    return f'<svg class="cone" width="{WIDTH}" height="{room}">{axes}{arc}{path}{labels}{side}{dot}</svg>'


def cursor_data(solution: Solution, step: float = 0.01) -> dict[str, object]:
    """What the page needs to follow the time: duration [s], pixel range of the plots, and the dot's way every `step`."""
    data: dict[str, object] = {"duration": solution.duration, "left": LEFT, "right": WIDTH - 6, "step": step}
    if cone_svg(solution):
        assert solution.certificate is not None
        time, (x, y) = solution.certificate.profile["time"], _cone_shares(solution)
        grid = np.arange(0.0, solution.duration + step, step)
        data["x"] = [round(26 + CONE_SIZE * float(v), 1) for v in np.interp(grid, time, x)]
        data["y"] = [round(CONE_SIZE + 16 - CONE_SIZE * float(v), 1) for v in np.interp(grid, time, y)]
    return data


def _cone_shares(solution: Solution) -> tuple[Array, Array]:
    """(N,), (N,): the two parts of S / 0.9 of the certificate's wrench of the first hold."""
    assert solution.certificate is not None
    contact, force = solution.problem.holds[0].contact_model.cones, solution.grip_force[0] * UTILISATION_MAX
    assert contact is not None
    wrench = solution.certificate.profile["wrench"][:, :6]
    couples = np.linalg.norm(wrench @ contact.couples.T, axis=1) + np.abs(wrench @ contact.normal)
    return np.linalg.norm(wrench @ contact.linear.T, axis=1) / force, couples / force


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
    """One plot of curves (K, N); the stretches where one binds are drawn in colour."""
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
            f'<line class="cursor" x1="{LEFT}" x2="{LEFT}" y1="16" y2="{HEIGHT - BOTTOM}" stroke="{AXIS}" stroke-width="1"/>',
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
