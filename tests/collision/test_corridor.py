"""The planner's margin of a corridor: rounded at its rim, and inside what the certificate asks."""

import numpy as np
import pytest

from fastmove.collision.corridor import CorridorEvaluation
from fastmove.collision.query_types import CorridorConstraint
from fastmove.dynamics.kinematics import Placements
from fastmove.problem.scene import CORRIDOR_TIP, Corridor

LENGTHS = ((0.02, 30.0), (0.05, 10.0), (0.03, 60.0), (0.004, 20.0))


def lane(length: float, degrees: float) -> CorridorConstraint:
    return CorridorConstraint(
        Corridor("start", np.array([0.0, 0.0, 1.0]), length, np.radians(degrees)), 0, np.zeros(3), np.zeros(3)
    )


def evaluated(lane: CorridorConstraint, places: np.ndarray) -> CorridorEvaluation:
    """Margins where the grasp's origin is at these places (N, 3)."""
    turned = np.broadcast_to(np.eye(3), (len(places), 1, 3, 3))
    return CorridorEvaluation.of(lane, Placements(turned, places[:, None], np.zeros((len(places), 1, 3))))


def places(lane: CorridorConstraint, count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-2, 2, (count, 3)) * lane.corridor.length


@pytest.mark.parametrize(("length", "degrees"), LENGTHS)
def test_what_the_planner_allows_the_certificate_allows(length: float, degrees: float) -> None:
    at = lane(length, degrees)
    points = places(at, 5000, 1)
    found = evaluated(at, points)
    height, aside, angle = points[:, 2], np.linalg.norm(points[:, :2], axis=1), np.radians(degrees)
    inside = height * np.sin(angle) - aside * np.cos(angle) + CORRIDOR_TIP
    allowed = (np.linalg.norm(points, axis=1) >= length) | (inside >= 0)
    assert np.all(allowed[found.margin >= 0]) and np.any(found.margin >= 0) and np.any(~allowed)
    assert found.margin[~allowed].max() < 0
    assert evaluated(at, np.zeros((1, 3))).margin[0] > 0  # The end itself.


@pytest.mark.parametrize(("length", "degrees"), LENGTHS)
def test_the_margin_has_no_jump_and_turns_as_differences_say(length: float, degrees: float) -> None:
    """Its slope is at most √2 (1 where the two margins' are at right angles) and as differences say, but for kinks."""
    at = lane(length, degrees)
    points = places(at, 4000, 2)
    found, step = evaluated(at, points), 1e-8
    slope = found.way(np.arange(len(points)))
    assert np.all(np.linalg.norm(slope, axis=1) <= np.sqrt(2) + 1e-9)
    for axis in np.eye(3):
        ahead, back = (evaluated(at, points + sign * step * axis).margin for sign in (1, -1))
        wrong = np.abs((ahead - back) / (2 * step) - slope @ axis) > 1e-4
        assert wrong.mean() < 2e-3  # A difference across a kink is none.
    along = np.linspace(points[:1], points[1:2], 4001)[:, 0]
    jumps = np.abs(np.diff(evaluated(at, along).margin))
    assert jumps.max() <= np.sqrt(2) * np.linalg.norm(along[1] - along[0]) * (1 + 1e-9)
