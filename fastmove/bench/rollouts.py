"""Physics with drawn parameters: what becomes of a motion when item, friction and grip are somewhere in the problem's set.

Each rollout draws mass, centre of mass, friction, grip force and the item's place in the hand inside the problem's uncertainty
(`HeldItem.sample`) and begins from a settled state of its own.  The draws depend on the problem alone, so that every planner's
motion meets the same ones.
"""

from __future__ import annotations

import zlib
from collections import Counter
from importlib.util import find_spec
from typing import Any

import numpy as np

from fastmove.execution.slip_test import Judgement, Verdict, judge, verdict_of
from fastmove.problem.transfer import TransferProblem
from fastmove.trajectory.trajectory import Trajectory

DROPPED_SLIP = 0.01  # Displacement in the hand from which an item counts as dropped: about half a pad [m].
USUAL = 5  # Number of rollouts of each motion, where nothing else is asked for.


def usual_rollouts() -> int:
    """`USUAL` where the simulation is installed, else 0."""
    return USUAL if find_spec("mujoco") is not None else 0


def rolled_out(problem: TransferProblem, trajectory: Trajectory, count: int, seed: int = 0) -> dict[str, Any]:
    """Judge a motion in several rollouts.

    Args:
        problem: The problem, with one pinched item.
        trajectory: The motion.
        count: Number of rollouts.
        seed: Seed of the draws, beside the problem's name.

    Returns:
        As JSON values: `rollouts`; how often each of the `verdicts`, and `held`, `dropped`, `unsettled` (the item did not come to
        rest in the closing hand as planned: nothing is said of the motion) and `off` (a joint of the simulated arm was more than
        5 mrad off); the largest `slip_mm`, `turn_deg` (swing in the hand) and `shock` [m/s²] (force of the hand on the item over
        its mass); and the number of the `worst` rollout.
    """
    name = zlib.crc32(problem.name.encode())
    judged = []
    for number in range(count):
        truth = problem.with_(holds=(problem.holds[0].sample(np.random.default_rng([seed, name, number])),))
        judged.append((judge(problem, trajectory, truth=truth, rollouts=1, first=number), truth.holds[0].item.members[0].mass))
    moved = [one for one, _ in judged if one.contacts >= 0]
    shocks = [float(np.linalg.norm(one.wrench[:, :3], axis=1).max()) / mass for one, mass in judged if len(one.wrench)]
    return {
        "rollouts": count,
        "verdicts": dict(Counter(one.verdict.name for one, _ in judged)),
        "held": sum(held(one, problem.clearance) for one in moved),
        "dropped": sum(map(dropped, moved)),
        "unsettled": count - len(moved),
        "off": sum(one.verdict is Verdict.NOT_TRACKABLE for one in moved),
        "slip_mm": round(1e3 * max((one.slip for one in moved), default=0.0), 6),
        "turn_deg": round(float(np.degrees(max((one.turn for one in moved), default=0.0))), 6),
        "shock": round(max(shocks, default=0.0), 4),
        "worst": max(range(count), key=lambda k: (judged[k][0].verdict.rank, judged[k][0].slip)),
    }


def held(judgement: Judgement, clearance: float) -> bool:
    """Whether the item stayed where it was in the hand, also where the arm itself was off."""
    one, lost = judgement, judgement.contacts < judgement.settling.points
    tracking = 0.0 if np.isfinite(one.tracking) else one.tracking  # a simulation that broke down held nothing
    return verdict_of(one.slip, one.turn, tracking, one.reach, clearance, lost) is Verdict.HELD


def dropped(judgement: Judgement) -> bool:
    """Whether the item left the hand: it moved by `DROPPED_SLIP`, or no point of a pad touched it at some time."""
    return not judgement.slip < DROPPED_SLIP or judgement.contacts == 0
