"""Problems: items, grasps, scenes, goals, and the transfer they make up."""
