"""README and docs: every block runs, every link leads somewhere, the build is strict and offline, pages can be read."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastmove as fm
from fastmove.viz.film import browser

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GENERATED = {"python", "commands", "problem-file", "robot-file", "licences"}
PAGES = [ROOT / "README.md", *sorted(p for p in DOCS.rglob("*.md") if "_build" not in p.parts and p.stem not in GENERATED)]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ELSEWHERE = ("pip install",)  # what is for another place than a clone
LONG = {"fastmove preview heavy_jar jar.npz --record jar.gif"}  # a film has its own test


def blocks(page: Path, kind: str) -> list[str]:
    return [text for name, text in FENCE.findall(page.read_text()) if name == kind]


def commands(page: Path) -> list[tuple[str, str]]:
    """(command, what stands after its #) of every line that begins with $ in a page's console blocks."""
    lines = [line[2:] for text in blocks(page, "console") for line in text.splitlines() if line.startswith("$ ")]
    return [(line.split("  #")[0].strip(), line.partition("  #")[2].strip()) for line in lines]


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with what a reader has: the files of the docs, and those of a clone."""
    for file in (DOCS / "files").iterdir():
        shutil.copy(file, tmp_path)
    for folder in ("problems", "robots", "examples"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    return tmp_path


def run(command: list[str] | str, folder: Path) -> subprocess.CompletedProcess:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, env=environment, shell=isinstance(command, str)
    )


@pytest.mark.parametrize("page", [p for p in PAGES[1:] if blocks(p, "python")], ids=lambda p: str(p.relative_to(ROOT)))
def test_python_of_a_page_runs(page: Path, desk: Path) -> None:
    """The blocks of a page in their order, as a reader would paste them; the README's are run by `test_house.py`."""
    result = run([sys.executable, "-W", "ignore", "-c", "\n".join(blocks(page, "python"))], desk)
    assert result.returncode == 0, result.stderr


SHOWN = [p for p in PAGES if any(not c.startswith(ELSEWHERE) for c, _ in commands(p))]


@pytest.mark.parametrize("page", SHOWN, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_of_a_page_run(page: Path, desk: Path) -> None:
    """In their order and in one folder; what a remark calls yours is of a reader's robot, and need only be spelled rightly."""
    for command, remark in commands(page):
        if command.startswith(ELSEWHERE) or command in LONG:
            continue
        if remark.startswith("yours"):
            known = run(f"fastmove {command.split()[1]} --help", desk).stdout
            assert all(option in known for option in re.findall(r"--\w+", command)), command
            continue
        result = run(command, desk)
        assert result.returncode == (int(code[1]) if (code := re.search(r"exit code (\d)", remark)) else 0), (
            command,
            result.stderr,
        )


def test_what_the_tutorial_quotes_is_what_is_said(desk: Path) -> None:
    jar = (desk / "bin.toml").read_text().replace("mass = 0.4", "mass = 2.0").replace("grip_force = 40.0", "grip_force = 20.0")
    (desk / "jar.toml").write_text(jar)
    said = run("fastmove plan jar.toml", desk).stderr.strip()
    assert (
        said in (DOCS / "tutorial.md").read_text()
        and said.removeprefix("fastmove: jar.toml: ") in (DOCS / "howto/heavy.md").read_text()
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("http"):
            continue
        file = (page.parent / target.split("#")[0]).resolve()
        assert file.exists() or file.stem in GENERATED, target


def test_readme_is_short_and_shows_first(book: fm.TransferProblem) -> None:
    text = (ROOT / "README.md").read_text()
    assert text.index("book.gif") < 300 and text.index("pip install") < 1600 and len(text.splitlines()) < 150
    assert (DOCS / "pictures" / "book.gif").stat().st_size < 2e6
    for name in ("MoveIt", "cuRobo", "Drake", "Ruckig", "toppra"):
        assert name in text


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built documentation; any warning fails it."""
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "-q",
        "-b",
        "html",
        "-d",
        str(folder / "trees"),
        str(DOCS),
        str(folder / "html"),
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    return folder / "html"


def test_docs_build_strictly_and_fetch_nothing(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text()
        assert not re.findall(r"<(?:script|img|link)[^>]+(?:src|href)=\"https?://", text), page
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?https?://|@import [\"']https?:", style.read_text()), style


def test_reference_has_every_public_name_key_and_command(site: Path) -> None:
    python = (site / "reference" / "python.html").read_text()
    for name in fm._HOME:
        assert f'.{name}"' in python, name
    keys = (site / "reference" / "problem-file.html").read_text()
    for key in ("goal.poses[].free_axis", "uncertainty.turn_deg", "item.tolerates.tilt_deg", "obstacles[].waypoints"):
        assert key in keys, key
    said = (site / "reference" / "commands.html").read_text()
    assert all(
        f"fastmove {name}" in said for name in ("plan", "check", "describe", "rank", "bench", "ik", "robot", "preview", "run")
    )


def test_a_page_can_be_read_on_desk_and_phone(site: Path, tmp_path: Path) -> None:
    if browser() is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    from chromium import faults

    for name in ("index.html", "tutorial.html"):
        for size in ((1400, 900), (390, 844)):
            assert faults(site / name, size, site) == [], (name, size)


def test_version_and_help_load_nothing_heavy() -> None:
    """They once loaded everything."""
    said = "import sys; from fastmove.cli.arguments import argument_parser; argument_parser(); "
    said += "print(sorted({'numpy', 'pinocchio', 'casadi'} & set(sys.modules)))"
    assert run([sys.executable, "-c", said], ROOT).stdout.strip() == "[]"
