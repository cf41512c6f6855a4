"""The judge itself: what it may call held, where it looks, and that its collisions do not lie."""

from dataclasses import replace

import numpy as np
import pinocchio as pin
import pytest
from generators import block, hold_limited, pinched

import fastmove as fm
from fastmove.errors import GraspInvalid, InputError
from fastmove.execution.slip_test import Judgement, Verdict, judge, judge_batch, verdict_of, worst_of
from fastmove.problem.grasp import HeldItem, hold
from fastmove.problem.uncertainty import Uncertainty

pytest.importorskip("mujoco", reason="mujoco is not installed")
import mujoco

from fastmove.drivers.simulated import mujoco_model, mujoco_parts
from fastmove.drivers.simulated.displacement import farthest
from fastmove.drivers.simulated.settling import Settling
from fastmove.drivers.simulated.simulation import Simulation

READY = np.array([0, -0.785, 0, -2.356, 0, 1.571, 0.785])
GOOD = Settling(1e-5, 1e-4, 8, 8, 0.8, 0.001, 1e-6)


@pytest.fixture(scope="module")
def transfer() -> fm.Solution:
    return fm.plan(next(iter(hold_limited(1, 100)))).raise_for_status()


@pytest.fixture(scope="module")
def cup() -> tuple[fm.TransferProblem, fm.Trajectory]:
    """The open cup, lifted and set down again where it stands: no plan is needed to settle it."""
    problem = fm.load_problem(fm.problems_folder() / "open_cup.toml")
    there = problem.with_(goal=fm.Goal(np.array(problem.start.q)[None] + 1e-3), hold_active=False, scene=fm.Scene())
    return problem, fm.plan(there).raise_for_status().trajectory


def from_ready(held: HeldItem) -> fm.TransferProblem:
    """A Panda with this item, from one configuration to another nearby, in free space."""
    ends = fm.State.rest(READY), fm.Goal(READY[None] + 0.1)
    return fm.TransferProblem("from ready", fm.load_robot("panda"), (held,), fm.Scene(), *ends, "benchmark")


def planned(held: HeldItem) -> tuple[fm.TransferProblem, fm.Trajectory]:
    problem = from_ready(held)
    return problem, fm.plan(problem).raise_for_status().trajectory


# -- verdicts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "verdict"),
    [
        ((1e-5, 1e-4, 1e-4, 1e-4, 0.002, False), Verdict.HELD),
        ((0.21e-3, 1e-4, 1e-4, 1e-4, 0.002, False), Verdict.BORDERLINE),
        ((1e-5, np.radians(0.21), 1e-4, 1e-4, 0.002, False), Verdict.BORDERLINE),
        ((1e-5, 1e-4, 1e-4, 1.01e-3, 0.002, False), Verdict.BORDERLINE),  # half the clearance at the farthest point
        ((1e-5, 1e-4, 1e-4, 1.01e-3, 0.003, False), Verdict.HELD),
        ((1e-5, 1e-4, 1e-4, 1.01e-3, 0.0, False), Verdict.HELD),  # none was asked for
        ((1e-5, 1e-4, 1e-4, np.nan, 0.002, False), Verdict.NOT_TRACKABLE),
        ((1e-5, 1e-4, 1e-4, 1e-4, 0.002, True), Verdict.LOST_TOUCH),
        ((1.1e-3, 1e-4, 1e-4, 2e-3, 0.002, True), Verdict.SLIPPED),
        ((1e-5, np.radians(1.1), 1e-4, 1e-4, 0.002, False), Verdict.SLIPPED),
        ((1e-5, 1e-4, 6e-3, 1e-4, 0.002, False), Verdict.NOT_TRACKABLE),
        ((np.nan, 1e-4, 1e-4, 1e-4, 0.002, False), Verdict.NOT_TRACKABLE),
    ],
)
def test_thresholds(numbers: tuple[float, float, float, float, float, bool], verdict: Verdict) -> None:
    assert verdict_of(*numbers) is verdict


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"slip": 1.1e-4}, "moved 0.11 mm"),
        ({"turn": np.radians(0.11)}, "turned 0.11°"),
        ({"touching": 7}, "7 of 8"),
        ({"lightest": 0.29}, "0.29 of the mean"),
        ({"wrench_error": 0.021}, "other than its weight"),
        ({"creep": 7e-6}, "still turns"),
        ({"creep": float("nan")}, "still turns"),
    ],
)
def test_each_fault_of_settling_is_named(wrong: dict[str, float], words: str) -> None:
    assert GOOD.ok
    bad = replace(GOOD, **wrong)  # type: ignore[arg-type]
    assert not bad.ok and len(bad.faults) == 1 and words in bad.faults[0]


