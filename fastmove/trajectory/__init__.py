"""Trajectories: B-splines, piecewise polynomials, phases joined in time."""
