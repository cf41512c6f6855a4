"""Writes the problem sets of `fastmove bench`: transfer-120, hold-100 and free-1000 (`make sets`).

    python tests/support/make_sets.py [--out problems/sets] [--only transfer-120]

Every line is a problem file of its own, with numbers rounded to micrometres and microradians.  Line k of a set depends on the set
and on k alone.  A draw is kept when both ends are free, reachable and can be held at rest by every item of the problem's set;
whether any planner finds a motion is not asked.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pinocchio as pin

import fastmove as fm
from fastmove.errors import FastMoveError
from fastmove.io.problem_file import problem_from_table
from fastmove.multibody.assembly import assemble, hand_overlaps
from fastmove.planner.context import PlanningContext
from fastmove.problem.item_catalog import ItemFacts
from fastmove.tables import CheckedTable

Table = dict[str, Any]
READY = {
    "panda": (0.0, -0.3, 0.0, -2.2, 0.0, 1.9, 0.785),
    "ur5e": (0.0, -1.6, 1.9, -1.9, -1.57, 0.0),
    "ur5": (0.0, -1.6, 1.9, -1.9, -1.57, 0.0),
}
LIMITS = {"panda": "fer", "ur5e": "ur"}
ROBOTS = ("panda", "ur5e")
SCENES = ("tote", "shelf", "fridge", "sorter wall")
ITEMS, GRASPS = 5, (0.0, 0.012, 0.025)  # items of each scene and robot; how far off its middle each is pinched [m]
HEAVIEST = 0.907  # 2 lb [kg]
DEPTH = {"panda": 0.03, "ur5e": 0.01}  # how far an item may reach from the pads' middle towards the palm [m]
SPARE = 0.006  # by which the open hand is wider than what it takes [m]
TRIES = 400  # draws for one line before another item is drawn


# -- tables -------------------------------------------------------------------------------------------------------------


def numbers(values: Any, digits: int = 6) -> list[float]:
    return [float(x) + 0.0 for x in np.round(np.asarray(values, float), digits)]


def box(name: str, size: Any, at: Any) -> Table:
    return {"name": name, "type": "box", "size": numbers(size, 4), "position": numbers(at, 4)}


def placed(pose: pin.SE3) -> Table:
    return {"position": numbers(pose.translation), "quaternion_xyzw": numbers(pin.Quaternion(pose.rotation).coeffs(), 9)}


def built(table: Table) -> fm.TransferProblem:
    """The problem of a table, through the reader of files."""
    return problem_from_table(CheckedTable(json.loads(json.dumps(table)), table["name"]), Path(), table["name"])


def overlapping(problem: fm.TransferProblem) -> bool:
    """Whether more of the hand than its pads touches the item."""
    return any(distance < 0 for distance, _ in hand_overlaps(assemble(problem)))


def refused(problem: fm.TransferProblem) -> bool:
    """Whether more than the pads touch the item, or an end is not free, out of limits or cannot be held at rest."""
    if overlapping(problem):
        return True
    checks = PlanningContext.of(problem).checks
    start, goal = np.array(problem.start.q), np.array(problem.goal.configurations[0])
    return bool(checks.refusal(start, goal, "start") or checks.refusal(goal, start, "goal"))


# -- items and grasps ---------------------------------------------------------------------------------------------------


def small_enough(facts: ItemFacts, opening: float) -> bool:
    across = min(facts.size[0], facts.size[1])
    return facts.mass <= HEAVIEST and across + SPARE <= opening and facts.size[2] >= 0.03


def item_table(facts: ItemFacts) -> Table:
    shape: Table = {"type": facts.shape}
    if facts.shape == "box":
        shape["size"] = numbers(facts.size)
    else:
        shape["radius"] = round(float(facts.size[0]) / 2, 6)
        shape |= {"length": round(float(facts.size[2]), 6)} if facts.shape == "cylinder" else {}
    return {"name": facts.name, "mass": round(facts.mass, 6), "max_pinch_force": float(facts.max_pinch), "shapes": [shape]}


def across_axis(facts: ItemFacts) -> np.ndarray:
    """The horizontal axis of an item that the pads close along, in its own frame: its narrower side."""
    return np.eye(3)[int(np.argmin(facts.size[:2]))]


def grasp_pose(facts: ItemFacts, robot: fm.RobotModel, front: bool, aside: float, rng: np.random.Generator) -> pin.SE3:
    """The item in the tool frame, taken from above or, standing, from its front, `aside` off its middle."""
    y = across_axis(facts)
    z = np.cross(y, [0.0, 0.0, 1.0]) if front else np.array([0.0, 0.0, -1.0])
    tool = np.stack([np.cross(y, z), y, z], axis=1)  # axes of the tool in the item's frame
    half = np.asarray(facts.size) / 2 @ np.abs(z)
    into = -z * max(0.0, half - DEPTH[robot.name])  # where the pads' middle is, from the item's middle
    across = tool[:, 0] * aside * rng.choice([-1.0, 1.0])
    if facts.shape == "sphere" or (facts.shape == "cylinder" and not front):
        across = np.zeros(3)  # pads on a round side are pinched along its widest line
    room = np.abs(tool[:, 0]) @ np.asarray(facts.size) / 2 - 0.008
    across = across * min(1.0, max(room, 0.0) / max(aside, 1e-9))
    x, up = np.array(robot.gripper().pad_center)
    return pin.SE3(tool.T, np.array([x, 0.0, up]) - tool.T @ (into + across))


def uncertainty(facts: ItemFacts) -> Table:
    """Mass ± 5 %, centre of mass within half of what the catalogue says, its low friction ± 5 %, grip ± 5 %, 1 mm in the hand."""
    return {
        "mass": 0.05,
        "com": numbers(np.asarray(facts.com_halfrange) / 2),
        "friction": 0.05,
        "grip_force": 0.05,
        "placement": 0.001,
    }


# -- scenes: obstacles, and where the item stands at start and goal ------------------------------------------------------

Place = tuple[
    str, np.ndarray, float, bool
]  # what it stands on, where its foot is [m], its yaw [rad], whether it is taken from the front


def table_top() -> Table:
    return box("table", (1.5, 1.8, 0.04), (0.3, 0.0, -0.021))


def tote(name: str, x: float, y: float, rng: np.random.Generator) -> list[Table]:
    """A tote without a lid on the table: floor and four walls."""
    length, width, high, wall = 0.36, 0.30, rng.uniform(0.08, 0.15), 0.006
    return [
        box(f"{name}_floor", (length, width, 0.01), (x, y, 0.005)),
        box(f"{name}_front", (wall, width, high), (x - length / 2, y, high / 2)),
        box(f"{name}_back", (wall, width, high), (x + length / 2, y, high / 2)),
        box(f"{name}_left", (length, wall, high), (x, y + width / 2, high / 2)),
        box(f"{name}_right", (length, wall, high), (x, y - width / 2, high / 2)),
    ]


def totes(rng: np.random.Generator, size: np.ndarray) -> tuple[list[Table], Place, Place]:
    """From a tote with things in it into another."""
    side = rng.choice([-1.0, 1.0])
    obstacles = [table_top(), *tote("from", 0.5, 0.27 * side, rng), *tote("to", 0.5, -0.27 * side, rng)]
    at = np.array([0.5 + rng.uniform(-0.06, 0.06), 0.27 * side + rng.uniform(-0.04, 0.04), 0.01])
    for k, away in enumerate((-1.0, 1.0)):
        high = rng.uniform(0.04, 0.12)
        x = at[0] + away * (size[:2].max() / 2 + rng.uniform(0.05, 0.07))
        if abs(x - 0.5) < 0.14:
            obstacles.append(box(f"thing_{k}", (0.05, rng.uniform(0.06, 0.14), high), (x, at[1], 0.01 + high / 2)))
    there = np.array([0.5 + rng.uniform(-0.06, 0.06), -0.27 * side + rng.uniform(-0.04, 0.04), 0.01])
    return obstacles, ("from_floor", at, rng.uniform(-0.4, 0.4), False), ("to_floor", there, rng.uniform(-0.4, 0.4), False)


def rack(name: str, x: float, y: float, boards: list[float], depth: float, width: float, sides: bool) -> list[Table]:
    """Boards at these heights [m], a back, and sides where there are any; open towards the robot."""
    low, high = boards[0] - 0.02, boards[-1]
    parts = [box(f"{name}_board_{k}", (depth, width, 0.02), (x, y, z - 0.01)) for k, z in enumerate(boards)]
    parts.append(box(f"{name}_back", (0.02, width, high - low), (x + depth / 2 + 0.01, y, (low + high) / 2)))
    for k, side in enumerate((-1, 1) if sides else ()):
        parts.append(box(f"{name}_side_{k}", (depth, 0.02, high - low), (x, y + side * (width / 2 + 0.01), (low + high) / 2)))
    return parts


def neighbours(at: np.ndarray, size: np.ndarray, gap: tuple[float, float], rng: np.random.Generator) -> list[Table]:
    """Things that stand left and right of an item, a hand's finger away."""
    parts = []
    for k, side in enumerate((-1.0, 1.0)):
        wide, high = rng.uniform(0.03, 0.06), rng.uniform(0.08, 0.2)
        y = at[1] + side * (size[1] / 2 + rng.uniform(*gap) + wide / 2)
        parts.append(box(f"neighbour_{k}", (rng.uniform(0.05, 0.12), wide, high), (at[0] + 0.03, y, at[2] + high / 2)))
    return parts


