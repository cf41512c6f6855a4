"""The command line: fastmove plan | check | preview | run | rank | bench | describe | robots.

Exit codes: 0 done; 1 certificate not ok (`check`); 2 the input is wrong; 3 no certified transfer; 4 the driver failed;
130 interrupted.
"""

from __future__ import annotations

import json
import sys
import warnings
from argparse import Namespace
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from fastmove.cli.arguments import argument_parser
from fastmove.errors import FastMoveError, InputError, Interrupted, Remark


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code.  Never a traceback for a caller's mistake."""
    try:
        options = argument_parser().parse_args(arguments)
    except BrokenPipeError:  # of --help and --print-completion
        return 0
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
        commands = import_module(f"fastmove.cli.{options.module}")  # only now: --help and --version need none of it
        return int(getattr(commands, f"{options.command}_command")(options))
    except FastMoveError as error:
        file = Path(getattr(options, "problem", None) or "").name  # what is found after reading does not name it
        place = f"{file}: " if file and isinstance(error, InputError) and file not in str(error) else ""
        _refused(options, f"{place}{error}", error.exit_code)
        return error.exit_code
    except KeyboardInterrupt:
        hint = f"; go on with --resume, results so far are in {options.out}" if options.command == "bench" else ""
        _refused(options, f"interrupted{hint}", Interrupted.exit_code)
        return Interrupted.exit_code
    except BrokenPipeError:
        return 0
    except OSError as error:
        _refused(options, f"{str(error.filename)[:80]}: {error.strerror}", 2)
        return 2


def _refused(options: Namespace, sentence: str, code: int) -> None:
    """Prints why there is no result: one sentence on standard error, and one JSON object where that was asked for."""
    print(f"fastmove: {sentence}", file=sys.stderr)
    if getattr(options, "json", False):
        print(json.dumps({"format": 1, "status": "refused", "refusal": sentence, "exit_code": code}))


if __name__ == "__main__":
    sys.exit(main())
