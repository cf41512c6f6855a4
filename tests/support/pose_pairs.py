"""Whether ends given as poses are ever slower than the best of their configurations given as joints, over random pairs.

    python tests/support/pose_pairs.py [--pairs 200] [--robots ur5e,xarm7,panda] [--out pose-pairs.jsonl]

A pair is two free configurations of a bare arm.  Its goal as a pose of the tool (a link, without a gripper) is planned once; the
best configuration as joints is the fastest of the plans to the drawn one and to those of `BEST` inverse-kinematics solutions from
`MANY` random starts that have the least lower bounds, whole turns included.  Starts likewise.  Resumes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pinocchio as pin

import fastmove as fm
from fastmove.multibody.assembly import assemble, goal_frame
from fastmove.search.ik import _Solver, _starts, nearest_turns
from fastmove.search.time_bound import lower_bound

MANY, BEST = 400, 4
SLOWER = 1.01


def robot(name: str) -> tuple[fm.RobotModel, str]:
    """A robot and the frame that its poses place."""
    if name != "xarm7":
        return fm.load_robot(name), "tool"
    data = fm.example_robot_data()
    return fm.RobotModel.from_urdf(data / "robots/xarm_description/urdf/xarm7.urdf", packages=[data.parent]), "link7"


def pair(model: fm.RobotModel, number: int) -> fm.TransferProblem:
    """A bare transfer between two random free configurations."""
    rng, limits = np.random.default_rng([29, number]), model.limit_set()
    low, high = np.maximum(limits.position_min, -np.pi), np.minimum(limits.position_max, np.pi)
    while True:
        start, goal = rng.uniform(low, high, (2, model.n_arm))
        try:
            problem = fm.TransferProblem(
                f"pair {number}", model, (), fm.Scene(), fm.State.rest(start), fm.Goal(goal[None]), model.default_limits
            )
            if fm.plan(problem).ok:
                return problem
        except fm.InputError:
            continue


def pose_of(problem: fm.TransferProblem, q: np.ndarray, of: str) -> fm.GoalPose:
    """The pose of a frame at q (n,)."""
    region = fm.GoalPose(pin.SE3.Identity(), of)
    assembly = assemble(problem)
    joint, placement = goal_frame(assembly, problem.robot, region)
    data = assembly.arm.createData()
    pin.forwardKinematics(assembly.arm, data, q)
    return fm.GoalPose(data.oMi[joint] * placement, of)


def solutions(problem: fm.TransferProblem, pose: fm.GoalPose, near: np.ndarray) -> np.ndarray:
    """Many configurations (K, n) at a pose, near another in whole turns."""
    assembly = assemble(problem)
    solver = _Solver(problem, assembly.arm, *goal_frame(assembly, problem.robot, pose))
    q = solver.solve(pose.placement, _starts(problem, np.random.default_rng(7), MANY))
    return nearest_turns(problem, q, near)


def best_of(problem: fm.TransferProblem, pose: fm.GoalPose, drawn: np.ndarray, other: np.ndarray, end: str) -> float:
    """Least duration between `other` and the configurations of a pose at this end, given as joints."""
    limits, found = problem.limit_set, [drawn, *solutions(problem, pose, other)]
    found = [q for q in found if np.abs(q - other).max() > 1e-3]
    bounds = [lower_bound(fm.State.rest(other), q, limits).duration for q in found]
    times = []
    for k in sorted({0, *np.argsort(bounds, kind="stable")[:BEST].tolist()}):
        start, goal = (other, found[k]) if end == "goal" else (found[k], other)
        try:
            solution = fm.plan(problem.with_(start=fm.State.rest(start), goal=fm.Goal(goal[None])))
        except fm.InputError:
            continue
        times.append(solution.duration if solution.ok else np.inf)
    return min(times)


def measured(name: str, number: int) -> dict[str, object]:
    """One pair: durations by pose and by the best joints, for goal and start."""
    model, of = robot(name)
    problem = pair(model, number)
    start, goal = np.array(problem.start.q), np.array(problem.goal.configurations[0])
    to, back = pose_of(problem, goal, of), pose_of(problem, start, of)
    by_goal = fm.plan(problem.with_(goal=fm.Goal.at(to)))
    by_start = fm.plan(problem.with_(start=fm.State.at(back)))
    joints = {
        "goal_joints": best_of(problem, to, goal, start, "goal"),
        "start_joints": best_of(problem, back, start, goal, "start"),
    }
    said = {f"{end}_status": by.status.name for end, by in (("goal", by_goal), ("start", by_start))}
    return {"robot": name, "pair": number, "goal": by_goal.duration, "start": by_start.duration, **joints, **said}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--robots", default="ur5e,xarm7,panda")
    parser.add_argument("--out", type=Path, default=Path("pose-pairs.jsonl"))
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    done = {(row["robot"], row["pair"]) for row in rows}
    names = options.robots.split(",")
    with options.out.open("a") as file:
        for number in range(options.pairs):
            name = names[number % len(names)]
            if (name, number) not in done:
                rows.append(measured(name, number))
                file.write(json.dumps(rows[-1]) + "\n")
                file.flush()
    for end in ("goal", "start"):
        ratios = np.array([row[end] / row[f"{end}_joints"] for row in rows])
        worst = rows[int(np.argmax(ratios))]
        print(
            f"{end}: {len(ratios)} pairs, pose / best joints: median {np.median(ratios):.4f}, least {ratios.min():.4f}, largest "
            f"{ratios.max():.4f} ({worst['robot']} {worst['pair']}), above {SLOWER:g}: {int((ratios > SLOWER).sum())}, "
            f"OPTIMAL {sum(row[f'{end}_status'] == 'OPTIMAL' for row in rows)}"
        )


if __name__ == "__main__":
    main()
