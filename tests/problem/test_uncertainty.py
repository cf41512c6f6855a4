"""The set of items it might be: vertices that cover it, plans and certificates that hold for all of it."""

import pickle
from dataclasses import replace

import numpy as np
import pinocchio as pin
import pytest
from generators import block, held_however, hold_limited, pinched, uncertain_transfers

import fastmove as fm
from fastmove.certificate.certify import certify
from fastmove.collision.checker import Collision
from fastmove.dynamics.efforts import Dynamics
from fastmove.errors import GraspInvalid, InputError
from fastmove.multibody.assembly import assemble
from fastmove.problem.grasp import hold
from fastmove.problem.transfer import TransferProblem
from fastmove.problem.uncertainty import Uncertainty, affine_basis, sample_body, vertices

WIDE = Uncertainty(
    mass=0.2, com=np.array([0.02, 0.01, 0.03]), inertia=0.3, friction=0.2, grip_force=0.1, placement=0.002, turn=0.05
)


def uncertain(problem: TransferProblem, uncertainty: Uncertainty) -> TransferProblem:
    held = problem.holds[0]
    return problem.with_(holds=(held_however(held.gripper, held.item, held.grasp, uncertainty),))


def wrench_of(body: pin.Inertia, velocity: pin.Motion, acceleration: pin.Motion) -> np.ndarray:
    return np.array((body * acceleration + velocity.cross(body * velocity)).vector)


def test_exact_is_one_body_and_a_full_set_has_two_ends_and_three_points_an_axis() -> None:
    body = block(0.5).members[0]
    assert len(vertices(body, Uncertainty())) == 1
    assert len(vertices(body, Uncertainty(mass=0.1))) == 2
    assert len(vertices(body, Uncertainty(com=np.array([0.01, 0.0, 0.02])))) == 9
    assert len(vertices(body, WIDE)) == 2 * 2 * 27


def test_no_drawn_body_loads_any_convex_limit_more_than_the_worst_vertex() -> None:
    """Wrenches of bodies at random accelerations, and random norms of them: a convex function of the inertial parameters."""
    rng = np.random.default_rng(0)
    body = block(0.5, (0.06, 0.1, 0.2), com=(0.01, 0.0, 0.03)).members[0]
    corners = vertices(body, WIDE, 0.05)
    worst = 0.0
    for _ in range(40):
        velocity, acceleration = pin.Motion(rng.normal(0, 3, 6)), pin.Motion(rng.normal(0, 20, 6))
        shape = rng.normal(0, 1, (6, 6)) * rng.choice([0.0, 1.0], (6, 6))
        most = max(float(np.linalg.norm(shape @ wrench_of(corner, velocity, acceleration))) for corner in corners)
        for k in range(50):
            inside = sample_body(body, WIDE, rng, 0.05, edge=k % 2 == 0).spatial()
            inside = float(np.linalg.norm(shape @ wrench_of(inside, velocity, acceleration)))
            worst = max(worst, inside / most)
    assert 0.8 < worst <= 1 + 1e-9


def test_a_box_of_corners_alone_would_not_cover_it() -> None:
    """The third point of each axis is needed: turned about its middle, a body of the set resists less than all corners do."""
    body, wide = block(0.5).members[0], Uncertainty(com=np.array([0.03, 0.03, 0.03]))
    found = vertices(body, wide)
    turning, still = pin.Motion(np.array([0.0, 0.0, 0.0, 10.0, -20.0, 5.0])), pin.Motion.Zero()
    lack = [10.0 - float(turning.angular @ wrench_of(b, still, turning)[3:]) for b in (body.spatial(), *found)]
    corners = [value for value, b in zip(lack[1:], found, strict=True) if np.all(np.abs(b.lever - body.com) > 0.02)]
    assert len(corners) == 8 and lack[0] > max(corners) and lack[0] <= max(lack[1:])


def test_a_spanning_subset_reproduces_every_point() -> None:
    points = np.array([body.toDynamicParameters() for body in vertices(block(0.5).members[0], WIDE)])
    chosen, weights = affine_basis(points)
    assert len(chosen) <= 11 < len(points)
    assert np.abs(weights @ points[chosen] - points).max() < 1e-12
    assert np.allclose(weights.sum(axis=1), 1.0)


