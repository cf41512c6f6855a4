"""Clearances: kinematics, bounds, gradients, allowed contacts, the sweep."""

import coal
import numpy as np
import pinocchio as pin
import pytest
from generators import block, pinched
from situations import READY, cluttered, on_table, quaternion, random_q, straight_motion

import fastmove as fm
from fastmove.certificate.certify import certify
from fastmove.collision.broadphase import Broadphase
from fastmove.collision.checker import Collision
from fastmove.collision.query_types import StepReach
from fastmove.dynamics.kinematics import Kinematics
from fastmove.geometry.poses import pose
from fastmove.geometry.shapes import Shape
from fastmove.multibody.assembly import assemble
from fastmove.multibody.bounding_volumes import segment_distance
from fastmove.multibody.open_hand import OpenHandCheck
from fastmove.problem.goal import Goal, State
from fastmove.problem.scene import Obstacle, Scene
from fastmove.problem.transfer import TransferProblem


def test_kinematics_agree_with_pinocchio(panda: fm.RobotModel) -> None:
    problem = cluttered(panda).with_(robot=panda.at(pose((0.1, -0.2, 0.3), quaternion(np.random.default_rng(1)))))
    arm = assemble(problem).arm
    data, q = arm.createData(), random_q(panda, 40, 0)
    frames = Kinematics(arm).placements(q)
    for i in range(len(q)):
        pin.forwardKinematics(arm, data, q[i])
        for j in range(1, arm.njoints):
            np.testing.assert_allclose(frames.rotation[i, j], data.oMi[j].rotation, atol=1e-13)
            np.testing.assert_allclose(frames.origin[i, j], data.oMi[j].translation, atol=1e-13)


def test_bounds_never_exceed_distances(panda: fm.RobotModel) -> None:
    problem = cluttered(panda)
    collision = Collision(problem, assemble(problem))
    q = random_q(panda, 12, 3)
    frames = collision.kinematics.placements(q)
    placed = collision._bounding.place(frames.rotation, frames.origin)
    rows, pairs = (x.ravel() for x in np.indices((len(q), len(collision.pairs))))
    bound, tight = placed.bounds(rows, pairs), placed.tightened(rows, pairs)
    exact = np.array([collision.distance(int(p), placed, int(r)) for r, p in zip(rows, pairs, strict=True)])
    assert np.all((np.maximum(bound, tight) <= np.maximum(exact, 0.0) + 1e-9) | (exact < 0))
    for limit in (0.0, 0.1, 0.4):
        found = set(zip(*(x.tolist() for x in placed.near(np.full(len(q), limit), collision.required)), strict=True))
        close = exact < limit + collision.required[pairs]
        assert {(int(r), int(p)) for r, p in zip(rows[close], pairs[close], strict=True)} <= found


