"""What lies between samples, and ways around: looking between samples, path searches, corners over flat faces."""

from itertools import pairwise

import coal
import numpy as np
import pytest
from generators import block, pinched, straight_line

import fastmove as fm
from fastmove.collision.checker import Collision
from fastmove.collision.face_contacts import CORNERS, MANIFOLD_BAND, MANIFOLD_OVERHANG, ContactManifolds
from fastmove.geometry.poses import pose
from fastmove.geometry.shapes import Shape
from fastmove.multibody.assembly import assemble
from fastmove.multibody.bounding_volumes import Bounding
from fastmove.optim.merit import SqpProblem
from fastmove.optim.samples import ConstraintGrid
from fastmove.optim.sqp import SqpRun
from fastmove.planner.context import PlanningContext
from fastmove.problem.goal import Goal, State
from fastmove.problem.scene import Obstacle, Scene
from fastmove.problem.transfer import TransferProblem
from fastmove.search.path_validity import EDGE_STEP, StateValidityChecker
from fastmove.search.rrt_connect import BESIDE_SHARE, _shortcut, connect, is_deformable_to

READY = np.array([0, -0.785, 0, -2.356, 0, 1.571, 0.785])
SWUNG = READY + 2.4 * np.eye(7)[0]


def optimiser_before(panda: fm.RobotModel, scene: Scene) -> tuple[SqpProblem, np.ndarray, float]:
    """Of a swing about the first joint with one sample a span, and its straight line."""
    problem = TransferProblem("swing", panda, (), scene, State.rest(READY), Goal([SWUNG]), "fer")
    return straight_line(problem, per_span=1)


def blade(panda: fm.RobotModel) -> tuple[Scene, float]:
    """A thin plate that the fingertips cross half-way between two samples of the swing, and s there."""
    optimiser, free, duration = optimiser_before(panda, Scene())
    s = optimiser.samples.clearance
    transcription = optimiser.transcription
    points = transcription.points(free, duration)
    k = int(np.argmax(np.diff((transcription.basis.design_matrix(s) @ points)[:, 0])))
    place = float(s[k] + s[k + 1]) / 2
    q = (transcription.basis.design_matrix([place]) @ points)[0]
    gripper = panda.gripper()
    arm = optimiser.collision.assembly.arm
    parent = arm.frames[arm.getFrameId(gripper.parent_frame)]
    frames = optimiser.collision.kinematics.frame(q[None], int(parent.parentJoint), parent.placement * gripper.parent_T_tool)
    ahead = np.array([[np.cos(0.15), -np.sin(0.15), 0], [np.sin(0.15), np.cos(0.15), 0], [0, 0, 1]])  # of the tool: a finger
    tip, turn = ahead @ frames[1][0], q[0] + 0.15
    shape = Shape("box", (0.03, 0.002, 0.02), placement=pose(tip, (0, 0, np.sin(turn / 2), np.cos(turn / 2))))
    return Scene((Obstacle("blade", shape),)), place


def test_a_blade_between_two_samples_is_found_and_gone_around(panda: fm.RobotModel) -> None:
    scene, place = blade(panda)
    optimiser, free, duration = optimiser_before(panda, scene)
    clear, _, _ = optimiser_before(panda, Scene())
    point = optimiser.evaluate(free, duration)
    assert (
        point.clearance_violation == clear.evaluate(free, duration).clearance_violation < 1e-3
    )  # at the samples the blade is not in the way
    found = optimiser.violations_between_samples(point)
    assert len(found) >= 1 and np.abs(found - place).min() < 0.02
    sqp_run = SqpRun.of(optimiser, free, duration)
    assert sqp_run.add_violated_samples() and not sqp_run.finished
    assert len(sqp_run.optimiser.samples.clearance) > len(optimiser.samples.clearance)
    moved = sqp_run.converge()
    q = optimiser.transcription.basis.design_matrix(np.linspace(0, 1, 2000)) @ optimiser.transcription.points(
        moved.free, moved.duration
    )
    assert optimiser.collision.query(q, optimiser.ends, 0.0).margin.min(initial=0.0) > -1e-3


