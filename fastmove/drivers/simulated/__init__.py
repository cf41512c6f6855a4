"""Simulated hardware: arm, hand, item and obstacles in MuJoCo, how they are played, and what is read off them."""
