"""What docs/extend shows: one file and one line add a contact model, a constraint, a limit kind, a driver, a planner, a shape;
optimiser, certificate, report and preview honour each, and the certificate finds what breaks it."""

import ast
import pickle
import re
import sys
from dataclasses import make_dataclass, replace
from pathlib import Path

import casadi as ca
import numpy as np
import pytest
from generators import free_space_pairs

import fastmove as fm
from fastmove.certificate.path import SampledMotion
from fastmove.certificate.time_grid import time_grid
from fastmove.cli.main import main
from fastmove.dynamics.path_margins import PathMargins
from fastmove.multibody.assembly import assemble
from fastmove.problem.limit_edit import changed, limits_of
from fastmove.tables import CheckedTable

ROOT = Path(__file__).parents[2]
EXTEND = ROOT / "docs" / "extend"
sys.path.insert(0, str(EXTEND))
import bench_planner  # noqa: E402, F401
import driver  # noqa: E402, F401
import limit_kind  # noqa: E402, F401
import obstacle_shape  # noqa: E402, F401
from constraint import AboveLine  # noqa: E402
from contact_model import SoftPinch  # noqa: E402

FILES = sorted(EXTEND.glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_addition_is_one_short_file_with_one_line_of_registry(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 60
    assert len(re.findall(r"^fm\.registries\.\w+\.add\(", text, re.MULTILINE)) == 1
    imported = {n.module for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ImportFrom)}
    assert not any(str(name).startswith("fastmove") for name in imported), "examples use `import fastmove as fm` alone"


def test_fields_of_a_constraint_are_read_whether_annotations_are_types_or_texts() -> None:
    plain = fm.LimitKind("plain", "m", "path")
    methods = {"kind": plain, "margins": lambda self, motion: 0, "check": lambda self, motion: 0}
    for types in ((float, str, np.ndarray), ("float", "str", "np.ndarray")):
        described = list(zip(("limit", "link", "point"), types, strict=True))
        own = make_dataclass("Own", described, bases=(fm.PathConstraint,), namespace=methods, frozen=True)
        table = CheckedTable({"limit": 0.5, "link": "panda_link4", "point": [1.0, 2.0, 3.0]}, "file")
        read = own.from_table(table)
        assert (read.limit, read.link, read.point.tolist()) == (0.5, "panda_link4", [1.0, 2.0, 3.0])
        with pytest.raises(fm.InputError, match="limit"):
            own.from_table(CheckedTable({"limit": [0.5], "link": "a", "point": [1.0]}, "file"))


def dipping() -> tuple[fm.TransferProblem, fm.Solution, AboveLine]:
    """A motion whose tool dips by more than 5 cm below both of its ends, and the line that it may not."""
    for problem in free_space_pairs("benchmark", 60, 3):
        solution = fm.plan(problem)
        height = tool(problem, solution.trajectory).position[:, 2]
        if min(height[0], height[-1]) - height.min() > 0.05:
            return (
                problem,
                solution,
                AboveLine(np.array([0.0, 0.0, min(height[0], height[-1]) - 0.01]), np.array([0.0, 1.0, 0.0])),
            )
    raise AssertionError("none dips")


def tool(problem: fm.TransferProblem, trajectory: fm.Trajectory) -> fm.FrameMotion:
    return SampledMotion(problem, assemble(problem), time_grid(trajectory, 1e-3)).frame("tool")


def with_speed(problem: fm.TransferProblem, limit: float) -> fm.TransferProblem:
    limits = problem.limit_set
    return problem.with_(
        robot=replace(problem.robot, limits={**problem.robot.limits, limits.name: replace(limits, others={"tool_speed": limit})})
    )


# -- a constraint ---------------------------------------------------------------------------------------------------------


def test_a_constraint_is_planned_certified_reported_and_drawn(tmp_path: Path) -> None:
    problem, free, above = dipping()
    kept = problem.with_(constraints=(above,))
    broken = fm.certify(kept, free.trajectory)
    assert not broken.ok and broken.worst()[0] == "above_line"
    solution = fm.plan(kept).raise_for_status()
    assert tool(kept, solution.trajectory).position[:, 2].min() >= above.point[2] - 1e-9
    entry = solution.certificate.kinds["above_line"]
    assert entry.ok and entry.unit == "m" and entry.proof == "grid 1 ms, by constraint.AboveLine"
    assert "above_line" in str(solution)
    page = tmp_path / "preview.html"
    fm.write_preview(page, solution)
    assert '"title": "above line"' in page.read_text()


def test_a_constraint_that_an_end_misses_is_named() -> None:
    problem, _, above = dipping()
    higher = replace(above, point=np.add(above.point, [0.0, 0.0, 0.5]))
    with pytest.raises(fm.InputError, match=r"start\.q: above_line misses its limit by 0\.\d+ m"):
        fm.plan(problem.with_(constraints=(higher,)))


def test_a_constraint_comes_from_a_file_and_travels_to_other_processes(tmp_path: Path) -> None:
    text = (ROOT / "problems" / "heavy_jar.toml").read_text()
    path = tmp_path / "jar.toml"
    path.write_text(text + '\n[[constraints]]\ntype = "above_line"\npoint = [0.0, 0.0, 0.05]\nalong = [1.0, 0.0, 0.0]\n')
    problem = fm.load_problem(path)
    (found,) = problem.path_constraints
    assert isinstance(found, AboveLine) and found.point.tolist() == [0.0, 0.0, 0.05]
    assert fm.describe(problem)["constraints"] == [{"type": "above_line", "point": [0.0, 0.0, 0.05], "along": [1.0, 0.0, 0.0]}]
    again = pickle.loads(pickle.dumps(problem))
    assert again.path_constraints[0].kind.name == "above_line" and fm.describe(again) == fm.describe(problem)
    path.write_text(text + '\n[[constraints]]\ntype = "no_such"\n')
    with pytest.raises(fm.InputError, match=r"no_such.*allowed: .*above_line"):
        fm.load_problem(path)


def test_uses_of_path_constraints_and_their_slopes_match_the_check_and_central_differences() -> None:
    problem, free, above = dipping()
    problem = with_speed(problem.with_(constraints=(above,)), 0.8)
    path, n = PathMargins(problem, assemble(problem)), problem.robot.n_arm
    assert path.at_rest_only.tolist() == [True, False] and path.anywhere.tolist() == [True, False]
    grid = time_grid(free.trajectory, 2e-2)
    motion = SampledMotion(problem, assemble(problem), grid)
    checked = np.stack([1 - c.check(motion) / c.scale for c in problem.path_constraints], axis=1)
    np.testing.assert_allclose(path.uses(grid.q, grid.v, grid.a), checked, atol=1e-5)
    state = np.concatenate([grid.q, grid.v, grid.a], axis=1)
    exact = np.concatenate(path.slopes(grid.q, grid.v, grid.a), axis=2)
    for i in range(3 * n):
        up, down = state.copy(), state.copy()
        up[:, i] += 1e-6
        down[:, i] -= 1e-6
        ends = [path.uses(x[:, :n], x[:, n : 2 * n], x[:, 2 * n :]) for x in (up, down)]
        fast = np.abs(grid.v).max(axis=1) > 0.1  # a norm bends sharply where it vanishes
        np.testing.assert_allclose((ends[0] - ends[1])[fast] / 2e-6, exact[fast][:, :, i], atol=1e-5)
    still = path.slopes_at_rest(grid.q)
    np.testing.assert_allclose(still[:, 0], exact[:, 0, :n], atol=1e-12)


def test_what_is_no_constraint_is_refused_by_name() -> None:
    class Wrong(AboveLine):
        def margins(self, motion: fm.MotionView) -> object:
            return "high enough"

    class Short(AboveLine):
        def check(self, motion: fm.MotionView) -> np.ndarray:
            return np.zeros(3)

    class Unknown(AboveLine):
        def check(self, motion: fm.MotionView) -> np.ndarray:
            return np.full(len(motion.q), np.nan)

    problem, free, above = dipping()
    make = lambda kind: problem.with_(constraints=(kind(above.point, above.along),))  # noqa: E731
    with pytest.raises(fm.InputError, match="Wrong"):
        fm.plan(make(Wrong))
    with pytest.raises(fm.InputError, match=r"Short\.check.*\(3,\)"):
        fm.certify(make(Short), free.trajectory)
    assert not fm.certify(make(Unknown), free.trajectory).ok  # what is no number is not safe
    with pytest.raises(fm.InputError, match="there twice"):
        problem.with_(constraints=(above, above))


# -- a limit kind ---------------------------------------------------------------------------------------------------------


def test_a_limit_kind_stands_in_limit_sets_and_is_a_limit_like_others(tmp_path: Path) -> None:
    (problem,) = free_space_pairs("benchmark", 1, 5)
    free = fm.plan(problem)
    fastest = float(np.linalg.norm(tool(problem, free.trajectory).velocity, axis=1).max())
    limit = 0.15 * fastest
    limited = with_speed(problem, limit)
    broken = fm.certify(limited, free.trajectory)
    assert not broken.ok and broken.worst()[0] == "tool_speed"
    assert broken.kinds["tool_speed"].margin == pytest.approx(limit - fastest, abs=1e-6)
    solution = fm.plan(limited).raise_for_status()
    speed = np.linalg.norm(tool(limited, solution.trajectory).velocity, axis=1)
    assert speed.max() <= limit * (1 + 1e-9) and speed.max() > 0.99 * limit
    assert free.duration < solution.duration < free.duration / 0.15 + 1e-6  # slowing down uniformly would do
    assert dict(fm.limiting_shares(solution))["tool_speed"] > 0.2
    (own,) = (one for one in limits_of(limited) if one.kind == "tool_speed")
    assert (own.value, own.unit, own.sign) == (limit, "m/s", 1.0)
    faster = changed(limited, own, 2 * limit)
    assert fm.plan(faster).raise_for_status().duration < 0.9 * solution.duration
    page = tmp_path / "preview.html"
    fm.write_preview(page, solution)
    assert '"title": "tool speed"' in page.read_text()


def test_a_limit_kind_is_read_from_a_robot_file(tmp_path: Path) -> None:
    folder = ROOT / "robots" / "panda"
    text = (folder / "robot.toml").read_text().replace("[limits.fer]", "[limits.fer]\ntool_speed = 1.25", 1)
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "robot.toml").write_text(text)
    robot = fm.load_robot(tmp_path / "robot.toml")
    assert dict(robot.limit_set("fer").others) == {"tool_speed": 1.25}
    (tmp_path / "robot.toml").write_text(text.replace("tool_speed = 1.25", "tool_speed = -1"))
    with pytest.raises(fm.InputError, match=r"tool_speed.*positive"):
        fm.load_robot(tmp_path / "robot.toml")


