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
from fastmove.optim.margins import SHRINK
from fastmove.optim.merit import Point
from fastmove.optim.samples import Samples
from fastmove.optim.transcription import Transcription
from fastmove.planner.candidate import Draft
from fastmove.planner.context import PlanningContext, timed
from fastmove.trajectory.trajectory import Phase, Trajectory

STRETCH_MAX = 2e-3  # a longer stretch than this is worth new samples where it comes from …
HOT_ROUNDS = 3  # … this many times
EMPHASIS_GROWTH, EMPHASIS_MAX = 3.0, 27.0  # of the price of a lack of clearance, from round to round
ROUNDS = 6
SHRINK_GROWTH = 5.0  # … and its growth where the certificate still finds more
BESIDE, POINTS = 0.006, 7  # samples where a certificate fails: this far beyond what fails [s], and how many
COARSE, FINE = 4e-3, 1e-3  # grids on which a duration is fixed [s]


@dataclass(frozen=True)
class Repair:
    """Attributes:
    solve: goes on from a motion: (transcription, samples, free control points, duration, trust region, options of the
        optimiser) -> the motion found, or None.
    fine: step tolerance of solves.
    """

    shop: PlanningContext
    solve: Callable[..., Draft | None]
    fine: float

    def certified(self, draft: Draft) -> tuple[Trajectory, Certificate, Point]:
        """Certify; where it fails, add samples there (or keep further from the limit) and solve on.

        Returns:
            the last motion tried, its certificate, and the control points that it is of.
        """
        point, tr, samples = draft.point, draft.tr, draft.samples
        shrink, emphasis = SHRINK, 1.0
        last: tuple[Trajectory, Certificate, Point] | None = None
        attempts_left = HOT_ROUNDS
        for _ in range(ROUNDS + HOT_ROUNDS):
            with timed(self.shop.timings, "stretch"):
                duration = self._dense_duration(point, tr, shrink)
                hot = self._hot_spots(point, tr) if duration > (1 + STRETCH_MAX) * point.duration else np.zeros(0)
            if len(hot) and attempts_left > 0:
                attempts_left -= 1
                with timed(self.shop.timings, "optimise"):
                    samples = samples.added(hot, np.zeros(0))
                    again = self.solve(tr, samples, point.free, duration, 0.05, step_tolerance=self.fine)
                if again is not None and again.duration < duration:
                    point, samples = again.point, again.samples
                    continue
            with timed(self.shop.timings, "stretch"):
                trajectory = self._trajectory(point, tr, duration)
            with timed(self.shop.timings, "certify"):
                certificate = certify(self.shop.problem, trajectory)
            last = trajectory, certificate, point
            if certificate.ok:
                break
            stated = [constraint.kind.name for constraint in self.shop.problem.path_constraints]
            effort, clearance = _missing(certificate, duration, tr.at_rest, stated)
            if len(effort) + len(clearance) == 0:
                shrink *= SHRINK_GROWTH
                continue
            with timed(self.shop.timings, "optimise"):
                samples = samples.added(effort, clearance)
                again = self.solve(tr, samples, point.free, duration, 0.02, emphasis=emphasis, step_tolerance=self.fine)
            emphasis = min(emphasis * EMPHASIS_GROWTH, EMPHASIS_MAX)
            if again is None or np.array_equal(again.point.free, point.free):
                break
            point, samples = again.point, again.samples
        assert last is not None
        return last

    def _dense_duration(self, point: Point, tr: Transcription, shrink: float) -> float:
        """Smallest duration at which the motion satisfies every limit on a fine grid, its speeds exactly.

        A coarse grid first: where it uses no effort beyond 90 %, a finer one would not either.
        """
        if not tr.at_rest:
            return point.duration
        strict = Transcription(self.shop.problem, tr.dynamics, tr.start, tr.goal, tr.basis, shrink)
        extremes = tr.polynomial(point.free, point.duration).derivative().extremes()
        speed = np.maximum(np.abs(extremes.low), np.abs(extremes.high)) / strict.velocity
        least = 1.0 if tr.moving else 0.0  # where obstacles move a motion may be waiting: no faster than it is
        fastest = point.duration * max(float(speed.max()), least)
        for step in (COARSE, FINE):
            dense = Samples.dense(tr.basis, tr.with_rate, int(np.ceil(point.duration / step)))
            flow = strict.flow(dense, strict.points(point.free, point.duration), point.duration)
            fastest = max(fastest, strict.shortest(flow))
            if strict.effort_use(flow) < 0.9:
                break
        return fastest

    def _hot_spots(self, point: Point, tr: Transcription) -> Array:
        """s of the worst points between samples where torque or hold would ask for a longer duration."""
        dense = Samples.dense(tr.basis, tr.with_rate, int(np.ceil(point.duration / COARSE)))
        efforts = tr.dynamics.efforts(*tr.states(dense.b_effort, tr.points(point.free, point.duration), point.duration))
        use = tr.effort_shares(efforts.total)
        if tr.path is not None:
            states = tr.states(dense.b_effort, tr.points(point.free, point.duration), point.duration)
            use = np.maximum(use, tr.path.uses(tr.path.values(*states)))
        inner = use[1:-1]
        peaks = np.nonzero((inner > 1) & (inner >= use[:-2]) & (inner >= use[2:]))[0] + 1
        return dense.effort[peaks]

    def _trajectory(self, point: Point, tr: Transcription, duration: float) -> Trajectory:
        points = tr.points(point.free, duration)
        forces = [self._gentlest(tr, points, duration, k) for k in range(len(self.shop.problem.holds))]
        openings = [held.width for held in self.shop.problem.holds]
        return Trajectory((Phase.from_spline(tr.basis, points, duration, forces, openings),), self.shop.problem.robot.joint_names)

    def _gentlest(self, tr: Transcription, points: Array, duration: float, hold: int) -> float:
        """Least grip force in its range that holds this motion: S falls as 1/F, so the largest was right to plan with."""
        held = self.shop.problem.holds[hold]
        low, high = (float(x) for x in held.grasp.grip_force)
        if low == high or not self.shop.problem.hold_active:
            return high
        dense = Samples.dense(tr.basis, False, int(np.ceil(duration / FINE)))
        efforts = self.shop.dynamics.efforts(*tr.states(dense.b_effort, points, duration))
        wrench = efforts.total[:, :, tr.n + 6 * hold : tr.n + 6 * hold + 6]
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
    found = [np.linspace(run[0] - BESIDE, run[-1] + BESIDE, POINTS) for run in runs]
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
