"""Kinematics and efforts of the arm with what it holds, for all samples at once, with derivatives."""
