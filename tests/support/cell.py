"""Shifts of picks in physics: twenty items from a crowded tote to a sorter wall (`make cell`), and what is measured on them.

    python tests/support/cell.py [--items 20] [--shifts 1] [--seed 0] [--uncertain] [--experience DIR] [--cold N] [--separate]
                                 [--live] [--preview P.html] [--out cell.jsonl]

One line of JSON for every cycle.  With `--experience` later shifts begin from motions of earlier ones; with `--cold N` the last N
cycles are planned without it, too; with `--separate` each cycle is planned as motions of their own with stops in between as well:
up, across, down, up with the item, across, down.  With `--uncertain` items are planned for a set, what is there is drawn from it.
With `--live` a process plans the next cycle while one takes as long as it takes.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pinocchio as pin

import fastmove as fm
from fastmove.cycle.empty_hand import Fingers, empty_way
from fastmove.cycle.shift import LATE
from fastmove.problem.uncertainty import Uncertainty
from fastmove.viz.shift import shift_html

DOWN = np.diag([1.0, -1.0, -1.0])
READY = np.array([0.0, -0.3, 0.0, -2.2, 0.0, 1.9, 0.785])
ROWS, COLUMNS = 5, 4
TOTE = np.array([0.46, 0.30])  # middle of the tote on the table [m]
WALL = np.array([0.46, -0.30])  # middle of the sorter [m]
PITCH = np.array([0.075, 0.07])  # of items in the tote [m]
POCKET = np.array([0.08, 0.085])  # of pockets in the sorter [m]
STEP_UP = 0.015  # by which each row of pockets is higher than the one before [m]
ABOVE = 0.10  # height above its ends at which separately planned motions stop [m]
SET = Uncertainty(mass=0.1, com=np.full(3, 0.003), friction=0.1, grip_force=0.05)


def box(name: str, size: tuple[float, ...], at: tuple[float, ...]) -> fm.Obstacle:
    return fm.Obstacle(name, fm.Shape("box", np.array(size), placement=pin.SE3(np.eye(3), np.array(at))))


def place(middle: np.ndarray, pitch: np.ndarray, k: int) -> np.ndarray:
    """Where cell k of a grid is on the table (2,) [m]."""
    row, column = divmod(k, COLUMNS)
    return middle + pitch * (np.array([row, column]) - np.array([ROWS - 1, COLUMNS - 1]) / 2)


def surroundings() -> tuple[fm.Obstacle, ...]:
    """Table, the walls of the tote, and the sorter: a stair of pockets with dividers between them."""
    parts = [box("table", (1.2, 1.6, 0.05), (0.4, 0.0, -0.025))]
    length, width = PITCH * [ROWS, COLUMNS] + [0.02, 0.06]  # room for fingers beside the outer items
    for side in (-1, 1):
        parts.append(box(f"tote_x{side:+d}", (0.005, width, 0.10), (TOTE[0] + side * length / 2, TOTE[1], 0.05)))
        parts.append(box(f"tote_y{side:+d}", (length, 0.005, 0.10), (TOTE[0], TOTE[1] + side * width / 2, 0.05)))
    for row in range(ROWS):
        x, floor = place(WALL, POCKET, row * COLUMNS)[0], 0.02 + row * STEP_UP
        parts.append(box(f"shelf_{row}", (POCKET[0] - 0.004, POCKET[1] * COLUMNS, floor), (x, WALL[1], floor / 2)))
        for column in range(COLUMNS + 1):
            y = WALL[1] + (column - COLUMNS / 2) * POCKET[1]
            parts.append(box(f"divider_{row}_{column}", (POCKET[0] - 0.004, 0.003, 0.03), (x, y, floor + 0.015)))
    return tuple(parts)


def picks(count: int, seed: int, uncertain: bool = False) -> list[fm.TransferProblem]:
    """The picks: boxes of several sizes that stand in the tote, each to go into a pocket of its own."""
    rng, panda, scene = np.random.default_rng(seed), fm.load_robot("panda"), surroundings()
    order, found = rng.permutation(ROWS * COLUMNS), []
    for k in range(count):
        size = np.array([rng.uniform(0.04, 0.055), rng.uniform(0.02, 0.035), rng.uniform(0.09, 0.115)])
        shapes, mass = (fm.Shape("box", size),), float(rng.uniform(0.1, 0.4))
        item = fm.Item(f"item {k}", shapes, (fm.Inertial(mass, *fm.solid_inertia(shapes, mass)),), 60.0)
        grasp = fm.Grasp(pin.SE3(DOWN, np.array([0.0, 0.0, size[2] / 2 - 0.012])), 0.5, np.array([20.0, 50.0]))
        held = fm.hold(panda.gripper(), item, grasp, SET) if uncertain else fm.hold(panda.gripper(), item, grasp)
        pocket = int(order[k])
        floor = 0.02 + pocket // COLUMNS * STEP_UP
        ends = [(*place(TOTE, PITCH, k), size[2] / 2), (*place(WALL, POCKET, pocket), floor + size[2] / 2)]
        goals = [fm.GoalPose(pin.SE3(np.eye(3), np.array(end))) for end in ends]
        contacts = (fm.AllowedContact("table", "start"), fm.AllowedContact(f"shelf_{pocket // COLUMNS}", "goal"))
        open_ = fm.TransferProblem(
            f"item {k}", panda, (held,), fm.Scene(scene, contacts), fm.State.rest(READY), fm.Goal.at(goals[1]), "fer"
        )
        start = fm.ik(open_, goals[0], near=READY)[0]
        goal = fm.ik(open_, goals[1], near=start)[0]
        found.append(open_.with_(start=fm.State.rest(start), goal=fm.Goal(np.array(goal)[None])))
    return found


def drawn(problem: fm.TransferProblem, rng: np.random.Generator) -> fm.TransferProblem:
    """What is really there, drawn from the problem's set."""
    return problem.with_(holds=(problem.holds[0].sample(rng),))


