"""Sets: the shipped ones are what their maker makes, all of their problems can be begun; files are read one problem at a time."""

import json
from collections import Counter
from pathlib import Path

import make_headline
import make_sets
import numpy as np
import pytest

import fastmove as fm
from fastmove.bench.problem_set import known_sets, open_set

SIZES = {"transfer-120": 120, "hold-100": 100, "free-1000": 1000}


def test_the_shipped_sets_are_known_by_name_and_size() -> None:
    assert set(known_sets()) == {*SIZES, "headline-120"} and set(SIZES) == set(make_sets.SETS)
    for name, size in SIZES.items():
        assert len(open_set(name)) == size


@pytest.mark.parametrize("name", SIZES)
def test_a_set_is_what_its_maker_makes(name: str) -> None:
    made, file = make_sets.SETS[name](), open_set(name).files[0]
    lines = file.read_text().splitlines()
    for line in lines[:3]:
        table = json.loads(line)
        other = json.loads(json.dumps(next(made)))
        assert table["name"] == other["name"] and table["obstacles"] == other["obstacles"]
        np.testing.assert_allclose(table["start"]["q"], other["start"]["q"], atol=2e-6)
        np.testing.assert_allclose(table["goal"]["q"], other["goal"]["q"], atol=2e-6)


@pytest.mark.parametrize(("name", "every"), [("transfer-120", 17), ("hold-100", 23), ("free-1000", 97)])
def test_every_problem_of_a_set_can_be_begun(name: str, every: int) -> None:
    problems = open_set(name)
    names = [json.loads(line)["name"] for line in problems.files[0].read_text().splitlines()]
    assert len(set(names)) == len(names)
    for k in range(0, len(problems), every):
        assert not make_sets.refused(problems.load(k).problem), names[k]


def test_transfers_are_of_four_scenes_two_robots_and_three_grasps() -> None:
    names = [json.loads(line)["name"].split("/") for line in open_set("transfer-120").files[0].read_text().splitlines()]
    assert {(scene, robot) for scene, robot, *_ in names} == {(s, r) for s in make_sets.SCENES for r in make_sets.ROBOTS}
    for scene in make_sets.SCENES:
        assert sum(parts[0] == scene for parts in names) == 30
    assert open_set("transfer-120").load(0).scene == "tote"


def test_the_headlines_items_are_held_by_fingers_and_by_a_cup() -> None:
    problems, refusals = open_set("headline-120"), Counter[str]()
    made = json.loads(json.dumps(make_headline.drawn(0, fm.load_robot("panda"), refusals)))
    lines = [json.loads(line) for line in problems.files[0].read_text().splitlines()]
    assert len(lines) == 240 and made[0]["item"] == lines[0]["item"] and made[1]["obstacles"] == lines[1]["obstacles"]
    np.testing.assert_allclose(made[1]["goal"]["q"], lines[1]["goal"]["q"], atol=2e-6)
    for k in range(0, 240, 48):
        pinch, cup = (problems.load(k + n).problem for n in (0, 1))
        assert pinch.name.removesuffix("/pinch") == cup.name.removesuffix("/suction")
        assert not make_sets.refused(pinch) and not make_sets.refused(cup)
        for q, p in ((pinch.start.q, cup.start.q), (pinch.goal.configurations[0], cup.goal.configurations[0])):
            one, other = (fm.pose_at(problem, np.array(x)) for problem, x in ((pinch, q), (cup, p)))
            assert np.abs(one.homogeneous - other.homogeneous).max() < 1e-4  # the item is at the same places


def test_shards_are_the_whole_set_and_nothing_twice(small_set: Path) -> None:
    problems = open_set(small_set)
    for limit, count in ((None, 5), (3, 3), (9, 5)):
        for n in (1, 2, 3, 7):
            numbers = [k for i in range(1, n + 1) for k in problems.chosen(limit, (i, n))]
            assert len(numbers) == count and len(set(numbers)) == count
    assert problems.chosen(3) == [0, 2, 4]


def test_a_line_is_read_when_it_is_asked_for(tmp_path: Path, small_set: Path) -> None:
    lines = small_set.read_text().splitlines()
    path = tmp_path / "some.jsonl"
    path.write_text("\n".join([lines[0], "", "{oops", '"no table"', lines[1]]) + "\n")
    problems = open_set(path)
    assert len(problems) == 4 and problems.load(3).id == "turn 1" and problems.load(0).scene == "some"
    with pytest.raises(fm.InputError, match=r"some.jsonl:2: is not JSON"):
        problems.load(1)
    with pytest.raises(fm.InputError, match="no table"):
        problems.load(2)


def test_what_is_no_set_is_said(tmp_path: Path) -> None:
    with pytest.raises(fm.InputError, match=r"no such file or folder, and no shipped set .*transfer-120"):
        open_set("transfer-12O")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(fm.InputError, match="no problems in it"):
        open_set(tmp_path / "empty.jsonl")


def test_the_hash_is_that_of_the_files(small_set: Path) -> None:
    before = open_set(small_set).sha256
    assert open_set(small_set).sha256 == before
    small_set.write_text(small_set.read_text().replace("turn 0", "turn 9"))
    assert open_set(small_set).sha256 != before
