"""Cones of the subproblem: corridors, fading contacts and holds, each against the thing itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from generators import block, free_space_pairs, pinched, straight_line

import fastmove as fm
from fastmove.collision.fading import INNER_SHARE, PADDING_DISTANCE
from fastmove.optim.cone_program import Cones, ConicProgram, SparseRows, solve
from fastmove.optim.merit import Iterate, SqpProblem
from fastmove.planner.context import PlanningContext
from fastmove.problem.scene import FADE_DISTANCE

JAR = Path(__file__).parents[2] / "problems" / "heavy_jar.toml"


@pytest.fixture(scope="module")
def jar() -> fm.TransferProblem:
    return fm.load_problem(JAR)


def optimiser(problem: fm.TransferProblem) -> tuple[SqpProblem, Iterate]:
    """At the straight line between the ends of a problem."""
    found, free, duration = straight_line(problem, 2e-4)
    return found, found.evaluate(free, duration)


def test_sparse_rows_are_the_dense_ones() -> None:
    rng, rows, dense = np.random.default_rng(2), SparseRows(), []
    for blocks, k, c in ((3, 2, 4), (0, 5, 2), (2, 1, 6)):
        columns = np.array([rng.permutation(9)[:c] for _ in range(blocks)]).reshape(blocks, c)
        matrix = rng.normal(size=(blocks, k, c)) * (rng.uniform(size=(blocks, k, c)) < 0.6)
        rows.add(columns, matrix)
        for part, where in zip(matrix, columns, strict=True):
            full = np.zeros((k, 9))
            full[:, where] = part
            dense.append(full)
    np.testing.assert_array_equal(rows.matrix(9).toarray(), np.concatenate(dense))
    assert SparseRows().matrix(9).shape == (0, 9)


@pytest.mark.parametrize("seed", range(5))
def test_two_sides_as_one_cone_and_ties_change_no_answer(seed: int) -> None:
    """|a x| ≤ 1 + b x as two rows, as one cone, and over a variable of its own y = a x."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(12, 8)), rng.uniform(-0.2, 0.2, (12, 8))
    rows, bound = np.concatenate([a - b, -a - b]), np.ones(24)
    ball = Cones()
    ball.add(np.arange(8)[None], np.vstack([np.zeros(8), np.eye(8)]), np.append(1.5, np.zeros(8))[None])
    free = np.full(8, np.inf)
    plain = ConicProgram(np.full(8, 0.1), rng.normal(size=8), rows, bound, -free, free, cones=ball.over(8))
    pairs = np.stack([np.arange(12), np.arange(12, 24)], axis=1)
    tied, more = SparseRows(), np.full(20, np.inf)
    tied.add(np.concatenate([np.arange(8), np.arange(8, 20)])[None], np.hstack([a, -np.eye(12)])[None])
    over = np.concatenate([np.hstack([-b, np.eye(12)]), np.hstack([-b, -np.eye(12)])])
    lifted = ConicProgram(
        np.append(plain.quadratic, np.zeros(12)), np.append(plain.linear, np.zeros(12)), over, bound, -more, more,
        cones=ball.over(20), equal=tied.matrix(20), pairs=pairs,
    )  # fmt: skip
    answer = solve(plain, 1e-9)
    assert answer is not None and np.linalg.norm(answer) <= 1.5 + 1e-6
    for other in (replace(plain, pairs=pairs), lifted):
        found = solve(other, 1e-9)
        assert found is not None
        np.testing.assert_allclose(found[:8], answer, atol=1e-4)


