"""Robots: the model, its limits, gripper or suction cup, and the files they come from."""
