"""The report of a run: one HTML file that opens offline, with every term explained where it stands.

Made from `results.jsonl` and `run.json` alone; only the previews of the worst cases are planned again, which gives the same
motions.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from fastmove import registries
from fastmove.bench.figures import Figures, figures_of, planners_in
from fastmove.bench.motionbenchmaker import BenchProblem
from fastmove.bench.problem_set import open_set
from fastmove.bench.report.charts import PAGE
from fastmove.bench.report.parts import About
from fastmove.bench.report.sections import Results, excess, lead, sections
from fastmove.bench.results import about_run, rows_in
from fastmove.bench.variants import VARIANTS
from fastmove.certificate.certify import certify
from fastmove.errors import FastMoveError
from fastmove.io.atomic_write import write_whole
from fastmove.problem.describe import problem_sha256
from fastmove.viz.template import filled, script_json

REPORT = "report.html"  # Name of the file in the folder of results.
MARK = "/*the library of every preview*/"


def write_report(folder: Path, previews: int = 3) -> Path:
    """Write the report of a folder of results.

    Args:
        folder: Folder of `results.jsonl`.
        previews: How many of the worst cases are planned again and shown.

    Returns:
        The file.

    Raises:
        InputError: The folder holds no results.
    """
    about = about_run(folder)
    results = figures_of(rows_in(folder), about.get("arguments", {}).get("planner", "").split(","))
    write_whole(folder / REPORT, report_html(results, about, _drawn(_worst(results, previews), about)).encode())
    return folder / REPORT


def report_html(results: Results, about: About, previews: Sequence[tuple[str, str]] = ()) -> str:
    """The report as one page.

    Args:
        results: The results' figures.
        about: What `run.json` holds; empty where it is not known.
        previews: What each preview shows, in words, and its page.
    """
    shown = sections(results, about, [said for said, _ in previews])
    return page_html(f"Benchmark: {about.get('set', 'results')}", lead(results), shown, [page for _, page in previews])


def page_html(title: str, lead: str, sections: str, previews: Sequence[str]) -> str:
    """A page of the bench, with previews that are put together when they are opened.

    Args:
        title: The title, as text.
        lead: The first paragraph, as HTML.
        sections: All sections, as HTML.
        previews: The page of every preview, in the order in which sections mention them.
    """
    library = _library(previews)
    parts = {
        "title": html.escape(title),
        "style": (PAGE / "report.css").read_text(),
        "lead": lead,
        "sections": sections,
        "library": script_json({"mark": MARK, "text": library}),
        "previews": script_json([page.replace(library, MARK) if library else page for page in previews]),
        "script": (PAGE / "report.js").read_text(),
    }
    return filled(PAGE / "report.html", parts)


def _worst(results: Results, count: int) -> list[Figures]:
    """Of the first planner's motions those that are not held in physics, then those furthest above their bounds."""
    mine = [row for row in results if row.planner == planners_in(results)[0] and row.ok]
    return sorted(mine, key=lambda row: (-row.slipped, -excess(row)))[:count]


def _drawn(worst: Sequence[Figures], about: About) -> list[tuple[str, str]]:
    """Words and page of every preview; none where the set is not found again or previews cannot be drawn."""
    arguments = about.get("arguments", {})
    if not worst or "set" not in arguments:
        return []
    try:
        from fastmove.viz.preview import preview_html

        vary: Callable[[BenchProblem], BenchProblem] = VARIANTS[arguments.get("variant") or "as-is"]
        problems = open_set(arguments["set"], arguments.get("limits"), arguments.get("robot"))
        drawn = []
        for row in worst:
            problem = vary(problems.load(row.number)).problem
            solution = registries.planners.get(row.planner)(problem) if problem_sha256(problem) == row.sha256 else None
            if solution is not None and solution.trajectory is not None:
                whole = certify(problem, solution.trajectory)  # the preview draws every limit, whatever its planner knows
                drawn.append((_said(row), preview_html(replace(solution, problem=problem, certificate=whole))))
        return drawn
    except (FastMoveError, IndexError):
        return []


def _said(row: Figures) -> str:
    physics = f"; not held in {row.slipped} of {row.rollouts} rollouts" if row.slipped else ""
    return f"{row.problem}: {row.duration:.3f} s, {row.ratio:.2f} times its bound{physics}"


def _library(pages: Sequence[str]) -> str:
    """The script that all previews have in common, their longest; empty if there is none."""
    scripts = re.findall(r"<script>(.*?)</script>", pages[0], re.DOTALL) if pages else []
    longest: str = max(scripts, key=len, default="")
    return longest if all(longest in page for page in pages) else ""
