"""Changes in flight: a belt that pauses while the arm moves, then a goal that moves; the log is drawn by `fastmove replay`."""

import time

import numpy as np

import fastmove as fm

solution = fm.plan("heavy_jar", fm.Options(reserve=0.1)).raise_for_status()
moved = solution.trajectory.position(solution.duration) + np.array([0.05, 0, 0, 0, 0, 0, 0])

with fm.drivers.KinematicDriver(solution.problem) as driver, fm.Execution(driver, solution) as run:
    run.start()
    time.sleep(0.12)  # the arm moves; the belt stops
    run.pause()
    run.wait_for_rest()
    time.sleep(0.5)  # it goes on
    run.resume().wait()
    reply = run.replan(goal=fm.Goal([moved]), deadline=0.2)  # and the goal is elsewhere now
    print(reply.wait().event.value)
    print(run.wait())
    run.log().save("flight.npz")  # fastmove replay flight.npz --html flight.html
    print(f"from the new goal: {np.abs(driver.read().q - moved).max():.1e} rad")
