"""Contact: what wrench a pinch or a suction cup can carry, a file for each model."""
