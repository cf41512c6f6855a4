"""What people see while they wait, when they stop waiting, and where nobody looks."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import fastmove as fm
from fastmove.cli.colour import painted
from fastmove.cli.main import main
from fastmove.cli.progress import ERASE, Progress

# As `python -m fastmove`, but the first word comes at once, not after two seconds: a plan may be over by then.
AT_ONCE = "from fastmove.cli import main, progress; progress.DELAY = 0.0; raise SystemExit(main.main())"
COMMAND = [sys.executable, "-W", "ignore", "-c", AT_ONCE]


def on_terminal(*arguments: str, until: bytes = b"\0", keys: bytes = b"", **variables: str) -> tuple[int, str]:
    """Exit code and everything that a command writes to a terminal of its own; keys are typed once a text has appeared."""
    child, terminal = pty.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored, and inherited so, where the tests run in the background
        os.execve(COMMAND[0], [*COMMAND, *arguments], {**os.environ, "TERM": "xterm", "NO_COLOR": "", **variables})
    written, deadline = b"", time.monotonic() + 200
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.5)[0]:
            continue
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # how Linux says that the other side has closed
            break
        written += piece
        if keys and until in written:
            os.write(terminal, keys)
            keys = b""
    text = re.sub(r"fastmove: compiling[^\n]*\n", "", written.decode())  # whoever is first on a machine
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text


@pytest.fixture(scope="module")
def two_goals(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A problem file with a second goal beside its first: there is a certified motion while the second is tried."""
    text = (fm.problems_folder() / "heavy_jar.toml").read_text()
    first = re.search(r"\[goal\]\nq = (\[.*\])", text)
    assert first is not None
    goal = json.loads(first.group(1))
    file = tmp_path_factory.mktemp("two") / "two_goals.toml"
    text = text.replace(first.group(0), f"[goal]\nconfigurations = {[goal, [goal[0] + 0.02, *goal[1:]]]}")
    file.write_text(re.sub(r'(?m)^name = ".*"', 'name = "two"', text, count=1))  # short: a terminal has 80 columns
    return str(file)


def test_a_terminal_sees_one_line_that_is_erased_before_the_result(two_goals: str) -> None:
    code, text = on_terminal("plan", two_goals)
    assert code == 0
    waiting, result = text.rsplit("\r\x1b[K", 1)
    assert "attempt" in waiting and " so far" in waiting and "\n" not in waiting
    assert result.startswith("two: \x1b[32mcertified") and "\x1b[1m" in result


def test_ctrl_c_is_one_sentence_with_the_best_so_far_kept(two_goals: str, tmp_path: Path) -> None:
    out = tmp_path / "best.npz"
    code, text = on_terminal("plan", two_goals, "--out", str(out), until=b"so far", keys=b"\x03")
    assert code == 130 and "Traceback" not in text
    assert f"interrupted; the best certified motion so far is written to {out}" in text
    problem = fm.load_problem(two_goals)
    assert fm.certify(problem, fm.load_trajectory(out, problem)).ok


def test_ctrl_c_before_there_is_anything_is_one_sentence() -> None:
    code, text = on_terminal("plan", "book_to_tote", until=b"attempt", keys=b"\x03")
    assert code == 130 and text.strip().splitlines()[-1].endswith("fastmove: interrupted")
    assert "Traceback" not in text


def test_no_color_and_pipes_have_no_escapes() -> None:
    code, text = on_terminal("plan", "heavy_jar", NO_COLOR="1")
    assert code == 0 and "certified" in text
    assert not re.sub(re.escape(ERASE.strip("\r")), "", text).count("\x1b")
    result = subprocess.run([*COMMAND, "check", "heavy_jar", "none.npz"], capture_output=True, text=True, check=False)
    assert result.returncode == 2 and "\x1b" not in result.stdout + result.stderr


def test_without_a_terminal_a_plain_line_comes_now_and_then() -> None:
    result = subprocess.run([*COMMAND, "plan", "book_to_tote"], capture_output=True, text=True, check=True)
    lines = result.stderr.splitlines()
    assert lines and all(line.startswith("fastmove: planning book to tote: ") for line in lines if "compil" not in line)
    assert "\r" not in result.stderr and len(lines) < 60 and "\x1b" not in result.stdout


def test_interrupting_from_python_keeps_the_best(two_goals: str) -> None:
    """Ctrl-C after the first certified motion: the error is a KeyboardInterrupt that holds it."""

    def stop(text: str) -> None:
        if "so far" in text:
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt) as stopped:
            fm.plan(two_goals, fm.Options(progress=stop))
    finally:
        signal.signal(signal.SIGINT, before)
    assert isinstance(stopped.value, fm.Interrupted) and stopped.value.solution.ok


