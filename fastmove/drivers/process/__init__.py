"""A process of our own that runs hardware: what is said between it and ours, and both ends."""