def shelf(rng: np.random.Generator, size: np.ndarray) -> tuple[list[Table], Place, Place]:
    """From one board of a shelf to the table at its side, or to another board."""
    y, boards = rng.uniform(-0.15, 0.15), [0.12, 0.12 + rng.uniform(0.3, 0.36), 0.85]
    obstacles = [table_top(), *rack("shelf", 0.68, y, boards, 0.26, 0.6, False)]
    k, other = rng.permutation(2)
    at = np.array([0.6 + rng.uniform(0.0, 0.04), y + rng.uniform(-0.1, 0.1), boards[k]])
    obstacles += neighbours(at, size, (0.035, 0.06), rng)
    if rng.uniform() < 0.5:
        there, support = np.array([0.6, y + rng.uniform(-0.12, 0.12), boards[other]]), f"shelf_board_{other}"
    else:
        there, support = np.array([0.4, rng.choice([-1, 1]) * 0.42, 0.0]), "table"
    return obstacles, (f"shelf_board_{k}", at, 0.0, True), (support, there, rng.uniform(-0.3, 0.3), True)


def fridge(rng: np.random.Generator, size: np.ndarray) -> tuple[list[Table], Place, Place]:
    """Out of a compartment that is closed on five sides, onto the table beside it."""
    y, floor = rng.uniform(-0.1, 0.1), rng.uniform(0.08, 0.2)
    obstacles = [table_top(), *rack("fridge", 0.70, y, [floor, floor + rng.uniform(0.36, 0.42)], 0.32, 0.44, True)]
    at = np.array([0.62 + rng.uniform(0.0, 0.05), y + rng.uniform(-0.08, 0.08), floor])
    obstacles += neighbours(at, size, (0.035, 0.07), rng)
    side = rng.choice([-1.0, 1.0])
    there = np.array([0.35 + rng.uniform(-0.05, 0.05), side * (0.48 + rng.uniform(-0.03, 0.03)), 0.0])
    return obstacles, ("fridge_board_0", at, 0.0, True), ("table", there, side * rng.uniform(0.0, 0.7), True)


