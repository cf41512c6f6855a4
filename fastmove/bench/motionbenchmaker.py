"""Reader of MotionBenchMaker problems (Chamzas et al., RA-L 7(2), 2022) as `TransferProblem`s.

Two forms are read: the JSON of `fastmove.mbm/1` (one file for each robot and scene), and the MoveIt YAML pairs of the public
archive (`sceneNNNN.yaml`, `requestNNNN.yaml`, in a folder or a tar archive), as they are.

Decided here, as both forms leave it open: the Panda's fingers stand at the hand's own 0.04 m each (the source's 0.065 m does
not exist); the object between the jaws at the goal is what will be grasped, not an obstacle; the clearance is 2 mm; the
limits are `benchmark`; the UR5's base stands at z = 0.9144 m, yaw 1.57 rad, as in the source URDF. Archives of other arms,
such as Fetch and Baxter, need a robot.toml of theirs: its default limits are taken where it has no `benchmark`, joints that
it does not move stay where the URDF has them, and links that it names as `unshaped` are accepted as not checked. A joint that
is up to 1e-5 rad beyond a limit, as π is beyond 3.14159, is taken at the limit.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import coal
import numpy as np
import pinocchio as pin
import yaml

from fastmove.arrays import Array, readonly
from fastmove.errors import InputError
from fastmove.geometry.poses import pose
from fastmove.geometry.shapes import Shape
from fastmove.io.moveit_scene import message_pose, primitive
from fastmove.problem.goal import Goal, State
from fastmove.problem.scene import Obstacle, Scene
from fastmove.problem.transfer import TransferProblem
from fastmove.robot.joint_limits import LimitSet
from fastmove.robot.model import RobotModel
from fastmove.robot.shipped import known_robots, load_robot
from fastmove.search.ik import pose_at

CLEARANCE = 0.002  # Required clearance of every problem [m].
LIMITS = "benchmark"  # Name of the limit set of every problem.
# Pose of the UR5's base in the world [m].
UR5_BASE = pin.SE3(pin.utils.rotate("z", 1.57), np.array([0.0, 0.0, 0.9144]))
ROUNDED = 1e-5  # What a joint may be beyond a limit by rounding [rad, m].
JAW = (0.02, 0.10, 0.02)  # Edges of the space between the open jaws, along the tool's axes [m].


@dataclass(frozen=True)
class BenchProblem:
    """One problem of a benchmark set.

    Attributes:
        id: Unique name in the set.
        scene: Name of the scene that it belongs to.
        problem: The problem itself.
        target: The object to be grasped at the goal, which is no obstacle; None = none, or not known.
    """

    id: str
    scene: str
    problem: TransferProblem
    target: Obstacle | None = None


@lru_cache(maxsize=4)
def _robot(name: str, file: str | None = None) -> RobotModel:
    """The robot of a problem; a robot.toml stands for an arm that does not ship."""
    if file is not None and name not in known_robots():
        return load_robot(file)
    if name not in known_robots():
        raise InputError(name, "is no robot that ships; give a robot.toml of it: `fastmove bench … --robot FILE`")
    if name == "panda":
        return load_robot("panda", geometry="hulls")
    return load_robot(name).at(UR5_BASE) if name == "ur5" else load_robot(name)


def is_motionbenchmaker(path: Path) -> bool:
    """Whether this file or folder looks like one of the two forms of MotionBenchMaker problems."""
    if path.is_dir():
        return any(path.rglob("request*.yaml")) or any(is_motionbenchmaker(p) for p in sorted(path.glob("*.json"))[:1])
    if path.suffix == ".json":
        return '"fastmove.mbm/1"' in path.read_text()[:200]
    return ".tar" in path.suffixes


def motionbenchmaker_loaders(path: Path, robot: str | None = None) -> list[Callable[[], BenchProblem]]:
    """What reads each problem of a file, folder or archive, in the order of their names.

    Args:
        path: The file, folder or archive.
        robot: A robot.toml for problems of an arm that does not ship.

    Raises:
        InputError: It is not in one of the two forms; from a loader: that problem is wrong.
    """
    if path.suffix == ".json":
        return _json_loaders(path, robot)
    if path.is_dir() and not any(path.rglob("request*.yaml")):
        return [load for file in sorted(path.glob("*.json")) if is_motionbenchmaker(file) for load in _json_loaders(file, robot)]
    return _moveit_loaders(path, robot)


def read_motionbenchmaker(path: Path, robot: str | None = None) -> Iterator[BenchProblem]:
    """Read all problems of a file, folder or archive (see `motionbenchmaker_loaders`)."""
    return (load() for load in motionbenchmaker_loaders(path, robot))


# -- JSON -----------------------------------------------------------------------------------------------------------------


def _json_loaders(path: Path, file: str | None) -> list[Callable[[], BenchProblem]]:
    data = json.loads(path.read_text())

    def load(row: dict) -> BenchProblem:
        obstacles, target = [_obstacle(o) for o in row["obstacles"]], row.get("grasp_target")
        name = None if target is None else target["name"]
        return _entry(row["id"], data["scene"], _robot(data["robot"], file), row["start"], row["goals"], obstacles, name)

    return [partial(load, row) for row in data["problems"]]


def _within(q: object, limits: LimitSet) -> Array:
    """Configurations, taken at a limit that they are beyond by no more than `ROUNDED`."""
    values = np.array(q, float)
    clipped: Array = np.clip(values, limits.position_min, limits.position_max)
    return np.where(np.abs(values - clipped) <= ROUNDED, clipped, values)


def _obstacle(row: dict) -> Obstacle:
    placement = pose(row["position"], row["quaternion_xyzw"])
    size = np.array(row.get("size", ()))
    return Obstacle(row["name"], (Shape(row["type"], size, row.get("radius", 0.0), row.get("length", 0.0), "", placement),))


def _entry(
    id_: str, scene: str, robot: RobotModel, start: object, goals: object, obstacles: list[Obstacle], target: str | None
) -> BenchProblem:
    """A benchmark problem whose obstacle of the name `target` is the object to be grasped instead of an obstacle."""
    grasp_target = next((o for o in obstacles if o.name == target), None)
    rest = tuple(o for o in obstacles if o.name != target)
    limits = LIMITS if LIMITS in robot.limits else robot.default_limits
    ends = State.rest(_within(start, robot.limit_set(limits))), Goal(readonly(_within(goals, robot.limit_set(limits))))
    problem = TransferProblem(id_, robot, (), Scene(rest), *ends, limits, CLEARANCE, accepts=robot.unshaped)
    return BenchProblem(id_, scene, problem, grasp_target)


# -- MoveIt YAML ----------------------------------------------------------------------------------------------------------


def _moveit_loaders(path: Path, file: str | None) -> list[Callable[[], BenchProblem]]:
    texts = dict(_texts(path))
    return [partial(_read_moveit, texts, name, file) for name in sorted(n for n in texts if Path(n).name.startswith("request"))]


def _read_moveit(texts: dict[str, str], name: str, file: str | None) -> BenchProblem:
    """The problem of a request, with the scene beside it."""
    scene_name = str(Path(name).with_name(Path(name).name.replace("request", "scene")))
    if scene_name not in texts:
        raise InputError(name, f"has no {Path(scene_name).name} beside it")
    scene, _, robot_name = Path(name).parent.name.rpartition("_")
    robot = _robot(robot_name, file)
    request, world = yaml.load(texts[name], _Loader), yaml.load(texts[scene_name], _Loader)
    start, goal = _request(request, robot)
    obstacles = [o for row in world["world"]["collision_objects"] for o in _moveit_objects(row)]
    number = "".join(c for c in Path(name).stem if c.isdigit())
    entry = _entry(f"{robot_name}/{scene}/{number}", scene, robot, start, [goal], obstacles, None)
    return _entry(entry.id, scene, robot, start, [goal], obstacles, _between_jaws(entry.problem))


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _texts(path: Path) -> Iterator[tuple[str, str]]:
    """(name, text) of every YAML file in a folder or a tar archive."""
    if path.is_dir():
        for file in sorted(path.rglob("*.yaml")):
            yield str(file.relative_to(path.parent)), file.read_text()
        return
    if not path.is_file() or not tarfile.is_tarfile(path):
        raise InputError(str(path), "is neither a folder with requestNNNN.yaml nor a tar archive of such folders")
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile() and member.name.endswith(".yaml"):
                stream = archive.extractfile(member)
                assert stream is not None
                yield member.name, stream.read().decode()


def _request(request: dict, robot: RobotModel) -> tuple[list[float], list[float]]:
    """Start and goal configuration (n,) of a MoveIt motion request."""
    state = request["start_state"]["joint_state"]
    values = dict(zip(state["name"], state["position"], strict=True))
    constraints = {c["joint_name"]: c["position"] for c in request["goal_constraints"][0]["joint_constraints"]}
    for name in (*robot.joint_names, *constraints):
        if name not in values or name not in constraints or name not in robot.joint_names:
            moved = ", ".join(constraints)
            raise InputError(robot.name, f"has {', '.join(robot.joint_names)} for joints; this archive moves {moved}")
    return [float(values[j]) for j in robot.joint_names], [float(constraints[j]) for j in robot.joint_names]


def _moveit_objects(row: dict) -> Iterator[Obstacle]:
    """The primitives of one collision object, an obstacle each; its own pose, if given, is applied before theirs."""
    whole = message_pose(row.get("pose", {}))
    primitives, poses = row.get("primitives", []), row.get("primitive_poses", [])
    for k, (shape, where) in enumerate(zip(primitives, poses, strict=True)):
        name = row["id"] if len(primitives) == 1 else f"{row['id']}.{k}"
        yield Obstacle(name, (replace(primitive(shape, name), placement=whole * message_pose(where)),))


def _between_jaws(problem: TransferProblem) -> str | None:
    """Name of the obstacle that reaches deepest into the space between the pads at the goal; None if none does."""
    robot = problem.robot
    if not robot.grippers:
        return None
    tool = pose_at(problem, problem.goal.configurations[0])  # The tool frame, as nothing is held.
    jaw, there = coal.Box(*JAW), coal.Transform3s(tool.rotation, tool.translation)
    distances: list[tuple[float, str]] = []
    for obstacle in problem.scene.obstacles:
        at = coal.Transform3s(obstacle.placement.rotation, obstacle.placement.translation)
        geometry = obstacle.shape.geometry()
        distance = coal.distance(jaw, there, geometry, at, coal.DistanceRequest(), coal.DistanceResult())
        distances.append((float(distance), obstacle.name))
    least, name = min(distances, default=(1.0, ""))
    return name if least < 0 else None