def test_combined_efforts_are_those_of_each_body_alone() -> None:
    problem = uncertain(next(hold_limited(1, 5)), WIDE)
    rng = np.random.default_rng(2)
    q, v, a = (rng.normal(0, s, (5, 7)) for s in (1.0, 1.0, 5.0))
    together = Dynamics(problem, assemble(problem)).linearised(q, v, a)
    held = problem.holds[0]
    for k in (0, 7, 55, 107):
        alone = problem.with_(holds=(_only(held, k),))
        one = Dynamics(alone, assemble(alone)).linearised(q, v, a)
        assert np.abs(together.efforts.total[:, k] - one.efforts.total[:, 0]).max() < 1e-9
        assert np.abs(together.dq[:, k] - one.dq[:, 0]).max() < 1e-8
        assert np.abs(Dynamics(problem, assemble(problem)).torques(q, v, a, k) - one.efforts.total[:, 0, :7]).max() < 1e-9


def _only(held, k):  # type: ignore[no-untyped-def]
    one = replace(held)
    one.__dict__["bodies"] = (held.bodies[k],)
    return one


def test_a_plan_over_the_set_holds_every_drawn_truth_and_a_larger_set_is_never_faster() -> None:
    problem = next(p for p in uncertain_transfers(8, 3) if p.name.startswith("r_mouse"))
    durations, rng = [], np.random.default_rng(0)
    for factor in (0.0, 0.5, 1.0):
        asked = uncertain(problem, problem.holds[0].uncertainty.scaled(factor))
        solution = fm.plan(asked).raise_for_status()
        durations.append(solution.duration)
        assert certify(asked, solution.trajectory).ok
        worst = max(1 - solution.certificate.kinds[kind].normalised for kind in ("hold", "pad_share"))
        for k in range(60):
            truth = asked.with_(holds=(asked.holds[0].sample(rng, edge=k % 2 == 0),))
            seen = certify(truth, solution.trajectory, ("hold", "pad_share"))
            assert max(1 - entry.normalised for entry in seen.kinds.values()) <= worst + 1e-9
    assert durations[0] <= durations[1] * (1 + 1e-3) and durations[1] <= durations[2] * (1 + 1e-3)
    assert durations[2] > 1.01 * durations[0]  # here the set costs something


def test_a_certificate_over_the_set_refuses_a_plan_for_the_believed_item() -> None:
    problem = next(p for p in uncertain_transfers(8, 3) if p.name.startswith("r_mouse"))
    believed = fm.plan(problem.nominal()).raise_for_status()
    certificate = certify(problem, believed.trajectory)
    assert not certificate.ok and not certificate.kinds["hold"].ok


def test_placement_and_obstacle_tolerance_widen_clearances() -> None:
    problem = fm.load_problem("problems/book_to_tote.toml")
    q = np.array(problem.start.q) + np.array([0.3, -0.3, 0.1, 0.0, 0.0, 0.0, 0.0])
    wide = uncertain(problem, Uncertainty(placement=0.002, turn=0.01, shape=0.004))
    wide = wide.with_(scene=replace(wide.scene, obstacle_uncertainty=0.003))
    spread = wide.holds[0].position_uncertainty
    assert spread == pytest.approx(
        uncertain(problem, Uncertainty(placement=0.002, turn=0.01)).holds[0].position_uncertainty + 0.004
    )
    assert spread > np.sqrt(3) * 0.002 + 0.004
    ends = [Collision(p, assemble(p)).ends(q, q + 0.1) for p in (problem, wide)]
    found = [Collision(p, assemble(p)).query(q[None], e, 1.0) for p, e in zip((problem, wide), ends, strict=True)]
    bodies, pairs = assemble(problem).bodies, Collision(problem, assemble(problem)).pairs
    for pair, one, two in zip(found[0].pair, found[0].required, found[1].required, strict=True):
        owners = {bodies[k].owner for k in pairs[pair]}
        wanted = (spread if "item" in owners else 0.0) + (0.003 if "scene" in owners else 0.0)
        assert two - one == pytest.approx(wanted, abs=1e-12)


