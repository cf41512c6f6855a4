"""The planner: goals searched, motions solved, certified, repaired, replanned, ranked."""
