"""A constraint of your own: keep the tool above a line, as over the rail beside a conveyor.

`margins` is one CasADi expression of an instant, for the optimiser; `check` is numpy over all instants, for the certificate.
In a problem file, once registered (by an entry point, for the command line):
    [[constraints]]
    type = "above_line"
    point = [0.5, 0, 0.35]
    along = [0, 1, 0]
"""

from dataclasses import dataclass
from typing import ClassVar

import casadi as ca
import numpy as np

import fastmove as fm


@dataclass(frozen=True)
class AboveLine(fm.PathConstraint):
    """The tool's origin stays above a line, level with it to both sides.

    Attributes:
        point: of the line, in the world [m];  along: its direction.
    """

    point: np.ndarray
    along: np.ndarray

    kind: ClassVar[fm.LimitKind] = fm.LimitKind("above_line", "m", "path")
    scale: ClassVar[float] = 0.05  # [m] above the line is far

    @property
    def up(self) -> np.ndarray:
        """Across the line, upwards."""
        along = np.asarray(self.along) / np.linalg.norm(self.along)
        up = np.array([0.0, 0.0, 1.0]) - along[2] * along
        return up / np.linalg.norm(up)

    def margins(self, motion: fm.MotionView) -> ca.SX:
        return ca.dot(ca.DM(self.up), motion.frame("tool").position - ca.DM(self.point))

    def check(self, motion: fm.MotionView) -> np.ndarray:
        tool = motion.frame("tool").position  # (N, 3)
        along = np.asarray(self.along) / np.linalg.norm(self.along)
        away = tool - self.point
        across = away - (away @ along)[:, None] * along
        return across[:, 2] / np.sqrt(1 - along[2] ** 2)


fm.registries.constraints.add("above_line", AboveLine)