# -- the same cycle as motions of their own -----------------------------------------------------------------------------


def raised(problem: fm.TransferProblem, q: np.ndarray) -> np.ndarray:
    """The configuration with the hand `ABOVE` higher, nearest to q."""
    there = fm.pose_at(problem, q)
    there.translation = there.translation + np.array([0, 0, ABOVE])
    return np.array(fm.ik(problem, there, near=q)[0])


def separate(cycle: fm.PickCycle, before: np.ndarray) -> float:
    """Time of the cycle as six motions with stops in between [s]; nan where one of them cannot be planned."""
    problem, fingers = cycle.transfer.problem, Fingers.of(cycle.problem)
    picked, placed = np.array(problem.start.q), np.array(problem.goal.configurations[0])
    there = tuple(o for o in cycle.approach.problem.scene.obstacles if o.name not in {p.name for p in problem.scene.obstacles})
    bare = empty_way(problem, before, picked, there, cycle.fingers.opening, 0.25)
    up_before, up_pick = (np.array(raised(bare.with_(constraints=()), q)) for q in (before, picked))
    up_carried, up_place = raised(problem, picked), raised(problem, placed)
    total = fingers.travel + fingers.close + fingers.release + fingers.apart
    for start, goal in ((before, up_before), (up_before, up_pick), (up_pick, picked)):
        way = empty_way(problem, start, goal, there, cycle.fingers.opening, 0.25)
        total += fm.plan(way if goal is picked else way.with_(constraints=())).duration
    scene = problem.scene
    for start, goal, at in ((picked, up_carried, "start"), (up_carried, up_place, ""), (up_place, placed, "goal")):
        contacts = tuple(c for c in scene.allowed_contacts if c.at == at)
        part = problem.with_(
            start=fm.State.rest(start), goal=fm.Goal(goal[None], opens_hand=at == "goal"),
            scene=replace(scene, allowed_contacts=contacts),
        )  # fmt: skip
        total += fm.plan(part).duration
    return float(total)


