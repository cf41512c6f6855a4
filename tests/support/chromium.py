"""A headless Chromium that looks at pages: pictures, and what is wrong with them."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from fastmove.viz.film import browser, open_page

FAULTS = Path(__file__).parent / "page_faults.js"
drawn = pytest.mark.skipif(browser() is None, reason="no Chromium on this machine (Debian: apt-get install chromium)")


def chromium(page: Path, size: tuple[int, int], *wanted: str) -> str:
    """What Chromium writes when it opens a page in a window of this size [pixels]."""
    result = open_page(page, size, *wanted)
    result.check_returncode()
    return result.stdout


def picture(page: Path, size: tuple[int, int], file: Path) -> np.ndarray:
    """A picture (rows, columns, 3) of a page, also written to a PNG file."""
    from PIL import Image

    chromium(page, size, f"--screenshot={file}")
    return np.asarray(Image.open(file).convert("RGB")).astype(int)


def faults(page: Path, size: tuple[int, int], folder: Path) -> list[str]:
    """What is wrong with a page in a window of this size: clipped or overlapping, small or pale text, too wide."""
    probed = folder / f"probed_{page.name}"
    probed.write_text(page.read_text().replace("</body>", f"<script>{FAULTS.read_text()}</script></body>"))
    found = re.search(r'data-faults="(.*?)"', chromium(probed, size, "--dump-dom"))
    assert found is not None, "the page did not get so far"
    return json.loads(unescape(found[1]))
