"""The bench of what happens in flight: parts that resume, figures that count what they say, a page that opens."""

import json
from pathlib import Path

import numpy as np
import pytest

import fastmove as fm

pytest.importorskip("mujoco", reason="mujoco is not installed")
from fastmove.bench.flight import run
from fastmove.bench.flight.motions import way_back
from fastmove.bench.flight.speeds import speed_along, violations
from fastmove.bench.flight.summary import classified, summary


@pytest.fixture()
def one_motion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "flown_problems", lambda: iter([("heavy_jar", fm.load_problem("heavy_jar"))]))


@pytest.mark.slow
@pytest.mark.usefixtures("one_motion")
def test_parts_are_measured_once_and_shown(tmp_path: Path) -> None:
    counts = {"stops": 4, "interruptions": 1, "loop": 1}
    seen: list[str] = []
    text = run.fly(tmp_path, counts, lambda row: seen.append(str(row["key"][0])))
    assert len(seen) == 2 + 1 + 2 and "1 motions" in text and "interrupted motions: 1" in text
    page = (tmp_path / run.PAGE).read_text()
    assert page.count("<svg") >= 3 and "time to rest" in page.lower() and "http" not in page
    lines = (tmp_path / "stops.jsonl").read_text().splitlines()
    (tmp_path / "stops.jsonl").write_text(lines[0] + "\n" + lines[1][: len(lines[1]) // 2])  # killed while it wrote
    seen.clear()
    assert run.fly(tmp_path, {"stops": 4}, lambda row: seen.append(str(row["key"]))) and len(seen) == 1
    rows = [json.loads(line) for line in (tmp_path / "stops.jsonl").read_text().splitlines()]
    assert all(set(row["verdicts"]) <= {"HELD"} and not row["faults"] for row in rows)
    with pytest.raises(fm.InputError, match="allowed: stops, speeds"):
        run.fly(tmp_path, {"jumps": 3})


def test_what_became_of_an_interrupted_motion_is_the_worst_that_happened() -> None:
    fine = {"at": 0.0, "before": [0.0, 0.0], "verdict": "HELD", "answers": ["KEPT"], "contacts": [], "first": "KEPT"}
    fine |= {"at_rest": True, "at_goal": True}
    assert classified(fine) == "at the goal" and classified(fine | {"at_goal": False}) == "in a held stop"
    assert classified(fine | {"contacts": [[0.1, "item", "box"]]}) == "contact"
    assert classified(fine | {"contacts": [[0.01, "item", "box"]]}) == "touched before anybody could stop"
    assert classified(fine | {"verdict": "SLIPPED", "contacts": [[0.1, "item", "box"]]}) == "dropped"
    assert classified(fine | {"answers": ["NO_STOP"]}) == "no certified stop, held"
    assert classified({"left_out": "no draw"}) == "not drawn"
    assert "CPUs" in summary({name: [] for name in run.COUNTS})


def test_the_way_back_swaps_what_is_touched_and_left() -> None:
    problem = fm.load_problem("book_to_tote")
    back = way_back(problem)
    again = way_back(back)
    assert {c.at for c in back.scene.corridors} == {{"start": "goal", "goal": "start"}[c.at] for c in problem.scene.corridors}
    assert np.array_equal(again.start.q, problem.start.q) and again.scene.allowed_contacts == problem.scene.allowed_contacts


def test_violations_and_speeds_are_read_from_what_was_sent() -> None:
    solution = fm.plan("heavy_jar").raise_for_status()
    with fm.drivers.KinematicDriver(solution.problem) as driver:
        execution = fm.Execution(driver, solution)
        execution.run()
        log = execution.log()
    limits = solution.problem.limit_set
    assert violations(log, limits) == 0 and np.median(speed_along(solution.trajectory, log)[20:-40]) == pytest.approx(
        1.0, abs=0.02
    )
    log.v[100, 3] += 0.05  # one joint jumps in one cycle
    assert violations(log, limits) > 0
