"""Paths of one's own are kept within the tolerance: duplicates, reversals, corners, closed ways, curves."""

from itertools import pairwise

import numpy as np
import pytest
from generators import block, pinched
from situations import OUT

import fastmove as fm
from fastmove.planner.retiming import retime
from fastmove.problem.goal import Goal, State
from fastmove.problem.scene import Scene
from fastmove.problem.transfer import TransferProblem
from fastmove.search.ik import GoalIk


def ways(seed: int) -> dict[str, np.ndarray]:
    """Paths (K, 7) around the arm stretched out, one of each kind."""
    rng = np.random.default_rng(seed)
    home, a, b = OUT, OUT + rng.uniform(-0.25, 0.25, 7), OUT + rng.uniform(-0.25, 0.25, 7)
    turn = np.linspace(0, np.pi, 25)[:, None]
    arc = home + (a - home) * (1 - np.cos(turn)) / 2 + (b - home) * np.sin(turn) / 2
    noise = rng.uniform(-1e-5, 1e-5, (30, 7)) * (np.arange(30) % 29 > 0)[:, None]
    return {
        "straight, with copies": np.array([home, home + 1e-8, (home + a) / 2, (home + a) / 2 + 1e-7, a, a]),
        "corner": np.array([home, a, b]),
        "reversal": np.array([home, a, (home + a) / 2, a + (a - home) / 3]),
        "closed": np.array([home, a, b, home]),
        "arc": arc,
        "jitter": home + (a - home) * np.linspace(0, 1, 30)[:, None] + noise,
    }


def transfer(panda: fm.RobotModel, path: np.ndarray) -> TransferProblem:
    held = pinched(panda, block(0.3), 40.0, 0.5)
    return TransferProblem("way", panda, (held,), Scene(), State.rest(path[0]), Goal([path[-1]]), "fer")


def on_the_lines(q: np.ndarray, path: np.ndarray) -> np.ndarray:
    """The nearest configurations (N, 7) on the lines between waypoints."""
    nearest, least = q.copy(), np.full(len(q), np.inf)
    for a, b in pairwise(path):
        share = np.clip((q - a) @ (b - a) / max((b - a) @ (b - a), 1e-30), 0, 1)
        line = a + share[:, None] * (b - a)
        away = np.linalg.norm(q - line, axis=1)
        nearest[away < least], least = line[away < least], np.minimum(least, away)
    return nearest


def with_stops(problem: TransferProblem, path: np.ndarray) -> float:
    """Duration of all legs with a stop at every waypoint."""
    total = 0.0
    for a, b in pairwise(path):
        if np.abs(b - a).max() > 1e-6:
            total += retime(problem.with_(start=State.rest(a), goal=Goal([b])), np.array([a, b])).duration
    return total


@pytest.mark.parametrize("kind", list(ways(0)))
@pytest.mark.parametrize("tolerance", [0.0, 1e-3])
def test_the_path_is_kept_and_no_slower_than_its_legs(kind: str, tolerance: float, panda: fm.RobotModel) -> None:
    path = ways(3)[kind]
    problem = transfer(panda, path)
    if tolerance == 0.0 and kind in ("arc", "jitter"):
        path = path[:: 8 if kind == "arc" else 29]
        problem = transfer(panda, path)
    solution = retime(problem, path, tolerance).raise_for_status()
    times = np.linspace(0, solution.duration, 1501)
    q = solution.trajectory.position(times)
    line, frame = on_the_lines(q, path), GoalIk(problem)
    assert np.abs(q - line).max() <= tolerance + 1e-6
    place = lambda rows: np.array([frame.frame(row)[0].translation for row in rows])  # noqa: E731
    assert np.linalg.norm(place(q[::15]) - place(line[::15]), axis=1).max() <= tolerance + 1e-6
    for waypoint in path:  # every one is passed, in order
        assert np.abs(q - waypoint).max(axis=1).min() <= tolerance + 1e-2
    if kind not in ("arc", "jitter"):
        assert solution.duration <= 1.05 * with_stops(problem, path)


def test_a_path_that_stays_or_leads_elsewhere_is_named(panda: fm.RobotModel) -> None:
    path = ways(1)["corner"]
    with pytest.raises(fm.InputError, match="stays where it is"):
        retime(transfer(panda, path), np.array([path[0], path[0] + 1e-10]))
    with pytest.raises(fm.InputError, match="does not end"):
        retime(transfer(panda, path), path[:2])
    with pytest.raises(fm.InputError, match="tolerance"):
        retime(transfer(panda, path), path, -1.0)
