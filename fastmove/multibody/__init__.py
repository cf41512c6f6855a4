"""What planner and certificate share besides the nouns: the body tree, its inverse dynamics and its bounding volumes."""
