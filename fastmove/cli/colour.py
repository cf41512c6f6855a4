"""Colour for people at a terminal; none in files and pipes, nor where NO_COLOR is set (no-color.org)."""

from __future__ import annotations

import os
import re
import sys

GREEN, RED, BOLD, DIM, PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[1m", "\x1b[2m", "\x1b[0m"
# What is painted, by line: verdicts, what is broken, headings, what is only for the record.
RULES = (
    (re.compile(r"^(.*: )(certified; .*|held.*|HELD.*)$"), rf"\1{GREEN}\2{PLAIN}"),
    (re.compile(r"^(.*: )(no transfer: .*)$"), rf"\1{RED}\2{PLAIN}"),
    (re.compile(r"^(  certificate )(ok)(:.*)$"), rf"{BOLD}\1{GREEN}\2{PLAIN}{BOLD}\3{PLAIN}"),
    (re.compile(r"^(  certificate )(NOT OK)(:.*)$"), rf"{BOLD}\1{RED}\2{PLAIN}{BOLD}\3{PLAIN}"),
    (re.compile(r"^(  ! .*)$"), rf"{RED}\1{PLAIN}"),
    (re.compile(r"^(    assumes that .*|    as given: .*|  times \[ms\]: .*)$"), rf"{DIM}\1{PLAIN}"),
)


def painted(text: str) -> str:
    """Returns the text with colours where standard output is a terminal, else as it is."""
    if os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return text
    return "\n".join(_line(line) for line in text.split("\n"))


def _line(line: str) -> str:
    """Returns a line painted by the first rule that it matches."""
    for pattern, replacement in RULES:
        if pattern.match(line):
            return pattern.sub(replacement, line)
    return line
