"""Speed limits that depend on the position: the FR3's, in certificate, bound, optimiser, retiming and flight."""

from __future__ import annotations

from dataclasses import replace
from math import comb

import numpy as np
import pytest
from generators import block, end_is_usable, pinched, straight_line

import fastmove as fm
from fastmove.arrays import Array
from fastmove.certificate.certify import certify
from fastmove.optim.constraints.joint_limits import add_joint_limits
from fastmove.optim.linearization import Linearization
from fastmove.optim.merit import SqpProblem
from fastmove.planner.replanning import replan
from fastmove.problem.goal import Goal, State
from fastmove.problem.scene import Scene
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.multi_arm import combine_robots
from fastmove.robot.speed_envelope import SpeedEnvelope, unlimited
from fastmove.search.envelope_bound import envelope_motion
from fastmove.search.time_bound import lower_bound
from fastmove.trajectory.piecewise_polynomial import PiecewisePolynomial
from fastmove.trajectory.trajectory import Phase, Trajectory

# libfranka, include/franka/rate_limiting.h: c, k, u, l of each joint.
PUBLISHED = np.array(
    [
        [0.30, 12.0, 2.7501, 2.7501], [0.20, 5.17, 1.7918, 1.7918], [0.20, 7.00, 2.9065, 2.9065], [0.30, 8.00, -0.1458, 3.0481],
        [0.35, 34.0, 2.8101, 2.8101], [0.35, 11.0, 4.5205, -0.54092], [0.35, 34.0, 3.0196, 3.0196],
    ]
)  # fmt: skip
FASTEST = np.array([2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26])


@pytest.fixture(scope="module")
def fr3() -> fm.RobotModel:
    return fm.load_robot("fr3")


def pairs(robot: fm.RobotModel, count: int, seed: int) -> list[TransferProblem]:
    """Rest to rest between uniform random configurations with free ends."""
    limits, rng, found = robot.limit_set(), np.random.default_rng(seed), []
    while len(found) < count:
        start, goal = rng.uniform(limits.position_min, limits.position_max, (2, robot.n_arm))
        problem = TransferProblem(
            f"pair {len(found)}", robot, (), Scene(), State.rest(start), Goal(goal[None]), robot.default_limits
        )
        if end_is_usable(problem):
            found.append(problem)
    return found


def shifted(problem: TransferProblem, by: float) -> TransferProblem:
    """The problem with its speed limits read elsewhere, further towards both ends."""
    limits = problem.limit_set
    assert limits.speed_envelope is not None
    wrong = replace(limits.speed_envelope, upper=limits.speed_envelope.upper + by, lower=limits.speed_envelope.lower - by)
    return problem.with_(robot=replace(problem.robot, limits={limits.name: replace(limits, speed_envelope=wrong)}))


def test_it_is_within_what_franka_publishes(fr3: fm.RobotModel) -> None:
    """By its tolerance, what single precision does to speeds, and 5 mrad of where the arm is measured to be."""
    limits, margin, off = fr3.limit_set(), 5e-3, 5e-3
    assert limits.speed_envelope is not None
    rng = np.random.default_rng(0)
    for q in rng.uniform(limits.position_min, limits.position_max, (200, 7)):
        c, k, u, low = PUBLISHED.T
        high = np.minimum(FASTEST, np.maximum(0.0, -c + np.sqrt(np.maximum(0.0, k * (u - off - q)))))
        least = np.maximum(-FASTEST, np.minimum(0.0, c - np.sqrt(np.maximum(0.0, k * (q - off + low)))))
        ours = limits.speed_envelope.range(q)
        np.testing.assert_allclose(np.minimum(ours[1], limits.velocity), high - margin, atol=1e-9)
        np.testing.assert_allclose(np.maximum(ours[0], -limits.velocity), least + margin, atol=1e-9)


