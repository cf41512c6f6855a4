"""The pictures of README and docs: `make pictures` plans and runs the book transfer, films it, and draws its preview."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from chromium import picture
from PIL import Image

import fastmove as fm
from fastmove.viz.film import record

DESK = (1400, 900)  # Pixels of the preview's picture.


def main() -> None:
    """Writes book.gif and preview.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    folder = parser.parse_args().out
    solution = fm.plan("book_to_tote").raise_for_status()
    record(folder / "book.gif", solution)
    outcome = fm.run_transfer(solution)
    with tempfile.TemporaryDirectory() as temporary:
        page = Path(temporary) / "preview.html"
        fm.write_preview(page, solution, outcome.item_poses, outcome.verdict.name)
        picture(page, DESK, Path(temporary) / "preview.png")
        seen = Image.open(Path(temporary) / "preview.png").convert("RGB").quantize(160, dither=Image.Dither.NONE)
        seen.save(folder / "preview.png", optimize=True)


if __name__ == "__main__":
    main()
