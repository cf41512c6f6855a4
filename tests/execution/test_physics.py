"""Physics as judge: plans are held, their negatives are not, and each trap of the model stays closed."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from generators import dominance, hold_limited, random_loads

import fastmove as fm
from fastmove.certificate.certificate import Certificate, LimitMargin
from fastmove.execution.slip_test import Judgement, Verdict, judge, judge_batch
from fastmove.problem.min_grip import min_grip

pytest.importorskip("mujoco", reason="mujoco is not installed")
from fastmove.drivers.mujoco import MujocoDriver
from fastmove.drivers.simulated.simulation import Simulation


@pytest.fixture(scope="module")
def transfers() -> list[fm.Solution]:
    return [fm.plan(problem).raise_for_status() for problem in hold_limited(12, 100)]


def wrench_gap(solution: fm.Solution, judgement: Judgement) -> np.ndarray:
    """Measured minus planned contact force over the grip force, every step."""
    profile = solution.certificate.profile
    planned = np.stack([np.interp(judgement.time, profile["time"], profile["wrench"][:, k]) for k in range(3)], axis=1)
    return np.linalg.norm(judgement.wrench[:, :3] - planned, axis=1) / solution.grip_force[0]


def test_certified_transfers_are_held_and_their_wrench_is_the_planners(transfers: list[fm.Solution]) -> None:
    gaps = []
    for solution in transfers:
        judgement = judge(solution.problem, solution.trajectory)
        assert judgement.verdict is Verdict.HELD, (solution.problem.name, judgement)
        gaps.append(wrench_gap(solution, judgement))
    every = np.concatenate(gaps)
    assert np.median(every) <= 0.01 and every.max() <= 0.05


def test_the_simulated_arm_follows_as_its_driver_says(transfers: list[fm.Solution]) -> None:
    solution = transfers[0]
    with MujocoDriver(solution.problem) as driver:
        report = fm.Execution(driver, solution).run()
        assert report.ok and 0.05e-3 < report.tracking <= driver.following.errors(7).min()
    assert MujocoDriver(solution.problem, cycle=4e-3).following is None  # Measured at 1 ms only.


def test_a_light_pad_that_cannot_carry_its_share_rattles(monkeypatch: pytest.MonkeyPatch) -> None:
    """5 N, load along the closing axis: S ≤ 0.9 everywhere, yet the exact share of load needs 0.95 of the grip: pad points slide,
    lift and hit.  With the pads' share in the plan nothing does."""
    problem = next(islice(random_loads(48, 2), 47, None))
    held = problem.holds[0]
    blind = replace(held, contact_model=replace(held.contact_model, shares=()))
    solution = fm.plan(problem)
    with monkeypatch.context() as unjudged:
        unjudged.setattr(
            "fastmove.planner.repair.certify", lambda *_: Certificate({"start": LimitMargin(1.0, "", 1.0, 0.0, "", "exact")})
        )
        trajectory = fm.plan(problem.with_(holds=(blind,))).trajectory
    believed = replace(solution, trajectory=trajectory, certificate=fm.certify(problem, trajectory))
    assert {k for k, e in believed.certificate.kinds.items() if not e.ok} == {"pad_share"}
    needed = [min_grip(held, s.certificate.profile["wrench"][::10]).max() / s.grip_force[0] for s in (believed, solution)]
    gaps = [wrench_gap(s, judge(problem, s.trajectory)).max() for s in (believed, solution)]
    assert solution.ok and needed[0] > 0.92 and needed[1] <= 0.91
    assert gaps[0] > 0.3 and gaps[1] < 0.05


def test_a_much_weaker_grip_holds_nothing(transfers: list[fm.Solution]) -> None:
    """F1 = the grip at which the peak S is 1; at 0.6 F1 nothing is held (what 0.8 of a plan's grip does `make riding` prints)."""
    for solution in transfers:
        peak = 0.9 * float(solution.certificate.profile["hold"].max())
        verdict = judge(solution.problem, solution.trajectory, grip_force=0.6 * peak * solution.grip_force[0], rollouts=1).verdict
        assert verdict is not Verdict.HELD, solution.problem.name


def test_verdicts_do_not_depend_on_the_time_step(transfers: list[fm.Solution]) -> None:
    for solution in transfers[:4]:
        verdicts = {judge(solution.problem, solution.trajectory, step=step).verdict for step in (5e-4, 1e-3, 2e-3)}
        assert verdicts == {Verdict.HELD}


def test_plans_without_the_hold_are_not_held(transfers: list[fm.Solution]) -> None:
    dropped = 0
    for solution in transfers:
        free = fm.plan(solution.problem.with_(hold_active=False))
        if 0.9 * float(free.certificate.profile["hold"].max()) > 1.3:
            verdict = judge(solution.problem, free.trajectory).verdict
            assert verdict is not Verdict.HELD
            dropped += 1
    assert dropped >= 3


