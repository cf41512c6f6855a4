"""The headline: what counts as damage, how arms are compared at one rate, and the same draws for both hands."""

import json
from pathlib import Path

import headline_check
import headline_docs
import numpy as np
import pytest

import fastmove as fm
from fastmove.bench.figures import rate_bound
from fastmove.bench.headline.curves import ARMS, BEST, Curve, at_equal_rate, curves_of, handling
from fastmove.bench.headline.damage import CASES, damage
from fastmove.bench.headline.page import order, sensitivity, spoken, write_page
from fastmove.bench.headline.run import headline
from fastmove.bench.headline.trial_job import TrialJob, tried
from fastmove.bench.headline.trials import JUDGES, SPEEDS, WIDTHS, truth_of
from fastmove.bench.problem_set import open_set
from fastmove.bench.results import Results
from fastmove.bench.runner import write_about
from fastmove.cli.main import main

STILL = [0.001, 0.01, False, 0.1]  # slip [mm], turn [°], dropped, joint error [mrad]
SLIPPED = [3.0, 0.5, False, 0.1]
DROPPED = [900.0, 50.0, True, 0.1]


def row(pair: int, hand: str, bad: dict[str, int], trials: int = 4, judge: str = "usual") -> dict:  # type: ignore[type-arg]
    """A row whose motions slip at that many of the fastest speeds, in every trial of every width."""
    speeds = {way: [[s, 0.6 / s, 0.9 * s * s, 20.0, 0.5 * s] for s in SPEEDS[way]] for way in SPEEDS}
    runs = {way: [SLIPPED if k < bad.get(way, 0) else STILL for k in range(len(SPEEDS[way]))] for way in SPEEDS}
    one = {"mass": 0.3, "friction": 0.5, "force": 20.0, "pick": "held", "runs": runs}
    drawn = [one | {"width": width, "number": k} for width in WIDTHS for k in range(trials)]
    return {
        "problem": f"tote/item{pair // 2}/{pair}/{hand}", "planner": judge, "pair": pair, "problem_sha256": "", "hand": hand,
        "item": "box", "bears": 30.0, "planning": {}, "speeds": speeds, "trials": drawn,
    }  # fmt: skip


@pytest.fixture
def rows() -> list[dict]:  # type: ignore[type-arg]
    """Ten items: by fingers half of the kinematic motions slip at speed 1; by the cup all at speeds 1 and 0.9."""
    pinch = [row(k, "pinch", {"kinematic": int(k < 5)}) for k in range(10)]
    return pinch + [row(k, "suction", {"kinematic": 2}) for k in range(10)]


TIMES = {"pinch": 0.3, "suction": 0.3}
LONGER = [f"handling by {hand} takes twice as long" for hand in TIMES]


def test_damage_names_the_worst_cause_and_follows_its_thresholds() -> None:
    one = row(0, "pinch", {})
    trial = one["trials"][0]

    def said(result: list, case=CASES[0], **more):  # type: ignore[no-untyped-def, type-arg]
        return damage(one, trial | {"runs": {"fastmove": [result]}} | more, "fastmove", 0, case)

    assert said(STILL) == "" and said(DROPPED) == "drop" and said([12.0, 0.0, False, 0.0]) == "drop"
    assert said([1.5, 0.0, False, 0.0]) == "slip" and said([0.0, 1.5, False, 0.0]) == "slip"
    assert said([1.5, 0.0, False, 0.0], CASES[2]) == "" and said([0.7, 0.0, False, 0.0], CASES[1]) == "slip"
    assert said(STILL, force=31.0) == "squeeze" and said(STILL, force=29.6) == "squeeze" and said(STILL, force=29.4) == ""
    assert said(STILL, CASES[2], force=31.0) == "" and said(STILL, CASES[1], force=16.0) == "squeeze"
    assert damage(one | {"hand": "suction"}, trial | {"force": 99.0}, "fastmove", 0) == ""
    shaken = one | {"speeds": {"fastmove": [[1.0, 0.5, 0.5, 150.0, 0.0]]}}
    assert damage(shaken, trial, "fastmove", 0) == "shock"
    assert said(STILL, pick="unsettled") == "drop" and said(STILL, pick="slipped") == "drop"


def test_units_an_hour_are_one_over_the_mean_cycle(rows: list[dict]) -> None:  # type: ignore[type-arg]
    curve = next(c for c in curves_of(rows, TIMES, 1.0) if c.arm == ("pinch", "kinematic"))
    rate, share = curve.rates()
    np.testing.assert_allclose(rate, [3600 / (0.6 / s + 0.6 + 0.3) for s in sorted(SPEEDS["kinematic"])])
    assert share.tolist() == [0, 0, 0, 0, 0, 0.5] and curve.trials == 40
    middle = (rate[-1] + rate[-2]) / 2
    assert curve.at(float(middle)) == pytest.approx(0.25)  # halfway between two speeds
    assert curve.at(1e5) == 0.5 and curve.at(0.0) == 0.0


