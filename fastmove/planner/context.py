"""What all work on one problem shares: bodies, dynamics, distances, end checks, and the time spent in each stage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fastmove.collision.checker import Collision
from fastmove.dynamics.efforts import Dynamics
from fastmove.errors import InputError
from fastmove.multibody.assembly import Assembly, assemble
from fastmove.planner.end_checks import EndChecks
from fastmove.problem.transfer import TransferProblem


@dataclass(frozen=True)
class PlanningContext:
    """Bodies, dynamics, distances and end checks of one problem.

    Attributes:
        problem: Transfer problem.
        assembly: Model of arm, hands and held items.
        dynamics: Efforts and path constraints.
        collision: Distance queries.
        checks: Checks of both ends.
        timings: Time spent in each stage so far [s], see `timed`.
    """

    problem: TransferProblem
    assembly: Assembly
    dynamics: Dynamics
    collision: Collision
    checks: EndChecks
    timings: dict[str, float] = field(default_factory=dict)

    @staticmethod
    def of(problem: TransferProblem, timings: dict[str, float] | None = None) -> PlanningContext:
        """Builds the context of a problem.

        Args:
            problem: Transfer problem.
            timings: Times to which the stages are added [s]; None means a new dictionary.

        Raises:
            InputError: The start is given by poses and no configuration is chosen yet.
        """
        if problem.start.open:
            raise InputError("start.pose", "leaves the configuration open; only planning chooses one, here give start.q (fm.ik)")
        assembly = assemble(problem)
        dynamics, collision = Dynamics(problem, assembly), Collision(problem, assembly)
        checks = EndChecks(problem, assembly, dynamics, collision)
        return PlanningContext(problem, assembly, dynamics, collision, checks, {} if timings is None else timings)


@contextmanager
def timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    """Adds the time spent inside the `with` block to a stage.

    Args:
        timings: Time spent in each stage so far [s].
        stage: Name of the stage.
    """
    begin = time.perf_counter()
    yield
    timings[stage] = timings.get(stage, 0.0) + time.perf_counter() - begin
