"""Accelerations of two trajectories of one problem, in shares of their limits, side by side as SVG (docs/smoothness.svg).

python tests/support/smoothness_plot.py PROBLEM BEFORE.npz AFTER.npz OUT.svg
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import fastmove as fm
from fastmove.solution.smoothness import Smoothness

WIDTH, HEIGHT, MARGIN = 380, 220, 40
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#777777")  # Paul Tol's bright scheme
SAMPLES = 600


def panel(problem: fm.TransferProblem, trajectory: fm.Trajectory, title: str, left: int) -> str:
    """Axes, one curve for each joint, and how smooth the motion is."""
    time = np.linspace(0, trajectory.duration, SAMPLES)
    shares = trajectory.motion(2)(time) / problem.limit_set.acceleration
    x, y = left + MARGIN + WIDTH * time / trajectory.duration, MARGIN + HEIGHT * (1 - shares.T) / 2
    smooth = Smoothness.of(trajectory, problem.limit_set)
    words = f"{title}: {trajectory.duration:.4f} s, mean (q̈/a)² = {smooth.acceleration**2:.2f}, {smooth.reversals} reversals"
    lines = [f'<text x="{left + MARGIN}" y="{MARGIN - 12}" font-size="12">{words}</text>']
    for share in (-1, 0, 1):
        at = MARGIN + HEIGHT * (1 - share) / 2
        lines.append(f'<line x1="{left + MARGIN}" x2="{left + MARGIN + WIDTH}" y1="{at}" y2="{at}" stroke="#cccccc"/>')
        lines.append(f'<text x="{left + MARGIN - 6}" y="{at + 4}" font-size="11" text-anchor="end">{share}</text>')
    for joint, colour in zip(y, COLOURS, strict=False):
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, joint, strict=True))
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.3"/>')
    for share in (0, 0.5, 1):
        at, value = left + MARGIN + WIDTH * share, trajectory.duration * share
        lines.append(f'<text x="{at}" y="{MARGIN + HEIGHT + 16}" font-size="11" text-anchor="middle">{value:.2f} s</text>')
    return "".join(lines)


def main() -> int:
    file, before, after, out = sys.argv[1:]
    problem = fm.load_problem(file)
    parts = [
        panel(problem, fm.load_trajectory(path, problem), title, left)
        for path, title, left in ((before, "before", 0), (after, "after", WIDTH + MARGIN))
    ]
    size = f'width="{2 * WIDTH + 3 * MARGIN}" height="{HEIGHT + 2 * MARGIN}"'
    Path(out).write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
