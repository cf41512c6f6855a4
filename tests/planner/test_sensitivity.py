"""Prices against solving again, and the smallest change that frees what cannot be done."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from generators import block, end_is_usable, hold_bound, pinched

import fastmove as fm
from fastmove.optim.sqp import run
from fastmove.planner.relaxation import Relaxation, frees, relaxation
from fastmove.planner.sensitivity import PRICE_STEP, Price, _Place, prices
from fastmove.problem.goal import Goal, State
from fastmove.problem.limit_edit import Limit, changed, limits_of
from fastmove.problem.tolerance import Tolerance
from fastmove.problem.transfer import TransferProblem
from fastmove.search.ik import pose_at
from fastmove.search.time_bound import lower_bound

KINDS = ("position", "torque", "hold", "clearance", "upright", "release_opening")


def compared(problem: TransferProblem, most: int = 100) -> list[tuple[Price, float, float]]:
    """(price, predicted, found by solving again) for the dearest prices and a change of 5 % either way [s]."""
    solution = fm.plan(problem).raise_for_status()
    phase, rows = solution.trajectory.phases[0], []
    points = np.array(phase.control_points)
    place = _Place(problem, phase.basis, points[-1])
    point, _ = place.polished(points[3:-3], solution.duration)
    for price in prices(solution)[:most]:
        for side in (PRICE_STEP, -PRICE_STEP):
            limit = price.limit
            try:
                other = changed(problem, limit, limit.value * (1 + limit.sign * side))
            except fm.FastMoveError:
                continue
            again, _ = run(place.optimiser(other), point.free, point.duration, 0.1)
            rows.append((price, price.seconds(side), again.duration - point.duration))
    return rows


def agree(rows: list[tuple[Price, float, float]], least: float) -> tuple[int, int]:
    """How many predictions are within 20 %, of those that matter (at least `least` seconds)."""
    matter = [(predicted, found) for _, predicted, found in rows if max(abs(predicted), abs(found)) > least]
    return sum(abs(p - f) <= 0.2 * abs(f) for p, f in matter), len(matter)


def test_prices_of_a_motion_at_its_bound_are_those_of_the_slowest_joint() -> None:
    problem, free = next(hold_bound(1, 1))
    found = prices(free)
    joints = {price.limit.name for price in found}
    bound = lower_bound(problem.start, np.array(problem.goal.configurations[0]), problem.limit_set)
    assert joints == {problem.robot.joint_names[bound.joint]}
    speed = next(price for price in found if price.limit.kind == "velocity")
    assert speed.looser < 0 and speed.tighter < 0
    assert 1e-3 * free.duration < speed.seconds(-PRICE_STEP) < 0.06 * free.duration


def test_prices_predict_what_solving_again_finds() -> None:
    good, total = agree(compared(next(hold_bound(1, 7))[0].nominal(), 4), 1e-3)
    assert total >= 4 and good >= 0.8 * total


@pytest.mark.slow
def test_prices_predict_solving_again_on_twenty_problems() -> None:
    good = total = 0
    for problem, _ in hold_bound(20, 7):
        rows = compared(problem.nominal())
        one, of = agree(rows, 1e-3)
        good, total = good + one, total + of
        worst = max(rows, key=lambda r: abs(r[1] - r[2]), default=None)
        note = "" if worst is None else f"worst {worst[0].limit}: {worst[1] * 1e3:.2f} predicted, {worst[2] * 1e3:.2f} ms found"
        print(f"{problem.name}: {one} of {of} within 20 %; {note}", flush=True)
    print(f"prices within 20 % of solving again: {good} of {total} = {good / total:.1%}")
    assert good >= 0.9 * total


def infeasible(seed: int) -> Iterator[tuple[str, TransferProblem]]:
    """(what was made too tight, problem): a random transfer that could be done, one of its limits drawn anew, too tight or not:
    only those that cannot be done any more are kept.  Nothing here knows the answer."""
    robot, rng = fm.load_robot("panda"), np.random.default_rng(seed)
    chosen = robot.limit_set("fer")
    while True:
        kind = KINDS[int(rng.integers(len(KINDS)))]
        start, goal = rng.uniform(chosen.position_min, chosen.position_max, (2, 7))
        offset = rng.uniform(0.0, 0.03)
        held = pinched(
            robot, block(rng.uniform(0.2, 0.9), com=(0.0, 0.0, offset)), rng.uniform(15.0, 60.0), rng.uniform(0.3, 0.8)
        )
        problem = TransferProblem("p", robot, (held,), fm.Scene(), State.rest(start), Goal(goal[None]), "fer")
        if not end_is_usable(problem):
            continue
        yield kind, tightened(problem, kind, rng)


def tightened(problem: TransferProblem, kind: str, rng: np.random.Generator) -> TransferProblem:
    held, chosen = problem.holds[0], problem.limit_set
    joint = int(rng.integers(7))
    if kind == "position":
        goal = float(problem.goal.configurations[0][joint])
        if goal < problem.start.q[joint]:
            return problem
        values = np.array(chosen.position_max)
        values[joint] = rng.uniform(max(problem.start.q[joint], goal - 0.5), chosen.position_max[joint])
        new = replace(chosen, position_max=values)
        return problem.with_(robot=replace(problem.robot, limits={"fer": new}))
    if kind == "torque":
        values = np.array(chosen.effort)
        values[1] = rng.uniform(5.0, 60.0)
        return problem.with_(robot=replace(problem.robot, limits={"fer": replace(chosen, effort=values)}))
    if kind == "hold":
        return changed(problem, Limit("grip_force", "", 1.0), float(rng.uniform(1.0, held.grasp.grip_force[1])))
    if kind == "clearance":
        return problem.with_(clearance=float(rng.uniform(0.01, 0.1)))
    if kind == "upright":
        item = replace(held.item, tolerates=Tolerance(upright=float(rng.uniform(0.1, 1.4)), up=rng.normal(0, 1, 3)))
        return problem.with_(holds=(fm.hold(held.gripper, item, held.grasp),))
    wall = fm.Obstacle("wall", fm.Shape("box", size=np.array([0.05, 0.05, 0.02]), placement=_beside(problem, rng)))
    return problem.with_(scene=fm.Scene((wall,)), release_opening=float(rng.uniform(0.01, 0.02)))


def _beside(problem: TransferProblem, rng: np.random.Generator):  # type: ignore[no-untyped-def]
    """A wall beside the fingers at the goal, along the closing axis."""
    import pinocchio as pin

    tool = pose_at(problem, problem.goal.configurations[0])
    side = float(rng.choice([-1.0, 1.0]))
    away = 0.03 + float(rng.uniform(0.025, 0.05))
    return tool * pin.SE3(pin.utils.rotate("x", np.pi / 2), np.array([0.0, side * away, 0.02]))


def freed(problem: TransferProblem, found: Relaxation) -> tuple[bool, bool]:
    """Whether the whole change frees the problem, and whether half of it does."""
    return frees(found.apply(problem)), frees(found.apply(problem, 0.5))


def test_the_smallest_change_frees_and_half_of_it_does_not() -> None:
    seen: dict[str, int] = {}
    for kind, problem in infeasible(0):
        if len(seen) == 4 or sum(seen.values()) > 12:
            break
        if seen.get(kind, 0) >= 2 or frees(problem):
            continue
        found = relaxation(problem)
        if found is None:
            continue  # two limits at once
        seen[kind] = seen.get(kind, 0) + 1
        whole, half = freed(problem, found)
        assert whole and not half, (kind, str(found))
    assert len(seen) >= 4


def test_the_command_line_says_all_this(tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    import json

    from fastmove.cli.main import main

    text = (fm.problems_folder() / "open_cup.toml").read_text().replace("tolerates =", "#")
    quick = tmp_path / "cup.toml"
    quick.write_text(text + "\n[uncertainty]\nmass = 0.05\n")
    assert main(["plan", str(quick), "--explain", "--limits", "benchmark", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["nominal_duration_s"] <= told["duration_s"] * 1.01
    assert all(set(p) == {"kind", "name", "looser", "tighter", "unit"} for p in told["prices"])
    assert main(["plan", str(quick), "--nominal", "--limits", "benchmark"]) == 0
    assert "price of robustness" not in capsys.readouterr().out
    quick.write_text(text.replace("grip_force = [8.0, 28.0]", "grip_force = [1.0, 2.0]"))
    assert main(["plan", str(quick)]) == 3
    assert "the smallest change that would free it" in capsys.readouterr().err
    assert main(["plan", str(quick), "--contact", "suction"]) == 2
    assert "[suction] table" in capsys.readouterr().err


def test_a_free_problem_needs_no_change() -> None:
    problem = fm.load_problem("problems/heavy_jar.toml")
    assert frees(problem) and relaxation(problem) is None
    assert {limit.kind for limit in limits_of(problem)} >= {"velocity", "torque", "grip_force", "friction", "mass", "clearance"}


def test_changes_are_said_with_all_their_digits() -> None:
    said = [
        str(Relaxation(Limit(*limit), value))
        for limit, value in ((("friction", "", 0.3), 0.41), (("clearance", "", 0.002), 0.001))
    ]
    assert said == ["friction 0.3 → 0.41", "clearance 2 → 1 mm"]


def test_a_weak_grip_is_told_how_much_is_needed() -> None:
    problem = fm.load_problem("problems/heavy_jar.toml")
    weak = changed(problem, Limit("grip_force", "", 60.0), 8.0)
    solution, found = fm.plan(weak), relaxation(weak)
    assert solution.status is fm.Status.NOT_HOLDABLE and found is not None
    assert found.limit.kind in ("grip_force", "friction", "mass")
    assert frees(found.apply(weak))


@pytest.mark.slow
def test_fifty_infeasible_problems_are_freed_by_the_suggested_change() -> None:
    counts = dict.fromkeys(KINDS, 0)
    whole = half = named = none = 0
    for kind, problem in infeasible(3):
        if min(counts.values()) >= 5 and sum(counts.values()) >= 50:
            break
        if counts[kind] >= 12 or frees(problem):
            continue
        found = relaxation(problem)
        if found is None:  # two limits at once stand in the way: no single change is suggested, and none is judged
            none += 1
            continue
        counts[kind] += 1
        one, other = freed(problem, found)
        whole, half = whole + one, half + other
        own = {"hold": ("grip_force", "friction", "mass", "lever")}.get(kind, (kind,))
        named += found.limit.kind in own
        print(f"{kind}: {found}; freed {one}, by half {other}", flush=True)
    total = sum(counts.values())
    print(f"{total} problems {counts}: limit named {named}, freed {whole}, freed by half {half}, no single change {none}")
    assert whole >= 0.95 * total and half == 0 and named >= 0.95 * total


def test_a_suggested_change_is_shown_with_digits_that_differ() -> None:
    limit = Limit("position", "panda_joint1", 2.8973)
    assert str(Relaxation(limit, 2.897301)).endswith("2.8973 → 2.897301 rad")
    assert str(Relaxation(limit, 3.0)).endswith("2.897 → 3 rad")
