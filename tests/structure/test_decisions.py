"""The decisions that would be a rewrite later, each held down by a test."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest
from generators import block, free_space_pairs, pinched

import fastmove as fm
from fastmove.arrays import Array
from fastmove.certificate.certify import certify
from fastmove.dynamics.efforts import Dynamics
from fastmove.geometry.poses import pose
from fastmove.multibody.assembly import assemble
from fastmove.optim.breakpoints import switch_basis
from fastmove.optim.samples import ConstraintGrid
from fastmove.optim.transcription import Transcription
from fastmove.problem.goal import Goal, State
from fastmove.problem.grasp import Grasp, hold
from fastmove.problem.item import Inertial
from fastmove.problem.scene import Scene
from fastmove.problem.transfer import TransferProblem
from fastmove.search.time_bound import lower_bound
from fastmove.trajectory.trajectory import Phase, Trajectory

READY = np.array([0, -0.785, 0, -2.356, 0, 1.571, 0.785])


def test_1_a_moving_end_depends_on_the_duration_in_every_row(panda: fm.RobotModel) -> None:
    """Control points at a moving start reproduce (q, v, a) at any T, and their T-derivative is exact."""
    rng = np.random.default_rng(0)
    start = State(READY, rng.uniform(-0.5, 0.5, 7), rng.uniform(-2, 2, 7))
    problem = TransferProblem("moving", panda, (), Scene(), start, Goal([READY + 0.4]), "benchmark")
    basis = switch_basis(lower_bound(start, READY + 0.4, problem.limit_set), at_rest=False)
    transcription = Transcription(problem, Dynamics(problem, assemble(problem)), start, READY + 0.4, basis)
    free = rng.normal(size=(transcription.n_free, 7)) * 0.1 + READY
    for duration in (0.4, 0.9, 2.0):
        motion = transcription.polynomial(free, duration)
        for expected in (start.q, start.v, start.a):
            np.testing.assert_allclose(motion(0.0)[0], expected, atol=1e-9)
            motion = motion.derivative()
        h = 1e-6
        central = (transcription.points(free, duration * (1 + h)) - transcription.points(free, duration * (1 - h))) / (2 * h)
        np.testing.assert_allclose(transcription.points_slope(duration), central, atol=1e-8)


def test_2_a_trajectory_is_a_list_of_phases_joined_smoothly(panda: fm.RobotModel) -> None:
    problem = next(iter(free_space_pairs("benchmark", 1, 3)))
    whole = fm.plan(problem).trajectory
    middle = 0.4 * whole.duration
    state = State(*(whole.sample(middle, k) for k in range(3)))
    tail = fm.plan(problem.with_(start=state)).raise_for_status().trajectory
    joined = whole.splice(middle, tail)
    assert len(joined.phases) == 2
    assert joined.duration == pytest.approx(middle + tail.duration)
    assert certify(problem, joined).ok
    late = Phase(tail.phases[0].motion, None, None, tail.phases[0].grip_force, tail.phases[0].opening)
    with pytest.raises(fm.InputError, match="jump"):
        Trajectory((late, late), whole.joint_names)


TWO_ARMS = """<robot name="two">
<link name="base"/>
{arms}
</robot>"""
ARM = """
<link name="{s}1"><inertial><origin xyz="0 0 0.2"/><mass value="2"/>
  <inertia ixx="0.03" iyy="0.03" izz="0.004" ixy="0" ixz="0" iyz="0"/></inertial></link>
<link name="{s}2"><inertial><origin xyz="0 0 0.15"/><mass value="1"/>
  <inertia ixx="0.01" iyy="0.01" izz="0.001" ixy="0" ixz="0" iyz="0"/></inertial>
  <collision name="{s}2c"><origin xyz="0 0 0.1"/><geometry><box size="0.05 0.05 0.2"/></geometry></collision></link>
<link name="{s}f"><inertial><mass value="0.02"/>
  <inertia ixx="1e-5" iyy="1e-5" izz="1e-5" ixy="0" ixz="0" iyz="0"/></inertial></link>
<joint name="{s}_a" type="revolute"><parent link="base"/><child link="{s}1"/><origin xyz="0 {y} 0"/><axis xyz="0 1 0"/>
  <limit lower="-2" upper="2" effort="60" velocity="2"/></joint>
