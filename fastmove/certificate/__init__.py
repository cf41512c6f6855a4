"""The certificate: every limit of a motion, recomputed by code that cannot import the planner.

The two share only the description of the problem, the body tree and its bounding volumes (`multibody`).
"""
