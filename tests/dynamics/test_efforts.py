"""Torques and wrenches: derivatives, closed forms, Newton–Euler, and MuJoCo."""

import numpy as np
import pinocchio as pin
import pytest
from generators import block, pinched

import fastmove as fm
from fastmove.dynamics.efforts import Dynamics
from fastmove.multibody.assembly import assemble
from fastmove.multibody.batch_rnea import InverseDynamics
from fastmove.problem.goal import Goal, State
from fastmove.problem.scene import Scene
from fastmove.problem.transfer import TransferProblem


def problem_of(panda: fm.RobotModel, **changes: object) -> TransferProblem:
    held = pinched(panda, block(0.6, com=(0.02, 0.004, 0.03)), 40.0, 0.5)
    q = np.array([0, -0.785, 0, -2.356, 0, 1.571, 0.785])
    problem = TransferProblem("one", panda, (held,), Scene(), State.rest(q), Goal([q + 0.3]), "fer")
    return problem.with_(**changes)


def states(panda: fm.RobotModel, count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    limits = panda.limit_set()
    return (
        rng.uniform(limits.position_min, limits.position_max, (count, 7)),
        rng.uniform(-1, 1, (count, 7)) * limits.velocity,
        rng.uniform(-1, 1, (count, 7)) * limits.acceleration,
    )


def test_derivatives_match_central_differences(panda: fm.RobotModel) -> None:
    problem = problem_of(panda, robot=panda)
    dynamics = Dynamics(problem, assemble(problem))
    q, v, a = states(panda, 12, 0)
    lin = dynamics.linearised(q, v, a)
    h = 1e-6
    for name, exact in (("q", lin.dq), ("v", lin.dv), ("a", lin.da)):
        for j in range(7):
            step = np.zeros(7)
            step[j] = h
            moved = [
                dynamics.efforts(*(x + sign * step * (key == name) for key, x in (("q", q), ("v", v), ("a", a)))).total
                for sign in (1, -1)
            ]
            central = (moved[0] - moved[1]) / (2 * h)
            scale = np.maximum(np.abs(exact).max(axis=(0, 1, 3))[None, None], 1.0)
            assert np.max(np.abs(central - exact[..., j]) / scale) < 1e-6
    slope = dynamics.gravity_slope(q)
    for j in range(7):
        step = np.eye(7)[j] * h
        central = (dynamics.static(q + step) - dynamics.static(q - step)) / (2 * h)
        assert np.max(np.abs(central - slope[..., j])) < 1e-6 * max(1.0, np.abs(slope).max())


def test_the_wrench_at_rest_carries_the_weight_in_the_grasp_frame(panda: fm.RobotModel) -> None:
    problem = problem_of(panda)
    assembly = assemble(problem)
    dynamics = Dynamics(problem, assembly)
    q = np.array([0.3, 0.1, 0.2, -2.2, 0.1, 2.3, 0.7])
    wrench = dynamics.static(q[None])[0, 0, 7:]
    data = assembly.arm.createData()
    pin.forwardKinematics(assembly.arm, data, q)
    frame = assembly.hold_frames[0]
    rotation = (data.oMi[frame.joint] * frame.joint_T_grasp).rotation
    held = problem.holds[0]
    lever = held.inertia(held.item.members[0]).lever
    force = rotation.T @ np.array([0, 0, 0.6 * 9.81])  # the hand pushes up with the weight
    np.testing.assert_allclose(wrench, np.concatenate([force, np.cross(lever, force)]), atol=1e-10)


def test_many_states_at_once_give_the_bytes_of_one_at_a_time(panda: fm.RobotModel, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = problem_of(panda)
    model, batch = Dynamics(problem, assemble(problem)).models[0], states(panda, 40, 2)
    together = InverseDynamics(model, 7)(*batch)
    alone = np.concatenate([InverseDynamics(model, 7)(*(x[k : k + 1] for x in batch)) for k in range(40)])
    monkeypatch.setattr(pin, "WITH_OPENMP", False)
    assert together.shape == (40, 13) and together.tobytes() == alone.tobytes()
    assert InverseDynamics(model, 7)(*batch).tobytes() == together.tobytes()


def test_armature_and_damping_are_the_robots_numbers(panda: fm.RobotModel) -> None:
    from dataclasses import replace

    heavy = replace(panda, armature=np.full(7, 0.1), damping=np.full(7, 2.0))
    q, v, a = states(panda, 20, 1)
    plain, changed = problem_of(panda), problem_of(panda, robot=heavy)
    difference = (
        Dynamics(changed, assemble(changed)).efforts(q, v, a).total - Dynamics(plain, assemble(plain)).efforts(q, v, a).total
    )
    np.testing.assert_allclose(difference[:, 0, :7], 0.1 * a + 2.0 * v, atol=1e-9)
    np.testing.assert_allclose(difference[:, 0, 7:], 0.0, atol=1e-9)


def test_mujoco_agrees_on_torques_and_wrench(panda: fm.RobotModel) -> None:
    """Inverse dynamics of the same bodies in MuJoCo; the item hangs on its own child body, whose constraint force is
    read as the difference that it makes: Newton–Euler with MuJoCo's own accelerations of the item."""
    mujoco = pytest.importorskip("mujoco", reason="mujoco is not installed")
    problem = problem_of(panda)
    assembly = assemble(problem)
    dynamics = Dynamics(problem, assembly)
    spec = mujoco_spec(mujoco, assembly)
    model = spec.compile()
    data = mujoco.MjData(model)
    held = problem.holds[0]
    body = held.inertia(held.item.members[0])
    item = model.body("item").id
    q, v, a = states(panda, 25, 2)
    efforts = dynamics.efforts(q, v, a).total[:, 0]
    worst = np.zeros(2)
    for i in range(len(q)):
        data.qpos[:7], data.qvel[:7], data.qacc[:7] = q[i], v[i], a[i]
        data.qpos[7:], data.qvel[7:], data.qacc[7:] = 0.0, 0.0, 0.0
        mujoco.mj_inverse(model, data)
        worst[0] = max(worst[0], np.abs(data.qfrc_inverse[:7] - efforts[i, :7]).max())
        # joints of the item: slides along, hinges about the grasp axes at zero: their forces are the wrench
        worst[1] = max(worst[1], np.abs(data.qfrc_inverse[7:] - efforts[i, 7:]).max())
    assert item > 0 and body.mass == pytest.approx(0.6)
    assert np.all(worst < 1e-8)


def mujoco_spec(mujoco, assembly):  # type: ignore[no-untyped-def]
    """The assembly's bodies and joints, number by number, as a MuJoCo model."""
    from fastmove.drivers.simulated.mujoco_parts import set_inertia, wxyz

    spec = mujoco.MjSpec()
    spec.option.gravity = assembly.arm.gravity.linear
    spec.compiler.balanceinertia = False
    spec.compiler.boundmass = spec.compiler.boundinertia = 0.0
    bodies = {0: spec.worldbody}
    for k in range(1, assembly.arm.njoints):
        placement, inertia = assembly.arm.jointPlacements[k], assembly.arm.inertias[k]
        body = bodies[int(assembly.arm.parents[k])].add_body(
            name=assembly.arm.names[k], pos=placement.translation, quat=wxyz(placement.rotation)
        )
        set_inertia(body, inertia)
        body.add_joint(name=assembly.arm.names[k], type=mujoco.mjtJoint.mjJNT_HINGE, axis=[0, 0, 1])
        bodies[k] = body
    frame = assembly.hold_frames[0]
    placement = frame.joint_T_grasp
    item = bodies[frame.joint].add_body(name="item", pos=placement.translation, quat=wxyz(placement.rotation))
    set_inertia(item, frame.held.inertia(frame.held.item.members[0]))
    for kind in (mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_HINGE):
        for axis in np.eye(3):
            item.add_joint(type=kind, axis=axis)
    return spec
