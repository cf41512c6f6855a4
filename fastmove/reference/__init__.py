"""A second optimiser, to hold the first one to account: one nonlinear program over the whole motion (IPOPT)."""
