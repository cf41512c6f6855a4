"""A first plan: a light bulb into a tray, what limits it, and the motion in three formats and as a page to look at."""

import fastmove as fm

problem = fm.load_problem("light_bulb")  # one of fm.known_problems(); a path works as well
solution = fm.plan(problem).raise_for_status()
print(solution.explain())

for ending in ("npz", "csv", "yaml"):
    fm.save_trajectory(f"bulb.{ending}", problem, solution.trajectory)
fm.write_preview("bulb.html", solution)  # pip install 'fastmove[view]'
print(f"{solution.duration:.3f} s, certified: {solution.certificate.ok}; open bulb.html")
