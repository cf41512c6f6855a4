"""The compiled search for close pairs: it loses no pair that is near, and its bounds are bounds."""

import coal
import numpy as np
import pinocchio as pin
import pytest
from situations import READY, cluttered, quaternion, random_q

import fastmove as fm
from fastmove.collision.checker import Collision
from fastmove.collision.close_pairs import ClosePairs, Within, segment_gap
from fastmove.collision.query_types import StepReach
from fastmove.multibody.assembly import Body, assemble
from fastmove.multibody.bounding_volumes import Bounding, segment_distance


def test_the_gap_of_segments_is_that_of_the_certificate() -> None:
    segments = np.random.default_rng(1).normal(size=(300, 2, 2, 3))
    segments[::3, 1, 1] = segments[::3, 1, 0] + segments[::3, 0, 1] - segments[::3, 0, 0]  # parallel ones
    gaps = [segment_gap(segments, k, 0, 1) for k in range(300)]
    np.testing.assert_allclose(gaps, segment_distance(segments[:, 0], segments[:, 1]), atol=1e-12)


@pytest.mark.parametrize("limit", (-0.02, 0.0, 0.006, 0.1, 0.4))
def test_no_pair_that_is_near_is_left_out(panda: fm.RobotModel, limit: float) -> None:
    """Against coal; and none is found that the looser bounds of the certificate leave out."""
    problem = cluttered(panda)
    collision = Collision(problem, assemble(problem))
    frames = collision.kinematics.placements(random_q(panda, 12, 3))
    placed = collision._bounding.place(frames.rotation, frames.origin)
    rows, pairs = (x.ravel() for x in np.indices((12, len(collision.pairs))))
    exact = np.array([collision.distance(int(p), placed, int(r)) for r, p in zip(rows, pairs, strict=True)])
    close = exact < limit + collision.required[pairs]
    limits = np.full(12, limit)
    within = Within.of(limits, None, collision.travels, collision.required, collision._highest)
    found, plain = (
        list(zip(*(x.tolist() for x in pair), strict=True))
        for pair in (collision._close.find(placed, within), placed.near(limits, collision.required))
    )
    assert {(int(r), int(p)) for r, p in zip(rows[close], pairs[close], strict=True)} <= set(found) <= set(plain)
    assert found == sorted(set(found))


def test_a_step_leaves_out_what_it_cannot_bring_near(panda: fm.RobotModel) -> None:
    problem = cluttered(panda)
    collision = Collision(problem, assemble(problem))
    q = READY + np.random.default_rng(2).uniform(-0.4, 0.4, (30, 7))
    frames = collision.kinematics.placements(q)
    placed = collision._bounding.place(frames.rotation, frames.origin)
    step, limit = StepReach(0.006, np.linspace(0.0, 0.1, 30)), np.full(30, 0.08)
    known = collision.travels, collision.required, collision._highest
    whole, part = (
        set(zip(*(x.tolist() for x in collision._close.find(placed, Within.of(limit, s, *known))), strict=True))
        for s in (None, step)
    )
    assert part < whole
    for row, pair in whole - part:
        least = min(0.08, step.padding + step.turn[row] * collision.travels[pair]) + collision.required[pair]
        assert collision.distance(pair, placed, row) >= least - 1e-9


@pytest.mark.parametrize("fixed", (False, True))
def test_boxes_are_left_out_by_their_distance_and_not_by_more(fixed: bool) -> None:
    """Against coal at any turns; only between corners and edges is the bound below the distance."""
    rng, exact, bounds = np.random.default_rng(4), [], []
    request = coal.DistanceRequest()
    request.gjk_tolerance = 1e-10
    for _ in range(150):
        turns = pin.Quaternion(*quaternion(rng)).matrix(), pin.Quaternion(*quaternion(rng)).matrix()
        places, sides = rng.uniform(-0.5, 0.5, (2, 3)), rng.uniform(0.02, 0.4, (2, 3))
        own = [pin.SE3(turn, place) for turn, place in zip(turns, places, strict=True)]
        still = pin.SE3.Identity()
        shapes = [coal.Box(*side) for side in sides]
        bodies = [
            Body("one", "item", "one", 1, still, shapes[0]),
            Body("two", "scene", "two", 0 if fixed else 2, own[1] if fixed else still, shapes[1]),
        ]
        bounding = Bounding(bodies, [(0, 1)])
        rotation, origin = np.array([[np.eye(3), *turns]]), np.array([[np.zeros(3), *places]])
        placed, close = bounding.place(rotation, origin), ClosePairs(bodies, bounding)
        result = coal.DistanceResult()
        poses = [coal.Transform3s(x.rotation, x.translation) for x in own]
        exact.append(coal.distance(shapes[0], poses[0], shapes[1], poses[1], request, result))
        reaches = np.append(max(exact[-1], 0.0) + 1e-9, np.linspace(0.0, 1.0, 101) * max(exact[-1], 0.0))
        none, one = np.zeros(1), np.ones(1)
        found = [len(close.find(placed, Within.of(np.array([r]), None, one, none, none))[0]) for r in reaches]
        assert found[0] == 1 and found[1:] == sorted(found[1:])
        bounds.append(1.01 - sum(found[1:]) / 100)  # share of the distance from which on the pair is found
    apart = np.array(exact) > 0.01
    assert apart.sum() > 60 and np.quantile(np.array(bounds)[apart], 0.2) > 0.8


def test_bodies_are_where_the_certificate_places_them(panda: fm.RobotModel) -> None:
    problem = cluttered(panda)
    collision = Collision(problem, assemble(problem))
    frames = collision.kinematics.placements(random_q(panda, 20, 6))
    ours, plain = (x.place(frames.rotation, frames.origin) for x in (collision._close, collision._bounding))
    for name in ("rotation", "origin", "segment", "center"):
        np.testing.assert_allclose(getattr(ours, name), getattr(plain, name), atol=2e-15)
