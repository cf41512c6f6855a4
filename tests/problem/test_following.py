"""How closely an arm follows: what may be said, what interpolation adds, what covers what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from situations import BOOK

import fastmove as fm
from fastmove.problem.following import Following, uncovered


def test_an_arm_follows_exactly_unless_said_otherwise(book: fm.TransferProblem) -> None:
    assert book.following.exact and Following().exact and Following((0.0, 0.0)).exact
    assert not Following(1e-4).exact and not Following(delay=1e-3).exact
    assert "following" not in fm.describe(book)
    assert fm.describe(book.with_(following=Following(1e-3, 0.008)))["following"] == {"error": [1e-3] * 7, "delay": 0.008}
    assert str(Following(1e-3, 8e-3)) == "follows its commands within 1 mrad and 8 ms"


@pytest.mark.parametrize(
    ("error", "delay", "said"),
    [(-1e-3, 0.0, "following.error"), (0.2, 0.0, "following.error"), (np.nan, 0.0, "following.error"),
     ((), 0.0, "following.error"), (0.0, -1.0, "following.delay"), (0.0, np.nan, "following.delay")],
)  # fmt: skip
def test_what_no_arm_is_allowed_is_refused(error: float, delay: float, said: str) -> None:
    with pytest.raises(fm.InputError, match=said):
        Following(error, delay)


def test_one_error_per_joint_is_needed(book: fm.TransferProblem) -> None:
    assert book.with_(following=Following((1e-3,) * 7)).following.errors(7).tolist() == [1e-3] * 7
    with pytest.raises(fm.InputError, match="one number, or 7"):
        book.with_(following=Following((1e-3, 1e-3)))


def test_files_say_how_an_arm_follows(tmp_path: Path) -> None:
    for said, meant in (("0.5", 5e-4), ("[1, 2, 3, 4, 5, 6, 7]", tuple(1e-3 * k for k in range(1, 8)))):
        (tmp_path / "p.toml").write_text(f"{BOOK.read_text()}\n[following]\njoint_error_mrad = {said}\ndelay_ms = 8\n")
        following = fm.load_problem(tmp_path / "p.toml").following
        assert np.allclose(following.error, meant) and following.delay == pytest.approx(8e-3)
    (tmp_path / "p.toml").write_text(f"{BOOK.read_text()}\n[following]\njoint_error_mrad = 500\n")
    with pytest.raises(fm.InputError, match="0 to 0"):
        fm.load_problem(tmp_path / "p.toml")


def test_a_parabola_is_as_far_from_its_chord_as_linear_interpolation_adds() -> None:
    a, h = 15.0, 8e-3
    t = np.linspace(0, h, 1001)
    q = a * t * (t - h) / 2
    added = Following.of(1e-4, 0.0, h, "linear", acceleration=[a]).errors(1)[0] - 1e-4
    assert added == pytest.approx(np.abs(q).max(), rel=1e-6)


def test_the_cubic_bound_is_reached_by_the_jerk_that_turns_in_the_middle_and_by_no_other() -> None:
    j, h = 7500.0, 8e-3
    bound = Following.of(0.0, 0.0, h, "cubic", jerk=j).error[0]
    grid, rng = np.linspace(0, h, 2001), np.random.default_rng(3)
    step = grid[1]
    for k in range(40):
        turns = np.array([h / 2]) if k == 0 else np.sort(rng.uniform(0, h, rng.integers(1, 5)))
        jerk = j * (-1.0) ** np.searchsorted(turns, grid[:-1] + step / 2)
        a = np.concatenate([[0.0], np.cumsum(jerk * step)])
        v = np.concatenate([[0.0], np.cumsum(a[:-1] * step + jerk * step**2 / 2)])
        q = np.concatenate([[0.0], np.cumsum(v[:-1] * step + a[:-1] * step**2 / 2 + jerk * step**3 / 6)])
        s = grid / h
        hermite = q[-1] * s**2 * (3 - 2 * s) + h * v[-1] * s**2 * (s - 1)
        off = np.abs(q - hermite).max()
        assert off <= bound * (1 + 1e-6)
        assert k > 0 or off == pytest.approx(bound, rel=1e-3)


def test_a_held_sample_is_late_and_nothing_else() -> None:
    assert Following.of(1e-3, 2e-3, 8e-3, "hold") == Following(1e-3, 1e-2)
    with pytest.raises(fm.InputError, match="linear, cubic, hold"):
        Following.of(0.0, 0.0, 1e-3, "quintic")
    with pytest.raises(fm.InputError, match="acceleration"):
        Following.of(0.0, 0.0, 1e-3, "linear")


def test_covers_what_is_no_worse() -> None:
    planned = Following((1e-3, 2e-3), 8e-3)
    assert planned.covers(planned) and planned.covers(Following(1e-3, 8e-3)) and planned.covers(Following())
    assert not planned.covers(Following((1e-3, 3e-3))) and not planned.covers(Following(1.5e-3))
    late = Following(1e-3, 9e-3)
    assert not planned.covers(late) and planned.covers(late, obstacles_move=False)
    assert uncovered(planned, late, obstacles_move=False) == ""
    assert uncovered(planned, None, obstacles_move=True).startswith("not checked")
    assert "joint_error_mrad = 1.5" in uncovered(planned, Following(1.5e-3), obstacles_move=True)


def test_drivers_say_how_they_follow(book: fm.TransferProblem) -> None:
    assert fm.drivers.Driver.following is None
    assert fm.drivers.KinematicDriver(book).following == Following()