def test_the_book_is_held_and_placed() -> None:
    """As the command line does it, in a process of its own."""
    command = [sys.executable, "-m", "fastmove", "run", str(fm.problems_folder() / "book_to_tote.toml"), "--json"]
    said = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert said["verdict"] == "HELD" and said["event"] == "done" and said["settled"] is True
    assert said["rollouts"] == 6 and said["pad_points"] == [8, 8]  # what was streamed, and five of the judge's
    assert said["farthest_mm"] <= 1.0 and said["placed_mm"] < 5.0 and said["placed_deg"] < 3.0


def test_stopping_in_the_middle_keeps_the_item(transfers: list[fm.Solution]) -> None:
    from fastmove.execution.stream import Execution

    solution = transfers[2]
    along = solution.trajectory.position(np.linspace(0, solution.duration, 10))
    with MujocoDriver(solution.problem, along=along) as driver:
        assert Execution(driver, solution).run(cycles=int(0.4 * solution.duration / driver.cycle)).ok
        driver.stop()
        reading = driver.read()
        assert np.abs(reading.v).max() < 0.02 and reading.gripping


def simulation(transfers: list[fm.Solution]) -> Simulation:
    solution = transfers[0]
    return Simulation(solution.problem, 30.0, np.array(solution.problem.start.q)[None])


def test_trap_the_item_is_a_child_of_the_hand(transfers: list[fm.Solution]) -> None:
    import mujoco

    model = simulation(transfers).model
    item = model.body("item").id
    assert model.body_parentid[item] != 0
    kinds = [int(model.jnt_type[k]) for k in range(model.njnt) if model.jnt_bodyid[k] == item]
    assert kinds == [mujoco.mjtJoint.mjJNT_SLIDE] * 3 + [mujoco.mjtJoint.mjJNT_BALL]


def test_trap_damping_is_explicit_contacts_hard_and_tolerance_tight(transfers: list[fm.Solution]) -> None:
    import mujoco

    option = simulation(transfers).model.opt
    assert option.integrator == mujoco.mjtIntegrator.mjINT_EULER
    assert option.disableflags & mujoco.mjtDisableBit.mjDSBL_EULERDAMP
    assert option.cone == mujoco.mjtCone.mjCONE_ELLIPTIC and option.impratio == 100 and option.tolerance <= 1e-12


def test_trap_pads_are_points_at_the_mean_radius(transfers: list[fm.Solution]) -> None:
    import mujoco

    held = transfers[0].problem.holds[0]
    model = simulation(transfers).model
    for name, patch in (("left", held.patches[0]), ("right", held.patches[1])):
        pads = [k for k in range(model.ngeom) if model.geom(k).name.startswith(f"pad_{name}")]
        assert len(pads) == 4 and all(model.geom_type[k] == mujoco.mjtGeom.mjGEOM_SPHERE for k in pads)
        radii = np.linalg.norm(model.geom_pos[pads][:, [0, 2]], axis=1)
        np.testing.assert_allclose(radii, patch.c, rtol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(patch.points() - patch.center, axis=1), patch.c, rtol=1e-9)


def settled(solution: fm.Solution, force: float) -> Simulation:
    """The item gripped and at rest, without gravity, arm at the start."""
    q = np.array(solution.problem.start.q)
    sim = Simulation(solution.problem, force, q[None])
    sim.model.opt.gravity[:] = 0.0
    sim.settle(q)
    return sim


def pushed(sim: Simulation, q: np.ndarray, axis: int, load: float, steps: int) -> np.ndarray:
    """Where the item goes under this load along a grasp axis [N]: displacement (3,) [m]."""
    before = sim.item_pose()
    for _ in range(steps):
        sim.data.qfrc_applied[sim.item_dofs.start + axis] = load
        sim.command(q, np.zeros(7), np.zeros(7))
        sim.advance()
    return (sim.item_pose() - before)[:3]


def test_trap_fingers_are_coupled(transfers: list[fm.Solution]) -> None:
    """A load along the closing axis just below 2 F is carried; uncoupled fingers would carry nothing."""
    assert simulation(transfers).model.neq == 1
    solution = transfers[0]
    moved = pushed(settled(solution, 30.0), np.array(solution.problem.start.q), 1, 1.5 * 30.0, 300)
    assert abs(moved[1]) < 0.2e-3


def test_static_friction_limit_is_coulombs(transfers: list[fm.Solution]) -> None:
    """Tangential load on the settled item: held at 0.95 of 2 μ F, lost at 1.1."""
    solution = transfers[2]  # centred item
    mu, force = solution.problem.holds[0].grasp.friction, 20.0
    for share, held in ((0.95, True), (1.1, False)):
        q = np.array(solution.problem.start.q)
        moved = float(np.linalg.norm(pushed(settled(solution, force), q, 2, share * 2 * mu * force, 500)))
        assert (moved < 0.2e-3) is held, (share, moved)


# an item that swings in the hand takes the arm along; one that slides at rest already never settles
LOST = {Verdict.SLIPPED, Verdict.NOT_TRACKABLE, Verdict.NOT_SETTLED}


# -- the large sets -------------------------------------------------------------------------------------------------------