# -- a contact model ------------------------------------------------------------------------------------------------------


def softly(friction: float = 1.0) -> fm.TransferProblem:
    """The heavy jar between soft pads, of so much of its friction."""
    problem = fm.load_problem(ROOT / "problems" / "heavy_jar.toml")
    held = problem.holds[0]
    grasp = replace(held.grasp, contact="soft_pinch", friction=friction * held.grasp.friction)
    return problem.with_(holds=(fm.hold(held.gripper, held.item, grasp, held.uncertainty),), scene=fm.Scene())


def test_a_contact_model_is_planned_certified_reported_and_drawn(tmp_path: Path) -> None:
    problem = softly(0.7)
    solution = fm.plan(problem).raise_for_status()
    entry = solution.certificate.kinds["hold"]
    assert entry.ok and entry.proof == "grid 1 ms, by contact_model.SoftPinch" and entry.margin < 0.02, entry
    assert solution.certificate.kinds["pad_share"].proof == "no limit"  # this model says nothing of it
    assert "SoftPinch" in str(solution)
    weaker = fm.certify(softly(0.6), solution.trajectory)
    assert not weaker.ok and weaker.worst()[0] == "hold"
    page = tmp_path / "preview.html"
    fm.write_preview(page, solution)
    assert '"title": "hold: friction S' in page.read_text()
    with pytest.raises(fm.InputError, match="soft_pinch, which is not simulated"):
        fm.run_transfer(solution)


