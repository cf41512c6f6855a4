"""Shifts of many picks, and experience: what is put off and tried again, and that a store changes nothing but the time."""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cycle_blocks import READY, block_from_to, box

import fastmove as fm
from fastmove.certificate.certify import certify


@pytest.fixture(scope="module")
def moved(panda: fm.RobotModel) -> fm.TransferProblem:
    return block_from_to(panda, "block", (0.5, -0.1), (0.5, 0.1))


@pytest.fixture(scope="module")
def three(panda: fm.RobotModel) -> list[fm.TransferProblem]:
    """Three blocks in a row, to be put down in a row on the other side."""
    return [block_from_to(panda, f"block {k}", (0.42 + 0.09 * k, -0.15), (0.42 + 0.09 * k, 0.15)) for k in range(3)]


@pytest.fixture(scope="module")
def report(three: list[fm.TransferProblem]) -> fm.ShiftReport:
    return fm.plan_shift(three, READY)


def test_every_item_is_moved_once_among_those_that_wait_and_were_placed(
    three: list[fm.TransferProblem], report: fm.ShiftReport
) -> None:
    assert sorted(one.pick for one in report.cycles) == [0, 1, 2] and report.failed == {}
    at = READY
    for k, one in enumerate(report.cycles):
        cycle, names = one.cycle, [o.name for o in one.cycle.approach.problem.scene.obstacles]
        assert cycle.ok and np.allclose(cycle.approach.trajectory.position(0.0), at)
        assert sum(name.endswith("(placed)") for name in names) == k
        assert sum(name.endswith("(waiting)") for name in names) == 2 - k
        carried = {o.name for o in cycle.transfer.problem.scene.obstacles}
        assert {n for n in names if n.endswith(("(placed)", "(waiting)"))} <= carried
        at = cycle.transfer.trajectory.position(cycle.transfer.duration)
    assert report.units_per_hour == pytest.approx(3600 * 3 / sum(one.cycle.duration for one in report.cycles))
    assert json.loads(json.dumps(report.as_json()))["failed"] == {} and "units an hour" in str(report)


def test_a_process_beside_plans_the_same_and_the_arm_waits_less(three: list[fm.TransferProblem], report: fm.ShiftReport) -> None:
    def carried_out(one: fm.ShiftCycle) -> bool:
        time.sleep(3 * one.planning)  # a motion that takes longer than the next plan
        return True

    beside = fm.plan_shift(three, READY, carried_out=carried_out, beside=True)
    for one, other in zip(report.cycles, beside.cycles, strict=True):
        points = [x.cycle.transfer.trajectory.phases[0].control_points for x in (one, other)]
        assert one.pick == other.pick and np.array_equal(*points)
    assert sum(beside.waited[1:]) < 0.7 * sum(one.planning for one in beside.cycles[1:])


def test_what_stands_in_the_way_of_a_pick_is_moved_first(panda: fm.RobotModel) -> None:
    """A place that is taken by an item that is still to be picked."""
    first = block_from_to(panda, "to where the other stands", (0.45, -0.15), (0.45, 0.1))
    other = block_from_to(panda, "stands there", (0.45, 0.1), (0.55, 0.25))
    report = fm.plan_shift([first, other], READY)
    assert [one.pick for one in report.cycles] == [1, 0] and report.failed == {}


def test_what_cannot_be_planned_is_left_with_its_reason(three: list[fm.TransferProblem]) -> None:
    lid = box("lid", (0.12, 0.12, 0.02), (0.42, 0.15, 0.3))
    covered = three[0].with_(scene=replace(three[0].scene, obstacles=(*three[0].scene.obstacles, lid)))
    report = fm.plan_shift([covered, *three[1:]], READY)
    assert 0 in report.failed and "lid" in report.failed[0] and {one.pick for one in report.cycles} == {1, 2}
    assert "not done: block 0" in str(report)


def test_a_grip_that_is_not_confirmed_is_tried_once_more_and_nothing_is_carried(three: list[fm.TransferProblem]) -> None:
    tries: list[int] = []

    def carried_out(one: fm.ShiftCycle) -> bool:
        tries.append(one.pick)
        return one.pick != 1 or tries.count(1) == 2

    ways: list[fm.Solution] = []
    report = fm.plan_shift(three, READY, carried_out=carried_out, retreated=ways.append)
    assert ways == list(report.retreats) and report.lost > ways[0].duration
    assert tries.count(1) == 2 and sorted(one.pick for one in report.cycles) == [0, 1, 2] and report.failed == {}
    assert len(report.retreats) == 1 and report.retreats[0].certificate.ok
    gone = fm.plan_shift(three[:2], READY, carried_out=lambda one: one.pick == 0)
    assert [one.pick for one in gone.cycles] == [0] and "not confirmed" in gone.failed[1]