def test_arms_at_the_same_rate(rows: list[dict]) -> None:  # type: ignore[type-arg]
    found = curves_of(rows, TIMES)
    rate = float(next(c for c in found if c.arm == BEST).rates()[0].max())
    at = {one.arm: one for one in at_equal_rate(found, rate)}
    assert list(at) == list(ARMS)
    assert at["pinch", "kinematic"].damage == pytest.approx(0.5) and at["suction", "kinematic"].damage == pytest.approx(1.0)
    best, cup = at[BEST], at["suction", "kinematic"]
    assert best.damage == 0 and best.high == pytest.approx(rate_bound(0, 10)) and cup.ratio == 0
    assert cup.most == pytest.approx(rate_bound(0, 120)) and cup.strict == pytest.approx(rate_bound(0, 10))
    assert 0 < at["pinch", "kinematic"].low < 0.5 < at["pinch", "kinematic"].high < 1
    slower = at_equal_rate(found, 1.01 * rate)
    assert not any(one.in_reach for one in slower)
    assert order(list(at.values()))[0] == {arm for arm in ARMS if arm[1] != "kinematic"}


def test_a_ratio_to_what_often_damages_nothing_has_no_upper_end() -> None:
    """One of ten placements slips: a third of the resamples have none of it, and a ratio to nothing is infinite."""
    rows = [row(2 * k, hand, {"kinematic": int(k == 0)}) for k in range(10) for hand in ("pinch", "suction")]
    found = curves_of(rows, TIMES)
    at = {one.arm: one for one in at_equal_rate(found, float(found[1].rates()[0].max()))}
    assert at["pinch", "kinematic"].damage == pytest.approx(0.1) and at["pinch", "kinematic"].strict == np.inf
    assert np.isnan(at["pinch", "slow-down"].ratio) and np.isnan(at["pinch", "slow-down"].most)


def test_intervals_are_over_items_of_the_catalogue_not_over_trials(rows: list[dict]) -> None:  # type: ignore[type-arg]
    """More trials of the same items narrow nothing; the same placements as items of their own do."""

    def of(trials: int, apart: int) -> Curve:
        made = [row(apart * k, hand, {"kinematic": int(k < 5)}, trials) for k in range(10) for hand in ("pinch", "suction")]
        return next(c for c in curves_of(made, TIMES) if c.arm == ("pinch", "kinematic"))

    few, many, own = of(2, 1), of(20, 1), of(2, 2)
    assert few.interval(5) == pytest.approx(many.interval(5))
    assert own.interval(5)[1] - own.interval(5)[0] < few.interval(5)[1] - few.interval(5)[0]


def test_a_draw_that_does_not_settle_counts_for_neither_hand_or_as_dropped(rows: list[dict]) -> None:  # type: ignore[type-arg]
    first = rows[0]["trials"][0]
    first["pick"] = "unsettled"
    del first["runs"]
    assert [curve.trials for curve in curves_of(rows, TIMES)] == [119] * 6
    strict = curves_of(rows, TIMES, None, CASES[3])
    assert [curve.trials for curve in strict] == [120] * 6
    assert strict[2].damaged.sum(axis=0).tolist() == [1.0] * 3 and strict[5].damaged.sum() == 0


def test_an_arm_without_a_motion_is_compared_over_the_others(rows: list[dict]) -> None:  # type: ignore[type-arg]
    del rows[0]["speeds"]["slow-down"]
    for trial in rows[0]["trials"]:
        trial["runs"].pop("slow-down", None)
    moved = {curve.arm: curve.moved for curve in curves_of(rows, TIMES)}
    assert moved["pinch", "slow-down"] == 9 and set(moved.values()) == {9, 10}


def test_an_item_counts_only_where_every_arm_has_trials(rows: list[dict]) -> None:  # type: ignore[type-arg]
    left_out = [r if (r["pair"], r["hand"]) != (3, "suction") else {k: r[k] for k in r if k != "trials"} for r in rows]
    assert all(len(curve.cycles) == 9 for curve in curves_of(left_out, TIMES))


def test_sensitivity_has_the_usual_case_first(rows: list[dict]) -> None:  # type: ignore[type-arg]
    stiff = [row(k, hand, {"kinematic": 7}, 1, "stiff") for k in range(10) for hand in ("pinch", "suction")]
    found = sensitivity(rows + stiff, TIMES, 2000.0)
    assert [name for name, _ in found] == ["usual", JUDGES[3].said, *(case.name for case in CASES[1:]), *LONGER]
    assert dict(found)[JUDGES[3].said][0].damage == 1.0


