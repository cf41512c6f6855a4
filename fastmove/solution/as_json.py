"""Solution as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastmove.certificate.certificate import certificate_json, finite
from fastmove.solution.binding import binding_intervals
from fastmove.solution.smoothness import Smoothness

if TYPE_CHECKING:
    from fastmove.solution.solution import Solution


FORMAT = 1  # Of the JSON that commands print.


def solution_json(solution: Solution) -> dict[str, object]:
    """Returns a solution as JSON values, as `plan --json` prints it and `bench` writes it.

    Infinities and NaN become null.  `prices` is empty unless prices were asked for.
    """
    result: dict[str, object] = {
        "format": FORMAT,
        "problem": solution.problem.name,
        "robot": solution.problem.robot.name,
        "status": solution.status.name.lower(),
        "detail": solution.detail or solution.status.value,
        "duration_s": solution.duration,
        "lower_bound_s": solution.lower_bound,
        "ratio": solution.duration / solution.lower_bound,
        "plan_time_s": solution.timings.get("total", math.nan),
        "timings_s": solution.timings,
        "limits": solution.problem.limits,
        "smoothness": None,
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
    if solution.trajectory is not None:
        result["smoothness"] = asdict(Smoothness.of(solution.trajectory, solution.problem.limit_set))
    if solution.certificate is not None:
        result["certificate"] = certificate_json(solution.certificate)
        result["assumes"] = list(solution.certificate.assumes)
        result["binding"] = binding_intervals(solution.problem, solution.certificate)
    return finite(result)  # type: ignore[return-value]