def sorter(rng: np.random.Generator, size: np.ndarray) -> tuple[list[Table], Place, Place]:
    """From a conveyor at the side into a pocket of a wall of pockets."""
    wide, high, depth, x = 0.24, rng.uniform(0.28, 0.34), 0.22, 0.70
    floors = [0.1 + k * high for k in range(3)]
    obstacles = [table_top(), *rack("wall", x, 0.0, floors, depth, 3 * wide, True)]
    for column in (-0.5, 0.5):
        obstacles.append(box(f"divider_{column:+g}", (depth, 0.012, 2 * high), (x, column * wide, 0.1 + high - 0.01)))
    side = rng.choice([-1.0, 1.0])
    top = rng.uniform(0.1, 0.2)
    obstacles.append(box("conveyor", (0.7, 0.25, top), (0.35, side * 0.5, top / 2)))
    at = np.array([0.35 + rng.uniform(-0.1, 0.1), side * 0.5, top])
    row, column = int(rng.integers(2)), int(rng.integers(-1, 2))
    there = np.array([x - depth / 2 + 0.05, column * wide + rng.uniform(-0.03, 0.03), floors[row]])
    return obstacles, ("conveyor", at, side * rng.uniform(0.0, 0.8), True), (f"wall_board_{row}", there, 0.0, True)


MAKERS = {"tote": totes, "shelf": shelf, "fridge": fridge, "sorter wall": sorter}


def stood(place: Place, facts: ItemFacts, front: bool) -> pin.SE3:
    """The item standing at a place; from the front its side towards the robot is the one that the pads do not close along."""
    yaw = pin.utils.rotate("z", place[2])
    if front and across_axis(facts)[0] > 0.5:  # its narrower side is x: turned so that it is across the way in
        yaw = yaw @ pin.utils.rotate("z", np.pi / 2)
    return pin.SE3(yaw, place[1] + np.array([0.0, 0.0, float(facts.size[2]) / 2]))


