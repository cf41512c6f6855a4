"""Held stops off the path: the joints brake together, gently enough for what is held, and the certificate decides.

Where a joint already brakes as hard as it can, the path cannot be run more slowly, but the arm can leave it.  Ruckig's brake of
all joints to rest at the same time, with a share of their acceleration and jerk limits, leaves it by little.

With joint jerks q⃛ torques change by M q⃛ besides what speed adds, M being the mass matrix: with the jerk limits j scaled by
κ = min_i τ̇_i / Σ_j |M_ij| j_j that alone is within every limit τ̇ of torque rates.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pinocchio as pin

from fastmove.certificate.along_path import certify_proposal
from fastmove.errors import FastMoveError
from fastmove.multibody.assembly import assemble
from fastmove.problem.goal import Goal
from fastmove.problem.transfer import TransferProblem
from fastmove.search.time_bound import braking_motion, sampled, switching_times
from fastmove.solution.solution import Solution
from fastmove.trajectory.piecewise_polynomial import quintic_hermite
from fastmove.trajectory.trajectory import Phase, Trajectory

SHARES = ((1.0, 0.8), (1.0, 0.4), (0.6, 0.6), (0.35, 0.6))  # Of the acceleration limits, and of κ, tried in this order.
NEARLY_ALL = 1 - 1e-6  # Share of the limits that is "all": what rounding adds must not be beyond them.
SHORTEST = 1e-3  # Duration below which a state is rest [s].


def brake(problem: TransferProblem, before: Phase, sooner: float = float("inf")) -> Solution | None:
    """Returns the quickest certified brake from the start of a problem; None where none of the shares is certified.

    Args:
        problem: Problem from the state in which the arm begins to brake; its goal and corridors do not matter.
        before: Phase in which that state is, for grip forces and openings.
        sooner: Duration below which a brake is of use [s].
    """
    scene, softer = replace(problem.scene, corridors=()), jerk_share(problem)
    for share, of_jerk in SHARES:
        try:
            motion = braking_motion(
                problem.start, problem.limit_set, share * NEARLY_ALL, min(of_jerk * softer, share * NEARLY_ALL)
            )
            if not SHORTEST < motion.duration < sooner:
                return None
            times = switching_times(motion)
            q, v, a = sampled(motion, times)
            stop = problem.with_(goal=Goal(q[-1:], opens_hand=False), scene=scene)
        except FastMoveError:
            continue
        v[-1] = a[-1] = 0.0
        pieces = quintic_hermite(times, q, v, a)  # A quintic through the ends of cubic pieces is those pieces.
        phase = Phase(pieces, None, None, before.grip_force, before.opening)
        trajectory = Trajectory((phase,), problem.robot.joint_names)
        certificate = certify_proposal(stop, trajectory)
        if certificate.ok:
            return Solution.of(stop, trajectory, certificate, float("nan"))
    return None


def jerk_share(problem: TransferProblem) -> float:
    """Returns κ at the start of a problem (see above); 1 where torque rates are not limited."""
    limits, assembly = problem.limit_set, assemble(problem)
    upper = np.triu(pin.crba(assembly.arm, assembly.arm.createData(), np.array(problem.start.q)))
    mass = upper + np.triu(upper, 1).T
    return float(min(1.0, (limits.effort_rate / (np.abs(mass) @ limits.jerk)).min()))
