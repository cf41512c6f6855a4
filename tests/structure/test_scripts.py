"""The scripts of make targets run: what they plan and judge for hours is looked at for seconds here."""

import basins
import numpy as np
import robust

from fastmove.planner.relaxation import frees


def test_robust_plans_judges_and_tabulates_one_perturbed_and_one_shifted_problem() -> None:
    job = {"problem": "light_bulb", "start": 1, "seed": 0, "size": [1e-9, 1e-5], "processor": robust.HERE, "shift": 1}
    row = robust.planned(job)
    assert row["verdict"] == "HELD" and row["duration"] >= row["bound"] > 0
    assert 0 < row["acceleration"] < 1 and row["reversals"] > 0 and np.shape(row["joints"]) == (robust.SAMPLES, 7)
    text = robust.table([row | {"shift": 0, "start": 0}, row | {"duration": 1.03 * row["duration"]}])
    assert "the same answer" in text and ": 1 of 1" in text and "within 2% after a shift of 1 mm: 0" in text


def test_what_failed_or_was_not_tried_is_not_counted_as_the_same_answer() -> None:
    row = {"problem": "a", "start": 0, "seed": 0, "processor": robust.HERE, "cpu": 1.0}
    good = row | {"duration": 1.0, "joints": [[0.0]], "verdict": "HELD", "acceleration": 0.2, "reversals": 3}
    text = robust.table([good, good | {"start": 1}])
    assert "1 of 1; duration within 1 %: 1; within 2% after a shift of 1 mm: 0" in text
    text = robust.table([good, row | {"start": 1, "status": "NO_PATH"}])
    assert "0 of 1; duration within 1 %: 0; within 2% after a shift of 1 mm: 0" in text


def test_a_shift_moves_the_tool_by_a_millimetre_and_does_not_turn_it() -> None:
    import fastmove as fm
    from fastmove.search.ik import GoalIk

    problem = fm.load_problem(fm.problems_folder() / "light_bulb.toml")
    ends = [robust.shifted(problem, k).goal.configurations[0] for k in range(4)]
    here, *there = (GoalIk(problem).frame(np.array(q))[0] for q in ends)
    for pose in there:
        assert abs(np.linalg.norm(pose.translation - here.translation) - robust.SHIFT) < 0.02 * robust.SHIFT
        assert np.abs(pose.rotation - here.rotation).max() < 1e-4


def test_basins_tells_usual_plans_from_the_best_of_all_runs() -> None:
    rows = [
        {
            "problem": "a",
            "planner": planner,
            "certificate": {"ok": bool(duration)},
            "duration_s": duration or None,
            "plan_time_s": 2.0,
        }
        for planner, duration in (
            (basins.USUAL[0], 1.1),
            (basins.VARIED[0], 1.0),
            (basins.USUAL[1], 1.0),
            (basins.VARIED[1], 0.0),
        )
    ]
    assert "2 usual plans: mean 5.00%, worst 10.00% above the best of all runs; 2.00 s" in basins.table(rows)
    assert "worst inf%" in basins.table([*rows, rows[3] | {"planner": basins.USUAL[2]}])
    assert len(set(basins.LIST.read_text().split())) == 40


def test_jittered_ends_are_free_near_and_the_same_again() -> None:
    (jar,) = [entry.problem for entry in basins.shipped(["heavy_jar"])[:1]]
    one, again, two = (basins.jittered(jar, number) for number in (1, 1, 2))
    assert frees(one) and np.array_equal(one.start.q, again.start.q) and not np.array_equal(one.start.q, two.start.q)
    for problem in (one, two):
        goal = problem.goal.configurations[0]
        assert (
            1e-4 < np.abs(problem.start.q - jar.start.q).max() < 0.2
            and 1e-4 < np.abs(goal - jar.goal.configurations[0]).max() < 0.2
        )