# -- the run --------------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=ROWS * COLUMNS)
    parser.add_argument("--shifts", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--uncertain", action="store_true")
    parser.add_argument("--experience", type=Path)
    parser.add_argument("--cold", type=int, default=0)
    parser.add_argument("--separate", action="store_true")
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--preview", type=Path)
    parser.add_argument("--out", type=Path, default=Path("cell.jsonl"))
    options = parser.parse_args()
    options.out.write_text("")
    experience = None if options.experience is None else fm.Experience(options.experience)
    rows: list[dict] = []
    for shift in range(options.shifts):
        one_shift(options, options.seed + shift, experience, rows)
    summary(rows, options)


def one_shift(options: argparse.Namespace, seed: int, experience: fm.Experience | None, rows: list[dict]) -> None:
    """Plan and run one shift, and write a line for every cycle."""
    rng, at = np.random.default_rng([seed, 1]), [READY]
    whole = options.shifts * options.items

    def carried_out(one: fm.ShiftCycle) -> bool:
        begun = time.perf_counter()
        truth = drawn(one.cycle.transfer.problem, rng) if options.uncertain else None
        run = fm.run_cycle(one.cycle, truth)
        row = {"seed": seed, "pick": one.pick, "cycle_s": one.cycle.duration, "planning_s": one.planning} | run.as_json()
        row["phases"] = {phase.name: phase.duration for phase in one.cycle.phases}
        problems = [one.cycle.transfer.problem, one.cycle.approach.problem]
        row["motions_s"] = [one.cycle.transfer.duration, one.cycle.approach.duration]
        if len(rows) >= whole - options.cold and options.cold:
            begin = time.perf_counter()
            row["cold_s"] = [fm.plan(problem).duration for problem in problems]
            row["cold_planning_s"] = time.perf_counter() - begin
        if options.separate:
            row["separate_s"] = separate(one.cycle, at[0])
        at[0] = one.cycle.transfer.trajectory.position(one.cycle.transfer.duration)
        rows.append(row)
        with options.out.open("a") as file:
            file.write(json.dumps(row) + "\n")
        if options.live:
            time.sleep(max(0.0, one.cycle.duration - (time.perf_counter() - begun)))
        return run.event is not fm.CycleEvent.NOT_GRIPPED

    asked = picks(options.items, seed, options.uncertain)
    report = fm.plan_shift(asked, READY, experience=experience, carried_out=carried_out, beside=options.live)
    print(report)
    if options.preview:
        options.preview.write_text(shift_html(report))
    if options.live:
        late = sum(wait > LATE for wait in report.waited[1:])
        print(f"  {len(report.waited) - 1 - late} of {len(report.waited) - 1} cycles after the first were planned in time")


def summary(rows: list[dict], options: argparse.Namespace) -> None:
    """Print what the lines come to."""
    moving = sum(row["cycle_s"] for row in rows)
    print(f"{len(rows)} cycles, {3600 * len(rows) / moving:.0f} units an hour; planning median "
          f"{np.median([row['planning_s'] for row in rows]):.2f} s of one core")  # fmt: skip
    touched = sum(len(row["contacts"]) for row in rows)
    events, verdicts = (dict(Counter(row[key] for row in rows)) for key in ("event", "verdict"))
    worst = max(row["placed_mm"] for row in rows)
    print(f"in physics: {events}, {verdicts}, {touched} contacts that were not asked for, at most {worst:.2f} mm from the goal")
    cold = [row for row in rows if "cold_s" in row]
    if cold:
        share = np.median([r["planning_s"] for r in cold]) / np.median([r["cold_planning_s"] for r in cold])
        longer = [m / c for r in cold for m, c in zip(r["motions_s"], r["cold_s"], strict=True)]
        print(f"with experience, last {len(cold)} cycles: planned in {share:.2f} of the cold time (medians); a motion at most "
              f"{max(longer):.4f} × the cold one, {np.mean(np.array(longer) > 1.01):.1%} of them above 1.01")  # fmt: skip
    apart = [row["cycle_s"] / row["separate_s"] for row in rows if np.isfinite(row.get("separate_s", np.nan))]
    if apart:
        print(f"against motions of their own with stops: {np.exp(np.mean(np.log(apart))):.3f} × (geometric mean of {len(apart)})")


if __name__ == "__main__":
    main()