def first_grip(solution: fm.Solution) -> float:
    """F1: the grip at which the peak of all that a plan keeps (S, V and R) is 1 [N]."""
    profile = solution.certificate.profile
    return float(solution.grip_force[0] * 0.9 * max(profile["hold"].max(), profile["pad_share"].max()))


@pytest.fixture(scope="module")
def dominated() -> list[fm.Solution]:
    """A hundred certified transfers whose peak S is decided by torsion and tangential force."""
    found = []
    for problem in random_loads(200, 1, dominated=True):
        solution = fm.plan(problem)
        if solution.ok and dominance(solution) >= 0.95:
            found.append(solution)
        if len(found) == 100:
            return found
    raise AssertionError(f"only {len(found)} transfers are dominated by torsion")


@pytest.mark.slow
def test_contact_wrench_on_a_hundred_random_transfers() -> None:
    """All held, and nowhere does the contact force leave the planner's by more than 5 % of the grip."""
    gaps, held, margins, contacts = [], 0, [], []
    for problem in random_loads(100, 2):
        solution = fm.plan(problem).raise_for_status()
        judgement = judge(problem, solution.trajectory)
        held += judgement.verdict is Verdict.HELD
        gaps.append(wrench_gap(solution, judgement))
        margins.append(judgement.margin)
        contacts.append(judgement.contacts)
    every = np.concatenate(gaps)
    print(
        f"\n{held} of 100 held; contact force, measured − planned over grip: median {np.median(every):.3%}, "
        f"worst {every.max():.2%}; "
        f"least measured margin {min(margins):.4f}; fewest pad points in touch {min(contacts)}"
    )
    assert held == 100 and np.median(every) <= 0.01 and every.max() <= 0.05


@pytest.mark.slow
def test_negative_control_on_a_hundred_dominated_transfers(dominated: list[fm.Solution]) -> None:
    """At F1 no margin is left, and the pads' exact limit surface is up to 8 % inside S and R (`contact.pinch`): one that rides
    its limit for 0.27 s turns by 1.4° there, and by 0.01° at 1.05 F1.  Plans keep 1.11 F1."""
    slipped, at_limit, above = 0, [], []
    for solution in dominated:
        problem, trajectory, first = solution.problem, solution.trajectory, first_grip(solution)
        slipped += judge(problem, trajectory, grip_force=0.8 * first, measure=False, rollouts=1).verdict in LOST
        at_limit.append(judge(problem, trajectory, grip_force=first, measure=False, rollouts=1))
        above.append(judge(problem, trajectory, grip_force=1.08 * first, measure=False, rollouts=1))
    lost = [j for j in at_limit if j.verdict is Verdict.SLIPPED]
    print(f"\nat 0.8 F1 {slipped} of 100 slip or fall; at F1 {len(lost)}: {[(j.slip * 1e3, np.degrees(j.turn)) for j in lost]}")
    assert slipped >= 90 and len(lost) <= 2
    assert all(j.verdict is Verdict.HELD for j in above)


@pytest.mark.slow
def test_verdicts_at_three_steps_on_fifty_cases(dominated: list[fm.Solution]) -> None:
    """Half at the plan's grip, half at 0.7 of the grip that the peak needs; slipping and falling count as one."""
    same = 0
    for k, solution in enumerate(dominated[:50]):
        grip = None if k % 2 == 0 else 0.7 * first_grip(solution)
        verdicts = {
            judge(solution.problem, solution.trajectory, grip, step=s, measure=False, rollouts=1).verdict
            for s in (5e-4, 1e-3, 2e-3)
        }
        same += len(verdicts) == 1 or verdicts <= LOST
    print(f"\nsame verdict at 0.5, 1 and 2 ms: {same} of 50")
    assert same == 50


@pytest.mark.slow
def test_batch_judging_rate(dominated: list[fm.Solution]) -> None:
    begin = time.process_time()
    verdicts = judge_batch([(s.problem, s.trajectory) for s in dominated])
    rate = 60 * len(verdicts) / (time.process_time() - begin)
    print(f"\n{rate:.0f} transfers a minute on one core (mean {np.mean([s.duration for s in dominated]):.2f} s each)")
    assert all(v.verdict is Verdict.HELD for v in verdicts) and rate >= 400


@pytest.mark.slow
def test_all_shipped_problems_are_held_and_those_that_need_the_hold_are_not_without_it() -> None:
    print()
    for path in sorted((Path(__file__).parents[2] / "problems").glob("*.toml")):
        if path.stem == "items":
            continue
        problem = fm.load_problem(path)
        solution = fm.plan(problem).raise_for_status()
        verdicts = {judge(problem, solution.trajectory, member=k).verdict for k in range(problem.n_members)}
        free = fm.plan(problem.with_(hold_active=False))
        peak = 0.9 * float(free.certificate.profile["hold"].max()) if free.ok else float("nan")
        without = judge(problem, free.trajectory).verdict if free.ok else None
        print(f"{path.stem:20s} {'/'.join(v.name for v in verdicts)}; without hold peak S {peak:.2f}: {without and without.name}")
        assert verdicts == {Verdict.HELD}, path.stem
        if peak > 1.1:
            assert without is not Verdict.HELD, path.stem
