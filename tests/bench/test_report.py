"""The report: every chart is there with what it says, opens without the net, and is looked at by a browser."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from chromium import chromium, drawn, faults

from fastmove.bench.figures import figures_of
from fastmove.bench.report.charts import WIDE, Axis, bars, histogram, shares
from fastmove.bench.report.report import report_html
from fastmove.cli.main import main

KNOWN = ("fastmove", "fastmove-nohold", "rrtc-ruckig")


CERTIFICATE = {"ok": True, "velocity": {"margin": 0.2}}


def made_up(seed: int = 0, problems: int = 30) -> list[dict]:
    """Results of three planners in which everything occurs that a report may have to say."""
    rng, rows = np.random.default_rng(seed), []
    for k in range(problems):
        for n, planner in enumerate(KNOWN):
            duration = 0.8 * (1 + 0.3 * n + 0.2 * rng.random())
            ok, keeps = not (n == 2 and k % 3 == 0), n == 0
            physics = {"rollouts": 5, "held": 5 if n == 0 else 3, "dropped": n, "slip_mm": 0.1, "turn_deg": 0.1, "shock": 20.0}
            rows.append(
                {
                    "problem": f"tote/{k}",
                    "planner": planner,
                    "scene": "tote",
                    "robot": "panda",
                    "problem_sha256": str(k),
                    "status": "certified" if ok else "no_path",
                    "detail": "" if ok else f"clearance of hand – wall_{k} misses its limit by 0.00{k} m",
                    "duration_s": duration if ok else None,
                    "lower_bound_s": 0.8,
                    "plan_time_s": 0.1 * (1 + n) * rng.random(),
                    "certificate": (CERTIFICATE if n else CERTIFICATE | {"hold": {"margin": 0.1}}) if ok else None,
                    "all_limits": {"ok": keeps and ok, "broken": {} if keeps else {"hold": -0.5}},
                    "physics": physics if ok else None,
                }
            )
    return rows


ABOUT = {"set": "made <up>", "set_sha256": "abc", "problems": 30, "arguments": {"planner": ",".join(KNOWN), "jobs": 2},
         "machine": {"processor": "a <fast> one", "cpus": 2, "workload_ms": 55.0}, "versions": {"fastmove": "0.1.0"}}  # fmt: skip


@pytest.fixture(scope="module")
def page() -> str:
    return report_html(figures_of(made_up(), KNOWN), ABOUT, [("a worst case", "<html><script>var x = 1</script></html>")])


def test_everything_that_was_asked_for_is_in_the_report(page: str) -> None:
    for heading in (
        "Planners", "Durations and planning times", "Side by side", "The price of holding the item", "In physics", "What fails",
        "Worst cases", "Problem by problem", "The run",
    ):  # fmt: skip
        assert f"<h2>{heading}</h2>" in page, heading
    assert page.count('<svg class="chart"') == 3 + 1 + 1 + 3  # speeds; price; physics; causes and limits broken
    assert "20 of 30" not in page and '<text x="234" y="14" text-anchor="end">clearance misses its limit</text>' in page
    assert "made &lt;up&gt;" in page and "a &lt;fast&gt; one" in page  # what comes from outside is text
    assert not re.search(r"https?://|src=|@import|url\(", page)


def test_terms_are_explained_where_they_stand(page: str) -> None:
    for term in (
        "Certified",
        "Keeps all limits",
        "T</b> is the duration",
        "Not held",
        "Dropped",
        "Shock",
        "Arm off",
        "Not settled",
    ):
        assert term in " ".join(page.split()), term


def test_numbers_of_the_report_are_those_of_the_results(page: str) -> None:
    rows = [row for row in made_up() if row["planner"] == "fastmove"]
    ratio = np.array([row["duration_s"] / 0.8 for row in rows])
    assert f"<td>{ratio.sum() / 30:.3f}</td><td>{np.median(ratio):.3f}</td>" in page
    assert "<td class=name>rrtc-ruckig</td><td>30</td><td>20</td><td>0</td>" in page
    assert "<td class=name>fastmove / rrtc-ruckig</td><td>20</td>" in page
    assert "checked for velocity only" in page and "checked for every limit" in page
    assert "<td class=name>fastmove-nohold</td><td>30</td><td>150</td><td>400</td>" in page  # 60 of 150 were not held


def test_curves_say_what_was_measured() -> None:
    """The distribution of 1, 2 and 3 of four problems: a quarter more at each."""
    chart = shares(Axis("x", 0.0, 4.0), [("a", np.array([3.0, 1.0, 2.0]), 4, 0)])
    points = [tuple(map(float, p.split(","))) for p in re.search(r'polyline points="(.*?)"', chart)[1].split()]
    foot, head = points[0][1], 12.0
    across = [(x - 52) / (WIDE - 52 - 12) * 4 for x, _ in points]
    up = [(foot - y) / (foot - head) for _, y in points]
    for value, share in ((0.5, 0.0), (1.5, 0.25), (2.5, 0.5), (3.5, 0.75)):
        before = max(k for k, x in enumerate(across) if x <= value + 1e-6)
        assert up[before] == pytest.approx(share, abs=0.01)
    beyond = shares(Axis("x", 0.0, 4.0), [("a", np.array([9.0, 9.0]), 2, 0)])
    assert {p.split(",")[1] for p in re.search(r'polyline points="(.*?)"', beyond)[1].split()} == {f"{foot:.1f}"}
    assert histogram(Axis("x", 0.0, 1.0), np.array([0.5, 0.5, 2.0]), 0).count("<rect") == 2  # the last is in the last bar
    assert bars([("<a>", 1.0, "1", 0)], 1.0).count("&lt;a&gt;") == 1


def test_axes_have_round_ticks() -> None:
    assert Axis("", 1.0, 2.0).ticks() == pytest.approx([1.0, 1.2, 1.4, 1.6, 1.8, 2.0])
    assert Axis("", 0.1, 100.0, True).ticks() == pytest.approx([0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100])
    assert Axis("", 0.1, 10.0, True).share(np.array([0.01, 0.1, 1.0, 10.0, 99.0])) == pytest.approx([0, 0, 0.5, 1, 1])


def test_one_planner_is_enough_for_a_report() -> None:
    page = report_html(figures_of([row for row in made_up() if row["planner"] == "fastmove"]), {})
    assert "<h2>Side by side" not in page and "there was no run.json" in page and "Worst cases" not in page
    nothing = report_html(
        figures_of([{"problem": "p", "planner": "a", "status": "refused", "detail": "wrong", "certificate": None}]), {}
    )
    assert "wrong" in nothing


def test_a_run_leaves_its_report_with_previews(small_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["bench", str(small_set), "--limit", "2", "--previews", "1", "--out", str(out)]) == 0
    assert str(out / "report.html") in capsys.readouterr().out
    page = (out / "report.html").read_text()
    about = json.loads((out / "run.json").read_text())
    assert about["set"] == "turns" and about["set_sha256"] in page and about["arguments"]["limit"] == 2
    assert page.count("<summary>") == 1 and "times its bound" in page
    library = json.loads(re.search(r"var library = (\{.*?\}), previews", page, re.DOTALL)[1])
    assert "MeshCat" in library["text"] and page.count("MeshCat.Viewer(") == 1
    assert main(["bench", "report", str(out), "--previews", "0"]) == 0 and "<summary>" not in (out / "report.html").read_text()
    assert main(["bench", "report", str(tmp_path)]) == 2 and main(["bench", "report"]) == 2


@drawn
def test_chromium_finds_nothing_wrong_with_the_report(page: str, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(page)
    for width in (1280, 700):
        assert faults(file, (width, 900), tmp_path) == []
    opened = page.replace("</body>", "<script>document.querySelector('details').open = true</script></body>")
    file.write_text(opened)
    assert "<iframe" in chromium(file, (1280, 900), "--dump-dom", "--virtual-time-budget=2000")
