"""Preview: one HTML file that opens offline, 3D beside plots over time.

The page plays the motion by its own clock in trajectory time (`page/page.js`), which moves the 3D (`viz.scene`), the cursor of
every plot (`viz.plot_data`) and the dot in the cone together.  Nothing is served or fetched: a browser opens the file, or `serve`
offers it on the loopback.
"""

from __future__ import annotations

import functools
import html
import http.server
from collections.abc import Iterable
from pathlib import Path

import pinocchio as pin

from fastmove.errors import InputError
from fastmove.io.atomic_write import write_whole
from fastmove.solution.solution import Solution, Status, limiting_shares
from fastmove.viz.plot_data import joint_colours, plots, time_axis, wrench_in_cone
from fastmove.viz.scene import Overlay, drawing
from fastmove.viz.template import filled, script_json

SLOW = 1.5  # Motions shorter than this are played at half speed at first [s].
PAGE = Path(__file__).parent / "page"
BINDING = 3  # Number of limits named in the headline.


def preview_html(
    solution: Solution,
    simulated: Iterable[tuple[float, pin.SE3]] = (),
    verdict: str = "",
    frames: tuple[int, int, int] | None = None,
    overlay: Overlay | None = None,
) -> str:
    """The preview of a solution as one page.

    Args:
        solution: The plan, with its motion and certificate.
        simulated: (time [s], pose of the item's frame in the world) of a recorded run.
        verdict: What physics said of that run, for the headline.
        frames: Number, width and height [pixels] of pictures that the page leaves behind instead of playing (for a film).
        overlay: What is drawn and said besides.

    Raises:
        InputError: the solution has no motion.
    """
    if solution.trajectory is None or solution.certificate is None:
        raise InputError("solution", "has no motion to draw")
    recorded = list(simulated)
    scene = drawing(solution, recorded, overlay)
    motion = {
        "duration": solution.duration,
        "end": max([solution.duration, *(time for time, _ in recorded[-1:])]),
        "speed": 0.5 if solution.duration < SLOW else 1.0,
        "times": [round(float(t), 5) for t in time_axis(solution.duration)],
        "joints": joint_colours(solution),
        "plots": plots(solution),
        "cone": wrench_in_cone(solution),
        "labels": scene.labels,
        "frames": frames,
        "marks": [[k + 1, mark.time] for k, mark in enumerate(overlay.marks) if mark.time is not None] if overlay else [],
    }
    parts = {
        "title": html.escape(solution.problem.name),
        "style": (PAGE / "page.css").read_text(),
        "figures": _figures(solution, verdict, overlay or Overlay()),
        "binds": _binds(solution),
        "legend": "".join(f'<li><i style="background:#{c:06x}"></i>{html.escape(name)}</li>' for name, c in scene.legend),
        "about": "What happened" if overlay is not None else "Certificate and times",
        "open": " open" if overlay is not None else "",
        "text": html.escape(overlay.text if overlay is not None else str(solution)),
        "library": scene.library,
        "drawing": scene.script,
        "motion": script_json(motion),
        "script": (PAGE / "page.js").read_text(),
    }
    return filled(PAGE / "page.html", parts)


def _figures(solution: Solution, verdict: str, overlay: Overlay) -> str:
    """Duration, bound and verdicts, for the headline."""
    bound, ratio = solution.lower_bound, solution.duration / solution.lower_bound
    figures = [(f"{solution.duration:.3f} s", "duration"), *overlay.figures]
    if bound == bound:
        figures.append((f"{bound:.3f} s", f"lower bound, {ratio:.2f} × that"))
    for held, force in zip(solution.problem.holds, solution.grip_force, strict=True):
        figures.append((f"{held.item.members[0].mass:g} kg", f"{html.escape(held.item.name)}, grip {force:.3g} N"))
    status = "OPTIMAL" if solution.status is Status.OPTIMAL else "CERTIFIED" if solution.ok else "NOT CERTIFIED"
    good = "" if solution.ok or overlay.badge else " bad"
    badges = f'<span class="badge{good}">{html.escape(overlay.badge or status)}</span>'
    if verdict:
        badges += f'<span class="badge{"" if verdict.startswith("HELD") else " bad"}">{html.escape(verdict)} in simulation</span>'
    return badges + "".join(f'<div class="figure"><b>{value}</b><span>{name}</span></div>' for value, name in figures)


def _binds(solution: Solution) -> str:
    """The limits that bind for the longest time, for the headline."""
    named = (f"<i>{html.escape(label.replace('_', ' '))} {share:.0%}</i>" for label, share in limiting_shares(solution)[:BINDING])
    return "at its limit for: " + "".join(named)


def write_preview(
    path: str | Path, solution: Solution, simulated: Iterable[tuple[float, pin.SE3]] = (), verdict: str = ""
) -> None:
    """Writes the page of `preview_html`, whole or not at all."""
    write_whole(Path(path), preview_html(solution, simulated, verdict).encode())


def serve(page: str, port: int = 0) -> http.server.ThreadingHTTPServer:
    """A server of this one page on the loopback only; the caller runs `serve_forever` and closes it."""
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), functools.partial(_OnePage, page.encode()))


class _OnePage(http.server.BaseHTTPRequestHandler):
    def __init__(self, page: bytes, *args: object) -> None:
        self.page = page
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(self.page)))
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""
