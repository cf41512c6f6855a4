"""Attacks on the certificate and the readers: each was once possible, none may be again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from generators import block, free_space_pairs, pinched
from situations import BOOK, behind_a_post

import fastmove as fm
from fastmove.certificate.certify import certify
from fastmove.cli.main import main
from fastmove.contact.patch import plane_patch
from fastmove.errors import GraspInvalid
from fastmove.geometry.poses import pose
from fastmove.geometry.shapes import Shape
from fastmove.io.trajectory_file import load_trajectory, save_trajectory
from fastmove.problem.grasp import Grasp, hold
from fastmove.problem.item import Inertial, Item, solid_inertia
from fastmove.problem.scene import Obstacle, Scene
from fastmove.trajectory.piecewise_polynomial import PiecewisePolynomial
from fastmove.trajectory.trajectory import Phase, Trajectory


@pytest.fixture(scope="module")
def planned() -> fm.Solution:
    return fm.plan(next(iter(free_space_pairs("benchmark", 1, 3)))).raise_for_status()


@pytest.fixture
def stored(planned: fm.Solution, tmp_path: Path) -> dict[str, np.ndarray]:
    save_trajectory(tmp_path / "good.npz", planned.problem, planned.trajectory)
    with np.load(tmp_path / "good.npz") as data:
        return {key: data[key] for key in data.files}


def test_an_infinite_limit_on_one_side_hides_nothing(planned: fm.Solution) -> None:
    problem = planned.problem
    limits = problem.limit_set
    least = planned.trajectory.motion().extremes().high - 0.01
    robot = replace(problem.robot, limits={"benchmark": replace(limits, position_min=np.full(7, -np.inf), position_max=least)})
    start_free = replace(problem.start)
    object.__setattr__(problem, "start", start_free)
    changed = replace_without_checks(problem, robot=robot)
    assert not certify(changed, planned.trajectory, ("position",)).ok
    wide = replace(limits, position_min=np.full(7, -np.inf), position_max=np.full(7, np.inf))
    free = problem.with_(robot=replace(problem.robot, limits={"benchmark": wide}))
    assert certify(free, planned.trajectory, ("position",)).ok


def replace_without_checks(problem: fm.TransferProblem, **changes: object) -> fm.TransferProblem:
    """A copy whose start need not be inside the limits."""
    copy = object.__new__(fm.TransferProblem)
    copy.__dict__.update({k: v for k, v in problem.__dict__.items() if k != "limit_set"} | changes)
    return copy


def test_an_obstacle_may_not_take_a_links_name(panda: fm.RobotModel) -> None:
    problem = behind_a_post(panda)
    for name in ("panda_hand", "item"):
        post = Obstacle(name, problem.scene.obstacles[0].shape)
        with pytest.raises(fm.InputError, match="another name"):
            problem.with_(scene=Scene((post,)))


def test_an_item_through_the_palm_is_refused(panda: fm.RobotModel) -> None:
    problem = next(iter(free_space_pairs("benchmark", 1, 3, pinched(panda, block(0.3), 40.0, 0.5))))
    through = pinched(panda, block(0.3, size=(0.04, 0.03, 0.30)), 40.0, 0.5)
    bad = problem.with_(holds=(through,))
    with pytest.raises(GraspInvalid, match="overlap"):
        fm.plan(bad)
    good = fm.plan(problem).trajectory
    assert not certify(bad, good, ("grasp",)).ok and certify(problem, good, ("grasp",)).ok


@pytest.mark.parametrize(
    ("center", "words"), [((0.0, 0.00025), "surface"), ((0.0085, 0.009), "beyond the pad"), ((0.1, 0.0), "beyond the pad")]
)
def test_explicit_patches_lie_on_pad_and_item(panda: fm.RobotModel, center: tuple[float, float], words: str) -> None:
    x, z = center
    corners = np.array([[x + 0.005, z + 0.005], [x - 0.005, z + 0.005], [x - 0.005, z - 0.005], [x + 0.005, z - 0.005]])
    patch = plane_patch(corners)
    grasp = Grasp(pose((0.2, 0, 0)), 0.5, np.array([30.0, 30.0]), patches=(patch, patch), width=0.06)
    with pytest.raises(GraspInvalid, match=words):
        hold(panda.gripper(), block(0.3), grasp)


def test_pads_that_do_not_oppose_are_refused(panda: fm.RobotModel) -> None:
    shapes = tuple(
        Shape("box", size=np.array([0.008, 0.01, 0.01]), placement=pose((s * 0.0045, s * 0.005, 0.0))) for s in (1, -1)
    )
    centre, inertia = solid_inertia(shapes, 0.1)
    item = Item("step", shapes, (Inertial(0.1, centre, inertia),))
    with pytest.raises(GraspInvalid, match="beside each other"):
        hold(panda.gripper(), item, Grasp(pose(), 0.5, np.array([30.0, 30.0])))


@pytest.mark.parametrize("force", [1.0, np.nan])
def test_every_sample_of_the_grip_counts(
    planned: fm.Solution, stored: dict[str, np.ndarray], tmp_path: Path, force: float
) -> None:
    stored["grip_force"][5:-5] = force
    np.savez(tmp_path / "bad.npz", **stored)
    with pytest.raises(fm.InputError, match="constant"):
        load_trajectory(tmp_path / "bad.npz", planned.problem)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("phase_durations", np.array([-1.0])),
        ("phase_durations", np.array([np.nan])),
        ("phase_durations", np.array([1e9])),
        ("duration", np.array(2.0)),
        ("degree", np.array(5)),
        ("joint_names", np.array(3)),
        ("phase_sizes", np.array(1.5)),
        ("control_points", np.array([["a"] * 7] * 17)),
        ("knots", np.linspace(0, 1, 21)),
        ("velocity", np.zeros((3, 7))),
    ],
)
def test_tampered_files_are_refused_in_one_sentence(
    planned: fm.Solution, stored: dict[str, np.ndarray], tmp_path: Path, key: str, value: np.ndarray
) -> None:
    np.savez(tmp_path / "bad.npz", **(stored | {key: value}))
    with pytest.raises(fm.InputError) as caught:
        load_trajectory(tmp_path / "bad.npz", planned.problem)
    assert len(str(caught.value).splitlines()) == 1


def test_moved_control_points_do_not_pass(planned: fm.Solution, stored: dict[str, np.ndarray], tmp_path: Path) -> None:
    stored["control_points"][8, 2] += 0.3
    np.savez(tmp_path / "bad.npz", **stored)
    with pytest.raises(fm.InputError, match="control points"):
        load_trajectory(tmp_path / "bad.npz", planned.problem)


def test_nan_is_no_motion(planned: fm.Solution) -> None:
    motion = planned.trajectory.phases[0].motion
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="finite"):
            PiecewisePolynomial(motion.times, motion.coefficients * bad)
    with pytest.raises(ValueError, match="increase"):
        PiecewisePolynomial(motion.times[::-1], motion.coefficients)


def test_a_teleport_is_not_certified(planned: fm.Solution) -> None:
    phase = planned.trajectory.phases[0]
    times, c = phase.motion.times, phase.motion.coefficients
    skipped = np.delete(np.arange(len(c)), range(4, len(c) - 4))
    widths = np.diff(times)[skipped]
    motion = PiecewisePolynomial(np.concatenate([[0.0], np.cumsum(widths)]), c[skipped])
    jump = Trajectory((replace(phase, motion=motion, basis=None, control_points=None),), planned.trajectory.joint_names)
    certificate = certify(planned.problem, jump)
    assert not certificate.kinds["continuity"].ok and not certificate.ok


def test_a_certificate_of_nothing_does_not_exist(planned: fm.Solution) -> None:
    for kinds in ((), "hold", ("clearence",)):
        with pytest.raises(fm.InputError, match="allowed"):
            certify(planned.problem, planned.trajectory, kinds)
    other = Trajectory(planned.trajectory.phases, planned.trajectory.joint_names[::-1])
    with pytest.raises(fm.InputError, match="joint_names"):
        certify(planned.problem, other)
    bare = Trajectory((Phase(planned.trajectory.phases[0].motion),), planned.trajectory.joint_names)
    assert not certify(planned.problem, bare).ok  # no grip force at all


def test_a_meshs_mass_is_where_its_hull_is(tmp_path: Path) -> None:
    path = tmp_path / "bar.obj"
    corners = [(x, y, z) for x in (0.0, 0.2) for y in (-0.015, 0.015) for z in (0.0, 0.05)]
    faces = [
        (1, 2, 4),
        (1, 4, 3),
        (5, 7, 8),
        (5, 8, 6),
        (1, 5, 6),
        (1, 6, 2),
        (3, 4, 8),
        (3, 8, 7),
        (1, 3, 7),
        (1, 7, 5),
        (2, 6, 8),
        (2, 8, 4),
    ]
    path.write_text("".join(f"v {x} {y} {z}\n" for x, y, z in corners) + "".join(f"f {a} {b} {c}\n" for a, b, c in faces))
    turned = pose((0, 0, 0), (0, 0, np.sqrt(0.5), np.sqrt(0.5)))
    centre, inertia = solid_inertia((Shape("mesh", file=str(path), placement=turned),), 1.0)
    box = Shape("box", size=np.array([0.2, 0.03, 0.05]), placement=turned * pose((0.1, 0.0, 0.025)))
    expected_centre, expected = solid_inertia((box,), 1.0)
    np.testing.assert_allclose(centre, expected_centre, atol=1e-9)
    np.testing.assert_allclose(inertia, expected, atol=1e-9)


def test_saved_csv_and_yaml_pass_their_own_check(book: fm.TransferProblem, book_solution: fm.Solution, tmp_path: Path) -> None:
    for ending in (".npz", ".csv", ".yaml"):
        path = tmp_path / f"book{ending}"
        save_trajectory(path, book, book_solution.trajectory)
        assert main(["check", str(BOOK), str(path)]) == 0
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[1:]))  # no grip in the file: the least of the range counts, and that does not hold
    found = certify(book, load_trajectory(path, book)).kinds
    failing = {k for k, e in found.items() if not e.ok}
    assert "hold" in failing and failing <= {"hold", "pad_share", "rest"}


def test_columns_belong_to_their_joints(planned: fm.Solution, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    save_trajectory(path, planned.problem, planned.trajectory)
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header.replace("velocity.panda", "velocity.other"), *rows]))
    with pytest.raises(fm.InputError, match="velocity"):
        load_trajectory(path, planned.problem)


def test_every_member_counts_for_the_payload(panda: fm.RobotModel) -> None:
    held = pinched(panda, block(0.5), 40.0, 0.5)
    heavy = Inertial(3.5, np.zeros(3), np.eye(3) * 1e-3)
    problem = next(iter(free_space_pairs("benchmark", 1, 3, held)))
    with pytest.raises(fm.InputError, match="carries at most"):
        problem.with_(holds=(replace(held, item=replace(held.item, members=(*held.item.members, heavy))),))


@pytest.mark.parametrize("out", ["README.md/x.npz", "x" * 300 + ".npz"])
def test_an_unwritable_file_is_one_sentence(planned: fm.Solution, tmp_path: Path, out: str) -> None:
    (tmp_path / "README.md").write_text("")
    with pytest.raises(fm.InputError, match="cannot be written"):
        save_trajectory(tmp_path / out, planned.problem, planned.trajectory)


@pytest.mark.parametrize("text", ["", "<robot", "\xff\xfe"])
def test_a_broken_urdf_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.urdf"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(fm.InputError, match="not a URDF"):
        fm.RobotModel.from_urdf(path)


def test_hulls_of_the_real_meshes_serve_for_distances() -> None:
    from fastmove.robot.shipped import example_robot_data

    try:
        example_robot_data()
    except fm.InputError as error:
        pytest.skip(str(error))
    robot = fm.load_robot("panda", geometry="hulls")
    assert {s.link for s in robot.shapes} == {s.link for s in fm.load_robot("panda").shapes}
    held = pinched(robot, block(0.3), 40.0, 0.5)
    problem = behind_a_post(robot).with_(holds=(held,))
    assert fm.plan(problem).ok


def test_an_unknown_grip_fails_the_hold_and_the_pads_share(planned: fm.Solution) -> None:
    (phase,) = planned.trajectory.phases
    unknown = replace(planned.trajectory, phases=(replace(phase, grip_force=np.array([np.nan])),))
    found = certify(planned.problem, unknown, ("hold", "pad_share"))
    assert not found.kinds["hold"].ok and not found.kinds["pad_share"].ok
