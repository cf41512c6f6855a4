"""Brings the figures of a run of `fastmove bench headline` into the docs: `docs/headline.json`, its chart, and its tables.

python tests/support/headline_docs.py [headline]
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from pathlib import Path

from fastmove.bench.headline.page import percent

DOCS = Path(__file__).parents[2] / "docs"
BEGIN, END = "<!-- figures: tests/support/headline_docs.py -->", "<!-- end of figures -->"


def tables(figures: dict) -> str:  # type: ignore[type-arg]
    """The tables of every arm at the same rate, and of what changes with one thing otherwise."""
    equal, sensitivity = figures["equal"], figures["sensitivity"]
    lines = [
        f"Damaged at {figures['units_an_hour']:.0f} units an hour, in brackets 95 % intervals (* = not so fast, at its fastest):",
        "",
        "| arm | as planned | " + " | ".join(f"truth × {width}" for width in equal) + " |",
        "|---" * (2 + len(equal)) + "|",
    ]
    for arm in figures["arms"]:
        cells = []
        for rows in equal.values():
            row = rows[arm]
            star, span = "" if row["reached"] else " *", f"{100 * row['low']:.2f} to {100 * row['high']:.2f}"
            cells.append(f"{percent(row['damage'])} ({span}){star}")
        lines.append(f"| {arm} | {equal['1'][arm]['fastest']:.0f} an hour | " + " | ".join(cells) + " |")
    lines += ["", "All widths together, if one thing were otherwise:", "", "| | " + " | ".join(figures["arms"]) + " |"]
    lines.append("|---" * (1 + len(figures["arms"])) + "|")
    for said, rows in sensitivity.items():
        lines.append(f"| {said} | " + " | ".join(percent(rows[arm]["damage"]) for arm in figures["arms"]) + " |")
    return "\n".join(lines)


def chart(page: str) -> str:
    """The first chart of the page, that of truth within the planner's set, as a file of its own."""
    found = re.search(r'<svg class="chart".*?</svg>', page, re.DOTALL)
    assert found is not None
    style = "<style>text{font:12px sans-serif;fill:#52606d}</style>"
    return re.sub(r"<svg ([^>]*)>", rf'<svg xmlns="http://www.w3.org/2000/svg" \1>{style}', found[0], count=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("headline"))
    folder = parser.parse_args().folder
    shutil.copy(folder / "headline.json", DOCS / "headline.json")
    (DOCS / "pictures" / "headline.svg").write_text(chart((folder / "headline.html").read_text()))
    page = DOCS / "headline.md"
    before, rest = page.read_text().split(BEGIN)
    after = rest.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n\n{tables(json.loads((DOCS / 'headline.json').read_text()))}\n\n{END}{after}")


if __name__ == "__main__":
    main()
