"""A transfer on a real arm, with digital signals: python 15_real_arm.py ur:192.168.1.20,grip_input=2 (docs: Real arms)."""

import sys

import numpy as np

import fastmove as fm

name, _, address = (sys.argv[1] if len(sys.argv) > 1 else "kinematic").partition(":")
problem = fm.load_problem("heavy_jar").with_(scene=fm.Scene())
if name != "kinematic":
    problem = fm.on_robot(problem, fm.load_robot("fr3" if name == "franka" else "ur5e"))
solution = fm.plan(problem, fm.Options(reserve=0.1)).raise_for_status()
lamp = [fm.Signal(at=0.5 * solution.duration, output=0)] if name in ("ur", "egm") else []

with fm.registries.drivers.get(name)(problem, address) as driver:
    with fm.Execution(driver, solution, signals=lamp) as run:
        run.start()  # refused where arm, payload, speed slider or grip are not as planned
        report = run.wait()
    print(report)  # what the arm could not say is in it, and what happened
    if not report.ok:
        driver.recover()  # after a protective stop, a reflex, a lost line: the arm is where it is
    print(f"{np.abs(driver.read().q - np.array(problem.goal.configurations[0])).max():.1e} rad from the goal")
