"""Definition of a transfer problem: items, grasps, scenes, goals, tolerances and uncertainties."""
