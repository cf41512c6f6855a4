"""Commands of a smooth motion from the start, without planning: joints by a quintic, the feed-forward of the dynamics."""

import numpy as np

import fastmove as fm
from fastmove.drivers.driver import Command
from fastmove.dynamics.efforts import Dynamics
from fastmove.multibody.assembly import assemble


def smooth(problem: fm.TransferProblem, by: float, seconds: float, cycle: float = 1e-3) -> list[Command]:
    """Commands that move every joint by so much [rad], from rest to rest, one per cycle."""
    s = np.minimum(np.arange(round(seconds / cycle) + 1) * cycle / seconds, 1.0)[:, None]
    one = np.full(problem.robot.n_arm, by)
    q = problem.start.q + one * s**3 * (10 - 15 * s + 6 * s**2)
    v = one * 30 * s**2 * (1 - s) ** 2 / seconds
    a = one * (60 * s - 180 * s**2 + 120 * s**3) / seconds**2
    effort = Dynamics(problem, assemble(problem)).torques(q, v, a)
    grip = np.full((len(q), 1), problem.holds[0].grasp.grip_force[1])
    return [Command(*rows) for rows in zip(q, v, a, effort, grip, strict=True)]
