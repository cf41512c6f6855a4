"""A batch: twenty random transfers of the Panda in free space, planned in two processes, against the lower bound of each."""

import time

import numpy as np

import fastmove as fm

if __name__ == "__main__":  # new processes import this file again
    robot, rng = fm.load_robot("panda"), np.random.default_rng(1)
    limits = robot.limits["fer"]
    low, high = limits.position_min + 0.4, limits.position_max - 0.4
    problems = []
    for k in range(20):
        start, goal = (fm.State.rest(rng.uniform(low, high)), fm.Goal([rng.uniform(low, high)]))
        problems.append(fm.TransferProblem(f"random {k}", robot, (), fm.Scene(), start, goal, "fer"))
    begin = time.perf_counter()
    solutions = fm.plan_batch(problems, jobs=2)
    took = time.perf_counter() - begin
    ratios = np.array([s.duration / s.lower_bound for s in solutions if s.ok])
    refused = [s.detail for s in solutions if not s.ok]
    print(f"{len(ratios)} of {len(problems)} certified in {took:.1f} s")
    print(f"duration over its bound: median {np.median(ratios):.4f}, worst {ratios.max():.3f}")
    print(f"{len(refused)} not, as: {refused[0] if refused else '–'}")
