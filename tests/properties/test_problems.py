"""The shipped problems: they certify, a limit of physics binds on each, jittered ends and another robot included."""

import itertools
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from generators import jittered

import fastmove as fm
from fastmove.search.ik import ik, pose_at
from fastmove.search.retarget import retarget
from fastmove.solution.binding import binding_intervals

PROBLEMS = sorted(p for p in (Path(__file__).parents[2] / "problems").glob("*.toml") if p.stem != "items")
SEEDS = 20


PHYSICS = ("hold", "pad_share", "torque", "torque_rate", "clearance")


def binding_share(solution: fm.Solution, kinds: tuple[str, ...] = PHYSICS) -> float:
    """Share of the duration during which hold, torque or clearance binds."""
    rows = [r for r in binding_intervals(solution.problem, solution.certificate) if r["kind"] in kinds]
    grid = np.linspace(0, solution.duration, 2001)
    return float(np.any([(grid >= r["from_s"]) & (grid <= r["to_s"]) for r in rows], axis=0).mean()) if rows else 0.0


def test_there_are_ten_and_all_load() -> None:
    assert len(PROBLEMS) == 10
    for path in PROBLEMS:
        problem = fm.load_problem(path)
        assert problem.holds and problem.scene.obstacles


def test_inverse_kinematics_reaches_the_pose_and_finds_other_branches(book: fm.TransferProblem) -> None:
    here = np.array(book.start.q)
    target = pose_at(book, here)
    found = ik(book, target, near=here)
    assert np.abs(found[0] - here).max() < 1e-9 and len(found) >= 4
    limits = book.limit_set
    for q in found:
        assert np.linalg.norm(pose_at(book, q).actInv(target).homogeneous - np.eye(4)) < 1e-7
        assert np.all((q >= limits.position_min) & (q <= limits.position_max))
    np.testing.assert_array_equal(found, ik(book, target, near=here))


def test_what_another_robot_cannot_do_is_refused_by_name() -> None:
    bulb = fm.load_problem(PROBLEMS[0].parent / "light_bulb.toml")
    with pytest.raises(fm.InputError, match="at least 20 N"):
        retarget(bulb, fm.load_robot("ur5e"))
    far = bulb.robot.at(fm.pose([3.0, 0, 0], [0, 0, 0, 1]))
    with pytest.raises(fm.InputError, match="out of reach"):
        retarget(bulb, far)


@pytest.mark.slow
def test_all_certify_and_physics_limits_each() -> None:
    for path in PROBLEMS:
        solution = fm.plan(fm.load_problem(path)).raise_for_status()
        share = binding_share(solution)
        print(f"\n{path.stem:20s} {solution.duration:.3f} s, bound {solution.lower_bound:.3f} s; binds for {share:.0%}")
        assert share >= 0.10, path.stem


def _jittered_ok(job: tuple[Path, int]) -> tuple[str, int, bool, float, str]:
    path, seed = job
    solution = fm.plan(jittered(fm.load_problem(path), seed), fm.Options(path_seeds=1))
    return path.stem, seed, solution.ok, solution.timings["total"], solution.detail


@pytest.mark.slow
def test_jittered_ends_certify() -> None:
    jobs = [(path, seed) for path in PROBLEMS for seed in range(SEEDS)]
    with ProcessPoolExecutor(2) as pool:
        rows = list(pool.map(_jittered_ok, jobs))
    print()
    for path in PROBLEMS:
        mine = [row for row in rows if row[0] == path.stem]
        print(f"{path.stem:20s} {sum(r[2] for r in mine)} of {SEEDS}, planning median {np.median([r[3] for r in mine]):.1f} s")
    for row in rows:
        if not row[2]:
            print("  not certified:", row)
    for path in PROBLEMS:
        assert sum(r[2] for r in rows if r[0] == path.stem) >= 0.95 * SEEDS, path.stem


@pytest.mark.slow
def test_the_same_pairs_on_the_ur5e() -> None:
    robot = fm.load_robot("ur5e")
    for path in PROBLEMS:
        try:
            problem = retarget(fm.load_problem(path), robot)
        except fm.InputError as error:
            print(f"\n{path.stem:20s} refused: {error}")
            continue
        solution = fm.plan(problem)
        if solution.status is fm.Status.NOT_HOLDABLE:
            print(f"\n{path.stem:20s} refused: {solution.detail}")
            continue
        print(f"\n{path.stem:20s} {solution.status.name} {solution.duration:.3f} s, bound {solution.lower_bound:.3f} s")
        assert solution.ok, (path.stem, solution.detail)


def test_what_is_near_is_named_once_for_as_long_as_it_is_near(book_solution: fm.Solution) -> None:
    assert book_solution.certificate is not None
    rows = [r for r in binding_intervals(book_solution.problem, book_solution.certificate) if r["kind"] == "clearance"]
    scene = {obstacle.name for obstacle in book_solution.problem.scene.obstacles}
    assert 0 < len(rows) < 25 and all(str(row["name"]).split(" – ")[1] in scene for row in rows)
    for name in {row["name"] for row in rows}:
        own = [row for row in rows if row["name"] == name]
        assert all(a["to_s"] < b["from_s"] for a, b in itertools.pairwise(own))
