"""plan(problem) -> Solution: checks, seeds, optimisation, dense re-check, certificate."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from fastmove.assembly import HAND_OVERLAP, Assembly, assemble, hand_overlaps, open_hand_margins
from fastmove.attempt import Task, Workshop, timed
from fastmove.bound import lower_bound
from fastmove.certificate import Certificate
from fastmove.collision import Collision
from fastmove.contact import UTILISATION_MAX
from fastmove.dynamics import Dynamics
from fastmove.errors import GraspInvalid, StartInCollision
from fastmove.ik import reached
from fastmove.problem import TransferProblem
from fastmove.solution import GoalTally, Solution, Status
from fastmove.spline import Array
from fastmove.sqp import PROVEN
from fastmove.trajectory import Trajectory

ENOUGH = 1.005  # no further path search once the duration is within this factor of the bound
GOALS_SOLVED = 4  # goals of a region that are solved, in the order of their bounds, once one of them has a certified motion …
GOALS_FAILED = 8  # … or that may fail before
WORTH = 1.002  # goals of a region whose bound promises less than this are left alone


@dataclass(frozen=True)
class Options:
    """Attributes:
    seed: of the path search; same problem, options and seed give the same bytes.
    path_seeds: path searches after the straight line, until one is proven optimal.
    deadline: stop starting new searches after this time [s]; gives determinism up.
    progress: called with a few words whenever a new stage begins.
    """

    seed: int = 0
    path_seeds: int = 2
    deadline: float | None = None
    progress: Callable[[str], None] | None = field(default=None, compare=False, repr=False)


class Planner:
    """The warm, reusable form of `plan`: same results."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def plan(self, problem: TransferProblem) -> Solution:
        """The fastest certified motion found.

        Raises:
            StartInCollision: the start touches something that it may not touch.
            GraspInvalid: the item overlaps the hand beyond its pads.
        """
        return _Run(problem, self.options).plan()


def plan(problem: TransferProblem, options: Options | None = None) -> Solution:
    """Plan one transfer.  Always a Solution; `solution.raise_for_status()` raises NoTransferFound.

    Raises:
        StartInCollision: the start touches something that it may not touch.
    """
    return Planner(options).plan(problem)


