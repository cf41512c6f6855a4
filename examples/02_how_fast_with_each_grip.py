"""A grasp planner's question: how fast could I move with each of these grips?  One warm planner, many grasps of one item."""

import numpy as np

import fastmove as fm

problem = fm.load_problem("book_to_tote")
problem = problem.with_(scene=fm.Scene())  # in free space: arm and hold alone decide
item, gripper, planner = problem.holds[0].item, problem.robot.gripper(), fm.Planner()

print("pads beside the centre   grip   duration   bound    what limits it")
for beside in (0.0, 0.015, 0.03, 0.05):
    for force in (18.0, 36.0, 70.0):
        grasp = fm.Grasp(fm.pose((beside, 0.0, 0.085), (1, 0, 0, 0)), 0.5, np.array([force, force]))
        solution = planner.plan(problem.with_(holds=(fm.hold(gripper, item, grasp),)))
        verdict = f"{solution.duration:7.3f} s {solution.lower_bound:7.3f} s  " if solution.ok else "refused: "
        reason = fm.limiting_shares(solution)[0][0] if solution.ok else solution.detail
        print(f"{beside * 1e3:16.0f} mm {force:9.0f} N {verdict} {reason}")