def judgement(verdict: Verdict, slip: float, contacts: int = 8, settling: Settling = GOOD) -> Judgement:
    return Judgement(verdict, slip, slip, slip, slip, settling, contacts, np.zeros(0), np.zeros((0, 6)))


def test_the_worst_rollout_counts() -> None:
    unsettled = judgement(Verdict.NOT_SETTLED, float("nan"), -1, replace(GOOD, touching=4))
    held, slipped = judgement(Verdict.HELD, 1e-5), judgement(Verdict.SLIPPED, 2e-3, 6)
    assert worst_of([held, held]).verdict is Verdict.HELD
    both = worst_of([held, slipped, held])
    assert both.verdict is Verdict.SLIPPED and both.slip == 2e-3 and both.contacts == 6 and len(both.verdicts) == 3
    assert "worst of 3 rollouts" in str(both)
    assert worst_of([unsettled, slipped]).verdict is Verdict.SLIPPED  # worse than what is not known
    none = worst_of([held, unsettled])
    assert none.verdict is Verdict.NOT_SETTLED and "4 of 8 pad points" in str(none) and none.slip == 1e-5
    assert worst_of([unsettled]).contacts == -1


def test_five_rollouts_differ_and_one_is_for_batches(transfer: fm.Solution) -> None:
    full = judge(transfer.problem, transfer.trajectory, measure=False)
    (single,) = judge_batch([(transfer.problem, transfer.trajectory)])
    assert full.verdicts == (Verdict.HELD,) * 5 and single.verdicts == (Verdict.HELD,)
    assert 0 < single.slip <= full.slip and "one rollout" in str(single)
    again = judge(transfer.problem, transfer.trajectory, measure=False)
    assert again.slip == full.slip and again.turn == full.turn
    for wrong in ({"rollouts": 0}, {"rollouts": 6}, {"time_constant": 1.9e-3}, {"time_constant": 0.1}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            judge(transfer.problem, transfer.trajectory, **wrong)  # type: ignore[arg-type]


def test_measured_and_unmeasured_rollouts_are_the_same(transfer: fm.Solution) -> None:
    one, other = (judge(transfer.problem, transfer.trajectory, measure=m, rollouts=1) for m in (True, False))
    assert one.contacts == other.contacts
    np.testing.assert_allclose((one.slip, one.turn, one.reach), (other.slip, other.turn, other.reach), rtol=1e-3)


# -- settling -----------------------------------------------------------------------------------------------------------


def test_a_cup_that_is_kicked_while_settling_is_not_settled(
    cup: tuple[fm.TransferProblem, fm.Trajectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, trajectory = cup
    assert judge(problem, trajectory, measure=False, rollouts=1).settling.ok
    carried = Simulation._carried
    for kick in ((0.3, 0.0, 0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 8.0, 0.0, 0.0)):

        def kicked(sim: Simulation, force: np.ndarray, steps: int, kick: tuple[float, ...] = kick) -> None:
            if not force.any():  # once, when the item is left to itself
                sim.data.qvel[sim.item_dofs] += kick
            carried(sim, force, steps)

        with monkeypatch.context() as patched:
            patched.setattr(Simulation, "_carried", kicked)
            said = judge(problem, trajectory, measure=False)
        assert said.verdict is Verdict.NOT_SETTLED and set(said.verdicts) == {Verdict.NOT_SETTLED}
        assert str(said).startswith("NOT SETTLED before the motion") and said.contacts == -1


def test_what_carries_the_weight_instead_of_the_pads_is_noticed(panda: fm.RobotModel) -> None:
    """The body that is truly in the hand counts, not the one that was planned for."""
    held = pinched(panda, block(0.5), 40.0, 0.5)
    problem = from_ready(held)
    sim = Simulation(problem, 40.0, READY[None])
    sim.settle(READY)
    assert sim.settled().ok
    sim.data.qfrc_applied[sim.item_dofs] = [0.0, 0.0, -0.1, 0.0, 0.0, 0.0]  # 2 % of the weight is 0.098 N
    sim.advance(200)
    assert any("other than its weight" in fault for fault in sim.settled().faults)


def test_a_load_along_the_closing_axis_lightens_a_pad_and_is_settled_all_the_same(panda: fm.RobotModel) -> None:
    """Gravity along the closing axis: one pad presses with F + mg/2, the other with F − mg/2, down to a fifth of the mean."""
    held = pinched(panda, block(0.5), 40.0, 0.5)
    problem = from_ready(held)
    sim = Simulation(problem, 40.0, READY[None])
    sim.place(READY)
    closing = sim.data.body("left").xmat.reshape(3, 3)[:, 1]
    for gravity, force in ((9.81 * closing, 3.1), (-9.81 * closing, 3.1), (np.zeros(3), 5.0), (problem.gravity, 40.0)):
        settling = Simulation(problem.with_(gravity=gravity), force, READY[None]).settle(READY)
        assert not any("presses with" in fault or "other than its weight" in fault for fault in settling.faults), settling


def test_an_interrupted_run_has_no_verdict(transfer: fm.Solution, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastmove.drivers.mujoco import MujocoDriver

    send = MujocoDriver.send

    def failing(driver: MujocoDriver, command: object) -> object:
        if driver.cycles == 5:
            raise RuntimeError("cable")
        return send(driver, command)  # type: ignore[arg-type]

    monkeypatch.setattr(MujocoDriver, "send", failing)
    outcome = fm.run_transfer(transfer)
    assert outcome.verdict is None and outcome.as_json()["verdict"] is None and not outcome.report.ok
    assert "no verdict" in str(outcome) and "HELD" not in str(outcome)


def test_a_body_that_is_heavier_than_believed_settles_on_its_support() -> None:
    problem = fm.load_problem(fm.problems_folder() / "heavy_jar.toml")
    held, q = problem.holds[0], np.array(problem.start.q)
    body = held.item.members[0]
    for factor in (0.8, 1.2):
        heavier = replace(body, mass=factor * body.mass, inertia=factor * np.array(body.inertia))
        truth = problem.with_(holds=(replace(held, item=replace(held.item, members=(heavier,))),))
        settling = Simulation(truth, float(held.grasp.grip_force[1]), q[None]).settle(q)
        assert settling.ok, (factor, settling)


def test_support_is_a_little_smaller_and_still_there(cup: tuple[fm.TransferProblem, fm.Trajectory]) -> None:
    problem, _ = cup
    model = Simulation(problem, 20.0, np.array(problem.start.q)[None]).model
    saucer, table = (problem.scene.obstacles[k] for k in (1, 0))
    np.testing.assert_allclose(
        model.geom("scene_saucer_start").size[:2], [saucer.shape.radius - 5e-5, saucer.shape.length / 2 - 5e-5]
    )
    np.testing.assert_allclose(model.geom("scene_table").size, table.shape.half_extents())
    assert model.npair == 4 * 1 + 3  # pads, and every obstacle


def test_a_hull_is_inset_by_the_gap_along_every_face() -> None:
    rng = np.random.default_rng(0)
    from scipy.spatial import ConvexHull

    points = rng.normal(size=(30, 3)) * [0.1, 0.05, 0.02]
    inner = mujoco_parts.inset(points, 5e-5)
    planes = ConvexHull(points).equations
    depth = -(planes[:, :3] @ inner.T + planes[:, 3:]).max(axis=1)
    np.testing.assert_allclose(depth, 5e-5, atol=1e-9)


# -- how far what moves ---------------------------------------------------------------------------------------------------


def test_the_farthest_point_of_a_turned_item() -> None:
    points, angle = np.array([[0.1, 0.0, -0.2], [0.0, 0.05, 0.0]]), 0.01
    pose = lambda t, a: np.array([*t, np.cos(a / 2), 0.0, np.sin(a / 2), 0.0])  # noqa: E731
    start, now = pose((0, 0, 0), 0.3), pose((1e-3, 0, 0), 0.3 + angle)
    turned = 2 * np.sin(angle / 2) * np.hypot(0.1, 0.2)
    still, moved = farthest(start, np.stack([start, pose((0, 0, 0), 0.3 + angle)]), points)
    assert still == pytest.approx(0.0, abs=1e-15) and moved == pytest.approx(turned, rel=1e-9)
    assert abs(farthest(start, now[None], points)[0] - turned) <= 1e-3 + 1e-12


# -- collisions -----------------------------------------------------------------------------------------------------------


def frustum(rng: np.random.Generator) -> np.ndarray:
    """(12, 3) corners of a six-sided body with flat ends."""
    turn = np.linspace(0, 2 * np.pi, 6, endpoint=False) + rng.uniform(0, 0.5, 6)
    ring = 0.04 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return np.concatenate([np.column_stack([ring * s, np.full(6, z)]) for s, z in ((1.0, -0.03), (0.8, 0.03))])


HALF = {"box": (0.04, 0.03, 0.02), "cylinder": (0.035, 0.045, 0.0), "capsule": (0.02, 0.03, 0.0)}


def lowest(kind: str, turn: np.ndarray, corners: np.ndarray) -> float:
    """z of the lowest point of a body turned so, its middle at 0."""
    z = turn[2]
    if kind == "box":
        return -float(np.abs(z) @ HALF["box"])
    if kind == "mesh":
        return float((corners @ z).min())
    radius, half = HALF[kind][:2]
    return -(half * abs(z[2]) + radius * (np.sqrt(max(1 - z[2] ** 2, 0.0)) if kind == "cylinder" else 1.0))


def false_depths(
    below: str, above: str, count: int, seed: int, options: dict[str, float], sizes: dict[str, tuple[float, ...]] = HALF
) -> list[float]:
    """Depths that are more than 0.1 mm off [m], against the lowest point's distance from the face below it: one body standing on
    another, within 20 µm of touching (mostly within one), tilted by up to 1e-5 rad (one in four by up to 1e-2)."""
    rng = np.random.default_rng(seed)
    corners = frustum(rng)
    spec = mujoco.MjSpec()
    for key, value in options.items():
        setattr(spec.option, key, value)
    spec.add_mesh(name="hull", uservert=corners.ravel())
    for name, kind, free in (("below", below, False), ("above", above, True)):
        body = spec.worldbody.add_body(name=name)
        if free:
            body.add_freejoint()
        geom = body.add_geom(
            name=name, type=getattr(mujoco.mjtGeom, f"mjGEOM_{kind.upper()}"), size=sizes.get(kind, (0, 0, 0)), mass=1.0
        )
        geom.contype = geom.conaffinity = 0
        if kind == "mesh":
            geom.meshname = "hull"
    spec.add_pair(geomname1="below", geomname2="above")
    model = spec.compile()
    data, top, wrong = mujoco.MjData(model), {"box": 0.02, "cylinder": 0.045, "mesh": 0.03}[below], []
    for k in range(count):
        axis = np.append(rng.normal(size=2), 0.0)
        tilt = (1e-2 if k % 4 == 0 else 1e-5) * rng.uniform()
        turn = pin.exp3(axis / np.linalg.norm(axis) * tilt) @ pin.exp3(np.array([0, 0, rng.uniform(0, 2 * np.pi)]))
        gap = rng.choice([-1, 1]) * 10 ** rng.uniform(-9, -4.7)
        x, y = rng.uniform(-0.005, 0.005, 2) if tilt > 1e-5 else rng.uniform(-0.03, 0.03, 2)
        data.qpos[:3] = x, y, top + gap - lowest(above, turn, corners)
        q = pin.Quaternion(turn).coeffs()
        data.qpos[3:] = q[3], q[0], q[1], q[2]
        mujoco.mj_fwdPosition(model, data)
        depth = max((-float(d) for d in data.contact.dist), default=0.0)
        if abs(depth - max(-gap, 0.0)) > 1e-4:
            wrong.append(depth)
    return wrong


PAIRS = [
    ("cylinder", "cylinder"),
    ("box", "cylinder"),
    ("box", "box"),
    ("cylinder", "capsule"),
    ("mesh", "cylinder"),
    ("mesh", "mesh"),
]


@pytest.mark.parametrize(("below", "above"), PAIRS, ids=lambda name: name)
def test_no_false_depth_at_grazing_contact(below: str, above: str) -> None:
    """10,000 poses a pair, 60,000 in all, at the judge's settings."""
    settings = {"ccd_tolerance": mujoco_model.CCD_TOLERANCE, "ccd_iterations": mujoco_model.CCD_ITERATIONS}
    assert false_depths(below, above, 10_000, 3, settings) == []


def test_a_false_depth_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a face that is not where it is said to be, every pose that touches it counts.  (MuJoCo's own settings, with which a
    cylinder on a cylinder is centimetres deep in one pose of ten thousand, are too rare a fault to test by.)"""
    sizes = dict(HALF)
    monkeypatch.setitem(HALF, "cylinder", (0.035, 0.0448, 0.0))
    assert len(false_depths("box", "cylinder", 200, 3, {}, sizes)) > 150


# -- pads that close on a turned item -----------------------------------------------------------------------------------------


def closed_on(held: HeldItem, turn: float, axis: np.ndarray, force: float) -> Settling:
    """How an item settles that is turned by this angle before the pads close."""
    problem = from_ready(held)
    sim = Simulation(problem, force, READY[None], friction=held.friction)
    place = sim.place

    def turned(q: np.ndarray) -> None:
        place(q)
        sim.data.qpos[sim.item][3:] = np.append(np.cos(turn / 2), np.sin(turn / 2) * axis)

    sim.place = turned  # type: ignore[method-assign]
    return sim.settle(READY)


def test_pads_turn_a_narrow_item_flat_and_a_wide_one_stays_wedged(panda: fm.RobotModel) -> None:
    """a against μ w: 9.5 mm against 3.6 mm and 30 mm."""
    narrow, wide = (pinched(panda, block(0.2, size=(0.06, w, 0.06)), 40.0, mu) for w, mu in ((0.012, 0.3), (0.06, 0.5)))
    assert np.isinf(narrow.closing_turn) and 0 < wide.closing_turn < np.radians(1.0)
    for axis in np.eye(3)[[0, 2]]:
        assert closed_on(narrow, np.radians(1.0), axis, 40.0).turn < np.radians(0.1)
        assert closed_on(wide, np.radians(0.3), axis, 40.0).turn > np.radians(0.1)


def test_a_turn_that_the_pads_do_not_even_out_is_refused(panda: fm.RobotModel) -> None:
    wide = pinched(panda, block(0.2, size=(0.06, 0.06, 0.06)), 10.0, 0.5)
    most = wide.closing_turn
    assert 0 < most <= np.radians(0.2)
    hold(wide.gripper, wide.item, wide.grasp, Uncertainty(turn=0.99 * most))
    for unsure in (Uncertainty(turn=1.01 * most), Uncertainty(turn=0.99 * most, grip_force=0.1)):
        with pytest.raises(InputError, match=r"turn_deg.*even out at most"):
            hold(wide.gripper, wide.item, wide.grasp, unsure)
    rigid = replace(wide.gripper, pad_stiffness=float("inf"))
    with pytest.raises(InputError, match=r"rigid pads \(or unknown"):
        hold(rigid, wide.item, wide.grasp, Uncertainty(turn=1e-4))
    tilted = replace(wide.grasp, tool_T_item=wide.grasp.tool_T_item * pin.SE3(pin.utils.rotate("z", 1.1 * most), np.zeros(3)))
    with pytest.raises(GraspInvalid, match=r"turned .*° from the pads; pads of 500000 N/m even out"):
        hold(wide.gripper, wide.item, tilted)
    assert "whose faces are turned" in fm.certify(*planned(hold(rigid, wide.item, tilted))).assumes[0]
    assert "closed flat on block; they even out at most" in fm.certify(*planned(wide)).assumes[0]