<joint name="{s}_b" type="revolute"><parent link="{s}1"/><child link="{s}2"/><origin xyz="0 0 0.4"/><axis xyz="1 0 0"/>
  <limit lower="-2" upper="2" effort="60" velocity="2"/></joint>
<joint name="{s}_f" type="prismatic"><parent link="{s}2"/><child link="{s}f"/><origin xyz="0 0 0.3"/><axis xyz="0 1 0"/>
  <limit lower="0" upper="0.04" effort="60" velocity="2"/></joint>"""


@pytest.fixture
def two_arms(tmp_path: Path) -> fm.RobotModel:
    urdf = tmp_path / "two.urdf"
    urdf.write_text(TWO_ARMS.format(arms="".join(ARM.format(s=s, y=y) for s, y in (("l", 0.5), ("r", -0.5)))))
    gripper = lambda s: {  # noqa: E731
        "link": f"{s}2",
        "links": [f"{s}2", f"{s}f"],
        "tool": {"position": [0.0, 0.0, 0.3], "quaternion_xyzw": [0.0, 0.0, 0.0, 1.0]},
        "fingers": [{"joint": f"{s}_f", "scale": 0.5}],
        "pad_size": [0.02, 0.02],
        "opening": [0.0, 0.08],
        "force": [1.0, 80.0],
    }
    config = {"joints": ["l_a", "l_b", "r_a", "r_b"], "gripper": {"left": gripper("l"), "right": gripper("r")}}
    config["unshaped"] = ["l1", "lf", "r1", "rf"]
    return fm.RobotModel.from_urdf(urdf, config=config)


def test_3_holds_are_a_tuple_and_no_arm_has_seven_joints_by_nature(two_arms: fm.RobotModel) -> None:
    """Two arms that each hold an item plan as one problem, the wrenches of both certified."""
    holds = tuple(
        hold(two_arms.gripper(name), block(mass), Grasp(pose(), 0.5, np.array([40.0, 40.0]), gripper=name))
        for name, mass in (("left", 0.3), ("right", 0.6))
    )
    start, goal = np.array([0.2, 0.1, -0.2, 0.1]), np.array([-0.4, 0.5, 0.6, -0.3])
    problem = TransferProblem("two", two_arms, holds, Scene(), State.rest(start), Goal([goal]), "urdf").with_(
        accepts=two_arms.unshaped
    )
    dynamics = Dynamics(problem, assemble(problem))
    assert dynamics.rows == 4 + 12
    solution = fm.plan(problem)
    assert solution.ok and len(solution.grip_force) == 2
    assert solution.certificate.profile["wrench"].shape[1] == 12
    pattern = re.compile(r"\bn[qv]\s*==\s*7|\brange\(7\)|\[:7\]")
    for path in (Path(fm.__file__).parent).rglob("*.py"):
        assert not pattern.search(path.read_text()), path


def test_4_the_item_is_a_set_and_a_larger_set_is_never_faster(panda: fm.RobotModel) -> None:
    one = pinched(panda, block(0.7, com=(0.01, 0.0, 0.02)), 25.0, 0.4)
    second = Inertial(0.8, np.array([-0.01, 0.0, 0.025]), np.array(one.item.members[0].inertia))
    both = replace(one, item=replace(one.item, members=(*one.item.members, second)))
    compared = 0
    for problem in free_space_pairs("benchmark", 4, 140, both):
        larger, smaller = fm.plan(problem), fm.plan(problem.with_(holds=(one,)))
        assert larger.ok and smaller.ok
        assert larger.duration >= smaller.duration * (1 - 2e-3)
        alone = problem.with_(holds=(replace(one, item=replace(one.item, members=(second,))),))
        assert certify(alone, larger.trajectory, ("hold", "torque")).ok
        compared += 1
    assert compared == 4


def test_5_grip_force_is_a_variable_and_the_gentlest_is_chosen(panda: fm.RobotModel) -> None:
    firm = pinched(panda, block(0.4), 60.0, 0.5)
    free = replace(firm, grasp=replace(firm.grasp, grip_force=np.array([10.0, 60.0])))
    problem = next(iter(free_space_pairs("benchmark", 1, 3, firm)))
    fixed, chosen = fm.plan(problem), fm.plan(problem.with_(holds=(free,)))
    assert fixed.grip_force == (60.0,)
    assert chosen.ok and chosen.duration == pytest.approx(fixed.duration) and 10.0 <= chosen.grip_force[0] < 40.0
    weaker = replace(firm, grasp=replace(firm.grasp, grip_force=np.full(2, chosen.grip_force[0] * 0.97)))
    assert chosen.grip_force[0] == 10.0 or not certify(problem.with_(holds=(weaker,)), chosen.trajectory, ("hold",)).ok


def test_6_a_goal_is_a_set_and_the_best_is_reached(panda: fm.RobotModel) -> None:
    near, far = READY + 0.2, READY + np.array([1.2, 0.3, 0, 0.3, 0, 0, 0])
    outside = READY + np.array([9.0, 0, 0, 0, 0, 0, 0])
    problem = TransferProblem("set", panda, (), Scene(), State.rest(READY), Goal([far, outside, near]), "benchmark")
    solution = fm.plan(problem)
    np.testing.assert_allclose(solution.trajectory.position(solution.duration), near, atol=1e-9)


def test_7_limits_are_named_sets(panda: fm.RobotModel) -> None:
    assert list(panda.limits) == ["fer", "benchmark"] and panda.default_limits == "fer"
    assert panda.limit_set().velocity[0] == 2.129 and np.all(panda.limit_set().effort_rate == 1000)
    assert np.all(np.isinf(panda.limit_set("benchmark").effort_rate))
    with pytest.raises(fm.InputError, match="fer, benchmark"):
        panda.limit_set("fast")


def test_8_damping_reaches_planner_and_certificate(panda: fm.RobotModel) -> None:
    damped = replace(panda, damping=np.full(7, 8.0), armature=np.full(7, 0.1))
    problem = next(iter(free_space_pairs("benchmark", 1, 3)))
    solution = fm.plan(problem.with_(robot=damped))
    assert solution.ok
    more = certify(problem.with_(robot=damped), solution.trajectory).profile["torque_Nm"]
    less = certify(problem, solution.trajectory).profile
    t = less["time"]
    expected = 8.0 * solution.trajectory.velocity(t) + 0.1 * solution.trajectory.acceleration(t)
    np.testing.assert_allclose(more - less["torque_Nm"], expected, atol=1e-6)


def test_9_time_is_continuous(panda: fm.RobotModel) -> None:
    trajectory = fm.plan(next(iter(free_space_pairs("benchmark", 1, 3)))).trajectory
    t, h = 0.37 * trajectory.duration, 1e-6
    central: Array = (trajectory.position(t + h) - trajectory.position(t - h)) / (2 * h)
    np.testing.assert_allclose(trajectory.velocity(t), central, atol=1e-6)
    grid = trajectory.grid()
    assert grid[-1] == trajectory.duration and np.all(np.diff(grid) <= 1e-3 + 1e-12)


def test_10_the_wrench_is_what_the_hand_exerts_in_the_grasp_frame(panda: fm.RobotModel) -> None:
    """Hand pointing down: the approach z points down, so the hand pushes the item along −z with its weight."""
    held = pinched(panda, block(0.5, com=(0.03, 0.0, 0.0)), 40.0, 0.5)
    down = np.array([0.0, 0.0, 0.0, -np.pi / 2, 0.0, np.pi / 2, np.pi / 4])
    problem = TransferProblem("down", panda, (held,), Scene(), State.rest(down), Goal([down + 0.1]), "fer")
    assembly = assemble(problem)
    data = assembly.arm.createData()
    pin.forwardKinematics(assembly.arm, data, down)
    frame = assembly.hold_frames[0]
    approach = (data.oMi[frame.joint] * frame.joint_T_grasp).rotation[:, 2]
    np.testing.assert_allclose(approach, [0, 0, -1], atol=1e-9)
    wrench = Dynamics(problem, assembly).static(down[None])[0, 0, 7:]
    weight = 0.5 * 9.81
    np.testing.assert_allclose(wrench, [0, 0, -weight, 0, 0.03 * weight, 0], atol=1e-9)


def along(
    transcription: Transcription, samples: ConstraintGrid, free: Array, duration: float, direction: Array, xi: float, step: float
) -> Array:
    """T² τ (and wrench) over T0², this step along (direction, ξ)."""
    t = duration * (1 + step * xi)
    points = transcription.points(free + step * direction, t)
    return transcription.dynamics.efforts(*transcription.states(samples.b_effort, points, t)).total * (t / duration) ** 2


def test_rows_predict_what_the_motion_does(panda: fm.RobotModel) -> None:
    """Torque rows of the subproblem, their T column included, against central differences, at rest and moving."""
    from fastmove.collision.checker import Collision
    from fastmove.optim.merit import SqpProblem
    from fastmove.optim.subproblem import Subproblem

    rng = np.random.default_rng(4)
    held = pinched(panda, block(0.5), 40.0, 0.5)
    for start in (State.rest(READY), State(READY, rng.uniform(-0.4, 0.4, 7), rng.uniform(-2, 2, 7))):
        robot = replace(panda, damping=np.full(7, 1.5))
        problem = TransferProblem("rows", robot, (held,), Scene(), start, Goal([READY + 0.4]), "fer")
        assembly = assemble(problem)
        dynamics, collision = Dynamics(problem, assembly), Collision(problem, assembly)
        basis = switch_basis(lower_bound(start, READY + 0.4, problem.limit_set), at_rest=False)
        transcription = Transcription(problem, dynamics, start, READY + 0.4, basis)
        samples = ConstraintGrid.standard(basis, transcription.with_rate)
        free, duration = READY + 0.4 * rng.uniform(0, 1, (transcription.n_free, 7)), 1.3
        optimiser = SqpProblem(transcription, samples, collision, collision.ends(READY, READY + 0.4), 0.1, 0.0)
        point = optimiser.evaluate(free, duration)
        duration = point.duration
        here = optimiser.linearise(point, 0.1)
        sub = Subproblem(transcription, samples, here, 10.0, (-0.5, 1.0), False)
        direction, xi, h = rng.normal(size=(transcription.n_free, 7)), 0.3, 1e-6

        scaled = partial(along, transcription, samples, free, duration, direction, xi)
        central = (scaled(h) - scaled(-h)) / (2 * h)
        moving = sub.efforts.in_motion  # every sample is: nothing here is beyond its limits at rest
        assert len(moving.value) == len(central)
        around = np.concatenate([np.zeros((3, 7)), direction, np.zeros((3, 7))])[moving.span[:, None] + np.arange(4)]
        rows = np.einsum("kmrci,kci->kmr", moving.free, around) + moving.xi * xi
        scale = np.abs(central).max(axis=(0, 1))
        assert np.max(np.abs(rows - central) / np.maximum(scale, 1.0)) < 1e-6


def test_an_interrupted_run_comes_to_the_same_motion(panda: fm.RobotModel) -> None:
    from fastmove.optim.merit import SqpProblem
    from fastmove.optim.sqp import SqpRun, run
    from fastmove.planner.context import PlanningContext
    from fastmove.planner.goal_planner import GoalPlanner

    problem = TransferProblem("runs", panda, (), Scene(), State.rest(READY), Goal([READY + 0.4]), "fer")
    context, bound = PlanningContext.of(problem), lower_bound(problem.start, READY + 0.4, problem.limit_set)
    task = GoalPlanner(context, READY + 0.4, bound, context.collision.ends(READY, READY + 0.4), 0)
    basis = switch_basis(bound)
    transcription = Transcription(problem, context.dynamics, problem.start, READY + 0.4, basis)
    optimiser = SqpProblem(
        transcription,
        ConstraintGrid.standard(basis, transcription.with_rate),
        context.collision,
        task.ends,
        0.1,
        0.0,
        max_steps=9,
    )
    free = READY + 0.4 * np.random.default_rng(1).uniform(0, 1, (transcription.n_free, 7))
    at_once, solved = run(optimiser, free, 1.0)
    sqp_run = SqpRun.of(optimiser, free, 1.0)
    merits = [sqp_run.point.merit] + [sqp_run.advance(k).merit for k in (1, 3, 5)]
    assert sqp_run.solved == solved and np.array_equal(sqp_run.point.free, at_once.free)
    assert merits == sorted(merits, reverse=True) and merits[-1] < 0.9 * merits[0]