def test_more_samples_are_those_that_were_asked_for(panda: fm.RobotModel) -> None:
    optimiser, _, _ = optimiser_before(panda, Scene())
    samples, more = optimiser.samples, np.array([0.111, 0.777])
    added = samples.added(np.zeros(0), more)
    whole = ConstraintGrid(
        samples.basis, samples.effort, np.union1d(samples.clearance, more), samples.rate, samples.near_speed_limit
    )
    for key in ("clearance", "b_clearance", "freedom", "hull0", "hull1", "b2_break", "b3_span"):
        np.testing.assert_array_equal(getattr(added, key), getattr(whole, key))
    assert len(samples.clearance) == len(added.clearance) - 2


def walled(panda: fm.RobotModel) -> TransferProblem:
    wall = Obstacle("wall", Shape("box", (0.6, 0.04, 0.5), placement=pose((0.45, 0.3, 0.25), (0, 0, 0, 1))))
    return TransferProblem("wall", panda, (), Scene((wall,)), State.rest(READY), Goal([SWUNG]), "fer")


@pytest.mark.parametrize("seed", range(3))
def test_searched_paths_join_the_ends_and_are_free_in_between(panda: fm.RobotModel, seed: int) -> None:
    problem = walled(panda)
    context = PlanningContext.of(problem)
    valid = StateValidityChecker(context.collision, context.dynamics, problem, context.collision.ends(READY, SWUNG))
    assert not valid.edge(READY, SWUNG)
    path = connect(valid, SWUNG, seed)
    assert path is not None and np.array_equal(path[0], READY) and np.array_equal(path[-1], SWUNG)
    for a, b in pairwise(path):
        q = np.linspace(a, b, 10 * int(np.ceil(np.linalg.norm(b - a) / EDGE_STEP)) + 1)
        assert context.collision.query(q, valid.ends, 0.0).margin.min(initial=0.0) > -EDGE_STEP / 2  # what half a step can add
    again = connect(StateValidityChecker(context.collision, context.dynamics, problem, valid.ends), SWUNG, seed)
    assert again is not None and again.tobytes() == path.tobytes()


