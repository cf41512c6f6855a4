"""What all work on one problem shares: its bodies, dynamics, distances and end checks, and where the time went."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fastmove.collision.checker import Collision
from fastmove.dynamics.efforts import Dynamics
from fastmove.multibody.assembly import Assembly, assemble
from fastmove.planner.end_checks import EndChecks
from fastmove.problem.transfer import TransferProblem


@dataclass(frozen=True)
class PlanningContext:
    """Attributes:
    timings: seconds spent in each stage so far, see `timed`.
    """

    problem: TransferProblem
    assembly: Assembly
    dynamics: Dynamics
    collision: Collision
    checks: EndChecks
    timings: dict[str, float] = field(default_factory=dict)

    @staticmethod
    def of(problem: TransferProblem, timings: dict[str, float] | None = None) -> PlanningContext:
        """Set up for a problem; stages are added to `timings`."""
        assembly = assemble(problem)
        dynamics, collision = Dynamics(problem, assembly), Collision(problem, assembly)
        checks = EndChecks(problem, assembly, dynamics, collision)
        return PlanningContext(problem, assembly, dynamics, collision, checks, {} if timings is None else timings)


@contextmanager
def timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    """Add the time spent inside to a stage [s]."""
    begin = time.perf_counter()
    yield
    timings[stage] = timings.get(stage, 0.0) + time.perf_counter() - begin
