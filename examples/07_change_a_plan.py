"""A goal that moves while the arm does: a new motion from where the arm will be, joined without a jump, and the way back out."""

import numpy as np

import fastmove as fm

problem = fm.load_problem("heavy_jar").with_(scene=fm.Scene())
solution = fm.plan(problem).raise_for_status()
at = 0.25  # [s] ahead: by then the new motion must be there

goal = problem.goal.configurations[0] + np.array([0.15, 0.05, 0, 0, 0, 0, 0])
change = fm.replan(solution, at, goal=fm.Goal([goal]))
print("a held stop" if change.stops else "a new motion", f"of {change.solution.duration:.3f} s from {at} s on")

with fm.drivers.KinematicDriver(problem) as driver:
    execution = fm.Execution(driver, solution)
    execution.splice(at, change.solution.raise_for_status())
    report = execution.run()
print(f"{report.event.value}; {report.cycles} commands, the whole motion {at + change.solution.duration:.3f} s")
joined = execution.trajectory
print(f"jump where they join: {np.abs(joined.velocity(at + 1e-9) - joined.velocity(at - 1e-9)).max():.1e} rad/s")