def test_a_contact_model_says_the_same_twice_and_its_slopes_match_central_differences() -> None:
    held = softly().holds[0]
    model, rng = held.contact_model, np.random.default_rng(0)
    wrench = rng.normal(size=(200, 6)) * [10, 10, 10, 0.2, 0.2, 0.2]
    grip = np.full(200, 40.0)
    np.testing.assert_allclose(model.utilisation(wrench, grip), SoftPinch().check(held, wrench, grip)["hold"], atol=1e-5)
    value, slope = model.tangents(wrench, 40.0)
    np.testing.assert_allclose(value.max(axis=1), model.utilisation(wrench, 40.0))
    for i in range(6):
        step = 1e-6 * np.eye(6)[i]
        central = (model.tangents(wrench + step, 40.0)[0] - model.tangents(wrench - step, 40.0)[0]) / 2e-6
        np.testing.assert_allclose(central, slope[:, :, i], atol=1e-5)
    assert pickle.loads(pickle.dumps(held)).contact_model.utilisation(wrench[:1], 40.0) == model.utilisation(wrench[:1], 40.0)


def test_a_contact_model_without_a_check_is_not_certified() -> None:
    class Unchecked(fm.ContactLaw):
        name = "unchecked"

        def model(self, touch: object, friction: float, guaranteed: float = 1.0, swing: float = 1.0) -> object:
            return fm.SmoothContact(lambda wrench, force: ca.sumsqr(wrench) / force)

    fm.registries.contacts.add("unchecked", Unchecked())
    problem = fm.load_problem(ROOT / "problems" / "heavy_jar.toml")
    held = problem.holds[0]
    new = fm.hold(held.gripper, held.item, replace(held.grasp, contact="unchecked"), held.uncertainty)
    with pytest.raises(fm.InputError, match="'unchecked' has no `check`"):
        fm.certify(problem.with_(holds=(new,)), fm.plan(problem.with_(holds=(), scene=fm.Scene())).trajectory)