def test_its_slopes_are_differences(fr3: fm.RobotModel) -> None:
    limits, step = fr3.limit_set(), 1e-6
    assert limits.speed_envelope is not None
    q = np.random.default_rng(1).uniform(limits.position_min, limits.position_max, (50, 7))
    sides = [limits.speed_envelope.range(q + s * step) for s in (1, -1)]
    for slope, above, below in zip(limits.speed_envelope.slopes(q), *sides, strict=True):
        np.testing.assert_allclose(slope, (above - below) / (2 * step), rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"offset": np.full(6, 0.3)}, "offset: needs 7 numbers"),
        ({"offset": np.full(7, -0.3)}, "numbers from 0 on"),
        ({"slope": np.zeros(7)}, "slope: must be positive"),
        ({"upper": np.full(7, np.nan)}, "upper: is"),
        ({"upper": np.full(7, np.inf)}, "slope: must be positive, and the other numbers finite"),
        ({"upper": np.full(7, 2.0)}, "joint 1 no speed but back beyond"),
    ],
)
def test_impossible_numbers_are_refused(fr3: fm.RobotModel, change: dict[str, Array], words: str) -> None:
    limits = fr3.limit_set()
    assert limits.speed_envelope is not None
    with pytest.raises(fm.InputError, match=words):
        replace(limits, speed_envelope=replace(limits.speed_envelope, **change))


def test_a_start_that_is_too_fast_for_its_place_is_refused(fr3: fm.RobotModel) -> None:
    (problem,) = pairs(fr3, 1, 0)
    q, v = np.array(problem.start.q), np.zeros(7)
    q[1], v[1] = 1.5, 1.4  # allowed there: −0.205 + √(5.17 · 0.2868) = 1.013
    with pytest.raises(fm.FastMoveError, match=r"fr3_joint2 is 1.4 rad/s at its position; allowed: -\d\.\d+ to 1.012"):
        problem.with_(start=State(q, v, np.zeros(7)))


def test_arms_with_and_without_one_side_by_side(fr3: fm.RobotModel) -> None:
    panda = fm.load_robot("panda")
    assert combine_robots({"left": fr3, "right": panda}).limit_set("benchmark").speed_envelope is None
    arms = {
        robot.name: replace(robot, limits={"own": replace(robot.limit_set(), name="own", others={})}) for robot in (fr3, panda)
    }
    envelope = combine_robots(arms).limit_set().speed_envelope
    assert envelope is not None
    low, high = envelope.range(np.concatenate([fr3.limit_set().middle, np.zeros(7)]))
    assert np.all(np.isfinite(high[:7])) and np.all(np.isinf(high[7:])) and np.all(np.isinf(low[7:]))


# -- the certificate ------------------------------------------------------------------------------------------------------


def polynomial_motion(rng: np.random.Generator, degree: int, spans: int) -> PiecewisePolynomial:
    """Random pieces of seven joints, about the middle of the FR3's range; they need not join."""
    times = np.concatenate([[0.0], np.cumsum(rng.uniform(0.05, 0.4, spans))])
    scale = 0.8 / np.array([max(1, k) ** 2 for k in range(degree + 1)])
    return PiecewisePolynomial(times, rng.normal(size=(spans, degree + 1, 7)) * scale[None, :, None])


@pytest.mark.parametrize("seed", range(6))
def test_the_margin_is_the_least_everywhere(fr3: fm.RobotModel, seed: int) -> None:
    rng, limits = np.random.default_rng(seed), fr3.limit_set()
    assert limits.speed_envelope is not None
    middle = limits.middle
    motion = polynomial_motion(rng, int(rng.choice([3, 5, 15])), 4)
    coefficients = np.array(motion.coefficients)
    coefficients[:, 0] = middle + rng.uniform(-0.3, 0.3, (4, 7))
    motion = PiecewisePolynomial(motion.times, coefficients)
    trajectory = Trajectory((Phase(motion, None, None, np.zeros(0), np.zeros(0)),), fr3.joint_names)
    (problem,) = pairs(fr3, 1, 0)
    entry = certify(problem, trajectory, ["speed_envelope"]).kinds["speed_envelope"]
    least = np.inf
    for t0, t1 in zip(motion.times[:-1], motion.times[1:], strict=True):
        t = np.linspace(t0, t1, 40001)[1:]
        low, high = limits.speed_envelope.range(motion(t, "left"))
        v = motion.derivative()(t, "left")
        least = min(least, float((high - v).min()), float((v - low).min()))
    assert least - 2e-6 < entry.margin <= least + 1e-6
    assert entry.proof == "everywhere" and entry.ok == (entry.margin >= 0)


