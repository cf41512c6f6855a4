"""Files written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from fastmove.errors import TrajectoryFileError


def write_whole(path: Path, content: bytes) -> None:
    """Write to a temporary file beside it, then rename: the file is there whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise TrajectoryFileError(str(path), f"cannot be written ({error.strerror})") from error
