"""Many problems and many grasps: order kept, one bad one hurts no other, the best is the best of all."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest
from generators import block, free_space_pairs, pinched
from scenes import furniture, named

import fastmove as fm
from fastmove.cli.main import main
from fastmove.planner.grasp_ranking import RankedGrasp
from fastmove.problem.grasp import GraspCandidate
from fastmove.search.ik import pose_at

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def problem(panda: fm.RobotModel) -> fm.TransferProblem:
    return next(iter(free_space_pairs("benchmark", 1, 3, pinched(panda, block(0.3), 30.0, 0.5))))


def grasps(problem: fm.TransferProblem, count: int) -> list[GraspCandidate]:
    """The problem's grasp, shifted along the item and turned about the closing axis."""
    rng = np.random.default_rng(0)
    own = problem.holds[0].grasp.tool_T_item
    found = []
    for k in range(1, 2 * count, 2):
        turn = pin.utils.rotate("y", rng.uniform(-0.4, 0.4)) @ pin.utils.rotate("z", np.pi * (k % 2))
        found.append(
            GraspCandidate(f"g{k}", pin.SE3(turn @ own.rotation, own.translation + rng.uniform(-0.01, 0.01, 3) * [1, 0, 1]))
        )
    return found


def test_a_batch_keeps_its_order_and_survives_a_bad_problem(panda: fm.RobotModel) -> None:
    problems = list(free_space_pairs("benchmark", 3, 9, pinched(panda, block(0.3), 30.0, 0.5)))
    q = np.array(problems[1].start.q)
    wall = fm.Obstacle("wall", fm.Shape("box", size=np.ones(3) * 0.5, placement=pose_at(problems[1], q)))
    problems[1] = problems[1].with_(scene=fm.Scene((wall,)))
    told: list[str] = []
    options = fm.Options(progress=lambda words: told.append(words))  # nothing that another process could call
    one, two = fm.plan_batch(problems, options=options), fm.plan_batch(problems, jobs=2, options=options)
    assert told
    assert [s.status for s in one] == [s.status for s in two]
    assert one[1].status is fm.Status.REFUSED and "wall" in one[1].detail and not one[1].ok
    for k in (0, 2):
        np.testing.assert_array_equal(one[k].trajectory.phases[0].control_points, two[k].trajectory.phases[0].control_points)
        assert one[k].ok and one[k].duration == fm.plan(problems[k]).duration


def test_the_first_of_a_ranking_is_the_fastest_of_all(problem: fm.TransferProblem) -> None:
    candidates = grasps(problem, 8)
    some, everything = fm.rank_grasps(problem, candidates), fm.rank_grasps(problem, candidates, jobs=2, everything=True)
    assert some[0].id == everything[0].id and some[0].duration == everything[0].duration
    assert {g.id for g in some} == {g.id for g in candidates}
    planned = [g for g in everything if g.solution is not None]
    assert len(planned) >= 4 and all(g.reason or g.solution is not None for g in everything)
    assert all(g.duration >= g.lower_bound * (1 - 1e-9) for g in planned if g.solution.ok)
    assert [g.duration for g in everything if np.isfinite(g.duration)] == sorted(g.duration for g in planned if g.solution.ok)
    assert sum(g.solution is not None for g in some) < len(planned)  # what cannot win is not planned
    best = everything[0]
    assert fm.certify(best.problem, best.solution.trajectory).ok
    ends = [pose_at(p, np.array(q)) for p in (problem, best.problem) for q in (p.start.q, p.goal.configurations[0])]
    for here, there in zip(ends[:2], ends[2:], strict=True):  # whatever the grasp, the item goes the same way
        np.testing.assert_allclose(here.homogeneous, there.homogeneous, atol=1e-6)


def test_a_regret_is_kept_and_saves_plans(problem: fm.TransferProblem) -> None:
    candidates = grasps(problem, 8)
    everything, some = fm.rank_grasps(problem, candidates, everything=True), fm.rank_grasps(problem, candidates, regret=0.05)
    assert everything[0].duration <= some[0].duration <= 1.05 * everything[0].duration
    assert sum(g.solution is not None for g in some) <= sum(g.solution is not None for g in fm.rank_grasps(problem, candidates))


