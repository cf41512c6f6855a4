"""Trajectories as B-splines, as piecewise polynomials, and as phases joined in time."""
