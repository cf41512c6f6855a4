"""Finding: bounds, inverse kinematics, paths and first motions, before anything is optimised."""
