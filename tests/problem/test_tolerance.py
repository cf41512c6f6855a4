"""What an item tolerates: tilt, leaning, shock, turning between the pads."""

from dataclasses import replace

import numpy as np
import pinocchio as pin
import pytest
from generators import block, pinched

import fastmove as fm
from fastmove.bench.planners import slowdown
from fastmove.certificate.certify import certify
from fastmove.errors import InputError
from fastmove.multibody.assembly import assemble
from fastmove.problem.goal import Goal, State
from fastmove.problem.grasp import hold
from fastmove.problem.tolerance import Tolerance, ToleranceModel
from fastmove.problem.transfer import TransferProblem

START = np.array([-0.6, 0.2, 0.0, -2.0, 0.0, 2.2, 0.785])
GOAL = np.array([0.8, 0.5, 0.1, -1.6, 0.0, 2.1, 0.785])
DOWN = np.array([0.0, 0.0, -1.0])  # the item's axes are the tool's, which points down: its top is towards the hand


def carrying(tolerance: Tolerance) -> TransferProblem:
    held = pinched(fm.load_robot("panda"), replace(block(0.3, com=(0.0, 0.0, 0.02)), tolerates=tolerance), 30.0, 0.5)
    return TransferProblem("free", fm.load_robot("panda"), (held,), fm.Scene(), State.rest(START), Goal(GOAL[None]), "fer")


def test_uses_are_angles_and_specific_forces() -> None:
    rng = np.random.default_rng(0)
    up = np.array([0.0, 0.6, 0.8])
    care = ToleranceModel(Tolerance(tilt=0.3, upright=0.2, shock=20.0), up, np.array([0.5, 0.7]))
    for _ in range(50):
        axis = np.cross(up, rng.normal(0, 1, 3))
        angle, size = rng.uniform(0.05, 1.2), rng.uniform(5.0, 40.0)
        force = pin.exp3(axis / np.linalg.norm(axis) * angle) @ up * size
        wrench = np.concatenate([force, rng.normal(0, 1, 3)])[None, None].repeat(2, axis=1)
        assert care.utilisation(wrench, at_rest=True)[0] == pytest.approx([angle / 0.2] * 2, rel=1e-9)
        wanted = [max(angle / 0.3, size / (mass * 20.0)) for mass in (0.5, 0.7)]
        assert care.utilisation(wrench, at_rest=False)[0] == pytest.approx(wanted, rel=1e-9)


def test_cones_say_the_same_as_uses() -> None:
    rng = np.random.default_rng(1)
    care = ToleranceModel(Tolerance(tilt=0.4, upright=0.25, shock=15.0), np.array([0.6, 0.0, -0.8]), np.array([0.5, 0.7]))
    inside = 0
    for _ in range(400):
        wrench = rng.normal(0, 1, 6) * 2 + np.concatenate([care.up * 5, np.zeros(3)])
        for member in (0, 1):
            for at_rest in (False, True):
                share = 0.9
                cones = care.cones(member, at_rest, share)
                satisfied = all(np.linalg.norm(c.slope @ wrench) + c.offset @ wrench <= c.limit for c in cones)
                use = care.utilisation(wrench[None, None].repeat(2, axis=1), at_rest)[0, member]
                assert satisfied == (use <= share)
                inside += satisfied
    assert 100 < inside < 1500


@pytest.mark.parametrize(
    ("tolerance", "kind"),
    [
        (Tolerance(tilt=np.radians(15), up=DOWN), "tilt"),
        (Tolerance(upright=np.radians(15), up=DOWN), "upright"),
        (Tolerance(shock=11.5, up=DOWN), "shock"),
        (Tolerance(swing=0.2, up=DOWN), "swing"),
    ],
)
def test_a_plan_keeps_what_the_item_tolerates_and_a_plan_without_does_not(tolerance: Tolerance, kind: str) -> None:
    free = fm.plan(carrying(Tolerance())).raise_for_status()
    careful = fm.plan(carrying(tolerance)).raise_for_status()
    assert careful.certificate.kinds[kind].margin >= 0
    assert free.duration <= careful.duration * 1.002
    refused = not certify(carrying(tolerance), free.trajectory).kinds[kind].ok
    assert refused or kind in ("upright", "swing")  # these two may be kept by chance