@pytest.mark.parametrize("seed", range(5))
def test_segment_distance_agrees_with_dense_points(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, two = rng.normal(size=(2, 30, 2, 3))
    s = np.linspace(0, 1, 101)[:, None]
    for k in range(30):
        a, b = (x[k, 0] + s * (x[k, 1] - x[k, 0]) for x in (one, two))
        dense = np.linalg.norm(a[:, None] - b[None], axis=2).min()
        exact = segment_distance(one[k : k + 1], two[k : k + 1])[0]
        assert exact <= dense + 1e-12 and dense - exact < 0.05


def test_clearance_gradients_match_central_differences(panda: fm.RobotModel) -> None:
    """To 1e-4 relative to the gradient, or to a lever of 0.25 m where it is smaller (coal's cylinders are no smoother:
    2e-5 m/rad in the worst direction); where the witness features switch within the difference the gradient does not exist: such
    contacts are recognised by one-sided differences that disagree, skipped, and counted."""
    problem = cluttered(panda)
    collision = Collision(problem, assemble(problem))
    q = random_q(panda, 60, 7)
    ends = collision.ends(q[0], q[1])
    found = collision.query(q, ends, 0.08, gradients=True)
    h, checked, skipped, worst, seen = 5e-5, 0, 0, 0.0, set()
    for c in range(len(found.pair)):
        sample, pair = int(found.sample[c]), int(found.pair[c])
        if (sample, pair) in seen:
            continue  # a corner of a face-to-face contact: the nearest points come first
        seen.add((sample, pair))

        def distance(moved: np.ndarray, pair: int = pair) -> float:
            frames = collision.kinematics.placements(moved[None])
            return collision.distance(pair, collision._bounding.place(frames.rotation, frames.origin), 0)

        here = distance(q[sample])
        if here < 1e-4 or abs(here - found.distance[c]) > 1e-9:
            continue  # overlapping, or a corner of a face-to-face contact
        steps = h * np.eye(7)
        ahead = np.array([distance(q[sample] + s) for s in steps])
        behind = np.array([distance(q[sample] - s) for s in steps])
        scale = max(float(np.abs(found.gradient[c]).max()), 0.25)
        if np.abs(ahead + behind - 2 * here).max() / h > 1e-3 * scale:
            skipped += 1
            continue
        worst = max(worst, float(np.abs((ahead - behind) / (2 * h) - found.gradient[c]).max() / scale))
        checked += 1
    assert checked > 200 and skipped < 0.1 * checked
    assert worst < 1e-4


def test_broadphase_agrees_with_distances(panda: fm.RobotModel) -> None:
    problem = cluttered(panda)
    assembly = assemble(problem)
    collision = Collision(problem, assembly)
    q = random_q(panda, 400, 11)
    free = np.array([Broadphase(assembly, collision).free(x) for x in q[:1]] + [False] * 399)
    broadphase = Broadphase(assembly, collision)
    free = np.array([broadphase.free(x) for x in q])
    found = collision.query(q, collision.ends(q[0], q[0]), 0.0)
    hit = np.zeros(len(q), dtype=bool)
    hit[found.sample[found.margin < 0]] = True
    assert np.array_equal(free, ~hit)
    assert 0.02 < free.mean() < 0.98


def test_lifting_off_passes_and_dragging_is_refused(panda: fm.RobotModel) -> None:
    up = on_table(panda, np.array([0.0, 0.0, 0.15]))
    assert certify(up, straight_motion(up)).kinds["allowed_contact"].ok
    drag = on_table(panda, np.array([0.0, 0.15, 0.0]))
    refused = certify(drag, straight_motion(drag)).kinds["allowed_contact"]
    assert not refused.ok and "table" in refused.where
    lifted = fm.plan(drag)  # the planner lifts instead
    assert lifted.ok
    model_top = lifted.certificate.kinds["allowed_contact"]
    assert model_top.ok


def test_without_the_allowance_the_start_is_in_collision(panda: fm.RobotModel) -> None:
    with pytest.raises(fm.StartInCollision, match="item and table"):
        fm.plan(on_table(panda, np.array([0.0, 0.0, 0.15]), allowed=False))


@pytest.mark.parametrize("seed", range(6))
def test_the_sweep_finds_what_a_ten_times_finer_grid_finds(panda: fm.RobotModel, seed: int) -> None:
    """On random straight motions through clutter: proven means free at 0.1 ms, and the least distances agree."""
    problem = cluttered(panda, seed)
    q = random_q(panda, 2, 100 + seed)
    problem = problem.with_(start=State.rest(q[0]), goal=Goal(q[1:]))
    trajectory = straight_motion(problem, 1.0)
    entry = certify(problem, trajectory, ("clearance",)).kinds["clearance"]
    collision = Collision(problem, assemble(problem))
    times = np.linspace(0, trajectory.duration, int(trajectory.duration / 1e-4))
    found = collision.query(trajectory.position(times), collision.ends(q[0], q[1]), 0.02)
    least = float(found.margin.min(initial=0.02))
    assert entry.ok == (least >= -1e-6)
    if entry.ok and least < 0.02:
        assert entry.margin <= least + 0.01 and entry.margin >= least - 1e-3


def test_every_moving_pair_is_checked_unless_declared(panda: fm.RobotModel) -> None:
    """All pairs of groups with relative motion are in the list; what is left out is adjacent by the URDF."""
    problem = cluttered(panda)
    assembly = assemble(problem)
    collision = Collision(problem, assembly)
    listed = {frozenset((collision.bodies[i].group, collision.bodies[j].group)) for i, j in collision.pairs}
    moving = {b.group: b.joint for b in assembly.bodies}
    for a, joint_a in moving.items():
        for b, joint_b in moving.items():
            if joint_a != joint_b and frozenset((a, b)) not in listed:
                assert panda.unchecked_pairs[frozenset((a, b))] == "adjacent"


def test_a_mesh_item_becomes_its_hull(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "tetra.obj"
    path.write_text("v 0 0 0\nv 0.1 0 0\nv 0 0.1 0\nv 0 0 0.1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n")
    shape = Shape("mesh", file=str(path))
    assert isinstance(shape.geometry(), coal.ConvexBase)
    assert shape.hull_points().shape == (4, 3)


def test_no_turn_of_the_joints_brings_bodies_together_faster_than_their_travel(panda: fm.RobotModel) -> None:
    problem = cluttered(panda)
    collision = Collision(problem, assemble(problem))
    rng, ends = np.random.default_rng(8), collision.ends(READY, READY + 0.5)
    q, moved = random_q(panda, 6, 4), []
    for turn in (0.01, 0.2):
        one, other = collision.query(q, ends, 9.0), collision.query(q + rng.choice((-turn, turn), q.shape), ends, 9.0)
        pairs = [{(s, p): d for s, p, d in zip(c.sample, c.pair, c.distance, strict=True)} for c in (one, other)]
        for key in pairs[0].keys() & pairs[1].keys():
            change, most = abs(pairs[0][key] - pairs[1][key]), turn * collision.travels[key[1]]
            assert change <= most + 1e-6
            moved.append(change / most)
    assert len(moved) > 2000 and max(moved) > 0.2  # the bound is one that is nearly needed now and then


def test_what_a_step_cannot_bring_near_is_left_out_and_nothing_else(panda: fm.RobotModel) -> None:
    problem = cluttered(panda)
    collision = Collision(problem, assemble(problem))
    ends, pad, reach = collision.ends(READY, READY + 0.5), 0.006, 0.08
    q = READY + np.random.default_rng(2).uniform(-0.4, 0.4, (30, 7))
    turn = np.linspace(0.0, 0.1, len(q))
    whole, part = collision.query(q, ends, reach, True), collision.query(q, ends, reach, True, StepReach(pad, turn))
    within = np.abs(whole.gradient).sum(axis=1) * turn[whole.sample]  # what a turn of every joint does, to first order
    needed = {(s, p) for s, p, near in zip(whole.sample, whole.pair, whole.margin - pad < within, strict=True) if near}
    kept = set(zip(part.sample, part.pair, strict=True))
    assert needed <= kept < set(zip(whole.sample, whole.pair, strict=True))
    far = collision.query(q, ends, 0.5, False, StepReach(0.4, turn))
    least = 0.4 + turn[:, None] * collision.travels
    whole = collision.query(q, ends, 0.5)
    close = whole.margin < np.minimum(0.5, least[whole.sample, whole.pair]) - 1e-9
    assert set(zip(whole.sample[close], whole.pair[close], strict=True)) <= set(zip(far.sample, far.pair, strict=True))
    assert np.ptp(collision.travels) > 1.0 and close.sum() > 500


@pytest.mark.parametrize("seed", range(4))
def test_the_opened_hand_is_as_far_as_the_nearest_of_all_pairs(panda: fm.RobotModel, seed: int) -> None:
    rng, q = np.random.default_rng(seed), np.array([0, -0.785, 0, -2.356, 0, 1.571, 0.785])
    middles = rng.uniform([-0.1, -0.5, -0.1], [0.9, 0.5, 0.9], (30, 3))
    boxes = [Obstacle(f"b{k}", Shape("box", rng.uniform(0.02, 0.2, 3), placement=pose(m))) for k, m in enumerate(middles)]
    problem = TransferProblem(
        "open", panda, (pinched(panda, block(0.3), 30.0, 0.5),), Scene(tuple(boxes)), State.rest(q), Goal([q]), "fer", 0.002
    )
    assembly = assemble(problem, problem.release_opening)
    data, found = assembly.arm.createData(), []
    pin.forwardKinematics(assembly.arm, data, q)
    for link in (b for b in assembly.bodies if b.group in panda.gripper().links):
        for body in (b for b in assembly.bodies if b.owner == "scene"):
            one, two = (
                coal.Transform3s(p.rotation, p.translation) for p in (data.oMi[link.joint] * link.placement, body.placement)
            )
            distance = coal.distance(link.geometry, one, body.geometry, two, coal.DistanceRequest(), coal.DistanceResult())
            found.append((distance - problem.clearance, f"{link.group} – {body.group}"))
    assert len(found) > 60 and OpenHandCheck(problem).margin(q) == min(found)
    assert OpenHandCheck(problem.with_(scene=Scene())).margin(q) == (np.inf, "")
