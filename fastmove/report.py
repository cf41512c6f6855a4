"""What a person reads: the screenful of a solution, and which limit binds when."""

from __future__ import annotations

import math
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from fastmove.certificate.certificate import Certificate, certificate_json, certificate_lines, finite
from fastmove.problem.transfer import TransferProblem

if TYPE_CHECKING:
    from fastmove.solution import Solution


BINDING_FROM = 0.98  # share of a limit from which it counts as binding


CARRIED = ("hold", "pad_share", "tilt", "upright", "shock", "swing")  # limits on what is held


CLEARANCE_FROM = 0.002  # margin of the clearance below which it counts as binding [m]


def binding_intervals(problem: TransferProblem, certificate: Certificate) -> list[dict[str, object]]:
    """[{kind, name, from_s, to_s}] in order of time: where a limit is used by 98 % or more, a clearance within 2 mm."""
    profile, names = certificate.profile, problem.robot.joint_names
    rows: list[dict[str, object]] = []
    for kind in ("velocity", "acceleration", "jerk", "torque", "torque_rate"):
        if kind in profile:
            for j, name in enumerate(names):
                rows += _intervals(profile["time"], profile[kind][:, j] >= BINDING_FROM, kind, name)
    for kind in CARRIED:
        if problem.holds and kind in profile:
            rows += _intervals(profile["time"], profile[kind] >= BINDING_FROM, kind, problem.holds[0].item.name)
    if "clearance" in profile:
        for pair in np.unique(profile["clearance_pair"]):
            own = profile["clearance_pair"] == pair
            near = profile["clearance"][own] <= CLEARANCE_FROM
            rows += _intervals(profile["clearance_time"][own], near, "clearance", str(pair))
    return sorted(rows, key=lambda row: (row["from_s"], row["kind"], row["name"]))  # type: ignore[arg-type]


def _intervals(time: np.ndarray, active: np.ndarray, kind: str, name: str) -> list[dict[str, object]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]]).astype(int)))
    return [
        {"kind": kind, "name": name, "from_s": float(time[a]), "to_s": float(time[b - 1])}
        for a, b in zip(edges[::2], edges[1::2], strict=True)
        if time[b - 1] > time[a]
    ]


def limiting_shares(solution: Solution) -> list[tuple[str, float]]:
    """(limit, share of the duration during which it binds), largest first; empty without a motion."""
    shares: dict[str, float] = {}
    problem, certificate = solution.problem, solution.certificate
    if certificate is None:
        return []
    profile = certificate.profile
    duration = float(profile["time"][-1])
    for row in binding_intervals(problem, certificate):
        kind, name = str(row["kind"]), str(row["name"])
        label = kind if kind in CARRIED else f"{kind} {name}"
        shares[label] = shares.get(label, 0.0) + float(row["to_s"]) - float(row["from_s"])  # type: ignore[arg-type]
    return sorted(((k, min(v / duration, 1.0)) for k, v in shares.items()), key=lambda row: -row[1])


def screenful(solution: Solution) -> str:
    """Duration, lower bound, what limits the motion, worst margins, times."""
    problem = solution.problem
    lines = [f"{problem.name}: {solution.status.value}"]
    if solution.detail:
        lines.append(f"  {solution.detail}")
    if solution.trajectory is None or solution.certificate is None:
        return "\n".join(lines)
    ratio = solution.duration / solution.lower_bound
    lines.append(
        f"  duration {solution.duration:.4f} s   lower bound {solution.lower_bound:.4f} s   ratio {ratio:.4f}   "
        f"limits {problem.limits}"
    )
    if solution.goals is not None and solution.goals.total > 1:
        lines.append(f"  {solution.goals}")
    for held, force in zip(problem.holds, solution.grip_force, strict=True):
        member = held.item.members[0]
        lines.append(
            f"  {held.item.name}: {member.mass:g} kg, grip {force:.1f} N per pad, friction {held.grasp.friction:g}, "
            f"{held.width * 1e3:.1f} mm wide"
        )
    lines.append("  what limits it (share of the time at the limit):")
    for label, share in limiting_shares(solution)[:6]:
        lines.append(f"    {share:5.0%}  {label}")
    if solution.prices:
        lines += ["  what a second costs:", *(f"    {price}" for price in solution.prices[:8])]
    elif "explain" in solution.timings:
        lines.append("  what a second costs: not said, since this motion is not a converged optimum")
    lines += [f"  {line}" for line in robustness(solution)]
    lines += certificate_lines(solution.certificate)
    stages = "   ".join(f"{name} {value * 1e3:.0f}" for name, value in solution.timings.items())
    lines.append(f"  times [ms]: {stages}")
    return "\n".join(lines)


def robustness(solution: Solution) -> list[str]:
    """What it costs to hold for all of the set instead of what is believed alone, where both are known."""
    if not math.isfinite(solution.nominal_duration):
        return []
    price = solution.duration / solution.nominal_duration - 1
    bodies = solution.problem.members
    return [
        f"price of robustness: {price:.1%} over {solution.nominal_duration:.4f} s for what is believed alone ({bodies} bodies)"
    ]


def solution_json(solution: Solution) -> dict[str, object]:
    """What `plan --json` prints and `bench` writes.  `prices` is empty unless it was asked for."""
    result: dict[str, object] = {
        "status": solution.status.name.lower(),
        "detail": solution.detail or solution.status.value,
        "duration_s": solution.duration,
        "lower_bound_s": solution.lower_bound,
        "plan_time_s": solution.timings.get("total", math.nan),
        "timings_s": solution.timings,
        "limits": solution.problem.limits,
        "certificate": None,
        "assumes": [],
        "binding": [],
        "prices": [price.as_json() for price in solution.prices],  # type: ignore[attr-defined]
        "nominal_duration_s": solution.nominal_duration,
        "grip_force_N": list(solution.grip_force),
        "goals": None if solution.goals is None else asdict(solution.goals),
        "seed": solution.seed,
        "version": version("fastmove"),
    }
    if solution.certificate is not None:
        result["certificate"] = certificate_json(solution.certificate)
        result["assumes"] = list(solution.certificate.assumes)
        result["binding"] = binding_intervals(solution.problem, solution.certificate)
    return finite(result)  # type: ignore[return-value]