def test_items_stand_no_better_known_than_they_are_in_the_hand(three: list[fm.TransferProblem]) -> None:
    vague = replace(three[0].holds[0], uncertainty=fm.Uncertainty(placement=0.001))
    report = fm.plan_shift([three[0].with_(holds=(vague,)), three[1]], READY)
    assert len(report.cycles) == 2
    for one in report.cycles:
        for motion in (one.cycle.approach, one.cycle.transfer):
            assert motion.problem.scene.obstacle_uncertainty == vague.position_uncertainty > 0


def test_two_picks_of_one_name_are_refused(three: list[fm.TransferProblem]) -> None:
    with pytest.raises(fm.InputError, match=r"'block 0' is there twice"):
        fm.plan_shift([three[0], three[0]], READY)
    with pytest.raises(fm.InputError, match=r"must begin and end at a configuration"):
        fm.plan_shift([three[0].with_(goal=fm.Goal(np.array([READY, READY + 0.1])))], READY)


def test_experience_helps_is_certified_and_changes_no_duration(moved: fm.TransferProblem, tmp_path: Path) -> None:
    store = fm.Experience(tmp_path)
    cold = store.plan(moved)
    assert (store.helped, store.asked) == (0, 1) and len(list(tmp_path.iterdir())) == 1
    near = moved.with_(start=fm.State.rest(np.array(moved.start.q)), name="again")
    again = fm.Experience(tmp_path)
    warm = again.plan(near)
    assert (again.helped, again.asked) == (1, 1) and warm.certificate.ok and certify(near, warm.trajectory).ok
    assert warm.duration == pytest.approx(cold.duration, rel=5e-3)
    once = []
    for copy in ("one", "other"):  # the same store, the same bytes
        (tmp_path.parent / copy).mkdir()
        shutil.copy(sorted(tmp_path.glob("*.npz"))[0], tmp_path.parent / copy)
        once.append(fm.Experience(tmp_path.parent / copy).plan(near).trajectory.phases[0].control_points)
    assert np.array_equal(*once)


def test_a_damaged_foreign_or_full_store_costs_nothing_but_its_help(moved: fm.TransferProblem, tmp_path: Path) -> None:
    plain = fm.plan(moved)
    first = fm.Experience(tmp_path / "good")
    first.plan(moved)
    (good,) = (tmp_path / "good").iterdir()
    whole = good.read_bytes()
    for number, content in enumerate((b"", whole[: len(whole) // 2], b"PK nonsense" * 99, whole.replace(b"points", b"pointz"))):
        folder = tmp_path / f"bad_{number}"
        folder.mkdir()
        (folder / good.name).write_bytes(content)
        store = fm.Experience(folder)
        assert np.array_equal(store.plan(moved).trajectory.phases[0].control_points, plain.trajectory.phases[0].control_points)
        assert store.helped == 0
    file = tmp_path / "a file"
    file.write_text("no folder")
    assert fm.Experience(file).plan(moved).ok
    bounded = fm.Experience(tmp_path / "small", most=1)
    back = moved.with_(start=fm.State.rest(moved.goal.configurations[0]), goal=fm.Goal(np.array(moved.start.q)[None]))
    for problem in (moved, back):
        assert bounded.plan(problem).ok
    (kept,) = (tmp_path / "small").iterdir()
    assert np.allclose(np.load(kept)["start"], back.start.q)


def test_another_arm_or_item_gets_no_help(moved: fm.TransferProblem, tmp_path: Path) -> None:
    store = fm.Experience(tmp_path)
    store.plan(moved)
    bare = moved.with_(holds=(), scene=replace(moved.scene, allowed_contacts=()), openings=(("hand", 0.06),))
    assert store.plan(bare).ok and store.helped == 0
    kept = fm.Options(reserve=0.1)
    assert store.plan(moved, kept).reserve == 0.1 and store.helped == 0
    benchmark = moved.with_(limits="benchmark")
    assert store.plan(benchmark).ok and store.helped == 0
