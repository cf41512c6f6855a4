"""Streaming to hardware: the certified motion, a command each cycle, to simulated hardware that can drop the jar."""

import fastmove as fm

solution = fm.plan(fm.load_problem("heavy_jar")).raise_for_status()
outcome = fm.run_transfer(solution, "mujoco")  # pip install 'fastmove[sim]'; yours: docs/extend/driver.py
print(outcome)
print(f"verdict: {outcome.verdict.name}, the jar moved {1e3 * outcome.slip:.3f} mm in the hand")