def test_a_corridors_cone_is_its_margin_and_turns_as_differences_say(jar: fm.TransferProblem) -> None:
    context, q0 = PlanningContext.of(jar), np.array(jar.start.q)
    ends = context.collision.ends(q0, np.array(jar.goal.configurations[0]))
    rng, seen = np.random.default_rng(1), 0
    for q in q0 + rng.uniform(-0.02, 0.02, (20, len(q0))):
        found = context.collision.query(q[None], ends, 1.0, gradients=True)
        assert found.corridor is not None
        np.testing.assert_allclose(
            found.corridor.value[:, 0] - np.linalg.norm(found.corridor.value[:, 1:], axis=1),
            found.margin[found.corridor.row],
            atol=1e-12,
        )
        for i in range(len(q)):
            step = np.zeros(len(q))
            step[i] = 1e-6
            ahead, back = (context.collision.query((q + s * step)[None], ends, 1.0, gradients=True) for s in (1, -1))
            if ahead.corridor is None or back.corridor is None or len(ahead.corridor.row) != len(back.corridor.row):
                continue
            difference = (ahead.corridor.value - back.corridor.value) / 2e-6
            np.testing.assert_allclose(found.corridor.slope[:, :, i], difference, atol=1e-7)
            seen += 1
    assert seen > 50


def test_the_planner_fades_ahead_of_the_certificate_and_its_room_grows_without_a_jump(book: fm.TransferProblem) -> None:
    """Up from the start: what is required, and the room asked for beside, as functions of the way."""
    context, q0 = PlanningContext.of(book), np.array(book.start.q)
    collision, ends = context.collision, context.collision.ends(q0, np.array(book.goal.configurations[0]))
    allowed = np.nonzero(ends.fades[0].pairs)[0]
    turn = np.zeros(len(q0))
    turn[1], turn[3] = -1.0, 1.0
    shares = np.linspace(0, 0.4, 400)
    way = np.array([collision.travel(q0 + s * turn, ends) for s in shares])
    found = collision.query(q0 + shares[:, None] * turn, ends, 1.0)
    for pair in allowed:
        rows = np.nonzero(found.pair == pair)[0]
        length, full = way[found.sample[rows]], collision.required[pair]
        floor = ends.fades[0].floor[pair]
        asked = floor + (full - floor) * np.minimum(1.0, length / FADE_DISTANCE)
        assert np.all(found.required[rows] >= asked - 1e-12)
        inner = INNER_SHARE * FADE_DISTANCE
        room = np.clip((length - inner) / (PADDING_DISTANCE - inner), 0.0, 1.0)
        np.testing.assert_allclose(found.padding_scale[rows], room, atol=1e-9)
        assert np.abs(np.diff(found.padding_scale[rows])).max() < 0.05
    fading = np.logical_or.reduce([fade.pairs for fade in ends.fades])
    others = ~np.isin(found.pair, np.nonzero(fading)[0]) & (found.pair < len(collision.pairs))
    assert np.all(found.padding_scale[others] == 1.0) and np.any(others)


@pytest.fixture(scope="module")
def weak(panda: fm.RobotModel) -> fm.TransferProblem:
    """A weak grip off the centre, nothing in the way."""
    return next(free_space_pairs("benchmark", 1, 5, pinched(panda, block(0.5), 15.0, 0.5, (0.01, 0.01))))


def promised(solver: SqpProblem, point: Iterate, radius: float, cones: bool) -> float:
    """Largest use of the hold, 1 = limit, after a step of this radius in the duration that the step says."""
    step = solver.step(solver.linearise(point, radius), radius, 0.5, cones)
    assert step is not None and step.value < step.value_here and np.abs(step.change).max() <= radius + 1e-9
    duration = point.duration * (1 + step.stretch)
    flow = solver.transcription.flow(solver.samples, solver.transcription.points(point.free + step.change, duration), duration)
    return float(solver.transcription.load_shares(flow.efforts.total).max())


def test_a_step_keeps_the_hold_to_second_order(weak: fm.TransferProblem) -> None:
    """What a step of radius r promises of the hold is true but for something that falls like r²; without cones it is not."""
    solver, point = optimiser(weak)
    assert solver.hold_utilisation(point) > 0.99
    excess = [promised(solver, point, radius, True) - 1.0 for radius in (0.1, 0.05, 0.025)]
    assert excess[2] < 0.01 and excess[2] < 0.4 * max(excess[0], 0.0) + 1e-4
    assert promised(solver, point, 0.1, False) > 1.1