@dataclass
class _Run:
    """One call of plan()."""

    problem: TransferProblem
    options: Options
    timings: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.begin = time.perf_counter()
        with timed(self.timings, "set_up"):
            if self.problem.goal.poses:
                self.problem = reached(self.problem, self.options.seed)
            self.assembly: Assembly = assemble(self.problem)
            self.dynamics = Dynamics(self.problem, self.assembly)
            self.collision = Collision(self.problem, self.assembly)
        self.limits = self.problem.limit_set

    # -- the whole ------------------------------------------------------------------------------------------------

    def plan(self) -> Solution:
        with timed(self.timings, "checks"):
            self._check_start()
            use, sentence = self._static_use(np.array(self.problem.start.q))
            if use > 1:
                return self._fail(Status.NOT_HOLDABLE, f"at the start {sentence}")
            goals = np.array(self.problem.goal.configurations)
            bounds = sorted((lower_bound(self.problem.start, q, self.limits).duration, k) for k, q in enumerate(goals))
        best: Solution | None = None
        tally, refusals = GoalTally(len(goals)), []
        for bound, k in bounds:
            if self._enough(best, bound, tally):
                break
            with timed(self.timings, "checks"):
                reason = self._refusal(goals[k])
            if reason is not None:
                refusals.append((k, reason))
                tally = replace(tally, refused=tally.refused + 1)
                continue
            found = self._to_goal(goals[k])
            tally = replace(tally, solved=tally.solved + 1, least=min(tally.least, bound))
            if best is None or (found.ok and (not best.ok or found.duration < best.duration)):
                best = found
        if best is None:
            return self._fail(*min(refusals)[1])
        tally = tally.closed(best.duration, [b for b, _ in bounds])
        self.timings["total"] = time.perf_counter() - self.begin
        status = best.status
        if best.ok:
            status = Status.OPTIMAL if best.duration <= (1 + 10 * PROVEN) * tally.least else Status.CERTIFIED
        return Solution(
            self.problem, status, best.detail, best.trajectory, best.certificate, tally.least, best.grip_force,
            self.options.seed, dict(self.timings), tally,
        )  # fmt: skip

    def _enough(self, best: Solution | None, bound: float, tally: GoalTally) -> bool:
        """Whether goals from this bound on are left alone.  Of a finite set only those that cannot be faster are; of a region,
        sampled anyhow, only a few are solved."""
        certified = best is not None and best.ok
        if not self.problem.goal.poses:
            return certified and best.duration <= bound  # type: ignore[union-attr]
        if not certified:
            return tally.solved >= GOALS_FAILED
        return tally.solved >= GOALS_SOLVED or best.duration <= WORTH * bound  # type: ignore[union-attr]

    def _fail(self, status: Status, detail: str) -> Solution:
        self.timings["total"] = time.perf_counter() - self.begin
        return Solution(self.problem, status, detail, seed=self.options.seed, timings=dict(self.timings))

    # -- checks ---------------------------------------------------------------------------------------------------

    def _check_start(self) -> None:
        overlap, names = min(hand_overlaps(self.assembly), default=(0.0, ""))
        if overlap < 0:
            depth = (HAND_OVERLAP - overlap) * 1e3
            raise GraspInvalid("grasp.tool_T_item", f"{names} overlap by {depth:.1f} mm; only the pads may touch the item")
        q = np.array(self.problem.start.q)
        contacts = self.collision.margins_at(q, self.collision.ends(q, np.array(self.problem.goal.configurations[0])))
        if contacts:
            margin, one, other = contacts[0]
            raise StartInCollision("start.q", self._contact_sentence(margin, one, other))
        tight = self._open_hand(q)
        if tight:
            raise StartInCollision("start.q", tight)

    def _open_hand(self, q: Array) -> str:
        """What the opened hand would touch at an end; empty if nothing."""
        margin, where = min(open_hand_margins(self.problem, q), default=(0.0, ""))
        if margin >= 0:
            return ""
        problem = self.problem
        return (
            f"the hand opened by {problem.release_opening * 1e3:g} mm comes within {(margin + problem.clearance) * 1e3:.1f} mm "
            f"({where}); allowed: at least {problem.clearance * 1e3:g} mm, or a smaller release_opening"
        )

    def _contact_sentence(self, margin: float, one: str, other: str) -> str:
        distance = (margin + self.problem.clearance) * 1e3
        return (
            f"{one} and {other} are {distance:.1f} mm apart; allowed: at least {self.problem.clearance * 1e3:g} mm, "
            "or an [[allowed_contacts]] entry that overlaps by at most 0.5 mm"
        )

    def _refusal(self, q: Array) -> tuple[Status, str] | None:
        low, high = self.limits.position_min, self.limits.position_max
        for i in np.nonzero((q < low - 1e-9) | (q > high + 1e-9) | ~np.isfinite(q))[0]:
            name = self.problem.robot.joint_names[i]
            away = max(low[i] - q[i], q[i] - high[i])
            return Status.GOAL_UNREACHABLE, (
                f"the goal has {name} at {q[i]:.4f} rad; allowed: {low[i]:.4f} to {high[i]:.4f}; "
                f"moving it by {away:.4f} rad would free it"
            )
        contacts = self.collision.margins_at(q, self.collision.ends(np.array(self.problem.start.q), q))
        if contacts:
            margin, one, other = contacts[0]
            away = -margin * 1e3
            return Status.GOAL_UNREACHABLE, (
                f"at the goal {self._contact_sentence(margin, one, other)}; {away:.1f} mm more would free it"
            )
        tight = self._open_hand(q)
        if tight:
            return Status.GOAL_UNREACHABLE, f"at the goal {tight}"
        use, sentence = self._static_use(q)
        if use > 1:
            return Status.NOT_HOLDABLE, f"at the goal {sentence}"
        return None

    def _static_use(self, q: Array) -> tuple[float, str]:
        """Largest use of torque and hold at rest (1 = limit), and the sentence that names it."""
        n, efforts = self.dynamics.n, self.dynamics.static(q[None])[0]
        use = np.max(np.abs(efforts[:, :n]), axis=0) / self.limits.effort
        joint = int(np.argmax(use))
        worst, sentence = (
            float(use[joint]),
            (
                f"{self.problem.robot.joint_names[joint]} needs {use[joint] * self.limits.effort[joint]:.1f} Nm at rest; "
                f"allowed: {self.limits.effort[joint]:g} Nm"
            ),
        )
        for k, held in enumerate(self.problem.holds if self.problem.hold_active else ()):
            force = float(held.grasp.grip_force[1])
            hold = float(held.contact_model.utilisation(efforts[:, n + 6 * k : n + 6 * k + 6], force).max())
            if hold / UTILISATION_MAX > worst:
                worst = hold / UTILISATION_MAX
                sentence = (
                    f"the grasp needs {force * worst:.1f} N at rest to hold {held.item.name} "
                    f"({held.item.members[0].mass:g} kg, friction {held.grasp.friction:g}); it may use {force:g} N: grip harder, "
                    "or grasp nearer its centre of mass"
                )
        return worst, sentence

    # -- one goal -------------------------------------------------------------------------------------------------

    def _to_goal(self, goal: Array) -> Solution:
        problem = self.problem
        bound = lower_bound(problem.start, goal, self.limits)
        ends = self.collision.ends(np.array(problem.start.q), goal)
        task = Task(Workshop(problem, self.dynamics, self.collision, self.timings), goal, bound, ends, self.options.seed)
        best: tuple[Trajectory, Certificate] | None = None
        last: tuple[Trajectory, Certificate] | None = None
        for tried, number in enumerate(task.order(self.options.path_seeds)):
            if best is not None and (best[0].duration <= ENOUGH * bound.duration or not task.obstacles_bind):
                break
            if tried and (self._late() or (best is not None and tried >= max(1, self.options.path_seeds))):
                break
            if self.options.progress is not None:
                self.options.progress(f"attempt {tried + 1}: {'straight line' if number == 0 else f'searched path {number}'}")
            found = task.attempt(number)
            if found is None:
                continue
            last = found
            if found[1].ok and (best is None or found[0].duration < best[0].duration):
                best = found
        chosen = best or last
        if chosen is None:
            return Solution(problem, Status.NO_PATH, task.sentence(), lower_bound=bound.duration)
        trajectory, certificate = chosen
        detail = ""
        if not certificate.ok:
            kind, entry = certificate.worst()
            detail = f"{kind} of {entry.where} at {entry.time_s:.3f} s misses its limit by {-entry.margin:.3g} {entry.unit}"
        forces = tuple(float(f) for f in trajectory.phases[0].grip_force)
        status = Status.CERTIFIED if certificate.ok else Status.NOT_CERTIFIED
        return Solution(problem, status, detail, trajectory, certificate, bound.duration, forces)

    def _late(self) -> bool:
        deadline = self.options.deadline
        return deadline is not None and time.perf_counter() - self.begin > deadline
