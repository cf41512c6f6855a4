"""The preview: one offline file that draws what it should."""

import json
import re
import threading
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from chromium import drawn, faults, picture
from generators import free_space_pairs

import fastmove as fm

pytest.importorskip("meshcat", reason="meshcat is not installed")
from fastmove.viz.film import record
from fastmove.viz.meshes import Mesh, arrow, link_meshes, revolved, tube
from fastmove.viz.plot_data import INTERVALS, plots, time_axis, wrench_in_cone
from fastmove.viz.preview import PAGE, preview_html, serve, write_preview


@pytest.fixture(scope="module")
def page(book_solution: fm.Solution) -> str:
    """What `make demo` writes, but for the simulated item."""
    return preview_html(book_solution)


def motion_of(page: str) -> dict:
    """What the page's script is given."""
    return json.loads(re.search(r"var motion = (\{.*\});", page)[1])


def test_the_page_is_small_and_asks_nothing_of_the_network(page: str) -> None:
    assert len(page.encode()) < 15e6
    assert "src=" not in page.split("<script>")[0] and 'href="http' not in page and "@import" not in page
    assert "{{" not in page.split("<script>")[0] and "fastmoveReady" in page
    for file in PAGE.iterdir():
        assert "http" not in file.read_text().replace("http://www.w3.org/2000/svg", ""), file


def test_the_headline_says_what_was_found(page: str, book_solution: fm.Solution) -> None:
    head = page.split("<main>")[0]
    for said in (
        "book to tote",
        f"{book_solution.duration:.3f} s",
        f"{book_solution.lower_bound:.3f} s",
        "CERTIFIED",
        "0.6 kg",
        "grip 60 N",
    ):
        assert said in head, said
    label, share = fm.limiting_shares(book_solution)[0]
    assert f"{label.replace('_', ' ')} {share:.0%}" in head
    assert "in simulation" not in head and "HELD in simulation" in preview_html(book_solution, verdict="HELD")
    assert 'badge bad">SLIPPED' in preview_html(book_solution, verdict="SLIPPED")


def test_the_plots_show_every_limit_and_leave_no_peak_out(page: str, book_solution: fm.Solution) -> None:
    shown, profile = motion_of(page)["plots"], book_solution.certificate.profile
    titles = [plot["title"] for plot in shown]
    assert titles[:5] == ["velocity", "acceleration", "jerk", "torque", "torque rate"] and titles[-1] == "distance to spare"
    for plot in shown:
        assert all(len(curve["values"]) == INTERVALS + 1 for curve in plot["curves"])
    for kind, plot in zip(("velocity", "acceleration", "jerk", "torque", "torque_rate"), shown, strict=False):
        assert len({curve["colour"] for curve in plot["curves"]}) == 7 and plot["unit"]
        for k, curve in enumerate(plot["curves"]):
            assert max(curve["values"]) == pytest.approx(profile[kind][:, k].max(), abs=1e-3)
    assert min(shown[-1]["curves"][0]["values"]) == pytest.approx(profile["clearance"].min() * 1e3, abs=1e-3)


def test_friction_lighter_pad_and_sliding_are_told_apart(book_solution: fm.Solution) -> None:
    """S, V and R are the certificate's: S is its use of the hold, and the larger of V and R its pad share."""
    hold = next(plot for plot in plots(book_solution) if plot["title"].startswith("hold"))
    curves = {curve["name"]: np.array(curve["values"]) for curve in hold["curves"]}
    profile = book_solution.certificate.profile
    assert set(curves) == {"S", "V", "R"} and len({curve["colour"] for curve in hold["curves"]}) == 3
    assert curves["S"].max() == pytest.approx(profile["hold"].max(), abs=1e-3)
    assert np.maximum(curves["V"], curves["R"]).max() == pytest.approx(profile["pad_share"].max(), abs=2e-3)


def test_the_dot_is_the_certificates_hold(book_solution: fm.Solution) -> None:
    """Its distance from the corner is S / 0.9 of the certificate, at the times of the motion."""
    data, profile = wrench_in_cone(book_solution), book_solution.certificate.profile
    expected = np.interp(time_axis(book_solution.duration), profile["time"], profile["hold"])
    assert np.abs(np.hypot(data["x"], data["y"]) - expected).max() < 0.02


