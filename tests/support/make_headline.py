"""Writes the set of `fastmove bench headline`: the same items at the same places, held by two fingers and by a cup (`make sets`).

    python tests/support/make_headline.py [--count 120] [--out problems/sets]

Draw k depends on k alone.  An item of the catalogue (up to 2 lb) lies on a face of its own in a tote and goes into another;
fingers and cup come from above, 25 to 50 mm off its middle along its longer side, or as far off as the cup's lip allows.  Both
grasps are kept where hand and cup seal, fit, and can hold every item of the problem's set at rest at both ends; a `.json` beside
the set counts what could not be taken, by whom and why.

- The planner knows the item's class only: friction from low to high, the catalogue's range of the centre of mass, mass ± 5 %,
  grip and vacuum ± 5 %, 1 mm in the hand.
- Grip: `SPARE` times the least with which a plan may rest with every item of that set (at 0.9 of what slips), at most 95 % of
  what item and hand bear.
- Vacuum: that of the cup in robot.toml.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pinocchio as pin
from make_sets import (
    HEAVIEST,
    LIMITS,
    READY,
    Place,
    Table,
    built,
    item_table,
    numbers,
    overlapping,
    placed,
    refused,
    small_enough,
    stood,
    totes,
    with_ends,
)

import fastmove as fm
from fastmove.contact.wrench_cone import UTILISATION_MAX
from fastmove.errors import FastMoveError
from fastmove.io import problem_file
from fastmove.planner.context import PlanningContext
from fastmove.problem.item_catalog import ItemFacts

ROBOT = "panda"
OFFSET = (0.025, 0.05)  # how far off the item's middle it is taken [m]
CUP: dict[str, Table] = {"pinch": {}, "suction": {"gripper": "cup"}}
RIM = 0.001  # least distance of the lip from the edge of the face [m]
SPARE = 1.5  # grip over the least with which a plan may rest
LEAST = 2.0  # the gentlest grip [N]
BEARS = 0.95  # share of what item and hand bear that the grip may have
DEEP = 0.03  # how far below the item's top the pads' middle is [m]
TRIES = 30  # places tried for one item


def lying(facts: ItemFacts, rng: np.random.Generator) -> ItemFacts:
    """A box lies on any of its faces; its narrower horizontal side is y, along which the pads close.  A cylinder stands."""
    if facts.shape != "box":
        return facts
    up = int(rng.integers(3))
    flat = sorted((k for k in range(3) if k != up), key=lambda k: -facts.size[k])
    order = [*flat, up]
    return replace(facts, size=np.asarray(facts.size)[order], com_halfrange=np.asarray(facts.com_halfrange)[order])


def aside(facts: ItemFacts, radius: float, rng: np.random.Generator) -> float | None:
    """How far off the middle both grasp, along x [m]; None where the lip finds no room."""
    half = np.asarray(facts.size) / 2
    if half[1] < radius + RIM:
        return None
    wanted = float(rng.uniform(*OFFSET)) * float(rng.choice([-1.0, 1.0]))
    if facts.shape == "cylinder":
        room = float(half[0]) - radius - RIM
        return None if room < 0 else 0.0  # pads are pinched on the widest line, and the cup is put where they are
    room = float(half[0]) - radius - RIM
    return float(np.clip(wanted, -room, room))


def uncertainty(facts: ItemFacts) -> Table:
    low, _, high = facts.friction
    return {
        "mass": 0.05,
        "com": numbers(facts.com_halfrange),
        "friction": round(float((high - low) / (high + low)), 4),
        "grip_force": 0.05,
        "placement": 0.001,
    }


def grasps(facts: ItemFacts, robot: fm.RobotModel, off: float) -> dict[str, pin.SE3]:
    """The item in the tool frames of fingers and cup; the tools' z is down, their y the item's narrower side."""
    tool = np.diag([1.0, -1.0, -1.0])  # axes of the tool in the item's frame
    half = float(facts.size[2]) / 2
    x, up = np.array(robot.gripper().pad_center)
    pads = np.array([off, 0.0, max(0.0, half - DEEP)])
    return {
        "pinch": pin.SE3(tool.T, np.array([x, 0.0, up]) - tool.T @ pads),
        "suction": pin.SE3(tool.T, -tool.T @ np.array([off, 0.0, half])),
    }


def transfer(name: str, how: str, pose: pin.SE3, facts: ItemFacts, scene: tuple[list[Table], Place, Place]) -> Table:
    obstacles, start, goal = scene
    low, _, high = facts.friction
    return {
        "format": 1,
        "name": f"{name}/{how}",
        "robot": ROBOT,
        "limits": LIMITS[ROBOT],
        "clearance": 0.002,
        "item": item_table(facts),
        "uncertainty": uncertainty(facts),
        "grasp": {"tool_T_item": placed(pose), "friction": round(float(low + high) / 2, 4), "contact": how} | CUP[how],
        "obstacles": obstacles,
        "allowed_contacts": [{"obstacle": start[0], "at": "start"}, {"obstacle": goal[0], "at": "goal"}],
    }


def most(robot: fm.RobotModel, facts: ItemFacts) -> float:
    """The strongest grip that item and hand bear, a twentieth more than commanded included [N]."""
    return BEARS * min(float(robot.gripper().force[1]), float(facts.max_pinch) / 1.05)


def with_grip(table: Table, force: float) -> Table:
    return table | {"grasp": table["grasp"] | {"grip_force": round(force, 3)}}


def gentle(table: Table, robot: fm.RobotModel, facts: ItemFacts) -> float:
    """The grip of the policy [N]: what the hold needs at rest is proportional to its use there."""
    problem = built(table)
    context, held = PlanningContext.of(problem), problem.holds[0]
    force, uses = float(held.grasp.grip_force[1]), []
    for end in ("start", "goal"):
        wrench = context.checks.loads.wrench(context.dynamics.static(np.array([table[end]["q"]]))[0][None], 0)
        uses.append(float(held.contact_model.utilisation(wrench, force).max()) / UTILISATION_MAX)
    least = max(float(robot.gripper().force[0]), LEAST)
    return min(max(SPARE * force * max(uses), least), most(robot, facts))


def drawn(number: int, robot: fm.RobotModel, refusals: Counter[str]) -> list[Table]:
    rng = np.random.default_rng([30, number])
    rows = [row for row in fm.known_items() if row.mass <= HEAVIEST]
    radius, opening = robot.suction_cup().radius, float(robot.gripper().opening[1])
    while True:
        facts = lying(rows[int(rng.integers(len(rows)))], rng)
        refusals["drawn"] += 1
        off = aside(facts, radius, rng) if facts.shape != "sphere" else None
        reasons = ["too wide or too low for the fingers"] if not small_enough(facts, opening) else []
        reasons += ["no flat face for the cup on top"] if off is None else []
        if not reasons and off is not None:
            found = pair(f"tote/{facts.id}/{number}", facts, robot, off, rng)
            if not isinstance(found, str):
                return found
            reasons = [found]
        refusals["; ".join(reasons)] += 1


def pair(name: str, facts: ItemFacts, robot: fm.RobotModel, off: float, rng: np.random.Generator) -> list[Table] | str:
    """The same transfer by fingers and by cup, or why there is none."""
    vacuum = float(robot.suction_cup().force[0])
    if most(robot, facts) < float(robot.gripper().force[0]):
        return "pinch: the item bears less than the fingers' least force"
    for _ in range(TRIES):
        scene = totes(rng, np.asarray(facts.size))
        ends = (stood(scene[1], facts, False), stood(scene[2], facts, False))
        trials = {
            how: with_grip(transfer(name, how, pose, facts, scene), most(robot, facts) if how == "pinch" else vacuum)
            for how, pose in grasps(facts, robot, off).items()
        }
        if reasons := [reason for how, table in trials.items() if (reason := no_hold(table, how))]:
            return "; ".join(reasons)
        tables = []
        for how, table in trials.items():
            there = with_ends(table, ends, READY[ROBOT])
            if there is None:
                break
            if how == "pinch":
                there = with_grip(there, gentle(there, robot, facts))
            if refused(built(there)):
                break
            tables.append(there)
        if len(tables) == 2:
            return tables
    return "no free place that is within reach"


def no_hold(table: Table, how: str) -> str:
    """Why the item cannot be held at rest where it is taken from, upright under a hand that points down; empty where it can."""
    try:
        trial = built(table | {"start": {"q": list(READY[ROBOT])}, "goal": {"q": list(READY[ROBOT])}})
    except FastMoveError as error:
        return f"{how}: refused ({type(error).__name__})"
    if overlapping(trial):
        return f"{how}: more of the hand than its pads or lip would touch it"
    held, down, uses = trial.holds[0], np.array([0.0, 0.0, -1.0]), []  # the force on the item is along the hand's −z, up
    for body in held.bodies:
        force = 9.81 * body.mass * down
        wrench = np.concatenate([force, np.cross(body.lever, force)])
        uses.append(float(held.contact_model.utilisation(wrench, float(held.grasp.grip_force[1]))))
    return "" if max(uses) <= 0.9 else f"{how}: cannot hold it at rest"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--out", type=Path, default=Path("problems/sets"))
    options = parser.parse_args()
    problem_file.load_robot = cache(problem_file.load_robot)  # the same robot for thousands of problems
    robot, refusals, lines = fm.load_robot(ROBOT), Counter[str](), []
    for number in range(options.count):
        lines += drawn(number, robot, refusals)
        print(f"\r{number + 1} of {options.count}", end="", flush=True)
    name = f"headline-{options.count}"
    (options.out / f"{name}.jsonl").write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    (options.out / f"{name}.json").write_text(json.dumps({"kept": options.count, **refusals}, indent=1) + "\n")
    print(f"\n{name}: {dict(refusals)}")


if __name__ == "__main__":
    main()