def test_grip_that_may_be_higher_must_be_borne() -> None:
    robot = fm.load_robot("panda")
    held = pinched(robot, replace(block(0.3), max_pinch_force=33.0), 30.0, 0.5)
    with pytest.raises(GraspInvalid, match=r"goes up to 33\.3 N; the item bears 33 N"):
        hold(held.gripper, held.item, held.grasp, Uncertainty(grip_force=0.11))


def test_an_item_larger_than_believed_keeps_the_clearance_that_was_planned() -> None:
    """A box whose corners are 4 mm outside, against the set whose surface may be: never nearer than the set says."""
    problem = fm.load_problem("problems/book_to_tote.toml")
    held = problem.holds[0]
    grown = [replace(s, size=np.array(s.size) + 2 * 0.004 / np.sqrt(3)) for s in held.item.shapes]
    larger = problem.with_(holds=(replace(held, item=replace(held.item, shapes=tuple(grown))),))
    wide, rng = uncertain(problem, Uncertainty(shape=0.004)), np.random.default_rng(0)
    middle = (problem.start.q + problem.goal.configurations[0]) / 2
    q = middle + rng.uniform(-0.3, 0.3, (40, 7))
    least = []
    for p in (wide, larger):
        collision = Collision(p, assemble(p))
        found = collision.query(q, collision.ends(q[0], q[1]), 1.0)
        of_item = np.array([any(assemble(p).bodies[k].owner == "item" for k in collision.pairs[pair]) for pair in found.pair])
        least.append([found.margin[of_item & (found.sample == k)].min() for k in range(len(q))])
    assert np.all(np.array(least[0]) <= np.array(least[1]) + 1e-6) and np.min(np.abs(least)) < 0.1


@pytest.mark.parametrize(
    "wrong", [{"mass": 1.2}, {"com": np.array([0.1, -0.1, 0.0])}, {"placement": 1.0}, {"shape": -0.1}, {"turn": 2.0}]
)
def test_named_errors(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match="uncertainty"):
        Uncertainty(**wrong)  # type: ignore[arg-type]


def test_file_and_describe(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from fastmove.io.problem_file import load_problem
    from fastmove.problem.describe import describe

    text = (fm.problems_folder() / "book_to_tote.toml").read_text()
    given = "\n[uncertainty]\nmass = 0.1\ncom = [0.01, 0.0, 0.0]\nfriction = 0.2\ngrip_force = 0.05\nobstacles = 0.001\n"
    (tmp_path / "given.toml").write_text(text + given)
    (tmp_path / "unknown.toml").write_text(text + "\n[uncertainty]\nunknown = true\nmass = 0.05\n")
    problem, unknown = load_problem(tmp_path / "given.toml"), load_problem(tmp_path / "unknown.toml")
    plain = describe(problem)
    assert len(plain["item"]["members"]) == 6 and plain["obstacle_tolerance"] == 0.001
    assert plain["grasp"]["friction"] == pytest.approx(0.8 * problem.holds[0].grasp.friction)
    assert plain["grasp"]["sure_grip"] == pytest.approx(0.95)
    assert plain["grasp"]["lever_share"] == {"hold": 0.1, "pad_share": 0.4}
    assert unknown.holds[0].uncertainty.mass == 0.05 and np.all(unknown.holds[0].uncertainty.com > 0)
    nominal = problem.nominal()
    assert nominal.n_members == 1 and nominal.scene.obstacle_uncertainty == 0.0


def test_an_uncertain_item_goes_through_a_pickle() -> None:
    """Some vertices of its set have less inertia than any body, and pinocchio reads no such body; they are computed anew."""
    panda, facts = fm.load_robot("panda"), fm.item_facts("ycb_035")
    set_ = Uncertainty(mass=0.05, com=np.full(3, 0.02), friction=0.05)
    held = fm.hold(panda.gripper(), facts.item(), fm.Grasp(fm.pose([0.0, 0.0, 0.0]), 0.5, np.array([20.0, 40.0])), set_)
    assert min(np.linalg.eigvalsh(body.inertia)[0] for body in held.bodies) < 0
    again = pickle.loads(pickle.dumps(held))
    for one, other in zip(held.bodies, again.bodies, strict=True):
        np.testing.assert_array_equal(one.matrix(), other.matrix())
