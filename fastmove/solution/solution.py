"""Solution of a transfer problem, with a status that is a sentence, and the text that describes it."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field, replace
from enum import Enum

from fastmove.certificate.certificate import Certificate, certificate_lines
from fastmove.errors import NoTransferFound
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.limit_kinds import names_in
from fastmove.solution.binding import binding_intervals
from fastmove.solution.smoothness import Smoothness
from fastmove.trajectory.trajectory import Trajectory

LEAST_SHOWN = 0.005  # Share of the time from which on a limit is named.
LOOSER = 0.05  # Share by which limits are looser, by whose saving prices are listed.
SHOWN = 8  # Number of limits that are named with their shares, and of prices.


def limiting_shares(solution: Solution) -> list[tuple[str, float]]:
    """Returns each limit that binds with the share of the duration in which it does, largest first; empty without a motion."""
    shares: dict[str, float] = {}
    problem, certificate = solution.problem, solution.certificate
    if certificate is None:
        return []
    profile = certificate.profile
    duration = float(profile["time"][-1])
    for row in binding_intervals(problem, certificate):
        kind, name = str(row["kind"]), str(row["name"])
        label = kind if kind in names_in("contact", "tolerance") else f"{kind} {name}".strip()
        shares[label] = shares.get(label, 0.0) + float(row["to_s"]) - float(row["from_s"])  # type: ignore[arg-type]
    return sorted(((k, min(v / duration, 1.0)) for k, v in shares.items()), key=lambda row: -row[1])


def screenful(solution: Solution) -> str:
    """Returns a text about a solution: duration, lower bound, what limits the motion, worst margins and planning times."""
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
    lines += [f"  {line}" for line in explanation(solution)]
    lines.append(f"  smoothness: {Smoothness.of(solution.trajectory, problem.limit_set)}")
    lines += certificate_lines(solution.certificate)
    if solution.timings:
        lines.append("  times [ms]: " + "   ".join(f"{name} {value * 1e3:.0f}" for name, value in solution.timings.items()))
    return "\n".join(lines)


def explanation(solution: Solution) -> list[str]:
    """Returns lines about what limits a motion, for how much of its time, and, where that was asked for, what a second costs."""
    shares = limiting_shares(solution)
    lines = ["what limits it (share of the time at the limit):"]
    lines += [f"  {share:5.0%}  {label}" for label, share in shares[:SHOWN] if share >= LEAST_SHOWN]
    if solution.prices:
        most_saved = sorted(solution.prices, key=lambda price: price.seconds(LOOSER))  # type: ignore[attr-defined]
        lines += ["what a second costs:", *(f"  {price}" for price in most_saved[:SHOWN])]
    elif "explain" in solution.timings:
        lines.append("what a second costs: not known; the motion is certified, but has not settled enough to price its limits")
    lines += robustness(solution)
    return lines + (_of_the_hold(solution) if {label for label, _ in shares} & set(names_in("contact")) else [])


def _of_the_hold(solution: Solution) -> list[str]:
    """Returns lines about a hold that limits a motion: grip that hand and item could bear besides, and facts taken to be exact.

    Where limits were priced and the grip force has no price, more of it would buy nothing.
    """
    lines = []
    if not solution.prices or any(price.limit.kind == "grip_force" for price in solution.prices):  # type: ignore[attr-defined]
        for held, force in zip(solution.problem.holds, solution.grip_force, strict=True):
            if force < 0.99 * held.most_grip:
                most = f"the {held.most_grip:.3g} N that hand and item bear"
                lines.append(f"the hold limits it: {force:.3g} N of {most} are used; more may be faster")
    if not solution.problem.uncertain:
        lines.append(
            "mass, centre of mass, friction and grip count as exactly given; [uncertainty] says by how much they may be off"
        )
    return lines


def robustness(solution: Solution) -> list[str]:
    """Returns a line about what the uncertainty costs; empty where the duration for the nominal values is not known."""
    if not math.isfinite(solution.nominal_duration):
        return []
    price = solution.duration / solution.nominal_duration - 1
    bodies = solution.problem.n_members
    return [
        f"price of robustness: {price:.1%} over {solution.nominal_duration:.4f} s for what is believed alone ({bodies} bodies)"
    ]


class Status(Enum):
    """Outcome of planning, whose value is the sentence to show."""

    OPTIMAL = "certified; as fast as the kinematic lower bound, so no motion of this arm is faster"
    CERTIFIED = "certified; a local optimum"
    GOAL_UNREACHABLE = "no transfer: no goal is within reach, within the limits and free"
    NOT_HOLDABLE = "no transfer: too much to carry, even at rest"
    REFUSED = "no transfer: the problem itself is wrong"
    NO_PATH = "no transfer: no collision-free path was found"
    NOT_CERTIFIED = "no transfer: the best motion found fails its certificate"


@dataclass(frozen=True)
class GoalTally:
    """Counts of what became of the goal configurations.

    Attributes:
        total: Number of goal configurations.
        solved: Number for which motions were planned.
        refused: Number outside limits, in contact, or where the item cannot be held.
        slower: Number never solved because their lower bound is not below the best duration.
        left: Number never solved although they might be faster.
        least: Least lower bound of those that were solved or left [s].
        starts: Number of configurations in which the motion may begin; with several all counts are of pairs of start and goal.
    """

    total: int
    solved: int = 0
    refused: int = 0
    slower: int = 0
    left: int = 0
    least: float = float("inf")
    starts: int = 1

    def closed(self, duration: float, bounds: list[float]) -> GoalTally:
        """Returns the tally with the goals counted that are neither solved nor refused.

        Args:
            duration: Duration of the best motion [s].
            bounds: Lower bounds of all goals in ascending order [s], in which the solved and refused ones come first.
        """
        rest = bounds[self.solved + self.refused :]
        left = [b for b in rest if not b >= duration]
        return replace(self, slower=len(rest) - len(left), left=len(left), least=min([self.least, *left]))

    @property
    def what(self) -> str:
        """What is counted, in words."""
        return "goal configurations" if self.starts == 1 else "pairs of start and goal configurations"

    def __str__(self) -> str:
        return (
            f"{self.total} {self.what}: {self.solved} solved, {self.refused} not free or holdable, "
            f"{self.slower} that cannot be faster, {self.left} left untried"
        )


@dataclass(frozen=True)
class Solution:
    """Result of planning: the motion with its certificate, or the reason why there is none.

    Attributes:
        problem: Transfer problem.
        status: Outcome of planning.
        detail: Sentence that names the limit in the way; empty on success.
        trajectory: The motion; None where there is none.
        certificate: Certificate of the motion; None where there is no motion.
        lower_bound: Ruckig's kinematic lower bound, least over the goals [s].
        grip_force: Grip force per pad, one for each hold [N].
        seed: Seed of the search.
        timings: Planning time by stage [s].
        goals: Counts of what became of the goal configurations.
        prices: Prices of the limits (`planner.sensitivity.Price`), where they were asked for (`Options.explain`): printed in ms
            that 5 % of the limit save or cost, in JSON as s per unit of the limit.
        nominal_duration: Duration of a plan for the nominal values [s]; nan unless `Options.explain` asked for it and the problem
            is uncertain.
        reserve: Share of acceleration, torque and grip that the motion leaves unused (`Options.reserve`).
    """

    problem: TransferProblem = field(repr=False)
    status: Status
    detail: str = ""
    trajectory: Trajectory | None = field(default=None, repr=False)
    certificate: Certificate | None = field(default=None, repr=False)
    lower_bound: float = float("nan")
    grip_force: tuple[float, ...] = ()
    seed: int = 0
    timings: dict[str, float] = field(default_factory=dict)
    goals: GoalTally | None = None
    prices: tuple[object, ...] = ()
    nominal_duration: float = float("nan")
    reserve: float = 0.0

    @staticmethod
    def of(
        problem: TransferProblem,
        trajectory: Trajectory,
        certificate: Certificate,
        lower_bound: float,
        timings: dict[str, float] | None = None,
    ) -> Solution:
        """Builds the solution of a motion and its certificate, with a sentence about the limit that it violates, if any.

        Args:
            problem: Transfer problem.
            trajectory: The motion.
            certificate: Certificate of the motion.
            lower_bound: Lower bound of the duration [s].
            timings: Planning time by stage [s].
        """
        detail = ""
        if not certificate.ok:
            kind, entry = certificate.worst()
            if entry.ok and certificate.not_seen:
                said = certificate.unchecked[certificate.not_seen[0]]
                return Solution(problem, Status.NOT_CERTIFIED, said, trajectory, certificate, lower_bound, timings=timings or {})
            detail = f"{kind} of {entry.where} at {entry.time_s:.3f} s misses its limit by {-entry.margin:.3g} {entry.unit}"
        forces = tuple(float(f) for f in trajectory.phases[0].grip_force)
        status = Status.CERTIFIED if certificate.ok else Status.NOT_CERTIFIED
        return Solution(problem, status, detail, trajectory, certificate, lower_bound, forces, timings=timings or {})

    @property
    def ok(self) -> bool:
        """Whether there is a certified motion."""
        return self.certificate is not None and self.certificate.ok and self.trajectory is not None

    @property
    def duration(self) -> float:
        """Duration of the motion [s]; nan without one."""
        return self.trajectory.duration if self.trajectory is not None else float("nan")

    def raise_for_status(self) -> Solution:
        """Returns the solution itself where it is certified.

        Raises:
            NoTransferFound: There is no certified motion.
        """
        if not self.ok:
            raise NoTransferFound(self.detail or self.status.value, self)
        return self

    def explain(self) -> str:
        """Returns a text about what limits the motion, or why there is none: what `fastmove plan` prints of it.

        With `Options.explain` it says what a second costs, limit by limit, and what the uncertainty costs.
        """
        if self.certificate is None:
            return self.detail or self.status.value
        return "\n".join(explanation(self))

    def _repr_html_(self) -> str:
        """The solution as notebooks show it: what was found, what limits it, and the certificate's table."""
        head = f"<b>{html.escape(self.problem.name)}</b>: {html.escape(self.status.value)}"
        if self.certificate is None:
            return f"{head}<br>{html.escape(self.detail)}"
        times = f"{self.duration:.4f} s, lower bound {self.lower_bound:.4f} s, {self.duration / self.lower_bound:.3f} × that"
        return f"{head}<br>{times}<pre>{html.escape(self.explain())}</pre>{self.certificate._repr_html_()}"

    def __str__(self) -> str:
        return screenful(self)
