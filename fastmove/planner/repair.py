"""From a draft to a certified motion: stretched, certified, and repaired where the certificate says no.

The certificate is the dense check: what it finds between samples becomes a sample, and the solve goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastmove.arrays import Array
from fastmove.certificate.certificate import Certificate
from fastmove.certificate.certify import certify
from fastmove.contact.wrench_cone import UTILISATION_MAX
from fastmove.optim.margins import LIMIT_BACKOFF
from fastmove.optim.merit import Iterate
from fastmove.optim.samples import ConstraintGrid
from fastmove.optim.transcription import Transcription
from fastmove.planner.candidate import Candidate
from fastmove.planner.context import PlanningContext, timed
from fastmove.trajectory.trajectory import Phase, Trajectory

STRETCH_MAX = 2e-3  # a longer stretch than this is worth new samples where it comes from …
HOT_ROUNDS = 3  # … this many times
PENALTY_GROWTH, PENALTY_MAX = 3.0, 27.0  # of the price of a lack of clearance, from round to round
ROUNDS = 6
BACKOFF_GROWTH = 5.0  # … and its growth where the certificate still finds more
BESIDE_FAILURE, POINTS = 0.006, 7  # samples where a certificate fails: this far beyond what fails [s], and how many
COARSE, FINE = 4e-3, 1e-3  # grids on which a duration is fixed [s]


@dataclass(frozen=True)
class CertifiedRefinement:
    """Attributes:
    solve: goes on from a motion: (transcription, samples, free control points, duration, trust region, options of the
        optimiser) -> the motion found, or None.
    fine: step tolerance of solves.
    """

    shop: PlanningContext
    solve: Callable[..., Candidate | None]
    fine: float

    def certified(self, draft: Candidate) -> tuple[Trajectory, Certificate, Iterate]:
        """Certify; where it fails, add samples there (or keep further from the limit) and solve on.

        Returns:
            the last motion tried, its certificate, and the control points that it is of.
        """
        point, transcription, samples = draft.point, draft.transcription, draft.samples
        shrink, penalty_scale = LIMIT_BACKOFF, 1.0
        last: tuple[Trajectory, Certificate, Iterate] | None = None
        attempts_left = HOT_ROUNDS
        for _ in range(ROUNDS + HOT_ROUNDS):
            with timed(self.shop.timings, "stretch"):
                duration = self._dense_duration(point, transcription, shrink)
                hot = self._hot_spots(point, transcription) if duration > (1 + STRETCH_MAX) * point.duration else np.zeros(0)
            if len(hot) and attempts_left > 0:
                attempts_left -= 1
                with timed(self.shop.timings, "optimise"):
                    samples = samples.added(hot, np.zeros(0))
                    again = self.solve(transcription, samples, point.free, duration, 0.05, step_tolerance=self.fine)
                if again is not None and again.duration < duration:
                    point, samples = again.point, again.samples
                    continue
            with timed(self.shop.timings, "stretch"):
                trajectory = self._trajectory(point, transcription, duration)
            with timed(self.shop.timings, "certify"):
                certificate = certify(self.shop.problem, trajectory)
            last = trajectory, certificate, point
            if certificate.ok:
                break
            stated = [constraint.kind.name for constraint in self.shop.problem.path_constraints]
            effort, clearance = _missing(certificate, duration, transcription.at_rest, stated)
            if len(effort) + len(clearance) == 0:
                shrink *= BACKOFF_GROWTH
                continue
            with timed(self.shop.timings, "optimise"):
                samples = samples.added(effort, clearance)
                again = self.solve(
                    transcription, samples, point.free, duration, 0.02, penalty_scale=penalty_scale, step_tolerance=self.fine
                )
            penalty_scale = min(penalty_scale * PENALTY_GROWTH, PENALTY_MAX)
            if again is None or np.array_equal(again.point.free, point.free):
                break
            point, samples = again.point, again.samples
        assert last is not None
        return last

    def _dense_duration(self, point: Iterate, transcription: Transcription, shrink: float) -> float:
        """Smallest duration at which the motion satisfies every limit on a fine grid, its speeds exactly.

        A coarse grid first: where it uses no effort beyond 90 %, a finer one would not either.
        """
        if not transcription.at_rest:
            return point.duration
        strict = Transcription(
            self.shop.problem, transcription.dynamics, transcription.start, transcription.goal, transcription.basis, shrink
        )
        extremes = transcription.polynomial(point.free, point.duration).derivative().extremes()
        speed = np.maximum(np.abs(extremes.low), np.abs(extremes.high)) / strict.velocity
        least = 1.0 if transcription.moving else 0.0  # where obstacles move a motion may be waiting: no faster than it is
        fastest = point.duration * max(float(speed.max()), least)
        for step in (COARSE, FINE):
            dense = ConstraintGrid.dense(transcription.basis, transcription.with_rate, int(np.ceil(point.duration / step)))
            flow = strict.flow(dense, strict.points(point.free, point.duration), point.duration)
            fastest = max(fastest, strict.shortest(flow))
            if strict.effort_utilisation(flow) < 0.9:
                break
        return fastest

    def _hot_spots(self, point: Iterate, transcription: Transcription) -> Array:
        """s of the worst points between samples where torque or hold would ask for a longer duration."""
        dense = ConstraintGrid.dense(transcription.basis, transcription.with_rate, int(np.ceil(point.duration / COARSE)))
        efforts = transcription.dynamics.efforts(
            *transcription.states(dense.b_effort, transcription.points(point.free, point.duration), point.duration)
        )
        use = transcription.effort_shares(efforts.total)
        if transcription.path is not None:
            states = transcription.states(dense.b_effort, transcription.points(point.free, point.duration), point.duration)
            use = np.maximum(use, transcription.path.utilisations(transcription.path.values(*states)))
        inner = use[1:-1]
        peaks = np.nonzero((inner > 1) & (inner >= use[:-2]) & (inner >= use[2:]))[0] + 1
        return dense.effort[peaks]

    def _trajectory(self, point: Iterate, transcription: Transcription, duration: float) -> Trajectory:
        points = transcription.points(point.free, duration)
        forces = [self._gentlest(transcription, points, duration, k) for k in range(len(self.shop.problem.holds))]
        openings = [held.width for held in self.shop.problem.holds]
        return Trajectory(
            (Phase.from_spline(transcription.basis, points, duration, forces, openings),), self.shop.problem.robot.joint_names
        )

    def _gentlest(self, transcription: Transcription, points: Array, duration: float, hold: int) -> float:
        """Least grip force in its range that holds this motion: S falls as 1/F, so the largest was right to plan with."""
        held = self.shop.problem.holds[hold]
        low, high = (float(x) for x in held.grasp.grip_force)
        if low == high or not self.shop.problem.hold_active:
            return high
        dense = ConstraintGrid.dense(transcription.basis, False, int(np.ceil(duration / FINE)))
        efforts = self.shop.dynamics.efforts(*transcription.states(dense.b_effort, points, duration))
        wrench = efforts.total[:, :, transcription.n + 6 * hold : transcription.n + 6 * hold + 6]
        peak = float(held.contact_model.utilisation(wrench, high).max())
        return float(np.clip(high * peak / UTILISATION_MAX * (1 + 1e-3), low, high))


def _missing(certificate: Certificate, duration: float, at_rest: bool, stated: list[str]) -> tuple[Array, Array]:
    """s of new samples (effort, clearance) where a certificate fails.

    Between rests a torque or hold that fails between samples is answered by a longer duration instead.

    Args:
        stated: kinds of path constraints.
    """
    kinds, profile = certificate.kinds, certificate.profile
    clearance, effort = np.zeros(0), np.zeros(0)
    failing = np.nonzero(profile["clearance"] < 0)[0] if "clearance" in profile else np.zeros(0, dtype=int)
    if len(failing):
        clearance = _around(_split(profile["clearance_time"][failing], 0.02), duration)
    lane = profile.get("corridor", np.zeros(0))
    if np.any(lane < 0):
        clearance = np.concatenate([clearance, _around(_split(profile["corridor_time"][lane < 0], 0.005), duration)])
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
    """Times within and beside every run of times, close to each other: what fails between two samples moves to the sides of a
    third one."""
    found = [np.linspace(run[0] - BESIDE_FAILURE, run[-1] + BESIDE_FAILURE, POINTS) for run in runs]
    return np.unique(np.clip(np.concatenate(found), 0.0, duration))


def _runs(times: Array, gap: float) -> Array:
    """First, middle and last time of every run."""
    return np.unique([t for run in _split(times, gap) for t in (run[0], run[len(run) // 2], run[-1])])


def _split(times: Array, gap: float) -> list[Array]:
    """Runs of times with no gap above `gap` [s]."""
    if len(times) == 0:
        return []
    times = np.unique(times)
    return np.split(times, np.nonzero(np.diff(times) > gap)[0] + 1)
