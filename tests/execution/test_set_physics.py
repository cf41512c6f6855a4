"""The set and the hold against physics: truths drawn from it, the grip at which items slip, members inside it."""

import numpy as np
import pytest
from generators import hold_bound, random_loads, uncertain_transfers

import fastmove as fm
from fastmove.certificate.hold import _pad_share, _pinch_utilisation
from fastmove.certificate.hold import item_wrench as _item_wrench
from fastmove.certificate.time_grid import time_grid as _grid
from fastmove.certificate.torque import first_bodies as _first_bodies
from fastmove.contact.wrench_cone import ConeContact
from fastmove.dynamics.efforts import Dynamics
from fastmove.execution.slip_test import SLIPPED_SLIP, SLIPPED_TURN, Judgement, Verdict, judge, verdict_of
from fastmove.multibody.assembly import assemble
from fastmove.problem.transfer import TransferProblem

TRANSFERS = 200


LOST = (Verdict.SLIPPED, Verdict.NOT_TRACKABLE, Verdict.NOT_SETTLED)  # an item that swings in the hand takes the arm along


def item_verdict(judgement: Judgement, clearance: float) -> Verdict:
    """The verdict on the item alone: an arm that does not know the true payload is off by more than it may be."""
    if judgement.verdict is not Verdict.NOT_TRACKABLE:
        return judgement.verdict
    lost_touch = judgement.contacts < judgement.settling.points
    return verdict_of(judgement.slip, judgement.turn, 0.0, judgement.reach, clearance, lost_touch)


def truth_of(problem: TransferProblem, k: int, factor: float) -> TransferProblem:
    """What is really there: every second time a corner of the set with its least friction and grip."""
    rng = np.random.default_rng([1, k, int(10 * factor)])
    return problem.with_(holds=(problem.holds[0].sample(rng, factor, edge=k % 2 == 0),), hold_active=False)


def members_use(problem: TransferProblem, trajectory: fm.Trajectory, count: int, rng: np.random.Generator) -> float:
    """Largest utilisation, 1 = 0.9, of bodies drawn inside the set, by the certificate's own formulas."""
    assembly, grid, held = assemble(problem), _grid(trajectory, 2e-3), problem.holds[0]
    motion = _first_bodies(problem, assembly, grid, False)[1][0]
    worst = 0.0
    for _ in range(count):
        truth = held.sample(rng)
        wrench = _item_wrench(truth.bodies[0], assembly.hold_frames[0].joint_T_grasp, motion[0], motion[1])
        grip = np.full(len(grid.time), float(trajectory.phases[0].grip_force[0]) * truth.realised_grip_ratio)
        worst = max(worst, float(_pinch_utilisation(truth, wrench, grip).max()), float(_pad_share(truth, wrench, grip).max()))
    return worst / 0.9


def test_no_member_inside_the_set_is_worse_than_the_certificate_says() -> None:
    problem = next(uncertain_transfers(1, 5))
    solution = fm.plan(problem).raise_for_status()
    claimed = max(1 - solution.certificate.kinds[kind].normalised for kind in ("hold", "pad_share"))
    assert 0.3 * claimed < members_use(problem, solution.trajectory, 200, np.random.default_rng(0)) <= claimed + 1e-9


def test_a_plan_over_the_set_is_held_whatever_it_is() -> None:
    for k, problem in enumerate(uncertain_transfers(2, 3)):
        solution = fm.plan(problem).raise_for_status()
        for j in range(2):
            truth = truth_of(problem, 2 * k + j, 1.0)
            assert judge(problem, solution.trajectory, truth=truth, measure=False).verdict is Verdict.HELD


@pytest.mark.slow
def test_two_thousand_members_of_twenty_plans() -> None:
    for k, problem in enumerate(uncertain_transfers(20, 11)):
        solution = fm.plan(problem).raise_for_status()
        claimed = max(1 - solution.certificate.kinds[kind].normalised for kind in ("hold", "pad_share"))
        seen = members_use(problem, solution.trajectory, 2000, np.random.default_rng(k))
        print(f"{problem.name}: worst of 2,000 members {seen:.4f}, certificate {claimed:.4f} of the limit", flush=True)
        assert seen <= claimed + 1e-9


@pytest.mark.slow
def test_two_hundred_transfers_with_truths_from_the_set() -> None:
    counts: dict[str, int] = {}
    planners, certified, off = ("set", "nominal", "no hold"), 0, 0.0
    for k, problem in enumerate(uncertain_transfers(2 * TRANSFERS, 3)):
        plans = (fm.plan(problem), fm.plan(problem.nominal()), fm.plan(problem.with_(hold_active=False)))
        if not plans[0].ok:
            print(f"{k:3d} {problem.name:16s} not certified: {plans[0].detail}", flush=True)
            continue
        certified, row = certified + 1, []
        for factor in (1.0, 1.5, 2.0):
            truth = truth_of(problem, k, factor)
            for name, plan in zip(planners, plans, strict=True):
                said = judge(problem, plan.trajectory, truth=truth, measure=False, rollouts=1) if plan.ok else None
                # the arm does not know the true payload: how far it is off by that is reported, and no verdict on the item
                verdict = "none" if said is None else item_verdict(said, problem.clearance).name
                off = max(off, said.tracking) if said is not None and (name, factor) == ("set", 1.0) else off
                counts[f"{name} x{factor:g}: {verdict}"] = counts.get(f"{name} x{factor:g}: {verdict}", 0) + 1
                row.append(verdict[:4])
        print(f"{k:3d} {problem.name:16s} {[round(p.duration, 3) for p in plans]} {' '.join(row)}", flush=True)
        if certified == TRANSFERS:
            break
    print("\n".join(f"{key}: {counts[key]}" for key in sorted(counts)))
    print(f"largest joint error with the payload unknown, plans over the set: {off * 1e3:.2f} mrad")
    assert certified == TRANSFERS and counts.get("set x1: SLIPPED", 0) == 0 and counts["set x1: HELD"] >= 0.99 * TRANSFERS
    assert counts.get("no hold x1: SLIPPED", 0) >= 0.1 * TRANSFERS, "too easy a set"


