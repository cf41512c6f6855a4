"""What the hold costs where it limits: beside the motion without hold, slowing down, retiming, and finer breakpoints."""

import numpy as np
import pytest
from generators import hold_bound

import fastmove as fm
from fastmove.bench.planners import slowdown
from fastmove.certificate.certify import certify
from fastmove.errors import InputError
from fastmove.optim.samples import ConstraintGrid
from fastmove.optim.transcription import Transcription
from fastmove.planner.context import PlanningContext
from fastmove.planner.goal_planner import GoalPlanner
from fastmove.planner.retiming import deviation, retime
from fastmove.problem.transfer import TransferProblem
from fastmove.search.time_bound import lower_bound
from fastmove.trajectory.bspline import SplineBasis
from fastmove.trajectory.path_curve import PathCurve

CASES = 100


def halved(problem: TransferProblem, solution: fm.Solution) -> float:
    """Duration of the certified optimum reached from a solution on breakpoints twice as fine [s]."""
    context = PlanningContext.of(problem)
    phase, goal = solution.trajectory.phases[0], solution.trajectory.position(solution.duration)
    beta = np.array(phase.basis.breakpoints)
    finer = SplineBasis(np.sort(np.concatenate([beta, (beta[1:] + beta[:-1]) / 2])))
    bound = lower_bound(problem.start, goal, problem.limit_set)
    ends = context.collision.ends(np.array(problem.start.q), goal)
    task = GoalPlanner(context, goal, bound, ends, 0)
    transcription = Transcription(problem, context.dynamics, problem.start, goal, finer, 2e-4)
    free = (phase.basis.insertion_matrix(finer) @ np.array(phase.control_points))[3:-3]
    samples = ConstraintGrid.standard(finer, transcription.with_rate)
    draft = task.solve(transcription, samples, free, solution.duration, 0.1)
    if draft is None:
        return solution.duration
    trajectory, certificate = task.certified(draft)
    return min(solution.duration, trajectory.duration) if certificate.ok else solution.duration


def test_retiming_keeps_the_path_and_is_between_the_slowed_and_the_free_motion() -> None:
    compared = 0
    for problem, free in hold_bound(3, 2):
        timed, slow = retime(problem, free.trajectory), slowdown(problem)
        if not slow.ok:
            assert not timed.ok and "of the path" in timed.detail and " N" in timed.detail
            continue
        compared += 1
        assert timed.ok and certify(problem, timed.trajectory).ok
        assert free.duration * (1 - 1e-6) <= timed.duration <= slow.duration * (1 + 1e-6)
        assert deviation(free.trajectory, timed.trajectory) < 5e-3
    assert compared >= 1


def test_a_path_of_configurations_is_retimed_too() -> None:
    problem, free = next(hold_bound(1, 4))
    problem = problem.with_(hold_active=False)
    path = free.trajectory.position(np.linspace(0, free.duration, 9))
    timed = retime(problem, path)
    assert timed.ok and timed.duration >= free.lower_bound * (1 - 1e-6)
    assert deviation(path, timed.trajectory) < 0.02


@pytest.mark.parametrize("path", [np.zeros((1, 7)), np.full((3, 7), np.nan), np.zeros((4, 7))])
def test_bad_paths_are_named(path: np.ndarray) -> None:
    with pytest.raises(InputError, match="path"):
        PathCurve.through(path)


def test_a_path_from_elsewhere_is_named() -> None:
    problem, free = next(hold_bound(1, 4))
    path = free.trajectory.position(np.linspace(0, free.duration, 9))
    with pytest.raises(InputError, match="does not begin"):
        retime(problem, path[2:])
    with pytest.raises(InputError, match="does not end"):
        retime(problem, path[:-2])


@pytest.mark.slow
def test_hold_limited_transfers_beside_their_baselines() -> None:
    """Draws whose ends can be held but for which `turning` proves that there is no way between them are not counted."""
    rows, impossible, refused = [], 0, 0
    for k, (problem, free) in enumerate(hold_bound(2 * CASES, 1)):
        if len(rows) + refused == CASES:
            break
        held = fm.plan(problem)
        if not held.ok:
            proven = "on every way between these ends" in held.detail
            impossible, refused = impossible + proven, refused + (not proven)
            print(f"{k:3d} not certified: {held.detail}", flush=True)
            continue
        slow, timed = slowdown(problem), retime(problem, free.trajectory)
        finer = halved(problem, held)
        peak = 0.9 * float(free.certificate.profile["hold"].max())
        ends = [x.duration if x.ok else float("nan") for x in (free, held, slow, timed)]
        rows.append([peak, *ends, finer, held.timings["total"]])
        shown = "  ".join(f"{x:8.4f}" for x in rows[-1])
        print(f"{k:3d} peak S, free, hold, slowed, retimed, finer, planning [s]: {shown}", flush=True)
    peak, free_t, hold_t, slow_t, timed_t, finer_t, plan_t = np.array(rows).T
    both, paths = np.isfinite(slow_t), np.isfinite(timed_t)
    mean = lambda x: float(np.exp(np.mean(np.log(x))))  # noqa: E731
    close = float(np.mean(hold_t <= finer_t * 1.005))
    print(f"certified over the set: {len(rows)} of {CASES}, {impossible} more proven impossible")
    print(f"peak S without hold {peak.min():.2f} to {peak.max():.2f}")
    print(f"T(hold)/T(no hold): median {np.median(hold_t / free_t):.4f}, p90 {np.quantile(hold_t / free_t, 0.9):.4f}")
    print(f"gain over slowdown: {mean(slow_t[both] / hold_t[both]):.3f} on {both.sum()}; on the others no slower motion holds")
    print(f"gain over hold-toppra: {mean(timed_t[paths] / hold_t[paths]):.3f} on {paths.sum()}")
    print(f"within 0.5 % of breakpoints twice as fine: {close:.0%}; worst {np.max(hold_t / finer_t):.4f}")
    print(f"planning: median {np.median(plan_t):.2f} s, p95 {np.quantile(plan_t, 0.95):.2f} s")
    assert len(rows) == CASES and impossible <= 0.05 * CASES
    assert mean(slow_t[both] / hold_t[both]) >= 1.15 and mean(timed_t[paths] / hold_t[paths]) >= 1.05 and close >= 0.9
