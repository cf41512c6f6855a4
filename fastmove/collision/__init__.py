"""Signed distances between bodies along a motion, and their gradients, for the optimiser and the path search."""