def test_control_points_beyond_the_envelope_prove_nothing(fr3: fm.RobotModel) -> None:
    """Pieces whose curve stays inside while control points do not, beside joints that rest where little speed is left."""
    rng, limits, tried = np.random.default_rng(0), fr3.limit_set(), 0
    envelope, (problem,) = limits.speed_envelope, pairs(fr3, 1, 0)
    assert envelope is not None
    matrix = np.array([[comb(i, k) / comb(7, k) for k in range(8)] for i in range(8)])
    while tried < 300:
        width, q = float(rng.uniform(1.0, 5.0)), np.tile(limits.position_max, (8, 1))
        q[:, 0] = envelope.upper[0] - rng.uniform(-0.08, 0.25, 8)
        motion = PiecewisePolynomial(np.array([0.0, width]), (np.linalg.solve(matrix, q) / width ** np.arange(8)[:, None])[None])
        t = np.linspace(0, width, 2001)
        places, v = motion(t, "left"), motion.derivative()(t, "left")
        if places[:, 0].max() > envelope.upper[0] or q[:, 0].max() <= envelope.upper[0]:
            continue
        tried += 1
        low, high = envelope.range(places)
        least = min(float((high - v).min()), float((v - low).min()))
        trajectory = Trajectory((Phase(motion, None, None, np.zeros(0), np.zeros(0)),), fr3.joint_names)
        entry = certify(problem, trajectory, ["speed_envelope"]).kinds["speed_envelope"]
        assert entry.margin <= least + 1e-6


def test_a_limit_read_at_the_wrong_place_is_caught(fr3: fm.RobotModel) -> None:
    """Motions that are as fast as the limit allows are beyond it where the planner took it from 20 mrad further on."""
    tried = 0
    for problem in pairs(fr3, 12, 2):
        if fm.plan(problem).raise_for_status().certificate.kinds["speed_envelope"].margin > 1e-3:
            continue
        trajectory = fm.plan(shifted(problem, 0.02)).raise_for_status().trajectory
        kinds = certify(problem, trajectory).kinds
        assert [kind for kind, entry in kinds.items() if not entry.ok] == ["speed_envelope"]
        tried += 1
    assert tried >= 3


# -- the bound ------------------------------------------------------------------------------------------------------------


def simulated(start: float, goal: float, limits: fm.LimitSet, joint: int, count: int = 200_001) -> float:
    """The least time without jerk limits, by speeds that are raised forwards and backwards over a grid of places."""
    assert limits.speed_envelope is not None
    # the largest speed of one joint at many places, the others anywhere
    x = np.linspace(start, goal, count)
    q = np.tile(limits.middle, (count, 1))
    q[:, joint] = x
    low, high = limits.speed_envelope.range(q)
    most = np.minimum(high[:, joint] if goal > start else -low[:, joint], limits.velocity[joint]) ** 2
    step, a = abs(x[1] - x[0]), limits.acceleration[joint]
    squares = np.minimum(most, np.minimum(2 * a * step * np.arange(count), 2 * a * step * np.arange(count)[::-1]))
    speed = np.sqrt(squares)
    return float(np.sum(2 * step / (speed[1:] + speed[:-1])))


@pytest.mark.parametrize("seed", range(8))
def test_the_bound_of_a_joint_is_that_of_a_simulation(fr3: fm.RobotModel, seed: int) -> None:
    rng, limits = np.random.default_rng(seed), fr3.limit_set()
    start, goal = rng.uniform(limits.position_min, limits.position_max, (2, 7))
    for joint in range(7):
        motion = envelope_motion(State.rest(start), goal, limits, joint, 1000.0)
        assert motion is not None
        assert motion.duration == pytest.approx(simulated(start[joint], goal[joint], limits, joint), rel=2e-4)
        assert (
            motion.time[0] == 0
            and motion.time[-1] == pytest.approx(motion.duration)
            and motion.place[-1] == pytest.approx(goal[joint])
        )
        assert np.all(np.diff(motion.switches) >= 0) and motion.switches[-1] == motion.duration


def test_without_envelope_a_joint_has_ruckigs_bound_less_its_jerk(fr3: fm.RobotModel) -> None:
    limits = fr3.limit_set()
    assert limits.speed_envelope is not None
    far = replace(
        limits, speed_envelope=replace(limits.speed_envelope, upper=limits.position_max + 90, lower=limits.position_min - 90)
    )
    start, goal = limits.middle, limits.middle + 0.9
    plain = lower_bound(State.rest(start), goal, replace(limits, speed_envelope=None))
    motion = envelope_motion(State.rest(start), goal, far, plain.joint, 1000.0)
    assert motion is not None
    assert motion.duration + limits.acceleration[0] / limits.jerk[0] == pytest.approx(plain.duration, rel=1e-6)
    none = replace(limits, speed_envelope=unlimited(7))
    assert envelope_motion(State.rest(start), goal, none, 0, 1000.0) is None


