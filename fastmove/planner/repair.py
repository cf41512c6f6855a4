"""Certification of a candidate: given the shortest duration and grip force that keep its limits, certified, and repaired.

The certificate is the dense check: where it fails between samples a sample is added, and the solve continues from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastmove.arrays import Array
from fastmove.certificate.certificate import Certificate
from fastmove.certificate.certify import certify
from fastmove.contact.wrench_cone import UTILISATION_MAX
from fastmove.optim.margins import LIMIT_BACKOFF
from fastmove.optim.merit import Iterate
from fastmove.optim.samples import ConstraintGrid
from fastmove.optim.transcription import MotionValues, Transcription
from fastmove.planner.candidate import Candidate
from fastmove.planner.context import PlanningContext, timed
from fastmove.trajectory.trajectory import Phase, Trajectory

STRETCH_MAX = 1e-4  # Relative stretch of the duration above which samples are added where it comes from.
HOT_ROUNDS = 3  # Maximum number of rounds that add samples because of a stretch.
PENALTY_GROWTH = 3.0  # Factor on the penalty of clearance violations from round to round.
PENALTY_MAX = 27.0  # Maximum scale of the penalty of clearance violations.
ROUNDS = 6  # Maximum number of rounds that certify and repair, with HOT_ROUNDS more where no stretch used these up.
BACKOFF_GROWTH = 5.0  # Factor on the backoff from limits where a certificate fails but asks for no new samples.
BESIDE_FAILURE = 0.006  # Time by which new samples reach beyond either end of a failing interval [s].
POINTS = 7  # Number of new samples for each failing interval.
COARSE = 4e-3  # Step of the coarse time grid on which a duration is determined [s].
FINE = 1e-3  # Step of the fine time grid on which a duration is determined [s].
BUSY = 0.9  # Utilisation on the coarse grid above which the fine grid is looked at on either side.


@dataclass(frozen=True)
class CertifiedRepair:
    """Refines a candidate until its certificate is ok.

    Attributes:
        context: What all work on the problem shares.
        solve: Function that continues from a motion: (transcription, samples, free control points, duration, trust-region
            radius, further fields of the `SqpProblem`) -> the motion found, or None.
        fine: Relative step tolerance of solves.
    """

    context: PlanningContext
    solve: Callable[..., Candidate | None]
    fine: float

    def certified(self, candidate: Candidate) -> tuple[Trajectory, Certificate, Iterate]:
        """Certifies a candidate; where that fails, adds samples there (or keeps further from the limits) and continues the solve.

        Args:
            candidate: Candidate to begin with.

        Returns:
            The last motion tried, its certificate, which need not be ok, and the iterate that it comes from.
        """
        point, transcription, samples = candidate.point, candidate.transcription, candidate.samples
        backoff, penalty_scale = LIMIT_BACKOFF, 1.0
        near: dict[str, Any] = {"step_tolerance": self.fine, "slides": False}  # What is left to mend is small and local.
        last: tuple[Trajectory, Certificate, Iterate] | None = None
        attempts_left = HOT_ROUNDS
        for _ in range(ROUNDS + HOT_ROUNDS):
            with timed(self.context.timings, "stretch"):
                duration = self._dense_duration(point, transcription, backoff)
                hot = hot_spots(point, transcription) if duration > (1 + STRETCH_MAX) * point.duration else np.zeros(0)
            if len(hot) and attempts_left > 0:
                attempts_left -= 1
                with timed(self.context.timings, "optimise"):
                    samples = samples.added(hot, np.zeros(0))
                    continued = self.solve(transcription, samples, point.free, duration, 0.05, **near)
                if continued is not None and continued.duration < duration:
                    point, samples = continued.point, continued.samples
                    continue
            with timed(self.context.timings, "stretch"):
                trajectory = self._trajectory(point, transcription, duration)
            with timed(self.context.timings, "certify"):
                certificate = certify(self.context.problem, trajectory)
            last = trajectory, certificate, point
            if certificate.ok:
                break
            path_kinds = [constraint.kind.name for constraint in self.context.problem.path_constraints]
            effort, clearance = _missing(certificate, duration, transcription.at_rest, path_kinds)
            if len(effort) + len(clearance) == 0:
                backoff *= BACKOFF_GROWTH
                continue
            with timed(self.context.timings, "optimise"):
                samples = samples.added(effort, clearance)
                continued = self.solve(transcription, samples, point.free, duration, 0.02, penalty_scale=penalty_scale, **near)
            penalty_scale = min(penalty_scale * PENALTY_GROWTH, PENALTY_MAX)
            if continued is None or np.array_equal(continued.point.free, point.free):
                break
            point, samples = continued.point, continued.samples
        assert last is not None
        return last

    def _dense_duration(self, point: Iterate, transcription: Transcription, backoff: float) -> float:
        """Returns the smallest duration [s] at which the motion satisfies all limits on a fine grid, and speed limits everywhere.

        A coarse grid comes first: where no effort on it is beyond 90 % of its limit, none on a finer grid would be at its limit
        between two of its places.

        Args:
            point: The motion.
            transcription: Transcription of the motion.
            backoff: Relative distance kept from torque, torque rate and hold limits.
        """
        if not transcription.at_rest:
            return point.duration
        strict = Transcription(
            self.context.problem, transcription.dynamics, transcription.start, transcription.goal, transcription.basis, backoff
        )
        extremes = transcription.polynomial(point.free, point.duration).derivative().extremes()
        speed = np.maximum(np.abs(extremes.low), np.abs(extremes.high)) / strict.velocity
        least_ratio = 1.0 if transcription.moving else 0.0  # Where obstacles move the motion may be waiting: it gets no faster.
        fastest = point.duration * max(float(speed.max()), least_ratio)
        points = strict.points(point.free, point.duration)
        dense = ConstraintGrid.dense(transcription.basis, transcription.with_rate, int(np.ceil(point.duration / COARSE)))
        values = strict.flow(dense, points, point.duration)
        fastest = max(fastest, strict.shortest(values))
        if strict.effort_utilisation(values) < BUSY:
            return fastest
        finer = _finer(dense, strict, values, int(np.ceil(point.duration / FINE)))
        return max(fastest, strict.shortest(strict.flow(finer, points, point.duration)))

    def _trajectory(self, point: Iterate, transcription: Transcription, duration: float) -> Trajectory:
        """Returns the motion run in another duration [s], with the least grip force that holds it."""
        points = transcription.points(point.free, duration)
        forces = [self._least_grip_force(transcription, points, duration, k) for k in range(len(self.context.problem.holds))]
        openings = [held.width for held in self.context.problem.holds]
        return Trajectory(
            (Phase.from_spline(transcription.basis, points, duration, forces, openings),), self.context.problem.robot.joint_names
        )

    def _least_grip_force(self, transcription: Transcription, points: Array, duration: float, hold: int) -> float:
        """Returns the least grip force [N] in its range that holds a motion.

        S falls as 1/F, so the largest force was right to plan with; a lesser one squeezes less.

        Args:
            transcription: Transcription of the motion.
            points: Control points of the motion (size, n) [rad].
            duration: Duration of the motion [s].
            hold: Index of the hold.
        """
        held = self.context.problem.holds[hold]
        low, high = float(held.grasp.grip_force[0]), held.planned_grip
        if low == high or not self.context.problem.hold_active:
            return high
        dense = ConstraintGrid.dense(transcription.basis, False, int(np.ceil(duration / FINE)))
        efforts = self.context.dynamics.efforts(*transcription.states(dense.b_effort, points, duration))
        wrench = efforts.total[:, :, transcription.n + 6 * hold : transcription.n + 6 * hold + 6]
        peak = float(held.contact_model.utilisation(wrench, high).max())
        return float(np.clip(high * peak / UTILISATION_MAX * (1 + 1e-3), low, high))


def hot_spots(point: Iterate, transcription: Transcription) -> Array:
    """Returns the parameters s (K,) where torque, hold or path constraints ask for a longer duration, and just beside.

    Beside it, too, since what is pressed down in one place between two samples comes up next to it.
    """
    dense = ConstraintGrid.dense(transcription.basis, transcription.with_rate, int(np.ceil(point.duration / COARSE)))
    states = transcription.states(dense.b_effort, transcription.points(point.free, point.duration), point.duration)
    use = transcription.effort_shares(transcription.dynamics.efforts(*states).total)
    if transcription.path is not None:
        use = np.maximum(use, transcription.path.utilisations(transcription.path.values(*states)))
    hot = np.pad(use > 1, 1)
    return dense.effort[hot[:-2] | hot[1:-1] | hot[2:]]


def _finer(dense: ConstraintGrid, transcription: Transcription, values: MotionValues, count: int) -> ConstraintGrid:
    """Returns a uniform grid of `count` intervals, but only where a uniform coarser one finds efforts near their limits.

    Args:
        dense: Coarser grid.
        transcription: Transcription of a motion.
        values: Values of the motion on the coarser grid.
        count: Number of intervals.
    """
    use, s = transcription.effort_shares(values.efforts.total), np.linspace(0, 1, count + 1)
    if transcription.path is not None and values.path is not None:
        use = np.maximum(use, transcription.path.utilisations(values.path))
    left = np.clip(np.searchsorted(dense.effort, s, side="right") - 1, 0, len(dense.effort) - 2)
    near = lambda x: s[(np.maximum(x[left], x[left + 1]) > BUSY) | (s == 0)]  # noqa: E731 (one place at least)
    rate = None
    if values.rate is not None:
        # the rates at the grid's places come after those at either side of the breakpoints
        rate = near((np.abs(sum(values.rate)) / transcription.rate_max).max(axis=(1, 2))[-len(dense.effort) :])
    return ConstraintGrid(dense.basis, near(use), np.zeros(0), rate)


def _missing(certificate: Certificate, duration: float, at_rest: bool, stated: list[str]) -> tuple[Array, Array]:
    """Returns the parameters s of new samples (effort (K,), clearance (L,)) where a certificate fails.

    Between rests, torque or hold that fails between samples gets a longer duration instead.

    Args:
        certificate: Certificate of the motion.
        duration: Duration of the motion [s].
        at_rest: Whether the motion starts at rest.
        stated: Names of the kinds of path constraints.
    """
    kinds, profile = certificate.kinds, certificate.profile
    clearance, effort = np.zeros(0), np.zeros(0)
    failing = np.nonzero(profile["clearance"] < 0)[0] if "clearance" in profile else np.zeros(0, dtype=int)
    if len(failing):
        clearance = _around(_split(profile["clearance_time"][failing], 0.02), duration)
    corridor = profile.get("corridor", np.zeros(0))
    if np.any(corridor < 0):
        clearance = np.concatenate([clearance, _around(_split(profile["corridor_time"][corridor < 0], 0.005), duration)])
    if len(clearance) == 0:
        clearance = np.array([e.time_s for k in ("clearance", "allowed_contact", "corridor") if (e := kinds.get(k)) and not e.ok])
    if not at_rest:
        use = np.maximum(profile["torque"].max(axis=1), np.maximum(profile["hold"], profile["pad_share"]))
        if "torque_rate" in kinds:
            use = np.maximum(use, profile["torque_rate"].max(axis=1))
        effort = _runs(profile["time"][use > 1.0], 0.005)
    for kind in stated:
        failing = profile["time"][profile[kind] > 1.0]
        if len(failing):
            effort = np.union1d(effort, _around(_split(failing, 0.02), duration))
    return effort / duration, clearance / duration


def _around(runs: list[Array], duration: float) -> Array:
    """Returns closely spaced times (K,) [s] within and beside every run of times.

    Samples beside a failure are needed, since what fails between two samples moves to the sides of a third one between them.

    Args:
        runs: Runs of times in ascending order [s].
        duration: Duration of the motion [s].
    """
    times = [np.linspace(run[0] - BESIDE_FAILURE, run[-1] + BESIDE_FAILURE, POINTS) for run in runs]
    return np.unique(np.clip(np.concatenate(times), 0.0, duration))


def _runs(times: Array, gap: float) -> Array:
    """Returns the first, middle and last time (K,) [s] of every run of times without a gap above `gap` [s]."""
    return np.unique([t for run in _split(times, gap) for t in (run[0], run[len(run) // 2], run[-1])])


def _split(times: Array, gap: float) -> list[Array]:
    """Splits times (N,) [s] into runs without a gap above `gap` [s]."""
    if len(times) == 0:
        return []
    times = np.unique(times)
    return np.split(times, np.nonzero(np.diff(times) > gap)[0] + 1)
