"""Contact models: the wrenches that a pinch or a suction cup can carry, one module for each model."""
