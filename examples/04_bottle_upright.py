"""What keeping something upright costs: a full cup carried across, leaning or spilling by at most so much."""

from dataclasses import replace

import numpy as np

import fastmove as fm

problem = fm.load_problem("open_cup")
held = problem.holds[0]
ways = {
    "however it likes": fm.Tolerance(),
    "leaning by 5°": fm.Tolerance(upright=np.radians(5.0)),
    "open: its surface leans by 12°": fm.Tolerance(tilt=np.radians(12.0)),  # the hand then tilts with the acceleration
}
print("carried                         duration   what limits it for the longest time")
for words, tolerates in ways.items():
    item = replace(held.item, tolerates=tolerates)
    solution = fm.plan(problem.with_(holds=(fm.hold(held.gripper, item, held.grasp),)))
    what = fm.limiting_shares(solution)[0][0] if solution.ok else solution.detail
    print(f"{words:<31} {solution.duration:7.3f} s   {what}")
