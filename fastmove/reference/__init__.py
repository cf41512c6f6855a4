"""A second optimiser that checks the planner's results: one nonlinear program over the whole motion, solved by IPOPT."""
