"""The only code that planner and certificate share: the body tree, its inverse dynamics and its bounding volumes."""
