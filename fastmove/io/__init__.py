"""Files: problems, trajectories, grasps; read with checks, written whole or not at all."""