def test_meshes_are_closed_and_their_normals_point_outwards() -> None:
    """The divergence theorem: the volume by normals is that of the body."""
    way = np.stack([np.linspace(0, 1, 50), np.zeros(50), np.zeros(50)], axis=1)
    cone = revolved([(0.0, 0.0), (0.5, 1.0), (0.0, 1.0)], 400)
    for mesh, volume in ((tube(way, 0.1), 0.0), (cone, np.pi * 0.25 / 3), (arrow(0.01), None)):
        a, b, c = (mesh.points[mesh.faces[:, k]] for k in range(3))
        across = np.cross(b - a, c - a)
        assert np.all(np.sum(across * mesh.normals[mesh.faces[:, 0]], axis=1) >= -1e-9)
        assert np.allclose(np.linalg.norm(mesh.normals[np.unique(mesh.faces)], axis=1), 1.0, atol=1e-5)
        if volume:
            assert abs(np.sum(a * across)) / 6 == pytest.approx(volume, rel=1e-3)


def test_sharp_edges_stay_sharp_and_round_ones_round() -> None:
    box = np.array([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)])
    faces = "013 032 467 475 045 051 237 276 026 064 157 173"  # of two triangles each
    faces = np.array([[int(digit) for digit in face] for face in faces.split()])
    assert np.abs(np.abs(Mesh.of(box, faces).normals).max(axis=1) - 1).max() < 1e-6
    round_one = revolved([(1.0, 0.0), (1.0, 1.0)], 64)
    assert np.abs(np.linalg.norm(round_one.normals[:, :2], axis=1) - 1).max() < 1e-3
    assert len(round_one.points) == 2 * 64  # one normal at each point


def test_robots_with_meshes_are_drawn_with_them_and_others_as_their_bodies(panda: fm.RobotModel) -> None:
    if not link_meshes(panda):
        pytest.skip("example-robot-data is not installed")
    assert {"panda_link0", "panda_hand", "panda_leftfinger"} <= set(link_meshes(panda))
    assert link_meshes(fm.load_robot("ur5e")) == {}
    count = sum(len(mesh.faces) for parts in link_meshes(panda).values() for mesh, _ in parts)
    assert 5_000 < count < 90_000  # small enough for a page


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


def test_names_are_text_and_no_markup(book_solution: fm.Solution) -> None:
    import dataclasses

    problem = dataclasses.replace(book_solution.problem, name="<script>alert(1)</script>")
    page = preview_html(dataclasses.replace(book_solution, problem=problem))
    assert "<script>alert(1)" not in page


@drawn
def test_chromium_draws_robot_item_obstacles_and_plots(page: str, tmp_path: Path) -> None:
    (tmp_path / "p.html").write_text(page)
    seen = picture(tmp_path / "p.html", (1400, 900), tmp_path / "p.png")
    scene, side = seen[120:820, :900], seen[120:, 925:]
    r, g, b = scene[..., 0], scene[..., 1], scene[..., 2]
    assert np.count_nonzero((r > 150) & (r - b > 80) & (g > 0.4 * r) & (g < 0.75 * r)) > 1000  # item and its way, orange
    assert np.count_nonzero((b - r > 15) & (b > 120)) > 3000  # the blue tote
    assert np.count_nonzero((np.abs(r - g) < 12) & (np.abs(g - b) < 12) & (r < 235) & (r > 120)) > 10000  # the grey arm
    for colour in ("0072b2", "d55e00", "009e73"):  # curves of three joints
        wanted = np.array([int(colour[k : k + 2], 16) for k in (0, 2, 4)])
        assert np.count_nonzero(np.abs(side - wanted).max(axis=2) < 12) > 150, colour


@drawn
@pytest.mark.parametrize("size", [(1400, 900), (390, 844)], ids=["desk", "phone"])
def test_nothing_overlaps_or_is_clipped_and_text_can_be_read(page: str, tmp_path: Path, size: tuple[int, int]) -> None:
    """Texts of at least 11 px with a contrast of at least 4.5 (WCAG 2 AA); on a desk everything without scrolling."""
    (tmp_path / "p.html").write_text(page)
    assert faults(tmp_path / "p.html", size, tmp_path) == []


@drawn
def test_a_film_shows_the_motion(tmp_path: Path, book_solution: fm.Solution) -> None:
    from PIL import Image

    record(tmp_path / "book.gif", book_solution)
    film = Image.open(tmp_path / "book.gif")
    assert film.n_frames > 10 and (tmp_path / "book.gif").stat().st_size < 2e6
    film.seek(0)
    first = np.asarray(film.convert("RGB")).astype(int)
    film.seek(film.n_frames // 2)
    assert np.count_nonzero(np.abs(np.asarray(film.convert("RGB")).astype(int) - first).max(axis=2) > 60) > 1000


def test_a_film_of_another_kind_is_refused(tmp_path: Path, book_solution: fm.Solution) -> None:
    with pytest.raises(fm.InputError, match=r"neither \.mp4 nor \.gif"):
        record(tmp_path / "book.avi", book_solution)
