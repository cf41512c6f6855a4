"""One job of the bench: one problem for one planner, and the row that it becomes."""

from __future__ import annotations

from dataclasses import dataclass

from fastmove import registries
from fastmove.bench.motionbenchmaker import BenchProblem
from fastmove.bench.recheck import raw_hits
from fastmove.bench.results import Row
from fastmove.bench.rollouts import rolled_out
from fastmove.certificate.certificate import Certificate
from fastmove.certificate.certify import certify
from fastmove.errors import FastMoveError
from fastmove.problem.describe import problem_sha256
from fastmove.problem.transfer import TransferProblem
from fastmove.solution.as_json import solution_json
from fastmove.solution.solution import Solution

NOTHING: Row = {"duration_s": None, "certificate": None}  # What a row says of a motion that there is not.


@dataclass(frozen=True)
class Job:
    """One problem to be solved by one planner.

    Attributes:
        entry: The problem.
        planner: Name of the planner in `registries.planners`.
        recheck: Whether a motion is also checked against the raw meshes (see `bench.recheck`).
        rollouts: In how many rollouts physics judges a motion, each with parameters of its own (see `bench.rollouts`).
        number: Number of the problem in its set; −1 = not of a set.
    """

    entry: BenchProblem
    planner: str
    recheck: bool = False
    rollouts: int = 0
    number: int = -1

    @property
    def key(self) -> tuple[str, str]:
        """The problem's id and the planner's name, which identify a result."""
        return self.entry.id, self.planner

    @property
    def head(self) -> Row:
        """What the row of every result begins with."""
        problem = self.entry.problem
        return {
            "problem": self.entry.id,
            "planner": self.planner,
            "scene": self.entry.scene,
            "number": self.number,
            "problem_sha256": problem_sha256(problem),
            "robot": problem.robot.name,
            "items": [held.item.name for held in problem.holds],
        }


def answer(job: Job) -> Row:
    """Run one job and return its row: what `plan --json` prints, preceded by what identifies it, followed by what judges said."""
    head = job.head
    try:
        solution = registries.planners.get(job.planner)(job.entry.problem)
        return head | solution_json(solution) | head | _judged(job, solution)  # the set's name of the problem, not its own
    except FastMoveError as error:
        return head | NOTHING | {"status": "refused", "detail": str(error)}
    except Exception as error:  # a defect of a planner is a result, too, and does not stop the others
        return head | NOTHING | {"status": "failed", "detail": f"{type(error).__name__}: {error}"}


def _judged(job: Job, solution: Solution) -> Row:
    """What one certificate of every limit, the raw meshes and physics say of the motion."""
    if solution.trajectory is None:
        return {}
    problem = job.entry.problem
    row: Row = {"all_limits": _all_limits(problem, solution)}
    if job.recheck and solution.ok:
        row["raw_hits"] = raw_hits(solution.problem, solution.trajectory)
    if job.rollouts and len(problem.holds) == 1 and problem.holds[0].law.simulated:
        row["physics"] = rolled_out(problem, solution.trajectory, job.rollouts)
    return row


def _all_limits(problem: TransferProblem, solution: Solution) -> Row:
    """Whether the motion keeps every limit of the problem, also those that its planner does not know, and which it breaks."""
    assert solution.trajectory is not None
    certificate = certify(problem, solution.trajectory)
    return {"ok": certificate.ok, "broken": _broken(certificate)}


def _broken(certificate: Certificate) -> dict[str, float]:
    """The normalised margin of each limit that is not kept."""
    return {kind: round(float(entry.normalised), 6) for kind, entry in certificate.kinds.items() if not entry.ok}
