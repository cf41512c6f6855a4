"""Stand-ins for the controllers of real arms, on the loopback: each a process of its own, at an address of its own."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

import fastmove as fm

HERE = Path(__file__).parent
FRANKA_SIM = Path(os.environ.get("FASTMOVE_FRANKA_SIM", HERE.parents[1] / ".franka-sim"))  # `make franka-sim` fills it
_numbers = itertools.count(2)


def address() -> str:
    """An address of the loopback for one server: several may listen on the ports that makers have fixed."""
    return f"127.{os.getpid() >> 8 & 255}.{os.getpid() & 255}.{next(_numbers)}"


class Server:
    """A controller's stand-in.

    Args:
        command: what starts it; it prints READY.
        environment: variables that it gets besides.
    """

    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        self.command, self.environment = command, {**os.environ, **(environment or {})}
        self.start()

    def start(self) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(self.command, text=True, env=self.environment, **pipes)
        with contextlib.suppress(OSError):  # a real controller has a processor of its own
            os.setpriority(os.PRIO_PROCESS, self.process.pid, -15)
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        assert said.startswith("READY"), f"{self.command[1]} says {said!r}"

    def order(self, *lines: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f"{line}\n" for line in lines))
        self.process.stdin.flush()

    def log(self) -> dict[str, Any]:
        self.order("log")
        assert self.process.stdout is not None
        return dict(json.loads(self.process.stdout.readline()))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class Rig:
    """A server and the driver that speaks with it.

    Args:
        name: `ur`, `egm` or `franka`.
        problem: transfer that is to be run.
    """

    def __init__(self, name: str, problem: fm.TransferProblem) -> None:
        self.name, self.problem = name, problem
        self.server, self.address = getattr(self, f"_{name}")(np.array(problem.start.q))

    def driver(self) -> Any:
        """A driver that speaks with it; it has time to spare, since other tests run beside this one."""
        return fm.registries.drivers.get(self.name)(self.problem, f"{self.address},lead=0.2", None)

    def _ur(self, q: np.ndarray) -> tuple[Server, str]:
        pytest.importorskip("rtde_control", reason="ur-rtde has no wheel for this Python version")
        host = address()
        server = Server([sys.executable, str(HERE / "ur_controller.py"), host, ",".join(map(repr, map(float, q)))])
        server.order("input 2 1")
        return server, f"{host},grip_input=2,silent=0.5"

    def _egm(self, q: np.ndarray) -> tuple[Server, str]:
        pytest.importorskip("ABBRobotEGM", reason="ABBRobotEGM is not installed")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        degrees = ",".join(map(repr, map(float, np.degrees(q))))
        host = address()
        return Server([sys.executable, str(HERE / "egm_controller.py"), host, str(port), degrees]), f"{host},port={port}"

    def _franka(self, q: np.ndarray) -> tuple[Server, str]:
        pytest.importorskip("pylibfranka", reason="pylibfranka has no wheel for this Python version")
        if not (FRANKA_SIM / "ready").exists():
            pytest.skip("franka-sim is not there: make franka-sim")
        host = address()
        width = float(self.problem.holds[0].width) if self.problem.holds else 0.03
        python, script = str(FRANKA_SIM / "bin" / "python"), str(HERE / "franka_controller.py")
        command = [python, script, host, repr(width), *map(repr, map(float, q))]
        return Server(command, {"FR3_MJCF": str(FRANKA_SIM / "fr3.xml"), "PYTHONPATH": ""}), f"{host},grasp=1"

    def log(self) -> tuple[np.ndarray, np.ndarray]:
        """Times (N,) [s] and configurations (N, n) [rad] that the server was sent."""
        servo = self.server.log()["servo"]
        q = np.array([row for _, row in servo])
        return np.array([t for t, _ in servo]), np.radians(q) if self.name == "egm" else q

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.kill()


def until(so: Any, seconds: float = 5.0) -> None:
    """Waits until something is so."""
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end, "it did not come to be so in time"
        time.sleep(0.01)
