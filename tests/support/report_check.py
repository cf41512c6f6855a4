"""Looks at the report of a run in headless Chromium: `make report OUT=bench`.

    python tests/support/report_check.py FOLDER [--pictures DIR]

Says what is wrong with the page (text that overlaps, is small, pale or cut off), checks that every chart shows what the results
hold, opens the preview of each worst case, and keeps a picture of the page and of each preview.  Exit code 1 where something is
wrong; without Chromium it says so and looks at nothing.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from html import unescape
from pathlib import Path

import numpy as np
from chromium import faults, picture

from fastmove.bench.figures import figures_of, planners_in
from fastmove.bench.report.report import REPORT
from fastmove.bench.results import ABOUT, RESULTS, rows_of
from fastmove.viz.film import browser

SIZE = (1280, 900)
LONG = 6000  # Height of the picture of the whole page [pixels].


def charts(page: str) -> dict[str, str]:
    """The SVG of every chart, by its title."""
    found = re.findall(r'<figure><h3>(.*?)</h3>(<svg class="chart".*?</svg>)', page, re.DOTALL)
    return {unescape(title): svg for title, svg in found}


def wrong_contents(folder: Path, page: str) -> list[str]:
    """Charts and cells that do not show what the results hold."""
    about = json.loads((folder / ABOUT).read_text()) if (folder / ABOUT).exists() else {}
    results = figures_of(rows_of(folder / RESULTS), about.get("arguments", {}).get("planner", "").split(","))
    names, shown, wrong = planners_in(results), charts(page), []
    for title in (
        "Who is fastest, and how far behind are the others",
        "How close to what no motion can beat",
        "How long planning takes",
    ):
        if title not in shown and not (len(names) == 1 and title.startswith("Who")):
            wrong.append(f"there is no chart {title!r}")
        elif title in shown and shown[title].count("<polyline") != len(names):
            wrong.append(f"{title!r} has {shown[title].count('<polyline')} lines for {len(names)} planners")
    problems = len({row.problem for row in results})
    for name, line in zip(names, re.findall(r'points="(.*?)"', shown.get("How long planning takes", "")), strict=False):
        heights = [float(point.split(",")[1]) for point in line.split()]
        share = (heights[0] - heights[-1]) / (heights[0] - 12.0)
        solved = sum(row.ok for row in results if row.planner == name) / problems
        if abs(share - solved) > 0.01:
            wrong.append(f"planning times of {name} end at {share:.2f}, {solved:.2f} are solved")
    for name in names:
        mine = [row for row in results if row.planner == name]
        cells = f"<td class=name>{name}</td><td>{len(mine)}</td><td>{sum(row.ok for row in mine)}</td>"
        if cells not in page:
            wrong.append(f"the table of planners does not say {cells}")
    if page.count("<tr>") < min(problems, 400):
        wrong.append("problems are missing in the table")
    return wrong


def previews(page: str) -> list[str]:
    """The page of every preview, put together as the report's script does it."""
    data = re.search(r"var library = (.*?), previews = (.*?);\n", page, re.DOTALL)
    assert data is not None, "the report has no place for previews"
    library, pages = json.loads(data[1]), json.loads(data[2])
    return [one.replace(library["mark"], library["text"]) for one in pages]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args()
    if browser() is None:
        print("no Chromium on this machine (Debian: apt-get install chromium): nothing was looked at")
        return 0
    pictures = options.pictures or options.folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    file = options.folder / REPORT
    page = file.read_text()
    wrong = [*faults(file, SIZE, pictures), *wrong_contents(options.folder, page)]
    picture(file, (SIZE[0], LONG), pictures / "report.png")
    count = len(re.findall(r"<details data-preview=", page))
    for k, preview in enumerate(previews(page)):
        alone = pictures / f"preview_{k}.html"
        alone.write_text(preview)
        if len(np.unique(picture(alone, SIZE, pictures / f"preview_{k}.png"))) < 50:
            wrong.append(f"preview {k} shows nothing")
    print(f"{file}: {len(charts(page))} charts, {count} previews, pictures in {pictures}; {len(wrong)} faults")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
