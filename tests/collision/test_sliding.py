"""Gradients that let samples slide along a motion: against differences of distances of samples that do."""

import numpy as np
import pytest
from situations import cluttered, random_q

import fastmove as fm
from fastmove.collision.checker import Collision
from fastmove.collision.query_types import Ends, NearPairs, Sliding
from fastmove.collision.sliding import FULL_AT, slope_across
from fastmove.multibody.assembly import assemble

REACH, STEP = 0.08, 1e-6
STRICT = -0.2  # Padding of a motion with room, which lets every sample slide [m].


def setting(panda: fm.RobotModel) -> tuple[Collision, np.ndarray, np.ndarray]:
    """Distances in a cluttered cell, forty configurations and the velocities with which motions pass them."""
    problem = cluttered(panda)
    return Collision(problem, assemble(problem)), random_q(panda, 40, 5), np.random.default_rng(6).normal(size=(40, 7))


def queried(collision: Collision, q: np.ndarray, velocity: np.ndarray | None, padding: float = STRICT) -> NearPairs:
    sliding = None if velocity is None else Sliding(velocity, padding)
    return collision.query(q, Ends(()), REACH, gradients=True, sliding=sliding)


def test_motion_along_the_way_does_not_count(panda: fm.RobotModel) -> None:
    collision, q, velocity = setting(panda)
    full, slid = queried(collision, q, None), queried(collision, q, velocity)
    assert np.array_equal(full.pair, slid.pair) and len(slid.pair) > 50
    along = np.einsum("ci,ci->c", slid.gradient, velocity[slid.sample])
    approach = np.einsum("ci,ci->c", full.gradient, velocity[full.sample])
    assert np.abs(approach).max() > 0.1 and np.abs(along).max() < 1e-9


def test_the_speed_of_a_motion_does_not_matter_nor_its_sense(panda: fm.RobotModel) -> None:
    collision, q, velocity = setting(panda)
    one, other = queried(collision, q, velocity), queried(collision, q, -3.7 * velocity)
    np.testing.assert_allclose(one.gradient, other.gradient, atol=1e-4)  # as exact as normals are
    still = queried(collision, q, np.zeros_like(velocity))
    np.testing.assert_allclose(still.gradient, queried(collision, q, None).gradient, atol=1e-4)


def test_what_is_violated_moves_away(panda: fm.RobotModel) -> None:
    """From a violation of `FULL_AT` on the whole displacement counts; half of it is left out at half of that."""
    collision, q, velocity = setting(panda)
    full, slid = queried(collision, q, None), queried(collision, q, velocity)
    for short in (FULL_AT, 0.5 * FULL_AT):
        share = 1 - short / FULL_AT
        paddings = full.margin + short  # of each contact, so that it is violated by `short`
        for c in np.random.default_rng(1).choice(len(paddings), 10, replace=False):
            found = queried(collision, q, velocity, float(paddings[c]))
            np.testing.assert_allclose(found.gradient[c], (1 - share) * full.gradient[c] + share * slid.gradient[c], atol=1e-4)


def test_a_sample_that_slides_keeps_beside_the_same_place(panda: fm.RobotModel) -> None:
    """Of displacements δ and the slide τ that they ask for, distances change as the row says: against differences."""
    collision, q, velocity = setting(panda)
    slid, full = queried(collision, q, velocity), queried(collision, q, None)
    rng, seen, wrong = np.random.default_rng(2), 0, 0
    for c in rng.choice(len(slid.pair), 60, replace=False):
        change, row = STEP * rng.normal(size=7), int(slid.sample[c])
        approach = full.gradient[c] @ velocity[row]
        if abs(approach) < 1e-3:
            continue
        # the row's own slide: full·(δ + τ v) = slid·δ
        slide = (slid.gradient[c] - full.gradient[c]) @ change / approach
        distances = []
        for sign in (1.0, -1.0):
            moved = queried(collision, (q[row] + sign * (change + slide * velocity[row]))[None], None)
            same = moved.distance[moved.pair == slid.pair[c]]
            distances.append(float(same.min()) if len(same) else np.nan)
        found = (distances[0] - distances[1]) / 2
        seen, wrong = seen + 1, wrong + (not abs(found - slid.gradient[c] @ change) < 0.02 * STEP)
    assert seen >= 30 and wrong <= 0.1 * seen  # several contacts of flat faces, and witnesses that switch


def test_points_that_slide_move_across_their_way_alone() -> None:
    rng = np.random.default_rng(3)
    slope, velocity = rng.normal(size=(20, 3, 7)), rng.normal(size=(20, 7))
    across = slope_across(slope, velocity, np.zeros(20))
    way = np.einsum("rdi,ri->rd", slope, velocity)
    change = rng.normal(size=(20, 7))
    moved = np.einsum("rdi,ri->rd", across, change)
    assert np.abs(np.einsum("rd,rd->r", moved, way)).max() < 1e-9
    beside = np.cross(way, np.einsum("rdi,ri->rd", slope, change))
    np.testing.assert_allclose(np.cross(way, moved), beside, atol=1e-9)
    np.testing.assert_array_equal(slope_across(slope, velocity, np.full(20, -FULL_AT)), slope)
    half = slope_across(slope, velocity, np.full(20, -FULL_AT / 2))
    np.testing.assert_allclose(half, (slope + across) / 2, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cereal_box", "book_to_tote", "bag_of_marbles"])
def test_where_a_motion_begins_does_not_decide_how_fast_it_becomes(name: str) -> None:
    """Before samples slid, attempts at these that went one way ended up to 8 % apart."""
    durations = [fm.plan(name, fm.Options(seed=seed)).duration for seed in range(5)]
    assert max(durations) <= 1.01 * min(durations)