def test_progress_counts_and_says_how_long_it_will_take(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("fastmove.cli.progress.time.monotonic", lambda: now[0])
    progress = Progress("set", 10, ticking=False)
    for k in range(1, 4):
        now[0] = 30.0 * k
        progress.advance()
    assert progress.line() == "set: 3 of 10, 0.033 a second, 3:30 min left, 1:30 min"
    now[0] = 7290.0
    assert progress.line().endswith("2:01 h")


def test_nothing_is_painted_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    text = "a: certified; a local optimum\n  ! hold"
    assert painted(text) == text


def test_shipped_problems_have_names(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert fm.load_problem("light_bulb").name == fm.load_problem(fm.problems_folder() / "light_bulb.toml").name
    assert main(["describe", "light_bul"]) == 2
    assert "did you mean 'light_bulb'" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    (tmp_path / "light_bulb").mkdir()  # what is there comes first, and is no problem file
    with pytest.raises(fm.InputError, match="neither"):
        fm.load_problem("light_bulb")


@pytest.mark.parametrize("name", ["book_to_tote", "open_cup", "bulb_past_a_carton"])
def test_describe_is_words_for_people(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", name]) == 0
    text = capsys.readouterr().out
    problem = fm.load_problem(name)
    assert len(text.splitlines()) < 25 and max(map(len, text.splitlines())) < 250
    for word in (problem.holds[0].item.name, "friction", "at rest", "no motion of this arm is faster than", "binding"):
        assert word in text, word
    assert not re.search(r"\d{7}", text)  # no number with more digits than people read
    assert main(["describe", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["format"] == 1


def test_describe_says_where_there_is_no_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (fm.problems_folder() / "heavy_jar.toml").read_text()
    goal = re.sub(
        r"\[goal\]\nq = \[.*?\]\n", "[goal.pose]\nposition = [3.0, 0, 0.2]\nquaternion_xyzw = [0, 0, 0, 1]\n", text, flags=re.S
    )
    assert goal != text
    (tmp_path / "far.toml").write_text(goal)
    assert main(["describe", str(tmp_path / "far.toml")]) == 2
    assert re.search(r"out of reach: .* nearest that was found is \d+ mm and \d+° away", capsys.readouterr().err)


def test_json_says_refusals_names_and_paths(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "no_such_problem", "--json"]) == 2
    refused = json.loads(capsys.readouterr().out)
    assert refused["status"] == "refused" and "no_such_problem" in refused["refusal"] and refused["exit_code"] == 2
    weak = (fm.problems_folder() / "heavy_jar.toml").read_text()
    weak = re.sub(r"grip_force = .*", "grip_force = 12.0", weak)
    (tmp_path / "weak.toml").write_text(weak)
    assert main(["plan", str(tmp_path / "weak.toml"), "--json"]) == 3
    printed = capsys.readouterr()
    said = json.loads(printed.out)
    assert said["format"] == 1 and said["robot"] == "panda" and said["path"].endswith("weak.toml")
    assert "grip_force" in said["remedy"] and said["refusal"] in printed.err


def test_a_script_for_shells_completes_commands_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    for shell in ("bash", "zsh"):
        with pytest.raises(SystemExit) as ended:
            main(["--print-completion", shell])
        assert ended.value.code == 0
        script = capsys.readouterr().out
        assert all(word in script for word in ("describe", "--deadline", "bench"))


def test_nothing_asked_shows_what_may_be(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2 and "commands:" in capsys.readouterr().err


def test_the_table_reads_the_natural_way(book: fm.TransferProblem, book_solution: fm.Solution) -> None:
    """100 % = at the limit; distances as the share of what there is; equalities folded."""
    certificate = book_solution.certificate
    assert certificate.usage("hold") == pytest.approx(1 - certificate.kinds["hold"].normalised)
    clearance = certificate.kinds["clearance"]
    assert certificate.usage("clearance") == pytest.approx(book.clearance / (book.clearance + clearance.margin))
    text = str(book_solution)
    assert "as given: continuity, start, goal, grip force" in text
    rows = dict(re.findall(r"^    (\w+) +([\d.]+)%", text, re.M))
    assert float(rows["hold"]) > 97 and float(rows["release"]) < 50 and "goal" not in rows


def test_explain_says_what_plan_prints(book_solution: fm.Solution) -> None:
    for line in book_solution.explain().splitlines():
        assert line in str(book_solution)
    assert "of the 70 N that hand and item bear" in book_solution.explain()


def test_notebooks_show_tables_without_markup_of_others(book_solution: fm.Solution) -> None:
    shown = book_solution._repr_html_()
    assert shown.count("<tr>") > 10 and "certificate ok" in shown and f"{book_solution.duration:.4f} s" in shown
    from dataclasses import replace

    assert "<b>x" not in replace(book_solution, problem=replace(book_solution.problem, name="<b>x"))._repr_html_()
    assert "no transfer" in fm.Solution(book_solution.problem, fm.Status.NO_PATH, "nothing")._repr_html_()