# -- a driver, a planner, a shape -----------------------------------------------------------------------------------------


def test_a_driver_is_run_by_its_name_and_address(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problem = ROOT / "problems" / "light_bulb.toml"
    trajectory, commands = tmp_path / "bulb.npz", tmp_path / "commands.csv"
    fm.save_trajectory(trajectory, fm.load_problem(problem), fm.plan(problem).raise_for_status().trajectory)
    assert main(["run", str(problem), "--trajectory", str(trajectory), "--driver", f"file:{commands}"]) == 0
    assert "on file: the motion was streamed to its end" in capsys.readouterr().out
    rows = np.loadtxt(commands, delimiter=",")
    assert rows.shape[1] == 21 and len(rows) > 150
    assert main(["run", str(problem), "--trajectory", str(trajectory), "--driver", "no-such"]) == 2
    assert "'no-such' is unknown; allowed: mujoco, controller, kinematic, ur, franka, egm, file" in capsys.readouterr().err


def test_a_planner_joins_the_bench_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problems = tmp_path / "problems"
    problems.mkdir()
    (problems / "jar.toml").write_text((ROOT / "problems" / "heavy_jar.toml").read_text())
    command = ["bench", str(problems), "--planner", "half-speed", "--out", str(tmp_path / "out")]
    assert main(command) == 0
    assert "half-speed" in capsys.readouterr().out


def test_a_shape_is_an_obstacle_like_any_other(tmp_path: Path) -> None:
    wedge = fm.Shape("wedge", size=np.array([0.4, 0.2, 0.1]))
    volume, middle, _ = wedge.volume_inertia()
    assert volume == pytest.approx(0.4 * 0.2 * 0.1 / 2)
    np.testing.assert_allclose(middle, [0.4 / 6, 0.0, 0.1 / 3], atol=1e-12)
    text = (ROOT / "problems" / "heavy_jar.toml").read_text()
    path = tmp_path / "jar.toml"
    path.write_text(text + '\n[[obstacles]]\nname = "ramp"\ntype = "wedge"\nsize = [0.1, 0.1, 0.1]\nposition = [0.2, 0.6, 0.0]\n')
    problem = fm.load_problem(path)
    assert fm.describe(problem)["obstacles"][-1]["type"] == "wedge"
    inside = problem.with_(scene=fm.Scene((fm.Obstacle("ramp", replace(wedge, placement=tool_at_start(problem))),)))
    with pytest.raises(fm.StartInCollision, match="ramp"):
        fm.plan(inside)


def tool_at_start(problem: fm.TransferProblem) -> object:
    from fastmove.search.ik import pose_at

    return pose_at(problem, np.array(problem.start.q))
