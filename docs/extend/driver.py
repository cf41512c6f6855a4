"""A driver of your own: hardware that takes its commands from a file, one line a control cycle.

`fastmove run problem.toml --driver file:commands.csv`, once registered by an entry point: a call, as below,
counts in its own program alone (README.md).  What follows the colon is the address.
"""

from pathlib import Path

import numpy as np

import fastmove as fm


class FileDriver(fm.drivers.Driver):
    """Writes q [rad], v [rad/s] and effort [Nm] of every cycle to a file, and says that the arm is where it was told to be."""

    def __init__(self, problem, address="", along=None):
        self.path, self.cycle = Path(address or "commands.csv"), 4e-3
        self.q, self.v, self.cycles = np.array(problem.start.q), np.array(problem.start.v), 0

    def connect(self):
        self.file = self.path.open("w")
        self.cycles = 0

    def payload(self, mass, com, inertia):
        self.file.write(f"# payload {mass:g} kg at {np.asarray(com).tolist()} m\n")

    def read(self):
        return fm.drivers.Reading(self.cycles, self.q, self.v, gripping=True)

    def send(self, command: fm.drivers.Command):
        row = np.concatenate([command.q, command.v, command.effort])
        self.file.write(",".join(f"{x:.9g}" for x in row) + "\n")
        self.q, self.v, self.cycles = command.q, command.v, self.cycles + 1
        return command

    def stop(self):
        self.v = np.zeros_like(self.v)

    def close(self):
        self.file.close()


fm.registries.drivers.add("file", FileDriver)
