"""Clearances hold for every arm that follows as the problem says, and for none that follows worse without anyone's saying so."""

from __future__ import annotations

import numpy as np
import pytest
from situations import box, cluttered, held_arm, random_q, straight_by, straight_motion
from tube import Rollouts

import fastmove as fm
from fastmove.collision.checker import Collision
from fastmove.multibody.assembly import assemble
from fastmove.problem.following import Following


def measured(collision: Collision, q: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distances (N, P) [m] of all pairs, their strays where the normal is known, and normals' own bounds everywhere."""
    frames, placed = collision._placed(q, None)
    count = len(collision.pairs)
    distance, along = np.empty((len(q), count)), np.empty((len(q), count))
    for row in range(len(q)):
        normal = np.empty((count, 3))
        for k in range(count):
            distance[row, k] = collision.distance(k, placed, row)
            normal[k] = collision._result.normal
        where = (np.full(count, row), np.arange(count))
        along[row] = collision.strays.along(placed, (frames.rotation, frames.origin), *where, normal)
    return distance, along, np.broadcast_to(collision.strays.most, distance.shape)


@pytest.mark.parametrize("size", [1e-3, 2e-2])
def test_no_error_within_the_tube_takes_more_than_the_stray(panda: fm.RobotModel, size: float) -> None:
    problem = cluttered(panda).with_(following=Following(tuple(size * np.linspace(0.2, 1.0, 7))))
    collision, rng = Collision(problem, assemble(problem)), np.random.default_rng(5)
    errors, used = problem.following.errors(7), 0.0
    q = random_q(panda, 12, 3)
    distance, along, most = measured(collision, q)
    apart = distance > 1e-4
    assert np.all(along <= most + 1e-12)
    for k in range(12):
        share = rng.choice([-1.0, 1.0], q.shape) if k % 2 else rng.uniform(-1, 1, q.shape)
        taken = distance - measured(collision, q + share * errors)[0]
        assert np.all(taken[apart] <= along[apart] + 2e-6)
        used = max(used, float((taken[apart] / np.maximum(along[apart], 1e-9)).max()))
    assert used > 0.7  # The bound is not far from what errors do.


def test_a_motion_certified_without_the_tube_fails_with_it(book: fm.TransferProblem, book_solution: fm.Solution) -> None:
    assert "the arm follows its commands exactly" in book_solution.certificate.assumes
    tube = Following(1.5e-3, 8e-3)
    wary = book.with_(following=tube)
    judged = fm.certify(wary, book_solution.trajectory, ("clearance",))
    assert not judged.ok
    assert judged.assumes[0].startswith("the arm follows its commands within 1.5 mrad and 8 ms; ")
    assert Rollouts(book, book_solution.trajectory, tube).run(8, 0).below > 0
    planned = fm.plan(wary).raise_for_status()
    assert planned.duration > book_solution.duration * 1.001  # 1.3 % measured.
    kept = Rollouts(book, planned.trajectory, tube).run(24, 1)
    assert kept.below == kept.contacts == 0 and kept.margin < 5e-3


def test_a_delay_takes_what_obstacles_move_in_it_and_nothing_else(panda: fm.RobotModel) -> None:
    still = held_arm(panda, box("post", (0.05, 0.05, 0.3)))
    motion = straight_motion(still)
    kinds = ("clearance", "allowed_contact")
    assert fm.certify(still, motion, kinds).kinds == fm.certify(still.with_(following=Following(0.0, 0.05)), motion, kinds).kinds
    moving = held_arm(panda, box("cart", (0.05, 0.05, 0.3), straight_by((2.0, -1.0, 0.5), (2.0, 1.0, 0.5), 0.5, 2.5)))
    late = moving.with_(following=Following(0.0, 0.02))
    collision = Collision(late, assemble(late))
    assert set(np.round(collision.strays.most, 9)) == {0.0, 0.02}  # 1 m/s for 20 ms
    assert np.all(collision.is_moving_obstacle(np.nonzero(collision.strays.most)[0]))


def test_ends_that_are_too_near_for_the_tube_say_so(book: fm.TransferProblem) -> None:
    with pytest.raises(fm.StartInCollision, match="for how the arm follows its commands"):
        fm.plan(book.with_(following=Following(1e-2)))
    wary = fm.certify(book.with_(following=Following(1e-3)), straight_motion(book), ("release",))
    assert wary.assumes[0].endswith("gives way by as much, where the motion begins and ends")


def test_the_tube_only_ever_takes_margin(book: fm.TransferProblem, book_solution: fm.Solution) -> None:
    motion, kinds = book_solution.trajectory, ("clearance", "allowed_contact", "release")
    margins = [
        [fm.certify(book.with_(following=Following(error)), motion, kinds).kinds[kind].margin for kind in kinds]
        for error in (0.0, 2e-4, 1e-3, 5e-3)
    ]
    assert np.all(np.diff(margins, axis=0) <= 5.1e-4)  # Least margins are known to 0.5 mm.
    clearance, _, release = np.array(margins).T
    assert clearance[-1] < clearance[0] - 5e-3 and release[-1] < release[0] - 5e-3