def test_the_certificate_measures_angles_by_itself() -> None:
    """Against angles from poses and accelerations by differences."""
    problem = carrying(Tolerance(tilt=np.radians(30), upright=np.radians(30), up=DOWN))
    solution = fm.plan(problem).raise_for_status()
    certificate, held = solution.certificate, problem.holds[0]
    assembly = assemble(problem)
    frame, data = assembly.hold_frames[0], assembly.arm.createData()
    lever = held.bodies[0].lever

    def where(t: float) -> tuple[np.ndarray, np.ndarray]:
        pin.forwardKinematics(assembly.arm, data, solution.trajectory.position(np.array([t]))[0])
        placed = data.oMi[frame.joint] * frame.joint_T_grasp
        return placed.act(lever), placed.rotation @ held.tolerance.up

    for t in np.linspace(0.1, 0.9, 9) * solution.duration:
        h = 1e-4
        (before, _), (now, up), (after, _) = where(t - h), where(t), where(t + h)
        force = (after - 2 * now + before) / h**2 + [0, 0, 9.81]
        tilt = np.arccos(force @ up / np.linalg.norm(force)) / np.radians(30)
        near = int(np.argmin(np.abs(certificate.profile["time"] - t)))
        close = abs(certificate.profile["time"][near] - t) < 6e-4
        assert close and certificate.profile["tilt"][near] == pytest.approx(tilt, abs=0.03)
        assert certificate.profile["upright"][near] == pytest.approx(np.arccos(up[2]) / np.radians(30), abs=0.01)


def test_leaning_at_an_end_is_named_before_any_search() -> None:
    solution = fm.plan(carrying(Tolerance(upright=np.radians(2), up=DOWN)))
    assert solution.status is fm.Status.NOT_HOLDABLE
    assert "leans by" in solution.detail and "allowed: 2°" in solution.detail


def test_tilting_the_hand_with_the_acceleration_is_faster_than_keeping_the_cup_upright() -> None:
    problem = fm.load_problem("problems/open_cup.toml")
    held = problem.holds[0]
    upright = replace(held.item, tolerates=replace(held.item.tolerates, upright=np.radians(2)))
    stiff = problem.with_(holds=(hold(held.gripper, upright, held.grasp),))
    tilting, straight = fm.plan(problem).raise_for_status(), fm.plan(stiff).raise_for_status()
    assembly = assemble(problem)
    frame, data, leans = assembly.hold_frames[0], assembly.arm.createData(), []
    for q in tilting.trajectory.position(np.linspace(0, tilting.duration, 200)):
        pin.forwardKinematics(assembly.arm, data, q)
        leans.append(
            np.degrees(np.arccos((data.oMi[frame.joint].rotation @ frame.joint_T_grasp.rotation @ held.tolerance.up)[2]))
        )
    assert tilting.duration < 0.9 * straight.duration and max(leans) > 8


def test_slowing_down_keeps_it_too_but_takes_longer() -> None:
    problem = carrying(Tolerance(tilt=np.radians(15), up=DOWN))
    slowed, planned = slowdown(problem), fm.plan(problem)
    assert planned.ok and slowed.duration >= planned.duration * (1 - 1e-3)  # among motions as fast to 0.1 %, the smoothest


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"tilt": 2.0}, "tilt_deg"), ({"upright": -0.1}, "upright_deg"), ({"shock": 9.0}, "shock"),
        ({"swing": 0.0}, "swing"), ({"up": np.zeros(3)}, "up"), ({"tilt": float("nan")}, "tilt_deg"),
    ],
)  # fmt: skip
def test_named_errors(wrong: dict[str, object], key: str) -> None:
    with pytest.raises(InputError, match=f"tolerates.{key}"):
        Tolerance(**wrong)  # type: ignore[arg-type]


def test_file_and_describe(tmp_path) -> None:  # type: ignore[no-untyped-def]
    text = (fm.problems_folder() / "heavy_jar.toml").read_text()
    wanted = "max_pinch_force = 80.0\ntolerates = {tilt_deg = 25.0, shock = 18.0, swing = 0.5}\n"
    (tmp_path / "jar.toml").write_text(text.replace("max_pinch_force = 80.0\n", wanted))
    problem = fm.load_problem(tmp_path / "jar.toml")
    assert problem.holds[0].item.tolerates.tilt == pytest.approx(np.radians(25))
    plain = fm.describe(problem)["item"]["tolerates"]
    assert plain["shock"] == 18.0 and plain["upright"] is None and plain["up"] == pytest.approx([0.0, 0.0, -1.0], abs=1e-9)
    same = hold(problem.holds[0].gripper, problem.holds[0].item, problem.holds[0].grasp)
    swings = [a for a, b in same.contact_model.shares if np.count_nonzero(a) == 1 and a[0, 4] and not np.any(b)]
    assert len(swings) == 1
