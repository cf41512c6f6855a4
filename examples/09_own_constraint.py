"""A constraint of your own: the tool stays on this side of a light curtain.  It is said twice, for optimiser and certificate."""

from dataclasses import dataclass
from typing import ClassVar

import casadi as ca
import numpy as np

import fastmove as fm


@dataclass(frozen=True)
class BehindCurtain(fm.PathConstraint):
    """The tool's x stays below `x` [m]."""

    x: float
    kind: ClassVar[fm.LimitKind] = fm.LimitKind("behind_curtain", "m", "path")
    scale: ClassVar[float] = 0.05  # [m] before the curtain is far from it

    def margins(self, motion: fm.MotionView) -> ca.SX:
        return self.x - motion.frame("tool").position[0]

    def check(self, motion: fm.MotionView) -> np.ndarray:
        return self.x - motion.frame("tool").position[:, 0]


fm.registries.constraints.add("behind_curtain", BehindCurtain)
robot = fm.load_robot("panda")
start, goal = np.array([-0.9, 0.2, 0, -2.0, 0, 2.2, 0.8]), np.array([0.9, 0.2, 0, -2.0, 0, 2.2, 0.8])
for limit in (np.inf, 0.5, 0.42):
    ends = fm.State.rest(start), fm.Goal([goal])
    problem = fm.TransferProblem("curtain", robot, (), fm.Scene(), *ends, "fer")
    if np.isfinite(limit):
        problem = problem.with_(constraints=(BehindCurtain(limit),))
    solution = fm.plan(problem).raise_for_status()
    times = np.linspace(0, solution.duration, 200)
    farthest = max(fm.pose_at(problem, q, "tool").translation[0] for q in solution.trajectory.position(times))
    print(f"curtain at {limit:4.2f} m: {solution.duration:.3f} s, the tool comes to {farthest:.3f} m")
