"""Intervals of time in which a motion is at a limit."""

from __future__ import annotations

import numpy as np

from fastmove.certificate.certificate import Certificate
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.limit_kinds import names_in

BINDING_FROM = 0.98  # Utilisation from which a limit counts as binding.
CLEARANCE_FROM = 0.002  # Margin of the clearance up to which it counts as binding [m].


def binding_intervals(problem: TransferProblem, certificate: Certificate) -> list[dict[str, object]]:
    """Returns the intervals in which a limit binds, in order of time, as {kind, name, from_s, to_s} with times in [s].

    A limit binds where its utilisation is at least `BINDING_FROM`, clearance where its margin is at most `CLEARANCE_FROM`.

    Args:
        problem: Transfer problem of the motion.
        certificate: Certificate of the motion.
    """
    profile, names = certificate.profile, problem.robot.joint_names
    rows: list[dict[str, object]] = []
    for kind in names_in("joint", "effort"):
        if kind in profile:
            for j, name in enumerate(names):
                rows += _intervals(profile["time"], profile[kind][:, j] >= BINDING_FROM, kind, name)
    for kind in (one.name for one in problem.limit_kinds if one.group == "path"):
        if kind in profile:
            rows += _intervals(profile["time"], profile[kind] >= BINDING_FROM, kind, "")
    for kind in names_in("contact", "tolerance"):
        if problem.holds and kind in profile:
            rows += _intervals(profile["time"], profile[kind] >= BINDING_FROM, kind, problem.holds[0].item.name)
    if "clearance" in profile:
        for pair in np.unique(profile["clearance_pair"]):
            own = profile["clearance_pair"] == pair
            near = profile["clearance"][own] <= CLEARANCE_FROM
            rows += _intervals(profile["clearance_time"][own], near, "clearance", str(pair))
    return sorted(rows, key=lambda row: (row["from_s"], row["kind"], row["name"]))  # type: ignore[arg-type]


def _intervals(time: np.ndarray, active: np.ndarray, kind: str, name: str) -> list[dict[str, object]]:
    """Returns the intervals of times (N,) [s] in which a limit is active (N,); those of a single time are left out."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]]).astype(int)))
    return [
        {"kind": kind, "name": name, "from_s": float(time[a]), "to_s": float(time[b - 1])}
        for a, b in zip(edges[::2], edges[1::2], strict=True)
        if time[b - 1] > time[a]
    ]
