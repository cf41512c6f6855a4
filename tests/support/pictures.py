"""The pictures of README and docs: `make pictures` plans and runs the book transfer, films it, and draws its preview."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from chromium import picture
from PIL import Image

import fastmove as fm
from fastmove.viz.film import browser, record

DOCS = Path(__file__).parents[2] / "docs"
DESK = (1400, 900)  # Pixels of the preview's picture.


def main() -> None:
    """Writes book.gif and preview.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    folder = parser.parse_args().out
    if browser() is None:
        print("skipped: no Chromium on this machine (Debian: apt-get install chromium)")
        return
    solution = fm.plan("book_to_tote").raise_for_status()
    record(folder / "book.gif", solution)
    outcome = fm.run_transfer(solution)
    with tempfile.TemporaryDirectory() as temporary:
        page = Path(temporary) / "preview.html"
        fm.write_preview(page, solution, outcome.item_poses, outcome.verdict.name)
        picture(page, DESK, Path(temporary) / "preview.png")
        _keep(Path(temporary) / "preview.png", folder / "preview.png")
        command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(DOCS), f"{temporary}/site"]
        subprocess.run(command, check=True)
        picture(Path(temporary) / "site" / "index.html", DESK, Path(temporary) / "docs.png")
        _keep(Path(temporary) / "docs.png", folder / "docs.png")


def _keep(taken: Path, kept: Path) -> None:
    """Keeps a picture with few colours, which is small."""
    Image.open(taken).convert("RGB").quantize(160, dither=Image.Dither.NONE).save(kept, optimize=True)


if __name__ == "__main__":
    main()
