"""Experience: motions that were planned and certified, kept on disk, from which like ones begin.

A cell does like things all day.  A motion between ends near those of an earlier one, by the same arm with the same hand open as
wide or holding an item of about the same size, is led to its own ends and optimised from there, once, instead of from paths that
are searched anew.  Only what passes the things that stand around now is begun with, the nearest first.  The motion is certified
like any other.  It is taken where it is as fast, against its kinematic bound, as its model was against its own, within `WORSE`;
else the usual plan is made, too, the faster of the two is taken, and kept: models are what the usual plan found, or faster.  So a
store that is damaged, foreign or empty costs nothing but its help, and with the same store the same problem gives the same bytes.

What is taken may be slower than a plan from nothing where its model was made among things that stood closer.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from fastmove.arrays import Array
from fastmove.errors import FastMoveError, TrajectoryFileError
from fastmove.io.atomic_write import write_whole
from fastmove.planner.context import PlanningContext
from fastmove.planner.goal_planner import GoalPlanner
from fastmove.planner.options import Options
from fastmove.planner.planner import plan
from fastmove.problem.transfer import TransferProblem
from fastmove.search.initial_guess import smooth_step
from fastmove.search.time_bound import lower_bound
from fastmove.solution.solution import Solution
from fastmove.trajectory.bspline import SplineBasis

FORMAT = 1  # Version of the files of a store.
NEAR = 0.35  # Largest difference of any joint at either end up to which a motion is like another [rad].
LIKE = 0.03  # Largest difference of the sizes of what is held, and of openings, up to which these are alike [m].
RADIUS = 0.1  # Trust region with which a motion from experience begins [rad].
LOOKED_AT = 12  # Number of the nearest models that are looked at.
MODELS = 2  # Largest number of models that are tried.
FREE = 0.005  # Largest violation of clearance up to which a model passes what stands around [m].
LOOKS = 40  # Number of places along a model at which that is looked at.
WORSE = 1.0075  # Largest ratio of a motion's duration over its bound to that of its model, with which it is taken.
MOST_RATIO = 100.0  # Ratio of a duration to its bound from which on a file is taken for damaged.
MOST = 2000  # Usual largest number of motions in a store.


@dataclass(frozen=True)
class _Model:
    """An earlier motion: what it was for, and its control points."""

    name: str
    start: Array
    goal: Array
    size: Array
    breakpoints: Array
    points: Array
    duration: float
    ratio: float

    def distance(self, start: Array, goal: Array, size: Array) -> float:
        """Largest difference of a joint at the ends [rad]; infinite where what is held is not alike."""
        if self.size.shape != size.shape or np.abs(self.size - size).max(initial=0.0) > LIKE:
            return float("inf")
        return float(max(np.abs(self.start - start).max(), np.abs(self.goal - goal).max()))


class Experience:
    """A store of certified motions in a folder.

    Args:
        folder: Folder of the store; it is made where it is missing.  None = in memory alone.
        most: Largest number of motions that are kept for one arm; the oldest go first.
    """

    def __init__(self, folder: str | Path | None = None, most: int = MOST) -> None:
        self.folder, self.most = None if folder is None else Path(folder), most
        self._models: dict[str, list[_Model]] = {}
        self.helped = self.asked = 0

    def plan(self, problem: TransferProblem, options: Options | None = None) -> Solution:
        """Plans one motion, from experience where there is some that helps; what else is found is kept.

        Args:
            problem: Transfer problem; only from rest to one configuration, among what stands still, experience is used.
            options: Options of the planner; with a reserve or prices the usual plan is made.

        Raises:
            FastMoveError: As `plan` raises.
        """
        asked_more = options is not None and (options.reserve > 0 or options.explain)
        ends = (
            problem.start.at_rest and not problem.start.open and len(problem.goal.configurations) == 1 and not problem.goal.poses
        )
        if asked_more or not ends or problem.scene.moving:
            return plan(problem, options)
        self.asked += 1
        solution, good = self._from_models(problem)
        self.helped += good
        if not good:
            usual = plan(problem, options)
            if solution is None or not usual.ok or usual.duration <= solution.duration:
                solution = usual
            if solution.ok:
                self._keep(problem, solution)
        assert solution is not None
        return solution

    def _from_models(self, problem: TransferProblem) -> tuple[Solution | None, bool]:
        """Returns the fastest certified motion from near models, None without one, and whether it is as good as its model."""
        start, goal, size = np.array(problem.start.q), np.array(problem.goal.configurations[0]), _size(problem)
        ranked = sorted(((m.distance(start, goal, size), m.name, m) for m in self._of(problem)), key=lambda row: row[:2])
        near = [_Led.of(model, start, goal) for distance, _, model in ranked[:LOOKED_AT] if distance <= NEAR]
        if not near:
            return None, False
        begin = time.perf_counter()
        best: Solution | None = None
        try:
            context = PlanningContext.of(problem)
            context.checks.start()
            if context.checks.refusal(goal, start) is not None:
                return None, False
            planner = GoalPlanner.of(context, goal, 0)
            for led in islice((led for led in near if led.violation(planner) <= FREE), MODELS):
                if (solution := led.optimised(problem, planner)) is None:
                    continue
                if best is None or solution.duration < best.duration:
                    best = replace(solution, timings=solution.timings | {"total": time.perf_counter() - begin})
                if best.duration <= WORSE * led.model.ratio * planner.bound.duration:
                    return best, True
        except (FastMoveError, ArithmeticError, ValueError):  # the usual plan says what is wrong, if anything is
            pass
        return best, False

    def forget(self) -> None:
        """Forgets what was read, so that the folder is read anew; what is in memory alone is lost."""
        self._models.clear()

    # -- the store ------------------------------------------------------------------------------------------------

    def _of(self, problem: TransferProblem) -> list[_Model]:
        """Models for the arm and limits of a problem, in the order of their names."""
        key = _key(problem)
        if key not in self._models:
            there = self.folder is not None and self.folder.is_dir()
            files = sorted(self.folder.glob(f"{key}-{'[0-9]' * 6}.npz")) if self.folder is not None and there else []
            self._models[key] = [model for file in files if (model := _read(file, problem.robot.n_arm)) is not None]
        return self._models[key]

    def _keep(self, problem: TransferProblem, solution: Solution) -> None:
        """Keeps a certified motion, written whole; a store that cannot be written is only in memory."""
        assert solution.trajectory is not None
        phase, models = solution.trajectory.phases[0], self._of(problem)
        if len(solution.trajectory.phases) != 1 or phase.basis is None or phase.control_points is None:
            return
        number = 1 + max((int(m.name.rsplit("-", 1)[1]) for m in models), default=0)
        model = _Model(
            f"{_key(problem)}-{number:06d}",
            np.array(problem.start.q),
            np.array(phase.control_points[-1]),
            _size(problem),
            np.array(phase.basis.breakpoints),
            np.array(phase.control_points),
            solution.duration,
            solution.duration / lower_bound(problem.start, phase.control_points[-1], problem.limit_set).duration,
        )
        models.append(model)
        gone = [models.pop(0) for _ in range(len(models) - self.most)]
        if self.folder is None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(self.folder / f"{model.name}.npz", model)
            for old in gone:
                (self.folder / f"{old.name}.npz").unlink(missing_ok=True)
        except (OSError, TrajectoryFileError):
            self.folder = None


def _key(problem: TransferProblem) -> str:
    """Name of what a motion depends on wholly: the arm, its limits, gravity, and whether something is held."""
    limits = problem.limit_set
    parts = [problem.robot.name, *problem.robot.joint_names, problem.limits, str(bool(problem.holds))]
    parts += [
        np.asarray(x, dtype=float).tobytes().hex() for x in (limits.velocity, limits.acceleration, limits.jerk, problem.gravity)
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _size(problem: TransferProblem) -> Array:
    """What is held, in lengths: the box around it in the grasp frame; of an empty hand its opening [m]."""
    if not problem.holds:
        return np.array([opening for _, opening in problem.openings])
    points = problem.holds[0].hull_points
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


@dataclass(frozen=True)
class _Led:
    """A model led to other ends: its control points bent by what these differ, evenly from one end to the other."""

    model: _Model
    basis: SplineBasis
    points: Array

    @staticmethod
    def of(model: _Model, start: Array, goal: Array) -> _Led:
        """Leads a model to a start and a goal (n,) [rad]."""
        basis = SplineBasis(model.breakpoints)
        bend = smooth_step(basis.greville())[:, None]
        return _Led(model, basis, model.points + (1 - bend) * (start - model.start) + bend * (goal - model.goal))

    def violation(self, planner: GoalPlanner) -> float:
        """Largest violation of clearance at some places along it [m]."""
        q = self.basis.design_matrix(np.linspace(0.0, 1.0, LOOKS)) @ self.points
        return float(planner.context.collision.query(q, planner.ends, 0.0).violation(LOOKS).max())

    def optimised(self, problem: TransferProblem, planner: GoalPlanner) -> Solution | None:
        """Optimises it for a problem between these ends; None where the result is not certified."""
        transcription = planner.solver.transcription(self.basis)
        samples = planner.solver.grid(transcription)
        candidate = planner.solve(
            transcription, samples, self.points[3:-3], self.model.duration, RADIUS, step_tolerance=planner.fine
        )
        if candidate is None:
            return None
        result = planner.certified(candidate)
        return Solution.of(problem, *result, planner.bound.duration) if result[1].ok else None


def _write(file: Path, model: _Model) -> None:
    """Writes a model, whole or not at all."""
    content = BytesIO()
    values: dict[str, Any] = {key: np.asarray(value) for key, value in model.__dict__.items() if key != "name"}
    np.savez(content, format=FORMAT, **values)
    write_whole(file, content.getvalue())


def _read(file: Path, n: int) -> _Model | None:
    """Reads a model; None where the file is damaged or of something else."""
    try:
        with np.load(file, allow_pickle=False) as data:
            if int(data["format"]) != FORMAT:
                return None
            values: dict[str, Any] = {
                key: np.asarray(data[key], dtype=float) for key in _Model.__dataclass_fields__ if key != "name"
            }
        basis = SplineBasis(values["breakpoints"])
        fits = values["points"].shape == (basis.size, n) and values["start"].shape == values["goal"].shape == (n,)
        if not fits or not all(np.all(np.isfinite(value)) for value in values.values()):
            return None
        values |= {key: float(values[key]) for key in ("duration", "ratio")}
        rising = np.all(np.diff(values["breakpoints"]) > 0)
        if (
            not values["duration"] > 0
            or not 0.99 < values["ratio"] < MOST_RATIO
            or not rising
            or values["breakpoints"][0] != 0
            or values["breakpoints"][-1] != 1
        ):
            return None
        return _Model(file.stem, **values)
    except Exception:  # whatever a file is that is no model, it is left alone
        return None
