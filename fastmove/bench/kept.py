"""Results that are kept as pickles in a folder of a run, so that what was made once is not made again.

They are read only where this program wrote them, by the version that did.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from fastmove.io.atomic_write import write_whole

T = TypeVar("T")


def kept(path: Path, make: Callable[[], T]) -> T:
    """What a file holds or, where there is none, what is made and written to it.

    Args:
        path: The file; its folder is created if needed.
        make: Makes it.
    """
    if path.exists():
        found: T = pickle.loads(path.read_bytes())
        return found
    made = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, pickle.dumps(made))
    return made
