"""Running one transfer on a driver: stream, release, and report tracking, slip and where the item came to rest."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pinocchio as pin

from fastmove import registries
from fastmove.arrays import Array
from fastmove.drivers.driver import Driver, PhysicsDriver
from fastmove.drivers.readiness import announce_payload
from fastmove.execution.events import RunReport
from fastmove.execution.flight_log import FlightLog
from fastmove.execution.slip_test import Judgement, Verdict, judge, verdict_of, worst_of
from fastmove.execution.stream import Execution
from fastmove.problem.transfer import TransferProblem
from fastmove.search.ik import pose_at
from fastmove.solution.solution import Solution


@dataclass(frozen=True)
class RunOutcome:
    """The outcome of one transfer on a driver.

    Attributes:
        name: name of the problem.
        driver: name of the driver.
        report: report of the streaming loop.
        judgement: judgement of the item in the hand until the fingers open: the worst of the streamed run and of the judge's own
            rollouts of the same motion (see `judge`); None without physics.
        placed: distance of the released item from its goal pose [m]; None without physics or if it was not released.
        placed_turn: angle of the released item from its goal pose [rad]; None without physics or if it was not released.
        log: log of the streaming loop.
        item_poses: (time [s], pose of the simulated item's frame in the world), every 10 ms until rest after the release.
    """

    name: str
    driver: str
    report: RunReport
    judgement: Judgement | None = None
    placed: float | None = None
    placed_turn: float | None = None
    item_poses: tuple[tuple[float, pin.SE3], ...] = field(default=(), repr=False)
    log: FlightLog | None = field(default=None, repr=False)

    @property
    def verdict(self) -> Verdict | None:
        """Verdict on the hold; None without physics, or if the motion was not streamed to its end."""
        return self.judgement.verdict if self.judgement is not None and self.report.ok else None

    @property
    def slip(self) -> float | None:
        """Largest displacement of the item in the hand [m]; None without physics."""
        return None if self.judgement is None else self.judgement.slip

    @property
    def turn(self) -> float | None:
        """Largest rotation of the item in the hand [rad]; None without physics."""
        return None if self.judgement is None else self.judgement.turn

    def as_json(self) -> dict[str, object]:
        """Returns the outcome as plain values; the unit of each is in its key."""
        r, j = self.report, self.judgement
        return {
            "driver": self.driver,
            "event": r.event.name.lower(),
            "detail": r.detail or r.event.value,
            "cycles": r.cycles,
            "tracking_rad": r.tracking,
            "command_us": r.command_us,
            "verdict": None if self.verdict is None else self.verdict.name,
            "slip_mm": None if j is None else j.slip * 1e3,
            "slip_deg": None if j is None else float(np.degrees(j.turn)),
            "farthest_mm": None if j is None else j.reach * 1e3,
            "pad_points": None if j is None else [j.contacts, j.settling.points],
            "settled": None if j is None else j.settling.ok,
            "rollouts": 0 if j is None else len(j.verdicts),
            "placed_mm": None if self.placed is None else self.placed * 1e3,
            "placed_deg": None if self.placed_turn is None else float(np.degrees(self.placed_turn)),
            "replans": 0,
            "held_stops": int(not r.ok),
        }

    def __str__(self) -> str:
        row = self.as_json()
        lines = [f"{self.name} on {self.driver}: {self.report.event.value}"]
        lines.append(
            f"  {row['cycles']} cycles   largest joint error {self.report.tracking * 1e3:.2f} mrad   "
            f"a command costs {self.report.command_us:.0f} us"
        )
        if self.judgement is not None and self.report.ok:
            lines.append(f"  {self.judgement}")
        elif self.judgement is not None:
            moved = f"{self.judgement.slip * 1e3:.3f} mm, {np.degrees(self.judgement.turn):.3f}°"
            lines.append(f"  no verdict, since the motion was not streamed to its end; until then {moved} in the hand")
        if self.placed is not None:
            lines.append(f"  released: at rest {row['placed_mm']:.2f} mm and {row['placed_deg']:.2f}° from its goal")
        return "\n".join(lines)


def run_transfer(solution: Solution, driver: str = "mujoco") -> RunOutcome:
    """Streams a certified solution to a driver; with simulated hardware it also judges the hold and releases the item.

    Args:
        solution: certified solution.
        driver: NAME or NAME:ADDRESS of `registries.drivers`.

    Raises:
        InputError: the driver is unknown, nothing is held, or the solution is not certified.
        MissingPackage: mujoco is asked for and not installed.
    """
    problem, trajectory = solution.problem, solution.trajectory
    name, _, address = driver.partition(":")
    with registries.drivers.get(name)(problem, address, places_along(solution)) as hardware:
        announce_payload(hardware, problem)
        if not isinstance(hardware, PhysicsDriver) or trajectory is None:
            report, log = _run(hardware, solution)
            return RunOutcome(problem.name, name, report, log=log)
        execution = Execution(hardware, solution)
        report, log = execution.run(), execution.log()
        streamed = _streamed(problem, hardware, report.tracking)
        if not report.ok:
            return RunOutcome(problem.name, name, report, streamed, log=log)
        hardware.release()
        poses = tuple(hardware.recorded)
        error = pose_at(problem, trajectory.position(solution.duration)).actInv(hardware.item_in_world())
        placed, turned = float(np.linalg.norm(error.translation)), float(np.linalg.norm(pin.log3(error.rotation)))
    judged = judge(problem, trajectory, measure=False)
    return RunOutcome(problem.name, name, report, worst_of([streamed, judged]), placed, turned, poses, log)


def places_along(solution: Solution) -> Array | None:
    """Returns configurations (20, n) along a motion, from which simulated hardware takes its servo's gains [rad], if any."""
    return None if solution.trajectory is None else solution.trajectory.position(np.linspace(0, solution.duration, 20))


def _run(hardware: Driver, solution: Solution) -> tuple[RunReport, FlightLog]:
    """Streams; where the hardware has a clock of its own, with certified held stops at hand, so that a run can end in one."""
    if not hardware.realtime:
        execution = Execution(hardware, solution)
        return execution.run(), execution.log()
    with Execution(hardware, solution) as execution:
        execution.start()
        report = execution.wait()
    return report, execution.log()


def _streamed(problem: TransferProblem, driver: PhysicsDriver, tracking: float) -> Judgement:
    """Returns the judgement of the run that was streamed."""
    slip, turn, reach = driver.worst_slip()
    settling, touching = driver.settling, driver.least_touching
    verdict = Verdict.NOT_SETTLED
    if settling.ok:
        verdict = verdict_of(slip, turn, tracking, reach, problem.clearance, touching < settling.points)
    return Judgement(verdict, slip, turn, reach, tracking, settling, touching, np.zeros(0), np.zeros((0, 6)))
