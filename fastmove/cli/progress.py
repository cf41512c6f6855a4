"""A progress bar on standard error for whatever takes more than two seconds; silent where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

DELAY = 2.0  # [s] until the bar appears


@contextmanager
def meter(text: str, total: int | None = None) -> Iterator[tqdm]:
    """A bar that appears after two seconds: `update(1)` counts, `set_postfix_str` says what is being done."""
    with tqdm(total=total, desc=text, file=sys.stderr, delay=DELAY, leave=False, disable=not sys.stderr.isatty()) as bar:
        yield bar
