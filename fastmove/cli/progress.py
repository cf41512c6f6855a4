"""Progress on standard error of whatever takes more than two seconds.

On a terminal it is one line, rewritten in place and erased at the end; elsewhere (a pipe, a log) a plain line every few seconds.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from types import TracebackType
from typing import TextIO

DELAY = 2.0  # [s] until the first word.
REDRAWN = 0.25  # [s] between two drawings on a terminal.
REPEATED = 5.0  # [s] between two plain lines elsewhere.
ERASE = "\r\x1b[K"  # Back to the first column, and erase to the end of the line (ECMA-48).


class Progress:
    """One line about what is being done, in a `with` block; `say` and `advance` change it.

    Args:
        title: What is being done.
        total: Number of things to do, of which `advance` counts; 0 where that is not known.
        ticking: Whether a thread keeps the seconds going; not where processes are forked meanwhile.
        stream: Where it is written; None means standard error.
    """

    def __init__(self, title: str, total: int = 0, ticking: bool = True, stream: TextIO | None = None) -> None:
        self.title, self.total, self.done, self.text = title, total, 0, ""
        self.stream = sys.stderr if stream is None else stream
        self.on_terminal = self.stream.isatty()
        self.begin = time.monotonic()
        self.last = self.begin + DELAY - self._pause  # when it was shown last
        self.visible = False
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._tick, daemon=True) if ticking else None

    def __enter__(self) -> Progress:
        if self.thread is not None:
            self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.ended.set()
        if self.thread is not None:
            self.thread.join()
        if self.visible and self.on_terminal:
            self.stream.write(ERASE)
            self.stream.flush()

    @property
    def _pause(self) -> float:
        return REDRAWN if self.on_terminal else REPEATED

    def say(self, text: str) -> None:
        """Sets what is being done now."""
        self.text = text
        self._show()

    def advance(self) -> None:
        """Counts one more thing as done."""
        self.done += 1
        self._show()

    def line(self) -> str:
        """Returns the line as it would be shown now."""
        seconds = time.monotonic() - self.begin
        parts = [f"{self.done} of {self.total}"] if self.total else []
        if self.total and self.done:
            left = seconds / self.done * (self.total - self.done)
            parts.append(f"{self.done / seconds:.2g} a second, {_clock(left)} left")
        parts += [self.text] if self.text else []
        return f"{self.title}: {', '.join([*parts, _clock(seconds)])}"

    def _tick(self) -> None:
        while not self.ended.wait(REDRAWN):
            self._show()

    def _show(self) -> None:
        """Writes the line, unless it has been written just now or it is too early for any word."""
        now = time.monotonic()
        if self.ended.is_set() or now - self.last < self._pause:
            return
        self.last, self.visible = now, True
        if self.on_terminal:
            width = shutil.get_terminal_size().columns - 1  # a full line would wrap, and could not be erased
            self.stream.write(ERASE + self.line()[:width])
        else:
            self.stream.write(f"fastmove: {self.line()}\n")
        self.stream.flush()


def _clock(seconds: float) -> str:
    """Returns a number of seconds as people say it: 12 s, 3:05 min, 2:10 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60}:{whole % 60:02} min" if whole < 3600 else f"{whole // 3600}:{whole % 3600 // 60:02} h"