def test_plans_are_near_the_bound_and_never_below(fr3: fm.RobotModel) -> None:
    for robot, typical, most in ((fr3, 1.02, 1.06), (replace(fr3, limits=without_rates(fr3)), 1.003, 1.02)):
        solutions = [fm.plan(problem).raise_for_status() for problem in pairs(robot, 10, 4)]
        ratios = [solution.duration / solution.lower_bound for solution in solutions]
        assert min(ratios) >= 1 - 1e-9 and np.median(ratios) <= typical and max(ratios) <= most


@pytest.mark.slow
def test_two_hundred_pairs_are_within_one_per_cent_of_the_bound(fr3: fm.RobotModel) -> None:
    ratios = {}
    for what, robot in (("all limits", fr3), ("without torque rates", replace(fr3, limits=without_rates(fr3)))):
        solutions = [fm.plan(problem).raise_for_status() for problem in pairs(robot, 200, 1)]
        ratios[what] = np.array([solution.duration / solution.lower_bound for solution in solutions])
        q = ratios[what]
        said = f"median {np.median(q):.4f}, p95 {np.quantile(q, 0.95):.4f}, worst {q.max():.4f}"
        print(f"\nFR3, {what}: 200 pairs, T over the bound: {said}")
    assert all(q.min() >= 1 - 1e-9 and np.median(q) <= 1.01 for q in ratios.values())


def without_rates(robot: fm.RobotModel) -> dict[str, fm.LimitSet]:
    limits = robot.limit_set()
    return {limits.name: replace(limits, effort_rate=np.full(robot.n_arm, np.inf))}


# -- the optimiser --------------------------------------------------------------------------------------------------------


def test_the_optimisers_rows_hold_everywhere_and_are_of_the_motion_that_is_run(fr3: fm.RobotModel) -> None:
    """Where the hull of every span is within, so is the motion."""
    for problem in pairs(fr3, 5, 5):
        optimiser, free, duration = straight_line(problem)
        transcription, point = optimiser.transcription, optimiser.evaluate(free, duration)
        assert point.flow.envelope is not None and transcription.envelope is not None
        use = transcription.envelope_shares(point.flow.envelope)
        assert use.max() <= 1 + 1e-7
        motion = transcription.polynomial(free, point.duration)
        t = np.linspace(0, point.duration, 5001)
        q, v = motion(t), motion.derivative()(t)
        assert transcription.envelope_shares((q, v)).max() <= use.max() + 1e-9
        again = optimiser.evaluate(free, point.duration)  # the motion that is run in another duration is the same one
        np.testing.assert_allclose(again.flow.envelope[1], point.flow.envelope[1], rtol=1e-8)


class Rows:
    """Takes the rows of one subproblem's speed envelope."""

    def __init__(self, optimiser: SqpProblem, here: Linearization) -> None:
        self.transcription, self.samples, self.here = optimiser.transcription, optimiser.samples, here
        self.slope, self.taken = self.transcription.points_slope(here.duration), []

    def add_of_joint(self, *row: Array) -> None:
        self.taken.append(row)

    def add_per_joint(self, *row: object) -> None:
        """Rows of other limits."""


@pytest.mark.parametrize("moving", [False, True])
def test_its_rows_are_differences(fr3: fm.RobotModel, moving: bool) -> None:
    (problem,) = pairs(fr3, 1, 5)
    if moving:
        problem = problem.with_(start=State(problem.start.q, np.linspace(-0.2, 0.3, 7), np.linspace(1.0, -1.0, 7)))
    optimiser, free, duration = straight_line(problem)
    transcription, point = optimiser.transcription, optimiser.evaluate(free, 1.7 * duration)
    rows = Rows(optimiser, optimiser.linearise(point, 0.1))
    add_joint_limits(rows)  # type: ignore[arg-type]
    rng, here, stretch, step = np.random.default_rng(0), optimiser.samples.places_and_speeds, 0.7, 1e-7
    for sign, (span, joint, coefficients, xi, value) in zip((1, -1), rows.taken, strict=True):
        change = rng.normal(size=point.free.shape)
        padded = np.pad(change, ((3, 3), (0, 0)))
        promised = (coefficients * padded[span[:, None] + np.arange(4), joint[:, None]]).sum(axis=1) + xi * stretch

        def use(by: float, sign: int = sign, change: Array = change) -> Array:
            free, longer = point.free + by * change, point.duration * (1 + by * stretch)
            points = transcription.points(free, longer)
            q, speed = here.moved(points), here.moved(points, 1) / point.duration
            limit = transcription.speed_range(q)[1 if sign > 0 else 0] * (1 + by * stretch)
            return (1 + sign * (speed - limit) / transcription.velocity).ravel()

        np.testing.assert_allclose(use(0.0), value, atol=1e-12)
        np.testing.assert_allclose((use(step) - use(-step)) / (2 * step), promised, rtol=1e-6, atol=1e-6)


