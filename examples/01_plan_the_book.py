"""Plan the book transfer, look at what limits it, save it in three formats."""

from pathlib import Path

import fastmove as fm

problem = fm.load_problem(Path(__file__).parent.parent / "problems" / "book_to_tote.toml")
solution = fm.plan(problem).raise_for_status()
print(solution)
print(solution.explain())

for ending in ("npz", "csv", "yaml"):
    fm.save_trajectory(f"book.{ending}", problem, solution.trajectory)
