"""The banded interior-point method against Clarabel: random programs of every kind of site, and those of real steps."""

from dataclasses import replace

import numpy as np
import pytest
from generators import block, pinched, straight_line

import fastmove as fm
from fastmove.optim.banded_program import Assembled, BandedProgram, Solution
from fastmove.optim.cone_program import solve
from fastmove.optim.constraints.rows import SIGMA
from fastmove.optim.subproblem import Subproblem
from fastmove.problem.goal import State
from fastmove.problem.scene import Scene

READY = np.array([0, -0.785, 0, -2.356, 0, 1.571, 0.785])
POINTS, N = 12, 5


def random_program(seed: int, border: int) -> BandedProgram:
    """All joints in a trust region; rows, places with slacks, nested cones with helpers, a border with a range."""
    rng = np.random.default_rng(seed)
    program = BandedProgram(POINTS, N, border)
    program.band[:, 0] = 1e-3
    program.cost[:] = 0.01 * rng.normal(size=POINTS * N)
    program.border_cost[0], program.border_cost[SIGMA:], program.border_quadratic[0] = 1.0, 20.0, 1e-5
    program.bound_points(np.arange(POINTS), 0.3)
    program.bound_border(0, -0.5, 1.0)
    if border == 2:
        program.bound_border(SIGMA, 0.0, np.inf)
    spans = POINTS - 3

    def nothing(*shape: int) -> np.ndarray:
        return np.zeros((*shape, border))

    first = nothing(20, 4)
    first[:, 0, 0] = 2.0  # limits grow with ξ
    # a score as of a hold: one helper above a norm, and in the norm of another cone
    site = program.dense(rng.integers(0, spans, 20), 0.3 * rng.normal(size=(20, 6, 4 * N)))
    helper = program.own(site, 0.0)[:, None]
    couples, linear = rng.normal(size=(2, 20, 4, 6))
    couples[:, 0], linear[:, 0], linear[:, 3] = 0.0, 0.0, 0.0
    program.cones(site, couples, nothing(20, 4), np.zeros((20, 4)), helper, np.eye(4)[0][:, None])
    offset = np.concatenate([np.ones((20, 1)), 0.3 * rng.normal(size=(20, 2)), np.full((20, 1), 0.2)], axis=1)
    program.cones(site, linear, first, offset, helper, np.eye(4)[3][:, None])
    # distances of places, some violated
    site = program.places(rng.integers(0, spans, 30), rng.uniform(size=(30, 4)))
    slack = program.own(site, 20.0)
    program.positive(site, slack)
    for _ in range(3):
        bound = rng.uniform(-0.02, 0.2, 30)
        program.rows(site, rng.normal(size=(30, N)), nothing(30), bound, slack[:, None], -np.ones((30, 1)))
    # torques
    site = program.dense(rng.integers(0, spans, 25), rng.normal(size=(25, 1, 4 * N)))
    for sign in (1.0, -1.0):
        grown = nothing(25)
        grown[:, 0], grown[:, SIGMA:] = -2.0, -1.0
        program.rows(site, np.full((25, 1), sign), grown, rng.uniform(0.3, 1.5, 25))
    return program


def parts(program: Assembled, x: Solution) -> tuple[float, float]:
    """Objective and largest violation of a solution."""
    conic = program.conic()
    inverse = np.empty_like(program.rank)
    inverse[program.rank] = np.arange(len(program.rank))
    vector = np.concatenate([x.points.ravel(), x.border, x.own[inverse]])
    size = conic.hessian.shape[0]
    objective = conic.linear @ vector + conic.quadratic @ vector**2 / 2 + vector[:size] @ (conic.hessian @ vector[:size]) / 2
    violation = float((conic.rows @ vector - conic.bound).max())
    if conic.cones is not None:
        values, at = conic.cones.matrix @ vector + conic.cones.offset, 0
        for size in conic.cones.sizes:
            violation = max(violation, float(np.linalg.norm(values[at + 1 : at + size]) - values[at]))
            at += size
    return float(objective), violation


def compare(assembled: Assembled, tolerance: float) -> None:
    found, exact = assembled.solve(tolerance), solve(assembled.conic(), 1e-9)
    assert found is not None and exact is not None
    (value, violation), (best, _) = parts(assembled, found), parts(assembled, assembled.solution(exact))
    assert abs(value - best) < 10 * tolerance * max(1.0, abs(best)) and violation < tolerance


@pytest.mark.parametrize("tolerance", (1e-4, 1e-6))
@pytest.mark.parametrize("border", (1, 2))
@pytest.mark.parametrize("seed", range(4))
def test_random_programs_are_solved_like_by_clarabel(seed: int, border: int, tolerance: float) -> None:
    compare(random_program(seed, border).assembled(), tolerance)


@pytest.mark.parametrize("moving", (False, True))
def test_steps_of_held_motions_are_solved_like_by_clarabel(panda: fm.RobotModel, moving: bool) -> None:
    held = pinched(panda, block(0.5), 15.0, 0.5, (0.01, 0.01))
    start = State(READY, np.full(7, 0.1), np.zeros(7)) if moving else State.rest(READY)
    problem = fm.TransferProblem("step", panda, (held,), Scene(), start, fm.Goal(READY + 0.3), "fer")
    optimiser, free, duration = straight_line(problem)
    point = replace(optimiser, padding=0.01).evaluate(free, duration)
    for radius in (0.3, 0.02):
        here = optimiser.linearise(point, radius)
        sub = Subproblem(optimiser.transcription, optimiser.samples, here, radius, (-0.5, 1.0), True)
        compare(sub.program.assembled(), 1e-5)


def test_what_cannot_be_satisfied_has_no_solution() -> None:
    program = random_program(0, 1)
    site = program.places(np.zeros(1, dtype=int), np.ones((1, 4)))
    for sign in (1.0, -1.0):
        program.rows(site, sign * np.eye(1, N), np.zeros((1, 1)), np.array([-0.5]))
    assert program.solve(1e-4) is None


def test_the_same_program_has_the_same_bytes() -> None:
    one, two = (random_program(3, 1).solve(1e-6) for _ in range(2))
    assert one is not None and two is not None and one.points.tobytes() == two.points.tobytes()


def test_idle_rows_join_where_a_step_would_break_them(panda: fm.RobotModel) -> None:
    """Leaving idle rows out until a solution breaks them changes nothing: their limits hold after the step."""
    held = pinched(panda, block(2.0), 60.0, 0.8)
    problem = fm.TransferProblem("idle", panda, (held,), Scene(), State.rest(READY), fm.Goal(READY + 0.6), "fer")
    optimiser, free, duration = straight_line(problem)
    point = optimiser.evaluate(free, 3 * duration)
    sub = Subproblem(optimiser.transcription, optimiser.samples, optimiser.linearise(point, 0.3), 0.3, (-0.8, 1.0), False)
    before = sum(len(rows.span) for rows in sub.model.idle)
    assert before > 100 and sub.solve(1e-6) is not None
    solution = sub.program.solve(1e-6)
    assert solution is not None and not any(rows.broken(solution).any() for rows in sub.model.idle)