# -- ends ---------------------------------------------------------------------------------------------------------------


def with_ends(table: Table, ends: tuple[pin.SE3, pin.SE3], ready: tuple[float, ...]) -> Table | None:
    """The table with configurations at its ends, the start's nearest to `ready` and the goal's nearest to the start's."""
    trial = table | {"start": {"q": list(ready)}, "goal": {"q": list(ready)}}
    try:
        problem = built(trial)
    except FastMoveError:
        return None
    if overlapping(problem):
        return None
    start, context = None, PlanningContext.of(problem)
    for q in fm.ik(problem, ends[0], near=np.array(ready)):
        if context.checks.refusal(np.array(q), np.array(q), "start") is None:
            start = numbers(q)
            break
    if start is None:
        return None
    for q in fm.ik(problem, ends[1], near=np.array(start)):
        if context.checks.refusal(np.array(q), np.array(start), "goal") is None:
            whole = table | {"start": {"q": start}, "goal": {"q": numbers(q)}}
            return None if refused(built(whole)) else whole
    return None


# -- the sets -----------------------------------------------------------------------------------------------------------


def transfers() -> Iterator[Table]:
    """120 transfers in clutter: 4 scenes × 2 robots × 5 items × 3 grasps."""
    for s, scene in enumerate(SCENES):
        for r, name in enumerate(ROBOTS):
            for k in range(ITEMS):
                yield from three_grasps(scene, name, np.random.default_rng([120, s, r, k]), k)


