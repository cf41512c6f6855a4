"""The structure: who may import whom, what ships, what the README promises."""

import ast
import dataclasses
import functools
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from old_names import OTHER, old_names

import fastmove
from fastmove.robot.speed_envelope import SpeedEnvelope
from fastmove.trajectory.bspline import SplineBasis
from fastmove.trajectory.trajectory import Phase

PACKAGE = Path(fastmove.__file__).parent
ROOT = PACKAGE.parent

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
LAYERS = [re.split(r"[:|]", layer) for layer in CONTRACTS[0]["layers"]]
APART = {name.strip() for layer in CONTRACTS[0]["layers"] if "|" in layer for name in layer.split("|")}
LEVEL = {name.strip(): -level for level, names in enumerate(LAYERS) for name in names}
PLANNING = {"dynamics", "collision", "search", "optim", "planner", "reference", "solution", "io", "drivers", "execution"}
OPTIONAL = {"mujoco", "dask", "distributed", "toppra", "pydrake", "ompl", "meshcat", "rosbags"}


@functools.cache
def imports(path: Path) -> set[str]:
    """Names of modules that a file imports when it runs (not those for type checkers only)."""
    found: set[str] = set()
    tree = ast.parse(path.read_text())
    skipped = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def module(path: Path) -> str:
    """Dotted name below the package: "sqp", "drivers.mujoco"; a folder's own file is the folder."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


FILES = {module(path): path for path in PACKAGE.rglob("*.py")}


def inside(path: Path) -> set[str]:
    return {name.removeprefix("fastmove.") for name in imports(path) if name.startswith("fastmove.")}


@functools.cache
def reachable(name: str) -> set[str]:
    seen, todo = set(), [name]
    while todo:
        for other in inside(FILES[todo.pop()]):
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return seen


def room(name: str) -> str:
    """The folder that a module is in, or the module itself where it is in none."""
    return name.split(".")[0]


def test_every_room_has_a_layer_and_imports_downwards() -> None:
    """What `make lint` checks by import-linter, and that no room was left out of its layers."""
    assert {room(name) for name in FILES} - {"__init__", "__main__"} == set(LEVEL)
    for name, path in FILES.items():
        for other in inside(path) if room(name) in LEVEL else ():
            assert LEVEL[room(other)] <= LEVEL[room(name)], f"{name} imports {other} from above"
            apart = room(name) != room(other) and {room(name), room(other)} <= APART
            assert not apart, f"{name} imports {other}, which stands beside it"


def test_no_folder_is_a_crowd() -> None:
    for folder in {path.parent for path in FILES.values()}:
        assert len(list(folder.glob("*.py"))) <= 18, folder


def test_no_import_cycles() -> None:
    for name in FILES:
        assert name not in reachable(name), name


def test_the_certificate_cannot_reach_the_optimiser() -> None:
    own = {name for name in FILES if room(name) == "certificate"}
    reached = own.union(*(reachable(name) for name in own))
    assert not {room(name) for name in reached} & PLANNING
    outside = {m.split(".")[0] for n in reached for m in imports(FILES[n])}
    assert not outside & {"scipy", "piqp", "clarabel", "ruckig", "casadi"}


def test_certifying_loads_no_casadi() -> None:
    """Nor any solver: the certificate of a file needs what it needs, and nothing of what might have made the motion."""
    said = (
        "import sys, fastmove as fm, numpy\n"
        "from fastmove.trajectory.bspline import SplineBasis\n"
        "from fastmove.trajectory.trajectory import Phase\n"
        "problem = fm.load_problem(sys.argv[1])\n"
        "before = set(sys.modules) - {'casadi', 'piqp', 'clarabel', 'ruckig'}  # reading a file may load scipy, for meshes\n"
        "basis, ends = SplineBasis(numpy.linspace(0, 1, 9)), (problem.start.q, problem.goal.configurations[0])\n"
        "points = numpy.linspace(*ends, basis.size)\n"
        "points[:3], points[-3:] = ends\n"
        "phase = Phase.from_spline(basis, points, 3.0, [60.0], [problem.holds[0].width])\n"
        "certificate = fm.certify(problem, fm.Trajectory((phase,), problem.robot.joint_names))\n"
        "assert len(certificate.kinds) == len(problem.limit_kinds), certificate\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new & {'casadi', 'scipy', 'piqp', 'clarabel', 'ruckig', 'toppra', 'mujoco', 'meshcat'}))"
    )
    command = [sys.executable, "-c", said, str(ROOT / "problems" / "heavy_jar.toml")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr


def test_optional_packages_stay_outside() -> None:
    for name, path in FILES.items():
        found = {m.split(".")[0] for m in imports(path)} & OPTIONAL
        homes = {
            "drivers.simulated.mujoco_parts": {"mujoco"},
            "viz.scene": {"meshcat"},
            "bench.peers": {"toppra"},
            "bench.drake_peer": {"pydrake"},
            "bench.dask_engine": {"dask", "distributed"},
            "io.ros_cdr": {"rosbags"},
        }
        assert found <= homes.get(name, set()), path


def test_drivers_and_planning_meet_only_in_execution() -> None:
    for name in FILES:
        if room(name) == "drivers":
            assert not {room(other) for other in reachable(name)} & (PLANNING - {"drivers"}), name
        if room(name) in PLANNING - {"drivers", "execution"}:
            assert not any(room(other) == "drivers" for other in reachable(name)), name


def test_no_asserts_on_user_input_and_no_long_functions() -> None:
    lengths = []
    for path in FILES.values():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                lengths.append((node.end_lineno - node.lineno + 1, f"{path.name}:{node.name}"))
    assert max(lengths)[0] <= 70, max(lengths)


def test_public_names_are_what_type_checkers_read_and_nothing_else() -> None:
    """One table for people who import, one for their type checkers; every name is there, and importing loads nothing heavy."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    read = {(n.module.removeprefix("fastmove."), a.name) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module
            for a in n.names if n.module.startswith("fastmove.")}  # fmt: skip
    assert read == {(module, name) for name, module in fastmove._HOME.items()}
    assert sorted(dir(fastmove)) == sorted([*fastmove.__all__, "__version__"])
    for name in fastmove.__all__:
        assert getattr(fastmove, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = fastmove.nonsense
    said = "import sys, fastmove; print([m for m in ('numpy', 'pinocchio', 'coal', 'casadi', 'scipy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_examples_and_readme_import_the_package_alone() -> None:
    texts = [path.read_text() for path in sorted((ROOT / "examples").glob("*.py"))]
    texts += re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    for text in texts:
        assert not re.search(r"^\s*(from fastmove|import fastmove\.)", text, re.MULTILINE), text


def test_a_file_is_planned_and_what_comes_prints_itself_briefly(tmp_path: Path) -> None:
    problem = fastmove.load_problem(ROOT / "problems" / "heavy_jar.toml").with_(scene=fastmove.Scene())
    there = fastmove.GoalPose(fastmove.pose((0.5, 0.0, 0.4), (1, 0, 0, 0)), of="tool")
    region = problem.with_(holds=(), goal=fastmove.Goal(poses=(there,)))
    solution = fastmove.plan(region).raise_for_status()
    for thing in (problem, region, problem.robot, solution.trajectory, solution.certificate):
        assert len(repr(thing).splitlines()) <= 10 and len(repr(thing)) < 400, repr(thing)
    with pytest.raises(fastmove.InputError, match="no_such"):
        fastmove.plan(tmp_path / "no_such.toml")
    assert (
        fastmove.plan(ROOT / "problems" / "heavy_jar.toml", fastmove.Options(path_seeds=0)).problem.name
        == "heavy jar into a crate"
    )


def test_readme_runs_as_pasted_and_prints_what_it_says(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    printed = re.findall(r"prints\n\n```\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == len(printed) == 2
    result = subprocess.run([sys.executable, "-c", "".join(blocks)], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "".join(printed)
    assert all(len([line for line in code.splitlines() if line.strip()]) <= 15 for code in blocks)


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_examples_run(example: Path, tmp_path: Path) -> None:
    result = subprocess.run([sys.executable, str(example)], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    if "example-robot-data: pip install" in result.stderr:
        pytest.skip("example-robot-data is not installed")
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() and len(example.read_text().splitlines()) <= 60


def test_the_wheel_brings_robots_and_problems(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    wheel = next(tmp_path.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "installed")
    for needed in (
        "data/robots/panda/panda.urdf",
        "data/robots/panda/robot.toml",
        "data/problems/book_to_tote.toml",
        "schemas/problem.schema.json",
        "py.typed",
        "viz/page/page.js",
    ):
        assert f"fastmove/{needed}" in names
    script = (
        "import fastmove, pathlib\n"
        "folder = pathlib.Path(fastmove.__file__).parent\n"
        "assert 'installed' in str(folder), folder\n"
        "problem = fastmove.load_problem(folder / 'data' / 'problems' / 'book_to_tote.toml')\n"
        "print(problem.robot.n_arm)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    result = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.stdout.strip() == "7", result.stderr


def test_nothing_names_a_registry() -> None:
    for name in ("requirements.lock", "pyproject.toml", "Makefile", ".ci/run"):
        assert "://" not in (ROOT / name).read_text(), name


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    from fastmove.cli.main import main

    for arguments in (["--version"], ["--help"], ["plan", "--help"]):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 0
    assert f"fastmove {fastmove.__version__}" in capsys.readouterr().out


def test_no_definition_bears_a_name_that_was_given_up() -> None:
    count, found = old_names()
    assert count > 5000 and set(found) == set(OTHER)


def test_aliases_of_old_public_names_are_the_new_things() -> None:
    for old, new in fastmove._ALIASES.items():
        assert getattr(fastmove, old) is getattr(fastmove, new) and old not in dir(fastmove)


def test_only_slow_tests_print() -> None:
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.parse(path.read_text()).body:
            slow = any("slow" in ast.unparse(mark) for mark in getattr(node, "decorator_list", ()))
            printed = [c for c in ast.walk(node) if isinstance(c, ast.Call) and ast.unparse(c.func) == "print"]
            assert slow or not printed, f"{path}: {printed[0].lineno}"


def documented(node: ast.AST, section: str) -> set[str]:
    """Names in a section of a docstring, without their stars."""
    text = re.search(rf"{section}:\n((?:[ ]+.*\n|\n)*)", (ast.get_docstring(node) or "") + "\n")
    return set(re.findall(r"^ {4}\**(\w+): ", text.group(1), re.MULTILINE)) if text else set()


def test_docstrings_name_what_is_there() -> None:
    """Every attribute and argument that a docstring describes exists."""
    for path in FILES.values():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} | {
                    n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)
                }
                names |= {n.name for n in node.body if isinstance(n, ast.FunctionDef)} | {
                    n.arg for n in ast.walk(node) if isinstance(n, ast.arg)
                }
                assert documented(node, "Attributes") | documented(node, "Args") <= names, (path, node.name)
            elif isinstance(node, ast.FunctionDef):
                names = {n.arg for n in ast.walk(node.args) if isinstance(n, ast.arg)}
                assert documented(node, "Args") <= names, (path, node.name)


def test_every_kind_of_limit_has_a_check() -> None:
    """On a problem that has everything no kind is left as "no limit"."""
    problem = fastmove.load_problem(ROOT / "problems" / "heavy_jar.toml")
    held = problem.holds[0]
    careful = dataclasses.replace(held.item, tolerates=fastmove.Tolerance(1.0, 1.0, 40.0, 0.9, np.array([0.0, 0.0, 1.0])))
    limits, ones = problem.limit_set, np.ones(problem.robot.n_arm)
    limits = dataclasses.replace(limits, speed_envelope=SpeedEnvelope(0.3 * ones, 9 * ones, 4 * ones, -4 * ones))
    robot = dataclasses.replace(problem.robot, limits={limits.name: limits})
    problem = problem.with_(robot=robot, holds=(fastmove.hold(held.gripper, careful, held.grasp),))
    basis, ends = SplineBasis(np.linspace(0, 1, 9)), (problem.start.q, problem.goal.configurations[0])
    points = np.linspace(*ends, basis.size)
    points[:3], points[-3:] = ends
    phase = Phase.from_spline(basis, points, 3.0, [60.0], [held.width])
    certificate = fastmove.certify(problem, fastmove.Trajectory((phase,), problem.robot.joint_names))
    assert not [kind for kind, margin in certificate.kinds.items() if margin.proof == "no limit"]
