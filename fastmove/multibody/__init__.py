"""What planner and certificate share, and all that they share: the body tree, its dynamics, volumes around it."""
