"""Processes of our own beside the caller's: a fresh interpreter that runs one module, at the other end of a socket."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from fastmove.errors import DriverFailed


def import_path() -> str:
    """Returns where this process imports from, as PYTHONPATH for another one."""
    return os.pathsep.join(str(Path(folder or ".").absolute()) for folder in sys.path)


def child_process(module: str, end: socket.socket, **environment: str) -> subprocess.Popen[bytes]:
    """Starts a module in a fresh interpreter, which is no copy of this one, so that no script needs a guard around its main part.

    It imports from where this process does, gets the number of its end of the socket as its argument, and is in a session of its
    own: a Ctrl-C here is not one there.

    Args:
        module: name of the module.
        end: its end of a socket pair, to be closed here afterwards.
        environment: variables that it gets unless they are set here.

    Raises:
        DriverFailed: this system has no sockets that a process inherits.
    """
    if os.name != "posix":
        raise DriverFailed(f"{module} needs a socket that a process inherits, as Linux and macOS have")
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, str(end.fileno())],
        pass_fds=(end.fileno(),),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        env={**environment, **os.environ, "PYTHONPATH": import_path()},
    )
