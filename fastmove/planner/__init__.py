"""Planning: motions to goals, replanning, retiming, ranking of grasps, and prices of limits."""
