"""Search before optimisation: time bounds, inverse kinematics, collision-free paths and initial guesses."""