def test_fingers_and_cup_meet_the_same_draws_and_wider_sets_reach_further() -> None:
    problems = open_set("headline-120")
    pinch, cup = (problems.load(k).problem.holds[0] for k in (2, 3))
    for width in WIDTHS:
        for k in range(20):
            one, other = truth_of(pinch, 1, width, k), truth_of(cup, 1, width, k)
            assert one.item.members[0].mass == other.item.members[0].mass and one.grasp.friction == other.grasp.friction
            assert one.realised_grip_ratio == other.realised_grip_ratio
            least = pinch.grasp.friction * (1 - width * pinch.uncertainty.friction)
            assert one.grasp.friction >= max(0.05, least) - 1e-9
    weaker = truth_of(pinch, 1, 1.0, 0, JUDGES[1])
    assert weaker.grasp.friction == pytest.approx(0.7 * truth_of(pinch, 1, 1.0, 0).grasp.friction)


def test_handling_times_are_those_of_the_hands() -> None:
    problems = open_set("headline-120")
    assert handling(problems.load(0).problem) == pytest.approx(2 * 0.01 / 0.1 + 0.1)
    assert handling(problems.load(1).problem) == pytest.approx(0.3)


def test_the_page_says_what_the_rows_say(rows: list[dict], tmp_path: Path) -> None:  # type: ignore[type-arg]
    problems, results = open_set("headline-120"), Results(tmp_path, resume=True)
    write_about(tmp_path, problems, {"set": "headline-120"})
    for one in rows:
        results.add(one)
    page = write_page(tmp_path, 1).read_text()
    figures = json.loads((tmp_path / "headline.json").read_text())
    assert figures["equal"]["1"]["suction, kinematic"]["damage"] == pytest.approx(1.0)
    assert page.count('<svg class="chart"') == 3 and "<polyline" in page and "100.00 %" in page
    assert "suction, kinematic" in spoken(tmp_path) and "100.00 %" in spoken(tmp_path)
    assert headline_check.misses(figures, figures) == []
    other = json.loads(json.dumps(figures))
    other["equal"]["2"]["pinch, fastmove"]["damage"] = 0.9
    assert len(headline_check.misses(figures, other)) == 1


def test_a_job_becomes_a_row_of_trials_and_its_motions_are_kept(tmp_path: Path) -> None:
    pytest.importorskip("mujoco", reason="mujoco is not installed")
    entry = open_set("headline-120").load(49)  # an empty can on a cup, quick to plan
    job = TrialJob(entry, 24, 0, 1, tmp_path)
    one = tried(job)
    assert len(one["trials"]) == len(WIDTHS) and len(list((tmp_path / "motions").iterdir())) == 3
    for trial in one["trials"]:
        if trial["pick"] == "held":
            assert {way: len(runs) for way, runs in trial["runs"].items()} == {way: len(s) for way, s in SPEEDS.items()}
    speeds = np.array(one["speeds"]["fastmove"])
    assert np.all(np.diff(speeds[:, 1]) > 0) and np.all(np.diff(speeds[:, 2]) < 0)
    again = tried(job)
    assert json.dumps(again["trials"]) == json.dumps(one["trials"])  # same bytes


def test_what_no_way_moves_is_left_out_with_its_reason(tmp_path: Path) -> None:
    job = TrialJob(open_set("headline-120").load(49), 24, 0, 1, tmp_path / "no" / "such")
    (tmp_path / "no").write_text("a file, where a folder is needed")
    assert tried(job)["left_out"].startswith(("NotADirectoryError", "FileExistsError"))


@pytest.mark.slow
def test_the_command_goes_on_where_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bench", "headline", "--limit", "1", "--rollouts", "1", "--out", str(tmp_path / "h"), "--previews", "0"]
    assert main(command) == 0
    first = (tmp_path / "h" / "results.jsonl").read_bytes()
    assert main(command) == 0
    assert (tmp_path / "h" / "results.jsonl").read_bytes() == first and "units an hour" in capsys.readouterr().out
    assert len(first.splitlines()) == 2 * len(JUDGES)


def test_a_folder_of_another_run_and_one_without_trials_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("mujoco", reason="mujoco is not installed")
    problems = open_set("headline-120")
    write_about(tmp_path, problems, {"set": "headline-120", "limit": None, "trials": 3})
    with pytest.raises(fm.InputError, match=r"holds another run .*trials 3"):
        headline(tmp_path, count=4)
    Results(tmp_path, resume=True).add(
        {k: v for k, v in row(0, "pinch", {}).items() if k != "trials"} | {"left_out": "no motion"}
    )
    with pytest.raises(fm.InputError, match=r"no placement .*no motion"):
        write_page(tmp_path, 0)


def test_the_docs_say_what_the_figures_say() -> None:
    figures = json.loads((headline_docs.DOCS / "headline.json").read_text())
    page = (headline_docs.DOCS / "headline.md").read_text()
    assert headline_docs.tables(figures) in page
    assert set(figures["arms"]) == {", ".join(arm) for arm in ARMS} and len(figures["sensitivity"]) >= len(JUDGES)