def slip_grip(slips, high: float) -> float:  # type: ignore[no-untyped-def]
    """Grip force at which an item begins to slip, by bisection to 1 % [N]."""
    low = 0.5 * high
    while not slips(low) and low > 0.05 * high:
        low *= 0.7
    for _ in range(8):
        middle = (low + high) / 2
        low, high = (middle, high) if slips(middle) else (low, middle)
    return (low + high) / 2


def scores(contact: ConeContact, wrench: np.ndarray) -> dict[str, np.ndarray]:
    """Grip force at which each score of a contact is 1, for wrenches (N, 6): S, S and the lighter pad, all that plans keep."""
    score, share = contact.score(wrench, 1.0), [np.linalg.norm(wrench @ a.T, axis=1) + wrench @ b for a, b in contact.shares]
    return {
        "S alone": score,
        "max(S, V)": np.maximum(score, np.max(share[:2], axis=0)),
        "max(S, V, R)": np.maximum(score, np.max(share, axis=0)),
    }


@pytest.mark.slow
def test_calibration_of_the_slip_grip() -> None:
    """On the planner's own motions where the hold limits: their peaks last (a peak of 30 ms is over before 1 mm is slipped).

    F1 is the grip at which the peak of a score is 1, "shear" a peak that tangential force and torsion make up for over 90 %.
    S adds both pads' friction up; with V it also knows that the lighter pad may let go first.  Where torsion and tangential force
    decide, one of 90 slips at 1.006 times the grip that S and V ask for; by S, V and R, which plans keep, none above 0.985.
    """
    found: dict[str, dict[bool, list[float]]] = {}
    for k, (bound, _) in enumerate(hold_bound(90, 31)):
        problem = bound.nominal()
        plan = fm.plan(problem)
        if not plan.ok:
            continue
        contact, wrench = problem.holds[0].contact_model, plan.certificate.profile["wrench"]

        def slips(grip: float, problem=problem, plan=plan) -> bool:  # type: ignore[no-untyped-def]
            return (
                judge(problem, plan.trajectory, grip, step=5e-4, measure=False, rollouts=1).verdict in LOST
            )  # 1 ms may lose what is held

        firsts = {name: (float(use.max()), wrench[int(np.argmax(use))]) for name, use in scores(contact, wrench).items()}
        top = 1.1 * max(first for first, _ in firsts.values())
        grip = slip_grip(slips, top) if not slips(top) else np.inf
        for name, (first, at) in firsts.items():
            shear = bool(np.linalg.norm(contact.linear @ at) > 0.9 * first)
            found.setdefault(name, {True: [], False: []})[shear].append(grip / first)
            if name == "max(S, V)" and not (0.9 if shear else 0.6) <= grip / first <= 1.0:
                kind = "shear" if shear else "couples or one pad"
                print(f"outlier {k}: {kind}, slip grip / F1 = {grip / first:.3f}", flush=True)
    for name, ratios in found.items():
        for shear, kind, low in ((True, "torsion and tangential", 0.9), (False, "others", 0.6)):
            r = np.array(ratios[shear])
            print(
                f"F1 by {name}, {kind}: {len(r)} transfers, {r.min():.3f} to {r.max():.3f}, median {np.median(r):.3f}; "
                f"{np.mean((r >= low) & (r <= 1.0)):.0%} in [{low}, 1]"
            )
    shear, others = (np.array(found["max(S, V)"][kind]) for kind in (True, False))
    assert len(shear) + len(others) >= 60 and others.max() <= 1.0
    assert np.mean(shear >= 0.9) >= 0.85 and others.min() >= 0.6
    assert max(max(r) for r in found["max(S, V, R)"].values()) <= 1.0


@pytest.mark.slow
def test_a_static_rig_reported_apart() -> None:
    """Held still for 2 s: creep counts here, so a little more than F1 may be needed."""
    from fastmove.drivers.simulated.displacement import displacements
    from fastmove.drivers.simulated.playing import play
    from fastmove.drivers.simulated.simulation import Simulation

    ratios = []
    for problem in random_loads(12, 22):
        q = np.array(problem.start.q)
        dynamics = Dynamics(problem, assemble(problem))
        wrench = dynamics.static(q[None])[0, 0, 7:]
        first = float(problem.holds[0].contact_model.utilisation(wrench, 1.0))
        torque = dynamics.torques(q[None], np.zeros((1, 7)), np.zeros((1, 7)))
        rows = [np.repeat(x, 2000, axis=0) for x in (q[None], np.zeros((1, 7)), torque)]

        def slips(grip: float, problem=problem, q=q, torque=torque, rows=rows) -> bool:  # type: ignore[no-untyped-def]
            simulation = Simulation(problem, grip, q[None])
            simulation.settle(q)
            reference = simulation.item_pose()
            played = play(simulation, rows[0], rows[1], rows[2], False)
            slip, turn = (float(x.max()) for x in displacements(reference, played.items))
            return not (slip <= SLIPPED_SLIP and turn <= SLIPPED_TURN)

        ratios.append(slip_grip(slips, 1.2 * first) / first)
    print(f"static, 2 s: slip grip / F1 {min(ratios):.3f} to {max(ratios):.3f}, median {np.median(ratios):.3f} on {len(ratios)}")
    assert max(ratios) <= 1.06
