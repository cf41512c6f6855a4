"""Distances between bodies along a motion, with gradients: what the optimiser and the path search ask."""