def test_a_held_transfer_a_retimed_path_and_a_replan_keep_it(fr3: fm.RobotModel) -> None:
    held = pinched(fr3, block(0.5), 40.0, 0.5)
    limits, found = fr3.limit_set(), 0
    rng = np.random.default_rng(7)
    while not found:
        start, goal = rng.uniform(limits.position_min, limits.position_max, (2, 7))
        goal[1] = limits.position_max[1] - 0.1  # joint 2 ends where it may only be slow
        problem = TransferProblem("held", fr3, (held,), Scene(), State.rest(start), Goal(goal[None]), "fr3")
        found = end_is_usable(problem, 0.8)
    solution = fm.plan(problem).raise_for_status()
    assert solution.certificate.kinds["speed_envelope"].ok
    path = np.linspace(start, goal, 12)
    retimed = fm.retime(problem, path).raise_for_status()
    assert retimed.certificate.kinds["speed_envelope"].ok and retimed.duration >= solution.lower_bound
    moved = Goal(np.clip(goal + 0.05, limits.position_min, limits.position_max)[None])
    turned = replan(solution, 0.4 * solution.duration, goal=moved)
    assert turned.solution.ok and turned.solution.certificate.kinds["speed_envelope"].ok


def test_the_hand_stays_below_the_speed_at_which_the_arm_stops(fr3: fm.RobotModel) -> None:
    """The FR3's own limit on its hand, which binds where the arm is stretched; without it plans are faster there."""
    limits, seen = fr3.limit_set(), 0
    assert limits.others == {"hand_speed": 2.9}
    free = replace(fr3, limits={"fr3": replace(limits, others={})})
    for problem in pairs(fr3, 12, 1):
        solution, other = fm.plan(problem).raise_for_status(), fm.plan(problem.with_(robot=free)).raise_for_status()
        fastest = {id(one): hand_speed(one) for one in (solution, other)}
        assert solution.certificate.kinds["hand_speed"].ok and fastest[id(solution)] <= 2.9
        seen += fastest[id(other)] > 2.9
        if fastest[id(other)] > 2.95:
            assert not certify(problem, other.trajectory).kinds["hand_speed"].ok
            assert solution.duration > 0.999 * other.duration
    assert seen >= 2


def hand_speed(solution: fm.Solution) -> float:
    """The largest speed of tool and last link's frame by differences of their places [m/s]."""
    step, fastest = 3e-3, 0.0
    for of in ("tool", "fr3_link7", "fr3_link8"):
        places = np.array(
            [
                fm.pose_at(solution.problem, q, of).translation
                for q in solution.trajectory.position(np.arange(0, solution.duration, step))
            ]
        )
        fastest = max(fastest, float(np.linalg.norm(np.diff(places, axis=0), axis=1).max() / step))
    return fastest


def test_a_problem_without_one_has_nothing_to_limit(book_solution: fm.Solution) -> None:
    entry = book_solution.certificate.kinds["speed_envelope"]
    assert entry.ok and entry.proof == "no limit"


def test_an_envelope_may_be_given_for_some_joints_only() -> None:
    envelope = SpeedEnvelope(np.array([0.3, 0.0]), np.array([12.0, np.inf]), np.array([2.75, 0.0]), np.array([-2.75, 0.0]))
    envelope.check("limits", np.array([-2.7, -9.0]), np.array([2.7, 9.0]))
    low, high = envelope.range(np.zeros(2))
    assert np.isfinite(high[0]) and np.isinf(high[1]) and np.isinf(low[1])
    assert envelope.slopes(np.zeros(2))[1][1] == 0
