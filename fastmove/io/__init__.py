"""Reading and writing of problem, trajectory and grasp files: every field is checked, every write is atomic."""