def test_only_a_direct_search_takes_the_straight_line(panda: fm.RobotModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastmove.search.rrt_connect.SHORTCUTS", 0)
    problem = walled(panda).with_(scene=Scene())
    context = PlanningContext.of(problem)
    valid = StateValidityChecker(context.collision, context.dynamics, problem, context.collision.ends(READY, SWUNG))
    lifts = {q.tobytes() for q in (*valid.retreat_path(READY, "start"), *valid.retreat_path(SWUNG, "goal"))}
    direct, other = (connect(valid, SWUNG, 1, direct=direct) for direct in (True, False))
    assert direct is not None and {q.tobytes() for q in direct} == lifts
    assert other is not None and not {q.tobytes() for q in other} <= lifts


def test_shortcuts_keep_the_ends_and_never_lengthen_a_path(panda: fm.RobotModel) -> None:
    problem = walled(panda).with_(scene=Scene())
    context = PlanningContext.of(problem)
    valid = StateValidityChecker(context.collision, context.dynamics, problem, context.collision.ends(READY, SWUNG))
    rng = np.random.default_rng(5)
    path = np.concatenate([READY[None], READY + rng.uniform(-0.4, 0.4, (6, 7)), SWUNG[None]])
    short = _shortcut(path, valid, rng)
    length = lambda p: float(np.linalg.norm(np.diff(p, axis=0), axis=1).sum())  # noqa: E731
    assert np.array_equal(short[0], READY) and np.array_equal(short[-1], SWUNG)
    assert length(short) < 0.9 * length(path) and length(short) >= np.linalg.norm(SWUNG - READY) - 1e-12


class Disc(StateValidityChecker):
    """The plane without a disc of radius 0.1 around the origin."""

    def __init__(self) -> None:
        pass

    def __call__(self, q: np.ndarray) -> bool:
        return float(np.hypot(*q)) > 0.1


@pytest.mark.parametrize(("above", "below", "same"), [(0.3, 0.2, True), (0.3, -0.2, False), (0.15 + BESIDE_SHARE, 0.14, False)])
def test_paths_are_alike_on_one_side_of_what_is_in_the_way(above: float, below: float, same: bool) -> None:
    one, other = (np.array([[-1.0, 0.0], [0.0, y], [1.0, 0.0]]) for y in (above, below))
    assert is_deformable_to(one, other, Disc()) is same and is_deformable_to(other, one, Disc()) is same
    assert is_deformable_to(one, np.array([one[0], (one[0] + one[1]) / 2, *one[1:]]), Disc())  # the same line with a point more


def test_corners_over_a_face_are_those_found_one_by_one(panda: fm.RobotModel) -> None:
    """Against loops over contacts, bodies and corners, for a block held just above a table."""
    held = pinched(panda, block(0.5), 40.0, 0.5)
    table = Obstacle("table", Shape("box", (0.6, 0.6, 0.1), placement=pose((0.5, 0, 0.38), (0, 0, 0.1, 0.995))))
    problem = TransferProblem("over", panda, (held,), Scene((table,)), State.rest(READY), Goal([SWUNG]), "fer")
    assembly = assemble(problem)
    collision, bounding = Collision(problem, assembly), Bounding(assembly.bodies, Collision(problem, assembly).pairs)
    q = READY + np.random.default_rng(2).uniform(-0.2, 0.2, (8, 7))
    frames = collision.kinematics.placements(q)
    placed = bounding.place(frames.rotation, frames.origin)
    boxes = [k for k, b in enumerate(assembly.bodies) if isinstance(b.geometry, coal.Box)]
    pairs = [k for k, (i, j) in enumerate(collision.pairs) if i in boxes and j in boxes]
    rng = np.random.default_rng(3)
    sample, pair = np.repeat(np.arange(8), len(pairs)), np.tile(pairs, 8)
    count = len(sample)
    normal = rng.normal(size=(count, 3))
    normal /= np.linalg.norm(normal, axis=1)[:, None]
    distance, one = rng.uniform(-0.01, 0.05, count), rng.normal(size=(count, 3)) * 0.3
    two = one + distance[:, None] * normal
    got = ContactManifolds(assembly.bodies, bounding).manifolds(placed, sample, pair, distance, normal, one, two)
    wanted = []
    for row in range(count):
        i, j = collision.pairs[pair[row]]
        if distance[row] >= 0.03:
            continue
        for body, other, sign, own, across in ((i, j, 1, one[row], two[row]), (j, i, -1, two[row], one[row])):
            (turn, origin), (back, middle) = placed.frame(sample[row], body), placed.frame(sample[row], other)
            half = np.array(assembly.bodies[other].geometry.halfSide)
            for corner in CORNERS * np.array(assembly.bodies[body].geometry.halfSide):
                v = turn @ corner + origin
                gap = float((across - v) @ normal[row]) * sign
                landing = v + gap * sign * normal[row]
                over = np.all(np.abs(back.T @ (landing - middle)) <= half + MANIFOLD_OVERHANG)
                if over and gap < distance[row] + MANIFOLD_BAND and np.linalg.norm(v - own) > 1e-3:
                    wanted.append((sample[row], pair[row], gap, *(v if sign > 0 else landing)))
    assert len(got[0]) == count + len(wanted) and len(wanted) > 5
    found = np.column_stack([got[0], got[1], got[2], got[4]])[count:]
    np.testing.assert_allclose(found, np.array(wanted), atol=1e-12)
