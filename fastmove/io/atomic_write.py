"""Atomic writing of files."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from fastmove.errors import TrajectoryFileError


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file atomically, by renaming a complete temporary file beside it.

    Args:
        path: file to write; an existing one is replaced.
        content: everything that the file shall hold.

    Raises:
        TrajectoryFileError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise TrajectoryFileError(str(path), f"cannot be written ({error.strerror})") from error
