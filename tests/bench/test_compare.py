"""Comparison of runs: a change is seen where there is one, and said to be noise where it is."""

import json
from pathlib import Path

import numpy as np
import pytest

from fastmove.bench.compare import compared, interval
from fastmove.bench.figures import Contest, Figures, figures_of, geometric_mean, rate_bound
from fastmove.bench.results import ABOUT, RESULTS, merged, read_results
from fastmove.cli.main import main
from fastmove.errors import InputError


def row(problem: str, planner: str = "fastmove", duration: float | None = 1.0, planning: float = 1.0, sha: str = "") -> dict:
    """A result; no duration = nothing found."""
    certificate = None if duration is None else {"ok": True}
    found = {
        "status": "certified" if duration else "no_path",
        "duration_s": duration,
        "lower_bound_s": 0.8,
        "plan_time_s": planning,
    }
    head = {"problem": problem, "planner": planner, "scene": "made up", "problem_sha256": sha or problem, "robot": "panda"}
    return head | found | {"certificate": certificate, "detail": "" if duration else "no path past the 3rd post"}


def written(folder: Path, rows: list[dict], workload: float | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / RESULTS).write_text("".join(json.dumps(r) + "\n" for r in rows))
    if workload:
        (folder / ABOUT).write_text(json.dumps({"machine": {"workload_ms": workload}}))
    return folder


def noisy(count: int, factor: float, seed: int, size: float) -> list[dict]:
    rng = np.random.default_rng(seed)
    return [row(f"p{k}", planning=float(factor * np.exp(size * rng.normal()))) for k in range(count)]


def test_equal_runs_are_the_same(tmp_path: Path) -> None:
    rows = [row(f"p{k}", duration=1.0 + 0.01 * k) for k in range(10)]
    (change,) = compared(written(tmp_path / "a", rows), written(tmp_path / "b", rows))
    assert "durations: the same; 0 of 10 motions differ" in str(change) and "(the same ones)" in str(change)


@pytest.mark.parametrize(("factor", "said"), [(1.0, "no more than noise"), (1.25, "more than noise"), (0.8, "more than noise")])
def test_planning_times_are_judged_beside_their_noise(tmp_path: Path, factor: float, said: str) -> None:
    (change,) = compared(written(tmp_path / "a", noisy(80, 1.0, 1, 0.3)), written(tmp_path / "b", noisy(80, factor, 2, 0.3)))
    low, high = interval(change.times)
    assert low < geometric_mean(change.times) < high and f": {said})" in str(change).splitlines()[-1]


def test_intervals_hold_what_they_promise() -> None:
    """Of 60 samples of ratios around 1 the interval at 95 % misses 1 in about three."""
    rng = np.random.default_rng(0)
    missed = sum(not (low <= 1 <= high) for low, high in (interval(np.exp(0.2 * rng.normal(size=40))) for _ in range(60)))
    assert 1 <= missed <= 10


def test_the_machines_speed_is_taken_out(tmp_path: Path) -> None:
    slow = [row(f"p{k}", planning=2.0) for k in range(5)]
    (change,) = compared(written(tmp_path / "a", [row(f"p{k}") for k in range(5)], 50), written(tmp_path / "b", slow, 100))
    np.testing.assert_allclose(change.times, 1.0)


def test_what_is_gained_and_lost_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = [row(f"p{k}", duration=None if k < 9 else 1.0) for k in range(12)]
    after = [row(f"p{k}", duration=1.1 if k < 11 else None) for k in range(12)]
    folders = written(tmp_path / "a", before), written(tmp_path / "b", after)
    (change,) = compared(*folders)
    assert change.gained == [f"p{k}" for k in range(9)] and change.lost == ["p11"]
    assert "+9 −1: more than noise" in str(change) and "1.1000 × p9" in str(change)
    assert main(["bench", "compare", *map(str, folders), "--json"]) == 0
    (planner,) = json.loads(capsys.readouterr().out)["planners"]
    assert planner["certified"] == [3, 11] and planner["duration"]["ratio"] == pytest.approx(1.1)


def test_only_the_same_problems_are_compared(tmp_path: Path) -> None:
    other = [row("p0", sha="another"), row("p1"), row("p2", planner="slowdown")]
    (change,) = compared(written(tmp_path / "a", [row("p0"), row("p1")]), written(tmp_path / "b", other))
    assert len(change.pairs) == 1 and change.others == 2
    with pytest.raises(InputError, match="no planner in common"):
        compared(tmp_path / "a", written(tmp_path / "c", [row("p0", planner="drake")]))
    with pytest.raises(InputError, match=r"has no results.jsonl"):
        compared(tmp_path / "a", tmp_path)


def test_shards_are_merged_and_nothing_is_there_twice(tmp_path: Path) -> None:
    one = written(tmp_path / "1", [row("p1"), row("p0")], 50)
    two = written(tmp_path / "2", [row("p2"), row("p1")])
    assert merged([one, two], tmp_path / "all") == 3
    assert [r["problem"] for r in read_results(tmp_path / "all" / RESULTS)] == ["p0", "p1", "p2"]
    assert (tmp_path / "all" / ABOUT).exists()
    with pytest.raises(InputError, match="has another p0"):
        merged([one, written(tmp_path / "3", [row("p0", sha="else")])], tmp_path / "all")
    assert main(["bench", "merge", str(one), str(two), "--out", str(one)]) == 2


def test_wins_ties_and_losses() -> None:
    pairs = [(1.0, 1.0), (1.0, 1.004), (1.0, 1.006), (1.006, 1.0), (1.0, None), (None, 1.0)]
    results = figures_of(
        row(f"p{k}", planner, duration)
        for k, pair in enumerate(pairs)
        for planner, duration in zip(("a", "b"), pair, strict=True)
    )
    contest = Contest.of(results, "a", "b")
    assert (contest.wins, contest.ties, contest.losses) == (1, 2, 1)


def test_the_rates_bound_is_clopper_and_pearsons() -> None:
    """Without events (1 − p)^n = 5 % (the rule of three); with all, 1."""
    assert rate_bound(0, 10_000) == pytest.approx(1 - 0.05**1e-4, rel=1e-9)
    assert rate_bound(5, 5) == 1.0 and rate_bound(0, 0) == 1.0
    assert 0.05 < rate_bound(5, 100) < 0.12


def test_figures_of_rows_that_hold_little() -> None:
    """Rows of earlier versions and refusals have no physics, no bound and no certificate of all limits."""
    one = Figures.of({"problem": "p", "planner": "a", "status": "refused", "duration_s": None, "certificate": None})
    assert not one.ok and not one.keeps_all and np.isnan(one.ratio) and one.rollouts == 0 and one.detail == "refused"
