"""The command line: fastmove plan | check | preview | run | rank | bench | describe | robots.

Exit codes: 0 done; 1 certificate not ok (`check`); 2 the input is wrong; 3 no certified transfer; 4 the driver failed.
"""

from __future__ import annotations

import sys
import warnings
from argparse import Namespace
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from fastmove.cli.arguments import argument_parser
from fastmove.errors import FastMoveError, InputError, Remark


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code.  Never a traceback for a caller's mistake."""
    options = argument_parser().parse_args(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("always", Remark)
        warnings.showwarning = _shown  # type: ignore[assignment]
        return _run(options)


def _shown(message: Warning | str, category: type[Warning], *place: object) -> None:
    """Prints a warning as one line, without the place in the code."""
    print(f"fastmove: {message}", file=sys.stderr)


def _run(options: Namespace) -> int:
    """Run the command of these options; returns its exit code."""
    try:
        commands = import_module("fastmove.cli.commands")  # only now: --help and --version need none of it
        return int(getattr(commands, f"{options.command}_command")(options))
    except FastMoveError as error:
        file = Path(getattr(options, "problem", "")).name  # what is found after reading does not name it
        place = f"{file}: " if file and isinstance(error, InputError) and file not in str(error) else ""
        print(f"fastmove: {place}{error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        return 0
    except OSError as error:
        print(f"fastmove: {str(error.filename)[:80]}: {error.strerror}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
