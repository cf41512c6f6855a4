"""The preview: one offline file that draws what it should."""

import shutil
import subprocess
import threading
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from generators import free_space_pairs

import fastmove as fm

pytest.importorskip("meshcat", reason="meshcat is not installed")
from fastmove.viz.preview import preview_html, serve, write_preview
from fastmove.viz.svg_plots import CONE_SIZE, cursor_data

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def page(book_solution: fm.Solution) -> str:
    """What `make demo` writes, but for the simulated item."""
    return preview_html(book_solution)


def test_the_page_is_small_and_asks_nothing_of_the_network(page: str) -> None:
    assert len(page.encode()) < 15e6
    assert "src=" not in page.split("<script>")[0] and 'href="http' not in page
    assert page.count("<svg") >= 6 and "fastmoveReady" in page
    assert page.count('class="cursor"') >= 5 and 'id="wrench-dot"' in page


def test_the_dot_is_the_certificates_hold(book_solution: fm.Solution) -> None:
    """Its distance from the corner is S / 0.9 of the certificate, at the times of the motion."""
    data, profile = cursor_data(book_solution), book_solution.certificate.profile
    shares = np.hypot(np.array(data["x"]) - 26, np.array(data["y"]) - CONE_SIZE - 16) / CONE_SIZE
    time = np.arange(len(shares)) * data["step"]
    inside = time <= book_solution.duration
    expected = np.interp(time[inside], profile["time"], profile["hold"])
    assert np.abs(shares[inside] - expected).max() < 0.02 and shares.max() <= 1.01


def test_it_is_served_on_the_loopback_only(page: str) -> None:
    server = serve(page)
    assert server.server_address[0] == "127.0.0.1"
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    with urllib.request.urlopen(f"http://127.0.0.1:{server.server_address[1]}/") as answer:
        assert answer.read() == page.encode()
    thread.join()
    server.server_close()


def test_a_bare_motion_and_hulls_are_drawn_too(tmp_path: Path) -> None:
    problem = next(iter(free_space_pairs("benchmark", 1, 3)))
    write_preview(tmp_path / "p.html", fm.plan(problem.with_(holds=())).raise_for_status())
    assert (tmp_path / "p.html").stat().st_size > 1e6
    with pytest.raises(fm.InputError, match="no motion"):
        preview_html(fm.Solution(problem, fm.Status.NO_PATH))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)")
def test_chromium_draws_robot_item_obstacles_and_plots(page: str, tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "p.html").write_text(page)
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
        "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path}/profile", "--window-size=1400,820", "--virtual-time-budget=3000",
        f"--screenshot={tmp_path}/p.png", f"file://{tmp_path}/p.html",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    picture = np.asarray(Image.open(tmp_path / "p.png").convert("RGB")).astype(int)
    scene, plots = picture[:, 440:1130], picture[:, :430]
    r, g, b = scene[..., 0], scene[..., 1], scene[..., 2]
    assert np.count_nonzero((r > 100) & (r - b > 70) & (g > 0.4 * r) & (g < 0.75 * r)) > 250  # the item, orange in any light
    assert np.count_nonzero((b - r > 25) & (b > 120)) > 500  # the blue obstacle
    assert np.count_nonzero((np.abs(r - g) < 12) & (np.abs(g - b) < 16) & (r < 225) & (r > 90)) > 3000  # the grey arm
    assert np.count_nonzero(plots.sum(axis=2) < 600) > 3000  # the plots