@pytest.mark.slow
def test_a_hundred_grasps_among_furniture_in_seconds(panda: fm.RobotModel) -> None:
    """Rate on two processes, and how much slower the first is than the best of full plans of all."""
    rates, regrets, blocked = [], [], 0
    for pair in free_space_pairs("benchmark", 200, 5, pinched(panda, block(0.3), 30.0, 0.5)):
        problem = pair.with_(scene=fm.Scene(named(furniture())))
        try:
            own = fm.plan(problem)
        except fm.FastMoveError:
            continue
        straight = own.ok and own.duration <= 1.005 * own.lower_bound
        if not own.ok or (straight and len(rates) - blocked >= 6) or (not straight and blocked >= 4):
            continue
        blocked += not straight
        candidates = grasps(problem, 100)
        begin = time.perf_counter()
        quick = fm.rank_grasps(problem, candidates, jobs=2, regret=0.01)
        rates.append(100 / (time.perf_counter() - begin))
        best = fm.rank_grasps(problem, candidates, jobs=2, everything=True)
        regrets.append(quick[0].duration / best[0].duration - 1)
        usable = sum(np.isfinite(g.lower_bound) for g in quick)
        planned = sum(g.solution is not None for g in quick)
        print(
            f"{problem.name}: T/b {own.duration / own.lower_bound:.3f}; {usable} of 100 usable, {planned} planned, "
            f"{rates[-1]:.1f} a second, regret {regrets[-1]:.2%}",
            flush=True,
        )
        if len(rates) == 10:
            break
    print(f"median {np.median(rates):.1f} a second, least {min(rates):.1f}; worst regret {max(regrets):.2%}")
    assert np.median(rates) >= 20 and max(regrets) <= 0.01


def test_each_refused_grasp_has_its_reason(problem: fm.TransferProblem) -> None:
    own = problem.holds[0].grasp.tool_T_item
    off = GraspCandidate("beside", pin.SE3(own.rotation, own.translation + np.array([0.0, 0.0, 0.2])))
    weak = GraspCandidate("weak", own, grip_force=1.5)
    ranked: dict[str, RankedGrasp] = {g.id: g for g in fm.rank_grasps(problem, [off, weak, GraspCandidate("own", own)])}
    assert "no face" in ranked["beside"].reason
    assert "N at rest to hold" in ranked["weak"].reason
    assert ranked["own"].duration > 0 and ranked["own"].static_use < 1
    with pytest.raises(fm.InputError, match="twice"):
        fm.rank_grasps(problem, [weak, replace(weak, friction=0.3)])
    here = pose_at(problem, np.array(problem.goal.configurations[0]))
    aside = pin.SE3(np.eye(3), np.array([0.0, 0.02, 0.0]))
    region = problem.with_(goal=fm.Goal.at(fm.GoalPose(here * aside, offset=aside)))  # the same place, said otherwise
    (same,) = fm.rank_grasps(region, [GraspCandidate("own", own)], most=1)
    assert same.duration == pytest.approx(ranked["own"].duration, rel=0.02)
    with pytest.raises(fm.InputError, match="places the tool"):
        fm.rank_grasps(problem.with_(goal=fm.Goal.at(fm.GoalPose(here, of="tool"))), [weak])
    with pytest.raises(fm.InputError, match=r"regret.*allowed: 0"):
        fm.rank_grasps(problem, [weak], regret=float("nan"))
    with pytest.raises(fm.InputError, match="no item"):
        fm.rank_grasps(problem.with_(holds=()), [weak])


def test_ranking_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grasp = {"id": "a", "tool_T_item": {"position": [0.0, 0.0, 0.2]}, "contact": "pinch", "grip_force_N": 20.0}
    file = tmp_path / "grasps.json"
    file.write_text(json.dumps([grasp]))
    assert main(["rank", str(ROOT / "problems" / "book_to_tote.toml"), str(file), "--json"]) == 3
    (row,) = json.loads(capsys.readouterr().out)["grasps"]
    assert row["id"] == "a" and row["duration_s"] is None and row["reason"]
    file.with_suffix(".jsonl").write_text(json.dumps(grasp) + "\n")
    assert fm.read_grasps(file.with_suffix(".jsonl"))[0].grip_force == fm.read_grasps(file)[0].grip_force == 20.0
    file.write_text(json.dumps([grasp | {"contact": "glue"}]))
    with pytest.raises(fm.InputError, match=r"grasps.json\[0\].*contact.*allowed: pinch"):
        fm.read_grasps(file)
