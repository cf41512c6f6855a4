"""The proof that an item cannot be turned in the hand at rest, against what is known and against brute force."""

from dataclasses import replace

import numpy as np
from generators import block, pinched
from scipy.spatial import cKDTree

import fastmove as fm
from fastmove.geometry.polytope import even_directions
from fastmove.problem.grasp import hold
from fastmove.search.reorientation import COVERING, POINTS, bottleneck, utilisation_at_rest


def test_no_direction_is_farther_from_the_lattice_than_its_covering_radius() -> None:
    directions = np.random.default_rng(0).normal(size=(100_000, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    points = even_directions(POINTS)
    assert cKDTree(points).query(np.concatenate([directions, np.eye(3), -np.eye(3)]))[0].max() < COVERING / np.sqrt(POINTS)


def off_centre(force: float):  # type: ignore[no-untyped-def]
    """A block held 30 mm beside its centre of mass: at rest best where gravity runs along the lever or along the closing axis."""
    held = pinched(fm.load_robot("panda"), block(0.4, com=(0.03, 0.0, 0.0)), force, 0.5)
    return hold(held.gripper, held.item, replace(held.grasp, grip_force=np.array([force, force])))


def test_a_way_that_exists_is_never_refused_and_one_that_does_not_is() -> None:
    x, along = np.array([1.0, 0.0, 0.0]), np.linspace(0, np.pi, 2000)
    strong, weak = off_centre(60.0), off_centre(4.8)
    over = [
        np.stack([np.cos(along), np.sin(along) * np.cos(t), np.sin(along) * np.sin(t)], axis=1) for t in np.linspace(0, 7, 40)
    ]
    for held in (strong, weak):
        best = min(utilisation_at_rest(held, way, 9.81).max() for way in over)  # ways that exist, from +x to −x
        assert 0 < bottleneck(held, x, -x, 9.81) <= best
    assert bottleneck(strong, x, -x, 9.81) < 1 < bottleneck(weak, x, -x, 9.81)
    assert utilisation_at_rest(weak, np.stack([x, -x]), 9.81).max() < 1
    assert bottleneck(weak, x, x, 9.81) <= utilisation_at_rest(weak, x[None], 9.81)[0]


def test_use_at_rest_is_sublinear_in_the_direction() -> None:
    rng, held = np.random.default_rng(1), off_centre(20.0)
    one, other = rng.normal(size=(2, 500, 3))
    a, b, both = (utilisation_at_rest(held, d, 9.81) for d in (one, other, one + other))
    assert np.all(both <= a + b + 1e-12)
    np.testing.assert_allclose(utilisation_at_rest(held, 3 * one, 9.81), 3 * a, rtol=1e-12)