def three_grasps(scene: str, name: str, rng: np.random.Generator, number: int) -> list[Table]:
    """One item in one place, pinched in its middle and off it."""
    robot = fm.load_robot(name)
    rows = [row for row in fm.known_items() if small_enough(row, float(robot.gripper().opening[1]))]
    while True:
        facts = rows[int(rng.integers(len(rows)))]
        for _ in range(TRIES // 10):
            obstacles, start, goal = MAKERS[scene](rng, np.asarray(facts.size))
            found = [transfer(scene, robot, facts, obstacles, start, goal, aside, number, rng) for aside in GRASPS]
            if all(one is not None for one in found):
                return [one for one in found if one is not None]


def transfer(
    scene: str,
    robot: fm.RobotModel,
    facts: ItemFacts,
    obstacles: list[Table],
    start: Place,
    goal: Place,
    aside: float,
    number: int,
    rng: np.random.Generator,
) -> Table | None:
    """One transfer, or None where an end is not free, not reachable or cannot be held."""
    grasp = grasp_pose(facts, robot, start[3], aside, rng)
    gripper = robot.gripper()
    most = min(float(gripper.force[1]), float(facts.max_pinch)) * 0.95
    least = max(float(gripper.force[0]), 0.25 * most)
    if least > most:
        return None
    table: Table = {
        "format": 1,
        "name": f"{scene}/{robot.name}/{facts.id}/{number}/{1e3 * aside:g}mm",
        "robot": robot.name,
        "limits": LIMITS[robot.name],
        "clearance": 0.002,
        "item": item_table(facts),
        "uncertainty": uncertainty(facts),
        "grasp": {
            "tool_T_item": placed(grasp),
            "friction": round(float(facts.friction[0]) / 0.95, 4),
            "grip_force": numbers([least, most], 3),
        },
        "obstacles": obstacles,
        "allowed_contacts": [{"obstacle": start[0], "at": "start"}, {"obstacle": goal[0], "at": "goal"}],
    }  # fmt: skip
    if start[0] == goal[0]:
        table["allowed_contacts"] = [{"obstacle": start[0], "at": "both"}]
    return with_ends(table, (stood(start, facts, start[3]), stood(goal, facts, goal[3])), READY[robot.name])


def holds() -> Iterator[Table]:
    """100 transfers over an empty table whose grip is 1.1 to 1.6 times what rest needs: the hold decides."""
    for k in range(100):
        yield hold_limited(k, np.random.default_rng([100, k]))


def hold_limited(number: int, rng: np.random.Generator) -> Table:
    robot = fm.load_robot(ROBOTS[number % 2])
    rows = [row for row in fm.known_items() if small_enough(row, float(robot.gripper().opening[1])) and row.mass >= 0.1]
    while True:
        facts = rows[int(rng.integers(len(rows)))]
        aside, spare = float(rng.uniform(0.0, 0.025)), float(rng.uniform(1.1, 1.6))
        angle = rng.uniform(-1.2, 1.2, 2)
        ends = [np.array([0.45 * np.cos(a), 0.45 * np.sin(a), rng.uniform(0.1, 0.4)]) for a in angle]
        places = [("table", at, float(a), False) for at, a in zip(ends, angle, strict=True)]
        table = transfer("hold", robot, facts, [table_top()], places[0], places[1], aside, number, rng)
        if table is None or np.linalg.norm(ends[1] - ends[0]) < 0.3:
            continue
        weak = with_weak_grip(table | {"allowed_contacts": []}, spare, robot)
        if weak is not None:
            return weak


def with_weak_grip(table: Table, spare: float, robot: fm.RobotModel) -> Table | None:
    """The same with the grip that rest at its ends needs, times `spare`; None where hand or item cannot bear it or it slips."""
    problem, most = built(table), float(table["grasp"]["grip_force"][1])
    ends = (np.array(problem.start.q), np.array(problem.goal.configurations[0]))
    low, high = float(robot.gripper().force[0]), most
    for _ in range(30):
        middle = (low + high) / 2
        trial = PlanningContext.of(built(table | {"grasp": table["grasp"] | {"grip_force": middle}})).checks
        low, high = (low, middle) if max(trial.static_use(q)[0] for q in ends) <= 1 else (middle, high)
    force = round(high * spare, 3)
    if force > most:
        return None
    weak = table | {"grasp": table["grasp"] | {"grip_force": force}}
    return None if refused(built(weak)) else weak


def free() -> Iterator[Table]:
    """1000 motions of empty hands among random boxes, cylinders and spheres: 50 scenes of 20 motions."""
    for k in range(50):
        rng = np.random.default_rng([1000, k])
        name = ("panda", "ur5e")[k % 2]
        obstacles = random_scene(rng)
        for n in range(20):
            yield free_motion(name, obstacles, f"free/{name}/{k}/{n}", np.random.default_rng([1000, k, n]))


def random_scene(rng: np.random.Generator) -> list[Table]:
    parts = [table_top()]
    for k in range(int(rng.integers(4, 10))):
        kind, radius, angle = rng.choice(["box", "cylinder", "sphere"]), rng.uniform(0.35, 0.8), rng.uniform(-2.2, 2.2)
        at = np.array([radius * np.cos(angle), radius * np.sin(angle), rng.uniform(0.05, 0.8)])
        row: Table = {"name": f"{kind}_{k}", "type": str(kind), "position": numbers(at, 4)}
        if kind == "box":
            row["size"] = numbers(rng.uniform(0.05, 0.3, 3), 4)
        elif kind == "cylinder":
            row |= {"radius": round(float(rng.uniform(0.03, 0.1)), 4), "length": round(float(rng.uniform(0.1, 0.5)), 4)}
        else:
            row["radius"] = round(float(rng.uniform(0.04, 0.12)), 4)
        parts.append(row)
    return parts


def free_motion(name: str, obstacles: list[Table], title: str, rng: np.random.Generator) -> Table:
    robot = fm.load_robot(name)
    limits = robot.limit_set("benchmark")
    low, high = np.maximum(limits.position_min, -np.pi), np.minimum(limits.position_max, np.pi)
    table: Table = {"format": 1, "name": title, "robot": name, "limits": "benchmark", "clearance": 0.002, "obstacles": obstacles}
    trial = built(table | {"start": {"q": list(READY[name])}, "goal": {"q": list(READY[name])}})
    checks = PlanningContext.of(trial).checks
    ends: list[list[float]] = []
    while len(ends) < 2:
        q = np.array(numbers(rng.uniform(low, high)))
        if checks.refusal(q, q, "start" if not ends else "goal") is None and (not ends or np.linalg.norm(q - ends[0]) > 1.0):
            ends.append(q.tolist())
    return table | {"start": {"q": ends[0]}, "goal": {"q": ends[1]}}


SETS: dict[str, Callable[[], Iterator[Table]]] = {"transfer-120": transfers, "hold-100": holds, "free-1000": free}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("problems/sets"))
    parser.add_argument("--only", choices=tuple(SETS))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, lines in SETS.items():
        if options.only in (None, name):
            dumps = partial(json.dumps, separators=(",", ":"))
            text = "".join(f"{dumps(table)}\n" for table in lines())
            (options.out / f"{name}.jsonl").write_text(text)
            print(f"{name}: {text.count(chr(10))} problems, {len(text) / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
